//! Health, the pages on error types, and the documentation.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::contract::Contract;
use crate::support::{TestApp, failing};
use orders_inventory::error::Error;
use orders_inventory::http::Clock;

#[tokio::test]
async fn the_service_is_alive_and_ready() {
    let app = TestApp::new();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(app.get(path).await.json(200), json!({"status": "ok"}));
        app.call(Method::HEAD, path).await.expect(200);
    }
}

#[tokio::test]
async fn a_service_whose_store_is_closed_is_alive_but_not_ready() {
    let app = TestApp::new();
    let product = app.product(1).await;
    app.store.close().await;
    app.get("/healthz").await.expect(200);
    for answer in [
        app.get("/readyz").await,
        app.get("/products").await,
        app.place(product, 1).await,
    ] {
        assert!(answer.header("retry-after").is_some());
        answer.expect_problem(503, "/problems/storage-unavailable");
    }
}

#[tokio::test]
async fn a_service_whose_store_takes_no_work_is_alive_but_not_ready() {
    let app = failing::service(|| Error::Overloaded, Clock::system());
    app.get("/healthz").await.expect(200);
    app.get("/readyz").await.expect_problem(503, "/problems/overloaded");
}

fn problem_types() -> Vec<&'static str> {
    let types = &Contract::of_the_service().document()["components"]["schemas"]["ProblemType"]["enum"];
    types
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind.as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_error_type_has_a_page_that_explains_it() {
    let app = TestApp::new();
    let list = app.get("/problems").await.expect(200);
    assert!(problem_types().len() >= 19);
    for kind in problem_types() {
        assert!(
            list.text()
                .contains(&format!(r#"href="{}""#, kind.trim_start_matches('/'))),
            "{kind} is missing in the list"
        );
        let page = app.get(kind).await.expect(200);
        assert!(
            page.text().starts_with("<!doctype html>") && page.text().contains(kind),
            "{page:?}"
        );
    }
}

#[tokio::test]
async fn other_error_types_have_no_page() {
    let app = TestApp::new();
    for name in ["nonsense", "Not-Found", "not-found%20", "<b>", "..%2Fnot-found", "%00"] {
        let path = format!("/problems/{}", name.replace('<', "%3C").replace('>', "%3E"));
        app.get(&path).await.expect_problem(404, "/problems/not-found");
    }
}

#[tokio::test]
async fn the_root_redirects_to_the_documentation() {
    let app = TestApp::new();
    let root = app.get("/").await.expect(307);
    assert_eq!(root.header("location"), Some("docs"));
    let page = app.get("/docs").await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn the_served_contract_is_the_committed_file() {
    let app = TestApp::new();
    let yaml = app.get("/openapi.yaml").await.expect(200);
    assert_eq!(yaml.text(), include_str!("../../openapi.yaml"));
    let json: Value = app.get("/openapi.json").await.json(200);
    assert_eq!(&json, Contract::of_the_service().document());
}
