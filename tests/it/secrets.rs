//! No secret, and nothing computed from one, appears in a log line, response, help text or error line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use orders_inventory::config::Cli;
use orders_inventory::http::ApiKeys;
use orders_inventory::http::signature::{Keyring, Secret, SignatureHeaders};
use rustix::process::Signal;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::payment::hex;
use crate::support::process::{Server, command, run};

const SECRET: &str = "whsec_planted_current_4f1d";
const PREVIOUS: &str = "whsec_planted_previous_9ab2";
const STRIPE: &str = "whsec_planted_stripe_c3a1";
const STRIPE_PREVIOUS: &str = "whsec_planted_stripe_before_6e70";
const KEYS: [&str; 2] = ["key_planted_alpha_77c0", "key_planted_beta_e5d3"];
/// An unknown key of a caller, which may be a secret of another service.
const FOREIGN: &str = "key_planted_foreign_0b8e";

/// The variables that have secrets.
const SECRETS: [&str; 5] = [
    "WEBHOOK_SECRET",
    "WEBHOOK_SECRET_PREVIOUS",
    "STRIPE_WEBHOOK_SECRET",
    "STRIPE_WEBHOOK_SECRET_PREVIOUS",
    "API_KEYS",
];

const AT_ONCE: Duration = Duration::from_secs(5);

/// The binary with all secrets set.
fn command_with_secrets(folder: &TempDir) -> Command {
    let mut command = command(&folder.path().join("test.db"));
    command
        .env("WEBHOOK_SECRET", SECRET)
        .env("WEBHOOK_SECRET_PREVIOUS", PREVIOUS)
        .env("STRIPE_WEBHOOK_SECRET", STRIPE)
        .env("STRIPE_WEBHOOK_SECRET_PREVIOUS", STRIPE_PREVIOUS)
        .env("CURRENCY", "EUR")
        .env("API_KEYS", KEYS.join(", "));
    command
}

/// Everything that must not appear: the secrets, and the digests of the keys.
fn all_secrets() -> Vec<String> {
    let mut all = [SECRET, PREVIOUS, STRIPE, STRIPE_PREVIOUS, KEYS[0], KEYS[1], FOREIGN]
        .map(str::to_owned)
        .to_vec();
    all.extend(KEYS.map(|key| hex::encode(Sha256::digest(key))));
    all
}

#[track_caller]
fn assert_silent(text: &str, secrets: &[String], what: &str) {
    for secret in secrets {
        let at = text.find(secret.as_str());
        assert_eq!(at, None, "{what} tells {secret}: {}", &text[at.unwrap_or_default()..]);
    }
}

fn printed(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Makes valid and invalid requests of every kind. Returns the raw responses, and the signatures computed for the
/// requests.
fn make_calls(server: &Server) -> (Vec<String>, Vec<String>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let mut answers = Vec::new();
    let mut ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str, wanted: u16| {
        let ((status, _), answer) = server.ask_with(method, path, headers, body);
        assert_eq!(status, wanted, "{method} {path} {headers:?}: {answer}");
        answers.push(answer);
    };
    let [alpha, beta] = KEYS.map(|key| ("X-API-Key", key));
    let product = r#"{"sku":"A","name":"a","price":1,"stock":9}"#;
    let order = r#"{"product_id":1,"quantity":1}"#;
    ask("POST", "/products", &[alpha], product, 201);
    ask("POST", "/products", &[beta], product, 409);
    ask("POST", "/orders", &[alpha, ("Idempotency-Key", "k")], order, 201);
    ask("POST", "/orders", &[alpha, ("Idempotency-Key", "k")], order, 201);
    ask("POST", "/orders", &[beta, ("Idempotency-Key", "k")], order, 201);
    ask("POST", "/orders", &[("X-API-Key", FOREIGN)], order, 401);
    ask("GET", "/orders", &[alpha, beta], "", 401);
    ask("GET", "/orders", &[], "", 401);
    ask("GET", "/orders/x", &[alpha], "", 422);
    ask("POST", "/orders", &[alpha], "{", 400);
    ask("GET", "/nope", &[alpha], "", 404);

    let mut computed = Vec::new();
    for (number, (secret, seconds, wanted)) in [
        (STRIPE, now, 200),
        (STRIPE_PREVIOUS, now, 200),
        (STRIPE, now - 1_000, 401),
        (FOREIGN, now, 401),
        (SECRET, now, 401),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(
            r#"{{"id":"evt_{number}","object":"event","type":"payment_intent.succeeded","created":1,"livemode":true,"data":{{"object":{{"id":"pi_{number}","amount_received":7,"currency":"eur","metadata":{{"order_id":"1"}}}}}}}}"#
        );
        let right = hex(secret, seconds, body.as_bytes());
        let header = format!("t={seconds},v1={right}");
        ask(
            "POST",
            "/webhooks/stripe",
            &[("Stripe-Signature", &header)],
            &body,
            wanted,
        );
        computed.push(right);
    }
    for (number, (secret, seconds, wanted)) in [
        (SECRET, now, 200),
        (PREVIOUS, now, 200),
        (SECRET, now - 1_000, 401),
        (FOREIGN, now, 401),
        // Sent with a wrong signature: the right one must not be logged either.
        (SECRET, now, 401),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"id":"evt_{number}","type":"payment.succeeded","data":{{"order_id":1}}}}"#);
        let right = hex(secret, seconds, body.as_bytes());
        let shown = if number == 4 { "0".repeat(64) } else { right.clone() };
        let header = format!("t={seconds},v1={shown}");
        ask(
            "POST",
            "/webhooks/payment",
            &[("X-Webhook-Signature", &header)],
            &body,
            wanted,
        );
        computed.push(right);
    }
    ask("GET", "/payment-events", &[beta], "", 200);
    ask("GET", "/healthz", &[alpha], "", 200);
    (answers, computed)
}

#[test]
fn no_log_line_and_no_answer_tells_a_secret() {
    for format in ["pretty", "json"] {
        let folder = TempDir::new().unwrap();
        let server = Server::start(
            command_with_secrets(&folder)
                .env("RUST_LOG", "trace")
                .env("LOG_FORMAT", format),
        );
        let (answers, computed) = make_calls(&server);
        server.signal(Signal::TERM);
        let log = server.rest_of_log().join("\n");
        assert!(
            log.contains("a webhook was refused") && log.contains("needs a person's attention"),
            "{log}"
        );
        assert!(
            log.matches("answered").count() >= answers.len(),
            "every request has its log line: {log}"
        );

        let mut secrets = all_secrets();
        secrets.extend(computed);
        assert_silent(&log, &secrets, "the log");
        for answer in answers {
            assert_silent(&answer, &secrets, "an answer");
        }
    }
}

#[test]
fn neither_help_nor_an_error_line_tells_a_secret() {
    let folder = TempDir::new().unwrap();
    let secrets = all_secrets();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let all: [&[&str]; 12] = [
        &["--help"],
        &["-h"],
        &["help", "sign"],
        &["sign", "--help"],
        &["serve", "--help"],
        &["--version"],
        &["--nonsense"],
        &["nonsense"],
        &["--port", "x"],
        &["sign", missing],
        &["audit"],
        &["backup", missing],
    ];
    for arguments in all {
        let output = run(command_with_secrets(&folder).args(arguments), AT_ONCE);
        let text = printed(&output);
        assert!(!text.is_empty(), "{arguments:?}");
        assert_silent(&text, &secrets, &format!("{arguments:?}"));
    }
    let help = printed(&run(command_with_secrets(&folder).arg("--help"), AT_ONCE));
    for variable in SECRETS {
        assert!(help.contains(variable), "{variable} is in the help text: {help}");
    }
}

#[test]
fn a_secret_on_the_command_line_shows_in_no_error_line() {
    let folder = TempDir::new().unwrap();
    for arguments in [
        ["--webhook-secret", FOREIGN, "--nonsense"],
        ["--api-keys", FOREIGN, "nonsense"],
        ["--webhook-secret-previous", FOREIGN, "--port=x"],
        ["--stripe-webhook-secret", FOREIGN, "--currency=x"],
        ["--stripe-webhook-secret-previous", FOREIGN, "--stripe-account=x"],
    ] {
        let output = run(command_with_secrets(&folder).args(arguments), AT_ONCE);
        assert!(!output.status.success());
        assert_silent(&printed(&output), &all_secrets(), &format!("{arguments:?}"));
    }
}

#[test]
fn a_secret_that_is_not_utf8_is_refused_without_showing_it() {
    let folder = TempDir::new().unwrap();
    for variable in SECRETS {
        let bytes = [FOREIGN.as_bytes(), b"\xff"].concat();
        let output = run(
            command_with_secrets(&folder).env(variable, OsStr::from_bytes(&bytes)),
            AT_ONCE,
        );
        let line = printed(&output);
        assert!(!output.status.success(), "{variable}: {line}");
        assert_silent(&line, &all_secrets(), variable);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with(&format!("orders-inventory: {variable}: ")), "{line}");
    }
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_without_showing_it() {
    let folder = TempDir::new().unwrap();
    for keys in [
        format!("good,{FOREIGN} x"),
        format!("{FOREIGN}\u{e4}"),
        format!("{FOREIGN}\n{FOREIGN}"),
    ] {
        let output = run(command_with_secrets(&folder).env("API_KEYS", &keys), AT_ONCE);
        let line = printed(&output);
        assert!(!output.status.success(), "{keys:?}: {line}");
        assert_silent(&line, &all_secrets(), "API_KEYS");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with("orders-inventory: API_KEYS: key "), "{line}");
    }
}

#[test]
fn debug_output_contains_no_secret() {
    let arguments = [
        "orders-inventory",
        "--webhook-secret",
        SECRET,
        "--webhook-secret-previous",
        PREVIOUS,
        "--stripe-webhook-secret",
        STRIPE,
        "--stripe-webhook-secret-previous",
        STRIPE_PREVIOUS,
    ];
    let cli = Cli::try_parse_from(arguments.into_iter().chain(["--api-keys", KEYS[0]])).unwrap();
    let keyring = Keyring {
        headers: SignatureHeaders::Own,
        secrets: [SECRET, PREVIOUS].into_iter().filter_map(Secret::new).collect(),
        tolerance: Duration::from_secs(300),
    };
    let keys = ApiKeys::new(&KEYS.join(","));
    let stripe = Keyring {
        headers: SignatureHeaders::Stripe,
        secrets: [STRIPE, STRIPE_PREVIOUS].into_iter().filter_map(Secret::new).collect(),
        ..keyring
    };
    for text in [
        format!("{cli:?} {keyring:?} {stripe:?} {keys:?}"),
        format!("{cli:#?} {keyring:#?} {stripe:#?} {keys:#?}"),
    ] {
        assert_silent(&text, &all_secrets(), "Debug");
    }
}
