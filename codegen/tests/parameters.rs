//! Parameters of path, query and headers.

use axum::body::Body;
use axum::http::{HeaderValue, Request};

use crate::echo::{Answer, ask, fixture};

fn get(path: &str, headers: &[(&'static str, &[u8])]) -> Answer {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    for (name, value) in headers {
        request
            .headers_mut()
            .append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    ask(fixture::router(), request)
}

#[track_caller]
fn refused(path: &str, headers: &[(&'static str, &[u8])], failures: &[&str]) {
    let answer = get(path, headers);
    assert_eq!((answer.status, answer.text), (422, failures.join("\n")), "{path}");
}

/// Lists notes with this query; expects success and these words in the parameters that the operation received.
#[track_caller]
fn seen(query: &str, words: &[&str]) {
    let answer = get(&format!("/notes?needed=1{query}"), &[("x-level", b"1")]);
    assert_eq!(answer.status, 200, "{query} {}", answer.text);
    let text: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    for word in words {
        assert!(text["text"].as_str().unwrap().contains(word), "{word} in {text}");
    }
}

#[track_caller]
fn not(query: &str, failures: &[&str]) {
    refused(&format!("/notes?needed=1{query}"), &[("x-level", b"1")], failures);
}

#[test]
fn defaults_replace_absent_parameters() {
    let defaults = [
        "limit: 20,",
        "flag: true,",
        r#"word: "none","#,
        r#"quoted: "a \"quoted\" \\ text\té🎉""#,
        "price: None",
    ];
    seen("", &defaults);
    seen(
        "&limit=7&flag=false&word=abc",
        &["limit: 7,", "flag: false,", r#"word: "abc","#],
    );
}

#[test]
fn query_parameters_keep_their_bounds() {
    seen(
        "&limit=1&pageSize=9&price=0.5&type=abc&color=B%26W+%3C1%3E",
        &["page_size: Some(9)", "color: Some(BW1)", "type: Some(\"abc\")"],
    );
    seen(
        "&since=2026-03-01T09:30:00%2B01:00&limit=100&pageSize=-2147483648",
        &["limit: 100,"],
    );
    seen("&&", &[]);
    let word = ["?word must have at most 5 characters", "?word must match ^[a-z]+$"];
    not("&word=ABCDEF", &word);
    let integers = [
        "",
        "+1",
        "01",
        "1.0",
        "1e0",
        "%201",
        "1%20",
        "-0",
        "0x1",
        "2147483648",
        "é",
        "１",
        "--1",
        "-01",
    ];
    for value in integers {
        not(
            &format!("&limit={}", value.replace('é', "%C3%A9").replace('１', "%EF%BC%91")),
            &["?limit must be a 32-bit integer"],
        );
    }
    not("&limit", &["?limit must be a 32-bit integer"]);
    not("&limit=0", &["?limit must be from 1 to 100"]);
    not(
        "&limit=101&pageSize=10",
        &["?limit must be from 1 to 100", "?pageSize must be at most 9"],
    );
    not(
        "&flag=TRUE&price=0.51",
        &["?flag must be true or false", "?price must be at most 0.5"],
    );
    not(
        "&price=x&type=abcd&since=now",
        &[
            "?price must be a number",
            "?since must be an RFC 3339 date-time",
            "?type must have at most 3 characters",
        ],
    );
    not("&price=%221%22", &["?price must be a number"]);
    not(
        "&color=red",
        &["?color must be one of RED, dark-red, dark_blue, /colors/light-green, größe 2, self.service, B&W <1>, none"],
    );
    refused("/notes", &[("x-level", b"1")], &["?needed is required"]);
    refused(
        "/notes?needed=0",
        &[("x-level", b"1")],
        &["?needed must be greater than 0"],
    );
}

#[test]
fn a_query_is_a_form() {
    seen("&quoted=a+b%20c%2B", &[r#"quoted: "a b c+""#]);
    seen("&quoted=a=b=", &[r#"quoted: "a=b=""#]);
    seen("&%71uoted=", &[r#"quoted: """#]);
    seen("&quoted=%", &[r#"quoted: "%""#]);
    not("&quoted=%ff", &["?quoted must be valid UTF-8"]);
    not("&%ff=1", &["?%ff must have a name of valid UTF-8"]);
}

#[test]
fn unknown_and_repeated_query_parameters_are_refused() {
    not("&limit=1&limit=1&limit=1", &["?limit is given more than once"]);
    not(
        "&Limit=1&a%26b=2&=3",
        &[
            "? is not a known parameter",
            "?Limit is not a known parameter",
            "?a&b is not a known parameter",
        ],
    );
    let many: String = (0..5000).map(|n| format!("&{n:04}")).collect();
    let answer = get(&format!("/notes?needed=1{many}"), &[("x-level", b"1")]);
    assert_eq!(
        (answer.status, answer.text.lines().count()),
        (422, ::fixture::read::FAILURES_MAX)
    );
    // Also where an operation has no query parameters, or no parameters.
    refused("/things/1?x=1", &[], &["?x is not a known parameter"]);
    refused(
        "/ping?x=1&y=%ff",
        &[],
        &["?x is not a known parameter", "?y must be valid UTF-8"],
    );
    // An operation without input that cannot answer 422 ignores its query.
    assert_eq!(get("/guarded?x=1", &[("x-key", b"me")]).status, 204);
    assert_eq!(get("/ping?", &[]).status, 204);
}

#[test]
fn a_path_id_has_one_spelling() {
    assert_eq!(get("/things/9223372036854775807", &[]).status, 200);
    assert_eq!(get("/things/%31", &[]).status, 200);
    for id in ["0", "-1", "-9223372036854775808"] {
        refused(&format!("/things/{id}"), &[], &["?id must be at least 1"]);
    }
    for id in [
        "01",
        "+1",
        "1.0",
        "1e0",
        "9223372036854775808",
        "%F0%9F%8E%89",
        "a",
        "%201",
        "1%00",
        "-0",
        "0x1",
        "1,2",
    ] {
        refused(&format!("/things/{id}"), &[], &["?id must be a 64-bit integer"]);
    }
    refused("/things/%ff", &[], &["?id must be valid UTF-8"]);
    assert_eq!(get("/things/", &[]).status, 404);
}

#[test]
fn text_in_the_path_keeps_its_bounds() {
    assert_eq!(get("/names/a+b/RED", &[]).text, "<p>a+b, RED");
    assert_eq!(get("/names/%C3%A9/B%26W%20%3C1%3E", &[]).text, "<p>é, B&W <1>");
    let says = r#"?name must not have a "/" or \ in it"#;
    refused("/names/a%2Fb/RED", &[], &[says]);
    refused(
        "/names/a%2Fbcd/none",
        &[],
        &["?name must have at most 4 characters", says],
    );
}

#[test]
fn headers_keep_their_bounds() {
    let list = |headers: &[(&'static str, &[u8])]| get("/notes?needed=1", headers);
    let all = list(&[("X-Level", b"3"), ("idempotency-key", b"a!~"), ("x-color", b"none")]);
    assert!(
        all.text
            .contains("idempotency_key: Some(\\\"a!~\\\"), x_level: 3, x_color: Some(None)")
            || all.text.contains("x_level: 3")
    );
    assert_eq!(all.status, 200);
    let refused = |headers: &[(&'static str, &[u8])], failures: &[&str]| refused("/notes?needed=1", headers, failures);
    refused(&[], &["?X-Level is required"]);
    refused(&[("x-level", b"4")], &["?X-Level must be from 1 to 3"]);
    refused(&[("x-level", b"")], &["?X-Level must be a 32-bit integer"]);
    refused(
        &[("x-level", b"1"), ("x-level", b"1")],
        &["?X-Level is given more than once"],
    );
    let key = ("idempotency-key", &b"123456789"[..]);
    refused(
        &[("x-level", b"1"), key],
        &["?Idempotency-Key must have 1 to 8 characters"],
    );
    let blank = ("idempotency-key", &b"a b"[..]);
    refused(&[("x-level", b"1"), blank], &["?Idempotency-Key must match ^[!-~]+$"]);
    // A header with `x-lines` may come in several lines, which are one list, byte for byte.
    let list_of = |lines: &[&'static [u8]]| {
        let headers = lines.iter().map(|line| ("x-tags", *line));
        let headers: Vec<_> = headers.chain([("x-level", &b"1"[..])]).collect();
        get("/notes?needed=1", &headers)
    };
    for (lines, value) in [
        (&[&b"a,b"[..], b"c"][..], "x_tags: Some(\\\"a,b, c\\\")"),
        (&[&b"\xe9"[..]], "x_tags: Some(\\\"é\\\")"),
        (&[&b""[..], b""], "x_tags: Some(\\\", \\\")"),
    ] {
        let answer = list_of(lines);
        assert!(answer.status == 200 && answer.text.contains(value), "{}", answer.text);
    }
    let answer = list_of(&[b"a,b", b"C", b"defg"]);
    let failures = "?X-Tags must have at most 9 characters\n?X-Tags must match ^[a-z, \\xe9]*$";
    assert_eq!((answer.status, answer.text.as_str()), (422, failures));
    let latin = ("idempotency-key", &b"\xe9"[..]);
    refused(
        &[("x-level", b"1"), latin, ("x-color", b"x")],
        &[
            "?Idempotency-Key must be visible ASCII",
            "?X-Color must be one of RED, dark-red, dark_blue, /colors/light-green, größe 2, self.service, B&W <1>, none",
        ],
    );
}
