//! Every refusal that the contract names can be had: for each operation, each status and each error type of its
//! examples, a request that gets it. A refusal that the contract names and no request here gets fails the test.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use orders_inventory::error::Error;
use serde_json::{Value, json};

use crate::support::client::Json;
use crate::support::contract::{Contract, Operation};
use crate::support::{Answer, Client, TestApp, failing};

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

/// The same request with a member or a parameter that it must not have; `None` where it takes neither.
fn invalid(operation: &Operation<'_>) -> Option<(String, Option<Value>)> {
    let (path, body) = good(operation);
    let template = operation.template;
    if body.is_some() {
        Some((path, Some(json!({"nonsense": 1}))))
    } else if template.contains('{') {
        Some((template.replace("{id}", "0").replace("{name}", "%FF"), None))
    } else if operation.definition["parameters"].is_array() {
        Some((format!("{path}?nonsense=1"), None))
    } else {
        None
    }
}

/// What only the state of things refuses. Product 1 has 38 units and two orders, 1 pending and 2 paid; product 2 has
/// nothing.
const BY_STATE: &str = r#"
    GET /problems/nonsense
    POST /products {"sku":"SKU-0","name":"x","price":1,"stock":0}
    GET /products/9
    PUT /products/9 {"stock":1}
    PUT /products/2 {"sku":"SKU-0"}
    DELETE /products/9
    DELETE /products/1
    GET /products/9/stock-movements
    POST /products/9/stock-movements {"delta":1}
    POST /products/1/stock-movements {"delta":-39}
    POST /products/1/stock-movements {"delta":1000000000}
    POST /orders {"product_id":9,"quantity":1}
    POST /orders {"product_id":1,"quantity":39}
    GET /orders/9
    PUT /orders/9 {"quantity":1}
    PUT /orders/1 {"status":"SHIPPED"}
    PUT /orders/1 {"quantity":40}
    PUT /orders/2 {"quantity":2}
    DELETE /orders/2
    DELETE /orders/9
"#;

/// Sends a request, with this body if there is one.
async fn ask(client: &Client, method: &Method, path: &str, body: Option<impl Json>) -> Answer {
    let call = client.call(method.clone(), path);
    match body {
        Some(body) => call.json(body).await,
        None => call.await,
    }
}

type Had = BTreeSet<(String, String, u16, String)>;

fn note(had: &mut Had, method: &Method, template: &str, answer: &Answer) {
    let kind = answer.value()["type"].as_str().unwrap_or_default().to_owned();
    had.insert((method.to_string(), template.to_owned(), answer.status, kind));
}

/// All that the contract names: method, template, status, error type.
fn named() -> Had {
    let contract = Contract::ours();
    let mut named = Had::new();
    for operation in contract.operations() {
        for (status, response) in contract.responses(&operation) {
            if status == "500" && TOUCH_NOTHING.contains(&operation.template) {
                continue;
            }
            for kind in contract.problem_types(response) {
                let (method, template) = (operation.method.to_string(), operation.template.to_owned());
                named.insert((method, template, status.parse().unwrap(), kind.to_owned()));
            }
        }
    }
    named
}

#[tokio::test]
async fn every_refusal_that_the_contract_names_can_be_had() {
    let contract = Contract::ours();
    let app = TestApp::with(|options| options.limits.body_timeout = Duration::from_millis(10));
    let product = app.product(40).await;
    app.product(0).await;
    app.order(product, 1).await;
    app.pay(app.order(product, 1).await).await;
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
        for service in &broken {
            if !TOUCH_NOTHING.contains(&template) {
                answers.push(ask(service, method, &path, body.as_ref()).await);
            }
        }
        if body.is_some() {
            let call = || app.call(method.clone(), &path);
            let stalled = Body::from_stream(stream::pending::<Result<Vec<u8>, Error>>());
            answers.push(call().json("{").await);
            answers.push(call().json(" ".repeat(70_000)).await);
            answers.push(call().body("a=b").await);
            answers.push(call().body(stalled).await);
        }
        if let Some((path, body)) = invalid(&operation) {
            answers.push(ask(&app, method, &path, body).await);
        }
        for answer in answers {
            note(&mut had, method, template, &answer);
        }
    }
    for line in BY_STATE.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.splitn(3, ' ');
        let (method, path) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap());
        let template = contract.template_of(path).unwrap();
        let answer = ask(&app, &method, path, parts.next()).await;
        note(&mut had, &method, template, &answer);
    }

    let named = named();
    let missing: Vec<_> = named.difference(&had).collect();
    assert!(missing.is_empty(), "named and never had: {missing:#?}");
    let unnamed: Vec<_> = had.difference(&named).collect();
    assert!(unnamed.is_empty(), "had and not named: {unnamed:#?}");
}
