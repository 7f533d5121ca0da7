//! Fills an empty database of the service with a year of products and orders: older orders are shipped or canceled, the
//! newest are unpaid. Ledger and payments are consistent, so that the audit finds nothing.

use std::path::PathBuf;

use clap::Parser;
use orders_inventory_benches::{Failure, Numbers, ORDER_TTL_MS, now_ms, writer};
use rusqlite::{Statement, Transaction, params};

#[derive(Parser)]
struct Options {
    /// The database, created by the service and still empty
    database: PathBuf,
    /// How many products
    #[arg(long)]
    products: i64,
    /// How many orders
    #[arg(long)]
    orders: i64,
    /// How many of the orders, the newest, are unpaid
    #[arg(long)]
    pending: i64,
}

/// The initial stock of a product. The first product, the hot one, has the maximum.
const STOCK: i64 = 1_000_000;
const HOT_STOCK: i64 = 1_000_000_000;
const YEAR_MS: i64 = 365 * 86_400_000;
/// One of this many older orders was canceled; the others were paid and shipped.
const CANCELED_EVERY: i64 = 10;

/// The ledger, and the stock of each product in the order of their ids.
struct Shop<'t> {
    insert_movement: Statement<'t>,
    movements: i64,
    stocks: Vec<i64>,
}

impl Shop<'_> {
    fn record(
        &mut self,
        product_id: i64,
        delta: i64,
        reason: &str,
        order_id: Option<i64>,
        at: i64,
    ) -> Result<(), Failure> {
        self.movements += 1;
        let id = self.movements;
        let index = usize::try_from(product_id - 1)?;
        let stock = self.stocks.get_mut(index).ok_or("there is no such product")?;
        *stock += delta;
        self.insert_movement
            .execute(params![id, product_id, delta, *stock, reason, order_id, at])?;
        Ok(())
    }
}

fn price_cents(product_id: i64) -> i64 {
    199 + product_id % 9_800
}

fn insert_products(transaction: &Transaction<'_>, shop: &mut Shop<'_>, count: i64, at: i64) -> Result<(), Failure> {
    let mut insert = transaction.prepare(
        "INSERT INTO products (id, sku, name, price_cents, stock, created_at_ms, updated_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
    )?;
    for id in 1..=count {
        let stock = if id == 1 { HOT_STOCK } else { STOCK };
        insert.execute(params![
            id,
            format!("SKU-{id:07}"),
            format!("Enamel mug, blue, number {id}"),
            price_cents(id),
            stock,
            at
        ])?;
        shop.record(id, stock, "initial", None, at)?;
    }
    Ok(())
}

fn insert_orders(transaction: &Transaction<'_>, shop: &mut Shop<'_>, options: &Options) -> Result<(), Failure> {
    let mut insert = transaction.prepare(
        "INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, created_at_ms, updated_at_ms, \
         expires_at_ms, paid_at_ms, shipped_at_ms, canceled_at_ms, version) \
         VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let mut insert_event = transaction.prepare(
        "INSERT INTO payment_events (number, provider, event_id, type, fact, created_s, order_id, payment_id, \
         amount_cents, result, received_at_ms) \
         VALUES (?1, 'own', ?2, 'payment.succeeded', 'paid', ?3, ?4, ?5, ?6, 'applied', ?7)",
    )?;
    let mut insert_payment = transaction.prepare(
        "INSERT INTO payments (number, provider, order_id, payment_id, is_foreign, amount_units, refunded_units, is_own, \
         is_closed) VALUES (?1, 'own', ?2, ?3, 0, ?4, 0, 1, 0)",
    )?;
    let mut numbers = Numbers::new(20_260_301);
    let (now, mut event) = (now_ms(), 0);
    for id in 1..=options.orders {
        let product_id = numbers.up_to(options.products);
        let price = price_cents(product_id);
        let is_pending = id > options.orders - options.pending;
        let at = if is_pending {
            now
        } else {
            now - YEAR_MS + YEAR_MS / options.orders * id
        };
        shop.record(product_id, -1, "order_placed", Some(id), at)?;
        let mut write = |status: &str, [expires, paid, shipped, canceled]: [Option<i64>; 4], version: i64| {
            insert.execute(params![
                id, product_id, price, status, at, at, expires, paid, shipped, canceled, version
            ])
        };
        if is_pending {
            write("PENDING", [Some(now + ORDER_TTL_MS), None, None, None], 1)?;
        } else if id % CANCELED_EVERY == 0 {
            write("CANCELED", [None, None, None, Some(at)], 2)?;
            shop.record(product_id, 1, "order_canceled", Some(id), at)?;
        } else {
            write("SHIPPED", [None, Some(at), Some(at), None], 3)?;
            event += 1;
            let payment_id = format!("pay_seed_{id}");
            insert_event.execute(params![
                event,
                format!("evt_seed_{id}"),
                at / 1_000,
                id,
                payment_id,
                price,
                at
            ])?;
            insert_payment.execute(params![event, id, payment_id, price])?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let mut connection = writer(&options.database)?;
    // Seeding is not measured: everything in memory, and one sync at the end.
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -2 * 1024 * 1024)?;
    let transaction = connection.transaction()?;
    let mut shop = Shop {
        insert_movement: transaction.prepare(
            "INSERT INTO stock_movements (id, product_id, delta, stock_after, reason, order_id, created_at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?,
        movements: 0,
        stocks: vec![0; usize::try_from(options.products)?],
    };
    insert_products(&transaction, &mut shop, options.products, now_ms() - YEAR_MS)?;
    insert_orders(&transaction, &mut shop, &options)?;
    let mut save = transaction.prepare("UPDATE products SET stock = ?2 WHERE id = ?1")?;
    for (id, stock) in (1_i64..).zip(&shop.stocks) {
        save.execute(params![id, stock])?;
    }
    drop((save, shop));
    transaction.commit()?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    Ok(())
}
