//! Concurrent requests. These tests would fail if the writer did not run writes one after another.

use std::collections::HashMap;

use axum::http::Method;
use serde_json::json;

use crate::support::TestApp;
use crate::support::client::{self, Call};

/// Sends these requests concurrently, and counts the responses by status.
async fn at_once(calls: impl IntoIterator<Item = Call>) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for answer in client::at_once(calls).await {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_buyers_of_the_last_item_one_gets_it() {
    let app = TestApp::new();
    let product = app.product(1).await;
    let counts = at_once((0..64).map(|_| app.place(product, 1))).await;
    assert_eq!(counts, HashMap::from([(201, 1), (409, 63)]));
    assert_eq!((app.stock(product).await, app.walk("/orders").await.len()), (0, 1));
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_orders_never_sell_more_than_there_is() {
    let app = TestApp::new();
    let product = app.product(100).await;
    // Quantities from 1 to 5 in an irregular order, 600 units in all.
    let quantities = (0..200).map(|number| 1 + number * 37 % 101 % 5);
    let counts = at_once(quantities.map(|quantity| app.place(product, quantity))).await;
    assert_eq!(
        counts
            .keys()
            .copied()
            .filter(|status| ![201, 409].contains(status))
            .count(),
        0,
        "{counts:?}"
    );

    let orders = app.walk("/orders?limit=100").await;
    let sold: i64 = orders.iter().map(|order| order["quantity"].as_i64().unwrap()).sum();
    assert_eq!(orders.len(), counts[&201]);
    assert_eq!(sold + app.stock(product).await, 100);
    assert!(sold > 95, "orders of one unit take the rest: {sold}");
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_canceled_by_many_returns_its_stock_once() {
    let app = TestApp::new();
    let product = app.product(10).await;
    let order = format!("/orders/{}", app.order(product, 4).await);
    let counts = at_once((0..32).map(|_| app.put(&order, json!({"status": "CANCELED"})))).await;
    assert_eq!(counts, HashMap::from([(200, 32)]));
    assert_eq!((app.stock(product).await, app.ledger(product).await.len()), (10, 3));
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_deleted_by_many_returns_its_stock_once() {
    let app = TestApp::new();
    let product = app.product(10).await;
    let order = format!("/orders/{}", app.order(product, 4).await);
    let counts = at_once((0..32).map(|_| app.delete(&order))).await;
    assert_eq!(counts, HashMap::from([(204, 1), (404, 31)]));
    assert_eq!((app.stock(product).await, app.ledger(product).await.len()), (10, 3));
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_quantity_keep_stock_and_ledger_right() {
    let app = TestApp::new();
    let product = app.product(20).await;
    let orders = [
        app.order(product, 1).await,
        app.order(product, 1).await,
        app.order(product, 1).await,
    ];
    let changes = (0..90).map(|number| {
        let order = format!("/orders/{}", orders[number % 3]);
        app.put(&order, json!({"quantity": 1 + number * 7 % 12}))
    });
    let counts = at_once(changes).await;
    assert_eq!(
        counts
            .keys()
            .copied()
            .filter(|status| ![200, 409].contains(status))
            .count(),
        0,
        "{counts:?}"
    );
    let held: i64 = app
        .walk("/orders")
        .await
        .iter()
        .map(|order| order["quantity"].as_i64().unwrap())
        .sum();
    assert_eq!(held + app.stock(product).await, 20);
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_canceled_and_changed_at_once_ends_without_stock() {
    let app = TestApp::new();
    let product = app.product(50).await;
    for _ in 0..10 {
        let order = format!("/orders/{}", app.order(product, 2).await);
        let change = |body| app.put(&order, body);
        let calls = [
            json!({"quantity": 5}),
            json!({"status": "CANCELED"}),
            json!({"quantity": 1}),
        ]
        .map(change);
        at_once(calls.into_iter().chain([app.call(Method::DELETE, &order)])).await;
        // The deletion comes last and returns the order's units.
        app.delete(&order).await;
        assert_eq!(app.stock(product).await, 50);
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sku_wanted_by_many_goes_to_one() {
    let app = TestApp::new();
    let product = json!({"sku": "LAST", "name": "x", "price": 1, "stock": 1});
    let counts = at_once((0..32).map(|_| app.post("/products", &product))).await;
    assert_eq!(counts, HashMap::from([(201, 1), (409, 31)]));
    assert_eq!(app.walk("/products").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reader_sees_stock_and_ledger_apart() {
    let app = TestApp::new();
    let product = app.product(1_000).await;
    let path = format!("/products/{product}/stock-movements");
    let writer = tokio::spawn(at_once((0..100).map(|_| app.place(product, 1)).collect::<Vec<_>>()));
    while !writer.is_finished() {
        let page = app.get(&path).await.json(200);
        let newest = &page["items"][0];
        let orders = 1_000 - newest["stock_after"].as_i64().unwrap();
        // Entry 1 is the opening stock: each order added one entry and took one unit.
        assert_eq!(newest["id"].as_i64().unwrap() - 1, orders, "{newest}");
    }
    assert_eq!(writer.await.unwrap(), HashMap::from([(201, 100)]));
}
