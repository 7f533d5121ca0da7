//! Webhooks: What the payment provider tells the store, and what became of it.

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

/// What the payment provider tells the store, and what became of it.
pub trait Webhooks: Api {
    /// List payment events.
    ///
    /// Every recorded payment event, newest first; `result` and `order_id` narrow the list and can be combined. Deliveries
    /// that were answered `duplicate` are not events of their own.
    fn list_payment_events(
        &self,
        caller: Self::Caller,
        params: ListPaymentEventsParams,
    ) -> impl Future<Output = Result<ListPaymentEventsResponse, Self::Error>> + Send;

    /// Receive a payment event.
    ///
    /// What the payment provider calls. The signature in `X-Webhook-Signature` (see the security scheme
    /// `WebhookSignature`) is checked over the raw body before anything in it is read; `orders-inventory sign` makes one.
    ///
    /// Every event is recorded once under its `id`; one that comes again is answered `duplicate` and changes nothing.
    /// `payment.succeeded` makes a `PENDING` order `PAID`, `payment.refunded` closes a payment and cancels the `PAID`
    /// order whose own payment it was; `result` says what happened. Other types are recorded and `ignored`. Money that
    /// needs a person (`refund_due`, `duplicate_payment`, `amount_mismatch`, `order_gone`, `partial_refund`) is listed by
    /// `GET /payment-events`. Only an order id that was never issued is not recorded (404), so that a retry may succeed.
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
    /// How many items a page holds at the most.
    pub limit: i32,
    /// Where to go on, the `next_cursor` of the page before. Opaque, so do not make one up.
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
    /// The event is recorded, now or before.
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
