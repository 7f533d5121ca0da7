//! `/orders` and `/orders/{id}`.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::id;

/// The history of an order.
#[derive(Clone, Copy, Debug)]
enum Life {
    Pending,
    Paid,
    Shipped,
    Canceled,
    CanceledAfterPayment,
}

impl Life {
    const ALL: [Self; 5] = [
        Self::Pending,
        Self::Paid,
        Self::Shipped,
        Self::Canceled,
        Self::CanceledAfterPayment,
    ];

    /// Takes a pending order through this history; returns it afterwards.
    async fn lead(self, app: &TestApp, order: i64) -> Value {
        let path = format!("/orders/{order}");
        if matches!(self, Self::Paid | Self::Shipped | Self::CanceledAfterPayment) {
            app.clock.advance_ms(1_000);
            app.pay(order).await;
        }
        app.clock.advance_ms(1_000);
        match self {
            Self::Pending | Self::Paid => app.get(&path).await.json(200),
            Self::Shipped => app.put(&path, json!({"status": "SHIPPED"})).await.json(200),
            Self::Canceled | Self::CanceledAfterPayment => {
                app.put(&path, json!({"status": "CANCELED"})).await.json(200)
            }
        }
    }
}

#[tokio::test]
async fn placing_an_order_reserves_its_units() {
    let app = TestApp::new();
    let product = app.product(40).await;
    app.clock.advance_ms(7);
    let answer = app.place(product, 2).await.expect(201);
    assert_eq!(
        (answer.header("location"), answer.header("etag")),
        (Some("/orders/1"), Some("\"1\""))
    );
    let now = "2026-03-01T09:30:00.007Z";
    let order = json!({
        "id": 1, "reference": null, "product_id": product, "quantity": 2, "unit_price": 12.5, "total": 25, "status": "PENDING",
        "refund_due": false, "created_at": now, "updated_at": now, "expires_at": "2026-03-02T09:30:00.007Z", "paid_at": null, "shipped_at": null, "canceled_at": null,
    });
    assert_eq!(answer.value(), order);
    assert_eq!(app.get("/orders/1").await.json(200), order);
    assert_eq!(app.stock(product).await, 38);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn an_order_for_more_than_the_stock_takes_nothing() {
    let app = TestApp::new();
    let product = app.product(2).await;
    let problem = app
        .place(product, 3)
        .await
        .expect_problem(409, "/problems/insufficient-stock");
    assert_eq!((&problem["requested"], &problem["available"]), (&json!(3), &json!(2)));
    assert_eq!(
        problem["detail"],
        format!("Product {product} has 2 in stock; 3 requested.")
    );
    assert_eq!((app.stock(product).await, app.walk("/orders").await.len()), (2, 0));

    app.place(product, 2).await.expect(201);
    let problem = app
        .place(product, 1)
        .await
        .expect_problem(409, "/problems/insufficient-stock");
    assert_eq!((&problem["requested"], &problem["available"]), (&json!(1), &json!(0)));
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn missing_products_and_orders_are_not_found() {
    let app = TestApp::new();
    app.place(7, 1).await.expect_problem(404, "/problems/product-not-found");
    for path in ["/orders/1", "/orders/9223372036854775807"] {
        for answer in [
            app.get(path).await,
            app.put(path, json!({"quantity": 1})).await,
            app.delete(path).await,
        ] {
            answer.expect_problem(404, "/problems/order-not-found");
        }
    }
}

#[tokio::test]
async fn an_order_keeps_the_price_of_its_creation() {
    let app = TestApp::new();
    let product = app.product(40).await;
    let order = format!("/orders/{}", app.order(product, 2).await);
    app.put(&format!("/products/{product}"), json!({"price": 99}))
        .await
        .expect(200);
    assert_eq!(app.get(&order).await.json(200)["unit_price"], 12.5);
    let changed = app.put(&order, json!({"quantity": 3})).await.json(200);
    assert_eq!(
        (&changed["unit_price"], &changed["total"]),
        (&json!(12.5), &json!(37.5))
    );
    let later = app.place(product, 1).await.json(201);
    assert_eq!((&later["unit_price"], &later["total"]), (&json!(99), &json!(99)));
}

/// The status after PUT from each status, and the stock of 10 units after an order of 3.
#[tokio::test]
async fn put_allows_only_the_transitions_of_the_contract() {
    let app = TestApp::new();
    for life in Life::ALL {
        for to in ["PENDING", "PAID", "SHIPPED", "CANCELED"] {
            let product = app.product(10).await;
            let order = app.order(product, 3).await;
            let before = life.lead(&app, order).await;
            let from = before["status"].as_str().unwrap().to_owned();
            let in_stock = app.stock(product).await;
            app.clock.advance_ms(1_000);
            let answer = app.put(&format!("/orders/{order}"), json!({"status": to})).await;

            let allowed = match from.as_str() {
                "PENDING" => json!(["CANCELED"]),
                "PAID" => json!(["SHIPPED", "CANCELED"]),
                _ => json!([]),
            };
            if from == to {
                assert_eq!(answer.json(200), before, "{life:?} to {to} changes nothing");
                assert_eq!(app.stock(product).await, in_stock);
            } else if allowed.as_array().unwrap().contains(&json!(to)) {
                let after = answer.json(200);
                let now = app.get(&format!("/orders/{order}")).await.json(200);
                assert_eq!((&after, &after["status"]), (&now, &json!(to)));
                let step = if to == "SHIPPED" { "shipped_at" } else { "canceled_at" };
                assert_eq!(after[step], after["updated_at"], "{life:?} to {to}");
                assert!(after["updated_at"].as_str() > before["updated_at"].as_str());
                assert_eq!(after["paid_at"], before["paid_at"]);
                assert_eq!(app.stock(product).await, if to == "CANCELED" { 10 } else { 7 });
            } else {
                let problem = answer.expect_problem(409, "/problems/invalid-transition");
                assert_eq!(problem["allowed"], allowed, "{life:?} to {to}");
                let detail = problem["detail"].as_str().unwrap();
                assert!(
                    detail.starts_with(&format!("Order {order} is {from} and cannot become {to}: ")),
                    "{detail}"
                );
                assert_eq!(app.get(&format!("/orders/{order}")).await.json(200), before);
                assert_eq!(app.stock(product).await, in_stock);
            }
        }
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn only_the_webhook_sets_paid_and_the_refusal_says_so() {
    let app = TestApp::new();
    let order = app.order(app.product(1).await, 1).await;
    let refused = app.put(&format!("/orders/{order}"), json!({"status": "PAID"})).await;
    let problem = refused.expect_problem(409, "/problems/invalid-transition");
    assert!(
        problem["detail"].as_str().unwrap().contains("only the payment webhook"),
        "{problem}"
    );
}

#[tokio::test]
async fn only_an_order_without_a_recorded_payment_can_be_deleted() {
    let app = TestApp::new();
    for life in Life::ALL {
        let product = app.product(10).await;
        let order = app.order(product, 3).await;
        let before = life.lead(&app, order).await;
        let path = format!("/orders/{order}");
        let answer = app.delete(&path).await;
        let (advice, in_stock) = match life {
            Life::Pending | Life::Canceled => {
                answer.expect(204);
                app.get(&path).await.expect_problem(404, "/problems/order-not-found");
                app.delete(&path).await.expect_problem(404, "/problems/order-not-found");
                assert_eq!(app.stock(product).await, 10, "{life:?}");
                continue;
            }
            Life::Paid => ("to take it back, cancel it", 7),
            Life::Shipped => ("final", 7),
            Life::CanceledAfterPayment => ("a payment of it came; it is canceled already", 10),
        };
        let problem = answer.expect_problem(409, "/problems/order-not-deletable");
        assert!(problem["detail"].as_str().unwrap().contains(advice), "{problem}");
        assert_eq!(app.get(&path).await.json(200), before);
        assert_eq!(app.stock(product).await, in_stock, "{life:?}");
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_new_quantity_moves_the_difference_in_stock() {
    let app = TestApp::new();
    let product = app.product(10).await;
    let order = format!("/orders/{}", app.order(product, 4).await);
    for (quantity, left) in [(6, 4), (10, 0), (1, 9)] {
        app.clock.advance_ms(1_000);
        let before = app.get(&order).await.json(200);
        let after = app.put(&order, json!({"quantity": quantity})).await.json(200);
        assert_eq!(after["quantity"], quantity);
        assert_eq!(after["total"].as_f64(), Some(12.5 * f64::from(quantity)));
        assert!(after["updated_at"].as_str() > before["updated_at"].as_str());
        assert_eq!(app.stock(product).await, left);
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_larger_quantity_needs_only_the_further_units() {
    let app = TestApp::new();
    let product = app.product(10).await;
    let order = format!("/orders/{}", app.order(product, 6).await);
    let before = app.get(&order).await.json(200);
    let problem = app
        .put(&order, json!({"quantity": 11}))
        .await
        .expect_problem(409, "/problems/insufficient-stock");
    assert_eq!((&problem["requested"], &problem["available"]), (&json!(5), &json!(4)));
    assert_eq!(app.get(&order).await.json(200), before);
    assert_eq!((app.stock(product).await, app.ledger(product).await.len()), (4, 2));
    app.put(&order, json!({"quantity": 10})).await.expect(200);
}

#[tokio::test]
async fn the_quantity_and_status_that_an_order_has_change_nothing() {
    let app = TestApp::new();
    let product = app.product(10).await;
    for life in Life::ALL {
        let order = app.order(product, 1).await;
        let before = life.lead(&app, order).await;
        let moved = app.ledger(product).await.len();
        app.clock.advance_ms(1_000);
        for same in [
            json!({"quantity": 1}),
            json!({"quantity": 1, "status": before["status"]}),
        ] {
            let after = app.put(&format!("/orders/{order}"), &same).await.json(200);
            assert_eq!(after, before, "{life:?} {same}");
        }
        assert_eq!(app.ledger(product).await.len(), moved, "{life:?}");
    }
}

#[tokio::test]
async fn a_quantity_changes_only_while_the_order_is_and_remains_pending() {
    let app = TestApp::new();
    for life in Life::ALL {
        let product = app.product(10).await;
        let order = app.order(product, 3).await;
        let before = life.lead(&app, order).await;
        let in_stock = app.stock(product).await;
        let refused = match life {
            Life::Pending => vec![json!({"quantity": 4, "status": "CANCELED"})],
            Life::Paid => vec![
                json!({"quantity": 4}),
                json!({"quantity": 4, "status": "SHIPPED"}),
                json!({"quantity": 4, "status": "CANCELED"}),
            ],
            Life::Shipped | Life::Canceled | Life::CanceledAfterPayment => {
                vec![
                    json!({"quantity": 4}),
                    json!({"quantity": 4, "status": before["status"]}),
                ]
            }
        };
        for change in refused {
            let answer = app.put(&format!("/orders/{order}"), &change).await;
            let problem = answer.expect_problem(409, "/problems/order-not-editable");
            assert!(
                problem["detail"]
                    .as_str()
                    .unwrap()
                    .contains(before["status"].as_str().unwrap()),
                "{problem}"
            );
            assert_eq!(
                app.get(&format!("/orders/{order}")).await.json(200),
                before,
                "{life:?} {change}"
            );
            assert_eq!(app.stock(product).await, in_stock, "{life:?} {change}");
        }
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn status_and_quantity_happen_together_or_not_at_all() {
    let app = TestApp::new();
    let product = app.product(10).await;
    let order = format!("/orders/{}", app.order(product, 3).await);
    app.put(&order, json!({"status": "PENDING", "quantity": 5}))
        .await
        .expect(200);
    assert_eq!(app.stock(product).await, 5);
    app.put(&order, json!({"status": "SHIPPED", "quantity": 6}))
        .await
        .expect_problem(409, "/problems/invalid-transition");
    let canceled = app
        .put(&order, json!({"status": "CANCELED", "quantity": 5}))
        .await
        .json(200);
    assert_eq!((&canceled["quantity"], &canceled["total"]), (&json!(5), &json!(62.5)));
    assert_eq!(app.stock(product).await, 10);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn quantities_at_their_bounds_are_accepted_and_those_beyond_refused() {
    let app = TestApp::new();
    let product = app.product(100_000).await;
    for quantity in [json!(1), json!(10_000), json!(2.0)] {
        let order = json!({"product_id": product, "quantity": quantity});
        let placed = app.post("/orders", order).await.json(201);
        assert_eq!(placed["quantity"].as_f64(), quantity.as_f64());
    }
    let order = format!("/orders/{}", id(&app.place(product, 1).await.json(201)));
    for quantity in [
        json!(0),
        json!(-1),
        json!(10_001),
        json!(1.5),
        json!("1"),
        json!(null),
        json!(true),
        json!([1]),
    ] {
        let body = json!({"product_id": product, "quantity": quantity});
        assert_eq!(
            app.post("/orders", body).await.expect_failures(),
            ["/quantity"],
            "{quantity}"
        );
        let body = json!({"quantity": quantity});
        assert_eq!(
            app.put(&order, body).await.expect_failures(),
            ["/quantity"],
            "{quantity}"
        );
    }
    for status in [json!("paid"), json!("REFUNDED"), json!(""), json!(null), json!(1)] {
        assert_eq!(
            app.put(&order, json!({"status": status})).await.expect_failures(),
            ["/status"],
            "{status}"
        );
    }
}
