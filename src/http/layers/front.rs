//! Around everything: each request gets an id, a line in the log, an answer even where a handler panicked, and the
//! headers that every answer has.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tracing::info;
use uuid::Uuid;

use crate::error::{Error, panic_message};
use crate::http::measure::Begun;
use crate::http::security::SecurityHeaders;
use crate::http::{Measures, Problem};
use crate::log;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// As the contract says.
const REQUEST_ID_CHARACTERS_MAX: usize = 128;

/// Puts all this around a service.
#[derive(Clone)]
pub(in crate::http) struct Front {
    pub(in crate::http) headers: SecurityHeaders,
    pub(in crate::http) measures: Measures,
}

impl<S> Layer<S> for Front {
    type Service = Fronted<S>;

    fn layer(&self, inner: S) -> Fronted<S> {
        let (headers, measures) = (self.headers, self.measures.clone());
        Fronted {
            inner,
            headers,
            measures,
        }
    }
}

/// A service with all this around it.
#[derive(Clone)]
pub(in crate::http) struct Fronted<S> {
    inner: S,
    headers: SecurityHeaders,
    measures: Measures,
}

impl<S> Service<Request> for Fronted<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let asked = Asked {
            started: Instant::now(),
            id: request_id(&request),
            begun: self.measures.begin(request.method(), route.as_ref()),
            method: request.method().clone(),
            route,
        };
        let entered = log::request::enter(&asked.id);
        let answer = self.inner.call(request);
        drop(entered);
        Answering {
            answer,
            asked,
            headers: self.headers,
        }
    }
}

/// What is kept of a request until its answer is there.
struct Asked {
    started: Instant,
    id: HeaderValue,
    method: Method,
    /// The route's template, not the path: ids and whatever else a client writes there would make every line its own
    /// kind. `None` where no route fits.
    route: Option<MatchedPath>,
    begun: Begun,
}

impl Asked {
    /// Notes what became of the request: the one place where requests are told of.
    fn answered(&self, response: &Response) {
        let route = self.route.as_ref().map_or("-", MatchedPath::as_str);
        let duration = self.started.elapsed();
        self.begun.answered(response, duration);
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        info!(
            method = self.method.as_str(),
            route,
            status = response.status().as_u16(),
            duration_us,
            "answered"
        );
    }
}

pin_project! {
    /// An answer on its way.
    pub(in crate::http) struct Answering<F> {
        #[pin]
        answer: F,
        asked: Asked,
        headers: SecurityHeaders,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = log::request::enter(&this.asked.id);
        // Nothing of a future that panicked is seen again.
        let mut response = match catch_unwind(AssertUnwindSafe(|| this.answer.poll(cx))) {
            Ok(polled) => {
                let Ok(response) = ready!(polled);
                response
            }
            Err(panic) => answer_panic(&*panic),
        };
        this.asked.answered(&response);
        let headers = response.headers_mut();
        this.headers.add_to(headers);
        headers.insert(REQUEST_ID, this.asked.id.clone());
        Poll::Ready(Ok(response))
    }
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

/// The answer where a handler panicked: an internal error like any other.
fn answer_panic(panic: &(dyn Any + Send)) -> Response {
    Problem::from(Error::internal(format!("panic: {}", panic_message(panic)))).into_response()
}
