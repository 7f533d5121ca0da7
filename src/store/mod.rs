//! What is stored, as an interface of row-sized verbs, and the backend behind it.
//!
//! The verbs read or write rows and decide nothing: a [use case](crate::app) asks the [domain](crate::domain) whether an
//! order may be canceled, once, whatever the backend. Only a backend knows SQL.
//!
//! Invariants a backend keeps: a write's verbs all happen or none does; writes behave as if one ran after the other, also
//! those of several instances on one PostgreSQL database; a read sees one state of the data throughout, in which all is that
//! was acknowledged before it began; success is answered only after what was written is durable: in SQLite on the disk, in
//! PostgreSQL on that of the primary and of its synchronous replica, if it has one.

use std::future::Future;

use crate::domain::{
    MovementId, NewMovement, NewOrder, NewProduct, Order, OrderId, Price, Product, ProductId, Quantity, Reference,
    SearchText, Sku, Status, Stock, StockMovement, Timestamp,
};
use crate::error::Error;

mod any;
#[cfg(test)]
mod contract;
mod copy;
mod idempotency;
mod payments;
mod postgres;
mod queue;
mod rows;
mod sqlite;
mod tables;

pub use any::AnyStore;
pub use copy::{
    Copied, CopyError, Progress, Watcher, audit_postgres, copy_to_postgres, copy_to_sqlite, look_at_postgres,
    look_at_sqlite,
};
pub use idempotency::{IdempotencyKey, IdempotencyRecord, IdempotencyTx, IdempotencyView, StoredResponse};
pub use payments::{EventFilter, PaymentFilter, PaymentTx, PaymentView};
pub use postgres::{OpenError as PostgresOpenError, Options as PostgresOptions, PostgresStore, PostgresUrl, Target};
pub use sqlite::{
    AuditError, AuditReport, Backup, BackupError, Checked, FatalHandler, OpenError, Options, RestoreError, Restored,
    SqliteStore, Stop, audit, backup, end_process, measure_files, restore,
};

/// Where products and orders are stored.
pub trait Store: Clone + Send + Sync + 'static {
    /// Runs `work` on one consistent state of the data. `work` reads a few rows by their index, such as one resource or one
    /// page, touches nothing else and waits for nothing else: it may run on a runtime thread, and more than once, also on stand-ins
    /// for rows that are not loaded yet; then its result is thrown away.
    ///
    /// # Errors
    /// What `work` refuses; [`Error::Overloaded`] if it could not begin in time; [`Error::StorageUnavailable`].
    fn read<T, F>(&self, work: F) -> impl Future<Output = Result<T, Error>> + Send
    where
        T: Send + 'static,
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static;

    /// As [`Store::read`], for work that may look through many rows: it never keeps a runtime thread, only few of its kind
    /// run at once, and it ends when its time is up, or soon after this future is dropped.
    ///
    /// # Errors
    /// As those of [`Store::read`]; also [`Error::Overloaded`] if its time was up.
    fn scan<T, F>(&self, work: F) -> impl Future<Output = Result<T, Error>> + Send
    where
        T: Send + 'static,
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static;

    /// Runs `work` in a transaction of its own, which is kept if it succeeds and leaves no trace if it fails or panics.
    ///
    /// `work` touches nothing but the transaction: it may run more than once, also on stand-ins as in [`Store::read`], and its
    /// result may be thrown away. Dropping
    /// the future cancels work that has not begun.
    ///
    /// # Errors
    /// What `work` refuses; [`Error::Overloaded`] if it could not begin in time; [`Error::StorageUnavailable`]. After
    /// all of these nothing was changed. [`Error::OutcomeUnknown`] if the storage failed while it was committed.
    fn write<T, F>(&self, work: F) -> impl Future<Output = Result<T, Error>> + Send
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
    {
        self.write_then(work, |_| ())
    }

    /// As [`Store::write`], and calls `then` with the result once it is durable, whether or not the caller still waits for
    /// its answer. So what must follow a commit, such as counting it or a warning, follows it. `then` must be short and
    /// wait for nothing, for it keeps the store's writer.
    ///
    /// # Errors
    /// As those of [`Store::write`]; then `then` is not called.
    fn write_then<T, F, A>(&self, work: F, then: A) -> impl Future<Output = Result<T, Error>> + Send
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
        A: FnOnce(&T) + Send + 'static;

    /// Whether a read is answered and an empty write is accepted, both within a bounded time.
    ///
    /// # Errors
    /// [`Error::Overloaded`] or [`Error::StorageUnavailable`] if not.
    fn ready(&self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Which orders a list holds; `None` narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OrderFilter {
    /// Only orders in this status.
    pub status: Option<Status>,
    /// Only orders of this product.
    pub product_id: Option<ProductId>,
    /// Only orders that owe money back, or only those that do not.
    pub refund_due: Option<bool>,
    /// Only orders with this reference.
    pub reference: Option<Reference>,
}

impl OrderFilter {
    /// Whether finding these orders may look through others, as [`EventFilter::is_scan`].
    pub const fn is_scan(&self) -> bool {
        self.reference.is_some() && (self.status.is_some() || self.product_id.is_some() || self.refund_due.is_some())
    }
}

/// A span of time; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeSpan {
    /// Its first moment.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

impl TimeSpan {
    /// Its first millisecond, as SQL wants it.
    const fn first_ms(&self) -> i64 {
        match self.from {
            Some(from) => from.millis(),
            None => i64::MIN,
        }
    }

    /// The place before which its last order is, or that which is given if that is earlier, as SQL wants it.
    fn end_ms(&self, before: Option<(Timestamp, OrderId)>) -> (i64, i64) {
        // Ids begin with 1.
        let end = (self.until.map_or(i64::MAX, Timestamp::millis), 0);
        before.map_or(end, |(time, id)| end.min((time.millis(), id.get())))
    }
}

/// The stock and price of a product after units were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The stock that is left.
    pub stock: Stock,
    /// The price of one unit.
    pub price: Price,
}

/// What can be read. Every verb fails only as the storage does: [`Error::StorageUnavailable`], [`Error::Overloaded`],
/// or [`Error::Internal`] for an inconsistent row. A missing row is `None`, no failure.
pub trait View: PaymentView + IdempotencyView {
    /// One product.
    fn product(&self, id: ProductId) -> Result<Option<Product>, Error>;

    /// The product that has this SKU.
    fn product_by_sku(&self, sku: &Sku) -> Result<Option<Product>, Error>;

    /// The first `limit` products in the order of their ids, after this one.
    fn products(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Product>, Error>;

    /// The first `limit` products that have this text in their name or SKU, in the order of their ids, after this one. A short
    /// text may look through all products.
    fn products_with_text(
        &self,
        text: &SearchText,
        after: Option<ProductId>,
        limit: usize,
    ) -> Result<Vec<Product>, Error>;

    /// The first `limit` products that were added or changed at this time or later, in the order of the minutes of their last
    /// changes and then of their ids, after this place. Looks through them for those that have the text.
    fn products_by_change(
        &self,
        from: Timestamp,
        text: Option<&SearchText>,
        after: Option<(Timestamp, ProductId)>,
        limit: usize,
    ) -> Result<Vec<Product>, Error>;

    /// Whether any order, in whatever status, refers to this product.
    fn product_has_orders(&self, id: ProductId) -> Result<bool, Error>;

    /// The newest `limit` movements of this product, newest first, before this one.
    fn movements(
        &self,
        product_id: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<StockMovement>, Error>;

    /// One order.
    fn order(&self, id: OrderId) -> Result<Option<Order>, Error>;

    /// The newest `limit` orders of this filter, newest first by their ids, before this one.
    fn orders(&self, filter: &OrderFilter, before: Option<OrderId>, limit: usize) -> Result<Vec<Order>, Error>;

    /// The newest `limit` orders of this filter that were placed in this span of time, newest first by that and then by
    /// their ids, before this place. Looks through all orders of the span for those of the filter.
    fn orders_by_time(
        &self,
        filter: &OrderFilter,
        span: TimeSpan,
        before: Option<(Timestamp, OrderId)>,
        limit: usize,
    ) -> Result<Vec<Order>, Error>;

    /// The first `limit` orders that expire until then, in the order of their times.
    fn orders_expiring(&self, until: Timestamp, limit: usize) -> Result<Vec<Order>, Error>;

    /// The last id ever given to an order, even if that is gone; `None` before the first.
    fn last_order_id(&self) -> Result<Option<OrderId>, Error>;
}

/// What can be written, within one transaction. Verbs fail as those of [`View`] do, and with [`Error::Internal`] where
/// a row that must be there is not.
pub trait Tx: View + PaymentTx + IdempotencyTx {
    /// Adds a product; its SKU must be free.
    fn insert_product(&mut self, product: &NewProduct, now: Timestamp) -> Result<ProductId, Error>;

    /// Writes a product as it is now; its SKU must be its own or free.
    fn save_product(&mut self, product: &Product) -> Result<(), Error>;

    /// Removes a product; no order and no movement may refer to it.
    fn delete_product(&mut self, id: ProductId) -> Result<(), Error>;

    /// Takes units of a product if it has that many, in one step, as a new version of it; `None` if it has fewer or is
    /// missing.
    fn take_stock(&mut self, id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Option<Taken>, Error>;

    /// Returns units to a product, as a new version of it, and returns its stock.
    fn return_stock(&mut self, id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Stock, Error>;

    /// Adds an entry to a product's ledger.
    fn insert_movement(&mut self, movement: &NewMovement) -> Result<MovementId, Error>;

    /// Removes a product's ledger.
    fn delete_movements(&mut self, product_id: ProductId) -> Result<(), Error>;

    /// Adds a pending order.
    fn insert_order(&mut self, order: &NewOrder) -> Result<OrderId, Error>;

    /// Writes an order as it is now: its state, quantity, version and time of change; the rest never changes.
    fn save_order(&mut self, order: &Order) -> Result<(), Error>;

    /// Removes an order.
    fn delete_order(&mut self, id: OrderId) -> Result<(), Error>;
}

/// How many characters a text has at least that a full-text index finds, in either backend.
const TRIGRAM: usize = 3;

/// Whether this text is too short for a full-text index.
fn is_short(text: &SearchText) -> bool {
    text.as_str().chars().count() < TRIGRAM
}

/// The place after which the first product is that changed at `from` or later, or that which is given, as SQL wants it: the
/// number of the minute, and the id.
fn change_place(from: Timestamp, after: Option<(Timestamp, ProductId)>) -> (i64, i64) {
    // Ids begin with 1.
    let (minute, id) = after.map_or((from.minute(), 0), |(minute, id)| (minute, id.get()));
    (minute.millis() / 60_000, id)
}

/// The text without line breaks, as what a command or a start says on failing is one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
