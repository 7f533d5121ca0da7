//! The contract, and the promises of this backend's outside.
//!
//! They need a server, which `make check-postgres` starts, so they are ignored elsewhere.

use super::*;
use crate::store::contract::store_contract;

mod contract {
    super::store_contract!(super::database::store, ignore = "needs PostgreSQL: make check-postgres");
}

pub(crate) mod database {
    //! A database of its own for each test.

    use std::env;

    use tokio_postgres::NoTls;
    use uuid::Uuid;

    use super::{Options, PostgresStore, Target};

    /// A new database, which is dropped with the server.
    pub(crate) struct Database {
        pub(crate) name: String,
        pub(crate) target: Target,
    }

    impl Database {
        pub(crate) async fn new() -> Self {
            let name = format!("test_{}", Uuid::now_v7().simple());
            admin(&format!("CREATE DATABASE {name} OWNER shop TEMPLATE template0")).await;
            let url = with_database(&variable("TEST_POSTGRES_URL"), &name);
            let target = Target {
                url: url.parse().unwrap(),
                ca_file: None,
                allow_async_replication: false,
            };
            Self { name, target }
        }

        pub(crate) async fn open(&self) -> PostgresStore {
            PostgresStore::open(&self.target, Options::default()).await.unwrap()
        }
    }

    /// A store in a database of its own.
    pub(crate) async fn store() -> (PostgresStore, Database) {
        let database = Database::new().await;
        (database.open().await, database)
    }

    /// Runs a statement as the superuser.
    pub(crate) async fn admin(sql: &str) {
        let (client, connection) = tokio_postgres::connect(&variable("TEST_POSTGRES_ADMIN_URL"), NoTls)
            .await
            .unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        driver.abort();
    }

    fn variable(name: &str) -> String {
        env::var(name).unwrap_or_else(|_| panic!("{name} is set by make check-postgres"))
    }

    /// The URL of another database of the same server.
    fn with_database(url: &str, name: &str) -> String {
        let (url, query) = url.split_once('?').map_or((url, ""), |(url, query)| (url, query));
        let (server, _) = url.rsplit_once('/').unwrap();
        format!("{server}/{name}?{query}")
    }
}
