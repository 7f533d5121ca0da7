//! Random and malformed requests: they are refused and change nothing.

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use serde_json::json;

use crate::bodies::WITH_BODY;
use crate::support::TestApp;

/// Pseudo-random bytes from a seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next(&mut state)).collect()
}

#[tokio::test]
async fn refused_requests_change_nothing() {
    let app = TestApp::new();
    let product = app.product(10).await;
    app.product(0).await;
    app.order(product, 3).await;
    let before = app.snapshot().await;

    let deep = ["[", r#"{"a":"#].map(|open| open.repeat(10_000));
    let mut bodies: Vec<Vec<u8>> = [
        "",
        "{}",
        "null",
        "[]",
        "0",
        "\"\"",
        "{",
        r#"{"product_id":1}"#,
        r#"{"quantity":-1}"#,
        r#"{"status":"PAID"}"#,
        r#"{"stock":5,"stock":6}"#,
        r#"{"price":1.999}"#,
        r#"{"name":""}"#,
        r#"{"delta":0}"#,
        r#"{"delta":-11}"#,
        r#"{"sku":"A","name":"a","price":1,"x":1}"#,
        r#"{"product_id":1,"quantity":8}"#,
        r#"{"product_id":9,"quantity":1}"#,
        r#"{"product_id":1,"quantity":1,"status":"PAID"}"#,
        r#"{"sku":"SKU-1","name":"a","price":1,"stock":1}"#,
        r#"{"delta":1e99}"#,
        r#"{"quantity":9999}"#,
        r#"{"quantity":1e1000000000000}"#,
    ]
    .iter()
    .chain(&deep.each_ref().map(String::as_str))
    .map(|body| body.as_bytes().to_vec())
    .collect();
    bodies.extend((0..40).map(|seed| noise(seed, 1 + usize::try_from(seed).unwrap() * 7)));
    bodies.push(vec![b' '; 70_000]);

    let mut refused = 0;
    for (method, path) in WITH_BODY {
        for body in &bodies {
            let answer = app.call(method.clone(), path).json(body.clone()).await;
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path} {}: {answer:?}",
                String::from_utf8_lossy(body)
            );
            refused += 1;
        }
    }
    for path in ["/products/1", "/products/9", "/orders/2", "/orders/x", "/products/0"] {
        app.delete(path).await;
        refused += 1;
    }
    assert!(refused > 300);
    assert_eq!(app.snapshot().await, before);
    assert_eq!(app.stock(product).await, 7);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn garbage_in_paths_queries_and_headers_is_refused_or_ignored() {
    let app = TestApp::new();
    for query in [
        "%",
        "%zz",
        "%FF",
        "%FF=1",
        "=",
        "&&&",
        "limit",
        "limit=&limit=",
        "a[]=1",
        "limit=1;cursor=2",
        &"x".repeat(10_000),
    ] {
        let answer = app.get(&format!("/products?{query}")).await;
        assert_eq!(answer.status, if query == "&&&" { 200 } else { 422 }, "{query}");
    }
    let request = Request::get("/products").header("host", "test");
    let mut request = request.body(Body::empty()).unwrap();
    for (number, name) in [
        "accept",
        "cookie",
        "authorization",
        "content-length",
        "transfer-encoding",
        "if-match",
    ]
    .into_iter()
    .enumerate()
    {
        let value = noise(u64::try_from(number).unwrap(), 50)
            .into_iter()
            .map(|byte| byte | 0x80)
            .collect::<Vec<_>>();
        request
            .headers_mut()
            .insert(name, HeaderValue::from_bytes(&value).unwrap());
    }
    let page = app.send(request).await.json(200);
    assert_eq!(page["items"], json!([]));
}
