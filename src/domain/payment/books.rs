//! What is recorded of payments: their money, their refunds and disputes, and the orders that are held for them.

use super::{Currency, DisputeId, EventId, EventNumber, PaymentId, Provider, RefundId, Sum};
use crate::domain::values::{Amount, Money, OrderId, Timestamp};

/// The money of a payment, counted in the payment's units; see [`Payment::foreign`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// What came, where it is known.
    pub amount: Option<i64>,
    /// What refunds have taken of it so far, never more than its amount.
    pub refunded: i64,
    /// Whether refunds have taken all of it.
    pub is_closed: bool,
}

impl Balance {
    /// That of a payment of which nothing was refunded.
    pub const fn open(amount: Option<i64>) -> Self {
        Self {
            amount,
            refunded: 0,
            is_closed: false,
        }
    }

    /// That of a payment of this amount, of which these refunds tell; `count` says how much one of them is in the payment's
    /// units. It is the same in whatever order they came.
    ///
    /// Single refunds and totals so far tell of the same money, so the larger of the two counts. A total still has the
    /// refunds that failed since.
    pub fn after<'r>(
        amount: Option<i64>,
        refunds: impl IntoIterator<Item = &'r RefundTold>,
        count: impl Fn(&Sum) -> Option<i64>,
    ) -> Self {
        let (mut single, mut failed, mut so_far, mut is_all) = (0_i64, 0_i64, 0_i64, false);
        for refund in refunds {
            let units = refund.sum.as_ref().and_then(&count);
            match (&refund.id, units) {
                (None, Some(units)) => so_far = so_far.max(units),
                (Some(_), Some(units)) if refund.has_failed => failed = failed.saturating_add(units),
                (Some(_), Some(units)) => single = single.saturating_add(units),
                // A refund without an amount is of all that is left.
                (Some(_), None) => is_all |= refund.sum.is_none() && !refund.has_failed,
                (None, None) => {}
            }
        }
        let told = single.max(so_far.saturating_sub(failed));
        let refunded = match amount {
            Some(amount) if is_all => amount,
            Some(amount) => told.min(amount),
            None => told,
        };
        Self {
            amount,
            refunded,
            is_closed: is_all || amount == Some(refunded),
        }
    }
}

/// A payment to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// The order that it is for, which may be gone; `None` where that was never placed.
    pub order_id: Option<OrderId>,
    /// The provider's id of it, where its event named one.
    pub payment_id: Option<PaymentId>,
    /// The currency, where its event named one.
    pub currency: Option<Currency>,
    /// Whether it is counted in the provider's units of that currency; see [`Payment::foreign`].
    pub is_foreign: bool,
    /// Its money, after the refunds that came before it.
    pub balance: Balance,
    /// Whether it is the one that made its order `PAID`.
    pub is_own: bool,
}

impl NewPayment {
    /// The payment that this becomes with the event of this provider and number.
    #[must_use]
    pub fn with_number(self, provider: Provider, number: EventNumber) -> Payment {
        Payment {
            number,
            provider,
            order_id: self.order_id,
            payment_id: self.payment_id,
            currency: self.currency,
            is_foreign: self.is_foreign,
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
    /// The provider that told of it.
    pub provider: Provider,
    /// The order that it is for, which may be gone; `None` where that was never placed.
    pub order_id: Option<OrderId>,
    /// The provider's id of it, where its event named one.
    pub payment_id: Option<PaymentId>,
    /// The currency, where its event named one.
    pub currency: Option<Currency>,
    /// Whether it is counted in the provider's units of that currency; see [`Payment::foreign`].
    pub is_foreign: bool,
    /// Its money.
    pub balance: Balance,
    /// Whether it is the one that made its order `PAID`.
    pub is_own: bool,
}

impl Payment {
    /// The currency in whose units, as the provider counts them, the payment is counted; `None` where it is counted in
    /// hundredths of the service's currency.
    pub fn foreign(&self) -> Option<Currency> {
        self.currency.filter(|_| self.is_foreign)
    }

    /// What came, where that is known and can be said in the service's currency.
    pub fn amount(&self) -> Option<Money> {
        self.balance.amount.filter(|_| !self.is_foreign).map(Money::from_cents)
    }

    /// What refunds have taken of it, where that can be said in the service's currency.
    pub fn refunded(&self) -> Option<Money> {
        (!self.is_foreign).then(|| Money::from_cents(self.balance.refunded))
    }

    /// How much a sum is in the units of this payment; `None` where they cannot say it.
    pub fn count(&self, sum: &Sum) -> Option<i64> {
        count(sum, self.foreign())
    }
}

/// How much a sum is in the provider's units of this currency, or else in hundredths of the service's.
pub(super) fn count(sum: &Sum, foreign: Option<Currency>) -> Option<i64> {
    match foreign {
        None => sum.cents.map(Amount::cents),
        Some(currency) => sum
            .minor
            .filter(|minor| minor.currency == currency)
            .map(|minor| minor.units),
    }
}

/// What an event told of money that went back, or did not after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundTold {
    /// The provider that told of it.
    pub provider: Provider,
    /// The order that its event named.
    pub order_id: Option<OrderId>,
    /// What it is known by. `None` where the event told of all refunds of the payment so far, not of one.
    pub id: Option<RefundId>,
    /// The payment that its event named.
    pub payment_id: Option<PaymentId>,
    /// How much; all that was left of the payment where this is `None`.
    pub sum: Option<Sum>,
    /// Whether it failed. That is final.
    pub has_failed: bool,
}

/// Money that went back, or did not after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The number of the first event that told of it.
    pub number: EventNumber,
    /// What that event told, and whether a later one told that it failed.
    pub told: RefundTold,
    /// The number of the payment that it counts against; `None` while that has not come.
    pub payment: Option<EventNumber>,
}

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisputeState {
    /// It is not decided.
    Open,
    /// It was closed in the shop's favor.
    Won,
    /// It was closed in the customer's favor.
    Lost,
}

impl DisputeState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Open, Self::Won, Self::Lost];

    /// The state's name, the same wherever it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Where it stands after an event that told of this. A closed dispute does not open again, whatever came late; where
    /// events disagree on how it was closed, it is lost, so that a person looks.
    #[must_use]
    pub const fn then(self, told: Self) -> Self {
        match (self, told) {
            (Self::Lost, _) | (_, Self::Lost) => Self::Lost,
            (Self::Won, _) | (_, Self::Won) => Self::Won,
            (Self::Open, Self::Open) => Self::Open,
        }
    }

    /// Whether a person has to look into it.
    pub const fn needs_a_person(self) -> bool {
        match self {
            Self::Open | Self::Lost => true,
            Self::Won => false,
        }
    }
}

/// What an event told of a dispute: the bank of a customer takes a payment back, or tries to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeTold {
    /// The provider that told of it.
    pub provider: Provider,
    /// The provider's id of it.
    pub id: DisputeId,
    /// The order that its event named.
    pub order_id: Option<OrderId>,
    /// The payment that its event named.
    pub payment_id: PaymentId,
    /// Where it stands.
    pub state: DisputeState,
}

/// A dispute of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The number of the first event that told of it.
    pub number: EventNumber,
    /// What that event told, and where it stands after later ones.
    pub told: DisputeTold,
    /// The number of the payment that it is about; `None` while that has not come.
    pub payment: Option<EventNumber>,
}

/// A payment that is on its way, for which a pending order is held longer than it would be without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The provider that told of it.
    pub provider: Provider,
    /// The payment.
    pub payment_id: PaymentId,
    /// The order.
    pub order_id: OrderId,
    /// When the order expires without any hold.
    pub deadline: Timestamp,
    /// Until when the order is held for this payment; `None` where it never was.
    pub until: Option<Timestamp>,
    /// When the newest event was made that told that the payment is on its way, in Unix seconds by the provider's clock. What
    /// is older does not end the hold.
    pub told_seconds: Option<i64>,
    /// When the payment failed or was given up, by the same clock. What is not newer does not revive the hold.
    pub ended_seconds: Option<i64>,
}

/// A payment in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPayment {
    /// The payment.
    pub payment: Payment,
    /// The provider's id of the event that told of it.
    pub event_id: EventId,
    /// Whether a dispute of it is open or lost.
    pub is_disputed: bool,
    /// When it was recorded.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_dispute_does_not_depend_on_the_order_of_its_events() {
        for a in DisputeState::ALL {
            assert_eq!(DisputeState::from_name(a.name()), Some(a));
            assert_eq!(a.then(a), a);
            for b in DisputeState::ALL {
                assert_eq!(a.then(b), b.then(a));
                for c in DisputeState::ALL {
                    assert_eq!(a.then(b).then(c), a.then(b.then(c)));
                }
            }
        }
        assert_eq!(DisputeState::Open.then(DisputeState::Won), DisputeState::Won);
        assert_eq!(DisputeState::Won.then(DisputeState::Open), DisputeState::Won);
    }
}
