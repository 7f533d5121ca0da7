//! Payments on their way: an order does not expire while one of them may yet come, and no longer than that.

use serde_json::{Value, json};

use crate::support::stripe::{Shop, intent, session, with};

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400 * SECOND_MS;
const HOLD_MS: i64 = 14 * DAY_MS;

/// A session of this intent that waits for a bank.
fn unpaid(intent: &str) -> (&'static str, Value) {
    let object = session("cs_1", Some(intent), 2_500, Some(1));
    (
        "checkout.session.completed",
        with(object, &json!({"payment_status": "unpaid"})),
    )
}

fn processing(id: &str) -> (&'static str, Value) {
    ("payment_intent.processing", intent(id, 2_500, Some(1)))
}

fn failed(id: &str) -> (&'static str, Value) {
    ("payment_intent.payment_failed", intent(id, 2_500, Some(1)))
}

fn paid(id: &str) -> (&'static str, Value) {
    ("payment_intent.succeeded", intent(id, 2_500, Some(1)))
}

impl Shop {
    /// Delivers these events, each of a second later than the one before; all are ignored.
    async fn ignores(&self, events: &[(&'static str, Value)]) {
        for result in self.tell_all(events).await {
            assert_eq!(result, "ignored");
        }
    }
}

#[tokio::test]
async fn a_payment_on_its_way_holds_a_pending_order_by_each_event_that_says_so() {
    for (kind, object) in [
        unpaid("pi_1"),
        processing("pi_1"),
        (
            "payment_intent.amount_capturable_updated",
            intent("pi_1", 2_500, Some(1)),
        ),
    ] {
        let shop = Shop::new().await;
        shop.clock.advance_ms(DAY_MS - 1);
        let event = shop.event(kind, object);
        let receipt = shop.stripe(&event).await.json(200);
        let wanted = json!({"event_id": event["id"], "result": "ignored", "order_id": 1, "order_status": "PENDING"});
        assert_eq!(receipt, wanted, "{kind}");
        assert_eq!(shop.expires_in_ms().await, HOLD_MS, "{kind}");
        shop.clock.advance_ms(HOLD_MS - 1);
        shop.sweep().await;
        shop.assert_books("PENDING", 8, &[]).await;
        shop.clock.advance_ms(1);
        shop.sweep().await;
        shop.assert_books("CANCELED", 10, &[]).await;
    }
}

#[tokio::test]
async fn a_payment_that_was_on_its_way_pays_the_order_that_was_held_for_it() {
    let shop = Shop::new().await;
    shop.ignores(&[unpaid("pi_1"), processing("pi_1")]).await;
    shop.clock.advance_ms(9 * DAY_MS);
    shop.sweep().await;
    let object = session("cs_1", Some("pi_1"), 2_500, Some(1));
    assert_eq!(
        shop.tell("checkout.session.async_payment_succeeded", object).await,
        "applied"
    );
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_hold_never_lets_an_order_expire_earlier_than_without_it() {
    let shop = Shop::expecting(|expected| expected.hold = std::time::Duration::from_secs(60)).await;
    shop.ignores(&[processing("pi_1")]).await;
    assert_eq!(shop.expires_in_ms().await, DAY_MS - SECOND_MS);
    shop.clock.advance_ms(DAY_MS - 31 * SECOND_MS);
    // Another event of the same payment prolongs it.
    shop.ignores(&[processing("pi_1")]).await;
    assert_eq!(shop.expires_in_ms().await, 60 * SECOND_MS);
}

#[tokio::test]
async fn of_any_other_order_a_payment_on_its_way_changes_nothing() {
    for status in ["PAID", "CANCELED"] {
        let shop = Shop::new().await;
        match status {
            "PAID" => shop.pay_by_stripe().await,
            other => shop.set_status(1, other).await,
        }
        let before = shop.get("/orders/1").await.json(200);
        shop.ignores(&[processing("pi_2"), failed("pi_2")]).await;
        assert_eq!(shop.get("/orders/1").await.json(200), before, "{status}");
    }
    let shop = Shop::with(|options| options.order_ttl = None).await;
    shop.ignores(&[processing("pi_1"), failed("pi_1")]).await;
    let order = shop.get("/orders/1").await.json(200);
    assert_eq!(
        (&order["status"], &order["expires_at"]),
        (&json!("PENDING"), &Value::Null)
    );
    // Neither names an order that is there, and neither is refused.
    let unnamed = with(intent("pi_1", 2_500, None), &json!({"metadata": {}}));
    shop.ignores(&[("payment_intent.processing", unnamed)]).await;
    shop.ignores(&[("payment_intent.processing", intent("pi_1", 2_500, Some(99)))])
        .await;
}

#[tokio::test]
async fn a_payment_that_fails_ends_its_hold_by_each_event_that_says_so() {
    let object = || intent("pi_1", 2_500, Some(1));
    let session = || session("cs_1", Some("pi_1"), 2_500, Some(1));
    for (kind, object) in [
        ("payment_intent.payment_failed", object()),
        ("payment_intent.canceled", object()),
        ("checkout.session.async_payment_failed", session()),
        ("checkout.session.expired", session()),
    ] {
        let shop = Shop::new().await;
        shop.ignores(&[processing("pi_1"), (kind, object)]).await;
        assert_eq!(shop.expires_in_ms().await, DAY_MS - 2 * SECOND_MS, "{kind}");
        shop.clock.advance_ms(DAY_MS - 2 * SECOND_MS);
        shop.sweep().await;
        shop.assert_books("CANCELED", 10, &[]).await;
    }
}

#[tokio::test]
async fn a_payment_that_fails_after_the_orders_own_time_lets_it_expire_at_once() {
    let shop = Shop::new().await;
    shop.ignores(&[processing("pi_1")]).await;
    shop.clock.advance_ms(3 * DAY_MS);
    shop.ignores(&[failed("pi_1")]).await;
    shop.sweep().await;
    shop.assert_books("CANCELED", 10, &[]).await;
}

#[tokio::test]
async fn a_late_processing_does_not_revive_a_hold_that_has_ended() {
    let shop = Shop::new().await;
    let late = shop.event("payment_intent.processing", processing("pi_1").1);
    shop.ignores(&[processing("pi_1"), failed("pi_1")]).await;
    assert_eq!(shop.accept(&late).await, "ignored");
    assert_eq!(shop.expires_in_ms().await, DAY_MS - 2 * SECOND_MS);

    // Also where the failure is all that is known of the payment.
    let shop = Shop::new().await;
    let late = shop.event("payment_intent.processing", processing("pi_1").1);
    shop.ignores(&[failed("pi_1")]).await;
    assert_eq!(shop.accept(&late).await, "ignored");
    assert_eq!(shop.expires_in_ms().await, DAY_MS - SECOND_MS);
    // The customer tries again with the same intent.
    shop.ignores(&[processing("pi_1")]).await;
    assert_eq!(shop.expires_in_ms().await, HOLD_MS);
}

#[tokio::test]
async fn a_payment_that_fails_ends_no_hold_of_another() {
    let shop = Shop::new().await;
    shop.ignores(&[processing("pi_1"), processing("pi_2"), failed("pi_2")])
        .await;
    assert_eq!(shop.expires_in_ms().await, HOLD_MS - 2 * SECOND_MS, "what pi_1 holds");
    shop.ignores(&[failed("pi_3")]).await;
    assert_eq!(shop.expires_in_ms().await, HOLD_MS - 3 * SECOND_MS);
    shop.ignores(&[failed("pi_1")]).await;
    assert_eq!(shop.expires_in_ms().await, DAY_MS - 5 * SECOND_MS);
}

#[tokio::test]
async fn a_failure_never_takes_back_a_payment() {
    for kind in ["payment_intent.payment_failed", "payment_intent.canceled"] {
        let shop = Shop::new().await;
        shop.pay_by_stripe().await;
        shop.ignores(&[(kind, intent("pi_1", 2_500, Some(1)))]).await;
        shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
            .await;
    }
    // The bank said no, the customer tried again and it worked.
    let shop = Shop::new().await;
    shop.ignores(&[processing("pi_1"), failed("pi_1")]).await;
    assert_eq!(shop.tell_all(&[paid("pi_1")]).await, ["applied"]);
    for kind in ["checkout.session.async_payment_failed", "checkout.session.expired"] {
        shop.ignores(&[(kind, session("cs_1", Some("pi_1"), 2_500, Some(1)))])
            .await;
    }
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}
