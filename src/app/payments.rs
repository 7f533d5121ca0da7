//! Payments: the events of the provider, and what they do.
//!
//! Each event is recorded with its effect, once, and each refund counts once. An event for an order id that was never issued
//! is refused and not recorded.

use tracing::instrument;

use super::{Page, orders};
use crate::domain::payment::rules::{self, Known, PaymentStep, Ruling};
use crate::domain::{
    EventId, EventKind, EventNumber, EventResult, OrderId, PaymentData, PaymentEvent, PaymentId, Reason, RecordedEvent,
    Refund, RefundData, RefundId, Status, Timestamp,
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
    /// Whether the event is of a payment, a part of which was refunded before it.
    pub is_partly_refunded: bool,
}

/// Receives an event: applies and records it, once.
///
/// # Errors
/// [`Error::OrderNotFound`] for a payment or refund of an order id that was never issued; then the event is not recorded,
/// so that the provider can send it again.
#[instrument(level = "debug", name = "payments::receive", skip_all, fields(event_id = event.id.as_str()))]
pub fn receive(tx: &mut dyn Tx, event: &PaymentEvent, now: Timestamp) -> Result<Receipt, Error> {
    if let Some(recorded) = tx.event(&event.id)? {
        return receipt(tx, event, Delivery::Duplicate, recorded.order_id);
    }
    let (known, ruling) = match &event.kind {
        EventKind::Succeeded(data) => {
            let known = recall_payment(tx, data)?;
            let ruling = rules::succeeded(data, &known, now);
            (known, ruling)
        }
        EventKind::Refunded(data) => {
            let known = recall_refund(tx, event, data)?;
            let ruling = rules::refunded(data, &known, now);
            (known, ruling)
        }
        EventKind::Failed { .. } | EventKind::Other(_) => {
            tx.insert_event(event, EventResult::Ignored, now)?;
            let result = Delivery::Recorded(EventResult::Ignored);
            return receipt(tx, event, result, event.kind.order_id());
        }
    };
    let ruling = ruling.map_err(|refusal| Error::internal(format!("a payment was refused: {refusal:?}")))?;
    apply(tx, event, &ruling, &known, now)?;
    Ok(Receipt {
        order_was: known.order.map(|order| order.status()),
        is_partly_refunded: match &ruling.payment {
            PaymentStep::Pays(payment) => !known.kept.is_empty() && !payment.balance.is_closed,
            PaymentStep::None | PaymentStep::Refunds(_) | PaymentStep::Keeps => false,
        },
        ..receipt(tx, event, Delivery::Recorded(ruling.result), event.kind.order_id())?
    })
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

/// What is known of the order that a payment is for.
fn recall_payment(view: &dyn View, data: &PaymentData) -> Result<Known, Error> {
    let known = recall(view, data.order_id, data.payment_id.as_ref())?;
    Ok(Known {
        kept: match &data.payment_id {
            Some(payment_id) => view.kept_refunds(data.order_id, payment_id)?,
            None => Vec::new(),
        },
        ..known
    })
}

/// What is known of the order that a refund is for.
fn recall_refund(view: &dyn View, event: &PaymentEvent, data: &RefundData) -> Result<Known, Error> {
    let known = recall(view, data.order_id, data.payment_id.as_ref())?;
    Ok(Known {
        is_refund_known: view.is_refund_known(data.order_id, &refund_id(event, data)?)?,
        ..known
    })
}

fn recall(view: &dyn View, id: OrderId, payment_id: Option<&PaymentId>) -> Result<Known, Error> {
    // An id that was issued and has no order is that of a deleted one. One that was not issued yet may become an order
    // whose event came too early.
    if view.last_order_id()?.is_none_or(|last| id > last) {
        return Err(Error::OrderNotFound { id });
    }
    Ok(Known {
        order: view.order(id)?,
        is_payment_known: match payment_id {
            Some(payment_id) => view.is_payment_known(id, payment_id)?,
            None => false,
        },
        is_refund_known: false,
        open: view.open_payments(id)?,
        kept: Vec::new(),
    })
}

/// What a refund is known by: its own id, or else that of its event.
fn refund_id(event: &PaymentEvent, data: &RefundData) -> Result<RefundId, Error> {
    match &data.refund_id {
        Some(refund_id) => Ok(refund_id.clone()),
        None => RefundId::new(event.id.as_str()).map_err(Error::internal),
    }
}

/// Records an event with what it does.
fn apply(tx: &mut dyn Tx, event: &PaymentEvent, ruling: &Ruling, known: &Known, now: Timestamp) -> Result<(), Error> {
    let number = tx.insert_event(event, ruling.result, now)?;
    match &ruling.payment {
        PaymentStep::None => {}
        PaymentStep::Pays(payment) => {
            tx.insert_payment(&payment.clone().with_number(number))?;
            for refund in &known.kept {
                let payment = Some(number);
                tx.save_refund(&Refund {
                    payment,
                    ..refund.clone()
                })?;
            }
        }
        PaymentStep::Refunds(payment) => {
            insert_refund(tx, event, number, Some(payment.number))?;
            tx.save_payment(payment)?;
        }
        PaymentStep::Keeps => insert_refund(tx, event, number, None)?,
    }
    match (&known.order, &ruling.order) {
        (Some(before), Some(after)) => orders::save(tx, before, after, Reason::OrderCanceled(after.id()), now),
        (_, None) => Ok(()),
        (None, Some(order)) => Err(Error::internal(format!("order {} came out of nowhere", order.id()))),
    }
}

/// Adds the refund that this event tells of, against this payment or to be kept.
fn insert_refund(
    tx: &mut dyn Tx,
    event: &PaymentEvent,
    number: EventNumber,
    payment: Option<EventNumber>,
) -> Result<(), Error> {
    let EventKind::Refunded(data) = &event.kind else {
        return Err(Error::internal(format!("event {number} is no refund")));
    };
    tx.insert_refund(&Refund {
        number,
        order_id: data.order_id,
        refund_id: refund_id(event, data)?,
        payment_id: data.payment_id.clone(),
        amount: data.amount,
        payment,
    })
}

/// The answer to an event that changed nothing.
fn receipt(
    view: &dyn View,
    event: &PaymentEvent,
    result: Delivery,
    order_id: Option<OrderId>,
) -> Result<Receipt, Error> {
    let order = order_id.map(|id| view.order(id)).transpose()?.flatten();
    Ok(Receipt {
        event_id: event.id.clone(),
        result,
        order_id,
        order_was: None,
        order_status: order.map(|order| order.status()),
        is_partly_refunded: false,
    })
}
