//! `/products/{id}/stock-movements`.

use serde_json::{Value, json};

use crate::support::TestApp;

fn ledger(product_id: i64) -> String {
    format!("/products/{product_id}/stock-movements")
}

#[tokio::test]
async fn a_movement_changes_stock_by_its_delta() {
    let app = TestApp::new();
    let product = app.product(40).await;
    app.clock.advance_ms(1);
    let movement = app
        .post(&ledger(product), json!({"delta": 100, "note": "Delivery 4711"}))
        .await
        .json(201);
    let restock = json!({
        "id": 2, "product_id": product, "delta": 100, "stock_after": 140, "reason": "adjustment", "order_id": null,
        "order_reference": null, "note": "Delivery 4711", "created_at": "2026-03-01T09:30:00.001Z",
    });
    assert_eq!(movement, restock);
    let breakage = app.post(&ledger(product), json!({"delta": -140})).await.json(201);
    assert_eq!((&breakage["stock_after"], &breakage["note"]), (&json!(0), &Value::Null));

    assert_eq!(app.ledger(product).await[..2], [breakage, restock]);
    let updated = app.get(&format!("/products/{product}")).await.json(200);
    assert_eq!(
        (&updated["stock"], &updated["updated_at"]),
        (&json!(0), &json!("2026-03-01T09:30:00.001Z"))
    );
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn stock_never_goes_below_zero() {
    let app = TestApp::new();
    let product = app.product(40).await;
    let refused = app.post(&ledger(product), json!({"delta": -41})).await;
    let problem = refused.expect_problem(409, "/problems/insufficient-stock");
    assert_eq!((&problem["requested"], &problem["available"]), (&json!(41), &json!(40)));
    assert_eq!((app.stock(product).await, app.ledger(product).await.len()), (40, 1));
}

#[tokio::test]
async fn no_movement_raises_stock_above_the_maximum() {
    let app = TestApp::new();
    let product = app.product(40).await;
    let refused = app.post(&ledger(product), json!({"delta": 999_999_961})).await;
    refused.expect_problem(409, "/problems/stock-limit");
    assert_eq!((app.stock(product).await, app.ledger(product).await.len()), (40, 1));
    app.post(&ledger(product), json!({"delta": 999_999_960}))
        .await
        .expect(201);
    app.post(&ledger(product), json!({"delta": 1}))
        .await
        .expect_problem(409, "/problems/stock-limit");
}

#[tokio::test]
async fn units_returned_by_orders_may_exceed_the_maximum() {
    let app = TestApp::new();
    let product = app.product(1_000_000_000).await;
    let orders = [
        app.order(product, 10).await,
        app.order(product, 10).await,
        app.order(product, 10).await,
    ];
    app.put(&format!("/products/{product}"), json!({"stock": 1_000_000_000}))
        .await
        .expect(200);
    app.put(&format!("/orders/{}", orders[0]), json!({"status": "CANCELED"}))
        .await
        .expect(200);
    app.put(&format!("/orders/{}", orders[1]), json!({"quantity": 1}))
        .await
        .expect(200);
    app.delete(&format!("/orders/{}", orders[2])).await.expect(204);
    assert_eq!(app.stock(product).await, 1_000_000_029);
    // Above the maximum, units can be removed and not added.
    app.post(&ledger(product), json!({"delta": 1}))
        .await
        .expect_problem(409, "/problems/stock-limit");
    app.post(&ledger(product), json!({"delta": -1})).await.expect(201);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn the_ledger_names_every_reason_and_the_order_behind_it() {
    let app = TestApp::new();
    let product = app.product(10).await;
    let (first, second) = (app.order(product, 3).await, app.order(product, 1).await);
    app.put(&format!("/orders/{first}"), json!({"quantity": 5}))
        .await
        .expect(200);
    app.put(&format!("/orders/{first}"), json!({"quantity": 4}))
        .await
        .expect(200);
    app.put(&format!("/orders/{first}"), json!({"status": "CANCELED"}))
        .await
        .expect(200);
    app.delete(&format!("/orders/{first}")).await.expect(204);
    app.delete(&format!("/orders/{second}")).await.expect(204);
    app.post(&ledger(product), json!({"delta": -2})).await.expect(201);

    let ledger: Vec<_> = app.ledger(product).await;
    let ledger: Vec<_> = ledger
        .iter()
        .rev()
        .map(|movement| {
            (
                movement["reason"].as_str().unwrap(),
                movement["delta"].as_i64().unwrap(),
                movement["order_id"].as_i64(),
            )
        })
        .collect();
    let expected = [
        ("initial", 10, None),
        ("order_placed", -3, Some(first)),
        ("order_placed", -1, Some(second)),
        ("order_changed", -2, Some(first)),
        ("order_changed", 1, Some(first)),
        ("order_canceled", 4, Some(first)),
        // The canceled order has no units, so its deletion moves none.
        ("order_deleted", 1, Some(second)),
        ("adjustment", -2, None),
    ];
    assert_eq!(ledger, expected);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn movements_at_the_bounds_are_accepted_and_those_beyond_refused() {
    let app = TestApp::new();
    let path = ledger(app.product(0).await);
    let good = [
        json!({"delta": 1_000_000_000}),
        json!({"delta": -1_000_000_000}),
        json!({"delta": 1, "note": "-"}),
        json!({"delta": 1.0, "note": "\u{1f916}".repeat(200)}),
    ];
    for movement in good {
        app.post(&path, &movement).await.expect(201);
    }
    let bad = [
        (json!({"delta": 0}), "/delta"),
        (json!({"delta": 1_000_000_001}), "/delta"),
        (json!({"delta": -1_000_000_001}), "/delta"),
        (json!({"delta": 0.5}), "/delta"),
        (json!({"delta": "1"}), "/delta"),
        (json!({"note": "no delta"}), "/delta"),
        (json!({"delta": 1, "note": "x".repeat(201)}), "/note"),
        (json!({"delta": 1, "note": ""}), "/note"),
        (json!({"delta": 1, "note": null}), "/note"),
        (json!({"delta": 1, "reason": "initial"}), "/reason"),
    ];
    for (movement, place) in bad {
        assert_eq!(
            app.post(&path, &movement).await.expect_failures(),
            [place],
            "{movement}"
        );
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_missing_product_has_no_ledger() {
    let app = TestApp::new();
    app.get(&ledger(1))
        .await
        .expect_problem(404, "/problems/product-not-found");
    app.post(&ledger(1), json!({"delta": 1}))
        .await
        .expect_problem(404, "/problems/product-not-found");
}
