//! `/products` and `/products/{id}`.

use orders_inventory::domain::{Note, ProductName};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::id;
use crate::support::contract::Contract;

const FIRST: &str = "2026-03-01T09:30:00.000Z";

fn mug() -> Value {
    json!({"sku": "MUG-BLUE", "name": "Blue mug", "price": 12.5, "stock": 40})
}

/// The product with these members replaced.
fn with(mut product: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else {
        panic!("no object: {changes}")
    };
    product.as_object_mut().unwrap().extend(changes);
    product
}

#[tokio::test]
async fn a_product_is_created_under_its_location_with_its_opening_stock_in_the_ledger() {
    let app = TestApp::new();
    let created = app.post("/products", mug()).await.expect(201);
    assert_eq!(created.header("location"), Some("/products/1"));
    let product = with(mug(), json!({"id": 1, "created_at": FIRST, "updated_at": FIRST}));
    assert_eq!(created.value(), product);
    assert_eq!(app.get("/products/1").await.json(200), product);

    let movement = json!({
        "id": 1, "product_id": 1, "delta": 40, "stock_after": 40, "reason": "initial", "order_id": null,
        "order_reference": null, "note": null,
        "created_at": FIRST,
    });
    assert_eq!(app.ledger(1).await, [movement]);
}

#[tokio::test]
async fn a_product_without_stock_begins_with_an_empty_ledger() {
    let app = TestApp::new();
    let id = app.product(0).await;
    assert!(app.ledger(id).await.is_empty());
}

#[tokio::test]
async fn a_sku_belongs_to_one_product_until_that_is_deleted() {
    let app = TestApp::new();
    app.post("/products", mug()).await.expect(201);
    let second = app
        .post("/products", with(mug(), json!({"sku": "mug-blue"})))
        .await
        .json(201);
    let second = format!("/products/{}", id(&second));

    let taken = [
        app.post("/products", mug()).await,
        app.put(&second, json!({"sku": "MUG-BLUE"})).await,
    ];
    for answer in taken {
        let problem = answer.expect_problem(409, "/problems/duplicate-sku");
        assert_eq!(problem["sku"], "MUG-BLUE");
        assert_eq!(problem["detail"], "SKU MUG-BLUE is taken by another product.");
    }
    assert_eq!(app.get(&second).await.json(200)["sku"], "mug-blue");

    app.delete("/products/1").await.expect(204);
    app.put(&second, json!({"sku": "MUG-BLUE"})).await.expect(200);
}

#[tokio::test]
async fn a_missing_product_cannot_be_read_changed_or_deleted() {
    let app = TestApp::new();
    for path in ["/products/1", "/products/9223372036854775807"] {
        for answer in [
            app.get(path).await,
            app.put(path, json!({"stock": 1})).await,
            app.delete(path).await,
        ] {
            answer.expect_problem(404, "/problems/product-not-found");
        }
    }
}

#[tokio::test]
async fn an_update_changes_only_the_given_members() {
    let app = TestApp::new();
    let mut product = app.post("/products", mug()).await.json(201);
    let changes = [
        json!({"sku": "MUG-2"}),
        json!({"name": "Mug"}),
        json!({"price": 13.95}),
        json!({"stock": 38}),
        json!({"sku": "MUG-3", "name": "Last mug", "price": 1, "stock": 1}),
    ];
    for (minutes, change) in (1..).zip(changes) {
        app.clock.advance_ms(60_000);
        let updated_at = format!("2026-03-01T09:3{minutes}:00.000Z");
        product = with(with(product, change.clone()), json!({"updated_at": updated_at}));
        assert_eq!(app.put("/products/1", change).await.json(200), product);
        assert_eq!(app.get("/products/1").await.json(200), product);
    }
}

#[tokio::test]
async fn an_update_to_the_same_values_changes_nothing() {
    let app = TestApp::new();
    let created = app.post("/products", mug()).await.json(201);
    app.clock.advance_ms(60_000);
    assert_eq!(app.put("/products/1", mug()).await.json(200), created);
    assert_eq!(app.ledger(1).await.len(), 1);
}

#[tokio::test]
async fn a_new_level_of_stock_is_an_adjustment_by_the_difference() {
    let app = TestApp::new();
    let id = app.product(40).await;
    for (level, delta) in [(38, -2), (0, -38), (1_000_000_000, 1_000_000_000)] {
        app.put(&format!("/products/{id}"), json!({"stock": level}))
            .await
            .expect(200);
        let newest = app.ledger(id).await.remove(0);
        assert_eq!(
            (&newest["reason"], &newest["delta"]),
            (&json!("adjustment"), &json!(delta))
        );
        assert_eq!(
            (&newest["stock_after"], &newest["order_id"]),
            (&json!(level), &Value::Null)
        );
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_product_with_orders_cannot_be_deleted() {
    let app = TestApp::new();
    let product = app.product(5).await;
    let path = format!("/products/{product}");
    let order = format!("/orders/{}", app.order(product, 2).await);
    app.delete(&path).await.expect_problem(409, "/problems/product-in-use");
    app.put(&order, json!({"status": "CANCELED"})).await.expect(200);
    app.delete(&path).await.expect_problem(409, "/problems/product-in-use");
    app.get(&path).await.expect(200);

    app.delete(&order).await.expect(204);
    app.delete(&path).await.expect(204);
    app.get(&path).await.expect(404);
    app.get(&format!("{path}/stock-movements")).await.expect(404);
}

#[tokio::test]
async fn ids_are_never_used_again_not_even_after_a_restart() {
    let app = TestApp::new();
    let kept = app.product(9).await;
    let (product, order) = (app.product(9).await, app.order(kept, 1).await);
    app.delete(&format!("/products/{product}")).await.expect(204);
    app.delete(&format!("/orders/{order}")).await.expect(204);
    let app = app.reopened().await;
    assert!(app.product(9).await > product);
    assert!(app.order(kept, 1).await > order);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let app = TestApp::new();
    let product = app.product(9).await;
    app.order(product, 2).await;
    let before = app.snapshot().await;
    let app = app.reopened().await;
    assert_eq!(app.snapshot().await, before);
}

#[tokio::test]
async fn names_and_notes_come_back_as_they_were_sent() {
    let app = TestApp::new();
    let texts = [
        "Nuts & Bolts <M5>",
        "</script><script>alert(1)</script>",
        "'; DROP TABLE products; --",
        r#"" \ / \u0041 %00 ${x} {{x}}"#,
        "Робот 机器人 روبوت",
        "👩‍👩‍👧‍👦 🤖",
        "e\u{301} is not \u{e9}",
        "  two blanks around  ",
        "\u{feff}mark, \u{202e}turned, \u{10ffff}\u{fffe}",
        &"\u{1f916}".repeat(200),
    ];
    for (text, number) in texts.iter().zip(0..) {
        let product = json!({"sku": format!("T{number}"), "name": text, "price": 1, "stock": 1});
        let created = app.post("/products", product).await.json(201);
        assert_eq!(created["name"], *text);
        let path = format!("/products/{}", id(&created));
        app.put(&path, json!({"name": "another"})).await.expect(200);
        assert_eq!(app.put(&path, json!({"name": text})).await.json(200)["name"], *text);
        assert_eq!(app.get(&path).await.json(200)["name"], *text);

        let ledger = format!("{path}/stock-movements");
        app.post(&ledger, json!({"delta": 1, "note": text})).await.expect(201);
        assert_eq!(app.walk(&ledger).await[0]["note"], *text);
    }
    let listed = app.walk("/products").await;
    let names: Vec<_> = listed.iter().map(|product| product["name"].as_str().unwrap()).collect();
    assert_eq!(names, texts);
}

#[tokio::test]
async fn names_and_notes_show_something_and_hold_no_controls() {
    let app = TestApp::new();
    app.post("/products", mug()).await.expect(201);
    let before = app.snapshot().await;
    for text in [
        "",
        " ",
        "\u{200b}",
        "\u{2800}",
        "\u{3164}",
        "\u{ad}",
        "\u{202e}",
        "\u{feff}\u{a0}\u{fe0f}",
        "\u{e0041}\u{e007f}",
        "\u{0}",
        "before\u{0}after",
        "\u{1b}[31mred",
        "tab\tab",
        "two\nlines",
        "two\r\nlines",
        "two\u{2028}lines",
        "bell\u{7}",
        "delete\u{7f}",
        "next\u{85}line",
        "line end\n",
    ] {
        let product = with(mug(), json!({"sku": "NEW", "name": text}));
        assert_eq!(
            app.post("/products", product).await.expect_failures(),
            ["/name"],
            "{text:?}"
        );
        let changed = app.put("/products/1", json!({"name": text})).await;
        assert_eq!(changed.expect_failures(), ["/name"], "{text:?}");
        let moved = app
            .post("/products/1/stock-movements", json!({"delta": 1, "note": text}))
            .await;
        assert_eq!(moved.expect_failures(), ["/note"], "{text:?}");
    }
    assert_eq!(app.snapshot().await, before);
}

/// The contract's pattern is what clients and generated code go by, the domain what no caller gets past.
#[test]
fn the_patterns_of_names_and_notes_and_the_domain_agree_on_every_character() {
    let schemas = &Contract::of_the_service().document()["components"]["schemas"];
    for schema in ["ProductName", "Note"] {
        let text = schemas[schema]["pattern"].as_str().unwrap();
        assert!(
            text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "generators copy it into source code: {text}"
        );
        let pattern = regex::Regex::new(text).unwrap();
        // No spelling that all languages share can name characters above U+FFFF.
        for character in '\0'..='\u{ffff}' {
            for text in [format!("{character}"), format!("a{character}b")] {
                let (name, note) = (
                    ProductName::new(text.as_str()).is_ok(),
                    Note::new(text.as_str()).is_ok(),
                );
                assert_eq!((name, note), (pattern.is_match(&text), name), "{schema}: {text:?}");
            }
        }
    }
}

/// Earlier versions took such names and notes.
#[tokio::test]
async fn names_and_notes_from_before_the_rule_can_still_be_read() {
    let app = TestApp::new();
    app.post("/products", mug()).await.expect(201);
    let connection = rusqlite::Connection::open(app.database()).unwrap();
    connection
        .execute_batch("UPDATE products SET name = char(0x200b, 10); UPDATE stock_movements SET note = '';")
        .unwrap();
    drop(connection);
    let app = app.reopened().await;
    assert_eq!(app.get("/products/1").await.json(200)["name"], "\u{200b}\n");
    assert_eq!(app.walk("/products").await[0]["name"], "\u{200b}\n");
    assert_eq!(app.walk("/products/1/stock-movements").await[0]["note"], "");
    // What else is changed leaves them alone.
    let changed = app.put("/products/1", json!({"price": 2})).await.json(200);
    assert_eq!((&changed["name"], &changed["price"]), (&json!("\u{200b}\n"), &json!(2)));
    app.order(1, 1).await;
    app.put("/products/1", json!({"name": "Mug"})).await.expect(200);
}

#[tokio::test]
async fn values_at_their_bounds_are_accepted_and_those_beyond_refused() {
    let app = TestApp::new();
    let longest_sku = "x".repeat(64);
    let good = [
        ("sku", json!("0")),
        ("sku", json!("A.b_c-9")),
        ("sku", json!(longest_sku)),
        ("name", json!("x")),
        ("name", json!("\u{1f916}".repeat(200))),
        ("price", json!(0.01)),
        ("price", json!(1_000_000)),
        ("stock", json!(0)),
        ("stock", json!(1_000_000_000)),
        ("stock", json!(2.0)),
    ];
    app.post("/products", mug()).await.expect(201);
    for (member, value) in good {
        let product = app.put("/products/1", json!({member: value})).await.json(200);
        assert_eq!(product[member].as_f64(), value.as_f64(), "{member} {value}");
        assert_eq!(product[member].as_str(), value.as_str(), "{member} {value}");
    }

    let bad = [
        ("sku", json!("")),
        ("sku", json!("-a")),
        ("sku", json!("a b")),
        ("sku", json!("ä")),
        ("sku", json!("a\n")),
        ("sku", json!("x".repeat(65))),
        ("name", json!("")),
        ("name", json!(" \t\u{a0}\u{3000}")),
        ("name", json!("x".repeat(201))),
        ("price", json!(0)),
        ("price", json!(1_000_000.01)),
        ("stock", json!(-1)),
        ("stock", json!(1_000_000_001)),
        ("stock", json!(0.5)),
    ];
    for (member, value) in bad {
        let body = with(mug(), json!({"sku": "NEW", member: value}));
        assert_eq!(
            app.post("/products", body).await.expect_failures(),
            [format!("/{member}")],
            "{value}"
        );
        let body = json!({member: value});
        assert_eq!(
            app.put("/products/1", body).await.expect_failures(),
            [format!("/{member}")],
            "{value}"
        );
    }
}
