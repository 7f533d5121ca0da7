//! An invalid setting stops the start at once, with one line that names the variable, and changes no file.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use orders_inventory::http::Clock;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::payment::{STRIPE_HEADER, sign};
use crate::support::process::{Server, command, run};

/// A time limit for a start that takes milliseconds, with a margin for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The error line of a failed start.
#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = run(command, AT_ONCE);
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "it started: {line}");
    assert!(output.status.code().is_some(), "it crashed: {line}");
    assert_eq!((line.lines().count(), output.stdout.len()), (1, 0), "{line}");
    line
}

/// Asserts that a start with this database fails, names variable and file, and leaves the file unchanged.
#[track_caller]
fn assert_refused_untouched(database: &Path) -> String {
    let before = fs::read(database).unwrap();
    let line = refused(&mut command(database));
    assert!(line.starts_with("orders-inventory: DATABASE_URL: "), "{line}");
    assert!(line.contains(database.to_str().unwrap()), "{line}");
    assert!(fs::read(database).unwrap() == before, "the file was changed: {line}");
    line
}

#[test]
fn an_invalid_setting_is_named() {
    let folder = TempDir::new().unwrap();
    let cases = [
        ("PORT", "x"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("HOST", "localhost:1"),
        ("HOST", "256.0.0.1"),
        ("DATABASE_URL", "postgres://localhost/orders"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite://x?mode=ro"),
        ("DATABASE_URL", "sqlite://:memory:"),
        ("DATABASE_URL", "sqlite://file:x.db"),
        ("DATABASE_URL", "sqlite://file::memory:"),
        ("DATABASE_URL", "sqlite://data/"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("REQUEST_TIMEOUT_SECONDS", "1.5"),
        ("HEADER_TIMEOUT_SECONDS", "ten"),
        ("DRAIN_SECONDS", "3601"),
        ("BODY_BYTES_MAX", "1"),
        ("IDLE_TIMEOUT_SECONDS", "0"),
        ("CONNECTIONS_MAX", "0"),
        ("CONNECTIONS_MAX", "many"),
        ("REQUESTS_MAX", "0"),
        ("RATE_LIMIT_PER_MINUTE", "0"),
        ("RATE_LIMIT_PER_MINUTE", "4294967296"),
        ("TRUSTED_PROXIES", "-1"),
        ("METRICS_ADDR", "9100"),
        ("METRICS_ADDR", "localhost"),
        ("METRICS_ADDR", "example.org:9100"),
        ("CORS_ALLOWED_ORIGINS", "shop.example"),
        ("CORS_ALLOWED_ORIGINS", "https://shop.example/"),
        ("CORS_ALLOWED_ORIGINS", "https://shop.example, *"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "a=b=c"),
        ("CURRENCY", "EURO"),
        ("CURRENCY", "ABC"),
        ("CURRENCY", "978"),
        ("STRIPE_LIVEMODE", "yes"),
        ("STRIPE_LIVEMODE", "1"),
        ("STRIPE_ORDER_KEY", " "),
        ("STRIPE_ORDER_KEY", "order[id]"),
        ("STRIPE_ORDER_KEY", "a_key_of_metadata_with_41_characters_here"),
        ("STRIPE_ACCOUNT", "1"),
        ("STRIPE_ACCOUNT", "cus_1"),
        ("STRIPE_ACCOUNT", "acct_"),
        ("STRIPE_ACCOUNT", "acct_1 "),
        ("PAYMENT_HOLD_SECONDS", "-1"),
        ("PAYMENT_HOLD_SECONDS", "14d"),
        ("PAYMENT_HOLD_SECONDS", "31536001"),
        ("STRIPE_WEBHOOK_SECRET_PREVIOUS", "whsec_before"),
    ];
    for (variable, value) in cases {
        // In the folder, for a relative path would be made there.
        let mut command = command(&folder.path().join("test.db"));
        let line = refused(command.env(variable, value).current_dir(folder.path()));
        // What is missing is the current secret.
        let named = variable.strip_suffix("_PREVIOUS").unwrap_or(variable);
        assert!(
            line.starts_with(&format!("orders-inventory: {named}: must ")),
            "{variable}={value}: {line}"
        );
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no file was created");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let folder = TempDir::new().unwrap();
    let mut command = command(&folder.path().join("test.db"));
    for variable in [
        "HOST",
        "API_KEYS",
        "WEBHOOK_SECRET",
        "WEBHOOK_SECRET_PREVIOUS",
        "WEBHOOK_TOLERANCE_SECONDS",
        "ORDER_TTL_SECONDS",
        "HEADER_TIMEOUT_SECONDS",
        "IDLE_TIMEOUT_SECONDS",
        "REQUEST_TIMEOUT_SECONDS",
        "DRAIN_SECONDS",
        "WAL_BYTES",
        "BODY_BYTES_MAX",
        "CONNECTIONS_MAX",
        "REQUESTS_MAX",
        "RATE_LIMIT_PER_MINUTE",
        "TRUSTED_PROXIES",
        "METRICS_ADDR",
        "CORS_ALLOWED_ORIGINS",
        "LOG_FORMAT",
        "RUST_LOG",
        "RENDER",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_WEBHOOK_SECRET_PREVIOUS",
        "CURRENCY",
        "STRIPE_LIVEMODE",
        "STRIPE_ORDER_KEY",
        "STRIPE_ACCOUNT",
        "PAYMENT_HOLD_SECONDS",
    ] {
        command.env(variable, "");
    }
    let server = Server::start(&mut command);
    assert!(server.address.ip().is_loopback());
    assert_eq!(server.ask("GET", "/readyz", "").0, 200);
    for webhook in ["/webhooks/payment", "/webhooks/stripe"] {
        let (status, problem) = server.ask("POST", webhook, "{}");
        assert_eq!(
            (status, &problem["title"]),
            (503, &json!("Webhook not configured")),
            "{webhook}"
        );
    }
    server.log_line("INFO");
    drop(server);

    // These two have defaults that a test cannot use: a fixed port, and a file in the working folder.
    let help = run(command.env("PORT", "").env("DATABASE_URL", "").arg("--help"), AT_ONCE);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("[env: PORT=]") && help.contains("[default: 8080]"),
        "{help}"
    );
    let audit = run(
        self::command(&folder.path().join("test.db"))
            .env("DATABASE_URL", "")
            .env("PORT", "")
            .current_dir(folder.path())
            .arg("audit"),
        AT_ONCE,
    );
    let line = String::from_utf8(audit.stderr).unwrap();
    assert!(
        line.contains("no database of this service at data/orders-inventory.db"),
        "{line}"
    );
}

#[test]
fn stripe_needs_the_currency_of_the_prices() {
    let folder = TempDir::new().unwrap();
    let with = |settings: &[(&str, &str)]| {
        let mut command = command(&folder.path().join("test.db"));
        command
            .env("STRIPE_WEBHOOK_SECRET", "whsec_1")
            .envs(settings.iter().copied());
        command
    };
    let none: [&[(&str, &str)]; 3] = [
        &[],
        &[("CURRENCY", "")],
        &[("STRIPE_WEBHOOK_SECRET_PREVIOUS", "whsec_0")],
    ];
    for settings in none {
        let line = refused(&mut with(settings));
        assert!(
            line.starts_with("orders-inventory: CURRENCY: must be set with STRIPE_WEBHOOK_SECRET"),
            "{line}"
        );
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no file was created");
    // A currency is known in either case, and the other settings have their defaults.
    let server = Server::start(&mut with(&[("CURRENCY", "eur")]));
    assert_eq!(server.ask("POST", "/webhooks/stripe", "{}").0, 401);
}

#[test]
fn the_settings_of_stripe_are_those_that_count() {
    let folder = TempDir::new().unwrap();
    let mut command = command(&folder.path().join("test.db"));
    command.envs([
        ("STRIPE_WEBHOOK_SECRET", "whsec_new"),
        ("STRIPE_WEBHOOK_SECRET_PREVIOUS", "whsec_before"),
        ("CURRENCY", "JPY"),
        ("STRIPE_LIVEMODE", "false"),
        ("STRIPE_ORDER_KEY", "order"),
        ("STRIPE_ACCOUNT", "acct_1"),
        ("PAYMENT_HOLD_SECONDS", "864000"),
    ]);
    let server = Server::start(&mut command);
    server.ask("POST", "/products", r#"{"sku":"A","name":"a","price":200,"stock":5}"#);
    for _ in 0..4 {
        server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
    }
    let now = Clock::system().now().millis() / 1_000;
    let deliver = |id: &str, kind: &str, secret: &str, change: &dyn Fn(&mut Value)| {
        let mut event = json!({
            "id": id, "object": "event", "type": kind, "created": now, "livemode": false, "account": "acct_1",
            "data": {"object": {"id": format!("pi_{id}"), "amount": 200, "amount_received": 200, "currency": "jpy"}},
        });
        change(&mut event);
        let body = event.to_string();
        let headers = [(STRIPE_HEADER, &*sign(secret, now, body.as_bytes()))];
        let ((status, receipt), _) = server.ask_with("POST", "/webhooks/stripe", &headers, &body);
        (status, receipt["result"].as_str().unwrap_or_default().to_owned())
    };
    let of =
        |order: &'static str| move |event: &mut Value| event["data"]["object"]["metadata"] = json!({"order": order});
    let is = |result: &str| (200, result.to_owned());
    let paid = "payment_intent.succeeded";
    assert_eq!(deliver("1", paid, "whsec_new", &of("1")), is("applied"));
    assert_eq!(deliver("2", paid, "whsec_before", &of("2")), is("applied"));
    assert_eq!(deliver("3", paid, "whsec_other", &of("3")).0, 401);
    let under_the_default_key = |event: &mut Value| event["data"]["object"]["metadata"] = json!({"order_id": "3"});
    assert_eq!(deliver("4", paid, "whsec_new", &under_the_default_key), is("ignored"));
    let changed = |member: &'static str, value: Value| {
        move |event: &mut Value| {
            of("3")(event);
            event[member] = value.clone();
        }
    };
    assert_eq!(
        deliver("5", paid, "whsec_new", &changed("livemode", json!(true))),
        is("ignored")
    );
    assert_eq!(
        deliver("6", paid, "whsec_new", &changed("account", json!("acct_2"))),
        is("ignored")
    );
    let in_euros = |event: &mut Value| {
        of("3")(event);
        event["data"]["object"]["currency"] = json!("eur");
    };
    assert_eq!(deliver("7", paid, "whsec_new", &in_euros), is("currency_mismatch"));
    assert_eq!(
        deliver("8", "payment_intent.processing", "whsec_new", &of("4")),
        is("ignored")
    );
    let expires = server.ask("GET", "/orders/4", "").1["expires_at"]
        .as_str()
        .unwrap()
        .to_owned();
    let expires: jiff::Timestamp = expires.parse().unwrap();
    let held = expires.as_second() - now;
    assert!((864_000..864_060).contains(&held), "{held}");
}

#[test]
fn localhost_is_a_host() {
    let folder = TempDir::new().unwrap();
    let mut command = command(&folder.path().join("test.db"));
    let server = Server::start(command.env("HOST", "localhost").env("METRICS_ADDR", "localhost:0"));
    assert!(server.address.ip().is_loopback() && server.metrics_address().ip().is_loopback());
    assert_eq!(server.ask("GET", "/healthz", "").0, 200);
}

#[test]
fn a_wrong_command_line_says_where_help_is() {
    let folder = TempDir::new().unwrap();
    let line = |arguments: &[&str]| refused(command(&folder.path().join("test.db")).args(arguments));
    assert!(line(&["frobnicate"]).ends_with("unrecognized subcommand 'frobnicate'; see --help\n"));
    assert!(line(&["--nonsense"]).ends_with("see --help\n"));
    for command in ["backup", "restore"] {
        assert_eq!(line(&[command]), "orders-inventory: FILE must be given; see --help\n");
    }
}

#[test]
fn on_render_api_keys_and_webhook_secret_are_required() {
    let folder = TempDir::new().unwrap();
    let on_render = || {
        let mut command = command(&folder.path().join("test.db"));
        command.env("RENDER", "true");
        command
    };
    let cases: [(&[_], _); 4] = [
        (&[], "API_KEYS"),
        (&[("WEBHOOK_SECRET", "s")], "API_KEYS"),
        (&[("API_KEYS", "k")], "WEBHOOK_SECRET"),
        (&[("API_KEYS", "k"), ("WEBHOOK_SECRET", " ")], "WEBHOOK_SECRET"),
    ];
    for (set, variable) in cases {
        let line = refused(on_render().envs(set.iter().copied()));
        assert!(line.starts_with(&format!("orders-inventory: {variable}: ")), "{line}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no file was created");
    let server = Server::start(on_render().env("API_KEYS", "k").env("WEBHOOK_SECRET", "s"));
    let (_, answer) = server.ask_with("GET", "/healthz", &[], "");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let line = refused(command(&folder.path().join("test.db")).env("PORT", &port));
    assert!(line.contains("PORT") && line.contains(&port), "{line}");
}

#[test]
fn a_folder_that_cannot_be_created_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let line = refused(&mut command(&file.join("below/test.db")));
    assert!(
        line.starts_with("orders-inventory: DATABASE_URL: cannot make the folder"),
        "{line}"
    );
    // The path of the folder itself is not a file.
    let line = refused(&mut command(folder.path()));
    assert!(
        line.starts_with("orders-inventory: DATABASE_URL: cannot open"),
        "{line}"
    );
}

#[test]
fn a_file_of_another_program_is_left_unchanged() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("letter.txt");
    fs::write(&text, "Dear Sirs, ".repeat(100)).unwrap();
    let other = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection
        .execute_batch("CREATE TABLE products (id INTEGER PRIMARY KEY)")
        .unwrap();
    connection.close().unwrap();
    for file in [text, other] {
        assert!(assert_refused_untouched(&file).contains("not a database of this service"));
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 2, "no file was added");
}

#[test]
fn a_damaged_file_is_left_unchanged() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    assert!(Server::start(&mut command(&database)).stop(Signal::TERM).success());
    let sound = fs::read(&database).unwrap();
    let mut damaged = sound.clone();
    damaged[4096..8192].fill(0xA5);
    for damaged in [&damaged[..], &sound[..sound.len() / 2], &sound[..100]] {
        fs::write(&database, damaged).unwrap();
        assert!(assert_refused_untouched(&database).contains("damaged"));
    }
    fs::write(&database, &sound).unwrap();
    Server::start(&mut command(&database));
}
