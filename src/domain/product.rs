//! Products, their stock, and the ledger of every change of stock.
//!
//! Invariant: a product's stock is the sum of its movements' deltas and the newest movement's `stock_after`. Stock is
//! never negative. A movement by a caller that would lift it above [`STOCK_MAX`] is refused; units that come back from orders always fit.

use super::values::{
    Delta, MovementId, Note, OrderId, Price, ProductId, ProductName, Quantity, SearchText, Sku, Stock, Timestamp,
};
use super::version::Version;

/// The most units that a movement sent by a caller may lift a product's stock to.
pub const STOCK_MAX: i64 = 1_000_000_000;

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its SKU, unique among products.
    pub sku: Sku,
    /// Its name.
    pub name: ProductName,
    /// The price of one unit for orders from now on.
    pub price: Price,
    /// Units that can still be ordered.
    pub stock: Stock,
    /// Its version.
    pub version: Version,
    /// When it was created.
    pub created_at: Timestamp,
    /// When anything about it last changed, its stock included.
    pub updated_at: Timestamp,
}

/// A product to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Its SKU.
    pub sku: Sku,
    /// Its name.
    pub name: ProductName,
    /// The price of one unit.
    pub price: Price,
    /// Its opening stock.
    pub stock: Stock,
}

/// What changes about a product; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductChange {
    /// The new SKU.
    pub sku: Option<Sku>,
    /// The new name.
    pub name: Option<ProductName>,
    /// The new price, for later orders only.
    pub price: Option<Price>,
    /// The new level of stock.
    pub stock: Option<Stock>,
}

/// Why stock cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockRefusal {
    /// There are fewer units than would be taken.
    Insufficient {
        /// The units to take.
        requested: Quantity,
        /// The stock.
        available: Stock,
    },
    /// The stock would exceed [`STOCK_MAX`].
    Limit {
        /// The units to add.
        requested: Quantity,
        /// The stock.
        available: Stock,
    },
}

impl NewProduct {
    /// The product with this id.
    #[must_use]
    pub fn with_id(self, id: ProductId, now: Timestamp) -> Product {
        Product {
            id,
            sku: self.sku,
            name: self.name,
            price: self.price,
            stock: self.stock,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        }
    }
}

impl Product {
    /// The product after `change`; it is a new version, changed at `now`, if anything differs.
    #[must_use]
    pub fn change(&self, change: &ProductChange, now: Timestamp) -> Self {
        let mut after = self.clone();
        if let Some(sku) = &change.sku {
            after.sku.clone_from(sku);
        }
        if let Some(name) = &change.name {
            after.name.clone_from(name);
        }
        after.price = change.price.unwrap_or(self.price);
        after.stock = change.stock.unwrap_or(self.stock);
        if after != *self {
            after.version = self.version.next();
            after.updated_at = now;
        }
        after
    }

    /// Whether its name or SKU has this text, whatever the case of its letters.
    pub fn has_text(&self, text: &SearchText) -> bool {
        let text = text.as_str().to_lowercase();
        [self.sku.as_str(), self.name.as_str()]
            .into_iter()
            .any(|of| of.to_lowercase().contains(&text))
    }

    /// The product after a caller moved its stock by `delta`.
    ///
    /// # Errors
    /// [`StockRefusal`] if more units go than there are, or units come that lift the stock above [`STOCK_MAX`].
    pub fn move_stock(self, delta: Delta, now: Timestamp) -> Result<Self, StockRefusal> {
        let (requested, available) = (delta.units(), self.stock);
        // Stock that came back may exceed the limit already: then units can still be taken.
        let after = match available.get().checked_add(delta.get()) {
            Some(after) if delta.is_going() || after <= STOCK_MAX => after,
            Some(_) | None => return Err(StockRefusal::Limit { requested, available }),
        };
        match Stock::new(after) {
            Ok(stock) => Ok(Self {
                stock,
                version: self.version.next(),
                updated_at: now,
                ..self
            }),
            Err(_) => Err(StockRefusal::Insufficient { requested, available }),
        }
    }
}

/// Why stock changed, with the order that caused it where one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The opening stock of a new product.
    Initial,
    /// A restock or a correction by a caller.
    Adjustment,
    /// An order reserved units.
    OrderPlaced(OrderId),
    /// An order's quantity changed.
    OrderChanged(OrderId),
    /// A canceled order gave its units back.
    OrderCanceled(OrderId),
    /// An order that was not paid in time gave its units back.
    OrderExpired(OrderId),
    /// A deleted order gave its units back.
    OrderDeleted(OrderId),
}

impl Reason {
    /// The reason's name, the same wherever it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Adjustment => "adjustment",
            Self::OrderPlaced(_) => "order_placed",
            Self::OrderChanged(_) => "order_changed",
            Self::OrderCanceled(_) => "order_canceled",
            Self::OrderExpired(_) => "order_expired",
            Self::OrderDeleted(_) => "order_deleted",
        }
    }

    /// The order that caused the change, where one did.
    pub const fn order_id(self) -> Option<OrderId> {
        match self {
            Self::Initial | Self::Adjustment => None,
            Self::OrderPlaced(id)
            | Self::OrderChanged(id)
            | Self::OrderCanceled(id)
            | Self::OrderExpired(id)
            | Self::OrderDeleted(id) => Some(id),
        }
    }

    /// The reason of this name and order; `None` where there is no such name, or where an order is given and none belongs there, or the other way round.
    pub fn from_parts(name: &str, order_id: Option<OrderId>) -> Option<Self> {
        match (name, order_id) {
            ("initial", None) => Some(Self::Initial),
            ("adjustment", None) => Some(Self::Adjustment),
            ("order_placed", Some(id)) => Some(Self::OrderPlaced(id)),
            ("order_changed", Some(id)) => Some(Self::OrderChanged(id)),
            ("order_canceled", Some(id)) => Some(Self::OrderCanceled(id)),
            ("order_expired", Some(id)) => Some(Self::OrderExpired(id)),
            ("order_deleted", Some(id)) => Some(Self::OrderDeleted(id)),
            _ => None,
        }
    }
}

/// One entry of a product's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockMovement {
    /// Its id; a later entry has a larger one.
    pub id: MovementId,
    /// The product whose stock changed.
    pub product_id: ProductId,
    /// The change, in units.
    pub delta: Delta,
    /// The product's stock right after.
    pub stock_after: Stock,
    /// Why it changed.
    pub reason: Reason,
    /// A note.
    pub note: Option<Note>,
    /// When it changed.
    pub created_at: Timestamp,
}

/// An entry to write to a product's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMovement {
    /// The product whose stock changed.
    pub product_id: ProductId,
    /// The change, in units.
    pub delta: Delta,
    /// The product's stock right after.
    pub stock_after: Stock,
    /// Why it changed.
    pub reason: Reason,
    /// A note.
    pub note: Option<Note>,
    /// When it changed.
    pub created_at: Timestamp,
}

impl NewMovement {
    /// The entry with this id.
    #[must_use]
    pub fn with_id(self, id: MovementId) -> StockMovement {
        StockMovement {
            id,
            product_id: self.product_id,
            delta: self.delta,
            stock_after: self.stock_after,
            reason: self.reason,
            note: self.note,
            created_at: self.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::Money;
    use super::*;

    const BEFORE: Timestamp = Timestamp::from_millis(1_000);
    const NOW: Timestamp = Timestamp::from_millis(2_000);

    fn mug(stock: i64) -> Product {
        let new = NewProduct {
            sku: Sku::new("MUG").unwrap(),
            name: ProductName::new("Mug").unwrap(),
            price: Price::new(Money::from_cents(1_250)).unwrap(),
            stock: Stock::new(stock).unwrap(),
        };
        new.with_id(ProductId::new(1).unwrap(), BEFORE)
    }

    fn moved(stock: i64, delta: i64) -> Result<(i64, Timestamp), StockRefusal> {
        mug(stock)
            .move_stock(Delta::new(delta).unwrap(), NOW)
            .map(|after| (after.stock.get(), after.updated_at))
    }

    #[test]
    fn only_what_is_named_changes() {
        let price = Price::new(Money::from_cents(1)).unwrap();
        let after = mug(5).change(
            &ProductChange {
                price: Some(price),
                ..ProductChange::default()
            },
            NOW,
        );
        assert_eq!(
            after,
            Product {
                price,
                version: Version::FIRST.next(),
                updated_at: NOW,
                ..mug(5)
            }
        );
    }

    #[test]
    fn a_change_to_what_is_there_already_touches_nothing() {
        let same = mug(5);
        let change = ProductChange {
            sku: Some(same.sku.clone()),
            name: Some(same.name.clone()),
            price: Some(same.price),
            stock: Some(same.stock),
        };
        assert_eq!(same.change(&change, NOW), same);
        assert_eq!(same.change(&ProductChange::default(), NOW), same);
    }

    #[test]
    fn a_text_is_found_in_name_and_sku_whatever_the_case() {
        let product = Product {
            name: ProductName::new("Große TASSE \"Ä\" %").unwrap(),
            ..mug(5)
        };
        let has = |text: &str| product.has_text(&SearchText::new(text).unwrap());
        assert!(["mug", "UG", "tasse", "große t", "ä\" %", "Ä"].into_iter().all(has));
        assert!(!["mugs", "gro_e", "tasse%", "mug große"].into_iter().any(has));
    }

    #[test]
    fn stock_moves_within_its_bounds_only() {
        let refused = |requested, available| (Quantity::new(requested).unwrap(), Stock::new(available).unwrap());
        assert_eq!(moved(5, 3), Ok((8, NOW)));
        assert_eq!(moved(5, -5), Ok((0, NOW)));
        let (requested, available) = refused(6, 5);
        assert_eq!(moved(5, -6), Err(StockRefusal::Insufficient { requested, available }));
        assert_eq!(moved(40, STOCK_MAX - 40), Ok((STOCK_MAX, NOW)));
        let (requested, available) = refused(STOCK_MAX - 39, 40);
        assert_eq!(
            moved(40, STOCK_MAX - 39),
            Err(StockRefusal::Limit { requested, available })
        );
        let (requested, available) = refused(i64::MAX, 1);
        assert_eq!(moved(1, i64::MAX), Err(StockRefusal::Limit { requested, available }));
    }

    #[test]
    fn stock_above_the_limit_can_still_go_but_not_come() {
        assert_eq!(moved(STOCK_MAX + 7, -3), Ok((STOCK_MAX + 4, NOW)));
        assert!(matches!(moved(STOCK_MAX + 7, 1), Err(StockRefusal::Limit { .. })));
    }

    #[test]
    fn reasons_survive_their_names() {
        let id = OrderId::new(3).unwrap();
        let all = [
            Reason::Initial,
            Reason::Adjustment,
            Reason::OrderPlaced(id),
            Reason::OrderChanged(id),
            Reason::OrderCanceled(id),
            Reason::OrderExpired(id),
            Reason::OrderDeleted(id),
        ];
        for reason in all {
            assert_eq!(Reason::from_parts(reason.name(), reason.order_id()), Some(reason));
            let wrong = if reason.order_id().is_some() { None } else { Some(id) };
            assert_eq!(
                Reason::from_parts(reason.name(), wrong),
                None,
                "{reason:?} with {wrong:?}"
            );
        }
        assert_eq!(Reason::from_parts("stolen", None), None);
    }
}
