//! Operations that need a key, accept any JSON, and may send a stored response.

use axum::body::Body;
use axum::http::Request;

use crate::echo::{Answer, ask, fixture};

fn guarded(key: Option<&str>, body: &'static str) -> Answer {
    let request = Request::post("/guarded").header("content-type", "application/json");
    let request = key
        .into_iter()
        .fold(request, |request, key| request.header("x-key", key));
    ask(fixture::router(), request.body(Body::from(body)).unwrap())
}

#[test]
fn requests_without_a_key_are_refused_before_the_body_is_read() {
    for body in ["{\"color\":null}", "{", "{\"unknown\":1}"] {
        let answer = guarded(None, body);
        assert_eq!((answer.status, answer.text.as_str()), (400, "no key"), "{body}");
    }
    // `verify` receives the body byte for byte.
    assert_eq!(guarded(Some("me"), "forged").text, "invalid signature");
    let with_key = |key: &str| {
        Request::get("/guarded")
            .header("x-key", key)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(ask(fixture::router(), with_key("me")).status, 204);
    let without_key = Request::get("/guarded").body(Body::empty()).unwrap();
    assert_eq!(ask(fixture::router(), without_key).text, "no key");
}

#[test]
fn the_operation_receives_its_caller() {
    let answer = guarded(Some("me"), "{\"color\":\"RED\"}");
    assert_eq!((answer.status, answer.header("x-caller")), (200, Some("me")));
}

#[test]
fn a_stored_response_is_sent_byte_for_byte() {
    let stored = "{ \"color\" : null,\n\"data\":\"stored\"}";
    let answer = guarded(Some("me"), stored);
    assert_eq!(
        (answer.text.as_str(), answer.header("content-type")),
        (stored, Some("application/json"))
    );
    assert_eq!(guarded(Some("me"), "{ \"color\" : null }").text, "{\"color\":null}");
}

#[test]
fn any_json_is_accepted_and_can_be_read_as_an_object() {
    let body = "{\"data\":{\"text\":\"a\",\"more\":[1,{}]},\"color\":null}";
    assert_eq!(guarded(Some("me"), body).text, body);
    let refused = |body| guarded(Some("me"), body).text;
    assert_eq!(
        refused("{\"data\":{\"text\":\"longer\"},\"color\":null}"),
        "#/data/text must have at most 5 characters"
    );
    for data in ["{\"data\":null,\"color\":null}", "{\"data\":7,\"color\":null}"] {
        assert_eq!(refused(data), "#/data must be an object");
    }
}

#[test]
fn an_enum_may_be_null_where_the_contract_says_so() {
    let refused = |body| guarded(Some("me"), body).text;
    assert_eq!(
        refused("{\"color\":\"green\"}"),
        "#/color must be one of RED, dark-red, dark_blue, /colors/light-green, größe 2, self.service, B&W <1>, none"
    );
    assert_eq!(refused("{}"), "#/color is required");
}
