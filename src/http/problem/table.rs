//! The table of error types: what there is, which status each has, and what to tell people about it.

use axum::http::StatusCode;
use orders_inventory_api::models::ProblemType;

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
            "The order has a recorded payment, so it stays on record; the detail says what can be done instead.",
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
        ProblemType::OutcomeUnknown => row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Outcome unknown",
            "The storage failed while the change was being committed, so all of it was kept or nothing. Send the same request \
             with the same Idempotency-Key, or the same event, again: it is done once. A request without a key: read the \
             resource first.",
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
