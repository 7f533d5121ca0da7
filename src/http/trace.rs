//! A span for each request and a line for each answer.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::request_id::RequestId;
use tower_http::trace::{MakeSpan, OnResponse, TraceLayer};
use tracing::{Level, Span, info, span};

use super::auth::Identity;

/// Traces every request. Failures have no line of their own here: whoever meets one logs it, once.
pub(super) fn layer() -> TraceLayer<SharedClassifier<ServerErrorsAsFailures>, RequestSpan, (), LogAnswer, (), (), ()> {
    TraceLayer::new_for_http()
        .make_span_with(RequestSpan)
        .on_request(())
        .on_response(LogAnswer)
        .on_body_chunk(())
        .on_eos(())
        .on_failure(())
}

/// Makes the span that every line about a request carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSpan;

impl MakeSpan<axum::body::Body> for RequestSpan {
    fn make_span(&mut self, request: &Request) -> Span {
        let extensions = request.extensions();
        let id = extensions.get::<RequestId>().map(RequestId::header_value);
        // The route, not the path: ids and whatever else a client writes there would make every line its own kind.
        let route = extensions.get::<MatchedPath>().map_or("-", MatchedPath::as_str);
        span!(
            Level::INFO,
            "request",
            request_id = id.and_then(|id| id.to_str().ok()),
            method = request.method().as_str(),
            route,
            caller = Identity::of(request.extensions()).kind(),
        )
    }
}

/// Logs each answer, with the time from the request's head to the answer's.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogAnswer;

impl<B> OnResponse<B> for LogAnswer {
    fn on_response(self, response: &Response<B>, latency: Duration, _: &Span) {
        let duration_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        info!(status = response.status().as_u16(), duration_us, "answered");
    }
}
