//! Bodies: both sides of every bound, all failures at once, malformed and hostile JSON.

use std::time::{Duration, Instant};

use axum::http::Request;

use crate::echo::{BYTES_MAX, accepted, ask, fixture, json, refused, send};

/// With 100 000 members, quadratic work takes minutes; linear work takes seconds, also on a busy machine.
const QUADRATIC: Duration = Duration::from_secs(60);

/// Checks which values one member of a body accepts, and which it refuses for which reason.
fn bounds(path: &str, member: &str, taken: &[&str], not: &[(&str, &str)]) {
    for value in taken {
        accepted("POST", path, &format!("{{\"{member}\":{value}}}"));
    }
    for (value, detail) in not {
        refused(
            "POST",
            path,
            format!("{{\"{member}\":{value}}}"),
            &[&format!("#/{member} {detail}")],
        );
    }
}

#[test]
fn strings_keep_their_bounds() {
    let bounds = |member: &str, taken: &[&str], not: &[(&str, &str)]| bounds("/strings", member, taken, not);
    bounds(
        "free",
        &[r#""""#, r#""<b>é🎉""#],
        &[("1", "must be a string"), ("null", "must be a string")],
    );
    bounds("none", &[r#""""#], &[(r#""a""#, "must have exactly 0 characters")]);
    bounds("at_least", &[r#""a""#], &[(r#""""#, "must have at least 1 character")]);
    // Length counts characters, not bytes or UTF-16 units.
    bounds(
        "at_most",
        &[r#""""#, r#""éé🎉""#],
        &[(r#""abcd""#, "must have at most 3 characters")],
    );
    let between = "must have 2 to 3 characters";
    bounds(
        "between",
        &[r#""ab""#, r#""abc""#],
        &[(r#""a""#, between), (r#""abcd""#, between)],
    );
    let exactly = "must have exactly 2 characters";
    bounds("exactly", &[r#""ab""#], &[(r#""a""#, exactly), (r#""abc""#, exactly)]);
    let word = r#"must be a "word" of letters, digits, \ or not"#;
    bounds(
        "word",
        &[r#""a.b-c""#],
        &[(r#""""#, word), (r#""-a""#, word), (r#""a\n""#, word), (r#""é""#, word)],
    );
    let bare = r#"must match ^"[^"\\]{2,4}"$"#;
    bounds(
        "bare",
        &[r#""\"ab\"""#],
        &[(r#""ab""#, bare), (r#""\"a\"""#, bare), (r#""\"abcde\"""#, bare)],
    );
    bounds(
        "blank",
        &[r#"" a ""#],
        &[
            (r#"" ""#, r"must match [^\x09 \u2003]"),
            (r#""\t\u2003""#, r"must match [^\x09 \u2003]"),
        ],
    );
    let long = "a".repeat(1000);
    bounds(
        "repeated",
        &[&format!("\"{long}\"")],
        &[(&format!("\"{long}a\""), "must match ^(?:[^ ]|a){1,1000}$|^$")],
    );
}

#[test]
fn integers_keep_their_bounds() {
    let bounds = |member: &str, taken: &[&str], not: &[(&str, &str)]| bounds("/numbers", member, taken, not);
    let (int, long) = ("must be a 32-bit integer", "must be a 64-bit integer");
    let not_int = [
        "1.5",
        "true",
        "\"1\"",
        "null",
        "[]",
        "{}",
        "2147483648",
        "-2147483649",
        "1e10",
        "1e400",
        "1e-1",
    ];
    bounds(
        "int",
        &["0", "-2147483648", "2147483647"],
        &not_int.map(|value| (value, int)),
    );
    let huge = "9".repeat(60_000);
    let not_long = [
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "0.1",
        "1e-400",
        &huge,
    ];
    bounds(
        "long",
        &["-9223372036854775808", "9223372036854775807"],
        &not_long.map(|value| (value, long)),
    );
    // One number, one answer, whatever its spelling.
    for spelled in ["1000000000000000000", "1e18", "1E+18", "10.0e17", "10000000000000000000e-1"] {
        let answer = send("POST", "/numbers", format!("{{\"long\":{spelled}}}"));
        let text = "{\"long\":1000000000000000000}".to_owned();
        assert_eq!((answer.status, answer.text), (200, text), "{spelled}");
    }
    bounds("int_from", &["-2"], &[("-3", "must be at least -2")]);
    bounds("int_to", &["7"], &[("8", "must be at most 7")]);
    bounds(
        "int_between",
        &["0", "10"],
        &[("-1", "must be from 0 to 10"), ("11", "must be from 0 to 10")],
    );
    bounds(
        "int_above",
        &["1"],
        &[("0", "must be greater than 0"), ("-1", "must be greater than 0")],
    );
    bounds("int_below", &["-1"], &[("0", "must be less than 0")]);
    let inside = "must be greater than 0 and less than 3";
    bounds("int_inside", &["1", "2"], &[("0", inside), ("3", inside)]);
    bounds(
        "long_edges",
        &["-9223372036854775808", "9223372036854775807"],
        &[("9223372036854775808", long)],
    );
    bounds("int_edges", &["-2147483648", "2147483647"], &[("2147483648", int)]);
    let not_zero = [
        ("0", "must not be 0"),
        ("-1", "must not be -1"),
        ("6", "must be from -5 to 5"),
    ];
    bounds("not_zero", &["1", "-2", "5", "-5"], &not_zero);
}

#[test]
fn numbers_keep_their_bounds() {
    let bounds = |member: &str, taken: &[&str], not: &[(&str, &str)]| bounds("/numbers", member, taken, not);
    let digits = "must have at most 18 digits before and after the point";
    let too_long = [
        "1e400",
        "1e-400",
        "1e18",
        "1e-19",
        "0.0000000000000000001",
        "1e99999999999",
    ];
    bounds(
        "free",
        &["0", "-0.5", "999999999999999999.999999999999999999"],
        &too_long.map(|value| (value, digits)),
    );
    let no_number = ["\"1\"", "null", "true", "[1]", "{}"];
    bounds("free", &[], &no_number.map(|value| (value, "must be a number")));
    bounds("half", &["0.5"], &[("0.499999999999999999", "must be at least 0.5")]);
    bounds(
        "to",
        &["1000000"],
        &[("1000000.000000000001", "must be at most 1000000")],
    );
    let between = "must be from -0.5 to 0.75";
    bounds("between", &["-0.5", "0.75"], &[("-0.51", between), ("0.751", between)]);
    bounds(
        "above",
        &["0.000000000000000001"],
        &[("0", "must be greater than 0"), ("-0", "must be greater than 0")],
    );
    bounds("below", &["0.099999999999999999"], &[("0.1", "must be less than 0.1")]);
    let inside = "must be greater than 0 and less than 1";
    bounds("inside", &["0.5"], &[("0", inside), ("1", inside), ("1.0", inside)]);
    let cents = "must have at most 2 decimals";
    bounds(
        "cents",
        &["19.99", "0.01"],
        &[("19.999", cents), ("19.990000000000000001", cents)],
    );
    let tenths = "must have at most 1 decimal";
    bounds(
        "tenths",
        &["0.7", "-1.2", "0"],
        &[("0.31", tenths), ("0.5000001", tenths), ("-1e-2", tenths)],
    );
    bounds("whole", &["10", "-5"], &[("2.5", "must have at most 0 decimals")]);
    refused(
        "POST",
        "/numbers",
        r#"{"cents":-0.001}"#,
        &[
            "#/cents must be greater than 0 and at most 1000000",
            "#/cents must have at most 2 decimals",
        ],
    );
}

#[test]
fn a_number_is_read_exactly_and_has_one_spelling_in_responses() {
    let same = [
        ("19.90", "19.9"),
        ("1e2", "100"),
        ("1.5E+1", "15"),
        ("2500e-2", "25"),
        ("100.000", "100"),
    ];
    for (sent, answered) in same {
        let answer = send("POST", "/numbers", format!("{{\"cents\":{sent}}}"));
        assert_eq!(
            (answer.status, answer.text),
            (200, format!("{{\"cents\":{answered}}}")),
            "{sent}"
        );
    }
    for (sent, answered) in [
        ("2.0", "2"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("3000e-3", "3"),
        ("0e999", "0"),
    ] {
        let answer = send(
            "POST",
            "/numbers",
            format!("{{\"int\":{sent},\"long\":{sent},\"free\":{sent}}}"),
        );
        let all = format!("{{\"int\":{answered},\"long\":{answered},\"free\":{answered}}}");
        assert_eq!((answer.status, answer.text), (200, all), "{sent}");
    }
}

const THING: &str = r#"{"id":1,"flag":true,"maybe":null,"maybe_price":null,"maybe_at":null,"type":"a","errors":[]}"#;
const FULL_THING: &str = r#"{"id":9223372036854775807,"flag":false,"maybe":"é🎉","maybe_price":-0.25,"maybe_at":"2026-03-01T09:30:00.000Z","type":"abc","match":4,"move":1.5,"errors":[{"text":"a"},{"text":""}],"at":"1999-12-31T23:59:59.999Z","color":"größe 2","kind":"only","price":1000000}"#;

#[test]
fn an_object_comes_back_as_it_was() {
    accepted("POST", "/things", THING);
    accepted("POST", "/things", FULL_THING);
    // White space and the order of members do not matter.
    let answer = send("POST", "/numbers", " {\r\n\t\"long\" : 2 , \"int\" : 1 } \n");
    assert_eq!(answer.text, r#"{"int":1,"long":2}"#);
    // Escapes in names and values are decoded.
    assert_eq!(
        send("POST", "/strings", r#"{"\u0066ree":"\ud83c\udf89\u0000"}"#).text,
        "{\"free\":\"🎉\\u0000\"}"
    );
}

#[test]
fn all_failures_are_listed_at_once_and_each_once() {
    refused(
        "POST",
        "/things",
        r#"{"id":0,"flag":"yes","maybe":"abcd","maybe_price":0.301,"maybe_at":"noon","type":"ABCD","match":3,
            "move":null,"errors":[{"text":1},[],{},{"text":"a","text":"b","x":0}],"at":null,"color":"red","kind":"most",
            "price":1000000.001,"price":1,"price":2,"a/b~c":1,"":2}"#,
        &[
            "#/ is not a known member",
            "#/at must be a string",
            "#/a~1b~0c is not a known member",
            "#/color must be one of RED, dark-red, dark_blue, /colors/light-green, größe 2, self.service, B&W <1>, none",
            "#/errors/0/text must be a string",
            "#/errors/1 must be an object",
            "#/errors/2/text is required",
            "#/errors/3/text is given more than once",
            "#/errors/3/x is not a known member",
            "#/flag must be true or false",
            "#/id must be at least 1",
            "#/kind must be only",
            "#/match must not be 3",
            "#/maybe must have at most 3 characters",
            "#/maybe_at must be an RFC 3339 date-time",
            "#/maybe_price must have at most 2 decimals",
            "#/move must be a number",
            "#/price is given more than once",
            "#/price must be greater than 0 and at most 1000000",
            "#/price must have at most 2 decimals",
            "#/type must have at most 3 characters",
            "#/type must match ^[a-z]*$",
        ],
    );
    let missing = ["errors", "flag", "id", "maybe", "maybe_at", "maybe_price", "type"];
    let missing = missing.map(|name| format!("#/{name} is required"));
    refused("POST", "/things", "{}", &missing.each_ref().map(String::as_str));
    refused(
        "PUT",
        "/things/0?dry_run=1&x=y",
        r#"{"text":1,"more":null}"#,
        &[
            "?dry_run must be true or false",
            "?id must be at least 1",
            "?x is not a known parameter",
            "#/more is not a known member",
            "#/text must be a string",
        ],
    );
}

#[test]
fn null_is_a_value_only_where_the_contract_says_so() {
    let with_null = THING
        .replace("\"id\":1", "\"id\":null")
        .replace("\"errors\":[]", "\"errors\":null");
    refused(
        "POST",
        "/things",
        with_null,
        &["#/errors must be an array", "#/id must be a 64-bit integer"],
    );
    refused("POST", "/strings", r#"{"free":null}"#, &["#/free must be a string"]);
}

#[test]
fn objects_count_and_refuse_members() {
    refused("POST", "/strings", "{}", &["# must have at least 1 member"]);
    refused("POST", "/strings", r#"{"x":1}"#, &["#/x is not a known member"]);
    // An open object accepts and counts unknown members, and does not return them.
    let answer = send("PUT", "/open", r#"{"known":true,"x":[{"deep":null}]}"#);
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"known":true}"#));
    refused("PUT", "/open", r#"{"known":true}"#, &["# must have at least 2 members"]);
    refused(
        "PUT",
        "/open",
        r#"{"known":true,"known":true}"#,
        &["# must have at least 2 members", "#/known is given more than once"],
    );
    refused(
        "PUT",
        "/open",
        r#"{"known":true,"x":1,"x":2}"#,
        &["#/x is given more than once"],
    );
}

#[test]
fn the_first_of_two_members_is_read_in_any_order() {
    for body in [
        r#"{"long":1,"int":1,"int":"x"}"#,
        r#"{"int":1,"long":1,"int":"x"}"#,
        r#"{"int":1,"int":"x","long":1}"#,
    ] {
        refused("POST", "/numbers", body, &["#/int is given more than once"]);
    }
}

#[test]
fn arrays_keep_their_bounds_and_name_their_items() {
    let inner = |member: &str, value: &str| format!("{{\"inner\":{{\"{member}\":{value}}}}}");
    let taken = [
        ("notes", r#"[{"text":"a"}]"#),
        ("notes", r#"[{"text":"a"},{"text":"b"}]"#),
        ("colors", "[]"),
        ("colors", r#"["B&W <1>","none"]"#),
        ("counts", "[1,-2,3]"),
        ("pair", r#"["a","b"]"#),
        ("prices", "[0.5,1]"),
        ("flags", "[true,false]"),
        ("times", r#"["2026-03-01T09:30:00.000Z"]"#),
    ];
    for (member, value) in taken {
        accepted("PATCH", "/things/1", &inner(member, value));
    }
    let not = [
        ("notes", "[]", "#/inner/notes must have 1 to 2 items"),
        (
            "notes",
            r#"[{"text":"a"},{"text":"b"},{"text":"c"}]"#,
            "#/inner/notes must have 1 to 2 items",
        ),
        (
            "colors",
            r#"["RED","RED","RED"]"#,
            "#/inner/colors must have at most 2 items",
        ),
        ("counts", "[1]", "#/inner/counts must have at least 2 items"),
        ("counts", "[1,2.5]", "#/inner/counts/1 must be a 32-bit integer"),
        ("pair", "[\"a\"]", "#/inner/pair must have exactly 2 items"),
        ("prices", "[1,\"2\"]", "#/inner/prices/1 must be a number"),
        ("flags", "[null]", "#/inner/flags/0 must be true or false"),
        (
            "times",
            "[\"2026-03-01\"]",
            "#/inner/times/0 must be an RFC 3339 date-time",
        ),
        (
            "open",
            "{\"known\":1,\"x\":2}",
            "#/inner/open/known must be true or false",
        ),
        ("notes", "{}", "#/inner/notes must be an array"),
        ("notes", "\"[]\"", "#/inner/notes must be an array"),
        ("x", "1", "#/inner/x is not a known member"),
    ];
    for (member, value, failure) in not {
        refused("PATCH", "/things/1", inner(member, value), &[failure]);
    }
}

#[test]
fn a_body_that_is_not_an_object_is_refused_as_a_whole() {
    for body in ["null", "1", "\"{}\"", "[]", "[{}]", "true"] {
        refused("POST", "/numbers", body, &["# must be an object"]);
    }
}

#[test]
fn an_unpaired_surrogate_is_refused() {
    refused(
        "POST",
        "/strings",
        r#"{"free":"\ud83c"}"#,
        &["#/free must be valid Unicode"],
    );
    refused(
        "POST",
        "/strings",
        r#"{"free":"\udf89\ud83c"}"#,
        &["#/free must be valid Unicode"],
    );
    refused(
        "POST",
        "/strings",
        r#"{"\ud83c":"a"}"#,
        &["# must have member names of valid Unicode"],
    );
    refused(
        "PUT",
        "/open",
        r#"{"known":true,"other":{"\udfff":1}}"#,
        &["#/other must have member names of valid Unicode"],
    );
}

#[test]
fn a_body_that_is_not_json_is_malformed() {
    let texts: [&[u8]; 22] = [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"{} {}",
        b"{\"int\":1,}",
        b"{\"int\" 1}",
        b"{int:1}",
        b"{'int':1}",
        b"{\"int\":01}",
        b"{\"int\":+1}",
        b"{\"int\":.5}",
        b"{\"int\":1.}",
        b"{\"int\":NaN}",
        b"{\"int\":-}",
        b"{\"int\":1e}",
        b"[1,]",
        b"\xef\xbb\xbf{}",
        b"{\"free\":\"\xff\"}",
        b"{\"free\":\"\n\"}",
        b"{\"free\":\"\\x\"}",
        b"{\"free\":\"\\u12\"}",
    ];
    for text in texts {
        let answer = send("POST", "/numbers", text);
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(text));
        assert!(
            answer.text.contains(" at line 1 column ") || answer.text.contains(" at line 2 column "),
            "{}",
            answer.text
        );
    }
}

#[test]
fn deep_and_large_bodies_are_cheap() {
    let start = Instant::now();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!(
            "{{\"known\":true,\"x\":{}1{}}}",
            open.repeat(100_000),
            close.repeat(100_000)
        );
        assert_eq!(send("PUT", "/open", deep).status, 200);
        assert_eq!(send("POST", "/numbers", open.repeat(100_000)).status, 400);
    }
    refused(
        "POST",
        "/numbers",
        "[".repeat(100_000) + &"]".repeat(100_000),
        &["# must be an object"],
    );
    assert!(start.elapsed() < QUADRATIC, "{:?}", start.elapsed());
}

#[test]
fn a_hostile_body_gets_the_first_hundred_failures_quickly() {
    let start = Instant::now();
    let members = |count: usize, name: fn(usize) -> String| {
        format!(
            "{{{}}}",
            (0..count)
                .map(|n| format!("\"{}\":0", name(n)))
                .collect::<Vec<_>>()
                .join(",")
        )
    };
    let first: Vec<String> = (0..100).map(|n| format!("#/{n:05} is not a known member")).collect();
    refused(
        "POST",
        "/numbers",
        members(100_000, |n| format!("{n:05}")),
        &first.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    // The same hundred for the reverse order of members.
    let back = members(100_000, |n| format!("{:05}", 99_999 - n));
    refused(
        "POST",
        "/numbers",
        back,
        &first.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    refused(
        "POST",
        "/numbers",
        members(100_000, |_| "int".to_owned()),
        &["#/int is given more than once"],
    );
    let items = vec!["0"; 100_000].join(",");
    let answer = send("PATCH", "/things/1", format!("{{\"inner\":{{\"notes\":[{items}]}}}}"));
    assert_eq!((answer.status, answer.text.lines().count()), (422, fixture_max()));
    assert!(start.elapsed() < QUADRATIC, "{:?}", start.elapsed());
}

fn fixture_max() -> usize {
    ::fixture::read::FAILURES_MAX
}

#[test]
fn duplicates_are_found_among_more_than_sixteen_members() {
    for count in [15, 16, 17, 40] {
        let names: Vec<String> = (0..count).map(|n| format!("\"x{n:02}\":1")).collect();
        let body = format!("{{\"known\":true,{},\"x03\":2,\"known\":1,\"x03\":3}}", names.join(","));
        refused(
            "PUT",
            "/open",
            body,
            &["#/known is given more than once", "#/x03 is given more than once"],
        );
    }
}

#[test]
fn an_encoded_body_is_refused_before_it_is_read() {
    for (method, path) in [("POST", "/numbers"), ("PUT", "/open"), ("PATCH", "/things/1")] {
        // A body that is not JSON as well.
        let mut request = json(method, path, "{");
        request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        let answer = ask(fixture::router(), request);
        assert_eq!((answer.status, answer.text.as_str()), (415, "encoded"), "{method} {path}");
    }
    let mut request = json("POST", "/numbers", r#"{"int":1,"long":2}"#);
    request.headers_mut().insert("content-encoding", "identity".parse().unwrap());
    assert_eq!(ask(fixture::router(), request).status, 200);
}

#[test]
fn a_body_may_be_larger_where_the_contract_says_so_and_nowhere_else() {
    let padded = |body: &str, bytes: usize| body.to_owned() + &" ".repeat(bytes - body.len());
    // What fixture.yaml says of this operation.
    let own = 3_000_000;
    for (method, path, body, bytes_max) in [
        ("PUT", "/open", r#"{"known":true,"other":{"text":"a"}}"#, own),
        ("POST", "/numbers", r#"{"int":1,"long":2}"#, BYTES_MAX),
        ("POST", "/strings", r#"{"free":"a"}"#, BYTES_MAX),
    ] {
        let answer = send(method, path, padded(body, bytes_max));
        assert_eq!((answer.status, answer.text.as_str()), (200, body), "{method} {path}");
        let answer = send(method, path, padded(body, bytes_max + 1));
        let wanted = (400, "length limit exceeded");
        assert_eq!((answer.status, answer.text.as_str()), wanted, "{method} {path}");
    }
}

#[test]
fn a_body_must_be_declared_as_json() {
    let taken = [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;x",
    ];
    let not = [
        "",
        "text/json",
        "application/x+json",
        "application/jsonx",
        "application/json, text/plain",
        "text/plain",
        "multipart/form-data; boundary=x",
        "+json",
    ];
    for (types, status) in [(&taken[..], 200), (&not[..], 415)] {
        for media_type in types {
            let request = Request::post("/numbers")
                .header("content-type", *media_type)
                .body("{}".into())
                .unwrap();
            assert_eq!(ask(fixture::router(), request).status, status, "{media_type}");
        }
    }
    assert_eq!(
        ask(fixture::router(), Request::post("/numbers").body("{}".into()).unwrap()).status,
        415
    );
    let mut twice = json("POST", "/numbers", "{}");
    twice
        .headers_mut()
        .append("content-type", "application/json".parse().unwrap());
    assert_eq!(ask(fixture::router(), twice).status, 415);
}
