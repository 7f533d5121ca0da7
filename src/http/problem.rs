//! The one shape of every error response (RFC 9457), and the table of error types.
//!
//! Every error is sent as a [`Problem`]: those of use cases, of the contract and of the layers. The cause of an
//! internal error is logged and never sent.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orders_inventory_api::models::{self, ProblemType};
use orders_inventory_api::read::{Failure, Place, Rejection};

use super::auth::Unauthorized;
use super::host::InvalidHost;
use super::signature::{SignatureError, SignatureHeaders};
use crate::domain::Invalid;
use crate::error::Error;

pub(super) mod pages;
mod table;

pub use table::{Entry, entry, name};

/// The `Retry-After` of every 503.
const RETRY_AFTER_SECONDS: u32 = 1;

/// An error response: its body, and a header of its own, if any.
#[derive(Debug)]
pub struct Problem(Box<models::Problem>, Option<(HeaderName, HeaderValue)>);

impl Problem {
    fn new(kind: ProblemType, detail: impl Display) -> Self {
        let entry = entry(kind);
        let body = models::Problem {
            r_type: kind,
            title: entry.title.to_owned(),
            status: entry.status.as_u16().into(),
            detail: detail.to_string(),
            errors: None,
            sku: None,
            requested: None,
            available: None,
            allowed: None,
        };
        Self(Box::new(body), None)
    }

    /// The same with this header.
    fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self(self.0, Some((name, HeaderValue::from_static(value))))
    }

    pub(super) fn invalid_host(reason: InvalidHost) -> Self {
        Self::new(ProblemType::InvalidHost, reason)
    }

    pub(super) fn not_found() -> Self {
        Self::new(ProblemType::NotFound, "There is nothing at this path.")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            ProblemType::MethodNotAllowed,
            "This path does not take this method; Allow lists those it takes.",
        )
    }

    pub(super) fn unauthorized(reason: Unauthorized) -> Self {
        let problem = match reason {
            Unauthorized::MissingKey => Self::new(
                ProblemType::MissingApiKey,
                "The request needs an API key in the header X-API-Key.",
            ),
            Unauthorized::InvalidKey => {
                Self::new(ProblemType::InvalidApiKey, "The service does not know this API key.")
            }
        };
        // A 401 must have WWW-Authenticate (RFC 9110, section 15.5.2).
        problem.with(header::WWW_AUTHENTICATE, "ApiKey header=\"X-API-Key\"")
    }

    /// The detail says what an honest caller can mend, and no more than a forger knows.
    pub(super) fn invalid_signature(headers: SignatureHeaders, reason: SignatureError) -> Self {
        let header = headers.timestamped();
        let (or_standard, and_standard) = match headers {
            SignatureHeaders::Own => (
                ", nor webhook-id, webhook-timestamp and webhook-signature",
                ", and the webhook-* headers belong together",
            ),
            SignatureHeaders::Stripe => ("", ""),
        };
        let detail = match reason {
            SignatureError::NoHeader => format!("The request is not signed: it has no {header}{or_standard}."),
            SignatureError::NotOneHeader => {
                "The request repeats a signature header, or is signed in two ways.".to_owned()
            }
            SignatureError::Unreadable => {
                format!("The signature cannot be read: {header} is t=<unix seconds>,v1=<hex>{and_standard}.")
            }
            SignatureError::TooFarFromNow => "The signature's time is too far from the service's clock.".to_owned(),
            SignatureError::DoesNotFit => {
                "No signature of this request matches its body and the webhook secret.".to_owned()
            }
        };
        let challenge = match headers {
            SignatureHeaders::Own => "Signature header=\"X-Webhook-Signature\"",
            SignatureHeaders::Stripe => "Signature header=\"Stripe-Signature\"",
        };
        Self::new(ProblemType::InvalidSignature, detail).with(header::WWW_AUTHENTICATE, challenge)
    }

    pub(super) fn webhook_not_configured() -> Self {
        Self::new(
            ProblemType::WebhookNotConfigured,
            "No secret is configured for this webhook.",
        )
    }

    pub(super) fn payload_too_large(bytes_max: usize) -> Self {
        Self::new(
            ProblemType::PayloadTooLarge,
            format_args!("The body is larger than {bytes_max} bytes."),
        )
    }

    pub(super) fn request_timeout(timeout: Duration) -> Self {
        let seconds = timeout.as_secs();
        Self::new(
            ProblemType::RequestTimeout,
            format_args!("The body did not arrive within {seconds} seconds."),
        )
    }

    pub(super) fn rate_limited(per_minute: NonZeroU32, wait_seconds: u64) -> RateLimited {
        let requests = if per_minute.get() == 1 { "request" } else { "requests" };
        let seconds = if wait_seconds == 1 { "second" } else { "seconds" };
        let detail = format_args!(
            "The rate limit of {per_minute} {requests} a minute is used up; try again in {wait_seconds} {seconds}."
        );
        RateLimited {
            problem: Self::new(ProblemType::RateLimited, detail),
            wait_seconds,
        }
    }

    pub(super) fn body_unreadable(error: &impl Display) -> Self {
        tracing::debug!(%error, "the body broke off");
        Self::new(
            ProblemType::MalformedJson,
            "The body is not JSON: it broke off on its way.",
        )
    }

    /// What is wrong with the values of a request.
    pub(super) fn failures(&self) -> &[models::Failure] {
        self.0.errors.as_deref().unwrap_or_default()
    }

    fn invalid(failures: Vec<Failure>) -> Self {
        let errors: Vec<models::Failure> = failures.into_iter().map(written).collect();
        let mut problem = Self::new(ProblemType::ValidationFailed, summary(&errors));
        problem.0.errors = Some(errors);
        problem
    }

    pub(super) fn invalid_pointer(pointer: &str, detail: impl Display) -> Self {
        let place = Place::Pointer(pointer.to_owned());
        Self::invalid(vec![Failure {
            place,
            detail: detail.to_string(),
        }])
    }

    pub(super) fn invalid_parameter(name: &str, detail: impl Display) -> Self {
        let place = Place::Parameter(name.to_owned());
        Self::invalid(vec![Failure {
            place,
            detail: detail.to_string(),
        }])
    }
}

/// The response to a caller who has used up the rate limit.
#[derive(Debug)]
pub(super) struct RateLimited {
    problem: Problem,
    wait_seconds: u64,
}

/// Converts the error of a body's value that the contract accepts but the domain refuses.
pub(super) fn at_pointer<T>(pointer: &str, value: Result<T, Invalid>) -> Result<T, Problem> {
    value.map_err(|rule| Problem::invalid_pointer(pointer, rule))
}

/// Converts the error of a parameter that the contract accepts but the domain refuses.
pub(super) fn parameter<T>(name: &str, value: Result<T, Invalid>) -> Result<T, Problem> {
    value.map_err(|rule| Problem::invalid_parameter(name, rule))
}

/// How many failures `detail` spells out; `errors` has them all.
const SPELLED_OUT_MAX: usize = 5;

fn summary(errors: &[models::Failure]) -> String {
    let count = errors.len();
    let place = |error: &models::Failure| match (&error.parameter, error.pointer.as_deref()) {
        (Some(parameter), _) => parameter.clone(),
        (None, None | Some("")) => "the body".to_owned(),
        (None, Some(pointer)) => pointer.to_owned(),
    };
    let spelled: Vec<String> = errors
        .iter()
        .take(SPELLED_OUT_MAX)
        .map(|error| format!("{} {}", place(error), error.detail))
        .collect();
    let noun = if count == 1 { "failure" } else { "failures" };
    let rest = match count.saturating_sub(SPELLED_OUT_MAX) {
        0 => String::new(),
        rest => format!("; and {rest} more"),
    };
    format!("The request has {count} {noun}: {}{rest}.", spelled.join("; "))
}

fn written(failure: Failure) -> models::Failure {
    let (pointer, parameter) = match failure.place {
        Place::Pointer(pointer) => (Some(pointer), None),
        Place::Parameter(name) => (None, Some(name)),
    };
    models::Failure {
        pointer,
        parameter,
        detail: failure.detail,
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::UnsupportedMediaType => {
                let detail = "The body must be sent with Content-Type: application/json.";
                Self::new(ProblemType::UnsupportedMediaType, detail)
            }
            Rejection::UnsupportedContentEncoding => {
                let detail = "The body must be sent without Content-Encoding.";
                Self::new(ProblemType::UnsupportedMediaType, detail).with(header::ACCEPT_ENCODING, "identity")
            }
            Rejection::MalformedJson(why) => {
                Self::new(ProblemType::MalformedJson, format_args!("The body is not JSON: {why}."))
            }
            Rejection::Invalid(failures) => Self::invalid(failures),
            Rejection::Unwritable(error) => Error::internal(error).into(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = |kind| Self::new(kind, &error);
        match &error {
            Error::ProductNotFound { .. } => problem(ProblemType::ProductNotFound),
            Error::OrderNotFound { .. } => problem(ProblemType::OrderNotFound),
            Error::DuplicateSku { sku } => {
                let mut problem = problem(ProblemType::DuplicateSku);
                problem.0.sku = Some(sku.to_string());
                problem
            }
            Error::InsufficientStock {
                product_id: _,
                requested,
                available,
            } => {
                let mut problem = problem(ProblemType::InsufficientStock);
                problem.0.requested = Some(requested.get());
                problem.0.available = Some(available.get());
                problem
            }
            Error::StockLimit { .. } => problem(ProblemType::StockLimit),
            Error::ProductInUse { .. } => problem(ProblemType::ProductInUse),
            Error::InvalidTransition {
                order_id: _,
                from,
                to: _,
            } => {
                let mut problem = problem(ProblemType::InvalidTransition);
                problem.0.allowed = Some(from.allowed().iter().copied().map(Into::into).collect());
                problem
            }
            Error::OrderNotEditable { .. } => problem(ProblemType::OrderNotEditable),
            Error::OrderNotDeletable { .. } => problem(ProblemType::OrderNotDeletable),
            Error::StaleVersion { .. } => problem(ProblemType::StaleVersion),
            Error::IdempotencyKeyReused => problem(ProblemType::IdempotencyKeyReused),
            Error::Overloaded => problem(ProblemType::Overloaded),
            // The store has logged it, once for all writes that it hit.
            Error::StorageUnavailable(_) => problem(ProblemType::StorageUnavailable),
            Error::OutcomeUnknown(_) => problem(ProblemType::OutcomeUnknown),
            Error::Internal(cause) => {
                tracing::error!(%cause, "internal error");
                problem(ProblemType::InternalError)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = self.0.r_type;
        let status = entry(kind).status;
        // A problem has only strings, numbers and lists of them, so this does not fail.
        let body = serde_json::to_vec(&self.0).unwrap_or_else(|error| {
            tracing::error!(%error, "a problem could not be serialized");
            Vec::new()
        });
        let mut response = (status, body).into_response();
        // The metrics layer counts errors by this type.
        response.extensions_mut().insert(kind);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some((name, value)) = self.1 {
            headers.insert(name, value);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        response
    }
}

impl IntoResponse for RateLimited {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, self.wait_seconds.into());
        response
    }
}

/// The response to a connection beyond the limit: complete HTTP/1.1 bytes, since its request is not read.
pub fn too_many_connections() -> Vec<u8> {
    let problem = Problem::from(Error::Overloaded);
    let body = serde_json::to_string(&problem.0).unwrap_or_default();
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\
         retry-after: {RETRY_AFTER_SECONDS}\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n\
         connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detail_names_at_most_five_failures() {
        let failure = |place: &str| models::Failure {
            pointer: Some(place.to_owned()),
            parameter: None,
            detail: "is required".to_owned(),
        };
        assert_eq!(
            summary(&[failure("")]),
            "The request has 1 failure: the body is required."
        );
        let seven: Vec<_> = ["/a", "/b", "/c", "/d", "/e", "/f", "/g"].map(failure).into();
        assert!(
            summary(&seven).ends_with("/e is required; and 2 more."),
            "{}",
            summary(&seven)
        );
    }

    /// The table in docs/errors.md has the same types, statuses and titles as the code.
    #[test]
    fn the_documentation_lists_every_error_type() {
        let page = include_str!("../../docs/errors.md");
        let table = page
            .split("<!-- problems:begin -->")
            .nth(1)
            .and_then(|rest| rest.split("<!-- problems:end -->").next());
        let rows: Vec<Vec<&str>> = table
            .expect("docs/errors.md has the marked table")
            .lines()
            .filter(|line| line.contains("/problems/"))
            .map(|line| {
                line.trim_matches('|')
                    .split('|')
                    .map(|cell| cell.trim().trim_matches('`'))
                    .take(3)
                    .collect()
            })
            .collect();
        let wanted: Vec<Vec<String>> = ProblemType::ALL
            .iter()
            .map(|kind| {
                let Entry { title, status, .. } = entry(*kind);
                vec![kind.as_str().to_owned(), status.as_u16().to_string(), title.to_owned()]
            })
            .collect();
        assert_eq!(rows, wanted);
    }
}
