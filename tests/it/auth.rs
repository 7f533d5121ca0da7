//! API keys: every operation requires one exactly where the contract says so.

use axum::http::Method;
use orders_inventory::http::ApiKeys;
use serde_json::json;

use crate::support::app::STRIPE_SECRET;
use crate::support::client::Call;
use crate::support::contract::{Contract, Operation};
use crate::support::payment::{HEADER, STRIPE_HEADER, from_stripe, sign, signer};
use crate::support::{Answer, TestApp};

const KEY: &str = "x-api-key";

/// The service with two keys, and with the product and the order that the contract's examples refer to.
async fn app_with_keys() -> TestApp {
    let app = TestApp::with(|options| options.api_keys = ApiKeys::new("first-key, second-key"));
    let product = json!({"sku": "A", "name": "a", "price": 12.5, "stock": 40});
    app.post("/products", product)
        .header(KEY, "first-key")
        .await
        .expect(201);
    app.place(1, 2).header(KEY, "second-key").await.expect(201);
    app
}

/// A valid request of this operation, without a key.
fn request(app: &TestApp, operation: &Operation<'_>) -> Call {
    let (path, body) = Contract::of_the_service().valid_request(operation);
    let call = app.call(operation.method.clone(), &path);
    let Some(body) = body else { return call };
    let call = call.json(&body);
    match signer(operation.template) {
        Some((header, secret)) => call.header(header, &sign(secret, app.now_seconds(), body.to_string().as_bytes())),
        None => call,
    }
}

#[track_caller]
fn assert_refused(answer: Answer, kind: &str, what: &str) {
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"ApiKey header="X-API-Key""#),
        "{what}: {answer:?}"
    );
    let problem = answer.expect_problem(401, kind);
    for key in ["first-key", "second-key"] {
        assert!(
            !problem.to_string().contains(key),
            "the response contains no key: {problem}"
        );
    }
}

const MISSING: &str = "/problems/missing-api-key";
const INVALID: &str = "/problems/invalid-api-key";

#[tokio::test]
async fn every_operation_asks_for_a_key_exactly_where_the_contract_says_so() {
    let (mut guarded, mut open) = (Vec::new(), Vec::new());
    for operation in Contract::of_the_service().operations() {
        // A new service each time, since some operations delete.
        let app = app_with_keys().await;
        let what = format!("{} {}", operation.method, operation.template);
        if Contract::of_the_service().security(&operation) == ["ApiKey"] {
            let before = app.walk("/products").await;
            assert_refused(request(&app, &operation).await, MISSING, &what);
            for wrong in [
                "wrong",
                "",
                "first-ke",
                "first-keyy",
                "First-Key",
                "first-key,second-key",
                "first-key, second-key",
            ] {
                assert_refused(request(&app, &operation).header(KEY, wrong).await, INVALID, &what);
            }
            for [one, two] in [
                ["first-key", "second-key"],
                ["first-key", "first-key"],
                ["first-key", "wrong"],
                ["wrong", "first-key"],
            ] {
                let twice = request(&app, &operation).header(KEY, one).header(KEY, two);
                assert_refused(twice.await, INVALID, &what);
            }
            let bearer = request(&app, &operation).header("authorization", "Bearer first-key");
            assert_refused(bearer.await, MISSING, &what);
            assert_eq!(app.walk("/products").await, before, "{what}");
            guarded.push(what.clone());
        } else {
            for call in [
                request(&app, &operation),
                request(&app, &operation).header(KEY, "wrong"),
                request(&app, &operation).header(KEY, "wrong").header(KEY, "again"),
            ] {
                let answer = call.await;
                assert!(answer.status < 400, "{what}: {answer:?}");
            }
            open.push(what.clone());
        }
        for key in ["first-key", "second-key"] {
            let answer = request(&app_with_keys().await, &operation).header(KEY, key).await;
            assert!(answer.status != 401, "{what}: {answer:?}");
        }
    }
    open.sort_unstable();
    // Compared with the design, in case the contract is wrong.
    let wanted = [
        "GET /healthz",
        "GET /problems",
        "GET /problems/{name}",
        "GET /products",
        "GET /products/{id}",
        "GET /readyz",
        "POST /webhooks/payment",
        "POST /webhooks/stripe",
    ];
    assert_eq!(open, wanted);
    assert_eq!(guarded.len(), 12, "{guarded:?}");
}

#[tokio::test]
async fn without_a_valid_key_a_response_reveals_nothing_else() {
    let app = app_with_keys().await;
    for call in [
        app.get("/orders/1"),
        app.get("/orders/99"),
        app.get("/orders/x"),
        app.get("/orders?limit=0"),
        app.post("/orders", "{"),
        app.post("/orders", "{}").header("idempotency-key", ""),
        app.put("/orders/1", json!({"status": "CANCELED"}))
            .header("if-match", "x"),
        app.call(Method::POST, "/products").body("a=b"),
        app.head("/orders"),
        app.delete("/products/1"),
    ] {
        let answer = call.await;
        assert_eq!(answer.header("www-authenticate"), Some(r#"ApiKey header="X-API-Key""#));
        answer.expect(401);
    }
}

#[tokio::test]
async fn a_key_does_not_replace_a_signature_nor_the_reverse() {
    let app = app_with_keys().await;
    let body = json!({"id": "evt_1", "type": "ping"}).to_string();
    let signature = app.sign(&body);
    let with_key = app.post("/webhooks/payment", &*body).header(KEY, "first-key").await;
    with_key.expect_problem(401, "/problems/invalid-signature");
    let with_signature = app.get("/payment-events").header(HEADER, &signature).await;
    with_signature.expect_problem(401, MISSING);
    app.signed(&signature, &*body).await.expect(200);

    let stripe = app.post("/webhooks/stripe", "{}").header(KEY, "first-key").await;
    stripe.expect_problem(401, "/problems/invalid-signature");
    let signature = sign(STRIPE_SECRET, app.now_seconds(), b"{}");
    let with_signature = app.get("/payments").header(STRIPE_HEADER, &signature).await;
    with_signature.expect_problem(401, MISSING);
    from_stripe(&app, "{}").await.expect(422);
}

#[tokio::test]
async fn paths_outside_the_contract_need_no_key() {
    let app = app_with_keys().await;
    for path in ["/docs", "/openapi.yaml", "/openapi.json"] {
        app.get(path).await.expect(200);
    }
    app.get("/").await.expect(307);
    app.get("/nope").await.expect_problem(404, "/problems/not-found");
    app.call(Method::PATCH, "/orders")
        .await
        .expect_problem(405, "/problems/method-not-allowed");
    app.head("/products/1").await.expect(200);
}

#[tokio::test]
async fn without_configured_keys_every_caller_is_accepted() {
    let app = TestApp::new();
    for operation in Contract::of_the_service().operations() {
        for call in [request(&app, &operation), request(&app, &operation).header(KEY, "any")] {
            let answer = call.await;
            assert!(
                answer.status != 401,
                "{} {}: {answer:?}",
                operation.method,
                operation.template
            );
        }
    }
}
