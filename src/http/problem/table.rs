//! The table of error types: title, status and explanation of each.

use axum::http::StatusCode;
use orders_inventory_api::models::ProblemType;

/// An error type's title, status and explanation.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The error type in a few words.
    pub title: &'static str,
    /// The status of every response of this type.
    pub status: StatusCode,
    /// What it means, and what a client can do.
    pub meaning: &'static str,
}

/// The row of an error type.
pub const fn entry(kind: ProblemType) -> Entry {
    const fn row(status: StatusCode, title: &'static str, meaning: &'static str) -> Entry {
        Entry { title, status, meaning }
    }
    match kind {
        ProblemType::MalformedJson => row(
            StatusCode::BAD_REQUEST,
            "Malformed JSON",
            "The body is not valid JSON; the detail says where the error is. Send it again as JSON in UTF-8.",
        ),
        ProblemType::InvalidHost => row(
            StatusCode::BAD_REQUEST,
            "Invalid host",
            "The request does not say which host it is for: its Host header is missing, repeated or malformed. Send one \
             Host header, with a name or an address and at most a port.",
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
            "The event has no signature that matches its body and the webhook's secret (`WEBHOOK_SECRET` for \
             /webhooks/payment, `STRIPE_WEBHOOK_SECRET` for /webhooks/stripe), or the signature's time is too far from now. \
             The security schemes WebhookSignature and StripeSignature in the documentation say how to sign a body.",
        ),
        ProblemType::NotFound => row(
            StatusCode::NOT_FOUND,
            "Not found",
            "There is nothing at this path. The documentation at /docs lists every path.",
        ),
        ProblemType::ProductNotFound => row(
            StatusCode::NOT_FOUND,
            "Product not found",
            "No product has this id: it never existed or was deleted. Ids are never used again.",
        ),
        ProblemType::OrderNotFound => row(
            StatusCode::NOT_FOUND,
            "Order not found",
            "No order has this id: it never existed or was deleted. Ids are never used again. An event about an order that \
             was never placed is not recorded, so it can be sent again.",
        ),
        ProblemType::MethodNotAllowed => row(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method not allowed",
            "The path does not support this method. The Allow header lists the methods that it supports.",
        ),
        ProblemType::RequestTimeout => row(
            StatusCode::REQUEST_TIMEOUT,
            "Request timeout",
            "The body did not arrive in time. Nothing was changed; send the request again.",
        ),
        ProblemType::DuplicateSku => row(
            StatusCode::CONFLICT,
            "Duplicate SKU",
            "Another product has this SKU; `sku` repeats it. Choose another SKU, or change that product.",
        ),
        ProblemType::InsufficientStock => row(
            StatusCode::CONFLICT,
            "Insufficient stock",
            "The product has fewer units in stock than were ordered; `requested` and `available` are the two numbers. \
             Order fewer, or wait for a restock.",
        ),
        ProblemType::StockLimit => row(
            StatusCode::CONFLICT,
            "Stock limit",
            "The movement would raise the product's stock above the maximum.",
        ),
        ProblemType::ProductInUse => row(
            StatusCode::CONFLICT,
            "Product in use",
            "Orders refer to the product, so it cannot be deleted: an order must always name its product.",
        ),
        ProblemType::InvalidTransition => row(
            StatusCode::CONFLICT,
            "Invalid transition",
            "The order cannot change from its status to the requested one; `allowed` lists the statuses it can change to.",
        ),
        ProblemType::OrderNotEditable => row(
            StatusCode::CONFLICT,
            "Order not editable",
            "The quantity can change only while the order is PENDING and remains PENDING.",
        ),
        ProblemType::OrderNotDeletable => row(
            StatusCode::CONFLICT,
            "Order not deletable",
            "The order has a recorded payment, so it cannot be deleted; the detail says what can be done instead.",
        ),
        ProblemType::StaleVersion => row(
            StatusCode::PRECONDITION_FAILED,
            "Stale version",
            "The resource is not in a version that If-Match names, or in one that If-None-Match names. Read it again before you change it.",
        ),
        ProblemType::PayloadTooLarge => row(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Payload too large",
            "The body is larger than the limit of its operation.",
        ),
        ProblemType::UnsupportedMediaType => row(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported media type",
            "The body is not declared as JSON, or it is compressed. Send the header Content-Type: application/json, and no \
             Content-Encoding.",
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
            "The service failed. Its log has the cause, under the id in the X-Request-Id header.",
        ),
        ProblemType::OutcomeUnknown => row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Outcome unknown",
            "The storage failed while the change was being committed, so either all of it was kept or nothing. Send the \
             same request with the same Idempotency-Key, or the same event, again: it takes effect once. Without a key, \
             read the resource first.",
        ),
        ProblemType::Overloaded => row(
            StatusCode::SERVICE_UNAVAILABLE,
            "Overloaded",
            "The service has more requests than it can handle. Nothing was changed; try again after Retry-After seconds.",
        ),
        ProblemType::StorageUnavailable => row(
            StatusCode::SERVICE_UNAVAILABLE,
            "Storage unavailable",
            "The storage cannot write, for example because its disk is full. Nothing was changed; try again after \
             Retry-After seconds.",
        ),
        ProblemType::WebhookNotConfigured => row(
            StatusCode::SERVICE_UNAVAILABLE,
            "Webhook not configured",
            "The service has no secret for this webhook, so it cannot verify signatures. Set `WEBHOOK_SECRET` for \
             /webhooks/payment, `STRIPE_WEBHOOK_SECRET` and `CURRENCY` for /webhooks/stripe.",
        ),
    }
}

/// The last part of an error type's path, which is its page's name.
pub fn name(kind: ProblemType) -> &'static str {
    kind.as_str().trim_start_matches("/problems/")
}
