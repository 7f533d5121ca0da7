//! The verbs of [`View`] and [`Tx`] in SQL, on one connection within one transaction.
//!
//! Decides nothing. Every statement is prepared once per connection and kept. None uses RETURNING: SQLite builds a
//! temporary table for it each time, and a second SELECT costs a fraction of that.

use std::cell::{OnceCell, RefCell};

use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, Params, Row, Statement, params};

use crate::domain::{
    MovementId, NewMovement, NewOrder, NewProduct, Order, OrderId, Product, ProductId, Quantity, SearchText, Sku,
    Status, Stock, StockMovement, Timestamp,
};
use crate::error::Error;
use crate::store::rows::{FromRow, movement_columns, order_columns, product_columns};
use crate::store::{OrderFilter, Taken, TimeSpan, Tx, View, change_place, is_short};

/// What one closure, or one batch of them, may do with a connection.
pub(super) struct Session<'c> {
    connection: &'c Connection,
    /// The statements that ran here. They return to the connection's cache only at the end: a batch runs the same few over
    /// and over, and taking one from the cache and putting it back costs a good part of what most of them do.
    statements: RefCell<Vec<(&'static str, CachedStatement<'c>)>>,
    /// The first failure of the storage. It is remembered so that no closure can hide it: after it, the transaction must
    /// not be committed.
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

    /// Commits, and says what SQLite said if it cannot.
    pub(super) fn commit(&self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("COMMIT")?.execute([]).map(|_| ())
    }

    /// Runs `work` on a prepared statement.
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

    fn one<T: FromRow>(&self, sql: &'static str, params: impl Params) -> Result<Option<T>, Error> {
        self.with(sql, |statement| statement.query_row(params, read).optional())
    }

    fn many<T: FromRow>(&self, sql: &'static str, params: impl Params) -> Result<Vec<T>, Error> {
        self.with(sql, |statement| {
            let mut rows = statement.query(params)?;
            let mut decoded = Vec::new();
            while let Some(row) = rows.next()? {
                decoded.push(read(row)?);
            }
            Ok(decoded)
        })
    }

    /// The first `limit` products of this statement that have this text.
    fn with_text(
        &self,
        sql: &'static str,
        params: impl Params,
        text: Option<&SearchText>,
        limit: usize,
    ) -> Result<Vec<Product>, Error> {
        self.with(sql, |statement| {
            let mut rows = statement.query(params)?;
            let mut found = Vec::new();
            while found.len() < limit
                && let Some(row) = rows.next()?
            {
                let product: Product = read(row)?;
                if text.is_none_or(|text| product.has_text(text)) {
                    found.push(product);
                }
            }
            Ok(found)
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
    fn exactly_one<T: FromRow>(&self, sql: &'static str, params: impl Params) -> Result<T, Error> {
        self.one(sql, params)?
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

mod idempotency;
mod payments;

fn read<T: FromRow>(row: &Row<'_>) -> rusqlite::Result<T> {
    T::from_row(row).map_err(|reason| match reason.downcast() {
        Ok(error) => *error,
        Err(reason) => rusqlite::Error::FromSqlConversionFailure(0, Type::Null, reason),
    })
}

/// Which of our errors a failure of SQLite is: a failure of the storage, a lack of time, or else our own mistake.
pub(super) fn failure(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        // A scan is interrupted where its caller has left or its time is up.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted) => {
            Error::Overloaded
        }
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
        self.one(SQL, params![id])
    }

    fn product_by_sku(&self, sku: &Sku) -> Result<Option<Product>, Error> {
        const SQL: &str = concat!("SELECT ", product_columns!(), " FROM products WHERE sku = ?1");
        self.one(SQL, params![sku])
    }

    fn products(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Product>, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            product_columns!(),
            " FROM products WHERE id > ?1 ORDER BY id LIMIT ?2"
        );
        self.many(SQL, params![after.map_or(0, ProductId::get), sql_limit(limit)])
    }

    fn products_with_text(
        &self,
        text: &SearchText,
        after: Option<ProductId>,
        limit: usize,
    ) -> Result<Vec<Product>, Error> {
        let after = after.map_or(0, ProductId::get);
        if is_short(text) {
            return self.with_text(PRODUCTS_AFTER, params![after], Some(text), limit);
        }
        // A text in quotes, in which a quote is written twice, is a string (sqlite.org/fts5.html#fts5_strings).
        let string = format!("\"{}\"", text.as_str().replace('"', "\"\""));
        self.many(PRODUCTS_WITH_TEXT, params![string, after, sql_limit(limit)])
    }

    fn products_by_change(
        &self,
        from: Timestamp,
        text: Option<&SearchText>,
        after: Option<(Timestamp, ProductId)>,
        limit: usize,
    ) -> Result<Vec<Product>, Error> {
        let (minute, after) = change_place(from, after);
        self.with_text(PRODUCTS_BY_CHANGE, params![minute, after, from], text, limit)
    }

    fn product_has_orders(&self, id: ProductId) -> Result<bool, Error> {
        self.exactly_one(HAS_ORDERS, params![id])
    }

    fn movements(
        &self,
        product_id: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<StockMovement>, Error> {
        let before = before.map_or(i64::MAX, MovementId::get);
        self.many(MOVEMENTS, params![product_id, before, sql_limit(limit)])
    }

    fn order(&self, id: OrderId) -> Result<Option<Order>, Error> {
        const SQL: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE id = ?1");
        self.one(SQL, params![id])
    }

    fn orders(&self, filter: &OrderFilter, before: Option<OrderId>, limit: usize) -> Result<Vec<Order>, Error> {
        let OrderFilter {
            status,
            product_id,
            refund_due,
            ref reference,
        } = *filter;
        let (before, limit) = (before.map_or(i64::MAX, OrderId::get), sql_limit(limit));
        if let Some(reference) = reference {
            let params = params![before, limit, reference, status, product_id, refund_due];
            return self.many(BY_REFERENCE, params);
        }
        // Only a canceled order can owe a refund.
        let can_owe = status.is_none_or(|status| status == Status::Canceled);
        match (product_id, status, refund_due) {
            (_, _, Some(true)) if !can_owe => Ok(Vec::new()),
            (None, None, None) => self.many(ORDERS, params![before, limit]),
            (None, _, Some(true)) => self.many(OWING, params![before, limit]),
            (None, None, Some(false)) => self.many(NOT_OWING, params![before, limit]),
            (None, Some(Status::Canceled), None) => self.many(CANCELED, params![before, limit]),
            (None, Some(status), _) => self.many(BY_STATUS, params![before, limit, status]),
            (Some(id), None, None) => self.many(OF_PRODUCT, params![before, limit, id]),
            (Some(id), _, Some(true)) => self.many(OF_PRODUCT_OWING, params![before, limit, id]),
            (Some(id), None, Some(false)) => self.many(OF_PRODUCT_NOT_OWING, params![before, limit, id]),
            (Some(id), Some(Status::Canceled), None) => self.many(OF_PRODUCT_CANCELED, params![before, limit, id]),
            (Some(id), Some(status), _) => self.many(OF_PRODUCT_BY_STATUS, params![before, limit, id, status]),
        }
    }

    fn orders_by_time(
        &self,
        filter: &OrderFilter,
        span: TimeSpan,
        before: Option<(Timestamp, OrderId)>,
        limit: usize,
    ) -> Result<Vec<Order>, Error> {
        let (first, (end, before), limit) = (span.first_ms(), span.end_ms(before), sql_limit(limit));
        let (status, product_id, refund_due) = (filter.status, filter.product_id, filter.refund_due);
        self.many(
            BY_TIME,
            params![
                end,
                before,
                first,
                limit,
                status,
                product_id,
                refund_due,
                filter.reference
            ],
        )
    }

    fn orders_expiring(&self, until: Timestamp, limit: usize) -> Result<Vec<Order>, Error> {
        self.many(ORDERS_EXPIRING, params![until, sql_limit(limit)])
    }

    fn last_order_id(&self) -> Result<Option<OrderId>, Error> {
        const SQL: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'orders' AND seq > 0";
        self.one(SQL, params![])
    }
}

const PRODUCTS_AFTER: &str = concat!(
    "SELECT ",
    product_columns!(),
    " FROM products WHERE id > ?1 ORDER BY id"
);

const PRODUCTS_WITH_TEXT: &str = concat!(
    "SELECT ",
    product_columns!(),
    " FROM products WHERE id IN (SELECT rowid FROM product_texts WHERE product_texts MATCH ?1 AND rowid > ?2 \
     ORDER BY rowid LIMIT ?3) ORDER BY id"
);

/// Those changed at `?3` or later: after the minute `?1`, or in it and with a larger id than `?2`.
const PRODUCTS_BY_CHANGE: &str = concat!(
    "SELECT ",
    product_columns!(),
    " FROM products WHERE updated_at_ms / 60000 >= ?1 AND (updated_at_ms / 60000 > ?1 OR id > ?2) \
     AND updated_at_ms >= ?3 ORDER BY updated_at_ms / 60000, id"
);

/// Orders under conditions that one index has in full, before `?1`. Within them the index is in the order of the ids.
macro_rules! orders_where {
    ($condition:expr) => {
        concat!(
            "SELECT ",
            order_columns!(),
            " FROM orders WHERE ",
            $condition,
            " AND id < ?1"
        )
    };
}

/// The newest `?2` of several such lists. SQLite merges them as they come, so it reads little more than it returns; what
/// `IN` finds it would sort.
macro_rules! newest_of {
    ($scope:literal, $first:literal $(, $more:literal)*) => {
        concat!(
            orders_where!(concat!($scope, $first)),
            $(" UNION ALL ", orders_where!(concat!($scope, $more)),)*
            " ORDER BY id DESC LIMIT ?2"
        )
    };
}

/// All canceled orders.
macro_rules! canceled {
    ($scope:literal) => {
        newest_of!(
            $scope,
            "status = 'CANCELED' AND refund_due = 0",
            "status = 'CANCELED' AND refund_due = 1"
        )
    };
}

/// All orders that owe no refund.
macro_rules! not_owing {
    ($scope:literal $(, $more:literal)*) => {
        newest_of!(
            $scope,
            "status = 'PENDING' AND refund_due = 0",
            "status = 'PAID' AND refund_due = 0",
            "status = 'SHIPPED' AND refund_due = 0",
            "status = 'CANCELED' AND refund_due = 0"
            $(, $more)*
        )
    };
}

const ORDERS: &str = newest_of!("", "TRUE");
const BY_STATUS: &str = newest_of!("", "status = ?3 AND refund_due = 0");
const OWING: &str = newest_of!("", "status = 'CANCELED' AND refund_due = 1");
const CANCELED: &str = canceled!("");
const NOT_OWING: &str = not_owing!("");

/// Few orders share a reference, so they are looked through for what else is asked of them.
const BY_REFERENCE: &str = newest_of!(
    "",
    "reference = ?3 AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR product_id = ?5) \
     AND (?6 IS NULL OR refund_due = ?6)"
);

/// Those placed before `?1`, or then and with a smaller id than `?2`, and not before `?3`.
const BY_TIME: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM orders WHERE created_at_ms >= ?3 AND created_at_ms <= ?1 AND (created_at_ms < ?1 OR id < ?2) \
     AND (?5 IS NULL OR status = ?5) AND (?6 IS NULL OR product_id = ?6) AND (?7 IS NULL OR refund_due = ?7) \
     AND (?8 IS NULL OR reference = ?8) \
     ORDER BY created_at_ms DESC, id DESC LIMIT ?4"
);

const OF_PRODUCT: &str = not_owing!("product_id = ?3 AND ", "status = 'CANCELED' AND refund_due = 1");
const OF_PRODUCT_BY_STATUS: &str = newest_of!("product_id = ?3 AND ", "status = ?4 AND refund_due = 0");
const OF_PRODUCT_OWING: &str = newest_of!("product_id = ?3 AND ", "status = 'CANCELED' AND refund_due = 1");
const OF_PRODUCT_CANCELED: &str = canceled!("product_id = ?3 AND ");
const OF_PRODUCT_NOT_OWING: &str = not_owing!("product_id = ?3 AND ");

const HAS_ORDERS: &str = "SELECT EXISTS (SELECT 1 FROM orders WHERE product_id = ?1)";

const MOVEMENTS: &str = concat!(
    "SELECT ",
    movement_columns!(),
    " FROM stock_movements WHERE product_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
);

const ORDERS_EXPIRING: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM orders WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms, id LIMIT ?2"
);

impl Tx for Session<'_> {
    fn insert_product(&mut self, product: &NewProduct, now: Timestamp) -> Result<ProductId, Error> {
        const SQL: &str = "INSERT INTO products (sku, name, price_cents, stock, created_at_ms, updated_at_ms) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
        self.change_one(
            SQL,
            params![product.sku, product.name, product.price, product.stock, now],
        )?;
        ProductId::new(self.connection.last_insert_rowid()).map_err(Error::internal)
    }

    fn save_product(&mut self, product: &Product) -> Result<(), Error> {
        const SQL: &str = "UPDATE products SET sku = ?2, name = ?3, price_cents = ?4, stock = ?5, updated_at_ms = ?6, \
                           version = ?7 WHERE id = ?1";
        let (sku, name, price, stock) = (&product.sku, &product.name, product.price, product.stock);
        let (updated_at, version) = (product.updated_at, product.version);
        self.change_one(SQL, params![product.id, sku, name, price, stock, updated_at, version])
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
            _ => self.exactly_one(LEFT, params![id]).map(Some),
        }
    }

    fn return_stock(&mut self, id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Stock, Error> {
        const RETURN: &str =
            "UPDATE products SET stock = stock + ?2, updated_at_ms = ?3, version = version + 1 WHERE id = ?1";
        self.change_one(RETURN, params![id, quantity, now])?;
        self.exactly_one("SELECT stock FROM products WHERE id = ?1", params![id])
    }

    fn insert_movement(&mut self, movement: &NewMovement) -> Result<MovementId, Error> {
        const SQL: &str = "INSERT INTO stock_movements \
                           (product_id, delta, stock_after, reason, order_id, note, created_at_ms) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (product_id, delta, stock_after) = (movement.product_id, movement.delta, movement.stock_after);
        let (reason, order_id) = (movement.reason.name(), movement.reason.order_id());
        let (note, created_at) = (&movement.note, movement.created_at);
        self.change_one(
            SQL,
            params![product_id, delta, stock_after, reason, order_id, note, created_at],
        )?;
        MovementId::new(self.connection.last_insert_rowid()).map_err(Error::internal)
    }

    fn delete_movements(&mut self, product_id: ProductId) -> Result<(), Error> {
        self.change("DELETE FROM stock_movements WHERE product_id = ?1", params![product_id])
            .map(|_| ())
    }

    fn insert_order(&mut self, order: &NewOrder) -> Result<OrderId, Error> {
        const SQL: &str = "INSERT INTO orders \
                           (product_id, quantity, unit_price_cents, status, expires_at_ms, created_at_ms, updated_at_ms, \
                           reference) VALUES (?1, ?2, ?3, 'PENDING', ?4, ?5, ?5, ?6)";
        self.change_one(
            SQL,
            params![
                order.product_id(),
                order.quantity(),
                order.unit_price(),
                order.expires_at(),
                order.created_at(),
                order.reference()
            ],
        )?;
        OrderId::new(self.connection.last_insert_rowid()).map_err(Error::internal)
    }

    fn save_order(&mut self, order: &Order) -> Result<(), Error> {
        const SQL: &str = "UPDATE orders SET quantity = ?2, version = ?3, updated_at_ms = ?4, status = ?5, \
                           expires_at_ms = ?6, paid_at_ms = ?7, shipped_at_ms = ?8, canceled_at_ms = ?9, \
                           refund_due = ?10, reference = ?11 WHERE id = ?1";
        let state = order.state().parts();
        self.change_one(
            SQL,
            params![
                order.id(),
                order.quantity(),
                order.version(),
                order.updated_at(),
                state.status,
                state.expires_at,
                state.paid_at,
                state.shipped_at,
                state.canceled_at,
                state.refund_due,
                order.reference()
            ],
        )
    }

    fn delete_order(&mut self, id: OrderId) -> Result<(), Error> {
        self.change_one("DELETE FROM orders WHERE id = ?1", params![id])
    }
}

#[cfg(test)]
mod tests;
