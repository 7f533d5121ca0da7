//! Facts: what an event says, in words that are the same for every provider.
//!
//! A module for each provider turns its events into facts. Nothing is decided here.

use std::fmt;
use std::time::Duration;

use super::{DisputeId, DisputeState, PaymentId, RefundId};
use crate::domain::values::{Amount, Invalid, OrderId};

/// What an event says of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What happened.
    pub kind: FactKind,
    /// The order, where the event names it.
    pub order_id: Option<OrderId>,
    /// The payment, where the event names it.
    pub payment_id: Option<PaymentId>,
    /// How much, where the event says so.
    pub sum: Option<Sum>,
}

/// What happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactKind {
    /// It was made.
    Paid {
        /// Whether it is of the order's total where the event says no amount; else its amount is unknown.
        is_of_total: bool,
    },
    /// One refund of it was made, or failed: of all that is left where the event says no amount.
    Refund {
        /// The refund, where the event names it.
        id: Option<RefundId>,
        /// Whether no money went back, or it came back again.
        has_failed: bool,
    },
    /// So much of it was refunded so far, by all refunds together.
    RefundedSoFar,
    /// The customer's bank disputes it.
    Dispute {
        /// The dispute.
        id: DisputeId,
        /// Where that stands.
        state: DisputeState,
    },
    /// It was tried in vain, or given up.
    NotPaid,
    /// It is on its way, which may take days.
    Processing {
        /// For how long the order is held.
        hold: Duration,
    },
}

impl FactKind {
    /// The kind's name, the same wherever it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Paid { .. } => "paid",
            Self::Refund { has_failed: false, .. } => "refund",
            Self::Refund { has_failed: true, .. } => "refund_failed",
            Self::RefundedSoFar => "refunded_so_far",
            Self::Dispute { .. } => "dispute",
            Self::NotPaid => "not_paid",
            Self::Processing { .. } => "processing",
        }
    }

    /// The refund that it names.
    pub const fn refund_id(&self) -> Option<&RefundId> {
        match self {
            Self::Refund { id, .. } => id.as_ref(),
            Self::Paid { .. }
            | Self::RefundedSoFar
            | Self::Dispute { .. }
            | Self::NotPaid
            | Self::Processing { .. } => None,
        }
    }
}

/// An amount of money as an event says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// In hundredths of the service's currency; `None` where those cannot say it exactly.
    pub cents: Option<Amount>,
    /// As the provider counts it; `None` where it names no currency.
    pub minor: Option<Minor>,
}

impl Sum {
    /// An amount in the service's currency, from an event that names none.
    pub const fn of_cents(amount: Amount) -> Self {
        Self {
            cents: Some(amount),
            minor: None,
        }
    }

    /// The currency, where the event names it.
    pub fn currency(&self) -> Option<Currency> {
        self.minor.map(|minor| minor.currency)
    }
}

/// An amount in the units in which a provider counts a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minor {
    /// How many of them, 1 or more.
    pub units: i64,
    /// The currency.
    pub currency: Currency,
}

/// A currency, by its code of three letters (ISO 4217).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency with this code, in letters of either case.
    ///
    /// # Errors
    /// [`Invalid`] if the code is not three letters.
    pub fn new(code: &str) -> Result<Self, Invalid> {
        match code.as_bytes() {
            [a, b, c] if code.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Ok(Self([a, b, c].map(u8::to_ascii_uppercase)))
            }
            _ => Err(Invalid("a currency is a code of three letters")),
        }
    }

    /// Its code, in capitals.
    pub fn code(&self) -> &str {
        // They are ASCII letters.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_letters_in_either_case() {
        assert_eq!(Currency::new("eur").unwrap().code(), "EUR");
        assert_eq!(Currency::new("EUR"), Currency::new("eUr"));
        for code in ["", "EU", "EURO", "E1R", "€", "ÄÖ"] {
            assert!(Currency::new(code).is_err(), "{code}");
        }
    }
}
