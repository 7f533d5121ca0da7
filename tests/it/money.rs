//! Money in JSON. Requests and responses are compared as text: a float in the test would hide a float in the service.

use crate::support::TestApp;

/// A product's body with this text as its price.
fn priced(sku: &str, price: &str) -> String {
    format!(r#"{{"sku":"{sku}","name":"Mug","price":{price},"stock":1000000000}}"#)
}

/// The JSON text of an object's member.
#[track_caller]
fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let (_, rest) = json
        .split_once(&format!(r#""{name}":"#))
        .unwrap_or_else(|| panic!("no {name}: {json}"));
    rest.split([',', '}']).next().unwrap()
}

/// Cents as a JSON number, in the shortest form.
fn spelled(cents: i64) -> String {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[tokio::test]
async fn prices_and_totals_are_exact() {
    let app = TestApp::new();
    let cases = [
        ("0.01", 1, "0.01"),
        ("0.01", 10_000, "100"),
        ("0.1", 3, "0.3"),
        ("0.29", 10_000, "2900"),
        ("1.15", 3, "3.45"),
        ("4.35", 100, "435"),
        ("19.99", 7, "139.93"),
        ("999999.99", 9_999, "9998999900.01"),
        ("999999.99", 10_000, "9999999900"),
        ("1000000", 10_000, "10000000000"),
    ];
    for (number, (price, quantity, total)) in cases.into_iter().enumerate() {
        let created = app
            .post("/products", priced(&format!("P{number}"), price))
            .await
            .expect(201);
        assert_eq!(member(created.text(), "price"), price);
        let order = format!(
            r#"{{"product_id":{},"quantity":{quantity}}}"#,
            member(created.text(), "id")
        );
        let placed = app.post("/orders", order).await.expect(201);
        assert_eq!(
            (member(placed.text(), "unit_price"), member(placed.text(), "total")),
            (price, total)
        );
        let read = app
            .get(&format!("/orders/{}", member(placed.text(), "id")))
            .await
            .expect(200);
        assert_eq!(read.text(), placed.text());
    }
}

#[tokio::test]
async fn totals_are_exact_for_many_prices_and_quantities() {
    let app = TestApp::new();
    for (number, cents) in [1, 10, 29, 115, 435, 1_999, 99_999_999].into_iter().enumerate() {
        let created = app
            .post("/products", priced(&format!("P{number}"), &spelled(cents)))
            .await
            .expect(201);
        let product: i64 = member(created.text(), "id").parse().unwrap();
        let order = format!("/orders/{}", app.order(product, 1).await);
        for quantity in [2, 3, 7, 11, 33, 99, 101, 999, 1_001, 3_333, 9_999, 10_000] {
            let changed = app
                .put(&order, format!(r#"{{"quantity":{quantity}}}"#))
                .await
                .expect(200);
            assert_eq!(
                member(changed.text(), "total"),
                spelled(cents * quantity),
                "{quantity} x {cents} cents"
            );
        }
    }
}

#[tokio::test]
async fn a_price_may_have_any_json_notation() {
    let app = TestApp::new();
    let spellings = [
        ("19.9", "19.9"),
        ("19.90", "19.9"),
        ("19.9000000000000000000000000000", "19.9"),
        ("1e2", "100"),
        ("1.0E+2", "100"),
        ("0.1e1", "1"),
        ("1999e-2", "19.99"),
        ("0.00001e3", "0.01"),
        ("1000000.00", "1000000"),
    ];
    for (number, (sent, price)) in spellings.into_iter().enumerate() {
        let created = app
            .post("/products", priced(&format!("P{number}"), sent))
            .await
            .expect(201);
        assert_eq!(member(created.text(), "price"), price, "{sent}");
    }
}

#[tokio::test]
async fn a_new_spelling_of_the_same_price_changes_nothing() {
    let app = TestApp::new();
    let created = app.post("/products", priced("P", "19.90")).await.expect(201);
    app.clock.advance_ms(1_000);
    let changed = app.put("/products/1", r#"{"price":1990e-2}"#).await.expect(200);
    assert_eq!(changed.text(), created.text());
}

#[tokio::test]
async fn invalid_prices_are_refused_and_never_rounded() {
    let app = TestApp::new();
    app.post("/products", priced("P", "1")).await.expect(201);
    let refused = [
        "19.999",
        "19.990000000000000001",
        "0.001",
        "0.009999999999999999999999999999999",
        "1e-3",
        "1e-400",
        "0",
        "-0.0",
        "-1",
        "1000000.01",
        "1000000.0000000000000000001",
        "1e400",
        "1e99999999999",
        "123456789012345678901234567890",
        r#""12""#,
        "null",
        "true",
        "[1]",
        "{}",
    ];
    for price in refused {
        assert_eq!(
            app.post("/products", priced("Q", price)).await.expect_failures(),
            ["/price"],
            "{price}"
        );
        let change = format!(r#"{{"price":{price}}}"#);
        assert_eq!(
            app.put("/products/1", change).await.expect_failures(),
            ["/price"],
            "{price}"
        );
    }
    for price in [
        "1.", ".5", "01", "+1", "1,5", "0x1", "NaN", "Infinity", "1e", "- 1", "1_0",
    ] {
        let answer = app.post("/products", priced("Q", price)).await;
        answer.expect_problem(400, "/problems/malformed-json");
    }
    assert_eq!(app.walk("/products").await.len(), 1);
}
