//! In front of operations: what one caller, and all of them together, may ask for. Who asks for more is refused at once.
//!
//! Health is outside of all of it, for whoever watches a service must reach it when it has most to do.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use orders_inventory_api::server::Answering;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;
use crate::error::Error;
use crate::http::Problem;
use crate::http::rate::RateLimit;

/// How much of bodies that are on their way in may be held at once, in bytes as they are announced. They arrive before
/// their requests count as being worked on: whoever sends slowly keeps nobody else from working.
const BODIES_BYTES_MAX: usize = 256 << 20;

/// Admits requests to operations, or refuses them.
pub(in crate::http) struct Admission(Arc<Gate>);

struct Gate {
    limits: Limits,
    rate: Option<RateLimit>,
    working: Arc<Semaphore>,
    receiving: Arc<Semaphore>,
}

impl Admission {
    pub(in crate::http) fn new(limits: Limits, rate: Option<RateLimit>) -> Self {
        Self(Arc::new(Gate {
            limits,
            rate,
            working: Arc::new(Semaphore::new(limits.requests_max)),
            receiving: Arc::new(Semaphore::new(BODIES_BYTES_MAX)),
        }))
    }
}

/// What a path is let off.
struct Exempt {
    from_rate: bool,
    from_load: bool,
}

impl Exempt {
    fn of(path: &str) -> Self {
        let is_health = matches!(path, "/healthz" | "/readyz");
        Self {
            // The payment provider retries what is refused, so a limit would only pile its work up.
            from_rate: is_health || path == "/webhooks/payment",
            // The pages on errors are documentation: they come from memory.
            from_load: is_health || path.starts_with("/problems"),
        }
    }
}

impl Admission {
    /// Has `operation` answer the request, or refuses it.
    pub(in crate::http) fn admit(
        &self,
        request: Request,
        operation: impl FnOnce(Request) -> Answering + Send + 'static,
    ) -> Admitted {
        let Exempt { from_rate, from_load } = Exempt::of(request.uri().path());
        if let Some(rate) = &self.0.rate
            && !from_rate
            && let Err(refused) = rate.check(&request)
        {
            return Admitted::refused(refused);
        }
        if from_load {
            return operation(request).into();
        }
        // Other methods have no body that anybody reads.
        match *request.method() {
            Method::POST | Method::PUT => self.0.receive(request, operation),
            _ => self.0.work(request, operation),
        }
    }
}

impl Gate {
    /// Reads the body before anything else looks at the request.
    fn receive(
        self: &Arc<Self>,
        request: Request,
        operation: impl FnOnce(Request) -> Answering + Send + 'static,
    ) -> Admitted {
        let bytes_max = self.limits.body_bytes_max;
        let announced = request.body().size_hint();
        let too_large = |bytes: u64| usize::try_from(bytes).map_or(true, |bytes| bytes > bytes_max);
        if too_large(announced.lower()) {
            return Admitted::refused(Problem::payload_too_large(bytes_max));
        }
        let bytes = announced.upper().and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = u32::try_from(bytes.unwrap_or(bytes_max).min(bytes_max)).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.receiving).try_acquire_many_owned(bytes) else {
            return Admitted::refused(Problem::from(Error::Overloaded));
        };
        let gate = Arc::clone(self);
        let answering: Answering = Box::pin(async move {
            let received = gate.received(request).await;
            // From here on the body counts as a part of the work.
            drop(room);
            match received {
                Ok(request) => gate.work(request, operation).await,
                Err(problem) => problem.into_response(),
            }
        });
        answering.into()
    }

    /// The request once its body is there, or why it will not come.
    async fn received(&self, request: Request) -> Result<Request, Problem> {
        let Limits {
            body_bytes_max,
            body_timeout,
            ..
        } = self.limits;
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, body_bytes_max).collect();
        match tokio::time::timeout(body_timeout, body).await {
            Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body.to_bytes()))),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::payload_too_large(body_bytes_max)),
            Ok(Err(error)) => Err(Problem::body_unreadable(&error)),
            Err(_) => Err(Problem::request_timeout(body_timeout)),
        }
    }

    /// Has the request worked on, unless there is more to do than the service takes on.
    fn work(&self, request: Request, operation: impl FnOnce(Request) -> Answering) -> Admitted {
        match Arc::clone(&self.working).try_acquire_owned() {
            Ok(permit) => Admitted {
                answering: operation(request),
                _permit: Some(permit),
            },
            Err(_) => Admitted::refused(Problem::from(Error::Overloaded)),
        }
    }
}

/// An answer on its way.
pub(in crate::http) struct Admitted {
    answering: Answering,
    /// The place among all that are worked on.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Admitted {
    /// This is the answer.
    pub(in crate::http) fn refused(problem: impl IntoResponse) -> Self {
        let answer = problem.into_response();
        let answering: Answering = Box::pin(std::future::ready(answer));
        answering.into()
    }
}

impl From<Answering> for Admitted {
    fn from(answering: Answering) -> Self {
        Self {
            answering,
            _permit: None,
        }
    }
}

impl Future for Admitted {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        self.answering.as_mut().poll(cx)
    }
}
