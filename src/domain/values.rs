//! The values everything else is made of: ids, texts, money, counts of units, points in time.
//!
//! A value that exists is valid. What is refused here would make no sense (a quantity of 0, a price of nothing); how
//! long or how large a caller's values may be is the contract's to say.

use std::fmt;

/// A value that makes no sense, with the rule it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(&'static str);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id with this number.
            ///
            /// # Errors
            /// [`Invalid`] if it is not positive.
            pub const fn new(id: i64) -> Result<Self, Invalid> {
                if id >= 1 { Ok(Self(id)) } else { Err(Invalid("an id is positive")) }
            }

            /// The number, 1 or more.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Names one product for ever; never used again after its deletion.
    ProductId
}
id! {
    /// Names one order for ever; never used again after its deletion.
    OrderId
}
id! {
    /// Names one entry of the stock ledger; a later entry has a larger id.
    MovementId
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The value with this text, kept as it is.
            ///
            /// # Errors
            /// [`Invalid`] if there is nothing in it but blanks.
            pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                if text.trim().is_empty() { Err(Invalid($rule)) } else { Ok(Self(text)) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, to keep.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text! {
    /// The store's own article number, unique among products.
    Sku, "a SKU is not blank"
}
text! {
    /// What customers read.
    ProductName, "a product's name is not blank"
}

/// A remark for people; any text, even an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Note(String);

impl Note {
    /// The remark with this text, kept as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, to keep.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// An amount in the store's one currency, as whole cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// The amount of so many cents.
    pub const fn from_cents(cents: i64) -> Self {
        Self(cents)
    }

    /// The amount in cents.
    pub const fn cents(self) -> i64 {
        self.0
    }

    /// This amount for each of `quantity` units, exactly; `None` if no `i64` holds it.
    pub const fn checked_mul(self, quantity: Quantity) -> Option<Self> {
        match self.0.checked_mul(quantity.0) {
            Some(cents) => Some(Self(cents)),
            None => None,
        }
    }
}

/// What one unit costs: more than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(Money);

impl Price {
    /// The price of this amount.
    ///
    /// # Errors
    /// [`Invalid`] if it is not more than 0.
    pub const fn new(amount: Money) -> Result<Self, Invalid> {
        if amount.0 > 0 {
            Ok(Self(amount))
        } else {
            Err(Invalid("a price is more than 0"))
        }
    }

    /// The amount.
    pub const fn money(self) -> Money {
        self.0
    }

    /// The amount in cents, 1 or more.
    pub const fn cents(self) -> i64 {
        self.0.0
    }
}

/// Units of one product that somebody asks for: 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i64);

impl Quantity {
    /// So many units.
    ///
    /// # Errors
    /// [`Invalid`] if it is less than 1.
    pub const fn new(units: i64) -> Result<Self, Invalid> {
        if units >= 1 {
            Ok(Self(units))
        } else {
            Err(Invalid("a quantity is at least 1"))
        }
    }

    /// The units, 1 or more.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// How this quantity differs from an earlier one; `None` if it does not.
    pub const fn change_from(self, before: Self) -> Option<Delta> {
        Delta::between(before.0, self.0)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Units of one product that can be ordered: 0 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stock(i64);

impl Stock {
    /// No units.
    pub const NONE: Self = Self(0);

    /// So many units.
    ///
    /// # Errors
    /// [`Invalid`] if it is negative.
    pub const fn new(units: i64) -> Result<Self, Invalid> {
        if units >= 0 {
            Ok(Self(units))
        } else {
            Err(Invalid("stock is at least 0"))
        }
    }

    /// The units, 0 or more.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// How this stock differs from an earlier one; `None` if it does not.
    pub const fn change_from(self, before: Self) -> Option<Delta> {
        Delta::between(before.0, self.0)
    }
}

impl fmt::Display for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A change of stock: units that come (positive) or go (negative), never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delta(i64);

impl Delta {
    /// A change by so many units.
    ///
    /// # Errors
    /// [`Invalid`] if it is 0, or `i64::MIN`, which has no opposite.
    pub const fn new(units: i64) -> Result<Self, Invalid> {
        match units {
            0 => Err(Invalid("a change of stock is not 0")),
            i64::MIN => Err(Invalid("a change of stock has an opposite")),
            units => Ok(Self(units)),
        }
    }

    /// `quantity` units come.
    pub const fn coming(quantity: Quantity) -> Self {
        Self(quantity.0)
    }

    /// `quantity` units go.
    pub const fn going(quantity: Quantity) -> Self {
        Self(-quantity.0)
    }

    /// The signed number of units, never 0.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether units go.
    pub const fn is_going(self) -> bool {
        self.0 < 0
    }

    /// How many units come or go.
    pub const fn units(self) -> Quantity {
        Quantity(self.0.abs())
    }

    /// From one count to another. Counts are not negative, so neither the difference nor its opposite overflows.
    const fn between(before: i64, after: i64) -> Option<Self> {
        match after - before {
            0 => None,
            units => Some(Self(units)),
        }
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// So many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        for id in [i64::MIN, -1, 0] {
            assert!(ProductId::new(id).is_err() && OrderId::new(id).is_err() && MovementId::new(id).is_err());
        }
        assert_eq!(ProductId::new(i64::MAX).map(ProductId::get), Ok(i64::MAX));
        assert!(Quantity::new(0).is_err() && Quantity::new(-1).is_err() && Quantity::new(1).is_ok());
        assert!(Stock::new(-1).is_err() && Stock::new(0).is_ok());
        assert!(Delta::new(0).is_err() && Delta::new(i64::MIN).is_err() && Delta::new(-i64::MAX).is_ok());
        assert!(Price::new(Money::from_cents(0)).is_err() && Price::new(Money::from_cents(-1)).is_err());
        assert!(Price::new(Money::from_cents(1)).is_ok());
        assert!(Sku::new("").is_err() && ProductName::new(" \t\u{a0}").is_err());
    }

    #[test]
    fn texts_are_kept_as_they_are() {
        assert_eq!(
            ProductName::new("  Teapot <2 l> & lid ").unwrap().as_str(),
            "  Teapot <2 l> & lid "
        );
        assert_eq!(Note::new("").as_str(), "");
    }

    #[test]
    fn differences_know_their_direction_and_size() {
        let delta = |before, after| Stock::new(after).unwrap().change_from(Stock::new(before).unwrap());
        assert_eq!(delta(5, 5), None);
        assert_eq!(
            delta(5, 7).map(|d| (d.get(), d.is_going(), d.units().get())),
            Some((2, false, 2))
        );
        assert_eq!(
            delta(7, 5).map(|d| (d.get(), d.is_going(), d.units().get())),
            Some((-2, true, 2))
        );
        assert_eq!(delta(i64::MAX, 0).map(|d| d.units().get()), Some(i64::MAX));
    }

    /// Prices whose nearest doubles are off, times every quantity that can be ordered, against addition of cents.
    #[test]
    fn totals_are_exact() {
        for cents in [1, 10, 29, 115, 435, 1999, 99_999_999] {
            let mut sum = 0;
            for units in 1..=10_000 {
                sum += cents;
                let total = Money::from_cents(cents).checked_mul(Quantity::new(units).unwrap());
                assert_eq!(total, Some(Money::from_cents(sum)), "{units} x {cents} cents");
            }
        }
    }

    #[test]
    fn a_total_that_does_not_fit_is_none() {
        let quantity = |units| Quantity::new(units).unwrap();
        assert_eq!(
            Money::from_cents(i64::MAX).checked_mul(quantity(1)),
            Some(Money::from_cents(i64::MAX))
        );
        assert_eq!(Money::from_cents(i64::MAX).checked_mul(quantity(2)), None);
        assert_eq!(Money::from_cents(i64::MIN).checked_mul(quantity(2)), None);
    }
}
