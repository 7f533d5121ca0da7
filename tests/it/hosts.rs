//! The host that a request names: HTTP/1.1 requests need exactly one, a valid one; HTTP/2 and HTTP/1.0 have rules of
//! their own.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::TestApp;
use crate::support::process::{PATIENCE, Server, command};
use crate::support::wire::{Got, Wire};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1}"#;

/// Sends a request line and headers on a connection of its own; returns the response, and whether the connection was
/// closed after it.
async fn ask(server: &Server, line: &str, headers: &str) -> (Got, bool) {
    let mut wire = Wire::open(server.address).await.unwrap();
    wire.send(format!("{line}\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let got = wire.answer().await.unwrap();
    let is_closed = got.header("connection") == Some("close");
    assert!(
        !is_closed || wire.take(&mut Vec::new(), PATIENCE).await,
        "{line} {headers:?}: it is closed as announced"
    );
    (got, is_closed)
}

#[tokio::test]
async fn a_request_over_http_1_1_without_one_valid_host_is_refused() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    for line in [
        "GET /products HTTP/1.1",
        "GET /healthz HTTP/1.1",
        "GET /docs HTTP/1.1",
        "GET /nope HTTP/1.1",
        "PATCH /products HTTP/1.1",
        "GET http://test/products HTTP/1.1",
    ] {
        for (headers, detail) in [
            ("", "The request has no Host header."),
            (
                "Host: test\r\nHost: test\r\n",
                "The request has more than one Host header.",
            ),
            ("Host: a\r\nhost: b\r\n", "The request has more than one Host header."),
            (
                "Host: te st\r\n",
                "The Host header is not a name or an address, with at most a port.",
            ),
            (
                "Host: test:port\r\n",
                "The Host header is not a name or an address, with at most a port.",
            ),
            (
                "Host:\r\n",
                "The Host header is not a name or an address, with at most a port.",
            ),
        ] {
            let (got, is_closed) = ask(&server, line, headers).await;
            assert_eq!(
                (got.status, got.json()),
                (
                    400,
                    json!({"type": "/problems/invalid-host", "title": "Invalid host", "status": 400, "detail": detail})
                ),
                "{line} {headers:?}"
            );
            assert_eq!(got.header("content-type"), Some("application/problem+json"));
            assert!(
                got.header("x-request-id").is_some() && is_closed,
                "{line} {headers:?}: {got:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_refused_host_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    let mut wire = Wire::open(server.address).await.unwrap();
    let length = PRODUCT.len();
    let head = format!("POST /products HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    wire.send(format!("{head}{PRODUCT}").as_bytes()).await.unwrap();
    assert_eq!(wire.answer().await.unwrap().status, 400);
    assert_eq!(server.ask("GET", "/products", "").1["items"], json!([]));
}

#[tokio::test]
async fn one_valid_host_is_enough_in_every_form_of_the_target() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    for (line, headers) in [
        ("GET /products HTTP/1.1", "Host: test\r\n"),
        ("GET /products HTTP/1.1", "Host: 127.0.0.1:8080\r\n"),
        ("GET /products HTTP/1.1", "Host: [::1]:8080\r\n"),
        // The target's own authority counts, so another one in Host does no harm.
        ("GET http://test/products?limit=1 HTTP/1.1", "Host: test\r\n"),
        ("GET http://test:80/products HTTP/1.1", "Host: other\r\n"),
    ] {
        let (got, is_closed) = ask(&server, line, headers).await;
        assert_eq!((got.status, is_closed), (200, false), "{line} {headers:?}: {got:?}");
    }
    // HTTP/1.0 has no Host.
    for (headers, status) in [("", 200), ("Host: test\r\n", 200), ("Host: a\r\nHost: b\r\n", 400)] {
        let mut wire = Wire::open(server.address).await.unwrap();
        let request = format!("GET /products HTTP/1.0\r\n{headers}\r\n");
        wire.send(request.as_bytes()).await.unwrap();
        assert_eq!(wire.answer().await.unwrap().status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn over_http2_host_and_authority_are_the_same() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (hosts, status) in [
        (&[][..], 200),
        (&["test"], 200),
        (&["TEST"], 200),
        (&["other"], 400),
        (&["test", "test"], 400),
    ] {
        let request = Request::get("http://test/products");
        let request = hosts
            .iter()
            .fold(request, |request, host| request.header("host", *host));
        let response = client.send_request(request.body(Body::empty()).unwrap());
        let response = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(response.status(), status, "{hosts:?}");
        let body = to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body["type"] == "/problems/invalid-host",
            status == 400,
            "{hosts:?}: {body}"
        );
    }
}

#[tokio::test]
async fn the_refusal_has_the_headers_of_every_response() {
    let app = TestApp::new();
    let answer = app
        .get("/nope")
        .header("host", "second")
        .header("x-request-id", "mine")
        .await;
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.expect_problem(400, "/problems/invalid-host");
}
