//! Amounts: other currencies, units that are no hundredths, and events without an amount.

use serde_json::json;

use crate::support::stripe::{Shop, charge, intent, refund, session, with};

/// A shop with this currency whose order 1 costs so much.
async fn shop_of(currency: &str, total: f64) -> Shop {
    let shop = Shop::in_currency(currency).await;
    shop.put("/orders/1", json!({"status": "CANCELED"})).await.expect(200);
    let product = json!({"sku": "B", "name": "b", "price": total, "stock": 9});
    shop.post("/products", product).await.expect(201);
    assert_eq!(shop.order(2, 1).await, 2);
    shop
}

#[tokio::test]
async fn amounts_are_read_by_the_providers_list_of_currencies() {
    for (currency, total, units) in [
        ("JPY", 200.0, 200),
        ("KRW", 200.0, 200),
        ("ISK", 200.0, 20_000),
        ("UGX", 200.0, 20_000),
        ("KWD", 12.34, 12_340),
        ("BHD", 12.3, 12_300),
        ("USD", 19.99, 1_999),
        ("HUF", 200.0, 20_000),
    ] {
        let shop = shop_of(currency, total).await;
        for (units, result) in [(units + 10, "amount_mismatch"), (units, "applied")] {
            let code = currency.to_lowercase();
            let object = with(
                intent(&format!("pi_{units}"), units, Some(2)),
                &json!({"currency": code}),
            );
            assert_eq!(
                shop.tell("payment_intent.succeeded", object).await,
                result,
                "{units} {currency}"
            );
        }
        let newest = shop.get("/payments?order_id=2").await.json(200)["items"][0].take();
        assert_eq!(newest["amount"].as_f64(), Some(total), "{newest}");
        let members = ["currency", "open", "own"].map(|member| newest[member].clone());
        assert_eq!(members, [json!(currency), json!(true), json!(true)]);
        let code = currency.to_lowercase();
        let back = with(
            charge("ch_1", Some(&format!("pi_{units}")), units, units),
            &json!({"currency": code}),
        );
        assert_eq!(
            shop.tell("charge.refunded", back).await,
            "applied",
            "{units} {currency}"
        );
        assert_eq!(shop.status_of(2).await, "CANCELED");
        shop.assert_ledger_adds_up().await;
    }
}

#[tokio::test]
async fn another_currency_is_never_converted_and_its_whole_refund_closes_it() {
    let shop = Shop::new().await;
    let dollars = json!({"currency": "usd"});
    let paid = with(session("cs_1", Some("pi_1"), 2_500, Some(1)), &dollars);
    assert_eq!(shop.tell("checkout.session.completed", paid).await, "currency_mismatch");
    let recorded = shop.get("/payment-events").await.json(200)["items"][0].take();
    assert_eq!(
        (&recorded["amount"], &recorded["currency"]),
        (&json!(null), &json!("USD"))
    );
    shop.assert_books("PENDING", 8, &["pi_1 of 1: ? USD, ? back, open"])
        .await;
    let part = with(refund("re_1", "pi_1", 500), &dollars);
    assert_eq!(shop.tell("refund.created", part.clone()).await, "partial_refund");
    assert_eq!(shop.tell("refund.failed", part).await, "refund_failed");
    // In euros it is no refund of it.
    assert_eq!(
        shop.tell("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 2_500))
            .await,
        "ignored"
    );
    shop.assert_books("PENDING", 8, &["pi_1 of 1: ? USD, ? back, open"])
        .await;
    let whole = with(refund("re_2", "pi_1", 2_500), &dollars);
    assert_eq!(shop.tell("refund.created", whole).await, "applied");
    shop.assert_books("PENDING", 8, &["pi_1 of 1: ? USD, ? back, closed"])
        .await;
}

#[tokio::test]
async fn parts_of_a_cent_are_never_rounded() {
    let shop = shop_of("KWD", 12.34).await;
    let of = |units: i64| with(intent("pi_1", units, Some(2)), &json!({"currency": "kwd"}));
    assert_eq!(
        shop.tell("payment_intent.succeeded", of(12_345)).await,
        "currency_mismatch"
    );
    assert_eq!(shop.payments().await, ["pi_1 of 2: ? KWD, ? back, open"]);
    assert_eq!(shop.status_of(2).await, "PENDING");
    let back = with(
        charge("ch_1", Some("pi_1"), 12_345, 12_345),
        &json!({"currency": "kwd"}),
    );
    assert_eq!(shop.tell("charge.refunded", back).await, "applied");
    assert_eq!(shop.payments().await, ["pi_1 of 2: ? KWD, ? back, closed"]);
    shop.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn another_currency_for_a_canceled_order_is_due_back() {
    let shop = Shop::new().await;
    shop.set_status(1, "CANCELED").await;
    let dollars = with(intent("pi_1", 2_500, Some(1)), &json!({"currency": "usd"}));
    assert_eq!(
        shop.tell("payment_intent.succeeded", dollars).await,
        "currency_mismatch"
    );
    assert!(shop.owes().await);
    shop.assert_books("CANCELED", 10, &["pi_1 of 1: ? USD, ? back, open"])
        .await;
}

#[tokio::test]
async fn a_payment_of_another_currency_does_not_keep_a_right_one_from_paying() {
    let shop = Shop::new().await;
    let dollars = with(intent("pi_1", 2_500, Some(1)), &json!({"currency": "usd"}));
    shop.tell("payment_intent.succeeded", dollars).await;
    assert_eq!(
        shop.tell("payment_intent.succeeded", intent("pi_2", 2_500, Some(1)))
            .await,
        "applied"
    );
    let payments = [
        "pi_1 of 1: ? USD, ? back, open",
        "pi_2 of 1: 2500 EUR, 0 back, open own",
    ];
    shop.assert_books("PAID", 8, &payments).await;
}

#[tokio::test]
async fn a_payment_without_an_amount_is_never_taken_for_the_total() {
    for (number, missing) in [
        json!({"amount_received": null, "amount": null}),
        json!({"amount_received": 0}),
        json!({"amount_received": -2_500}),
        json!({"currency": null}),
        json!({"currency": "€"}),
    ]
    .into_iter()
    .enumerate()
    {
        let shop = Shop::new().await;
        let object = with(intent("pi_1", 2_500, Some(1)), &missing);
        assert_eq!(
            shop.tell("payment_intent.succeeded", object).await,
            "amount_mismatch",
            "{number}: {missing}"
        );
        shop.assert_books("PENDING", 8, &["pi_1 of 1: ? ?, 0 back, open"]).await;
    }
}
