//! Webhooks: Events from payment providers, the result of each, and the payments that they tell of.

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

/// Events from payment providers, the result of each, and the payments that they tell of.
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

    /// List payments.
    ///
    /// Every payment that is followed, newest first; `order_id` and `open` narrow the list and can be combined. A payment is
    /// open until refunds add up to its amount.
    fn list_payments(
        &self,
        caller: Self::Caller,
        params: ListPaymentsParams,
    ) -> impl Future<Output = Result<ListPaymentsResponse, Self::Error>> + Send;

    /// Receive a payment event.
    ///
    /// The payment provider calls this. The service checks the signature over the raw body before it parses the body (see
    /// the security scheme `WebhookSignature`): in `X-Webhook-Signature`, or in the three headers of Standard Webhooks, but
    /// not in both; `orders-inventory sign` makes either.
    ///
    /// Every event is recorded once under its `id` (where it has none, that of the header `webhook-id`); one that is
    /// delivered again is answered `duplicate` and changes nothing. `payment.succeeded` makes a `PENDING` order `PAID`, `payment.refunded` closes a payment and cancels the `PAID`
    /// order whose own payment it was; `result` says what happened. Other types are recorded and `ignored`. An event for an
    /// order id that was never issued is 404 and is not recorded, so a retry may succeed later.
    ///
    /// A refund is known by its `refund_id`, or by its event's `id` where it has none. It counts once, whatever number of
    /// events tell of it. One that comes before its payment is kept, and counts once that is there.
    ///
    /// Money that needs a person is listed by `GET /payment-events`; see the schema `PaymentResult`.
    ///
    /// Calls with a valid signature are exempt from the rate limit. Calls without one count for their client address; an
    /// address with as many of them in a minute as the limit allows gets 429 `rate-limited` for every call.
    fn receive_payment_event(
        &self,
        caller: Self::Caller,
        params: ReceivePaymentEventParams,
        body: models::PaymentEvent,
    ) -> impl Future<Output = Result<ReceivePaymentEventResponse, Self::Error>> + Send;

    /// Receive an event of Stripe.
    ///
    /// The address to enter as a webhook endpoint at Stripe, with the payload style *Snapshot*. The service checks
    /// `Stripe-Signature` over the raw body before it parses the body (see the security scheme `StripeSignature`).
    ///
    /// These types have a meaning: `checkout.session.completed`, `.async_payment_succeeded`, `.async_payment_failed` and
    /// `.expired`; `payment_intent.succeeded`, `.payment_failed`, `.canceled`, `.processing` and
    /// `.amount_capturable_updated`; `charge.succeeded` without an intent, `charge.refunded`; `refund.created`, `.updated` and
    /// `.failed`, `charge.refund.updated`; `charge.dispute.created` and `.closed`. Every other event is recorded and
    /// `ignored`. All of them can be sent here, for one payment is counted once whatever number of events tell of it.
    ///
    /// The order is the one whose id is in the object's `metadata` (under `order_id`, unless the service is configured for
    /// another key); else in `client_reference_id`; else the one that the payment was recorded for. A payment belongs to
    /// the first order that it was recorded for. A payment for an order id that was never issued is 404 and not recorded
    /// for the first 10 minutes of the event, so that Stripe sends it again; after that it is `order_unknown`.
    ///
    /// Amounts are converted exactly, by Stripe's list of currencies. A payment in another currency than the service's, or
    /// in parts of a cent, is `currency_mismatch`.
    ///
    /// A payment that is on its way (bank debits take days) holds its order: it does not expire before that can be known.
    fn receive_stripe_event(
        &self,
        caller: Self::Caller,
        params: ReceiveStripeEventParams,
        body: models::StripeEvent,
    ) -> impl Future<Output = Result<ReceiveStripeEventResponse, Self::Error>> + Send;
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
    /// Only events about this order, even a deleted one.
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

/// The responses of `list_payments` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum ListPaymentsResponse {
    /// A page of payments.
    Status200 {
        /// The body.
        body: models::PaymentPage,
        /// The header `Link`.
        link: Option<String>,
    },
}

impl ListPaymentsResponse {
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

/// The parameters of `list_payments`.
#[derive(Clone, Debug)]
pub struct ListPaymentsParams {
    /// The largest number of items on a page.
    pub limit: i32,
    /// The `next_cursor` of the previous page. It is opaque, so do not construct one.
    pub cursor: Option<String>,
    /// Only payments of this order, even a deleted one.
    pub order_id: Option<i64>,
    /// Only payments that are open, or only those that are not.
    pub open: Option<bool>,
}

#[derive(Validate)]
struct ListPaymentsDraft {
    #[validate(range(min = 1i32, max = 100i32))]
    limit: Option<i32>,
    #[validate(custom(function = "Self::cursor_pattern"))]
    cursor: Option<String>,
    #[validate(range(min = 1i64))]
    order_id: Option<i64>,
    open: Option<bool>,
}

impl ListPaymentsDraft {
    fn cursor_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[0-7][0-9a-f]{15}$"));
        read::matches(text, &PATTERN, Some("must be the next_cursor of a page"))
    }
}

impl ListPaymentsParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/payments", parts, failures);
        let draft = ListPaymentsDraft {
            limit: parameters.query("limit"),
            cursor: parameters.query("cursor"),
            order_id: parameters.query("order_id"),
            open: parameters.query("open"),
        };
        parameters.refuse_unknown_query(&["limit", "cursor", "order_id", "open"]);
        parameters.check(
            &draft,
            &[
                ("limit", "limit"),
                ("cursor", "cursor"),
                ("order_id", "order_id"),
                ("open", "open"),
            ],
        );
        Some(Self {
            limit: draft.limit.unwrap_or(20),
            cursor: draft.cursor,
            order_id: draft.order_id,
            open: draft.open,
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

/// The parameters of `receive_payment_event`.
#[derive(Clone, Debug)]
pub struct ReceivePaymentEventParams {
    /// The signature, as the security scheme of this name says. It can be entered here or under *Authorize*, which counts
    /// where both are: what `orders-inventory sign` prints, with or without the name before the colon.
    pub x_webhook_signature: Option<String>,
    /// In place of `X-Webhook-Signature`, the id of Standard Webhooks. It is the event's id where the body has none.
    pub webhook_id: Option<String>,
    /// In place of `X-Webhook-Signature`, the time of Standard Webhooks, in Unix seconds.
    pub webhook_timestamp: Option<String>,
    /// In place of `X-Webhook-Signature`, the signatures of Standard Webhooks.
    pub webhook_signature: Option<String>,
}

#[derive(Validate)]
struct ReceivePaymentEventDraft {
    x_webhook_signature: Option<String>,
    #[validate(length(min = 1, max = 255))]
    webhook_id: Option<String>,
    webhook_timestamp: Option<String>,
    webhook_signature: Option<String>,
}

impl ReceivePaymentEventParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/webhooks/payment", parts, failures);
        let draft = ReceivePaymentEventDraft {
            x_webhook_signature: parameters.header("X-Webhook-Signature"),
            webhook_id: parameters.header("webhook-id"),
            webhook_timestamp: parameters.header("webhook-timestamp"),
            webhook_signature: parameters.header("webhook-signature"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(
            &draft,
            &[
                ("x_webhook_signature", "X-Webhook-Signature"),
                ("webhook_id", "webhook-id"),
                ("webhook_timestamp", "webhook-timestamp"),
                ("webhook_signature", "webhook-signature"),
            ],
        );
        Some(Self {
            x_webhook_signature: draft.x_webhook_signature,
            webhook_id: draft.webhook_id,
            webhook_timestamp: draft.webhook_timestamp,
            webhook_signature: draft.webhook_signature,
        })
    }
}

/// The responses of `receive_stripe_event` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum ReceiveStripeEventResponse {
    /// The event is recorded, by this delivery or by an earlier one.
    Status200 {
        /// The body.
        body: models::PaymentEventReceipt,
    },
}

impl ReceiveStripeEventResponse {
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

/// The parameters of `receive_stripe_event`.
#[derive(Clone, Debug)]
pub struct ReceiveStripeEventParams {
    /// The signature, as the security scheme of this name says. It can be entered here or under *Authorize*, which counts
    /// where both are: what `orders-inventory sign --stripe` prints, with or without the name before the colon.
    pub stripe_signature: Option<String>,
}

#[derive(Validate)]
struct ReceiveStripeEventDraft {
    stripe_signature: Option<String>,
}

impl ReceiveStripeEventParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/webhooks/stripe", parts, failures);
        let draft = ReceiveStripeEventDraft {
            stripe_signature: parameters.header("Stripe-Signature"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("stripe_signature", "Stripe-Signature")]);
        Some(Self {
            stripe_signature: draft.stripe_signature,
        })
    }
}
