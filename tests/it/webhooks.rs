//! `/webhooks/payment` and `/payment-events`: the rows of the event table, signatures and validation, recorded events.

use std::collections::HashMap;
use std::time::Duration;

use orders_inventory::http::signature::Secret;
use serde_json::{Value, json};

use crate::support::app::SECRET;
use crate::support::client::at_once;
use crate::support::payment::{HEADER, event, from_stripe, refunded, sign, succeeded};
use crate::support::{Answer, TestApp};

/// The service with one order of 2 units for 25, and 8 units in stock.
async fn with_order() -> (TestApp, i64) {
    let app = TestApp::new();
    let product = app.product(10).await;
    let order = app.order(product, 2).await;
    (app, order)
}

impl TestApp {
    async fn read_order(&self, order: i64) -> Value {
        self.get(&format!("/orders/{order}")).await.json(200)
    }

    /// An order's status and `refund_due`.
    async fn state_of(&self, order: i64) -> (String, bool) {
        let order = self.read_order(order).await;
        (
            order["status"].as_str().unwrap().to_owned(),
            order["refund_due"].as_bool().unwrap(),
        )
    }

    async fn set_status(&self, order: i64, status: &str) {
        let path = format!("/orders/{order}");
        self.put(&path, json!({"status": status})).await.expect(200);
    }
}

fn state(status: &str, refund_due: bool) -> (String, bool) {
    (status.to_owned(), refund_due)
}

// The rows of the event table, in its order.

#[tokio::test]
async fn an_event_seen_before_is_a_duplicate_whatever_else_it_says() {
    let (app, order) = with_order().await;
    let first = succeeded("evt_1", json!({"order_id": order, "payment_id": "pay_1"}));
    let receipt = app.webhook(&first).await.json(200);
    let wanted = json!({"event_id": "evt_1", "result": "applied", "order_id": order, "order_status": "PAID"});
    assert_eq!(receipt, wanted);
    let before = app.snapshot().await;
    app.clock.advance_ms(1_000);
    for again in [
        first,
        succeeded("evt_1", json!({"order_id": order, "amount": 1})),
        succeeded("evt_1", json!({"order_id": 99})),
        refunded("evt_1", json!({"order_id": order})),
        json!({"id": "evt_1", "type": "payment.failed", "data": {}}),
        json!({"id": "evt_1", "type": "ping"}),
    ] {
        let receipt = app.webhook(&again).await.json(200);
        let wanted = json!({"event_id": "evt_1", "result": "duplicate", "order_id": order, "order_status": "PAID"});
        assert_eq!(receipt, wanted, "{again}");
    }
    assert_eq!(app.snapshot().await, before);
    app.set_status(order, "SHIPPED").await;
    let receipt = app.webhook(&json!({"id": "evt_1", "type": "ping"})).await.json(200);
    assert_eq!(receipt["order_status"], "SHIPPED", "its current status");
}

#[tokio::test]
async fn a_payment_for_an_order_that_never_existed_is_not_recorded_and_can_be_sent_again() {
    let app = TestApp::new();
    let product = app.product(10).await;
    let early = succeeded("evt_1", json!({"order_id": 1}));
    for event in [early.clone(), refunded("evt_1", json!({"order_id": 1}))] {
        let problem = app
            .webhook(&event)
            .await
            .expect_problem(404, "/problems/order-not-found");
        assert_eq!(problem["detail"], "There is no order 1.");
    }
    assert!(app.walk("/payment-events").await.is_empty());
    let order = app.order(product, 2).await;
    assert_eq!((order, &*app.result(&early).await), (1, "applied"));
    assert_eq!(app.state_of(order).await, state("PAID", false));
    app.webhook(&succeeded("evt_2", json!({"order_id": i64::MAX})))
        .await
        .expect(404);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_payment_already_recorded_for_the_order_is_ignored() {
    let (app, order) = with_order().await;
    let data = json!({"order_id": order, "payment_id": "pay_1"});
    let events = [succeeded("evt_1", data.clone()), succeeded("evt_2", data.clone())];
    assert_eq!(app.results(&events).await, ["applied", "ignored"]);
    let of_another_amount = json!({"order_id": order, "payment_id": "pay_1", "amount": 1});
    assert_eq!(app.result(&succeeded("evt_3", of_another_amount)).await, "ignored");
    assert_eq!(app.state_of(order).await, state("PAID", false));
    // It stays known after its refund.
    let events = [refunded("evt_4", data.clone()), succeeded("evt_5", data)];
    assert_eq!(app.results(&events).await, ["applied", "ignored"]);
    assert_eq!(app.state_of(order).await, state("CANCELED", false));

    let other = app.order(1, 1).await;
    let of_another_order = json!({"order_id": other, "payment_id": "pay_1"});
    assert_eq!(app.result(&succeeded("evt_6", of_another_order)).await, "applied");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_payment_of_the_total_pays_a_pending_order() {
    let app = TestApp::new();
    let product = app.product(100).await;
    for (number, amount) in ["", r#","amount":25"#, r#","amount":25.00"#, r#","amount":2500e-2"#]
        .iter()
        .enumerate()
    {
        let order = app.order(product, 2).await;
        let before = app.read_order(order).await;
        app.clock.advance_ms(1_234);
        let body = format!(
            r#"{{"id":"evt_{number}","type":"payment.succeeded","data":{{"order_id":{order},"payment_id":"pay_{number}"{amount}}}}}"#
        );
        let receipt = app.webhook_text(&body).await.json(200);
        assert_eq!(
            (&receipt["result"], &receipt["order_status"]),
            (&json!("applied"), &json!("PAID"))
        );
        let after = app.read_order(order).await;
        assert_eq!(after["paid_at"], after["updated_at"]);
        assert!(after["updated_at"].as_str() > before["updated_at"].as_str());
        assert_eq!(
            (&after["expires_at"], &after["total"]),
            (&json!(null), &before["total"])
        );
    }
    assert_eq!(app.stock(product).await, 92, "paying moves no stock");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_payment_of_another_amount_changes_no_pending_order() {
    let (app, order) = with_order().await;
    let before = app.get(&format!("/orders/{order}")).await;
    for (number, amount) in [24.99, 25.01, 0.01, 250.0].iter().enumerate() {
        let data = json!({"order_id": order, "payment_id": format!("pay_{number}"), "amount": amount});
        let receipt = app.webhook(&succeeded(&format!("evt_{number}"), data)).await.json(200);
        assert_eq!(
            (&receipt["result"], &receipt["order_status"]),
            (&json!("amount_mismatch"), &json!("PENDING"))
        );
    }
    let after = app.get(&format!("/orders/{order}")).await;
    assert_eq!(
        (after.header("etag"), after.value()),
        (before.header("etag"), before.value())
    );
    app.pay(order).await;
    // The wrong payments are still open when the order is canceled.
    app.set_status(order, "CANCELED").await;
    assert_eq!(app.state_of(order).await, state("CANCELED", true));
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn the_amount_is_compared_with_the_current_total() {
    let (app, order) = with_order().await;
    app.put(&format!("/orders/{order}"), json!({"quantity": 3}))
        .await
        .expect(200);
    let paid = |id: &str, amount: f64| succeeded(id, json!({"order_id": order, "payment_id": id, "amount": amount}));
    let results = app.results(&[paid("evt_1", 25.0), paid("evt_2", 37.5)]).await;
    assert_eq!(results, ["amount_mismatch", "applied"]);
}

#[tokio::test]
async fn a_second_payment_of_a_paid_or_shipped_order_is_a_duplicate_payment() {
    let (app, order) = with_order().await;
    app.pay(order).await;
    for (number, status) in ["PAID", "SHIPPED"].iter().enumerate() {
        app.set_status(order, status).await;
        let before = app.get(&format!("/orders/{order}")).await;
        for (name, amount) in [("right", json!(25)), ("wrong", json!(1)), ("none", Value::Null)] {
            let mut data = json!({"order_id": order, "payment_id": format!("pay_{number}_{name}")});
            if !amount.is_null() {
                data["amount"] = amount;
            }
            let event = succeeded(&format!("evt_{number}_{name}"), data);
            assert_eq!(app.result(&event).await, "duplicate_payment", "{event}");
        }
        // An event without a payment id is a payment of its own.
        let unnamed = succeeded(&format!("evt_{number}"), json!({"order_id": order}));
        assert_eq!(app.result(&unnamed).await, "duplicate_payment");
        let after = app.get(&format!("/orders/{order}")).await;
        assert_eq!(
            (after.header("etag"), after.value()),
            (before.header("etag"), before.value())
        );
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_payment_of_a_canceled_order_is_due_for_refund() {
    let (app, order) = with_order().await;
    app.set_status(order, "CANCELED").await;
    assert_eq!(app.state_of(order).await, state("CANCELED", false));
    app.clock.advance_ms(1_000);
    let late = succeeded("evt_1", json!({"order_id": order, "payment_id": "pay_1"}));
    let receipt = app.webhook(&late).await.json(200);
    assert_eq!(
        (&receipt["result"], &receipt["order_status"]),
        (&json!("refund_due"), &json!("CANCELED"))
    );
    let owing = app.read_order(order).await;
    assert_eq!((&owing["refund_due"], &owing["paid_at"]), (&json!(true), &json!(null)));
    assert!(owing["updated_at"].as_str() > owing["canceled_at"].as_str());
    assert_eq!(app.stock(1).await, 10);

    let refund = refunded("evt_2", json!({"order_id": order, "payment_id": "pay_1"}));
    assert_eq!(app.result(&refund).await, "applied");
    assert_eq!(app.state_of(order).await, state("CANCELED", false));
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_payment_of_a_deleted_order_has_the_result_order_gone() {
    let (app, order) = with_order().await;
    app.delete(&format!("/orders/{order}")).await.expect(204);
    let event = |id: &str, kind: &str, data: Value| event(id, &format!("payment.{kind}"), data);
    let data = json!({"order_id": order, "payment_id": "pay_1"});
    let receipt = app.webhook(&event("evt_1", "succeeded", data.clone())).await.json(200);
    let wanted = json!({"event_id": "evt_1", "result": "order_gone", "order_id": order, "order_status": null});
    assert_eq!(receipt, wanted);
    let receipt = app.webhook(&event("evt_1", "succeeded", data.clone())).await.json(200);
    assert_eq!(
        (&receipt["result"], &receipt["order_id"]),
        (&json!("duplicate"), &json!(order))
    );
    // Its amount is unknown, so partial refunds leave it open until a refund without an amount.
    let mut part = data.clone();
    part["amount"] = json!(5);
    let events = [
        event("evt_2", "refunded", part),
        event("evt_3", "refunded", data.clone()),
        event("evt_4", "refunded", data.clone()),
        event("evt_5", "succeeded", data),
    ];
    assert_eq!(
        app.results(&events).await,
        ["partial_refund", "applied", "ignored", "ignored"]
    );
    assert_eq!(app.walk(&format!("/payment-events?order_id={order}")).await.len(), 5);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn the_refund_of_its_own_payment_cancels_a_paid_order_and_returns_its_stock() {
    for (named, amount) in [
        (true, None),
        (true, Some(25)),
        (true, Some(26)),
        (false, None),
        (false, Some(25)),
    ] {
        let (app, order) = with_order().await;
        let paid = succeeded("evt_1", json!({"order_id": order, "payment_id": "pay_1"}));
        assert_eq!(app.result(&paid).await, "applied");
        app.clock.advance_ms(1_000);
        let mut data = json!({"order_id": order});
        if named {
            data["payment_id"] = json!("pay_1");
        }
        if let Some(amount) = amount {
            data["amount"] = json!(amount);
        }
        let receipt = app.webhook(&refunded("evt_2", data)).await.json(200);
        assert_eq!(
            (&receipt["result"], &receipt["order_status"]),
            (&json!("applied"), &json!("CANCELED")),
            "{named} {amount:?}"
        );
        let canceled = app.read_order(order).await;
        assert_eq!(canceled["canceled_at"], canceled["updated_at"]);
        assert_eq!(
            (&canceled["refund_due"], canceled["paid_at"].is_string()),
            (&json!(false), true)
        );
        let newest = app.ledger(1).await.swap_remove(0);
        assert_eq!(
            (&newest["reason"], &newest["delta"], app.stock(1).await),
            (&json!("order_canceled"), &json!(2), 10)
        );
        app.assert_ledger_adds_up().await;
    }
}

#[tokio::test]
async fn a_shipped_order_whose_payment_is_refunded_stays_shipped() {
    let (app, order) = with_order().await;
    app.pay(order).await;
    app.set_status(order, "SHIPPED").await;
    let before = app.read_order(order).await;
    assert_eq!(
        app.result(&refunded("evt_1", json!({"order_id": order}))).await,
        "applied"
    );
    assert_eq!(app.read_order(order).await, before);
    assert_eq!(app.stock(1).await, 8);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn refunds_in_parts_close_a_payment_once_they_add_up_to_it() {
    let (app, order) = with_order().await;
    let refund =
        |id: &str, amount: f64| refunded(id, json!({"order_id": order, "payment_id": "pay_1", "amount": amount}));
    let paid = succeeded("evt_1", json!({"order_id": order, "payment_id": "pay_1"}));
    assert_eq!(app.result(&paid).await, "applied");
    let before = app.get(&format!("/orders/{order}")).await;
    let parts = [refund("evt_2", 10.0), refund("evt_3", 14.99)];
    assert_eq!(app.results(&parts).await, ["partial_refund"; 2]);
    let after = app.get(&format!("/orders/{order}")).await;
    assert_eq!(
        (after.header("etag"), after.value()),
        (before.header("etag"), before.value())
    );
    assert_eq!(app.result(&refund("evt_4", 0.01)).await, "applied");
    assert_eq!(app.state_of(order).await, state("CANCELED", false));
    assert_eq!(
        app.result(&refund("evt_5", 0.01)).await,
        "ignored",
        "the payment is closed"
    );
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_refund_without_an_amount_takes_all_that_is_left() {
    let (app, order) = with_order().await;
    let data = json!({"order_id": order, "payment_id": "pay_1"});
    let part = refunded("evt_2", json!({"order_id": order, "payment_id": "pay_1", "amount": 24}));
    let events = [succeeded("evt_1", data.clone()), part, refunded("evt_3", data)];
    assert_eq!(app.results(&events).await, ["applied", "partial_refund", "applied"]);
    assert_eq!(app.state_of(order).await, state("CANCELED", false));
}

#[tokio::test]
async fn a_refund_without_an_open_payment_is_ignored() {
    let (app, order) = with_order().await;
    let before = app.read_order(order).await;
    assert_eq!(
        app.result(&refunded("evt_1", json!({"order_id": order}))).await,
        "ignored"
    );
    assert_eq!(app.read_order(order).await, before);
    let paid = succeeded("evt_2", json!({"order_id": order, "payment_id": "pay_1"}));
    let of_another = refunded("evt_3", json!({"order_id": order, "payment_id": "pay_2"}));
    assert_eq!(app.results(&[paid, of_another]).await, ["applied", "ignored"]);
    assert_eq!(app.state_of(order).await, state("PAID", false));
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_refund_that_overtakes_its_payment_does_not_end_as_paid() {
    let (app, order) = with_order().await;
    let data = json!({"order_id": order, "payment_id": "pay_1"});
    let events = [refunded("evt_2", data.clone()), succeeded("evt_1", data)];
    assert_eq!(app.results(&events).await, ["ignored", "ignored"]);
    assert_eq!(app.state_of(order).await, state("PENDING", false));
    // It has a recorded payment all the same.
    app.delete(&format!("/orders/{order}"))
        .await
        .expect_problem(409, "/problems/order-not-deletable");
    let second = succeeded("evt_3", json!({"order_id": order, "payment_id": "pay_2"}));
    assert_eq!(app.result(&second).await, "applied", "another payment pays it");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn the_refund_of_a_second_payment_never_cancels_the_order() {
    let (app, order) = with_order().await;
    let data = |payment: &str| json!({"order_id": order, "payment_id": payment});
    let events = [
        succeeded("evt_1", data("pay_1")),
        succeeded("evt_2", data("pay_2")),
        refunded("evt_3", data("pay_2")),
    ];
    assert_eq!(app.results(&events).await, ["applied", "duplicate_payment", "applied"]);
    assert_eq!(app.state_of(order).await, state("PAID", false));
    // A refund without a payment id closes the newest payment, which is the second as well.
    let events = [
        succeeded("evt_4", data("pay_4")),
        refunded("evt_5", json!({"order_id": order})),
    ];
    assert_eq!(app.results(&events).await, ["duplicate_payment", "applied"]);
    assert_eq!(app.state_of(order).await, state("PAID", false));
    // The refund of its own payment cancels it, and other open payments are due for refund.
    let events = [succeeded("evt_6", data("pay_6")), refunded("evt_7", data("pay_1"))];
    assert_eq!(app.results(&events).await, ["duplicate_payment", "applied"]);
    assert_eq!(app.state_of(order).await, state("CANCELED", true));
    assert_eq!(app.result(&refunded("evt_8", data("pay_6"))).await, "applied");
    assert_eq!(app.state_of(order).await, state("CANCELED", false));
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_canceled_order_is_due_a_refund_until_every_payment_is_refunded() {
    let (app, order) = with_order().await;
    let data = |payment: &str| json!({"order_id": order, "payment_id": payment});
    let events = [succeeded("evt_1", data("pay_1")), succeeded("evt_2", data("pay_2"))];
    assert_eq!(app.results(&events).await, ["applied", "duplicate_payment"]);
    app.set_status(order, "CANCELED").await;
    for (number, (data, due)) in [
        (json!({"order_id": order, "payment_id": "pay_1", "amount": 24.99}), true),
        (data("pay_1"), true),
        (data("pay_2"), false),
    ]
    .into_iter()
    .enumerate()
    {
        app.result(&refunded(&format!("back_{number}"), data)).await;
        assert_eq!(app.state_of(order).await, state("CANCELED", due), "{number}");
    }
    assert_eq!(app.stock(1).await, 10, "the units were returned once");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_failed_payment_changes_nothing_and_the_order_can_still_be_paid() {
    let (app, order) = with_order().await;
    let before = app.read_order(order).await;
    let failed = |id: &str, data: Value| event(id, "payment.failed", data);
    for (id, data, order_id, status) in [
        (
            "evt_1",
            json!({"order_id": order, "payment_id": "pay_1", "amount": 25}),
            json!(order),
            json!("PENDING"),
        ),
        ("evt_2", json!({"order_id": 99}), json!(99), Value::Null),
        ("evt_3", json!({}), Value::Null, Value::Null),
    ] {
        let receipt = app.webhook(&failed(id, data)).await.json(200);
        let wanted = json!({"event_id": id, "result": "ignored", "order_id": order_id, "order_status": status});
        assert_eq!(receipt, wanted);
    }
    assert_eq!(app.read_order(order).await, before);
    let tried_again = succeeded("evt_4", json!({"order_id": order, "payment_id": "pay_1"}));
    assert_eq!(app.result(&tried_again).await, "applied");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_failed_payment_is_not_a_recorded_payment() {
    let (app, order) = with_order().await;
    app.result(&event("evt_1", "payment.failed", json!({"order_id": order})))
        .await;
    app.delete(&format!("/orders/{order}")).await.expect(204);
}

#[tokio::test]
async fn events_of_other_types_are_recorded_whatever_their_data() {
    let (app, order) = with_order().await;
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let data = [
        "",
        r#","data":null"#,
        r#","data":7e99"#,
        r#","data":"x""#,
        r#","data":[]"#,
        r#","data":{"order_id":"x","payment_id":7,"amount":-1}"#,
        r#","data":{"a":1,"a":2}"#,
        &format!(r#","data":{deep}"#),
    ];
    for (number, data) in data.iter().enumerate() {
        for kind in [
            "ping",
            "payment.Succeeded",
            "payment.succeeded ",
            "order_id",
            "ünïcode ✓",
        ] {
            let id = format!("{kind}_{number}");
            let receipt = app
                .webhook_text(&format!(r#"{{"id":"{id}","type":"{kind}"{data}}}"#))
                .await
                .json(200);
            let wanted = json!({"event_id": id, "result": "ignored", "order_id": null, "order_status": null});
            assert_eq!(receipt, wanted, "{data}");
        }
    }
    let recorded = app.walk("/payment-events?limit=100&result=ignored").await;
    assert_eq!(recorded.len(), data.len() * 5);
    assert!(
        recorded
            .iter()
            .all(|event| event["order_id"].is_null() && event["amount"].is_null())
    );
    assert_eq!(app.state_of(order).await, state("PENDING", false));
}

// Signatures and validation, which come before the table.

/// Asserts that an event was refused because of its signature.
#[track_caller]
fn assert_signature_refused(answer: Answer, why: &str) {
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Signature header="X-Webhook-Signature""#),
        "{why}"
    );
    answer.expect_problem(401, "/problems/invalid-signature");
}

#[tokio::test]
async fn only_a_matching_signature_with_a_recent_time_is_accepted() {
    let (app, order) = with_order().await;
    let before = app.snapshot().await;
    let body = succeeded("evt_1", json!({"order_id": order})).to_string();
    let now = app.now_seconds();
    let good = app.sign(&body);
    let hex = good.rsplit_once('=').unwrap().1;
    let at = |offset: i64| sign(SECRET, now + offset, body.as_bytes());
    assert_signature_refused(app.post("/webhooks/payment", &*body).await, "none");
    let refused = [
        ("empty", String::new()),
        ("of another body", app.sign("{}")),
        ("with another secret", sign("another", now, body.as_bytes())),
        ("with no secret", sign("", now, body.as_bytes())),
        ("old", at(-301)),
        ("of a time to come", at(301)),
        ("moved in time", format!("t={},v1={hex}", now - 1)),
        ("cut short", good[..good.len() - 1].to_owned()),
        ("too long", format!("{good}0")),
        ("of another scheme", format!("t={now},v0={hex}")),
        ("without a time", format!("v1={hex}")),
        ("only a time", format!("t={now}")),
        ("bare", hex.to_owned()),
        ("no hex", format!("t={now},v1={}", "g".repeat(64))),
    ];
    for (why, signature) in refused {
        assert_signature_refused(app.signed(&signature, &*body).await, why);
    }
    assert_signature_refused(app.signed(&good, &*body).header(HEADER, &good).await, "twice");
    assert_signature_refused(
        app.post("/webhooks/payment", &*body).header("x-api-key", "any").await,
        "a key is none",
    );
    assert_eq!(app.snapshot().await, before);

    let zeros = "0".repeat(64);
    let taken = [
        at(-300),
        at(300),
        format!("t={now},v1={}", hex.to_uppercase()),
        format!("t={now},v1={zeros},v1={hex}"),
        format!("v0={zeros},v1={hex},t={now}"),
    ];
    let mut results = Vec::new();
    for signature in taken {
        results.push(app.signed(&signature, &*body).await.json(200)["result"].take());
    }
    assert_eq!(results, ["applied", "duplicate", "duplicate", "duplicate", "duplicate"]);
}

#[tokio::test]
async fn a_body_without_a_valid_signature_is_not_parsed() {
    let (app, _) = with_order().await;
    for (body, signed) in [
        ("{", 400),
        ("", 400),
        ("\u{feff}{}", 400),
        ("null", 422),
        ("{}", 422),
        (r#"{"id":"","type":1}"#, 422),
        (
            r#"{"id":"evt_1","type":"payment.succeeded","data":{"order_id":99}}"#,
            404,
        ),
    ] {
        assert_signature_refused(app.signed("t=1,v1=00", body).await, body);
        app.webhook_text(body).await.expect(signed);
    }
    let call = || app.call(axum::http::Method::POST, "/webhooks/payment").body("{}");
    assert_signature_refused(call().await, "not declared as JSON");
    call()
        .header(HEADER, &app.sign("{}"))
        .await
        .expect_problem(415, "/problems/unsupported-media-type");
}

#[tokio::test]
async fn the_previous_secret_is_accepted_only_during_a_rotation() {
    let signed_with = |app: &TestApp, id: &str, secret: &str| {
        let body = json!({"id": id, "type": "ping"}).to_string();
        let signature = sign(secret, app.now_seconds(), body.as_bytes());
        app.signed(&signature, body)
    };
    let rotating = TestApp::with(|options| options.keyring.secrets.extend(Secret::new("whsec_before")));
    signed_with(&rotating, "evt_1", SECRET).await.expect(200);
    signed_with(&rotating, "evt_2", "whsec_before").await.expect(200);
    assert_signature_refused(signed_with(&rotating, "evt_3", "whsec_other").await, "neither");
    let rotated = TestApp::new();
    assert_signature_refused(
        signed_with(&rotated, "evt_2", "whsec_before").await,
        "after the rotation",
    );
    // A header with both signatures is accepted where one of them matches.
    for (app, id) in [(&rotating, "evt_4"), (&rotated, "evt_4")] {
        let body = json!({"id": id, "type": "ping"}).to_string();
        let now = app.now_seconds();
        let hex = |secret| crate::support::payment::hex(secret, now, body.as_bytes());
        let both = format!("t={now},v1={},v1={}", hex("whsec_before"), hex(SECRET));
        app.signed(&both, &*body).await.expect(200);
    }
}

#[tokio::test]
async fn without_a_secret_every_event_is_refused() {
    let app = TestApp::with(|options| options.keyring.secrets.clear());
    let body = json!({"id": "evt_1", "type": "ping"}).to_string();
    for secret in ["", SECRET] {
        let answer = app
            .signed(&sign(secret, app.now_seconds(), body.as_bytes()), &*body)
            .await;
        assert!(answer.header("retry-after").is_some());
        answer.expect_problem(503, "/problems/webhook-not-configured");
    }
    app.post("/webhooks/payment", "{").await.expect(503);
    // The other webhook has its own.
    from_stripe(&app, "{").await.expect(400);
    assert!(app.walk("/payment-events").await.is_empty());
}

#[tokio::test]
async fn the_tolerance_can_be_configured() {
    let app = TestApp::with(|options| options.keyring.tolerance = Duration::from_secs(5));
    let body = json!({"id": "evt_1", "type": "ping"}).to_string();
    for (offset, status) in [(-6, 401), (6, 401), (-5, 200), (5, 200)] {
        let signature = sign(SECRET, app.now_seconds() + offset, body.as_bytes());
        app.signed(&signature, &*body).await.expect(status);
    }
}

#[tokio::test]
async fn unknown_members_are_ignored_and_duplicate_members_are_refused() {
    let (app, order) = with_order().await;
    for (body, place) in [
        (r#"{"id":"evt_1","id":"evt_1","type":"ping"}"#, "/id"),
        (r#"{"id":"evt_1","type":"ping","type":"ping"}"#, "/type"),
        (r#"{"id":"evt_1","type":"ping","data":1,"data":1}"#, "/data"),
        (r#"{"id":"evt_1","type":"ping","x":1,"x":1}"#, "/x"),
        (
            r#"{"id":"evt_1","type":"payment.failed","data":{"order_id":1,"order_id":2}}"#,
            "/data/order_id",
        ),
        (
            r#"{"id":"evt_1","type":"payment.succeeded","data":{"order_id":1,"y":2,"y":3}}"#,
            "/data/y",
        ),
    ] {
        assert_eq!(app.webhook_text(body).await.expect_failures(), [place], "{body}");
    }
    assert!(app.walk("/payment-events").await.is_empty());
    let extended = json!({
        "id": "evt_1", "type": "payment.succeeded", "created": 1, "livemode": false, "api_version": "2026-01-01",
        "data": {"order_id": order, "payment_id": "pay_1", "amount": 25, "currency": "eur", "card": {"last4": "4242"}},
    });
    assert_eq!(app.result(&extended).await, "applied");
}

#[tokio::test]
async fn an_envelope_that_breaks_the_contract_is_refused_whole_before_its_data() {
    let app = TestApp::new();
    let long = "x".repeat(256);
    for (event, places) in [
        (json!({}), vec!["/type"]),
        (json!([]), vec![""]),
        (
            json!({"id": "", "type": "", "created": -1, "data": 1}),
            vec!["/created", "/id", "/type"],
        ),
        (
            json!({"id": 1, "type": null, "created": "now"}),
            vec!["/created", "/id", "/type"],
        ),
        (json!({"id": long, "type": long}), vec!["/id", "/type"]),
        // That a header could have its id is found after that.
        (json!({"type": "ping"}), vec!["/id"]),
        (
            json!({"type": "payment.succeeded", "data": {"order_id": 0}}),
            vec!["/id"],
        ),
        (
            json!({"id": "", "type": "payment.succeeded", "data": {"order_id": 0}}),
            vec!["/id"],
        ),
        (
            json!({"id": "evt_1", "type": "payment.succeeded", "created": 1.5}),
            vec!["/created"],
        ),
    ] {
        let mut found = app.webhook(&event).await.expect_failures();
        found.sort_unstable();
        assert_eq!(found, places, "{event}");
    }
    assert!(app.walk("/payment-events").await.is_empty());
}

#[tokio::test]
async fn data_that_breaks_the_contract_is_refused_whole() {
    let (app, order) = with_order().await;
    let before = app.snapshot().await;
    let of_money = ["payment.succeeded", "payment.refunded"];
    let all = ["payment.succeeded", "payment.refunded", "payment.failed"];
    let cases: [(&[&str], &str, &[&str]); 14] = [
        (&all, "", &["/data"]),
        (&all, r#","data":null"#, &["/data"]),
        (&all, r#","data":[]"#, &["/data"]),
        (&all, r#","data":"order 1""#, &["/data"]),
        (&of_money, r#","data":{}"#, &["/data/order_id"]),
        (
            &of_money,
            r#","data":{"payment_id":1,"amount":0}"#,
            &["/data/amount", "/data/order_id", "/data/payment_id"],
        ),
        (&all, r#","data":{"order_id":0}"#, &["/data/order_id"]),
        (&all, r#","data":{"order_id":"1"}"#, &["/data/order_id"]),
        (&all, r#","data":{"order_id":null}"#, &["/data/order_id"]),
        (&all, r#","data":{"order_id":1.5}"#, &["/data/order_id"]),
        (&all, r#","data":{"order_id":9223372036854775808}"#, &["/data/order_id"]),
        (&all, r#","data":{"order_id":1,"payment_id":""}"#, &["/data/payment_id"]),
        (&all, r#","data":{"order_id":1,"amount":25.001}"#, &["/data/amount"]),
        (
            &all,
            r#","data":{"order_id":-1,"payment_id":null,"amount":"25"}"#,
            &["/data/amount", "/data/order_id", "/data/payment_id"],
        ),
    ];
    for (kinds, data, places) in cases {
        for kind in kinds {
            let body = format!(r#"{{"id":"evt_1","type":"{kind}"{data}}}"#);
            let mut found = app.webhook_text(&body).await.expect_failures();
            found.sort_unstable();
            assert_eq!(found, places, "{body}");
        }
    }
    assert_eq!(app.snapshot().await, before);
    app.result(&succeeded("evt_1", json!({"order_id": order}))).await;
}

#[tokio::test]
async fn an_event_may_be_as_large_as_the_limit_and_no_larger() {
    let app = TestApp::with(|options| options.body_limits.bytes_max = 100);
    let padded = |bytes: usize| format!("{:bytes$}", r#"{"id":"evt_1","type":"ping"}"#);
    let problem = app
        .webhook_text(&padded(101))
        .await
        .expect_problem(413, "/problems/payload-too-large");
    assert_eq!(problem["detail"], "The body is larger than 100 bytes.");
    app.webhook_text(&padded(100)).await.expect(200);
}

// Recorded events.

#[tokio::test(flavor = "multi_thread")]
async fn of_100_replays_at_once_one_is_applied_and_the_rest_are_duplicates_for_ever() {
    let (app, order) = with_order().await;
    let paid = succeeded("evt_1", json!({"order_id": order, "payment_id": "pay_1"}));
    let mut results: HashMap<String, usize> = HashMap::new();
    for answer in at_once((0..100).map(|_| app.webhook(&paid))).await {
        let receipt = answer.json(200);
        assert_eq!(
            (&receipt["order_id"], &receipt["order_status"]),
            (&json!(order), &json!("PAID"))
        );
        *results
            .entry(receipt["result"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    assert_eq!(
        results,
        HashMap::from([("applied".to_owned(), 1), ("duplicate".to_owned(), 99)])
    );
    let before = app.snapshot().await;
    let app = app.reopened().await;
    assert_eq!(app.result(&paid).await, "duplicate");
    assert_eq!(
        (app.snapshot().await, app.walk("/payment-events").await.len()),
        (before, 1)
    );
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_payments_exactly_one_pays_the_order() {
    let (app, order) = with_order().await;
    let payment = |number| {
        succeeded(
            &format!("evt_{number}"),
            json!({"order_id": order, "payment_id": format!("pay_{number}")}),
        )
    };
    let answers = at_once((0..32).map(|number| app.webhook(&payment(number)))).await;
    let mut applied = 0;
    for answer in answers {
        let receipt = answer.json(200);
        applied += i32::from(receipt["result"] == "applied");
        assert!(
            receipt["result"] == "applied" || receipt["result"] == "duplicate_payment",
            "{receipt}"
        );
    }
    assert_eq!(applied, 1);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn recorded_events_show_the_event_and_its_result() {
    let (app, order) = with_order().await;
    let mut wanted = Vec::new();
    let mut deliver = async |id: &str, kind: &str, data: Value, result: &str, recorded: [Value; 3]| {
        app.clock.advance_ms(1_001);
        assert_eq!(app.result(&event(id, kind, data)).await, result);
        let [order_id, payment_id, amount] = recorded;
        let received_at = jiff::Timestamp::from_millisecond(app.clock.now_ms()).unwrap();
        wanted.insert(
            0,
            json!({
                "provider": "own", "event_id": id, "type": kind, "order_id": order_id, "order_reference": null, "payment_id": payment_id,
                "refund_id": null, "amount": amount, "currency": null,
                "result": result, "received_at": format!("{received_at:.3}"),
            }),
        );
    };
    let null = || Value::Null;
    deliver(
        "evt_1",
        "ping",
        json!({"order_id": order}),
        "ignored",
        [null(), null(), null()],
    )
    .await;
    deliver(
        "evt_2",
        "payment.failed",
        json!({"order_id": 99}),
        "ignored",
        [json!(99), null(), null()],
    )
    .await;
    let data = json!({"order_id": order, "payment_id": "pay_1", "amount": 25});
    deliver(
        "evt_3",
        "payment.succeeded",
        data,
        "applied",
        [json!(order), json!("pay_1"), json!(25)],
    )
    .await;
    deliver(
        "evt_4",
        "payment.succeeded",
        json!({"order_id": order}),
        "duplicate_payment",
        [json!(order), null(), null()],
    )
    .await;
    let data = json!({"order_id": order, "amount": 0.01});
    deliver(
        "evt_5",
        "payment.refunded",
        data,
        "partial_refund",
        [json!(order), null(), json!(0.01)],
    )
    .await;
    assert_eq!(app.result(&json!({"id": "evt_3", "type": "ping"})).await, "duplicate");
    assert_eq!(
        app.walk("/payment-events").await,
        wanted,
        "newest first, without duplicates"
    );
    for limit in 1..=6 {
        assert_eq!(app.walk(&format!("/payment-events?limit={limit}")).await, wanted);
    }
}

#[tokio::test]
async fn event_filters_narrow_every_page() {
    let app = TestApp::new();
    let product = app.product(50).await;
    let (first, second, gone) = (
        app.order(product, 1).await,
        app.order(product, 1).await,
        app.order(product, 1).await,
    );
    app.delete(&format!("/orders/{gone}")).await.expect(204);
    for number in 0..24 {
        let order = [first, second, gone][number % 3];
        let data = json!({"order_id": order, "payment_id": format!("pay_{number}"), "amount": if number < 6 { 1.0 } else { 12.5 }});
        app.result(&succeeded(&format!("evt_{number}"), data)).await;
    }
    app.set_status(second, "CANCELED").await;
    app.result(&succeeded("late", json!({"order_id": second}))).await;
    app.result(&refunded("back", json!({"order_id": second, "amount": 1})))
        .await;
    app.result(&json!({"id": "ping", "type": "ping"})).await;
    let all = app.walk("/payment-events?limit=100").await;
    assert_eq!(all.len(), 27);
    for result in [
        "applied",
        "ignored",
        "amount_mismatch",
        "duplicate_payment",
        "refund_due",
        "order_gone",
        "partial_refund",
    ] {
        let with_result: Vec<_> = all.iter().filter(|event| event["result"] == result).cloned().collect();
        assert!(!with_result.is_empty(), "{result}");
        assert_eq!(
            app.walk(&format!("/payment-events?limit=2&result={result}")).await,
            with_result
        );
        for order in [first, second, gone, 99] {
            let of_order = |event: &&Value| event["order_id"] == order;
            let both: Vec<_> = with_result.iter().filter(of_order).cloned().collect();
            assert_eq!(
                app.walk(&format!("/payment-events?limit=2&result={result}&order_id={order}"))
                    .await,
                both
            );
            let of_order: Vec<_> = all.iter().filter(of_order).cloned().collect();
            assert_eq!(
                app.walk(&format!("/payment-events?limit=3&order_id={order}")).await,
                of_order
            );
        }
    }
    let (_, next) = app
        .page(&format!("/payment-events?limit=2&result=order_gone&order_id={gone}"))
        .await;
    let next = next.unwrap();
    for part in ["limit=2", "result=order%5Fgone", &format!("order_id={gone}")] {
        assert!(next.contains(part), "no {part}: {next}");
    }
}

#[tokio::test]
async fn events_that_come_during_a_walk_do_not_shift_it() {
    let app = TestApp::new();
    let ping = |number: usize| json!({"id": format!("evt_{number}"), "type": "ping"});
    for number in 0..6 {
        app.result(&ping(number)).await;
    }
    let (first, next) = app.page("/payment-events?limit=3").await;
    app.result(&ping(6)).await;
    let (second, next) = app.page(&next.unwrap()).await;
    let ids: Vec<_> = first
        .iter()
        .chain(&second)
        .map(|event| event["event_id"].as_str().unwrap())
        .collect();
    assert_eq!(
        (ids, next),
        (vec!["evt_5", "evt_4", "evt_3", "evt_2", "evt_1", "evt_0"], None)
    );
}

#[tokio::test]
async fn invalid_filters_and_cursors_are_refused() {
    let app = TestApp::new();
    for (query, parameters) in [
        ("result=duplicate", vec!["?result"]),
        ("result=APPLIED&order_id=0", vec!["?order_id", "?result"]),
        ("limit=0", vec!["?limit"]),
        ("limit=101&cursor=0000000000000000", vec!["?limit"]),
        ("cursor=8000000000000000", vec!["?cursor"]),
        ("cursor=nonsense", vec!["?cursor"]),
        ("type=ping", vec!["?type"]),
        ("order_id=1&order_id=1", vec!["?order_id"]),
    ] {
        let mut found = app.get(&format!("/payment-events?{query}")).await.expect_failures();
        found.sort_unstable();
        assert_eq!(found, parameters, "{query}");
    }
    for value in ["", "TRUE", "1", "yes", "null"] {
        assert_eq!(
            app.get(&format!("/orders?refund_due={value}")).await.expect_failures(),
            ["?refund_due"],
            "{value}"
        );
    }
}

#[tokio::test]
async fn orders_due_a_refund_can_be_listed() {
    let app = TestApp::new();
    let product = app.product(50).await;
    for number in 0..12 {
        let order = app.order(product, 1).await;
        if number % 2 == 0 {
            app.pay(order).await;
        }
        if number % 3 == 0 {
            app.set_status(order, "CANCELED").await;
        }
        if number == 6 {
            app.result(&refunded("back", json!({"order_id": order}))).await;
        }
    }
    let all = app.walk("/orders?limit=100").await;
    for due in [true, false] {
        let wanted: Vec<_> = all.iter().filter(|order| order["refund_due"] == due).cloned().collect();
        assert_eq!(app.walk(&format!("/orders?limit=2&refund_due={due}")).await, wanted);
        for status in ["PENDING", "PAID", "SHIPPED", "CANCELED"] {
            let wanted: Vec<_> = wanted
                .iter()
                .filter(|order| order["status"] == status)
                .cloned()
                .collect();
            let path = format!("/orders?limit=2&refund_due={due}&status={status}&product_id={product}");
            assert_eq!(app.walk(&path).await, wanted, "{path}");
        }
    }
    let owing: Vec<_> = app
        .walk("/orders?refund_due=true")
        .await
        .iter()
        .map(|order| order["id"].clone())
        .collect();
    assert_eq!(
        owing,
        [json!(1)],
        "orders 1 and 7 were canceled with a payment, and that of 7 was refunded"
    );
}
