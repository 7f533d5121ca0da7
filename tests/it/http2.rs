//! HTTP/2 with prior knowledge, as some clients and proxies use it.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Method, Request};
use futures_util::{StreamExt, future, stream};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::support::http2::{frame, headers, preface, request};
use crate::support::process::{PATIENCE, Server, command};
use crate::support::wire::Wire;

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":100}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

/// Opens a connection; clones share it.
pub(crate) async fn connect(server: &Server) -> SendRequest<Body> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Sends a request; returns status and body.
async fn ask(mut client: SendRequest<Body>, method: Method, path: &str, body: impl Into<Body>) -> (u16, Value) {
    let request = Request::builder().method(method).uri(format!("http://test{path}"));
    let request = request.header("content-type", "application/json").body(body.into());
    let response = tokio::time::timeout(PATIENCE, client.send_request(request.unwrap()));
    let response = response.await.expect("a response in time").unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A body in two halves. The second is sent after the signal, and never where the sender of the signal is dropped.
fn halves(signal: oneshot::Receiver<()>) -> Body {
    let (first, second) = ORDER.split_at(ORDER.len() / 2);
    let rest = stream::once(async move {
        if signal.await.is_err() {
            future::pending::<()>().await;
        }
        Ok(Bytes::from(second))
    });
    let first = stream::once(future::ready(Ok::<_, std::io::Error>(Bytes::from(first))));
    Body::from_stream(first.chain(rest))
}

#[tokio::test]
async fn one_connection_carries_many_requests_at_once() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    let client = connect(&server).await;
    assert_eq!(ask(client.clone(), Method::POST, "/products", PRODUCT).await.0, 201);
    let orders = (0..50).map(|_| ask(client.clone(), Method::POST, "/orders", ORDER));
    for (status, order) in future::join_all(orders).await {
        assert_eq!((status, &order["status"]), (201, &json!("PENDING")));
    }
    assert_eq!(ask(client.clone(), Method::GET, "/products/1", "").await.1["stock"], 50);
    assert_eq!(ask(client, Method::GET, "/nope", "").await.0, 404);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_refused_and_the_connection_stays_open() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(command(&folder.path().join("test.db")).env("REQUEST_TIMEOUT_SECONDS", "1"));
    let client = connect(&server).await;
    let (sender, signal) = oneshot::channel();
    drop(sender);
    let (status, problem) = ask(client.clone(), Method::POST, "/orders", halves(signal)).await;
    assert_eq!((status, &problem["type"]), (408, &json!("/problems/request-timeout")));
    assert_eq!(ask(client, Method::GET, "/healthz", "").await.0, 200);
}

#[tokio::test]
async fn a_request_in_progress_is_answered_during_shutdown() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    let client = connect(&server).await;
    assert_eq!(ask(client.clone(), Method::POST, "/products", PRODUCT).await.0, 201);
    let (sender, signal) = oneshot::channel();
    let order = tokio::spawn(ask(client.clone(), Method::POST, "/orders", halves(signal)));
    // A later response on the same connection shows that the earlier request has arrived.
    assert_eq!(ask(client, Method::GET, "/healthz", "").await.0, 200);
    server.signal(Signal::TERM);
    server.log_line("stopping");
    tokio::time::sleep(Duration::from_millis(100)).await;
    sender.send(()).unwrap();
    let (status, order) = order.await.unwrap();
    assert_eq!((status, &order["status"]), (201, &json!("PENDING")));
    assert!(server.ended().success());
}

/// A service with these timeouts in seconds, and a connection on which it has answered a request.
async fn answered(folder: &TempDir, head: &str, idle: &str) -> (Server, Wire) {
    let mut command = command(&folder.path().join("test.db"));
    let server = Server::start(
        command
            .env("HEADER_TIMEOUT_SECONDS", head)
            .env("IDLE_TIMEOUT_SECONDS", idle),
    );
    let mut wire = Wire::open(server.address).await.unwrap();
    wire.send(&preface(65_535)).await.unwrap();
    // The acknowledgement of the service's SETTINGS.
    wire.send(&frame(4, 1, 0, &[])).await.unwrap();
    wire.send(&headers(1, &request("GET", "/healthz"), true)).await.unwrap();
    let mut got = Vec::new();
    assert!(!wire.take(&mut got, Duration::from_millis(500)).await);
    assert!(String::from_utf8_lossy(&got).contains("ok"), "{got:?}");
    (server, wire)
}

/// Sends these bytes again and again; returns after how long the service has closed the connection, or `limit`.
async fn send_until_closed(wire: &mut Wire, bytes: &[u8], limit: Duration) -> Duration {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        // If the service has closed the connection, the next read shows it.
        let _ = wire.send(bytes).await;
        if wire.take(&mut Vec::new(), Duration::from_millis(200)).await {
            return begun.elapsed();
        }
    }
    limit
}

/// What a client may send at any time: PING, SETTINGS, WINDOW_UPDATE.
fn frames_of_an_idle_client() -> Vec<u8> {
    let (ping, settings, window) = (
        frame(6, 0, 0, b"12345678"),
        frame(4, 0, 0, &[]),
        frame(8, 0, 0, &[0, 0, 0, 1]),
    );
    [ping, settings, window].concat()
}

#[tokio::test]
async fn a_client_that_sends_frames_without_a_request_is_idle_and_no_slow_head() {
    let folder = TempDir::new().unwrap();
    let (_server, mut wire) = answered(&folder, "1", "3600").await;
    let frames = frames_of_an_idle_client();
    let limit = Duration::from_secs(5);
    assert_eq!(
        send_until_closed(&mut wire, &frames, limit).await,
        limit,
        "it is not closed"
    );
    wire.send(&headers(3, &request("GET", "/healthz"), true)).await.unwrap();
    let mut got = Vec::new();
    wire.take(&mut got, Duration::from_millis(500)).await;
    assert!(String::from_utf8_lossy(&got).contains("ok"), "{got:?}");
}

#[tokio::test]
async fn a_client_that_sends_frames_without_a_request_has_the_time_of_an_idle_one() {
    let folder = TempDir::new().unwrap();
    let (_server, mut wire) = answered(&folder, "3600", "1").await;
    let frames = frames_of_an_idle_client();
    assert!(
        send_until_closed(&mut wire, &frames, PATIENCE).await < PATIENCE,
        "it still has its connection"
    );
}

#[tokio::test]
async fn a_header_block_that_does_not_end_is_cut_off() {
    let folder = TempDir::new().unwrap();
    let (_server, mut wire) = answered(&folder, "1", "3600").await;
    // A literal header `x` of 127 bytes or more, whose bytes come one by one.
    let block = [&b"\x82\x86\x84\0\x01x\x7f\x7f"[..], &[b'a'; 200]].concat();
    let whole = frame(1, 1, 3, &block);
    wire.send(&whole[..20]).await.unwrap();
    assert!(
        send_until_closed(&mut wire, b"a", PATIENCE).await < PATIENCE,
        "it still has its connection"
    );
}

#[tokio::test]
async fn a_client_that_reads_no_answer_is_cut_off_whatever_else_it_sends() {
    let folder = TempDir::new().unwrap();
    let (_server, mut wire) = answered(&folder, "3600", "1").await;
    // From now on, no window for answers.
    wire.send(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).await.unwrap();
    wire.send(&headers(3, &request("GET", "/openapi.json"), true))
        .await
        .unwrap();
    let begun = Instant::now();
    for stream in (5..).step_by(2) {
        let _ = wire.send(&headers(stream, &request("HEAD", "/healthz"), true)).await;
        if wire.take(&mut Vec::new(), Duration::from_millis(200)).await {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it still has its connection");
    }
}
