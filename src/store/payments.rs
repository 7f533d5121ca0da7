//! The verbs of payments and of payment events.
//!
//! Both outlive their order, so there is no verb that deletes one.

use crate::domain::{
    EventId, EventNumber, EventResult, OrderId, Payment, PaymentEvent, PaymentId, RecordedEvent, Refund, RefundId,
    Timestamp,
};
use crate::error::Error;

/// Which events a list holds; `None` narrows nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only events with this result.
    pub result: Option<EventResult>,
    /// Only events that name this order.
    pub order_id: Option<OrderId>,
}

impl EventFilter {
    /// Whether finding these events may look through others: then it is a [`Store::scan`](super::Store::scan). No index
    /// has both the order and the result, so the events of the order are looked through.
    pub const fn is_scan(self) -> bool {
        self.order_id.is_some() && self.result.is_some()
    }
}

/// What can be read about payments.
pub trait PaymentView {
    /// The event that was recorded under this id.
    fn event(&self, id: &EventId) -> Result<Option<RecordedEvent>, Error>;

    /// The newest `limit` events of this filter, newest first, before this one.
    fn events(
        &self,
        filter: EventFilter,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, Error>;

    /// Whether a `payment.succeeded` of this payment was recorded for this order.
    fn is_payment_known(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<bool, Error>;

    /// Whether this refund was recorded for this order.
    fn is_refund_known(&self, order_id: OrderId, refund_id: &RefundId) -> Result<bool, Error>;

    /// The refunds of this payment that count against none yet, oldest first.
    fn kept_refunds(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<Vec<Refund>, Error>;

    /// Whether any `payment.succeeded` was recorded for this order, whatever its result.
    fn has_recorded_payment(&self, order_id: OrderId) -> Result<bool, Error>;

    /// The open payments of this order, newest first.
    fn open_payments(&self, order_id: OrderId) -> Result<Vec<Payment>, Error>;
}

/// What can be written about payments.
pub trait PaymentTx: PaymentView {
    /// Records an event, whose id must be new, with its result.
    fn insert_event(&mut self, event: &PaymentEvent, result: EventResult, now: Timestamp)
    -> Result<EventNumber, Error>;

    /// Adds a payment, whose event must be recorded.
    fn insert_payment(&mut self, payment: &Payment) -> Result<(), Error>;

    /// Writes a payment as it is now: what was refunded of it, and whether that is all; the rest never changes.
    fn save_payment(&mut self, payment: &Payment) -> Result<(), Error>;

    /// Adds a refund, whose event must be recorded, as must be the payment that it counts against. Its id must be new to
    /// the order.
    fn insert_refund(&mut self, refund: &Refund) -> Result<(), Error>;

    /// Writes which payment a refund counts against; the rest never changes.
    fn save_refund(&mut self, refund: &Refund) -> Result<(), Error>;
}
