//! The shop's own number of an order, and what lists of orders and products can be narrowed by and show.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::id;
use crate::support::payment::succeeded;

/// Places an order with this reference; returns its id.
async fn order(app: &TestApp, product: i64, reference: &str) -> i64 {
    let new = json!({"product_id": product, "quantity": 1, "reference": reference});
    id(&app.post("/orders", new).await.json(201))
}

async fn ids(app: &TestApp, list: &str) -> Vec<i64> {
    app.walk(list).await.iter().map(id).collect()
}

#[tokio::test]
async fn a_reference_is_given_found_and_changed_while_the_order_is_pending() {
    let app = TestApp::new();
    let product = app.product(9).await;
    let (first, other, second) = (
        order(&app, product, "W-1 ü").await,
        app.order(product, 1).await,
        order(&app, product, "W-1 ü").await,
    );
    let path = format!("/orders/{first}");
    assert_eq!(app.get(&path).await.json(200)["reference"], "W-1 ü");
    assert_eq!(
        app.get(&format!("/orders/{other}")).await.json(200)["reference"],
        Value::Null
    );
    assert_eq!(
        ids(&app, "/orders?reference=W-1%20%C3%BC&limit=1").await,
        [second, first]
    );
    assert_eq!(ids(&app, "/orders?reference=w-1%20%C3%BC").await, [] as [i64; 0]);

    let changed = app.put(&path, json!({"reference": "W-2"})).await;
    assert_eq!(changed.header("etag"), Some("\"2\""));
    assert_eq!(changed.json(200)["reference"], "W-2");
    let again = app.put(&path, json!({"reference": "W-2"})).await;
    assert_eq!(again.header("etag"), Some("\"2\""), "a no-op");
    let both = app
        .put(&path, json!({"reference": "W-3", "quantity": 2}))
        .await
        .json(200);
    assert_eq!((&both["reference"], &both["quantity"]), (&json!("W-3"), &json!(2)));
    app.pay(first).await;
    app.put(&path, json!({"reference": "W-3"})).await.expect(200);
    app.put(&path, json!({"reference": "W-4"}))
        .await
        .expect_problem(409, "/problems/order-not-editable");
    assert_eq!(app.get(&path).await.json(200)["reference"], "W-3");
    assert_eq!(ids(&app, "/orders?reference=W-3&status=PAID").await, [first]);
    assert_eq!(ids(&app, "/orders?reference=W-3&status=PENDING").await, [] as [i64; 0]);
    assert_eq!(
        ids(&app, &format!("/orders?reference=W-3&product_id={product}")).await,
        [first]
    );
}

#[tokio::test]
async fn a_bad_reference_is_refused() {
    let app = TestApp::new();
    let product = app.product(9).await;
    let pending = app.order(product, 1).await;
    for bad in [
        json!(""),
        json!("x".repeat(101)),
        json!(" "),
        json!("a\nb"),
        json!(null),
        json!(7),
    ] {
        let new = json!({"product_id": product, "quantity": 1, "reference": bad});
        assert_eq!(
            app.post("/orders", new).await.expect_failures(),
            ["/reference"],
            "{bad}"
        );
        let change = app.put(&format!("/orders/{pending}"), json!({"reference": bad}));
        assert_eq!(change.await.expect_failures(), ["/reference"], "{bad}");
    }
    order(&app, product, &"ü".repeat(100)).await;
    assert_eq!(app.stock(product).await, 7);
    for bad in ["", "%0A", &"x".repeat(101)] {
        let list = app.get(&format!("/orders?reference={bad}"));
        assert_eq!(list.await.expect_failures(), ["?reference"], "{bad}");
    }
}

/// The ledger and the events name orders, and show their references as they are now.
#[tokio::test]
async fn what_names_an_order_shows_its_reference() {
    let app = TestApp::new();
    let product = app.product(9).await;
    let named = order(&app, product, "W-1").await;
    let gone = order(&app, product, "W-2").await;
    let plain = app.order(product, 1).await;
    app.put(&format!("/orders/{named}"), json!({"reference": "W-3"}))
        .await
        .expect(200);
    app.delete(&format!("/orders/{gone}")).await.expect(204);
    app.pay(named).await;
    app.pay(plain).await;
    let late = succeeded("evt_late", json!({"order_id": gone}));
    assert_eq!(app.result(&late).await, "order_gone");

    let references = |items: Vec<Value>| -> Vec<(Value, Value)> {
        let pair = |item: &Value| (item["order_id"].clone(), item["order_reference"].clone());
        items.iter().map(pair).collect()
    };
    let (named, gone, plain) = (json!(named), json!(gone), json!(plain));
    let (none, name) = (Value::Null, json!("W-3"));
    assert_eq!(
        references(app.walk("/payment-events?limit=2").await),
        [(&gone, &none), (&plain, &none), (&named, &name)].map(|(id, name)| (id.clone(), name.clone()))
    );
    assert_eq!(
        references(app.walk(&format!("/products/{product}/stock-movements?limit=2")).await),
        [
            (&gone, &none),
            (&plain, &none),
            (&gone, &none),
            (&named, &name),
            (&none, &none)
        ]
        .map(|(id, name)| (id.clone(), name.clone()))
    );
}

#[tokio::test]
async fn orders_are_listed_by_the_time_at_which_they_were_placed() {
    let app = TestApp::new();
    let product = app.product(9).await;
    let other = app.product(9).await;
    let mut orders = Vec::new();
    for of in [product, other, product, product] {
        orders.push(app.order(of, 1).await);
        app.clock.advance_ms(1_000);
    }
    // The clock steps back.
    app.clock.advance_ms(-3_500);
    orders.push(app.order(product, 1).await);
    let [a, b, c, d, e] = orders[..] else {
        panic!("five orders")
    };

    // They were placed at 30:00, 30:01, 30:02, 30:03 and 30:00.500.
    let at = |time: &str| format!("2026-03-01T09:30:{time}Z");
    for limit in 1..=6 {
        let list = |filters: &str| format!("/orders?limit={limit}{filters}");
        let found = async |filters: &str| ids(&app, &list(filters)).await;
        assert_eq!(found(&format!("&created_from={}", at("00"))).await, [d, c, b, e, a]);
        assert_eq!(found(&format!("&created_from={}", at("00.001"))).await, [d, c, b, e]);
        assert_eq!(found(&format!("&created_before={}", at("02"))).await, [b, e, a]);
        let both = format!("&created_from={}&created_before={}", at("00.500"), at("02.001"));
        assert_eq!(found(&both).await, [c, b, e]);
        assert_eq!(found(&format!("{both}&product_id={product}")).await, [c, e]);
        assert_eq!(found(&format!("{both}&status=PAID")).await, [] as [i64; 0]);
        // The offset is part of the time.
        assert_eq!(found("&created_from=2026-03-01T10:30:03%2B01:00").await, [d]);
        let empty = format!("&created_from={}&created_before={}", at("03"), at("01"));
        assert_eq!(found(&empty).await, [] as [i64; 0]);
        assert_eq!(ids(&app, &list("")).await, [e, d, c, b, a]);
    }
}

#[tokio::test]
async fn bad_times_and_cursors_of_another_order_are_refused() {
    let app = TestApp::new();
    let product = app.product(9).await;
    for _ in 0..3 {
        app.order(product, 1).await;
    }
    for bad in [
        "",
        "yesterday",
        "2026-03-01",
        "2026-03-01T09:30:00",
        "2026-02-30T09:30:00Z",
        "1772357400",
    ] {
        for name in ["created_from", "created_before"] {
            let list = app.get(&format!("/orders?{name}={bad}"));
            assert_eq!(list.await.expect_failures(), [format!("?{name}")], "{bad}");
        }
    }
    let by_id = app.get("/orders?limit=1").await.json(200);
    let from = "created_from=2026-03-01T00:00:00Z";
    let by_time = app.get(&format!("/orders?limit=1&{from}")).await.json(200);
    let cursor = |page: &Value| page["next_cursor"].as_str().unwrap().to_owned();
    let refused = app.get(&format!("/orders?{from}&cursor={}", cursor(&by_id))).await;
    assert_eq!(refused.expect_failures(), ["?cursor"]);
    let refused = app.get(&format!("/orders?cursor={}", cursor(&by_time))).await;
    assert_eq!(refused.expect_failures(), ["?cursor"]);
}

#[tokio::test]
async fn products_are_found_by_a_text_and_by_their_last_change() {
    let app = TestApp::new();
    let mut made = Vec::new();
    for (sku, name) in [("MUG-1", "Große Tasse"), ("MUG-2", "Becher"), ("POT", "Topf 50% mug")] {
        let product = json!({"sku": sku, "name": name, "price": 1, "stock": 9});
        made.push(id(&app.post("/products", product).await.json(201)));
        app.clock.advance_ms(60_000);
    }
    let [first, second, third] = made[..] else {
        panic!("three products")
    };
    for limit in 1..=4 {
        let found = async |filters: &str| ids(&app, &format!("/products?limit={limit}&{filters}")).await;
        assert_eq!(found("q=mug").await, [first, second, third]);
        assert_eq!(found("q=UG").await, [first, second, third]);
        assert_eq!(found("q=gro%C3%9Fe%20t").await, [first]);
        assert_eq!(found("q=%25").await, [third]);
        assert_eq!(found("q=mug&sku=MUG-2").await, [second]);
        assert_eq!(found("q=pot&sku=MUG-2").await, [] as [i64; 0]);
        assert_eq!(found("updated_from=2026-03-01T09:31:00Z").await, [second, third]);
        assert_eq!(found("updated_from=2026-03-01T09:31:00Z&q=becher").await, [second]);
        assert_eq!(
            found("updated_from=2026-03-01T09:31:00Z&sku=MUG-1").await,
            [] as [i64; 0]
        );
    }
    // An order changes its product.
    app.order(first, 1).await;
    assert_eq!(
        ids(&app, "/products?limit=1&updated_from=2026-03-01T09:31:00Z").await,
        [second, third, first]
    );
    let long = "x".repeat(101);
    for bad in [
        "q=",
        "q=%20",
        "q=%0A",
        &format!("q={long}"),
        "updated_from=now",
        "updated_from=",
    ] {
        let (name, _) = bad.split_once('=').unwrap();
        let list = app.get(&format!("/products?{bad}"));
        assert_eq!(list.await.expect_failures(), [format!("?{name}")], "{bad}");
    }
    let by_id = app.get("/products?limit=1").await.json(200);
    let cursor = by_id["next_cursor"].as_str().unwrap();
    let list = app.get(&format!("/products?updated_from=2026-03-01T09:31:00Z&cursor={cursor}"));
    assert_eq!(list.await.expect_failures(), ["?cursor"]);
}

#[tokio::test]
async fn lists_show_what_was_ordered_where_that_is_asked_for() {
    let app = TestApp::new();
    let (mug, pot) = (app.product(9).await, app.product(9).await);
    let change = json!({"sku": "POT", "name": "Pot"});
    let orders = [
        app.order(mug, 1).await,
        app.order(pot, 1).await,
        app.order(mug, 1).await,
    ];
    app.put(&format!("/products/{pot}"), change).await.expect(200);
    let sku = app.get(&format!("/products/{mug}")).await.json(200)["sku"].clone();
    let (of_mug, of_pot) = (
        json!({"sku": sku, "name": "Blue mug"}),
        json!({"sku": "POT", "name": "Pot"}),
    );

    for list in [
        "/orders?expand=product&limit=2",
        "/orders?limit=2&expand=product&created_from=2026-01-01T00:00:00Z",
    ] {
        let items = app.walk(list).await;
        let shown: Vec<_> = items.iter().map(|item| (id(item), &item["product"])).collect();
        assert_eq!(
            shown,
            [(orders[2], &of_mug), (orders[1], &of_pot), (orders[0], &of_mug)],
            "{list}"
        );
    }
    let ledger = format!("/products/{pot}/stock-movements");
    let items = app.walk(&format!("{ledger}?limit=1&expand=product")).await;
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|item| item["product"] == of_pot), "{items:?}");
    for list in ["/orders", &ledger] {
        let items = app.walk(list).await;
        assert!(items.iter().all(|item| item.get("product").is_none()), "{items:?}");
        let list = app.get(&format!("{list}?expand=orders")).await;
        assert_eq!(list.expect_failures(), ["?expand"]);
    }
    assert!(
        app.get(&format!("/orders/{}", orders[0]))
            .await
            .json(200)
            .get("product")
            .is_none()
    );
}
