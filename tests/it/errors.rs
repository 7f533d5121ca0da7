//! Errors outside the operations: unknown path, unknown method, a failing store, a panic; and the request id.

use axum::http::Method;
use orders_inventory::error::Error;
use orders_inventory::http::Clock;
use serde_json::json;

use crate::support::contract::Contract;
use crate::support::{Answer, Client, TestApp, failing};

#[tokio::test]
async fn other_paths_are_not_found() {
    let app = TestApp::new();
    let paths = [
        "/nope",
        "/products//",
        "/products/1//",
        "//products",
        "/Products",
        "/products/1/orders",
        "/orders/1/2",
        "/products/1/stock-movements/1",
        "/docs/nope",
        "/healthz//",
        "/%70roducts",
        "/products%2F1",
        "/api/products",
        "/.env",
    ];
    for path in paths {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
        ] {
            if path == "/docs/nope" && method != Method::GET {
                continue;
            }
            let answer = app.call(method, path).await;
            answer.expect_problem(404, "/problems/not-found");
        }
    }
}

/// Tries every path with every method; the client compares `Allow` with the contract.
#[tokio::test]
async fn methods_outside_the_contract_get_405() {
    let app = TestApp::new();
    let contract = Contract::of_the_service();
    let taken: Vec<_> = contract
        .operations()
        .map(|operation| (operation.template, operation.method))
        .collect();
    let mut refused = 0;
    for (template, _) in &taken {
        let path = template.replace("{id}", "1").replace("{name}", "not-found");
        for method in [
            "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW",
        ] {
            let method: Method = method.parse().unwrap();
            if !taken.contains(&(template, method.clone())) {
                app.call(method, &path)
                    .await
                    .expect_problem(405, "/problems/method-not-allowed");
                refused += 1;
            }
        }
    }
    assert!(refused > 50);
}

/// A response of each kind, so that one comes from every layer.
async fn one_of_each(app: &Client, id: &str) -> Vec<Answer> {
    let call = |method, path: &str| app.call(method, path).header("x-request-id", id);
    vec![
        call(Method::GET, "/healthz").await,
        call(Method::GET, "/docs").await,
        call(Method::GET, "/").await,
        call(Method::GET, "/nope").await,
        call(Method::PATCH, "/products").await,
        call(Method::POST, "/products").await,
        call(Method::POST, "/products").json("{").await,
        call(Method::POST, "/products").json("{}").await,
        call(Method::POST, "/products").json(" ".repeat(70_000)).await,
        call(Method::GET, "/products/7").await,
    ]
}

#[tokio::test]
async fn every_response_has_the_id_of_its_request() {
    let app = TestApp::new();
    let panicking = failing::service(|| panic!("in a handler"), Clock::system());
    let longest = "x".repeat(128);
    for id in [
        "7",
        "018f5c3a-8f3e-7c1d-9b6a-2f4f5d0c1a2b",
        "a=\"b\";{c}",
        "!~",
        &longest,
    ] {
        for answer in one_of_each(&app, id)
            .await
            .into_iter()
            .chain(one_of_each(&panicking, id).await)
        {
            assert_eq!(answer.header("x-request-id"), Some(id));
        }
    }
}

#[tokio::test]
async fn invalid_request_ids_are_replaced_by_new_ones() {
    let app = TestApp::new();
    let mut given = Vec::new();
    for id in ["", " ", "a b", "tab\there", "\u{e4}", "\u{1f916}", &"x".repeat(129)] {
        for answer in one_of_each(&app, id).await {
            given.push(answer.header("x-request-id").unwrap().to_owned());
        }
    }
    let twice = app
        .get("/healthz")
        .header("x-request-id", "a")
        .header("x-request-id", "b")
        .await;
    given.push(twice.header("x-request-id").unwrap().to_owned());
    given.push(app.get("/healthz").await.header("x-request-id").unwrap().to_owned());
    let count = given.len();
    assert!(given.iter().all(|id| id.len() == 36), "{given:?}");
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), count, "each request has its own");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_without_details() {
    let app = failing::service(|| panic!("a secret cause"), Clock::system());
    for answer in [
        app.get("/products").await,
        app.post("/products", json!({"sku": "A", "name": "a", "price": 1, "stock": 1}))
            .await,
        app.get("/readyz").await,
    ] {
        assert!(!answer.text().contains("secret"), "{answer:?}");
        let problem = answer.expect_problem(500, "/problems/internal-error");
        assert_eq!(
            problem["detail"],
            "The service failed; the request id leads to the cause in its log."
        );
    }
}

#[tokio::test]
async fn failures_of_the_store_say_what_a_client_can_do_and_nothing_else() {
    type Failure = fn() -> Error;
    let failures: [(Failure, u16, &str); 3] = [
        (|| Error::Overloaded, 503, "/problems/overloaded"),
        (
            || Error::storage("a secret cause"),
            503,
            "/problems/storage-unavailable",
        ),
        (|| Error::internal("a secret cause"), 500, "/problems/internal-error"),
    ];
    for (failure, status, kind) in failures {
        let app = failing::service(failure, Clock::system());
        let answers = [
            app.get("/products").await,
            app.get("/orders/1").await,
            app.post("/products", json!({"sku": "A", "name": "a", "price": 1, "stock": 1}))
                .await,
            app.put("/orders/1", json!({"quantity": 1})).await,
            app.delete("/products/1").await,
        ];
        for answer in answers {
            let retry_after = answer
                .header("retry-after")
                .map(|seconds| seconds.parse::<u32>().unwrap());
            assert_eq!(retry_after.is_some(), status == 503, "{answer:?}");
            assert!(!answer.text().contains("secret"), "{answer:?}");
            answer.expect_problem(status, kind);
        }
    }
}
