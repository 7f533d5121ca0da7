//! Orders: place, read, change, delete. Stock moves along in the same transaction.

use super::{Page, products};
use crate::domain::{
    Delta, NewMovement, NewOrder, Order, OrderChange, OrderId, ProductId, Quantity, Reason, Status, Stock, Timestamp,
};
use crate::error::Error;
use crate::store::{OrderFilter, Taken, Tx, View};

/// Places an order: takes its units and fixes today's price.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::InsufficientStock`].
pub fn place(tx: &mut dyn Tx, product_id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Order, Error> {
    let Taken { stock, price } = take(tx, product_id, quantity, now)?;
    let new = NewOrder::new(product_id, quantity, price, now)
        .map_err(|_| Error::internal(format!("the total of {quantity} units of product {product_id} overflows")))?;
    let order = new.with_id(tx.insert_order(&new)?);
    record(tx, &order, Delta::going(quantity), stock, Reason::OrderPlaced(order.id()), now)?;
    Ok(order)
}

/// One order.
///
/// # Errors
/// [`Error::OrderNotFound`].
pub fn get(view: &dyn View, id: OrderId) -> Result<Order, Error> {
    view.order(id)?.ok_or(Error::OrderNotFound { id })
}

/// Orders of this filter, newest first, before this one.
///
/// # Errors
/// As the storage fails.
pub fn list(
    view: &dyn View,
    filter: OrderFilter,
    before: Option<OrderId>,
    limit: usize,
) -> Result<Page<Order, OrderId>, Error> {
    let items = view.orders(filter, before, limit.saturating_add(1))?;
    Ok(Page::cut(items, limit, Order::id))
}

/// Ships, cancels or changes an order, as its caller asks. What it has already changes nothing.
///
/// # Errors
/// [`Error::OrderNotFound`], [`Error::InvalidTransition`], [`Error::OrderNotEditable`]; [`Error::InsufficientStock`] if
/// the product has not the further units that a larger quantity needs.
pub fn update(tx: &mut dyn Tx, id: OrderId, change: OrderChange, now: Timestamp) -> Result<Order, Error> {
    let before = get(tx, id)?;
    let after = before.change(change, now).map_err(|refusal| Error::refused_order(id, refusal))?;
    if after == before {
        return Ok(before);
    }
    match (before.held(), after.held()) {
        (Some(held), Some(holds)) => settle(tx, &after, held, holds, now)?,
        (Some(held), None) => give_back(tx, &after, held, Reason::OrderCanceled(id), now)?,
        (None, None) => {}
        (None, Some(_)) => return Err(Error::internal(format!("order {id} came back from {}", Status::Canceled))),
    }
    tx.save_order(&after)?;
    Ok(after)
}

/// Removes an order that never saw money; the units that it holds go back.
///
/// # Errors
/// [`Error::OrderNotFound`], [`Error::OrderNotDeletable`].
pub fn delete(tx: &mut dyn Tx, id: OrderId, now: Timestamp) -> Result<(), Error> {
    let order = get(tx, id)?;
    order.check_deletable().map_err(|refusal| Error::refused_order(id, refusal))?;
    if let Some(held) = order.held() {
        give_back(tx, &order, held, Reason::OrderDeleted(id), now)?;
    }
    tx.delete_order(id)
}

/// Moves the difference between the units that an order held and those that it holds from now on.
fn settle(tx: &mut dyn Tx, order: &Order, held: Quantity, holds: Quantity, now: Timestamp) -> Result<(), Error> {
    let reason = Reason::OrderChanged(order.id());
    match held.change_from(holds) {
        None => Ok(()),
        Some(delta) if delta.is_going() => {
            let taken = take(tx, order.product_id(), delta.units(), now)?;
            record(tx, order, delta, taken.stock, reason, now)
        }
        Some(delta) => give_back(tx, order, delta.units(), reason, now),
    }
}

/// Takes units, or says why there are not enough.
fn take(tx: &mut dyn Tx, product_id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Taken, Error> {
    match tx.take_stock(product_id, quantity, now)? {
        Some(taken) => Ok(taken),
        // Only a refusal needs to know more than what was taken.
        None => {
            let available = products::get(tx, product_id)?.stock;
            Err(Error::InsufficientStock { product_id, requested: quantity, available })
        }
    }
}

fn give_back(
    tx: &mut dyn Tx,
    order: &Order,
    quantity: Quantity,
    reason: Reason,
    now: Timestamp,
) -> Result<(), Error> {
    let stock = tx.return_stock(order.product_id(), quantity, now)?;
    record(tx, order, Delta::coming(quantity), stock, reason, now)
}

/// Writes what an order did to its product's stock.
fn record(
    tx: &mut dyn Tx,
    order: &Order,
    delta: Delta,
    stock_after: Stock,
    reason: Reason,
    now: Timestamp,
) -> Result<(), Error> {
    let product_id = order.product_id();
    tx.insert_movement(&NewMovement { product_id, delta, stock_after, reason, note: None, created_at: now })?;
    Ok(())
}
