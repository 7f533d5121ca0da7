//! Reads what was sent the way RFC 9112 does, to know what may be answered.
//!
//! It is stricter than the service on purpose: whatever two readers could understand differently counts as unreadable,
//! and then the oracle asks less of the answer.

use axum::http::{Method, Uri};

/// The begin of every HTTP/2 connection (RFC 9113, section 3.4).
pub(crate) const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Heads above this are unreadable here; the service takes somewhat longer ones.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// As hyper.
const HEADERS_MAX: usize = 100;

/// What was sent on one connection.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The requests that can be read in only one way.
    pub(crate) requests: Vec<Head>,
    /// What comes after them.
    pub(crate) rest: Rest,
}

/// What follows the readable requests.
#[derive(Debug, Default)]
pub(crate) enum Rest {
    /// Nothing, or what nobody reads because the last request closes the connection.
    #[default]
    Nothing,
    /// A head that is well-formed, with a body that breaks off or that could be framed in two ways.
    Body(Head),
    /// Bytes that are no request.
    Garbage,
}

/// For which host a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// One, and nothing is wrong with it.
    Good,
    /// One that may be wrong, or HTTP/1.0.
    Odd,
    /// None or several, which RFC 9112 forbids (section 3.2).
    NotOne,
}

/// The head of a request, as far as the oracle needs it, and its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) has_query: bool,
    /// The lines of these headers.
    pub(crate) if_match: Vec<Vec<u8>>,
    pub(crate) if_none_match: Vec<Vec<u8>>,
    pub(crate) host: Host,
    /// Whether its body is encoded, with gzip for example.
    pub(crate) is_encoded: bool,
    /// Whether it is a webhook that is not signed in exactly one of the ways that its path knows.
    pub(crate) lacks_signature: bool,
    pub(crate) body: Vec<u8>,
    closes: bool,
}

enum Framing {
    Length(usize),
    Chunked,
}

/// Reads everything that was sent.
pub(crate) fn read(mut sent: &[u8]) -> Reading {
    let mut reading = Reading::default();
    loop {
        // Empty lines before a request line are ignored (RFC 9112, section 2.2).
        while let [b'\r', b'\n', rest @ ..] = sent {
            sent = rest;
        }
        if sent.is_empty() {
            return reading;
        }
        let Some((mut head, framing, rest)) = head(sent) else {
            reading.rest = Rest::Garbage;
            return reading;
        };
        let body = match framing {
            Some(Framing::Length(length)) => rest.split_at_checked(length).map(|(body, rest)| (body.to_vec(), rest)),
            Some(Framing::Chunked) => chunks(rest),
            None => None,
        };
        let Some((body, rest)) = body else {
            reading.rest = Rest::Body(head);
            return reading;
        };
        head.body = body;
        let closes = head.closes;
        reading.requests.push(head);
        if closes {
            return reading;
        }
        sent = rest;
    }
}

/// One head, how its body is framed, and the bytes after it.
fn head(sent: &[u8]) -> Option<(Head, Option<Framing>, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = parsed.parse(sent) else {
        return None;
    };
    if length > HEAD_BYTES_MAX {
        return None;
    }
    let method = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    let uri: Uri = parsed.path?.parse().ok()?;
    let is_1_0 = parsed.version? == 0;
    let values = |name: &str| -> Vec<&[u8]> {
        let lines = parsed.headers.iter();
        let named = lines.filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect()
    };
    let names = |value: &&[u8], word: &[u8]| {
        let words = value.split(|byte| *byte == b',');
        words
            .into_iter()
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(word))
    };
    let connection = values("connection");
    let closes = connection.iter().any(|value| names(value, b"close"));
    let host = values("host");
    let is_plain = |host: &[u8]| !host.is_empty() && host.iter().all(u8::is_ascii_alphanumeric);
    let host = match &host[..] {
        [host] if is_plain(host) && uri.authority().is_none() => Host::Good,
        [_] => Host::Odd,
        [] if is_1_0 => Host::Odd,
        _ => Host::NotOne,
    };
    let is_coding = |coding: &[u8]| !(coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"));
    let codings = values("content-encoding");
    let mut codings = codings.iter().flat_map(|value| value.split(|byte| *byte == b','));
    let framing = match (&values("transfer-encoding")[..], &values("content-length")[..]) {
        // CONNECT and upgrades end HTTP/1.1 on the connection.
        _ if method == Method::CONNECT || !values("upgrade").is_empty() => None,
        ([], []) => Some(Framing::Length(0)),
        ([], [length]) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok()?;
            length.parse().ok().map(Framing::Length)
        }
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") && !is_1_0 => Some(Framing::Chunked),
        _ => None,
    };
    let has = |name: &str| !values(name).is_empty();
    let lacks_signature = match uri.path() {
        "/webhooks/payment" => has("x-webhook-signature") == has("webhook-signature"),
        "/webhooks/stripe" => !has("stripe-signature"),
        _ => false,
    };
    let head = Head {
        method,
        path: uri.path().to_owned(),
        has_query: uri.query().is_some(),
        if_match: values("if-match").into_iter().map(<[u8]>::to_vec).collect(),
        if_none_match: values("if-none-match").into_iter().map(<[u8]>::to_vec).collect(),
        host,
        is_encoded: codings.any(|coding| is_coding(coding.trim_ascii())),
        lacks_signature,
        body: Vec::new(),
        closes: closes || is_1_0,
    };
    Some((head, framing, sent.get(length..)?))
}

/// A chunked body without extensions and trailers, and the bytes after it.
pub(crate) fn chunks(mut sent: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let end = sent.windows(2).take(9).position(|pair| pair == b"\r\n")?;
        let digits = std::str::from_utf8(sent.get(..end)?).ok()?;
        let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        let (chunk, rest) = sent.get(end + 2..)?.split_at_checked(size)?;
        sent = rest.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, sent));
        }
        body.extend_from_slice(chunk);
    }
}

#[test]
fn requests_are_read_as_far_as_there_is_one_way_to() {
    let read = |sent: &str| {
        let reading = read(sent.as_bytes());
        let requests = reading.requests.iter();
        let requests = requests.map(|head| format!("{} {} {}", head.method, head.path, head.body.escape_ascii()));
        let rest = match reading.rest {
            Rest::Nothing => "nothing".to_owned(),
            Rest::Body(head) => format!("the body of {} {}", head.method, head.path),
            Rest::Garbage => "garbage".to_owned(),
        };
        (requests.collect::<Vec<_>>().join("; "), rest)
    };
    let cases = [
        ("", "", "nothing"),
        ("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a ", "nothing"),
        ("GET http://h/a HTTP/1.1\r\n\r\n\r\n", "GET /a ", "nothing"),
        ("GET /a HTTP/1.0\r\n\r\nwhatever", "GET /a ", "nothing"),
        (
            "GET /a HTTP/1.1\r\nConnection: x, Close\r\n\r\nmore",
            "GET /a ",
            "nothing",
        ),
        (
            "PUT /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /b",
            "PUT /a {}",
            "garbage",
        ),
        (
            "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\nDELETE /b HTTP/1.1\r\n\r\n",
            "PUT /a {}; DELETE /b ",
            "nothing",
        ),
        (
            "PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}",
            "",
            "the body of PUT /a",
        ),
        (
            "PUT /a HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}",
            "",
            "the body of PUT /a",
        ),
        (
            "PUT /a HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            "",
            "the body of PUT /a",
        ),
        (
            "PUT /a HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "",
            "the body of PUT /a",
        ),
        (
            "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n{\r\n0\r\n\r\n",
            "",
            "the body of PUT /a",
        ),
        ("G\u{1}T /a HTTP/1.1\r\n\r\n", "", "garbage"),
        ("GET /a HTTP/1.1\r\nHost", "", "garbage"),
    ];
    for (sent, requests, rest) in cases {
        assert_eq!(read(sent), (requests.to_owned(), rest.to_owned()), "{sent}");
    }
}
