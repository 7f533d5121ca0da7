//! A slash at the end of a path makes no difference, except for pages.

use axum::http::Method;
use serde_json::json;

use crate::support::TestApp;
use crate::support::contract::Contract;

#[tokio::test]
async fn every_operation_is_reached_with_a_slash_at_the_end_of_its_path() {
    // Two services, so that each operation finds the same.
    let [plain, slashed] = [TestApp::new(), TestApp::new()];
    let mut pages = 0;
    for operation in Contract::of_the_service().operations() {
        let (path, body) = Contract::of_the_service().valid_request(&operation);
        if path.starts_with("/problems") {
            pages += 1;
            continue;
        }
        let mut answers = Vec::new();
        for (app, path) in [(&plain, path.clone()), (&slashed, format!("{path}/"))] {
            let call = app.call(operation.method.clone(), &path);
            answers.push(match &body {
                Some(body) => call.json(body).await,
                None => call.await,
            });
        }
        let [one, other] = answers.try_into().unwrap();
        assert_ne!(one.status, 405, "{path}: {one:?}");
        assert_eq!(
            (one.status, &one.body),
            (other.status, &other.body),
            "{path}: {one:?} {other:?}"
        );
        for name in ["location", "etag", "link", "allow"] {
            assert_eq!(one.header(name), other.header(name), "{path} {name}");
        }
    }
    assert_eq!(pages, 2);
}

#[tokio::test]
async fn an_idempotency_key_counts_for_both_spellings() {
    let app = TestApp::new();
    let mug = json!({"sku": "MUG", "name": "Mug", "price": 1, "stock": 5});
    let first = app
        .post("/products/", &mug)
        .header("idempotency-key", "k")
        .await
        .expect(201);
    assert_eq!(first.header("location"), Some("/products/1"));
    let again = app
        .post("/products", &mug)
        .header("idempotency-key", "k")
        .await
        .expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body, first.body);
}

#[tokio::test]
async fn the_query_is_kept_and_links_have_no_slash() {
    let app = TestApp::new();
    app.product(1).await;
    app.product(1).await;
    let page = app.get("/products/?limit=1").await.expect(200);
    let link = page.header("link").unwrap().to_owned();
    assert!(link.starts_with("</products?limit=1&cursor="), "{link}");
    app.get("/products/?limit=0").await.expect(422);
    app.get("/products/?nope=1").await.expect(422);
}

#[tokio::test]
async fn the_method_is_still_checked() {
    let app = TestApp::new();
    let refused = app.call(Method::DELETE, "/products/").await.expect(405);
    assert!(refused.header("allow").unwrap().contains("POST"), "{refused:?}");
}

#[tokio::test]
async fn more_than_one_slash_is_not_found() {
    let app = TestApp::new();
    for path in [
        "//",
        "//products",
        "//products/",
        "/products//",
        "/products//1",
        "/products///",
        "/nope/",
    ] {
        app.get(path).await.expect_problem(404, "/problems/not-found");
    }
}

#[tokio::test]
async fn pages_have_one_spelling() {
    let app = TestApp::new();
    for (path, location) in [
        ("/docs/", "../docs"),
        ("/problems/", "../problems"),
        ("/problems/not-found/", "../not-found"),
    ] {
        let redirect = app.get(path).await.expect(308);
        assert_eq!(redirect.header("location"), Some(location), "{path}");
    }
    for path in ["/openapi.json/", "/openapi.yaml/", "/docs/x/", "/problems/nonsense/"] {
        app.get(path).await.expect_problem(404, "/problems/not-found");
    }
}
