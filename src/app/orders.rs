//! Orders: place, read, change, delete, expire.
//!
//! Stock and ledger change in the same transaction. What the domain refuses is passed on as an [`Error`].

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tracing::instrument;

use super::{Page, check_expected, products};
use crate::domain::{
    Delta, Expected, NewMovement, NewOrder, Order, OrderChange, OrderId, Product, ProductId, Quantity, Reason,
    Reference, Resource, Status, Stock, Timestamp,
};
use crate::error::Error;
use crate::store::{OrderFilter, Taken, TimeSpan, Tx, View};

/// Places an order: takes its units, at the current price. It expires if it is not paid within `ttl`; with no time, or a
/// time of 0, it never does.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::InsufficientStock`].
#[instrument(level = "debug", name = "orders::place", skip_all, fields(product_id = product_id.get(), quantity = quantity.get()))]
pub fn place(
    tx: &mut dyn Tx,
    product_id: ProductId,
    quantity: Quantity,
    reference: Option<Reference>,
    ttl: Option<Duration>,
    now: Timestamp,
) -> Result<Order, Error> {
    let Taken { stock, price } = take(tx, product_id, quantity, now)?;
    let new = NewOrder::new(product_id, quantity, price, now)
        .map_err(|_| {
            Error::internal(format!(
                "the total of {quantity} units of product {product_id} overflows"
            ))
        })?
        .with_reference(reference)
        .expiring_after(ttl);
    let id = tx.insert_order(&new)?;
    let order = new.with_id(id);
    record(
        tx,
        &order,
        Delta::going(quantity),
        stock,
        Reason::OrderPlaced(order.id()),
        now,
    )?;
    Ok(order)
}

/// One order.
///
/// # Errors
/// [`Error::OrderNotFound`].
pub fn get(view: &dyn View, id: OrderId) -> Result<Order, Error> {
    view.order(id)?.ok_or(Error::OrderNotFound { id })
}

/// Orders of this filter, newest first by their ids, before this one.
///
/// # Errors
/// As the storage fails.
pub fn list(
    view: &dyn View,
    filter: &OrderFilter,
    before: Option<OrderId>,
    limit: usize,
) -> Result<Page<Order, OrderId>, Error> {
    let items = view.orders(filter, before, limit.saturating_add(1))?;
    Ok(Page::cut(items, limit, Order::id))
}

/// When an order was placed, and its id: its place among the orders by time.
pub type OrderTime = (Timestamp, OrderId);

/// Orders of this filter that were placed in this span of time, newest first by that, before this place.
///
/// # Errors
/// As the storage fails.
pub fn list_by_time(
    view: &dyn View,
    filter: &OrderFilter,
    span: TimeSpan,
    before: Option<OrderTime>,
    limit: usize,
) -> Result<Page<Order, OrderTime>, Error> {
    let items = view.orders_by_time(filter, span, before, limit.saturating_add(1))?;
    Ok(Page::cut(items, limit, |order| (order.created_at(), order.id())))
}

/// An order as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedOrder {
    /// The order.
    pub order: Order,
    /// Its product, where that was asked for.
    pub product: Option<Product>,
}

/// These orders, with their products if `expands`.
///
/// # Errors
/// As the storage fails.
pub fn with_products(view: &dyn View, orders: Vec<Order>, expands: bool) -> Result<Vec<ListedOrder>, Error> {
    let mut products = HashMap::new();
    if expands {
        for order in &orders {
            if let Entry::Vacant(place) = products.entry(order.product_id()) {
                place.insert(view.product(order.product_id())?);
            }
        }
    }
    let listed = orders.into_iter().map(|order| ListedOrder {
        product: products.get(&order.product_id()).cloned().flatten(),
        order,
    });
    Ok(listed.collect())
}

/// The references of these orders: of those that are there and have one.
///
/// # Errors
/// As the storage fails.
pub fn references(
    view: &dyn View,
    ids: impl IntoIterator<Item = OrderId>,
) -> Result<HashMap<OrderId, Reference>, Error> {
    let ids: BTreeSet<_> = ids.into_iter().collect();
    let mut references = HashMap::new();
    for id in ids {
        if let Some(reference) = view.order(id)?.and_then(|order| order.reference().cloned()) {
            references.insert(id, reference);
        }
    }
    Ok(references)
}

/// An order that a caller changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// Its status before.
    pub from: Status,
    /// The order now.
    pub order: Order,
}

/// Ships, cancels or changes an order. What it has already changes nothing.
///
/// # Errors
/// [`Error::OrderNotFound`], [`Error::StaleVersion`], [`Error::InvalidTransition`], [`Error::OrderNotEditable`];
/// [`Error::InsufficientStock`] if the product has too few units for a larger quantity.
#[instrument(level = "debug", name = "orders::update", skip_all, fields(order_id = id.get()))]
pub fn update(
    tx: &mut dyn Tx,
    id: OrderId,
    expected: &Expected,
    change: OrderChange,
    now: Timestamp,
) -> Result<Updated, Error> {
    let before = get(tx, id)?;
    check_expected(expected, Resource::Order(id), before.version())?;
    let after = before
        .change(change, has_open_payment(tx, id)?, now)
        .map_err(|refusal| Error::refused_order(id, refusal))?;
    let reason = match after.status() {
        Status::Canceled => Reason::OrderCanceled(id),
        Status::Pending | Status::Paid | Status::Shipped => Reason::OrderChanged(id),
    };
    save(tx, &before, &after, reason, now)?;
    Ok(Updated {
        from: before.status(),
        order: after,
    })
}

/// Deletes an order without a recorded payment; the units that it holds go back.
///
/// # Errors
/// [`Error::OrderNotFound`], [`Error::StaleVersion`], [`Error::OrderNotDeletable`].
#[instrument(level = "debug", name = "orders::delete", skip_all, fields(order_id = id.get()))]
pub fn delete(tx: &mut dyn Tx, id: OrderId, expected: &Expected, now: Timestamp) -> Result<(), Error> {
    let order = get(tx, id)?;
    check_expected(expected, Resource::Order(id), order.version())?;
    order
        .check_deletable(tx.has_recorded_payment(id)?)
        .map_err(|refusal| Error::refused_order(id, refusal))?;
    if let Some(held) = order.held() {
        move_stock(tx, &order, Delta::coming(held), Reason::OrderDeleted(id), now)?;
    }
    tx.delete_order(id)
}

/// What [`expire_due`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// How many orders it canceled.
    pub count: usize,
    /// Those of them that have an open payment, and so owe it back.
    pub refund_due: Vec<OrderId>,
    /// Whether there are more of them.
    pub has_more: bool,
}

/// Whether any order waits for [`expire_due`].
///
/// # Errors
/// As the storage fails.
pub fn is_any_due(view: &dyn View, now: Timestamp) -> Result<bool, Error> {
    Ok(!view.orders_expiring(now, 1)?.is_empty())
}

/// Cancels orders that were not paid in time, the longest overdue first and at most `limit` of them, and gives back the
/// units that they hold.
///
/// # Errors
/// As the storage fails.
#[instrument(level = "debug", name = "orders::expire_due", skip_all, fields(limit))]
pub fn expire_due(tx: &mut dyn Tx, now: Timestamp, limit: usize) -> Result<Expired, Error> {
    let due = tx.orders_expiring(now, limit.saturating_add(1))?;
    let count = due.len().min(limit);
    let mut refund_due = Vec::new();
    for before in due.iter().take(limit) {
        let id = before.id();
        let after = before
            .cancel(has_open_payment(tx, id)?, now)
            .map_err(|refusal| Error::internal(format!("order {id} cannot expire: {refusal:?}")))?;
        save(tx, before, &after, Reason::OrderExpired(id), now)?;
        if after.refund_due() {
            refund_due.push(id);
        }
    }
    Ok(Expired {
        count,
        refund_due,
        has_more: due.len() > limit,
    })
}

/// Writes an order as it is now, and the stock and ledger with it. Nothing is written where nothing changed.
pub(super) fn save(
    tx: &mut dyn Tx,
    before: &Order,
    after: &Order,
    reason: Reason,
    now: Timestamp,
) -> Result<(), Error> {
    if after == before {
        return Ok(());
    }
    if let Some(delta) = after.stock_change_from(before) {
        move_stock(tx, after, delta, reason, now)?;
    }
    tx.save_order(after)
}

/// Whether a payment of the order is open, so that a refund is due once it is canceled.
fn has_open_payment(view: &dyn View, id: OrderId) -> Result<bool, Error> {
    Ok(!view.open_payments(id)?.is_empty())
}

/// Takes units for an order or returns them, and writes that to the ledger.
fn move_stock(tx: &mut dyn Tx, order: &Order, delta: Delta, reason: Reason, now: Timestamp) -> Result<(), Error> {
    let product_id = order.product_id();
    let stock_after = if delta.is_going() {
        take(tx, product_id, delta.units(), now)?.stock
    } else {
        tx.return_stock(product_id, delta.units(), now)?
    };
    record(tx, order, delta, stock_after, reason, now)
}

/// Takes units, or says why there are not enough.
fn take(tx: &mut dyn Tx, product_id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Taken, Error> {
    match tx.take_stock(product_id, quantity, now)? {
        Some(taken) => Ok(taken),
        // Only a refusal needs to know how many there are.
        None => {
            let available = products::get(tx, product_id)?.stock;
            Err(Error::InsufficientStock {
                product_id,
                requested: quantity,
                available,
            })
        }
    }
}

/// Writes the movement of an order to the ledger.
fn record(
    tx: &mut dyn Tx,
    order: &Order,
    delta: Delta,
    stock_after: Stock,
    reason: Reason,
    now: Timestamp,
) -> Result<(), Error> {
    let product_id = order.product_id();
    tx.insert_movement(&NewMovement {
        product_id,
        delta,
        stock_after,
        reason,
        note: None,
        created_at: now,
    })?;
    Ok(())
}
