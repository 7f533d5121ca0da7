//! Disputes: they need a person, and move neither an order nor stock.

use serde_json::{Value, json};

use crate::support::stripe::{Shop, charge, dispute, with};

const CREATED: &str = "charge.dispute.created";
const CLOSED: &str = "charge.dispute.closed";

fn of_pi_1(status: &str) -> Value {
    dispute("du_1", "pi_1", status)
}

#[tokio::test]
async fn a_dispute_that_is_created_or_lost_needs_a_person_and_moves_nothing() {
    for status in ["PAID", "SHIPPED", "CANCELED"] {
        let shop = Shop::new().await;
        shop.pay_by_stripe().await;
        let stock = match status {
            "PAID" => 8,
            other => {
                shop.set_status(1, other).await;
                if other == "CANCELED" { 10 } else { 8 }
            }
        };
        let event = shop.event(CREATED, of_pi_1("needs_response"));
        let receipt = shop.stripe(&event).await.json(200);
        let wanted = json!({"event_id": event["id"], "result": "disputed", "order_id": 1, "order_status": status});
        assert_eq!(receipt, wanted);
        let disputed = ["pi_1 of 1: 2500 EUR, 0 back, open own disputed"];
        shop.assert_books(status, stock, &disputed).await;
        assert_eq!(shop.tell(CLOSED, of_pi_1("lost")).await, "disputed");
        shop.assert_books(status, stock, &disputed).await;
    }
}

#[tokio::test]
async fn a_dispute_that_is_won_or_was_a_warning_is_over() {
    for status in ["won", "warning_closed", "prevented"] {
        let shop = Shop::new().await;
        shop.pay_by_stripe().await;
        let events = [(CREATED, of_pi_1("warning_needs_response")), (CLOSED, of_pi_1(status))];
        assert_eq!(shop.tell_all(&events).await, ["disputed", "ignored"], "{status}");
        shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
            .await;
    }
}

#[tokio::test]
async fn created_after_closed_changes_nothing() {
    for (status, result, flag) in [("won", "ignored", ""), ("lost", "disputed", " disputed")] {
        let shop = Shop::new().await;
        shop.pay_by_stripe().await;
        let events = [(CLOSED, of_pi_1(status)), (CREATED, of_pi_1("needs_response"))];
        assert_eq!(shop.tell_all(&events).await, [result, "ignored"], "{status}");
        let payment = format!("pi_1 of 1: 2500 EUR, 0 back, open own{flag}");
        shop.assert_books("PAID", 8, &[&payment]).await;
    }
}

#[tokio::test]
async fn a_dispute_that_is_told_twice_needs_a_person_once() {
    let shop = Shop::new().await;
    shop.pay_by_stripe().await;
    let events = [
        (CREATED, of_pi_1("needs_response")),
        (CREATED, of_pi_1("needs_response")),
    ];
    assert_eq!(shop.tell_all(&events).await, ["disputed", "ignored"]);
    let events = [(CLOSED, of_pi_1("lost")), (CLOSED, of_pi_1("lost"))];
    assert_eq!(shop.tell_all(&events).await, ["disputed", "ignored"]);
}

#[tokio::test]
async fn a_dispute_of_an_unknown_payment_is_kept_until_that_comes() {
    for (events, flag) in [
        (vec![(CREATED, of_pi_1("needs_response"))], " disputed"),
        (vec![(CLOSED, of_pi_1("lost"))], " disputed"),
        (vec![(CREATED, of_pi_1("needs_response")), (CLOSED, of_pi_1("won"))], ""),
        (vec![(CLOSED, of_pi_1("won")), (CREATED, of_pi_1("needs_response"))], ""),
    ] {
        let shop = Shop::new().await;
        let results = shop.tell_all(&events).await;
        assert!(results.iter().all(|result| result == "ignored"), "{results:?}");
        assert!(shop.payments().await.is_empty());
        shop.pay_by_stripe().await;
        let payment = format!("pi_1 of 1: 2500 EUR, 0 back, open own{flag}");
        shop.assert_books("PAID", 8, &[&payment]).await;
    }
}

#[tokio::test]
async fn a_payment_is_disputed_as_long_as_one_of_its_disputes_is() {
    let shop = Shop::new().await;
    shop.pay_by_stripe().await;
    let second = |status| dispute("du_2", "pi_1", status);
    let events = [
        (CREATED, of_pi_1("needs_response")),
        (CREATED, second("needs_response")),
        (CLOSED, of_pi_1("won")),
    ];
    assert_eq!(shop.tell_all(&events).await, ["disputed", "disputed", "ignored"]);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own disputed"])
        .await;
    assert_eq!(shop.tell(CLOSED, second("won")).await, "ignored");
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_dispute_of_a_charge_without_an_intent_is_of_that_charge() {
    let shop = Shop::new().await;
    let paid = with(charge("ch_7", None, 2_500, 0), &json!({"metadata": {"order_id": "1"}}));
    assert_eq!(shop.tell("charge.succeeded", paid).await, "applied");
    let object = with(
        of_pi_1("needs_response"),
        &json!({"payment_intent": null, "charge": "ch_7"}),
    );
    assert_eq!(shop.tell(CREATED, object).await, "disputed");
    shop.assert_books("PAID", 8, &["ch_7 of 1: 2500 EUR, 0 back, open own disputed"])
        .await;
}
