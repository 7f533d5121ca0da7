//! Requests that are refused before they have arrived whole: the client gets the response although it is still sending,
//! and cannot send for ever.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::Request;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use orders_inventory::http::Clock;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::support::payment::{HEADER, sign};
use crate::support::process::{PATIENCE, Server, command};
use crate::support::wire::Wire;

/// Much longer than a test takes, in seconds.
const NEVER: &str = "3600";
/// How much later than its limit a connection may be cut off on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);
/// More than the buffers of both sides take together.
const BODY_BYTES: usize = 8 << 20;

fn server(folder: &TempDir, settings: &[(&str, &str)]) -> Server {
    let mut command = command(&folder.path().join("test.db"));
    Server::start(command.env("RUST_LOG", "warn").envs(settings.iter().copied()))
}

/// A request's head with a body of this size, which is yet to be sent.
fn head(line: &str, headers: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n{headers}\r\n"
    )
}

/// Sends the head and a part of the body, waits until the service has answered, and sends the rest: then the response is
/// still there.
async fn refused_while_sending(address: SocketAddr, head: &str, status: u16, kind: &str) {
    let mut wire = Wire::open(address).await.unwrap();
    wire.send(head.as_bytes()).await.unwrap();
    let part = vec![b' '; BODY_BYTES / 8];
    wire.send(&part).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    for _ in 1..8 {
        let sent = wire.send(&part).await;
        assert!(sent.is_ok(), "{head}: the service stopped reading: {sent:?}");
    }
    let got = wire.answer().await.unwrap();
    assert_eq!(got.status, status, "{head}: {got:?}");
    assert_eq!(got.json()["type"], kind, "{head}");
    assert_eq!(got.header("connection"), Some("close"), "{head}: {got:?}");
    assert!(wire.take(&mut Vec::new(), PATIENCE).await, "{head}: it is closed");
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[("API_KEYS", "right"), ("WEBHOOK_SECRET", "secret")]);
    let key = "X-API-Key: right\r\n";
    let now = Clock::system().now().millis() / 1_000;
    let signed = format!("{HEADER}: {}\r\n", sign("another", now, b""));
    for (line, headers, status, kind) in [
        ("POST /orders", key, 413, "/problems/payload-too-large"),
        ("POST /webhooks/payment", &signed, 413, "/problems/payload-too-large"),
        ("POST /webhooks/payment", "", 401, "/problems/invalid-signature"),
        ("POST /orders", "", 401, "/problems/missing-api-key"),
        ("POST /nope", key, 404, "/problems/not-found"),
        ("PATCH /orders", key, 405, "/problems/method-not-allowed"),
        ("DELETE /orders/7", key, 404, "/problems/order-not-found"),
    ] {
        refused_while_sending(server.address, &head(line, headers), status, kind).await;
    }
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
async fn so_does_the_refusal_of_a_caller_over_the_rate_limit() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[("RATE_LIMIT_PER_MINUTE", "1")]);
    assert_eq!(server.ask("GET", "/products", "").0, 200);
    refused_while_sending(server.address, &head("POST /orders", ""), 429, "/problems/rate-limited").await;
}

#[tokio::test]
async fn a_body_without_a_length_is_refused_once_it_is_too_large() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[]);
    let mut wire = Wire::open(server.address).await.unwrap();
    let head = "POST /orders HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    wire.send(head.as_bytes()).await.unwrap();
    let chunk = [&b"20000\r\n"[..], &vec![b' '; 0x20000], b"\r\n"].concat();
    wire.send(&chunk).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    for _ in 0..40 {
        wire.send(&chunk).await.unwrap();
    }
    let got = wire.answer().await.unwrap();
    assert_eq!((got.status, got.header("connection")), (413, Some("close")), "{got:?}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_while_it_is_sent() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[]);
    let mut wire = Wire::open(server.address).await.unwrap();
    let part = format!("X-Long: {}\r\n", "x".repeat(60_000));
    wire.send(format!("GET /healthz HTTP/1.1\r\nHost: test\r\n{part}").as_bytes())
        .await
        .unwrap();
    sleep(Duration::from_millis(300)).await;
    for _ in 0..20 {
        wire.send(part.as_bytes()).await.unwrap();
    }
    assert_eq!(wire.answer().await.unwrap().status, 431);
}

#[tokio::test]
async fn a_client_that_expects_100_continue_is_refused_without_it() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[("API_KEYS", "right")]);
    for (headers, status) in [("X-API-Key: right\r\n", 413), ("", 401)] {
        let mut wire = Wire::open(server.address).await.unwrap();
        let head = head("POST /orders", &format!("{headers}Expect: 100-continue\r\n"));
        wire.send(head.as_bytes()).await.unwrap();
        // No body follows, and the answer does not wait for it.
        let got = wire.answer().await.unwrap();
        assert_eq!(
            (got.status, got.header("connection")),
            (status, Some("close")),
            "{got:?}"
        );
        assert!(wire.take(&mut Vec::new(), PATIENCE).await, "it is closed");
    }
}

#[tokio::test]
async fn a_refused_request_that_has_arrived_whole_leaves_the_connection_open() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[("API_KEYS", "right")]);
    let mut wire = Wire::open(server.address).await.unwrap();
    for (method, path, status) in [
        ("POST", "/orders", 401),
        ("POST", "/nope", 404),
        ("PATCH", "/orders", 405),
        ("GET", "/healthz", 200),
    ] {
        let got = wire.ask(method, path, "{}").await.unwrap();
        assert_eq!(
            (got.status, got.header("connection")),
            (status, None),
            "{method} {path}"
        );
    }
}

/// Sends a refused request and then `part` again and again; returns how many bytes the service took, and in what time.
async fn keep_sending(server: &Server, part: &[u8], pause: Duration) -> (usize, Duration) {
    let mut wire = Wire::open(server.address).await.unwrap();
    let head = format!(
        "POST /nope HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        u64::MAX / 4
    );
    wire.send(head.as_bytes()).await.unwrap();
    assert_eq!(wire.answer().await.unwrap().status, 404);
    let (begun, mut taken) = (Instant::now(), 0);
    // A closed connection is reset at the first byte that follows; a later one cannot be written.
    while wire.send(part).await.is_ok() {
        taken += part.len();
        assert!(begun.elapsed() < LIMIT, "it still takes bytes, after {taken}");
        sleep(pause).await;
    }
    (taken, begun.elapsed())
}

#[tokio::test]
async fn what_a_refused_client_still_sends_is_bounded_in_time_and_bytes() {
    let folder = TempDir::new().unwrap();
    // Only the limit under test is short.
    let limits = [
        ("REQUEST_TIMEOUT_SECONDS", "1"),
        ("HEADER_TIMEOUT_SECONDS", NEVER),
        ("IDLE_TIMEOUT_SECONDS", NEVER),
    ];
    let slow = server(&folder, &limits);
    let (_, took) = keep_sending(&slow, b" ", Duration::from_millis(50)).await;
    assert!(took >= Duration::from_millis(900), "it was cut off after {took:?}");
    assert!(slow.stop(Signal::TERM).success());

    let limits = limits.map(|(name, _)| (name, NEVER));
    let fast = server(&folder, &limits);
    let (taken, _) = keep_sending(&fast, &vec![b' '; 1 << 20], Duration::ZERO).await;
    assert!(taken >= 63 << 20, "{taken} bytes were taken");
    assert!(fast.stop(Signal::TERM).success());
}

#[tokio::test]
async fn a_refused_client_that_sends_no_more_and_stays_is_left() {
    let folder = TempDir::new().unwrap();
    let server = server(
        &folder,
        &[
            ("REQUEST_TIMEOUT_SECONDS", NEVER),
            ("HEADER_TIMEOUT_SECONDS", NEVER),
            ("IDLE_TIMEOUT_SECONDS", NEVER),
            ("DRAIN_SECONDS", NEVER),
        ],
    );
    let mut wire = Wire::open(server.address).await.unwrap();
    wire.send(head("POST /nope", "").as_bytes()).await.unwrap();
    assert_eq!(wire.answer().await.unwrap().status, 404);
    // A stop waits for every connection.
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
async fn over_http2_only_the_refused_request_ends() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[]);
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let large = Bytes::from(vec![b' '; BODY_BYTES]);
    for (method, path, body, status) in [
        ("POST", "/orders", large.clone(), 413),
        ("PATCH", "/orders", large, 405),
        ("GET", "/healthz", Bytes::new(), 200),
    ] {
        let request = Request::builder().method(method).uri(format!("http://test{path}"));
        let request = client.send_request(request.body(Body::from(body)).unwrap());
        let response = tokio::time::timeout(PATIENCE, request).await.unwrap().unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        let body = to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
        assert!(!body.is_empty(), "{method} {path}");
    }
}
