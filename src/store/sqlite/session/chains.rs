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

/// One kind of chain: how to find its end, and the row before another.
struct Chain {
    /// The newest row of a product.
    last: &'static str,
    /// The row before a row, if that is of this product.
    previous: &'static str,
}

const ORDERS: Chain = Chain {
    last: "SELECT last_order FROM products WHERE id = ?1",
    previous: "SELECT previous FROM orders WHERE id = ?1 AND product_id = ?2 \
               UNION ALL SELECT previous FROM gone_orders WHERE id = ?1 AND product_id = ?2",
};

const MOVEMENTS: Chain = Chain {
    last: "SELECT last_movement FROM products WHERE id = ?1",
    previous: "SELECT previous FROM stock_movements WHERE id = ?1 AND product_id = ?2",
};

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
        const SQL: &str = concat!(
            "SELECT ",
            order_columns!(),
            ", previous FROM orders WHERE id = ?1 AND product_id = ?2"
        );
        let from = self.before(&ORDERS, product_id, before.map(OrderId::get))?;
        let step = |id| {
            let row = self.one(SQL, params![id, product_id], |row| {
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
        const SQL: &str = concat!(
            "SELECT ",
            movement_columns!(),
            ", previous FROM stock_movements WHERE id = ?1 AND product_id = ?2"
        );
        let from = self.before(&MOVEMENTS, product_id, before.map(MovementId::get))?;
        let step = |id| {
            self.exactly_one(SQL, params![id, product_id], |row| {
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
        const LINK: &str = "UPDATE products SET last_order = ?2 WHERE id = ?1";
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
        self.change_one(LINK, params![product_id, id])?;
        Ok(id)
    }

    pub(super) fn append_movement(&self, movement: &NewMovement) -> Result<MovementId, Error> {
        const SQL: &str = "INSERT INTO stock_movements \
                           (product_id, delta, stock_after, reason, order_id, note, created_at_ms, previous) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT last_movement FROM products WHERE id = ?1))";
        const LINK: &str = "UPDATE products SET last_movement = ?2 WHERE id = ?1";
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
        self.change_one(LINK, params![product_id, id])?;
        Ok(id)
    }

    /// Removes an order. One that a newer one names leaves its link behind; else what it names is the newest now, or what
    /// that names if it is gone, too.
    pub(super) fn remove_order(&self, id: OrderId) -> Result<(), Error> {
        const PRODUCT: &str = "SELECT product_id FROM orders WHERE id = ?1";
        const LEAVE: &str = "INSERT INTO gone_orders (id, product_id, previous) VALUES (?1, ?2, ?3)";
        const GONE: &str = "SELECT previous FROM gone_orders WHERE id = ?1";
        const FORGET: &str = "DELETE FROM gone_orders WHERE id = ?1";
        const LINK: &str = "UPDATE products SET last_order = ?2 WHERE id = ?1";
        let product_id: ProductId = self.exactly_one(PRODUCT, params![id], |row| row.get(0))?;
        let mut previous = self.previous(&ORDERS, product_id, id.get())?;
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
        self.change_one(LINK, params![product_id, previous])
    }

    pub(super) fn remove_ledger(&self, product_id: ProductId) -> Result<(), Error> {
        const UNLINK: &str = "UPDATE products SET last_movement = NULL WHERE id = ?1";
        let mut next = self.last(&MOVEMENTS, product_id)?;
        while let Some(id) = next {
            next = self.previous(&MOVEMENTS, product_id, id)?;
            self.change_one("DELETE FROM stock_movements WHERE id = ?1", params![id])?;
        }
        self.change(UNLINK, params![product_id]).map(|_| ())
    }

    /// The newest row of a product; none of a product that is not there.
    fn last(&self, chain: &Chain, product_id: ProductId) -> Result<Option<i64>, Error> {
        Ok(self.one(chain.last, params![product_id], link)?.flatten())
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
