//! The database's files under a running service: another process on them, links to them, and their removal.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::{PATIENCE, Server, command, run};
use crate::support::scrape::Scrape;

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":5}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

fn database() -> (PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    (folder.path().join("test.db"), folder)
}

/// The error line of a command that must be refused.
#[track_caller]
fn refused(database: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(command(database).args(arguments), PATIENCE);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!((line.lines().count(), output.stdout.len()), (1, 0), "{line}");
    line
}

/// Every other path of a database: what it is called, and the path.
fn other_paths(database: &Path, folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let other = folder.join("other");
    fs::create_dir(&other).unwrap();
    symlink(database, other.join("soft.db")).unwrap();
    symlink(folder, other.join("folder")).unwrap();
    fs::hard_link(database, other.join("hard.db")).unwrap();
    vec![
        ("the same path", database.to_owned()),
        ("a symbolic link", other.join("soft.db")),
        ("a link to the folder", other.join("folder/test.db")),
        ("a hard link", other.join("hard.db")),
    ]
}

#[test]
fn a_second_service_on_one_file_is_refused_in_one_line() {
    let (database, folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    for (what, path) in other_paths(&database, folder.path()) {
        let line = refused(&path, &[], 1);
        assert!(
            line.starts_with("orders-inventory: DATABASE_URL: refusing the database"),
            "{what}: {line}"
        );
        assert!(line.contains("another process"), "{what}: {line}");
        assert_eq!(server.ask("POST", "/orders", ORDER).0, 201, "{what}");
    }
    let names = fs::read_dir(folder.path().join("other")).unwrap();
    assert_eq!(names.count(), 3, "nothing was left beside the other paths");
    assert!(server.stop(Signal::TERM).success());
    // By whatever path the next one comes.
    let server = Server::start(&mut command(&folder.path().join("other/hard.db")));
    assert_eq!(server.ask("GET", "/products/1", "").1["stock"], 1);
}

#[test]
fn a_second_service_on_a_file_that_is_mounted_elsewhere_is_refused() {
    let (database, folder) = database();
    let server = Server::start(&mut command(&database));
    let mounted = folder.path().join("mounted.db");
    fs::write(&mounted, "").unwrap();
    if let Err(error) = mount_bind(&database, &mounted) {
        return println!("skipped: only root can mount a file: {error}");
    }
    let line = refused(&mounted, &[], 1);
    unmount(&mounted, UnmountFlags::DETACH).unwrap();
    assert!(line.contains("another process has it open by another path"), "{line}");
    assert_eq!(server.ask("GET", "/readyz", "").0, 200);
}

#[test]
fn audit_and_backup_run_beside_a_service_and_refuse_a_path_whose_log_is_elsewhere() {
    let (database, folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    for (number, (what, path)) in other_paths(&database, folder.path()).into_iter().enumerate() {
        let copy = folder.path().join(format!("copy-{number}.db"));
        let copy = copy.to_str().unwrap();
        if what == "a hard link" {
            assert!(refused(&path, &["audit"], 2).contains("another path"), "{what}");
            assert!(refused(&path, &["backup", copy], 1).contains("another path"), "{what}");
        } else {
            assert!(run(command(&path).arg("audit"), PATIENCE).status.success(), "{what}");
            assert!(
                run(command(&path).args(["backup", copy]), PATIENCE).status.success(),
                "{what}"
            );
            let copied = rusqlite::Connection::open(copy).unwrap();
            let products: i64 = copied
                .query_row("SELECT count(*) FROM products", [], |row| row.get(0))
                .unwrap();
            assert_eq!(products, 1, "{what}: with what was only in the log");
        }
    }
    assert_eq!(server.ask("GET", "/readyz", "").0, 200);
}

#[test]
fn a_service_waits_for_one_that_is_ending() {
    let (database, _folder) = database();
    let first = Server::start(command(&database).env("DRAIN_SECONDS", "1"));
    assert_eq!(first.ask("POST", "/products", PRODUCT).0, 201);
    // A body that never comes holds it for its drain.
    let held = first.connect();
    let head = b"POST /orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";
    std::io::Write::write_all(&mut &held, head).unwrap();
    thread::sleep(Duration::from_millis(200));
    first.signal(Signal::TERM);
    first.log_line("stopping");
    let second = Server::start(&mut command(&database));
    assert_eq!(second.ask("GET", "/products/1", "").0, 200);
    first.log_line("stopped");
}

#[test]
fn a_killed_service_keeps_nobody_out() {
    let (database, _folder) = database();
    for _ in 0..3 {
        let server = Server::start(&mut command(&database));
        assert_eq!(server.ask("GET", "/readyz", "").0, 200);
        server.stop(Signal::KILL);
    }
}

#[test]
fn the_log_of_a_linked_database_is_found_beside_the_file() {
    let (database, folder) = database();
    let links = folder.path().join("links");
    fs::create_dir(&links).unwrap();
    let link = links.join("shop.db");
    symlink("../test.db", &link).unwrap();
    let mut linked = command(&link);
    let server = Server::start(linked.env("METRICS_ADDR", "127.0.0.1:0").env("LOG_FORMAT", "json"));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let scrape = Scrape::of(server.metrics_address());
    assert!(scrape.value("shop_store_wal_bytes") > 0.0, "{scrape:?}");
    server.stop(Signal::KILL);
    let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!(names(&links), 1, "nothing is beside the link");

    // The log is read by whichever path.
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("GET", "/products/1", "").0, 200);
    assert!(server.stop(Signal::TERM).success());
    let server = Server::start(&mut command(&link));
    assert!(server.stop(Signal::TERM).success());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(names(folder.path()), 2, "the file and the folder of links");
}

/// Writes until that is refused, for at most the 10 seconds that it may take.
#[track_caller]
fn assert_writes_end(server: &Server) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let (status, answer) = server.ask("PUT", "/products/1", r#"{"stock":7}"#);
        if status == 503 {
            assert_eq!(answer["type"], "/problems/storage-unavailable");
            return;
        }
        assert_eq!(status, 200, "{answer}");
        assert!(Instant::now() < until, "writes go on into nothing");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn when_its_files_are_gone_a_service_takes_no_write_and_says_so() {
    for gone in ["test.db", "test.db-wal", "test.db-shm", "test.db-lock", ""] {
        let (_, folder) = database();
        let data = folder.path().join("data");
        let database = data.join("test.db");
        let server = Server::start(&mut command(&database));
        assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
        match gone {
            "" => fs::rename(&data, folder.path().join("away")).unwrap(),
            name => fs::remove_file(data.join(name)).unwrap(),
        }
        assert_writes_end(&server);
        assert_eq!(server.ask("GET", "/readyz", "").0, 503, "{gone}");
        assert_eq!(server.ask("GET", "/products/1", "").0, 200, "{gone}: reads go on");
        assert_eq!(server.ask("GET", "/healthz", "").0, 200, "{gone}");
        let line = server.log_line("the database is lost");
        assert!(
            line.contains("ERROR") && line.contains("cannot be found"),
            "{gone}: {line}"
        );
        server.signal(Signal::TERM);
        let last = server.rest_of_log().pop().unwrap();
        assert!(last.starts_with("orders-inventory: DATABASE_URL: "), "{gone}: {last}");
        assert_eq!(server.ended().code(), Some(1), "{gone}");
    }
}

#[test]
fn a_database_that_comes_back_is_written_again() {
    let (database, folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let away = folder.path().join("away.db");
    fs::rename(&database, &away).unwrap();
    assert_writes_end(&server);
    fs::rename(&away, &database).unwrap();
    server.log_line("writes are taken again");
    assert_eq!(server.ask("POST", "/orders", ORDER).0, 201);
    assert!(server.stop(Signal::TERM).success());
    let audit = run(command(&database).arg("audit"), PATIENCE);
    assert!(audit.status.success(), "{audit:?}");
}

#[test]
fn a_log_whose_database_is_missing_is_kept_and_refused() {
    let (database, folder) = database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    server.stop(Signal::KILL);
    let away = folder.path().join("away.db");
    fs::rename(&database, &away).unwrap();
    assert!(refused(&database, &[], 1).contains("it is missing, but its write-ahead log is there"));
    assert!(!database.exists());
    fs::rename(&away, &database).unwrap();
    let server = Server::start(&mut command(&database));
    let (status, product): (u16, Value) = server.ask("GET", "/products/1", "");
    assert_eq!((status, &product["stock"]), (200, &5.into()));
}
