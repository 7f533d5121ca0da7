//! Reads the body of a request as JSON.
//!
//! It refuses bodies that are encoded, are not declared as JSON, or are not JSON. Receiving the bytes, within limits, is up to the
//! server.

use axum::body::Bytes;
use axum::http::{HeaderMap, header, request};
use serde_json::value::RawValue;

use super::{Failures, Pointer, Read, Rejection};

/// Refuses a body with a `Content-Encoding`, such as gzip, before it is received. `identity` means none.
///
/// # Errors
///
/// [`Rejection::UnsupportedContentEncoding`].
pub fn refuse_encoded(parts: &request::Parts) -> Result<(), Rejection> {
    let mut lines = parts.headers.get_all(header::CONTENT_ENCODING).iter();
    // An unreadable line is some encoding. Empty elements of a list count for nothing (RFC 9110, section 5.6.1.2).
    let is_identity = |coding: &str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
    match lines.all(|line| {
        line.to_str()
            .is_ok_and(|list| list.split(',').map(str::trim).all(is_identity))
    }) {
        true => Ok(()),
        false => Err(Rejection::UnsupportedContentEncoding),
    }
}

/// Reads the JSON body of a request.
///
/// # Errors
///
/// Where the body is not declared as JSON or is not JSON. Failures inside the JSON are recorded in `failures`.
pub fn json<T: Read>(parts: &request::Parts, bytes: &Bytes, failures: &mut Failures) -> Result<Option<T>, Rejection> {
    if !is_json(&parts.headers) {
        return Err(Rejection::UnsupportedMediaType);
    }
    let json: &RawValue = serde_json::from_slice(bytes).map_err(|error| Rejection::MalformedJson(error.to_string()))?;
    Ok(T::read(json, Pointer::Root, failures))
}

/// Whether the one `Content-Type` is `application/json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    essence.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn read(media_type: &str, body: &'static str) -> Result<Option<i64>, Rejection> {
        let request = Request::builder().header(header::CONTENT_TYPE, media_type);
        let (parts, body) = request.body(Bytes::from(body)).unwrap().into_parts();
        json(&parts, &body, &mut Failures::default())
    }

    #[test]
    fn only_identity_is_no_encoding() {
        let refused = |lines: &[&[u8]]| {
            let add = |request: axum::http::request::Builder, line: &&[u8]| {
                request.header(header::CONTENT_ENCODING, HeaderValue::from_bytes(line).unwrap())
            };
            let request = lines.iter().fold(Request::builder(), add);
            let refused = refuse_encoded(&request.body(()).unwrap().into_parts().0);
            assert!(matches!(refused, Ok(()) | Err(Rejection::UnsupportedContentEncoding)));
            refused.is_err()
        };
        let none: [&[&[u8]]; 5] = [
            &[],
            &[b""],
            &[b"identity"],
            &[b"Identity , ,identity"],
            &[b"", b"identity"],
        ];
        for lines in none {
            assert!(!refused(lines), "{lines:?}");
        }
        let some: [&[&[u8]]; 6] = [
            &[b"gzip"],
            &[b"BR"],
            &[b"identity, gzip"],
            &[b"identity", b"deflate"],
            &[b"identity;q=1"],
            &[b"\xff"],
        ];
        for lines in some {
            assert!(refused(lines), "{lines:?}");
        }
    }

    #[test]
    fn a_body_must_be_json_and_declared_as_json() {
        assert_eq!(read("Application/JSON ; charset=utf-8", " 1 ").unwrap(), Some(1));
        for media_type in ["", "text/plain", "application/x+json"] {
            assert!(
                matches!(read(media_type, "1"), Err(Rejection::UnsupportedMediaType)),
                "{media_type}"
            );
        }
        let malformed = read("application/json", "{").unwrap_err();
        assert!(
            matches!(&malformed, Rejection::MalformedJson(why) if why.contains("line 1 column 1")),
            "{malformed:?}"
        );
    }
}
