//! Tracing: a span for each request, and a log line for each response or for the caller that left before it.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::request_id::RequestId;
use tower_http::trace::{MakeSpan, OnResponse, TraceLayer};
use tracing::{Level, Span, info, span};

use super::auth::Identity;

/// The layer that traces every request. It does not log failures: the code that detects a failure logs it, once.
pub(super) fn layer() -> TraceLayer<SharedClassifier<ServerErrorsAsFailures>, RequestSpan, (), LogResponse, (), (), ()>
{
    TraceLayer::new_for_http()
        .make_span_with(RequestSpan)
        .on_request(())
        .on_response(LogResponse)
        .on_body_chunk(())
        .on_eos(())
        .on_failure(())
}

/// Creates the span of a request, which every log line about it carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSpan;

impl MakeSpan<axum::body::Body> for RequestSpan {
    fn make_span(&mut self, request: &Request) -> Span {
        let extensions = request.extensions();
        let id = extensions.get::<RequestId>().map(RequestId::header_value);
        // The route, not the path: lines about the same operation then have the same value.
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

/// Logs each response, with the time from the request's head to the response's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogResponse;

impl<B> OnResponse<B> for LogResponse {
    fn on_response(self, response: &Response<B>, latency: Duration, _: &Span) {
        let duration_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        info!(status = response.status().as_u16(), duration_us, "answered");
    }
}

/// Logs a request that ends without a response, because its caller left. Its work may have been done all the same.
pub(super) async fn log_abandoned<F: Future>(response: F) -> F::Output {
    let mut waiting = Waiting(Some(Span::current()));
    let response = response.await;
    waiting.0 = None;
    response
}

/// The span of a request that waits for its response.
struct Waiting(Option<Span>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(span) = self.0.take() {
            span.in_scope(|| info!("the caller left before the response"));
        }
    }
}
