//! Stripe's events, as facts.
//!
//! The generated code has read the envelope. An event that is about something else than a payment of an order is recorded
//! and means nothing, for an endpoint that keeps refusing events is switched off by Stripe. So does one whose object cannot
//! be read, with a notice.

use std::time::Duration;

use orders_inventory_api::models;
use serde::de::DeserializeOwned;

use self::objects::{Charge, Dispute, Intent, Metadata, Refund, Session};
use super::sounds_like_money;
use crate::domain::{
    Amount, Content, Currency, DisputeId, DisputeState, EventId, EventType, Fact, FactKind, Minor, Money, Notice,
    OrderId, PaymentEvent, PaymentId, Provider, RefundId, Sum, Timestamp,
};
use crate::http::Problem;
use crate::http::problem::at_pointer;

mod amounts;
mod objects;

/// For how long an event of an order id that was never issued is refused, so that Stripe sends it again: the shop may be
/// placing the order just now.
const EARLY: Duration = Duration::from_secs(10 * 60);

/// What the service expects of Stripe's events.
#[derive(Clone, Debug)]
pub struct Stripe {
    /// The currency of the store's prices.
    pub currency: Currency,
    /// Whether events of live mode count, or those of test mode.
    pub is_live: bool,
    /// The key of the objects' metadata that has the order's id.
    pub order_key: String,
    /// The connected account whose events count; `None` for events that name no account.
    pub account: Option<String>,
    /// For how long an order is held for a payment that is on its way.
    pub hold: Duration,
}

/// The largest amount that is taken, in Stripe's units: as much as in the service's own format, and far more than Stripe
/// allows. So sums of amounts can be counted.
const UNITS_MAX: i64 = 100_000_000_000_000;

/// An object cannot be read.
struct Unreadable;

impl Stripe {
    /// The event as a domain type.
    ///
    /// # Errors
    /// `validation-failed` where the contract accepts the envelope but the domain does not.
    pub(super) fn read(&self, body: models::StripeEvent) -> Result<PaymentEvent, Problem> {
        let content = if body.livemode != self.is_live {
            Content::Nothing(Some(Notice::OtherMode))
        } else if body.account != self.account {
            Content::Nothing(Some(Notice::OtherAccount))
        } else {
            let object = body.data.object.get().get();
            let content = self.content(&body.r_type, object);
            content.unwrap_or(Content::Nothing(Some(Notice::Unreadable)))
        };
        let created = Timestamp::from_millis(body.created.saturating_mul(1_000));
        Ok(PaymentEvent {
            provider: Provider::Stripe,
            id: at_pointer("/id", EventId::new(body.id))?,
            event_type: at_pointer("/type", EventType::new(body.r_type))?,
            created_seconds: Some(body.created),
            early_until: Some(created.after(EARLY)),
            content,
        })
    }

    /// What an event of this type says of this object.
    fn content(&self, event_type: &str, object: &str) -> Result<Content, Unreadable> {
        match event_type {
            "checkout.session.completed"
            | "checkout.session.async_payment_succeeded"
            | "checkout.session.async_payment_failed"
            | "checkout.session.expired" => self.session(event_type, &parsed(object)?),
            "payment_intent.succeeded"
            | "payment_intent.payment_failed"
            | "payment_intent.canceled"
            | "payment_intent.processing"
            | "payment_intent.amount_capturable_updated" => self.intent(event_type, &parsed(object)?),
            "charge.succeeded" => self.charge(&parsed(object)?),
            "charge.refunded" => self.refunded_so_far(&parsed(object)?),
            "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
                self.refund(event_type == "refund.failed", &parsed(object)?)
            }
            "charge.dispute.created" | "charge.dispute.closed" => {
                self.dispute(event_type == "charge.dispute.closed", &parsed(object)?)
            }
            other => Ok(Content::Nothing(sounds_like_money::notice(other))),
        }
    }

    fn session(&self, event_type: &str, session: &Session) -> Result<Content, Unreadable> {
        // A subscription or a saved card is no payment of an order.
        if session.mode != "payment" {
            return Ok(Content::Nothing(None));
        }
        let kind = match (event_type, session.payment_status.as_str()) {
            ("checkout.session.async_payment_succeeded", _) | ("checkout.session.completed", "paid") => PAID,
            ("checkout.session.completed", "unpaid") => self.processing(),
            ("checkout.session.completed", "no_payment_required") => return Ok(Content::Nothing(None)),
            ("checkout.session.completed", _) => return Err(Unreadable),
            _ => FactKind::NotPaid,
        };
        let reference = session.client_reference_id.as_deref().and_then(order_id);
        Ok(Content::Fact(Fact {
            kind,
            order_id: self.order_id(session.metadata.as_ref()).or(reference),
            // Without an intent nothing was tried yet, or nothing is known but the session.
            payment_id: Some(payment_id(session.payment_intent.as_ref(), Some(&session.id))?),
            sum: self.sum(session.amount_total, session.currency.as_deref()),
        }))
    }

    fn intent(&self, event_type: &str, intent: &Intent) -> Result<Content, Unreadable> {
        let (kind, amount) = match event_type {
            // Only what was captured came. A stand-in for Stripe may leave it out where that is all.
            "payment_intent.succeeded" => (PAID, intent.amount_received.or(intent.amount)),
            "payment_intent.processing" | "payment_intent.amount_capturable_updated" => {
                (self.processing(), intent.amount)
            }
            _ => (FactKind::NotPaid, intent.amount),
        };
        Ok(Content::Fact(Fact {
            kind,
            order_id: self.order_id(intent.metadata.as_ref()),
            payment_id: Some(payment_id(None, Some(&intent.id))?),
            sum: self.sum(amount, intent.currency.as_deref()),
        }))
    }

    /// A charge that was made without an intent. What has an intent is told by that.
    fn charge(&self, charge: &Charge) -> Result<Content, Unreadable> {
        if charge.payment_intent.is_some() || !charge.captured {
            return Ok(Content::Nothing(None));
        }
        Ok(Content::Fact(Fact {
            kind: PAID,
            order_id: self.order_id(charge.metadata.as_ref()),
            payment_id: Some(payment_id(None, Some(&charge.id))?),
            sum: self.sum(charge.amount, charge.currency.as_deref()),
        }))
    }

    fn refunded_so_far(&self, charge: &Charge) -> Result<Content, Unreadable> {
        if charge.amount_refunded == Some(0) {
            return Ok(Content::Nothing(None));
        }
        let sum = self.sum(charge.amount_refunded, charge.currency.as_deref());
        Ok(Content::Fact(Fact {
            kind: FactKind::RefundedSoFar,
            order_id: self.order_id(charge.metadata.as_ref()),
            payment_id: Some(payment_id(charge.payment_intent.as_ref(), Some(&charge.id))?),
            sum: Some(sum.ok_or(Unreadable)?),
        }))
    }

    fn refund(&self, has_failed: bool, refund: &Refund) -> Result<Content, Unreadable> {
        let status = refund.status.as_deref();
        let sum = self.sum(refund.amount, refund.currency.as_deref());
        Ok(Content::Fact(Fact {
            kind: FactKind::Refund {
                id: Some(RefundId::new(refund.id.as_str()).map_err(|_| Unreadable)?),
                has_failed: has_failed || matches!(status, Some("failed" | "canceled")),
            },
            order_id: self.order_id(refund.metadata.as_ref()),
            payment_id: Some(payment_id(refund.payment_intent.as_ref(), refund.charge.as_ref())?),
            sum: Some(sum.ok_or(Unreadable)?),
        }))
    }

    fn dispute(&self, is_closed: bool, dispute: &Dispute) -> Result<Content, Unreadable> {
        let state = match (is_closed, dispute.status.as_str()) {
            (true, "won" | "warning_closed" | "prevented") => DisputeState::Won,
            (true, "lost") => DisputeState::Lost,
            (true, _) => return Err(Unreadable),
            (false, _) => DisputeState::Open,
        };
        Ok(Content::Fact(Fact {
            kind: FactKind::Dispute {
                id: DisputeId::new(dispute.id.as_str()).map_err(|_| Unreadable)?,
                state,
            },
            order_id: self.order_id(dispute.metadata.as_ref()),
            payment_id: Some(payment_id(dispute.payment_intent.as_ref(), dispute.charge.as_ref())?),
            sum: self.sum(dispute.amount, dispute.currency.as_deref()),
        }))
    }

    const fn processing(&self) -> FactKind {
        FactKind::Processing { hold: self.hold }
    }

    /// The order that the metadata names. What is no order id there names none.
    fn order_id(&self, metadata: Option<&Metadata>) -> Option<OrderId> {
        order_id(metadata?.get(&self.order_key)?.as_str()?)
    }

    /// An amount in Stripe's units of a currency; `None` where either is missing, or it is no amount that can be.
    fn sum(&self, units: Option<i64>, currency: Option<&str>) -> Option<Sum> {
        let units = units.filter(|units| (1..=UNITS_MAX).contains(units))?;
        let currency = Currency::new(currency?).ok()?;
        let ours = Some(currency).filter(|currency| *currency == self.currency);
        let cents = ours.and_then(|currency| amounts::hundredths(units, currency));
        Some(Sum {
            cents: cents.and_then(|cents| Amount::new(Money::from_cents(cents)).ok()),
            minor: Some(Minor { units, currency }),
        })
    }
}

/// A payment of Stripe always says how much it is of.
const PAID: FactKind = FactKind::Paid { is_of_total: false };

/// What a payment is known by: its intent, or else what is there without one.
fn payment_id(intent: Option<&objects::Id>, other: Option<&objects::Id>) -> Result<PaymentId, Unreadable> {
    let id = intent.or(other).ok_or(Unreadable)?;
    PaymentId::new(id.as_str()).map_err(|_| Unreadable)
}

/// The order with this id: decimal digits without a sign or a leading 0.
fn order_id(text: &str) -> Option<OrderId> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let id = text.parse().ok().filter(|_| is_plain)?;
    OrderId::new(id).ok()
}

fn parsed<T: DeserializeOwned>(object: &str) -> Result<T, Unreadable> {
    serde_json::from_str(object).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests;
