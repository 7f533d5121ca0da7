//! In front of operations: what one caller, and all of them together, may ask for. Who asks for more is refused at once.
//!
//! Health is outside of all of it, for whoever watches a service must reach it when it has most to do.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use http_body_util::combinators::Collect;
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Timeout;
use tokio::time::error::Elapsed;
use tower::{Layer, Service};

use super::Limits;
use crate::error::Error;
use crate::http::Problem;
use crate::http::rate::RateLimit;

/// How much of bodies that are on their way in may be held at once, in bytes as they are announced. They arrive before
/// their requests count as being worked on: whoever sends slowly keeps nobody else from working.
const BODIES_BYTES_MAX: usize = 256 << 20;

/// Admits requests to a service, or refuses them.
#[derive(Clone)]
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

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Admitted<S> {
        let gate = Arc::clone(&self.0);
        Admitted { inner, gate }
    }
}

/// A service behind its gate.
#[derive(Clone)]
pub(in crate::http) struct Admitted<S> {
    inner: S,
    gate: Arc<Gate>,
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

impl<S> Service<Request> for Admitted<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Admitting<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Exempt { from_rate, from_load } = Exempt::of(request.uri().path());
        if let Some(rate) = &self.gate.rate
            && !from_rate
            && let Err(refused) = rate.check(&request)
        {
            return Step::refused(refused).into();
        }
        if from_load {
            let answer = self.inner.call(request);
            return Step::Working { answer, permit: None }.into();
        }
        // Other methods have no body that anybody reads.
        match *request.method() {
            Method::POST | Method::PUT => self.receive(request),
            _ => self.gate.work(&mut self.inner, request),
        }
        .into()
    }
}

impl<S> Admitted<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    /// Reads the body before anything else looks at the request.
    fn receive(&mut self, request: Request) -> Step<S> {
        let bytes_max = self.gate.limits.body_bytes_max;
        let announced = request.body().size_hint();
        let too_large = |bytes: u64| usize::try_from(bytes).map_or(true, |bytes| bytes > bytes_max);
        if too_large(announced.lower()) {
            return Step::refused(Problem::payload_too_large(bytes_max));
        }
        let bytes = announced.upper().and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = u32::try_from(bytes.unwrap_or(bytes_max).min(bytes_max)).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.gate.receiving).try_acquire_many_owned(bytes) else {
            return Step::refused(Problem::from(Error::Overloaded));
        };
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, bytes_max).collect();
        Step::Receiving {
            body: tokio::time::timeout(self.gate.limits.body_timeout, body),
            rest: Some(Rest {
                parts,
                _room: room,
                inner: self.inner.clone(),
                gate: Arc::clone(&self.gate),
            }),
        }
    }
}

impl Gate {
    /// Has the request worked on, unless there is more to do than the service takes on.
    fn work<S: Service<Request>>(&self, inner: &mut S, request: Request) -> Step<S> {
        match Arc::clone(&self.working).try_acquire_owned() {
            Ok(permit) => Step::Working {
                answer: inner.call(request),
                permit: Some(permit),
            },
            Err(_) => Step::refused(Problem::from(Error::Overloaded)),
        }
    }
}

/// All of a request but its body, which is on its way.
struct Rest<S> {
    parts: Parts,
    /// The room that the body takes.
    _room: OwnedSemaphorePermit,
    inner: S,
    gate: Arc<Gate>,
}

type Received = Result<Result<Collected<Bytes>, BoxError>, Elapsed>;

impl<S: Service<Request>> Rest<S> {
    /// What comes next, now that the body is there or will not come.
    fn go_on(self, received: Received) -> Step<S> {
        let Self {
            parts,
            _room,
            mut inner,
            gate,
        } = self;
        let limits = gate.limits;
        let problem = match received {
            Ok(Ok(body)) => {
                let request = Request::from_parts(parts, Body::from(body.to_bytes()));
                return gate.work(&mut inner, request);
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => Problem::payload_too_large(limits.body_bytes_max),
            Ok(Err(error)) => Problem::body_unreadable(&error),
            Err(_) => Problem::request_timeout(limits.body_timeout),
        };
        Step::refused(problem)
    }
}

pin_project! {
    #[project = StepNow]
    enum Step<S: Service<Request>> {
        Receiving {
            #[pin]
            body: Timeout<Collect<Limited<Body>>>,
            rest: Option<Rest<S>>,
        },
        Working {
            #[pin]
            answer: S::Future,
            permit: Option<OwnedSemaphorePermit>,
        },
        Refused {
            answer: Response,
        },
    }
}

impl<S: Service<Request>> Step<S> {
    fn refused(problem: impl IntoResponse) -> Self {
        let answer = problem.into_response();
        Self::Refused { answer }
    }
}

pin_project! {
    /// An answer on its way.
    pub(in crate::http) struct Admitting<S: Service<Request>> {
        #[pin]
        step: Step<S>,
    }
}

impl<S: Service<Request>> From<Step<S>> for Admitting<S> {
    fn from(step: Step<S>) -> Self {
        Self { step }
    }
}

impl<S: Service<Request, Response = Response, Error = Infallible>> Future for Admitting<S> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            let next = match step.as_mut().project() {
                StepNow::Receiving { body, rest } => {
                    let received = ready!(body.poll(cx));
                    // It is there until the body is, and then another step takes its place.
                    let Some(rest) = rest.take() else { return Poll::Pending };
                    rest.go_on(received)
                }
                StepNow::Working { answer, permit: _ } => return answer.poll(cx),
                StepNow::Refused { answer } => return Poll::Ready(Ok(std::mem::take(answer))),
            };
            step.set(next);
        }
    }
}
