//! What is wrong with requests, and what comes back: all of it at once, in one shape, and nothing changes.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use futures_util::{StreamExt, stream};
use orders_inventory::error::Error;
use orders_inventory::http::Limits;
use serde_json::{Value, json};

use crate::support::app::LIMITS;
use crate::support::contract::Contract;
use crate::support::{Client, TestApp, failing};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1}"#;

#[tokio::test]
async fn all_failures_of_a_body_come_at_once() {
    let app = TestApp::new();
    let cases = [
        ("{}", vec!["/name", "/price", "/sku", "/stock"]),
        (
            r#"{"sku":"-","name":" ","price":0,"stock":-1}"#,
            vec!["/name", "/price", "/sku", "/stock"],
        ),
        (
            r#"{"sku":1,"name":[],"price":"1","stock":{}}"#,
            vec!["/name", "/price", "/sku", "/stock"],
        ),
        (
            r#"{"sku":null,"name":null,"price":null,"stock":null}"#,
            vec!["/name", "/price", "/sku", "/stock"],
        ),
        (
            r#"{"sku":"A","name":"a","price":1,"stock":1,"id":1,"a/b~c":2}"#,
            vec!["/a~1b~0c", "/id"],
        ),
        (r#"{"sku":"A","sku":"B","name":"a","price":1,"stock":1}"#, vec!["/sku"]),
        (r#"{"sku":"A","name":"a","price":1,"stock":1,"x":1,"x":1}"#, vec!["/x"]),
        (
            r#"{"SKU":"A","name":"a","price":1.001,"stock":1.5}"#,
            vec!["/SKU", "/price", "/sku", "/stock"],
        ),
        (r#"{"sku":"A","name":"\ud800","price":1,"stock":1}"#, vec!["/name"]),
    ];
    for (body, places) in cases {
        assert_eq!(app.post("/products", body).await.expect_failures(), places, "{body}");
    }
    for body in ["[]", "null", "1", r#""text""#, "true", "[{}]"] {
        assert_eq!(app.post("/products", body).await.expect_failures(), [""], "{body}");
    }
    assert!(app.walk("/products").await.is_empty());
}

#[tokio::test]
async fn an_update_must_name_something_to_change() {
    let app = TestApp::new();
    let product = app.product(1).await;
    let order = app.order(product, 1).await;
    for path in [format!("/products/{product}"), format!("/orders/{order}")] {
        assert_eq!(app.put(&path, json!({})).await.expect_failures(), [""]);
        assert_eq!(app.put(&path, json!({"id": 1})).await.expect_failures(), ["", "/id"]);
    }
}

#[tokio::test]
async fn failures_of_path_and_body_come_together() {
    let app = TestApp::new();
    let refused = app.put("/products/0", json!({"price": 0, "stock": -1})).await;
    assert_eq!(refused.expect_failures(), ["?id", "/price", "/stock"]);
    let refused = app.put("/orders/x", json!({"quantity": 0, "status": "LOST"})).await;
    assert_eq!(refused.expect_failures(), ["?id", "/quantity", "/status"]);
    let refused = app.post("/products/1.0/stock-movements", json!({"delta": 0})).await;
    assert_eq!(refused.expect_failures(), ["?id", "/delta"]);
}

#[tokio::test]
async fn the_detail_is_a_sentence_on_every_failure() {
    let app = TestApp::new();
    let body = json!({"sku": "A", "name": "a", "price": 1.001});
    let problem = app
        .post("/products", body)
        .await
        .expect_problem(422, "/problems/validation-failed");
    let why = |index: usize| problem["errors"][index]["detail"].as_str().unwrap();
    let sentence = format!("The request has 2 failures: /price {}; /stock {}.", why(0), why(1));
    assert_eq!(problem["detail"], sentence);

    let problem = app
        .get("/orders?limit=0")
        .await
        .expect_problem(422, "/problems/validation-failed");
    assert_eq!(
        problem["detail"],
        "The request has 1 failure: limit must be from 1 to 100."
    );
}

#[tokio::test]
async fn ids_are_positive_64_bit_integers_in_their_one_spelling() {
    let app = TestApp::new();
    for id in [
        "0",
        "-1",
        "01",
        "+1",
        "1.0",
        "1e0",
        "x",
        "%31x",
        "%FF",
        "%20",
        "9223372036854775808",
        "1%00",
    ] {
        for path in [
            format!("/products/{id}"),
            format!("/orders/{id}"),
            format!("/products/{id}/stock-movements"),
        ] {
            assert_eq!(app.get(&path).await.expect_failures(), ["?id"], "{path}");
        }
        assert_eq!(
            app.delete(&format!("/products/{id}")).await.expect_failures(),
            ["?id"],
            "{id}"
        );
        assert_eq!(
            app.delete(&format!("/orders/{id}")).await.expect_failures(),
            ["?id"],
            "{id}"
        );
    }
    app.get("/products/%31")
        .await
        .expect_problem(404, "/problems/product-not-found");
}

/// Every operation with a body, by path.
const WITH_BODY: [(Method, &str); 5] = [
    (Method::POST, "/products"),
    (Method::PUT, "/products/1"),
    (Method::POST, "/products/1/stock-movements"),
    (Method::POST, "/orders"),
    (Method::PUT, "/orders/1"),
];

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let app = TestApp::new();
    let bodies: [&[u8]; 16] = [
        b"",
        b" ",
        b"{",
        br#"{"sku":"A""#,
        br#"{"sku":}"#,
        br#"{"sku":"A",}"#,
        b"{sku:1}",
        b"{'sku':1}",
        b"{} {}",
        b"{}]",
        b"nul",
        b"\xff\xfe{}",
        b"{\"sku\":\"\xc3\x28\"}",
        b"\xef\xbb\xbf{}",
        b"{\"sku\":\"a\nb\"}",
        br#"{"sku":"\x41"}"#,
    ];
    for (method, path) in WITH_BODY {
        for body in bodies {
            let answer = app.call(method.clone(), path).json(body.to_vec()).await;
            answer.expect_problem(400, "/problems/malformed-json");
        }
    }
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let app = TestApp::new();
    for (method, path) in WITH_BODY {
        let call = || app.call(method.clone(), path).body("{}");
        call().await.expect_problem(415, "/problems/unsupported-media-type");
        for kind in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "json",
            "application/xml;x=application/json",
        ] {
            let answer = call().header("content-type", kind).await;
            answer.expect_problem(415, "/problems/unsupported-media-type");
        }
        let twice = call()
            .header("content-type", "application/json")
            .header("content-type", "application/json");
        twice.await.expect_problem(415, "/problems/unsupported-media-type");
    }
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
    ] {
        app.call(Method::POST, "/products")
            .body("{}")
            .header("content-type", kind)
            .await
            .expect(422);
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let app = TestApp::with_limits(Limits {
        body_bytes_max: 100,
        ..LIMITS
    });
    let padded = |bytes: usize| format!("{PRODUCT:bytes$}");
    for (method, path) in WITH_BODY {
        let problem = app
            .call(method, path)
            .json(padded(101))
            .await
            .expect_problem(413, "/problems/payload-too-large");
        assert_eq!(problem["detail"], "The body is larger than 100 bytes.");
    }
    // Also where nobody says beforehand how much will come.
    let chunks = stream::repeat_with(|| Ok::<_, io::Error>("          "));
    let endless = app.call(Method::POST, "/products").body(Body::from_stream(chunks));
    endless.await.expect_problem(413, "/problems/payload-too-large");
    assert!(app.walk("/products").await.is_empty());
    app.post("/products", padded(100)).await.expect(201);
}

/// A request for a new product whose body begins well and goes on like this.
fn begun(
    app: &Client,
    rest: impl stream::Stream<Item = io::Result<&'static str>> + Send + 'static,
) -> crate::support::client::Call {
    let (start, _) = PRODUCT.split_at(10);
    let body = stream::iter([Ok(start)]).chain(rest);
    app.call(Method::POST, "/products")
        .body(Body::from_stream(body))
        .header("content-type", "application/json")
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let app = TestApp::with_limits(Limits {
        body_timeout: Duration::from_millis(20),
        ..LIMITS
    });
    begun(&app, stream::pending())
        .await
        .expect_problem(408, "/problems/request-timeout");
    assert!(app.walk("/products").await.is_empty());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let app = TestApp::new();
    let broken = stream::iter([Err(io::Error::other("a secret cause"))]);
    let problem = begun(&app, broken)
        .await
        .expect_problem(400, "/problems/malformed-json");
    assert!(!problem.to_string().contains("secret"), "{problem}");
    begun(&app, stream::empty())
        .await
        .expect_problem(400, "/problems/malformed-json");
}

#[tokio::test]
async fn there_is_nothing_at_other_paths() {
    let app = TestApp::new();
    let paths = [
        "/nope",
        "/products/",
        "/products/1/",
        "//products",
        "/Products",
        "/products/1/orders",
        "/orders/1/2",
        "/products/1/stock-movements/1",
        "/problems/",
        "/docs/nope",
        "/healthz/",
        "/%70roducts",
        "/products%2F1",
        "/api/products",
        "/.env",
    ];
    for path in paths {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
        ] {
            if path == "/docs/nope" && method != Method::GET {
                continue;
            }
            let answer = app.call(method, path).await;
            answer.expect_problem(404, "/problems/not-found");
        }
    }
}

/// The client compares `Allow` with the contract; here every path meets every method.
#[tokio::test]
async fn a_path_refuses_the_methods_that_the_contract_does_not_give_it() {
    let app = TestApp::new();
    let contract = Contract::ours();
    let taken: Vec<_> = contract
        .operations()
        .map(|operation| (operation.template, operation.method))
        .collect();
    let mut refused = 0;
    for (template, _) in &taken {
        let path = template.replace("{id}", "1").replace("{name}", "not-found");
        for method in [
            "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW",
        ] {
            let method: Method = method.parse().unwrap();
            if !taken.contains(&(template, method.clone())) {
                app.call(method, &path)
                    .await
                    .expect_problem(405, "/problems/method-not-allowed");
                refused += 1;
            }
        }
    }
    assert!(refused > 50);
}

/// An answer of each kind, from the client's side of every layer.
async fn one_of_each(app: &Client, id: &str) -> Vec<crate::support::Answer> {
    let call = |method, path: &str| app.call(method, path).header("x-request-id", id);
    vec![
        call(Method::GET, "/healthz").await,
        call(Method::GET, "/docs").await,
        call(Method::GET, "/").await,
        call(Method::GET, "/nope").await,
        call(Method::PATCH, "/products").await,
        call(Method::POST, "/products").await,
        call(Method::POST, "/products").json("{").await,
        call(Method::POST, "/products").json("{}").await,
        call(Method::POST, "/products").json(" ".repeat(70_000)).await,
        call(Method::GET, "/products/7").await,
    ]
}

#[tokio::test]
async fn every_answer_carries_the_id_that_its_request_brought() {
    let app = TestApp::new();
    let panicking = failing::service(|| panic!("in a handler"));
    let longest = "x".repeat(128);
    for id in [
        "7",
        "018f5c3a-8f3e-7c1d-9b6a-2f4f5d0c1a2b",
        "a=\"b\";{c}",
        "!~",
        &longest,
    ] {
        for answer in one_of_each(&app, id)
            .await
            .into_iter()
            .chain(one_of_each(&panicking, id).await)
        {
            assert_eq!(answer.header("x-request-id"), Some(id));
        }
    }
}

#[tokio::test]
async fn ids_that_make_no_sense_are_replaced_by_new_ones() {
    let app = TestApp::new();
    let mut given = Vec::new();
    for id in ["", " ", "a b", "tab\there", "\u{e4}", "\u{1f916}", &"x".repeat(129)] {
        for answer in one_of_each(&app, id).await {
            given.push(answer.header("x-request-id").unwrap().to_owned());
        }
    }
    let twice = app
        .get("/healthz")
        .header("x-request-id", "a")
        .header("x-request-id", "b")
        .await;
    given.push(twice.header("x-request-id").unwrap().to_owned());
    given.push(app.get("/healthz").await.header("x-request-id").unwrap().to_owned());
    let count = given.len();
    assert!(given.iter().all(|id| id.len() == 36), "{given:?}");
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), count, "each request has its own");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_tells_nothing() {
    let app = failing::service(|| panic!("a secret cause"));
    for answer in [
        app.get("/products").await,
        app.post("/products", PRODUCT).await,
        app.get("/readyz").await,
    ] {
        assert!(!answer.text().contains("secret"), "{answer:?}");
        let problem = answer.expect_problem(500, "/problems/internal-error");
        assert_eq!(
            problem["detail"],
            "The service failed; the request id leads to the cause in its log."
        );
    }
}

#[tokio::test]
async fn failures_of_the_store_say_what_a_client_can_do_and_nothing_else() {
    type Failure = fn() -> Error;
    let failures: [(Failure, u16, &str); 3] = [
        (|| Error::Overloaded, 503, "/problems/overloaded"),
        (
            || Error::storage("a secret cause"),
            503,
            "/problems/storage-unavailable",
        ),
        (|| Error::internal("a secret cause"), 500, "/problems/internal-error"),
    ];
    for (failure, status, kind) in failures {
        let app = failing::service(failure);
        let answers = [
            app.get("/products").await,
            app.get("/orders/1").await,
            app.post("/products", PRODUCT).await,
            app.put("/orders/1", json!({"quantity": 1})).await,
            app.delete("/products/1").await,
        ];
        for answer in answers {
            let retry_after = answer
                .header("retry-after")
                .map(|seconds| seconds.parse::<u32>().unwrap());
            assert_eq!(retry_after.is_some(), status == 503, "{answer:?}");
            assert!(!answer.text().contains("secret"), "{answer:?}");
            answer.expect_problem(status, kind);
        }
    }
}

/// Bytes that follow no pattern, the same each time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next(&mut state)).collect()
}

#[tokio::test]
async fn refused_requests_change_nothing() {
    let app = TestApp::new();
    let product = app.product(10).await;
    app.product(0).await;
    app.order(product, 3).await;
    let before = app.snapshot().await;

    let deep = ["[", r#"{"a":"#].map(|open| open.repeat(10_000));
    let mut bodies: Vec<Vec<u8>> = [
        "",
        "{}",
        "null",
        "[]",
        "0",
        "\"\"",
        "{",
        r#"{"product_id":1}"#,
        r#"{"quantity":-1}"#,
        r#"{"status":"PAID"}"#,
        r#"{"stock":5,"stock":6}"#,
        r#"{"price":1.999}"#,
        r#"{"name":""}"#,
        r#"{"delta":0}"#,
        r#"{"delta":-11}"#,
        r#"{"sku":"A","name":"a","price":1,"x":1}"#,
        r#"{"product_id":1,"quantity":8}"#,
        r#"{"product_id":9,"quantity":1}"#,
        r#"{"product_id":1,"quantity":1,"status":"PAID"}"#,
        r#"{"sku":"SKU-1","name":"a","price":1,"stock":1}"#,
        r#"{"delta":1e99}"#,
        r#"{"quantity":9999}"#,
        r#"{"quantity":1e1000000000000}"#,
    ]
    .iter()
    .chain(&deep.each_ref().map(String::as_str))
    .map(|body| body.as_bytes().to_vec())
    .collect();
    bodies.extend((0..40).map(|seed| noise(seed, 1 + usize::try_from(seed).unwrap() * 7)));
    bodies.push(vec![b' '; 70_000]);

    let mut refused = 0;
    for (method, path) in WITH_BODY {
        for body in &bodies {
            let answer = app.call(method.clone(), path).json(body.clone()).await;
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path} {}: {answer:?}",
                String::from_utf8_lossy(body)
            );
            refused += 1;
        }
    }
    for path in ["/products/1", "/products/9", "/orders/2", "/orders/x", "/products/0"] {
        app.delete(path).await;
        refused += 1;
    }
    assert!(refused > 300);
    assert_eq!(app.snapshot().await, before);
    assert_eq!(app.stock(product).await, 7);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn garbage_in_paths_queries_and_headers_is_refused_or_ignored() {
    let app = TestApp::new();
    for query in [
        "%",
        "%zz",
        "%FF",
        "%FF=1",
        "=",
        "&&&",
        "limit",
        "limit=&limit=",
        "a[]=1",
        "limit=1;cursor=2",
        &"x".repeat(10_000),
    ] {
        let answer = app.get(&format!("/products?{query}")).await;
        assert_eq!(answer.status, if query == "&&&" { 200 } else { 422 }, "{query}");
    }
    let mut request = Request::get("/products").body(Body::empty()).unwrap();
    for (number, name) in [
        "accept",
        "cookie",
        "host",
        "authorization",
        "content-length",
        "transfer-encoding",
        "if-match",
    ]
    .into_iter()
    .enumerate()
    {
        let value = noise(u64::try_from(number).unwrap(), 50)
            .into_iter()
            .map(|byte| byte | 0x80)
            .collect::<Vec<_>>();
        request
            .headers_mut()
            .insert(name, HeaderValue::from_bytes(&value).unwrap());
    }
    let page: Value = app.send(request).await.json(200);
    assert_eq!(page["items"], json!([]));
}
