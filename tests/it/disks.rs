//! Failing disks: full or read-only; and files that the service must not touch.
//!
//! Some tests mount a file system, which only root can do. Without root they are skipped and say so.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::process::{Server, command, run};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1000000}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

/// A small file system in memory, unmounted at the end of its test.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// A file system of 4 MiB; where it cannot be mounted, prints why and returns `None`.
    fn new() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        match mount("tmpfs", folder.path(), "tmpfs", MountFlags::NOSUID, Some(c"size=4m")) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                println!("skipped: only root can mount a file system: {error}");
                None
            }
        }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// Makes it read-only, also for root.
    fn make_read_only(&self) {
        mount_remount(self.folder.path(), MountFlags::RDONLY, "").unwrap();
        fs::write(self.ballast(), "").expect_err("this system does not make disks read-only");
    }

    fn make_writable(&self) {
        mount_remount(self.folder.path(), MountFlags::empty(), "").unwrap();
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = fs::OpenOptions::new();
        let mut ballast = ballast.append(true).create(true).open(self.ballast()).unwrap();
        for size in [65_536, 4_096, 1] {
            while ballast.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A lazy unmount, since a server may still run where its test failed.
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}

/// The error line of a failed start.
#[track_caller]
fn refused(database: &Path) -> String {
    let output = run(&mut command(database), Duration::from_secs(10));
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert_eq!((line.lines().count(), output.stdout.len()), (1, 0), "{line}");
    assert!(line.starts_with("orders-inventory: DATABASE_URL: "), "{line}");
    assert!(line.contains(database.to_str().unwrap()), "{line}");
    line
}

/// Every file of a folder with its content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut content: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    content.sort();
    content
}

#[test]
fn a_full_disk_refuses_writes_and_takes_them_again_once_there_is_room() {
    let Some(disk) = Disk::new() else { return };
    let database = disk.database();
    let server = Server::start(command(&database).env("RUST_LOG", "error"));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let mut placed = 0;
    for round in 1..=2 {
        disk.fill();
        // A few more orders fit into pages that the files have already.
        let (status, problem) = loop {
            let (status, answer) = server.ask("POST", "/orders", ORDER);
            if status != 201 {
                break (status, answer);
            }
            placed += 1;
            assert!(placed < 20_000, "the disk is not full");
        };
        assert_eq!(
            (status, &problem["type"]),
            (503, &"/problems/storage-unavailable".into())
        );
        for (method, path, body, wanted) in [
            ("POST", "/orders", ORDER, 503),
            ("PUT", "/products/1", r#"{"name":"b"}"#, 503),
            ("GET", "/products/1", "", 200),
            ("GET", "/orders?limit=100", "", 200),
            ("GET", "/healthz", "", 200),
        ] {
            let ((status, answer), whole) = server.ask_with(method, path, &[], body);
            assert_eq!(status, wanted, "round {round}: {method} {path}: {answer}");
            assert_eq!(whole.contains("\r\nretry-after: 1\r\n"), wanted == 503, "{whole}");
        }
        assert_eq!(
            server.ask("GET", "/products/1", "").1["stock"],
            1_000_000 - placed,
            "no half order"
        );
        let cause = server.log_line("the storage failed");
        assert!(cause.contains("full"), "the log says why: {cause}");

        disk.free();
        assert_eq!(server.ask("POST", "/orders", ORDER).0, 201, "without a restart");
        placed += 1;
        assert_eq!(server.ask("GET", "/readyz", "").0, 200);
    }
    assert!(server.stop(Signal::TERM).success());
    let audit = run(command(&database).arg("audit"), Duration::from_secs(60));
    assert!(audit.status.success(), "{audit:?}");
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("GET", "/products/1", "").1["stock"], 1_000_000 - placed);
}

#[test]
fn a_full_disk_at_the_start_is_reported() {
    let Some(disk) = Disk::new() else { return };
    disk.fill();
    let line = refused(&disk.database());
    assert!(line.contains("full"), "{line}");
}

#[test]
fn a_read_only_folder_is_reported_and_left_unchanged() {
    let Some(disk) = Disk::new() else { return };
    let database = disk.database();
    assert!(Server::start(&mut command(&database)).stop(Signal::TERM).success());
    let before = content(disk.folder.path());
    disk.make_read_only();
    refused(&database);
    refused(&disk.folder.path().join("another.db"));
    refused(&disk.folder.path().join("new/folder/test.db"));
    assert_eq!(content(disk.folder.path()), before);
}

/// With the write-ahead log in place, SQLite itself would open the file read-only.
#[test]
fn a_folder_that_became_read_only_when_the_service_was_killed_is_refused_too() {
    let Some(disk) = Disk::new() else { return };
    let database = disk.database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    server.stop(Signal::KILL);
    let before = content(disk.folder.path());
    assert_eq!(before.len(), 3, "the file, its log and the log's index");
    disk.make_read_only();
    let line = refused(&database);
    assert!(line.contains("it cannot be written"), "{line}");
    assert_eq!(content(disk.folder.path()), before);
    disk.make_writable();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("GET", "/products/1", "").0, 200);
}

#[test]
fn a_file_of_a_newer_schema_is_left_unchanged() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    assert!(Server::start(&mut command(&database)).stop(Signal::TERM).success());
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    let before = content(folder.path());
    let line = refused(&database);
    assert!(line.contains("newer"), "{line}");
    assert_eq!(content(folder.path()), before);
}
