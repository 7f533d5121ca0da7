//! Events that come at the same moment.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::Answer;
use crate::support::client::at_once;
use crate::support::stripe::{Shop, charge, intent, refund, session};

/// How many answers had each result.
fn counted(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let receipt: Value = answer.clone().json(200);
        *counts
            .entry(receipt["result"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts
        .into_iter()
        .map(|(result, count)| (result.to_owned(), count))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_30_simultaneous_events_of_one_intent_one_is_applied() {
    let shop = Shop::new().await;
    let events = (0..30).map(|number| match number % 2 {
        0 => shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(1))),
        _ => shop.event(
            "checkout.session.completed",
            session("cs_1", Some("pi_1"), 2_500, Some(1)),
        ),
    });
    let answers = at_once(events.map(|event| shop.stripe(&event))).await;
    assert_eq!(counted(&answers), counts([("applied", 1), ("ignored", 29)]));
    assert_eq!(shop.events().await.len(), 30);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_30_simultaneous_deliveries_of_one_event_one_is_applied() {
    let shop = Shop::new().await;
    let event = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)));
    let answers = at_once((0..30).map(|_| shop.stripe(&event))).await;
    assert_eq!(counted(&answers), counts([("applied", 1), ("duplicate", 29)]));
    assert_eq!(shop.events().await.len(), 1);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_30_simultaneous_payments_of_one_order_one_is_its_own() {
    let shop = Shop::new().await;
    let paid = |number| intent(&format!("pi_{number}"), 2_500, Some(1));
    let events = (0..30).map(|number| shop.event("payment_intent.succeeded", paid(number)));
    let answers = at_once(events.map(|event| shop.stripe(&event))).await;
    assert_eq!(counted(&answers), counts([("applied", 1), ("duplicate_payment", 29)]));
    let payments = shop.payments().await;
    assert_eq!(payments.iter().filter(|payment| payment.ends_with(" own")).count(), 1);
    shop.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_whole_refund_that_30_simultaneous_events_tell_of_returns_the_stock_once() {
    let shop = Shop::new().await;
    shop.pay_by_stripe().await;
    let events = (0..30).map(|number| match number % 3 {
        0 => shop.event("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 2_500)),
        1 => shop.event("refund.created", refund("re_1", "pi_1", 2_500)),
        _ => shop.event("refund.updated", refund("re_1", "pi_1", 2_500)),
    });
    let answers = at_once(events.map(|event| shop.stripe(&event))).await;
    assert_eq!(counted(&answers), counts([("applied", 1), ("ignored", 29)]));
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed own"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_payment_and_its_whole_refund_at_the_same_moment_leave_the_money_closed() {
    for _ in 0..10 {
        let shop = Shop::new().await;
        let paid = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)));
        let back = shop.event("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 2_500));
        for answer in at_once([&paid, &back].map(|event| shop.stripe(event))).await {
            answer.expect(200);
        }
        // Paid then refunded is CANCELED, refunded then paid stays PENDING.
        if shop.status_of(1).await == "CANCELED" {
            let payments = ["pi_1 of 1: 2500 EUR, 2500 back, closed own"];
            shop.assert_books("CANCELED", 10, &payments).await;
        } else {
            let payments = ["pi_1 of 1: 2500 EUR, 2500 back, closed"];
            shop.assert_books("PENDING", 8, &payments).await;
        }
    }
}
