//! `GET /payments`: every payment that is followed, its members, filters and pages.

use orders_inventory::http::ApiKeys;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::payment::{refunded, stripe_result, succeeded};

/// The service with this many orders of 2 units for 25.
async fn with_orders(count: usize) -> TestApp {
    let app = TestApp::new();
    let product = app.product(100).await;
    for _ in 0..count {
        app.order(product, 2).await;
    }
    app
}

/// Delivers an event of Stripe, a second after the one before; its result must be this.
async fn tell(app: &TestApp, id: &str, kind: &str, object: Value, result: &str) {
    app.clock.advance_ms(1_000);
    assert_eq!(stripe_result(app, id, kind, object).await, result, "{id}");
}

/// The same, in the service's own format.
async fn tell_own(app: &TestApp, event: Value, result: &str) {
    app.clock.advance_ms(1_000);
    assert_eq!(app.result(&event).await, result, "{event}");
}

fn intent(id: &str, order: i64, units: i64, currency: &str) -> Value {
    json!({"id": id, "amount_received": units, "currency": currency, "metadata": {"order_id": order.to_string()}})
}

fn dispute(id: &str, payment: &str, status: &str) -> Value {
    json!({"id": id, "payment_intent": payment, "amount": 2500, "currency": "eur", "status": status, "metadata": {}})
}

/// The payment of this id, as listed.
async fn listed(app: &TestApp, payment: &str) -> Value {
    let all = app.walk("/payments").await;
    let found: Vec<_> = all.iter().filter(|listed| listed["payment_id"] == payment).collect();
    assert_eq!(found.len(), 1, "{payment}: {all:?}");
    found[0].clone()
}

/// The ids of these payments.
fn ids(payments: &[Value]) -> Vec<&str> {
    payments
        .iter()
        .map(|payment| payment["payment_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_payment_of_stripe_shows_every_member_as_it_changes() {
    let app = with_orders(1).await;
    assert_eq!(
        app.get("/payments").await.json(200),
        json!({"items": [], "next_cursor": null})
    );
    tell(
        &app,
        "evt_1",
        "payment_intent.succeeded",
        intent("pi_1", 1, 2500, "eur"),
        "applied",
    )
    .await;
    let created_at = "2026-03-01T09:30:01.000Z";
    let mut wanted = json!({
        "payment_id": "pi_1", "provider": "stripe", "order_id": 1, "amount": 25, "currency": "EUR", "refunded": 0,
        "open": true, "own": true, "disputed": false, "created_at": created_at,
    });
    assert_eq!(app.walk("/payments").await, [wanted.clone()]);

    let part = json!({"id": "re_1", "payment_intent": "pi_1", "amount": 1234, "currency": "eur", "status": "succeeded", "metadata": {}});
    tell(&app, "evt_2", "refund.created", part.clone(), "partial_refund").await;
    wanted["refunded"] = json!(12.34);
    assert_eq!(app.walk("/payments").await, [wanted.clone()]);

    let disputes = "charge.dispute.created";
    tell(
        &app,
        "evt_3",
        disputes,
        dispute("du_1", "pi_1", "needs_response"),
        "disputed",
    )
    .await;
    wanted["disputed"] = json!(true);
    assert_eq!(app.walk("/payments").await, [wanted.clone()]);
    tell(
        &app,
        "evt_4",
        "charge.dispute.closed",
        dispute("du_1", "pi_1", "won"),
        "ignored",
    )
    .await;
    wanted["disputed"] = json!(false);
    assert_eq!(app.walk("/payments").await, [wanted.clone()]);

    tell(&app, "evt_5", "refund.failed", part, "refund_failed").await;
    wanted["refunded"] = json!(0);
    assert_eq!(app.walk("/payments").await, [wanted.clone()]);

    let whole = json!({"id": "re_2", "payment_intent": "pi_1", "amount": 2500, "currency": "eur", "status": "pending"});
    tell(&app, "evt_6", "refund.created", whole, "applied").await;
    wanted["refunded"] = json!(25);
    wanted["open"] = json!(false);
    assert_eq!(app.walk("/payments").await, [wanted]);
    assert_eq!(app.status_of(1).await, "CANCELED");
}

#[tokio::test]
async fn a_lost_dispute_stays() {
    let app = with_orders(1).await;
    tell(
        &app,
        "evt_1",
        "payment_intent.succeeded",
        intent("pi_1", 1, 2500, "eur"),
        "applied",
    )
    .await;
    // The end may come first.
    let created = dispute("du_1", "pi_1", "needs_response");
    tell(
        &app,
        "evt_2",
        "charge.dispute.closed",
        dispute("du_1", "pi_1", "lost"),
        "disputed",
    )
    .await;
    tell(&app, "evt_3", "charge.dispute.created", created, "ignored").await;
    assert_eq!(listed(&app, "pi_1").await["disputed"], true);
}

#[tokio::test]
async fn a_payment_that_names_no_id_is_shown_by_that_of_its_event() {
    let app = with_orders(2).await;
    tell_own(&app, succeeded("evt_1", json!({"order_id": 1})), "applied").await;
    tell_own(
        &app,
        succeeded("evt_2", json!({"order_id": 2, "payment_id": "pay_2", "amount": 7})),
        "amount_mismatch",
    )
    .await;
    let at = |second: u8| format!("2026-03-01T09:30:0{second}.000Z");
    let wanted = [
        json!({
            "payment_id": "pay_2", "provider": "own", "order_id": 2, "amount": 7, "currency": null, "refunded": 0,
            "open": true, "own": false, "disputed": false, "created_at": at(2),
        }),
        // It is of the order's total, for it names no amount.
        json!({
            "payment_id": "evt_1", "provider": "own", "order_id": 1, "amount": 25, "currency": null, "refunded": 0,
            "open": true, "own": true, "disputed": false, "created_at": at(1),
        }),
    ];
    assert_eq!(app.walk("/payments").await, wanted);
}

#[tokio::test]
async fn money_in_other_units_shows_its_currency_and_no_amount() {
    let app = with_orders(4).await;
    let paid = "payment_intent.succeeded";
    for (id, object, result) in [
        ("evt_1", intent("pi_usd", 1, 2500, "usd"), "currency_mismatch"),
        ("evt_2", intent("pi_kwd", 2, 2510, "kwd"), "currency_mismatch"),
        (
            "evt_3",
            json!({"id": "pi_none", "currency": "eur", "metadata": {"order_id": "3"}}),
            "amount_mismatch",
        ),
    ] {
        tell(&app, id, paid, object, result).await;
    }
    for (payment, currency, refunded) in [
        ("pi_usd", json!("USD"), Value::Null),
        ("pi_kwd", json!("KWD"), Value::Null),
        ("pi_none", Value::Null, json!(0)),
    ] {
        let found = listed(&app, payment).await;
        assert_eq!(
            (&found["amount"], &found["currency"], &found["refunded"]),
            (&Value::Null, &currency, &refunded),
            "{found}"
        );
        assert_eq!(
            (&found["open"], &found["own"]),
            (&json!(true), &json!(false)),
            "{found}"
        );
    }
    // Its whole refund closes it.
    let refund =
        json!({"id": "re_1", "payment_intent": "pi_usd", "amount": 2500, "currency": "usd", "status": "succeeded"});
    tell(&app, "evt_4", "refund.created", refund, "applied").await;
    assert_eq!(listed(&app, "pi_usd").await["open"], false);
}

#[tokio::test]
async fn a_payment_of_an_order_that_was_never_placed_names_none() {
    let app = with_orders(1).await;
    let old = json!({
        "id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": app.now_seconds() - 601, "livemode": true,
        "data": {"object": intent("pi_1", 2, 2500, "eur")},
    });
    let receipt = crate::support::payment::from_stripe(&app, old).await.json(200);
    let wanted = json!({"event_id": "evt_1", "result": "order_unknown", "order_id": null, "order_status": null});
    assert_eq!(receipt, wanted);
    assert_eq!(listed(&app, "pi_1").await["order_id"], Value::Null);
    // An order that gets this id later is another one.
    app.order(1, 2).await;
    assert_eq!(listed(&app, "pi_1").await["order_id"], Value::Null);
    assert!(app.walk("/payments?order_id=2").await.is_empty());
    assert_eq!(app.status_of(2).await, "PENDING");
}

/// The service with 24 payments of three orders, every third of them closed; returns all of them, newest first.
async fn with_payments() -> (TestApp, Vec<Value>) {
    let app = with_orders(3).await;
    app.delete("/orders/3").await.expect(204);
    for number in 0..24_i64 {
        let (order, id) = (number % 3 + 1, format!("pay_{number}"));
        let data = json!({"order_id": order, "payment_id": id, "amount": 25});
        app.clock.advance_ms(1_000);
        match number % 2 {
            0 => {
                app.webhook(&succeeded(&format!("evt_{number}"), data.clone()))
                    .await
                    .expect(200);
            }
            _ => {
                let kind = "payment_intent.succeeded";
                stripe_result(&app, &format!("evt_{number}"), kind, intent(&id, order, 2500, "eur")).await;
            }
        }
        if number % 4 == 0 {
            app.webhook(&refunded(&format!("back_{number}"), data))
                .await
                .expect(200);
        }
    }
    let all = app.walk("/payments?limit=100").await;
    assert_eq!(all.len(), 24);
    (app, all)
}

#[tokio::test]
async fn payments_come_newest_first_and_filters_narrow_every_page() {
    let (app, all) = with_payments().await;
    let newest_first: Vec<_> = (0..24).rev().map(|number| format!("pay_{number}")).collect();
    assert_eq!(ids(&all), newest_first);
    for limit in [1, 5, 24] {
        assert_eq!(app.walk(&format!("/payments?limit={limit}")).await, all);
    }
    for open in [true, false] {
        let is_so: Vec<_> = all.iter().filter(|payment| payment["open"] == open).cloned().collect();
        assert!(!is_so.is_empty(), "{open}");
        assert_eq!(app.walk(&format!("/payments?limit=2&open={open}")).await, is_so);
        for order in [1, 2, 3, 99] {
            let of_order = |payment: &&Value| payment["order_id"] == order;
            let both: Vec<_> = is_so.iter().filter(of_order).cloned().collect();
            let path = format!("/payments?limit=2&order_id={order}&open={open}");
            assert_eq!(app.walk(&path).await, both, "{path}");
            let of_order: Vec<_> = all.iter().filter(of_order).cloned().collect();
            assert_eq!(of_order.len(), if order == 99 { 0 } else { 8 });
            assert_eq!(app.walk(&format!("/payments?limit=3&order_id={order}")).await, of_order);
        }
    }
}

#[tokio::test]
async fn a_link_keeps_the_limit_and_both_filters() {
    let (app, _) = with_payments().await;
    let answer = app.get("/payments?limit=2&open=true&order_id=1").await.expect(200);
    let cursor = answer.value()["next_cursor"].as_str().unwrap().to_owned();
    let link = answer.header("link").unwrap();
    let next = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .unwrap();
    let (path, query) = next.split_once('?').unwrap();
    let mut pairs: Vec<_> = query.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(path, "/payments");
    assert_eq!(
        pairs,
        [&*format!("cursor={cursor}"), "limit=2", "open=true", "order_id=1"]
    );
    let last = app.get("/payments?limit=100").await.expect(200);
    assert_eq!(
        (last.header("link"), &last.value()["next_cursor"]),
        (None, &Value::Null)
    );
}

#[tokio::test]
async fn payments_that_come_during_a_walk_do_not_shift_it() {
    let app = with_orders(1).await;
    let pay = async |number: i64| {
        let id = format!("pay_{number}");
        app.webhook(&succeeded(&id, json!({"order_id": 1, "payment_id": id})))
            .await
            .expect(200);
    };
    for number in 0..6 {
        pay(number).await;
    }
    let (first, next) = app.page("/payments?limit=3").await;
    pay(6).await;
    let (second, next) = app.page(&next.unwrap()).await;
    assert_eq!(
        ([ids(&first), ids(&second)].concat(), next),
        (vec!["pay_5", "pay_4", "pay_3", "pay_2", "pay_1", "pay_0"], None)
    );
}

#[tokio::test]
async fn bad_parameters_are_refused() {
    let app = TestApp::new();
    for (query, parameters) in [
        ("limit=0", vec!["?limit"]),
        ("limit=101&cursor=0000000000000000", vec!["?limit"]),
        ("cursor=8000000000000000", vec!["?cursor"]),
        ("cursor=nonsense", vec!["?cursor"]),
        ("order_id=0", vec!["?order_id"]),
        ("order_id=x&open=yes&limit=-1", vec!["?limit", "?open", "?order_id"]),
        ("open=", vec!["?open"]),
        ("open=TRUE", vec!["?open"]),
        ("open=1", vec!["?open"]),
        ("open=true&open=true", vec!["?open"]),
        ("result=applied", vec!["?result"]),
        ("payment_id=pi_1", vec!["?payment_id"]),
    ] {
        let mut found = app.get(&format!("/payments?{query}")).await.expect_failures();
        found.sort_unstable();
        assert_eq!(found, parameters, "{query}");
    }
}

#[tokio::test]
async fn a_key_is_needed_to_list_payments() {
    let app = TestApp::with(|options| options.api_keys = ApiKeys::new("right"));
    app.get("/payments")
        .await
        .expect_problem(401, "/problems/missing-api-key");
    let wrong = app.get("/payments").header("x-api-key", "wrong").await;
    wrong.expect_problem(401, "/problems/invalid-api-key");
    app.get("/payments").header("x-api-key", "right").await.expect(200);
}
