//! Events of Stripe, signed as Stripe signs, and a shop that checks its books after each of them.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use orders_inventory::http::{self, Stripe};
use serde_json::{Value, json};

use super::TestApp;
use super::app::{STRIPE_SECRET, stripe};
use super::client::{Call, Json};
use super::payment::sign;

/// The header with the signature.
pub(crate) const HEADER: &str = "stripe-signature";

impl TestApp {
    /// Delivers an event of Stripe, signed now.
    pub(crate) fn stripe(&self, event: &Value) -> Call {
        self.stripe_text(&event.to_string())
    }

    /// Delivers an event of Stripe with exactly this text, signed now.
    pub(crate) fn stripe_text(&self, body: &str) -> Call {
        let signature = sign(STRIPE_SECRET, self.now_seconds(), body.as_bytes());
        self.stripe_signed(&signature, body)
    }

    /// Delivers a body with this signature.
    pub(crate) fn stripe_signed(&self, signature: &str, body: impl Json) -> Call {
        self.post("/webhooks/stripe", body).header(HEADER, signature)
    }

    /// What the books say of each payment, oldest first: `pi_1 of 1: 2500 EUR, 500 back, open own disputed`.
    pub(crate) async fn payments(&self) -> Vec<String> {
        let mut payments = self.walk("/payments?limit=100").await;
        payments.reverse();
        payments.iter().map(payment_line).collect()
    }

    /// Each recorded event, oldest first: `evt_1 charge.refunded of 1: applied`.
    pub(crate) async fn events(&self) -> Vec<String> {
        let mut events = self.walk("/payment-events?limit=100").await;
        events.reverse();
        let text = |event: &Value, member: &str| event[member].as_str().unwrap().to_owned();
        let line = |event: &Value| {
            let (id, kind, result) = (text(event, "event_id"), text(event, "type"), text(event, "result"));
            format!("{id} {kind} of {}: {result}", order_of(event))
        };
        events.iter().map(line).collect()
    }
}

fn payment_line(payment: &Value) -> String {
    let text = |member: &str| payment[member].as_str().unwrap_or("?").to_owned();
    let cents = |member: &str| {
        payment[member]
            .as_f64()
            .map_or("?".to_owned(), |amount| format!("{:.0}", amount * 100.0))
    };
    let mut line = format!(
        "{} of {}: {} {}, {} back,",
        text("payment_id"),
        order_of(payment),
        cents("amount"),
        text("currency"),
        cents("refunded")
    );
    let closed = if payment["open"] == true { "open" } else { "closed" };
    let own = (payment["own"] == true).then_some("own");
    let disputed = (payment["disputed"] == true).then_some("disputed");
    for word in [Some(closed), own, disputed].into_iter().flatten() {
        line.push(' ');
        line.push_str(word);
    }
    line
}

fn order_of(item: &Value) -> String {
    item["order_id"].as_i64().map_or("none".to_owned(), |id| id.to_string())
}

/// A service with orders of 2 units for 25.00, whose events come from Stripe. It dereferences to its [`TestApp`].
pub(crate) struct Shop {
    pub(crate) app: TestApp,
    events: AtomicUsize,
}

impl Deref for Shop {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl Shop {
    /// With order 1, and 8 units left of product 1.
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The same, where other events are expected of Stripe.
    pub(crate) async fn expecting(change: impl FnOnce(&mut Stripe)) -> Self {
        Self::with(|options| change(&mut options.stripe.as_mut().unwrap().1)).await
    }

    /// The same, with prices in this currency.
    pub(crate) async fn in_currency(code: &str) -> Self {
        Self::expecting(|expected| *expected = stripe(code)).await
    }

    /// The same, with other options.
    pub(crate) async fn with(change: impl FnOnce(&mut http::Options)) -> Self {
        let shop = Self {
            app: TestApp::with(change),
            events: AtomicUsize::new(0),
        };
        shop.product(10).await;
        shop.place_order().await;
        shop
    }

    /// Places another order of the same; returns its id.
    pub(crate) async fn place_order(&self) -> i64 {
        self.order(1, 2).await
    }

    /// Cancels or ships an order.
    pub(crate) async fn set_status(&self, order: i64, status: &str) {
        let path = format!("/orders/{order}");
        self.put(&path, json!({"status": status})).await.expect(200);
    }

    /// An event with a new id, of now.
    pub(crate) fn event(&self, kind: &str, object: Value) -> Value {
        let number = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        event(&format!("evt_{number}"), kind, self.now_seconds(), object)
    }

    /// Delivers a new event of this type and object, which must be accepted; returns its result.
    pub(crate) async fn tell(&self, kind: &str, object: Value) -> String {
        self.accept(&self.event(kind, object)).await
    }

    /// Delivers an event that must be accepted; returns its result. Receipt, recorded event and order must agree.
    pub(crate) async fn accept(&self, event: &Value) -> String {
        let receipt = self.stripe(event).await.json(200);
        assert_eq!(receipt["event_id"], event["id"], "{event}");
        let order = &receipt["order_id"];
        let status = match order.as_i64() {
            Some(id) => match self.get(&format!("/orders/{id}")).await {
                found if found.status == 200 => found.value()["status"].clone(),
                deleted => {
                    deleted.expect(404);
                    Value::Null
                }
            },
            None => Value::Null,
        };
        assert_eq!(receipt["order_status"], status, "{event}");
        let result = receipt["result"].as_str().unwrap().to_owned();
        if result != "duplicate" {
            let newest = self.get("/payment-events?limit=1").await.json(200)["items"][0].take();
            let recorded = ["provider", "event_id", "type", "result", "order_id"].map(|member| &newest[member]);
            let wanted = [
                &json!("stripe"),
                &event["id"],
                &event["type"],
                &receipt["result"],
                order,
            ];
            assert_eq!(recorded, wanted, "{event}");
        }
        result
    }

    /// Delivers these events, a second apart; returns their results.
    pub(crate) async fn tell_all(&self, events: &[(&str, Value)]) -> Vec<String> {
        let mut results = Vec::new();
        for (kind, object) in events {
            self.clock.advance_ms(1_000);
            results.push(self.tell(kind, object.clone()).await);
        }
        results
    }

    /// Pays order 1 by the payment `pi_1`.
    pub(crate) async fn pay_by_stripe(&self) {
        let result = self
            .tell("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)))
            .await;
        assert_eq!(result, "applied");
    }

    /// Order 1 has this status, product 1 this stock, these are all payments, and the books are in order.
    #[track_caller]
    pub(crate) fn assert_books<'s>(
        &'s self,
        status: &'s str,
        stock: i64,
        payments: &'s [&'s str],
    ) -> impl Future<Output = ()> + 's {
        let place = std::panic::Location::caller();
        async move {
            assert_eq!(self.status_of(1).await, status, "{place}");
            assert_eq!(self.stock(1).await, stock, "{place}");
            assert_eq!(self.payments().await, payments, "{place}");
            self.assert_ledger_adds_up().await;
        }
    }

    /// Whether order 1 is due a refund.
    pub(crate) async fn owes(&self) -> bool {
        self.get("/orders/1").await.json(200)["refund_due"] == true
    }

    /// When order 1 expires, in milliseconds from now.
    pub(crate) async fn expires_in_ms(&self) -> i64 {
        let order = self.get("/orders/1").await.json(200);
        let time = order["expires_at"]
            .as_str()
            .unwrap_or_else(|| panic!("it never expires: {order}"));
        let time: jiff::Timestamp = time.parse().unwrap();
        time.as_millisecond() - self.clock.now_ms()
    }
}

/// An event in live mode, of no connected account.
pub(crate) fn event(id: &str, kind: &str, created: i64, object: Value) -> Value {
    let mut event = json!({
        "id": id, "object": "event", "api_version": "2025-03-31.basil", "created": created, "livemode": true,
        "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind, "data": {},
    });
    event["data"]["object"] = object;
    event
}

/// A Checkout Session that was paid by this intent.
pub(crate) fn session(id: &str, intent: Option<&str>, cents: i64, order: Option<i64>) -> Value {
    json!({
        "id": id, "object": "checkout.session", "mode": "payment", "status": "complete", "payment_status": "paid",
        "payment_intent": intent, "client_reference_id": null, "amount_total": cents, "currency": "eur",
        "metadata": metadata(order),
    })
}

/// A payment intent that succeeded.
pub(crate) fn intent(id: &str, cents: i64, order: Option<i64>) -> Value {
    json!({
        "id": id, "object": "payment_intent", "status": "succeeded", "amount": cents, "amount_received": cents,
        "currency": "eur", "latest_charge": null, "metadata": metadata(order),
    })
}

/// A captured charge, of which so much was refunded.
pub(crate) fn charge(id: &str, intent: Option<&str>, cents: i64, refunded: i64) -> Value {
    json!({
        "id": id, "object": "charge", "status": "succeeded", "paid": true, "captured": true, "payment_intent": intent,
        "amount": cents, "amount_captured": cents, "amount_refunded": refunded, "refunded": refunded == cents,
        "currency": "eur", "metadata": {},
    })
}

/// A refund of this intent's payment that succeeded.
pub(crate) fn refund(id: &str, intent: &str, cents: i64) -> Value {
    json!({
        "id": id, "object": "refund", "status": "succeeded", "amount": cents, "currency": "eur", "charge": "ch_1",
        "payment_intent": intent, "metadata": {},
    })
}

/// A dispute of this intent's payment.
pub(crate) fn dispute(id: &str, intent: &str, status: &str) -> Value {
    json!({
        "id": id, "object": "dispute", "status": status, "amount": 2_500, "currency": "eur", "charge": "ch_1",
        "payment_intent": intent, "reason": "fraudulent", "metadata": {},
    })
}

/// Metadata that name this order.
pub(crate) fn metadata(order: Option<i64>) -> Value {
    order.map_or(json!({}), |id| json!({"order_id": id.to_string()}))
}

/// The object with these members in place of its own.
pub(crate) fn with(mut object: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// The object without this member.
pub(crate) fn without(mut object: Value, member: &str) -> Value {
    object.as_object_mut().unwrap().remove(member);
    object
}
