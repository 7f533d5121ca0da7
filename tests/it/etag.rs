//! Versions: entity tags, and what makes a new one. `conditions.rs` tests the requests that depend on them.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::payment::{refunded, succeeded};
use crate::support::{Answer, TestApp};

/// The service with product 1 of 10 units and order 1 of 2 units, both in version 2 after one change.
pub(crate) async fn app_with_data() -> TestApp {
    let app = TestApp::new();
    app.product(10).await;
    app.order(1, 1).await;
    app.put("/orders/1", json!({"quantity": 2})).await.expect(200);
    app.put("/products/1", json!({"name": "x"})).await.expect(200);
    app
}

/// Both resources, with a change of each.
pub(crate) const BOTH: [(&str, &str); 2] = [("/products/1", r#"{"name":"y"}"#), ("/orders/1", r#"{"quantity":3}"#)];

#[track_caller]
pub(crate) fn tag(answer: &Answer) -> String {
    let tag = answer.header("etag").expect("an entity tag").to_owned();
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2,
        "a strong tag: {tag}"
    );
    tag
}

impl TestApp {
    /// The entity tag and the representation of a resource.
    pub(crate) async fn version(&self, path: &str) -> (String, Value) {
        let answer = self.get(path).await.expect(200);
        (tag(&answer), answer.value())
    }
}

#[tokio::test]
async fn post_get_head_and_put_return_an_etag() {
    let app = TestApp::new();
    let product = json!({"sku": "A", "name": "a", "price": 1, "stock": 9});
    let created = [
        app.post("/products", product).await.expect(201),
        app.place(1, 1).await.expect(201),
    ];
    // The order changed the product's stock and so its version.
    assert_ne!(tag(&created[0]), app.version("/products/1").await.0);
    assert_eq!(tag(&created[1]), app.version("/orders/1").await.0);
    for (path, change) in BOTH {
        let before = app.version(path).await.0;
        let changed = tag(&app.put(path, change).await.expect(200));
        assert_ne!(changed, before);
        assert_eq!(app.version(path).await.0, changed);
        assert_eq!(tag(&app.head(path).await.expect(200)), changed);
    }
}

/// Checks after each step that the tag changes exactly when the representation does, and never to an earlier value.
struct Watch<'a> {
    app: &'a TestApp,
    path: &'static str,
    seen: HashSet<String>,
    last: (String, Value),
}

impl<'a> Watch<'a> {
    async fn new(app: &'a TestApp, path: &'static str) -> Self {
        let last = app.version(path).await;
        let seen = HashSet::from([last.0.clone()]);
        Self { app, path, seen, last }
    }

    async fn after(&mut self, what: &str, changes: bool) {
        let now = self.app.version(self.path).await;
        assert_eq!(now.1 != self.last.1, changes, "{what}: {} and {}", self.last.1, now.1);
        assert_eq!(now.0 != self.last.0, changes, "{what}: {} and {}", self.last.0, now.0);
        if changes {
            assert!(
                self.seen.insert(now.0.clone()),
                "{what}: {} was an earlier version",
                now.0
            );
        }
        self.last = now;
        // Two versions of the same millisecond would have the same `updated_at`.
        self.app.clock.advance_ms(1);
    }
}

#[tokio::test]
async fn a_products_version_changes_exactly_with_its_representation() {
    let app = TestApp::new();
    app.product(10).await;
    let mut watch = Watch::new(&app, "/products/1").await;
    for (body, changes) in [
        (json!({"name": "x"}), true),
        (json!({"name": "x"}), false),
        (json!({"price": 2.5}), true),
        (json!({"price": 2.50, "stock": 10}), false),
        (json!({"sku": "S"}), true),
        (json!({"stock": 20}), true),
    ] {
        app.put("/products/1", &body).await.expect(200);
        watch.after(&body.to_string(), changes).await;
    }
    app.post("/products/1/stock-movements", json!({"delta": 1}))
        .await
        .expect(201);
    watch.after("a movement", true).await;
    app.order(1, 2).await;
    watch.after("an order", true).await;
    app.put("/orders/1", json!({"quantity": 3})).await.expect(200);
    watch.after("a larger order", true).await;
    app.pay(1).await;
    watch.after("a payment", false).await;
    app.put("/orders/1", json!({"status": "SHIPPED"})).await.expect(200);
    watch.after("a delivery", false).await;
    app.order(1, 2).await;
    watch.after("another order", true).await;
    app.put("/orders/2", json!({"status": "CANCELED"})).await.expect(200);
    watch.after("its cancellation", true).await;
    app.delete("/orders/2").await.expect(204);
    watch.after("its deletion", false).await;
    app.order(1, 2).await;
    watch.after("a third order", true).await;
    app.delete("/orders/3").await.expect(204);
    watch.after("its deletion", true).await;
    app.order(1, 2).await;
    watch.after("a fourth order", true).await;
    app.clock.advance_ms(86_400_000);
    app.sweep().await;
    watch.after("its end", true).await;
    app.place(1, 10_000).await.expect(409);
    watch.after("a refusal", false).await;
}

#[tokio::test]
async fn an_orders_version_changes_exactly_with_its_representation() {
    let app = TestApp::new();
    app.product(10).await;
    app.order(1, 2).await;
    let mut watch = Watch::new(&app, "/orders/1").await;
    let put = |body: Value| app.put("/orders/1", body);
    let data = |payment: &str| json!({"order_id": 1, "payment_id": payment});
    put(json!({"quantity": 3})).await.expect(200);
    watch.after("another quantity", true).await;
    put(json!({"quantity": 3, "status": "PENDING"})).await.expect(200);
    watch.after("the same", false).await;
    app.put("/products/1", json!({"price": 99})).await.expect(200);
    watch.after("another price of the product", false).await;
    app.result(&succeeded(
        "evt_0",
        json!({"order_id": 1, "payment_id": "wrong", "amount": 1}),
    ))
    .await;
    watch.after("a payment of another amount", false).await;
    app.result(&succeeded("evt_1", data("pay_1"))).await;
    watch.after("its payment", true).await;
    app.result(&succeeded("evt_2", data("pay_2"))).await;
    watch.after("a second payment", false).await;
    app.result(&refunded(
        "evt_3",
        json!({"order_id": 1, "payment_id": "pay_1", "amount": 1}),
    ))
    .await;
    watch.after("a refund of a part", false).await;
    put(json!({"status": "CANCELED"})).await.expect(200);
    watch.after("its cancellation", true).await;
    for (payment, changes) in [("pay_1", false), ("pay_2", false), ("wrong", true)] {
        app.result(&refunded(&format!("back_{payment}"), data(payment))).await;
        watch.after(&format!("the refund of {payment}"), changes).await;
    }
    app.result(&succeeded("evt_4", data("pay_4"))).await;
    watch.after("late money", true).await;
    app.result(&succeeded("evt_5", data("pay_5"))).await;
    watch.after("more late money", false).await;
    app.clock.advance_ms(86_400_000);
    app.sweep().await;
    watch.after("a sweep", false).await;
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn shipping_and_expiring_are_new_versions_of_an_order() {
    let app = TestApp::new();
    app.product(10).await;
    app.order(1, 2).await;
    app.pay(1).await;
    let mut shipped = Watch::new(&app, "/orders/1").await;
    app.put("/orders/1", json!({"status": "SHIPPED"})).await.expect(200);
    shipped.after("shipping", true).await;
    app.order(1, 2).await;
    let mut expired = Watch::new(&app, "/orders/2").await;
    app.clock.advance_ms(86_400_000);
    app.sweep().await;
    expired.after("expiring", true).await;
    shipped.after("the end of another", false).await;
}
