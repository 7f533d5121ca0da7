//! Logs that grow beside a writer, with and without a reader in them, and checkpoints that fail.

use std::sync::Mutex;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::testing::{fatal, options};

/// 1 MiB.
const DUE_PAGES: u64 = 256;

/// A database with a table of our own, its writing connection and its checkpoints.
fn log() -> (Connection, Checkpoints, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = options(&folder).path;
    let connection = open::prepare(&path).unwrap();
    connection.execute_batch("CREATE TABLE pages (content BLOB)").unwrap();
    let readers = Readers::open(&options(&folder)).unwrap();
    let checkpoints = Checkpoints::start(&path, DUE_PAGES * PAGE_BYTES, readers, fatal()).unwrap();
    (connection, checkpoints, folder)
}

/// Writes some 25 pages, as a batch does.
fn grow(connection: &Connection) {
    connection
        .execute("INSERT INTO pages VALUES (zeroblob(100000))", [])
        .unwrap();
}

/// Goes on as the writer does until this holds.
fn go_on_until(
    connection: &Connection,
    checkpoints: &mut Checkpoints,
    condition: impl Fn(Progress, &Checkpoints) -> bool,
) -> Progress {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        grow(connection);
        checkpoints.tend(connection);
        let now = progress(connection).unwrap();
        if condition(now, checkpoints) {
            return now;
        }
        assert!(Instant::now() < until, "it never came: {now:?}");
    }
}

#[tokio::test]
async fn a_log_that_is_due_begins_anew_although_readers_keep_snapshots() {
    let (connection, mut checkpoints, _folder) = log();
    for _ in 0..3 {
        // A read leaves its snapshot behind.
        checkpoints.readers.commits().committed();
        let read = checkpoints.readers.read(|view| view.products(None, 1));
        assert!(read.await.is_ok());
        go_on_until(&connection, &mut checkpoints, |now, _| now.pages >= DUE_PAGES);
        go_on_until(&connection, &mut checkpoints, |now, _| now.pages < DUE_PAGES / 2);
    }
    checkpoints.end();
}

#[test]
fn a_read_in_the_log_is_not_waited_for_again_and_again() {
    let (connection, mut checkpoints, folder) = log();
    let path = options(&folder).path;
    let reader = open::reader(&path).unwrap();
    grow(&connection);
    reader.execute_batch("BEGIN; SELECT count(*) FROM pages").unwrap();
    go_on_until(&connection, &mut checkpoints, |_, checkpoints| {
        checkpoints.due_now > checkpoints.due
    });
    assert!(!checkpoints.is_asked, "it is due again only when the log has grown");
    reader.execute_batch("COMMIT").unwrap();
    go_on_until(&connection, &mut checkpoints, |now, checkpoints| {
        now.pages < DUE_PAGES / 2 && checkpoints.due_now == checkpoints.due
    });
    checkpoints.end();
}

#[test]
fn the_log_is_truncated_when_no_read_is_in_it() {
    let (connection, checkpoints, folder) = log();
    let path = options(&folder).path;
    let wal_bytes = || std::fs::metadata(super::super::paths::log_of(&path)).unwrap().len();
    grow(&connection);
    let reader = open::reader(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM pages").unwrap();
    grow(&connection);
    assert_eq!(truncate(&connection).unwrap(), Outcome::Part);
    assert!(wal_bytes() > 0);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(truncate(&connection).unwrap(), Outcome::All);
    assert_eq!(wal_bytes(), 0);
    let timeout: u32 = connection
        .pragma_query_value(None, "busy_timeout", |row| row.get(0))
        .unwrap();
    assert_eq!(Duration::from_millis(timeout.into()), BUSY_TIMEOUT);
    checkpoints.end();
}

#[test]
fn an_io_error_is_fatal_and_a_full_disk_is_not() {
    use rusqlite::ffi;

    let error = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_READ] {
        assert!(is_fatal(&error(code)));
    }
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_CANTOPEN] {
        assert!(!is_fatal(&error(code)));
    }
}

#[test]
fn a_checkpoint_that_cannot_sync_says_so_in_one_line() {
    let folder = TempDir::new().unwrap();
    let path = options(&folder).path;
    drop(open::prepare(&path).unwrap());
    let lines = Arc::new(Mutex::new(Vec::new()));
    let on_fatal: FatalHandler = {
        let lines = Arc::clone(&lines);
        Arc::new(move |line| lines.lock().unwrap().push(line.to_owned()))
    };
    // The system syncs no pipe.
    let (pipe, _end) = std::io::pipe().unwrap();
    let readers = Readers::open(&options(&folder)).unwrap();
    let mut checkpointer = Checkpointer {
        path,
        readers,
        database: Arc::new(File::from(std::os::fd::OwnedFd::from(pipe))),
        connection: None,
        on_fatal,
    };
    checkpointer.move_bulk().unwrap();
    let lines = lines.lock().unwrap();
    assert!(
        lines.len() == 1 && lines[0].contains("could not be checkpointed") && !lines[0].contains('\n'),
        "{lines:?}"
    );
}
