//! The journal: every change of a watched file, every sync and every answer to a client, in the order in which they
//! happened.
//!
//! A record is 24 bytes (event, kind, two zeros, the file's number, the length of the data, four zeros, the offset;
//! all little-endian) and its data.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::{c_int, c_void, size_t};

use crate::files::{File, Kind};

/// What happened.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Event {
    Write = 1,
    Truncate = 2,
    SyncBegin = 3,
    SyncEnd = 4,
    SyncFailed = 5,
    Create = 6,
    Unlink = 7,
    Sent = 8,
    /// The unfinished database, whose number stands for the offset, has the name of this file.
    Link = 9,
    /// The program was started. From here on the files' numbers count from 0 again.
    Start = 10,
}

/// As much of an answer as has its head.
const SENT_BYTES_MAX: usize = 1024;

static ORDER: Mutex<()> = Mutex::new(());
/// Where the last write to the write-ahead log went; one to its beginning is of its header.
static LOG_OFFSET: AtomicU64 = AtomicU64::new(0);

/// While it is held, nothing else happens: a change and its record are one.
pub(crate) fn order() -> MutexGuard<'static, ()> {
    ORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Appends a record. Only for who holds the [`order`].
pub(crate) fn append(event: Event, file: File, offset: u64, data: &[u8]) {
    append_raw(event, file.kind as u8, file.number, offset, data);
    match (event, file.kind) {
        (Event::Write, Kind::Wal) => LOG_OFFSET.store(offset, Relaxed),
        (Event::SyncBegin, Kind::Wal) if LOG_OFFSET.load(Relaxed) > 0 => kill_if_due(),
        _ => {}
    }
}

fn append_raw(event: Event, kind: u8, number: u32, offset: u64, data: &[u8]) {
    if let Some(fd) = descriptor() {
        write(fd, event, kind, number, offset, data);
    }
}

fn write(fd: c_int, event: Event, kind: u8, number: u32, offset: u64, data: &[u8]) {
    let mut head = [0; 24];
    head[0] = event as u8;
    head[1] = kind;
    head[4..8].copy_from_slice(&number.to_le_bytes());
    head[8..12].copy_from_slice(&(data.len() as u32).to_le_bytes());
    head[16..24].copy_from_slice(&offset.to_le_bytes());
    let record = [&head, data].concat();
    // SAFETY: the record is as long as it says.
    let written = unsafe { libc::syscall(libc::SYS_write, fd, record.as_ptr(), record.len()) };
    if usize::try_from(written) != Ok(record.len()) {
        give_up("the journal cannot be written");
    }
}

/// Notes what goes to a client, before it goes: from here on it may have been seen.
///
/// # Safety
/// The data is as long as it says.
pub(crate) unsafe fn sent(fd: c_int, data: *const c_void, length: size_t) {
    if descriptor().is_none() || !is_socket(fd) {
        return;
    }
    // SAFETY: the caller says so.
    let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length.min(SENT_BYTES_MAX)) };
    let _order = order();
    append_raw(Event::Sent, 0, 0, 0, data);
}

fn is_socket(fd: c_int) -> bool {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: where the call succeeds, it has filled in the status.
    unsafe {
        libc::fstat(fd, status.as_mut_ptr()) == 0 && status.assume_init().st_mode & libc::S_IFMT == libc::S_IFSOCK
    }
}

/// The journal's descriptor, if one is asked for.
fn descriptor() -> Option<c_int> {
    static DESCRIPTOR: OnceLock<Option<c_int>> = OnceLock::new();

    *DESCRIPTOR.get_or_init(|| {
        let path = std::env::var("DISK_JOURNAL").ok()?;
        let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_APPEND | libc::O_CLOEXEC;
        let fd = open(&path, flags);
        write(fd, Event::Start, 0, 0, 0, &[]);
        Some(fd)
    })
}

/// Kills the program, as the test wants it, once the journal has `DISK_KILL_AT` bytes. Only for who holds the [`order`]:
/// then no other change is under way, and none that was made is missing in the journal.
fn kill_if_due() {
    static KILL_AT: OnceLock<Option<i64>> = OnceLock::new();

    let kill_at = *KILL_AT.get_or_init(|| std::env::var("DISK_KILL_AT").ok()?.parse().ok());
    if let (Some(fd), Some(kill_at)) = (descriptor(), kill_at) {
        // SAFETY: none of these calls takes memory.
        unsafe {
            if libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_END) >= kill_at {
                libc::kill(libc::getpid(), libc::SIGKILL);
            }
        }
    }
}

/// Opens a file of the test's, which is not watched.
pub(crate) fn open(path: &str, flags: c_int) -> c_int {
    let path = format!("{path}\0");
    // SAFETY: the path ends in a zero.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o600) } as c_int;
    if fd < 0 {
        give_up("a file of the shim's cannot be opened");
    }
    fd
}

/// Ends the program: a test that cannot see everything must not go on as if it could.
pub(crate) fn give_up(why: &str) -> ! {
    let line = format!("disk-shim: {why}\n");
    // SAFETY: the line is as long as it says.
    unsafe {
        libc::syscall(libc::SYS_write, 2, line.as_ptr(), line.len());
        libc::abort()
    }
}
