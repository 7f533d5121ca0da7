//! The contract, and the promises of this backend's outside.
//!
//! They need a server, which `make check-postgres` starts, so they are ignored elsewhere.

use super::*;
use crate::store::contract::store_contract;
use crate::testing::{self, postgres};

mod contract {
    super::store_contract!(super::store, ignore = "needs PostgreSQL: make check-postgres");
}

/// A store in a database of its own.
async fn store() -> (PostgresStore, PostgresUrl) {
    let url: PostgresUrl = postgres::new_database().await.parse().unwrap();
    (open(&url).await, url)
}

async fn open(url: &PostgresUrl) -> PostgresStore {
    PostgresStore::open(&testing::target(url), Options::default())
        .await
        .unwrap()
}
