//! Every refusal that the contract names can be had: for each operation, each status and each error type of its
//! examples, a request that gets it. And nothing is named twice over: a refusal without a request here fails the test.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use orders_inventory::error::Error;
use orders_inventory::http::Limits;
use serde_json::{Value, json};

use crate::support::app::LIMITS;
use crate::support::contract::{Contract, Operation};
use crate::support::{Answer, TestApp, failing};

/// Operations that touch nothing that could fail. Their 500 stands for what nobody thought of.
const TOUCH_NOTHING: [&str; 3] = ["/healthz", "/problems", "/problems/{name}"];

/// The request of an operation that is as it should be.
fn good(operation: &Operation<'_>) -> (String, Option<Value>) {
    let path = operation.template.replace("{id}", "1").replace("{name}", "not-found");
    let body = &operation.definition["requestBody"]["content"]["application/json"]["examples"];
    let first = body.as_object().and_then(|examples| examples.values().next());
    (
        path,
        first.map(|example| Contract::ours().resolved(example)["value"].clone()),
    )
}

/// The same request, with something wrong that can be wrong with any: a parameter, or a member of its body.
fn invalid(operation: &Operation<'_>) -> (String, Option<Value>) {
    let (path, body) = good(operation);
    match (&body, operation.template) {
        (Some(_), _) => (path, Some(json!({"nonsense": 1}))),
        (None, template) if template.ends_with('}') => (template.replace("{id}", "0").replace("{name}", "%FF"), None),
        (None, _) => (format!("{path}?nonsense=1"), None),
    }
}

/// What only the state of things refuses: the state, the request, the error type.
const BY_STATE: [(Method, &str, &str, &str); 17] = [
    (Method::GET, "/problems/{name}", "/problems/nonsense", ""),
    (
        Method::POST,
        "/products",
        "/products",
        r#"{"sku":"SKU-0","name":"x","price":1,"stock":0}"#,
    ),
    (Method::GET, "/products/{id}", "/products/9", ""),
    (Method::PUT, "/products/{id}", "/products/9", r#"{"stock":1}"#),
    (Method::PUT, "/products/{id}", "/products/2", r#"{"sku":"SKU-0"}"#),
    (Method::DELETE, "/products/{id}", "/products/9", ""),
    (Method::DELETE, "/products/{id}", "/products/1", ""),
    (
        Method::GET,
        "/products/{id}/stock-movements",
        "/products/9/stock-movements",
        "",
    ),
    (
        Method::POST,
        "/products/{id}/stock-movements",
        "/products/9/stock-movements",
        r#"{"delta":1}"#,
    ),
    (
        Method::POST,
        "/products/{id}/stock-movements",
        "/products/1/stock-movements",
        r#"{"delta":-41}"#,
    ),
    (
        Method::POST,
        "/products/{id}/stock-movements",
        "/products/1/stock-movements",
        r#"{"delta":1000000000}"#,
    ),
    (Method::POST, "/orders", "/orders", r#"{"product_id":9,"quantity":1}"#),
    (Method::POST, "/orders", "/orders", r#"{"product_id":1,"quantity":41}"#),
    (Method::GET, "/orders/{id}", "/orders/9", ""),
    (Method::PUT, "/orders/{id}", "/orders/9", r#"{"quantity":1}"#),
    (Method::PUT, "/orders/{id}", "/orders/1", r#"{"status":"SHIPPED"}"#),
    (Method::PUT, "/orders/{id}", "/orders/1", r#"{"quantity":9999}"#),
];

type Had = BTreeSet<(String, String, u16, String)>;

fn note(had: &mut Had, method: &Method, template: &str, answer: &Answer) {
    let kind = answer.value()["type"].as_str().unwrap_or_default().to_owned();
    had.insert((method.to_string(), template.to_owned(), answer.status, kind));
}

#[tokio::test]
async fn every_refusal_that_the_contract_names_can_be_had() {
    let contract = Contract::ours();
    let app = TestApp::with_limits(Limits {
        body_timeout: Duration::from_millis(10),
        ..LIMITS
    });
    let product = app.product(40).await;
    app.product(1).await;
    app.order(product, 1).await;
    let paid = app.order(product, 1).await;
    app.pay(paid);
    let broken = [
        failing::service(|| Error::Overloaded),
        failing::service(|| Error::storage("full")),
        failing::service(|| panic!("a bug")),
    ];

    let mut had = Had::new();
    for operation in contract.operations() {
        let (method, template) = (&operation.method, operation.template);
        let (path, body) = good(&operation);
        let mut answers = Vec::new();
        if !TOUCH_NOTHING.contains(&template) {
            for service in &broken {
                let call = service.call(method.clone(), &path);
                answers.push(match &body {
                    Some(body) => call.json(body).await,
                    None => call.await,
                });
            }
        }
        if body.is_some() {
            let call = || app.call(method.clone(), &path);
            answers.push(call().json("{").await);
            answers.push(call().json(" ".repeat(70_000)).await);
            answers.push(call().body("a=b").await);
            answers.push(
                call()
                    .body(Body::from_stream(stream::pending::<Result<Vec<u8>, Error>>()))
                    .await,
            );
        }
        let takes_anything = operation.definition["parameters"].is_null() && !template.contains('{') && body.is_none();
        if !takes_anything {
            let (path, body) = invalid(&operation);
            let call = app.call(method.clone(), &path);
            answers.push(match body {
                Some(body) => call.json(body).await,
                None => call.await,
            });
        }
        for answer in answers {
            note(&mut had, method, template, &answer);
        }
    }
    let paid = format!("/orders/{paid}");
    let with_paid = [
        (Method::PUT, "/orders/{id}", paid.as_str(), r#"{"quantity":2}"#),
        (Method::DELETE, "/orders/{id}", paid.as_str(), ""),
        (Method::DELETE, "/orders/{id}", "/orders/9", ""),
    ];
    for (method, template, path, body) in BY_STATE.iter().chain(&with_paid) {
        let answer = app.call(method.clone(), path).json(*body).await;
        note(&mut had, method, template, &answer);
    }

    let mut named = Had::new();
    for operation in contract.operations() {
        for (status, response) in contract.responses(&operation) {
            for kind in contract.problem_types(response) {
                if status == "500" && TOUCH_NOTHING.contains(&operation.template) {
                    continue;
                }
                let (method, template) = (operation.method.to_string(), operation.template.to_owned());
                named.insert((method, template, status.parse().unwrap(), kind.to_owned()));
            }
        }
    }
    let missing: Vec<_> = named.difference(&had).collect();
    assert!(missing.is_empty(), "named and never had: {missing:#?}");
    let unnamed: Vec<_> = had.difference(&named).collect();
    assert!(unnamed.is_empty(), "had and not named: {unnamed:#?}");
}
