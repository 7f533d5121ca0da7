//! What the service promises to hold in memory, and clients that make it hold as much as they can.
//!
//! The promise is that of docs/deploy-render.md. Each attack uses every connection that the service allows.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::http2::{self, Header};
use crate::support::process::{Server, command};
use crate::support::wire::{Wire, allow_files};

const CONNECTIONS: usize = 500;
const STREAMS: u32 = 100;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The promise: so much, and so much for each connection.
const PROMISED_BYTES: usize = 128 * MIB + CONNECTIONS * 128 * KIB;

#[test]
fn the_deployment_guide_says_what_is_promised() {
    let guide = include_str!("../../docs/deploy-render.md").replace('\n', " ");
    let sentence = "128 MiB, and 128 KiB for each of `CONNECTIONS_MAX` connections**, which is 378 MiB with 2000.";
    assert!(guide.contains(sentence));
    assert_eq!((128 * MIB + 2_000 * 128 * KIB) / MIB, 378);
}

/// A service with products, and time enough for an attack.
async fn start() -> (Server, TempDir) {
    allow_files(4_096);
    let folder = TempDir::new().unwrap();
    let mut command = command(&folder.path().join("test.db"));
    for timeout in [
        "HEADER_TIMEOUT_SECONDS",
        "REQUEST_TIMEOUT_SECONDS",
        "IDLE_TIMEOUT_SECONDS",
    ] {
        command.env(timeout, "600");
    }
    command.env("CONNECTIONS_MAX", CONNECTIONS.to_string());
    // Large, so that a few would take all memory.
    command.env("BODY_BYTES_MAX", MIB.to_string());
    // As behind a proxy, so that bodies come from many addresses.
    command.env("TRUSTED_PROXIES", "1").env("RUST_LOG", "warn");
    let server = Server::start(&mut command);
    let mut wire = Wire::open(server.address).await.unwrap();
    for number in 0..100 {
        let (name, stock) = ("x".repeat(200), r#""price":1,"stock":1000"#);
        let product = format!(r#"{{"sku":"SKU-{number}","name":"{name}",{stock}}}"#);
        assert_eq!(wire.ask("POST", "/products", &product).await.unwrap().status, 201);
    }
    (server, folder)
}

/// Runs the attack on every connection at once, then asks as any other client. The service may close an attacker's
/// connection at any time.
async fn attack<F>(attack: impl Fn(SocketAddr, usize) -> F)
where
    F: Future<Output = io::Result<Wire>> + Send + 'static,
{
    let (server, _folder) = start().await;
    let before = server.peak_memory_bytes();
    let mut attackers: JoinSet<_> = (0..CONNECTIONS).map(|number| attack(server.address, number)).collect();
    let mut held = Vec::new();
    while let Some(attacker) = attackers.join_next().await {
        held.extend(attacker.unwrap());
    }
    // The service has all of it when it has no more to do.
    let mut memory = 0;
    let begun = Instant::now();
    while memory != server.peak_memory_bytes() && begun.elapsed() < Duration::from_secs(60) {
        memory = server.peak_memory_bytes();
        sleep(Duration::from_secs(2)).await;
    }
    println!("{} MiB before, {} MiB at the most", before / MIB, memory / MIB);
    assert!(
        memory <= PROMISED_BYTES,
        "{} MiB of {} MiB",
        memory / MIB,
        PROMISED_BYTES / MIB
    );
    let order = r#"{"product_id":1,"quantity":1}"#;
    for (method, path, body, status) in [("POST", "/orders", order, 201), ("GET", "/healthz", "", 200)] {
        let mut other = Wire::open(server.address).await.unwrap();
        let got = other.ask(method, path, body).await.unwrap();
        assert_eq!(got.status, status, "others are served: {got:?}");
    }
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_take_no_more_memory_than_promised() {
    attack(async |address: SocketAddr, _| {
        let mut wire = Wire::open(address).await?;
        let head = format!(
            "GET /products HTTP/1.1\r\nHost: test\r\nX-Long: {}",
            "x".repeat(31 * KIB)
        );
        wire.send(head.as_bytes()).await?;
        Ok(wire)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_take_no_more_memory_than_promised() {
    attack(async |address: SocketAddr, number: usize| {
        let mut wire = Wire::open(address).await?;
        let head = format!(
            "POST /orders HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 10.0.{}.{}\r\n\
             Content-Type: application/json\r\nContent-Length: 1048576\r\n\r\n",
            number / 100,
            number % 100
        );
        wire.send(head.as_bytes()).await?;
        for _ in 0..1_000 {
            wire.send(&[b' '; KIB]).await?;
        }
        Ok(wire)
    })
    .await;
}

/// So many requests on one connection, of which no answer is read.
async fn requests(address: SocketAddr, headers: &[Header<'_>], has_body: bool) -> io::Result<Wire> {
    let mut wire = Wire::open(address).await?;
    wire.send(&http2::preface(0)).await?;
    for number in 0..STREAMS {
        wire.send(&http2::headers(2 * number + 1, headers, !has_body)).await?;
    }
    Ok(wire)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_answers_take_no_more_memory_than_promised() {
    attack(async |address: SocketAddr, _| {
        let headers = http2::request("GET", "/products?limit=100");
        requests(address, &headers, false).await
    })
    .await;
}

/// The largest answers there are, compressed and not, more than the system's buffers take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_pages_take_no_more_memory_than_promised() {
    attack(async |address: SocketAddr, number: usize| {
        let mut wire = Wire::open(address).await?;
        let encoding = ["gzip", "identity"][number % 2];
        let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: test\r\nAccept-Encoding: ";
        wire.send(format!("{request}{encoding}\r\n\r\n").repeat(20).as_bytes())
            .await?;
        Ok(wire)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_take_no_more_memory_than_promised() {
    attack(async |address: SocketAddr, number: usize| {
        let client = format!("10.0.{}.{}", number / 100, number % 100);
        let long = "x".repeat(KIB / 2);
        let mut headers = http2::request("POST", "/orders").to_vec();
        headers.extend([
            ("x-forwarded-for", &*client),
            ("content-type", "application/json"),
            ("x-long", &long),
        ]);
        requests(address, &headers, true).await
    })
    .await;
}
