//! The steps of the smoke test that are deliveries of payment providers.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use orders_inventory_api::models::{DeliveryResult, Order, OrderStatus, PaymentEventReceipt, ProblemType};
use reqwest::blocking::RequestBuilder;
use serde_json::json;
use sha2::Sha256;

use crate::client::{Client, Failure, same};
use crate::random;

/// What deliveries are signed with.
pub(crate) struct Secrets {
    pub(crate) own: String,
    /// `None` where the service is not configured for Stripe.
    pub(crate) stripe: Option<String>,
    /// Whether the service takes the events of Stripe's live mode.
    pub(crate) is_live: bool,
}

/// The paths and the signature headers.
const OWN: (&str, &str) = ("/webhooks/payment", "X-Webhook-Signature");
const STRIPE: (&str, &str) = ("/webhooks/stripe", "Stripe-Signature");

/// Stripe says that the order was not paid in time at its page. That changes nothing, so that a service in production is
/// left as it was.
pub(crate) fn an_event_of_stripe(client: &Client, order: &Order, secrets: &Secrets) -> Result<(), Failure> {
    let Some(secret) = &secrets.stripe else {
        println!("skipped an event of Stripe: STRIPE_WEBHOOK_SECRET is not set");
        return Ok(());
    };
    let id = random("event");
    let session = json!({
        "id": random("session"),
        "object": "checkout.session",
        "mode": "payment",
        "payment_status": "unpaid",
        "client_reference_id": order.id.to_string(),
    });
    let event = json!({
        "id": id,
        "object": "event",
        "type": "checkout.session.expired",
        "created": unix_seconds(),
        "livemode": secrets.is_live,
        "data": {"object": session},
    });
    let event = event.to_string();
    client.step(
        "an event of Stripe with a wrong signature",
        signed(client, STRIPE, &event, &random("secret")),
        |answer| answer.problem(401, ProblemType::InvalidSignature).map(drop),
    )?;
    client.step(
        "an event of Stripe: its session expired",
        signed(client, STRIPE, &event, secret),
        |answer| {
            let receipt: PaymentEventReceipt = answer.json(200)?;
            same("event_id", &receipt.event_id, &id)?;
            same("result", receipt.result, DeliveryResult::Ignored)?;
            same("order_id", receipt.order_id, Some(order.id))?;
            same("order_status", receipt.order_status, Some(OrderStatus::Pending))
        },
    )
}

/// Only a signed event pays an order, and it counts once.
pub(crate) fn a_payment(client: &Client, order: &Order, secrets: &Secrets) -> Result<(), Failure> {
    let path = format!("/orders/{}", order.id);
    client.step(
        "ship before it is paid",
        client.put(&path).json(&json!({"status": "SHIPPED"})),
        |answer| {
            let problem = answer.problem(409, ProblemType::InvalidTransition)?;
            same(
                "allowed",
                problem.allowed.as_deref(),
                Some(&[OrderStatus::Canceled][..]),
            )
        },
    )?;

    let id = random("event");
    let event = json!({
        "id": id,
        "type": "payment.succeeded",
        "data": {"order_id": order.id, "payment_id": random("payment"), "amount": order.total},
    });
    let event = event.to_string();
    client.step(
        "pay with a wrong signature",
        signed(client, OWN, &event, &random("secret")),
        |answer| answer.problem(401, ProblemType::InvalidSignature).map(drop),
    )?;
    let deliver = |step, result| {
        client.step(step, signed(client, OWN, &event, &secrets.own), |answer| {
            let receipt: PaymentEventReceipt = answer.json(200)?;
            same("event_id", &receipt.event_id, &id)?;
            same("result", receipt.result, result)?;
            same("order_id", receipt.order_id, Some(order.id))?;
            same("order_status", receipt.order_status, Some(OrderStatus::Paid))
        })
    };
    deliver("pay", DeliveryResult::Applied)?;
    deliver("the same event again", DeliveryResult::Duplicate)?;
    client.step("the order is paid", client.get(&path), |answer| {
        let order: Order = answer.json(200)?;
        same("status", order.status, OrderStatus::Paid)?;
        same("whether paid_at is set", order.paid_at.is_some(), true)
    })
}

/// A delivery of a provider: without an API key, with a signature over the time and the body.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn signed(client: &Client, (path, header): (&str, &str), body: &str, secret: &str) -> RequestBuilder {
    let now = unix_seconds();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{now}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    client
        .without_key(reqwest::Method::POST, path)
        .header(header, format!("t={now},v1={signature}"))
        .header("Content-Type", "application/json")
        .body(body.to_owned())
}

fn unix_seconds() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}
