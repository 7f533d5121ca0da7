//! What can go wrong, in our words.
//!
//! [`Display`](std::fmt::Display) is the sentence that a client may read: deterministic, and free of anything internal.
//! What lies behind a failure of the storage or of the service itself is its [`source`](std::error::Error::source),
//! for the log only. No HTTP here: which status an error becomes is decided where answers are made.

use std::any::Any;
use std::error::Error as StdError;
use std::sync::Arc;

use crate::domain::product::STOCK_MAX;
use crate::domain::{
    OrderId, ProductId, Quantity, Refusal, Resource, Sku, Status, Stock, StockRefusal, Unexpected, Version,
};

/// The cause of an error, shared by all callers that the same failure hit.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// Why a use case failed. Nothing was changed, except after [`Error::OutcomeUnknown`], when nobody knows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No product has this id.
    #[error("There is no product {id}.")]
    ProductNotFound {
        /// The id asked for.
        id: ProductId,
    },
    /// No order has this id.
    #[error("There is no order {id}.")]
    OrderNotFound {
        /// The id asked for.
        id: OrderId,
    },
    /// Another product has this SKU.
    #[error("SKU {sku} is taken by another product.")]
    DuplicateSku {
        /// The SKU that is taken.
        sku: Sku,
    },
    /// The product has too few units.
    #[error("Product {product_id} has {available} in stock; {requested} requested.")]
    InsufficientStock {
        /// The product.
        product_id: ProductId,
        /// The units asked for; where an order grows, only the additional ones.
        requested: Quantity,
        /// The units that the product has.
        available: Stock,
    },
    /// The product would have more units than callers may give it.
    #[error("Product {product_id} has {available} in stock; {requested} more would exceed {STOCK_MAX}.")]
    StockLimit {
        /// The product.
        product_id: ProductId,
        /// The units to add.
        requested: Quantity,
        /// The units that the product has.
        available: Stock,
    },
    /// Orders refer to the product, so it cannot be deleted.
    #[error("Product {product_id} cannot be deleted: orders refer to it.")]
    ProductInUse {
        /// The product.
        product_id: ProductId,
    },
    /// The order cannot go from its status to that one. [`Status::allowed`] of `from` lists where it can go.
    #[error("Order {order_id} is {from} and cannot become {to}: {}.", from.obstacle(*to))]
    InvalidTransition {
        /// The order.
        order_id: OrderId,
        /// Its status.
        from: Status,
        /// The status asked for.
        to: Status,
    },
    /// The order's quantity can no longer change.
    #[error("Order {order_id} is {status}: its quantity can change only while it is PENDING and stays so.")]
    OrderNotEditable {
        /// The order.
        order_id: OrderId,
        /// Its status.
        status: Status,
    },
    /// The order has a recorded payment, so it stays on record.
    #[error("Order {order_id} is {status} and part of the books{}.", instead_of_deletion(*status))]
    OrderNotDeletable {
        /// The order.
        order_id: OrderId,
        /// Its status; `PENDING` and `CANCELED` mean that there is a payment all the same.
        status: Status,
    },
    /// The product or order is in another version than its caller expects.
    #[error("{what} is in version \"{version}\", which {}.", condition(*unexpected))]
    StaleVersion {
        /// Which one.
        what: Resource,
        /// The version that it is in.
        version: Version,
        /// Which condition it does not fit.
        unexpected: Unexpected,
    },
    /// The key was used for another request.
    #[error("This Idempotency-Key was used for this path with another body.")]
    IdempotencyKeyReused,
    /// There is more work than can be done in time.
    #[error("The service has more work than it can take right now; nothing was changed.")]
    Overloaded,
    /// The storage failed: a full disk, an I/O error, a damaged file.
    #[error("The storage cannot be written right now; nothing was changed.")]
    StorageUnavailable(#[source] Cause),
    /// The storage failed while the change was being committed: either all of it was kept or nothing. Asking again with
    /// the same idempotency key, or sending the same event again, settles it.
    #[error(
        "The storage failed while the change was being committed, so it may or may not have been kept; asking again with \
         the same Idempotency-Key, or sending the same event again, settles it."
    )]
    OutcomeUnknown(#[source] Cause),
    /// A fault of the service itself.
    #[error("The service failed; the request id leads to the cause in its log.")]
    Internal(#[source] Cause),
}

impl Error {
    /// A failure of the storage, with its cause.
    pub fn storage(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::StorageUnavailable(Arc::from(cause.into()))
    }

    /// A failure of the storage during a commit, with its cause.
    pub fn outcome_unknown(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::OutcomeUnknown(Arc::from(cause.into()))
    }

    /// A fault of the service itself, with its cause.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(cause.into()))
    }

    /// What lies behind it, in the words of the storage or the service: for logs and for commands, not for clients.
    pub fn cause(&self) -> String {
        self.source().map_or_else(|| self.to_string(), ToString::to_string)
    }

    /// The error of a refusal by the rules of orders.
    pub fn refused_order(order_id: OrderId, refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidTransition { from, to } => Self::InvalidTransition { order_id, from, to },
            Refusal::NotEditable { status } => Self::OrderNotEditable { order_id, status },
            Refusal::NotDeletable { status } => Self::OrderNotDeletable { order_id, status },
            Refusal::TotalTooLarge => Self::internal(format!("the total of order {order_id} overflows")),
        }
    }

    /// The error of a refusal by the rules of stock.
    pub fn refused_stock(product_id: ProductId, refusal: StockRefusal) -> Self {
        match refusal {
            StockRefusal::Insufficient { requested, available } => Self::InsufficientStock {
                product_id,
                requested,
                available,
            },
            StockRefusal::Limit { requested, available } => Self::StockLimit {
                product_id,
                requested,
                available,
            },
        }
    }
}

/// Why an order of this status is not deleted, or what can be done instead, as the rest of a sentence.
const fn instead_of_deletion(status: Status) -> &'static str {
    match status {
        Status::Pending => ", for a payment of it came; to take it back, cancel it",
        Status::Paid => "; to take it back, cancel it",
        Status::Shipped => "; it is final and stays on record",
        Status::Canceled => ", for a payment of it came; it is canceled already and stays on record",
    }
}

/// The condition that a version does not fit, as the rest of a sentence.
const fn condition(unexpected: Unexpected) -> &'static str {
    match unexpected {
        Unexpected::NotNamed => "If-Match does not name",
        Unexpected::Named => "If-None-Match names",
    }
}

/// What a panic said, for the cause of an [`Error::Internal`].
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product_id(id: i64) -> ProductId {
        ProductId::new(id).unwrap()
    }

    fn order_id() -> OrderId {
        OrderId::new(1).unwrap()
    }

    fn units(requested: i64, available: i64) -> (Quantity, Stock) {
        (Quantity::new(requested).unwrap(), Stock::new(available).unwrap())
    }

    #[test]
    fn the_texts_are_those_of_the_contract() {
        let (requested, available) = units(10_000, 132);
        let insufficient = StockRefusal::Insufficient { requested, available };
        let (requested, available) = units(1_000_000_000, 135);
        let limit = StockRefusal::Limit { requested, available };
        let refused = |refusal| Error::refused_order(order_id(), refusal);
        let errors = [
            Error::ProductNotFound { id: product_id(7) },
            Error::OrderNotFound {
                id: OrderId::new(7).unwrap(),
            },
            Error::DuplicateSku {
                sku: Sku::new("MUG-BLUE").unwrap(),
            },
            Error::refused_stock(product_id(1), insufficient),
            Error::refused_stock(product_id(1), limit),
            Error::ProductInUse {
                product_id: product_id(1),
            },
            refused(Refusal::InvalidTransition {
                from: Status::Pending,
                to: Status::Shipped,
            }),
            refused(Refusal::NotEditable { status: Status::Paid }),
            refused(Refusal::NotDeletable { status: Status::Paid }),
            Error::StaleVersion {
                what: Resource::Order(order_id()),
                version: Version::FIRST.next(),
                unexpected: Unexpected::NotNamed,
            },
            Error::StaleVersion {
                what: Resource::Product(product_id(1)),
                version: Version::FIRST.next(),
                unexpected: Unexpected::Named,
            },
            Error::IdempotencyKeyReused,
            Error::Overloaded,
            Error::storage("disk full"),
            Error::outcome_unknown("an I/O error"),
            Error::internal("a bug"),
        ];
        let contract = include_str!("../openapi.yaml");
        for error in errors {
            let text = error.to_string();
            let is_example =
                contract.contains(&format!("detail: '{text}'")) || contract.contains(&format!("detail: {text}"));
            assert!(is_example, "not in the contract: {text}");
        }
    }

    #[test]
    fn every_refused_step_says_why() {
        let text = |from, to| Error::refused_order(order_id(), Refusal::InvalidTransition { from, to }).to_string();
        let paid = "Order 1 is PENDING and cannot become PAID: only the payment webhook marks an order as paid.";
        assert_eq!(text(Status::Pending, Status::Paid), paid);
        let back = "Order 1 is PAID and cannot become PENDING: no order becomes PENDING again.";
        assert_eq!(text(Status::Paid, Status::Pending), back);
        let shipped = "Order 1 is SHIPPED and cannot become CANCELED: SHIPPED is final.";
        assert_eq!(text(Status::Shipped, Status::Canceled), shipped);
        let canceled = "Order 1 is CANCELED and cannot become PAID: CANCELED is final.";
        assert_eq!(text(Status::Canceled, Status::Paid), canceled);
    }

    #[test]
    fn every_order_on_record_says_why() {
        let text = |status| Error::refused_order(order_id(), Refusal::NotDeletable { status }).to_string();
        let shipped = "Order 1 is SHIPPED and part of the books; it is final and stays on record.";
        assert_eq!(text(Status::Shipped), shipped);
        let canceled = "Order 1 is CANCELED and part of the books, for a payment of it came; it is canceled already and stays on record.";
        assert_eq!(text(Status::Canceled), canceled);
        let pending = "Order 1 is PENDING and part of the books, for a payment of it came; to take it back, cancel it.";
        assert_eq!(text(Status::Pending), pending);
    }

    #[test]
    fn what_is_stale_is_named() {
        let what = Resource::Product(product_id(7));
        let text = Error::StaleVersion {
            what,
            version: Version::FIRST,
            unexpected: Unexpected::NotNamed,
        }
        .to_string();
        assert_eq!(text, "Product 7 is in version \"1\", which If-Match does not name.");
    }

    #[test]
    fn causes_stay_behind_the_public_sentence() {
        let error = Error::storage("database or disk is full");
        assert!(!error.to_string().contains("disk is full"));
        assert_eq!(error.clone().source().unwrap().to_string(), "database or disk is full");
        assert!(Error::Overloaded.source().is_none());
    }
}
