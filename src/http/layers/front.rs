//! Around everything: each request gets an id, a line in the log, an answer even where a handler panicked, and the
//! headers that every answer has.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use tracing::info;
use uuid::{NoContext, Timestamp, Uuid};

use super::admission::Admitted;
use crate::error::{Error, panic_message};
use crate::http::measure::Begun;
use crate::http::security::SecurityHeaders;
use crate::http::{Measures, Problem};
use crate::log;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// As the contract says.
const REQUEST_ID_CHARACTERS_MAX: usize = 128;

/// Puts all this around answers.
pub(in crate::http) struct Front {
    pub(in crate::http) headers: SecurityHeaders,
    pub(in crate::http) measures: Measures,
}

impl Front {
    /// Has `call` answer a request, whose path is an operation's of this template where there is one.
    pub(in crate::http) fn answer(
        &self,
        request: Request,
        template: Option<&'static str>,
        call: impl FnOnce(Request) -> Admitted,
    ) -> Fronted {
        let asked = Asked {
            started: Instant::now(),
            id: request_id(&request),
            begun: self.measures.begin(request.method(), template),
            method: request.method().clone(),
            template,
        };
        Fronted {
            // Nothing is done yet that could have something to say: futures begin when they are first asked.
            answer: call(request),
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
    /// The path's template, not the path: ids and whatever else a client writes there would make every line its own
    /// kind. `None` where it is no operation's.
    template: Option<&'static str>,
    begun: Begun,
}

impl Asked {
    /// Notes what became of the request: the one place where requests are told of.
    fn answered(&self, response: &Response) {
        // What is no operation may still have a route, which says so in its answer.
        let route = self
            .template
            .or_else(|| Some(response.extensions().get::<MatchedPath>()?.as_str()));
        let route = route.unwrap_or("-");
        let duration = self.started.elapsed();
        self.begun.answered(response, duration);
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // As a field: a text that is none needs no formatting.
        info!(
            message = "answered",
            method = self.method.as_str(),
            route,
            status = response.status().as_u16(),
            duration_us,
        );
    }
}

/// An answer on its way.
pub struct Fronted {
    answer: Admitted,
    asked: Asked,
    headers: SecurityHeaders,
}

impl Future for Fronted {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let this = &mut *self;
        let _entered = log::request::enter(&this.asked.id);
        // Nothing of a future that panicked is seen again.
        let mut response = match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.answer).poll(cx))) {
            Ok(polled) => ready!(polled),
            Err(panic) => answer_panic(&*panic),
        };
        this.asked.answered(&response);
        let length = response.body().size_hint().exact();
        let is_head = this.asked.method == Method::HEAD;
        let headers = response.headers_mut();
        this.headers.add_to(headers);
        headers.insert(REQUEST_ID, this.asked.id.clone());
        // The server that sends the answer knows the length of what it sends, but for nothing at all.
        if let Some(length) = length.filter(|length| is_head || *length == 0) {
            headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
        }
        if is_head {
            *response.body_mut() = Body::empty();
        }
        Poll::Ready(response)
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
    // Ids of one millisecond need no order among each other, for which all threads would share a counter.
    let id = Uuid::new_v7(Timestamp::now(NoContext));
    let id = id.as_hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// The answer where a handler panicked: an internal error like any other.
fn answer_panic(panic: &(dyn Any + Send)) -> Response {
    Problem::from(Error::internal(format!("panic: {}", panic_message(panic)))).into_response()
}
