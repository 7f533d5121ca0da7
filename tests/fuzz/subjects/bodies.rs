//! Bodies of every operation that has one (but the webhooks, which have their own subject), with all kinds of content types, encodings and idempotency keys.

use proptest::option::weighted as maybe;
use proptest::prelude::*;

use crate::json::{damaged, near, value};
use crate::pieces::{
    Bytes, Header, Operation, Request, header_value, key, like, one_of, operations_with, path, weighted,
};

pub(crate) fn cases() -> Bytes {
    operations_with(|operation| operation.body.is_some() && !operation.template.starts_with("/webhooks/"))
        .prop_flat_map(|operation| {
            let target = path(&operation.template);
            let headers = (
                key(),
                content_type(),
                maybe(0.05, encoding()),
                maybe(0.2, idempotency_key()),
            );
            (
                Just(operation.method.clone()),
                target,
                headers,
                body(&operation),
                prop::bool::weighted(0.1),
            )
        })
        .prop_map(
            |(method, target, (mut headers, content_type, encoding, key), body, is_chunked)| {
                headers.extend([content_type, encoding, key].into_iter().flatten());
                let request = Request {
                    method: method.into_bytes(),
                    target,
                    headers,
                    body,
                    is_chunked,
                };
                request.into_bytes()
            },
        )
        .boxed()
}

/// A body for this operation, right or nearly right or not.
pub(super) fn body(operation: &Operation) -> Bytes {
    let example = operation.body.clone().unwrap_or_default();
    let names = &operation.members;
    let long = (60_000..70_000_usize).prop_map(|length| vec![b' '; length]);
    weighted(vec![
        (60, damaged(near(&example, names))),
        (12, damaged(value(names))),
        (1, long.boxed()),
    ])
}

fn content_type() -> BoxedStrategy<Option<Header>> {
    let odd = one_of(&[
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=latin1",
        "text/plain",
        "",
        "application/problem+json",
        "application/jsonx",
        "*/*",
        "application/json, text/plain",
        "application / json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/json;",
        "json",
    ]);
    let value = weighted(vec![(30, one_of(&["application/json"])), (2, odd), (1, header_value())]);
    maybe(0.97, value.prop_map(|value| (b"Content-Type".to_vec(), value))).boxed()
}

fn encoding() -> BoxedStrategy<Header> {
    let value = one_of(&[
        "gzip",
        "identity",
        "br",
        "deflate, gzip",
        "",
        "GZIP",
        "x",
        "identity, identity",
    ]);
    value.prop_map(|value| (b"Content-Encoding".to_vec(), value)).boxed()
}

fn idempotency_key() -> BoxedStrategy<Header> {
    let value = weighted(vec![
        (4, one_of(&["a", "b", "c", "key-1"])),
        (1, like("[!-~]{1,255}")),
        (1, like("[!-~]{256,300}")),
        (1, one_of(&["", " ", "a b", "\u{e9}", "\"a\""])),
        (1, header_value()),
    ]);
    value.prop_map(|value| (b"Idempotency-Key".to_vec(), value)).boxed()
}
