//! Tests that the oracle fails: good answers, each made bad in one place.

use super::*;

const GET: &str = "GET /products/7 HTTP/1.1\r\nHost: fuzz\r\n\r\n";
const PRODUCT: &str = r#"{"id":7,"sku":"MUG","name":"Mug","price":12.5,"stock":40,"created_at":"2026-03-01T09:30:00.000Z","updated_at":"2026-03-01T09:30:00.000Z"}"#;
const GONE: &str = r#"{"type":"/problems/product-not-found","title":"Product not found","status":404,"detail":"-"}"#;
const OF_A_PRODUCT: &str = "Content-Type: application/json\r\nETag: \"1\"\r\nX-Request-Id: 1\r\n";
const OF_A_PROBLEM: &str = "Content-Type: application/problem+json\r\nX-Request-Id: 1\r\n";
const HYPERS_OWN: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\nDate: x\r\n\r\n";

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn product() -> String {
    answer("200 OK", OF_A_PRODUCT, PRODUCT)
}

fn gone() -> String {
    answer("404 Not Found", OF_A_PROBLEM, GONE)
}

fn judged(sent: &str, came: &str) -> String {
    let came = Came {
        bytes: came.as_bytes().to_vec(),
        end: End::Closed,
    };
    let judged = judge(Contract::of_the_service(), sent.as_bytes(), &came);
    judged.err().unwrap_or_default()
}

#[test]
fn good_answers_pass() {
    let head = GET.replace("GET", "HEAD");
    let not_found = gone().replace("product-not-found", "not-found");
    let not_found = not_found.replace("Content-Length: 92", "Content-Length: 84");
    let unread = "GET /products/7 HTTP/1.1\r\nHost: fuzz\r\nContent-Length: 9\r\n\r\nshort";
    let odd_host = GET.replace("fuzz", "a/b");
    for (sent, came) in [
        (GET.to_owned(), product()),
        (GET.to_owned(), gone()),
        (format!("{GET}{GET}"), product() + &gone()),
        (
            format!("{GET}{GET}"),
            product().replace("ETag", "Connection: close\r\nETag"),
        ),
        (head.clone(), product().replace(PRODUCT, "")),
        (head, gone().replace(GONE, "")),
        ("GET /no where".to_owned(), HYPERS_OWN.to_owned()),
        (format!("{GET}?"), product() + HYPERS_OWN),
        (format!("{GET}?"), product() + &not_found),
        ("?".to_owned(), String::new()),
        (String::new(), String::new()),
        (unread.to_owned(), product()),
        (unread.to_owned(), HYPERS_OWN.to_owned()),
        (odd_host, HYPERS_OWN.to_owned()),
    ] {
        assert_eq!(judged(&sent, &came), "", "{sent:?} {came:?}");
    }
}

#[test]
fn bad_answers_fail() {
    let wrong_status = gone().replace("404 Not Found", "422 Unprocessable Content");
    let plain = gone().replace("application/problem+json", "text/plain");
    let json = gone().replace("application/problem+json", "application/json");
    let get = GET.to_owned();
    let post = "POST /orders HTTP/1.1\r\nHost: fuzz\r\nContent-Length: 2\r\n\r\n{}";
    for (sent, came, why) in [
        (
            GET,
            answer("500 Internal Server Error", OF_A_PROBLEM, GONE),
            "a server error",
        ),
        ("?", answer("503 Service Unavailable", "", ""), "a server error"),
        (GET, "garbage".to_owned(), "is not HTTP"),
        (GET, product() + "x", "is not HTTP"),
        (GET, product().replace("7", "70"), "is not HTTP"),
        (GET, String::new(), "1 requests got 0 answers"),
        (GET, HYPERS_OWN.to_owned(), "content type"),
        (GET, product() + &product(), "there was no request for it"),
        (&format!("{get}{get}"), product(), "2 requests got 1 answers"),
        (
            &format!("{}{{}}{get}", get.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n")),
            product(),
            "2 requests got 1 answers",
        ),
        (GET, answer("201 Created", OF_A_PRODUCT, PRODUCT), "not documented"),
        (GET, answer("418 Teapot", OF_A_PROBLEM, GONE), "is not the response's"),
        (GET, wrong_status, "is not the response's"),
        (GET, plain, "content type"),
        (GET, json, "content type"),
        (GET, product().replace("\"price\":12.5", "\"price\":-2.5"), "'/price'"),
        (GET, product().replace("\"stock\":40", "\"stock\":\"\""), "'/stock'"),
        (GET, product().replace("\"name\"", "\"Name\""), "\"name\" is a required"),
        (GET, product().replace("X-Request-Id", "X-Something"), "no X-Request-Id"),
        (GET, gone().replace("product", "orderly"), "'/type'"),
        (GET, gone().replace("\"title\"", "\"Title\""), "title"),
        (post, product(), "status 200 is not documented"),
        (
            &post.replace("Host", "Content-Encoding: br\r\nHost"),
            product(),
            "a body with a Content-Encoding was taken",
        ),
        (&get.replace("Host", "Ghost"), product(), "does not have one Host"),
        (
            GET,
            answer(
                "400 Bad Request",
                OF_A_PROBLEM,
                &GONE.replace("product-not-found", "invalid-host"),
            ),
            "400 for a good host",
        ),
        (
            &get.replace("Host", "Host: a\r\nHost"),
            gone(),
            "does not have one Host",
        ),
        (
            "GET HEAD",
            answer("400 Bad Request", "X-Request-Id: 1\r\n", ""),
            "content type",
        ),
        ("? garbage", gone().replace("product", "orderly"), "'/type'"),
        ("? garbage", answer("400 Bad Request", OF_A_PROBLEM, ""), "body"),
        ("? garbage", answer("403 Forbidden", "", ""), "content type"),
        (
            "GET /docs HTTP/1.1\r\nHost: fuzz\r\n\r\n",
            answer("404 Not Found", "X-Request-Id: 1\r\n", ""),
            "content type",
        ),
    ] {
        let found = judged(sent, &came);
        assert!(found.contains(why), "{sent:?} {came:?}: {found:?} in place of {why:?}");
    }
}

#[test]
fn answers_must_follow_from_the_conditions() {
    let request =
        |method: &str, conditions: &str| format!("{method} /products/7 HTTP/1.1\r\nHost: fuzz\r\n{conditions}\r\n");
    let unchanged = "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nX-Request-Id: 1\r\n\r\n";
    let deleted = "HTTP/1.1 204 No Content\r\nX-Request-Id: 1\r\n\r\n";
    let invalid = GONE
        .replace("product-not-found", "validation-failed")
        .replace("404", "422");
    let refused = answer("422 Unprocessable Content", OF_A_PROBLEM, &invalid);
    for (method, conditions, came) in [
        (
            "GET",
            "If-None-Match: \"2\", W/\"3\"\r\nIf-Match: \"2\"\r\nIf-Match: ,W/\"1\",\r\n",
            &*product(),
        ),
        ("GET", "If-None-Match: \"2\",\"1\"\r\n", unchanged),
        ("GET", "If-None-Match: *\r\n", unchanged),
        ("GET", "If-None-Match: 1\r\nIf-Match: **\r\n", &product()),
        ("DELETE", "If-Match: \"x\"\r\n", deleted),
        ("DELETE", "If-Match: x\r\n", &refused),
    ] {
        assert_eq!(judged(&request(method, conditions), came), "", "{method} {conditions}");
    }
    for (method, conditions, came, why) in [
        (
            "GET",
            "If-None-Match: \"2\"\r\n",
            unchanged,
            "304 for an unknown version",
        ),
        ("GET", "", unchanged, "304 for an unknown version"),
        (
            "GET",
            "If-None-Match: W/\"1\"\r\n",
            &*product(),
            "200 for a known version",
        ),
        ("GET", "If-Match: \"2\"\r\n", &product(), "200 for another version"),
        ("GET", "If-Match: x\r\n", &refused, "a condition was refused"),
        (
            "DELETE",
            "If-Match: ,\"1\" ,,W/\"2\"\r\n",
            &refused,
            "a good condition was refused",
        ),
        (
            "DELETE",
            "If-Match: x\r\n",
            deleted,
            "an unreadable condition was taken",
        ),
    ] {
        let found = judged(&request(method, conditions), came);
        assert!(
            found.contains(why),
            "{method} {conditions}: {found:?} in place of {why:?}"
        );
    }
}

#[test]
fn webhooks_must_be_signed_in_one_way() {
    let receipt = r#"{"event_id":"evt_1","result":"applied","order_id":7,"order_status":"PAID"}"#;
    let taken = answer(
        "200 OK",
        "Content-Type: application/json\r\nX-Request-Id: 1\r\n",
        receipt,
    );
    let (own, standard, stripe) = (
        "X-Webhook-Signature: a\r\n",
        "webhook-signature: a\r\n",
        "Stripe-Signature: a\r\n",
    );
    let both = format!("{own}{standard}");
    for (path, headers, is_signed) in [
        ("payment", own, true),
        ("payment", standard, true),
        ("payment", &both, false),
        ("payment", stripe, false),
        ("payment", "", false),
        ("stripe", stripe, true),
        ("stripe", &both, false),
        ("stripe", "", false),
    ] {
        let sent = format!("POST /webhooks/{path} HTTP/1.1\r\nHost: fuzz\r\n{headers}\r\n");
        let found = judged(&sent, &taken);
        let expected = if is_signed { "" } else { "not signed in one way" };
        assert!(
            found.contains(expected) && found.is_empty() == is_signed,
            "{sent:?}: {found:?}"
        );
    }
}

#[test]
fn a_connection_that_stays_open_is_a_finding() {
    let open = Came {
        bytes: product().into_bytes(),
        end: End::Open,
    };
    assert!(judge(Contract::of_the_service(), GET.as_bytes(), &open).is_err());
}

#[test]
fn only_what_was_not_read_excuses_a_reset() {
    let reset = || Came {
        bytes: Vec::new(),
        end: End::Reset,
    };
    assert!(judge(Contract::of_the_service(), GET.as_bytes(), &reset()).is_err());
    let long = format!("PUT /a HTTP/1.1\r\nContent-Length: 70000\r\n\r\n{}", "x".repeat(70_000));
    assert_eq!(
        judge(Contract::of_the_service(), long.as_bytes(), &reset()),
        Ok(Vec::new())
    );
}
