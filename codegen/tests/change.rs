//! An edit of the contract changes the server's behavior without any other edit. `changed.sed` makes the edits.

use axum::body::Body;
use axum::http::Request;

use crate::echo::{ask, changed, fixture, json};

/// The response of each of the two servers: status, and the failures or the body.
fn both(request: impl Fn() -> Request<Body>) -> [(u16, String); 2] {
    [fixture::router(), changed::router()].map(|router| {
        let answer = ask(router, request());
        (answer.status, answer.text)
    })
}

#[track_caller]
fn differs(method: &str, path: &str, body: &str, before: (u16, &str), after: (u16, &str)) {
    let [old, new] = both(|| json(method, path, body.to_owned()));
    assert_eq!(
        ((old.0, old.1.as_str()), (new.0, new.1.as_str())),
        (before, after),
        "{path} {body}"
    );
}

#[test]
fn a_new_size_of_a_body_is_enforced_without_other_edits() {
    let body = r#"{"known":true,"other":{"text":"a"}}"#;
    let refused = || (400, "length limit exceeded".to_owned());
    for (bytes, after) in [(4_000_000, (200, body.to_owned())), (4_000_001, refused())] {
        let padded = body.to_owned() + &" ".repeat(bytes - body.len());
        let found = both(|| json("PUT", "/open", padded.clone()));
        assert_eq!(found, [refused(), after], "{bytes}");
    }
}

#[test]
fn a_new_bound_is_enforced_without_other_edits() {
    let long = r#"{"at_most":"abcde"}"#;
    differs(
        "POST",
        "/strings",
        long,
        (422, "#/at_most must have at most 3 characters"),
        (200, long),
    );
    let longer = r#"{"at_most":"abcdef"}"#;
    differs(
        "POST",
        "/strings",
        longer,
        (422, "#/at_most must have at most 3 characters"),
        (422, "#/at_most must have at most 5 characters"),
    );
    let short = r#"{"between":"a"}"#;
    differs(
        "POST",
        "/strings",
        short,
        (422, "#/between must have 2 to 3 characters"),
        (200, short),
    );
    let large = r#"{"to":1000}"#;
    differs(
        "POST",
        "/numbers",
        large,
        (200, large),
        (422, "#/to must be at most 999.99"),
    );
    let zero = r#"{"above":0}"#;
    differs(
        "POST",
        "/numbers",
        zero,
        (422, "#/above must be greater than 0"),
        (200, zero),
    );
    let below = r#"{"above":-1}"#;
    differs(
        "POST",
        "/numbers",
        below,
        (422, "#/above must be greater than 0"),
        (422, "#/above must be at least 0"),
    );
    let three = r#"{"inner":{"notes":[{"text":"a"},{"text":"b"},{"text":"c"}]}}"#;
    differs(
        "PATCH",
        "/things/1",
        three,
        (422, "#/inner/notes must have 1 to 2 items"),
        (200, three),
    );
}

#[test]
fn other_new_rules_are_enforced_without_other_edits() {
    let upper = r#"{"free":"ABC"}"#;
    differs(
        "POST",
        "/strings",
        upper,
        (200, upper),
        (422, "#/free must match ^[a-z]*$"),
    );
    let zero = r#"{"not_zero":0}"#;
    differs("POST", "/numbers", zero, (422, "#/not_zero must not be 0"), (200, zero));
    let five = r#"{"not_zero":5}"#;
    differs("POST", "/numbers", five, (200, five), (422, "#/not_zero must not be 5"));
    let hundredth = r#"{"tenths":0.01}"#;
    differs(
        "POST",
        "/numbers",
        hundredth,
        (422, "#/tenths must have at most 1 decimal"),
        (200, hundredth),
    );
    let open = r#"{"known":true,"x":1}"#;
    differs(
        "PUT",
        "/open",
        open,
        (200, r#"{"known":true}"#),
        (422, "#/other is required\n#/x is not a known member"),
    );
}

#[test]
fn new_enum_values_and_parameter_rules_are_enforced_without_other_edits() {
    let thing =
        r#"{"id":1,"flag":true,"maybe":null,"maybe_price":null,"maybe_at":null,"type":"a","errors":[],"kind":"other"}"#;
    differs("POST", "/things", thing, (422, "#/kind must be only"), (200, thing));
    let list = |query: &str| {
        let uri = format!("/notes{query}");
        both(move || Request::get(&uri).header("x-level", "1").body(Body::empty()).unwrap())
    };
    let [old, new] = list("?needed=1");
    assert!(
        old.1.contains("limit: 20,") && new.1.contains("limit: 10,"),
        "{old:?} {new:?}"
    );
    let [old, new] = list("?needed=1&limit=51");
    assert_eq!((old.0, new), (200, (422, "?limit must be from 1 to 50".to_owned())));
    let [old, new] = list("");
    assert_eq!((old, new.0), ((422, "?needed is required".to_owned()), 200));
}
