//! Refunds: single ones, totals so far, failed ones, and those that come before their payment.

use serde_json::{Value, json};

use crate::support::stripe::{Shop, charge, intent, refund, with};

/// So much of pi_1 was refunded so far.
fn so_far(cents: i64) -> (&'static str, Value) {
    ("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, cents))
}

fn single(id: &str, cents: i64) -> (&'static str, Value) {
    ("refund.created", refund(id, "pi_1", cents))
}

fn failed(id: &str, cents: i64) -> (&'static str, Value) {
    (
        "refund.failed",
        with(refund(id, "pi_1", cents), &json!({"status": "failed"})),
    )
}

fn paid() -> (&'static str, Value) {
    ("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)))
}

/// A shop whose order 1 was paid by pi_1.
async fn paid_shop() -> Shop {
    let shop = Shop::new().await;
    shop.pay_by_stripe().await;
    shop
}

#[tokio::test]
async fn each_of_the_four_events_tells_of_a_refund() {
    for kind in ["refund.created", "refund.updated", "charge.refund.updated"] {
        for status in ["succeeded", "pending", "requires_action"] {
            let shop = paid_shop().await;
            let object = with(refund("re_1", "pi_1", 500), &json!({"status": status}));
            assert_eq!(shop.tell(kind, object).await, "partial_refund", "{kind} {status}");
            shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 500 back, open own"])
                .await;
        }
    }
    let shop = paid_shop().await;
    assert_eq!(shop.tell_all(&[so_far(500)]).await, ["partial_refund"]);
    let recorded = shop.get("/payment-events?result=partial_refund").await.json(200)["items"][0].take();
    let of = |member: &str| recorded[member].clone();
    let members = ["order_id", "payment_id", "refund_id", "amount", "currency"].map(of);
    assert_eq!(members, [json!(1), json!("pi_1"), json!(null), json!(5), json!("EUR")]);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 500 back, open own"])
        .await;
}

#[tokio::test]
async fn a_whole_refund_of_the_own_payment_cancels_a_paid_order_and_returns_its_stock_once() {
    for whole in [so_far(2_500), single("re_1", 2_500)] {
        let shop = paid_shop().await;
        assert_eq!(shop.tell_all(&[whole.clone(), whole]).await, ["applied", "ignored"]);
        assert_eq!(
            shop.tell_all(&[so_far(2_500), single("re_1", 2_500)]).await,
            ["ignored", "ignored"]
        );
        shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed own"])
            .await;
        assert!(!shop.owes().await);
    }
}

#[tokio::test]
async fn a_whole_refund_leaves_a_shipped_order_shipped() {
    let shop = paid_shop().await;
    shop.set_status(1, "SHIPPED").await;
    assert_eq!(shop.tell_all(&[so_far(2_500)]).await, ["applied"]);
    shop.assert_books("SHIPPED", 8, &["pi_1 of 1: 2500 EUR, 2500 back, closed own"])
        .await;
}

#[tokio::test]
async fn a_refund_whose_part_makes_up_the_rest_closes_the_payment() {
    let shop = paid_shop().await;
    let results = shop
        .tell_all(&[single("re_1", 500), single("re_2", 1_999), single("re_3", 1)])
        .await;
    assert_eq!(results, ["partial_refund", "partial_refund", "applied"]);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed own"])
        .await;
}

#[tokio::test]
async fn totals_and_single_refunds_tell_of_the_same_money() {
    for events in [
        [single("re_1", 500), so_far(500), single("re_2", 700), so_far(1_200)],
        [so_far(1_200), single("re_2", 700), single("re_1", 500), so_far(500)],
        [so_far(500), so_far(1_200), single("re_1", 500), single("re_2", 700)],
        [single("re_2", 700), single("re_1", 500), so_far(1_200), so_far(500)],
    ] {
        let shop = paid_shop().await;
        shop.tell_all(&events).await;
        shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 1200 back, open own"])
            .await;
    }
}

#[tokio::test]
async fn a_refund_that_changes_nothing_is_recorded_only() {
    let shop = paid_shop().await;
    let results = shop
        .tell_all(&[single("re_1", 500), so_far(500), single("re_1", 500), so_far(300)])
        .await;
    assert_eq!(results, ["partial_refund", "ignored", "ignored", "ignored"]);
    // What is known of a refund does not change with a later event.
    assert_eq!(shop.tell_all(&[single("re_1", 2_500)]).await, ["ignored"]);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 500 back, open own"])
        .await;
    assert_eq!(shop.events().await.len(), 6);
}

#[tokio::test]
async fn a_failed_refund_that_had_counted_opens_the_payment_again() {
    let shop = paid_shop().await;
    assert_eq!(
        shop.tell_all(&[single("re_1", 500), failed("re_1", 500)]).await,
        ["partial_refund", "refund_failed"]
    );
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;

    let shop = paid_shop().await;
    assert_eq!(
        shop.tell_all(&[single("re_1", 2_500), failed("re_1", 2_500)]).await,
        ["applied", "refund_due"]
    );
    assert!(shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
    // The next refund settles it.
    assert_eq!(shop.tell_all(&[single("re_2", 2_500)]).await, ["applied"]);
    assert!(!shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed own"])
        .await;
}

#[tokio::test]
async fn a_failed_refund_is_told_by_its_type_or_by_its_status() {
    for (kind, status) in [
        ("refund.failed", "failed"),
        ("refund.failed", "pending"),
        ("refund.updated", "failed"),
        ("refund.updated", "canceled"),
        ("charge.refund.updated", "failed"),
        ("charge.refund.updated", "canceled"),
    ] {
        let shop = paid_shop().await;
        shop.tell_all(&[single("re_1", 500)]).await;
        let object = with(refund("re_1", "pi_1", 500), &json!({"status": status}));
        assert_eq!(shop.tell(kind, object).await, "refund_failed", "{kind} {status}");
        shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
            .await;
    }
}

#[tokio::test]
async fn a_refund_that_failed_is_taken_off_a_total_that_has_it() {
    let shop = paid_shop().await;
    let results = shop.tell_all(&[so_far(1_200), failed("re_1", 500)]).await;
    assert_eq!(results, ["partial_refund", "refund_failed"]);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 700 back, open own"])
        .await;
}

#[tokio::test]
async fn a_failed_refund_of_a_payment_of_a_pending_or_a_shipped_order_needs_a_person_and_no_more() {
    let shop = Shop::new().await;
    shop.tell("payment_intent.succeeded", intent("pi_1", 2_000, Some(1)))
        .await;
    assert_eq!(
        shop.tell_all(&[single("re_1", 2_000), failed("re_1", 2_000)]).await,
        ["applied", "refund_failed"]
    );
    shop.assert_books("PENDING", 8, &["pi_1 of 1: 2000 EUR, 0 back, open"])
        .await;

    let shop = paid_shop().await;
    shop.set_status(1, "SHIPPED").await;
    assert_eq!(
        shop.tell_all(&[single("re_1", 2_500), failed("re_1", 2_500)]).await,
        ["applied", "refund_failed"]
    );
    shop.assert_books("SHIPPED", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_failure_that_changes_nothing_is_remembered() {
    let shop = paid_shop().await;
    // Before its refund, and told twice.
    let results = shop
        .tell_all(&[failed("re_1", 500), failed("re_1", 500), single("re_1", 500)])
        .await;
    assert_eq!(results, ["ignored", "ignored", "ignored"]);
    // A total that has it, from before it failed, comes late as well.
    assert_eq!(shop.tell_all(&[so_far(500)]).await, ["ignored"]);
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_failed_refund_does_not_come_back_to_life() {
    let shop = paid_shop().await;
    shop.tell_all(&[single("re_1", 500), failed("re_1", 500)]).await;
    for kind in ["refund.created", "refund.updated", "charge.refund.updated"] {
        assert_eq!(shop.tell(kind, refund("re_1", "pi_1", 500)).await, "ignored", "{kind}");
    }
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_refund_of_a_payment_that_is_not_known_yet_is_kept_until_that_comes() {
    for (early, then, books) in [
        (
            vec![so_far(500)],
            "applied",
            ("PAID", 8, "pi_1 of 1: 2500 EUR, 500 back, open own"),
        ),
        (
            vec![single("re_1", 500), so_far(500)],
            "applied",
            ("PAID", 8, "pi_1 of 1: 2500 EUR, 500 back, open own"),
        ),
        (
            vec![so_far(2_500)],
            "ignored",
            ("PENDING", 8, "pi_1 of 1: 2500 EUR, 2500 back, closed"),
        ),
        (
            vec![single("re_1", 500), single("re_2", 2_000)],
            "ignored",
            ("PENDING", 8, "pi_1 of 1: 2500 EUR, 2500 back, closed"),
        ),
        (
            vec![single("re_1", 2_500), failed("re_1", 2_500)],
            "applied",
            ("PAID", 8, "pi_1 of 1: 2500 EUR, 0 back, open own"),
        ),
        (
            vec![failed("re_1", 500), so_far(700)],
            "applied",
            ("PAID", 8, "pi_1 of 1: 2500 EUR, 200 back, open own"),
        ),
    ] {
        let shop = Shop::new().await;
        let results = shop.tell_all(&early).await;
        assert!(
            results.iter().all(|result| result == "ignored"),
            "{early:?}: {results:?}"
        );
        assert!(shop.payments().await.is_empty());
        assert_eq!(shop.tell_all(&[paid()]).await, [then], "{early:?}");
        shop.assert_books(books.0, books.1, &[books.2]).await;
    }
}

#[tokio::test]
async fn what_is_refunded_whole_before_it_came_is_no_money_for_any_order() {
    let shop = Shop::new().await;
    assert_eq!(shop.tell_all(&[so_far(2_500), paid()]).await, ["ignored", "ignored"]);
    shop.set_status(1, "CANCELED").await;
    assert!(!shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed"])
        .await;
}

#[tokio::test]
async fn more_than_the_amount_is_all_of_it() {
    let shop = paid_shop().await;
    assert_eq!(shop.tell_all(&[so_far(9_999)]).await, ["applied"]);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: 2500 EUR, 2500 back, closed own"])
        .await;
}

#[tokio::test]
async fn a_refund_in_another_currency_than_its_payment_counts_for_nothing() {
    let shop = paid_shop().await;
    let dollars = with(refund("re_1", "pi_1", 500), &json!({"currency": "usd"}));
    assert_eq!(shop.tell("refund.created", dollars).await, "ignored");
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn the_refund_of_one_payment_leaves_the_other_open() {
    let shop = paid_shop().await;
    shop.tell("payment_intent.succeeded", intent("pi_2", 2_500, Some(1)))
        .await;
    assert_eq!(shop.tell_all(&[so_far(2_500)]).await, ["applied"]);
    assert!(shop.owes().await, "the second payment is still here");
    let payments = [
        "pi_1 of 1: 2500 EUR, 2500 back, closed own",
        "pi_2 of 1: 2500 EUR, 0 back, open",
    ];
    shop.assert_books("CANCELED", 10, &payments).await;
}
