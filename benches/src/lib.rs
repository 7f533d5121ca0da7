//! Shared code of the benchmark's programs: the write connection, the statements of an order, pseudo-random numbers.
//!
//! It uses no code of the service, since a ceiling must be independent of what is measured. A test compares the
//! statements with the service's source.

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
    /// Adds the order: `?1` product, `?2` quantity, `?3` price, `?4` when it expires, `?5` now.
    pub const INSERT: &str = "INSERT INTO orders \
                              (product_id, quantity, unit_price_cents, status, expires_at_ms, created_at_ms, updated_at_ms) \
                              VALUES (?1, ?2, ?3, 'PENDING', ?4, ?5, ?5)";
    /// Adds the movement.
    pub const INSERT_MOVEMENT: &str = "INSERT INTO stock_movements \
                                       (product_id, delta, stock_after, reason, order_id, note, created_at_ms) \
                                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
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

    /// The service's source, with line breaks inside statements removed.
    fn service_source() -> String {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/store/sqlite"));
        let read = |file| std::fs::read_to_string(folder.join(file)).unwrap();
        read("session.rs").split("\\\n").map(str::trim_start).collect()
    }

    #[test]
    fn an_order_is_placed_with_the_statements_of_the_service() {
        let source = service_source();
        for statement in [order::TAKE_STOCK, order::LEFT, order::INSERT, order::INSERT_MOVEMENT] {
            assert!(
                source.contains(statement),
                "the service does not have this statement any more: {statement}"
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
