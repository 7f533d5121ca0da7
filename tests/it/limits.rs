//! Admission control in the router: rate limit, write queue, memory for bodies.

use std::num::NonZeroU32;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::{StreamExt, future, stream};
use orders_inventory::error::Error;
use orders_inventory::http::{ApiKeys, Options};
use orders_inventory::store::{Store, Tx};
use serde_json::json;

use crate::support::app::SECRET;
use crate::support::payment::{HEADER, sign};
use crate::support::{Client, TestApp};

fn limit(per_minute: u32) -> impl FnOnce(&mut Options) {
    move |options| options.rate_limit_per_minute = NonZeroU32::new(per_minute)
}

/// Sends an order whose body begins like this and never ends.
async fn stalled(client: Client, begin: impl Into<Bytes>) {
    let first = stream::iter([Ok::<_, Error>(begin.into())]);
    let body = Body::from_stream(first.chain(stream::pending()));
    client.call(Method::POST, "/orders").body(body).await;
}

#[tokio::test]
async fn a_caller_over_the_rate_limit_gets_429_with_retry_after() {
    let app = TestApp::with(limit(3));
    for _ in 0..3 {
        app.get("/products").await.expect(200);
    }
    let refused = app.get("/products").await;
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "at most a third of a minute: {refused:?}");
    let detail = refused.expect_problem(429, "/problems/rate-limited")["detail"].clone();
    let detail = detail.as_str().unwrap();
    assert!(
        detail.starts_with("The rate limit of 3 requests a minute is used up; try again in "),
        "{detail}"
    );
    // The limit counts all paths of a caller, and comes before the body is read.
    let other = app.post("/orders", "{").await;
    other.expect_problem(429, "/problems/rate-limited");
}

#[tokio::test]
async fn an_allowance_refills_with_time() {
    // One request every 20 ms.
    let app = TestApp::with(limit(3_000));
    let mut is_refused = false;
    for _ in 0..20_000 {
        is_refused = app.get("/products/1").await.status == 429;
        if is_refused {
            break;
        }
    }
    assert!(is_refused, "20 000 requests in a few seconds are too many");
    tokio::time::sleep(Duration::from_millis(100)).await;
    app.get("/products/1")
        .await
        .expect_problem(404, "/problems/product-not-found");
}

#[tokio::test]
async fn each_key_has_its_own_allowance_and_other_callers_share_one() {
    let app = TestApp::with(|options| {
        limit(1)(options);
        options.api_keys = ApiKeys::new("alpha,beta");
    });
    let ask = |key: Option<&str>| {
        let call = app.get("/orders");
        match key {
            Some(key) => call.header("x-api-key", key),
            None => call,
        }
    };
    ask(Some("alpha")).await.expect(200);
    ask(Some("alpha")).await.expect_problem(429, "/problems/rate-limited");
    ask(Some("beta")).await.expect(200);
    ask(None).await.expect_problem(401, "/problems/missing-api-key");
    // Requests with invalid keys share the allowance of requests without a key.
    ask(Some("gamma")).await.expect_problem(429, "/problems/rate-limited");
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_its_own_allowance() {
    let app = TestApp::with(|options| {
        limit(1)(options);
        options.trusted_proxies = 1;
    });
    let ask = |forwarded: &str| app.get("/products").header("x-forwarded-for", forwarded);
    ask("198.51.100.1").await.expect(200);
    ask("198.51.100.2").await.expect(200);
    // Entries that a client adds itself do not count.
    let pretender = ask("198.51.100.3, 198.51.100.1").await;
    pretender.expect_problem(429, "/problems/rate-limited");

    let direct = TestApp::with(limit(1));
    let ask = |forwarded: &str| direct.get("/products").header("x-forwarded-for", forwarded);
    ask("198.51.100.1").await.expect(200);
    ask("198.51.100.2").await.expect_problem(429, "/problems/rate-limited");
}

#[tokio::test]
async fn webhook_health_and_docs_have_no_limit() {
    let app = TestApp::with(limit(1));
    app.get("/products").await.expect(200);
    app.get("/products").await.expect_problem(429, "/problems/rate-limited");
    for number in 0..3 {
        for path in ["/healthz", "/readyz", "/docs", "/openapi.yaml", "/openapi.json"] {
            app.get(path).await.expect(200);
        }
        let event = json!({"id": format!("evt_{number}"), "type": "ping"}).to_string();
        let signature = sign(SECRET, app.clock.now_ms() / 1_000, event.as_bytes());
        let delivered = app.post("/webhooks/payment", event).header(HEADER, &signature);
        delivered.await.expect(200);
    }
}

#[tokio::test]
async fn a_full_write_queue_refuses_writes_at_once_and_nothing_else() {
    let app = TestApp::with_queue_capacity(1);
    let product = app.product(1_000).await;
    // The writer is blocked, so the one write that may wait does wait.
    let (let_go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (has_begun, begun) = mpsc::channel();
    let store = app.store.clone();
    let holding = tokio::spawn(async move {
        let work = move |_: &mut dyn Tx| {
            has_begun.send(()).unwrap();
            // The test that should release it may have failed.
            let _ = held.lock().unwrap().recv_timeout(Duration::from_secs(60));
            Ok(())
        };
        store.write(work).await
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap())
        .await
        .unwrap();
    let mut placing = app.place(product, 1).into_future();
    assert!(
        future::poll_immediate(&mut placing).await.is_none(),
        "it waits for the writer"
    );

    for answer in [
        app.place(product, 1).await,
        app.delete("/products/1").await,
        app.put("/products/1", json!({"stock": 1})).await,
    ] {
        assert_eq!(answer.header("retry-after"), Some("1"));
        answer.expect_problem(503, "/problems/overloaded");
    }
    for path in [
        "/products",
        "/orders",
        "/healthz",
        "/docs",
        "/openapi.json",
        "/problems",
        "/problems/overloaded",
    ] {
        app.get(path).await.expect(200);
    }
    let_go.send(()).unwrap();
    holding.await.unwrap().unwrap();
    placing.await.expect(201);
    app.get("/products").await.expect(200);
    assert_eq!(app.stock(product).await, 999, "refused requests changed nothing");
}

#[tokio::test]
async fn slow_senders_do_not_block_other_requests() {
    let app = TestApp::with_queue_capacity(1);
    let mut slow: Vec<_> = (0..10).map(|_| Box::pin(stalled(Client::clone(&app), "{"))).collect();
    for one in &mut slow {
        assert!(
            future::poll_immediate(one).await.is_none(),
            "the service waits for its body"
        );
    }
    let product = app.product(1).await;
    app.place(product, 1).await.expect(201);
}

#[tokio::test]
async fn arriving_bodies_take_bounded_memory() {
    // There is memory for 16 bodies of the largest size. Only received bytes count.
    let app = TestApp::with(|options| options.body_limits.bytes_max = 16 << 20);
    let most = Bytes::from(vec![b' '; 16 << 20]);
    let silent = (0..100).map(|_| Box::pin(stalled(Client::clone(&app), Bytes::new())));
    let sending = (0..16).map(|_| Box::pin(stalled(Client::clone(&app), most.clone())));
    let mut slow: Vec<_> = silent.chain(sending).collect();
    for one in &mut slow {
        assert!(
            future::poll_immediate(one).await.is_none(),
            "the service waits for its body"
        );
    }
    let refused = app.post("/orders", "{}").await;
    refused.expect_problem(503, "/problems/overloaded");
    app.get("/products").await.expect(200);
    slow.pop();
    app.post("/orders", "{}")
        .await
        .expect_problem(422, "/problems/validation-failed");
}
