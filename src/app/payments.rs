//! Payments: the events of the providers, and what they do.
//!
//! Each event is recorded with its effect, once, and each refund counts once. An event for an order id that was never issued
//! is refused and not recorded, as long as that may be an order which is just being placed.

use std::collections::HashMap;
use std::time::Duration;

use tracing::instrument;

use self::known::{is_issued, is_recorded, known_payment, payment_of_own_refund, subject};
use super::{Page, orders};
use crate::domain::payment::rules::{self, Before, Held, OrderKnown, RefundKnown, RefundStep, Ruling, Step};
use crate::domain::{
    Content, Dispute, DisputeId, DisputeState, DisputeTold, EventId, EventNumber, EventResult, Fact, FactKind,
    ListedPayment, Notice, Order, OrderId, PaymentEvent, Provider, Reason, RecordedEvent, Reference, Refund, RefundId,
    RefundTold, Refusal, Status, Timestamp,
};
use crate::error::Error;
use crate::store::{EventFilter, PaymentFilter, Tx, View};

mod known;

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
    /// The order that it is about, or was about when it was recorded.
    pub order_id: Option<OrderId>,
    /// The status of that order before; `None` where the event was no payment or refund.
    pub order_was: Option<Status>,
    /// The status of that order now; `None` where there is no such order.
    pub order_status: Option<Status>,
    /// Whether the event is of a payment, a part of which was refunded before it.
    pub is_partly_refunded: bool,
    /// Whether the event is of a payment that was disputed before it.
    pub is_disputed: bool,
    /// What a person should know of an event that had no effect.
    pub notice: Option<Notice>,
}

/// Receives an event: applies and records it, once.
///
/// # Errors
/// [`Error::OrderNotFound`] for a payment, or a refund in the service's own format, of an order id that was never issued
/// and may yet be; then the event is not recorded, so that the provider can send it again.
#[instrument(level = "debug", name = "payments::receive", skip_all, fields(event_id = event.id.as_str()))]
pub fn receive(tx: &mut dyn Tx, event: &PaymentEvent, now: Timestamp) -> Result<Receipt, Error> {
    if let Some(recorded) = tx.event(event.provider, &event.id)? {
        return receipt(tx, event, Delivery::Duplicate, recorded.order_id);
    }
    let fact = match &event.content {
        Content::Fact(fact) => fact,
        Content::Nothing(notice) => {
            tx.insert_event(event, None, EventResult::Ignored, now)?;
            let ignored = Delivery::Recorded(EventResult::Ignored);
            return Ok(Receipt {
                notice: *notice,
                ..receipt(tx, event, ignored, None)?
            });
        }
    };
    match &fact.kind {
        FactKind::Paid { is_of_total } => paid(tx, event, fact, *is_of_total, now),
        FactKind::Refund { id, has_failed } => {
            // A refund without an id is known by that of its event.
            let of_event = || RefundId::new(event.id.as_str()).map_err(Error::internal);
            let id = id.clone().map_or_else(of_event, Ok)?;
            refunded(tx, event, fact, Some(id), *has_failed, now)
        }
        FactKind::RefundedSoFar => refunded(tx, event, fact, None, false, now),
        FactKind::Dispute { id, state } => disputed(tx, event, fact, (id, *state), now),
        FactKind::Processing { hold } => held(tx, event, fact, Some(*hold), now),
        FactKind::NotPaid => held(tx, event, fact, None, now),
    }
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEvents {
    /// The events.
    pub page: Page<RecordedEvent, EventNumber>,
    /// The references of the orders that they are about.
    pub references: HashMap<OrderId, Reference>,
}

/// Recorded events of this filter, newest first, before this one.
///
/// # Errors
/// As the storage fails.
pub fn list_events(
    view: &dyn View,
    filter: EventFilter,
    before: Option<EventNumber>,
    limit: usize,
) -> Result<ListedEvents, Error> {
    let items = view.events(filter, before, limit.saturating_add(1))?;
    let page = Page::cut(items, limit, |event| event.number);
    let references = orders::references(view, page.items.iter().filter_map(|event| event.order_id))?;
    Ok(ListedEvents { page, references })
}

/// Payments of this filter, newest first, before this one.
///
/// # Errors
/// As the storage fails.
pub fn list(
    view: &dyn View,
    filter: PaymentFilter,
    before: Option<EventNumber>,
    limit: usize,
) -> Result<Page<ListedPayment, EventNumber>, Error> {
    let items = view.payments(filter, before, limit.saturating_add(1))?;
    Ok(Page::cut(items, limit, |listed| listed.payment.number))
}

/// Money came.
fn paid(
    tx: &mut dyn Tx,
    event: &PaymentEvent,
    fact: &Fact,
    is_of_total: bool,
    now: Timestamp,
) -> Result<Receipt, Error> {
    let (is_known, known_order) = match event.provider {
        Provider::Own => (is_recorded(tx, fact)?, fact.order_id),
        Provider::Stripe => {
            let known = known_payment(tx, event.provider, fact)?;
            (known.is_some(), known.and_then(|payment| payment.order_id))
        }
    };
    let order = match fact.order_id {
        _ if is_known => OrderKnown::Unnamed,
        None => OrderKnown::Unnamed,
        Some(id) => match (is_issued(tx, id)?, event.early_until) {
            (true, _) => tx.order(id)?.map_or(OrderKnown::Deleted(id), OrderKnown::Placed),
            (false, Some(until)) if until <= now => OrderKnown::NeverPlaced,
            (false, Some(_) | None) => return Err(Error::OrderNotFound { id }),
        },
    };
    let (refunds, disputes) = match &fact.payment_id {
        Some(payment_id) => (
            tx.kept_refunds(event.provider, payment_id)?,
            tx.kept_disputes(event.provider, payment_id)?,
        ),
        None => (Vec::new(), Vec::new()),
    };
    let before = Before {
        order,
        is_known,
        known_order,
        refunds,
        disputes,
    };
    let about = match is_known {
        true => known_order,
        false => before.order.id(),
    };
    let ruling = rules::paid(fact, is_of_total, &before, now);
    apply(tx, event, about, before.order.placed(), ruling, now)
}

/// Money went back, or did not after all.
fn refunded(
    tx: &mut dyn Tx,
    event: &PaymentEvent,
    fact: &Fact,
    id: Option<RefundId>,
    has_failed: bool,
    now: Timestamp,
) -> Result<Receipt, Error> {
    let payment = match event.provider {
        Provider::Own => payment_of_own_refund(tx, fact)?,
        Provider::Stripe => known_payment(tx, event.provider, fact)?,
    };
    let refund = match &id {
        Some(id) => tx.refund(event.provider, fact.order_id, id)?,
        None => None,
    };
    let about = subject(tx, payment.as_ref(), fact)?;
    let order = about.map(|id| tx.order(id)).transpose()?.flatten();
    let (mut refunds, mut is_another_open) = (Vec::new(), false);
    if let Some(payment) = &payment {
        refunds = tx.refunds_of(payment.number)?;
        let open = about.map(|id| tx.open_payments(id)).transpose()?;
        is_another_open = open.iter().flatten().any(|open| open.number != payment.number);
    }
    let told = RefundTold {
        provider: event.provider,
        order_id: fact.order_id,
        id,
        payment_id: fact.payment_id.clone(),
        sum: fact.sum,
        has_failed,
    };
    let known = RefundKnown {
        payment,
        refunds,
        refund,
        order,
        is_another_open,
    };
    let ruling = rules::refunded(&told, &known, now);
    apply(tx, event, about, known.order.as_ref(), ruling, now)
}

/// The customer's bank disputes a payment, or a dispute is over.
fn disputed(
    tx: &mut dyn Tx,
    event: &PaymentEvent,
    fact: &Fact,
    (id, state): (&DisputeId, DisputeState),
    now: Timestamp,
) -> Result<Receipt, Error> {
    let payment = known_payment(tx, event.provider, fact)?;
    let about = subject(tx, payment.as_ref(), fact)?;
    let Some(payment_id) = fact.payment_id.clone() else {
        // There is no payment to follow it with.
        return apply(tx, event, about, None, Ok(Ruling::IGNORED), now);
    };
    let told = DisputeTold {
        provider: event.provider,
        id: id.clone(),
        order_id: fact.order_id,
        payment_id,
        state,
    };
    let known = tx.dispute(event.provider, id)?;
    let ruling = rules::disputed(&told, payment.as_ref(), known.as_ref());
    apply(tx, event, about, None, Ok(ruling), now)
}

/// A payment is on its way, or was given up.
fn held(
    tx: &mut dyn Tx,
    event: &PaymentEvent,
    fact: &Fact,
    hold_for: Option<Duration>,
    now: Timestamp,
) -> Result<Receipt, Error> {
    let payment = known_payment(tx, event.provider, fact)?;
    let about = match event.provider {
        // Its events are recorded with the order that they name, whatever that is.
        Provider::Own => fact.order_id,
        Provider::Stripe => subject(tx, payment.as_ref(), fact)?,
    };
    let order = about.map(|id| tx.order(id)).transpose()?.flatten();
    let mut after = None;
    if let (Some(order), Some(payment_id)) = (&order, &fact.payment_id) {
        let held = Held {
            order: order.clone(),
            holds: tx.holds(order.id())?,
            hold: tx.hold(event.provider, payment_id)?,
        };
        let (of, created) = ((event.provider, payment_id), event.created_seconds);
        let step = match hold_for {
            Some(duration) => rules::processing(of, created, duration, &held, now),
            None => rules::not_paid(of, created, &held, now),
        };
        if let Some((hold, changed)) = step {
            tx.save_hold(&hold)?;
            after = changed;
        }
    }
    let ruling = Ruling {
        order: after,
        ..Ruling::IGNORED
    };
    apply(tx, event, about, order.as_ref(), Ok(ruling), now)
}

/// Records an event with what it does. `order` is the one that it may change.
fn apply(
    tx: &mut dyn Tx,
    event: &PaymentEvent,
    about: Option<OrderId>,
    order: Option<&Order>,
    ruling: Result<Ruling, Refusal>,
    now: Timestamp,
) -> Result<Receipt, Error> {
    let ruling = ruling.map_err(|refusal| Error::internal(format!("a payment was refused: {refusal:?}")))?;
    let number = tx.insert_event(event, about, ruling.result, now)?;
    record(tx, event, number, &ruling.step)?;
    match (order, &ruling.order) {
        (Some(before), Some(after)) => orders::save(tx, before, after, Reason::OrderCanceled(after.id()), now)?,
        (_, None) => {}
        (None, Some(order)) => return Err(Error::internal(format!("order {} came out of nowhere", order.id()))),
    }
    let (is_partly_refunded, is_disputed) = match &ruling.step {
        Step::Pays(payment, _, disputes) => (
            payment.balance.refunded > 0 && !payment.balance.is_closed,
            disputes.iter().any(|dispute| dispute.told.state.needs_a_person()),
        ),
        Step::None | Step::Refunds(..) | Step::Keeps(_) | Step::Disputes(..) | Step::Settles(_) => (false, false),
    };
    Ok(Receipt {
        order_was: order.map(|order| order.status()),
        is_partly_refunded,
        is_disputed,
        notice: ruling.notice,
        ..receipt(tx, event, Delivery::Recorded(ruling.result), about)?
    })
}

/// Writes what the event of this number does to payments, refunds and disputes.
fn record(tx: &mut dyn Tx, event: &PaymentEvent, number: EventNumber, step: &Step) -> Result<(), Error> {
    let payment = Some(number);
    match step {
        Step::None => {}
        Step::Pays(new, refunds, disputes) => {
            tx.insert_payment(&new.clone().with_number(event.provider, number))?;
            for refund in refunds.iter().cloned() {
                tx.save_refund(&Refund { payment, ..refund })?;
            }
            for dispute in disputes.iter().cloned() {
                tx.save_dispute(&Dispute { payment, ..dispute })?;
            }
        }
        Step::Refunds(step, payment) => {
            record_refund(tx, number, step, Some(payment.number))?;
            tx.save_payment(payment)?;
        }
        Step::Keeps(step) => record_refund(tx, number, step, None)?,
        Step::Disputes(new, payment) => tx.insert_dispute(&Dispute {
            number,
            told: new.clone(),
            payment: payment.as_ref().map(|payment| payment.number),
        })?,
        Step::Settles(dispute) => tx.save_dispute(dispute)?,
    }
    Ok(())
}

fn record_refund(
    tx: &mut dyn Tx,
    number: EventNumber,
    step: &RefundStep,
    payment: Option<EventNumber>,
) -> Result<(), Error> {
    match step {
        RefundStep::New(told) => {
            let told = told.clone();
            tx.insert_refund(&Refund { number, told, payment })
        }
        RefundStep::Failed(refund) => tx.save_refund(refund),
    }
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
        is_disputed: false,
        notice: None,
    })
}
