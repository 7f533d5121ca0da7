//! Request heads: good ones that are damaged, odd framing, pipelines, and raw bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::pieces::{Bytes, Header, Request, header_value, key, like, one_of, operations, path, weighted};

/// Lines that change how a request is framed, routed or answered.
const LINES: [&str; 46] = [
    "Content-Length: 0",
    "Content-Length: 2",
    "Content-Length: 5",
    "Content-Length: 00002",
    "Content-Length: +2",
    "Content-Length: -1",
    "Content-Length: 2, 2",
    "Content-Length: 0x2",
    "Content-Length:",
    "Content-Length: 18446744073709551616",
    "Content-Length: 70000",
    "Content-Length : 2",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding:",
    "TE: trailers",
    "Trailer: X-API-Key",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: x, close",
    "Connection: upgrade",
    "Upgrade: h2c",
    "Upgrade: websocket",
    "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "Expect: 100-continue",
    "Expect: x",
    "Host: other",
    "Host: a/b",
    "Host:",
    "Host: [::1]:80",
    "X-Request-Id: a b",
    "X-Request-Id: \u{e9}",
    "X-Request-Id: ok",
    "Range: bytes=0-1",
    "Accept: text/html;q=0",
    "Accept-Encoding: gzip, *;q=0",
    "Origin: null",
    "Access-Control-Request-Method: PUT",
    "Forwarded: for=1.2.3.4",
    "X-Forwarded-For: \u{e9}, 1.2.3.4",
    "X-HTTP-Method-Override: DELETE",
];

const LINES_AMISS: [&str; 14] = [
    "",
    "no colon",
    ": no name",
    "Name : space",
    "Na me: x",
    "Name:\u{0}",
    " obs: fold",
    "\tobs fold",
    "X: a\r\n b",
    "X: a\r b",
    "X: a\n b",
    "N\u{e9}me: x",
    "(x): y",
    "X: \u{7f}",
];

pub(crate) fn cases() -> Bytes {
    let pipeline = vec(request(), 2..5).prop_map(|requests| requests.concat());
    weighted(vec![
        (6, request()),
        (6, damaged(request())),
        (2, pipeline.clone().boxed()),
        (2, damaged(pipeline.boxed())),
        (1, long_head()),
        (1, chunked()),
        (1, raw()),
    ])
}

/// A whole request with an odd method, target or header, or none of these.
fn request() -> Bytes {
    let operation = select(operations()).prop_flat_map(|operation| {
        let body = operation.body.as_ref().map(ToString::to_string).unwrap_or_default();
        let method = weighted(vec![(8, one_of(&[&operation.method])), (1, method())]);
        let target = weighted(vec![(8, path(&operation.template)), (2, target())]);
        let body = prop_oneof![9 => Just(body.into_bytes()), 1 => vec(any::<u8>(), 0..20)];
        (method, target, body)
    });
    (operation, key(), vec(header(), 0..3), prop::bool::weighted(0.1))
        .prop_map(|((method, target, body), mut headers, more, is_chunked)| {
            headers.extend(more);
            headers.push((b"Content-Type".to_vec(), b"application/json".to_vec()));
            let request = Request {
                method,
                target,
                headers,
                body,
                is_chunked,
            };
            request.into_bytes()
        })
        .boxed()
}

fn method() -> Bytes {
    let known = one_of(&[
        "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "POST", "PUT", "DELETE", "GET", "QUERY",
    ]);
    weighted(vec![
        (8, known),
        (
            1,
            one_of(&["get", "G", "M-SEARCH", "GET\t", "", "PRI", "!#$%&'*+.^_`|~"]),
        ),
        (1, like("[A-Z]{1,40}")),
    ])
}

fn target() -> Bytes {
    let known = one_of(&[
        "*",
        "/",
        "//",
        "/docs",
        "/docs/",
        "/openapi.yaml",
        "/openapi.json",
        "/docs/..%2f..%2fetc/passwd",
        "/docs/%00",
        "/products/",
        "/products//",
        "//products",
        "/./products",
        "/products/../orders",
        "/%70roducts",
        "/products%2F1",
        "/products#x",
        "/products?#",
        "/PRODUCTS",
        "/products/1/",
        "/products;a=b",
        "products",
        "",
        "?",
        "#",
        "example.com:80",
        "http://fuzz/products",
        "HTTP://FUZZ/products",
        "http://",
        "http:///products",
        "http://u:p@fuzz/products",
        "ftp://x/products",
        "https://fuzz:99999/products",
        "http://[::1/products",
        "/problems/%2e%2e",
        "/\u{e9}",
        "/a b",
        "/products\u{0}",
        "/metrics",
    ]);
    let random = vec(any::<u8>(), 0..30)
        .prop_map(|bytes| [b"/", &bytes[..]].concat())
        .boxed();
    weighted(vec![
        (6, known),
        (1, random),
        (1, like("/[!-~]{0,60}")),
        (1, like("/(%[0-9A-F]{2}){1,40}")),
    ])
}

fn header() -> BoxedStrategy<Header> {
    let line = one_of(&LINES).prop_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        (name.to_vec(), value.get(1..).unwrap_or_default().trim_ascii().to_vec())
    });
    let name = weighted(vec![
        (1, like("[A-Za-z][A-Za-z0-9-]{0,20}")),
        (
            1,
            one_of(&["Accept", "Cookie", "Authorization", "If-Match", "Idempotency-Key"]),
        ),
    ]);
    prop_oneof![2 => line, 1 => (name, header_value())].boxed()
}

/// One to three places of these bytes changed.
fn damaged(bytes: Bytes) -> Bytes {
    let change = (
        0..9_u8,
        any::<Index>(),
        any::<Index>(),
        weighted(vec![
            (2, one_of(&LINES)),
            (1, one_of(&LINES_AMISS)),
            (1, vec(any::<u8>(), 1..6).boxed()),
        ]),
    );
    (bytes, vec(change, 1..4))
        .prop_map(|(mut bytes, changes)| {
            for (kind, from, to, text) in changes {
                change_one(&mut bytes, kind, &from, &to, text);
            }
            bytes
        })
        .boxed()
}

fn change_one(bytes: &mut Vec<u8>, kind: u8, from: &Index, to: &Index, text: Vec<u8>) {
    let ends: Vec<usize> = bytes
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| *pair == b"\r\n")
        .map(|(at, _)| at)
        .collect();
    let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
    let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 200));
    match kind {
        // A line more, at the end of one that is there.
        0..=2 if !ends.is_empty() => {
            let at = ends[from % ends.len()];
            bytes.splice(at..at, [b"\r\n", &text[..]].concat());
        }
        // Another end of a line.
        3 if !ends.is_empty() => {
            let at = ends[from % ends.len()];
            let end = [&b"\n"[..], b"\r", b"\r\r\n", b"\n\n", b""][to % 5];
            bytes.splice(at..at + 2, end.iter().copied());
        }
        4 => bytes.truncate(from),
        5 => drop(bytes.drain(from..to)),
        6 => {
            let repeated = bytes[from..to].to_vec();
            bytes.splice(from..from, repeated);
        }
        7 => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= text.first().copied().unwrap_or(1);
            }
        }
        _ => drop(bytes.splice(from..from, text)),
    }
}

/// Many headers, a long one, or a long target.
fn long_head() -> Bytes {
    let many = (1..160_usize).prop_map(|count| "X: y\r\n".repeat(count).into_bytes());
    let long = (1..80_000_usize).prop_map(|length| format!("X: {}\r\n", "y".repeat(length)).into_bytes());
    let headers = prop_oneof![2 => many, 1 => long]
        .prop_map(|lines| [b"GET /products HTTP/1.1\r\nHost: fuzz\r\n", &lines[..], b"\r\n"].concat());
    let target = (1..80_000_usize)
        .prop_map(|length| format!("GET /{} HTTP/1.1\r\nHost: fuzz\r\n\r\n", "a".repeat(length)).into_bytes());
    weighted(vec![(3, headers.boxed()), (1, target.boxed())])
}

/// Chunked bodies with odd chunks.
fn chunked() -> Bytes {
    let chunk = weighted(vec![
        (6, one_of(&["1\r\n{\r\n", "1\r\n}\r\n", "2\r\n{}\r\n", "002\r\n{}\r\n"])),
        (
            2,
            one_of(&[
                "2;a=b\r\n{}\r\n",
                "2 \r\n{}\r\n",
                "2\n{}\n",
                "+2\r\n{}\r\n",
                "0x2\r\n{}\r\n",
                "3\r\n{}\r\n",
                "1\r\n{}\r\n",
                "\r\n",
                "g\r\n",
            ]),
        ),
        (
            1,
            one_of(&[
                "ffffffffffffffff\r\n{}",
                "fffffffffffffffff\r\n{}",
                "10000\r\n{}",
                "-1\r\n{}\r\n",
            ]),
        ),
        (
            1,
            one_of(&[
                "0\r\nX-API-Key: x\r\n\r\n",
                "0\r\nContent-Length: 9\r\n\r\n",
                "0\r\n no: fold\r\n\r\n",
            ]),
        ),
    ]);
    let target = one_of(&[
        "POST /orders",
        "PUT /orders/1",
        "POST /webhooks/payment",
        "POST /webhooks/stripe",
        "GET /orders",
        "DELETE /orders/99",
    ]);
    (
        target,
        key(),
        vec(chunk, 0..5),
        one_of(&[
            "0\r\n\r\n",
            "0\r\n\r\n",
            "",
            "0\r\n",
            "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        ]),
    )
        .prop_map(|(target, key, chunks, end)| {
            let key: Vec<u8> = key
                .into_iter()
                .flat_map(|(name, value)| [&name[..], b": ", &value, b"\r\n"].concat())
                .collect();
            let head = b" HTTP/1.1\r\nHost: fuzz\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
            [target, head.to_vec(), key, b"\r\n".to_vec(), chunks.concat(), end].concat()
        })
        .boxed()
}

/// Bytes with no structure, or with little.
fn raw() -> Bytes {
    let word = one_of(&[
        "GET ",
        "/",
        " HTTP/1.1",
        " HTTP/1.0",
        " HTTP/2.0",
        "HTTP/9.9",
        "\r\n",
        "\n",
        "Host: x",
        ":",
        " ",
        "PRI * HTTP/2.0\r\n\r\n",
        "\u{0}",
        "\u{16}\u{3}\u{1}",
    ]);
    weighted(vec![
        (1, vec(any::<u8>(), 0..200).boxed()),
        (2, vec(word, 0..12).prop_map(|words| words.concat()).boxed()),
    ])
}
