//! What a payment event does: a table of which the first row that fits applies, over what is known of the order.
//!
//! Two cases are decided before: an event that was recorded before changes nothing, and one of an order id that was never
//! issued is not recorded.

use super::{EventResult, NewPayment, Payment, PaymentData};
use crate::domain::order::{Order, Refusal, Status};
use crate::domain::values::{Amount, Timestamp};

/// What is known of the order that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The order; `None` where it was deleted.
    pub order: Option<Order>,
    /// Whether the payment that the event names was recorded for this order before, as paid or as refunded.
    pub is_payment_known: bool,
    /// The order's open payments, newest first.
    pub open: Vec<Payment>,
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
    /// This one is open from now on.
    Opens(NewPayment),
    /// A refund went against one, which from now on is this.
    Refunds(Payment),
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
    // Providers repeat what they said under another event's id, and a refund may have overtaken its payment.
    if known.is_payment_known {
        return Ok(Ruling::IGNORED);
    }
    let named = data.amount.map(Amount::money);
    let opens = |result, amount, is_own| Ruling {
        result,
        payment: PaymentStep::Opens(NewPayment {
            order_id: data.order_id,
            payment_id: data.payment_id.clone(),
            amount,
            is_own,
        }),
        order: None,
    };
    let Some(order) = known.order else {
        return Ok(opens(EventResult::OrderGone, named, false));
    };
    let amount = named.unwrap_or(order.total());
    Ok(match order.status() {
        Status::Pending if amount == order.total() => Ruling {
            order: Some(order.pay(now)?),
            ..opens(EventResult::Applied, Some(amount), true)
        },
        Status::Pending => opens(EventResult::AmountMismatch, Some(amount), false),
        Status::Paid | Status::Shipped => opens(EventResult::DuplicatePayment, Some(amount), false),
        Status::Canceled => Ruling {
            order: changed(order, order.settle(true, now)),
            ..opens(EventResult::RefundDue, Some(amount), false)
        },
    })
}

/// What `payment.refunded` does.
///
/// # Errors
/// Never: the steps asked of the order are open to it.
pub fn refunded(data: &PaymentData, known: &Known, now: Timestamp) -> Result<Ruling, Refusal> {
    let Some(before) = refunded_payment(data, &known.open) else {
        return Ok(Ruling::IGNORED);
    };
    let payment = before.clone().refund(data.amount);
    if !payment.is_closed {
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
fn refunded_payment<'a>(data: &PaymentData, open: &'a [Payment]) -> Option<&'a Payment> {
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
