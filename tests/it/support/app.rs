//! The service under test, with a database of its own: an SQLite file, or one on a PostgreSQL server where that is chosen.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use orders_inventory::domain::{Currency, Timestamp};
use orders_inventory::http::signature::{Keyring, Secret, SignatureHeaders};
use orders_inventory::http::{self, ApiKeys, BodyLimits, Clock, Stripe, sweeper};
use orders_inventory::store::{
    AnyStore, AuditReport, Options, PostgresOptions, PostgresStore, PostgresUrl, SqliteStore, Target, audit,
    audit_postgres,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Client, postgres};

/// The clock's first time: 2026-03-01T09:30:00.000Z.
const FIRST_MS: i64 = 1_772_357_400_000;

/// The webhook secret.
pub(crate) const SECRET: &str = "whsec_test";

/// The secret of Stripe's webhook.
pub(crate) const STRIPE_SECRET: &str = "whsec_stripe_test";

/// The binary's default options, without API keys, with a webhook secret, and with Stripe for prices in euros.
pub(crate) fn options(clock: Clock) -> http::Options {
    http::Options {
        clock,
        body_limits: BodyLimits {
            bytes_max: 65_536,
            timeout: Duration::from_secs(10),
        },
        rate_limit_per_minute: None,
        trusted_proxies: 0,
        cors_origins: None,
        is_behind_tls: false,
        api_keys: ApiKeys::default(),
        keyring: Keyring {
            headers: SignatureHeaders::Own,
            secrets: Secret::new(SECRET).into_iter().collect(),
            tolerance: Duration::from_secs(300),
        },
        stripe: Some((
            Keyring {
                headers: SignatureHeaders::Stripe,
                secrets: Secret::new(STRIPE_SECRET).into_iter().collect(),
                tolerance: Duration::from_secs(300),
            },
            stripe("EUR"),
        )),
        order_ttl: Some(Duration::from_secs(86_400)),
        counted: None,
    }
}

/// What is expected of Stripe's events where the prices are in this currency: the binary's defaults.
pub(crate) fn stripe(currency: &str) -> Stripe {
    Stripe {
        currency: Currency::new(currency).unwrap(),
        is_live: true,
        order_key: "order_id".to_owned(),
        account: None,
        hold: Duration::from_secs(14 * 86_400),
    }
}

/// The service under test. It dereferences to a [`Client`] of itself.
pub(crate) struct TestApp {
    client: Client,
    pub(crate) clock: TestClock,
    pub(crate) store: AnyStore,
    database: Database,
}

impl TestApp {
    /// The service with a new database.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// The service with other options.
    pub(crate) fn with(change: impl FnOnce(&mut http::Options)) -> Self {
        Self::over(Database::new(), QUEUE_CAPACITY, TestClock::default(), change)
    }

    /// The service with a write queue of this capacity.
    pub(crate) fn with_queue_capacity(queue_capacity: usize) -> Self {
        Self::over(Database::new(), queue_capacity, TestClock::default(), |_| ())
    }

    /// The service over either backend, whichever is chosen for other tests: in an SQLite file, and in the PostgreSQL database at
    /// this URL.
    pub(crate) fn of_each(url: &str) -> [Self; 2] {
        let postgres = Database::Postgres {
            text: url.to_owned(),
            url: url.parse().expect("a URL"),
        };
        let sqlite = Database::Sqlite(TempDir::new().expect("a folder"));
        [sqlite, postgres].map(|database| Self::over(database, QUEUE_CAPACITY, TestClock::default(), |_| ()))
    }

    fn over(
        database: Database,
        queue_capacity: usize,
        clock: TestClock,
        change: impl FnOnce(&mut http::Options),
    ) -> Self {
        let store = database.open(queue_capacity);
        let mut options = self::options(clock.clock());
        change(&mut options);
        let client = Client::new(http::router(store.clone(), options));
        Self {
            client,
            clock,
            store,
            database,
        }
    }

    /// The service after a restart, with the same database.
    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await;
        Self::over(self.database, QUEUE_CAPACITY, self.clock, |_| ())
    }

    /// What the audit finds.
    pub(crate) fn audit(&self) -> AuditReport {
        match &self.database {
            Database::Sqlite(folder) => audit(&file(folder.path())).expect("a database that can be read"),
            Database::Postgres { url, .. } => {
                let target = target(url);
                beside(|| audit_postgres(&target)).expect("a database that can be read")
            }
        }
    }

    /// The number that this SQL gives.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        match &self.database {
            Database::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(file(folder.path())).expect("a database");
                connection.query_row(sql, [], |row| row.get(0)).expect("a number")
            }
            Database::Postgres { text, .. } => beside(|| postgres::count(text, sql)),
        }
    }

    /// The database file, for tests that are about SQLite alone.
    pub(crate) fn database(&self) -> PathBuf {
        match &self.database {
            Database::Sqlite(folder) => file(folder.path()),
            Database::Postgres { .. } => panic!("this test is about SQLite"),
        }
    }

    /// Creates a product for 12.50 with this stock; returns its id.
    pub(crate) async fn product(&self, stock: i64) -> i64 {
        let sku = format!("SKU-{}", self.clock.unique());
        let product = json!({"sku": sku, "name": "Blue mug", "price": 12.5, "stock": stock});
        let created = self.post("/products", product).await.json(201);
        id(&created)
    }

    /// Places an order; returns its id.
    pub(crate) async fn order(&self, product_id: i64, quantity: i64) -> i64 {
        id(&self.place(product_id, quantity).await.json(201))
    }

    /// A request for an order.
    pub(crate) fn place(&self, product_id: i64, quantity: i64) -> super::client::Call {
        self.post("/orders", json!({"product_id": product_id, "quantity": quantity}))
    }

    /// Runs the sweeper once.
    pub(crate) async fn sweep(&self) {
        let now = Timestamp::from_millis(self.clock.now_ms());
        sweeper::sweep(&self.store, now).await.expect("a sweep");
    }

    /// A product's stock.
    pub(crate) async fn stock(&self, product_id: i64) -> i64 {
        let product = self.get(&format!("/products/{product_id}")).await.json(200);
        product["stock"].as_i64().expect("stock")
    }

    /// An order's status.
    pub(crate) async fn status_of(&self, order: i64) -> String {
        let order = self.get(&format!("/orders/{order}")).await.json(200);
        order["status"].as_str().expect("a status").to_owned()
    }
}

impl Deref for TestApp {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// The default of the binary.
const QUEUE_CAPACITY: usize = 1_024;
/// Long, so that a busy machine does not cause `overloaded`.
const WAIT: Duration = Duration::from_secs(60);

/// A database of a test's own.
enum Database {
    Sqlite(TempDir),
    Postgres { text: String, url: PostgresUrl },
}

impl Database {
    fn new() -> Self {
        match postgres::is_chosen() {
            false => Self::Sqlite(TempDir::new().expect("a folder")),
            true => {
                let text = beside(postgres::new_database);
                let url = text.parse().expect("a URL");
                Self::Postgres { text, url }
            }
        }
    }

    fn open(&self, queue_capacity: usize) -> AnyStore {
        match self {
            Self::Sqlite(folder) => {
                let options = Options {
                    path: file(folder.path()),
                    queue_capacity,
                    queue_wait: WAIT,
                    scan_wait: WAIT,
                    ..Options::default()
                };
                AnyStore::Sqlite(SqliteStore::open(options).expect("a store"))
            }
            Self::Postgres { url, .. } => {
                let target = target(url);
                let options = PostgresOptions {
                    queue_capacity,
                    queue_wait: WAIT,
                    connection_wait: WAIT,
                    ..PostgresOptions::default()
                };
                let store = beside(|| PostgresStore::open(&target, options));
                AnyStore::Postgres(store.expect("a store"))
            }
        }
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("test.db")
}

/// The PostgreSQL database at this URL.
pub(crate) fn target(url: &PostgresUrl) -> Target {
    Target {
        url: url.clone(),
        ca_file: None,
        allow_async_replication: false,
    }
}

/// Runs this on a runtime that outlives the test's, and waits for it: so a service can be made also where nothing can be
/// awaited.
fn beside<T: Send, F: Future<Output = T>>(work: impl FnOnce() -> F + Send) -> T {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
    thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(work())).join()).expect("no panic")
}

/// The `id` of a resource.
#[track_caller]
pub(crate) fn id(resource: &Value) -> i64 {
    resource["id"].as_i64().unwrap_or_else(|| panic!("no id: {resource}"))
}

/// A clock that advances only on command.
#[derive(Clone)]
pub(crate) struct TestClock {
    now_ms: Arc<AtomicI64>,
    given: Arc<AtomicI64>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self {
            now_ms: Arc::new(AtomicI64::new(FIRST_MS)),
            given: Arc::default(),
        }
    }
}

impl TestClock {
    /// The clock for the service.
    pub(crate) fn clock(&self) -> Clock {
        let now_ms = Arc::clone(&self.now_ms);
        Clock::new(move || Timestamp::from_millis(now_ms.load(Ordering::Relaxed)))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Advances by this many milliseconds.
    pub(crate) fn advance_ms(&self, by: i64) {
        self.now_ms.fetch_add(by, Ordering::Relaxed);
    }

    /// A number that is returned only once.
    fn unique(&self) -> i64 {
        self.given.fetch_add(1, Ordering::Relaxed)
    }
}
