//! Refunds over HTTP: each counts once, in whatever order it and its payment come.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::payment::{refunded, succeeded};

/// The service with an order of 25.00.
async fn with_order() -> (TestApp, i64) {
    let app = TestApp::new();
    app.product(10).await;
    let order = app.order(1, 2).await;
    (app, order)
}

/// A refund of `pay_1` of order 1.
fn refund(event: &str, refund: Option<&str>, amount: Option<f64>) -> Value {
    let mut data = json!({"order_id": 1, "payment_id": "pay_1"});
    if let Some(refund) = refund {
        data["refund_id"] = json!(refund);
    }
    if let Some(amount) = amount {
        data["amount"] = json!(amount);
    }
    refunded(event, data)
}

fn payment(event: &str) -> Value {
    succeeded(event, json!({"order_id": 1, "payment_id": "pay_1", "amount": 25}))
}

#[tokio::test]
async fn a_part_that_is_refunded_before_its_payment_counts_against_it() {
    let (app, order) = with_order().await;
    assert_eq!(app.result(&refund("evt_1", None, Some(5.0))).await, "ignored");
    assert_eq!(app.status_of(order).await, "PENDING");
    assert_eq!(app.result(&payment("evt_2")).await, "applied");
    assert_eq!(app.status_of(order).await, "PAID");
    // 20.00 are left.
    let rest = [
        refund("evt_3", None, Some(19.99)),
        refund("evt_4", None, Some(0.01)),
        refund("evt_5", None, Some(0.01)),
    ];
    assert_eq!(app.results(&rest).await, ["partial_refund", "applied", "ignored"]);
    assert_eq!(app.status_of(order).await, "CANCELED");
    assert_eq!(app.stock(1).await, 10);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_payment_that_was_refunded_whole_before_it_came_pays_nothing() {
    let (app, order) = with_order().await;
    let events = [
        refund("evt_1", Some("re_1"), Some(20.0)),
        refund("evt_2", Some("re_2"), Some(5.0)),
        payment("evt_3"),
        payment("evt_4"),
    ];
    assert_eq!(app.results(&events).await, ["ignored"; 4]);
    assert_eq!(app.status_of(order).await, "PENDING");
    // Another payment does, and the order can be canceled without owing anything for the first.
    let other = succeeded("evt_5", json!({"order_id": order, "payment_id": "pay_2"}));
    assert_eq!(app.result(&other).await, "applied");
    let back = refunded("evt_6", json!({"order_id": order, "payment_id": "pay_2"}));
    assert_eq!(app.result(&back).await, "applied");
    let canceled = app.get("/orders/1").await.json(200);
    assert_eq!(
        (&canceled["status"], &canceled["refund_due"]),
        (&json!("CANCELED"), &json!(false))
    );
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_refund_told_under_two_events_counts_once() {
    let (app, order) = with_order().await;
    assert_eq!(app.result(&payment("evt_1")).await, "applied");
    let told = [
        refund("evt_2", Some("re_1"), Some(12.5)),
        refund("evt_3", Some("re_1"), Some(12.5)),
        refund("evt_4", Some("re_1"), None),
    ];
    assert_eq!(app.results(&told).await, ["partial_refund", "ignored", "ignored"]);
    assert_eq!(app.status_of(order).await, "PAID");
    // Without an id of its own a refund is known by its event's.
    let told = [
        refund("evt_5", None, Some(2.5)),
        refund("evt_6", Some("evt_5"), Some(2.5)),
        refund("evt_7", Some("re_2"), Some(10.0)),
    ];
    assert_eq!(app.results(&told).await, ["partial_refund", "ignored", "applied"]);
    assert_eq!(app.status_of(order).await, "CANCELED");
    assert_eq!(app.stock(1).await, 10);
    let named: Vec<_> = app
        .walk("/payment-events")
        .await
        .iter_mut()
        .map(|event| event["refund_id"].take())
        .collect();
    let re_1 = json!("re_1");
    assert_eq!(
        named,
        [
            json!("re_2"),
            json!("evt_5"),
            json!(null),
            re_1.clone(),
            re_1.clone(),
            re_1,
            json!(null)
        ]
    );
}

#[tokio::test]
async fn a_refund_id_is_text_of_bounded_length() {
    let (app, _) = with_order().await;
    for id in [json!(7), json!(""), json!("r".repeat(256)), json!(null)] {
        let mut event = refund("evt_1", None, None);
        event["data"]["refund_id"] = id.clone();
        let refused = app.webhook(&event).await.json(422);
        assert_eq!(refused["errors"][0]["pointer"], "/data/refund_id", "{id}: {refused}");
    }
    assert!(app.walk("/payment-events").await.is_empty());
}
