//! A way for SQLite to its files (a VFS, sqlite.org/vfs.html) that is the system's own but for four things:
//!
//! - **What goes to a write-ahead log is written at once.** SQLite writes a log in two small pieces a page, each by a call
//!   of the system. Here they are gathered until the log is synced, which at `synchronous = FULL` is before anybody is
//!   told of them. So this is for connections that write with FULL, and for no others.
//! - **What of a log could not be written or synced is cut off again.** SQLite tells the caller that the transaction failed
//!   and leaves its bytes where they are, so that whoever reads the log anew, after a crash, finds it complete.
//! - **What a checkpoint moves is synced before it counts as moved.** SQLite itself syncs the database file only after a
//!   checkpoint that moved the whole log; after one of a part, which is what a checkpoint beside a writer is, readers take
//!   that part from the file at once. Where a later sync fails and the system drops what it could not write, they would
//!   find old pages there. Here the sync comes first, and whoever runs the checkpoint is told if it fails, before anybody
//!   can read what may be lost.
//! - **A log is synced only by the connection that wrote to it.** A checkpoint begins with such a sync. Everything that it may
//!   move was synced by whoever committed it, before others could see it; and a sync beside a commit that is under way could
//!   fail for what that one has just written, which would be dropped while its own sync finds nothing left to do. What was in
//!   the log before, from a process that may not have lived to sync it, is for whoever opens it first to sync.
//!
//! It decides nothing and keeps no state but the bytes on their way. All that is unsafe in the service is in this crate:
//! SQLite calls these functions through C, with files that it allocated.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::slice;
use std::sync::OnceLock;

use rusqlite::ffi;

/// What connections say to be opened this way.
pub const NAME: &CStr = c"gathering";

/// How many bytes of a log are gathered at the most.
const GATHERED_MAX: usize = 1 << 20;

/// How many bytes the system is given at a time. SQLite's own functions take no more than 17 bits of a length for one
/// call, and would find the disk full where those are all 0.
const WRITTEN_MAX: usize = 96 * 1024;

/// Makes [`NAME`] known to SQLite, once for the process.
///
/// # Errors
/// SQLite's, always the same one, where it has no way to the system's files or takes no other.
pub fn register() -> rusqlite::Result<()> {
    static CODE: OnceLock<c_int> = OnceLock::new();
    match *CODE.get_or_init(register_now) {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

type FailedSync = Box<dyn FnMut()>;

thread_local! {
    static FAILED_SYNC: RefCell<Option<FailedSync>> = const { RefCell::new(None) };
}

/// Runs checkpoints on this thread. `failed` is called, while the checkpoint is still under way, where the database file
/// could not be synced: when it returns, what may be lost counts as moved, so by then no connection may be reading, and
/// none may read again before SQLite has made a new index of the log, which it does for the first connection to a file
/// that nobody has open.
pub fn checkpointing<T>(failed: impl FnMut() + 'static, work: impl FnOnce() -> T) -> T {
    FAILED_SYNC.set(Some(Box::new(failed)));
    let done = work();
    FAILED_SYNC.set(None);
    done
}

fn register_now() -> c_int {
    // SAFETY: SQLite looks for its default way, which it has from its own start on and keeps for ever.
    let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
    if system.is_null() {
        return ffi::SQLITE_NOTFOUND;
    }
    // SAFETY: it is not null, and SQLite does not change it.
    let way = unsafe { *system };
    let Some(size) = tail_offset(way.szOsFile).and_then(|offset| c_int::try_from(offset + size_of::<Tail>()).ok())
    else {
        return ffi::SQLITE_TOOBIG;
    };
    let way = Box::new(ffi::sqlite3_vfs {
        zName: NAME.as_ptr(),
        szOsFile: size,
        pNext: ptr::null_mut(),
        pAppData: system.cast(),
        xOpen: Some(open),
        ..way
    });
    // SAFETY: it is complete, for the system's functions take any VFS but to open a file, and it is never freed.
    unsafe { ffi::sqlite3_vfs_register(Box::leak(way), 0) }
}

/// Where our part of a file begins: behind the system's, which is so large.
fn tail_offset(system_size: c_int) -> Option<usize> {
    usize::try_from(system_size)
        .ok()?
        .checked_next_multiple_of(align_of::<Tail>())
}

/// Our part of an open file. SQLite allocates it behind the system's own, which stays at the beginning, so that all of
/// the system's functions work on the file as it is.
#[repr(C)]
struct Tail {
    /// The system's functions with ours in their places. First, for it is how a file leads here.
    methods: ffi::sqlite3_io_methods,
    /// The system's.
    system: *const ffi::sqlite3_io_methods,
    is_log: bool,
    gathered: Gathered,
    /// Where what this connection wrote and did not sync begins, in a log.
    unsynced: Option<i64>,
    /// What the sync before the end of a checkpoint came to. A file is asked again after that, when the system may have
    /// forgotten that it failed.
    checkpoint_sync: c_int,
}

/// Bytes for a log that are not written yet.
#[derive(Default)]
struct Gathered {
    offset: i64,
    bytes: Vec<u8>,
}

impl Gathered {
    /// Whether it took these bytes, which it does where they follow the others and there is room.
    fn takes(&mut self, bytes: &[u8], offset: i64) -> bool {
        if self.bytes.is_empty() {
            self.offset = offset;
        }
        let end = i64::try_from(self.bytes.len())
            .ok()
            .and_then(|length| self.offset.checked_add(length));
        let fits = self.bytes.len() + bytes.len() <= GATHERED_MAX;
        // The room is had at once and kept, so that taking bytes cannot fail later.
        let has_room = self.bytes.capacity() > 0 || self.bytes.try_reserve_exact(GATHERED_MAX).is_ok();
        let takes = fits && has_room && end == Some(offset);
        if takes {
            self.bytes.extend_from_slice(bytes);
        }
        takes
    }
}

/// Our part of a file.
///
/// # Safety
/// The file must be one that [`open`] has opened and [`close`] has not closed, and nothing else may be using its part.
unsafe fn tail<'f>(file: *mut ffi::sqlite3_file) -> &'f mut Tail {
    // SAFETY: `open` made the functions of such a file the first member of its `Tail`, through a pointer to all of it.
    unsafe { &mut *(*file).pMethods.cast_mut().cast::<Tail>() }
}

/// Calls a function of the system's, or gives this code where the system has none.
macro_rules! system {
    ($tail:expr, $function:ident($($argument:expr),*)) => {{
        // SAFETY: the system's functions stay as they are for ever.
        let function = unsafe { (*$tail.system).$function };
        // SAFETY: the file is the system's own to its end, and the arguments are SQLite's or of the same kind.
        function.map_or(ffi::SQLITE_MISUSE, |function| unsafe { function($($argument),*) })
    }};
}

/// Writes what was gathered, or cuts it off.
fn flush(tail: &mut Tail, file: *mut ffi::sqlite3_file) -> c_int {
    let mut offset = tail.gathered.offset;
    let mut written = ffi::SQLITE_OK;
    for piece in tail.gathered.bytes.chunks(WRITTEN_MAX) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            reason = "it is WRITTEN_MAX at the most"
        )]
        let length = piece.len() as c_int;
        written = system!(tail, xWrite(file, piece.as_ptr().cast(), length, offset));
        if written != ffi::SQLITE_OK {
            break;
        }
        offset += i64::from(length);
    }
    tail.gathered.bytes.clear();
    if written != ffi::SQLITE_OK {
        cut_off(tail, file);
    }
    written
}

/// Takes back what was not synced. Whoever wrote it hears that it failed, and nobody else knows of it: readers go no further
/// than the last commit that ended well.
fn cut_off(tail: &mut Tail, file: *mut ffi::sqlite3_file) {
    tail.gathered.bytes.clear();
    if let Some(offset) = tail.unsynced.take() {
        // Where this fails, too, it is as it would be without.
        let _ = system!(tail, xTruncate(file, offset));
    }
}

/// Opens a file as the system does. Of logs and databases, some functions become ours.
unsafe extern "C" fn open(
    way: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_given: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives the way that was registered, which holds the system's.
    let system = unsafe { (*way).pAppData.cast::<ffi::sqlite3_vfs>() };
    // SAFETY: the system's stays as it is for ever.
    let (system_open, system_size) = unsafe { ((*system).xOpen, (*system).szOsFile) };
    let (Some(system_open), Some(offset)) = (system_open, tail_offset(system_size)) else {
        return ffi::SQLITE_CANTOPEN;
    };
    // SAFETY: the arguments are SQLite's, and the file has more room than the system asks for.
    let opened = unsafe { system_open(system, name, file, flags, flags_given) };
    let (is_log, is_database) = (flags & ffi::SQLITE_OPEN_WAL != 0, flags & ffi::SQLITE_OPEN_MAIN_DB != 0);
    if opened != ffi::SQLITE_OK || !(is_log || is_database) {
        return opened;
    }
    // SAFETY: an open file has its functions.
    let (system, mut methods) = unsafe { ((*file).pMethods, *(*file).pMethods) };
    methods.xClose = Some(close);
    methods.xSync = Some(sync);
    if is_log {
        methods.xRead = Some(read);
        methods.xWrite = Some(write);
        methods.xTruncate = Some(truncate);
        methods.xFileSize = Some(file_size);
    } else {
        methods.xFileControl = Some(file_control);
    }
    let tail = Tail {
        methods,
        system,
        is_log,
        gathered: Gathered::default(),
        unsynced: None,
        checkpoint_sync: ffi::SQLITE_OK,
    };
    // SAFETY: SQLite allocated as much as `register_now` asked for, aligned for any of its own structures: behind the
    // system's part there is room for ours.
    unsafe {
        let place = file.byte_add(offset).cast::<Tail>();
        place.write(tail);
        (*file).pMethods = place.cast();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file that `open` has opened, once, and never uses it again.
    let tail = unsafe { ptr::from_mut(tail(file)).read() };
    // Whatever of a log was not synced, nobody was told of. The file's functions become the system's again, in memory that
    // is the system's.
    // SAFETY: as above.
    unsafe { (*file).pMethods = tail.system };
    system!(tail, xClose(file))
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, bytes: *mut c_void, length: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite reads from a file that `open` has opened, and uses it from one thread at a time.
    let tail = unsafe { tail(file) };
    match flush(tail, file) {
        ffi::SQLITE_OK => system!(tail, xRead(file, bytes, length, offset)),
        failed => failed,
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, length: c_int, offset: i64) -> c_int {
    // SAFETY: as in `read`.
    let tail = unsafe { tail(file) };
    let Ok(size) = usize::try_from(length) else {
        return ffi::SQLITE_MISUSE;
    };
    // SAFETY: SQLite gives so many bytes, which stay as they are until this returns.
    let piece = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), size) };
    tail.unsynced = Some(tail.unsynced.map_or(offset, |unsynced| unsynced.min(offset)));
    if tail.gathered.takes(piece, offset) {
        return ffi::SQLITE_OK;
    }
    match flush(tail, file) {
        ffi::SQLITE_OK if tail.gathered.takes(piece, offset) => ffi::SQLITE_OK,
        ffi::SQLITE_OK => system!(tail, xWrite(file, bytes, length, offset)),
        failed => failed,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: as in `read`.
    let tail = unsafe { tail(file) };
    match flush(tail, file) {
        ffi::SQLITE_OK => system!(tail, xTruncate(file, size)),
        failed => failed,
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: as in `read`.
    let tail = unsafe { tail(file) };
    match flush(tail, file) {
        ffi::SQLITE_OK => system!(tail, xFileSize(file, size)),
        failed => failed,
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: as in `read`.
    let tail = unsafe { tail(file) };
    match (flush(tail, file), tail.checkpoint_sync) {
        (ffi::SQLITE_OK, ffi::SQLITE_OK) => {}
        (ffi::SQLITE_OK, failed) | (failed, _) => return failed,
    }
    if tail.is_log && tail.unsynced.is_none() {
        // This connection wrote nothing since.
        return ffi::SQLITE_OK;
    }
    let synced = system!(tail, xSync(file, flags));
    if synced == ffi::SQLITE_OK {
        tail.unsynced = None;
    } else {
        cut_off(tail, file);
    }
    synced
}

/// SQLite tells a database file when a checkpoint begins and ends to write to it, and does not ask how that went.
unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: as in `read`.
    let tail = unsafe { tail(file) };
    match what {
        ffi::SQLITE_FCNTL_CKPT_START => tail.checkpoint_sync = ffi::SQLITE_OK,
        ffi::SQLITE_FCNTL_CKPT_DONE => {
            tail.checkpoint_sync = system!(tail, xSync(file, ffi::SQLITE_SYNC_NORMAL));
            if tail.checkpoint_sync != ffi::SQLITE_OK {
                // Not there while it runs: it closes connections, which come here, too.
                let failed = FAILED_SYNC.take();
                FAILED_SYNC.set(failed.map(|mut failed| {
                    failed();
                    failed
                }));
            }
        }
        _ => {}
    }
    system!(tail, xFileControl(file, what, argument))
}

#[cfg(test)]
mod tests;
