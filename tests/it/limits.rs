//! Admission control in the router: rate limit, write queue, memory for bodies, refusals before a body.

use std::num::NonZeroU32;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::{FutureExt, StreamExt, future, stream};
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

/// A body that begins like this and never ends.
fn endless(begin: impl Into<Bytes>) -> Body {
    let first = stream::iter([Ok::<_, Error>(begin.into())]);
    Body::from_stream(first.chain(stream::pending()))
}

/// Sends an order whose body begins like this and never ends.
async fn stalled(client: Client, begin: impl Into<Bytes>) {
    client.call(Method::POST, "/orders").body(endless(begin)).await;
}

/// The same, from this client behind a proxy.
async fn stalled_from(client: Client, address: String, begin: Bytes) {
    let call = client.call(Method::POST, "/orders").body(endless(begin));
    call.header("x-forwarded-for", &address).await;
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
async fn webhooks_without_a_valid_signature_count_and_valid_ones_do_not() {
    let app = TestApp::with(|options| {
        limit(3)(options);
        options.trusted_proxies = 1;
    });
    let call = |address: &str, event: &str, secret: &str| {
        let signature = sign(secret, app.clock.now_ms() / 1_000, event.as_bytes());
        let call = app.post("/webhooks/payment", event.to_owned());
        call.header(HEADER, &signature).header("x-forwarded-for", address)
    };
    let unsigned = || {
        app.post("/webhooks/payment", "{}")
            .header("x-forwarded-for", "198.51.100.1")
    };
    let valid = |address: &'static str, number: usize| {
        let event = json!({"id": format!("evt_{number}"), "type": "ping"}).to_string();
        call(address, &event, SECRET)
    };
    // Valid ones, also those that are refused for what they say.
    for number in 0..10 {
        valid("198.51.100.1", number).await.expect(200);
        call("198.51.100.1", "{", SECRET)
            .await
            .expect_problem(400, "/problems/malformed-json");
    }
    for refused in [unsigned(), call("198.51.100.1", "{}", "another secret"), unsigned()] {
        refused.await.expect_problem(401, "/problems/invalid-signature");
    }
    // The allowance is used up: for webhooks, before the body is read, and for everything else.
    let endless = app.call(Method::POST, "/webhooks/payment").body(endless("{"));
    for refused in [
        unsigned(),
        call("198.51.100.1", "{}", "another secret"),
        valid("198.51.100.1", 10),
        endless.header("x-forwarded-for", "198.51.100.1"),
        app.get("/products").header("x-forwarded-for", "198.51.100.1"),
    ] {
        let refused = refused.await;
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&seconds), "at most a third of a minute: {refused:?}");
        refused.expect_problem(429, "/problems/rate-limited");
    }
    // The provider has another address.
    valid("198.51.100.2", 11).await.expect(200);
    let others = app.get("/products").header("x-forwarded-for", "198.51.100.2");
    others.await.expect(200);
}

#[tokio::test]
async fn a_webhook_counts_as_failed_where_its_caller_leaves_and_not_where_the_service_fails() {
    let app = TestApp::with(limit(1));
    let leaving = || {
        let signature = sign(SECRET, app.clock.now_ms() / 1_000, b"{");
        let call = app.call(Method::POST, "/webhooks/payment").body(endless("{"));
        call.header(HEADER, &signature).into_future()
    };
    assert!(leaving().now_or_never().is_none(), "the service waits for the body");
    assert_eq!(leaving().await.status, 429);

    let deaf = TestApp::with(|options| {
        limit(1)(options);
        options.keyring.secrets.clear();
    });
    for _ in 0..3 {
        let refused = deaf.post("/webhooks/payment", "{}").await;
        refused.expect_problem(503, "/problems/webhook-not-configured");
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
async fn bodies_of_one_address_take_a_part_of_the_memory_and_leave_the_rest_to_others() {
    let app = TestApp::with(|options| options.trusted_proxies = 1);
    let order = |address: &str| app.post("/orders", "{}").header("x-forwarded-for", address);
    let most = Bytes::from(vec![b' '; 65_536]);
    let mut slow = Vec::new();
    let mut stall = |address: String, begin: &Bytes| {
        let mut stalled = Box::pin(stalled_from(Client::clone(&app), address, begin.clone()));
        // Whether the service waits for the rest.
        let waits = stalled.as_mut().now_or_never().is_none();
        slow.push(stalled);
        waits
    };
    // Only received bytes count.
    for _ in 0..1_000 {
        assert!(stall("198.51.100.1".to_owned(), &Bytes::new()));
    }
    // An address may take an eighth: 8 MiB.
    for _ in 0..128 {
        assert!(stall("198.51.100.1".to_owned(), &most));
    }
    assert!(
        !stall("198.51.100.1".to_owned(), &Bytes::from_static(b"{")),
        "it is refused"
    );
    order("198.51.100.2")
        .await
        .expect_problem(422, "/problems/validation-failed");
    // A body that arrives in one piece is not held, whoever sends it.
    order("198.51.100.1")
        .await
        .expect_problem(422, "/problems/validation-failed");
    // Eight of them take it all.
    for address in 2..=8 {
        for _ in 0..128 {
            assert!(stall(format!("198.51.100.{address}"), &most));
        }
    }
    assert!(
        !stall("198.51.100.9".to_owned(), &Bytes::from_static(b"{")),
        "it is refused"
    );
    app.get("/products").await.expect(200);
    slow.clear();
    let mut once_more = Box::pin(stalled_from(Client::clone(&app), "198.51.100.1".to_owned(), most));
    assert!(
        future::poll_immediate(&mut once_more).await.is_none(),
        "there is room again"
    );
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_before_its_body_has_arrived() {
    let app = TestApp::with(|options| options.api_keys = ApiKeys::new("alpha"));
    for key in [None, Some("wrong")] {
        let call = app.call(Method::POST, "/orders").body(endless("{"));
        let call = match key {
            Some(key) => call.header("x-api-key", key),
            None => call,
        };
        call.await.expect(401);
    }
    let now = app.clock.now_ms() / 1_000;
    let of_another_time = sign(SECRET, now - 1_000, b"{");
    for signature in [
        None,
        Some("v1=00"),
        Some("t=1"),
        Some(&*of_another_time),
        Some(&*format!("t={now},v1=00")),
    ] {
        let call = app.call(Method::POST, "/webhooks/payment").body(endless("{"));
        let call = match signature {
            Some(signature) => call.header(HEADER, signature),
            None => call,
        };
        call.await.expect_problem(401, "/problems/invalid-signature");
    }
}
