//! Which files and descriptors are watched.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libc::{c_char, c_int};

/// What a watched file is for. The numbers stand in the journal and, as bits, in the control file.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Database = 1,
    Wal = 2,
    Shm = 3,
    Rollback = 4,
    Folder = 5,
    /// A database that is being made under another name, `DATABASE.*.unfinished`.
    Unfinished = 6,
}

/// A file, which is not its name: one that is removed and made again is another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) kind: Kind,
    /// Counts the files of this name.
    pub(crate) number: u32,
}

const KINDS: [Kind; 6] = [
    Kind::Database,
    Kind::Wal,
    Kind::Shm,
    Kind::Rollback,
    Kind::Folder,
    Kind::Unfinished,
];
const FDS_MAX: usize = 4096;

/// The newest number of each kind.
static NEWEST: [AtomicU64; 7] = [const { AtomicU64::new(0) }; 7];
/// For each descriptor kind and number; 0 where it is not watched.
static FDS: [AtomicU64; FDS_MAX] = [const { AtomicU64::new(0) }; FDS_MAX];

/// The kind of file that has this name.
///
/// # Safety
/// The path is a C string.
pub(crate) unsafe fn kind_of(path: *const c_char) -> Option<Kind> {
    static NAMES: OnceLock<Option<[Vec<u8>; 5]>> = OnceLock::new();

    let names = NAMES.get_or_init(|| {
        let database = std::env::var_os("DISK_DATABASE")?;
        let with = |suffix: &str| [database.as_bytes(), suffix.as_bytes()].concat();
        let folder = Path::new(&database).parent().map_or(OsStr::new("."), Path::as_os_str);
        let folder = folder.as_bytes().to_owned();
        Some([with(""), with("-wal"), with("-shm"), with("-journal"), folder])
    });
    // SAFETY: the caller says so.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let names = names.as_ref()?;
    if let Some(index) = names.iter().position(|name| name == path) {
        return KINDS.get(index).copied();
    }
    let is_unfinished = path.starts_with(&names[0]) && path.ends_with(b".unfinished");
    is_unfinished.then_some(Kind::Unfinished)
}

/// A new file has this kind's name from now on.
pub(crate) fn made(kind: Kind) -> File {
    NEWEST[kind as usize].fetch_add(1, Relaxed);
    newest(kind)
}

/// Watches a descriptor from now on.
pub(crate) fn opened(fd: c_int, kind: Kind, is_new: bool) -> File {
    let file = if is_new { made(kind) } else { newest(kind) };
    match slot(fd) {
        Some(slot) => slot.store(u64::from(file.number) << 8 | kind as u64, Relaxed),
        None => crate::journal::give_up("more descriptors than can be watched"),
    }
    file
}

pub(crate) fn closed(fd: c_int) {
    if let Some(slot) = slot(fd) {
        slot.store(0, Relaxed);
    }
}

/// The watched file behind a descriptor.
pub(crate) fn of(fd: c_int) -> Option<File> {
    let value = slot(fd)?.load(Relaxed);
    let kind = KINDS.into_iter().find(|kind| *kind as u64 == value & 0xFF)?;
    Some(File {
        kind,
        number: (value >> 8) as u32,
    })
}

/// The file that has the name now.
pub(crate) fn newest(kind: Kind) -> File {
    let number = NEWEST[kind as usize].load(Relaxed) as u32;
    File { kind, number }
}

fn slot(fd: c_int) -> Option<&'static AtomicU64> {
    FDS.get(usize::try_from(fd).ok()?)
}
