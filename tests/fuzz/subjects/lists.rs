//! Cursors and every other query parameter, on every GET.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::pieces::{Bytes, Request, key, like, one_of, operations_with, path, run_of, weighted};

/// Parameters of some operation, and of none.
const NAMES: [&str; 15] = [
    "limit",
    "cursor",
    "sku",
    "status",
    "product_id",
    "order_id",
    "refund_due",
    "result",
    "open",
    "Limit",
    "limit[]",
    "x",
    "",
    "%6Cimit",
    "%FF",
];

pub(crate) fn cases() -> Bytes {
    let get = operations_with(|operation| operation.method == "GET");
    let listed = operations_with(|operation| !operation.query.is_empty());
    let operation = prop_oneof![8 => listed, 1 => get];
    let request = operation.prop_flat_map(|operation| {
        let own: Vec<&str> = operation.query.iter().map(String::as_str).chain(["limit"]).collect();
        let name = weighted(vec![(8, one_of(&own)), (1, one_of(&NAMES))]);
        (
            path(&operation.template),
            query(name),
            key(),
            select(vec!["GET", "GET", "HEAD"]),
        )
    });
    let request = request.prop_map(|(path, query, headers, method)| {
        let request = Request {
            method: method.into(),
            target: [path, query].concat(),
            headers,
            body: Vec::new(),
            is_chunked: false,
        };
        request.into_bytes()
    });
    request.boxed()
}

fn query(name: Bytes) -> Bytes {
    let equals = weighted(vec![(12, one_of(&["="])), (1, one_of(&["", "==", "%3D"]))]);
    let pair = (name, equals, value()).prop_map(|(name, equals, value)| [name, equals, value].concat());
    let and = weighted(vec![
        (8, one_of(&["&"])),
        (1, one_of(&["&&", ";", "?", "#", "%26", "/"])),
    ]);
    (vec((pair, and), 0..5), one_of(&["?", "?", "?", "?&", ""]))
        .prop_map(|(pairs, mark)| {
            let mut query = mark;
            for (number, (pair, and)) in pairs.into_iter().enumerate() {
                query.extend(if number > 0 { and } else { Vec::new() });
                query.extend(pair);
            }
            query
        })
        .boxed()
}

fn value() -> Bytes {
    let cursor = weighted(vec![
        (4, like("[0-7][0-9a-f]{15}")),
        (2, like("0{12}[0-9a-f]{4}")),
        (1, like("[0-9A-Fa-f]{14,18}")),
        (
            2,
            one_of(&[
                "7fffffffffffffff",
                "7ffffffffffffffe",
                "8000000000000000",
                "ffffffffffffffff",
                "0000000000000000",
            ]),
        ),
    ]);
    let number = weighted(vec![
        (3, one_of(&["1", "2", "20", "99", "100"])),
        (
            1,
            one_of(&[
                "0",
                "101",
                "-1",
                "+1",
                "01",
                "1.0",
                "1e1",
                "%31",
                "1%30",
                " 1",
                "1+",
                "2147483648",
                "9223372036854775807",
            ]),
        ),
        (1, like("-?[0-9]{1,30}")),
    ]);
    let word = one_of(&[
        "PENDING",
        "PAID",
        "CANCELED",
        "pending",
        "true",
        "false",
        "TRUE",
        "1",
        "applied",
        "refund_due",
        "ignored",
        "disputed",
        "duplicate",
        "SKU-1",
        "sku-1",
        "A%2DB",
        "",
        "null",
        "*",
    ]);
    let hex = (0..=0xff_u8)
        .prop_map(|byte| format!("%{byte:02x}").into_bytes())
        .boxed();
    let piece = weighted(vec![
        (3, hex),
        (3, like("[!-~]")),
        (
            1,
            one_of(&[
                "%",
                "%2",
                "%zz",
                "%C3%A9",
                "%E2%80%A8",
                "%00",
                "+",
                "%F0%9F%98%80",
                "%ED%A0%80",
                "\u{e9}",
                "[",
                "\"",
                "|",
            ]),
        ),
        (1, like("[a-z]{300}")),
    ]);
    weighted(vec![(4, cursor), (4, number), (4, word), (2, run_of(piece, 5))])
}
