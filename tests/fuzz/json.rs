//! JSON, and what is nearly JSON: numbers in every spelling, strings with every escape, duplicate members, depth.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::pieces::{Bytes, like, one_of, run_of, weighted};

/// Values that are right somewhere in the contract.
const GOOD: [&str; 14] = [
    "1",
    "2",
    "3",
    "12.5",
    "19.99",
    "0",
    "100",
    "10000",
    "\"A-1\"",
    "\"PAID\"",
    "\"SHIPPED\"",
    "\"CANCELED\"",
    "\"a b\"",
    "null",
];

const NUMBERS: [&str; 38] = [
    "-0",
    "-0.0",
    "0.0",
    "0e0",
    "1.0",
    "1.00",
    "1.10",
    "1.000000000000000000000000001",
    "1e0",
    "1E+2",
    "1e-2",
    "100e-2",
    "0.01e2",
    "1e18",
    "1e19",
    "1e400",
    "1e-400",
    "0e999999999999999999999",
    "1e999999999999999999999",
    "1e-999999999999999999999",
    "19.990000000000000001",
    "0.005",
    "0.001",
    "1000000.00",
    "1000000.01",
    "1000000000",
    "1000000001",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "999999999999.99",
    "1000000000000",
    "0.1e1",
    "1.5e1",
    "123456789.12e-2",
    "-1",
];

const NO_NUMBERS: [&str; 15] = [
    "01",
    "-01",
    "+1",
    ".5",
    "5.",
    "1e",
    "1e+",
    "0x10",
    "NaN",
    "Infinity",
    "-Infinity",
    "-",
    "1_000",
    "1,5",
    "--1",
];

const IN_STRINGS: [&str; 33] = [
    "a",
    "B",
    "0",
    "-",
    ".",
    "_",
    " ",
    "\\n",
    "\\t",
    "\\/",
    "\\\\",
    "\\\"",
    "\\u0000",
    "\\u0041",
    "\\u00e9",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\ude00",
    "\\udE00\\uD83d",
    "\\u12",
    "\\x41",
    "\\",
    "\u{0}",
    "\n",
    "\u{7f}",
    "é",
    "€",
    "\u{2028}",
    "\u{feff}",
    "\u{202e}",
    "😀",
    "<b>",
    "PAID",
];

/// A JSON value, right or not, with members of these names.
pub(crate) fn value(names: &[String]) -> Bytes {
    let leaf = weighted(vec![
        (6, one_of(&GOOD)),
        (4, number()),
        (4, string()),
        (1, one_of(&["null", "true", "false", "{}", "[]"])),
        (
            1,
            one_of(&[
                "True",
                "nul",
                "undefined",
                "'a'",
                "",
                "/*c*/1",
                "1//c",
                "{,}",
                "[1,]",
                "{\"a\":}",
                "{a:1}",
            ]),
        ),
    ]);
    let names = names.to_vec();
    leaf.prop_recursive(3, 24, 6, move |inner| {
        let array = vec(inner.clone(), 0..4).prop_map(|values| enclosed(b'[', &values, b']'));
        weighted(vec![(1, array.boxed()), (2, object(&names, inner.boxed()))])
    })
    .boxed()
}

/// An object with members of these names, some of them more than once, and of others.
pub(crate) fn object(names: &[String], value: Bytes) -> Bytes {
    let known = select(
        names
            .iter()
            .map(|name| format!("\"{name}\"").into_bytes())
            .collect::<Vec<_>>(),
    )
    .boxed();
    let odd = one_of(&[
        "\"id\"",
        "\"x\"",
        "\"\"",
        "\"\\u0070rice\"",
        "\"__proto__\"",
        "\"\\ud800\"",
        "1",
        "null",
        "",
    ]);
    let name = weighted(vec![(12, known), (1, odd), (1, string())]);
    let colon = weighted(vec![
        (30, one_of(&[":"])),
        (2, one_of(&[" : ", "\t:\n"])),
        (1, one_of(&["", "::", "="])),
    ]);
    let member = (name, colon, value).prop_map(|(name, colon, value)| [name, colon, value].concat());
    vec(member, 0..7)
        .prop_map(|members| enclosed(b'{', &members, b'}'))
        .boxed()
}

/// An object made from an example: some of its members replaced, left out, repeated, or others added.
pub(crate) fn near(example: &serde_json::Value, names: &[String]) -> Bytes {
    let members = example.as_object().into_iter().flatten();
    let kept = members.map(|(name, good)| {
        let name = format!("\"{name}\":").into_bytes();
        let good = Just(good.to_string().into_bytes()).boxed();
        let value = weighted(vec![(16, good), (2, one_of(&GOOD)), (2, value(names))]);
        let named = value.prop_map(move |value| [name.clone(), value].concat());
        prop_oneof![24 => vec(named.clone(), 1..=1), 1 => vec(named, 0..=2)]
    });
    let added = prop_oneof![12 => Just(Vec::new()), 1 => vec(added(names), 1..=2)];
    (kept.collect::<Vec<_>>(), added)
        .prop_map(|(kept, added)| enclosed(b'{', &[kept.concat(), added].concat(), b'}'))
        .boxed()
}

fn added(names: &[String]) -> Bytes {
    let name = weighted(vec![
        (3, one_of(&["\"price\"", "\"stock\"", "\"x\"", "\"\""])),
        (1, string()),
    ]);
    (name, value(names))
        .prop_map(|(name, value)| [name, b":".to_vec(), value].concat())
        .boxed()
}

/// A text that was JSON, damaged or wrapped as a whole.
pub(crate) fn damaged(text: Bytes) -> Bytes {
    let cut = (text.clone(), any::<Index>()).prop_map(|(mut text, at)| {
        text.truncate(at.index(text.len() + 1));
        text
    });
    let inserted = (text.clone(), any::<Index>(), vec(any::<u8>(), 1..4)).prop_map(|(mut text, at, bytes)| {
        let at = at.index(text.len() + 1);
        text.splice(at..at, bytes);
        text
    });
    let wrapped = (
        text.clone(),
        select(vec!["[", "{\"a\":", "  ", "\u{feff}", "1 ", "\u{0}", "{\"price\":"]),
        1..200_usize,
    );
    let wrapped = wrapped.prop_map(|(text, open, times)| [open.repeat(times).into_bytes(), text].concat());
    let followed = (text.clone(), select(vec!["}", " ", "{}", ",", "\u{0}", "\n\n", "]"]));
    let followed = followed.prop_map(|(text, more)| [text, more.as_bytes().to_vec()].concat());
    weighted(vec![
        (24, text),
        (1, cut.boxed()),
        (1, inserted.boxed()),
        (1, wrapped.boxed()),
        (1, followed.boxed()),
        (1, vec(any::<u8>(), 0..40).boxed()),
        (1, one_of(&["", "null", "[]", "{}", "\"\"", "0"])),
    ])
}

fn number() -> Bytes {
    weighted(vec![
        (4, one_of(&NUMBERS)),
        (1, one_of(&NO_NUMBERS)),
        (4, like(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?")),
    ])
}

fn string() -> Bytes {
    let invalid = vec(0x80..=0xff_u8, 1..4).boxed();
    let piece = weighted(vec![(12, one_of(&IN_STRINGS)), (1, invalid), (1, like("[a-z]{60,70}"))]);
    let inside = weighted(vec![
        (6, run_of(piece, 5)),
        (3, like("[A-Za-z0-9][A-Za-z0-9._-]{0,20}")),
        (1, like("[ -~]{190,210}")),
    ]);
    inside.prop_map(|inside| [b"\"", &inside[..], b"\""].concat()).boxed()
}

fn enclosed(open: u8, parts: &[Vec<u8>], close: u8) -> Vec<u8> {
    [&[open][..], &parts.join(&b','), &[close]].concat()
}
