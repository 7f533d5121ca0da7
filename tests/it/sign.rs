//! `sign`: what it prints is what the service's webhooks take.

use std::fs::{self, File};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::app::{SECRET, STRIPE_SECRET};
use crate::support::commands::{AT_ONCE, database, refused, stdout};
use crate::support::payment::sign;
use crate::support::process::{Server, command, run};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":12.5,"stock":100}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":2}"#;

/// The service with an order for 25.
fn with_order(command: &mut Command) -> Server {
    let server = Server::start(command);
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    assert_eq!(server.ask("POST", "/orders", ORDER).0, 201);
    server
}

/// Asserts that `sign` printed the header of this body in one line; returns the signature's time.
#[track_caller]
fn assert_signs(output: &Output, body: &[u8]) -> String {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let line = stdout(output).strip_suffix('\n').unwrap();
    let signature = line.strip_prefix("X-Webhook-Signature: ").unwrap();
    let time = signature
        .strip_prefix("t=")
        .and_then(|rest| rest.split(',').next())
        .unwrap();
    assert_eq!(signature, sign(SECRET, time.parse().unwrap(), body));
    signature.to_owned()
}

#[test]
fn sign_prints_the_header_for_a_file_and_for_standard_input() {
    let (database, folder) = database();
    let file = folder.path().join("body.json");
    let large = "x".repeat(1_000_000);
    for body in [
        r#"{"id":"evt_1","type":"ping"}"#,
        "",
        "{}\n",
        "\u{feff}ünï\0\r\n",
        &large,
    ] {
        fs::write(&file, body).unwrap();
        let sign = |arguments: &[&str]| {
            let mut command = command(&database);
            command
                .env("WEBHOOK_SECRET", SECRET)
                .env("WEBHOOK_SECRET_PREVIOUS", "other")
                .arg("sign");
            run(command.args(arguments).stdin(File::open(&file).unwrap()), AT_ONCE)
        };
        for arguments in [&[file.to_str().unwrap()][..], &["-"], &[]] {
            assert_signs(&sign(arguments), body.as_bytes());
        }
    }
    assert!(!database.exists(), "the command needs no database");
}

#[test]
fn a_header_printed_by_sign_pays_an_order_once() {
    let (database, folder) = database();
    let server = with_order(command(&database).env("WEBHOOK_SECRET", SECRET));
    let event = r#"{"id":"evt_1","type":"payment.succeeded","data":{"order_id":1,"amount":25}}"#;
    let file = folder.path().join("event.json");
    fs::write(&file, event).unwrap();
    let printed = run(
        command(&database).env("WEBHOOK_SECRET", SECRET).arg("sign").arg(&file),
        AT_ONCE,
    );
    let signature = assert_signs(&printed, event.as_bytes());
    let deliver = |body: &str| {
        server
            .ask_with(
                "POST",
                "/webhooks/payment",
                &[("X-Webhook-Signature", &signature)],
                body,
            )
            .0
    };
    assert_eq!(deliver(&event.replace("25", "26")).0, 401);
    for result in ["applied", "duplicate"] {
        let wanted = json!({"event_id": "evt_1", "result": result, "order_id": 1, "order_status": "PAID"});
        assert_eq!(deliver(event), (200, wanted));
    }
    assert!(run(command(&database).arg("audit"), AT_ONCE).status.success());
}

#[test]
fn sign_prints_the_headers_of_standard_webhooks_which_pay_an_order() {
    let (database, folder) = database();
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let server = with_order(command(&database).env("WEBHOOK_SECRET", secret));
    let event = r#"{"id":"evt_1","type":"payment.succeeded","data":{"order_id":1,"amount":25}}"#;
    let file = folder.path().join("event.json");
    fs::write(&file, event).unwrap();
    let sign = |secret: &str| {
        let mut sign = command(&database);
        sign.env("WEBHOOK_SECRET", secret)
            .args(["sign", "--standard"])
            .arg(&file);
        sign
    };
    let printed = run(&mut sign(secret), AT_ONCE);
    let printed = String::from_utf8(printed.stdout).unwrap();
    let headers: Vec<_> = printed.lines().map(|line| line.split_once(": ").unwrap()).collect();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["webhook-id", "webhook-timestamp", "webhook-signature"]);
    assert_eq!(headers[0].1, "evt_1");
    let ((status, receipt), _) = server.ask_with("POST", "/webhooks/payment", &headers, event);
    assert_eq!((status, &receipt["result"]), (200, &json!("applied")));
    // An event without an id gets a new one; a secret that is no base64 cannot sign this way.
    fs::write(&file, "{}").unwrap();
    let [first, second] = [0, 1].map(|_| run(&mut sign(secret), AT_ONCE).stdout);
    assert!(first.starts_with(b"webhook-id: msg_") && first != second);
    assert!(refused(&mut sign("whsec_no base64"), 1).contains("WEBHOOK_SECRET: what follows whsec_ must be base64"));
}

#[test]
fn sign_refuses_in_one_line() {
    let (database, folder) = database();
    for secret in [None, Some("")] {
        let mut command = command(&database);
        if let Some(secret) = secret {
            command.env("WEBHOOK_SECRET", secret);
        }
        // The previous secret only verifies and does not sign.
        command.env("WEBHOOK_SECRET_PREVIOUS", SECRET).arg("sign");
        assert!(refused(&mut command, 1).contains("WEBHOOK_SECRET: must be set"));
    }
    let missing = folder.path().join("missing");
    for file in [missing.as_path(), folder.path()] {
        let line = refused(
            command(&database).env("WEBHOOK_SECRET", SECRET).arg("sign").arg(file),
            1,
        );
        assert!(line.contains(file.to_str().unwrap()), "{line}");
    }
}

/// A payment of the order, as Stripe tells of it.
fn paid_by_stripe(id: &str) -> String {
    let intent = json!({"id": "pi_1", "amount_received": 2500, "currency": "eur", "metadata": {"order_id": "1"}});
    let mut event =
        json!({"id": id, "object": "event", "type": "payment_intent.succeeded", "created": 1, "livemode": true});
    event["data"]["object"] = intent;
    event.to_string()
}

#[test]
fn sign_prints_the_header_of_stripe_whose_value_or_whole_line_the_service_takes() {
    let (database, folder) = database();
    let mut serve = command(&database);
    let server = with_order(serve.env("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET).env("CURRENCY", "EUR"));
    let file = folder.path().join("event.json");
    let deliver = |header: &str, body: &str| {
        let headers = [("Stripe-Signature", header)];
        server.ask_with("POST", "/webhooks/stripe", &headers, body).0
    };
    for (id, with_name, result) in [("evt_1", false, "applied"), ("evt_2", true, "ignored")] {
        let event = paid_by_stripe(id);
        fs::write(&file, &event).unwrap();
        // Nothing else needs to be set to sign, and the secret of the service's own events signs nothing here.
        let mut sign_stripe = command(&database);
        sign_stripe
            .env("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET)
            .env("WEBHOOK_SECRET", SECRET);
        let printed = run(sign_stripe.args(["sign", "--stripe"]).arg(&file), AT_ONCE);
        assert!(printed.status.success() && printed.stderr.is_empty(), "{printed:?}");
        let line = stdout(&printed).strip_suffix('\n').unwrap();
        let value = line.strip_prefix("Stripe-Signature: ").unwrap();
        let time = value
            .strip_prefix("t=")
            .and_then(|rest| rest.split(',').next())
            .unwrap();
        assert_eq!(value, sign(STRIPE_SECRET, time.parse().unwrap(), event.as_bytes()));

        let header = if with_name { line } else { value };
        assert_eq!(deliver(header, &event.replace("2500", "2501")).0, 401);
        let wanted = json!({"event_id": id, "result": result, "order_id": 1, "order_status": "PAID"});
        assert_eq!(deliver(header, &event), (200, wanted));
    }
}

#[test]
fn a_whole_line_that_sign_prints_is_taken_by_the_own_webhook_too_but_not_that_of_another_header() {
    let (database, folder) = database();
    let server = with_order(command(&database).env("WEBHOOK_SECRET", SECRET));
    let event = r#"{"id":"evt_1","type":"payment.succeeded","data":{"order_id":1,"amount":25}}"#;
    let file = folder.path().join("event.json");
    fs::write(&file, event).unwrap();
    let printed = run(
        command(&database).env("WEBHOOK_SECRET", SECRET).arg("sign").arg(&file),
        AT_ONCE,
    );
    let line = stdout(&printed).trim_end();
    let deliver = |header: &str| -> (u16, Value) {
        let headers = [("X-Webhook-Signature", header)];
        server.ask_with("POST", "/webhooks/payment", &headers, event).0
    };
    let of_stripe = line.replace("X-Webhook-Signature", "Stripe-Signature");
    assert_eq!(deliver(&of_stripe).0, 401);
    assert_eq!(deliver(&line.to_ascii_lowercase()).1["result"], "applied");
    assert_eq!(deliver(line).1["result"], "duplicate");
}

#[test]
fn sign_as_stripe_needs_its_secret_and_signs_one_way_at_a_time() {
    let (database, folder) = database();
    let file = folder.path().join("event.json");
    fs::write(&file, "{}").unwrap();
    let mut stripe = command(&database);
    stripe
        .env("WEBHOOK_SECRET", SECRET)
        .args(["sign", "--stripe"])
        .arg(&file);
    for set in [None, Some("")] {
        if let Some(secret) = set {
            stripe.env("STRIPE_WEBHOOK_SECRET", secret);
        }
        let line = refused(&mut stripe, 1);
        assert!(
            line.starts_with("orders-inventory: STRIPE_WEBHOOK_SECRET: must be set"),
            "{line}"
        );
    }
    let mut both = command(&database);
    both.env("WEBHOOK_SECRET", SECRET)
        .env("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET);
    assert!(refused(both.args(["sign", "--stripe", "--standard"]).arg(&file), 1).contains("see --help"));
}
