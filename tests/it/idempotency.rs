//! Idempotency keys: a POST with an `Idempotency-Key` takes effect once; retries receive the stored response.

use orders_inventory::http::ApiKeys;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::id;
use crate::support::client::{Call, at_once};
use crate::support::process::{Server, command};
use crate::support::{Answer, TestApp};

const KEY: &str = "idempotency-key";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Every operation that accepts a key, with a body for product 1 and a different body.
const POSTS: [(&str, &str, &str); 3] = [
    (
        "/products",
        r#"{"sku":"NEW","name":"x","price":1.50,"stock":3}"#,
        r#"{"sku":"NEWER","name":"x","price":1.50,"stock":3}"#,
    ),
    (
        "/orders",
        r#"{"product_id":1,"quantity":2}"#,
        r#"{"product_id":1,"quantity":3}"#,
    ),
    (
        "/products/1/stock-movements",
        r#"{"delta":5,"note":"x"}"#,
        r#"{"delta":5}"#,
    ),
];

impl TestApp {
    fn keyed(&self, path: &str, key: &str, body: &str) -> Call {
        self.post(path, body).header(KEY, key)
    }

    /// The number of stored responses.
    fn stored_responses(&self) -> i64 {
        self.count("SELECT count(*) FROM idempotency_keys")
    }
}

/// The service with one product of 100 units.
async fn with_product() -> TestApp {
    let app = TestApp::new();
    app.product(100).await;
    app
}

/// The parts of a response that a replay repeats.
fn replayed_parts(answer: &Answer) -> (u16, Vec<u8>, [Option<&str>; 3]) {
    let headers = ["location", "etag", "content-type"].map(|name| answer.header(name));
    (answer.status, answer.body.to_vec(), headers)
}

#[track_caller]
fn assert_fresh(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.header("idempotency-replayed")),
        (201, None),
        "{answer:?}"
    );
}

/// Asserts that this is a replay of the first response.
#[track_caller]
fn assert_replayed(answer: &Answer, first: &Answer) {
    assert_eq!(answer.header("idempotency-replayed"), Some("true"), "{answer:?}");
    assert_eq!(
        replayed_parts(answer),
        replayed_parts(first),
        "{answer:?} for {first:?}"
    );
}

#[tokio::test]
async fn a_retry_takes_effect_once_and_gets_the_same_response() {
    for (path, body, _) in POSTS {
        let app = with_product().await;
        let first = app.keyed(path, "k", body).header("x-request-id", "first").await;
        assert_fresh(&first);
        let after = app.snapshot().await;
        for number in 0..3 {
            app.clock.advance_ms(1_000);
            let name = format!("again-{number}");
            let again = app.keyed(path, "k", body).header("x-request-id", &name).await;
            assert_replayed(&again, &first);
            assert_eq!(
                again.header("x-request-id"),
                Some(&*name),
                "each request has its own id"
            );
        }
        assert_eq!(app.snapshot().await, after, "{path}");
        app.assert_ledger_adds_up().await;
    }
}

#[tokio::test]
async fn without_a_key_every_request_takes_effect() {
    let app = with_product().await;
    let (first, second) = (app.order(1, 2).await, app.order(1, 2).await);
    assert_ne!(first, second);
    assert_eq!((app.stock(1).await, app.stored_responses()), (96, 0));
}

#[tokio::test]
async fn a_stored_response_does_not_change_with_its_resource() {
    let app = with_product().await;
    let mut firsts = Vec::new();
    for (path, body, _) in POSTS {
        firsts.push(app.keyed(path, "k", body).await);
    }
    let replay = async |app: &TestApp| {
        for ((path, body, _), first) in POSTS.into_iter().zip(&firsts) {
            assert_replayed(&app.keyed(path, "k", body).await, first);
        }
    };
    app.clock.advance_ms(1_000);
    app.put("/products/2", json!({"price": 99, "stock": 0}))
        .await
        .expect(200);
    app.put("/orders/1", json!({"status": "CANCELED"})).await.expect(200);
    replay(&app).await;
    for path in ["/orders/1", "/products/1", "/products/2"] {
        app.delete(path).await.expect(204);
    }
    replay(&app).await;
    let app = app.reopened().await;
    replay(&app).await;
    assert!(app.walk("/products").await.is_empty() && app.walk("/orders").await.is_empty());
    app.assert_ledger_adds_up().await;
}

#[test]
fn a_retry_after_a_crash_is_a_retry() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    let order = r#"{"product_id":1,"quantity":2}"#;
    let place = |server: &Server| server.ask_with("POST", "/orders", &[("Idempotency-Key", "k")], order);
    let server = Server::start(&mut command(&database));
    let product = r#"{"sku":"A","name":"a","price":1,"stock":5}"#;
    assert_eq!(server.ask("POST", "/products", product).0, 201);
    let (first, head) = place(&server);
    assert_eq!(first.0, 201);
    assert!(!head.to_ascii_lowercase().contains("idempotency-replayed"), "{head}");
    server.stop(Signal::KILL);

    let server = Server::start(&mut command(&database));
    let (again, head) = place(&server);
    assert_eq!(again, first);
    assert!(
        head.to_ascii_lowercase().contains("idempotency-replayed: true\r\n"),
        "{head}"
    );
    assert_eq!(server.ask("GET", "/products/1", "").1["stock"], 3);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused() {
    for (path, body, other) in POSTS {
        let app = with_product().await;
        let first = app.keyed(path, "k", body).await;
        let after = app.snapshot().await;
        // The bytes are compared, not their meaning.
        let respelled = [
            format!("{body} "),
            body.replace(':', ": "),
            body.replace("\"x\"", "\"\\u0078\""),
        ];
        for other in respelled
            .iter()
            .map(String::as_str)
            .chain([other])
            .filter(|other| *other != body)
        {
            let problem = app
                .keyed(path, "k", other)
                .await
                .expect_problem(422, "/problems/idempotency-key-reused");
            assert_eq!(
                problem["detail"],
                "This Idempotency-Key was used for this path with another body."
            );
        }
        assert_eq!(app.snapshot().await, after);
        assert_replayed(&app.keyed(path, "k", body).await, &first);
    }
}

#[tokio::test]
async fn each_path_has_its_own_keys() {
    let app = with_product().await;
    app.product(10).await;
    for (path, body, _) in POSTS {
        assert_fresh(&app.keyed(path, "k", body).await);
    }
    let (_, body, _) = POSTS[2];
    assert_fresh(&app.keyed("/products/2/stock-movements", "k", body).await);
    assert_eq!((app.stock(1).await, app.stock(2).await), (103, 15));
}

#[tokio::test]
async fn keys_are_compared_exactly() {
    let app = with_product().await;
    let (path, body, _) = POSTS[1];
    for key in ["k", "K", "kk", "\"k\"", "k,k", "k%20", "*", "null"] {
        assert_fresh(&app.keyed(path, key, body).await);
    }
    assert_eq!(app.walk("/orders").await.len(), 8);
}

#[tokio::test]
async fn each_caller_has_its_own_keys() {
    let app = TestApp::with(|options| options.api_keys = ApiKeys::new("alice,bob"));
    let place = |caller: &str, path: &str, body: &str| app.keyed(path, "k", body).header("x-api-key", caller);
    let (path, body, _) = POSTS[0];
    let product = place("alice", path, body).await;
    assert_fresh(&product);
    place("bob", path, body)
        .await
        .expect_problem(409, "/problems/duplicate-sku");
    let (path, body, other) = POSTS[1];
    let of_alice = place("alice", path, body).await;
    // The same key of another caller has its own response and its own body.
    let of_bob = place("bob", path, r#"{"product_id":1,"quantity":1}"#).await;
    assert_fresh(&of_alice);
    assert_fresh(&of_bob);
    assert_ne!(id(&of_alice.value()), id(&of_bob.value()));
    assert_replayed(&place("alice", path, body).await, &of_alice);
    place("alice", path, other)
        .await
        .expect_problem(422, "/problems/idempotency-key-reused");
    app.keyed(path, "k", body)
        .await
        .expect_problem(401, "/problems/missing-api-key");
    place("carol", path, body)
        .await
        .expect_problem(401, "/problems/invalid-api-key");
}

#[tokio::test]
async fn errors_are_not_stored() {
    let app = TestApp::new();
    let (path, body, _) = POSTS[1];
    let place = |body: &str| app.keyed(path, "k", body);
    place("{").await.expect_problem(400, "/problems/malformed-json");
    place(r#"{"product_id":1}"#).await.expect_failures();
    place(body).without(axum::http::header::CONTENT_TYPE).await.expect(415);
    place(body).await.expect_problem(404, "/problems/product-not-found");
    app.product(1).await;
    for _ in 0..2 {
        place(body).await.expect_problem(409, "/problems/insufficient-stock");
    }
    assert_eq!(app.stored_responses(), 0);
    app.post("/products/1/stock-movements", json!({"delta": 1}))
        .await
        .expect(201);
    let first = place(body).await;
    assert_fresh(&first);
    assert_replayed(&place(body).await, &first);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_stored_response_is_replayed_where_the_request_would_fail_now() {
    let app = TestApp::new();
    app.product(2).await;
    let (path, body, _) = POSTS[1];
    let first = app.keyed(path, "k", body).await;
    app.place(1, 1)
        .await
        .expect_problem(409, "/problems/insufficient-stock");
    assert_replayed(&app.keyed(path, "k", body).await, &first);
    // An invalid request is refused before the key is looked up.
    app.keyed(path, "k", "{")
        .await
        .expect_problem(400, "/problems/malformed-json");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_retries_at_once_one_happens_and_all_get_its_answer() {
    for (path, body, _) in POSTS {
        let app = with_product().await;
        let answers = at_once((0..64).map(|_| app.keyed(path, "k", body))).await;
        let fresh: Vec<_> = answers
            .iter()
            .filter(|answer| answer.header("idempotency-replayed").is_none())
            .collect();
        assert_eq!(fresh.len(), 1, "{path}");
        assert_fresh(fresh[0]);
        assert!(
            answers
                .iter()
                .all(|answer| replayed_parts(answer) == replayed_parts(fresh[0])),
            "{answers:?}"
        );
        let (orders, products) = (app.walk("/orders").await.len(), app.walk("/products").await.len());
        assert_eq!(
            orders + products + app.ledger(1).await.len(),
            if path == "/orders" { 4 } else { 3 },
            "{path}"
        );
        app.assert_ledger_adds_up().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_bodies_under_one_key_at_once_one_wins() {
    let app = with_product().await;
    let (path, body, other) = POSTS[1];
    let answers = at_once((0..32).map(|number| app.keyed(path, "k", [body, other][number % 2]))).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (16, 16));
    assert!(
        made.iter()
            .all(|answer| replayed_parts(answer) == replayed_parts(&made[0]))
    );
    for answer in refused {
        answer.expect_problem(422, "/problems/idempotency-key-reused");
    }
    assert_eq!(app.walk("/orders").await.len(), 1);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_response_is_stored_for_24_hours() {
    let app = TestApp::with(|options| options.order_ttl = None);
    app.product(100).await;
    let (path, body, other) = POSTS[1];
    let first = app.keyed(path, "k", body).await;
    app.clock.advance_ms(DAY_MS - 1);
    app.sweep().await;
    assert_replayed(&app.keyed(path, "k", body).await, &first);
    app.clock.advance_ms(1);
    // The stored response has expired, whether it was swept or not, also for another body. The next response replaces
    // it.
    let second = app.keyed(path, "k", other).await;
    assert_fresh(&second);
    assert_ne!(id(&first.value()), id(&second.value()));
    assert_replayed(&app.keyed(path, "k", other).await, &second);
    app.keyed(path, "k", body)
        .await
        .expect_problem(422, "/problems/idempotency-key-reused");
    app.clock.advance_ms(DAY_MS - 1);
    assert_replayed(&app.keyed(path, "k", other).await, &second);
    assert_eq!((app.stored_responses(), app.walk("/orders").await.len()), (1, 2));
}

#[tokio::test]
async fn expired_responses_are_swept() {
    let app = TestApp::with(|options| options.order_ttl = None);
    app.product(1_000).await;
    let (path, body, _) = POSTS[1];
    // More than one transaction sweeps.
    let calls: Vec<_> = (0..230)
        .map(|number| app.keyed(path, &format!("old-{number}"), body).into_future())
        .collect();
    for answer in futures_util::future::join_all(calls).await {
        assert_fresh(&answer);
    }
    app.clock.advance_ms(DAY_MS / 2);
    let young = app.keyed(path, "young", body).await;
    app.sweep().await;
    assert_eq!(app.stored_responses(), 231);
    app.clock.advance_ms(DAY_MS / 2);
    app.sweep().await;
    assert_eq!(app.stored_responses(), 1);
    assert_replayed(&app.keyed(path, "young", body).await, &young);
    app.clock.advance_ms(DAY_MS / 2);
    app.sweep().await;
    assert_eq!(app.stored_responses(), 0);
    assert_fresh(&app.keyed(path, "old-0", body).await);
}

#[tokio::test]
async fn invalid_keys_are_refused() {
    let app = with_product().await;
    let before = app.snapshot().await;
    let (longest, too_long) = ("x".repeat(255), "x".repeat(256));
    for (path, body, _) in POSTS {
        for key in ["", "a b", "\u{e4}", "tab\there", &too_long] {
            assert_eq!(
                app.keyed(path, key, body).await.expect_failures(),
                ["?Idempotency-Key"],
                "{key:?}"
            );
        }
        let twice = app.keyed(path, "a", body).header(KEY, "a");
        assert_eq!(twice.await.expect_failures(), ["?Idempotency-Key"]);
        let mut both = app.keyed(path, "", "{}").await.expect_failures();
        assert!(
            both.len() > 1 && both.remove(0).starts_with('?'),
            "together with the failures of the body: {both:?}"
        );
    }
    assert_eq!(app.snapshot().await, before);
    for (path, body, _) in POSTS {
        assert_fresh(&app.keyed(path, &longest, body).await);
    }
}

#[tokio::test]
async fn other_operations_ignore_keys() {
    let app = with_product().await;
    let rename = |name: &str| app.put("/products/1", json!({"name": name})).header(KEY, "k");
    for name in ["a", "b"] {
        let renamed: Value = rename(name).await.json(200);
        assert_eq!(renamed["name"], name);
    }
    assert_eq!(app.stored_responses(), 0);
}
