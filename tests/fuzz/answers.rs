//! Reads what came back as a sequence of HTTP/1.1 responses; anything else is a finding.

use std::io::{self, Read};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use flate2::read::GzDecoder;

use crate::answer::Answer;
use crate::requests::chunks;

const HEADERS_MAX: usize = 64;

/// Reads every response. `is_head` says of the nth request whether it was HEAD, so that its response has no body; `None`
/// where that is not known.
///
/// # Errors
/// Why this is not HTTP.
pub(crate) fn read(mut came: &[u8], is_head: impl Fn(usize) -> Option<bool>) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !came.is_empty() {
        let known = is_head(answers.len());
        let mut read = one(came, known.unwrap_or(false));
        if known.is_none() && !read.as_ref().is_ok_and(|(_, rest)| is_boundary(rest)) {
            read = one(came, true);
        }
        let (answer, rest) = read.map_err(|why| format!("answer {} is not HTTP: {why}", answers.len() + 1))?;
        came = rest;
        match answer.status {
            100 => {}
            101..=199 => return Err(format!("an interim answer {}", answer.status)),
            _ => answers.push(answer),
        }
    }
    Ok(answers)
}

fn is_boundary(rest: &[u8]) -> bool {
    rest.is_empty() || rest.starts_with(b"HTTP/1.")
}

/// The first response, and the bytes after it.
fn one(came: &[u8], is_head: bool) -> Result<(Answer, &[u8]), String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    let length = match parsed.parse(came) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Err("its head breaks off".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let mut found = HeaderMap::new();
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|error| error.to_string())?;
        let value = HeaderValue::from_bytes(header.value).map_err(|error| error.to_string())?;
        found.append(name, value);
    }
    let status = parsed.code.unwrap_or_default();
    let rest = came.get(length..).unwrap_or_default();
    let has_body = !(is_head || status < 200 || status == 204 || status == 304);
    let (body, rest) = match framing(&found)? {
        _ if !has_body => (Vec::new(), rest),
        Framing::Length(length) => {
            let (body, rest) = rest.split_at_checked(length).ok_or("its body breaks off")?;
            (body.to_vec(), rest)
        }
        Framing::Chunked => chunks(rest).ok_or("its chunks cannot be read")?,
        Framing::ToTheEnd if found.get("connection").is_some_and(|value| value == "close") => (rest.to_vec(), &[][..]),
        Framing::ToTheEnd => return Err("its body has no end".to_owned()),
    };
    let is_compressed = found.get("content-encoding").is_some_and(|coding| coding == "gzip");
    let body = match is_compressed && has_body {
        true => decompressed(&body).map_err(|error| format!("its body cannot be decompressed: {error}"))?,
        false => body,
    };
    let answer = Answer {
        status,
        headers: found,
        body: body.into(),
    };
    Ok((answer, rest))
}

fn decompressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text)?;
    Ok(text)
}

/// How the body of a response ends.
enum Framing {
    Length(usize),
    /// The documentation, which is compressed as it is sent.
    Chunked,
    ToTheEnd,
}

fn framing(headers: &HeaderMap) -> Result<Framing, String> {
    let values = |name| headers.get_all(name).iter().collect::<Vec<_>>();
    match (&values("transfer-encoding")[..], &values("content-length")[..]) {
        ([], []) => Ok(Framing::ToTheEnd),
        ([coding], []) if *coding == "chunked" => Ok(Framing::Chunked),
        ([], [length]) => {
            let number = length.to_str().ok().and_then(|text| text.parse().ok());
            number
                .map(Framing::Length)
                .ok_or_else(|| format!("its Content-Length is {length:?}"))
        }
        (coding, length) => Err(format!(
            "its Transfer-Encoding is {coding:?}, its Content-Length {length:?}"
        )),
    }
}

#[test]
fn only_whole_answers_are_read() {
    let read = |came: &str, is_head: Option<bool>| {
        let answers = read(came.as_bytes(), |_| is_head)?;
        Ok(answers
            .iter()
            .map(|answer| (answer.status, answer.text().to_owned()))
            .collect())
    };
    let all = |answers: &[(u16, &str)]| -> Result<Vec<(u16, String)>, String> {
        Ok(answers
            .iter()
            .map(|(status, body)| (*status, (*body).to_owned()))
            .collect())
    };
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(read(two, Some(false)), all(&[(200, "{}"), (204, "")]));
    assert_eq!(read(two, None), all(&[(200, "{}"), (204, "")]));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(read(head, Some(true)), all(&[(200, "")]));
    assert_eq!(read(head, None), all(&[(200, "")]));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    assert_eq!(read(chunked, Some(false)), all(&[(200, "{}")]));
    let to_the_end = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}";
    assert_eq!(read(to_the_end, Some(false)), all(&[(200, "{}")]));
    let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{two}");
    assert_eq!(read(&interim, Some(false)), all(&[(200, "{}"), (204, "")]));
    for bad in [
        "hello",
        head,
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}}",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n{}",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
    ] {
        assert!(read(bad, Some(false)).is_err(), "{bad}");
    }
}

#[test]
fn a_compressed_body_is_read_and_a_broken_one_is_not() {
    let mut compressed = flate2::read::GzEncoder::new(&b"{}"[..], flate2::Compression::fast());
    let mut body = Vec::new();
    compressed.read_to_end(&mut body).unwrap();
    let read_body = |body: &[u8]| {
        let head = format!(
            "HTTP/1.1 404 x\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answers = read(&[head.as_bytes(), body].concat(), |_| Some(false))?;
        Ok::<_, String>(answers[0].text().to_owned())
    };
    assert_eq!(read_body(&body).as_deref(), Ok("{}"));
    assert!(read_body(&body[1..]).unwrap_err().contains("cannot be decompressed"));
    // The answer to HEAD has no body to decompress.
    let head = b"HTTP/1.1 200 x\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n";
    assert_eq!(read(head, |_| Some(true)).unwrap()[0].body.len(), 0);
}
