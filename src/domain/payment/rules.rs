//! What a payment event does: a table of which the first row that fits applies, over what is known of the order.
//!
//! Two cases are decided before: an event that was recorded before changes nothing, and one of an order id that was never
//! issued is not recorded.

use super::{Balance, EventResult, NewPayment, Payment, PaymentData, Refund, RefundData};
use crate::domain::order::{Order, Refusal, Status};
use crate::domain::values::{Amount, Timestamp};

/// What is known of the order that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The order; `None` where it was deleted.
    pub order: Option<Order>,
    /// Whether the payment that the event names was recorded for this order before.
    pub is_payment_known: bool,
    /// Whether the refund that the event tells of was recorded for this order before.
    pub is_refund_known: bool,
    /// The order's open payments, newest first.
    pub open: Vec<Payment>,
    /// The refunds of the payment that the event names which came before it, oldest first.
    pub kept: Vec<Refund>,
}

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What to call it.
    pub result: EventResult,
    /// What it does to payments.
    pub payment: PaymentStep,
    /// The order after it, where it changes.
    pub order: Option<Order>,
}

/// What an event does to payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentStep {
    /// Nothing.
    None,
    /// This payment is there from now on, and the refunds that were kept for it count against it.
    Pays(NewPayment),
    /// A refund went against a payment, which from now on is this.
    Refunds(Payment),
    /// A refund is kept until its payment comes.
    Keeps,
}

impl Ruling {
    /// Nothing changes.
    pub const IGNORED: Self = Self {
        result: EventResult::Ignored,
        payment: PaymentStep::None,
        order: None,
    };
}

/// What `payment.succeeded` does.
///
/// # Errors
/// Never: the steps asked of the order are open to it.
pub fn succeeded(data: &PaymentData, known: &Known, now: Timestamp) -> Result<Ruling, Refusal> {
    // Providers repeat what they said under another event's id.
    if known.is_payment_known {
        return Ok(Ruling::IGNORED);
    }
    let amount = data
        .amount
        .map(Amount::money)
        .or(known.order.map(|order| order.total()));
    let kept = known.kept.iter();
    let balance = kept.fold(Balance::open(amount), |balance, refund| balance.refund(refund.amount));
    let pays = |result, is_own| Ruling {
        result,
        payment: PaymentStep::Pays(NewPayment {
            order_id: data.order_id,
            payment_id: data.payment_id.clone(),
            balance,
            is_own,
        }),
        order: None,
    };
    // All of it went back before it came here.
    if balance.is_closed {
        return Ok(pays(EventResult::Ignored, false));
    }
    let Some(order) = known.order else {
        return Ok(pays(EventResult::OrderGone, false));
    };
    Ok(match order.status() {
        Status::Pending if amount == Some(order.total()) => Ruling {
            order: Some(order.pay(now)?),
            ..pays(EventResult::Applied, true)
        },
        Status::Pending => pays(EventResult::AmountMismatch, false),
        Status::Paid | Status::Shipped => pays(EventResult::DuplicatePayment, false),
        Status::Canceled => Ruling {
            order: changed(order, order.settle(true, now)),
            ..pays(EventResult::RefundDue, false)
        },
    })
}

/// What `payment.refunded` does.
///
/// # Errors
/// Never: the steps asked of the order are open to it.
pub fn refunded(data: &RefundData, known: &Known, now: Timestamp) -> Result<Ruling, Refusal> {
    if known.is_refund_known {
        return Ok(Ruling::IGNORED);
    }
    let Some(before) = refunded_payment(data, &known.open) else {
        // A payment that is known and not open was refunded whole.
        let may_come = data.payment_id.is_some() && !known.is_payment_known;
        return Ok(Ruling {
            payment: if may_come {
                PaymentStep::Keeps
            } else {
                PaymentStep::None
            },
            ..Ruling::IGNORED
        });
    };
    let balance = before.balance.refund(data.amount);
    let payment = Payment {
        balance,
        ..before.clone()
    };
    if !balance.is_closed {
        return Ok(Ruling {
            result: EventResult::PartialRefund,
            payment: PaymentStep::Refunds(payment),
            order: None,
        });
    }
    let is_another_open = known.open.iter().any(|open| open.number != payment.number);
    let order = match known.order {
        None => None,
        Some(order) => match order.status() {
            // The own payment was refunded whole, so the order is canceled.
            Status::Paid if payment.is_own => Some(order.cancel(is_another_open, now)?),
            // A shipped order stays shipped, and the refund of another payment does not cancel a paid one.
            Status::Pending | Status::Paid | Status::Shipped => None,
            Status::Canceled => changed(order, order.settle(is_another_open, now)),
        },
    };
    Ok(Ruling {
        result: EventResult::Applied,
        payment: PaymentStep::Refunds(payment),
        order,
    })
}

/// The open payment that a refund is of: the one it names; else, where one of the two names none, the newest.
fn refunded_payment<'a>(data: &RefundData, open: &'a [Payment]) -> Option<&'a Payment> {
    match &data.payment_id {
        None => open.first(),
        named @ Some(_) => open
            .iter()
            .find(|payment| payment.payment_id == *named)
            .or_else(|| open.iter().find(|payment| payment.payment_id.is_none())),
    }
}

/// The order after a step, if that was one.
fn changed(before: Order, after: Order) -> Option<Order> {
    (after != before).then_some(after)
}

#[cfg(test)]
mod tests;
