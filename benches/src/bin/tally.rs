//! Counts rows and units in a database of the service that is not in use. Prints a JSON object: units in stock, in the
//! ledger and in orders; rows of orders, movements and applied payments.

use std::path::PathBuf;

use clap::Parser;
use orders_inventory_benches::Failure;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value};

#[derive(Parser)]
struct Options {
    /// The database
    database: PathBuf,
}

const COUNTS: [(&str, &str); 6] = [
    ("stock", "SELECT sum(stock) FROM products"),
    ("units_moved", "SELECT sum(delta) FROM stock_movements"),
    ("orders", "SELECT count(*) FROM orders"),
    (
        "units_ordered",
        "SELECT ifnull(sum(quantity), 0) FROM orders WHERE status <> 'CANCELED'",
    ),
    ("movements", "SELECT count(*) FROM stock_movements"),
    (
        "payments_applied",
        "SELECT count(*) FROM payment_events WHERE result = 'applied'",
    ),
];

fn main() -> Result<(), Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(Options::parse().database, flags)?;
    let mut counts = Map::new();
    for (name, sql) in COUNTS {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        counts.insert(name.to_owned(), Value::from(count));
    }
    println!("{}", Value::Object(counts));
    Ok(())
}
