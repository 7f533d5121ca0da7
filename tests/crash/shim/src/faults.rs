//! Faults on demand.
//!
//! The control file is mapped, so the test changes it while the program runs. It holds 32-bit numbers in the machine's
//! byte order; see [`Control`].

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock, PoisonError};

use libc::{c_int, c_void, off_t};

use crate::files::{File, Kind};
use crate::journal;

/// The control file.
#[repr(C)]
struct Control {
    /// What fails: 0 nothing, 1 writes (also making and cutting files), 2 syncs.
    what: AtomicU32,
    /// The kinds of files that it fails for, as bits.
    kinds: AtomicU32,
    /// With which error.
    error: AtomicU32,
    /// The first call that fails, from 1.
    nth: AtomicU32,
    /// Whether all calls after it fail, too.
    forever: AtomicU32,
    /// Whether a failed sync loses what was not synced before, as Linux may: the pages count as clean from then on.
    drops: AtomicU32,
    /// How many calls there were since `what` was set.
    calls: AtomicU32,
    /// How many of them failed.
    failed: AtomicU32,
}

const WRITES: u32 = 1;
const SYNCS: u32 = 2;

/// What stood where something not yet synced was written, in that order.
static UNSYNCED: Mutex<Vec<(File, off_t, Vec<u8>)>> = Mutex::new(Vec::new());

/// The error that this write is to fail with.
pub(crate) fn on_write(kind: Kind) -> Option<c_int> {
    on_call(WRITES, kind)
}

/// The error that this sync is to fail with.
pub(crate) fn on_sync(kind: Kind) -> Option<c_int> {
    on_call(SYNCS, kind)
}

fn on_call(what: u32, kind: Kind) -> Option<c_int> {
    let control = control()?;
    if control.what.load(SeqCst) != what || control.kinds.load(SeqCst) & (1 << kind as u32) == 0 {
        return None;
    }
    let call = control.calls.fetch_add(1, SeqCst) + 1;
    let nth = control.nth.load(SeqCst);
    let fails = call == nth || (call > nth && control.forever.load(SeqCst) != 0);
    fails.then(|| {
        control.failed.fetch_add(1, SeqCst);
        control.error.load(SeqCst).cast_signed()
    })
}

/// Keeps what stands where something is about to be written. What lies behind the file's end counts as zeros.
pub(crate) fn remember(fd: c_int, file: File, offset: off_t, length: usize) {
    if !drops() {
        return;
    }
    let mut old = vec![0; length];
    // SAFETY: there is room for so many bytes. Fewer are read at the end of the file, where zeros stay.
    unsafe { libc::syscall(libc::SYS_pread64, fd, old.as_mut_ptr().cast::<c_void>(), length, offset) };
    let mut unsynced = UNSYNCED.lock().unwrap_or_else(PoisonError::into_inner);
    unsynced.push((file, offset, old));
}

/// The file is synced.
pub(crate) fn forget(file: File) {
    let mut unsynced = UNSYNCED.lock().unwrap_or_else(PoisonError::into_inner);
    unsynced.retain(|(other, _, _)| *other != file);
}

/// Puts back what stood there when the file was last synced, the newest first.
pub(crate) fn drop_unsynced(fd: c_int, file: File) {
    if !drops() {
        return;
    }
    {
        let unsynced = UNSYNCED.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, offset, old) in unsynced.iter().rev().filter(|(other, _, _)| *other == file) {
            // SAFETY: the data is as long as it says.
            let put = unsafe { libc::syscall(libc::SYS_pwrite64, fd, old.as_ptr(), old.len(), *offset) };
            if usize::try_from(put) != Ok(old.len()) {
                journal::give_up("what was there before cannot be put back");
            }
        }
    }
    forget(file);
}

fn drops() -> bool {
    control().is_some_and(|control| control.drops.load(SeqCst) != 0)
}

fn control() -> Option<&'static Control> {
    static CONTROL: OnceLock<Option<&'static Control>> = OnceLock::new();

    *CONTROL.get_or_init(|| {
        let path = std::env::var("DISK_CONTROL").ok()?;
        let fd = journal::open(&path, libc::O_RDWR | libc::O_CLOEXEC);
        let (protection, length) = (libc::PROT_READ | libc::PROT_WRITE, size_of::<Control>());
        // SAFETY: a new mapping, which stays until the program ends.
        let mapped = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, 0) };
        if mapped == libc::MAP_FAILED {
            journal::give_up("the control file cannot be mapped");
        }
        // SAFETY: the mapping is as long as the structure and page-aligned, and every bit pattern is a number.
        Some(unsafe { &*mapped.cast::<Control>() })
    })
}
