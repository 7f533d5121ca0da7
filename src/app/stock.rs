//! Stock: the ledger of a product, and changes of stock by a difference.
//!
//! A change that would make the stock negative, or lift it above its limit, is refused.

use std::collections::HashMap;

use tracing::instrument;

use super::{Page, orders, products};
use crate::domain::{
    Delta, MovementId, NewMovement, Note, OrderId, Product, ProductId, Reason, Reference, StockMovement, Timestamp,
};
use crate::error::Error;
use crate::store::{Tx, View};

/// A page of a product's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The product.
    pub product: Product,
    /// The movements.
    pub page: Page<StockMovement, MovementId>,
    /// The references of the orders that the movements name.
    pub references: HashMap<OrderId, Reference>,
}

/// The ledger of a product, newest first, before this entry.
///
/// # Errors
/// [`Error::ProductNotFound`].
pub fn list(view: &dyn View, product_id: ProductId, before: Option<MovementId>, limit: usize) -> Result<Ledger, Error> {
    let product = products::get(view, product_id)?;
    let items = view.movements(product_id, before, limit.saturating_add(1))?;
    let page = Page::cut(items, limit, |movement| movement.id);
    let references = orders::references(view, page.items.iter().filter_map(|item| item.reason.order_id()))?;
    Ok(Ledger {
        product,
        page,
        references,
    })
}

/// Restocks or corrects: changes a product's stock by `delta`.
///
/// # Errors
/// [`Error::ProductNotFound`]; [`Error::InsufficientStock`] if there are fewer units than are taken; [`Error::StockLimit`] if
/// the stock would exceed its limit.
#[instrument(level = "debug", name = "stock::adjust", skip_all, fields(product_id = product_id.get(), delta = delta.get()))]
pub fn adjust(
    tx: &mut dyn Tx,
    product_id: ProductId,
    delta: Delta,
    note: Option<&Note>,
    now: Timestamp,
) -> Result<StockMovement, Error> {
    let before = products::get(tx, product_id)?;
    let after = before
        .move_stock(delta, now)
        .map_err(|refusal| Error::refused_stock(product_id, refusal))?;
    tx.save_product(&after)?;
    let movement = NewMovement {
        product_id,
        delta,
        stock_after: after.stock,
        reason: Reason::Adjustment,
        note: note.cloned(),
        created_at: now,
    };
    let id = tx.insert_movement(&movement)?;
    Ok(movement.with_id(id))
}
