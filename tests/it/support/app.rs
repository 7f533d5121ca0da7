//! The service under test, with its own SQLite file.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use orders_inventory::domain::{Currency, Timestamp};
use orders_inventory::http::signature::{Keyring, Secret, SignatureHeaders};
use orders_inventory::http::{self, ApiKeys, BodyLimits, Clock, Stripe, sweeper};
use orders_inventory::store::{Options, SqliteStore};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Client;

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
    pub(crate) store: SqliteStore,
    folder: TempDir,
}

impl TestApp {
    /// The service with a new file.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// The service with other options.
    pub(crate) fn with(change: impl FnOnce(&mut http::Options)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = store_options(folder.path());
        Self::over(folder, store, TestClock::default(), change)
    }

    /// The service with a write queue of this capacity.
    pub(crate) fn with_queue_capacity(queue_capacity: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = Options {
            queue_capacity,
            ..store_options(folder.path())
        };
        Self::over(folder, store, TestClock::default(), |_| ())
    }

    fn over(folder: TempDir, options: Options, clock: TestClock, change: impl FnOnce(&mut http::Options)) -> Self {
        let store = SqliteStore::open(options).expect("a store");
        let mut options = self::options(clock.clock());
        change(&mut options);
        let client = Client::new(http::router(store.clone(), options));
        Self {
            client,
            clock,
            store,
            folder,
        }
    }

    /// The service after a restart, with the same file.
    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await;
        let store = store_options(self.folder.path());
        Self::over(self.folder, store, self.clock, |_| ())
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        database(self.folder.path())
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

fn store_options(folder: &Path) -> Options {
    Options {
        path: database(folder),
        // Long, so that a busy machine does not cause `overloaded`.
        queue_wait: Duration::from_secs(60),
        scan_wait: Duration::from_secs(60),
        ..Options::default()
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("test.db")
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
