//! The contract's examples, in the order in which a person tries them on the documentation page: from its top to its end, on
//! a new database, with every field as the page fills it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::http::Method;
use regex::Regex;
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::client::Call;
use crate::support::contract::{Contract, Operation};
use crate::support::{Answer, TestApp, payment};

/// The names of an object's members in their order, which `serde_json` does not keep.
fn names(object: &Yaml) -> Vec<&str> {
    object
        .as_hash()
        .into_iter()
        .flatten()
        .filter_map(|(name, _)| name.as_str())
        .collect()
}

/// The contract's paths, in order.
fn paths() -> &'static Yaml {
    static CONTRACT: LazyLock<Vec<Yaml>> =
        LazyLock::new(|| YamlLoader::load_from_str(include_str!("../../openapi.yaml")).unwrap());
    &CONTRACT[0]["paths"]
}

/// The operations in the order of the page: by tag, and within a tag as in the contract.
fn in_order_of_the_page() -> Vec<Operation<'static>> {
    let contract = Contract::of_the_service();
    let mut operations: Vec<_> = contract.operations().collect();
    let tags = contract.document()["tags"].as_array().unwrap();
    operations.sort_by_key(|operation| {
        let tag = &operation.definition["tags"][0];
        let method = operation.method.as_str().to_ascii_lowercase();
        (
            tags.iter().position(|known| known["name"] == *tag),
            names(paths()).iter().position(|path| *path == operation.template),
            names(&paths()[operation.template])
                .iter()
                .position(|known| *known == method),
        )
    });
    operations
}

/// The request examples of an operation, in their order.
fn requests(operation: &Operation<'static>) -> Vec<(&'static str, &'static Value)> {
    let method = operation.method.as_str().to_ascii_lowercase();
    let body = &paths()[operation.template][method.as_str()]["requestBody"];
    let order = names(&body["content"]["application/json"]["examples"]);
    let mut requests = examples(&operation.definition["requestBody"], &["application/json"]);
    requests.sort_by_key(|(name, _)| order.iter().position(|known| known == name));
    requests
}

/// The path as the page fills it, with the examples of its parameters.
fn path(operation: &Operation<'_>) -> String {
    let contract = Contract::of_the_service();
    let shared = &contract.document()["paths"][operation.template]["parameters"];
    let parameters = [shared, &operation.definition["parameters"]];
    let mut path = operation.template.to_owned();
    for parameter in parameters.into_iter().filter_map(Value::as_array).flatten() {
        let parameter = contract.resolved(parameter);
        if parameter["in"] == "path" {
            let example = &parameter["example"];
            let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            path = path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &example);
        }
    }
    path
}

/// The named examples below a request body or a response, for these media types.
fn examples(node: &'static Value, media_types: &[&str]) -> Vec<(&'static str, &'static Value)> {
    let examples = media_types
        .iter()
        .filter_map(|media_type| node["content"][media_type]["examples"].as_object());
    let value = |example| &Contract::of_the_service().resolved(example)["value"];
    examples
        .flatten()
        .map(|(name, example)| (name.as_str(), value(example)))
        .collect()
}

/// The value without what differs each time: every point in time is the same one.
fn timeless(value: &Value) -> Value {
    static TIME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""\d{4}-\d\d-\d\dT[0-9:.]+Z""#).unwrap());
    serde_json::from_str(&TIME.replace_all(&value.to_string(), "\"a time\"")).unwrap()
}

/// The names of the examples that a walk was answered: operation, status, example.
type Given = BTreeSet<(String, u16, String)>;

/// Sends an example; its answer must be one of the operation's examples, unless it has no body or is a page.
async fn try_out(app: &TestApp, operation: &Operation<'static>, body: Option<&Value>, given: &mut Given) -> Answer {
    let (contract, path) = (Contract::of_the_service(), path(operation));
    let mut call = app.call(operation.method.clone(), &path);
    if let Some(body) = body {
        let body = body.to_string();
        call = call.json(body.clone());
        call = signed(app, call, operation.template, &body);
    }
    let answer = call.await;
    let is_json = answer
        .header("content-type")
        .is_some_and(|media_type| media_type.contains("json"));
    if is_json {
        let status = answer.status.to_string();
        let response = contract
            .responses(operation)
            .find(|(documented, _)| **documented == status);
        let (_, response) = response.expect("a documented status");
        let documented = examples(response, &["application/json", "application/problem+json"]);
        let value = comparable(&answer.value());
        let fitting = documented.iter().find(|(_, example)| comparable(example) == value);
        let (name, _) =
            fitting.unwrap_or_else(|| panic!("{} {path} {body:?}: no example is {value}", operation.method));
        given.insert((operation_id(operation), answer.status, (*name).to_owned()));
    }
    answer
}

/// Signs the call where its path is a webhook's.
fn signed(app: &TestApp, call: Call, path: &str, body: &str) -> Call {
    match payment::signer(path) {
        Some((header, secret)) => call.header(header, &payment::sign(secret, app.now_seconds(), body.as_bytes())),
        None => call,
    }
}

/// A body as it is compared with an example: without times, and of "not found" without the id, since one example is shared.
fn comparable(body: &Value) -> Value {
    let mut body = timeless(body);
    if body["status"] == 404 {
        body["detail"] = json!("");
    }
    body
}

fn operation_id(operation: &Operation<'_>) -> String {
    operation.definition["operationId"].as_str().unwrap().to_owned()
}

/// Tries `how_many` request examples of each operation, from the top of the page to its end.
async fn walk(how_many: usize, given: &mut Given) -> Vec<(String, u16)> {
    let app = TestApp::new();
    let mut statuses = Vec::new();
    for operation in in_order_of_the_page() {
        let bodies = requests(&operation);
        if bodies.is_empty() {
            let answer = try_out(&app, &operation, None, given).await;
            statuses.push((operation_id(&operation), answer.status));
        }
        for (name, body) in bodies.into_iter().take(how_many) {
            let answer = try_out(&app, &operation, Some(body), given).await;
            statuses.push((format!("{}/{name}", operation_id(&operation)), answer.status));
        }
    }
    statuses
}

#[tokio::test]
async fn every_example_is_an_answer_that_the_service_gives_to_the_examples_in_their_order() {
    let mut given = Given::new();
    let refused = |statuses: Vec<(String, u16)>| {
        let refused = statuses.into_iter().filter(|(_, status)| *status >= 400);
        refused
            .map(|(name, status)| format!("{name} {status}"))
            .collect::<Vec<_>>()
    };
    // The first example of each operation, which the page has filled in. Only what is deleted is not there.
    let first = refused(walk(1, &mut given).await);
    assert_eq!(first, ["deleteProduct 404", "deleteOrder 404"]);
    // Then, on another new database, all of them. The refusals are those that their names announce.
    let all = refused(walk(usize::MAX, &mut given).await);
    assert_eq!(all, ["createOrder/too-many 409", "updateOrder/ship 409"]);

    // A second delivery of the same event.
    let app = TestApp::new();
    app.product(9).await;
    app.order(1, 3).await;
    app.put("/orders/1", json!({"status": "CANCELED"})).await.expect(200);
    let operations = in_order_of_the_page();
    let webhook = operations
        .iter()
        .find(|operation| operation_id(operation) == "receivePaymentEvent")
        .unwrap();
    let (_, event) = requests(webhook)[0];
    for _ in 0..2 {
        try_out(&app, webhook, Some(event), &mut given).await;
    }

    let documented = operations.iter().flat_map(|operation| {
        let successes = Contract::of_the_service()
            .responses(operation)
            .filter(|(status, _)| status.starts_with('2'));
        successes.flat_map(move |(status, response)| {
            let names = examples(response, &["application/json"])
                .into_iter()
                .map(|(name, _)| name.to_owned());
            names.map(move |name| (operation_id(operation), status.parse().unwrap(), name))
        })
    });
    let never: Vec<_> = documented.filter(|example| !given.contains(example)).collect();
    assert!(never.is_empty(), "no request gets these examples: {never:#?}");
}

/// For each operation that shows failures of validation, a request that gets exactly these.
const INVALID: &str = r#"
    createProduct POST /products {"sku":"MUG","name":"Mug","price":0}
    listProducts GET /products?limit=0
    getProduct GET /products/1.0
    updateProduct PUT /products/1 {"price":19.999}
    deleteProduct DELETE /products/x
    listStockMovements GET /products/1/stock-movements?limit=101
    createStockMovement POST /products/1/stock-movements {"delta":0}
    createOrder POST /orders {"product_id":1,"quantity":0}
    listOrders GET /orders?limit=0
    getOrder GET /orders/+1
    updateOrder PUT /orders/1 {"status":"LOST"}
    deleteOrder DELETE /orders/01
    receivePaymentEvent POST /webhooks/payment {"id":"evt_1","type":"payment.succeeded","data":{}}
    receiveStripeEvent POST /webhooks/stripe {"id":"evt_1","object":"v2.core.event","type":"a","created":1,"livemode":true,"data":{"object":{}}}
    listPaymentEvents GET /payment-events?limit=1000
    listPayments GET /payments?limit=1000
    getProblem GET /problems/%FF
"#;

#[tokio::test]
async fn every_failure_of_validation_is_shown_where_it_can_be_had() {
    let contract = Contract::of_the_service();
    let app = TestApp::new();
    let mut requests: Vec<&str> = INVALID.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for operation in contract.operations() {
        let Some((_, response)) = contract.responses(&operation).find(|(status, _)| *status == "422") else {
            continue;
        };
        let id = operation_id(&operation);
        let shown = examples(response, &["application/problem+json"]);
        let shown = shown
            .into_iter()
            .filter(|(_, value)| value["type"] == "/problems/validation-failed");
        for (name, example) in shown {
            let line = requests.iter().position(|line| line.split(' ').next() == Some(&*id));
            let line = requests.remove(line.unwrap_or_else(|| panic!("no request gets {name} of {id}")));
            let mut parts = line.splitn(4, ' ').skip(1);
            let (method, path): (Method, &str) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap());
            assert_eq!(
                (&method, contract.template_of(path.split('?').next().unwrap())),
                (&operation.method, Some(operation.template))
            );
            let mut call = app.call(method, path);
            if let Some(body) = parts.next() {
                call = signed(&app, call.json(body), path, body);
            }
            assert_eq!(call.await.json(422), *example, "{line}");
        }
    }
    assert!(requests.is_empty(), "no such example: {requests:?}");
}
