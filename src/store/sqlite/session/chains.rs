//! The chains of a product: its orders and its ledger. The product names its newest row, and each row the one before it.
//!
//! A new row is appended to its table, wherever its product is. A list is a walk, newest first, that finds each row by
//! its id.

use rusqlite::{Row, params};

use super::Session;
use super::rows::{self, movement_columns, order_columns};
use crate::domain::{MovementId, NewMovement, NewOrder, Order, OrderId, ProductId, StockMovement};
use crate::error::Error;
use crate::store::OrderFilter;

/// What a step of a walk finds: a row, if it is still there, and the id of the one before.
type Step<T> = (Option<T>, Option<i64>);

fn link(row: &Row<'_>) -> rusqlite::Result<Option<i64>> {
    row.get(0)
}

/// Walks a chain from this row on, and takes `limit` rows that `is_wanted`.
fn walk<T>(
    from: Option<i64>,
    limit: usize,
    mut step: impl FnMut(i64) -> Result<Step<T>, Error>,
    is_wanted: impl Fn(&T) -> bool,
) -> Result<Vec<T>, Error> {
    let (mut next, mut taken) = (from, Vec::new());
    while let Some(id) = next.filter(|_| taken.len() < limit) {
        let (row, previous) = step(id)?;
        taken.extend(row.filter(&is_wanted));
        next = previous;
    }
    Ok(taken)
}

/// One kind of chain: how to find and set its end, and how to find the row before another.
pub(super) struct Chain {
    /// The newest row of a product.
    pub(super) last: &'static str,
    /// Has the product name its newest row.
    set_last: &'static str,
    /// The row before a row, if that is of this product.
    pub(super) previous: &'static str,
}

pub(super) const ORDERS: Chain = Chain {
    last: "SELECT last_order FROM products WHERE id = ?1",
    set_last: "UPDATE products SET last_order = ?2 WHERE id = ?1",
    previous: "SELECT previous FROM orders WHERE id = ?1 AND product_id = ?2 \
               UNION ALL SELECT previous FROM gone_orders WHERE id = ?1 AND product_id = ?2",
};

pub(super) const MOVEMENTS: Chain = Chain {
    last: "SELECT last_movement FROM products WHERE id = ?1",
    set_last: "UPDATE products SET last_movement = ?2 WHERE id = ?1",
    previous: "SELECT previous FROM stock_movements WHERE id = ?1 AND product_id = ?2",
};

/// An order of this product, and the one before it.
pub(super) const ORDER: &str = concat!(
    "SELECT ",
    order_columns!(),
    ", previous FROM orders WHERE id = ?1 AND product_id = ?2"
);

/// A movement of this product, and the one before it.
pub(super) const MOVEMENT: &str = concat!(
    "SELECT ",
    movement_columns!(),
    ", previous FROM stock_movements WHERE id = ?1 AND product_id = ?2"
);

impl Session<'_> {
    pub(super) fn has_orders(&self, product_id: ProductId) -> Result<bool, Error> {
        // The newest is always one that is there.
        Ok(self.last(&ORDERS, product_id)?.is_some())
    }

    /// The orders of this product that the filter lets through, before this one.
    pub(super) fn orders_of_product(
        &self,
        product_id: ProductId,
        filter: OrderFilter,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, Error> {
        let from = self.before(&ORDERS, product_id, before.map(OrderId::get))?;
        let step = |id| {
            let row = self.one(ORDER, params![id, product_id], |row| {
                Ok((Some(rows::order(row)?), row.get("previous")?))
            })?;
            match row {
                Some(step) => Ok(step),
                None => Ok((None, self.previous(&ORDERS, product_id, id)?)),
            }
        };
        walk(from, limit, step, |order| filter.lets_through(order))
    }

    /// The ledger of this product, before this movement.
    pub(super) fn ledger(
        &self,
        product_id: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<StockMovement>, Error> {
        let from = self.before(&MOVEMENTS, product_id, before.map(MovementId::get))?;
        let step = |id| {
            self.exactly_one(MOVEMENT, params![id, product_id], |row| {
                Ok((Some(rows::movement(row)?), row.get("previous")?))
            })
        };
        walk(from, limit, step, |_| true)
    }

    pub(super) fn append_order(&self, order: &NewOrder) -> Result<OrderId, Error> {
        const SQL: &str = "INSERT INTO orders \
                           (product_id, quantity, unit_price_cents, status, expires_at_ms, created_at_ms, updated_at_ms, \
                           previous) \
                           VALUES (?1, ?2, ?3, 'PENDING', ?4, ?5, ?5, (SELECT last_order FROM products WHERE id = ?1))";
        let product_id = order.product_id();
        self.change_one(
            SQL,
            params![
                product_id,
                order.quantity(),
                order.unit_price(),
                order.expires_at(),
                order.created_at()
            ],
        )?;
        let id = OrderId::new(self.connection.last_insert_rowid()).map_err(Error::internal)?;
        self.set_last(&ORDERS, product_id, Some(id.get()))?;
        Ok(id)
    }

    pub(super) fn append_movement(&self, movement: &NewMovement) -> Result<MovementId, Error> {
        const SQL: &str = "INSERT INTO stock_movements \
                           (product_id, delta, stock_after, reason, order_id, note, created_at_ms, previous) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT last_movement FROM products WHERE id = ?1))";
        let NewMovement {
            product_id,
            delta,
            stock_after,
            reason,
            note,
            created_at,
        } = movement;
        let (name, order_id) = (reason.name(), reason.order_id());
        self.change_one(
            SQL,
            params![product_id, delta, stock_after, name, order_id, note, created_at],
        )?;
        let id = MovementId::new(self.connection.last_insert_rowid()).map_err(Error::internal)?;
        self.set_last(&MOVEMENTS, *product_id, Some(id.get()))?;
        Ok(id)
    }

    /// Removes an order. One that a newer one names leaves its link behind; else what it names is the newest now, or what
    /// that names if it is gone, too.
    pub(super) fn remove_order(&self, id: OrderId) -> Result<(), Error> {
        const LINKS: &str = "SELECT product_id, previous FROM orders WHERE id = ?1";
        const LEAVE: &str = "INSERT INTO gone_orders (id, product_id, previous) VALUES (?1, ?2, ?3)";
        const GONE: &str = "SELECT previous FROM gone_orders WHERE id = ?1";
        const FORGET: &str = "DELETE FROM gone_orders WHERE id = ?1";
        let (product_id, mut previous): (ProductId, Option<i64>) =
            self.exactly_one(LINKS, params![id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.change_one("DELETE FROM orders WHERE id = ?1", params![id])?;
        if self.last(&ORDERS, product_id)? != Some(id.get()) {
            return self.change_one(LEAVE, params![id, product_id, previous]);
        }
        while let Some(gone) = previous
            && let Some(before) = self.one(GONE, params![gone], link)?
        {
            self.change_one(FORGET, params![gone])?;
            previous = before;
        }
        self.set_last(&ORDERS, product_id, previous)
    }

    pub(super) fn remove_ledger(&self, product_id: ProductId) -> Result<(), Error> {
        let mut next = self.last(&MOVEMENTS, product_id)?;
        if next.is_some() {
            self.set_last(&MOVEMENTS, product_id, None)?;
        }
        while let Some(id) = next {
            next = self.previous(&MOVEMENTS, product_id, id)?;
            self.change_one("DELETE FROM stock_movements WHERE id = ?1", params![id])?;
        }
        Ok(())
    }

    /// The newest row of a product; none of a product that is not there.
    fn last(&self, chain: &Chain, product_id: ProductId) -> Result<Option<i64>, Error> {
        Ok(self.one(chain.last, params![product_id], link)?.flatten())
    }

    fn set_last(&self, chain: &Chain, product_id: ProductId, last: Option<i64>) -> Result<(), Error> {
        self.change_one(chain.set_last, params![product_id, last])
    }

    /// The row before one that is of this product.
    fn previous(&self, chain: &Chain, product_id: ProductId, id: i64) -> Result<Option<i64>, Error> {
        self.exactly_one(chain.previous, params![id, product_id], link)
    }

    /// Where a list begins that goes on before this row. Of an id that is not in the chain, such as that of the newest order
    /// of before, which is gone by now, the older ones are found from the newest on.
    fn before(&self, chain: &Chain, product_id: ProductId, before: Option<i64>) -> Result<Option<i64>, Error> {
        let Some(before) = before else {
            return self.last(chain, product_id);
        };
        if let Some(previous) = self.one(chain.previous, params![before, product_id], link)? {
            return Ok(previous);
        }
        let mut next = self.last(chain, product_id)?;
        while let Some(id) = next.filter(|id| *id >= before) {
            next = self.previous(chain, product_id, id)?;
        }
        Ok(next)
    }
}
