//! What is read of Stripe's objects, as its API reference has them (docs.stripe.com/api).
//!
//! Members that are not needed are not looked at, and one that is missing is `None` where that can be.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

/// What a shop attaches to an object. Its values are texts.
pub(super) type Metadata = HashMap<String, Value>;

/// A reference to another object: its id, or the object itself where Stripe expanded it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Text(String),
    Expanded { id: String },
}

impl Id {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Text(id) | Self::Expanded { id } => id,
        }
    }
}

/// A Checkout Session.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub(super) id: Id,
    pub(super) mode: String,
    pub(super) payment_status: String,
    pub(super) payment_intent: Option<Id>,
    pub(super) client_reference_id: Option<String>,
    pub(super) amount_total: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

/// A `PaymentIntent`.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: Id,
    pub(super) amount: Option<i64>,
    pub(super) amount_received: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

/// A Charge.
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) id: Id,
    pub(super) payment_intent: Option<Id>,
    pub(super) amount: Option<i64>,
    pub(super) amount_refunded: Option<i64>,
    /// False while the money is only authorized.
    #[serde(default = "yes")]
    pub(super) captured: bool,
    pub(super) currency: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

/// A Refund.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) payment_intent: Option<Id>,
    pub(super) charge: Option<Id>,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

/// A Dispute.
#[derive(Debug, Deserialize)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) payment_intent: Option<Id>,
    pub(super) charge: Option<Id>,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

const fn yes() -> bool {
    true
}
