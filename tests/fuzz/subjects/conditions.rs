//! Conditional headers on products and orders that are there: lists of entity tags, well-formed and not.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::pieces::{Bytes, Header, Request, header_value, key, one_of, operations_with, path, run_of, weighted};

pub(crate) fn cases() -> Bytes {
    let operation = |methods: &'static [&'static str]| {
        operations_with(move |operation| {
            operation.template.ends_with("/{id}") && methods.contains(&&operation.method[..])
        })
    };
    // What is deleted is not there for the cases after it.
    let operation = prop_oneof![12 => operation(&["GET", "PUT"]), 1 => operation(&["DELETE"])];
    let request = operation.prop_flat_map(|operation| {
        let method = match &operation.method[..] {
            "GET" => one_of(&["GET", "HEAD"]),
            method => one_of(&[method]),
        };
        let body = match &operation.method[..] {
            "PUT" if operation.template.starts_with("/products") => {
                one_of(&["{\"stock\":900}", "{\"price\":2.5}", "{}"])
            }
            "PUT" => one_of(&[
                "{\"quantity\":1}",
                "{\"quantity\":2}",
                "{\"status\":\"PENDING\"}",
                "{\"status\":\"SHIPPED\"}",
            ]),
            _ => Just(Vec::new()).boxed(),
        };
        let conditions = match &operation.method[..] {
            "DELETE" => vec(condition(), 1..3).boxed(),
            _ => vec(condition(), 0..4).boxed(),
        };
        (method, path(&operation.template), key(), conditions, body)
    });
    let request = request.prop_map(|(method, target, mut headers, conditions, body)| {
        headers.extend(conditions);
        if !body.is_empty() {
            headers.push((b"Content-Type".to_vec(), b"application/json".to_vec()));
        }
        let request = Request {
            method,
            target,
            headers,
            body,
            is_chunked: false,
        };
        request.into_bytes()
    });
    request.boxed()
}

fn condition() -> BoxedStrategy<Header> {
    let name = one_of(&[
        "If-Match",
        "If-None-Match",
        "if-match",
        "IF-NONE-MATCH",
        "If-Modified-Since",
        "If-Range",
    ]);
    (
        name,
        weighted(vec![(12, list()), (1, header_value()), (1, long_list())]),
    )
        .boxed()
}

fn list() -> Bytes {
    let tag = weighted(vec![
        (12, one_of(&["\"1\"", "\"2\"", "\"3\"", "\"99\""])),
        (3, one_of(&["W/\"1\"", "W/\"2\"", "W/\"x\""])),
        (
            2,
            one_of(&[
                "*",
                "\"\"",
                "\"a,b\"",
                "\"1, 2\"",
                "\"!#~\"",
                "\"\u{e9}\"",
                "\"01\"",
                "\"+1\"",
                "\"9223372036854775808\"",
            ]),
        ),
        (
            1,
            one_of(&[
                "1",
                "\"1",
                "1\"",
                "w/\"1\"",
                "W/1",
                "W/",
                "\"a b\"",
                "\"a\"b\"",
                "\\\"1\\\"",
                "'1'",
                "\"\t\"",
                "\"1\";q=1",
                "**",
            ]),
        ),
        (1, (0x80..=0xff_u8).prop_map(|byte| vec![b'"', byte, b'"']).boxed()),
    ]);
    let comma = weighted(vec![
        (12, one_of(&[",", ", ", " ,", "\t,\t", " , "])),
        (2, one_of(&[",,", ", ,", " ", ";", "", ",\t,"])),
    ]);
    let tags = (
        tag.clone(),
        run_of(
            (comma.clone(), tag)
                .prop_map(|(comma, tag)| [comma, tag].concat())
                .boxed(),
            4,
        ),
    );
    let tags = tags.prop_map(|(first, more)| [first, more].concat()).boxed();
    let end = one_of(&["", "", "", ",", " ", "\t", " ,", ", ,"]);
    let all = (end.clone(), tags, end).prop_map(|(before, tags, after)| [before, tags, after].concat());
    weighted(vec![
        (12, all.boxed()),
        (1, one_of(&["", " ", ",", "*", " * ", "*,*", "*, \"1\""])),
    ])
}

fn long_list() -> Bytes {
    (
        one_of(&["\"1\",", "\"x\" , ", "W/\"2\",", ",", "\"", "*"]),
        200..1200_usize,
    )
        .prop_map(|(piece, times)| piece.repeat(times))
        .boxed()
}
