//! Payments, and the events with which the provider tells of them.
//!
//! Payments are tracked one by one, because providers repeat, reorder and split events. A payment is *open* from its
//! `payment.succeeded` until refunds add up to its amount; a canceled order with an open payment owes a refund. Refunds have
//! an identity, so each counts once, and one that comes before its payment is kept until that is there. What an event does
//! is decided in [`rules`]. Amounts of 0 and empty ids are refused.

use super::values::{Amount, Invalid, Money, OrderId, Timestamp, integer, text};

pub mod rules;

text! {
    /// The provider's id of an event; the same event always has the same.
    EventId, str::is_empty, "an event's id is not empty"
}
text! {
    /// The provider's id of a payment.
    PaymentId, str::is_empty, "a payment's id is not empty"
}
text! {
    /// The provider's id of a refund; the id of its event where it has none.
    RefundId, str::is_empty, "a refund's id is not empty"
}
integer! {
    /// The number of a recorded event; a later one has a larger number.
    EventNumber, 1, "an id is positive"
}

/// The type of an event that has no effect here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherType(String);

impl OtherType {
    /// The type of this name.
    ///
    /// # Errors
    /// [`Invalid`] if the name is empty, or one that has an effect here.
    pub fn new(name: impl Into<String>) -> Result<Self, Invalid> {
        let name = name.into();
        match name.as_str() {
            "" => Err(Invalid("an event's type is not empty")),
            EventKind::SUCCEEDED | EventKind::REFUNDED | EventKind::FAILED => {
                Err(Invalid("an event of this type has a meaning"))
            }
            _ => Ok(Self(name)),
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an event says of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentData {
    /// The order that it is for.
    pub order_id: OrderId,
    /// The payment, where the event names it.
    pub payment_id: Option<PaymentId>,
    /// The amount, where the event names it; else the order's total.
    pub amount: Option<Amount>,
}

/// What an event says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundData {
    /// The order whose payment it is of.
    pub order_id: OrderId,
    /// The payment, where the event names it.
    pub payment_id: Option<PaymentId>,
    /// The refund, where the event names it.
    pub refund_id: Option<RefundId>,
    /// The amount, where the event names it; else all that is left of the payment.
    pub amount: Option<Amount>,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A payment succeeded.
    Succeeded(PaymentData),
    /// A payment was refunded, whole or in part.
    Refunded(RefundData),
    /// A payment was tried in vain.
    Failed {
        /// The order that it was for, where the event names it.
        order_id: Option<OrderId>,
        /// The payment, where the event names it.
        payment_id: Option<PaymentId>,
        /// How much, where the event says so.
        amount: Option<Amount>,
    },
    /// Something that means nothing here.
    Other(OtherType),
}

impl EventKind {
    /// The type of [`EventKind::Succeeded`].
    pub const SUCCEEDED: &'static str = "payment.succeeded";
    /// The type of [`EventKind::Refunded`].
    pub const REFUNDED: &'static str = "payment.refunded";
    /// The type of [`EventKind::Failed`].
    pub const FAILED: &'static str = "payment.failed";

    /// The event's type, as it was sent.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Succeeded(_) => Self::SUCCEEDED,
            Self::Refunded(_) => Self::REFUNDED,
            Self::Failed { .. } => Self::FAILED,
            Self::Other(name) => name.as_str(),
        }
    }

    /// The order that it names.
    pub const fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::Succeeded(data) => Some(data.order_id),
            Self::Refunded(data) => Some(data.order_id),
            Self::Failed { order_id, .. } => *order_id,
            Self::Other(_) => None,
        }
    }

    /// The payment that it names.
    pub const fn payment_id(&self) -> Option<&PaymentId> {
        match self {
            Self::Succeeded(data) => data.payment_id.as_ref(),
            Self::Refunded(data) => data.payment_id.as_ref(),
            Self::Failed { payment_id, .. } => payment_id.as_ref(),
            Self::Other(_) => None,
        }
    }

    /// The refund that it names.
    pub const fn refund_id(&self) -> Option<&RefundId> {
        match self {
            Self::Refunded(data) => data.refund_id.as_ref(),
            Self::Succeeded(_) | Self::Failed { .. } | Self::Other(_) => None,
        }
    }

    /// The amount that it names.
    pub const fn amount(&self) -> Option<Amount> {
        match self {
            Self::Succeeded(data) => data.amount,
            Self::Refunded(data) => data.amount,
            Self::Failed { amount, .. } => *amount,
            Self::Other(_) => None,
        }
    }
}

/// What the provider sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentEvent {
    /// The provider's id of it.
    pub id: EventId,
    /// When it happened, in Unix seconds by the provider's clock, where it says so. It is only stored.
    pub created_seconds: Option<i64>,
    /// What it says.
    pub kind: EventKind,
}

/// The result of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventResult {
    /// The order was paid, or a payment was refunded whole.
    Applied,
    /// Nothing changed.
    Ignored,
    /// A payment of another amount than the order's total.
    AmountMismatch,
    /// A further payment of a paid order.
    DuplicatePayment,
    /// A payment of a canceled order.
    RefundDue,
    /// A payment of a deleted order.
    OrderGone,
    /// Less than the payment was refunded.
    PartialRefund,
}

impl EventResult {
    /// Every result.
    pub const ALL: [Self; 7] = [
        Self::Applied,
        Self::Ignored,
        Self::AmountMismatch,
        Self::DuplicatePayment,
        Self::RefundDue,
        Self::OrderGone,
        Self::PartialRefund,
    ];

    /// The result's name, the same wherever it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::AmountMismatch => "amount_mismatch",
            Self::DuplicatePayment => "duplicate_payment",
            Self::RefundDue => "refund_due",
            Self::OrderGone => "order_gone",
            Self::PartialRefund => "partial_refund",
        }
    }

    /// The result of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.name() == name)
    }

    /// Whether a person has to look into it.
    pub const fn needs_a_person(self) -> bool {
        match self {
            Self::Applied | Self::Ignored => false,
            Self::AmountMismatch | Self::DuplicatePayment | Self::RefundDue | Self::OrderGone | Self::PartialRefund => {
                true
            }
        }
    }
}

/// An event as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place among all that were recorded.
    pub number: EventNumber,
    /// The provider's id of it.
    pub event_id: EventId,
    /// Its type, as it was sent.
    pub type_name: String,
    /// When it happened, in Unix seconds by the provider's clock.
    pub created_seconds: Option<i64>,
    /// The order that it names.
    pub order_id: Option<OrderId>,
    /// The payment that it names.
    pub payment_id: Option<PaymentId>,
    /// The refund that it names.
    pub refund_id: Option<RefundId>,
    /// The amount that it names.
    pub amount: Option<Amount>,
    /// What became of it.
    pub result: EventResult,
    /// When it was recorded.
    pub received_at: Timestamp,
}

/// The money of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// What came, where it is known. Only for a deleted order it can be unknown: where no amount was named, it is the
    /// order's total.
    pub amount: Option<Money>,
    /// What refunds have taken of it so far, never more than its amount.
    pub refunded: Money,
    /// Whether refunds have taken all of it.
    pub is_closed: bool,
}

impl Balance {
    /// That of a payment of which nothing was refunded.
    pub const fn open(amount: Option<Money>) -> Self {
        Self {
            amount,
            refunded: Money::ZERO,
            is_closed: false,
        }
    }

    /// The balance after a refund of so much, or of all that was left. An unknown amount stays open until a refund takes
    /// all.
    #[must_use]
    pub fn refund(self, refund: Option<Amount>) -> Self {
        let refunded = match (self.amount, refund) {
            (None, None) => self.refunded,
            (None, Some(refund)) => self.refunded.saturating_add(refund.money()),
            (Some(amount), None) => amount,
            (Some(amount), Some(refund)) => self.refunded.saturating_add(refund.money()).min(amount),
        };
        Self {
            refunded,
            is_closed: self.is_closed || refund.is_none() || self.amount == Some(refunded),
            ..self
        }
    }
}

/// A payment to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// The order that it is for, which may be gone.
    pub order_id: OrderId,
    /// The provider's id of it, where its event named one.
    pub payment_id: Option<PaymentId>,
    /// Its money, after the refunds that came before it.
    pub balance: Balance,
    /// Whether it is the one that made its order `PAID`.
    pub is_own: bool,
}

impl NewPayment {
    /// The payment that this becomes with the event of this number.
    #[must_use]
    pub fn with_number(self, number: EventNumber) -> Payment {
        Payment {
            number,
            order_id: self.order_id,
            payment_id: self.payment_id,
            balance: self.balance,
            is_own: self.is_own,
        }
    }
}

/// Money that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The number of the event that told of it, by which it is known here.
    pub number: EventNumber,
    /// The order that it is for, which may be gone.
    pub order_id: OrderId,
    /// The provider's id of it, where its event named one.
    pub payment_id: Option<PaymentId>,
    /// Its money.
    pub balance: Balance,
    /// Whether it is the one that made its order `PAID`.
    pub is_own: bool,
}

/// Money that went back. Of an order each has an id of its own, so it counts once, whatever number of events tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The number of the first event that told of it.
    pub number: EventNumber,
    /// The order whose payment it is of.
    pub order_id: OrderId,
    /// What it is known by.
    pub refund_id: RefundId,
    /// The payment that its event named.
    pub payment_id: Option<PaymentId>,
    /// How much; all that was left of the payment where this is `None`.
    pub amount: Option<Amount>,
    /// The number of the payment that it counts against; `None` while that has not come.
    pub payment: Option<EventNumber>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_survive_their_names() {
        for result in EventResult::ALL {
            assert_eq!(EventResult::from_name(result.name()), Some(result));
        }
        assert_eq!(EventResult::from_name("duplicate"), None);
    }

    #[test]
    fn money_that_needs_a_person_is_what_changed_no_order_for_good() {
        let quiet = EventResult::ALL.into_iter().filter(|result| !result.needs_a_person());
        assert_eq!(quiet.collect::<Vec<_>>(), [EventResult::Applied, EventResult::Ignored]);
    }

    #[test]
    fn types_that_mean_something_are_no_other_types() {
        for name in ["", "payment.succeeded", "payment.refunded", "payment.failed"] {
            assert!(OtherType::new(name).is_err(), "{name}");
        }
        let other = EventKind::Other(OtherType::new("customer.created").unwrap());
        assert_eq!((other.type_name(), other.order_id()), ("customer.created", None));
    }

    #[test]
    fn ids_are_not_empty() {
        assert!(EventId::new("").is_err() && PaymentId::new("").is_err());
        assert!(EventId::new(" ").is_ok() && PaymentId::new("pay_1").is_ok());
    }
}
