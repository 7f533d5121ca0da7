//! Payments, and the events with which providers tell of them.
//!
//! Payments are tracked one by one, because providers repeat, reorder and split events. A payment is *open* from the moment
//! it is recorded until refunds add up to its amount; a canceled order with an open payment owes a refund. Refunds and
//! disputes have an identity, so each counts once, and one that comes before its payment is kept until that is there.
//!
//! - [`Fact`]: what an event says, in words that are the same for every provider;
//! - [`Payment`], [`Refund`], [`Dispute`], [`Hold`]: what is recorded of them;
//! - [`rules`]: what an event does.
//!
//! Nothing here knows a provider's format. Amounts of 0 and ids that are empty or have U+0000 are refused.

use super::values::{Amount, OrderId, Timestamp, integer, text};

mod books;
mod fact;
pub mod rules;

pub use books::{
    Balance, Dispute, DisputeState, DisputeTold, Hold, ListedPayment, NewPayment, Payment, Refund, RefundTold,
};
pub use fact::{Currency, Fact, FactKind, Minor, Sum};

text! {
    /// The provider's id of an event; the same event always has the same.
    EventId, is_no_name, "an event's id is not empty and has no U+0000"
}
text! {
    /// The type of an event, as it was sent.
    EventType, is_no_name, "an event's type is not empty and has no U+0000"
}
text! {
    /// The provider's id of a payment.
    PaymentId, is_no_name, "a payment's id is not empty and has no U+0000"
}
text! {
    /// The provider's id of a refund; the id of its event where it has none.
    RefundId, is_no_name, "a refund's id is not empty and has no U+0000"
}
text! {
    /// The provider's id of a dispute.
    DisputeId, is_no_name, "a dispute's id is not empty and has no U+0000"
}
/// Whether a text names nothing, or cannot be stored everywhere: PostgreSQL has no text with U+0000.
fn is_no_name(text: &str) -> bool {
    text.is_empty() || text.contains('\0')
}

integer! {
    /// The number of a recorded event; a later one has a larger number.
    EventNumber, 1, "an id is positive"
}

/// Whose events they are. Ids of events, payments and refunds of two providers are different ones, even where they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Whoever sends events in this service's own format.
    Own,
    /// Stripe.
    Stripe,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 2] = [Self::Own, Self::Stripe];

    /// The provider's name, the same wherever it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Stripe => "stripe",
        }
    }

    /// The provider of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

/// An event, as its provider's module has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentEvent {
    /// Who sent it.
    pub provider: Provider,
    /// The provider's id of it.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// When it happened, in Unix seconds by the provider's clock, where it says so.
    pub created_seconds: Option<i64>,
    /// Until when an order id that was never issued may be that of an order which is just being placed. Until then such an
    /// event is refused, so that the provider sends it again. `None` for ever.
    pub early_until: Option<Timestamp>,
    /// What it says, or why that has no effect.
    pub content: Content,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Something about a payment.
    Fact(Fact),
    /// Nothing that has an effect here; a person should know of it where there is a notice.
    Nothing(Option<Notice>),
}

impl From<Fact> for Content {
    fn from(fact: Fact) -> Self {
        Self::Fact(fact)
    }
}

impl PaymentEvent {
    /// What it says of a payment, if anything.
    pub const fn fact(&self) -> Option<&Fact> {
        match &self.content {
            Content::Fact(fact) => Some(fact),
            Content::Nothing(_) => None,
        }
    }
}

/// Why an event that could be about money had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// Its type sounds like money, and is not known here.
    UnknownType,
    /// Money came, and nothing in the event names an order.
    NoOrder,
    /// The payment was recorded for another order than the event names.
    AnotherOrder,
    /// A refund is in another currency than its payment, or in parts of a cent.
    AnotherCurrency,
    /// What it is about cannot be read.
    Unreadable,
    /// It is a test where real money is expected, or the other way round.
    OtherMode,
    /// It is of another account than the configured one.
    OtherAccount,
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
    /// A payment in another currency than the service's, or in parts of a cent.
    CurrencyMismatch,
    /// A further payment of a paid order.
    DuplicatePayment,
    /// A payment of a canceled order, or a refund of one that failed.
    RefundDue,
    /// A payment of a deleted order.
    OrderGone,
    /// A payment of an order that was never placed.
    OrderUnknown,
    /// Less than the payment was refunded.
    PartialRefund,
    /// A refund failed, so the money is still here.
    RefundFailed,
    /// The customer's bank takes the money back, or tries to.
    Disputed,
}

impl EventResult {
    /// Every result.
    pub const ALL: [Self; 11] = [
        Self::Applied,
        Self::Ignored,
        Self::AmountMismatch,
        Self::CurrencyMismatch,
        Self::DuplicatePayment,
        Self::RefundDue,
        Self::OrderGone,
        Self::OrderUnknown,
        Self::PartialRefund,
        Self::RefundFailed,
        Self::Disputed,
    ];

    /// The result's name, the same wherever it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::AmountMismatch => "amount_mismatch",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::DuplicatePayment => "duplicate_payment",
            Self::RefundDue => "refund_due",
            Self::OrderGone => "order_gone",
            Self::OrderUnknown => "order_unknown",
            Self::PartialRefund => "partial_refund",
            Self::RefundFailed => "refund_failed",
            Self::Disputed => "disputed",
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
            Self::AmountMismatch
            | Self::CurrencyMismatch
            | Self::DuplicatePayment
            | Self::RefundDue
            | Self::OrderGone
            | Self::OrderUnknown
            | Self::PartialRefund
            | Self::RefundFailed
            | Self::Disputed => true,
        }
    }
}

/// An event as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place among all that were recorded.
    pub number: EventNumber,
    /// Who sent it.
    pub provider: Provider,
    /// The provider's id of it.
    pub event_id: EventId,
    /// Its type, as it was sent.
    pub event_type: EventType,
    /// When it happened, in Unix seconds by the provider's clock.
    pub created_seconds: Option<i64>,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// The payment that it names.
    pub payment_id: Option<PaymentId>,
    /// The refund that it names.
    pub refund_id: Option<RefundId>,
    /// The amount that it names, where that can be said in hundredths of the service's currency.
    pub amount: Option<Amount>,
    /// The currency that it names.
    pub currency: Option<Currency>,
    /// What became of it.
    pub result: EventResult,
    /// When it was recorded.
    pub received_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_providers_survive_their_names() {
        for result in EventResult::ALL {
            assert_eq!(EventResult::from_name(result.name()), Some(result));
        }
        assert_eq!(EventResult::from_name("duplicate"), None);
        for provider in Provider::ALL {
            assert_eq!(Provider::from_name(provider.name()), Some(provider));
        }
        assert_eq!(Provider::from_name("paypal"), None);
    }

    #[test]
    fn money_that_needs_a_person_is_what_changed_no_order_for_good() {
        let quiet = EventResult::ALL.into_iter().filter(|result| !result.needs_a_person());
        assert_eq!(quiet.collect::<Vec<_>>(), [EventResult::Applied, EventResult::Ignored]);
    }

    #[test]
    fn ids_are_not_empty_and_can_be_stored() {
        assert!(EventId::new("").is_err() && PaymentId::new("").is_err() && EventType::new("").is_err());
        assert!(EventId::new("a\0").is_err() && DisputeId::new("\0").is_err());
        assert!(EventId::new(" ").is_ok() && PaymentId::new("pay_1").is_ok());
    }
}
