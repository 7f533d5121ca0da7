//! The values everything else is made of: ids, texts, money, counts of units, points in time.
//!
//! A value that exists is valid: a quantity of 0 or a price of 0 is refused. How long or how large the values of a caller
//! may be is decided by the contract.

use std::fmt;
use std::time::Duration;

mod characters;

/// Why a value is invalid: the rule that it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(super) &'static str);

/// A newtype of an `i64` with a smallest value.
macro_rules! integer {
    ($(#[$doc:meta])* $name:ident, $min:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The value with this number.
            ///
            /// # Errors
            #[doc = concat!("[`Invalid`](crate::domain::Invalid): ", $rule, ".")]
            pub const fn new(number: i64) -> Result<Self, $crate::domain::Invalid> {
                if number >= $min { Ok(Self(number)) } else { Err($crate::domain::values::Invalid($rule)) }
            }

            #[doc = concat!("The number, ", $min, " or more.")]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub(super) use integer;

integer! {
    /// Names one product for ever; never used again after its deletion.
    ProductId, 1, "an id is positive"
}
integer! {
    /// Names one order for ever; never used again after its deletion.
    OrderId, 1, "an id is positive"
}
integer! {
    /// Names one entry of the stock ledger; a later entry has a larger id.
    MovementId, 1, "an id is positive"
}
integer! {
    /// A quantity of one product, in units.
    Quantity, 1, "a quantity is at least 1"
}
integer! {
    /// The stock of one product, in units.
    Stock, 0, "stock is at least 0"
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $is_refused:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The value with this text, unchanged.
            ///
            /// # Errors
            #[doc = concat!("[`Invalid`](crate::domain::Invalid): ", $rule, ".")]
            pub fn new(text: impl Into<String>) -> Result<Self, $crate::domain::Invalid> {
                let is_refused: fn(&str) -> bool = $is_refused;
                let text = text.into();
                if is_refused(&text) { Err($crate::domain::values::Invalid($rule)) } else { Ok(Self(text)) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, owned.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub(super) use text;

text! {
    /// The SKU of a product, unique among products.
    Sku, is_blank, "a SKU is not blank"
}
text! {
    /// The name of a product.
    ProductName, is_unfit_for_people, "a name has a visible character and no control characters"
}
text! {
    /// The shop's own number of an order.
    Reference, is_unfit_for_people, "a reference has a visible character and no control characters"
}
text! {
    /// A part of a product's name or SKU to look for.
    SearchText, is_unfit_for_people, "a text to look for has a visible character and no control characters"
}
text! {
    /// A note.
    Note, is_unfit_for_people, "a note has a visible character and no control characters"
}

impl ProductName {
    /// The name of a stored product, which may be older than the rule for new ones.
    ///
    /// # Errors
    /// [`Invalid`]: a product's name is not blank.
    pub fn restore(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if is_blank(&text) {
            Err(Invalid("a product's name is not blank"))
        } else {
            Ok(Self(text))
        }
    }
}

impl Note {
    /// A stored note, which may be older than the rule for new ones.
    pub fn restore(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

fn is_unfit_for_people(text: &str) -> bool {
    !text.chars().any(characters::is_visible) || text.chars().any(characters::is_control)
}

/// An amount in the store's one currency, as whole cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

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

    /// This amount and that one together, or the largest that can be counted.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A newtype of [`Money`] that is more than 0.
macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Money);

        impl $name {
            /// The value of this amount.
            ///
            /// # Errors
            #[doc = concat!("[`Invalid`]: ", $rule, ".")]
            pub const fn new(amount: Money) -> Result<Self, Invalid> {
                if amount.0 > 0 { Ok(Self(amount)) } else { Err(Invalid($rule)) }
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
    };
}

amount! {
    /// The price of one unit.
    Price, "a price is more than 0"
}
amount! {
    /// The amount of a payment or refund.
    Amount, "an amount is more than 0"
}

impl Quantity {
    /// How this quantity differs from an earlier one; `None` if it does not.
    pub const fn change_from(self, before: Self) -> Option<Delta> {
        Delta::between(before.0, self.0)
    }
}

impl Stock {
    /// No units.
    pub const NONE: Self = Self(0);

    /// How this stock differs from an earlier one; `None` if it does not.
    pub const fn change_from(self, before: Self) -> Option<Delta> {
        Delta::between(before.0, self.0)
    }
}

/// A change of stock: units added (positive) or taken (negative), never 0.
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

    /// `quantity` units added.
    pub const fn coming(quantity: Quantity) -> Self {
        Self(quantity.0)
    }

    /// `quantity` units taken.
    pub const fn going(quantity: Quantity) -> Self {
        Self(-quantity.0)
    }

    /// The signed number of units, never 0.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether units are taken.
    pub const fn is_going(self) -> bool {
        self.0 < 0
    }

    /// The number of units, without the sign.
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

    /// The beginning of its minute.
    #[must_use]
    pub const fn minute(self) -> Self {
        Self(self.0 - self.0.rem_euclid(60_000))
    }

    /// The time so much later, or the last that can be counted.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// The time so much earlier, or the first that can be counted.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

#[cfg(test)]
mod tests;
