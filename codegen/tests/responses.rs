//! Responses: status, headers and bodies.

use axum::body::Body;
use axum::http::Request;

use crate::echo::{ask, fixture, json, send};

fn get(path: &str) -> crate::echo::Answer {
    ask(fixture::router(), Request::get(path).body(Body::empty()).unwrap())
}

#[test]
fn headers_are_sent_only_with_a_value() {
    let all = get("/things/1");
    assert_eq!(
        (all.status, all.text.as_str(), all.header("content-type")),
        (200, r#"{"text":"1"}"#, Some("application/json"))
    );
    assert_eq!(
        (all.header("x-text"), all.header("x-count")),
        (Some("text"), Some("9223372036854775807"))
    );
    assert_eq!(
        (all.header("x-maybe-text"), all.header("x-maybe-count")),
        (Some("perhaps"), Some("-7"))
    );
    assert_eq!(all.header("x-request-id"), None);
    let few = get("/things/2");
    assert_eq!(
        (
            few.header("x-text"),
            few.header("x-maybe-text"),
            few.header("x-maybe-count")
        ),
        (Some("text"), None, None)
    );
}

#[test]
fn a_response_that_cannot_be_written_is_an_internal_error() {
    let answer = get("/things/3");
    assert_eq!((answer.status, answer.header("x-count")), (500, None));
}

#[test]
fn each_status_has_its_own_body_and_headers() {
    let request = Request::get("/things/1")
        .header("if-none-match", "\"same\"")
        .body(Body::empty())
        .unwrap();
    let same = ask(fixture::router(), request);
    assert_eq!(
        (
            same.status,
            same.text.as_str(),
            same.header("etag"),
            same.header("content-type")
        ),
        (304, "", Some("\"same\""), None)
    );
    let created = send("PUT", "/things/7?dry_run=true", r#"{"text":"<b>"}"#);
    assert_eq!((created.status, created.text.as_str()), (201, r#"{"text":"<b>"}"#));
    assert_eq!(created.header("location"), Some("/things/7?dry_run=true"));
    let gone = ask(fixture::router(), json("DELETE", "/things/7", ""));
    assert_eq!(
        (gone.status, gone.text.as_str(), gone.header("content-type")),
        (204, "", None)
    );
    let page = get("/names/a/none");
    assert_eq!(
        (page.status, page.text.as_str(), page.header("content-type")),
        (200, "<p>a, none", Some("text/html; charset=utf-8"))
    );
}

#[test]
fn other_paths_and_methods_get_the_routers_fallbacks() {
    assert_eq!(get("/nothing").status, 404);
    assert_eq!(send("POST", "/ping", "{}").status, 405);
    assert_eq!(
        ask(fixture::router(), json("POST", "/things/1", "{}")).header("allow"),
        Some("DELETE,GET,HEAD,PATCH,PUT")
    );
}
