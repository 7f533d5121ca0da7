//! Payments: the events of the provider, and what they do.
//!
//! Each event is recorded with its effect, once. One for an order id that was never issued is refused and not recorded.

use super::{Page, orders};
use crate::domain::payment::rules::{self, Known, PaymentStep, Ruling};
use crate::domain::{
    EventId, EventKind, EventNumber, EventResult, OrderId, PaymentData, PaymentEvent, Reason, RecordedEvent, Status,
    Timestamp,
};
use crate::error::Error;
use crate::store::{EventFilter, Tx, View};

/// How an event was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It was recorded, with this result.
    Recorded(EventResult),
    /// It was recorded before, and changed nothing now.
    Duplicate,
}

impl Delivery {
    /// The delivery's name, the same wherever it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded(result) => result.name(),
            Self::Duplicate => "duplicate",
        }
    }
}

/// The answer to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id of it.
    pub event_id: EventId,
    /// How it was received.
    pub result: Delivery,
    /// The order that it names, or named when it was recorded.
    pub order_id: Option<OrderId>,
    /// The status of that order before; `None` where the event was no payment or refund.
    pub order_was: Option<Status>,
    /// The status of that order now; `None` where there is no such order.
    pub order_status: Option<Status>,
}

/// Receives an event: applies and records it, once.
///
/// # Errors
/// [`Error::OrderNotFound`] for a payment or refund of an order id that was never issued; then the event is not recorded,
/// so that the provider can send it again.
pub fn receive(tx: &mut dyn Tx, event: &PaymentEvent, now: Timestamp) -> Result<Receipt, Error> {
    if let Some(recorded) = tx.event(&event.id)? {
        return receipt(tx, event, Delivery::Duplicate, recorded.order_id, None);
    }
    let ruling = match &event.kind {
        EventKind::Succeeded(data) => {
            let known = recall(tx, data)?;
            Some((rules::succeeded(data, &known, now), known))
        }
        EventKind::Refunded(data) => {
            let known = recall(tx, data)?;
            Some((rules::refunded(data, &known, now), known))
        }
        EventKind::Failed { .. } | EventKind::Other(_) => None,
    };
    let (result, order_was) = match ruling {
        None => {
            tx.insert_event(event, EventResult::Ignored, None, now)?;
            (EventResult::Ignored, None)
        }
        Some((ruling, known)) => {
            let ruling = ruling.map_err(|refusal| Error::internal(format!("a payment was refused: {refusal:?}")))?;
            apply(tx, event, &ruling, &known, now)?;
            (ruling.result, known.order.map(|order| order.status()))
        }
    };
    receipt(tx, event, Delivery::Recorded(result), event.kind.order_id(), order_was)
}

/// Recorded events of this filter, newest first, before this one.
///
/// # Errors
/// As the storage fails.
pub fn list(
    view: &dyn View,
    filter: EventFilter,
    before: Option<EventNumber>,
    limit: usize,
) -> Result<Page<RecordedEvent, EventNumber>, Error> {
    let items = view.events(filter, before, limit.saturating_add(1))?;
    Ok(Page::cut(items, limit, |event| event.number))
}

/// What is known of the order that a payment or refund is for.
fn recall(view: &dyn View, data: &PaymentData) -> Result<Known, Error> {
    let id = data.order_id;
    // An id that was issued and has no order is that of a deleted one. One that was not issued yet may become an order
    // whose event came too early.
    if view.last_order_id()?.is_none_or(|last| id > last) {
        return Err(Error::OrderNotFound { id });
    }
    let is_payment_known = match &data.payment_id {
        None => false,
        Some(payment_id) => view.is_payment_known(id, payment_id)?,
    };
    Ok(Known {
        order: view.order(id)?,
        is_payment_known,
        open: view.open_payments(id)?,
    })
}

/// Records an event with what it does.
fn apply(tx: &mut dyn Tx, event: &PaymentEvent, ruling: &Ruling, known: &Known, now: Timestamp) -> Result<(), Error> {
    match &ruling.payment {
        PaymentStep::None => {
            tx.insert_event(event, ruling.result, None, now)?;
        }
        PaymentStep::Opens(payment) => {
            let number = tx.insert_event(event, ruling.result, None, now)?;
            tx.insert_payment(&payment.clone().with_number(number))?;
        }
        PaymentStep::Refunds(payment) => {
            tx.insert_event(event, ruling.result, Some(payment.number), now)?;
            tx.save_payment(payment)?;
        }
    }
    match (&known.order, &ruling.order) {
        (Some(before), Some(after)) => orders::save(tx, before, after, Reason::OrderCanceled(after.id()), now),
        (_, None) => Ok(()),
        (None, Some(order)) => Err(Error::internal(format!("order {} came out of nowhere", order.id()))),
    }
}

fn receipt(
    view: &dyn View,
    event: &PaymentEvent,
    result: Delivery,
    order_id: Option<OrderId>,
    order_was: Option<Status>,
) -> Result<Receipt, Error> {
    let order = order_id.map(|id| view.order(id)).transpose()?.flatten();
    Ok(Receipt {
        event_id: event.id.clone(),
        result,
        order_id,
        order_was,
        order_status: order.map(|order| order.status()),
    })
}
