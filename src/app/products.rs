//! Products: create, read, change, delete.
//!
//! Every change of stock writes its movement. A SKU that is taken is refused, and so is deleting a product with orders.

use tracing::instrument;

use super::{Page, check_expected};
use crate::domain::{
    Delta, Expected, NewMovement, NewProduct, Product, ProductChange, ProductId, Reason, Resource, SearchText, Sku,
    Stock, Timestamp,
};
use crate::error::Error;
use crate::store::{Tx, View};

/// Adds a product, and its opening stock to its ledger.
///
/// # Errors
/// [`Error::DuplicateSku`].
#[instrument(level = "debug", name = "products::create", skip_all)]
pub fn create(tx: &mut dyn Tx, new: &NewProduct, now: Timestamp) -> Result<Product, Error> {
    check_sku_free(tx, &new.sku)?;
    let id = tx.insert_product(new, now)?;
    let product = new.clone().with_id(id, now);
    if let Some(delta) = product.stock.change_from(Stock::NONE) {
        record(tx, &product, delta, Reason::Initial)?;
    }
    Ok(product)
}

/// One product.
///
/// # Errors
/// [`Error::ProductNotFound`].
pub fn get(view: &dyn View, id: ProductId) -> Result<Product, Error> {
    view.product(id)?.ok_or(Error::ProductNotFound { id })
}

/// Which products a list holds; `None` narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductFilter {
    /// Only the product with this SKU.
    pub sku: Option<Sku>,
    /// Only products with this text in their name or SKU, whatever the case of its letters.
    pub text: Option<SearchText>,
}

/// Products of this filter in the order of their ids, after this one.
///
/// # Errors
/// As the storage fails.
pub fn list(
    view: &dyn View,
    filter: &ProductFilter,
    after: Option<ProductId>,
    limit: usize,
) -> Result<Page<Product, ProductId>, Error> {
    let count = limit.saturating_add(1);
    let items = match (&filter.sku, &filter.text) {
        (None, None) => view.products(after, count)?,
        (None, Some(text)) => view.products_with_text(text, after, count)?,
        (Some(_), _) => {
            let mut found = one(view, filter)?;
            found.retain(|product| after.is_none_or(|after| product.id > after));
            found
        }
    };
    Ok(Page::cut(items, limit, |product| product.id))
}

/// The minute in which a product last changed, and its id: its place among the products by change.
pub type ProductTime = (Timestamp, ProductId);

/// Products of this filter that were added or changed at that time or later, after this place.
///
/// # Errors
/// As the storage fails.
pub fn list_by_change(
    view: &dyn View,
    filter: &ProductFilter,
    from: Timestamp,
    after: Option<ProductTime>,
    limit: usize,
) -> Result<Page<Product, ProductTime>, Error> {
    let place = |product: &Product| (product.updated_at.minute(), product.id);
    let items = match &filter.sku {
        None => view.products_by_change(from, filter.text.as_ref(), after, limit.saturating_add(1))?,
        Some(_) => {
            let mut found = one(view, filter)?;
            found.retain(|product| product.updated_at >= from && after.is_none_or(|after| place(product) > after));
            found
        }
    };
    Ok(Page::cut(items, limit, place))
}

/// The product that has the filter's SKU, if it also has its text.
fn one(view: &dyn View, filter: &ProductFilter) -> Result<Vec<Product>, Error> {
    let found = filter
        .sku
        .as_ref()
        .map(|sku| view.product_by_sku(sku))
        .transpose()?
        .flatten();
    let has_text = |product: &Product| filter.text.as_ref().is_none_or(|text| product.has_text(text));
    Ok(found.into_iter().filter(has_text).collect())
}

/// Changes a product; a new level of stock is an adjustment in its ledger. What is there already changes nothing.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::StaleVersion`], [`Error::DuplicateSku`].
#[instrument(level = "debug", name = "products::update", skip_all, fields(product_id = id.get()))]
pub fn update(
    tx: &mut dyn Tx,
    id: ProductId,
    expected: &Expected,
    change: &ProductChange,
    now: Timestamp,
) -> Result<Product, Error> {
    let before = get(tx, id)?;
    check_expected(expected, Resource::Product(id), before.version)?;
    let after = before.change(change, now);
    if after == before {
        return Ok(before);
    }
    if after.sku != before.sku {
        check_sku_free(tx, &after.sku)?;
    }
    tx.save_product(&after)?;
    if let Some(delta) = after.stock.change_from(before.stock) {
        record(tx, &after, delta, Reason::Adjustment)?;
    }
    Ok(after)
}

/// Removes a product and its ledger.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::StaleVersion`]; [`Error::ProductInUse`] while any order refers to it.
#[instrument(level = "debug", name = "products::delete", skip_all, fields(product_id = id.get()))]
pub fn delete(tx: &mut dyn Tx, id: ProductId, expected: &Expected) -> Result<(), Error> {
    let product = get(tx, id)?;
    check_expected(expected, Resource::Product(id), product.version)?;
    if tx.product_has_orders(id)? {
        return Err(Error::ProductInUse { product_id: id });
    }
    tx.delete_movements(id)?;
    tx.delete_product(id)
}

fn check_sku_free(view: &dyn View, sku: &Sku) -> Result<(), Error> {
    match view.product_by_sku(sku)? {
        None => Ok(()),
        Some(_) => Err(Error::DuplicateSku { sku: sku.clone() }),
    }
}

/// Writes the change that led to the product's stock as it is now.
fn record(tx: &mut dyn Tx, product: &Product, delta: Delta, reason: Reason) -> Result<(), Error> {
    tx.insert_movement(&NewMovement {
        product_id: product.id,
        delta,
        stock_after: product.stock,
        reason,
        note: None,
        created_at: product.updated_at,
    })?;
    Ok(())
}
