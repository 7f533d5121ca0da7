//! Every answer over PostgreSQL is the one over SQLite, whatever the database's time zone, the order of its text, and what else
//! its owner has set: times, the order of lists, what is unique and what is found.

use std::time::Duration;

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::app::id;
use crate::support::instances::Instances;
use crate::support::{Answer, TestApp, payment, postgres};

/// What a database may have set for its sessions. None of it may show.
const SETTINGS: [(&str, &str); 9] = [
    ("TimeZone", "<-0930>+09:30"),
    ("DateStyle", "German"),
    ("IntervalStyle", "sql_standard"),
    ("extra_float_digits", "-15"),
    ("bytea_output", "escape"),
    ("standard_conforming_strings", "off"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("client_min_messages", "debug1"),
];

/// In an order that is neither that of "C" nor of any language, and that differ in case only.
const TEXTS: [&str; 12] = ["b", "A", "10", "a", "B", "9", "a_", "A-", "a.", "Zz", "zZ", "0"];

/// A new database with those settings.
async fn database_with_settings() -> String {
    let url = postgres::new_database().await;
    let name = postgres::database_of(&url);
    for (setting, value) in SETTINGS {
        postgres::admin(&format!("ALTER DATABASE {name} SET {setting} = '{value}'")).await;
    }
    // This test would show nothing on a server whose text sorts by its bytes.
    assert_eq!(postgres::count(&url, "SELECT (text 'B' < 'a')::int::bigint").await, 0);
    assert_eq!(
        postgres::count(&url, "SELECT extract(timezone FROM now())::bigint").await,
        -34_200
    );
    url
}

/// The same service twice, and what each answered.
struct Pair {
    apps: [TestApp; 2],
    compared: usize,
}

impl Pair {
    /// Sends a request to both, and asserts that they answer the same; returns the answer.
    async fn send(&mut self, call: impl Fn(&TestApp) -> crate::support::client::Call) -> Answer {
        let [sqlite, postgres] = &self.apps;
        let (one, two) = (call(sqlite).await, call(postgres).await);
        assert_eq!(comparable(&one), comparable(&two), "over SQLite, and over PostgreSQL");
        self.compared += 1;
        one
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(|app| app.get(path)).await
    }

    /// All pages of a list, of both.
    async fn walk(&mut self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut next) = (Vec::new(), Some(format!("{path}{separator}limit=3")));
        while let Some(path) = next {
            let page = self.get(&path).await.json(200);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            next = page["next_cursor"].as_str().map(|cursor| {
                let first = path.split("&cursor=").next().unwrap();
                format!("{first}&cursor={cursor}")
            });
        }
        items
    }

    fn advance_ms(&self, by: i64) {
        for app in &self.apps {
            app.clock.advance_ms(by);
        }
    }

    async fn sweep(&self) {
        for app in &self.apps {
            app.sweep().await;
        }
    }
}

/// What must be the same: all but the request's id.
fn comparable(answer: &Answer) -> (u16, Vec<String>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "x-request-id");
    let headers = headers.map(|(name, value)| format!("{name}: {value:?}")).collect();
    (answer.status, headers, answer.text().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn answers_do_not_depend_on_time_zone_and_order_of_text() {
    let url = database_with_settings().await;
    let mut pair = Pair {
        apps: TestApp::of_each(&url),
        compared: 0,
    };
    let mut products = Vec::new();
    for (number, text) in TEXTS.iter().enumerate() {
        // Beyond midnight in either time zone, and with milliseconds.
        pair.advance_ms(3_723_007);
        let name = format!("Ä\u{1f375} {text} 'quoted' \\ \"name\"");
        let product = json!({"sku": text, "name": name, "price": 19.9, "stock": 50 + number});
        let created = pair
            .send(|app| app.post("/products", &product).header("idempotency-key", text))
            .await;
        products.push(id(&created.json(201)));
    }
    for text in TEXTS {
        let found = pair.get(&format!("/products?sku={text}")).await.json(200);
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
        // Taken, and kept under its key.
        let taken = json!({"sku": text, "name": "x", "price": 1, "stock": 1});
        let _ = pair.send(|app| app.post("/products", &taken)).await.expect(409);
        let _ = pair
            .send(|app| app.post("/products", &taken).header("idempotency-key", text))
            .await
            .expect(422);
    }
    let mut orders = Vec::new();
    for (number, product) in products.iter().chain(&products).enumerate() {
        pair.advance_ms(61_001);
        let order = json!({"product_id": product, "quantity": 1 + number % 3});
        let key = format!("order-{number}");
        let placed = pair
            .send(|app| app.post("/orders", &order).header("idempotency-key", &key))
            .await;
        orders.push(id(&placed.json(201)));
        let note = json!({"delta": 1 + number, "note": TEXTS[number % TEXTS.len()]});
        let path = format!("/products/{product}/stock-movements");
        let _ = pair.send(|app| app.post(&path, &note)).await.expect(201);
    }
    for (number, order) in orders.iter().enumerate() {
        pair.advance_ms(999);
        let path = format!("/orders/{order}");
        let text = TEXTS[number % TEXTS.len()];
        match number % 4 {
            0 => {
                let event = payment::succeeded(text, json!({"order_id": order, "payment_id": text}));
                pair.send(|app| app.webhook(&event)).await.expect(200);
                pair.send(|app| app.webhook(&event)).await.expect(200);
                pair.send(|app| app.put(&path, json!({"status": "SHIPPED"}))).await;
            }
            1 => {
                let _ = pair
                    .send(|app| app.put(&path, json!({"status": "CANCELED"})))
                    .await
                    .expect(200);
                let event = payment::succeeded(
                    &format!("late-{number}"),
                    json!({"order_id": order, "payment_id": text}),
                );
                pair.send(|app| app.webhook(&event)).await.expect(200);
            }
            2 => {
                pair.send(|app| app.delete(&path)).await.expect(204);
            }
            // Expires below.
            _ => {
                pair.send(|app| app.put(&path, json!({"quantity": 4})))
                    .await
                    .expect(200);
            }
        }
    }
    // An hour less than a day after the last order, and then a day: what expires when is of one clock.
    for hours in [23, 1] {
        pair.advance_ms(hours * 3_600_000);
        pair.sweep().await;
        pair.walk("/orders").await;
    }
    let mut listed = 0;
    let mut lists = vec![
        "/products".to_owned(),
        "/orders".to_owned(),
        "/payments".to_owned(),
        "/payment-events".to_owned(),
    ];
    for status in ["PENDING", "PAID", "SHIPPED", "CANCELED"] {
        lists.push(format!("/orders?status={status}"));
        lists.push(format!("/orders?status={status}&refund_due=true"));
    }
    for result in ["applied", "refund_due", "ignored", "duplicate_payment"] {
        lists.push(format!("/payment-events?result={result}"));
    }
    lists.extend(["true", "false"].map(|is_open| format!("/payments?open={is_open}")));
    for product in &products {
        lists.push(format!("/orders?product_id={product}"));
        lists.push(format!("/products/{product}/stock-movements"));
    }
    for order in &orders {
        lists.push(format!("/payments?order_id={order}"));
        lists.push(format!("/payment-events?order_id={order}"));
        pair.get(&format!("/orders/{order}")).await;
    }
    for list in &lists {
        listed += pair.walk(list).await.len();
    }
    // The kept answers of a day ago are swept, those of the last minutes are not.
    let product = json!({"sku": "new", "name": "x", "price": 1, "stock": 1});
    let _ = pair
        .send(|app| app.post("/products", &product).header("idempotency-key", TEXTS[0]))
        .await
        .expect(201);
    let times = pair.walk("/products").await;
    assert!(
        times[0]["created_at"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-01T10:32:03.007Z"),
        "{times:?}"
    );
    println!("{} answers were compared, with {listed} rows in lists", pair.compared);
    assert!(listed > 200, "{listed}");
    pair.apps[0].assert_ledger_adds_up().await;
    pair.apps[1].assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn instances_take_turns_whatever_isolation_the_database_has_by_default() {
    let url = database_with_settings().await;
    let shop = Instances::start_at(
        url.clone(),
        &vec![url; 3],
        &[("ORDER_TTL_SECONDS", "1"), ("METRICS_ADDR", "127.0.0.1:0")],
    );
    let product = shop.product(0, "TURNS", 100).await;
    for _ in 0..5 {
        let placed = join_all((0..90).map(|buyer| shop.place(buyer, product, 1))).await;
        let unexpected: Vec<_> = placed.iter().filter(|got| ![201, 409].contains(&got.status)).collect();
        assert!(unexpected.is_empty(), "{unexpected:?}");
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let stock = shop
        .ask(
            0,
            Method::GET.as_str(),
            &format!("/products/{product}"),
            None,
            Value::Null,
        )
        .await;
    assert_eq!(stock.body["stock"], 100, "all have expired");
    shop.assert_ledger_adds_up(product).await;
    // None saw what was true before its turn, and was told so by the database.
    for scrape in shop.scrapes().await {
        assert_eq!(scrape.value("shop_store_retries_total"), 0.0);
    }
    shop.stop().await;
}
