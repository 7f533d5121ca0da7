//! The metrics of the running binary: exact counts, and input that must not create series.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orders_inventory::metrics::{Kind, table};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{SECRET, STRIPE_SECRET};
use crate::support::payment::{HEADER, STRIPE_HEADER, event, refunded, sign, succeeded};
use crate::support::process::{PATIENCE, Server, command, read_answer, run};
use crate::support::scrape::{Scrape, get};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":10}"#;

/// A command that serves metrics on a free port.
fn command_with_metrics() -> (Command, TempDir) {
    let (database, folder) = database();
    let mut command = command(&database);
    command.envs([
        ("METRICS_ADDR", "127.0.0.1:0"),
        ("WEBHOOK_SECRET", SECRET),
        ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET),
        ("CURRENCY", "EUR"),
    ]);
    (command, folder)
}

fn database() -> (PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    (folder.path().join("test.db"), folder)
}

/// Delivers an event, signed with this secret; returns the status.
fn deliver(server: &Server, secret: &str, event: &Value) -> u16 {
    deliver_to(server, ("/webhooks/payment", HEADER), secret, event)
}

fn deliver_to(server: &Server, (path, header): (&str, &str), secret: &str, event: &Value) -> u16 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let body = event.to_string();
    let signature = sign(secret, now.cast_signed(), body.as_bytes());
    let ((status, _), _) = server.ask_with("POST", path, &[(header, &signature)], &body);
    status
}

/// One of every event that is counted: orders placed, refused, changed, canceled, paid and shipped; payments refunded,
/// duplicate and mismatched.
fn a_day_of_the_shop(server: &Server) {
    let ask = |wanted: u16, method: &str, path: &str, body: &str| {
        let (status, answer) = server.ask(method, path, body);
        assert_eq!(status, wanted, "{method} {path} {body}: {answer}");
    };
    ask(201, "POST", "/products", PRODUCT);
    ask(409, "POST", "/products", PRODUCT);
    for _ in 1..=6 {
        ask(201, "POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
    }
    for _ in 0..3 {
        // The seventh order, and two replays of its response.
        let key = [("idempotency-key", "k1")];
        let body = r#"{"product_id":1,"quantity":1}"#;
        assert_eq!(server.ask_with("POST", "/orders", &key, body).0.0, 201);
    }
    ask(409, "POST", "/orders", r#"{"product_id":1,"quantity":9}"#);
    ask(404, "POST", "/orders", r#"{"product_id":2,"quantity":1}"#);
    ask(422, "POST", "/orders", r#"{"product_id":1,"quantity":0}"#);
    ask(400, "POST", "/orders", "{");
    ask(409, "PUT", "/orders/1", r#"{"status":"SHIPPED"}"#);
    ask(200, "PUT", "/orders/1", r#"{"quantity":2}"#);
    ask(200, "PUT", "/orders/1", r#"{"status":"CANCELED"}"#);
    // It is canceled already: not counted.
    ask(200, "PUT", "/orders/1", r#"{"status":"CANCELED"}"#);
    ask(204, "DELETE", "/orders/2", "");

    let send = |event: &Value| assert_eq!(deliver(server, SECRET, event), 200, "{event}");
    send(&succeeded("e3", json!({"order_id": 3, "payment_id": "p3"})));
    send(&succeeded("e3", json!({"order_id": 3, "payment_id": "p3"})));
    send(&succeeded("e3b", json!({"order_id": 3, "payment_id": "p3b"})));
    ask(200, "PUT", "/orders/3", r#"{"status":"SHIPPED"}"#);
    send(&succeeded("e4", json!({"order_id": 4, "payment_id": "p4"})));
    send(&refunded("r4", json!({"order_id": 4, "payment_id": "p4"})));
    send(&succeeded("e5", json!({"order_id": 5, "payment_id": "p5"})));
    send(&refunded(
        "r5",
        json!({"order_id": 5, "payment_id": "p5", "amount": 0.5}),
    ));
    ask(200, "PUT", "/orders/5", r#"{"status":"CANCELED"}"#);
    send(&succeeded("e6", json!({"order_id": 6, "amount": 7})));
    send(&succeeded("e1", json!({"order_id": 1})));
    send(&succeeded("e2", json!({"order_id": 2})));
    send(&event("f6", "payment.failed", json!({"order_id": 6})));
    send(&event("o1", "customer.created", json!({})));
    send(&event("o2", "customer.deleted", json!({})));
    assert_eq!(deliver(server, SECRET, &succeeded("e99", json!({"order_id": 99}))), 404);
    assert_eq!(
        deliver(server, "another", &succeeded("e7", json!({"order_id": 6}))),
        401
    );
    ask(401, "POST", "/webhooks/payment", "{}");

    ask(200, "GET", "/orders/1", "");
    ask(404, "GET", "/orders/2", "");
    ask(404, "GET", "/nowhere", "");
    ask(405, "DELETE", "/orders", "");
}

#[test]
fn a_day_of_the_shop_is_counted_to_the_last_one() {
    let (mut command, _folder) = command_with_metrics();
    let server = Server::start(&mut command);
    let address = server.metrics_address();
    assert_eq!(Scrape::of(address).counted(), BTreeMap::new(), "everything begins at 0");
    a_day_of_the_shop(&server);
    let seen = Scrape::of(address);
    let expected = BTreeMap::from([
        (
            r#"http_requests_total{route="/products",method="POST",status="201"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/products",method="POST",status="409"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/orders",method="POST",status="201"}"#,
            9.0,
        ),
        (
            r#"http_requests_total{route="/orders",method="POST",status="400"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/orders",method="POST",status="404"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/orders",method="POST",status="409"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/orders",method="POST",status="422"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/orders/{id}",method="GET",status="200"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/orders/{id}",method="GET",status="404"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/orders/{id}",method="PUT",status="200"}"#,
            5.0,
        ),
        (
            r#"http_requests_total{route="/orders/{id}",method="PUT",status="409"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/orders/{id}",method="DELETE",status="204"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{route="/webhooks/payment",method="POST",status="200"}"#,
            13.0,
        ),
        (
            r#"http_requests_total{route="/webhooks/payment",method="POST",status="401"}"#,
            2.0,
        ),
        (
            r#"http_requests_total{route="/webhooks/payment",method="POST",status="404"}"#,
            1.0,
        ),
        (r#"http_requests_total{route="other",method="other",status="404"}"#, 1.0),
        (r#"http_requests_total{route="other",method="other",status="405"}"#, 1.0),
        (r#"http_problems_total{type="duplicate-sku"}"#, 1.0),
        (r#"http_problems_total{type="insufficient-stock"}"#, 1.0),
        (r#"http_problems_total{type="product-not-found"}"#, 1.0),
        (r#"http_problems_total{type="validation-failed"}"#, 1.0),
        (r#"http_problems_total{type="malformed-json"}"#, 1.0),
        (r#"http_problems_total{type="invalid-transition"}"#, 1.0),
        (r#"http_problems_total{type="order-not-found"}"#, 2.0),
        (r#"http_problems_total{type="invalid-signature"}"#, 2.0),
        (r#"http_problems_total{type="not-found"}"#, 1.0),
        (r#"http_problems_total{type="method-not-allowed"}"#, 1.0),
        ("shop_orders_placed_total", 7.0),
        (r#"shop_orders_refused_total{reason="insufficient-stock"}"#, 1.0),
        (r#"shop_orders_refused_total{reason="product-not-found"}"#, 1.0),
        (r#"shop_orders_refused_total{reason="validation-failed"}"#, 1.0),
        (r#"shop_orders_refused_total{reason="malformed-json"}"#, 1.0),
        ("shop_orders_paid_total", 3.0),
        ("shop_orders_shipped_total", 1.0),
        (r#"shop_orders_canceled_total{by="caller"}"#, 2.0),
        (r#"shop_orders_canceled_total{by="refund"}"#, 1.0),
        (
            r#"shop_webhook_events_total{provider="own",fact="paid",result="applied"}"#,
            3.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="paid",result="duplicate"}"#,
            1.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="paid",result="duplicate_payment"}"#,
            1.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="paid",result="amount_mismatch"}"#,
            1.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="paid",result="refund_due"}"#,
            1.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="paid",result="order_gone"}"#,
            1.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="refund",result="applied"}"#,
            1.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="refund",result="partial_refund"}"#,
            1.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="not_paid",result="ignored"}"#,
            1.0,
        ),
        (
            r#"shop_webhook_events_total{provider="own",fact="other",result="ignored"}"#,
            2.0,
        ),
        (r#"shop_webhook_signatures_refused_total{reason="does_not_fit"}"#, 1.0),
        (r#"shop_webhook_signatures_refused_total{reason="no_header"}"#, 1.0),
        (r#"shop_money_needing_a_person_total{result="duplicate_payment"}"#, 1.0),
        (r#"shop_money_needing_a_person_total{result="amount_mismatch"}"#, 1.0),
        (r#"shop_money_needing_a_person_total{result="partial_refund"}"#, 1.0),
        (r#"shop_money_needing_a_person_total{result="order_gone"}"#, 1.0),
        // The late payment of order 1, and order 5, which was canceled with an open payment.
        (r#"shop_money_needing_a_person_total{result="refund_due"}"#, 2.0),
    ]);
    assert_eq!(seen.counted(), expected);
    assert_eq!(seen.value("shop_orders_refund_due"), 2.0);
    assert_every_request_was_timed(&seen);
    assert_the_store_counted(&seen);
}

/// Exactly the counted requests have durations.
fn assert_every_request_was_timed(seen: &Scrape) {
    let mut timed = BTreeMap::new();
    for (name, requests) in seen.counted() {
        if let Some(labels) = name.strip_prefix("http_requests_total") {
            let (operation, _) = labels.split_once(",status=").unwrap();
            *timed
                .entry(format!("http_request_duration_seconds_count{operation}}}"))
                .or_default() += requests;
        }
    }
    let durations = seen
        .series
        .iter()
        .filter(|(name, value)| name.starts_with("http_request_duration_seconds_count") && **value != 0.0);
    assert_eq!(
        durations
            .map(|(name, value)| (name.clone(), *value))
            .collect::<BTreeMap<_, f64>>(),
        timed
    );
}

/// Writes came one after another, so each is a transaction; refused writes committed nothing.
fn assert_the_store_counted(seen: &Scrape) {
    let kept = 1 + 9 + 5 + 1 + 13;
    let refused = 1 + 2 + 1 + 1;
    assert_eq!(seen.value("shop_store_commit_duration_seconds_count"), f64::from(kept));
    assert_eq!(seen.value("shop_store_batch_writes_count"), f64::from(kept + refused));
    assert_eq!(seen.value("shop_store_batch_writes_sum"), f64::from(kept + refused));
    assert_eq!(seen.value("shop_store_queue_length"), 0.0);
    assert_eq!(seen.value("shop_store_queue_capacity"), 1_024.0);
    assert_eq!(seen.value("shop_store_reads_running"), 0.0);
    assert!(seen.value(r#"shop_store_read_wait_seconds_count{kind="read"}"#) >= 2.0);
    assert!(seen.value(r#"shop_store_read_wait_seconds_count{kind="scan"}"#) >= 1.0);
    assert!(seen.value("shop_store_database_bytes") > 0.0 && seen.value("shop_store_wal_bytes") > 0.0);
    let (free, all) = (
        seen.value("shop_store_disk_free_bytes"),
        seen.value("shop_store_disk_bytes"),
    );
    assert!(0.0 < free && free <= all, "{free} of {all}");
}

#[test]
fn orders_that_expire_are_counted() {
    let (mut command, _folder) = command_with_metrics();
    let server = Server::start(command.env("ORDER_TTL_SECONDS", "1"));
    let address = server.metrics_address();
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    for _ in 0..3 {
        assert_eq!(server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#).0, 201);
    }
    eventually(address, |seen| seen.value("shop_orders_expired_total") == 3.0);
    let seen = Scrape::of(address);
    assert_eq!(seen.value("shop_orders_overdue"), 0.0);
    assert_eq!(
        seen.value(r#"shop_orders_canceled_total{by="caller"}"#),
        0.0,
        "no caller canceled them"
    );
}

#[test]
fn client_input_creates_no_series() {
    let (mut command, _folder) = command_with_metrics();
    let server = Server::start(&mut command);
    let address = server.metrics_address();
    let before = Scrape::of(address);
    for number in 0..1_000_u64 {
        // Varied input that no operation expects.
        let odd = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let path = match number % 5 {
            0 => format!("/{odd:x}"),
            1 => format!("/orders/{odd}"),
            2 => format!("/products/{odd:x}/stock-movements?{odd:x}={number}"),
            3 => format!("/problems/{odd:x}"),
            _ => format!("/docs/{odd:x}%22,x=%22%0a"),
        };
        let method = ["GET", "DELETE", "PATCH", "OPTIONS", "HEAD", "ODD", "get"][number as usize % 7];
        server.ask(method, &path, "");
    }
    for number in 0..20 {
        let odd = event(&format!("e{number}"), &format!("odd.{number}\"\n"), json!({}));
        assert_eq!(deliver(&server, SECRET, &odd), 200);
        let stripe = json!({
            "id": format!("e{number}"), "object": "event", "type": format!("odd.{number}\"\n"), "created": 1,
            "livemode": true, "account": format!("acct_{number}"), "data": {"object": {"id": number}},
        });
        let webhook = ("/webhooks/stripe", STRIPE_HEADER);
        assert_eq!(deliver_to(&server, webhook, STRIPE_SECRET, &stripe), 200);
    }
    let after = Scrape::of(address);
    let new: Vec<_> = after.names().difference(&before.names()).copied().collect();
    assert_eq!(new, [""; 0]);
    let answered = |seen: &Scrape| {
        let requests = seen
            .counted()
            .into_iter()
            .filter(|(name, _)| name.starts_with("http_requests_total"));
        requests.map(|(_, value)| value).sum::<f64>()
    };
    assert_eq!(answered(&after) - answered(&before), 1_040.0, "all of them are counted");
    for provider in ["own", "stripe"] {
        let series = format!(r#"shop_webhook_events_total{{provider="{provider}",fact="other",result="ignored"}}"#);
        assert_eq!(after.value(&series), 20.0);
    }
}

#[test]
fn the_exported_metrics_are_those_of_the_table() {
    let (mut command, _folder) = command_with_metrics();
    let server = Server::start(&mut command);
    let seen = Scrape::of(server.metrics_address());
    let kind = |kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let rows = table::ALL.iter();
    let rows = rows.map(|row| {
        (
            row.name.to_owned(),
            (kind(row.kind).to_owned(), format!("{}.", row.help)),
        )
    });
    assert_eq!(seen.described, rows.collect());
    for row in table::ALL {
        let name = match row.kind {
            Kind::Histogram => format!("{}_count", row.name),
            Kind::Counter | Kind::Gauge => row.name.to_owned(),
        };
        let labels: BTreeSet<Vec<&str>> = seen
            .names()
            .into_iter()
            .filter_map(|series| series.strip_prefix(&name))
            .filter(|rest| rest.is_empty() || rest.starts_with('{'))
            .map(label_names)
            .collect();
        assert_eq!(labels, BTreeSet::from([row.labels.to_vec()]), "{}", row.name);
    }
}

/// The names in a list of labels, `{a="1",b="2"}`.
fn label_names(labels: &str) -> Vec<&str> {
    let inner = labels.strip_prefix('{').unwrap_or_default().trim_end_matches('}');
    let names = inner.split("\",").filter_map(|label| label.split_once('='));
    names.map(|(name, _)| name).collect()
}

#[test]
fn every_operation_and_status_of_the_contract_is_there_from_the_start() {
    let (mut command, _folder) = command_with_metrics();
    let server = Server::start(&mut command);
    let seen = Scrape::of(server.metrics_address());
    let (_, contract) = server.ask("GET", "/openapi.json", "");
    let mut operations = 0;
    for (route, members) in contract["paths"].as_object().unwrap() {
        for (method, operation) in members.as_object().unwrap() {
            for status in operation["responses"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(status, _)| status)
            {
                let method = method.to_uppercase();
                let series = format!(r#"http_requests_total{{route="{route}",method="{method}",status="{status}"}}"#);
                assert_eq!(seen.value(&series), 0.0);
                operations += 1;
            }
        }
    }
    assert!(operations > 100, "{operations}");
}

#[test]
fn metrics_are_at_their_own_address_only() {
    let (mut command, _folder) = command_with_metrics();
    let server = Server::start(&mut command);
    let address = server.metrics_address();
    assert!(address.ip().is_loopback() && address != server.address);
    assert_eq!(server.ask("GET", "/metrics", "").0, 404);
    for path in ["/", "/docs", "/products", "/healthz"] {
        let (head, _) = get(address, path);
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
    }
    // They are served during the drain, until the process ends.
    assert!(server.stop(Signal::TERM).success());
}

#[test]
fn refused_requests_and_connections_are_counted() {
    let (mut command, folder) = command_with_metrics();
    command.env("RATE_LIMIT_PER_MINUTE", "2").env("CONNECTIONS_MAX", "4");
    let server = Server::start(command.env("API_KEYS", "a,b,c,d"));
    let address = server.metrics_address();
    let mut limited = 0.0;
    for _ in 0..5 {
        // The service counts a connection as closed a moment after the client does.
        eventually(address, |seen| seen.value("http_connections_open") == 0.0);
        limited += f64::from(u8::from(server.ask("GET", "/products", "").0 == 429));
    }
    let seen = Scrape::of(address);
    assert!(limited >= 1.0);
    assert_eq!(seen.value(r#"http_problems_total{type="rate-limited"}"#), limited);
    let series = r#"http_requests_total{route="/products",method="GET",status="429"}"#;
    assert_eq!(seen.value(series), limited);

    let held: Vec<_> = (0..6).map(|_| server.connect()).collect();
    // Each of the last two takes the place of an idle one. A connection that has just closed may still count as one of four.
    eventually(address, |seen| {
        seen.value("http_connections_open") == 4.0 && seen.value("http_connections_shed_total") >= 2.0
    });
    assert_eq!(Scrape::of(address).value("http_connections_refused_total"), 0.0);
    drop(held);
    eventually(address, |seen| seen.value("http_connections_open") == 0.0);

    // Where all are at work, more are refused.
    let other = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut at_work: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for (connection, key) in at_work.iter_mut().zip(["a", "b", "c", "d"]) {
        let head = format!("POST /products HTTP/1.1\r\nHost: test\r\nX-API-Key: {key}\r\n");
        let rest = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{PRODUCT}",
            PRODUCT.len()
        );
        connection.write_all(format!("{head}{rest}").as_bytes()).unwrap();
    }
    eventually(address, |seen| seen.value("http_requests_in_flight") == 4.0);
    assert_eq!(read_answer(server.connect()).0, 503);
    assert_eq!(Scrape::of(address).value("http_connections_refused_total"), 1.0);
    other.execute_batch("ROLLBACK").unwrap();
    drop(at_work);
    eventually(address, |seen| seen.value("http_connections_open") == 0.0);
    assert_eq!(Scrape::of(address).value("http_requests_in_flight"), 0.0);
}

#[test]
fn writes_that_are_refused_or_fail_are_counted() {
    let (mut command, folder) = command_with_metrics();
    let server = Server::start(command.env("REQUESTS_MAX", "1").env("REQUEST_TIMEOUT_SECONDS", "1"));
    let address = server.metrics_address();
    // Another program begins to write and does not end, so the writer waits for it.
    let other = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let post = || server.ask("POST", "/products", PRODUCT).0;
    let full = r#"shop_store_writes_refused_total{reason="queue_full"}"#;
    let late = r#"shop_store_writes_refused_total{reason="late"}"#;
    thread::scope(|scope| {
        let first = scope.spawn(post);
        eventually(address, |seen| seen.value("shop_store_batch_writes_count") == 1.0);
        let second = scope.spawn(post);
        eventually(address, |seen| seen.value("shop_store_queue_length") == 1.0);
        assert_eq!(post(), 503, "the queue is full");
        let seen = Scrape::of(address);
        assert_eq!(seen.value(full), 1.0);
        assert_eq!(seen.value("shop_store_queue_capacity"), 1.0);
        assert_eq!(second.join().unwrap(), 503, "it waited too long");
        assert_eq!(first.join().unwrap(), 503, "the database is busy");
    });
    eventually(address, |seen| seen.value(late) == 1.0);
    let seen = Scrape::of(address);
    assert_eq!(seen.value(full), 1.0);
    assert_eq!(seen.value("shop_store_queue_length"), 0.0);
    assert_eq!(seen.value("shop_store_batches_failed_total"), 1.0);
    assert_eq!(seen.value("shop_store_batch_writes_count"), 1.0);
    assert_eq!(seen.value("shop_store_commit_duration_seconds_count"), 0.0);
}

/// Waits until a scrape satisfies this.
fn eventually(address: SocketAddr, is_so: impl Fn(&Scrape) -> bool) {
    let started = Instant::now();
    while !is_so(&Scrape::of(address)) {
        assert!(started.elapsed() < PATIENCE, "{:?}", Scrape::of(address));
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_address_in_use_stops_the_start() {
    let (database, _folder) = database();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(command(&database).env("METRICS_ADDR", &address), Duration::from_secs(5));
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(
        line.starts_with(&format!("orders-inventory: METRICS_ADDR: cannot listen on {address}: ")),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(!database.exists(), "nothing was touched");
}
