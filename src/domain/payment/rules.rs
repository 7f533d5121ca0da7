//! What an event does: a table of which the first row that fits applies, over what is known of the payment and the order.
//!
//! The rules know facts, not providers. Decided before they are asked: an event that was recorded before changes nothing,
//! and one of an order id that was never issued is not recorded as long as that may be an order which is just being placed.

use super::books::count;
use super::{
    Balance, Currency, Dispute, DisputeTold, EventResult, Fact, NewPayment, Notice, Payment, Refund, RefundTold, Sum,
};
use crate::domain::order::{Order, Refusal, Status};
use crate::domain::values::{Money, OrderId, Timestamp};

mod holds;

pub use holds::{Held, HoldStep, not_paid, processing};

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What to call it.
    pub result: EventResult,
    /// What it does to payments, refunds and disputes.
    pub step: Step,
    /// The order after it, where it changes.
    pub order: Option<Order>,
    /// What a person should know of an event that had no effect.
    pub notice: Option<Notice>,
}

/// What an event does to payments, refunds and disputes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    None,
    /// This payment is there from now on. These refunds and disputes, which were kept for it, count against it.
    Pays(NewPayment, Vec<Refund>, Vec<Dispute>),
    /// A refund is new, or is known to have failed from now on; the payment that it counts against is this.
    Refunds(RefundStep, Payment),
    /// A refund is new, or is known to have failed from now on, and is kept until its payment comes.
    Keeps(RefundStep),
    /// A dispute is new, about this payment if that is there.
    Disputes(DisputeTold, Option<Payment>),
    /// A dispute that is known stands like this from now on.
    Settles(Dispute),
}

/// What an event does to the refund that it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundStep {
    /// It is new.
    New(RefundTold),
    /// It was known, and has failed.
    Failed(Refund),
}

impl Ruling {
    /// Nothing changes.
    pub const IGNORED: Self = Self {
        result: EventResult::Ignored,
        step: Step::None,
        order: None,
        notice: None,
    };

    /// Nothing changes, and a person should know why.
    const fn ignored_with(notice: Notice) -> Self {
        Self {
            notice: Some(notice),
            ..Self::IGNORED
        }
    }
}

/// What is known of the order that a payment is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderKnown {
    /// Nothing names one.
    Unnamed,
    /// Its id was never issued.
    NeverPlaced,
    /// It was deleted.
    Deleted(OrderId),
    /// This is it.
    Placed(Order),
}

impl OrderKnown {
    /// The order, where it is there.
    pub const fn placed(&self) -> Option<&Order> {
        match self {
            Self::Placed(order) => Some(order),
            Self::Unnamed | Self::NeverPlaced | Self::Deleted(_) => None,
        }
    }

    /// Its id, where that was issued.
    pub const fn id(&self) -> Option<OrderId> {
        match self {
            Self::Placed(order) => Some(order.id()),
            Self::Deleted(id) => Some(*id),
            Self::Unnamed | Self::NeverPlaced => None,
        }
    }
}

/// What came before the payment that an event tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The order that the event names.
    pub order: OrderKnown,
    /// Whether the payment was recorded before.
    pub is_known: bool,
    /// The order that it was recorded for then.
    pub known_order: Option<OrderId>,
    /// The refunds of it that are kept, oldest first.
    pub refunds: Vec<Refund>,
    /// The disputes of it that are kept.
    pub disputes: Vec<Dispute>,
}

/// What a payment that was made does; `is_of_total` is that of [`super::FactKind::Paid`].
///
/// # Errors
/// Never: the steps asked of the order are open to it.
pub fn paid(fact: &Fact, is_of_total: bool, before: &Before, now: Timestamp) -> Result<Ruling, Refusal> {
    let named = fact.order_id;
    if before.is_known {
        // Providers repeat what they said under another event's id.
        return Ok(match names_another(named, before.known_order) {
            true => Ruling::ignored_with(Notice::AnotherOrder),
            false => Ruling::IGNORED,
        });
    }
    if before.order == OrderKnown::Unnamed {
        return Ok(Ruling::ignored_with(Notice::NoOrder));
    }
    let order = before.order.placed();
    let came = came(fact.sum.as_ref(), order.filter(|_| is_of_total));
    let (refunds, disputes) = counted(before, came.foreign);
    let count = |sum: &Sum| count(sum, came.foreign);
    let balance = Balance::after(came.amount, refunds.iter().map(|refund| &refund.told), count);
    let pays = |result, is_own, order| {
        let payment = NewPayment {
            order_id: before.order.id(),
            payment_id: fact.payment_id.clone(),
            currency: fact.sum.as_ref().and_then(Sum::currency),
            is_foreign: came.foreign.is_some(),
            balance,
            is_own,
        };
        Ruling {
            result,
            step: Step::Pays(payment, refunds.clone(), disputes.clone()),
            order,
            notice: None,
        }
    };
    // All of it went back before it came here.
    if balance.is_closed {
        return Ok(pays(EventResult::Ignored, false, None));
    }
    let owing = order.and_then(|order| changed(order, order.settle(true, now)));
    let is_unknown = fact.sum.is_none() && !is_of_total;
    Ok(match &before.order {
        OrderKnown::Unnamed => Ruling::ignored_with(Notice::NoOrder),
        OrderKnown::NeverPlaced => pays(EventResult::OrderUnknown, false, None),
        OrderKnown::Deleted(_) | OrderKnown::Placed(_) if came.foreign.is_some() => {
            pays(EventResult::CurrencyMismatch, false, owing)
        }
        OrderKnown::Deleted(_) | OrderKnown::Placed(_) if is_unknown => pays(EventResult::AmountMismatch, false, owing),
        OrderKnown::Deleted(_) => pays(EventResult::OrderGone, false, None),
        OrderKnown::Placed(order) => match order.status() {
            Status::Pending if came.amount == Some(order.total().cents()) => {
                pays(EventResult::Applied, true, Some(order.pay(now)?))
            }
            Status::Pending => pays(EventResult::AmountMismatch, false, None),
            Status::Paid | Status::Shipped => pays(EventResult::DuplicatePayment, false, None),
            Status::Canceled => pays(EventResult::RefundDue, false, owing),
        },
    })
}

/// The refunds and disputes among those that were kept which are of the payment: they name no other order, and what they
/// say can be said in its units.
fn counted(before: &Before, foreign: Option<Currency>) -> (Vec<Refund>, Vec<Dispute>) {
    let fits = |named: Option<OrderId>| !names_another(named, before.order.id());
    let is_countable = |refund: &RefundTold| refund.sum.as_ref().is_none_or(|sum| count(sum, foreign).is_some());
    let refunds = before.refunds.iter().filter(|refund| fits(refund.told.order_id));
    let refunds = refunds.filter(|refund| is_countable(&refund.told));
    let disputes = before.disputes.iter().filter(|dispute| fits(dispute.told.order_id));
    (refunds.cloned().collect(), disputes.cloned().collect())
}

/// What a payment brings.
struct Came {
    /// How much, in its units.
    amount: Option<i64>,
    /// The currency in whose units it is counted, where the service's hundredths cannot say it.
    foreign: Option<Currency>,
}

/// What came by this sum; without one, the total of this order.
fn came(sum: Option<&Sum>, order: Option<&Order>) -> Came {
    let foreign = sum.filter(|sum| sum.cents.is_none()).and_then(Sum::currency);
    Came {
        amount: match sum {
            Some(sum) => count(sum, foreign),
            None => order.map(Order::total).map(Money::cents),
        },
        foreign,
    }
}

/// What is known of the refund that an event tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundKnown {
    /// The payment that it is of.
    pub payment: Option<Payment>,
    /// The refunds that count against that payment.
    pub refunds: Vec<Refund>,
    /// The refund itself, if an event told of it before.
    pub refund: Option<Refund>,
    /// The order of that payment, where it is there.
    pub order: Option<Order>,
    /// Whether another payment of that order is open.
    pub is_another_open: bool,
}

/// What a refund does, or a total of refunds so far, or a refund that failed.
///
/// # Errors
/// Never: the steps asked of the order are open to it.
pub fn refunded(told: &RefundTold, known: &RefundKnown, now: Timestamp) -> Result<Ruling, Refusal> {
    let step = match &known.refund {
        None => RefundStep::New(told.clone()),
        Some(refund) if told.has_failed && !refund.told.has_failed => {
            let told = RefundTold {
                has_failed: true,
                ..refund.told.clone()
            };
            RefundStep::Failed(Refund { told, ..refund.clone() })
        }
        // A refund counts once, and a failure is final.
        Some(_) => return Ok(Ruling::IGNORED),
    };
    let Some(payment) = &known.payment else {
        // One that names no payment could be of any, so there is nothing to wait for.
        return Ok(match told.payment_id.is_some() {
            true => Ruling {
                step: Step::Keeps(step),
                ..Ruling::IGNORED
            },
            false => Ruling::IGNORED,
        });
    };
    if names_another(told.order_id, payment.order_id) {
        return Ok(Ruling::ignored_with(Notice::AnotherOrder));
    }
    if told.sum.as_ref().is_some_and(|sum| payment.count(sum).is_none()) {
        return Ok(Ruling::ignored_with(Notice::AnotherCurrency));
    }
    let (told, number) = match &step {
        RefundStep::New(told) => (told, None),
        // An earlier event said something else of it, by which it does not count against this payment.
        RefundStep::Failed(refund) if refund.payment != Some(payment.number) => return Ok(Ruling::IGNORED),
        RefundStep::Failed(refund) => (&refund.told, Some(refund.number)),
    };
    let others = known.refunds.iter().filter(|refund| Some(refund.number) != number);
    let refunds = others.map(|refund| &refund.told).chain([told]);
    let before = payment.balance;
    let after = Balance::after(before.amount, refunds, |sum| payment.count(sum));
    let payment = Payment {
        balance: after,
        ..payment.clone()
    };
    let is_own = payment.is_own;
    let rules = |result, order| Ruling {
        result,
        step: Step::Refunds(step.clone(), payment.clone()),
        order,
        notice: None,
    };
    let size = |balance: Balance| (balance.is_closed, balance.refunded);
    if size(after) == size(before) {
        return Ok(rules(EventResult::Ignored, None));
    }
    if size(after) < size(before) {
        let owing = known
            .order
            .as_ref()
            .and_then(|order| changed(order, order.settle(true, now)));
        return Ok(match known.order.as_ref().map(Order::status) {
            Some(Status::Canceled) => rules(EventResult::RefundDue, owing),
            Some(Status::Pending | Status::Paid | Status::Shipped) | None => rules(EventResult::RefundFailed, None),
        });
    }
    if !after.is_closed {
        return Ok(rules(EventResult::PartialRefund, None));
    }
    let order = match &known.order {
        None => None,
        Some(order) => match order.status() {
            // The own payment was refunded whole, so the order is canceled.
            Status::Paid if is_own => Some(order.cancel(known.is_another_open, now)?),
            // A shipped order stays shipped, and the refund of another payment does not cancel a paid one.
            Status::Pending | Status::Paid | Status::Shipped => None,
            Status::Canceled => changed(order, order.settle(known.is_another_open, now)),
        },
    };
    Ok(rules(EventResult::Applied, order))
}

/// What a dispute does, or the end of one: it needs a person, and moves neither an order nor stock. `known` is the dispute,
/// if an event told of it before.
pub fn disputed(told: &DisputeTold, payment: Option<&Payment>, known: Option<&Dispute>) -> Ruling {
    if payment.is_some_and(|payment| names_another(told.order_id, payment.order_id)) {
        return Ruling::ignored_with(Notice::AnotherOrder);
    }
    // An earlier event said something else of it, by which it is not about this payment.
    let is_about = |known: &Dispute| payment.is_none_or(|payment| known.payment == Some(payment.number));
    if !known.is_none_or(is_about) {
        return Ruling::IGNORED;
    }
    let state = known.map_or(told.state, |known| known.told.state.then(told.state));
    if known.is_some_and(|known| known.told.state == state) {
        return Ruling::IGNORED;
    }
    Ruling {
        result: match payment.is_some() && state.needs_a_person() {
            true => EventResult::Disputed,
            false => EventResult::Ignored,
        },
        step: match known {
            None => Step::Disputes(told.clone(), payment.cloned()),
            Some(known) => {
                let told = DisputeTold {
                    state,
                    ..known.told.clone()
                };
                Step::Settles(Dispute { told, ..known.clone() })
            }
        },
        ..Ruling::IGNORED
    }
}

/// Whether this order, which an event names, is another than that of its payment. A payment of no order has no other.
fn names_another(named: Option<OrderId>, of_payment: Option<OrderId>) -> bool {
    named
        .zip(of_payment)
        .is_some_and(|(named, of_payment)| named != of_payment)
}

/// The order after a step, if that was one.
fn changed(before: &Order, after: Order) -> Option<Order> {
    (after != *before).then_some(after)
}

#[cfg(test)]
mod tests;
