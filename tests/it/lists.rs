//! Lists: pages, cursors and filters.

use std::collections::HashSet;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::id;
use crate::support::client::Client;

fn ids(items: &[Value]) -> Vec<i64> {
    items.iter().map(id).collect()
}

/// Creates this many products concurrently.
async fn products(app: &TestApp, count: i64) -> Vec<i64> {
    futures_util::future::join_all((0..count).map(|_| app.product(1))).await
}

#[tokio::test]
async fn a_walk_over_the_products_returns_each_remaining_one_exactly_once() {
    let app = TestApp::new();
    let mut staying: HashSet<i64> = products(&app, 257).await.into_iter().collect();
    let mut met = Vec::new();
    let mut next = Some("/products?limit=10".to_owned());
    let mut doomed: Vec<i64> = staying.iter().copied().filter(|id| id % 5 == 0).collect();
    while let Some(path) = next {
        let page;
        (page, next) = app.page(&path).await;
        met.extend(ids(&page));
        // Between the pages, products are created and deleted, before and after the cursor; so is the page's last one.
        app.product(1).await;
        let last = met.last().copied().filter(|_| met.len() % 20 == 0);
        for id in last.into_iter().chain(doomed.pop()) {
            if staying.remove(&id) {
                app.delete(&format!("/products/{id}")).await.expect(204);
            }
        }
    }
    assert!(
        met.is_sorted_by(|a, b| a < b),
        "in the order of ids, none twice: {met:?}"
    );
    let met: HashSet<i64> = met.into_iter().collect();
    assert!(
        staying.len() > 200 && staying.is_subset(&met),
        "missed: {:?}",
        staying.difference(&met)
    );
}

#[tokio::test]
async fn orders_and_movements_come_newest_first_and_products_oldest_first() {
    let app = TestApp::new();
    let made = products(&app, 3).await;
    let product = app.product(100).await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(app.order(product, 1).await);
    }
    let mut all = made;
    all.push(product);
    all.sort_unstable();
    for limit in 1..=6 {
        assert_eq!(ids(&app.walk(&format!("/products?limit={limit}")).await), all);
        let newest_first: Vec<i64> = orders.iter().rev().copied().collect();
        assert_eq!(ids(&app.walk(&format!("/orders?limit={limit}")).await), newest_first);
        let movements = app
            .walk(&format!("/products/{product}/stock-movements?limit={limit}"))
            .await;
        let of_orders: Vec<_> = movements
            .iter()
            .filter_map(|movement| movement["order_id"].as_i64())
            .collect();
        assert_eq!(of_orders, newest_first);
        assert!(ids(&movements).is_sorted_by(|a, b| a > b) && movements.len() == 6);
    }
}

#[tokio::test]
async fn orders_placed_during_a_walk_do_not_shift_it() {
    let app = TestApp::new();
    let product = app.product(100).await;
    for _ in 0..6 {
        app.order(product, 1).await;
    }
    let (first, next) = app.page("/orders?limit=3").await;
    app.order(product, 1).await;
    app.delete(&format!("/orders/{}", id(&first[2]))).await.expect(204);
    let (second, next) = app.page(&next.unwrap()).await;
    assert_eq!((ids(&first), ids(&second), next), (vec![6, 5, 4], vec![3, 2, 1], None));
}

#[tokio::test]
async fn a_page_has_20_items_by_default() {
    let app = TestApp::new();
    products(&app, 101).await;
    for (query, wanted) in [("", 20), ("?limit=1", 1), ("?limit=100", 100)] {
        let (page, next) = app.page(&format!("/products{query}")).await;
        assert_eq!((page.len(), next.is_some()), (wanted, true), "{query}");
    }
    let (page, next) = app.page("/products?limit=100&cursor=0000000000000000").await;
    assert_eq!((page.len(), next), (100, None), "a full last page has no next one");
}

/// The three lists, over data that fills more than one page of two.
async fn lists(app: &TestApp) -> [String; 3] {
    let product = app.product(9).await;
    products(app, 2).await;
    for _ in 0..3 {
        app.order(product, 1).await;
    }
    [
        "/products".to_owned(),
        "/orders".to_owned(),
        format!("/products/{product}/stock-movements"),
    ]
}

async fn assert_refused(client: &Client, path: &str, parameters: &[&str]) {
    assert_eq!(client.get(path).await.expect_failures(), parameters, "{path}");
}

#[tokio::test]
async fn limits_out_of_bounds_are_refused() {
    let app = TestApp::new();
    for list in lists(&app).await {
        for limit in [
            "0",
            "101",
            "-1",
            "",
            "x",
            "1.0",
            "01",
            "+1",
            "1e1",
            "%20",
            "2147483648",
            "99999999999999999999",
        ] {
            assert_refused(&app, &format!("{list}?limit={limit}"), &["?limit"]).await;
        }
    }
}

#[tokio::test]
async fn invalid_cursors_are_refused() {
    let app = TestApp::new();
    for list in lists(&app).await {
        let (_, next) = app.page(&format!("{list}?limit=2")).await;
        let (_, cursor) = next.as_deref().unwrap().split_once("cursor=").unwrap();
        for made_up in [
            "",
            "1",
            "bad",
            "000000000000000g",
            "000000000000001",
            "8000000000000000",
            "%C3%9F",
            "null",
            &cursor.replace('0', "O"),
            &format!("{cursor}x"),
        ] {
            assert_refused(&app, &format!("{list}?cursor={made_up}"), &["?cursor"]).await;
        }
        assert_refused(&app, &format!("{list}?limit=0&cursor=%FF"), &["?cursor", "?limit"]).await;
    }
}

#[tokio::test]
async fn unknown_and_repeated_parameters_are_refused() {
    let app = TestApp::new();
    for list in lists(&app).await {
        assert_refused(&app, &format!("{list}?page=2&offset=3"), &["?offset", "?page"]).await;
        assert_refused(&app, &format!("{list}?limit=2&limit=2"), &["?limit"]).await;
        assert_refused(&app, &format!("{list}?Limit=2"), &["?Limit"]).await;
    }
    assert_refused(&app, "/products?status=PENDING", &["?status"]).await;
    assert_refused(&app, "/products?sku=-a", &["?sku"]).await;
    assert_refused(&app, "/orders?status=pending&product_id=0", &["?product_id", "?status"]).await;
    assert_refused(&app, "/orders?product_id=9223372036854775808", &["?product_id"]).await;
}

#[tokio::test]
async fn a_link_keeps_the_limit_and_every_filter() {
    let app = TestApp::new();
    let product = app.product(9).await;
    for _ in 0..3 {
        app.order(product, 1).await;
    }
    let (_, next) = app
        .page(&format!("/orders?limit=2&product_id={product}&status=PENDING"))
        .await;
    let next = next.unwrap();
    let (path, query) = next.split_once('?').unwrap();
    let mut pairs: Vec<_> = query.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(path, "/orders");
    assert_eq!(
        pairs,
        [
            "cursor=0000000000000001",
            "limit=2",
            &format!("product_id={product}"),
            "status=PENDING"
        ]
    );
}

#[tokio::test]
async fn filters_narrow_every_page() {
    let app = TestApp::new();
    let (mugs, pots) = (app.product(50).await, app.product(50).await);
    for number in 0..20 {
        let order = app.order(if number % 2 == 0 { mugs } else { pots }, 1).await;
        if number % 3 == 0 {
            app.put(&format!("/orders/{order}"), json!({"status": "CANCELED"}))
                .await
                .expect(200);
        }
        if number % 3 == 1 {
            app.pay(order).await;
        }
    }
    let all = app.walk("/orders").await;
    for status in ["PENDING", "PAID", "SHIPPED", "CANCELED"] {
        for product in [mugs, pots, 99] {
            let is_of = |order: &&Value| order["status"] == status;
            let of_product = |order: &&Value| order["product_id"] == product;
            let wanted: Vec<_> = all.iter().filter(is_of).filter(of_product).cloned().collect();
            assert_eq!(
                app.walk(&format!("/orders?limit=2&status={status}&product_id={product}"))
                    .await,
                wanted
            );
            let wanted: Vec<_> = all.iter().filter(of_product).cloned().collect();
            assert_eq!(app.walk(&format!("/orders?limit=3&product_id={product}")).await, wanted);
        }
        let wanted: Vec<_> = all.iter().filter(|order| order["status"] == status).cloned().collect();
        assert_eq!(app.walk(&format!("/orders?status={status}&limit=3")).await, wanted);
    }
}

#[tokio::test]
async fn a_sku_finds_its_product_and_no_other() {
    let app = TestApp::new();
    for sku in ["A", "a", "A.", "A-1"] {
        let product = json!({"sku": sku, "name": "x", "price": 1, "stock": 0});
        app.post("/products", product).await.expect(201);
    }
    for (sku, wanted) in [
        ("A", vec![1]),
        ("a", vec![2]),
        ("A%2e", vec![3]),
        ("A-1", vec![4]),
        ("B", vec![]),
    ] {
        assert_eq!(ids(&app.walk(&format!("/products?sku={sku}")).await), wanted, "{sku}");
    }
    assert_eq!(
        ids(&app.walk("/products?sku=A&cursor=0000000000000000").await),
        [0_i64; 0],
        "product 1 came before this cursor"
    );
}

#[tokio::test]
async fn an_empty_list_is_an_empty_page() {
    let app = TestApp::new();
    for list in ["/products", "/orders", "/orders?product_id=1"] {
        let answer = app.get(list).await.expect(200);
        assert_eq!(
            (answer.header("link"), answer.value()),
            (None, json!({"items": [], "next_cursor": null}))
        );
    }
    let head = app.call(Method::HEAD, "/products").await.expect(200);
    assert!(head.body.is_empty());
}
