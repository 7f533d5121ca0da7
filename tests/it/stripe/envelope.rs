//! Signature, envelope, mode and account; objects that cannot be read, and events about something else.

use orders_inventory::http::signature::Secret;
use serde_json::{Value, json};

use crate::support::app::STRIPE_SECRET;
use crate::support::payment::{hex, sign};
use crate::support::stripe::{Shop, charge, dispute, intent, refund, session, with, without};

fn paid(shop: &Shop) -> Value {
    shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)))
}

#[tokio::test]
async fn an_event_is_taken_only_with_a_signature_of_its_exact_bytes_within_the_tolerance() {
    let shop = Shop::new().await;
    let before = shop.snapshot().await;
    let body = paid(&shop).to_string();
    let now = shop.now_seconds();
    let at = |seconds| sign(STRIPE_SECRET, seconds, body.as_bytes());
    let spaced = body.replacen(':', ": ", 1);
    for (signature, body) in [
        (at(now), &spaced),
        (at(now - 301), &body),
        (at(now + 301), &body),
        (sign("whsec_test", now, body.as_bytes()), &body),
        (
            format!("t={now},v0={}", hex(STRIPE_SECRET, now, body.as_bytes())),
            &body,
        ),
        ("v1=00".to_owned(), &body),
        (String::new(), &body),
    ] {
        let answer = shop.stripe_signed(&signature, body.as_str()).await;
        let challenge = answer.header("www-authenticate").map(str::to_owned);
        assert_eq!(challenge.as_deref(), Some("Signature header=\"Stripe-Signature\""));
        answer.expect_problem(401, "/problems/invalid-signature");
    }
    // Neither without a header, nor with the one of our own events.
    shop.post("/webhooks/stripe", body.as_str()).await.expect(401);
    let own = shop
        .post("/webhooks/stripe", body.as_str())
        .header("x-webhook-signature", &at(now));
    own.await.expect_problem(401, "/problems/invalid-signature");
    assert_eq!(shop.snapshot().await, before);

    let late = shop.stripe_signed(&at(now - 299), body.as_str()).await.json(200);
    assert_eq!(late["result"], "applied");
}

#[tokio::test]
async fn while_a_secret_is_rolled_one_of_several_signatures_by_either_secret_is_enough() {
    let shop = Shop::with(|options| {
        let secrets = [STRIPE_SECRET, "whsec_old"].map(|text| Secret::new(text).unwrap());
        options.stripe.as_mut().unwrap().0.secrets = secrets.into();
    })
    .await;
    for (secrets, status) in [
        (vec!["whsec_old"], 200),
        (vec!["whsec_other", "whsec_old"], 200),
        (vec![STRIPE_SECRET, "whsec_other"], 200),
        (vec!["whsec_other"], 401),
    ] {
        let body = paid(&shop).to_string();
        let now = shop.now_seconds();
        let signatures: Vec<_> = secrets
            .iter()
            .map(|secret| format!("v1={}", hex(secret, now, body.as_bytes())))
            .collect();
        let header = format!("t={now},{},v0=00", signatures.join(","));
        shop.stripe_signed(&header, body.as_str()).await.expect(status);
    }
}

#[tokio::test]
async fn without_a_secret_no_event_is_taken() {
    for is_half_configured in [true, false] {
        let shop = Shop::with(|options| match is_half_configured {
            true => options.stripe.as_mut().unwrap().0.secrets.clear(),
            false => options.stripe = None,
        })
        .await;
        let answer = shop.stripe(&paid(&shop)).await;
        answer.expect_problem(503, "/problems/webhook-not-configured");
        assert!(shop.events().await.is_empty());
        assert_eq!(shop.status_of(1).await, "PENDING");
    }
}

#[tokio::test]
async fn a_thin_event_is_refused_with_what_to_choose_instead() {
    let shop = Shop::new().await;
    let before = shop.snapshot().await;
    let thin = json!({
        "id": "evt_1", "object": "v2.core.event", "type": "v1.payment_intent.succeeded", "livemode": true,
        "created": "2026-03-01T09:30:00.000Z",
        "related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"},
    });
    let answer = shop.stripe(&thin).await;
    assert_eq!(answer.clone().expect_failures(), ["/created", "/data", "/object"]);
    let errors = answer.value()["errors"].take();
    let object = errors
        .as_array()
        .unwrap()
        .iter()
        .find(|error| error["pointer"] == "/object")
        .unwrap();
    assert!(
        object["detail"]
            .as_str()
            .unwrap()
            .contains("choose the payload style Snapshot"),
        "{errors}"
    );
    assert_eq!(shop.snapshot().await, before);
}

#[tokio::test]
async fn an_envelope_that_is_no_event_is_refused_with_every_failure_at_its_place() {
    let shop = Shop::new().await;
    let before = shop.snapshot().await;
    let good = paid(&shop);
    let all = ["/id", "/object", "/type", "/created", "/livemode", "/data"];
    for (body, places) in [
        (json!({}), &all[..]),
        (
            json!({"id": 1, "object": 2, "type": 3, "created": "4", "livemode": 5, "data": 6, "account": 7}),
            &["/id", "/object", "/type", "/created", "/livemode", "/account", "/data"],
        ),
        (with(good.clone(), &json!({"id": ""})), &["/id"]),
        (with(good.clone(), &json!({"id": "x".repeat(256)})), &["/id"]),
        (with(good.clone(), &json!({"object": "payment_intent"})), &["/object"]),
        (
            with(good.clone(), &json!({"type": "", "created": -1})),
            &["/type", "/created"],
        ),
        (with(good.clone(), &json!({"created": 1.5})), &["/created"]),
        (with(good.clone(), &json!({"livemode": "true"})), &["/livemode"]),
        (with(good.clone(), &json!({"data": {}})), &["/data/object"]),
        (with(good.clone(), &json!({"data": []})), &["/data"]),
        (without(good.clone(), "livemode"), &["/livemode"]),
    ] {
        let mut found = shop.stripe(&body).await.expect_failures();
        let mut wanted: Vec<_> = places.iter().map(|place| (*place).to_owned()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{body}");
    }
    for body in ["[]", "null", "1", "\"evt\""] {
        shop.stripe_text(body)
            .await
            .expect_problem(422, "/problems/validation-failed");
    }
    let doubled = good.to_string().replacen("{", r#"{"id":"evt_2","#, 1);
    for body in ["", "{", "\u{feff}{}", doubled.as_str()] {
        let answer = shop.stripe_text(body).await;
        assert!([400, 422].contains(&answer.status), "{body}: {answer:?}");
    }
    let other = shop
        .stripe(&good)
        .without(axum::http::header::CONTENT_TYPE)
        .header("content-type", "text/plain");
    other.await.expect_problem(415, "/problems/unsupported-media-type");
    assert_eq!(shop.snapshot().await, before);
    assert_eq!(shop.accept(&good).await, "applied");
}

#[tokio::test]
async fn a_body_may_have_256_kib_and_a_larger_one_is_refused() {
    let shop = Shop::new().await;
    let before = shop.snapshot().await;
    let mut event = paid(&shop);
    let rest = 256 * 1_024 - event.to_string().len() - r#","description":"""#.len();
    event["description"] = json!("x".repeat(rest + 1));
    shop.stripe(&event)
        .await
        .expect_problem(413, "/problems/payload-too-large");
    assert_eq!(shop.snapshot().await, before);
    event["description"] = json!("x".repeat(rest));
    assert_eq!(event.to_string().len(), 256 * 1_024);
    assert_eq!(shop.accept(&event).await, "applied");
}

#[tokio::test]
async fn an_event_of_the_other_mode_is_recorded_and_ignored() {
    for is_live in [true, false] {
        let shop = Shop::expecting(|expected| expected.is_live = is_live).await;
        let of = |livemode: bool| with(paid(&shop), &json!({"livemode": livemode}));
        assert_eq!(shop.accept(&of(!is_live)).await, "ignored");
        shop.assert_books("PENDING", 8, &[]).await;
        assert_eq!(shop.accept(&of(is_live)).await, "applied");
        shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
            .await;
    }
}

#[tokio::test]
async fn an_event_of_another_account_is_recorded_and_ignored() {
    let of = |shop: &Shop, account: Option<&str>| match account {
        Some(account) => with(paid(shop), &json!({"account": account})),
        None => paid(shop),
    };
    for (configured, others) in [
        (None, [Some("acct_1"), Some("acct_2")]),
        (Some("acct_1"), [None, Some("acct_2")]),
    ] {
        let shop = Shop::expecting(|expected| expected.account = configured.map(str::to_owned)).await;
        for other in others {
            assert_eq!(
                shop.accept(&of(&shop, other)).await,
                "ignored",
                "{other:?} is not {configured:?}"
            );
        }
        shop.assert_books("PENDING", 8, &[]).await;
        assert_eq!(shop.accept(&of(&shop, configured)).await, "applied");
    }
}

/// Types that are known here, each with an object that can be read.
fn known_types() -> Vec<(&'static str, Value)> {
    let session = session("cs_9", Some("pi_9"), 2_500, Some(1));
    let intent = intent("pi_9", 2_500, Some(1));
    let refund = refund("re_9", "pi_9", 500);
    vec![
        ("checkout.session.completed", session.clone()),
        ("checkout.session.async_payment_succeeded", session.clone()),
        ("checkout.session.async_payment_failed", session.clone()),
        ("checkout.session.expired", session),
        ("payment_intent.succeeded", intent.clone()),
        ("payment_intent.payment_failed", intent.clone()),
        ("payment_intent.canceled", intent.clone()),
        ("payment_intent.processing", intent.clone()),
        ("payment_intent.amount_capturable_updated", intent),
        ("charge.succeeded", charge("ch_9", None, 2_500, 0)),
        ("charge.refunded", charge("ch_9", Some("pi_9"), 2_500, 500)),
        ("refund.created", refund.clone()),
        ("refund.updated", refund.clone()),
        ("refund.failed", refund.clone()),
        ("charge.refund.updated", refund),
        ("charge.dispute.created", dispute("du_9", "pi_9", "needs_response")),
        ("charge.dispute.closed", dispute("du_9", "pi_9", "lost")),
    ]
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_recorded_and_ignored() {
    let shop = Shop::new().await;
    let nonsense = [
        json!(null),
        json!(1),
        json!("pi_1"),
        json!([]),
        json!({}),
        json!({"id": null}),
    ];
    for (kind, good) in known_types() {
        let broken = [
            without(good.clone(), "id"),
            with(good.clone(), &json!({"id": 7})),
            with(good.clone(), &json!({"metadata": "order 1"})),
            with(good, &json!({"metadata": [1]})),
        ];
        for object in nonsense.iter().cloned().chain(broken) {
            let event = shop.event(kind, object.clone());
            let receipt = shop.stripe(&event).await.json(200);
            let wanted = json!({"event_id": event["id"], "result": "ignored", "order_id": null, "order_status": null});
            assert_eq!(receipt, wanted, "{kind}: {object}");
        }
    }
    shop.assert_books("PENDING", 8, &[]).await;
}

#[tokio::test]
async fn members_that_a_fact_needs_make_an_object_unreadable_without_them() {
    let shop = Shop::new().await;
    shop.pay_by_stripe().await;
    let of_pi_1 = |object: Value| with(object, &json!({"payment_intent": "pi_1"}));
    for (kind, object, missing) in [
        (
            "checkout.session.completed",
            session("cs_9", Some("pi_9"), 2_500, Some(1)),
            &["mode", "payment_status"][..],
        ),
        (
            "charge.refunded",
            charge("ch_1", Some("pi_1"), 2_500, 500),
            &["amount_refunded", "currency"],
        ),
        (
            "refund.created",
            refund("re_1", "pi_1", 500),
            &["amount", "currency", "id"],
        ),
        (
            "charge.dispute.created",
            dispute("du_1", "pi_1", "needs_response"),
            &["status", "id"],
        ),
    ] {
        for member in missing {
            assert_eq!(
                shop.tell(kind, without(object.clone(), member)).await,
                "ignored",
                "{kind} without {member}"
            );
        }
    }
    for (kind, object) in [
        (
            "refund.created",
            with(
                refund("re_1", "pi_1", 500),
                &json!({"payment_intent": null, "charge": null}),
            ),
        ),
        ("refund.created", refund("", "pi_1", 500)),
        ("refund.created", refund("re_1", "", 500)),
        ("charge.dispute.created", dispute("", "pi_1", "needs_response")),
        ("payment_intent.succeeded", intent("", 2_500, Some(1))),
        (
            "refund.created",
            with(refund("re_1", "pi_1", 500), &json!({"amount": -500})),
        ),
        (
            "refund.created",
            with(refund("re_1", "pi_1", 500), &json!({"amount": 0})),
        ),
        (
            "refund.created",
            with(refund("re_1", "pi_1", 500), &json!({"currency": "euro"})),
        ),
        ("charge.refunded", of_pi_1(charge("ch_1", None, 2_500, 0))),
        ("charge.refunded", of_pi_1(charge("ch_1", None, 2_500, -1))),
        ("charge.dispute.closed", dispute("du_1", "pi_1", "under_review")),
        (
            "checkout.session.completed",
            with(
                session("cs_9", Some("pi_9"), 1, Some(1)),
                &json!({"payment_status": "odd"}),
            ),
        ),
    ] {
        assert_eq!(shop.tell(kind, object.clone()).await, "ignored", "{kind}: {object}");
    }
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn an_event_about_something_else_is_always_taken() {
    let shop = Shop::new().await;
    let deep = (0..60).fold(json!({}), |inner, _| json!({"inner": inner}));
    for kind in [
        "customer.created",
        "invoice.paid",
        "invoice.payment_succeeded",
        "payout.failed",
        "charge.captured",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "price.updated",
        "transfer.created",
        "x",
        "…",
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment.succeeded",
        "payment.refunded",
    ] {
        for object in [
            intent("pi_1", 2_500, Some(1)),
            json!(null),
            json!([1, {"id": 2}]),
            json!("text"),
            json!(-1.5e300),
            deep.clone(),
        ] {
            assert_eq!(shop.tell(kind, object).await, "ignored", "{kind}");
        }
    }
    shop.assert_books("PENDING", 8, &[]).await;
}
