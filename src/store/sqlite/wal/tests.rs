//! Logs that grow beside readers and writers, and what becomes of the connections when one cannot be trusted.

use std::sync::mpsc::channel;

use tempfile::TempDir;

use super::*;
use crate::store::View as _;
use crate::store::sqlite::measure::Measures;
use crate::store::sqlite::session::Session;
use crate::testing::options;

/// Beside a large file, the log gets four times as long: 16 MiB.
const DUE_BYTES: u64 = 4 << 20;

/// A database with a table of our own, and what moves its log.
fn log() -> (Log, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = options(&folder).path;
    let connection = open::prepare(&path).unwrap();
    connection.execute_batch("CREATE TABLE pages (content BLOB)").unwrap();
    let readers = Readers::open(&path, 2, Measures::default()).unwrap();
    (
        Log::new(path, Due::at(DUE_BYTES), Arc::new(Desk::new(connection)), readers),
        folder,
    )
}

/// Does something with the writing connection.
fn on_desk<T>(desk: &Desk, work: impl FnOnce(&Connection) -> T) -> T {
    let connection = desk.take().unwrap();
    let done = work(&connection);
    desk.lay_back(Some(connection));
    done
}

/// Writes some 250 pages, as a batch does.
fn grow(log: &Log) {
    let sql = "INSERT INTO pages VALUES (zeroblob(1000000))";
    on_desk(&log.desk, |connection| connection.execute(sql, [])).unwrap();
    log.readers.renew();
}

fn grow_until_due(log: &Log) -> Wal {
    loop {
        grow(log);
        let wal = on_desk(&log.desk, Wal::now).unwrap();
        if log.due.is(wal, &log.path) {
            return wal;
        }
    }
}

fn read(log: &Log) {
    log.readers.read(|view| view.products(None, 1)).unwrap();
}

fn count(connection: &Connection) -> i64 {
    connection
        .query_row("SELECT count(*) FROM pages", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_log_that_was_moved_starts_anew_although_readers_keep_snapshots() {
    let (mut log, _folder) = log();
    for _ in 0..3 {
        // A request came before it was moved, whose snapshot is kept.
        read(&log);
        assert!(grow_until_due(&log).pages < 4_096 + 300);
        log.tend();
        log.desk.go_on();
        let wal = on_desk(&log.desk, Wal::now).unwrap();
        assert_eq!(wal.left(), 0);
        grow(&log);
        assert!(on_desk(&log.desk, Wal::now).unwrap().pages < 300, "it started anew");
    }
    let file = std::fs::metadata(open::log_of(&log.path)).unwrap();
    assert!(file.len() < 24 << 20, "{}", file.len());
}

/// Moves a part of the log while somebody goes on writing.
fn move_beside_writes(log: &mut Log) -> Moved {
    let is_ending = Arc::new(AtomicBool::new(false));
    let (begun, has_begun) = channel();
    let writing = thread::spawn({
        let (desk, is_ending) = (Arc::clone(&log.desk), Arc::clone(&is_ending));
        move || {
            while !is_ending.load(Ordering::Relaxed) {
                let sql = "INSERT INTO pages VALUES ('')";
                on_desk(&desk, |connection| connection.execute(sql, [])).unwrap();
                let _ = begun.send(());
            }
        }
    });
    has_begun.recv().unwrap();
    let moved = log.move_part("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
    is_ending.store(true, Ordering::Relaxed);
    writing.join().unwrap();
    moved
}

#[test]
fn what_was_written_while_a_part_was_moved_is_left() {
    let (mut log, _folder) = log();
    // A thousand pages are synced, beside which there are many writes of one; but the writer may get no core meanwhile.
    let is_told = (0..20).any(|_| {
        let due = grow_until_due(&log);
        let Moved::To(wal) = move_beside_writes(&mut log) else {
            panic!("it was lost")
        };
        assert!(wal.moved >= due.pages);
        wal.left() > 0
    });
    assert!(is_told, "not told of what came");
}

#[test]
fn a_snapshot_of_somebody_else_is_waited_for_without_holding_up_the_writer() {
    let (mut log, _folder) = log();
    grow(&log);
    let other = Connection::open(&log.path).unwrap();
    other.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&other), 1);
    let due = grow_until_due(&log);
    log.tend();
    assert!(log.held_until.is_some());
    // No batch is being waited for, nor waits.
    assert_eq!(on_desk(&log.desk, Wal::now).unwrap().pages, due.pages);
    // What can hardly have changed is not tried again at once.
    other.execute_batch("COMMIT").unwrap();
    log.tend();
    assert!(on_desk(&log.desk, Wal::now).unwrap().left() > 0);
    log.held_until = Some(Instant::now());
    log.tend();
    log.desk.go_on();
    assert_eq!(on_desk(&log.desk, Wal::now).unwrap().left(), 0);
}

#[test]
fn the_log_is_cut_when_readers_let_it() {
    let (log, _folder) = log();
    let wal_bytes = || std::fs::metadata(open::log_of(&log.path)).unwrap().len();
    grow(&log);
    let other = Connection::open(&log.path).unwrap();
    other.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&other), 1);
    grow(&log);
    on_desk(&log.desk, |connection| {
        assert!(!cut(connection).unwrap());
        assert!(wal_bytes() > 0);
        other.execute_batch("COMMIT").unwrap();
        assert!(cut(connection).unwrap());
        assert_eq!(wal_bytes(), 0);
        let timeout: u32 = connection
            .pragma_query_value(None, "busy_timeout", |row| row.get(0))
            .unwrap();
        assert_eq!(Duration::from_millis(timeout.into()), BUSY_TIMEOUT);
        assert_eq!(count(connection), 2);
    });
}

/// As after a sync that failed: a part of the log counts as moved. The connection is one of somebody else.
fn move_a_part_and_close(log: &mut Log) -> Connection {
    let other = Connection::open(&log.path).unwrap();
    grow(log);
    other.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&other), 1);
    grow(log);
    let Moved::To(wal) = log.move_part("PRAGMA wal_checkpoint(PASSIVE)").unwrap() else {
        panic!("it was lost")
    };
    assert!(wal.moved > 0 && wal.left() > 0);
    other.execute_batch("COMMIT").unwrap();
    log.desk.pause();
    log.desk.close();
    log.readers.suspend();
    other
}

#[test]
fn new_connections_find_a_log_of_which_nothing_was_moved() {
    let (mut log, _folder) = log();
    drop(move_a_part_and_close(&mut log));
    let (readers, (answer, answered)) = (log.readers.clone(), channel());
    let waiting = thread::spawn(move || answer.send(readers.read(|view| view.products(None, 1)).is_ok()));
    assert!(
        answered.recv_timeout(Duration::from_millis(50)).is_err(),
        "it did not wait"
    );
    log.renew();
    assert!(answered.recv().unwrap());
    waiting.join().unwrap().unwrap();
    let connection = log.connection().unwrap();
    let wal = Wal::now(connection).unwrap();
    assert!(wal.moved == 0 && wal.pages > 0, "{wal:?}");
    assert_eq!(count(connection), 2);
    assert!(Session::new(connection).products(None, 1).unwrap().is_empty());
}

#[test]
fn as_long_as_somebody_else_keeps_the_index_nobody_goes_on() {
    let (mut log, _folder) = log();
    let other = move_a_part_and_close(&mut log);
    let other = thread::spawn(move || {
        thread::sleep(RETRY * 3 / 2);
        drop(other);
    });
    let began = Instant::now();
    log.renew();
    assert!(began.elapsed() > RETRY);
    other.join().unwrap();
    assert_eq!(Wal::now(log.connection().unwrap()).unwrap().moved, 0);
    read(&log);
}
