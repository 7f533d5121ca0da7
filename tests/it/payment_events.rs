//! `GET /payment-events` shows who told of an event, and what it is about: of both providers, with every result that only
//! Stripe's events can have.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::payment::{from_stripe, refunded, stripe_result, succeeded};

/// The service with three orders of 2 units for 25.
async fn with_orders() -> TestApp {
    let app = TestApp::new();
    let product = app.product(100).await;
    for _ in 0..3 {
        app.order(product, 2).await;
    }
    app
}

fn intent(id: &str, order: i64, currency: &str) -> Value {
    json!({"id": id, "amount_received": 2500, "currency": currency, "metadata": {"order_id": order.to_string()}})
}

fn refund(id: &str, payment: &str, status: &str) -> Value {
    json!({"id": id, "payment_intent": payment, "amount": 500, "currency": "eur", "status": status, "metadata": {}})
}

/// The newest event, without what every event has.
async fn newest(app: &TestApp) -> Value {
    let page = app.get("/payment-events?limit=1").await.json(200);
    let mut event = page["items"][0].clone();
    for member in ["order_reference", "provider", "event_id", "type", "received_at"] {
        assert!(event.as_object_mut().unwrap().remove(member).is_some(), "{member}");
    }
    event
}

#[tokio::test]
async fn an_event_of_stripe_shows_what_it_is_about() {
    let app = with_orders().await;
    for (id, kind, object, wanted) in [
        (
            "evt_1",
            "payment_intent.succeeded",
            intent("pi_1", 1, "eur"),
            json!({"order_id": 1, "payment_id": "pi_1", "refund_id": null, "amount": 25, "currency": "EUR", "result": "applied"}),
        ),
        (
            "evt_2",
            "payment_intent.succeeded",
            intent("pi_2", 2, "jpy"),
            json!({"order_id": 2, "payment_id": "pi_2", "refund_id": null, "amount": null, "currency": "JPY", "result": "currency_mismatch"}),
        ),
        (
            "evt_3",
            "refund.created",
            refund("re_1", "pi_1", "pending"),
            json!({"order_id": 1, "payment_id": "pi_1", "refund_id": "re_1", "amount": 5, "currency": "EUR", "result": "partial_refund"}),
        ),
        (
            "evt_4",
            "refund.failed",
            refund("re_1", "pi_1", "failed"),
            json!({"order_id": 1, "payment_id": "pi_1", "refund_id": "re_1", "amount": 5, "currency": "EUR", "result": "refund_failed"}),
        ),
        (
            "evt_5",
            "charge.dispute.created",
            json!({"id": "du_1", "payment_intent": "pi_1", "amount": 2500, "currency": "eur", "status": "needs_response"}),
            json!({"order_id": 1, "payment_id": "pi_1", "refund_id": null, "amount": 25, "currency": "EUR", "result": "disputed"}),
        ),
        (
            "evt_6",
            "customer.created",
            json!({"id": "cus_1"}),
            json!({"order_id": null, "payment_id": null, "refund_id": null, "amount": null, "currency": null, "result": "ignored"}),
        ),
    ] {
        assert_eq!(stripe_result(&app, id, kind, object).await, wanted["result"], "{id}");
        assert_eq!(newest(&app).await, wanted, "{id}");
    }
    let unknown = json!({
        "id": "evt_7", "object": "event", "type": "payment_intent.succeeded", "created": app.now_seconds() - 601, "livemode": true,
        "data": {"object": intent("pi_7", 7, "eur")},
    });
    from_stripe(&app, unknown).await.expect(200);
    let wanted = json!({
        "order_id": null, "payment_id": "pi_7", "refund_id": null, "amount": 25, "currency": "EUR", "result": "order_unknown",
    });
    assert_eq!(newest(&app).await, wanted);
}

#[tokio::test]
async fn a_refund_of_the_own_format_shows_its_id_and_no_currency() {
    let app = with_orders().await;
    app.result(&succeeded("evt_1", json!({"order_id": 1, "payment_id": "pay_1"})))
        .await;
    let data = json!({"order_id": 1, "payment_id": "pay_1", "refund_id": "re_1", "amount": 5});
    app.result(&refunded("evt_2", data)).await;
    let wanted = json!({
        "order_id": 1, "payment_id": "pay_1", "refund_id": "re_1", "amount": 5, "currency": null, "result": "partial_refund",
    });
    assert_eq!(newest(&app).await, wanted);
    // Where it has none, it is known by its event's, which it shows already.
    app.result(&refunded(
        "evt_3",
        json!({"order_id": 1, "payment_id": "pay_1", "amount": 1}),
    ))
    .await;
    assert_eq!(newest(&app).await["refund_id"], Value::Null);
}

#[tokio::test]
async fn equal_ids_of_two_providers_are_two_events() {
    let app = with_orders().await;
    assert_eq!(
        stripe_result(&app, "evt_1", "payment_intent.succeeded", intent("p", 1, "eur")).await,
        "applied"
    );
    assert_eq!(
        app.result(&succeeded("evt_1", json!({"order_id": 2, "payment_id": "p"})))
            .await,
        "applied"
    );
    assert_eq!(
        stripe_result(&app, "evt_1", "payment_intent.succeeded", intent("p", 1, "eur")).await,
        "duplicate"
    );
    assert_eq!(
        app.result(&succeeded("evt_1", json!({"order_id": 2, "payment_id": "p"})))
            .await,
        "duplicate"
    );
    let told: Vec<_> = app.walk("/payment-events").await;
    let told: Vec<_> = told
        .iter()
        .map(|event| (&event["provider"], &event["event_id"], &event["order_id"]))
        .collect();
    let id = json!("evt_1");
    assert_eq!(
        told,
        [(&json!("own"), &id, &json!(2)), (&json!("stripe"), &id, &json!(1))]
    );
}

#[tokio::test]
async fn the_new_results_filter_the_list() {
    let app = with_orders().await;
    let paid = "payment_intent.succeeded";
    stripe_result(&app, "evt_1", paid, intent("pi_1", 1, "eur")).await;
    stripe_result(&app, "evt_2", paid, intent("pi_2", 2, "jpy")).await;
    stripe_result(&app, "evt_3", "refund.created", refund("re_1", "pi_1", "pending")).await;
    stripe_result(&app, "evt_4", "refund.failed", refund("re_1", "pi_1", "failed")).await;
    let dispute =
        json!({"id": "du_1", "payment_intent": "pi_2", "amount": 2500, "currency": "jpy", "status": "needs_response"});
    stripe_result(&app, "evt_5", "charge.dispute.created", dispute).await;
    let unknown = json!({
        "id": "evt_6", "object": "event", "type": paid, "created": 1, "livemode": true,
        "data": {"object": intent("pi_7", 7, "eur")},
    });
    from_stripe(&app, unknown).await.expect(200);
    for (result, event) in [
        ("currency_mismatch", "evt_2"),
        ("refund_failed", "evt_4"),
        ("disputed", "evt_5"),
        ("order_unknown", "evt_6"),
    ] {
        let found = app.walk(&format!("/payment-events?result={result}")).await;
        let ids: Vec<_> = found.iter().map(|event| &event["event_id"]).collect();
        assert_eq!(ids, [event], "{result}");
    }
    // A dispute names the order of its payment.
    let of_second = app.walk("/payment-events?order_id=2").await;
    let ids: Vec<_> = of_second.iter().map(|event| &event["event_id"]).collect();
    assert_eq!(ids, ["evt_5", "evt_2"]);
    for bad in ["lost", "currency-mismatch", "DISPUTED"] {
        let refused = app.get(&format!("/payment-events?result={bad}")).await;
        assert_eq!(refused.expect_failures(), ["?result"], "{bad}");
    }
}
