//! Clients that end their direction of the connection after a request, such as `nc -N`, and still read.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::process::{PATIENCE, Server, command};
use crate::support::wire::Wire;

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":100}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

/// The most that a busy machine may take to cut a client off.
const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_client_that_half_closes_after_its_request_gets_its_answer() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    for _ in 0..20 {
        let mut wire = Wire::open(server.address).await.unwrap();
        wire.request("POST", "/orders", ORDER).await.unwrap();
        wire.half_close().await.unwrap();
        assert_eq!(wire.answer().await.unwrap().status, 201);
        assert!(wire.take(&mut Vec::new(), PATIENCE).await, "then it is closed");
    }
    // Several requests at once are all answered.
    let mut wire = Wire::open(server.address).await.unwrap();
    for _ in 0..3 {
        wire.request("POST", "/orders", ORDER).await.unwrap();
    }
    wire.half_close().await.unwrap();
    for _ in 0..3 {
        assert_eq!(wire.answer().await.unwrap().status, 201);
    }
    assert!(wire.take(&mut Vec::new(), PATIENCE).await);
    assert_eq!(server.ask("GET", "/products/1", "").1["stock"], 77);
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
async fn half_a_request_before_a_half_close_is_none() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    for (sent, status) in [
        ("", None),
        ("POST /orders HTTP/1.1\r\nHost: te", None),
        (
            "POST /orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{",
            Some(400),
        ),
    ] {
        let mut wire = Wire::open(server.address).await.unwrap();
        wire.send(sent.as_bytes()).await.unwrap();
        wire.half_close().await.unwrap();
        let got = wire.answer().await.ok().map(|got| got.status);
        assert_eq!(got, status, "{sent:?}");
        assert!(
            wire.take(&mut Vec::new(), PATIENCE).await,
            "{sent:?}: it is closed at once"
        );
    }
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
async fn a_half_closed_client_that_does_not_read_is_cut_off() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(
        command(&folder.path().join("test.db"))
            .env("RUST_LOG", "warn")
            .env("IDLE_TIMEOUT_SECONDS", "1"),
    );
    let mut wire = Wire::open(server.address).await.unwrap();
    // More than all buffers take.
    let greedy = "GET /openapi.json HTTP/1.1\r\nHost: test\r\n\r\n".repeat(200);
    wire.send(greedy.as_bytes()).await.unwrap();
    wire.half_close().await.unwrap();
    // Without reading there is no sign of the end, so the next connection shows it: the stop waits for all.
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut got = Vec::new();
    while !wire.take(&mut got, Duration::from_millis(300)).await {
        assert!(begun.elapsed() < LIMIT, "it still has its connection");
    }
    let answers = String::from_utf8_lossy(&got).matches("HTTP/1.1 200 ").count();
    assert!((1..200).contains(&answers), "{answers} answers were sent");
    assert!(server.stop(Signal::TERM).success());
}
