//! Several processes on one PostgreSQL database: together they behave as one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::app::{SECRET, id};
use crate::support::wire::allow_files;
use crate::support::{payment, postgres};

use crate::support::process::{Server, command};

/// So many buyers want the last item.
const BUYERS: usize = 500;
const ROUNDS: usize = 100;

/// Some processes, and a client of them.
struct Instances {
    servers: Vec<Server>,
    client: Client,
    database: String,
}

fn client() -> Client {
    // reqwest wants one, also for servers without TLS. Another test may have set it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// An answer, read whole.
#[derive(Debug, Clone, PartialEq)]
struct Got {
    status: u16,
    location: Option<String>,
    etag: Option<String>,
    is_replayed: bool,
    body: Value,
}

impl Instances {
    async fn start(count: usize, settings: &[(&str, &str)]) -> Self {
        let database = postgres::new_database().await;
        let start = |_| {
            let mut command = command(std::path::Path::new("unused"));
            command.env("DATABASE_URL", &database).env("WEBHOOK_SECRET", SECRET);
            command.env("RUST_LOG", "warn").envs(settings.iter().copied());
            Server::start(&mut command)
        };
        Self {
            servers: (0..count).map(start).collect(),
            client: client(),
            database,
        }
    }

    /// Asks the instance of this number, counted around.
    async fn ask(&self, instance: usize, method: &str, path: &str, key: Option<&str>, body: Value) -> Got {
        let address = self.servers[instance % self.servers.len()].address;
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
        let answer = request.send().await.unwrap();
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
            is_replayed: header("idempotency-replayed").is_some(),
            body: serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default(),
        }
    }

    async fn get(&self, instance: usize, path: &str) -> Value {
        let got = self.ask(instance, "GET", path, None, Value::Null).await;
        assert_eq!(got.status, 200, "{got:?}");
        got.body
    }

    async fn product(&self, instance: usize, sku: &str, stock: i64) -> i64 {
        let product = json!({"sku": sku, "name": "Mug", "price": 12.5, "stock": stock});
        let got = self.ask(instance, "POST", "/products", None, product).await;
        assert_eq!(got.status, 201, "{got:?}");
        id(&got.body)
    }

    async fn place(&self, instance: usize, product: i64, quantity: i64) -> Got {
        let order = json!({"product_id": product, "quantity": quantity});
        self.ask(instance, "POST", "/orders", None, order).await
    }

    /// All items of a list, page by page, each page from the next instance.
    async fn walk(&self, path: &str) -> Vec<Value> {
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
    async fn assert_ledger_adds_up(&self, product: i64) {
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

    async fn stop(self) {
        for server in self.servers {
            let stop = move || server.stop(rustix::process::Signal::TERM);
            assert!(tokio::task::spawn_blocking(stop).await.unwrap().success());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn the_last_item_is_sold_once_however_many_instances_sell_it() {
    allow_files(4_096);
    for (count, rounds) in [(2, ROUNDS / 2), (3, ROUNDS / 2)] {
        let shop = Instances::start(count, &[]).await;
        for round in 0..rounds {
            let product = shop.product(round, &format!("LAST-{round}"), 1).await;
            let buyers = (0..BUYERS).map(|buyer| shop.place(buyer, product, 1));
            let answers = join_all(buyers).await;
            let placed = answers.iter().filter(|got| got.status == 201).count();
            let refused = answers.iter().filter(|got| got.status == 409).count();
            assert_eq!((placed, refused), (1, BUYERS - 1), "round {round} at {count} instances");
            assert_eq!(shop.get(round, &format!("/products/{product}")).await["stock"], 0);
        }
        shop.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn whatever_is_done_from_all_sides_at_once_the_ledger_is_exact() {
    let shop = Instances::start(3, &[("ORDER_TTL_SECONDS", "1")]).await;
    let product = shop.product(0, "SHARED", 1_000).await;
    let other = shop.product(1, "OTHER", 1_000).await;
    let step = async |n: usize| {
        let path = format!("/products/{product}");
        let movements = format!("{path}/stock-movements");
        match n % 6 {
            0 => shop.ask(n, "POST", &movements, None, json!({"delta": 3})).await,
            1 => shop.ask(n, "PUT", &path, None, json!({"stock": 900 + n % 7})).await,
            2 => shop.place(n, other, 1).await,
            3 => {
                let order = shop.place(n, product, 2).await;
                // Changed at one, canceled or deleted at two at the same time.
                let order = format!("/orders/{}", id(&order.body));
                let cancel = json!({"status": "CANCELED"});
                let all = [
                    shop.ask(n, "PUT", &order, None, json!({"quantity": 5})),
                    shop.ask(n + 1, "PUT", &order, None, cancel.clone()),
                    shop.ask(n + 2, "PUT", &order, None, cancel),
                    shop.ask(n + 2, "DELETE", &order, None, Value::Null),
                ];
                let answers = join_all(all).await;
                let is_known = |got: &Got| [200, 204, 404, 409].contains(&got.status);
                assert!(answers.iter().all(is_known), "{answers:?}");
                answers[0].clone()
            }
            4 => shop.place(n, product, 1).await,
            // Expires meanwhile.
            _ => shop.ask(n, "DELETE", &path, None, Value::Null).await,
        }
    };
    for round in 0..15 {
        let answers = join_all((0..60).map(|n| step(round + n))).await;
        let faults: Vec<_> = answers.iter().filter(|got| got.status >= 500).collect();
        assert!(faults.is_empty(), "{faults:?}");
    }
    // Until every order has expired.
    for _ in 0..100 {
        if shop.walk("/orders?status=PENDING&").await.is_empty() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    for product in [product, other] {
        shop.assert_ledger_adds_up(product).await;
        let ledger = shop.walk(&format!("/products/{product}/stock-movements?")).await;
        let expired = ledger.iter().filter(|movement| movement["reason"] == "order_expired");
        let expired: Vec<_> = expired.map(|movement| movement["order_id"].as_i64().unwrap()).collect();
        let distinct: BTreeSet<_> = expired.iter().collect();
        assert_eq!(distinct.len(), expired.len(), "each order expires once");
        assert!(!expired.is_empty());
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_key_has_one_effect_and_both_instances_give_its_answer() {
    let shop = Instances::start(2, &[]).await;
    let product = shop.product(0, "KEYED", 1_000).await;
    let order = json!({"product_id": product, "quantity": 1});
    for round in 0..50 {
        let key = format!("key-{round}");
        let retries = (0..4).map(|retry| shop.ask(retry, "POST", "/orders", Some(&key), order.clone()));
        let answers = join_all(retries).await;
        assert_eq!(answers.iter().filter(|got| !got.is_replayed).count(), 1, "{answers:?}");
        let same = |got: &Got| Got {
            is_replayed: false,
            ..got.clone()
        };
        assert!(
            answers
                .iter()
                .all(|got| got.status == 201 && same(got) == same(&answers[0])),
            "{answers:?}"
        );
    }
    assert_eq!(shop.get(1, &format!("/products/{product}")).await["stock"], 950);
    shop.assert_ledger_adds_up(product).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_event_and_a_payment_count_once_wherever_they_are_told() {
    let shop = Instances::start(2, &[]).await;
    let product = shop.product(0, "PAID", 1_000).await;
    let event = |event: String, order: i64, payment: String| json!({"id": event, "type": "payment.succeeded", "data": {"order_id": order, "payment_id": payment}});
    for round in 0..30 {
        let order = id(&shop.place(round, product, 1).await.body);
        let told = event(format!("evt-{round}"), order, format!("pay-{round}"));
        let same = (0..4).map(|n| shop.ask(n, "POST", "/webhooks/payment", None, told.clone()));
        let mut results: Vec<_> = join_all(same)
            .await
            .into_iter()
            .map(|got| got.body["result"].clone())
            .collect();
        results.sort_by_key(ToString::to_string);
        assert_eq!(
            json!(results),
            json!(["applied", "duplicate", "duplicate", "duplicate"])
        );

        let order = id(&shop.place(round, product, 1).await.body);
        let twice = (0..2).map(|n| {
            let told = event(format!("evt-{round}-{n}"), order, format!("pay-twice-{round}"));
            shop.ask(n, "POST", "/webhooks/payment", None, told)
        });
        let twice: Vec<_> = twice.collect();
        let mut results: Vec<_> = join_all(twice)
            .await
            .into_iter()
            .map(|got| got.body["result"].clone())
            .collect();
        results.sort_by_key(ToString::to_string);
        assert_eq!(json!(results), json!(["applied", "ignored"]));
        let payments = shop.get(round, &format!("/payments?order_id={order}")).await["items"].clone();
        assert_eq!(
            (payments.as_array().unwrap().len(), &payments[0]["own"]),
            (1, &json!(true)),
            "{payments}"
        );
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_list_has_every_acknowledged_row_once_while_others_write() {
    let shop = Instances::start(3, &[]).await;
    let product = shop.product(0, "LISTED", 100_000).await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..10 {
        let placed = join_all((0..60).map(|n| shop.place(n, product, 1))).await;
        acknowledged.extend(placed.iter().map(|got| id(&got.body)));
        // What was acknowledged shows at once, at every instance.
        let newest = acknowledged.last().unwrap();
        for instance in 0..3 {
            shop.get(instance, &format!("/orders/{newest}")).await;
        }
        let writing = join_all((0..60).map(|n| shop.place(n + round, product, 1)));
        let (walked, written) = tokio::join!(shop.walk("/orders?"), writing);
        let found: Vec<_> = walked.iter().map(id).collect();
        let distinct: BTreeSet<_> = found.iter().copied().collect();
        assert_eq!(distinct.len(), found.len(), "none twice");
        assert!(acknowledged.is_subset(&distinct), "none left out");
        acknowledged.extend(written.iter().map(|got| id(&got.body)));
    }
    // Ids have no gaps, wherever they were given.
    assert_eq!(
        acknowledged.iter().copied().collect::<Vec<_>>(),
        (1..=1_200).collect::<Vec<_>>()
    );
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn one_instance_tells_how_many_rows_there_are() {
    let shop = Instances::start(3, &[("METRICS_ADDR", "127.0.0.1:0")]).await;
    let product = shop.product(0, "OWED", 10).await;
    let order = id(&shop.place(0, product, 1).await.body);
    let told = json!({"id": "evt", "type": "payment.succeeded", "data": {"order_id": order, "payment_id": "pay"}});
    shop.ask(1, "POST", "/webhooks/payment", None, told).await;
    let canceled = shop
        .ask(
            2,
            "PUT",
            &format!("/orders/{order}"),
            None,
            json!({"status": "CANCELED"}),
        )
        .await;
    assert_eq!(canceled.body["refund_due"], true);
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for server in &shop.servers {
        let text = shop.client.get(format!("http://{}/metrics", server.metrics_address()));
        let text = text.send().await.unwrap().text().await.unwrap();
        for name in [
            "shop_orders_refund_due",
            "shop_orders_placed_total",
            "shop_orders_paid_total",
        ] {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok());
            *sums.entry(name).or_default() += value.unwrap_or_else(|| panic!("no {name}"));
        }
    }
    let wanted = [
        ("shop_orders_paid_total", 1.0),
        ("shop_orders_placed_total", 1.0),
        ("shop_orders_refund_due", 1.0),
    ];
    assert_eq!(sums, BTreeMap::from(wanted));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_instance_that_is_killed_or_hangs_stops_no_other() {
    let shop = Instances::start(3, &[]).await;
    let product = shop.product(0, "GOES-ON", 1_000).await;
    let mut placed = 0;
    for round in 0..10 {
        // Under load, so that the turn may be anywhere.
        let load = join_all((0..30).map(|n| shop.place(n % 2, product, 1)));
        let hang = async {
            shop.servers[2].signal(rustix::process::Signal::STOP);
            sleep(Duration::from_millis(20 * round)).await;
        };
        let before = shop.place(2, product, 1);
        let (before, answers, ()) = tokio::join!(before, load, async {
            sleep(Duration::from_millis(round)).await;
            hang.await;
            sleep(Duration::from_millis(2_500)).await;
            shop.servers[2].signal(rustix::process::Signal::CONT);
        });
        let all_placed = answers.iter().filter(|got| got.status == 201).count();
        assert_eq!(all_placed, answers.len(), "{answers:?}");
        placed += all_placed + usize::from(before.status == 201);
    }
    let stock = shop.get(0, &format!("/products/{product}")).await["stock"]
        .as_u64()
        .unwrap();
    assert_eq!(stock, 1_000 - u64::try_from(placed).unwrap());
    shop.assert_ledger_adds_up(product).await;
    assert!(shop.database.contains("test_"));
    drop(shop);
}
