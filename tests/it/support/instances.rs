//! Several processes on one PostgreSQL database, and a client of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orders_inventory::store::audit_postgres;
use reqwest::Client;
use serde_json::{Value, json};

use super::app::{SECRET, id, target};
use super::process::{Server, command};
use super::scrape::Scrape;
use super::{payment, postgres};

/// Some processes, and a client of them.
pub(crate) struct Instances {
    pub(crate) servers: Vec<Server>,
    pub(crate) client: Client,
    /// The URL of their database.
    pub(crate) database: String,
}

fn client() -> Client {
    // reqwest wants one, also for servers without TLS. Another test may have set it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) is_replayed: bool,
    pub(crate) body: Value,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Got {
    /// What a replay of the answer has, too.
    pub(crate) fn kept(&self) -> (u16, Option<&str>, Option<&str>, &Value) {
        (self.status, self.location.as_deref(), self.etag.as_deref(), &self.body)
    }

    /// The name of its error type.
    pub(crate) fn problem(&self) -> &str {
        let kind = self.body["type"]
            .as_str()
            .and_then(|kind| kind.strip_prefix("/problems/"));
        kind.unwrap_or_default()
    }
}

impl Instances {
    /// So many, with a new database and these settings.
    pub(crate) async fn start(count: usize, settings: &[(&str, &str)]) -> Self {
        let database = postgres::new_database().await;
        let urls = vec![database.clone(); count];
        Self::start_at(database, &urls, settings)
    }

    /// One for each of these URLs, all of which lead to this database.
    pub(crate) fn start_at(database: String, urls: &[String], settings: &[(&str, &str)]) -> Self {
        let start = |url| {
            let mut command = command(Path::new("unused"));
            command.env("DATABASE_URL", url).env("WEBHOOK_SECRET", SECRET);
            command.env("RUST_LOG", "warn").envs(settings.iter().copied());
            Server::start(&mut command)
        };
        Self {
            servers: urls.iter().map(start).collect(),
            client: client(),
            database,
        }
    }

    /// Asks the instance of this number, counted around.
    pub(crate) async fn ask(&self, instance: usize, method: &str, path: &str, key: Option<&str>, body: Value) -> Got {
        let server = &self.servers[instance % self.servers.len()];
        let address = server.address;
        let url = format!("http://{address}{path}");
        let mut request = self.client.request(method.parse().unwrap(), url);
        if path == "/webhooks/payment" {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let body = body.to_string();
            let signature = payment::sign(SECRET, now.try_into().unwrap(), body.as_bytes());
            request = request
                .header(payment::HEADER, signature)
                .header("content-type", "application/json")
                .body(body);
        } else if !body.is_null() {
            request = request.json(&body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let sent = Instant::now();
        let answer = request.send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error:?}: {:?}", server.log_so_far()));
        let header = |name| {
            answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        Got {
            status: answer.status().as_u16(),
            location: header("location"),
            etag: header("etag"),
            retry_after: header("retry-after"),
            is_replayed: header("idempotency-replayed").is_some(),
            body: serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default(),
            took: sent.elapsed(),
        }
    }

    pub(crate) async fn get(&self, instance: usize, path: &str) -> Value {
        let got = self.ask(instance, "GET", path, None, Value::Null).await;
        assert_eq!(got.status, 200, "{got:?}");
        got.body
    }

    pub(crate) async fn product(&self, instance: usize, sku: &str, stock: i64) -> i64 {
        let product = json!({"sku": sku, "name": "Mug", "price": 12.5, "stock": stock});
        let got = self.ask(instance, "POST", "/products", None, product).await;
        assert_eq!(got.status, 201, "{got:?}");
        id(&got.body)
    }

    pub(crate) async fn place(&self, instance: usize, product: i64, quantity: i64) -> Got {
        let order = json!({"product_id": product, "quantity": quantity});
        self.ask(instance, "POST", "/orders", None, order).await
    }

    /// All items of a list, page by page, each page from the next instance.
    pub(crate) async fn walk(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor, mut instance) = (Vec::new(), String::new(), 0);
        loop {
            let page = self.get(instance, &format!("{path}limit=50{cursor}")).await;
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
            instance += 1;
        }
    }

    /// Asserts that the ledger of a product explains its stock and every order's units.
    pub(crate) async fn assert_ledger_adds_up(&self, product: i64) {
        let stock = self.get(0, &format!("/products/{product}")).await["stock"]
            .as_i64()
            .unwrap();
        let ledger = self.walk(&format!("/products/{product}/stock-movements?")).await;
        let mut level = 0;
        let mut held: BTreeMap<i64, i64> = BTreeMap::new();
        for movement in ledger.iter().rev() {
            let delta = movement["delta"].as_i64().unwrap();
            level += delta;
            assert_eq!(movement["stock_after"], level, "{movement}");
            if let Some(order) = movement["order_id"].as_i64() {
                *held.entry(order).or_default() -= delta;
            }
        }
        assert_eq!(level, stock, "the sum of the movements of product {product}");
        let mut orders: BTreeMap<i64, i64> = BTreeMap::new();
        for order in self.walk(&format!("/orders?product_id={product}&")).await {
            let units = if order["status"] == "CANCELED" {
                0
            } else {
                order["quantity"].as_i64().unwrap()
            };
            orders.insert(id(&order), units);
        }
        held.retain(|order, units| *units != 0 || orders.contains_key(order));
        assert_eq!(held, orders, "units by order, in the ledger and in the orders");
    }

    /// Stops all, and asserts that what they leave is sound.
    /// The metrics of each.
    pub(crate) async fn scrapes(&self) -> Vec<Scrape> {
        let addresses: Vec<_> = self.servers.iter().map(Server::metrics_address).collect();
        let scrape = move || addresses.into_iter().map(Scrape::of).collect();
        tokio::task::spawn_blocking(scrape).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        for server in self.servers {
            let stop = move || server.stop(rustix::process::Signal::TERM);
            assert!(tokio::task::spawn_blocking(stop).await.unwrap().success());
        }
        let report = audit_postgres(&target(&self.database.parse().unwrap())).await.unwrap();
        assert!(report.is_clean(), "{report}");
    }
}
