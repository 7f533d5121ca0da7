//! How an operation's answer becomes a response. An answer that cannot be written is a fault, never half an answer.

#![allow(dead_code, reason = "not every contract has every kind of answer")]

use axum::body::{self, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::read::Rejection;
use crate::write::{self, Write};

fn unwritable(error: impl Into<axum::BoxError>) -> Rejection {
    Rejection::Unwritable(axum::Error::new(error))
}

fn response(status: u16, body: impl Into<body::Body>) -> Result<Response, Rejection> {
    let mut response = Response::new(body.into());
    // Room for our headers and those that a server adds, at once.
    *response.headers_mut() = HeaderMap::with_capacity(12);
    *response.status_mut() = StatusCode::from_u16(status).map_err(unwritable)?;
    Ok(response)
}

fn typed(mut response: Response, media_type: HeaderValue) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

pub(crate) fn json(status: u16, body: &impl Write) -> Result<Response, Rejection> {
    written(status, write::json(body))
}

fn written(status: u16, json: impl Into<body::Body>) -> Result<Response, Rejection> {
    Ok(typed(
        response(status, json)?,
        const { HeaderValue::from_static("application/json") },
    ))
}

/// The JSON body of an answer that may be a kept one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<T> {
    /// A value, written as it goes out.
    Value(T),
    /// JSON that was written before, sent byte for byte.
    Written(Bytes),
}

pub(crate) fn body<T: Write>(status: u16, body: Body<T>) -> Result<Response, Rejection> {
    match body {
        Body::Value(value) => json(status, &value),
        Body::Written(bytes) => written(status, bytes),
    }
}

pub(crate) fn html(status: u16, body: String) -> Result<Response, Rejection> {
    Ok(typed(
        response(status, body)?,
        const { HeaderValue::from_static("text/html; charset=utf-8") },
    ))
}

pub(crate) fn empty(status: u16) -> Result<Response, Rejection> {
    response(status, body::Body::empty())
}

/// The response with the header, where it has a value.
pub(crate) fn header<T>(mut response: Response, name: &'static str, value: Option<T>) -> Result<Response, Rejection>
where
    HeaderValue: TryFrom<T, Error: Into<axum::BoxError>>,
{
    if let Some(value) = value {
        let value = HeaderValue::try_from(value).map_err(unwritable)?;
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}
