//! Expiry of unpaid orders.

use orders_inventory::domain::Timestamp;
use orders_inventory::http::sweeper;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::at_once;
use crate::support::payment::{refunded, succeeded};

const TTL_MS: i64 = 86_400_000;

#[tokio::test]
async fn expires_at_is_shown_only_while_an_order_awaits_payment() {
    let app = TestApp::new();
    app.product(10).await;
    let placed = app.place(1, 1).await.json(201);
    assert_eq!(
        (&placed["created_at"], &placed["expires_at"]),
        (&json!("2026-03-01T09:30:00.000Z"), &json!("2026-03-02T09:30:00.000Z"))
    );
    app.clock.advance_ms(1_000);
    let changed = app.put("/orders/1", json!({"quantity": 2})).await.json(200);
    assert_eq!(
        changed["expires_at"], placed["expires_at"],
        "a change does not extend the time"
    );
    app.pay(1).await;
    assert_eq!(app.get("/orders/1").await.json(200)["expires_at"], Value::Null);
    app.place(1, 1).await.expect(201);
    let canceled = app.put("/orders/2", json!({"status": "CANCELED"})).await.json(200);
    assert_eq!(canceled["expires_at"], Value::Null);
}

#[tokio::test]
async fn only_orders_that_are_due_expire() {
    let app = TestApp::new();
    let product = app.product(100).await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(app.order(product, 3).await);
        app.clock.advance_ms(1_000);
    }
    // The first two are due, the second at exactly this millisecond.
    app.clock.advance_ms(TTL_MS - 3_000);
    let before = app.get(&format!("/orders/{}", orders[0])).await;
    app.sweep().await;
    let mut statuses = Vec::new();
    for order in &orders {
        statuses.push(app.status_of(*order).await);
    }
    assert_eq!(statuses, ["CANCELED", "CANCELED", "PENDING", "PENDING"]);
    let after = app.get(&format!("/orders/{}", orders[0])).await;
    assert_ne!(after.header("etag"), before.header("etag"));
    let after = after.json(200);
    assert_eq!(after["canceled_at"], "2026-03-02T09:30:01.000Z");
    assert_eq!(after["updated_at"], after["canceled_at"]);
    assert_eq!(
        (&after["expires_at"], &after["refund_due"], &after["paid_at"]),
        (&json!(null), &json!(false), &json!(null))
    );
    assert_eq!(app.stock(product).await, 94);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn an_order_does_not_expire_a_millisecond_early() {
    let app = TestApp::new();
    app.product(10).await;
    let order = app.order(1, 1).await;
    app.clock.advance_ms(TTL_MS - 1);
    app.sweep().await;
    assert_eq!(app.status_of(order).await, "PENDING");
    app.clock.advance_ms(1);
    app.sweep().await;
    assert_eq!(app.status_of(order).await, "CANCELED");
}

#[tokio::test]
async fn an_expired_order_returns_its_stock_once_with_a_ledger_entry() {
    let app = TestApp::new();
    let product = app.product(10).await;
    let order = app.order(product, 4).await;
    app.clock.advance_ms(TTL_MS + 5);
    for _ in 0..3 {
        app.sweep().await;
        app.clock.advance_ms(1_000);
    }
    let ledger = app.ledger(product).await;
    assert_eq!((app.stock(product).await, ledger.len()), (10, 3));
    let wanted = json!({
        "id": ledger[0]["id"], "product_id": product, "delta": 4, "stock_after": 10, "reason": "order_expired",
        "order_id": order, "order_reference": null, "note": null, "created_at": "2026-03-02T09:30:00.005Z",
    });
    assert_eq!(ledger[0], wanted);
    app.delete(&format!("/orders/{order}")).await.expect(204);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn more_orders_than_one_transaction_takes_expire_in_one_sweep() {
    let app = TestApp::new();
    let product = app.product(1_000).await;
    let placed = futures_util::future::join_all((0..250).map(|_| app.place(product, 2).into_future())).await;
    assert!(placed.iter().all(|answer| answer.status == 201));
    app.clock.advance_ms(1);
    let young = app.order(product, 7).await;
    app.clock.advance_ms(TTL_MS - 1);
    app.sweep().await;
    assert_eq!(app.walk("/orders?status=CANCELED&limit=100").await.len(), 250);
    assert_eq!(
        (app.status_of(young).await, app.stock(product).await),
        ("PENDING".to_owned(), 993)
    );
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn an_order_paid_just_before_stays_paid() {
    let app = TestApp::new();
    app.product(10).await;
    let order = app.order(1, 2).await;
    // Its time is up, but the sweeper has not run yet.
    app.clock.advance_ms(TTL_MS + 1);
    app.pay(order).await;
    app.clock.advance_ms(TTL_MS);
    app.sweep().await;
    assert_eq!((app.status_of(order).await, app.stock(1).await), ("PAID".to_owned(), 8));
    app.put(&format!("/orders/{order}"), json!({"status": "SHIPPED"}))
        .await
        .expect(200);
    app.sweep().await;
    assert_eq!(app.status_of(order).await, "SHIPPED");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_payment_after_the_expiry_is_due_for_refund() {
    let app = TestApp::new();
    app.product(10).await;
    let order = app.order(1, 2).await;
    app.clock.advance_ms(TTL_MS);
    app.sweep().await;
    let data = json!({"order_id": order, "payment_id": "pay_1"});
    assert_eq!(app.result(&succeeded("evt_1", data.clone())).await, "refund_due");
    let owing = app.walk("/orders?refund_due=true").await;
    assert_eq!(
        (owing.len(), &owing[0]["id"], &owing[0]["status"]),
        (1, &json!(order), &json!("CANCELED"))
    );
    assert_eq!(app.stock(1).await, 10);
    assert_eq!(app.result(&refunded("evt_2", data)).await, "applied");
    assert!(app.walk("/orders?refund_due=true").await.is_empty());
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn an_order_that_expires_with_a_wrong_payment_is_due_a_refund() {
    let app = TestApp::new();
    app.product(10).await;
    let (wrong, refunded_in_time) = (app.order(1, 2).await, app.order(1, 2).await);
    for order in [wrong, refunded_in_time] {
        let data = json!({"order_id": order, "payment_id": "pay", "amount": 24});
        assert_eq!(
            app.result(&succeeded(&format!("evt_{order}"), data)).await,
            "amount_mismatch"
        );
    }
    assert_eq!(
        app.result(&refunded("back", json!({"order_id": refunded_in_time})))
            .await,
        "applied"
    );
    app.clock.advance_ms(TTL_MS);
    app.sweep().await;
    let canceled = app.walk("/orders?status=CANCELED").await;
    let due: Vec<_> = canceled
        .iter()
        .map(|order| (order["id"].clone(), order["refund_due"].clone()))
        .collect();
    assert_eq!(
        due,
        [(json!(refunded_in_time), json!(false)), (json!(wrong), json!(true))]
    );
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn without_a_time_to_live_orders_never_expire() {
    let app = TestApp::with(|options| options.order_ttl = None);
    app.product(10).await;
    let placed = app.place(1, 2).await.json(201);
    assert_eq!(placed["expires_at"], Value::Null);
    app.clock.advance_ms(100 * 366 * TTL_MS);
    app.sweep().await;
    assert_eq!((app.status_of(1).await, app.stock(1).await), ("PENDING".to_owned(), 8));
}

#[tokio::test]
async fn a_restart_does_not_change_when_orders_expire() {
    let app = TestApp::new();
    app.product(10).await;
    let order = app.order(1, 2).await;
    let before = app.get(&format!("/orders/{order}")).await.json(200);
    let app = app.reopened().await;
    assert_eq!(app.get(&format!("/orders/{order}")).await.json(200), before);
    app.clock.advance_ms(TTL_MS);
    app.sweep().await;
    assert_eq!(app.status_of(order).await, "CANCELED");
}

/// Concurrent payments and sweeps: the writer runs one after the other, and the second sees the first.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_paid_as_it_expires_is_either_paid_or_expired() {
    let app = TestApp::new();
    let product = app.product(1_000).await;
    let (mut paid, mut expired) = (0, 0);
    for round in 0..12 {
        let placed = futures_util::future::join_all((0..10).map(|_| app.order(product, 1))).await;
        app.clock.advance_ms(TTL_MS);
        let (store, now) = (app.store.clone(), Timestamp::from_millis(app.clock.now_ms()));
        let sweep = move || {
            let store = store.clone();
            tokio::spawn(async move { sweeper::sweep(&store, now).await })
        };
        // Each of the two starts first in turn; how they interleave depends on the machine.
        let early = (round % 2 == 0).then(&sweep);
        let pay = |order: &i64| app.webhook(&succeeded(&format!("evt_{order}"), json!({"order_id": order})));
        let receipts = at_once(placed.iter().map(pay)).await;
        sweep().await.unwrap().unwrap();
        if let Some(early) = early {
            early.await.unwrap().unwrap();
        }
        for (order, receipt) in placed.iter().zip(receipts) {
            let receipt = receipt.json(200);
            let order = app.get(&format!("/orders/{order}")).await.json(200);
            match receipt["result"].as_str().unwrap() {
                "applied" => {
                    assert_eq!(
                        (&order["status"], &order["refund_due"]),
                        (&json!("PAID"), &json!(false))
                    );
                    paid += 1;
                }
                "refund_due" => {
                    assert_eq!(
                        (&order["status"], &order["refund_due"]),
                        (&json!("CANCELED"), &json!(true))
                    );
                    assert_eq!(order["paid_at"], Value::Null);
                    expired += 1;
                }
                other => panic!("{other}: {order}"),
            }
        }
    }
    println!("{paid} paid, {expired} expired");
    assert_eq!((paid + expired, app.stock(product).await), (120, 1_000 - paid));
    app.assert_ledger_adds_up().await;
}
