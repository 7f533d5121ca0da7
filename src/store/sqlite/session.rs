//! The verbs of [`View`] and [`Tx`] in SQL, on one connection within one transaction.
//!
//! Decides nothing. Every statement is prepared once per connection and kept. None says RETURNING, for which SQLite makes
//! a table and drops it again each time: asking once more costs a fraction of that.

use std::cell::{OnceCell, RefCell};

use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, Params, Row, Statement, params};

use super::rows::{self, order_columns, product_columns};
use crate::domain::{
    MovementId, NewMovement, NewOrder, NewProduct, Order, OrderId, Product, ProductId, Quantity, Sku, StateParts,
    Stock, StockMovement, Timestamp,
};
use crate::error::Error;
use crate::store::{OrderFilter, Taken, Tx, View};

/// What one closure, or one batch of them, may do with a connection.
pub(super) struct Session<'c> {
    connection: &'c Connection,
    /// The statements that ran here. They go back to the connection at the end only, for to take one from there and to put
    /// it back costs a good part of what most of them do, and a batch runs the same few over and over.
    statements: RefCell<Vec<(&'static str, CachedStatement<'c>)>>,
    /// The first failure of the storage. It is remembered here so that no closure can hide it: after it, nothing that
    /// this transaction did may be kept.
    failure: OnceCell<Error>,
}

impl<'c> Session<'c> {
    pub(super) const fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            statements: RefCell::new(Vec::new()),
            failure: OnceCell::new(),
        }
    }

    /// The first failure of the storage so far.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    /// How many rows the connection has ever changed.
    pub(super) fn changes(&self) -> u64 {
        self.connection.total_changes()
    }

    /// Runs a statement that gives no rows and has no parameters, such as `COMMIT`.
    pub(super) fn run(&self, sql: &'static str) -> Result<(), Error> {
        self.change(sql, params![]).map(|_| ())
    }

    /// Hands a statement out, ready to run.
    fn with<T>(
        &self,
        sql: &'static str,
        work: impl FnOnce(&mut Statement<'c>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let mut statements = self.statements.borrow_mut();
        let run = match statements.iter_mut().find(|(known, _)| *known == sql) {
            Some((_, statement)) => work(statement),
            None => self.connection.prepare_cached(sql).and_then(|mut statement| {
                let done = work(&mut statement);
                statements.push((sql, statement));
                done
            }),
        };
        run.map_err(|error| self.fail(error))
    }

    fn one<T>(&self, sql: &'static str, params: impl Params, decode: Decode<T>) -> Result<Option<T>, Error> {
        self.with(sql, |statement| statement.query_row(params, decode).optional())
    }

    fn many<T>(&self, sql: &'static str, params: impl Params, decode: Decode<T>) -> Result<Vec<T>, Error> {
        self.with(sql, |statement| {
            let mut rows = statement.query(params)?;
            let mut decoded = Vec::new();
            while let Some(row) = rows.next()? {
                decoded.push(decode(row)?);
            }
            Ok(decoded)
        })
    }

    /// Runs a statement and says how many rows it changed.
    fn change(&self, sql: &'static str, params: impl Params) -> Result<usize, Error> {
        self.with(sql, |statement| statement.execute(params))
    }

    /// Runs a statement that must change exactly one row.
    fn change_one(&self, sql: &'static str, params: impl Params) -> Result<(), Error> {
        match self.change(sql, params)? {
            1 => Ok(()),
            rows => Err(Error::internal(format!("{rows} rows instead of 1 changed by: {sql}"))),
        }
    }

    /// Runs a statement that must give exactly one row.
    fn exactly_one<T>(&self, sql: &'static str, params: impl Params, decode: Decode<T>) -> Result<T, Error> {
        self.one(sql, params, decode)?
            .ok_or_else(|| Error::internal(format!("no row from: {sql}")))
    }

    fn fail(&self, error: rusqlite::Error) -> Error {
        let error = failure(error);
        if matches!(error, Error::StorageUnavailable(_) | Error::Overloaded) {
            return self.failure.get_or_init(|| error).clone();
        }
        error
    }
}

mod chains;
mod kept;
mod payments;

type Decode<T> = fn(&Row<'_>) -> rusqlite::Result<T>;

/// Which of our errors a failure of SQLite is: the storage's, a matter of waiting, or else our own mistake.
pub(super) fn failure(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Overloaded,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::OutOfMemory
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::NoLargeFileSupport,
        ) => Error::storage(error),
        Some(_) | None => Error::internal(error),
    }
}

/// How many rows to fetch, as SQL wants it.
fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl View for Session<'_> {
    fn product(&self, id: ProductId) -> Result<Option<Product>, Error> {
        const SQL: &str = concat!("SELECT ", product_columns!(), " FROM products WHERE id = ?1");
        self.one(SQL, params![id], rows::product)
    }

    fn product_by_sku(&self, sku: &Sku) -> Result<Option<Product>, Error> {
        const SQL: &str = concat!("SELECT ", product_columns!(), " FROM products WHERE sku = ?1");
        self.one(SQL, params![sku], rows::product)
    }

    fn products(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Product>, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            product_columns!(),
            " FROM products WHERE id > ?1 ORDER BY id LIMIT ?2"
        );
        self.many(
            SQL,
            params![after.map_or(0, ProductId::get), sql_limit(limit)],
            rows::product,
        )
    }

    fn product_has_orders(&self, id: ProductId) -> Result<bool, Error> {
        self.has_orders(id)
    }

    fn movements(
        &self,
        product_id: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<StockMovement>, Error> {
        self.ledger(product_id, before, limit)
    }

    fn order(&self, id: OrderId) -> Result<Option<Order>, Error> {
        const SQL: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE id = ?1");
        self.one(SQL, params![id], rows::order)
    }

    fn orders(&self, filter: OrderFilter, before: Option<OrderId>, limit: usize) -> Result<Vec<Order>, Error> {
        let OrderFilter {
            status,
            product_id,
            refund_due,
        } = filter;
        let sql = match (refund_due, product_id, status) {
            (Some(true), _, _) => ORDERS_OWING,
            // The orders of a product are fewer than those of a status.
            (Some(false) | None, Some(product_id), _) => {
                return self.orders_of_product(product_id, filter, before, limit);
            }
            (Some(false) | None, None, Some(_)) => ORDERS_BY_STATUS,
            (Some(false) | None, None, None) => ORDERS,
        };
        let (before, limit) = (before.map_or(i64::MAX, OrderId::get), sql_limit(limit));
        self.many(sql, params![before, limit, status, product_id, refund_due], rows::order)
    }

    fn orders_expiring(&self, until: Timestamp, limit: usize) -> Result<Vec<Order>, Error> {
        self.many(ORDERS_EXPIRING, params![until, sql_limit(limit)], rows::order)
    }

    fn last_order_id(&self) -> Result<Option<OrderId>, Error> {
        const SQL: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'orders' AND seq > 0";
        self.one(SQL, params![], |row| row.get(0))
    }
}

/// A list of orders, newest first. Every filter has its parameter, and one that is NULL narrows nothing; the condition
/// written out is the one whose index finds the rows.
macro_rules! select_orders {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            order_columns!(),
            " FROM orders WHERE id < ?1 AND ",
            $condition,
            " AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR product_id = ?4) \
             AND (?5 IS NULL OR refund_due = ?5) ORDER BY id DESC LIMIT ?2"
        )
    };
}

const ORDERS: &str = select_orders!("TRUE");
const ORDERS_BY_STATUS: &str = select_orders!("status = ?3");
/// Those that owe are the fewest.
const ORDERS_OWING: &str = select_orders!("refund_due = 1");

const ORDERS_EXPIRING: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM orders WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms, id LIMIT ?2"
);

impl Tx for Session<'_> {
    fn insert_product(&mut self, product: &NewProduct, now: Timestamp) -> Result<ProductId, Error> {
        const SQL: &str = "INSERT INTO products (sku, name, price_cents, stock, created_at_ms, updated_at_ms) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
        let NewProduct {
            sku,
            name,
            price,
            stock,
        } = product;
        self.change_one(SQL, params![sku, name, price, stock, now])?;
        ProductId::new(self.connection.last_insert_rowid()).map_err(Error::internal)
    }

    fn save_product(&mut self, product: &Product) -> Result<(), Error> {
        const SQL: &str = "UPDATE products SET sku = ?2, name = ?3, price_cents = ?4, stock = ?5, updated_at_ms = ?6, \
                           version = ?7 WHERE id = ?1";
        let Product {
            id,
            sku,
            name,
            price,
            stock,
            version,
            created_at: _,
            updated_at,
        } = product;
        self.change_one(SQL, params![id, sku, name, price, stock, updated_at, version])
    }

    fn delete_product(&mut self, id: ProductId) -> Result<(), Error> {
        self.change_one("DELETE FROM products WHERE id = ?1", params![id])
    }

    fn take_stock(&mut self, id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Option<Taken>, Error> {
        const TAKE: &str = "UPDATE products SET stock = stock - ?2, updated_at_ms = ?3, version = version + 1 \
                            WHERE id = ?1 AND stock >= ?2";
        const LEFT: &str = "SELECT stock, price_cents FROM products WHERE id = ?1";
        match self.change(TAKE, params![id, quantity, now])? {
            0 => Ok(None),
            _ => self.exactly_one(LEFT, params![id], rows::taken).map(Some),
        }
    }

    fn return_stock(&mut self, id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Stock, Error> {
        const RETURN: &str =
            "UPDATE products SET stock = stock + ?2, updated_at_ms = ?3, version = version + 1 WHERE id = ?1";
        self.change_one(RETURN, params![id, quantity, now])?;
        self.exactly_one("SELECT stock FROM products WHERE id = ?1", params![id], |row| {
            row.get(0)
        })
    }

    fn insert_movement(&mut self, movement: &NewMovement) -> Result<MovementId, Error> {
        self.append_movement(movement)
    }

    fn delete_movements(&mut self, product_id: ProductId) -> Result<(), Error> {
        self.remove_ledger(product_id)
    }

    fn insert_order(&mut self, order: &NewOrder) -> Result<OrderId, Error> {
        self.append_order(order)
    }

    fn save_order(&mut self, order: &Order) -> Result<(), Error> {
        const SQL: &str = "UPDATE orders SET quantity = ?2, version = ?3, updated_at_ms = ?4, status = ?5, \
                           expires_at_ms = ?6, paid_at_ms = ?7, shipped_at_ms = ?8, canceled_at_ms = ?9, \
                           refund_due = ?10 WHERE id = ?1";
        let StateParts {
            status,
            expires_at,
            paid_at,
            shipped_at,
            canceled_at,
            refund_due,
        } = order.state().parts();
        self.change_one(
            SQL,
            params![
                order.id(),
                order.quantity(),
                order.version(),
                order.updated_at(),
                status,
                expires_at,
                paid_at,
                shipped_at,
                canceled_at,
                refund_due
            ],
        )
    }

    fn delete_order(&mut self, id: OrderId) -> Result<(), Error> {
        self.remove_order(id)
    }
}

#[cfg(test)]
mod tests;
