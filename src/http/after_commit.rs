//! What follows a commit: counters, and warnings about money that needs a person.
//!
//! These functions are given to [`Store::write_then`](crate::store::Store::write_then). So a write that was rolled back has
//! no effect here, and one that was kept has its effects also where the caller has left. They decide nothing.

use ::metrics::counter;

use super::metrics;
use crate::app::orders::{Expired, Updated};
use crate::app::payments::{Delivery, Receipt};
use crate::domain::{EventResult, EventType, Notice, OrderId, PaymentEvent, PaymentId, Provider, Status};
use crate::metrics::table;

/// An order was placed.
pub(super) fn order_placed() {
    counter!(table::ORDERS_PLACED).increment(1);
}

/// A caller updated an order. An update that changes no status has no effects.
pub(super) fn order_updated(Updated { from, order }: &Updated) {
    if *from == order.status() {
        return;
    }
    match order.status() {
        Status::Shipped => counter!(table::ORDERS_SHIPPED).increment(1),
        Status::Canceled => counter!(table::ORDERS_CANCELED, "by" => "caller").increment(1),
        // A caller cannot set these.
        Status::Pending | Status::Paid => {}
    }
    if order.refund_due() {
        refund_due(order.id());
    }
}

/// Unpaid orders expired.
pub(super) fn orders_expired(expired: &Expired) {
    counter!(table::ORDERS_EXPIRED).increment(expired.count as u64);
    expired.refund_due.iter().copied().for_each(refund_due);
}

/// What an event is, for the log and the metrics.
pub(super) struct Told {
    provider: Provider,
    fact: &'static str,
    event_type: EventType,
    payment: Option<PaymentId>,
}

impl Told {
    pub(super) fn of(event: &PaymentEvent) -> Self {
        Self {
            provider: event.provider,
            fact: metrics::fact(event.fact().map(|fact| &fact.kind)),
            event_type: event.event_type.clone(),
            payment: event.fact().and_then(|fact| fact.payment_id.clone()),
        }
    }
}

/// A payment event was received.
pub(super) fn event_received(told: &Told, receipt: &Receipt) {
    let (provider, result) = (told.provider.name(), receipt.result.name());
    counter!(table::WEBHOOK_EVENTS, "provider" => provider, "fact" => told.fact, "result" => result).increment(1);
    let step = receipt.order_was.zip(receipt.order_status);
    if step == Some((Status::Pending, Status::Paid)) {
        counter!(table::ORDERS_PAID).increment(1);
    } else if step == Some((Status::Paid, Status::Canceled)) {
        counter!(table::ORDERS_CANCELED, "by" => "refund").increment(1);
    }
    let (event, order) = (receipt.event_id.as_str(), receipt.order_id.map(OrderId::get));
    let payment = told.payment.as_ref().map(PaymentId::as_str);
    if let Delivery::Recorded(result) = receipt.result
        && result.needs_a_person()
    {
        needs_a_person(result);
        tracing::warn!(
            provider,
            event,
            order,
            payment,
            result = result.name(),
            "a payment event needs a person's attention; see GET /payment-events"
        );
    }
    for (happened, result, what) in [
        (
            receipt.is_partly_refunded,
            EventResult::PartialRefund,
            "partly refunded",
        ),
        (receipt.is_disputed, EventResult::Disputed, "disputed"),
    ] {
        if happened {
            needs_a_person(result);
            tracing::warn!(
                provider,
                event,
                order,
                payment,
                "this payment was {what} before it came; see GET /payments"
            );
        }
    }
    if let Some(notice) = receipt.notice {
        let advice = advice(notice);
        let event_type = told.event_type.as_str();
        tracing::warn!(
            provider,
            event,
            event_type,
            order,
            payment,
            "a payment event was ignored: {advice}"
        );
    }
}

/// Why an event had no effect, and what to do about it.
const fn advice(notice: Notice) -> &'static str {
    match notice {
        Notice::UnknownType => {
            "its type sounds like money, and is not known here; send the types that the documentation lists, and leave this \
             one out if it is not about orders"
        }
        Notice::NoOrder => {
            "money came, and nothing in the event names an order; if it is for one, put the order's id into the metadata of \
             the payment, or into client_reference_id"
        }
        Notice::AnotherOrder => {
            "its payment was recorded for another order than the event names; find out which order the customer meant"
        }
        Notice::AnotherCurrency => {
            "it is a refund in another currency than its payment, or in parts of a cent; follow this payment by hand"
        }
        Notice::Unreadable => {
            "what it is about cannot be read; look at the event at the provider, and report this as a fault"
        }
        Notice::OtherMode => {
            "it is of the other mode (live or test) than this service expects; check STRIPE_LIVEMODE and the endpoint's mode"
        }
        Notice::OtherAccount => {
            "it is of another account than this service expects; check STRIPE_ACCOUNT and whose events the endpoint gets"
        }
    }
}

/// An order was canceled while a payment of it was open.
fn refund_due(order: OrderId) {
    needs_a_person(EventResult::RefundDue);
    tracing::warn!(
        order = order.get(),
        "a canceled order is due a refund; see GET /orders?refund_due=true"
    );
}

fn needs_a_person(result: EventResult) {
    counter!(table::MONEY_NEEDING_A_PERSON, "result" => result.name()).increment(1);
}
