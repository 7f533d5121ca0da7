//! Reads the body of a request as JSON.
//!
//! It refuses bodies that are not declared as JSON or are not JSON. Receiving the bytes, within limits, is up to the
//! server.

use axum::body::Bytes;
use axum::http::{HeaderMap, header, request};
use serde_json::value::RawValue;

use super::{Failures, Pointer, Read, Rejection};

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
    use axum::http::Request;

    use super::*;

    fn read(media_type: &str, body: &'static str) -> Result<Option<i64>, Rejection> {
        let request = Request::builder().header(header::CONTENT_TYPE, media_type);
        let (parts, body) = request.body(Bytes::from(body)).unwrap().into_parts();
        json(&parts, &body, &mut Failures::default())
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
