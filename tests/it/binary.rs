//! The running binary: its greeting, its log, its shutdown.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::contract::Contract;
use crate::support::process::{Server, command, read_answer, run};
use crate::support::scrape::Scrape;

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":5}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":2}"#;

/// The path of a database file whose folder does not exist yet.
fn database() -> (PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    (folder.path().join("new/folder/test.db"), folder)
}

#[test]
fn the_folder_is_created_and_the_greeting_has_the_address() {
    let (database, _folder) = database();
    let server = Server::start(&mut command(&database));
    assert!(server.address.ip().is_loopback());
    assert_eq!(server.ask("GET", "/readyz", ""), (200, json!({"status": "ok"})));
    assert!(database.is_file());
}

#[test]
fn it_listens_on_the_configured_host_and_port() {
    let (database, _folder) = database();
    let server = Server::start(command(&database).env("HOST", "::1"));
    assert!(server.address.is_ipv6());
    assert_eq!(server.ask("GET", "/healthz", "").0, 200);
}

#[test]
fn the_program_the_contract_and_the_metrics_have_one_version() {
    let (database, _folder) = database();
    let version = Contract::of_the_service().document()["info"]["version"]
        .as_str()
        .unwrap();
    let printed = run(command(&database).arg("--version"), Duration::from_secs(15));
    assert_eq!(
        String::from_utf8(printed.stdout).unwrap(),
        format!("orders-inventory {version}\n")
    );

    let server = Server::start(command(&database).env("METRICS_ADDR", "127.0.0.1:0"));
    assert_eq!(server.ask("GET", "/openapi.json", "").1["info"]["version"], version);
    let scrape = Scrape::of(server.metrics_address());
    assert_eq!(scrape.value(&format!("shop_build_info{{version=\"{version}\"}}")), 1.0);
}

#[test]
fn what_it_acknowledged_survives_every_end() {
    let (database, _folder) = database();
    let ends = [
        (Signal::TERM, Some(0)),
        (Signal::INT, Some(0)),
        (Signal::HUP, Some(0)),
        (Signal::KILL, None),
    ];
    for (number, (signal, code)) in (1..).zip(ends) {
        let server = Server::start(&mut command(&database));
        if number == 1 {
            assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
        }
        let (status, order) = server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
        assert_eq!((status, &order["id"]), (201, &json!(number)));
        assert_eq!(server.stop(signal).code(), code, "{signal:?}");

        let server = Server::start(&mut command(&database));
        assert_eq!(
            server.ask("GET", &format!("/orders/{number}"), ""),
            (200, order),
            "{signal:?}"
        );
        assert_eq!(server.ask("GET", "/products/1", "").1["stock"], 5 - number);
    }
}

#[test]
fn a_graceful_shutdown_leaves_one_file() {
    let (database, _folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    assert!(server.stop(Signal::TERM).success());
    let names: Vec<_> = database
        .parent()
        .unwrap()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["test.db"]);
}

#[test]
fn a_request_in_progress_is_answered_during_shutdown() {
    let (database, _folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let mut connection = server.connect();
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        ORDER.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    // The server asks for the body, so it has the request.
    let wanted = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, wanted);
    server.signal(Signal::TERM);
    server.log_line("stopping");

    connection.write_all(ORDER.as_bytes()).unwrap();
    let (status, order) = read_answer(connection);
    assert_eq!((status, &order["status"]), (201, &json!("PENDING")));
    assert!(server.ended().success());
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("GET", "/orders/1", ""), (200, order));
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    let (database, _folder) = database();
    let service = command(&database);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("trap '' HUP; exec \"$0\"")
        .arg(service.get_program());
    command
        .env_clear()
        .envs(service.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let server = Server::start(&mut command);
    server.signal(Signal::HUP);
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    assert!(server.stop(Signal::TERM).success());
}

#[test]
fn an_unfinished_request_does_not_delay_shutdown() {
    let (database, _folder) = database();
    let server = Server::start(command(&database).env("DRAIN_SECONDS", "1"));
    let mut connection = server.connect();
    connection
        .write_all(b"POST /orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n")
        .unwrap();
    assert_eq!(server.ask("GET", "/healthz", "").0, 200);
    assert!(server.stop(Signal::TERM).success());
}

#[test]
fn each_request_is_one_line_in_the_log() {
    let (database, _folder) = database();
    let server = Server::start(&mut command(&database));
    server.ask("GET", "/products/4711", "");
    let line = server.log_line("answered");
    for part in ["asked", "GET", "/products/{id}", "404", "duration_us="] {
        assert!(line.contains(part), "no {part}: {line}");
    }
    assert!(!line.contains("4711"), "the template, not the path: {line}");
}

#[test]
fn the_log_can_be_json() {
    let (database, _folder) = database();
    let server = Server::start(command(&database).env("LOG_FORMAT", "json"));
    server.ask("POST", "/orders", ORDER);
    let line: Value = serde_json::from_str(&server.log_line("answered")).unwrap();
    let span = json!({
        "name": "request", "request_id": "asked", "method": "POST", "route": "/orders", "caller": "anyone",
    });
    assert_eq!(
        (&line["span"], &line["status"], &line["level"]),
        (&span, &json!(404), &json!("INFO"))
    );
    assert!(line["duration_us"].is_u64() && line["timestamp"].is_string(), "{line}");
    server.signal(Signal::TERM);
    serde_json::from_str::<Value>(&server.log_line("stopped")).unwrap();
}

#[test]
fn rust_log_filters_log_lines() {
    let (database, _folder) = database();
    let server = Server::start(command(&database).env("RUST_LOG", "warn,orders_inventory=error"));
    server.ask("GET", "/nope", "");
    server.signal(Signal::TERM);
    assert_eq!(server.rest_of_log(), [""; 0]);
}

#[test]
fn it_prints_the_contract_byte_for_byte() {
    let (database, _folder) = database();
    let printed = run(command(&database).arg("openapi"), Duration::from_secs(5));
    assert!(printed.status.success() && printed.stderr.is_empty());
    assert_eq!(printed.stdout, include_bytes!("../../openapi.yaml"));
    assert!(!database.exists(), "the command needs no database");
}
