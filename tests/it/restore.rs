//! The command `restore`: beside a running service, killed at any moment, and what it prints.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::process::{PATIENCE, Server, command, run};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1000}"#;
/// So many that an order changes few of their pages: what is restored with the old log is neither the old nor the new one.
const ORDERS: i64 = 150;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

/// A database whose backup has no order; then orders were placed, the last of them only in the log of a killed service.
fn killed_after_a_backup() -> (PathBuf, PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    let (database, backup) = (folder.path().join("test.db"), folder.path().join("backup.db"));
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    assert!(
        run(command(&database).arg("backup").arg(&backup), PATIENCE)
            .status
            .success()
    );
    for _ in 1..ORDERS {
        assert_eq!(server.ask("POST", "/orders", ORDER).0, 201);
    }
    assert!(server.stop(Signal::TERM).success());
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/orders", ORDER).0, 201);
    server.stop(Signal::KILL);
    (database, backup, folder)
}

fn restore(database: &Path, backup: &Path) -> Output {
    run(command(database).arg("restore").arg(backup), PATIENCE)
}

/// How many orders are in it, once a service has started on it.
fn orders(database: &Path) -> i64 {
    let audit = run(command(database).arg("audit"), PATIENCE);
    assert!(audit.status.success(), "{audit:?}");
    assert!(Server::start(&mut command(database)).stop(Signal::TERM).success());
    let connection = rusqlite::Connection::open(database).unwrap();
    connection
        .query_row("SELECT count(*) FROM orders", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_restore_replaces_the_database_and_sets_the_old_one_aside() {
    let (database, backup, folder) = killed_after_a_backup();
    let output = restore(&database, &backup);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let bytes = fs::metadata(&database).unwrap().len();
    let old = folder.path().join("test.db.replaced-1");
    let line = format!(
        "{} ({bytes} bytes) is restored; the old database is {}\n",
        database.display(),
        old.display()
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), line);
    assert_eq!(orders(&database), 0, "nothing of the old log came back");
    assert_eq!(orders(&old), ORDERS, "nothing of it was lost");
    // And back again.
    assert!(restore(&database, &old).status.success());
    assert_eq!(orders(&database), ORDERS);
}

#[test]
fn a_restore_beside_a_running_service_is_refused_by_whatever_path() {
    let (database, backup, folder) = killed_after_a_backup();
    let server = Server::start(&mut command(&database));
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    symlink(&database, other.join("soft.db")).unwrap();
    fs::hard_link(&database, other.join("hard.db")).unwrap();
    for path in [database.clone(), other.join("soft.db"), other.join("hard.db")] {
        let output = restore(&path, &backup);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{line}");
        assert!(line.contains("another process has it open; stop that first"), "{line}");
    }
    assert_eq!(server.ask("POST", "/orders", ORDER).0, 201);
    assert_eq!(server.ask("GET", "/readyz", "").0, 200);
    assert_eq!(fs::read_dir(&other).unwrap().count(), 2, "nothing was left");
}

#[test]
fn a_restore_beside_any_other_program_that_has_the_file_open_is_refused() {
    let (database, backup, _folder) = killed_after_a_backup();
    let reader = rusqlite::Connection::open(&database).unwrap();
    let _: i64 = reader
        .query_row("SELECT count(*) FROM orders", [], |row| row.get(0))
        .unwrap();
    let output = restore(&database, &backup);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    reader.close().unwrap();
    assert!(restore(&database, &backup).status.success());
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_or_the_new_database() {
    const KILLS: u32 = 16;

    let (database, backup, folder) = killed_after_a_backup();
    let copied = || {
        let place = TempDir::new().unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), place.path().join(file.file_name())).unwrap();
        }
        (place.path().join(database.file_name().unwrap()), place)
    };
    let (whole, _place) = copied();
    let began = Instant::now();
    assert!(restore(&whole, &backup).status.success());
    let takes = began.elapsed();
    let (mut old, mut new) = (0, 0);
    for number in 0..KILLS {
        let (database, _place) = copied();
        let mut restoring = command(&database).arg("restore").arg(&backup).spawn().unwrap();
        thread::sleep(takes.mul_f64(fastrand::f64() * 1.2));
        restoring.kill().unwrap();
        let is_done = restoring.wait().unwrap().success();
        match orders(&database) {
            ORDERS if !is_done => old += 1,
            0 => new += 1,
            other => panic!("{other} orders after kill {number}"),
        }
        assert!(restore(&database, &backup).status.success(), "kill {number}");
        assert_eq!(orders(&database), 0, "kill {number}");
    }
    println!("{old} times the old database, {new} times the new one");
}
