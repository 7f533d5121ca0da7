//! Invalid values: one response lists all failures, each with its place.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn all_failures_of_a_body_come_at_once() {
    let app = TestApp::new();
    let cases = [
        ("{}", vec!["/name", "/price", "/sku", "/stock"]),
        (
            r#"{"sku":"-","name":" ","price":0,"stock":-1}"#,
            vec!["/name", "/price", "/sku", "/stock"],
        ),
        (
            r#"{"sku":1,"name":[],"price":"1","stock":{}}"#,
            vec!["/name", "/price", "/sku", "/stock"],
        ),
        (
            r#"{"sku":null,"name":null,"price":null,"stock":null}"#,
            vec!["/name", "/price", "/sku", "/stock"],
        ),
        (
            r#"{"sku":"A","name":"a","price":1,"stock":1,"id":1,"a/b~c":2}"#,
            vec!["/a~1b~0c", "/id"],
        ),
        (r#"{"sku":"A","sku":"B","name":"a","price":1,"stock":1}"#, vec!["/sku"]),
        (r#"{"sku":"A","name":"a","price":1,"stock":1,"x":1,"x":1}"#, vec!["/x"]),
        (
            r#"{"SKU":"A","name":"a","price":1.001,"stock":1.5}"#,
            vec!["/SKU", "/price", "/sku", "/stock"],
        ),
        (r#"{"sku":"A","name":"\ud800","price":1,"stock":1}"#, vec!["/name"]),
    ];
    for (body, places) in cases {
        assert_eq!(app.post("/products", body).await.expect_failures(), places, "{body}");
    }
    for body in ["[]", "null", "1", r#""text""#, "true", "[{}]"] {
        assert_eq!(app.post("/products", body).await.expect_failures(), [""], "{body}");
    }
    assert!(app.walk("/products").await.is_empty());
}

#[tokio::test]
async fn a_duplicate_member_is_refused() {
    let app = TestApp::new();
    for body in [
        r#"{"quantity":1,"quantity":1}"#,
        r#"{"quantity":1,"\u0071uantity":1}"#,
        r#"{"x":1,"quantity":1,"x":1}"#,
    ] {
        let problem = app
            .put("/orders/1", body)
            .await
            .expect_problem(422, "/problems/validation-failed");
        let failures = problem["errors"].as_array().unwrap();
        let twice = |failure: &serde_json::Value| failure["detail"] == "is given more than once";
        assert_eq!(failures.iter().filter(|failure| twice(failure)).count(), 1, "{problem}");
    }
}

#[tokio::test]
async fn an_empty_update_is_refused() {
    let app = TestApp::new();
    let product = app.product(1).await;
    let order = app.order(product, 1).await;
    for path in [format!("/products/{product}"), format!("/orders/{order}")] {
        assert_eq!(app.put(&path, json!({})).await.expect_failures(), [""]);
        assert_eq!(app.put(&path, json!({"id": 1})).await.expect_failures(), ["/id"]);
    }
}

#[tokio::test]
async fn failures_of_path_and_body_come_together() {
    let app = TestApp::new();
    let refused = app.put("/products/0", json!({"price": 0, "stock": -1})).await;
    assert_eq!(refused.expect_failures(), ["?id", "/price", "/stock"]);
    let refused = app.put("/orders/x", json!({"quantity": 0, "status": "LOST"})).await;
    assert_eq!(refused.expect_failures(), ["?id", "/quantity", "/status"]);
    let refused = app.post("/products/1.0/stock-movements", json!({"delta": 0})).await;
    assert_eq!(refused.expect_failures(), ["?id", "/delta"]);
}

#[tokio::test]
async fn the_detail_is_a_sentence_on_every_failure() {
    let app = TestApp::new();
    let body = json!({"sku": "A", "name": "a", "price": 1.001});
    let problem = app
        .post("/products", body)
        .await
        .expect_problem(422, "/problems/validation-failed");
    let why = |index: usize| problem["errors"][index]["detail"].as_str().unwrap();
    let sentence = format!("The request has 2 failures: /price {}; /stock {}.", why(0), why(1));
    assert_eq!(problem["detail"], sentence);

    let problem = app
        .get("/orders?limit=0")
        .await
        .expect_problem(422, "/problems/validation-failed");
    assert_eq!(
        problem["detail"],
        "The request has 1 failure: limit must be from 1 to 100."
    );
}

#[tokio::test]
async fn one_number_has_one_answer_whatever_its_spelling() {
    let app = TestApp::new();
    let product = app.product(100).await;
    let order =
        |id: &str, quantity: &str| app.post("/orders", format!(r#"{{"product_id":{id},"quantity":{quantity}}}"#));
    for id in [
        "1000000000000000000",
        "1e18",
        "1E+18",
        "10.00e17",
        "0.1e19",
        "10000000000000000000e-1",
    ] {
        let problem = order(id, "1").await.expect_problem(404, "/problems/product-not-found");
        assert_eq!(problem["detail"], "There is no product 1000000000000000000.", "{id}");
    }
    for id in ["9223372036854775807", "9.223372036854775807e18"] {
        order(id, "1").await.expect_problem(404, "/problems/product-not-found");
    }
    for id in [
        "9223372036854775808",
        "9.223372036854775808e18",
        "1e19",
        "1e400",
        "1.5",
        "15e-1",
        "1e-1",
    ] {
        assert_eq!(order(id, "1").await.expect_failures(), ["/product_id"], "{id}");
    }
    for two in ["2", "2.0", "2e0", "20e-1", "0.2E1", "0.02e+2"] {
        let placed = order(&product.to_string(), two).await.json(201);
        assert_eq!(placed["quantity"], 2, "{two}");
    }
    for zero in ["0", "-0", "0.0", "0e99999999999"] {
        assert_eq!(order("1", zero).await.expect_failures(), ["/quantity"], "{zero}");
    }
}

#[tokio::test]
async fn ids_are_positive_64_bit_integers_in_their_one_spelling() {
    let app = TestApp::new();
    for id in [
        "0",
        "-1",
        "01",
        "+1",
        "1.0",
        "1e0",
        "x",
        "%31x",
        "%FF",
        "%20",
        "9223372036854775808",
        "1%00",
    ] {
        for path in [
            format!("/products/{id}"),
            format!("/orders/{id}"),
            format!("/products/{id}/stock-movements"),
        ] {
            assert_eq!(app.get(&path).await.expect_failures(), ["?id"], "{path}");
        }
        assert_eq!(
            app.delete(&format!("/products/{id}")).await.expect_failures(),
            ["?id"],
            "{id}"
        );
        assert_eq!(
            app.delete(&format!("/orders/{id}")).await.expect_failures(),
            ["?id"],
            "{id}"
        );
    }
    app.get("/products/%31")
        .await
        .expect_problem(404, "/problems/product-not-found");
}
