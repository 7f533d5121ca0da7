//! The two ways to sign an event over HTTP, and what a refusal says. The signatures are made with an HMAC of the tests'.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use orders_inventory::http::signature::Secret;
use serde_json::json;

use crate::support::TestApp;
use crate::support::client::Call;
use crate::support::payment::{HEADER, hmac_sha256, succeeded};

const KEY: &[u8] = b"a key of twenty-four byte";

/// The service with a secret for Standard Webhooks, and an order.
async fn app() -> TestApp {
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(KEY));
    let app = TestApp::with(|options| options.keyring.secrets = Secret::new(&secret).into_iter().collect());
    app.product(10).await;
    app.order(1, 2).await;
    app
}

/// Delivers a body, signed as Standard Webhooks says.
fn standard(app: &TestApp, id: &str, seconds: i64, body: &str) -> Call {
    let message = format!("{id}.{seconds}.{body}");
    let signature = BASE64_STANDARD.encode(hmac_sha256(KEY, message.as_bytes()));
    app.post("/webhooks/payment", body)
        .header("webhook-id", id)
        .header("webhook-timestamp", &seconds.to_string())
        .header("webhook-signature", &format!("v1a,other v1,{signature}"))
}

#[tokio::test]
async fn an_event_signed_as_standard_webhooks_says_pays_an_order() {
    let app = app().await;
    let body = succeeded("evt_1", json!({"order_id": 1})).to_string();
    let now = app.now_seconds();
    for result in ["applied", "duplicate"] {
        let receipt = standard(&app, "msg_1", now, &body).await.json(200);
        assert_eq!(receipt["result"], result);
    }
    assert_eq!(app.status_of(1).await, "PAID");
}

#[tokio::test]
async fn a_refusal_says_what_an_honest_caller_can_mend() {
    let app = app().await;
    let body = succeeded("evt_1", json!({"order_id": 1})).to_string();
    let now = app.now_seconds();
    let unsigned = || app.post("/webhooks/payment", &*body);
    let neither = "The request is not signed: it has neither X-Webhook-Signature, nor webhook-id, webhook-timestamp and \
                   webhook-signature.";
    let twice = "The request repeats a signature header, or is signed in two ways.";
    let unreadable = "The signature headers cannot be read: X-Webhook-Signature is t=<unix seconds>,v1=<hex>, and the \
                      webhook-* headers belong together.";
    let far = "The signature's time is too far from the service's clock.";
    let other = "No signature of this request matches its body and the webhook secret.";
    for (call, detail) in [
        (unsigned(), neither),
        (unsigned().header(HEADER, "t=1"), far),
        (unsigned().header(HEADER, "v1=00"), unreadable),
        (
            unsigned().header(HEADER, &format!("t={now},v1={}", "0".repeat(64))),
            other,
        ),
        (unsigned().header("webhook-id", "msg_1"), unreadable),
        (
            standard(&app, "msg_1", now, &body).header(HEADER, &app.sign(&body)),
            twice,
        ),
        (standard(&app, "msg_1", now, &body).header("webhook-id", "msg_1"), twice),
        (standard(&app, "msg_1", now - 301, &body), far),
        (standard(&app, "msg_1", now + 301, &body), far),
        (
            standard(&app, "msg_1", now, &body).json(format!("{body} ").as_str()),
            other,
        ),
    ] {
        let problem = call.await.expect_problem(401, "/problems/invalid-signature");
        assert_eq!(problem["detail"], detail);
    }
    assert!(app.walk("/payment-events").await.is_empty());
}
