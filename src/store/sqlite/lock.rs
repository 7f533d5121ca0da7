//! One service per file: a lock that is held while a service, or a restore, uses a database.
//!
//! The lock is on a file of its own, `…-lock` beside the database. It must not be on the database: closing any descriptor of
//! a file gives up all `fcntl` locks that the process has on it, SQLite's too. The system releases it when the process
//! ends, however it ends. The file is removed with the lock; one that a kill left behind is in nobody's way.
//!
//! A file can have several paths (hard links, bind mounts), each with a lock file of its own, and with a write-ahead log of
//! its own, which is worse. SQLite's locks are on the file itself, so [`is_in_use_elsewhere`] asks the system for those.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::paths;

/// How long a start waits for a service that is just ending.
pub(super) const SERVICE_WAIT: Duration = Duration::from_secs(5);

/// How long it sleeps between two attempts.
const POLL: Duration = Duration::from_millis(50);

/// How often [`is_in_use_elsewhere`] looks, for another process may be about to open the log's index.
const LOOKS: u32 = 10;

/// What identifies a file, whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file at this path.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum Refused {
    /// Another process has it.
    Held,
    /// The lock file cannot be made or locked.
    Failed(io::Error),
}

/// The lock of a database. Dropping it releases it.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Locks the database of this resolved path, and waits so long at the most while another process has the lock.
    pub(super) fn acquire(database: &Path, wait: Duration) -> Result<Self, Refused> {
        let path = paths::lock_of(database);
        let until = Instant::now() + wait;
        loop {
            let file = open(&path).map_err(Refused::Failed)?;
            match file.try_lock() {
                Ok(()) => {
                    let lock = Self {
                        path: path.clone(),
                        file,
                    };
                    // Whoever had it before may have removed the file meanwhile; then others lock another one.
                    if lock.is_in_place() {
                        return Ok(lock);
                    }
                }
                Err(TryLockError::WouldBlock) if Instant::now() >= until => return Err(Refused::Held),
                Err(TryLockError::WouldBlock) => thread::sleep(POLL),
                Err(TryLockError::Error(error)) => return Err(Refused::Failed(error)),
            }
        }
    }

    /// Whether the path still leads to the locked file.
    fn is_in_place(&self) -> bool {
        let id = self.file.metadata().map(|metadata| FileId::of(&metadata));
        matches!((id, FileId::at(&self.path)), (Ok(locked), Ok(found)) if locked == found)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock is released, so that it cannot be another process's. If it stays, it does no harm.
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens the lock file, making it if it is missing. To lock one that is there, it is enough to read it.
fn open(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    opened.or_else(|error| File::open(path).map_err(|_| error))
}

/// Whether another process has the database at this path open, by whatever path: SQLite holds a shared lock on the file of
/// every connection that uses a write-ahead log (sqlite.org/src/file/src/os_unix.c).
///
/// Not for a process that has it open itself: closing the file, as this does, would give up its locks.
pub(super) fn is_in_use(database: &Path) -> io::Result<bool> {
    const SHARED_FIRST: u64 = 0x4000_0002;
    const SHARED_SIZE: u64 = 510;

    is_locked(database, SHARED_FIRST, SHARED_SIZE)
}

/// Whether another process has the database open by another path than this one, so that it has another write-ahead log.
/// Whoever has it open by this path has the index of the log beside this path open, too.
///
/// Not for a process that has it open itself, as [`is_in_use`].
pub(super) fn is_in_use_elsewhere(database: &Path) -> io::Result<bool> {
    /// The byte that every process locks which uses the index.
    const IN_USE: u64 = 128;

    for _ in 0..LOOKS {
        if !has_log(database)? || !is_in_use(database)? || is_locked(&paths::index_of(database), IN_USE, 1)? {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
    Ok(true)
}

/// Whether this is a database with a write-ahead log, by its header (sqlite.org/fileformat.html#file_format_version_numbers).
fn has_log(database: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;

    let mut versions = [0; 2];
    match File::open(database).and_then(|file| file.read_exact_at(&mut versions, 18)) {
        Ok(()) => Ok(versions == [2, 2]),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether another process has any of these bytes locked. Nothing is locked of a file that is missing.
fn is_locked(path: &Path, start: u64, length: u64) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let wanted = Flock {
        start,
        length,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    Ok(fcntl_getlk(&file, &wanted)?.is_some())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_lock_is_held_once_and_its_file_goes_with_it() {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("test.db");
        let lock = Lock::acquire(&database, Duration::ZERO).unwrap();
        assert!(matches!(Lock::acquire(&database, Duration::ZERO), Err(Refused::Held)));
        drop(lock);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        Lock::acquire(&database, Duration::ZERO).unwrap();
    }

    #[test]
    fn many_who_wait_for_a_lock_have_it_one_after_the_other() {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("test.db");
        let inside = std::sync::Mutex::new(());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = Lock::acquire(&database, Duration::from_secs(20)).unwrap();
                        let _alone = inside.try_lock().expect("two have the lock");
                    }
                });
            }
        });
    }

    #[test]
    fn a_file_that_was_left_behind_or_cannot_be_written_is_locked_all_the_same() {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("test.db");
        let file = paths::lock_of(&database);
        fs::write(&file, "").unwrap();
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&file, permissions).unwrap();
        let _lock = Lock::acquire(&database, Duration::ZERO).unwrap();
        assert!(matches!(Lock::acquire(&database, Duration::ZERO), Err(Refused::Held)));
    }
}
