//! A PostgreSQL database that ends connections, is silent, is stopped or loses answers while the service runs: every answer
//! comes in time and is true, and the service recovers by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::support::app::id;
use crate::support::instances::{Got, Instances};
use crate::support::own_postgres::OwnServer;
use crate::support::postgres;
use crate::support::proxy::{Mode, Proxy, address_of, at};

/// How long a request may wait before its work begins.
const REQUEST_TIMEOUT_SECONDS: &str = "2";
/// How long any answer may take: that, and five seconds.
const ANSWER_MAX: Duration = Duration::from_secs(7);
/// How soon the service is ready again when its database is.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

const SETTINGS: &[(&str, &str)] = &[
    ("REQUEST_TIMEOUT_SECONDS", REQUEST_TIMEOUT_SECONDS),
    ("DRAIN_SECONDS", "1"),
];

/// Instances, each of which reaches the database through its own proxy.
async fn behind_proxies(count: usize) -> (Instances, Vec<Proxy>) {
    let database = postgres::new_database().await;
    let proxies: Vec<_> = (0..count).map(|_| Proxy::of(address_of(&database))).collect();
    (through(&proxies, database), proxies)
}

/// Instances that reach this database through these proxies.
fn through(proxies: &[Proxy], database: String) -> Instances {
    let urls: Vec<_> = proxies.iter().map(|proxy| at(&database, proxy.address)).collect();
    Instances::start_at(database, &urls, SETTINGS)
}

/// Asserts that an answer says within its time that the database cannot be asked, and when to come again.
#[track_caller]
fn assert_unavailable(got: &Got, what: &str) {
    assert!(
        got.status == 503 && ["storage-unavailable", "overloaded"].contains(&got.problem()),
        "{what}: {got:?}"
    );
    assert_eq!(got.retry_after.as_deref(), Some("1"), "{what}: {got:?}");
    assert!(got.took < ANSWER_MAX, "{what}: {got:?}");
}

impl Instances {
    /// One request of every operation that needs the database: all at once, at all instances.
    async fn ask_everything(&self, product: i64, order: i64) -> Vec<(String, Got)> {
        let event = |number: usize| json!({"id": format!("evt-{number}"), "type": "payment.succeeded", "data": {"order_id": order, "payment_id": format!("pay-{number}")}});
        let new_product =
            |number: usize| json!({"sku": format!("NEW-{number}"), "name": "Mug", "price": 1, "stock": 1});
        let requests = |number: usize| {
            [
                ("GET", "/products".to_owned(), Value::Null),
                ("GET", format!("/products/{product}"), Value::Null),
                ("GET", format!("/products/{product}/stock-movements"), Value::Null),
                ("GET", "/orders?status=PENDING".to_owned(), Value::Null),
                ("GET", format!("/orders/{order}"), Value::Null),
                (
                    "GET",
                    format!("/payment-events?order_id={order}&result=applied"),
                    Value::Null,
                ),
                ("GET", format!("/payments?order_id={order}&open=true"), Value::Null),
                ("POST", "/products".to_owned(), new_product(number)),
                ("PUT", format!("/products/{product}"), json!({"name": "Cup"})),
                ("DELETE", format!("/products/{product}"), Value::Null),
                (
                    "POST",
                    format!("/products/{product}/stock-movements"),
                    json!({"delta": 1}),
                ),
                (
                    "POST",
                    "/orders".to_owned(),
                    json!({"product_id": product, "quantity": 1}),
                ),
                ("PUT", format!("/orders/{order}"), json!({"quantity": 2})),
                ("DELETE", format!("/orders/{order}"), Value::Null),
                ("POST", "/webhooks/payment".to_owned(), event(number)),
            ]
        };
        let all = (0..self.servers.len() * 4).flat_map(|number| requests(number).map(|request| (number, request)));
        join_all(all.map(async |(number, (method, path, body))| {
            let got = self.ask(number, method, &path, None, body).await;
            (format!("{method} {path}"), got)
        }))
        .await
    }

    /// Asserts that it is alive and not ready.
    async fn assert_not_ready(&self) {
        let (alive, ready) = tokio::join!(
            self.ask(0, "GET", "/healthz", None, Value::Null),
            self.ask(0, "GET", "/readyz", None, Value::Null)
        );
        assert_eq!(alive.status, 200, "{alive:?}");
        assert!(alive.took < Duration::from_secs(1), "{alive:?}");
        assert_unavailable(&ready, "/readyz");
    }

    /// Waits until every instance is ready.
    async fn recovered(&self) {
        let began = Instant::now();
        for instance in 0..self.servers.len() {
            while self.ask(instance, "GET", "/readyz", None, Value::Null).await.status != 200 {
                assert!(began.elapsed() < RECOVERY_MAX, "it is not ready again");
                sleep(Duration::from_millis(50)).await;
            }
        }
        println!("ready again after {:?}", began.elapsed());
    }
}

/// Buyers that order all the time, each order with a key of its own, and what they were told.
struct Buyers<'a> {
    shop: &'a Instances,
    product: i64,
    is_over: AtomicBool,
    told: Mutex<BTreeMap<String, Got>>,
}

/// What the buyers were told, by status.
type Counts = BTreeMap<u16, usize>;

impl<'a> Buyers<'a> {
    const COUNT: usize = 16;
    const STOCK: i64 = 1_000_000;

    async fn of(shop: &'a Instances) -> Self {
        Self {
            shop,
            product: shop.product(0, "BOUGHT", Self::STOCK).await,
            is_over: AtomicBool::new(false),
            told: Mutex::default(),
        }
    }

    fn order(&self) -> Value {
        json!({"product_id": self.product, "quantity": 1})
    }

    /// They order while this goes on.
    async fn during(&self, trouble: impl Future<Output = ()>) -> Counts {
        self.is_over.store(false, Ordering::Relaxed);
        self.told.lock().unwrap().clear();
        let buying = join_all((0..Self::COUNT).map(|buyer| self.buy(buyer)));
        tokio::join!(buying, async {
            sleep(Duration::from_millis(300)).await;
            trouble.await;
            sleep(Duration::from_millis(300)).await;
            self.is_over.store(true, Ordering::Relaxed);
        });
        let mut counts = Counts::new();
        for got in self.told.lock().unwrap().values() {
            *counts.entry(got.status).or_default() += 1;
        }
        println!("{counts:?}");
        assert!(counts[&201] > Self::COUNT, "{counts:?}");
        counts
    }

    async fn buy(&self, buyer: usize) {
        let mut number = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            let key = format!("{}-{buyer}-{number}", uuid::Uuid::now_v7());
            let got = self.shop.ask(buyer, "POST", "/orders", Some(&key), self.order()).await;
            match (got.status, got.problem()) {
                (201, _) => assert!(!got.is_replayed, "{got:?}"),
                (500, "outcome-unknown") => {}
                _ => assert_unavailable(&got, "an order"),
            }
            assert!(got.took < ANSWER_MAX, "{got:?}");
            if got.status != 201 {
                sleep(Duration::from_millis(20)).await;
            }
            self.told.lock().unwrap().insert(key, got);
            number += 1;
        }
    }

    /// Retries each order that was not acknowledged, at another instance, and asserts that what was told is true: every key
    /// has one order, those that were acknowledged had it, and those that "changed nothing" had none.
    async fn assert_all_was_true(&self) {
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        let mut orders = BTreeSet::new();
        let mut late = 0;
        let places = Semaphore::new(Self::COUNT);
        let retries = told.keys().enumerate().map(async |(number, key)| {
            let _place = places.acquire().await.unwrap();
            self.shop.ask(number, "POST", "/orders", Some(key), self.order()).await
        });
        for ((key, before), got) in told.iter().zip(join_all(retries).await) {
            assert_eq!(got.status, 201, "{key}: {got:?}");
            match before.status {
                201 => {
                    assert!(got.is_replayed, "{key} is lost: {before:?}, {got:?}");
                    assert_eq!(got.kept(), before.kept());
                }
                503 => assert!(!got.is_replayed, "{key} changed something: {before:?}, {got:?}"),
                _ => late += usize::from(got.is_replayed),
            }
            assert!(orders.insert(id(&got.body)), "{key} has another's order: {got:?}");
        }
        println!("{} orders, {late} of unknown outcome were kept", orders.len());
        let path = format!("/products/{}", self.product);
        let sold = Self::STOCK - self.shop.get(0, &path).await["stock"].as_i64().unwrap();
        let count = format!("SELECT count(*) FROM orders WHERE product_id = {}", self.product);
        assert_eq!(sold, postgres::count(&self.shop.database, &count).await);
        // Those of earlier troubles have been looked at already.
        assert!(orders.len() <= usize::try_from(sold).unwrap(), "an order is missing");
        assert_eq!(self.shop.ledger_sum(self.product).await, Self::STOCK - sold);
    }
}

impl Instances {
    /// The sum of all movements of a product, of which each must go on from the one before.
    async fn ledger_sum(&self, product: i64) -> i64 {
        let breaks = format!(
            "SELECT count(*) FROM (SELECT stock_after - delta - coalesce(lag(stock_after) OVER (ORDER BY id), 0) AS gap \
             FROM stock_movements WHERE product_id = {product}) AS steps WHERE gap <> 0"
        );
        assert_eq!(
            postgres::count(&self.database, &breaks).await,
            0,
            "the ledger has a gap"
        );
        let sum = format!("SELECT sum(delta)::bigint FROM stock_movements WHERE product_id = {product}");
        postgres::count(&self.database, &sum).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_silent_database_is_told_in_time_and_forgotten_when_it_speaks() {
    let (shop, proxies) = behind_proxies(1).await;
    let product = shop.product(0, "SILENT", 10_000).await;
    let order = id(&shop.place(0, product, 1).await.body);
    let buyers = Buyers::of(&shop).await;
    for mode in [Mode::IsSilent, Mode::IsDeaf] {
        let counts = buyers
            .during(async {
                proxies[0].set(mode);
                sleep(Duration::from_millis(300)).await;
                // With connections that are there and silent, and then with none.
                for _ in 0..2 {
                    let (answers, ()) = tokio::join!(shop.ask_everything(product, order), shop.assert_not_ready());
                    for (what, got) in answers {
                        assert_unavailable(&got, &what);
                    }
                }
                proxies[0].set(Mode::Passes);
                shop.recovered().await;
            })
            .await;
        // Only what was being committed when the silence began can be unknown, and each buyer waits for one order.
        let unknown = counts.get(&500).copied().unwrap_or_default();
        assert!(unknown <= Buyers::COUNT, "{counts:?}");
        buyers.assert_all_was_true().await;
    }
    assert_eq!(shop.get(0, &format!("/orders/{order}")).await["quantity"], 1);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_commit_whose_answer_is_lost_is_settled() {
    let (shop, proxies) = behind_proxies(2).await;
    let buyers = Buyers::of(&shop).await;
    for mode in [Mode::CutsBeforeCommits, Mode::CutsAfterCommits] {
        let counts = buyers
            .during(async {
                for _ in 0..10 {
                    proxies[0].break_commit(mode).await;
                    sleep(Duration::from_millis(50)).await;
                }
            })
            .await;
        assert_eq!(counts.get(&500), None, "the database could be asked: {counts:?}");
        buyers.assert_all_was_true().await;
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_outcome_that_nobody_knows_is_called_so_and_settled_by_a_retry_anywhere() {
    let (shop, proxies) = behind_proxies(2).await;
    let product = shop.product(0, "UNKNOWN", 1_000).await;
    let order = json!({"product_id": product, "quantity": 1});
    let paid = id(&shop.place(0, product, 1).await.body);
    let event = json!({"id": "evt", "type": "payment.succeeded", "data": {"order_id": paid, "payment_id": "pay"}});
    proxies[0].set(Mode::HangsAtCommits);
    let placed = shop.ask(0, "POST", "/orders", Some("key"), order.clone()).await;
    let told = shop.ask(0, "POST", "/webhooks/payment", None, event.clone()).await;
    for got in [&placed, &told] {
        assert_eq!((got.status, got.problem()), (500, "outcome-unknown"), "{got:?}");
        assert!(got.took < ANSWER_MAX, "{got:?}");
    }
    // The other instance is well. The database ends the transaction whose client is silent, if it has not ended.
    let got = shop.ask(1, "POST", "/orders", Some("key"), order.clone()).await;
    assert_eq!((got.status, got.is_replayed), (201, true), "{got:?}");
    let got = shop.ask(1, "POST", "/webhooks/payment", None, event.clone()).await;
    assert_eq!((got.status, &got.body["result"]), (200, &json!("duplicate")), "{got:?}");
    assert_eq!(shop.get(1, &format!("/products/{product}")).await["stock"], 998);
    proxies[0].set(Mode::Passes);
    shop.recovered().await;
    let got = shop.ask(0, "POST", "/orders", Some("key"), order.clone()).await;
    assert_eq!((got.status, got.is_replayed), (201, true), "{got:?}");
    shop.assert_ledger_adds_up(product).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn connections_that_are_ended_are_made_again_and_nothing_is_lost() {
    let (shop, proxies) = behind_proxies(2).await;
    let name = postgres::database_of(&shop.database).to_owned();
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    let buyers = Buyers::of(&shop).await;
    // By the server, and by what is between.
    let counts = buyers
        .during(async {
            for _ in 0..20 {
                postgres::admin(&end).await;
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    assert_eq!(counts.get(&500), None, "the database could be asked: {counts:?}");
    buyers.assert_all_was_true().await;
    let counts = buyers
        .during(async {
            for number in 0..20 {
                proxies[number % 2].cut().await;
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    assert_eq!(counts.get(&500), None, "the database could be asked: {counts:?}");
    buyers.assert_all_was_true().await;
    // Each connection that waits for work was ended: the next requests do not show it.
    for _ in 0..5 {
        join_all((0..16).map(|number| shop.get(number, "/products"))).await;
        postgres::admin(&end).await;
        let answers = join_all((0..16).map(|number| shop.ask(number, "GET", "/products", None, Value::Null))).await;
        assert!(answers.iter().all(|got| got.status == 200), "{answers:?}");
        assert_eq!(shop.place(0, buyers.product, 1).await.status, 201);
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_database_that_cannot_be_reached_is_told_at_once() {
    let (shop, proxies) = behind_proxies(2).await;
    let product = shop.product(0, "GONE", 10_000).await;
    let order = id(&shop.place(0, product, 1).await.body);
    let buyers = Buyers::of(&shop).await;
    buyers
        .during(async {
            for proxy in &proxies {
                proxy.set(Mode::Cuts);
            }
            sleep(Duration::from_millis(300)).await;
            for _ in 0..2 {
                let (answers, ()) = tokio::join!(shop.ask_everything(product, order), shop.assert_not_ready());
                for (what, got) in answers {
                    assert_unavailable(&got, &what);
                    assert!(got.took < Duration::from_secs(4), "{what}: {got:?}");
                }
            }
            for proxy in &proxies {
                proxy.set(Mode::Passes);
            }
            shop.recovered().await;
        })
        .await;
    buyers.assert_all_was_true().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_server_that_is_stopped_killed_or_frozen_is_survived() {
    let mut own = tokio::task::block_in_place(|| OwnServer::start(&[]));
    let shop = Instances::start_at(own.url().to_owned(), &vec![own.url().to_owned(); 2], SETTINGS);
    let product = shop.product(0, "SURVIVED", 10_000).await;
    let order = id(&shop.place(0, product, 1).await.body);
    let buyers = Buyers::of(&shop).await;
    for (down, up) in [("stop", "start"), ("kill", "start"), ("freeze", "thaw")] {
        let counts = buyers
            .during(async {
                tokio::task::block_in_place(|| own.tell(down));
                let (answers, ()) = tokio::join!(shop.ask_everything(product, order), shop.assert_not_ready());
                for (what, got) in answers {
                    assert_unavailable(&got, &format!("{down}: {what}"));
                }
                tokio::task::block_in_place(|| own.tell(up));
                shop.recovered().await;
            })
            .await;
        let unknown = counts.get(&500).copied().unwrap_or_default();
        assert!(unknown <= Buyers::COUNT, "{down}: {counts:?}");
        buyers.assert_all_was_true().await;
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_process_ends_in_time_also_when_its_database_is_silent() {
    // Idle, and with every kind of request in progress.
    for is_busy in [false, true] {
        let (shop, proxies) = behind_proxies(1).await;
        let product = shop.product(0, "ENDS", 10_000).await;
        let order = id(&shop.place(0, product, 1).await.body);
        proxies[0].set(Mode::IsSilent);
        let busy = async {
            if is_busy {
                let address = shop.servers[0].address;
                let place = async || {
                    // Its connection may be closed without an answer when the drain is over.
                    let request = shop.client.post(format!("http://{address}/orders"));
                    let _ = request
                        .json(&json!({"product_id": product, "quantity": 1}))
                        .send()
                        .await;
                };
                let read = async || {
                    let _ = shop.client.get(format!("http://{address}/orders/{order}")).send().await;
                };
                join_all((0..64).map(async |_| tokio::join!(place(), read()))).await;
            }
        };
        let signaled = async {
            sleep(Duration::from_millis(500)).await;
            shop.servers[0].signal(Signal::TERM);
            let signaled = Instant::now();
            tokio::task::block_in_place(|| shop.servers[0].rest_of_log());
            signaled.elapsed()
        };
        let (ended, ()) = tokio::join!(signaled, busy);
        println!("busy: {is_busy}; it took {ended:?}");
        // A second for what is in progress, five for the writes that have begun.
        assert!(ended < Duration::from_secs(8), "busy: {is_busy}; it took {ended:?}");
    }
}
