//! Paths in headers behind a proxy that removes a prefix.

use serde_json::json;

use crate::support::TestApp;

const PREFIX: &str = "x-forwarded-prefix";

fn behind_a_proxy() -> TestApp {
    TestApp::with(|options| options.trusted_proxies = 1)
}

#[tokio::test]
async fn location_and_link_have_the_prefix_of_the_request() {
    let app = behind_a_proxy();
    let mug = json!({"sku": "MUG", "name": "Mug", "price": 1, "stock": 5});
    let post = || app.post("/products", &mug).header("idempotency-key", "k");
    let created = post().header(PREFIX, "/shop").await.expect(201);
    assert_eq!(created.header("location"), Some("/shop/products/1"));
    // What is stored has none: each request has its own.
    let again = post().header(PREFIX, "/store/a/").await.expect(201);
    assert_eq!(again.header("location"), Some("/store/a/products/1"));
    assert_eq!(post().await.expect(201).header("location"), Some("/products/1"));

    app.product(1).await;
    let page = app.get("/products?limit=1").header(PREFIX, "/shop").await.expect(200);
    let link = page.header("link").unwrap();
    assert!(
        link.starts_with("</shop/products?limit=1&cursor=") && link.ends_with("; rel=\"next\""),
        "{link}"
    );
}

#[tokio::test]
async fn redirects_and_problems_stay_as_they_are() {
    let app = behind_a_proxy();
    for (path, location) in [("/", "docs"), ("/docs/", "../docs"), ("/problems/", "../problems")] {
        let redirect = app.get(path).header(PREFIX, "/shop").await;
        assert_eq!(redirect.header("location"), Some(location), "{path}");
    }
    let missing = app.get("/products/9").header(PREFIX, "/shop").await;
    missing.expect_problem(404, "/problems/product-not-found");
}

#[tokio::test]
async fn a_prefix_from_anybody_else_and_one_that_is_no_path_do_not_count() {
    for (app, prefix) in [
        (TestApp::new(), "/shop"),
        (behind_a_proxy(), "//evil.example"),
        (behind_a_proxy(), "shop"),
    ] {
        let mug = json!({"sku": "MUG", "name": "Mug", "price": 1, "stock": 5});
        let created = app.post("/products", &mug).header(PREFIX, prefix).await.expect(201);
        assert_eq!(created.header("location"), Some("/products/1"), "{prefix}");
    }
}
