//! Bodies that are refused before their values are read: not JSON, not declared as JSON, compressed, too large, too slow,
//! cut off.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::{Stream, StreamExt, stream};

use crate::support::app::SECRET;
use crate::support::client::Call;
use crate::support::payment::{HEADER, from_stripe, sign, signer};
use crate::support::{Client, TestApp};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1}"#;

/// Every operation with a body, by path.
pub(crate) const WITH_BODY: [(Method, &str); 5] = [
    (Method::POST, "/products"),
    (Method::PUT, "/products/1"),
    (Method::POST, "/products/1/stock-movements"),
    (Method::POST, "/orders"),
    (Method::PUT, "/orders/1"),
];

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed() {
    let app = TestApp::new();
    let bodies: [&[u8]; 16] = [
        b"",
        b" ",
        b"{",
        br#"{"sku":"A""#,
        br#"{"sku":}"#,
        br#"{"sku":"A",}"#,
        b"{sku:1}",
        b"{'sku':1}",
        b"{} {}",
        b"{}]",
        b"nul",
        b"\xff\xfe{}",
        b"{\"sku\":\"\xc3\x28\"}",
        b"\xef\xbb\xbf{}",
        b"{\"sku\":\"a\nb\"}",
        br#"{"sku":"\x41"}"#,
    ];
    for (method, path) in WITH_BODY {
        for body in bodies {
            let answer = app.call(method.clone(), path).json(body.to_vec()).await;
            answer.expect_problem(400, "/problems/malformed-json");
        }
    }
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let app = TestApp::new();
    for (method, path) in WITH_BODY {
        let call = || app.call(method.clone(), path).body("{}");
        call().await.expect_problem(415, "/problems/unsupported-media-type");
        for kind in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "json",
            "application/xml;x=application/json",
        ] {
            let answer = call().header("content-type", kind).await;
            answer.expect_problem(415, "/problems/unsupported-media-type");
        }
        let twice = call()
            .header("content-type", "application/json")
            .header("content-type", "application/json");
        twice.await.expect_problem(415, "/problems/unsupported-media-type");
    }
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
    ] {
        app.call(Method::POST, "/products")
            .body("{}")
            .header("content-type", kind)
            .await
            .expect(422);
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let app = TestApp::with(|options| options.body_limits.bytes_max = 100);
    let padded = |bytes: usize| format!("{PRODUCT:bytes$}");
    for (method, path) in WITH_BODY {
        let problem = app
            .call(method, path)
            .json(padded(101))
            .await
            .expect_problem(413, "/problems/payload-too-large");
        assert_eq!(problem["detail"], "The body is larger than 100 bytes.");
    }
    // Also without a Content-Length.
    let chunks = stream::repeat_with(|| Ok::<_, io::Error>("          "));
    let endless = app.call(Method::POST, "/products").body(Body::from_stream(chunks));
    endless.await.expect_problem(413, "/problems/payload-too-large");
    assert!(app.walk("/products").await.is_empty());
    app.post("/products", padded(100)).await.expect(201);
}

/// How large an event of Stripe may be whatever the service's limit is, in bytes.
const STRIPE_BYTES_MAX: usize = 256 << 10;

/// An event of Stripe in this many bytes.
fn event_of_stripe(id: &str, bytes: usize) -> String {
    let event = format!(
        r#"{{"id":"{id}","object":"event","type":"ping","created":1,"livemode":true,"data":{{"object":{{}}}},"more":""#
    );
    format!("{event}{}\"}}", "x".repeat(bytes - event.len() - 2))
}

#[tokio::test]
async fn an_event_of_stripe_may_be_larger_than_other_bodies() {
    let app = TestApp::new();
    let largest = event_of_stripe("evt_1", STRIPE_BYTES_MAX);
    assert_eq!(largest.len(), STRIPE_BYTES_MAX);
    let receipt = from_stripe(&app, &*largest).await.json(200);
    assert_eq!(receipt["result"], "ignored");
    let problem = from_stripe(&app, event_of_stripe("evt_2", STRIPE_BYTES_MAX + 1))
        .await
        .expect_problem(413, "/problems/payload-too-large");
    assert_eq!(problem["detail"], "The body is larger than 262144 bytes.");
    // Also without a Content-Length.
    for (bytes, status) in [(STRIPE_BYTES_MAX, 200), (STRIPE_BYTES_MAX + 1, 413)] {
        let event = event_of_stripe("evt_3", bytes);
        let chunks: Vec<_> = event.as_bytes().chunks(10_000).map(<[u8]>::to_vec).collect();
        let chunks = stream::iter(chunks.into_iter().map(Ok::<_, io::Error>));
        from_stripe(&app, &*event)
            .body(Body::from_stream(chunks))
            .await
            .expect(status);
    }
    assert_eq!(app.walk("/payment-events").await.len(), 2);
    // Every other operation keeps its limit.
    for (method, path) in WITH_BODY {
        let problem = app
            .call(method, path)
            .json(" ".repeat(65_537))
            .await
            .expect_problem(413, "/problems/payload-too-large");
        assert_eq!(problem["detail"], "The body is larger than 65536 bytes.");
    }
    let own = app.webhook_text(&" ".repeat(65_537)).await;
    own.expect_problem(413, "/problems/payload-too-large");
}

#[tokio::test]
async fn a_larger_limit_of_the_service_counts_for_stripe_too_and_a_smaller_one_does_not() {
    let limited = |bytes_max| TestApp::with(|options| options.body_limits.bytes_max = bytes_max);
    for (app, largest) in [(limited(1_024), STRIPE_BYTES_MAX), (limited(300_000), 300_000)] {
        let fits = from_stripe(&app, event_of_stripe("evt_1", largest)).await;
        assert_eq!(fits.json(200)["result"], "ignored");
        let problem = from_stripe(&app, event_of_stripe("evt_2", largest + 1))
            .await
            .expect_problem(413, "/problems/payload-too-large");
        assert_eq!(problem["detail"], format!("The body is larger than {largest} bytes."));
    }
}

/// The largest limit that the settings allow.
const LIMIT_MAX: usize = 16 << 20;

#[tokio::test]
async fn the_largest_limit_holds_for_every_operation() {
    let app = TestApp::with(|options| options.body_limits.bytes_max = LIMIT_MAX);
    let padded = |text: &str, bytes: usize| {
        let mut body = text.as_bytes().to_vec();
        body.resize(bytes, b' ');
        body
    };
    for (method, path) in WITH_BODY {
        // More than axum's own limit of 2 MiB.
        let fits = app.call(method.clone(), path).json(padded("{}", 3 << 20));
        assert!(!fits.await.expect_failures().is_empty(), "{method} {path}");
        let too_large = app.call(method, path).json(padded("{}", LIMIT_MAX + 1));
        too_large.await.expect_problem(413, "/problems/payload-too-large");
    }
    // Its head is signed in its form, so the body counts.
    let signature = app.sign("another body");
    let delivered = |bytes| app.signed(&signature, padded("{}", bytes));
    delivered(LIMIT_MAX)
        .await
        .expect_problem(401, "/problems/invalid-signature");
    let too_large = delivered(LIMIT_MAX + 1).await;
    too_large.expect_problem(413, "/problems/payload-too-large");
    app.post("/products", padded(PRODUCT, LIMIT_MAX)).await.expect(201);
}

#[tokio::test]
async fn an_encoded_body_is_refused_before_it_is_read() {
    let app = TestApp::new();
    let webhooks = ["/webhooks/payment", "/webhooks/stripe"].map(|path| (Method::POST, path));
    for (method, path) in WITH_BODY.into_iter().chain(webhooks) {
        let (header, secret) = signer(path).unwrap_or((HEADER, SECRET));
        for coding in ["gzip", "br", "identity, gzip", "\u{e4}"] {
            let never = stream::pending::<io::Result<&'static str>>();
            let answer = app
                .call(method.clone(), path)
                .body(Body::from_stream(never))
                .header("content-type", "application/json")
                .header("content-encoding", coding)
                .header(header, &sign(secret, app.now_seconds(), b""))
                .await;
            assert_eq!(answer.header("accept-encoding"), Some("identity"), "{answer:?}");
            let problem = answer.expect_problem(415, "/problems/unsupported-media-type");
            assert_eq!(problem["detail"], "The body must be sent without Content-Encoding.");
        }
    }
    let plain = app.post("/products", PRODUCT).header("content-encoding", "Identity");
    plain.await.expect(201);
    // Where the encoding is not at fault, nothing is said about it.
    let form = app.call(Method::POST, "/products").body("{}").await.expect(415);
    assert_eq!(form.header("accept-encoding"), None);
}

/// A request for a new product whose body begins with valid JSON and continues with `rest`.
fn begun(app: &Client, rest: impl Stream<Item = io::Result<&'static str>> + Send + 'static) -> Call {
    let (start, _) = PRODUCT.split_at(10);
    let body = stream::iter([Ok(start)]).chain(rest);
    app.call(Method::POST, "/products")
        .body(Body::from_stream(body))
        .header("content-type", "application/json")
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let app = TestApp::with(|options| options.body_limits.timeout = Duration::from_millis(20));
    begun(&app, stream::pending())
        .await
        .expect_problem(408, "/problems/request-timeout");
    assert!(app.walk("/products").await.is_empty());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let app = TestApp::new();
    let broken = stream::iter([Err(io::Error::other("a secret cause"))]);
    let problem = begun(&app, broken)
        .await
        .expect_problem(400, "/problems/malformed-json");
    assert!(!problem.to_string().contains("secret"), "{problem}");
    begun(&app, stream::empty())
        .await
        .expect_problem(400, "/problems/malformed-json");
}
