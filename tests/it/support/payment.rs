//! Events of the payment provider, signed with an HMAC of their own (RFC 2104), not with the code under test.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::TestApp;
use super::app::{SECRET, STRIPE_SECRET};
use super::client::{Call, Json};

/// The header with the signature.
pub(crate) const HEADER: &str = "x-webhook-signature";

/// The header with Stripe's signature.
pub(crate) const STRIPE_HEADER: &str = "stripe-signature";

/// The header that the webhook at this path is signed in, and the secret; `None` for every other path.
pub(crate) fn signer(path: &str) -> Option<(&'static str, &'static str)> {
    match path {
        "/webhooks/payment" => Some((HEADER, SECRET)),
        "/webhooks/stripe" => Some((STRIPE_HEADER, STRIPE_SECRET)),
        _ => None,
    }
}

/// The block size of SHA-256, in bytes.
const BLOCK: usize = 64;

impl TestApp {
    /// Pays a pending order, now.
    pub(crate) async fn pay(&self, order_id: i64) {
        let event = succeeded(&format!("evt_pay_{order_id}"), json!({"order_id": order_id}));
        assert_eq!(self.result(&event).await, "applied", "order {order_id} cannot be paid");
    }

    /// Delivers an event, signed now.
    pub(crate) fn webhook(&self, event: &Value) -> Call {
        self.webhook_text(&event.to_string())
    }

    /// Delivers an event with exactly this text, signed now.
    pub(crate) fn webhook_text(&self, body: &str) -> Call {
        self.signed(&self.sign(body), body)
    }

    /// Delivers a body with this signature.
    pub(crate) fn signed(&self, signature: &str, body: impl Json) -> Call {
        self.post("/webhooks/payment", body).header(HEADER, signature)
    }

    /// The signature of a body, now.
    pub(crate) fn sign(&self, body: &str) -> String {
        sign(SECRET, self.now_seconds(), body.as_bytes())
    }

    /// Delivers an event that must be accepted; returns its result.
    pub(crate) async fn result(&self, event: &Value) -> String {
        let receipt = self.webhook(event).await.json(200);
        assert_eq!(receipt["event_id"], event["id"], "{receipt}");
        receipt["result"].as_str().expect("a result").to_owned()
    }

    /// Delivers these events, a second apart, and returns their results.
    pub(crate) async fn results(&self, events: &[Value]) -> Vec<String> {
        let mut results = Vec::new();
        for event in events {
            self.clock.advance_ms(1_000);
            results.push(self.result(event).await);
        }
        results
    }

    pub(crate) fn now_seconds(&self) -> i64 {
        self.clock.now_ms() / 1_000
    }
}

/// Delivers a body to Stripe's webhook, signed now as Stripe signs.
pub(crate) fn from_stripe(app: &TestApp, body: impl Json) -> Call {
    let body = body.into_bytes();
    let signature = sign(STRIPE_SECRET, app.now_seconds(), &body);
    app.post("/webhooks/stripe", body).header(STRIPE_HEADER, &signature)
}

/// Delivers an event of Stripe about this object, made now, which must be accepted; returns its result.
pub(crate) async fn stripe_result(app: &TestApp, id: &str, kind: &str, object: Value) -> String {
    let mut event = json!({"id": id, "object": "event", "type": kind, "created": app.now_seconds(), "livemode": true});
    event["data"]["object"] = object;
    let receipt = from_stripe(app, event).await.json(200);
    receipt["result"].as_str().expect("a result").to_owned()
}

/// A `payment.succeeded` event.
pub(crate) fn succeeded(id: &str, data: Value) -> Value {
    event(id, "payment.succeeded", data)
}

/// A `payment.refunded` event.
pub(crate) fn refunded(id: &str, data: Value) -> Value {
    event(id, "payment.refunded", data)
}

/// An event of any type.
pub(crate) fn event(id: &str, kind: &str, data: Value) -> Value {
    let mut event = json!({"id": id, "type": kind});
    event["data"] = data;
    event
}

/// The signature of a body at that time.
pub(crate) fn sign(secret: &str, seconds: i64, body: &[u8]) -> String {
    format!("t={seconds},v1={}", hex(secret, seconds, body))
}

/// The `v1` of a signature.
pub(crate) fn hex(secret: &str, seconds: i64, body: &[u8]) -> String {
    let message = [seconds.to_string().as_bytes(), b".", body].concat();
    hex::encode(hmac_sha256(secret.as_bytes(), &message))
}

/// HMAC, as defined in RFC 2104.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let [inner, outer] = [0x36, 0x5c].map(|pad| block.map(|byte| byte ^ pad));
    let inner = Sha256::new().chain_update(inner).chain_update(message).finalize();
    Sha256::new().chain_update(outer).chain_update(inner).finalize().into()
}

/// A test case of RFC 4231.
#[test]
fn hmac_is_that_of_the_rfc() {
    let found = hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?"));
    assert_eq!(
        found,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}
