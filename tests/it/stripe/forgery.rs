//! Forged events of Stripe, of which none is taken, and true ones that are delivered again and again, which have one effect.

use axum::http::HeaderValue;
use serde_json::{Value, json};

use crate::support::app::{SECRET, STRIPE_SECRET};
use crate::support::client::at_once;
use crate::support::payment::{hex, hmac_sha256, sign};
use crate::support::stripe::{HEADER, Shop, charge, dispute, intent, refund, session, with};

const FORGERIES: usize = 5_000;
const REPLAYS: usize = 10_000;
const SEED: u64 = 0x57A1_9E00_0000_0018;

/// How many calls are on their way at once.
const AT_ONCE: usize = 50;

/// A forged delivery by an attacker who has seen a true one of the same moment.
#[derive(Debug)]
struct Forgery {
    how: &'static str,
    body: Vec<u8>,
    /// The header's name and its lines.
    header: &'static str,
    lines: Vec<Vec<u8>>,
}

/// The number of ways to forge.
const WAYS: usize = 13;

fn forge(dice: &mut fastrand::Rng, way: usize, event: &Value, now: i64) -> Forgery {
    let body = event.to_string().into_bytes();
    let good = sign(STRIPE_SECRET, now, &body);
    let digest = hex(STRIPE_SECRET, now, &body);
    let forged = |how, body: Vec<u8>, line: String| Forgery {
        how,
        body,
        header: HEADER,
        lines: vec![line.into_bytes()],
    };
    let at = dice.usize(..body.len());
    match way {
        0 => {
            let mut flipped = body;
            flipped[at] ^= 1 << dice.u8(..8);
            forged("a bit of the body", flipped, good)
        }
        1 => forged("a shorter body", body[..at].to_vec(), good),
        2 => forged(
            "a longer body",
            [&body[..], &b" ".repeat(dice.usize(1..9))].concat(),
            good,
        ),
        3 => {
            let mut other = event.clone();
            other["data"]["object"]["metadata"]["order_id"] = json!(dice.i64(2..1_000).to_string());
            forged("another order", other.to_string().into_bytes(), good)
        }
        4 => {
            let mut other = event.clone();
            other["data"]["object"]["amount_received"] = json!(dice.i64(1..2_500));
            forged("another amount", other.to_string().into_bytes(), good)
        }
        5 => {
            let text = String::from_utf8(body).unwrap();
            let spelled = match dice.u8(..3) {
                0 => serde_json::to_string_pretty(event).unwrap(),
                1 => text.replacen(':', ": ", dice.usize(1..4)),
                _ => text.replacen("\"id\"", "\"\\u0069d\"", 1),
            };
            forged("the same event, spelled otherwise", spelled.into_bytes(), good)
        }
        6 => {
            let offset = dice.i64(301..1_000_000);
            let then = if dice.bool() { now - offset } else { now + offset };
            forged(
                "an old or a future signature",
                body.clone(),
                sign(STRIPE_SECRET, then, &body),
            )
        }
        7 => forged(
            "a time that was not signed",
            body,
            format!("t={},v1={digest}", now + dice.i64(1..300)),
        ),
        8 => {
            // Our own secret is not Stripe's.
            let others = [SECRET, "", "whsec_stripe_tes", "stripe_test", "WHSEC_STRIPE_TEST"];
            let secret = others[dice.usize(..others.len())];
            forged("another secret", body.clone(), sign(secret, now, &body))
        }
        9 => {
            let message = match dice.u8(..3) {
                0 => body.clone(),
                1 => [now.to_string().as_bytes(), &body].concat(),
                _ => format!("{now}.").into_bytes(),
            };
            let mac = hex::encode(hmac_sha256(STRIPE_SECRET.as_bytes(), &message));
            forged("another construction", body, format!("t={now},v1={mac}"))
        }
        10 => {
            let line = match dice.u8(..5) {
                0 => format!("t={now},t={now},v1={digest}"),
                1 => format!("t={now},v0={digest}"),
                2 => format!("v1={digest}"),
                3 => format!("t={now},v1={}", &digest[..dice.usize(..64)]),
                _ => format!("t={now};v1={digest}"),
            };
            forged("another header", body, line)
        }
        11 => {
            let lines = vec![good.clone().into_bytes(); 2];
            match dice.bool() {
                true => Forgery {
                    how: "the header twice",
                    body,
                    header: HEADER,
                    lines,
                },
                false => Forgery {
                    how: "in the header of our own events",
                    body,
                    header: "x-webhook-signature",
                    lines: vec![good.into_bytes()],
                },
            }
        }
        _ => loop {
            let mut line = good.clone().into_bytes();
            let at = dice.usize(..line.len());
            line[at] ^= 1 << dice.u8(..8);
            // A hex digit in the other case is the same signature, and some bytes are not valid in a header.
            if !line.eq_ignore_ascii_case(good.as_bytes()) && HeaderValue::from_bytes(&line).is_ok() {
                return Forgery {
                    how: "a bit of the header",
                    body,
                    header: HEADER,
                    lines: vec![line],
                };
            }
        },
    }
}

#[tokio::test]
async fn of_5000_forged_events_none_is_taken() {
    println!("seed {SEED:#x}");
    let shop = Shop::new().await;
    let before = (shop.snapshot().await, shop.payments().await);
    let now = shop.now_seconds();
    let event = shop.event("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)));
    let mut dice = fastrand::Rng::with_seed(SEED);
    let forgeries: Vec<_> = (0..FORGERIES)
        .map(|number| forge(&mut dice, number % WAYS, &event, now))
        .collect();
    for (index, some) in forgeries.chunks(AT_ONCE).enumerate() {
        let calls = some.iter().map(|forgery| {
            let call = shop.post("/webhooks/stripe", forgery.body.clone());
            let lines = forgery.lines.iter();
            lines.fold(call, |call, line| call.header_bytes(forgery.header, line))
        });
        for (forgery, answer) in some.iter().zip(at_once(calls).await) {
            assert_eq!(
                answer.status, 401,
                "seed {SEED:#x}, chunk {index}: {}: {forgery:?} {answer:?}",
                forgery.how
            );
            answer.expect_problem(401, "/problems/invalid-signature");
        }
    }
    assert_eq!((shop.snapshot().await, shop.payments().await), before);
    // Truly signed, it is taken: the forgeries were refused for their signatures, not for the event.
    assert_eq!(shop.accept(&event).await, "applied");
    shop.assert_books("PAID", 8, &["pi_1 of 1: 2500 EUR, 0 back, open own"])
        .await;
}

#[tokio::test]
async fn events_that_are_delivered_10000_times_have_one_effect() {
    let shop = Shop::new().await;
    let mut events = Vec::new();
    for (kind, object, result) in [
        ("payment_intent.succeeded", intent("pi_1", 2_500, Some(1)), "applied"),
        (
            "checkout.session.completed",
            session("cs_1", Some("pi_1"), 2_500, Some(1)),
            "ignored",
        ),
        (
            "payment_intent.succeeded",
            intent("pi_2", 2_500, Some(1)),
            "duplicate_payment",
        ),
        ("refund.created", refund("re_1", "pi_1", 500), "partial_refund"),
        ("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 500), "ignored"),
        (
            "charge.dispute.created",
            dispute("du_1", "pi_1", "needs_response"),
            "disputed",
        ),
        ("charge.refunded", charge("ch_1", Some("pi_1"), 2_500, 2_500), "applied"),
        (
            "refund.failed",
            with(refund("re_1", "pi_1", 500), &json!({"status": "failed"})),
            "refund_due",
        ),
    ] {
        let event = shop.event(kind, object);
        assert_eq!(shop.accept(&event).await, result, "{kind}");
        // As it was sent, and signed anew by the sender after a while.
        events.push((
            event.to_string(),
            sign(STRIPE_SECRET, shop.now_seconds(), event.to_string().as_bytes()),
        ));
    }
    let payments = [
        "pi_1 of 1: 2500 EUR, 2000 back, open own disputed",
        "pi_2 of 1: 2500 EUR, 0 back, open",
    ];
    shop.assert_books("CANCELED", 10, &payments).await;
    let before = (shop.snapshot().await, shop.get("/orders/1").await.value());
    for round in 0..REPLAYS / AT_ONCE {
        if round == REPLAYS / AT_ONCE / 2 {
            shop.clock.advance_ms(200_000);
        }
        let calls = (0..AT_ONCE).map(|number| {
            let (body, signature) = &events[(round + number) % events.len()];
            match number % 2 {
                0 => shop.stripe_signed(signature, body.as_str()),
                _ => shop.stripe_text(body),
            }
        });
        for answer in at_once(calls).await {
            assert_eq!(answer.json(200)["result"], "duplicate");
        }
    }
    assert_eq!((shop.snapshot().await, shop.get("/orders/1").await.value()), before);
    shop.assert_books("CANCELED", 10, &payments).await;
    // A delivery that somebody else recorded is worth nothing once its time is over.
    shop.clock.advance_ms(101_000);
    let (body, signature) = &events[0];
    shop.stripe_signed(signature, body.as_str()).await.expect(401);
}
