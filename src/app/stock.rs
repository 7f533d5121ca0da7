//! Stock: the ledger of a product, and changes of stock by a difference.
//!
//! A change that would make the stock negative, or lift it above its limit, is refused.

use super::{Page, products};
use crate::domain::{Delta, MovementId, NewMovement, Note, ProductId, Reason, StockMovement, Timestamp};
use crate::error::Error;
use crate::store::{Tx, View};

/// The ledger of a product, newest first, before this entry.
///
/// # Errors
/// [`Error::ProductNotFound`].
pub fn list(
    view: &dyn View,
    product_id: ProductId,
    before: Option<MovementId>,
    limit: usize,
) -> Result<Page<StockMovement, MovementId>, Error> {
    products::get(view, product_id)?;
    let items = view.movements(product_id, before, limit.saturating_add(1))?;
    Ok(Page::cut(items, limit, |movement| movement.id))
}

/// Restocks or corrects: changes a product's stock by `delta`.
///
/// # Errors
/// [`Error::ProductNotFound`]; [`Error::InsufficientStock`] if there are fewer units than are taken; [`Error::StockLimit`] if
/// the stock would exceed its limit.
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
