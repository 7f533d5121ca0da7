//! Graceful shutdown under load: accepted requests are answered, and acknowledged orders are kept.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::process::{Server, command, run};
use crate::support::wire::Wire;

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1000000000}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

const CLIENTS: usize = 50;

/// Orders until the connection or the service ends; returns the acknowledged ids.
async fn order_to_the_end(address: SocketAddr) -> Vec<i64> {
    let mut acknowledged = Vec::new();
    'connections: while let Ok(mut wire) = Wire::open(address).await {
        loop {
            let Ok(got) = wire.ask("POST", "/orders", ORDER).await else {
                continue 'connections;
            };
            assert_eq!(got.status, 201, "{got:?}");
            acknowledged.push(got.json()["id"].as_i64().unwrap());
            if got.header("connection") == Some("close") {
                continue 'connections;
            }
        }
    }
    acknowledged
}

/// The ids of all orders.
async fn orders(address: SocketAddr) -> BTreeSet<i64> {
    let mut wire = Wire::open(address).await.unwrap();
    let (mut ids, mut path) = (BTreeSet::new(), "/orders?limit=100".to_owned());
    loop {
        let page = wire.ask("GET", &path, "").await.unwrap().json();
        ids.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|order| order["id"].as_i64().unwrap()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            return ids;
        };
        path = format!("/orders?limit=100&cursor={cursor}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_answers_what_it_accepted_and_keeps_what_it_acknowledged() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    // With the default timeouts.
    let server = Server::start(command(&database).env("RUST_LOG", "info,orders_inventory::http=warn"));
    let address = server.address;
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let mut half_head = Wire::open(address).await.unwrap();
    half_head.send(b"POST /orders HTTP/1.1\r\nHost: te").await.unwrap();
    let mut half_body = Wire::open(address).await.unwrap();
    let head = "POST /orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{";
    half_body.send(head.as_bytes()).await.unwrap();
    let mut silent = Wire::open(address).await.unwrap();
    let mut never_reads = Wire::open(address).await.unwrap();
    let greedy = b"GET /openapi.json HTTP/1.1\r\nHost: test\r\n\r\n".repeat(200);
    never_reads.send(&greedy).await.unwrap();

    let mut crowd: JoinSet<_> = (0..CLIENTS).map(|_| order_to_the_end(address)).collect();
    sleep(Duration::from_secs(1)).await;
    let signaled = Instant::now();
    server.signal(Signal::TERM);
    let mut acknowledged = Vec::new();
    while let Some(ids) = crowd.join_next().await {
        acknowledged.extend(ids.unwrap());
    }
    assert!(acknowledged.len() > CLIENTS, "there was load: {}", acknowledged.len());
    // Its body never arrives, so it gets 408, as without a shutdown.
    assert_eq!(half_body.answer().await.unwrap().status, 408);
    assert!(half_head.take(&mut Vec::new(), Duration::from_secs(60)).await);
    assert!(silent.take(&mut Vec::new(), Duration::from_secs(60)).await);

    let status = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    println!("{} orders; it took {:?}", acknowledged.len(), signaled.elapsed());
    assert!(status.success(), "{status}");
    // Whoever reads nothing may use up the 20 seconds of the drain; the rest is for closing the database.
    assert!(signaled.elapsed() < Duration::from_secs(25), "{:?}", signaled.elapsed());
    assert!(
        database.with_extension("db-wal").metadata().is_err(),
        "all is in the one file"
    );

    let server = Server::start(command(&database).env("RUST_LOG", "warn"));
    let count = acknowledged.len();
    let acknowledged: BTreeSet<i64> = acknowledged.into_iter().collect();
    assert_eq!(acknowledged.len(), count, "no id twice");
    // Every acknowledged order exists, and no other.
    assert_eq!(orders(server.address).await, acknowledged);
    assert!(server.stop(Signal::TERM).success());
    let audit = run(command(&database).arg("audit"), Duration::from_secs(60));
    assert!(audit.status.success(), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_outlives_the_drain_is_done_completely_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    let server = Server::start(command(&database).env("DRAIN_SECONDS", "1"));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    // Another process locks the file, so the order has begun and cannot continue.
    let holding = rusqlite::Connection::open(&database).unwrap();
    holding.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut wire = Wire::open(server.address).await.unwrap();
    wire.request("POST", "/orders", ORDER).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    server.signal(Signal::TERM);
    let cut_off = tokio::task::block_in_place(|| server.log_line("connections were cut off at the end of the drain"));
    assert!(cut_off.contains("connections=1"), "{cut_off}");
    let mut got = Vec::new();
    assert!(wire.take(&mut got, Duration::from_secs(20)).await);
    assert!(got.is_empty(), "no response, since the outcome is unknown: {got:?}");
    holding.execute_batch("ROLLBACK").unwrap();
    holding.close().unwrap();
    let status = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert!(status.success(), "{status}");

    let server = Server::start(&mut command(&database));
    let count = orders(server.address).await.len();
    let stock = server.ask("GET", "/products/1", "").1["stock"].as_u64().unwrap();
    assert!(
        count <= 1 && stock + count as u64 == 1_000_000_000,
        "{count} orders, {stock} left"
    );
    assert!(server.stop(Signal::TERM).success());
    let audit = run(command(&database).arg("audit"), Duration::from_secs(60));
    assert!(audit.status.success(), "{audit:?}");
}
