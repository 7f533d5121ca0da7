//! Response headers for browsers that differ between responses. The test client checks the others on every response.

use axum::http::Method;
use orders_inventory::http::Clock;

use crate::support::contract::Contract;
use crate::support::{Answer, TestApp, failing};

/// Responses of every kind: success and refusal of operations, documentation, unknown paths, a panic.
async fn every_kind(app: &TestApp) -> Vec<Answer> {
    let mut answers = Vec::new();
    for operation in Contract::of_the_service().operations() {
        let (path, body) = Contract::of_the_service().valid_request(&operation);
        let call = app.call(operation.method.clone(), &path);
        answers.push(match &body {
            Some(body) => call.json(body).await,
            None => call.await,
        });
        answers.push(app.call(Method::PATCH, &path).await);
    }
    for path in [
        "/",
        "/docs",
        "/docs/",
        "/docs/nope",
        "/openapi.yaml",
        "/openapi.json",
        "/nope",
    ] {
        answers.push(app.get(path).await);
    }
    let panicking = failing::service(|| panic!("in a handler"), Clock::system());
    answers.push(panicking.get("/orders").await);
    answers
}

#[tokio::test]
async fn strict_transport_security_is_sent_only_behind_tls() {
    const HEADER: &str = "strict-transport-security";
    let plain = TestApp::new();
    plain.product(1).await;
    for answer in every_kind(&plain).await {
        assert_eq!(answer.header(HEADER), None, "{answer:?}");
    }
    let behind_tls = TestApp::with(|options| options.is_behind_tls = true);
    behind_tls.product(1).await;
    let mut answers = every_kind(&behind_tls).await;
    // The last response is from another service, without TLS.
    answers.pop();
    for answer in answers {
        assert_eq!(answer.header(HEADER), Some("max-age=31536000"), "{answer:?}");
    }
}

#[tokio::test]
async fn only_responses_with_an_etag_may_be_cached() {
    let app = TestApp::new();
    let product = app.product(5).await;
    let order = app.order(product, 1).await;
    for path in [format!("/products/{product}"), format!("/orders/{order}")] {
        let answer = app.get(&path).await.expect(200);
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        let again = app.get(&path).header("if-none-match", answer.header("etag").unwrap());
        let again = again.await.expect(304);
        assert_eq!(again.header("cache-control"), Some("private, no-cache"));
    }
    for path in ["/products", "/orders", "/orders/99", "/nope", "/healthz", "/problems"] {
        assert_eq!(app.get(path).await.header("cache-control"), Some("no-store"), "{path}");
    }
}
