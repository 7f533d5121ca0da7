//! An event that has no effect and sounds like money gives one warning, which says what to do. Others give none.

use orders_inventory::domain::Timestamp;
use orders_inventory::http::Clock;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{SECRET, STRIPE_SECRET};
use crate::support::payment::{HEADER, STRIPE_HEADER, sign};
use crate::support::process::{Server, command};

/// The service with two orders for 1 each, and a log in JSON.
fn start(folder: &TempDir) -> Server {
    let mut command = command(&folder.path().join("test.db"));
    command.envs([
        ("LOG_FORMAT", "json"),
        ("WEBHOOK_SECRET", SECRET),
        ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET),
        ("CURRENCY", "EUR"),
    ]);
    let server = Server::start(&mut command);
    server.ask("POST", "/products", r#"{"sku":"A","name":"a","price":1,"stock":5}"#);
    for _ in 0..2 {
        server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
    }
    server
}

/// Delivers an event, which must be taken; returns its result.
fn deliver(server: &Server, path: &str, event: &Value) -> String {
    let (header, secret) = match path {
        "/webhooks/stripe" => (STRIPE_HEADER, STRIPE_SECRET),
        _ => (HEADER, SECRET),
    };
    let (body, now): (_, Timestamp) = (event.to_string(), Clock::system().now());
    let signature = sign(secret, now.millis() / 1_000, body.as_bytes());
    let ((status, receipt), _) = server.ask_with("POST", path, &[(header, &signature)], &body);
    assert_eq!(status, 200, "{event}: {receipt}");
    receipt["result"].as_str().unwrap().to_owned()
}

/// Every warning about an event that was ignored: the event and the message, in their order.
fn warnings(server: &Server) -> Vec<(String, String)> {
    server.signal(Signal::TERM);
    let log = server.rest_of_log();
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let warned = lines.filter(|line| line["level"] == "WARN" && line["event"].is_string());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    warned
        .map(|line| (text(&line["event"]), text(&line["message"])))
        .collect()
}

#[test]
fn unknown_types_that_sound_like_money_are_warned_of_once_and_others_are_not() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder);
    let loud = [
        "order.paid",
        "invoice.payment_succeeded",
        "PAYMENT.CAPTURE.COMPLETED",
        "charge:captured",
    ];
    let quiet = ["ping", "customer.created", "payment.created", "paid.not", "unpaid"];
    for event_type in loud.into_iter().chain(quiet) {
        let event = json!({"id": event_type, "type": event_type, "data": {"order_id": 1}});
        assert_eq!(deliver(&server, "/webhooks/payment", &event), "ignored");
        // A second delivery is known.
        assert_eq!(deliver(&server, "/webhooks/payment", &event), "duplicate");
    }
    // A known type says what it is.
    let failed = json!({"id": "failed", "type": "payment.failed", "data": {"order_id": 1}});
    assert_eq!(deliver(&server, "/webhooks/payment", &failed), "ignored");
    assert_eq!(server.ask("GET", "/orders/1", "").1["status"], "PENDING");
    let warned = warnings(&server);
    let events: Vec<_> = warned.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(events, loud);
    for (_, message) in warned {
        assert!(
            message.starts_with("a payment event was ignored: its type sounds like money")
                && message.contains("send the types that the documentation lists"),
            "{message}"
        );
    }
}

#[test]
fn each_reason_to_ignore_an_event_of_stripe_is_told_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder);
    let of = |id: &str, kind: &str, object: Value| {
        let mut event = json!({"id": id, "object": "event", "type": kind, "created": 1, "livemode": true});
        event["data"]["object"] = object;
        event
    };
    let intent =
        |order: &str| json!({"id": "pi_1", "amount_received": 100, "currency": "eur", "metadata": {"order_id": order}});
    let paid = "payment_intent.succeeded";
    let mut test_mode = of("test", paid, intent("1"));
    test_mode["livemode"] = json!(false);
    let mut connected = of("connected", paid, intent("1"));
    connected["account"] = json!("acct_1");
    let usd = json!({"id": "re_1", "payment_intent": "pi_1", "amount": 100, "currency": "usd", "status": "succeeded"});
    let told = [
        (test_mode, "ignored", "check STRIPE_LIVEMODE"),
        (connected, "ignored", "check STRIPE_ACCOUNT"),
        (
            of("unknown", "invoice.paid", json!({})),
            "ignored",
            "its type sounds like money",
        ),
        (
            of("unnamed", paid, intent("no order")),
            "ignored",
            "put the order's id into the metadata",
        ),
        (of("unread", paid, json!("pi_1")), "ignored", "cannot be read"),
        (of("paid", paid, intent("1")), "applied", ""),
        (of("other", paid, intent("2")), "ignored", "recorded for another order"),
        (of("usd", "refund.created", usd), "ignored", "another currency"),
        (of("again", paid, intent("1")), "ignored", ""),
        (of("customer", "customer.created", json!({})), "ignored", ""),
        (
            of("failed", "payment_intent.payment_failed", intent("1")),
            "ignored",
            "",
        ),
    ];
    for (event, result, _) in &told {
        assert_eq!(deliver(&server, "/webhooks/stripe", event), *result, "{event}");
    }
    let warned = warnings(&server);
    let expected = told.iter().filter(|(_, _, advice)| !advice.is_empty());
    let expected: Vec<_> = expected
        .map(|(event, _, advice)| (event["id"].as_str().unwrap(), *advice))
        .collect();
    let events: Vec<_> = warned.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(events, expected.iter().map(|(event, _)| *event).collect::<Vec<_>>());
    for ((_, message), (event, advice)) in warned.iter().zip(expected) {
        assert!(message.contains(advice), "{event}: {message}");
    }
}
