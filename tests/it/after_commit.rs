//! What follows a commit happens whether or not the caller is still there: warnings about money, and counters.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use orders_inventory::domain::Timestamp;
use orders_inventory::http::Clock;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http2::connect;
use crate::support::payment::{HEADER, refunded, sign, succeeded};
use crate::support::process::{PATIENCE, Server, command};
use crate::support::scrape::Scrape;

const SECRET: &str = "whsec_test";

/// How many callers leave.
const CALLERS: usize = 6;

/// How long a request has to begin; less than the service waits for the database.
const BEGINNING: Duration = Duration::from_millis(400);

/// The service with metrics and a log in JSON.
fn start(folder: &TempDir, settings: &[(&str, &str)]) -> Server {
    let mut command = command(&folder.path().join("test.db"));
    command
        .envs([
            ("LOG_FORMAT", "json"),
            ("METRICS_ADDR", "127.0.0.1:0"),
            ("WEBHOOK_SECRET", SECRET),
        ])
        .envs(settings.iter().copied());
    Server::start(&mut command)
}

/// Sends requests one after the other, each while another process holds the database, and leaves it before the service can
/// answer. When the database is free again, the service does what it had begun.
///
/// By HTTP/2, where leaving is said: a client of HTTP/1.1 that closes its direction may still wait for its response.
async fn ask_and_leave(server: &Server, folder: &TempDir, requests: impl Iterator<Item = Request<Body>>) {
    let client = connect(server).await;
    let other = Connection::open(folder.path().join("test.db")).unwrap();
    for request in requests {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answer = client.clone().send_request(request);
        let answer = tokio::time::timeout(BEGINNING, answer).await;
        assert!(answer.is_err(), "it was answered before the database was free");
        other.execute_batch("ROLLBACK").unwrap();
        // SQLite waits for a lock by looking again and again, so the next one must not come at once.
        tokio::time::sleep(BEGINNING).await;
    }
}

fn post(path: &str, headers: &[(&str, &str)], body: String) -> Request<Body> {
    let request = Request::post(format!("http://test{path}")).header("content-type", "application/json");
    let with = |request: axum::http::request::Builder, (name, value): &(&str, &str)| request.header(*name, *value);
    headers.iter().fold(request, with).body(Body::from(body)).unwrap()
}

fn signature(body: &str) -> String {
    let now: Timestamp = Clock::system().now();
    sign(SECRET, now.millis() / 1_000, body.as_bytes())
}

/// Every item of a list.
fn list(server: &Server, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = server.ask("GET", &format!("{path}?limit=100{cursor}"), "");
        assert_eq!(status, 200, "{page}");
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// Everything of the list, once no request is left that could add to it.
fn settled(server: &Server, path: &str) -> Vec<Value> {
    let until = Instant::now() + PATIENCE;
    let mut before = list(server, path);
    loop {
        assert!(Instant::now() < until, "{path} never settles");
        thread::sleep(Duration::from_millis(300));
        let now = list(server, path);
        if now.len() == before.len() {
            return now;
        }
        before = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn money_that_needs_a_person_is_warned_of_though_the_caller_left() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder, &[]);
    server.ask("POST", "/products", r#"{"sku":"A","name":"a","price":1,"stock":5}"#);
    server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
    let events = (0..CALLERS).map(|number| {
        let data = json!({"order_id": 1, "payment_id": format!("p{number}"), "amount": 7});
        let event = succeeded(&format!("e{number}"), data).to_string();
        post("/webhooks/payment", &[(HEADER, &signature(&event))], event)
    });
    ask_and_leave(&server, &folder, events).await;
    let recorded: BTreeSet<String> = settled(&server, "/payment-events")
        .iter()
        .map(|event| event["event_id"].as_str().unwrap().to_owned())
        .collect();
    let counted = Scrape::of(server.metrics_address());
    let of_result = |name: &str, labels: &str| counted.value(&format!("{name}{{{labels}}}"));
    let expected = recorded.len() as f64;
    assert_eq!(
        of_result(
            "shop_webhook_events_total",
            r#"provider="own",fact="paid",result="amount_mismatch""#
        ),
        expected
    );
    assert_eq!(
        of_result("shop_money_needing_a_person_total", r#"result="amount_mismatch""#),
        expected
    );
    server.signal(Signal::TERM);
    let log: Vec<Value> = server
        .rest_of_log()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let request = |line: &Value| line["span"]["request_id"].as_str().unwrap().to_owned();
    let with = |member: &'static str, value: &'static str| log.iter().filter(move |line| line[member] == value);
    let (mut warned, mut warned_requests) = (BTreeSet::new(), BTreeSet::new());
    for line in with("result", "amount_mismatch") {
        assert_eq!(line["level"], "WARN", "{line}");
        warned.insert(line["event"].as_str().unwrap().to_owned());
        warned_requests.insert(request(line));
    }
    assert_eq!(warned, recorded);
    let left: BTreeSet<String> = with("message", "the caller left before the response")
        .map(request)
        .collect();
    assert!(
        !left.is_disjoint(&warned_requests),
        "nobody left between request and response"
    );
}

#[test]
fn a_payment_that_was_partly_refunded_before_it_came_is_warned_of() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder, &[]);
    server.ask("POST", "/products", r#"{"sku":"A","name":"a","price":1,"stock":5}"#);
    server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
    for (event, result) in [
        (
            refunded("e1", json!({"order_id": 1, "payment_id": "p1", "amount": 0.4})),
            "ignored",
        ),
        (succeeded("e2", json!({"order_id": 1, "payment_id": "p1"})), "applied"),
    ] {
        let body = event.to_string();
        let headers = [(HEADER, &*signature(&body))];
        let ((status, receipt), _) = server.ask_with("POST", "/webhooks/payment", &headers, &body);
        assert_eq!((status, &receipt["result"]), (200, &json!(result)));
    }
    let line: Value = serde_json::from_str(&server.log_line("was partly refunded before it came")).unwrap();
    assert_eq!(
        (&line["level"], &line["event"], &line["order"]),
        (&json!("WARN"), &json!("e2"), &json!(1))
    );
    let counted = Scrape::of(server.metrics_address());
    assert_eq!(
        counted.value(r#"shop_money_needing_a_person_total{result="partial_refund"}"#),
        1.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn orders_are_counted_though_the_caller_left() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder, &[]);
    server.ask("POST", "/products", r#"{"sku":"A","name":"a","price":1,"stock":5000}"#);
    let orders = (0..CALLERS).map(|number| {
        let key = format!("k{number}");
        let keyed = [("idempotency-key", key.as_str())];
        let headers = if number % 2 == 0 { &[][..] } else { &keyed };
        post("/orders", headers, r#"{"product_id":1,"quantity":1}"#.to_owned())
    });
    ask_and_leave(&server, &folder, orders).await;
    let placed = settled(&server, "/orders").len();
    assert_ne!(placed, 0);
    let counted = Scrape::of(server.metrics_address());
    assert_eq!(counted.value("shop_orders_placed_total"), placed as f64);
}

#[test]
fn an_expiry_that_makes_a_refund_due_is_warned_of() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder, &[("ORDER_TTL_SECONDS", "1")]);
    server.ask("POST", "/products", r#"{"sku":"A","name":"a","price":1,"stock":5}"#);
    for _ in 0..3 {
        server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
    }
    // Orders 1 and 3 get a wrong payment, order 2 none.
    for order in [1, 3] {
        let event = succeeded(&format!("e{order}"), json!({"order_id": order, "amount": 7})).to_string();
        let headers = [(HEADER, &*signature(&event))];
        let ((status, receipt), _) = server.ask_with("POST", "/webhooks/payment", &headers, &event);
        assert_eq!((status, &receipt["result"]), (200, &json!("amount_mismatch")));
    }
    // One line for each, which names the order.
    let mut warned: Vec<Value> = (0..2)
        .map(|_| serde_json::from_str::<Value>(&server.log_line("is due a refund")).unwrap()["order"].take())
        .collect();
    warned.sort_by_key(Value::as_i64);
    assert_eq!(warned, [json!(1), json!(3)]);
    let counted = Scrape::of(server.metrics_address());
    assert_eq!(
        counted.value(r#"shop_money_needing_a_person_total{result="refund_due"}"#),
        2.0
    );
}
