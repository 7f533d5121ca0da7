//! The contract, and the promises of this backend's outside.
//!
//! They need a server, which `make check-postgres` starts, so they are ignored elsewhere.

use super::*;
use crate::domain::ProductId;
use crate::store::contract::store_contract;
use crate::testing::{self, NOW, new_product, postgres, product_id};

mod lists;
mod outcomes;
mod shared;
mod turns;

mod contract {
    super::store_contract!(super::store, ignore = "needs PostgreSQL: make check-postgres");
}

/// A store in a database of its own, whose URL this is.
async fn store() -> (PostgresStore, String) {
    let url = postgres::new_database().await;
    (open(&url).await, url)
}

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(&testing::target(&url.parse().unwrap()), Options::default())
        .await
        .unwrap()
}

async fn add_product(store: &PostgresStore, sku: &str) -> Result<ProductId, Error> {
    let product = new_product(sku, 1);
    store.write(move |tx| tx.insert_product(&product, NOW)).await
}

/// The ids of all products, as this store reads them.
async fn product_ids(store: &PostgresStore) -> Vec<ProductId> {
    let products = store.read(|view| view.products(None, 10_000)).await.unwrap();
    products.iter().map(|product| product.id).collect()
}

/// The ids of so many products that were the first.
fn first_ids(count: i64) -> Vec<ProductId> {
    (1..=count).map(product_id).collect()
}

/// How many transactions the only store of this database has written, where none failed.
async fn transactions(url: &str) -> i64 {
    postgres::count(url, "SELECT coalesce(max(last_write), 0) FROM writers").await
}
