//! Requests of web pages on other origins: preflights, and the headers that let a page read a response.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use orders_inventory::error::Error;
use orders_inventory::http::{ApiKeys, Clock, CorsOrigins, Options};
use serde_json::{Value, json};

use crate::support::contract::{Contract, Operation};
use crate::support::payment::{HEADER, STRIPE_HEADER};
use crate::support::{Answer, TestApp, failing};

const SHOP: &str = "https://shop.example";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_HEADERS: &str = "access-control-allow-headers";

/// The pages of the shop, and of another origin, may call the service.
fn shop(options: &mut Options) {
    let origins = ["https://other.example", SHOP].map(|origin| origin.parse().unwrap());
    options.cors_origins = Some(CorsOrigins::These(origins.to_vec()));
}

fn anybody(options: &mut Options) {
    options.cors_origins = Some(CorsOrigins::Any);
}

/// The preflight request of a page for this method and these headers.
async fn preflight(app: &TestApp, path: &str, origin: &str, method: &Method, headers: &str) -> Answer {
    let call = app.call(Method::OPTIONS, path).header("origin", origin);
    let call = call.header("access-control-request-method", method.as_str());
    call.header("access-control-request-headers", headers).await
}

/// The names of a header that is a list.
#[track_caller]
fn listed(answer: &Answer, name: &str) -> BTreeSet<String> {
    let list = answer.header(name).unwrap_or_default();
    list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// The headers that a page sends to this operation: those of the contract, but for signatures.
fn headers_of(operation: &Operation<'_>) -> Vec<String> {
    let contract = Contract::of_the_service();
    let of_path = &contract.document()["paths"][operation.template]["parameters"];
    let parameters = [of_path, &operation.definition["parameters"]];
    let parameters = parameters.into_iter().filter_map(Value::as_array).flatten();
    let parameters = parameters.map(|parameter| contract.resolved(parameter));
    let parameters = parameters.filter(|parameter| parameter["in"] == "header");
    let names = parameters.map(|parameter| parameter["name"].as_str().unwrap().to_ascii_lowercase());
    let mut names: Vec<_> = names
        .filter(|name| *name != HEADER && *name != STRIPE_HEADER && !name.starts_with("webhook-"))
        .collect();
    names.push("x-request-id".to_owned());
    if operation.definition["requestBody"].is_object() {
        names.push("content-type".to_owned());
    }
    if contract.security(operation).contains(&"ApiKey") {
        names.push("x-api-key".to_owned());
    }
    names
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call_every_operation() {
    let app = TestApp::with(|options| {
        shop(options);
        options.api_keys = ApiKeys::new("a-key");
    });
    let mut sent = BTreeSet::new();
    for operation in Contract::of_the_service().operations() {
        let (path, _) = Contract::of_the_service().valid_request(&operation);
        let headers = headers_of(&operation);
        let answer = preflight(&app, &path, SHOP, &operation.method, &headers.join(","))
            .await
            .expect(200);
        assert!(answer.body.is_empty(), "{answer:?}");
        assert_eq!(answer.header(ALLOW_ORIGIN), Some(SHOP), "{answer:?}");
        assert_eq!(answer.header("vary"), Some("origin"), "{answer:?}");
        assert_eq!(answer.header("access-control-max-age"), Some("7200"), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer:?}");
        let methods = listed(&answer, "access-control-allow-methods");
        assert!(
            methods.contains(&operation.method.as_str().to_ascii_lowercase()),
            "{path}: {answer:?}"
        );
        let allowed = listed(&answer, ALLOW_HEADERS);
        for name in &headers {
            assert!(allowed.contains(name), "{path} {name}: {answer:?}");
        }
        assert!(
            !allowed.contains(HEADER) && !allowed.contains(STRIPE_HEADER),
            "no page signs: {answer:?}"
        );
        sent.extend(headers);
    }
    for name in [
        "content-type",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "x-api-key",
        "x-request-id",
    ] {
        assert!(sent.contains(name), "the contract has no {name}");
    }
}

#[tokio::test]
async fn a_page_reads_every_response_and_the_headers_of_the_contract() {
    let app = TestApp::with(shop);
    app.product(5).await;
    for operation in Contract::of_the_service().operations() {
        let (path, body) = Contract::of_the_service().valid_request(&operation);
        let call = app.call(operation.method.clone(), &path).header("origin", SHOP);
        let answer = match &body {
            Some(body) => call.json(body).await,
            None => call.await,
        };
        assert_eq!(answer.header(ALLOW_ORIGIN), Some(SHOP), "{path}: {answer:?}");
        assert_eq!(answer.header("vary"), Some("origin"), "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer:?}");
        let exposed = listed(&answer, "access-control-expose-headers");
        for (_, response) in Contract::of_the_service().responses(&operation) {
            for name in response["headers"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
            {
                // How to authenticate and to encode is the same each time, and nothing for a program to decide by.
                let is_needed = !matches!(&**name, "WWW-Authenticate" | "Accept-Encoding");
                let name = name.to_ascii_lowercase();
                assert!(!is_needed || exposed.contains(&name), "{path} {name}: {answer:?}");
            }
        }
    }
    for path in ["/docs", "/openapi.json", "/openapi.yaml", "/"] {
        let answer = app.get(path).header("origin", SHOP).await;
        assert_eq!(answer.header(ALLOW_ORIGIN), Some(SHOP), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_page_reads_every_refusal() {
    let app = TestApp::with(|options| {
        shop(options);
        options.api_keys = ApiKeys::new("a-key");
        options.body_limits.timeout = Duration::from_millis(20);
    });
    let post = |path: &str| {
        app.call(Method::POST, path)
            .header("origin", SHOP)
            .header("x-api-key", "a-key")
    };
    let never = Body::from_stream(stream::pending::<Result<Vec<u8>, Error>>());
    let json = ("content-type", "application/json");
    let refusals = [
        app.post("/orders", "{}").header("origin", SHOP).await.expect(401),
        app.get("/nope").header("origin", SHOP).await.expect(404),
        app.get("/products/9").header("origin", SHOP).await.expect(404),
        app.call(Method::PATCH, "/products")
            .header("origin", SHOP)
            .await
            .expect(405),
        post("/orders").json("{").await.expect(400),
        post("/orders").json("{}").await.expect(422),
        post("/orders").body("{}").await.expect(415),
        post("/orders")
            .json(json!({"product_id": 9, "quantity": 1}))
            .await
            .expect(404),
        post("/orders").json("x".repeat(65_537)).await.expect(413),
        post("/orders").body(never).header(json.0, json.1).await.expect(408),
    ];
    for refusal in refusals {
        assert_eq!(refusal.header(ALLOW_ORIGIN), Some(SHOP), "{refusal:?}");
    }

    app.store.close().await;
    let closed = app.get("/products").header("origin", SHOP).await.expect(503);
    assert_eq!(closed.header(ALLOW_ORIGIN), Some(SHOP), "{closed:?}");
    assert!(
        listed(&closed, "access-control-expose-headers").contains("retry-after"),
        "{closed:?}"
    );

    let panicking = failing::service_with(|| panic!("in a handler"), Clock::system(), shop);
    let panicked = panicking.get("/products").header("origin", SHOP).await.expect(500);
    assert_eq!(panicked.header(ALLOW_ORIGIN), Some(SHOP), "{panicked:?}");
}

#[tokio::test]
async fn a_preflight_has_no_key_and_uses_up_no_rate_limit() {
    let app = TestApp::with(|options| {
        shop(options);
        options.api_keys = ApiKeys::new("a-key");
        options.rate_limit_per_minute = NonZeroU32::new(1);
    });
    for _ in 0..3 {
        preflight(&app, "/orders", SHOP, &Method::POST, "x-api-key")
            .await
            .expect(200);
    }
    app.get("/products").header("origin", SHOP).await.expect(200);
    let limited = app.get("/products").header("origin", SHOP).await.expect(429);
    assert_eq!(limited.header(ALLOW_ORIGIN), Some(SHOP), "{limited:?}");
    assert!(limited.header("retry-after").is_some(), "{limited:?}");
}

#[track_caller]
fn assert_unreadable(answer: &Answer) {
    let cors = answer
        .headers
        .keys()
        .find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(cors, None, "{answer:?}");
}

#[tokio::test]
async fn other_origins_and_requests_that_are_no_preflight_are_answered_as_without_the_setting() {
    let app = TestApp::with(shop);
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "https://shop.example:8443",
        "http://shop.example",
        "https://SHOP.example",
        "https://shop.example/",
        "null",
        "*",
        "",
    ] {
        let refused = preflight(&app, "/orders", origin, &Method::POST, "content-type")
            .await
            .expect(405);
        let read = app.get("/products").header("origin", origin).await.expect(200);
        for answer in [refused, read] {
            assert_unreadable(&answer);
            // So that no cache gives this response to the shop.
            assert_eq!(answer.header("vary"), Some("origin"), "{answer:?}");
        }
    }
    let plain = app
        .call(Method::OPTIONS, "/orders")
        .header("origin", SHOP)
        .await
        .expect(405);
    assert_unreadable(&plain);
    assert_unreadable(&app.get("/products").await.expect(200));
}

#[tokio::test]
async fn with_a_star_every_page_may_call_without_a_key() {
    let app = TestApp::with(|options| {
        anybody(options);
        options.api_keys = ApiKeys::new("a-key");
    });
    for origin in [SHOP, "http://localhost:5173", "null"] {
        let answer = preflight(&app, "/orders", origin, &Method::POST, "content-type,x-api-key")
            .await
            .expect(200);
        assert_eq!(answer.header(ALLOW_ORIGIN), Some("*"), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer:?}");
        let allowed = listed(&answer, ALLOW_HEADERS);
        // A star would allow it, too.
        assert!(!allowed.contains("x-api-key") && !allowed.contains("*"), "{answer:?}");
        assert!(
            allowed.contains("content-type") && allowed.contains("idempotency-key"),
            "{answer:?}"
        );
        let products = app.get("/products").header("origin", origin).await.expect(200);
        assert_eq!(products.header(ALLOW_ORIGIN), Some("*"), "{products:?}");
    }
}

#[tokio::test]
async fn without_the_setting_no_page_of_another_origin_may_call() {
    let app = TestApp::new();
    let refused = preflight(&app, "/orders", SHOP, &Method::POST, "content-type")
        .await
        .expect(405);
    let products = app.get("/products").header("origin", SHOP).await.expect(200);
    for answer in [refused, products] {
        assert_unreadable(&answer);
        assert_eq!(answer.header("vary"), None, "{answer:?}");
    }
}
