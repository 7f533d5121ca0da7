//! The use cases, one function each: load, ask the domain, save.
//!
//! Each runs within one transaction that its caller opened and fails as a whole. Time is handed in. No SQL, no HTTP,
//! and no rule that the [domain](crate::domain) could answer.

use crate::domain::{Expected, Resource, Version};
use crate::error::Error;

pub mod catalog;
pub mod idempotency;
pub mod orders;
pub mod payments;
pub mod products;
pub mod stock;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, Id> {
    /// What it holds, in the list's order.
    pub items: Vec<T>,
    /// The last item's id, from where the list goes on; `None` where it ends here.
    pub next: Option<Id>,
}

impl<T, Id> Page<T, Id> {
    /// The page of at most `limit` of these items, which are one more than that where the list goes on.
    fn cut(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> Id) -> Self {
        let goes_on = items.len() > limit;
        items.truncate(limit);
        let next = if goes_on { items.last().map(id) } else { None };
        Self { items, next }
    }
}

/// Whether what is about to change is in the version that its caller expects.
fn check_expected(expected: &Expected, what: Resource, version: Version) -> Result<(), Error> {
    expected.check(version).map_err(|unexpected| Error::StaleVersion {
        what,
        version,
        unexpected,
    })
}

#[cfg(test)]
pub(crate) mod model_tests;
#[cfg(test)]
mod tests;
