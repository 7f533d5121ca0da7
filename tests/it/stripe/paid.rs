//! Payments: the rows *paid*, by every event that says so.

use serde_json::{Value, json};

use crate::support::stripe::{Shop, charge, intent, metadata, session, with, without};

#[tokio::test]
async fn an_event_that_is_known_is_a_duplicate_whatever_else_it_says() {
    let shop = Shop::new().await;
    let first = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)));
    assert_eq!(shop.accept(&first).await, "applied");
    let before = (shop.snapshot().await, shop.payments().await);
    shop.clock.advance_ms(3 * 86_400_000);
    for other in [
        json!({}),
        json!({"type": "charge.refunded", "data": {"object": charge("ch_1", Some("pi_1"), 2_500, 2_500)}}),
        json!({"data": {"object": intent("pi_2", 2_500, Some(99))}}),
        json!({"data": {"object": null}}),
        json!({"livemode": false}),
        json!({"account": "acct_1"}),
    ] {
        let again = with(first.clone(), &other);
        let receipt = shop.stripe(&again).await.json(200);
        let wanted = json!({"event_id": "evt_1", "result": "duplicate", "order_id": 1, "order_status": "PAID"});
        assert_eq!(receipt, wanted, "{other}");
    }
    assert_eq!((shop.snapshot().await, shop.payments().await), before);
}

#[tokio::test]
async fn events_and_payments_of_ours_with_the_same_ids_are_others() {
    let shop = Shop::new().await;
    let of_ours = crate::support::payment::succeeded("evt_1", json!({"order_id": 1, "payment_id": "pi_1"}));
    assert_eq!(shop.result(&of_ours).await, "applied");
    let result = shop
        .tell("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)))
        .await;
    assert_eq!(result, "duplicate_payment");
    assert_eq!(
        shop.payments().await,
        [
            "pi_1 of 1: 2500 ?, 0 back, open own",
            "pi_1 of 1: 2500 EUR, 0 back, open"
        ]
    );
    // A refund of one is none of the other.
    let result = shop
        .tell("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 2_500))
        .await;
    assert_eq!(result, "applied");
    let payments = [
        "pi_1 of 1: 2500 ?, 0 back, open own",
        "pi_1 of 1: 2500 EUR, 2500 back, closed",
    ];
    shop.assert_books("PAID", 8, &payments).await;
}

/// Every event that says that pi_1 was paid for order 1.
fn ways_to_be_paid() -> [(&'static str, Value); 4] {
    let unnamed = without(session("cs_1", Some("pi_1"), 2_500, None), "metadata");
    [
        (
            "checkout.session.completed",
            session("cs_1", Some("pi_1"), 2_500, Some(1)),
        ),
        (
            "checkout.session.async_payment_succeeded",
            session("cs_1", Some("pi_1"), 2_500, Some(1)),
        ),
        ("payment_intent.succeeded", intent("pi_1", 2_500, Some(1))),
        (
            "checkout.session.completed",
            with(unnamed, &json!({"client_reference_id": "1"})),
        ),
    ]
}

#[tokio::test]
async fn a_payment_of_the_total_pays_a_pending_order_by_each_event_that_says_so() {
    for (kind, object) in ways_to_be_paid() {
        let shop = Shop::new().await;
        shop.clock.advance_ms(1_234);
        let event = shop.event(kind, object.clone());
        let receipt = shop.stripe(&event).await.json(200);
        let wanted = json!({"event_id": "evt_1", "result": "applied", "order_id": 1, "order_status": "PAID"});
        assert_eq!(receipt, wanted, "{kind}");
        let order = shop.get("/orders/1").await.json(200);
        assert_eq!(
            (&order["paid_at"], &order["expires_at"]),
            (&json!("2026-03-01T09:30:01.234Z"), &Value::Null)
        );
        let recorded = shop.get("/payment-events").await.json(200);
        let wanted = json!([{
            "provider": "stripe", "event_id": "evt_1", "type": kind, "order_id": 1, "order_reference": null, "payment_id": "pi_1",
            "refund_id": null, "amount": 25, "currency": "EUR", "result": "applied",
            "received_at": "2026-03-01T09:30:01.234Z",
        }]);
        assert_eq!(recorded["items"], wanted, "{kind}");
        shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
            .await;
    }
}

#[tokio::test]
async fn a_payment_recorded_before_is_ignored_whichever_event_tells_of_it_again() {
    for (first, object) in ways_to_be_paid() {
        let shop = Shop::new().await;
        assert_eq!(shop.tell(first, object).await, "applied");
        for (kind, object) in ways_to_be_paid() {
            assert_eq!(shop.tell(kind, object).await, "ignored", "{kind} after {first}");
        }
        // Neither another amount nor an order that was never placed makes it another payment.
        assert_eq!(
            shop.tell("payment_intent.succeeded", intent("pi_1", 1, Some(99))).await,
            "ignored"
        );
        shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
            .await;
    }
}

#[tokio::test]
async fn an_expanded_intent_is_the_same_as_its_id() {
    let shop = Shop::new().await;
    shop.pay_by_stripe().await;
    let expanded = with(
        session("cs_1", None, 2_500, Some(1)),
        &json!({"payment_intent": intent("pi_1", 2_500, None)}),
    );
    assert_eq!(shop.tell("checkout.session.completed", expanded).await, "ignored");
    let charge = with(
        charge("ch_1", None, 2_500, 500),
        &json!({"payment_intent": {"id": "pi_1"}}),
    );
    assert_eq!(shop.tell("charge.refunded", charge).await, "partial_refund");
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 500 back, open own"])
        .await;
}

#[tokio::test]
async fn a_session_without_an_intent_is_a_payment_by_itself() {
    let shop = Shop::new().await;
    let paid = session("cs_1", None, 2_500, Some(1));
    assert_eq!(shop.tell("checkout.session.completed", paid.clone()).await, "applied");
    assert_eq!(
        shop.tell("checkout.session.async_payment_succeeded", paid).await,
        "ignored"
    );
    shop.assert_books("PAID", 8, &["cs_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_charge_without_an_intent_is_a_payment_and_one_with_an_intent_is_told_by_that() {
    let shop = Shop::new().await;
    let named = |charge| with(charge, &json!({"metadata": metadata(Some(1))}));
    let of_an_intent = named(charge("ch_1", Some("pi_1"), 2_500, 0));
    assert_eq!(shop.tell("charge.succeeded", of_an_intent).await, "ignored");
    let authorized = with(named(charge("ch_2", None, 2_500, 0)), &json!({"captured": false}));
    assert_eq!(shop.tell("charge.succeeded", authorized).await, "ignored");
    shop.assert_books("PENDING", 8, &[]).await;
    let alone = named(charge("ch_2", None, 2_500, 0));
    assert_eq!(shop.tell("charge.succeeded", alone.clone()).await, "applied");
    assert_eq!(shop.tell("charge.succeeded", alone).await, "ignored");
    shop.assert_books("PAID", 8, &["ch_2 of 1: 2500 EUR, 0 back, open own"])
        .await;
    // Its refunds are known by the charge.
    let part = with(
        crate::support::stripe::refund("re_1", "none", 500),
        &json!({"payment_intent": null, "charge": "ch_2"}),
    );
    assert_eq!(shop.tell("refund.created", part).await, "partial_refund");
    assert_eq!(
        shop.tell("charge.refunded", charge("ch_2", None, 2_500, 2_500)).await,
        "applied"
    );
    shop.assert_books("CANCELED", 10, &["ch_2 of 1: 2500 EUR, 2500 back, closed own"])
        .await;
}

#[tokio::test]
async fn what_an_intent_received_counts_and_not_what_was_asked_for() {
    let shop = Shop::new().await;
    let part = with(intent("pi_1", 2_500, Some(1)), &json!({"amount_received": 2_499}));
    assert_eq!(shop.tell("payment_intent.succeeded", part).await, "amount_mismatch");
    shop.assert_books("PENDING", 8, &["pi_1 of 1: 2499 EUR, 0 back, open"])
        .await;
}

#[tokio::test]
async fn another_amount_pays_nothing_and_is_kept_as_an_open_payment() {
    let shop = Shop::new().await;
    for (id, cents) in [("pi_1", 2_499), ("pi_2", 2_501), ("pi_3", 1)] {
        let object = session("cs_1", Some(id), cents, Some(1));
        assert_eq!(shop.tell("checkout.session.completed", object).await, "amount_mismatch");
    }
    let payments = [
        "pi_1 of 1: 2499 EUR, 0 back, open",
        "pi_2 of 1: 2501 EUR, 0 back, open",
        "pi_3 of 1: 1 EUR, 0 back, open",
    ];
    shop.assert_books("PENDING", 8, &payments).await;
}

#[tokio::test]
async fn a_second_payment_of_a_paid_or_shipped_order_is_a_duplicate_payment() {
    let shop = Shop::new().await;
    shop.pay_by_stripe().await;
    assert_eq!(
        shop.tell("payment_intent.succeeded", intent("pi_2", 2_500, Some(1)))
            .await,
        "duplicate_payment"
    );
    shop.set_status(1, "SHIPPED").await;
    assert_eq!(
        shop.tell("payment_intent.succeeded", intent("pi_3", 1, Some(1))).await,
        "duplicate_payment"
    );
    // The refund of a second payment cancels no good order.
    assert_eq!(
        shop.tell("charge.refunded", charge("ch_2", Some("pi_2"), 2_500, 2_500))
            .await,
        "applied"
    );
    let payments = [
        "pi_1 of 1: 2500 EUR, 0 back, open own",
        "pi_2 of 1: 2500 EUR, 2500 back, closed",
        "pi_3 of 1: 1 EUR, 0 back, open",
    ];
    shop.assert_books("SHIPPED", 8, &payments).await;
}

#[tokio::test]
async fn a_payment_of_a_canceled_order_is_due_back() {
    let shop = Shop::new().await;
    shop.set_status(1, "CANCELED").await;
    assert_eq!(
        shop.tell("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)))
            .await,
        "refund_due"
    );
    assert!(shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 0 back, open"])
        .await;
    assert_eq!(
        shop.tell("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 2_500))
            .await,
        "applied"
    );
    assert!(!shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed"])
        .await;
}

#[tokio::test]
async fn a_payment_of_a_deleted_order_is_of_an_order_that_is_gone() {
    let shop = Shop::new().await;
    shop.delete("/orders/1").await.expect(204);
    assert_eq!(
        shop.tell("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)))
            .await,
        "order_gone"
    );
    assert_eq!(shop.payments().await, ["pi_1 of 1: 2500 EUR, 0 back, open"]);
    assert_eq!(
        shop.tell("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 2_500))
            .await,
        "applied"
    );
    assert_eq!(shop.payments().await, ["pi_1 of 1: 2500 EUR, 2500 back, closed"]);
    assert_eq!(shop.stock(1).await, 10);
    shop.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn nothing_to_pay_and_a_session_for_something_else_are_recorded_only() {
    let shop = Shop::new().await;
    let paid = session("cs_1", Some("pi_1"), 2_500, Some(1));
    for other in [
        json!({"payment_status": "no_payment_required", "amount_total": 0}),
        json!({"mode": "subscription"}),
        json!({"mode": "setup", "payment_intent": null}),
    ] {
        let object = with(paid.clone(), &other);
        assert_eq!(
            shop.tell("checkout.session.completed", object).await,
            "ignored",
            "{other}"
        );
    }
    shop.assert_books("PENDING", 8, &[]).await;
    assert_eq!(shop.events().await.len(), 3);
}
