//! Events in the service's own format, as facts.
//!
//! Three types have a meaning. Refused is what the contract says of them and the generated code does not read: their data.

use orders_inventory_api::models;
use orders_inventory_api::read::{Failures, Pointer, Read};
use orders_inventory_api::types::{AnyJson, Decimal};

use super::sounds_like_money;
use crate::domain::{
    Amount, Content, EventId, EventType, Fact, FactKind, Money, OrderId, PaymentEvent, PaymentId, Provider, RefundId,
    Sum,
};
use crate::http::Problem;
use crate::http::problem::at_pointer;

/// A payment was made.
const SUCCEEDED: &str = "payment.succeeded";
/// A payment was refunded, whole or in part.
const REFUNDED: &str = "payment.refunded";
/// A payment was tried in vain.
const FAILED: &str = "payment.failed";

/// The event as a domain type. The generated code has read its envelope; this reads its data, for the types that have a
/// meaning.
///
/// # Errors
/// `validation-failed` where the event has no id, neither in its body nor in the header, and for its data.
pub(super) fn event(body: models::PaymentEvent, webhook_id: Option<String>) -> Result<PaymentEvent, Problem> {
    let missing = || Problem::invalid_pointer("/id", "is required, unless the header webhook-id has it");
    let models::PaymentEvent {
        id,
        r_type,
        created,
        data,
    } = body;
    let id = id.or(webhook_id).ok_or_else(missing)?;
    let data = data.as_ref();
    let content = match r_type.as_str() {
        SUCCEEDED => Content::Fact(EventData::read(data, true)?.fact(|_| FactKind::Paid { is_of_total: true })),
        REFUNDED => Content::Fact(EventData::read(data, true)?.fact(|id| FactKind::Refund { id, has_failed: false })),
        FAILED => Content::Fact(EventData::read(data, false)?.fact(|_| FactKind::NotPaid)),
        other => Content::Nothing(sounds_like_money::notice(other)),
    };
    Ok(PaymentEvent {
        provider: Provider::Own,
        id: at_pointer("/id", EventId::new(id))?,
        event_type: at_pointer("/type", EventType::new(r_type))?,
        created_seconds: created,
        early_until: None,
        content,
    })
}

/// The data of a payment event.
struct EventData {
    order_id: Option<OrderId>,
    payment_id: Option<PaymentId>,
    refund_id: Option<RefundId>,
    amount: Option<Amount>,
}

impl EventData {
    /// Reads an event's data; the error has all failures at once.
    fn read(data: Option<&AnyJson>, needs_order: bool) -> Result<Self, Problem> {
        let at = Pointer::Member(&Pointer::Root, "data");
        let mut failures = Failures::default();
        let data = match data {
            Some(json) => models::PaymentData::read(json.get(), at, &mut failures),
            None => {
                failures.pointer(at, "is required");
                None
            }
        };
        let order_at = Pointer::Member(&at, "order_id");
        if needs_order && data.as_ref().is_some_and(|data| data.order_id.is_none()) && !failures.has(order_at) {
            failures.pointer(order_at, "is required");
        }
        let data = failures.accept(data)?;
        Ok(Self {
            order_id: at_pointer("/data/order_id", data.order_id.map(OrderId::new).transpose())?,
            payment_id: at_pointer("/data/payment_id", data.payment_id.map(PaymentId::new).transpose())?,
            refund_id: at_pointer("/data/refund_id", data.refund_id.map(RefundId::new).transpose())?,
            amount: data.amount.map(amount_of).transpose()?,
        })
    }

    /// The fact of the kind that this makes of the refund's id.
    fn fact(self, kind: impl FnOnce(Option<RefundId>) -> FactKind) -> Fact {
        Fact {
            kind: kind(self.refund_id),
            order_id: self.order_id,
            payment_id: self.payment_id,
            sum: self.amount.map(Sum::of_cents),
        }
    }
}

fn amount_of(number: Decimal) -> Result<Amount, Problem> {
    let cents = number.in_units(2);
    let cents = cents.ok_or_else(|| Problem::invalid_pointer("/data/amount", "must be an amount of money"))?;
    at_pointer("/data/amount", Amount::new(Money::from_cents(cents)))
}
