//! Routing: which path and method call which operation.

use axum::body::Body;
use axum::http::Request;

use crate::echo::{Answer, ask, fixture};

fn call(method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    ask(fixture::router(), request.body(Body::empty()).unwrap())
}

#[test]
fn a_path_matches_by_all_of_its_segments() {
    for path in ["/ping", "/things/3", "/names/a/BW1", "/names//BW1", "/things/%33"] {
        assert_ne!(call("GET", path).status, 404, "{path}");
    }
    for path in [
        "/",
        "//",
        "/pin",
        "/ping/",
        "/pings",
        "//ping",
        "/PING",
        "/things/",
        "/things//",
        "/things/3/",
        "/things/3/4",
        "/names/a",
        "/names/a/",
        "/names/a/BW1/",
        "/%70ing",
    ] {
        assert_eq!(call("GET", path).status, 404, "{path}");
    }
}

#[test]
fn other_methods_get_405_with_allow() {
    for (method, path, allow) in [
        ("POST", "/ping", "GET,HEAD"),
        ("OPTIONS", "/things", "POST"),
        ("POST", "/things/3", "DELETE,GET,HEAD,PATCH,PUT"),
    ] {
        let answer = call(method, path);
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{path}");
    }
}

#[test]
fn head_is_get() {
    assert_eq!(call("HEAD", "/ping").status, 204);
    assert_eq!(call("HEAD", "/things").status, 405);
}
