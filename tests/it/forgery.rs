//! Forged events: none is accepted, and none changes anything.

use axum::http::HeaderValue;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::SECRET;
use crate::support::payment::{HEADER, hex, sign, succeeded};

const FORGERIES: usize = 5_000;
const SEED: u64 = 0x0E5E_11A7_20F4_0001;

/// A pseudo-random generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// A forged delivery by an attacker who has seen a valid one of the same moment.
#[derive(Debug)]
struct Forgery {
    how: &'static str,
    body: Vec<u8>,
    /// The lines of the header.
    lines: Vec<Vec<u8>>,
}

/// The number of ways to forge.
const WAYS: usize = 14;

fn forge(dice: &mut Dice, way: usize, event: &Value, now: i64) -> Forgery {
    let body = event.to_string().into_bytes();
    let good = sign(SECRET, now, &body);
    let digest = hex(SECRET, now, &body);
    let forged = |how, body: Vec<u8>, line: String| Forgery {
        how,
        body,
        lines: vec![line.into_bytes()],
    };
    let at = dice.below(body.len());
    match way {
        0 => {
            let mut flipped = body;
            flipped[at] ^= 1 << dice.below(8);
            forged("a bit of the body", flipped, good)
        }
        1 => forged("a shorter body", body[..at].to_vec(), good),
        2 => {
            let mut longer = body;
            longer.extend(std::iter::repeat_n(b' ', 1 + dice.below(9)));
            forged("a longer body", longer, good)
        }
        3 => {
            let mut moved = event.clone();
            moved["data"]["order_id"] = json!(2 + dice.below(1_000));
            forged("another order", moved.to_string().into_bytes(), good)
        }
        4 => {
            let text = String::from_utf8(body).unwrap();
            let spelled = match dice.below(4) {
                0 => serde_json::to_string_pretty(event).unwrap(),
                1 => text.replacen(':', ": ", 1 + dice.below(3)),
                2 => text.replacen("\"id\"", "\"\\u0069d\"", 1),
                _ => text.replacen(',', " ,", 1 + dice.below(2)),
            };
            forged("the same event, spelled otherwise", spelled.into_bytes(), good)
        }
        5 => {
            let offset = 301 + i64::try_from(dice.below(1_000_000)).unwrap();
            let then = if dice.below(2) == 0 { now - offset } else { now + offset };
            forged("an old or a future signature", body.clone(), sign(SECRET, then, &body))
        }
        6 => {
            let then = now + 1 + i64::try_from(dice.below(299)).unwrap();
            forged("a time that was not signed", body, format!("t={then},v1={digest}"))
        }
        7 => {
            let mut bytes = hex::decode(&digest).unwrap();
            bytes[dice.below(32)] ^= 1 << dice.below(8);
            forged(
                "a bit of the signature",
                body,
                format!("t={now},v1={}", hex::encode(bytes)),
            )
        }
        8 => forged(
            "a shorter signature",
            body,
            format!("t={now},v1={}", &digest[..dice.below(64)]),
        ),
        9 => {
            let secret = dice.pick(&[
                "",
                "whsec_tes",
                "whsec_test ",
                "WHSEC_TEST",
                "whsec_other",
                "whsec_test\0x",
            ]);
            forged("another secret", body.clone(), sign(secret, now, &body))
        }
        10 => {
            // A MAC of text similar to what is signed.
            let message = match dice.below(4) {
                0 => body.clone(),
                1 => [now.to_string().as_bytes(), &body].concat(),
                2 => [&body, &b"."[..], now.to_string().as_bytes()].concat(),
                _ => format!("{now}.").into_bytes(),
            };
            let mac = crate::support::payment::hmac_sha256(SECRET.as_bytes(), &message);
            forged("another construction", body, format!("t={now},v1={}", hex::encode(mac)))
        }
        11 => {
            let bad = format!("t={now},v1={}", "0".repeat(64));
            let lines = [[&good, &bad], [&bad, &good], [&good, &good]][dice.below(3)];
            let lines = lines.map(|line| line.clone().into_bytes()).to_vec();
            Forgery {
                how: "the header twice",
                body,
                lines,
            }
        }
        12 => {
            let line = match dice.below(5) {
                0 => format!("t={now},t={now},v1={digest}"),
                1 => format!("t={now},v0={digest}"),
                2 => format!("v1={digest}"),
                3 => format!("t={now}.0,v1={digest}"),
                _ => format!("t={now};v1={digest}"),
            };
            forged("another header", body, line)
        }
        _ => loop {
            let mut line = good.clone().into_bytes();
            let at = dice.below(line.len());
            line[at] ^= 1 << dice.below(8);
            // A hex digit in the other case is the same signature, and some bytes are not valid in a header.
            if !line.eq_ignore_ascii_case(good.as_bytes()) && HeaderValue::from_bytes(&line).is_ok() {
                return Forgery {
                    how: "a bit of the header",
                    body,
                    lines: vec![line],
                };
            }
        },
    }
}

#[tokio::test]
async fn of_5000_forged_events_none_is_taken() {
    println!("seed {SEED:#x}");
    let app = TestApp::new();
    let product = app.product(5_000).await;
    for _ in 0..5 {
        app.order(product, 2).await;
    }
    let before = app.snapshot().await;
    let now = app.now_seconds();
    let event = succeeded("evt_1", json!({"order_id": 1, "payment_id": "pay_1", "amount": 25}));
    let mut dice = Dice(SEED);
    for number in 0..FORGERIES {
        let forgery = forge(&mut dice, number % WAYS, &event, now);
        let mut call = app.post("/webhooks/payment", forgery.body.clone());
        for line in &forgery.lines {
            call = call.header_bytes(HEADER, line);
        }
        let answer = call.await;
        assert_eq!(
            answer.status, 401,
            "seed {SEED:#x}, number {number}: {}: {forgery:?} {answer:?}",
            forgery.how
        );
        answer.expect_problem(401, "/problems/invalid-signature");
    }
    assert_eq!(app.snapshot().await, before);
    app.assert_ledger_adds_up().await;
    // Correctly signed, the event is accepted: the forgeries were refused for their signatures, not for the event.
    assert_eq!(app.result(&event).await, "applied");
}
