//! Counts rows and units in a database of the service: a SQLite file that is not in use, or a PostgreSQL database. Prints a JSON object: units in stock, in the
//! ledger and in orders; rows of orders, movements and applied payments.

use clap::Parser;
use orders_inventory_benches::{Failure, postgres};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value};
use tokio::runtime;

#[derive(Parser)]
struct Options {
    /// The file, or the URL of the database
    database: String,
}

/// In words that both databases understand; PostgreSQL's sums are of a type of their own.
const COUNTS: [(&str, &str); 6] = [
    ("stock", "SELECT CAST(sum(stock) AS BIGINT) FROM products"),
    ("units_moved", "SELECT CAST(sum(delta) AS BIGINT) FROM stock_movements"),
    ("orders", "SELECT count(*) FROM orders"),
    (
        "units_ordered",
        "SELECT CAST(coalesce(sum(quantity), 0) AS BIGINT) FROM orders WHERE status <> 'CANCELED'",
    ),
    ("movements", "SELECT count(*) FROM stock_movements"),
    (
        "payments_applied",
        "SELECT count(*) FROM payment_events WHERE result = 'applied'",
    ),
];

fn count_in_file(path: &str) -> Result<Map<String, Value>, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let mut counts = Map::new();
    for (name, sql) in COUNTS {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        counts.insert(name.to_owned(), Value::from(count));
    }
    Ok(counts)
}

async fn count_in_postgres(url: &str) -> Result<Map<String, Value>, Failure> {
    let client = postgres::connect(url).await?;
    // One state, though the service may be at work.
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let mut counts = Map::new();
    for (name, sql) in COUNTS {
        let count: i64 = client.query_one(sql, &[]).await?.try_get(0)?;
        counts.insert(name.to_owned(), Value::from(count));
    }
    Ok(counts)
}

fn main() -> Result<(), Failure> {
    let Options { database } = Options::parse();
    let counts = match database.starts_with("postgres://") {
        true => {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(count_in_postgres(&database))?
        }
        false => count_in_file(&database)?,
    };
    println!("{}", Value::Object(counts));
    Ok(())
}
