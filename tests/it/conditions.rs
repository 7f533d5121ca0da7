//! Conditional requests: `If-Match` and `If-None-Match` (RFC 9110, section 13).

use serde_json::json;

use crate::etag::{BOTH, app_with_data, tag};
use crate::support::client::{Call, at_once};
use crate::support::{Answer, TestApp};

/// Lists of tags that do not name version 2.
const OTHERS: [&str; 12] = [
    "\"1\"",
    "\"3\"",
    "W/\"3\"",
    "\"02\"",
    "\"+2\"",
    "W/\"02\"",
    "\"\"",
    "\"x\"",
    "\"1\", \"3\"",
    "\"99999999999999999999\"",
    "",
    ",",
];

/// Lists of tags that name version 2, in every way that RFC 9110 allows (sections 5.6.1.2 and 8.8.3).
const NAMING: [&str; 10] = [
    "\"2\"",
    "W/\"2\"",
    "\"1\", \"2\"",
    "\"x\",W/\"2\",W/\"9\"",
    "\"2\",",
    ",\"2\"",
    "\"1\"\t,\t\"2\"",
    ", ,\t,\"2\" ,,",
    "\"a,b\", \"2\"",
    "\"\u{e4}\", \"2\"",
];

/// Headers that are not a list of entity tags.
const MALFORMED: [&str; 9] = [
    "2",
    "\"2",
    "2\"",
    "\"2\" \"3\"",
    "*, \"2\"",
    "*, *",
    ",*",
    "w/\"2\"",
    "\"2 \"",
];

/// The tag `"2"` in this header replaced by `version`.
fn with_version(header: &str, version: &str) -> String {
    header.replace("\"2\"", version)
}

#[tokio::test]
async fn an_update_happens_only_in_a_version_listed_in_if_match() {
    for condition in NAMING.into_iter().chain(["*"]) {
        let app = app_with_data().await;
        for (path, change) in BOTH {
            let (before, _) = app.version(path).await;
            let changed = app
                .put(path, change)
                .header("if-match", &with_version(condition, &before));
            changed.await.expect(200);
        }
    }
}

/// The service with a product and an order that are both in version 2, and a change of each.
async fn app_in_version_2() -> (TestApp, [(&'static str, &'static str); 2]) {
    let app = TestApp::new();
    app.product(10).await;
    app.order(1, 2).await;
    app.pay(1).await;
    let changes = [
        ("/products/1", r#"{"name":"y","stock":1}"#),
        ("/orders/1", r#"{"status":"CANCELED"}"#),
    ];
    for (path, _) in changes {
        assert_eq!(app.version(path).await.0, "\"2\"");
    }
    (app, changes)
}

#[track_caller]
fn assert_stale(answer: Answer, end: &str) {
    let problem = answer.expect_problem(412, "/problems/stale-version");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.ends_with(&format!(" is in version \"2\", which {end}.")),
        "{detail}"
    );
}

#[tokio::test]
async fn a_stale_version_changes_nothing() {
    let (app, changes) = app_in_version_2().await;
    let before = app.snapshot().await;
    for (path, change) in changes {
        for condition in OTHERS {
            let put = app.put(path, change).header("if-match", condition).await;
            assert_stale(put, "If-Match does not name");
            let delete = app.delete(path).header("if-match", condition).await;
            assert_stale(delete, "If-Match does not name");
        }
    }
    assert_eq!(app.snapshot().await, before);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_version_that_if_none_match_names_is_not_changed() {
    let (app, changes) = app_in_version_2().await;
    let before = app.snapshot().await;
    for (path, change) in changes {
        for condition in NAMING.into_iter().chain(["*"]) {
            let put = app.put(path, change).header("if-none-match", condition).await;
            assert_stale(put, "If-None-Match names");
            let delete = app.delete(path).header("if-none-match", condition).await;
            assert_stale(delete, "If-None-Match names");
        }
    }
    assert_eq!(app.snapshot().await, before);
}

#[tokio::test]
async fn a_version_that_if_none_match_does_not_name_is_changed() {
    for condition in OTHERS {
        let (app, changes) = app_in_version_2().await;
        for (path, change) in changes {
            app.put(path, change)
                .header("if-none-match", condition)
                .await
                .expect(200);
        }
    }
    let app = app_with_data().await;
    for path in ["/orders/1", "/products/1"] {
        app.delete(path).header("if-none-match", "\"1\"").await.expect(204);
        // What is not there is in no version.
        app.delete(path).header("if-none-match", "*").await.expect(404);
    }
}

/// RFC 9110, section 13.2.2: `If-Match` first. Lines of one header are one list (section 5.3).
#[tokio::test]
async fn both_conditions_must_hold_and_if_match_is_judged_first() {
    let (app, changes) = app_in_version_2().await;
    for (path, change) in changes {
        for (if_match, if_none_match, why) in [
            ("\"1\"", "\"2\"", "If-Match does not name"),
            ("\"2\"", "\"2\"", "If-None-Match names"),
            ("*", "*", "If-None-Match names"),
        ] {
            let conditions = |call: Call| call.header("if-match", if_match).header("if-none-match", if_none_match);
            assert_stale(conditions(app.put(path, change)).await, why);
            assert_stale(conditions(app.delete(path)).await, why);
            let get = conditions(app.get(path)).await;
            match why.starts_with("If-Match") {
                true => assert_stale(get, why),
                false => assert_eq!(get.status, 304),
            }
        }
        let lines = |call: Call, name| call.header(name, "\"7\"").header(name, "").header(name, "W/\"2\"");
        assert_stale(
            lines(app.put(path, change), "if-none-match").await,
            "If-None-Match names",
        );
        lines(app.get(path), "if-none-match").await.expect(304);
        let bytes = app.get(path).header_bytes("if-none-match", b"\"\xff\xfe\", \"2\"");
        bytes.await.expect(304);
        lines(app.put(path, change), "if-match")
            .header("if-none-match", "\"7\"")
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_get_with_if_match_sends_that_version_only() {
    let (app, changes) = app_in_version_2().await;
    for (path, _) in changes {
        for condition in NAMING.into_iter().chain(["*"]) {
            app.get(path).header("if-match", condition).await.expect(200);
            app.head(path).header("if-match", condition).await.expect(200);
        }
        for condition in OTHERS {
            let get = app.get(path).header("if-match", condition).await;
            assert_stale(get, "If-Match does not name");
            let head = app.head(path).header("if-match", condition).await.expect(412);
            assert!(head.body.is_empty());
        }
    }
    app.get("/orders/9")
        .header("if-match", "\"1\"")
        .await
        .expect_problem(404, "/problems/order-not-found");
}

#[tokio::test]
async fn a_deletion_happens_only_in_a_version_listed_in_if_match() {
    let app = app_with_data().await;
    for path in ["/orders/1", "/products/1"] {
        let (current, _) = app.version(path).await;
        app.delete(path)
            .header("if-match", "\"1\"")
            .await
            .expect_problem(412, "/problems/stale-version");
        app.delete(path).header("if-match", &current).await.expect(204);
        let gone = app.delete(path).header("if-match", "*").await;
        assert_eq!(gone.status, 404, "a missing resource has no version: {gone:?}");
    }
}

#[tokio::test]
async fn the_version_is_checked_after_validation_and_before_the_rules() {
    let app = app_with_data().await;
    app.pay(1).await;
    let stale = |body: &str| app.put("/orders/1", body).header("if-match", "\"1\"");
    stale(r#"{"status":"PENDING"}"#)
        .await
        .expect_problem(412, "/problems/stale-version");
    app.delete("/orders/1")
        .header("if-match", "\"1\"")
        .await
        .expect_problem(412, "/problems/stale-version");
    app.delete("/products/1")
        .header("if-match", "\"1\"")
        .await
        .expect_problem(412, "/problems/stale-version");
    stale("{").await.expect_problem(400, "/problems/malformed-json");
    assert_eq!(stale("{}").await.expect_failures(), [""]);
    app.put("/orders/9", json!({"quantity": 1}))
        .header("if-match", "\"1\"")
        .await
        .expect_problem(404, "/problems/order-not-found");
    // An update that changes nothing is refused as well: the caller has not seen the current version.
    stale(r#"{"status":"PAID"}"#)
        .await
        .expect_problem(412, "/problems/stale-version");
}

#[tokio::test]
async fn conditions_that_cannot_be_read_are_refused_on_writes_and_ignored_on_reads() {
    let app = app_with_data().await;
    let before = app.snapshot().await;
    for (path, change) in BOTH {
        for condition in MALFORMED {
            for (name, failure) in [("if-match", "?If-Match"), ("if-none-match", "?If-None-Match")] {
                let put = app.put(path, change).header(name, condition).await;
                assert_eq!(put.expect_failures(), [failure], "{condition}");
                let delete = app.delete(path).header(name, condition).await;
                assert_eq!(delete.expect_failures(), [failure], "{condition}");
                app.get(path).header(name, condition).await.expect(200);
                app.head(path).header(name, condition).await.expect(200);
            }
            let put = app
                .put(path, change)
                .header("if-match", condition)
                .header("if-none-match", condition);
            assert_eq!(
                put.await.expect_failures(),
                ["?If-Match", "?If-None-Match"],
                "{condition}"
            );
        }
        let lines = app
            .put(path, change)
            .header("if-match", "*")
            .header("if-match", "\"1\"");
        assert_eq!(lines.await.expect_failures(), ["?If-Match"]);
    }
    assert_eq!(app.snapshot().await, before);
}

#[tokio::test]
async fn a_long_condition_is_read_to_its_end() {
    let app = app_with_data().await;
    let (current, _) = app.version("/orders/1").await;
    let list = format!("{}{current}", "\"7\",".repeat(2_000));
    app.get("/orders/1").header("if-none-match", &list).await.expect(304);
    let change = app.put("/orders/1", json!({"quantity": 3}));
    change.header("if-match", &list).await.expect(200);
}

/// Lists and what posts create or change have no version; the documentation has tags of its own.
#[tokio::test]
async fn resources_without_a_version_ignore_conditions() {
    let app = app_with_data().await;
    for name in ["if-match", "if-none-match"] {
        for condition in ["*", "\"1\"", "W/\"x\"", "nonsense"] {
            for path in ["/products", "/orders", "/products/1/stock-movements", "/payment-events"] {
                app.get(path).header(name, condition).await.expect(200);
            }
            let post = app.post("/products/1/stock-movements", json!({"delta": 1}));
            post.header(name, condition).await.expect(201);
            app.place(1, 1).header(name, condition).await.expect(201);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_updates_of_one_version_one_succeeds() {
    let app = app_with_data().await;
    let (current, _) = app.version("/products/1").await;
    let rename = |number| {
        app.put("/products/1", json!({"name": format!("n{number}")}))
            .header("if-match", &current)
    };
    let answers = at_once((0..32).map(rename)).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((made.len(), refused.len()), (1, 31));
    for answer in refused {
        answer.expect_problem(412, "/problems/stale-version");
    }
    assert_eq!(app.version("/products/1").await, (tag(&made[0]), made[0].value()));
}

#[tokio::test]
async fn a_client_that_has_the_version_gets_304() {
    let app = app_with_data().await;
    for (path, change) in BOTH {
        let (current, body) = app.version(path).await;
        for condition in [
            "*",
            &current,
            &format!("W/{current}"),
            &format!("\"1\", {current}"),
            &format!("\"x\",W/{current}"),
        ] {
            for call in [app.get(path), app.head(path)] {
                let known = call.header("if-none-match", condition).await.expect(304);
                assert_eq!((tag(&known), known.body.len()), (current.clone(), 0), "{condition}");
                assert_eq!(known.header("content-type"), None);
            }
        }
        for condition in ["\"1\"", "\"x\"", "W/\"1\"", "\"\""] {
            let sent = app.get(path).header("if-none-match", condition).await;
            assert_eq!(
                (tag(&sent), sent.json(200)),
                (current.clone(), body.clone()),
                "{condition}"
            );
            let head = app.head(path).header("if-none-match", condition).await.expect(200);
            assert_eq!((tag(&head), head.body.len()), (current.clone(), 0), "{condition}");
        }
        app.put(path, change).await.expect(200);
        app.get(path).header("if-none-match", &current).await.expect(200);
    }
    app.get("/orders/9")
        .header("if-none-match", "*")
        .await
        .expect_problem(404, "/problems/order-not-found");
}
