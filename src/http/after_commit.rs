//! What follows a commit: counters, and warnings about money that needs a person.
//!
//! These functions are given to [`Store::write_then`](crate::store::Store::write_then). So a write that was rolled back has
//! no effect here, and one that was kept has its effects also where the caller has left. They decide nothing.

use metrics::counter;

use crate::app::orders::{Expired, Updated};
use crate::app::payments::{Delivery, Receipt};
use crate::domain::{EventResult, OrderId, Status};
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

/// A payment event of this type was received.
pub(super) fn event_received(type_label: &'static str, receipt: &Receipt) {
    counter!(table::WEBHOOK_EVENTS, "type" => type_label, "result" => receipt.result.name()).increment(1);
    let step = receipt.order_was.zip(receipt.order_status);
    if step == Some((Status::Pending, Status::Paid)) {
        counter!(table::ORDERS_PAID).increment(1);
    } else if step == Some((Status::Paid, Status::Canceled)) {
        counter!(table::ORDERS_CANCELED, "by" => "refund").increment(1);
    }
    let (event, order) = (receipt.event_id.as_str(), receipt.order_id.map(OrderId::get));
    if let Delivery::Recorded(result) = receipt.result
        && result.needs_a_person()
    {
        needs_a_person(result);
        tracing::warn!(
            event,
            order,
            result = result.name(),
            "a payment event needs a person's attention; see GET /payment-events"
        );
    }
    if receipt.is_partly_refunded {
        needs_a_person(EventResult::PartialRefund);
        tracing::warn!(
            event,
            order,
            "a part of this payment was refunded before it came; see GET /payment-events"
        );
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
