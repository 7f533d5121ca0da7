//! The two ways to sign an event over HTTP, and what a refusal says. The signatures are made with an HMAC of the tests'.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use orders_inventory::http::signature::Secret;
use serde_json::json;

use crate::support::TestApp;
use crate::support::client::Call;
use crate::support::payment::{HEADER, STRIPE_HEADER, from_stripe, hmac_sha256, sign, succeeded};

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
async fn an_event_without_an_id_is_known_by_that_of_its_header() {
    let app = app().await;
    let body = json!({"type": "payment.succeeded", "data": {"order_id": 1, "payment_id": "pay_1"}}).to_string();
    let now = app.now_seconds();
    let receipt =
        |result: &str, id: &str| json!({"event_id": id, "result": result, "order_id": 1, "order_status": "PAID"});
    assert_eq!(
        standard(&app, "msg_1", now, &body).await.json(200),
        receipt("applied", "msg_1")
    );
    // Signed anew, it is the same event; under another id it is another one that tells of the same payment.
    assert_eq!(
        standard(&app, "msg_1", now + 60, &body).await.json(200),
        receipt("duplicate", "msg_1")
    );
    assert_eq!(
        standard(&app, "msg_2", now, &body).await.json(200),
        receipt("ignored", "msg_2")
    );
    // It is the same id as one in a body, whichever way that is signed.
    let with_id = json!({"id": "msg_1", "type": "ping"}).to_string();
    let own = format!("whsec_{}", BASE64_STANDARD.encode(KEY));
    let signature = sign(&own, now, with_id.as_bytes());
    assert_eq!(
        app.signed(&signature, &*with_id).await.json(200),
        receipt("duplicate", "msg_1")
    );
    let events = app.walk("/payment-events").await;
    let ids: Vec<_> = events.iter().map(|event| &event["event_id"]).collect();
    assert_eq!(ids, ["msg_2", "msg_1"]);
}

#[tokio::test]
async fn the_id_in_the_body_counts_before_that_of_the_header() {
    let app = app().await;
    let body = succeeded("evt_1", json!({"order_id": 1})).to_string();
    let now = app.now_seconds();
    for (id, result) in [("msg_1", "applied"), ("msg_2", "duplicate")] {
        let receipt = standard(&app, id, now, &body).await.json(200);
        assert_eq!(
            (&receipt["event_id"], &receipt["result"]),
            (&json!("evt_1"), &json!(result))
        );
    }
}

#[tokio::test]
async fn an_event_without_any_id_is_refused() {
    let app = app().await;
    let own = format!("whsec_{}", BASE64_STANDARD.encode(KEY));
    for body in [
        json!({"type": "ping"}),
        json!({"type": "payment.succeeded", "data": {"order_id": 1}}),
        // Its data is read after the envelope.
        json!({"type": "payment.succeeded", "data": {"order_id": "1"}}),
    ] {
        let body = body.to_string();
        let signature = sign(&own, app.now_seconds(), body.as_bytes());
        let problem = app
            .signed(&signature, &*body)
            .await
            .expect_problem(422, "/problems/validation-failed");
        let detail = "is required, unless the header webhook-id has it";
        assert_eq!(
            problem["errors"],
            json!([{"pointer": "/id", "detail": detail}]),
            "{body}"
        );
    }
    // A null is no id, whatever the header says.
    let null = json!({"id": null, "type": "ping"}).to_string();
    let refused = standard(&app, "msg_1", app.now_seconds(), &null).await;
    assert_eq!(refused.expect_failures(), ["/id"]);
    assert!(app.walk("/payment-events").await.is_empty());
    assert_eq!(app.status_of(1).await, "PENDING");
}

#[tokio::test]
async fn headers_of_both_ways_are_refused_however_right_each_is() {
    let app = app().await;
    let body = succeeded("evt_1", json!({"order_id": 1})).to_string();
    let now = app.now_seconds();
    let own = sign(&format!("whsec_{}", BASE64_STANDARD.encode(KEY)), now, body.as_bytes());
    let both = standard(&app, "msg_1", now, &body).header(HEADER, &own);
    both.await.expect_problem(401, "/problems/invalid-signature");
    // One header of the other way is enough.
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let call = app.signed(&own, &*body).header(name, "1");
        call.await.expect_problem(401, "/problems/invalid-signature");
    }
    assert_eq!(app.status_of(1).await, "PENDING");
    app.signed(&own, &*body).await.expect(200);
}

#[tokio::test]
async fn a_refusal_says_what_an_honest_caller_can_mend() {
    let app = app().await;
    let body = succeeded("evt_1", json!({"order_id": 1})).to_string();
    let now = app.now_seconds();
    let unsigned = || app.post("/webhooks/payment", &*body);
    let neither = "The request is not signed: it has no X-Webhook-Signature, nor webhook-id, webhook-timestamp and \
                   webhook-signature.";
    let twice = "The request repeats a signature header, or is signed in two ways.";
    let unreadable = "The signature cannot be read: X-Webhook-Signature is t=<unix seconds>,v1=<hex>, and the \
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

#[tokio::test]
async fn without_stripes_secret_its_events_are_refused_and_the_own_ones_are_not() {
    for secrets in [Some(Vec::new()), None] {
        let app = TestApp::with(|options| match (secrets, &mut options.stripe) {
            (Some(none), Some((keyring, _))) => keyring.secrets = none,
            (_, stripe) => *stripe = None,
        });
        for body in ["{}", "{"] {
            let answer = from_stripe(&app, body).await;
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            let problem = answer.expect_problem(503, "/problems/webhook-not-configured");
            assert_eq!(problem["detail"], "No secret is configured for this webhook.");
        }
        // The one of the service's own events signs nothing here.
        let signature = app.sign("{}");
        app.post("/webhooks/stripe", "{}")
            .header(STRIPE_HEADER, &signature)
            .await
            .expect(503);
        app.webhook(&json!({"id": "evt_1", "type": "ping"})).await.expect(200);
        assert_eq!(app.walk("/payment-events").await.len(), 1);
    }
}
