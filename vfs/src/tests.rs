//! Real databases, one connection this way and another SQLite's own; and files whose system fails.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rusqlite::{Connection, OpenFlags, params};
use tempfile::TempDir;

use super::*;

fn database() -> (PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    (folder.path().join("test.db"), folder)
}

fn set_up(connection: Connection) -> Connection {
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
             CREATE TABLE IF NOT EXISTS pages (id INTEGER PRIMARY KEY, content BLOB)",
        )
        .unwrap();
    connection
}

fn gathering(path: &Path) -> Connection {
    register().unwrap();
    set_up(Connection::open_with_flags_and_vfs(path, OpenFlags::default(), NAME).unwrap())
}

/// Changes so many pages, each in its own way.
fn change(connection: &Connection, pages: i64, content: u8) {
    let mut statement = connection.prepare_cached("REPLACE INTO pages VALUES (?1, ?2)").unwrap();
    for id in 0..pages {
        statement.execute(params![id, vec![content; 3_000]]).unwrap();
    }
}

fn count(connection: &Connection, content: u8) -> i64 {
    let sql = "SELECT count(*) FROM pages WHERE content = ?1";
    connection
        .query_row(sql, [vec![content; 3_000]], |row| row.get(0))
        .unwrap()
}

fn check(path: &Path) {
    let other = Connection::open(path).unwrap();
    let found: String = other.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

/// How often this thread wrote to a file, while it did this.
fn writes(work: impl FnOnce()) -> u64 {
    let so_far = || {
        let counts = fs::read_to_string("/proc/thread-self/io").unwrap();
        let count = counts.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap();
        count.parse::<u64>().unwrap()
    };
    let before = so_far();
    work();
    so_far() - before
}

#[test]
fn a_commit_is_few_writes_and_others_see_all_of_it() {
    let commit = |connection: &Connection| {
        connection.execute_batch("BEGIN").unwrap();
        change(connection, 200, 1);
        connection.execute_batch("COMMIT").unwrap();
    };
    let (path, _folder) = database();
    let connection = gathering(&path);
    let ours = writes(|| commit(&connection));
    assert_eq!(count(&Connection::open(&path).unwrap(), 1), 200);
    check(&path);
    let (path, _folder) = database();
    let connection = set_up(Connection::open(&path).unwrap());
    let theirs = writes(|| commit(&connection));
    assert!(theirs > 400 && ours < 15, "{theirs} and {ours}");
}

#[test]
fn more_than_is_gathered_and_what_is_read_back_arrive_whole() {
    let (path, _folder) = database();
    let connection = gathering(&path);
    // Pages go to the log long before the commit, are read from there, and change again.
    connection.execute_batch("PRAGMA cache_size = 10").unwrap();
    let other = Connection::open(&path).unwrap();
    for content in 1..6 {
        connection.execute_batch("BEGIN").unwrap();
        change(&connection, 1_000, 100);
        assert_eq!(count(&connection, 100), 1_000);
        if content % 2 == 0 {
            connection.execute_batch("ROLLBACK").unwrap();
            assert_eq!(count(&other, content - 1), 1_000);
            connection.execute_batch("BEGIN").unwrap();
        }
        change(&connection, 1_000, content);
        assert_eq!(count(&other, content), 0);
        connection.execute_batch("COMMIT").unwrap();
        assert_eq!(count(&other, content), 1_000);
        if content == 3 {
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
    }
    check(&path);
    drop((connection, other));
    assert_eq!(count(&Connection::open(&path).unwrap(), 5), 1_000);
}

#[test]
fn a_log_that_nobody_closed_is_found_by_the_next() {
    let (path, folder) = database();
    let connection = gathering(&path);
    change(&connection, 10, 1);
    let copy = folder.path().join("copy.db");
    for end in ["", "-wal"] {
        fs::copy(format!("{}{end}", path.display()), format!("{}{end}", copy.display())).unwrap();
    }
    assert_eq!(count(&Connection::open(&copy).unwrap(), 1), 10);
}

thread_local! {
    /// What the system below answers, and what it was asked.
    static ANSWER: Cell<c_int> = const { Cell::new(ffi::SQLITE_OK) };
    static CUT_TO: Cell<Option<i64>> = const { Cell::new(None) };
    static ASKED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn asked() -> Vec<&'static str> {
    ASKED.take()
}

fn answer(name: &'static str) -> c_int {
    ASKED.with_borrow_mut(|asked| asked.push(name));
    ANSWER.get()
}

unsafe extern "C" fn system_write(_: *mut ffi::sqlite3_file, _: *const c_void, _: c_int, _: i64) -> c_int {
    answer("write")
}

unsafe extern "C" fn system_truncate(_: *mut ffi::sqlite3_file, size: i64) -> c_int {
    CUT_TO.set(Some(size));
    ffi::SQLITE_OK
}

unsafe extern "C" fn system_sync(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    answer("sync")
}

unsafe extern "C" fn system_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

/// Lends a file of that system.
fn with_file(is_log: bool, work: impl FnOnce(*mut ffi::sqlite3_file)) {
    // SAFETY: all members are numbers, or functions that may be missing.
    let none = unsafe { std::mem::zeroed::<ffi::sqlite3_io_methods>() };
    let system = ffi::sqlite3_io_methods {
        xWrite: Some(system_write),
        xTruncate: Some(system_truncate),
        xSync: Some(system_sync),
        xFileControl: Some(system_control),
        ..none
    };
    let mut tail = Tail {
        methods: none,
        system: &raw const system,
        is_log,
        gathered: Gathered::default(),
        unsynced: None,
        checkpoint_sync: ffi::SQLITE_OK,
    };
    let mut file = ffi::sqlite3_file {
        pMethods: (&raw mut tail).cast(),
    };
    work(&raw mut file);
}

#[test]
fn what_cannot_be_written_or_synced_is_cut_off() {
    with_file(true, |file| {
        let piece = [7_u8; 24];
        // SAFETY: the file is as one that was opened.
        let write = |offset| unsafe { write(file, piece.as_ptr().cast(), 24, offset) };
        // SAFETY: the same.
        let sync = || unsafe { sync(file, ffi::SQLITE_SYNC_NORMAL) };
        assert_eq!((write(100), write(124)), (ffi::SQLITE_OK, ffi::SQLITE_OK));
        assert_eq!(asked(), [""; 0]);
        ANSWER.set(ffi::SQLITE_FULL);
        assert_eq!(sync(), ffi::SQLITE_FULL);
        assert_eq!(
            (asked(), CUT_TO.take()),
            (vec!["write"], Some(100)),
            "nothing is synced"
        );
        ANSWER.set(ffi::SQLITE_OK);
        assert_eq!(
            (sync(), asked(), CUT_TO.take()),
            (ffi::SQLITE_OK, vec![], None),
            "nothing is left"
        );
        // Elsewhere: what is there goes first, and both are of one transaction.
        assert_eq!((write(100), write(4_096)), (ffi::SQLITE_OK, ffi::SQLITE_OK));
        assert_eq!(asked(), ["write"]);
        assert_eq!((sync(), asked()), (ffi::SQLITE_OK, vec!["write", "sync"]));
        assert_eq!((write(200), write(124)), (ffi::SQLITE_OK, ffi::SQLITE_OK));
        // SAFETY: the file is as one that was opened, and SQLite asks for nothing in these arguments here.
        let read = unsafe { read(file, ptr::null_mut(), 0, 0) };
        assert_eq!(
            (read, asked()),
            (ffi::SQLITE_MISUSE, vec!["write", "write"]),
            "this system cannot read"
        );
        ANSWER.set(ffi::SQLITE_IOERR_FSYNC);
        assert_eq!((sync(), asked()), (ffi::SQLITE_IOERR_FSYNC, vec!["sync"]));
        assert_eq!(CUT_TO.take(), Some(124), "all of it was written, and none of it synced");
        assert_eq!(
            (sync(), CUT_TO.take()),
            (ffi::SQLITE_OK, None),
            "that was cut off already"
        );
    });
}

#[test]
fn a_checkpoint_does_not_sync_what_others_write_to_the_log() {
    with_file(true, |others| {
        // SAFETY: the file is as one that was opened.
        let sync = || unsafe { sync(others, ffi::SQLITE_SYNC_NORMAL) };
        ANSWER.set(ffi::SQLITE_IOERR_FSYNC);
        assert_eq!((sync(), asked()), (ffi::SQLITE_OK, vec![]));
        // SAFETY: the same.
        let written = unsafe { write(others, [7_u8; 24].as_ptr().cast(), 24, 0) };
        ANSWER.set(ffi::SQLITE_OK);
        assert_eq!(
            (written, sync(), asked()),
            (ffi::SQLITE_OK, ffi::SQLITE_OK, vec!["write", "sync"])
        );
        assert_eq!((sync(), asked()), (ffi::SQLITE_OK, vec![]));
    });
}

#[test]
fn a_checkpoint_whose_sync_failed_is_told_and_does_not_end_well() {
    with_file(false, |file| {
        // SAFETY: the file is as one that was opened.
        let control = |what| unsafe { file_control(file, what, ptr::null_mut()) };
        // SAFETY: the same.
        let sync = || unsafe { sync(file, ffi::SQLITE_SYNC_NORMAL) };
        let told = Rc::new(Cell::new(0));
        let count = {
            let told = Rc::clone(&told);
            move || told.set(told.get() + 1)
        };
        checkpointing(count, || {
            control(ffi::SQLITE_FCNTL_CKPT_START);
            control(ffi::SQLITE_FCNTL_CKPT_DONE);
            assert_eq!((asked(), told.get()), (vec!["sync"], 0));
            assert_eq!((sync(), asked()), (ffi::SQLITE_OK, vec!["sync"]));
            control(ffi::SQLITE_FCNTL_CKPT_START);
            ANSWER.set(ffi::SQLITE_IOERR_FSYNC);
            control(ffi::SQLITE_FCNTL_CKPT_DONE);
            assert_eq!((asked(), told.get()), (vec!["sync"], 1));
            // The system would say that all is well now.
            ANSWER.set(ffi::SQLITE_OK);
            assert_eq!((sync(), asked()), (ffi::SQLITE_IOERR_FSYNC, vec![]));
            control(ffi::SQLITE_FCNTL_CKPT_START);
            assert_eq!(sync(), ffi::SQLITE_OK);
        });
        ANSWER.set(ffi::SQLITE_IOERR_FSYNC);
        control(ffi::SQLITE_FCNTL_CKPT_DONE);
        assert_eq!(told.get(), 1, "whom nobody asked for is not told");
    });
}
