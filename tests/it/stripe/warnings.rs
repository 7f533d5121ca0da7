//! What a person has to know is in the log and in the metrics of the running binary.

use std::collections::BTreeMap;

use orders_inventory::http::Clock;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::payment::sign;
use crate::support::process::{Server, command};
use crate::support::scrape::Scrape;
use crate::support::stripe::{HEADER, charge, dispute, event, intent, refund, session, with};

const SECRET: &str = "whsec_live";

/// The running service with orders of 25.00.
struct Running {
    server: Server,
    _folder: TempDir,
}

impl Running {
    fn with(orders: usize, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = command(&folder.path().join("test.db"));
        command
            .envs([
                ("LOG_FORMAT", "json"),
                ("METRICS_ADDR", "127.0.0.1:0"),
                ("STRIPE_WEBHOOK_SECRET", SECRET),
                ("CURRENCY", "EUR"),
            ])
            .envs(settings.iter().copied());
        let server = Server::start(&mut command);
        server.ask("POST", "/products", r#"{"sku":"A","name":"a","price":25,"stock":99}"#);
        for _ in 0..orders {
            let (status, _) = server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
            assert_eq!(status, 201);
        }
        Self {
            server,
            _folder: folder,
        }
    }

    /// Delivers an event; returns its result.
    fn accept(&self, event: &Value) -> String {
        let body = event.to_string();
        let signature = sign(SECRET, now_seconds(), body.as_bytes());
        let ((status, receipt), _) = self
            .server
            .ask_with("POST", "/webhooks/stripe", &[(HEADER, &signature)], &body);
        assert_eq!(status, 200, "{event}: {receipt}");
        receipt["result"].as_str().unwrap().to_owned()
    }

    /// The metrics, and the warnings about payment events by event, once the service has stopped.
    fn stopped(self) -> (Scrape, BTreeMap<String, Vec<Value>>) {
        let counted = Scrape::of(self.server.metrics_address());
        self.server.signal(Signal::TERM);
        let lines = self.server.rest_of_log();
        let mut warnings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            if let (Some("WARN"), Some(event)) = (line["level"].as_str(), line["event"].as_str()) {
                warnings.entry(event.to_owned()).or_default().push(line);
            }
        }
        (counted, warnings)
    }
}

fn now_seconds() -> i64 {
    Clock::system().now().millis() / 1_000
}

fn young(id: &str, kind: &str, object: Value) -> Value {
    event(id, kind, now_seconds(), object)
}

#[test]
fn each_result_that_needs_a_person_is_a_warning_and_is_counted() {
    let running = Running::with(2, &[]);
    let paid = |id: &str, order: i64| intent(id, 2_500, Some(order));
    let dollars = |object: Value| with(object, &json!({"currency": "usd"}));
    let canceled = running.server.ask("PUT", "/orders/2", r#"{"status":"CANCELED"}"#);
    assert_eq!(canceled.0, 200);
    let events = [
        (
            young("paid", "payment_intent.succeeded", paid("pi_1", 1)),
            "applied",
            "paid",
        ),
        (
            young("second", "payment_intent.succeeded", paid("pi_2", 1)),
            "duplicate_payment",
            "paid",
        ),
        (
            young("late", "payment_intent.succeeded", paid("pi_3", 2)),
            "refund_due",
            "paid",
        ),
        (
            event("unknown", "payment_intent.succeeded", 1, paid("pi_4", 99)),
            "order_unknown",
            "paid",
        ),
        (
            young("dollars", "payment_intent.succeeded", dollars(paid("pi_5", 1))),
            "currency_mismatch",
            "paid",
        ),
        (
            young("part", "charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 500)),
            "partial_refund",
            "refunded_so_far",
        ),
        (
            young("single", "refund.created", refund("re_1", "pi_1", 500)),
            "ignored",
            "refund",
        ),
        (
            young("failed", "refund.failed", refund("re_1", "pi_1", 500)),
            "refund_failed",
            "refund_failed",
        ),
        (
            young(
                "disputed",
                "charge.dispute.created",
                dispute("du_1", "pi_1", "needs_response"),
            ),
            "disputed",
            "dispute",
        ),
        (
            young("lost", "charge.dispute.closed", dispute("du_1", "pi_1", "lost")),
            "disputed",
            "dispute",
        ),
    ];
    let mut by_result: BTreeMap<&str, f64> = BTreeMap::new();
    let mut by_series: BTreeMap<String, f64> = BTreeMap::new();
    for (event, result, fact) in &events {
        assert_eq!(running.accept(event), *result, "{event}");
        *by_result.entry(result).or_default() += 1.0;
        let series = format!(r#"shop_webhook_events_total{{provider="stripe",fact="{fact}",result="{result}"}}"#);
        *by_series.entry(series).or_default() += 1.0;
    }
    let (counted, warnings) = running.stopped();
    for (series, count) in by_series {
        assert_eq!(counted.value(&series), count, "{series}");
    }
    for (event, result, _) in &events {
        let id = event["id"].as_str().unwrap();
        if ["applied", "ignored"].contains(result) {
            assert!(!warnings.contains_key(id), "{id}: {warnings:?}");
            continue;
        }
        assert_eq!(
            counted.value(&format!(r#"shop_money_needing_a_person_total{{result="{result}"}}"#)),
            by_result[result]
        );
        let [line] = &warnings[id][..] else {
            panic!("{id}: {warnings:?}")
        };
        assert_eq!(
            (&line["result"], &line["provider"]),
            (&json!(result), &json!("stripe")),
            "{line}"
        );
        assert!(
            line["payment"]
                .as_str()
                .is_some_and(|payment| payment.starts_with("pi_")),
            "{line}"
        );
    }
    assert_eq!(warnings["disputed"][0]["order"], 1);
}

#[test]
fn what_happened_to_a_payment_before_it_came_is_a_warning_and_is_counted() {
    let running = Running::with(1, &[]);
    for (event, result) in [
        (
            young("part", "charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 500)),
            "ignored",
        ),
        (
            young(
                "dispute",
                "charge.dispute.created",
                dispute("du_1", "pi_1", "needs_response"),
            ),
            "ignored",
        ),
        (
            young("paid", "payment_intent.succeeded", intent("pi_1", 2_500, Some(1))),
            "applied",
        ),
    ] {
        assert_eq!(running.accept(&event), result);
    }
    let (counted, warnings) = running.stopped();
    for result in ["partial_refund", "disputed"] {
        assert_eq!(
            counted.value(&format!(r#"shop_money_needing_a_person_total{{result="{result}"}}"#)),
            1.0
        );
    }
    assert_eq!(warnings.keys().collect::<Vec<_>>(), ["paid"]);
    let text = |line: &Value| line["message"].as_str().unwrap().to_owned();
    let messages: Vec<_> = warnings["paid"].iter().map(text).collect();
    assert!(messages[0].contains("partly refunded before it came"), "{messages:?}");
    assert!(messages[1].contains("disputed before it came"), "{messages:?}");
}

#[test]
fn an_event_that_could_be_about_money_and_had_no_effect_says_why_and_what_to_do() {
    let running = Running::with(2, &[]);
    let paid = |order| intent("pi_1", 2_500, order);
    assert_eq!(
        running.accept(&young("paid", "payment_intent.succeeded", paid(Some(1)))),
        "applied"
    );
    let kind = "payment_intent.succeeded";
    let advices = [
        (
            young("invoice", "invoice.paid", json!({"id": "in_1"})),
            "sounds like money, and is not known here",
        ),
        (
            young("unnamed", kind, intent("pi_2", 2_500, None)),
            "nothing in the event names an order",
        ),
        (young("other", kind, paid(Some(2))), "recorded for another order"),
        (
            young(
                "dollars",
                "refund.created",
                with(refund("re_1", "pi_1", 500), &json!({"currency": "usd"})),
            ),
            "in another currency than its payment",
        ),
        (young("unreadable", kind, json!({"id": 7})), "cannot be read"),
        (
            with(young("test", kind, paid(Some(1))), &json!({"livemode": false})),
            "STRIPE_LIVEMODE",
        ),
        (
            with(young("connected", kind, paid(Some(1))), &json!({"account": "acct_1"})),
            "STRIPE_ACCOUNT",
        ),
    ];
    for (event, _) in &advices {
        assert_eq!(running.accept(event), "ignored", "{event}");
    }
    // These are nobody's money.
    let session = session("cs_1", Some("pi_1"), 2_500, Some(1));
    for quiet in [
        young("customer", "customer.created", json!({"id": "cus_1"})),
        young("again", "checkout.session.completed", session.clone()),
        young(
            "setup",
            "checkout.session.completed",
            with(session, &json!({"mode": "setup"})),
        ),
        young("failed", "payment_intent.payment_failed", paid(Some(1))),
        young(
            "of_an_intent",
            "charge.succeeded",
            charge("ch_1", Some("pi_1"), 2_500, 0),
        ),
    ] {
        assert_eq!(running.accept(&quiet), "ignored", "{quiet}");
    }
    let (counted, warnings) = running.stopped();
    assert_eq!(warnings.len(), advices.len(), "{warnings:?}");
    for (event, advice) in &advices {
        let id = event["id"].as_str().unwrap();
        let [line] = &warnings[id][..] else {
            panic!("{id}: {warnings:?}")
        };
        let message = line["message"].as_str().unwrap();
        assert!(message.contains(advice), "{message}");
        assert_eq!(
            (&line["event_type"], &line["provider"]),
            (&event["type"], &json!("stripe"))
        );
    }
    let money = counted
        .series
        .iter()
        .filter(|(name, _)| name.starts_with("shop_money_needing_a_person_total"));
    assert_eq!(money.map(|(_, count)| count).sum::<f64>(), 0.0);
}

#[test]
fn money_of_an_order_that_was_never_placed_is_told_twice_without_a_word_of_another_order() {
    let running = Running::with(1, &[]);
    let old = |id: &str, kind: &str, object: Value| event(id, kind, 1, object);
    let paid = old("paid", "payment_intent.succeeded", intent("pi_1", 2_500, Some(99)));
    assert_eq!(running.accept(&paid), "order_unknown");
    let again = old(
        "again",
        "checkout.session.completed",
        session("cs_1", Some("pi_1"), 2_500, Some(99)),
    );
    assert_eq!(running.accept(&again), "ignored");
    let (_, warnings) = running.stopped();
    assert_eq!(warnings.keys().collect::<Vec<_>>(), ["paid"]);
}

#[test]
fn the_settings_of_the_binary_say_which_events_count() {
    let settings = [
        ("STRIPE_LIVEMODE", "false"),
        ("STRIPE_ACCOUNT", "acct_1"),
        ("STRIPE_ORDER_KEY", "shop_order"),
        ("CURRENCY", "jpy"),
        ("PAYMENT_HOLD_SECONDS", "600000"),
    ];
    let running = Running::with(1, &settings);
    let members = json!({"currency": "jpy", "metadata": {"shop_order": "1"}, "amount_received": 25});
    let of = |id: &str, kind: &str| {
        let event = young(id, kind, with(intent("pi_1", 25, None), &members));
        with(event, &json!({"livemode": false, "account": "acct_1"}))
    };
    assert_eq!(running.accept(&of("way", "payment_intent.processing")), "ignored");
    let (_, order) = running.server.ask("GET", "/orders/1", "");
    let time = |member: &str| order[member].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let held = time("expires_at").as_second() - time("created_at").as_second();
    assert!((600_000..600_060).contains(&held), "{order}");
    let live = with(of("live", "payment_intent.succeeded"), &json!({"livemode": true}));
    assert_eq!(running.accept(&live), "ignored");
    assert_eq!(running.accept(&of("paid", "payment_intent.succeeded")), "applied");
}
