//! Holds: a pending order does not expire while a payment of it is on its way.
//!
//! Each payment has a hold of its own, so that one that failed does not end another's. An order that never expires needs
//! none.

use std::time::Duration;

use super::changed;
use crate::domain::order::{Order, State};
use crate::domain::payment::{Hold, PaymentId, Provider};
use crate::domain::values::Timestamp;

/// What is known of the order that a payment on its way is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The order.
    pub order: Order,
    /// Every hold of it.
    pub holds: Vec<Hold>,
    /// The hold of the payment, whichever order that is of.
    pub hold: Option<Hold>,
}

/// A hold to write, and the order if that changes.
pub type HoldStep = (Hold, Option<Order>);

/// The payment is on its way: the order expires no earlier than this much after now. An older event than the one that ended
/// the hold does not revive it.
pub fn processing(
    (provider, payment_id): (Provider, &PaymentId),
    created_seconds: Option<i64>,
    duration: Duration,
    held: &Held,
    now: Timestamp,
) -> Option<HoldStep> {
    let deadline = deadline(held)?;
    let is_late = |hold: &Hold| {
        hold.order_id != held.order.id() || hold.ended_seconds.is_some_and(|ended| created_seconds <= Some(ended))
    };
    if held.hold.as_ref().is_some_and(is_late) {
        return None;
    }
    let before = held.hold.as_ref().and_then(|hold| hold.until);
    let until = now.after(duration);
    let hold = Hold {
        provider,
        payment_id: payment_id.clone(),
        order_id: held.order.id(),
        deadline,
        until: before.max(Some(until)),
        told_seconds: held
            .hold
            .as_ref()
            .and_then(|hold| hold.told_seconds)
            .max(created_seconds),
        ended_seconds: None,
    };
    Some(with_order(held, hold, now))
}

/// The payment failed or was given up: what it held is held no longer. An older event than one that told that it is on its
/// way is of an earlier try.
pub fn not_paid(
    (provider, payment_id): (Provider, &PaymentId),
    created_seconds: Option<i64>,
    held: &Held,
    now: Timestamp,
) -> Option<HoldStep> {
    let deadline = deadline(held)?;
    let ended = created_seconds.unwrap_or(now.millis() / 1_000);
    let is_late = |hold: &Hold| hold.order_id != held.order.id() || hold.told_seconds > Some(ended);
    if held.hold.as_ref().is_some_and(is_late) {
        return None;
    }
    let before = held.hold.as_ref();
    let hold = Hold {
        provider,
        payment_id: payment_id.clone(),
        order_id: held.order.id(),
        deadline,
        until: before.and_then(|hold| hold.until),
        told_seconds: before.and_then(|hold| hold.told_seconds),
        ended_seconds: before.and_then(|hold| hold.ended_seconds).max(Some(ended)),
    };
    Some(with_order(held, hold, now))
}

/// When the order expires without any hold; `None` where it does not expire.
fn deadline(held: &Held) -> Option<Timestamp> {
    let State::Pending {
        expires_at: Some(expires_at),
    } = held.order.state()
    else {
        return None;
    };
    Some(held.holds.first().map_or(expires_at, |hold| hold.deadline))
}

/// The hold, and the order as it expires with it.
fn with_order(held: &Held, hold: Hold, now: Timestamp) -> HoldStep {
    let others = held
        .holds
        .iter()
        .filter(|other| (other.provider, &other.payment_id) != (hold.provider, &hold.payment_id));
    let ends = others.chain([&hold]).filter(|hold| hold.ended_seconds.is_none());
    let expires_at = ends.filter_map(|hold| hold.until).fold(hold.deadline, Timestamp::max);
    let order = changed(&held.order, held.order.expire_at(expires_at, now));
    (hold, order)
}
