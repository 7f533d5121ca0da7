//! What went wrong elsewhere, by public reports, step by step. Each order is of 25.00 EUR.

use serde_json::{Value, json};

use crate::support::app::STRIPE_SECRET;
use crate::support::payment::{refunded, sign, succeeded};
use crate::support::stripe::{Shop, charge, dispute, intent, refund, session, with};

fn paid() -> (&'static str, Value) {
    ("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)))
}

fn session_paid() -> (&'static str, Value) {
    (
        "checkout.session.completed",
        session("cs_1", Some("pi_1"), 2_500, Some(1)),
    )
}

/// So much of pi_1 was refunded so far; the charge has no metadata.
fn so_far(cents: i64) -> (&'static str, Value) {
    ("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, cents))
}

fn single(id: &str, cents: i64) -> (&'static str, Value) {
    ("refund.created", refund(id, "pi_1", cents))
}

#[tokio::test]
async fn session_and_intent_tell_of_one_payment() {
    for events in [[session_paid(), paid()], [paid(), session_paid()]] {
        let shop = Shop::new().await;
        assert_eq!(shop.tell_all(&events).await, ["applied", "ignored"]);
        shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
            .await;
    }
}

#[tokio::test]
async fn cumulative_500_then_2000_is_20_00_and_the_order_stays_paid() {
    let shop = Shop::new().await;
    let results = shop.tell_all(&[paid(), so_far(500), so_far(2_000)]).await;
    assert_eq!(results, ["applied", "partial_refund", "partial_refund"]);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 2000 back, open own"])
        .await;
}

#[tokio::test]
async fn a_refund_told_again_under_a_new_event_is_ignored() {
    let shop = Shop::new().await;
    let events = [paid(), single("re_1", 500), single("re_2", 500), single("re_1", 500)];
    let results = shop.tell_all(&events).await;
    assert_eq!(results, ["applied", "partial_refund", "partial_refund", "ignored"]);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 1000 back, open own"])
        .await;
}

#[tokio::test]
async fn cumulative_500_then_2500_cancels_the_order_and_returns_its_stock_once() {
    let shop = Shop::new().await;
    let results = shop.tell_all(&[paid(), so_far(500), so_far(2_500)]).await;
    assert_eq!(results, ["applied", "partial_refund", "applied"]);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed own"])
        .await;
}

#[tokio::test]
async fn cumulative_500_alone_is_a_partial_refund() {
    let shop = Shop::new().await;
    assert_eq!(
        shop.tell_all(&[paid(), so_far(500)]).await,
        ["applied", "partial_refund"]
    );
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 500 back, open own"])
        .await;
}

#[tokio::test]
async fn a_whole_refund_that_fails_is_due_again() {
    let shop = Shop::new().await;
    let failed = (
        "refund.failed",
        with(refund("re_1", "pi_1", 2_500), &json!({"status": "failed"})),
    );
    let results = shop
        .tell_all(&[paid(), single("re_1", 2_500), so_far(2_500), failed])
        .await;
    assert_eq!(results, ["applied", "applied", "ignored", "refund_due"]);
    assert!(shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_refunded_charge_without_metadata_is_of_the_order_of_its_payment() {
    let shop = Shop::new().await;
    assert_eq!(shop.tell_all(&[paid(), so_far(2_500)]).await, ["applied", "applied"]);
    assert_eq!(shop.events().await[1], "evt_2 charge.refunded of 1: applied");
}

#[tokio::test]
async fn a_dispute_that_names_only_the_payment_names_its_order_in_the_answer() {
    let shop = Shop::new().await;
    shop.pay_by_stripe().await;
    let event = shop.event("charge.dispute.created", dispute("du_1", "pi_1", "needs_response"));
    let receipt = shop.stripe(&event).await.json(200);
    let wanted = json!({"event_id": "evt_2", "result": "disputed", "order_id": 1, "order_status": "PAID"});
    assert_eq!(receipt, wanted);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own disputed"])
        .await;
}

#[tokio::test]
async fn a_dispute_on_a_canceled_order_changes_neither_status_nor_stock() {
    let shop = Shop::new().await;
    let created = ("charge.dispute.created", dispute("du_1", "pi_1", "needs_response"));
    let results = shop.tell_all(&[paid(), so_far(2_500), created]).await;
    assert_eq!(results, ["applied", "applied", "disputed"]);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed own disputed"])
        .await;
}

#[tokio::test]
async fn without_metadata_a_payment_is_ignored_with_a_2xx() {
    let shop = Shop::new().await;
    let unnamed = ("payment_intent.succeeded", intent("pi_1", 2_500, None));
    assert_eq!(shop.tell_all(&[unnamed]).await, ["ignored"]);
    shop.assert_books("PENDING", 8, &[]).await;
}

#[tokio::test]
async fn an_event_that_overtakes_its_order_is_404_and_applied_when_it_is_sent_again() {
    let shop = Shop::new().await;
    let event = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(2)));
    shop.stripe(&event)
        .await
        .expect_problem(404, "/problems/order-not-found");
    shop.place_order().await;
    shop.clock.advance_ms(3_600_000);
    assert_eq!(shop.accept(&event).await, "applied");
    assert_eq!(shop.status_of(2).await, "PAID");
    shop.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn jpy_200_pays_a_total_of_200() {
    let shop = Shop::in_currency("JPY").await;
    shop.post("/products", json!({"sku": "B", "name": "b", "price": 200, "stock": 3}))
        .await
        .expect(201);
    let order = shop.order(2, 1).await;
    let object = with(intent("pi_1", 200, Some(order)), &json!({"currency": "jpy"}));
    assert_eq!(shop.tell("payment_intent.succeeded", object).await, "applied");
    assert_eq!(shop.payments().await, ["pi_1 of 2: 20000 JPY, 0 back, open own"]);
    assert_eq!(shop.status_of(order).await, "PAID");
    shop.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn unpaid_prolongs_the_hold_and_async_success_pays() {
    let shop = Shop::new().await;
    let before = shop.expires_in_ms().await;
    let unpaid = with(session_paid().1, &json!({"payment_status": "unpaid"}));
    assert_eq!(shop.tell("checkout.session.completed", unpaid).await, "ignored");
    assert!(shop.expires_in_ms().await > before);
    shop.assert_books("PENDING", 8, &[]).await;
    assert_eq!(
        shop.tell("checkout.session.async_payment_succeeded", session_paid().1)
            .await,
        "applied"
    );
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn an_expired_order_that_is_paid_owes_and_its_stock_is_back_once() {
    let shop = Shop::new().await;
    shop.clock.advance_ms(86_400_000);
    shop.sweep().await;
    assert_eq!(shop.tell_all(&[paid()]).await, ["refund_due"]);
    shop.sweep().await;
    assert!(shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 0 back, open"])
        .await;
    assert_eq!(shop.ledger(1).await.len(), 3, "initial, placed, expired");
}

#[tokio::test]
async fn paid_refunded_and_paid_again_under_a_new_event_stays_canceled() {
    let shop = Shop::new().await;
    let results = shop.tell_all(&[paid(), so_far(2_500), paid(), session_paid()]).await;
    assert_eq!(results, ["applied", "applied", "ignored", "ignored"]);
    assert!(!shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed own"])
        .await;
}

#[tokio::test]
async fn paid_then_failed_stays_paid() {
    let shop = Shop::new().await;
    let failed = ("payment_intent.payment_failed", intent("pi_1", 2_500, Some(1)));
    assert_eq!(shop.tell_all(&[paid(), failed]).await, ["applied", "ignored"]);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_test_event_on_a_live_endpoint_is_ignored_with_a_2xx() {
    let shop = Shop::new().await;
    let (kind, object) = paid();
    let test = with(shop.event(kind, object), &json!({"livemode": false}));
    assert_eq!(shop.accept(&test).await, "ignored");
    shop.assert_books("PENDING", 8, &[]).await;
}

#[tokio::test]
async fn one_space_or_a_time_301_seconds_off_is_401_and_299_seconds_are_fine() {
    let shop = Shop::new().await;
    let (kind, object) = paid();
    let body = shop.event(kind, object).to_string();
    let now = shop.now_seconds();
    let at = |seconds| sign(STRIPE_SECRET, seconds, body.as_bytes());
    let spaced = body.replacen(',', ", ", 1);
    for (signature, body) in [(at(now), &spaced), (at(now - 301), &body), (at(now + 301), &body)] {
        let refused = shop.stripe_signed(&signature, body.as_str()).await;
        refused.expect_problem(401, "/problems/invalid-signature");
    }
    assert!(shop.events().await.is_empty());
    shop.stripe_signed(&at(now - 299), body.as_str()).await.expect(200);
}

#[tokio::test]
async fn in_our_own_format_a_partial_refund_before_its_payment_counts_once_that_comes() {
    let shop = Shop::new().await;
    let part = json!({"order_id": 1, "payment_id": "pay_1", "amount": 5, "refund_id": "r1"});
    let paid = json!({"order_id": 1, "payment_id": "pay_1"});
    // Told under two event ids, too.
    let events = [
        refunded("e1", part.clone()),
        refunded("e2", part),
        succeeded("e3", paid),
    ];
    assert_eq!(shop.results(&events).await, ["ignored", "ignored", "applied"]);
    shop.assert_books("PAID", 8, &["pay_1 of 1: 2500 ?, 500 back, open own"])
        .await;
}

#[tokio::test]
async fn in_our_own_format_one_refund_told_under_two_event_ids_counts_once() {
    let shop = Shop::new().await;
    let part = json!({"order_id": 1, "payment_id": "pay_1", "amount": 5, "refund_id": "r1"});
    let paid = json!({"order_id": 1, "payment_id": "pay_1"});
    let events = [
        succeeded("e1", paid),
        refunded("e2", part.clone()),
        refunded("e3", part),
    ];
    assert_eq!(shop.results(&events).await, ["applied", "partial_refund", "ignored"]);
    shop.assert_books("PAID", 8, &["pay_1 of 1: 2500 ?, 500 back, open own"])
        .await;
}
