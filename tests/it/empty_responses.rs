//! Responses that never have a body: 204 and 304 have no `Content-Length`, over every version of HTTP.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::process::{PATIENCE, Server, command};
use crate::support::wire::Wire;

/// What the documentation and a product answer to a client that has them already, and a deletion.
const REQUESTS: [(&str, &str, u16); 6] = [
    ("GET", "/products/1", 304),
    ("HEAD", "/products/1", 304),
    ("GET", "/openapi.yaml", 304),
    ("HEAD", "/docs", 304),
    ("DELETE", "/products/1", 204),
    ("GET", "/products/1", 404),
];

/// Sends a request over HTTP/2; returns the status and `Content-Length`.
async fn ask(client: &mut SendRequest<Body>, method: &str, path: &str) -> (u16, Option<String>) {
    let request = Request::builder().method(method).uri(format!("http://test{path}"));
    let request = match method {
        "DELETE" => request,
        _ => request.header("if-none-match", "*"),
    };
    let request = request.body(Body::empty()).unwrap();
    let response = tokio::time::timeout(PATIENCE, client.send_request(request));
    let response = response.await.unwrap().unwrap();
    let length = response.headers().get("content-length");
    let got = (
        response.status().as_u16(),
        length.map(|length| length.to_str().unwrap().to_owned()),
    );
    to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    got
}

fn with_a_product(folder: &TempDir) -> Server {
    let server = Server::start(&mut command(&folder.path().join("test.db")));
    let product = r#"{"sku":"A","name":"a","price":1,"stock":1}"#;
    assert_eq!(server.ask("POST", "/products", product).0, 201);
    server
}

#[tokio::test]
async fn over_http2_an_empty_response_has_no_content_length() {
    let folder = TempDir::new().unwrap();
    let server = with_a_product(&folder);
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (method, path, status) in REQUESTS {
        let (got, length) = ask(&mut client, method, path).await;
        assert_eq!(
            (got, length.is_some()),
            (status, status == 404),
            "{method} {path}: {length:?}"
        );
    }
}

#[tokio::test]
async fn over_http1_an_empty_response_has_no_content_length() {
    let folder = TempDir::new().unwrap();
    let server = with_a_product(&folder);
    let mut wire = Wire::open(server.address).await.unwrap();
    for (method, path, status) in REQUESTS {
        let condition = match method {
            "DELETE" => "",
            _ => "If-None-Match: *\r\n",
        };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{condition}\r\n");
        wire.send(head.as_bytes()).await.unwrap();
        let got = wire.answer().await.unwrap();
        let has_length = got.header("content-length").is_some();
        assert_eq!(
            (got.status, has_length),
            (status, status == 404),
            "{method} {path}: {got:?}"
        );
    }
}
