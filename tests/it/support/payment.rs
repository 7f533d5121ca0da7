//! What the payment provider sends.

use orders_inventory::domain::Timestamp;
use orders_inventory::http::signature::{self, Secret};
use serde_json::{Value, json};

use super::TestApp;
use super::app::SECRET;
use super::client::{Call, Json};

impl TestApp {
    /// Pays a pending order, now.
    pub(crate) async fn pay(&self, order_id: i64) {
        let event = format!("evt_pay_{order_id}");
        let event = json!({"id": event, "type": "payment.succeeded", "data": {"order_id": order_id}});
        let receipt = self.webhook(&event).await.json(200);
        assert_eq!(receipt["result"], "applied", "order {order_id} cannot be paid");
    }

    /// Delivers an event, signed now.
    pub(crate) fn webhook(&self, event: &Value) -> Call {
        let body = event.to_string();
        let signature = self.sign(&body);
        self.signed(&signature, body)
    }

    /// Delivers a body with this signature.
    pub(crate) fn signed(&self, signature: &str, body: impl Json) -> Call {
        self.post("/webhooks/payment", body)
            .header(signature::HEADER, signature)
    }

    /// The signature of a body, now.
    pub(crate) fn sign(&self, body: &str) -> String {
        let secret = Secret::new(SECRET).expect("a secret");
        signature::sign(&secret, Timestamp::from_millis(self.clock.now_ms()), body.as_bytes())
    }
}
