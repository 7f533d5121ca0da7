//! Which order a payment is for: where its id travels, what is none, and ids that were never issued.

use serde_json::{Value, json};

use crate::support::stripe::{Shop, charge, dispute, intent, refund, session, with};

const MINUTE_MS: i64 = 60_000;

/// Values that are no order's id.
fn no_ids() -> Vec<Value> {
    let texts = [
        "",
        "0",
        "02",
        "-1",
        "+1",
        "1.0",
        "1 ",
        " 1",
        "1e0",
        "0x1",
        "one",
        "١",
        "1\u{200b}",
        "1,000",
        "9223372036854775808",
        "10000000000000000000",
        "order_1",
    ];
    texts.iter().map(|text| json!(text)).chain([json!(null)]).collect()
}

#[tokio::test]
async fn what_is_no_order_id_leads_to_the_next_source() {
    for (number, no_id) in no_ids().into_iter().enumerate() {
        let shop = Shop::new().await;
        let fields = json!({"metadata": {"order_id": no_id, "size": "L"}, "client_reference_id": "1"});
        let object = with(session("cs_1", Some("pi_1"), 2_500, None), &fields);
        assert_eq!(
            shop.tell("checkout.session.completed", object).await,
            "applied",
            "{number}: {no_id}"
        );
    }
}

#[tokio::test]
async fn a_payment_without_a_source_that_names_an_order_is_recorded_only() {
    let shop = Shop::new().await;
    for no_id in no_ids() {
        let fields = json!({"metadata": {"order_id": no_id}, "client_reference_id": no_id});
        let object = with(session("cs_1", Some("pi_1"), 2_500, None), &fields);
        let event = shop.event("checkout.session.completed", object);
        let receipt = shop.stripe(&event).await.json(200);
        let wanted = json!({"event_id": event["id"], "result": "ignored", "order_id": null, "order_status": null});
        assert_eq!(receipt, wanted, "{no_id}");
    }
    for metadata in [json!({}), json!(null), json!({"order": "1"})] {
        let object = with(intent("pi_1", 2_500, None), &json!({"metadata": metadata}));
        assert_eq!(
            shop.tell("payment_intent.succeeded", object).await,
            "ignored",
            "{metadata}"
        );
    }
    // It is no payment of ours, so a later event that does name the order is the first of it.
    shop.assert_books("PENDING", 8, &[]).await;
    shop.pay_by_stripe().await;
}

#[tokio::test]
async fn the_metadata_count_before_the_reference_that_customers_can_change() {
    let shop = Shop::new().await;
    shop.place_order().await;
    let object = with(
        session("cs_1", Some("pi_1"), 2_500, Some(2)),
        &json!({"client_reference_id": "1"}),
    );
    assert_eq!(shop.tell("checkout.session.completed", object).await, "applied");
    assert_eq!(shop.status_of(2).await, "PAID");
    shop.assert_books("PENDING", 6, &["pi_1 of 2: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn the_key_of_the_metadata_is_a_setting() {
    let shop = Shop::expecting(|expected| "Order number".clone_into(&mut expected.order_key)).await;
    assert_eq!(
        shop.tell("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)))
            .await,
        "ignored"
    );
    let object = with(
        intent("pi_1", 2_500, None),
        &json!({"metadata": {"Order number": "1", "order_id": "7"}}),
    );
    assert_eq!(shop.tell("payment_intent.succeeded", object).await, "applied");
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn an_order_id_that_was_never_issued_is_404_while_the_event_is_young_and_its_retry_finds_the_order() {
    let shop = Shop::new().await;
    let early = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(2)));
    shop.clock.advance_ms(10 * MINUTE_MS - 1);
    let problem = shop
        .stripe(&early)
        .await
        .expect_problem(404, "/problems/order-not-found");
    assert_eq!(problem["detail"], "There is no order 2.");
    assert!(shop.events().await.is_empty() && shop.payments().await.is_empty());
    assert_eq!(shop.place_order().await, 2);
    assert_eq!(shop.accept(&early).await, "applied");
    assert_eq!(shop.status_of(2).await, "PAID");
    shop.assert_books("PENDING", 6, &["pi_1 of 2: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn an_old_event_of_an_order_id_that_was_never_issued_is_money_of_no_order_also_after_that_is_placed() {
    let shop = Shop::new().await;
    let early = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(2)));
    shop.clock.advance_ms(10 * MINUTE_MS);
    assert_eq!(shop.accept(&early).await, "order_unknown");
    let of_no_order = "pi_1 of none: 2500 EUR, 0 back, open";
    assert_eq!(shop.payments().await, [of_no_order]);
    assert_eq!(
        shop.events().await,
        ["evt_1 payment_intent.succeeded of none: order_unknown"]
    );

    // The order with that id is another customer's.
    assert_eq!(shop.place_order().await, 2);
    let again = session("cs_1", Some("pi_1"), 2_500, Some(2));
    assert_eq!(shop.tell("checkout.session.completed", again).await, "ignored");
    assert_eq!(shop.status_of(2).await, "PENDING");
    let of_order = shop.get("/payments?order_id=2").await.json(200);
    assert_eq!(of_order["items"], json!([]));
    shop.delete("/orders/2").await.expect(204);
    shop.assert_books("PENDING", 8, &[of_no_order]).await;
}

#[tokio::test]
async fn money_of_no_order_is_followed_to_its_refund_though_that_names_the_same_id() {
    let shop = Shop::new().await;
    let early = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(77)));
    shop.clock.advance_ms(11 * MINUTE_MS);
    assert_eq!(shop.accept(&early).await, "order_unknown");
    // A charge has a copy of its intent's metadata.
    let named = json!({"metadata": {"order_id": "77"}});
    let part = with(charge("ch_1", Some("pi_1"), 2_500, 500), &named);
    assert_eq!(shop.tell("charge.refunded", part).await, "partial_refund");
    let disputed = with(dispute("du_1", "pi_1", "needs_response"), &named);
    assert_eq!(shop.tell("charge.dispute.created", disputed).await, "disputed");
    shop.assert_books("PENDING", 8, &["pi_1 of none: 2500 EUR, 500 back, open disputed"])
        .await;
    let whole = with(charge("ch_1", Some("pi_1"), 2_500, 2_500), &named);
    assert_eq!(shop.tell("charge.refunded", whole).await, "applied");
    shop.assert_books("PENDING", 8, &["pi_1 of none: 2500 EUR, 2500 back, closed disputed"])
        .await;
}

#[tokio::test]
async fn the_refund_and_the_dispute_of_money_of_no_order_can_come_before_it() {
    let shop = Shop::new().await;
    let early = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(77)));
    let named = json!({"metadata": {"order_id": "77"}});
    let part = with(charge("ch_1", Some("pi_1"), 2_500, 500), &named);
    assert_eq!(shop.tell("charge.refunded", part).await, "ignored");
    let disputed = with(dispute("du_1", "pi_1", "needs_response"), &named);
    assert_eq!(shop.tell("charge.dispute.created", disputed).await, "ignored");
    shop.clock.advance_ms(11 * MINUTE_MS);
    assert_eq!(shop.accept(&early).await, "order_unknown");
    shop.assert_books("PENDING", 8, &["pi_1 of none: 2500 EUR, 500 back, open disputed"])
        .await;
}

#[tokio::test]
async fn the_largest_id_is_an_order_id_and_a_larger_one_is_none() {
    let shop = Shop::new().await;
    let of = |id: &str| with(intent("pi_1", 2_500, None), &json!({"metadata": {"order_id": id}}));
    let event = shop.event("payment_intent.succeeded", of("9223372036854775807"));
    shop.stripe(&event).await.expect(404);
    assert_eq!(
        shop.tell("payment_intent.succeeded", of("9223372036854775808")).await,
        "ignored"
    );
}

#[tokio::test]
async fn a_payment_belongs_to_the_first_order_that_was_recorded_for_it() {
    let shop = Shop::new().await;
    shop.place_order().await;
    shop.pay_by_stripe().await;
    let changed = with(
        session("cs_1", Some("pi_1"), 2_500, None),
        &json!({"client_reference_id": "2"}),
    );
    let receipt = shop
        .stripe(&shop.event("checkout.session.completed", changed))
        .await
        .json(200);
    assert_eq!(
        (&receipt["result"], &receipt["order_id"]),
        (&json!("ignored"), &json!(1))
    );
    let named = json!({"metadata": {"order_id": "2"}});
    for (kind, object) in [
        ("payment_intent.succeeded", intent("pi_1", 2_500, Some(2))),
        ("refund.created", with(refund("re_1", "pi_1", 500), &named)),
        (
            "charge.refunded",
            with(charge("ch_1", Some("pi_1"), 2_500, 2_500), &named),
        ),
        (
            "charge.dispute.created",
            with(dispute("du_1", "pi_1", "needs_response"), &named),
        ),
    ] {
        assert_eq!(shop.tell(kind, object).await, "ignored", "{kind}");
    }
    assert_eq!(shop.status_of(2).await, "PENDING");
    shop.assert_books("PAID", 6, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn a_refund_that_names_another_order_counts_for_no_payment_also_once_it_fails() {
    let shop = Shop::new().await;
    shop.place_order().await;
    let other = with(refund("re_1", "pi_1", 500), &json!({"metadata": {"order_id": "2"}}));
    assert_eq!(shop.tell("refund.created", other).await, "ignored");
    shop.pay_by_stripe().await;
    assert_eq!(
        shop.tell("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 700))
            .await,
        "partial_refund"
    );
    let failed = with(refund("re_1", "pi_1", 500), &json!({"status": "failed"}));
    assert_eq!(shop.tell("refund.failed", failed).await, "ignored");
    shop.assert_books("PAID", 6, &["pi_1 of 1: 2500 EUR, 700 back, open own"])
        .await;
}
