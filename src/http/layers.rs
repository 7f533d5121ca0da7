//! What every request passes on its way in and its answer on the way out.
//!
//! A body comes whole, within its size and time, or not at all: behind this nothing waits for a client.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use tracing::{Instrument, info, info_span};
use uuid::Uuid;

use super::{Measures, Problem};
use crate::error::Error;

/// What one request may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// As the contract says.
const REQUEST_ID_CHARACTERS_MAX: usize = 128;

/// Gives the request an id, its own or a new one, logs one line about it, and returns the id with the answer.
pub(super) async fn observe(State(measures): State<Measures>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    // The route's template, not the path: ids and whatever else a client writes there would make every line its own kind.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begun = measures.begin(&method, route.as_ref());
    let span = info_span!("request", id = id.to_str().unwrap_or_default());
    let answer = async {
        let mut response = next.run(request).await;
        let route = route.as_ref().map_or("-", MatchedPath::as_str);
        let duration = started.elapsed();
        begun.answered(&response, duration);
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        info!(%method, route, status = response.status().as_u16(), duration_us, "answered");
        response.headers_mut().insert(REQUEST_ID, id.clone());
        response
    };
    answer.instrument(span).await
}

/// The id that the request brings, if there is just one and it is 1 to 128 visible ASCII characters; else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let mut brought = request.headers().get_all(REQUEST_ID).iter();
    if let (Some(id), None) = (brought.next(), brought.next())
        && (1..=REQUEST_ID_CHARACTERS_MAX).contains(&id.len())
        && id.as_bytes().iter().all(u8::is_ascii_graphic)
    {
        return id.clone();
    }
    let mut buffer = Uuid::encode_buffer();
    let id = Uuid::now_v7().as_hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Reads the body of a POST or PUT before anything else looks at the request. Other methods have none that anybody reads.
pub(super) async fn buffer_body(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::POST | Method::PUT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(limits.body_timeout, to_bytes(body, limits.body_bytes_max)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(error)) if is_length_limit(&error) => Problem::payload_too_large(limits.body_bytes_max).into_response(),
        Ok(Err(error)) => Problem::body_unreadable(&error).into_response(),
        Err(_) => Problem::request_timeout(limits.body_timeout).into_response(),
    }
}

fn is_length_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<LengthLimitError>())
}

/// The answer where a handler panicked: an internal error like any other.
#[allow(clippy::needless_pass_by_value, reason = "the signature that the layer wants")]
pub(super) fn answer_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Problem::from(Error::internal(format!("panic: {text}"))).into_response()
}
