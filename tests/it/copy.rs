//! The commands `copy` and `audit`, with a PostgreSQL database on one side.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::sleep;

use crate::support::commands::{database, refused, stdout};
use crate::support::postgres;
use crate::support::process::{PATIENCE, Server, command, run};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":12.5,"stock":100000}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":2}"#;

/// A limit for copies and audits of a few rows, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn sqlite(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// The command that copies. The database of the settings is another one.
fn copying(from: &str, to: &str) -> Command {
    let mut command = command(Path::new("/nowhere/at/all.db"));
    command.args(["copy", from, to]);
    command
}

/// Copies, and returns the line that says so.
fn copied(from: &str, to: &str) -> String {
    let output = run(&mut copying(from, to), LIMIT);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let line = stdout(&output).to_owned();
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

/// The exit status and the output of `audit`.
fn audit(url: &str) -> (Option<i32>, String) {
    let output = run(
        command(Path::new("unused")).env("DATABASE_URL", url).arg("audit"),
        LIMIT,
    );
    (output.status.code(), stdout(&output).to_owned())
}

fn serve(url: &str) -> Server {
    Server::start(command(Path::new("unused")).env("DATABASE_URL", url))
}

/// Places an order under this key; returns its id, and whether the response was kept from before.
fn order_once(server: &Server, key: &str) -> (i64, bool) {
    let ((status, order), raw) = server.ask_with("POST", "/orders", &[("Idempotency-Key", key)], ORDER);
    assert_eq!(status, 201, "{raw}");
    let is_replayed = raw.to_lowercase().contains("idempotency-replayed: true");
    (order["id"].as_i64().unwrap(), is_replayed)
}

/// A file in which a service took three orders, and deleted the last one.
fn fill(file: &Path) {
    let server = Server::start(&mut command(file));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    for (key, id) in [("k1", 1), ("k2", 2), ("k3", 3)] {
        assert_eq!(order_once(&server, key), (id, false));
    }
    assert_eq!(server.ask("DELETE", "/orders/3", "").0, 204);
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_shop_moves_up_and_back_and_goes_on_where_it_was() {
    let (file, folder) = database();
    fill(&file);
    let url = postgres::new_database().await;
    let line = copied(&sqlite(&file), &url);
    let rows = "copied products 1, orders 2, stock_movements 5, payment_events 0, payments 0, refunds 0, disputes 0, \
                payment_holds 0, idempotency_keys 3: 11 rows in ";
    assert!(line.starts_with(rows) && line.contains(" rows/s)"), "{line}");

    let server = serve(&url);
    assert_eq!(order_once(&server, "k3"), (3, true), "the answer that was kept");
    assert_eq!(server.ask("GET", "/orders/3", "").0, 404);
    assert_eq!(server.ask("GET", "/products/1", "").1["stock"], json!(99_996));
    assert_eq!(order_once(&server, "k4"), (4, false), "ids are never used again");
    // Beside the running instance.
    let (code, report) = audit(&url);
    assert_eq!(code, Some(0), "{report}");
    let lines_are_good = report.lines().all(|line| line.starts_with("ok      "));
    assert!(report.lines().count() > 20 && lines_are_good, "{report}");

    let back = folder.path().join("back.db");
    copied(&url, &sqlite(&back));
    drop(server);
    let server = Server::start(&mut command(&back));
    assert_eq!(order_once(&server, "k4"), (4, true));
    assert_eq!(order_once(&server, "k5"), (5, false));
    assert!(server.stop(Signal::TERM).success());
    assert_eq!(audit(&sqlite(&back)).0, Some(0));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_audit_of_postgresql_exits_as_that_of_a_file() {
    let (file, _folder) = database();
    fill(&file);
    let url = postgres::new_database().await;
    let refused = |url: &str| refused(command(&file).env("DATABASE_URL", url).arg("audit"), 2);
    assert!(
        refused(&url).contains("no database of this service"),
        "nothing is there yet"
    );
    assert_eq!(
        postgres::count(
            &url,
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        .await,
        0
    );
    copied(&sqlite(&file), &url);
    assert_eq!(audit(&url).0, Some(0));

    postgres::rows(&url, "UPDATE products SET stock = stock + 1").await;
    let (code, report) = audit(&url);
    assert_eq!(code, Some(1), "{report}");
    assert!(
        report.contains("product 1 has stock 99997, its movements add up to 99996"),
        "{report}"
    );
    postgres::rows(
        &url,
        "UPDATE products SET stock = stock - 1; UPDATE counters SET orders = 2",
    )
    .await;
    let (code, report) = audit(&url);
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("orders: id 3 is above the counter 2"), "{report}");

    // Another schema version, and a server that is not there.
    postgres::rows(
        &url,
        "UPDATE orders_inventory_schema SET version = 99 WHERE version > 1",
    )
    .await;
    let line = refused(&url);
    assert!(
        line.contains("DATABASE_URL: ") && line.contains("is version 99"),
        "{line}"
    );
    let nobody = "postgres://shop:hidden@127.0.0.1:1/shop";
    let line = refused(nobody);
    assert!(
        line.contains("DATABASE_URL: cannot connect to the database 127.0.0.1:1/shop"),
        "{line}"
    );
    assert!(!line.contains("hidden"), "{line}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn what_is_refused_stays_as_it_is() {
    let (file, folder) = database();
    fill(&file);
    let url = postgres::new_database().await;
    let server = Server::start(&mut command(&file));
    let line = refused(&mut copying(&sqlite(&file), &url), 1);
    assert!(line.contains("another process uses the database"), "{line}");
    assert!(server.stop(Signal::TERM).success());
    copied(&sqlite(&file), &url);
    let line = refused(&mut copying(&sqlite(&file), &url), 1);
    assert!(line.contains("it has products; it must be empty"), "{line}");
    let before = fs::read(&file).unwrap();
    let line = refused(&mut copying(&url, &sqlite(&file)), 1);
    assert!(line.contains("it has products; it must be empty"), "{line}");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(unfinished(folder.path()), [""; 0]);
    let line = refused(&mut copying(&url, &url), 1);
    assert!(line.contains("pg_dump"), "{line}");
}

#[test]
fn a_copy_that_cannot_begin_says_why_in_one_line_without_a_password() {
    let (file, folder) = database();
    fill(&file);
    let (file, new) = (sqlite(&file), sqlite(&folder.path().join("new.db")));
    let nobody = "postgres://shop:hidden@127.0.0.1:1/shop";
    for (from, to, reason) in [
        (file.as_str(), nobody, "cannot connect to the database 127.0.0.1:1/shop"),
        (nobody, new.as_str(), "cannot connect to the database 127.0.0.1:1/shop"),
        (&file, new.as_str(), "from one SQLite file to another use backup"),
        (
            &file,
            "postgres://shop:hidden@127.0.0.1",
            "TO_URL: must name a database",
        ),
        (
            "postgres://shop:hidden@127.0.0.1/shop?a=b",
            &new,
            "FROM_URL: must be the URL of a PostgreSQL database",
        ),
        (
            "mysql://shop:hidden@127.0.0.1/shop",
            &new,
            "FROM_URL: must start with sqlite:// or postgres://",
        ),
        (
            "shop",
            &new,
            "FROM_URL: must start with sqlite:// or postgres:// (it is \"shop\")",
        ),
    ] {
        let line = refused(&mut copying(from, to), 1);
        assert!(line.contains(reason) && !line.contains("hidden"), "{line}");
    }
    let line = refused(copying(&file, &new).arg(nobody), 1);
    assert!(
        line.contains("unexpected argument") && !line.contains("hidden"),
        "{line}"
    );
    assert!(!folder.path().join("new.db").exists());
}

fn unfinished(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("unfinished")).collect()
}

/// Waits until this asks a database for a number that is not 0.
async fn until(url: &str, sql: &str) {
    let until = Instant::now() + PATIENCE;
    while postgres::count(url, sql).await == 0 {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {sql}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Ends a process and returns what it said.
fn ended(child: Child, signal: Signal) -> Output {
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_copy_up_that_is_ended_half_way_leaves_an_empty_database() {
    let (file, _folder) = database();
    fill(&file);
    let url = postgres::new_database().await;
    drop(serve(&url));
    // The last table takes its time, and all others are there by then.
    postgres::rows(
        &url,
        "CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
         CREATE TRIGGER sleeps BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION sleeps()",
    )
    .await;
    const AT_WORK: &str = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'COPY idempotency_keys%'";
    for (signal, status) in [
        (Signal::KILL, None),
        (Signal::TERM, Some(143)),
        (Signal::INT, Some(130)),
    ] {
        let child = copying(&sqlite(&file), &url).spawn().unwrap();
        until(&url, AT_WORK).await;
        let output = ended(child, signal);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), status, "{line}");
        assert!(output.stdout.is_empty());
        assert!(
            status.is_none() || (line.contains("stopped") && line.lines().count() == 1),
            "{line}"
        );
        let gone = format!("SELECT (({AT_WORK}) = 0)::int::bigint");
        until(&url, &gone).await;
        let rows =
            "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM orders) + (SELECT orders FROM counters)";
        assert_eq!(postgres::count(&url, rows).await, 0, "{signal:?}");
    }
    postgres::rows(&url, "DROP FUNCTION sleeps CASCADE").await;
    copied(&sqlite(&file), &url);
    assert_eq!(audit(&url).0, Some(0));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_copy_down_that_is_ended_half_way_leaves_no_database() {
    let (file, folder) = database();
    fill(&file);
    let url = postgres::new_database().await;
    copied(&sqlite(&file), &url);
    let new = folder.path().join("new.db");
    for (signal, status) in [
        (Signal::TERM, Some(143)),
        (Signal::HUP, Some(129)),
        (Signal::KILL, None),
    ] {
        // It waits for a lock on the last table.
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client
            .batch_execute("BEGIN; LOCK TABLE idempotency_keys")
            .await
            .unwrap();
        let child = copying(&url, &sqlite(&new)).spawn().unwrap();
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until(&url, waits).await;
        assert_eq!(unfinished(folder.path()).len(), 1, "it has begun");
        let output = ended(child, signal);
        assert_eq!(output.status.code(), status);
        assert!(!new.exists());
        // A process that is killed can tidy up nothing; the name says what it is.
        assert_eq!(
            unfinished(folder.path()).len(),
            usize::from(status.is_none()),
            "{signal:?}"
        );
        drop(client);
        connection.await.unwrap().unwrap();
    }
    copied(&url, &sqlite(&new));
    assert_eq!(audit(&sqlite(&new)).0, Some(0));
}
