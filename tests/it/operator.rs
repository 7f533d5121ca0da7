//! The operator's commands and settings: audit, backup, and orders that expire by themselves.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use orders_inventory::store;
use rustix::process::Signal;
use serde_json::json;

use crate::support::commands::{AT_ONCE, database, refused, stdout};
use crate::support::process::{PATIENCE, Server, command, run};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":12.5,"stock":100000}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":2}"#;

/// The exit status and the output of `audit`.
fn audit(database: &Path) -> (Option<i32>, String) {
    let output = run(command(database).arg("audit"), AT_ONCE);
    (output.status.code(), stdout(&output).to_owned())
}

// audit

#[test]
fn audit_lists_its_checks_and_their_results() {
    let (database, _folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    assert_eq!(server.ask("POST", "/orders", ORDER).0, 201);
    let assert_holds = || {
        let (code, report) = audit(&database);
        assert_eq!(code, Some(0), "{report}");
        let lines_are_good = report.lines().all(|line| line.starts_with("ok      "));
        assert!(report.lines().count() > 20 && lines_are_good, "{report}");
        assert!(
            report.contains("stock is the sum of its movements (1 checked)"),
            "{report}"
        );
    };
    assert_holds();
    assert!(server.stop(Signal::TERM).success());
    assert_holds();

    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute("UPDATE products SET stock = stock + 1", []).unwrap();
    connection.close().unwrap();
    let (code, report) = audit(&database);
    assert_eq!(code, Some(1), "{report}");
    let broken: Vec<_> = report.lines().filter(|line| line.starts_with("BROKEN  ")).collect();
    assert_eq!(
        broken.len(),
        2,
        "the sum of its movements and its newest movement: {report}"
    );
    assert!(
        broken[0].contains("product 1 has stock 99999, its movements add up to 99998"),
        "{report}"
    );
}

#[test]
fn audit_exits_differently_for_unreadable_and_broken_databases() {
    let (database, folder) = database();
    let line = refused(command(&database).arg("audit"), 2);
    assert!(
        line.contains("DATABASE_URL") && line.contains(database.to_str().unwrap()),
        "{line}"
    );
    assert!(!database.exists(), "an audit creates no file");
    fs::write(&database, "Dear Sirs, ".repeat(1_000)).unwrap();
    assert!(refused(command(&database).arg("audit"), 2).contains("no database of this service"));
    refused(command(folder.path()).arg("audit"), 2);
}

#[test]
fn audit_sees_one_state_while_the_service_takes_orders() {
    let (database, _folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    while_taking_orders(&server, || {
        for _ in 0..3 {
            let (code, report) = audit(&database);
            assert_eq!(code, Some(0), "{report}");
        }
    });
}

// backup

/// Places orders while `work` runs; returns the result of `work` and the number of orders acknowledged by its end.
fn while_taking_orders<T>(server: &Server, work: impl FnOnce() -> T) -> (T, i64) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let buyers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut acknowledged = 0;
                    while !done.load(Ordering::Relaxed) {
                        assert_eq!(server.ask("POST", "/orders", ORDER).0, 201);
                        acknowledged += 1;
                    }
                    acknowledged
                })
            })
            .collect();
        // The buyers stop also when `work` panics.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        let acknowledged = buyers.into_iter().map(|buyer| buyer.join().unwrap()).sum();
        (
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            acknowledged,
        )
    })
}

/// The number of orders in a copy, whose ids must have no gap.
fn orders_of(copy: &Path) -> i64 {
    let report = store::audit(copy).unwrap();
    assert!(report.is_clean(), "{report}");
    let connection = rusqlite::Connection::open(copy).unwrap();
    let (count, last) = connection
        .query_row("SELECT count(*), max(id) FROM orders", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(Some(count), last, "every order up to the last");
    count
}

#[test]
fn a_backup_under_load_has_every_order_that_was_acknowledged_before_it_began() {
    let (database, folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let ((), acknowledged) = while_taking_orders(&server, || {
        for number in 0..3 {
            let (status, order) = server.ask("POST", "/orders", ORDER);
            let acknowledged = order["id"].as_i64().unwrap();
            assert_eq!(status, 201);
            let copy = folder.path().join(format!("copy-{number}.db"));
            let output = run(command(&database).arg("backup").arg(&copy), AT_ONCE);
            assert!(output.status.success(), "{output:?}");
            let bytes = fs::metadata(&copy).unwrap().len();
            assert_eq!(stdout(&output), format!("{} ({bytes} bytes)\n", copy.display()));
            assert!(orders_of(&copy) >= acknowledged);
        }
    });
    assert!(acknowledged > 0);
    let newest = folder.path().join("copy-2.db");
    let orders = orders_of(&newest);
    drop(server);

    // A service started on the copy serves it.
    let server = Server::start(&mut command(&newest));
    let (status, last) = server.ask("GET", &format!("/orders/{orders}"), "");
    assert_eq!((status, &last["status"]), (200, &json!("PENDING")));
    assert_eq!(server.ask("POST", "/orders", ORDER).1["id"], orders + 1);
    assert_eq!(audit(&newest).0, Some(0));
    let names = folder
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let unfinished: Vec<_> = names
        .filter(|name| name.to_string_lossy().contains("unfinished"))
        .collect();
    assert_eq!(unfinished, [""; 0]);
}

#[test]
fn a_backup_overwrites_no_file() {
    let (database, folder) = database();
    let copy = folder.path().join("copy.db");
    let line = refused(command(&database).arg("backup").arg(&copy), 1);
    assert!(
        line.contains(database.to_str().unwrap()) && !copy.exists() && !database.exists(),
        "{line}"
    );
    drop(Server::start(&mut command(&database)));
    fs::write(&copy, "precious").unwrap();
    for there in [copy.as_path(), &database, folder.path()] {
        let line = refused(command(&database).arg("backup").arg(there), 1);
        assert!(line.contains("exists"), "{line}");
    }
    assert_eq!(fs::read(&copy).unwrap(), b"precious");
    let nowhere = folder.path().join("missing/copy.db");
    refused(command(&database).arg("backup").arg(nowhere), 1);
}

#[test]
fn a_backup_that_a_signal_ends_leaves_nothing() {
    let (database, folder) = database();
    assert!(Server::start(&mut command(&database)).stop(Signal::TERM).success());
    let connection = rusqlite::Connection::open(&database).unwrap();
    let ballast = "CREATE TABLE ballast (content BLOB); INSERT INTO ballast VALUES (zeroblob(256000000))";
    connection.execute_batch(ballast).unwrap();
    connection.close().unwrap();
    let copies = folder.path().join("copies");
    fs::create_dir(&copies).unwrap();
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let child = command(&database)
            .arg("backup")
            .arg(copies.join("copy.db"))
            .spawn()
            .unwrap();
        let until = Instant::now() + PATIENCE;
        while fs::read_dir(&copies).unwrap().next().is_none() {
            assert!(Instant::now() < until, "it does not begin");
            thread::sleep(Duration::from_millis(1));
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{signal:?}: {line}");
        assert!(line.contains("was stopped") && line.lines().count() == 1, "{line}");
        assert_eq!(fs::read_dir(&copies).unwrap().count(), 0, "{signal:?}");
    }
}

// Settings

#[test]
fn on_render_api_keys_and_webhook_secret_are_required() {
    let (database, _folder) = database();
    let on_render = || {
        let mut command = command(&database);
        command.env("RENDER", "true");
        command
    };
    assert!(refused(&mut on_render(), 1).starts_with("orders-inventory: API_KEYS: "));
    assert!(refused(on_render().env("API_KEYS", " "), 1).starts_with("orders-inventory: API_KEYS: "));
    let line = refused(on_render().env("API_KEYS", "k"), 1);
    assert!(line.starts_with("orders-inventory: WEBHOOK_SECRET: "), "{line}");
    // The previous secret alone is not enough.
    refused(on_render().env("API_KEYS", "k").env("WEBHOOK_SECRET_PREVIOUS", "s"), 1);
    assert!(!database.exists());
    let server = Server::start(on_render().env("API_KEYS", "k").env("WEBHOOK_SECRET", "s"));
    assert_eq!(server.ask("GET", "/orders", "").0, 401);
    assert_eq!(server.ask_with("GET", "/orders", &[("X-API-Key", "k")], "").0.0, 200);
}

#[test]
fn missing_api_keys_and_webhook_secret_are_warned_about() {
    let (database, _folder) = database();
    let server = Server::start(&mut command(&database));
    server.log_line("API_KEYS is not set");
    server.log_line("WEBHOOK_SECRET is not set");
}

#[test]
fn invalid_durations_are_named() {
    let (database, _folder) = database();
    for (variable, value) in [
        ("ORDER_TTL_SECONDS", "-1"),
        ("ORDER_TTL_SECONDS", "1d"),
        ("ORDER_TTL_SECONDS", "315360001"),
        ("WEBHOOK_TOLERANCE_SECONDS", "0"),
        ("WEBHOOK_TOLERANCE_SECONDS", "3601"),
    ] {
        let line = refused(command(&database).env(variable, value), 1);
        assert!(line.starts_with(&format!("orders-inventory: {variable}: ")), "{line}");
    }
}

#[test]
fn an_unpaid_order_expires_by_itself() {
    let (database, _folder) = database();
    let server = Server::start(command(&database).env("ORDER_TTL_SECONDS", "1"));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let (status, order) = server.ask("POST", "/orders", ORDER);
    assert_eq!((status, order["expires_at"].is_string()), (201, true));
    let deadline = Instant::now() + PATIENCE;
    let canceled = loop {
        let (_, order) = server.ask("GET", "/orders/1", "");
        if order["status"] == "CANCELED" {
            break order;
        }
        assert!(Instant::now() < deadline, "it is still pending: {order}");
        thread::sleep(Duration::from_millis(20));
    };
    assert!(
        canceled["canceled_at"].as_str() >= order["expires_at"].as_str(),
        "{canceled}"
    );
    assert_eq!(server.ask("GET", "/products/1", "").1["stock"], 100_000);
    let (_, movements) = server.ask("GET", "/products/1/stock-movements?limit=1", "");
    assert_eq!(movements["items"][0]["reason"], "order_expired");
    server.log_line("unpaid orders expired");
    assert_eq!(audit(&database).0, Some(0));
}

#[test]
fn with_a_time_to_live_of_0_orders_never_expire() {
    let (database, _folder) = database();
    let server = Server::start(command(&database).env("ORDER_TTL_SECONDS", "0"));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let (status, order) = server.ask("POST", "/orders", ORDER);
    assert_eq!((status, &order["expires_at"]), (201, &json!(null)));
}
