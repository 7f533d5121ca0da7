//! The verbs of payments: their events, refunds, disputes and holds.
//!
//! Payments and events outlive their order, so there is no verb that deletes one.

use crate::domain::{
    Dispute, DisputeId, EventId, EventNumber, EventResult, Hold, ListedPayment, OrderId, Payment, PaymentEvent,
    PaymentId, Provider, RecordedEvent, Refund, RefundId, Timestamp,
};
use crate::error::Error;

/// Which events a list holds; `None` narrows nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EventFilter {
    /// Only events with this result.
    pub result: Option<EventResult>,
    /// Only events about this order.
    pub order_id: Option<OrderId>,
}

impl EventFilter {
    /// Whether finding these events may look through others: then it is a [`Store::scan`](super::Store::scan). No index
    /// has both the order and the result, so the events of the order are looked through.
    pub const fn is_scan(self) -> bool {
        self.order_id.is_some() && self.result.is_some()
    }
}

/// Which payments a list holds; `None` narrows nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PaymentFilter {
    /// Only payments of this order.
    pub order_id: Option<OrderId>,
    /// Only payments that are open, or only those that are not.
    pub is_open: Option<bool>,
}

impl PaymentFilter {
    /// Whether finding these payments may look through others, as [`EventFilter::is_scan`].
    pub const fn is_scan(self) -> bool {
        self.order_id.is_some() && self.is_open.is_some()
    }
}

/// What can be read about payments.
pub trait PaymentView {
    /// The event of this provider that was recorded under this id.
    fn event(&self, provider: Provider, id: &EventId) -> Result<Option<RecordedEvent>, Error>;

    /// The newest `limit` events of this filter, newest first, before this one.
    fn events(
        &self,
        filter: EventFilter,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, Error>;

    /// The newest `limit` payments of this filter, newest first, before this one.
    fn payments(
        &self,
        filter: PaymentFilter,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<ListedPayment>, Error>;

    /// The payment with this id of this order, which the service's own format told of.
    fn payment_of_order(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<Option<Payment>, Error>;

    /// The payment with this id of this provider, whose ids are unique, whatever its order.
    fn payment_of_provider(&self, provider: Provider, payment_id: &PaymentId) -> Result<Option<Payment>, Error>;

    /// Whether the service's own format told that this payment of this order was paid.
    fn is_payment_known(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<bool, Error>;

    /// The refund with this id. In the service's own format each order has refunds of its own, else the order does not count.
    fn refund(
        &self,
        provider: Provider,
        order_id: Option<OrderId>,
        refund_id: &RefundId,
    ) -> Result<Option<Refund>, Error>;

    /// What was told of refunds of the payment of this number, oldest first.
    fn refunds_of(&self, payment: EventNumber) -> Result<Vec<Refund>, Error>;

    /// What this provider told of refunds of a payment with this id, and counts against none yet, oldest first.
    fn kept_refunds(&self, provider: Provider, payment_id: &PaymentId) -> Result<Vec<Refund>, Error>;

    /// The dispute with this id of this provider.
    fn dispute(&self, provider: Provider, id: &DisputeId) -> Result<Option<Dispute>, Error>;

    /// The disputes of this provider of a payment with this id that are about none yet.
    fn kept_disputes(&self, provider: Provider, payment_id: &PaymentId) -> Result<Vec<Dispute>, Error>;

    /// The hold for this payment of this provider.
    fn hold(&self, provider: Provider, payment_id: &PaymentId) -> Result<Option<Hold>, Error>;

    /// The holds of this order.
    fn holds(&self, order_id: OrderId) -> Result<Vec<Hold>, Error>;

    /// Whether any payment was recorded for this order, whatever the result of its event.
    fn has_recorded_payment(&self, order_id: OrderId) -> Result<bool, Error>;

    /// The open payments of this order, newest first.
    fn open_payments(&self, order_id: OrderId) -> Result<Vec<Payment>, Error>;
}

/// What can be written about payments.
pub trait PaymentTx: PaymentView {
    /// Records an event, whose id must be new to its provider, with the order that it is about and its result.
    fn insert_event(
        &mut self,
        event: &PaymentEvent,
        order_id: Option<OrderId>,
        result: EventResult,
        now: Timestamp,
    ) -> Result<EventNumber, Error>;

    /// Adds a payment, whose event must be recorded.
    fn insert_payment(&mut self, payment: &Payment) -> Result<(), Error>;

    /// Writes a payment as it is now: what was refunded of it, and whether that is all; the rest never changes.
    fn save_payment(&mut self, payment: &Payment) -> Result<(), Error>;

    /// Adds a refund, whose event must be recorded, as must be the payment that it counts against. Its id must be new.
    fn insert_refund(&mut self, refund: &Refund) -> Result<(), Error>;

    /// Writes which payment a refund counts against, and whether it failed; the rest never changes.
    fn save_refund(&mut self, refund: &Refund) -> Result<(), Error>;

    /// Adds a dispute, whose event must be recorded, as must be the payment that it is about. Its id must be new.
    fn insert_dispute(&mut self, dispute: &Dispute) -> Result<(), Error>;

    /// Writes which payment a dispute is about, and where it stands; the rest never changes.
    fn save_dispute(&mut self, dispute: &Dispute) -> Result<(), Error>;

    /// Writes a hold as it is now, be it new or not.
    fn save_hold(&mut self, hold: &Hold) -> Result<(), Error>;
}
