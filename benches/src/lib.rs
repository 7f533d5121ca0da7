//! Shared code of the benchmark's programs: connections, the statements of an order and of reads, pseudo-random numbers.
//!
//! It uses no code of the service, since a ceiling must be independent of what is measured. Tests compare the statements
//! with the service's source.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

/// The error of a program of the benchmark, as one line.
pub type Failure = Box<dyn std::error::Error>;

/// The statements of one order, in the order in which the service runs them.
pub mod order {
    /// Takes the stock: `?1` product, `?2` quantity, `?3` now.
    pub const TAKE_STOCK: &str = "UPDATE products SET stock = stock - ?2, updated_at_ms = ?3, version = version + 1 \
                                  WHERE id = ?1 AND stock >= ?2";
    /// Reads the remaining stock and the price: `?1` product.
    pub const LEFT: &str = "SELECT stock, price_cents FROM products WHERE id = ?1";
    /// Adds the order: `?1` product, `?2` quantity, `?3` price, `?4` when it expires, `?5` now, `?6` its reference.
    pub const INSERT: &str = "INSERT INTO orders \
                              (product_id, quantity, unit_price_cents, status, expires_at_ms, created_at_ms, updated_at_ms, \
                              reference) VALUES (?1, ?2, ?3, 'PENDING', ?4, ?5, ?5, ?6)";
    /// Adds the movement.
    pub const INSERT_MOVEMENT: &str = "INSERT INTO stock_movements \
                                       (product_id, delta, stock_after, reason, order_id, note, created_at_ms) \
                                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
}

/// The statements of one order and of reads in PostgreSQL, with the columns of the service's. Ids are a sequence's, as a
/// simple program would have them.
pub mod postgres {
    use tokio_postgres::{Client, Error, NoTls};

    /// The ids of orders and movements, from above those that are there.
    pub const MAKE_SEQUENCES: &str = "DO $$ BEGIN \
         EXECUTE format('CREATE SEQUENCE order_ids START %s', (SELECT orders + 1 FROM counters)); \
         EXECUTE format('CREATE SEQUENCE movement_ids START %s', (SELECT stock_movements + 1 FROM counters)); \
         END $$";
    /// Makes the service's counters those of the sequences, so that the audit finds nothing.
    pub const SAVE_COUNTERS: &str = "UPDATE counters SET orders = (SELECT max(id) FROM orders), \
         stock_movements = (SELECT max(id) FROM stock_movements)";
    /// Takes the stock: `$1` product, `$2` quantity, `$3` now. It locks the row until the transaction ends.
    pub const TAKE_STOCK: &str = "UPDATE products SET stock = stock - $2, updated_at_ms = $3, version = version + 1 \
         WHERE id = $1 AND stock >= $2 RETURNING stock, price_cents";
    /// Adds the order: `$1` product, `$2` quantity, `$3` price, `$4` when it expires, `$5` now.
    pub const INSERT_ORDER: &str = "INSERT INTO orders \
         (id, product_id, quantity, unit_price_cents, status, version, created_at_ms, updated_at_ms, expires_at_ms, \
         paid_at_ms, shipped_at_ms, canceled_at_ms, refund_due, reference) \
         VALUES (nextval('order_ids'), $1, $2, $3, 'PENDING', 1, $5, $5, $4, NULL, NULL, NULL, FALSE, NULL) RETURNING id";
    /// Adds the movement: `$1` product, `$2` delta, `$3` the stock after it, `$4` order, `$5` now.
    pub const INSERT_MOVEMENT: &str = "INSERT INTO stock_movements \
         (id, product_id, delta, stock_after, reason, order_id, note, created_at_ms) \
         VALUES (nextval('movement_ids'), $1, $2, $3, 'order_placed', $4, NULL, $5)";
    /// Reads a product: `$1` its id.
    pub const PRODUCT: &str = "SELECT version, id, sku, name, price_cents, stock, created_at_ms, updated_at_ms \
         FROM products WHERE id = $1";
    /// Reads a page: `$1` the product before it, `$2` how many.
    pub const PAGE: &str = "SELECT version, id, sku, name, price_cents, stock, created_at_ms, updated_at_ms \
         FROM products WHERE id > $1 ORDER BY id LIMIT $2";

    /// A connection, without TLS.
    ///
    /// # Errors
    /// Where the URL is none, or nobody answers there.
    pub async fn connect(url: &str) -> Result<Client, Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        // Where it breaks, the statement that waits for it fails.
        tokio::spawn(connection);
        Ok(client)
    }
}

/// The service's default time to live of an unpaid order.
pub const ORDER_TTL_MS: i64 = 86_400_000;

/// A write connection with the service's settings, except for checkpoints, which SQLite runs by itself.
///
/// # Errors
/// Where the file does not exist or is not a database.
pub fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 128 * 1024 * 1024, |_| Ok(()))?;
    Ok(connection)
}

/// Now, in Unix milliseconds.
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// A pseudo-random generator with a fixed seed (Marsaglia's xorshift64).
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next, from 1 to `max`.
    pub fn up_to(&mut self, max: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % max.unsigned_abs().max(1)).unwrap_or(0) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the service's source, with line breaks inside statements removed.
    fn service_source(file: &str) -> String {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/store"));
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        text.split("\\\n").map(str::trim_start).collect()
    }

    #[test]
    fn an_order_is_placed_with_the_statements_of_the_service() {
        let source = service_source("sqlite/session.rs");
        for statement in [order::TAKE_STOCK, order::LEFT, order::INSERT, order::INSERT_MOVEMENT] {
            assert!(
                source.contains(statement),
                "the service does not have this statement any more: {statement}"
            );
        }
    }

    /// What comes before this word.
    fn before<'s>(statement: &'s str, word: &str) -> &'s str {
        statement.split_once(word).unwrap().0
    }

    #[test]
    fn an_order_in_postgresql_has_the_rows_and_columns_of_the_service() {
        let source = service_source("postgres/changes.rs");
        for insert in [postgres::INSERT_ORDER, postgres::INSERT_MOVEMENT] {
            let columns = before(insert, "VALUES");
            assert!(
                source.contains(&format!("{columns}SELECT * FROM unnest(")),
                "the service does not add rows with these columns any more: {columns}"
            );
        }
        let changed = "stock = new.stock, version = new.version, updated_at_ms = new.updated_at_ms FROM unnest(";
        assert!(
            source.contains(changed),
            "the service does not change these columns of a product any more: {changed}"
        );
    }

    #[test]
    fn the_reads_in_postgresql_are_those_of_the_service() {
        let (queries, rows) = (service_source("postgres/query.rs"), service_source("rows.rs"));
        for read in [postgres::PRODUCT, postgres::PAGE] {
            let (columns, rest) = read.strip_prefix("SELECT ").unwrap().split_once(" FROM ").unwrap();
            assert!(
                rows.contains(&format!("\"{columns}\"")),
                "the service reads other columns: {columns}"
            );
            assert!(
                queries.contains(&format!("\" FROM {rest}\"")),
                "the service does not read like this any more: {rest}"
            );
        }
    }

    #[test]
    fn numbers_stay_within_their_limits() {
        let mut numbers = Numbers::new(7);
        let drawn: Vec<_> = (0..1_000).map(|_| numbers.up_to(10)).collect();
        assert!((1..=10).all(|number| drawn.contains(&number)));
        assert!(drawn.iter().all(|number| (1..=10).contains(number)));
    }
}
