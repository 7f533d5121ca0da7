//! The log in JSON: every line is one object, every request is one line, and every failure is one more.

use std::collections::BTreeMap;
use std::io::Write;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::{PATIENCE, Server, command, read_answer, run};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":5}"#;
const ORDER: &str = r#"{"product_id":2,"quantity":1}"#;

/// The requests: id, method, path, body, expected status, and the expected number of lines about a failure.
const REQUESTS: [(&str, &str, &str, &str, u16, usize); 13] = [
    ("product", "POST", "/products", PRODUCT, 201, 0),
    ("order", "POST", "/orders", ORDER, 201, 0),
    ("health", "GET", "/healthz", "", 200, 0),
    ("docs", "GET", "/docs", "", 200, 0),
    ("unknown-route", "GET", "/nowhere", "", 404, 0),
    ("wrong-method", "PATCH", "/orders/1", "", 405, 0),
    ("not-found", "GET", "/orders/77", "", 404, 0),
    ("conflict", "PUT", "/orders/1", r#"{"status":"SHIPPED"}"#, 409, 0),
    ("broken-json", "POST", "/orders", "{", 400, 0),
    ("invalid", "POST", "/orders", "{}", 422, 0),
    ("forged", "POST", "/webhooks/payment", "{}", 401, 1),
    ("row-without-sense", "GET", "/products/1", "", 500, 1),
    ("list-with-an-invalid-row", "GET", "/products", "", 500, 1),
];

#[test]
fn every_request_is_one_line_and_every_failure_one_more() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    let mut command = command(&database);
    command.env("LOG_FORMAT", "json").env("WEBHOOK_SECRET", "s");
    command
        .env("REQUEST_TIMEOUT_SECONDS", "1")
        .env("BODY_BYTES_MAX", "1024");
    let server = Server::start(&mut command);
    add_an_invalid_row(&database);
    for (id, method, path, body, status, _) in REQUESTS {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Request-Id: {id}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(send(&server, &head).0, status, "{id}");
    }
    let late = "POST /orders HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Request-Id: late\r\n\
                Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    assert_eq!(send(&server, late).0, 408);
    let large = format!(
        "POST /orders HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Request-Id: large\r\n\
         Content-Type: application/json\r\nContent-Length: 1025\r\n\r\n{}",
        " ".repeat(1_025)
    );
    assert_eq!(send(&server, &large).0, 413);
    server.signal(Signal::TERM);

    let lines: Vec<Value> = server.rest_of_log().iter().map(|line| parse(line)).collect();
    let mut answered: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut failures: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        for member in ["timestamp", "level", "message"] {
            assert!(line[member].is_string(), "no {member}: {line}");
        }
        let Some(id) = line["span"]["request_id"].as_str() else {
            assert_ne!(line["message"], "answered", "{line}");
            continue;
        };
        if line["message"] == "answered" {
            assert_eq!(line["level"], "INFO", "{line}");
            answered.entry(id).or_default().push(line["status"].as_u64().unwrap());
        } else {
            assert!(matches!(line["level"].as_str(), Some("WARN" | "ERROR")), "{line}");
            *failures.entry(id).or_default() += 1;
        }
    }
    let more = [("late", 408, 0), ("large", 413, 0)];
    let asked = REQUESTS
        .iter()
        .map(|(id, _, _, _, status, lines)| (*id, *status, *lines))
        .chain(more);
    let (mut wanted, mut wanted_failures) = (BTreeMap::new(), BTreeMap::new());
    for (id, status, lines) in asked {
        wanted.insert(id, vec![u64::from(status)]);
        if lines > 0 {
            wanted_failures.insert(id, lines);
        }
    }
    assert_eq!(answered, wanted);
    assert!(server.rest_of_output().is_empty(), "the greeting is one line");
    let greeting = parse(&server.greeting);
    assert_eq!(
        (&greeting["level"], &greeting["message"]),
        (&"INFO".into(), &"serving".into())
    );
    let times = [&greeting, &lines[0]].map(|line| line["timestamp"].as_str().unwrap());
    assert_eq!(times[0].len(), times[1].len(), "the same format: {times:?}");
    assert!(times[0][..10] >= times[1][..10] && times[0].ends_with('Z'), "{times:?}");
    assert_eq!(failures, wanted_failures, "{lines:#?}");
}

#[test]
fn a_failed_start_is_one_json_object_as_well() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    for (name, value) in [("PORT", "x"), ("DATABASE_URL", "sqlite:///proc/no/such/folder/test.db")] {
        let output = run(command(&database).env("LOG_FORMAT", "json").env(name, value), PATIENCE);
        assert!(!output.status.success() && output.stdout.is_empty());
        let lines: Vec<Value> = str::from_utf8(&output.stderr).unwrap().lines().map(parse).collect();
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "ERROR", "{last}");
        assert!(last["timestamp"].as_str().unwrap().ends_with('Z'), "{last}");
        assert!(
            last["message"].as_str().unwrap().starts_with(&format!("{name}: ")),
            "{last}"
        );
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn send(server: &Server, request: &str) -> (u16, Value) {
    let mut connection = server.connect();
    connection.write_all(request.as_bytes()).unwrap();
    read_answer(connection)
}

/// Adds a product with an invalid price, as a bug or a person with a database tool could.
fn add_an_invalid_row(database: &std::path::Path) {
    let connection = Connection::open(database).unwrap();
    let insert = "PRAGMA ignore_check_constraints = ON;
        INSERT INTO products (id, sku, name, price_cents, stock, created_at_ms, updated_at_ms)
        VALUES (1, 'B', 'b', -5, 0, 0, 0);";
    connection.execute_batch(insert).unwrap();
}
