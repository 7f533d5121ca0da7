//! Versions: which state of a product or an order a caller has seen, and which it expects.
//!
//! It compares numbers; how a version is written as an `ETag` is decided above. A version below 1 is refused.

use std::fmt;

use super::values::{OrderId, ProductId, integer};

integer! {
    /// Counts the states of a product or an order that a caller can tell apart, from 1.
    Version, 1, "a version is at least 1"
}

impl Version {
    /// The version of what is new.
    pub const FIRST: Self = Self(1);

    /// The version after a change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What has a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A product.
    Product(ProductId),
    /// An order.
    Order(OrderId),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(id) => write!(f, "Product {id}"),
            Self::Order(id) => write!(f, "Order {id}"),
        }
    }
}

/// In which version a caller expects what it is about to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// It does not say.
    Any,
    /// In any, as long as it is there.
    Exists,
    /// In one of these; in none of them if the list is empty, as where what was sent never was a version of ours.
    OneOf(Vec<Version>),
}

impl Expected {
    /// Whether what is there in this version is as expected.
    pub fn is_met_by(&self, version: Version) -> bool {
        match self {
            Self::Any | Self::Exists => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one() {
        assert!(Version::new(0).is_err() && Version::new(-1).is_err());
        assert_eq!(Version::new(1), Ok(Version::FIRST));
        assert_eq!(Version::FIRST.next().get(), 2);
    }

    #[test]
    fn only_named_versions_are_expected() {
        let (first, second) = (Version::FIRST, Version::FIRST.next());
        assert!(Expected::Any.is_met_by(second) && Expected::Exists.is_met_by(second));
        assert!(Expected::OneOf(vec![first, second]).is_met_by(second));
        assert!(!Expected::OneOf(vec![first]).is_met_by(second));
        assert!(!Expected::OneOf(Vec::new()).is_met_by(first));
    }
}
