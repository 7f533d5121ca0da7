//! Turns an operation's result into a response.
//!
//! A value that cannot be JSON or a header is an internal error; no partial response is sent.

use axum::body::{self, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::read::Rejection;

fn unwritable(error: impl Into<axum::BoxError>) -> Rejection {
    Rejection::Unwritable(axum::Error::new(error))
}

fn response(status: u16, body: impl Into<body::Body>) -> Result<Response, Rejection> {
    let mut response = Response::new(body.into());
    // Space for the contract's headers and the server's own, in one allocation.
    *response.headers_mut() = HeaderMap::with_capacity(12);
    *response.status_mut() = StatusCode::from_u16(status).map_err(unwritable)?;
    Ok(response)
}

fn typed(mut response: Response, media_type: HeaderValue) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// A response with this value as its JSON body.
///
/// # Errors
///
/// Where the value cannot be JSON, or `status` is not a valid status.
pub fn json(status: u16, value: &impl Serialize) -> Result<Response, Rejection> {
    // Large enough for one resource.
    let mut json = Vec::with_capacity(512);
    serde_json::to_writer(&mut json, value).map_err(unwritable)?;
    written(status, json)
}

fn written(status: u16, json: impl Into<body::Body>) -> Result<Response, Rejection> {
    Ok(typed(
        response(status, json)?,
        const { HeaderValue::from_static("application/json") },
    ))
}

/// The JSON body of a response that may be a stored one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<T> {
    /// A value to serialize.
    Value(T),
    /// Stored JSON, which is sent byte for byte.
    Written(Bytes),
}

/// A response with this JSON body.
///
/// # Errors
///
/// As [`json`].
pub fn body<T: Serialize>(status: u16, body: Body<T>) -> Result<Response, Rejection> {
    match body {
        Body::Value(value) => json(status, &value),
        Body::Written(bytes) => written(status, bytes),
    }
}

/// A response with an HTML page.
///
/// # Errors
///
/// Where `status` is not a valid status.
pub fn html(status: u16, body: String) -> Result<Response, Rejection> {
    Ok(typed(
        response(status, body)?,
        const { HeaderValue::from_static("text/html; charset=utf-8") },
    ))
}

/// A response without a body.
///
/// # Errors
///
/// Where `status` is not a valid status.
pub fn empty(status: u16) -> Result<Response, Rejection> {
    response(status, body::Body::empty())
}

/// Adds a header to the response, where it has a value.
///
/// # Errors
///
/// Where the value is not a valid header value.
pub fn header<T>(mut response: Response, name: &'static str, value: Option<T>) -> Result<Response, Rejection>
where
    HeaderValue: TryFrom<T, Error: Into<axum::BoxError>>,
{
    if let Some(value) = value {
        let value = HeaderValue::try_from(value).map_err(unwritable)?;
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn sent(response: Result<Response, Rejection>) -> (u16, Option<String>, String) {
        let (parts, body) = response.unwrap().into_parts();
        let media_type = parts
            .headers
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap().to_owned());
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (
            parts.status.as_u16(),
            media_type,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn a_body_comes_with_its_media_type() {
        let json_type = || Some("application/json".to_owned());
        assert_eq!(sent(json(201, &["é"])).await, (201, json_type(), "[\"é\"]".to_owned()));
        assert_eq!(
            sent(body(200, Body::Value(1))).await,
            (200, json_type(), "1".to_owned())
        );
        let stored = Body::<i64>::Written(Bytes::from_static(b" 1.0"));
        assert_eq!(sent(body(200, stored)).await, (200, json_type(), " 1.0".to_owned()));
        let page = (200, Some("text/html; charset=utf-8".to_owned()), "<p>".to_owned());
        assert_eq!(sent(html(200, "<p>".to_owned())).await, page);
        assert_eq!(sent(empty(204)).await, (204, None, String::new()));
    }

    #[test]
    fn a_value_that_cannot_be_written_is_an_internal_error() {
        let no_key = std::collections::HashMap::from([(Some([1]), 1)]);
        assert!(matches!(json(200, &no_key), Err(Rejection::Unwritable(_))));
        assert!(matches!(empty(7), Err(Rejection::Unwritable(_))));
        let two_lines = header(Response::default(), "location", Some("a\nb".to_owned()));
        assert!(matches!(two_lines, Err(Rejection::Unwritable(_))));
    }

    #[test]
    fn a_header_is_sent_only_with_a_value() {
        let response = header(Response::default(), "etag", Some("\"1\"".to_owned())).unwrap();
        let response = header(response, "location", None::<String>).unwrap();
        assert_eq!(
            (response.headers().get("etag"), response.headers().len()),
            (Some(&HeaderValue::from_static("\"1\"")), 1)
        );
    }
}
