//! The ceiling of SQLite: orders placed in a bare loop on one thread, a fixed number in each commit. The file is a
//! database of the service with its schema, written with the service's settings and statements.
//!
//! Prints one JSON object: the number of orders, the seconds, and the duration of one transaction.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use orders_inventory_benches::{Failure, Numbers, ORDER_TTL_MS, now_ms, order, writer};
use rusqlite::{Connection, Statement, params};
use serde_json::json;

#[derive(Parser)]
struct Options {
    /// The database
    database: PathBuf,
    /// How many orders share a commit
    #[arg(long)]
    batch: u32,
    /// For how long
    #[arg(long)]
    seconds: f64,
    /// The products to draw from are 1 to this
    #[arg(long)]
    products: i64,
}

/// The statements of an order, prepared once.
struct Statements<'c> {
    connection: &'c Connection,
    take_stock: Statement<'c>,
    left: Statement<'c>,
    insert: Statement<'c>,
    insert_movement: Statement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            take_stock: connection.prepare(order::TAKE_STOCK)?,
            left: connection.prepare(order::LEFT)?,
            insert: connection.prepare(order::INSERT)?,
            insert_movement: connection.prepare(order::INSERT_MOVEMENT)?,
        })
    }

    fn place(&mut self, product_id: i64, quantity: i64) -> rusqlite::Result<()> {
        let now = now_ms();
        self.take_stock.execute(params![product_id, quantity, now])?;
        let (stock, price): (i64, i64) = self
            .left
            .query_row(params![product_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.insert.execute(params![
            product_id,
            quantity,
            price,
            now + ORDER_TTL_MS,
            now,
            None::<&str>
        ])?;
        let order_id = self.connection.last_insert_rowid();
        self.insert_movement.execute(params![
            product_id,
            -quantity,
            stock,
            "order_placed",
            order_id,
            None::<&str>,
            now
        ])?;
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let connection = writer(&options.database)?;
    let (mut begin, mut commit) = (connection.prepare("BEGIN IMMEDIATE")?, connection.prepare("COMMIT")?);
    let mut statements = Statements::prepare(&connection)?;
    let mut numbers = Numbers::new(20_260_301);
    let mut commits_us = Vec::new();
    let (started, until) = (Instant::now(), Duration::from_secs_f64(options.seconds));
    let mut last = Duration::ZERO;
    while last < until {
        begin.execute([])?;
        for _ in 0..options.batch {
            statements.place(numbers.up_to(options.products), 1)?;
        }
        commit.execute([])?;
        let now = started.elapsed();
        commits_us.push((now - last).as_nanos() as f64 / 1e3);
        last = now;
    }
    commits_us.sort_by(f64::total_cmp);
    let at = |share: f64| commits_us[((commits_us.len() - 1) as f64 * share) as usize];
    let printed = json!({
        "orders": commits_us.len() * options.batch as usize,
        "seconds": last.as_secs_f64(),
        "p50_us": at(0.5),
        "p99_us": at(0.99),
        "p999_us": at(0.999),
    });
    println!("{printed}");
    Ok(())
}
