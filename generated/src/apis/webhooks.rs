//! Webhooks: Events from the payment provider, and the result of each.

#![allow(unused_imports, reason = "one list of imports serves every tag")]

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::request;
use axum::response::Response;
use regex::Regex;
use validator::{Validate, ValidationError};

use super::Api;
use crate::models;
use crate::read::{self, Failures, Parameters, Rejection};
use crate::respond;
use crate::types::{Decimal, Timestamp};

/// Events from the payment provider, and the result of each.
pub trait Webhooks: Api {
    /// List payment events.
    ///
    /// Every recorded payment event, newest first; `result` and `order_id` narrow the list and can be combined. A delivery
    /// that was answered `duplicate` adds no event.
    fn list_payment_events(
        &self,
        caller: Self::Caller,
        params: ListPaymentEventsParams,
    ) -> impl Future<Output = Result<ListPaymentEventsResponse, Self::Error>> + Send;

    /// Receive a payment event.
    ///
    /// The payment provider calls this. The service checks the signature over the raw body before it parses the body (see
    /// the security scheme `WebhookSignature`): in `X-Webhook-Signature`, or in the three headers of Standard Webhooks, but
    /// not in both; `orders-inventory sign` makes either.
    ///
    /// Every event is recorded once under its `id`; one that is delivered again is answered `duplicate` and changes nothing.
    /// `payment.succeeded` makes a `PENDING` order `PAID`, `payment.refunded` closes a payment and cancels the `PAID`
    /// order whose own payment it was; `result` says what happened. Other types are recorded and `ignored`. An event for an
    /// order id that was never issued is 404 and is not recorded, so a retry may succeed later.
    ///
    /// A refund is known by its `refund_id`, or by its event's `id` where it has none. It counts once, whatever number of
    /// events tell of it. One that comes before its payment is kept, and counts once that is there.
    ///
    /// Money that needs a person (`refund_due`, `duplicate_payment`, `amount_mismatch`, `order_gone`, `partial_refund`) is
    /// listed by `GET /payment-events`.
    ///
    /// Calls with a valid signature are exempt from the rate limit. Calls without one count for their client address; an
    /// address with as many of them in a minute as the limit allows gets 429 `rate-limited` for every call.
    fn receive_payment_event(
        &self,
        caller: Self::Caller,
        body: models::PaymentEvent,
    ) -> impl Future<Output = Result<ReceivePaymentEventResponse, Self::Error>> + Send;
}

/// The responses of `list_payment_events` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum ListPaymentEventsResponse {
    /// A page of events.
    Status200 {
        /// The body.
        body: models::PaymentEventPage,
        /// The header `Link`.
        link: Option<String>,
    },
}

impl ListPaymentEventsResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body, link } => {
                let response = respond::json(200, &body)?;
                let response = respond::header(response, "link", link)?;
                Ok(response)
            }
        }
    }
}

/// The parameters of `list_payment_events`.
#[derive(Clone, Debug)]
pub struct ListPaymentEventsParams {
    /// The largest number of items on a page.
    pub limit: i32,
    /// The `next_cursor` of the previous page. It is opaque, so do not construct one.
    pub cursor: Option<String>,
    /// Only events with this result.
    pub result: Option<models::PaymentResult>,
    /// Only events that name this order, even a deleted one.
    pub order_id: Option<i64>,
}

#[derive(Validate)]
struct ListPaymentEventsDraft {
    #[validate(range(min = 1i32, max = 100i32))]
    limit: Option<i32>,
    #[validate(custom(function = "Self::cursor_pattern"))]
    cursor: Option<String>,
    result: Option<models::PaymentResult>,
    #[validate(range(min = 1i64))]
    order_id: Option<i64>,
}

impl ListPaymentEventsDraft {
    fn cursor_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[0-7][0-9a-f]{15}$"));
        read::matches(text, &PATTERN, Some("must be the next_cursor of a page"))
    }
}

impl ListPaymentEventsParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/payment-events", parts, failures);
        let draft = ListPaymentEventsDraft {
            limit: parameters.query("limit"),
            cursor: parameters.query("cursor"),
            result: parameters.query("result"),
            order_id: parameters.query("order_id"),
        };
        parameters.refuse_unknown_query(&["limit", "cursor", "result", "order_id"]);
        parameters.check(
            &draft,
            &[
                ("limit", "limit"),
                ("cursor", "cursor"),
                ("result", "result"),
                ("order_id", "order_id"),
            ],
        );
        Some(Self {
            limit: draft.limit.unwrap_or(20),
            cursor: draft.cursor,
            result: draft.result,
            order_id: draft.order_id,
        })
    }
}

/// The responses of `receive_payment_event` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum ReceivePaymentEventResponse {
    /// The event is recorded, by this delivery or by an earlier one.
    Status200 {
        /// The body.
        body: models::PaymentEventReceipt,
    },
}

impl ReceivePaymentEventResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body } => {
                let response = respond::json(200, &body)?;
                Ok(response)
            }
        }
    }
}
