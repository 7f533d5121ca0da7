//! The one shape of every error (RFC 9457), and the table of what there is.
//!
//! Every error of every kind leaves through [`Problem`]: the refusals of use cases, of the contract, of the layers. What
//! lies behind a fault of the service goes into the log and never into an answer.

use std::fmt::Display;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orders_inventory_api::models::{self, ProblemType};
use orders_inventory_api::read::{Failure, Place, Rejection};

use super::callers::Stranger;
use crate::domain::Invalid;
use crate::error::Error;

pub(super) mod pages;

/// What the contract does not say about an error type: its title, its status, and a few lines for people.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The error type in a few words, the same each time.
    pub title: &'static str,
    /// The status of every answer of this type.
    pub status: StatusCode,
    /// What it means, and what to do about it.
    pub meaning: &'static str,
}

/// The table of error types: one row for every value that the contract names.
pub const fn entry(kind: ProblemType) -> Entry {
    const fn row(status: StatusCode, title: &'static str, meaning: &'static str) -> Entry {
        Entry { title, status, meaning }
    }
    match kind {
        ProblemType::MalformedJson => row(
            StatusCode::BAD_REQUEST,
            "Malformed JSON",
            "The body is not JSON; the detail says where it stops being so. Send it again as JSON in UTF-8.",
        ),
        ProblemType::MissingApiKey => row(
            StatusCode::UNAUTHORIZED,
            "Missing API key",
            "The operation needs an API key. Send one in the header X-API-Key.",
        ),
        ProblemType::InvalidApiKey => row(
            StatusCode::UNAUTHORIZED,
            "Invalid API key",
            "The service does not know the API key in the header X-API-Key; it may have been rotated.",
        ),
        ProblemType::InvalidSignature => row(
            StatusCode::UNAUTHORIZED,
            "Invalid signature",
            "The X-Webhook-Signature header does not sign this body with the webhook secret and a time close to now. The \
             documentation of the security scheme WebhookSignature says how to make one.",
        ),
        ProblemType::NotFound => row(
            StatusCode::NOT_FOUND,
            "Not found",
            "There is nothing at this path. The documentation at /docs lists the paths that there are.",
        ),
        ProblemType::ProductNotFound => row(
            StatusCode::NOT_FOUND,
            "Product not found",
            "There is no product with this id: there never was one, or it was deleted. Ids are never used again.",
        ),
        ProblemType::OrderNotFound => row(
            StatusCode::NOT_FOUND,
            "Order not found",
            "There is no order with this id: there never was one, or it was deleted. Ids are never used again.",
        ),
        ProblemType::MethodNotAllowed => row(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method not allowed",
            "The path exists, but not for this method. The Allow header lists the methods it takes.",
        ),
        ProblemType::RequestTimeout => row(
            StatusCode::REQUEST_TIMEOUT,
            "Request timeout",
            "The body did not arrive in time. Nothing was changed; send the request again.",
        ),
        ProblemType::DuplicateSku => row(
            StatusCode::CONFLICT,
            "Duplicate SKU",
            "Another product has this SKU; `sku` names it. Choose another one, or find and change that product.",
        ),
        ProblemType::InsufficientStock => row(
            StatusCode::CONFLICT,
            "Insufficient stock",
            "The product has fewer units than were asked for; `requested` and `available` say how many. Ask for fewer, \
             or wait for a restock.",
        ),
        ProblemType::StockLimit => row(
            StatusCode::CONFLICT,
            "Stock limit",
            "The movement would lift the product's stock above what a product may have.",
        ),
        ProblemType::ProductInUse => row(
            StatusCode::CONFLICT,
            "Product in use",
            "Orders refer to the product, so it cannot be deleted: an order must always be able to say what was ordered.",
        ),
        ProblemType::InvalidTransition => row(
            StatusCode::CONFLICT,
            "Invalid transition",
            "The order cannot go from its status to the one asked for; `allowed` lists where it can go from here.",
        ),
        ProblemType::OrderNotEditable => row(
            StatusCode::CONFLICT,
            "Order not editable",
            "An order's quantity can change only while it is PENDING and stays so.",
        ),
        ProblemType::OrderNotDeletable => row(
            StatusCode::CONFLICT,
            "Order not deletable",
            "The order saw money and is part of the books; the detail says what can be done instead.",
        ),
        ProblemType::StaleVersion => row(
            StatusCode::PRECONDITION_FAILED,
            "Stale version",
            "The resource changed since the version that If-Match names. Read it again, and decide again.",
        ),
        ProblemType::PayloadTooLarge => row(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Payload too large",
            "The body is larger than the service takes. No request that makes sense here comes near the limit.",
        ),
        ProblemType::UnsupportedMediaType => row(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported media type",
            "The body is not declared as JSON. Send the header Content-Type: application/json.",
        ),
        ProblemType::ValidationFailed => row(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Validation failed",
            "The request breaks the contract; `errors` lists every failure with its place in the body (a JSON Pointer) \
             or the name of the parameter. Nothing was changed.",
        ),
        ProblemType::IdempotencyKeyReused => row(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Idempotency key reused",
            "The Idempotency-Key was used for this path with another body. Use a new key for a new request.",
        ),
        ProblemType::RateLimited => row(
            StatusCode::TOO_MANY_REQUESTS,
            "Rate limited",
            "The caller sends more requests than the service's rate limit allows. Try again after Retry-After seconds.",
        ),
        ProblemType::InternalError => row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            "A fault of the service. Its log has the cause under the id that the X-Request-Id header names.",
        ),
        ProblemType::Overloaded => row(
            StatusCode::SERVICE_UNAVAILABLE,
            "Overloaded",
            "There is more to do than can be done in time. Nothing was changed; try again after Retry-After seconds.",
        ),
        ProblemType::StorageUnavailable => row(
            StatusCode::SERVICE_UNAVAILABLE,
            "Storage unavailable",
            "The storage takes no writes, for example because its disk is full. Nothing was changed; try again after \
             Retry-After seconds.",
        ),
        ProblemType::WebhookNotConfigured => row(
            StatusCode::SERVICE_UNAVAILABLE,
            "Webhook not configured",
            "The service has no webhook secret, so it cannot tell the provider from anybody else. Set WEBHOOK_SECRET.",
        ),
    }
}

/// The last part of an error type's path: what its page is called.
pub fn name(kind: ProblemType) -> &'static str {
    kind.as_str().trim_start_matches("/problems/")
}

/// After how long a retry makes sense, where one does.
const RETRY_AFTER_SECONDS: u32 = 1;

/// An error on its way out.
#[derive(Debug)]
pub struct Problem(Box<models::Problem>);

impl Problem {
    fn new(kind: ProblemType, detail: impl Display) -> Self {
        let Entry {
            title,
            status,
            meaning: _,
        } = entry(kind);
        Self(Box::new(models::Problem {
            r_type: kind,
            title: title.to_owned(),
            status: status.as_u16().into(),
            detail: detail.to_string(),
            errors: None,
            sku: None,
            requested: None,
            available: None,
            allowed: None,
        }))
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

    pub(super) fn stranger(stranger: Stranger) -> Self {
        match stranger {
            Stranger::WithoutKey => Self::new(
                ProblemType::MissingApiKey,
                "The request needs an API key in the header X-API-Key.",
            ),
            Stranger::WithUnknownKey => {
                Self::new(ProblemType::InvalidApiKey, "The service does not know this API key.")
            }
        }
    }

    pub(super) fn invalid_signature() -> Self {
        let detail = "X-Webhook-Signature does not sign this body with a time close to now.";
        Self::new(ProblemType::InvalidSignature, detail)
    }

    pub(super) fn webhook_not_configured() -> Self {
        Self::new(ProblemType::WebhookNotConfigured, "No webhook secret is configured.")
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

    pub(super) fn body_unreadable(error: &axum::Error) -> Self {
        tracing::debug!(%error, "the body broke off");
        Self::new(
            ProblemType::MalformedJson,
            "The body is not JSON: it broke off on its way.",
        )
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

/// A value of the body that the contract let through and that makes no sense all the same.
pub(super) fn at_pointer<T>(pointer: &str, value: Result<T, Invalid>) -> Result<T, Problem> {
    value.map_err(|rule| Problem::invalid_pointer(pointer, rule))
}

/// A parameter that the contract let through and that makes no sense all the same.
pub(super) fn parameter<T>(name: &str, value: Result<T, Invalid>) -> Result<T, Problem> {
    value.map_err(|rule| Problem::invalid_parameter(name, rule))
}

/// How many failures the one sentence for people spells out; `errors` has them all.
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
            // The layer in front bounds bodies and says by how much; this is the extractor's own, wider bound.
            Rejection::PayloadTooLarge => Self::new(ProblemType::PayloadTooLarge, "The body is too large."),
            Rejection::BodyUnreadable(error) => Self::body_unreadable(&error),
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
            // The store has logged it, once for everyone whom it hit.
            Error::StorageUnavailable(_) => problem(ProblemType::StorageUnavailable),
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
        // No member of a problem can fail to become JSON; if one did, the status would still be right.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 15.5.2: a 401 says how to do better.
            let challenge = match kind == ProblemType::InvalidSignature {
                true => "Signature header=\"X-Webhook-Signature\"",
                false => "ApiKey header=\"X-API-Key\"",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_places_and_stops_in_time() {
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

    /// The table that README shows is the one that the code answers with.
    #[test]
    fn readme_lists_every_error_type() {
        let readme = include_str!("../../README.md");
        let table = readme
            .split("<!-- problems:begin -->")
            .nth(1)
            .and_then(|rest| rest.split("<!-- problems:end -->").next());
        let rows: Vec<Vec<&str>> = table
            .expect("README.md has the marked table")
            .lines()
            .filter(|line| line.contains("/problems/"))
            .map(|line| {
                line.trim_matches('|')
                    .split('|')
                    .map(|cell| cell.trim().trim_matches('`'))
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
