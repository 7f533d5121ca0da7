//! For each operation, status and error type in the contract's examples, a request that gets it, with the example's words.
//! The test fails for a documented refusal that no request gets, and for a refusal that is not documented.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use futures_util::stream;
use orders_inventory::error::Error;
use orders_inventory::http::{ApiKeys, Options};
use regex::Regex;
use serde_json::{Value, json};

use crate::support::app::{TestClock, id};
use crate::support::client::{Call, Json};
use crate::support::contract::{Contract, Operation};
use crate::support::{Client, TestApp, failing, payment};

/// Operations without a store access that could fail. Their 500 is for unexpected errors only.
const TOUCH_NOTHING: [&str; 3] = ["/healthz", "/problems", "/problems/{name}"];

/// A request with an invalid body or parameter; `None` where the operation has neither.
fn invalid(operation: &Operation<'_>) -> Option<(String, Option<Value>)> {
    let (path, body) = Contract::of_the_service().valid_request(operation);
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

/// Requests that the current state refuses. Product 1 has 38 units and two orders: 1 is pending, 2 is paid. Product 2
/// has no stock. A line that ends in `again` is sent with the key `used`, which an earlier request with another body
/// had on that path; a line that ends in `stale` is sent with `If-Match: "99"`, one that ends in `named` with
/// `If-None-Match: *`.
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
    POST /webhooks/payment {"id":"evt_1","type":"payment.succeeded","data":{"order_id":9}}
    POST /webhooks/stripe {"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1772357400,"livemode":true,"data":{"object":{"id":"pi_9","amount_received":100,"currency":"eur","metadata":{"order_id":"9"}}}}
    POST /products {"sku":"NEW","name":"x","price":2,"stock":0} again
    POST /products/1/stock-movements {"delta":2} again
    POST /orders {"product_id":1,"quantity":2} again
    PUT /products/1 {"stock":1} stale
    PUT /orders/1 {"quantity":1} stale
    DELETE /products/1 stale
    DELETE /orders/1 stale
    GET /products/1 stale
    GET /orders/1 stale
    PUT /products/1 {"stock":1} named
    PUT /orders/1 {"quantity":1} named
    DELETE /products/1 named
    DELETE /orders/1 named
"#;

/// A request with this body, if any; a body for a webhook is signed.
fn request(client: &Client, clock: &TestClock, method: &Method, path: &str, body: Option<impl Json>) -> Call {
    let call = client.call(method.clone(), path);
    let Some(body) = body else { return call };
    let body = body.into_bytes();
    let signature = signature(clock, path, &body);
    let call = call.json(body);
    match signature {
        Some((header, signature)) => call.header(header, &signature),
        None => call,
    }
}

/// The header and the signature of this body now, where the path is a webhook's.
fn signature(clock: &TestClock, path: &str, body: &[u8]) -> Option<(&'static str, String)> {
    let (header, secret) = payment::signer(path)?;
    Some((header, payment::sign(secret, clock.now_ms() / 1_000, body)))
}

/// A line of [`BY_STATE`].
fn by_state(app: &TestApp, line: &str) -> (Method, String, Call) {
    let headers = [
        (" again", "idempotency-key", "used"),
        (" stale", "if-match", "\"99\""),
        (" named", "if-none-match", "*"),
    ];
    let with_header = |(word, name, value)| Some((line.strip_suffix(word)?, Some((name, value))));
    let (line, header) = headers.into_iter().find_map(with_header).unwrap_or((line, None));
    let mut parts = line.splitn(3, ' ');
    let (method, path): (Method, _) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap());
    let mut call = request(app, &app.clock, &method, path, parts.next());
    if let Some((name, value)) = header {
        call = call.header(name, value);
    }
    (method, path.to_owned(), call)
}

/// Method, path template, status, error type, and the detail in [`words`].
type Refusals = BTreeSet<(String, String, u16, String, String)>;

fn refusal(method: &Method, template: &str, status: u16, problem: &Value) -> (String, String, u16, String, String) {
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    (
        method.to_string(),
        template.to_owned(),
        status,
        text("type"),
        words(&text("detail")),
    )
}

/// A detail without what depends on the request: numbers, the SKU, and the reason why a body is not JSON.
fn words(detail: &str) -> String {
    static CHANGING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d+|SKU \S+|(?:request|second)s?\b|not JSON: .*").unwrap());
    CHANGING.replace_all(detail, "_").into_owned()
}

/// The same without the words.
fn types(refusals: &Refusals) -> BTreeSet<(&str, &str, u16, &str)> {
    let refusals = refusals.iter();
    refusals
        .map(|(method, template, status, kind, _)| (&**method, &**template, *status, &**kind))
        .collect()
}

/// All documented refusals.
fn documented() -> Refusals {
    let contract = Contract::of_the_service();
    let mut documented = Refusals::new();
    for operation in contract.operations() {
        for (status, response) in contract.responses(&operation) {
            if status == "500" && TOUCH_NOTHING.contains(&operation.template) {
                continue;
            }
            let status = status.parse().unwrap();
            let problems = contract.problems(response);
            documented.extend(problems.map(|problem| refusal(&operation.method, operation.template, status, problem)));
        }
    }
    documented
}

/// The service with the state that [`BY_STATE`] needs, and with the key `used` on each path that accepts keys.
async fn app_with_data(change: impl FnOnce(&mut Options)) -> TestApp {
    let app = TestApp::with(change);
    let product = app.product(39).await;
    app.product(0).await;
    app.order(product, 1).await;
    app.pay(app.order(product, 1).await).await;
    for (path, body) in [
        ("/products", json!({"sku": "USED", "name": "x", "price": 1, "stock": 0})),
        ("/products/1/stock-movements", json!({"delta": 1})),
    ] {
        app.post(path, body).header("idempotency-key", "used").await.expect(201);
    }
    let order = app.place(product, 1).header("idempotency-key", "used").await.json(201);
    app.delete(&format!("/orders/{}", id(&order))).await.expect(204);
    app
}

#[tokio::test]
async fn every_refusal_that_the_contract_names_can_be_had() {
    let contract = Contract::of_the_service();
    let app = app_with_data(|options| options.body_limits.timeout = Duration::from_millis(10)).await;
    let with_keys = TestApp::with(|options| options.api_keys = ApiKeys::new("right"));
    let deaf = TestApp::with(|options| {
        options.keyring.secrets.clear();
        options.stripe = None;
    });
    let broken: [fn() -> Error; 3] = [|| Error::Overloaded, || Error::storage("full"), || panic!("a bug")];
    let broken = broken.map(|failure| failing::service(failure, app.clock.clock()));
    let uncertain = failing::service(|| Error::outcome_unknown("an I/O error"), app.clock.clock());

    let mut seen = Refusals::new();
    for operation in contract.operations() {
        let (method, template) = (&operation.method, operation.template);
        let (path, body) = contract.valid_request(&operation);
        let ask = |client: &Client| request(client, &app.clock, method, &path, body.as_ref());
        let mut answers = Vec::new();
        let limited = TestApp::with(|options| options.rate_limit_per_minute = Some(NonZeroU32::MIN));
        ask(&limited).await;
        // Operations without a rate limit succeed, or refuse as documented.
        answers.extend(Some(ask(&limited).await).filter(|answer| answer.status >= 400));
        for service in &broken {
            if !TOUCH_NOTHING.contains(&template) {
                answers.push(ask(service).await);
            }
        }
        // Only writes are committed.
        if method != Method::GET {
            answers.push(ask(&uncertain).await);
        }
        match contract.security(&operation)[..] {
            ["ApiKey"] => {
                answers.push(ask(&with_keys).await);
                answers.push(ask(&with_keys).header("x-api-key", "wrong").await);
            }
            ["WebhookSignature" | "StripeSignature"] => {
                let (header, _) = payment::signer(&path).expect("a signed path");
                let signature = payment::sign("another", app.clock.now_ms() / 1_000, b"");
                let forged = app.call(method.clone(), &path).json(json!({}));
                answers.push(forged.header(header, &signature).await);
                answers.push(ask(&deaf).await);
                limited.call(method.clone(), &path).await.expect(401);
                answers.push(ask(&limited).await);
            }
            [] => {}
            ref schemes => panic!("unknown security schemes: {schemes:?}"),
        }
        if body.is_some() {
            let ask = |body: &str| request(&app, &app.clock, method, &path, Some(body));
            let stalled = Body::from_stream(stream::pending::<Result<Vec<u8>, Error>>());
            answers.push(ask("{").await);
            // More than any operation takes.
            answers.push(ask(&" ".repeat(300_000)).await);
            answers.push(ask("{}").without(CONTENT_TYPE).await);
            answers.push(ask("{}").header("content-encoding", "gzip").await);
            // Of another body, which only the whole body shows.
            let mut stalled = app.call(method.clone(), &path).body(stalled);
            if let Some((header, signature)) = signature(&app.clock, &path, b"") {
                stalled = stalled.header(header, &signature);
            }
            answers.push(stalled.await);
        }
        if let Some((path, body)) = invalid(&operation) {
            answers.push(request(&app, &app.clock, method, &path, body).await);
        }
        for answer in answers {
            seen.insert(refusal(method, template, answer.status, &answer.value()));
        }
    }
    for line in BY_STATE.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (method, path, call) = by_state(&app, line);
        let answer = call.await;
        let template = contract.template_of(&path).unwrap();
        seen.insert(refusal(&method, template, answer.status, &answer.value()));
    }

    let documented = documented();
    // `examples.rs` compares every word of the failures of validation.
    let is_other = |refusal: &&(String, String, u16, String, String)| refusal.3 != "/problems/validation-failed";
    let missing: Vec<_> = documented.difference(&seen).filter(is_other).collect();
    assert!(missing.is_empty(), "documented, but no request gets it: {missing:#?}");
    let (documented, seen) = (types(&documented), types(&seen));
    let missing: Vec<_> = documented.difference(&seen).collect();
    assert!(missing.is_empty(), "documented, but no request gets it: {missing:#?}");
    let undocumented: Vec<_> = seen.difference(&documented).collect();
    assert!(undocumented.is_empty(), "not documented: {undocumented:#?}");
}
