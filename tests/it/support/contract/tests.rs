//! Tests that the check fails: valid responses, each changed in one place.

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue};

use super::*;

const PRODUCT: &str = r#"{"id":1,"sku":"MUG","name":"Mug","price":12.5,"stock":40,
    "created_at":"2026-03-01T09:30:00.000Z","updated_at":"2026-03-01T09:30:00.000Z"}"#;
const GONE: &str = r#"{"type":"/problems/product-not-found","title":"Product not found","status":404,"detail":"-"}"#;

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    let header =
        |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    Answer {
        status,
        headers: headers.iter().map(header).collect(),
        body: Bytes::from(body.to_owned()),
    }
}

const ID: (&str, &str) = ("x-request-id", "1");
const JSON: (&str, &str) = ("content-type", "application/json");
const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
const LOCATION: (&str, &str) = ("location", "/products/1");
const E_TAG: (&str, &str) = ("etag", "\"1\"");
const RETRY: (&str, &str) = ("retry-after", "1");

fn check(method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
    Contract::of_the_service().check(method, path, answer)
}

/// The difference that the check finds in such a response to POST /products.
fn created(headers: &[(&'static str, &'static str)], body: &str) -> String {
    let answer = answer(201, headers, body);
    check(&Method::POST, "/products", &answer).err().unwrap_or_default()
}

#[test]
fn documented_responses_pass() {
    assert_eq!(created(&[ID, JSON, LOCATION, E_TAG], PRODUCT), "");
    let good = [
        (Method::GET, "/products/7", answer(200, &[ID, JSON, E_TAG], PRODUCT)),
        (Method::HEAD, "/products/7", answer(200, &[ID, JSON, E_TAG], "")),
        (Method::GET, "/products/7", answer(304, &[ID, E_TAG], "")),
        (Method::HEAD, "/products/7", answer(304, &[ID, E_TAG], "")),
        (Method::GET, "/products/7", answer(404, &[ID, PROBLEM], GONE)),
        (Method::DELETE, "/products/7", answer(204, &[ID], "")),
        (Method::GET, "/docs", answer(200, &[ID], "anything")),
    ];
    for (method, path, answer) in good {
        assert_eq!(check(&method, path, &answer), Ok(()), "{path} {answer:?}");
    }
}

#[test]
fn headers_must_be_those_of_the_contract() {
    let cases: [(&[_], _); 7] = [
        (&[JSON, LOCATION, E_TAG], "no X-Request-Id"),
        (&[ID, ID, JSON, LOCATION, E_TAG], "header x-request-id is repeated"),
        (&[ID, JSON, E_TAG], "no header Location"),
        (&[ID, JSON, LOCATION], "no header ETag"),
        (
            &[ID, JSON, LOCATION, E_TAG, RETRY],
            "header retry-after is not documented",
        ),
        (
            &[ID, PROBLEM, LOCATION, E_TAG],
            r#"content type Some("application/problem+json") is not documented"#,
        ),
        (&[ID, LOCATION, E_TAG], "content type None is not documented"),
    ];
    for (headers, why) in cases {
        assert_eq!(created(headers, PRODUCT), why);
    }
    let busy = r#"{"type":"/problems/overloaded","title":"Overloaded","status":503,"detail":"-"}"#;
    for (retry, wrong) in [("0", true), ("soon", true), ("1", false)] {
        let answer = answer(503, &[ID, PROBLEM, ("retry-after", retry)], busy);
        assert_eq!(check(&Method::GET, "/products", &answer).is_err(), wrong, "{retry}");
    }
}

#[test]
fn statuses_and_error_types_must_be_those_of_the_operation() {
    let wrong = |method, status, headers: &[_], body| check(method, "/products/7", &answer(status, headers, body));
    let refused = |why: &str| Err(why.to_owned());
    assert_eq!(
        wrong(&Method::GET, 201, &[ID, JSON], PRODUCT),
        refused("status 201 is not documented")
    );
    assert_eq!(
        wrong(&Method::GET, 422, &[ID, PROBLEM], GONE),
        refused("body: status 404 is not the response's")
    );
    let order = GONE.replace("product-not-found", "order-not-found");
    assert_eq!(
        wrong(&Method::GET, 404, &[ID, PROBLEM], &order),
        refused("/problems/order-not-found is not documented for 404")
    );
    assert!(wrong(&Method::DELETE, 204, &[ID], "a body").is_err());
    assert!(wrong(&Method::HEAD, 200, &[ID, JSON, E_TAG], PRODUCT).is_err());
    assert!(wrong(&Method::GET, 304, &[ID, JSON, E_TAG], PRODUCT).is_err());
}

#[test]
fn bodies_must_fit_their_schema() {
    let doctored = |from: &str, to: &str| {
        assert!(PRODUCT.contains(from), "{from}");
        created(&[ID, JSON, LOCATION, E_TAG], &PRODUCT.replace(from, to))
    };
    let cases = [
        (r#""id":1,"#, "", "required"),
        (r#""id":1"#, r#""id":0"#, "'/id'"),
        (r#""id":1"#, r#""id":1,"secret":1"#, "secret"),
        ("12.5", r#""12.5""#, "'/price'"),
        ("12.5", "0", "'/price'"),
        ("12.5", "12.505", "'/price'"),
        ("12.5", "null", "'/price'"),
        (".000Z", "Z", "'/created_at'"),
        (".000Z", ".000000Z", "'/created_at'"),
        (".000Z", ".000+00:00", "'/created_at'"),
        ("2026-03-01", "2026-02-30", "'/created_at'"),
        ("{", "", "body: "),
    ];
    for (from, to, why) in cases {
        let found = doctored(from, to);
        assert!(found.contains(why), "{from} as {to}: {found:?}");
    }
}

#[test]
fn null_is_for_nullable_members_only() {
    let page = |cursor: &str, items: &str| {
        let body = format!(r#"{{"items":[{items}],"next_cursor":{cursor}}}"#);
        check(&Method::GET, "/products", &answer(200, &[ID, JSON], &body))
    };
    assert_eq!((page("null", ""), page(r#""MQ""#, PRODUCT)), (Ok(()), Ok(())));
    assert!(page("1", "").is_err() && page("null", "null").is_err());
}

#[test]
fn paths_and_methods_outside_the_contract_must_be_refused() {
    let not_found = GONE.replace("product-not-found", "not-found");
    let good = answer(404, &[ID, PROBLEM], &not_found);
    assert_eq!(check(&Method::GET, "/nowhere", &good), Ok(()));
    assert_eq!(
        check(&Method::HEAD, "/nowhere", &answer(404, &[ID, PROBLEM], "")),
        Ok(())
    );
    assert!(check(&Method::HEAD, "/nowhere", &good).is_err());
    assert!(check(&Method::HEAD, "/nowhere", &answer(404, &[ID], "")).is_err());
    assert!(check(&Method::GET, "/nowhere", &answer(404, &[ID, PROBLEM], GONE)).is_err());
    assert!(check(&Method::GET, "/nowhere", &answer(200, &[ID, JSON], PRODUCT)).is_err());

    let refused = GONE
        .replace("product-not-found", "method-not-allowed")
        .replace("404", "405");
    let patched = |allow| {
        check(
            &Method::PATCH,
            "/products/7",
            &answer(405, &[ID, PROBLEM, ("allow", allow)], &refused),
        )
    };
    assert_eq!(patched("GET,HEAD, PUT,DELETE"), Ok(()));
    for allow in ["", "GET,PUT,DELETE", "GET,HEAD,PUT", "GET,HEAD,PUT,DELETE,PATCH"] {
        assert!(patched(allow).is_err(), "{allow}");
    }
}
