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

/// The versions that a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// All.
    Every,
    /// These; none of them if the list is empty, as where what was sent never was a version of ours.
    OneOf(Vec<Version>),
}

impl Versions {
    /// Whether they include this one.
    pub fn name(&self, version: Version) -> bool {
        match self {
            Self::Every => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// In which version a caller expects what it reads or changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// In one of these, if it says so.
    pub in_one_of: Option<Versions>,
    /// In none of these, if it says so.
    pub in_none_of: Option<Versions>,
}

/// Why a version is not as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unexpected {
    /// It is not among those that are expected.
    NotNamed,
    /// It is among those that are not expected.
    Named,
}

impl Expected {
    /// In any version.
    pub const ANY: Self = Self {
        in_one_of: None,
        in_none_of: None,
    };

    /// In one of these versions.
    pub const fn one_of(versions: Vec<Version>) -> Self {
        Self {
            in_one_of: Some(Versions::OneOf(versions)),
            in_none_of: None,
        }
    }

    /// Checks the version of what is there.
    ///
    /// # Errors
    /// [`Unexpected`]; where both are wrong, [`Unexpected::NotNamed`] (RFC 9110, section 13.2.2).
    pub fn check(&self, version: Version) -> Result<(), Unexpected> {
        if self.in_one_of.as_ref().is_some_and(|wanted| !wanted.name(version)) {
            return Err(Unexpected::NotNamed);
        }
        match self.in_none_of.as_ref().is_some_and(|refused| refused.name(version)) {
            true => Err(Unexpected::Named),
            false => Ok(()),
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
    fn a_version_is_expected_where_both_conditions_hold() {
        let (first, second) = (Version::FIRST, Version::FIRST.next());
        let only_first = Versions::OneOf(vec![first]);
        let expected = |in_one_of: Option<&Versions>, in_none_of: Option<&Versions>| Expected {
            in_one_of: in_one_of.cloned(),
            in_none_of: in_none_of.cloned(),
        };
        let (every, none) = (Versions::Every, Versions::OneOf(Vec::new()));
        assert_eq!(Expected::ANY.check(second), Ok(()));
        assert_eq!(expected(Some(&every), Some(&none)).check(second), Ok(()));
        assert_eq!(expected(Some(&only_first), None).check(first), Ok(()));
        assert_eq!(
            expected(Some(&only_first), None).check(second),
            Err(Unexpected::NotNamed)
        );
        assert_eq!(expected(Some(&none), None).check(first), Err(Unexpected::NotNamed));
        assert_eq!(expected(None, Some(&only_first)).check(first), Err(Unexpected::Named));
        assert_eq!(expected(None, Some(&only_first)).check(second), Ok(()));
        assert_eq!(expected(None, Some(&every)).check(first), Err(Unexpected::Named));
        // The first condition is judged first.
        assert_eq!(
            expected(Some(&only_first), Some(&every)).check(second),
            Err(Unexpected::NotNamed)
        );
        assert_eq!(
            expected(Some(&only_first), Some(&every)).check(first),
            Err(Unexpected::Named)
        );
    }
}
