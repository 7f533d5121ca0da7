//! The backup: a consistent copy of a database that may be in use, which appears under its name only when it is whole.
//!
//! It rests between its steps, because a service may be at work on the same disk and cores. While it copies, the service's
//! write-ahead log grows: checkpoints wait for the snapshot that is copied.

use std::fs::{self, File};
use std::io;
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup as Copying, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::open::{self, Whose};

/// How many pages are copied and synced at a time: 1 MiB.
const PAGES_A_STEP: i32 = 256;

/// How long it rests after each step, as a multiple of the time that the step took.
const COPY_RESTS: u32 = 2;

/// How many steps of the check come between two looks at the clock.
const CHECK_STEPS: i32 = 200;

/// For how long the check works, and how long it then rests, as a multiple of that.
const CHECK_WORKS: Duration = Duration::from_millis(2);
const CHECK_RESTS: u32 = 19;

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Why no copy was made. Each is one line that names the file, and nothing was left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is a file already, and it stays.
    #[error("refusing to write the backup {}: it exists", path.display())]
    Exists {
        /// Where the copy was to be.
        path: PathBuf,
    },
    /// There is nothing in the file, or it is not a database of this service.
    #[error("cannot make a backup: there is no database of this service at {}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database cannot be read.
    #[error("cannot read the database {}: {reason}", path.display())]
    Unreadable {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The copy cannot be written.
    #[error("cannot write the backup {}: {reason}", path.display())]
    Unwritable {
        /// Where the copy was to be.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The copy is damaged, and so most likely is the database.
    #[error("the copy of the database {} is damaged ({finding}); no backup was made", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// The first thing found.
        finding: String,
    },
}

/// Copies the database at `from`, which may be in use, to the new file `to`.
///
/// The copy is one consistent state: all that was acknowledged before it began and nothing half done. It is written
/// under another name beside `to`, made durable and checked, and only then named `to`; a file that has that name by then
/// is never replaced.
///
/// # Errors
/// [`BackupError`].
pub fn backup(from: &Path, to: &Path) -> Result<Backup, BackupError> {
    let exists = || BackupError::Exists { path: to.to_owned() };
    // A link that leads nowhere is there, too. This saves the work; what decides is the link below.
    if fs::symlink_metadata(to).is_ok() {
        return Err(exists());
    }
    match open::whose(from).map_err(|reason| unreadable(from, reason))? {
        Whose::Ours => {}
        Whose::Nobodys | Whose::Others => return Err(BackupError::Foreign { path: from.to_owned() }),
    }
    let copy = Unfinished::begin(to).map_err(|reason| unwritable(to, reason))?;
    copy_database(from, to, &copy.0)?;
    let bytes = make_durable(&copy.0).map_err(|reason| unwritable(to, reason))?;
    check(from, to, &copy.0)?;
    // A rename would replace a file that came to be there meanwhile; a second name for the same file cannot.
    fs::hard_link(&copy.0, to).map_err(|reason| {
        if reason.kind() == io::ErrorKind::AlreadyExists {
            exists()
        } else {
            unwritable(to, reason)
        }
    })?;
    drop(copy);
    // Names are the folder's to remember.
    open::sync_folder_of(to).map_err(|reason| unwritable(to, reason))?;
    Ok(Backup {
        path: to.to_owned(),
        bytes,
    })
}

/// A file that goes when this does, whether or not it has another name by then.
struct Unfinished(PathBuf);

impl Unfinished {
    /// Makes an empty file beside `to`, under a name that nobody has: not another backup to the same name, and not one
    /// that was killed.
    fn begin(to: &Path) -> io::Result<Self> {
        const NAMES_MAX: u32 = 100;

        let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        let name = to.file_name().ok_or_else(|| invalid("it names no file"))?;
        for n in 0..NAMES_MAX {
            let mut unfinished = name.to_owned();
            unfinished.push(format!(".{n}.unfinished"));
            // A relative name could look like a URI, which SQLite would take apart.
            let path = path::absolute(to.with_file_name(unfinished))?;
            match File::create_new(&path) {
                Ok(_) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(invalid(
            "too many unfinished backups of this name are beside it; remove them",
        ))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Where it cannot be removed, its name says what it is.
        let _ = fs::remove_file(&self.0);
    }
}

/// Copies one state of the database into a file that must be empty.
fn copy_database(from: &Path, to: &Path, copy: &Path) -> Result<(), BackupError> {
    let of_the_source = |reason: rusqlite::Error| match open::is_damage(&reason) {
        true => damaged(from, reason.to_string()),
        false => unreadable(from, reason),
    };
    let of_the_copy = |reason: rusqlite::Error| match open::is_damage(&reason) {
        true => damaged(from, reason.to_string()),
        false => unwritable(to, reason),
    };
    let source = open::reader(from).map_err(of_the_source)?;
    // One state for all steps. What is committed between them stays in the log until this ends.
    source
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
        .map_err(of_the_source)?;
    let file = File::open(copy).map_err(|reason| unwritable(to, reason))?;
    let mut target = target(copy).map_err(of_the_copy)?;
    let copying = Copying::new(&source, &mut target).map_err(of_the_copy)?;
    loop {
        let began = Instant::now();
        let step = copying.step(PAGES_A_STEP).map_err(of_the_copy)?;
        // Piece by piece: the whole at once would be a long wait for everybody who syncs to this disk.
        file.sync_data().map_err(|reason| unwritable(to, reason))?;
        match step {
            StepResult::Done => break,
            StepResult::More => {
                thread::sleep(began.elapsed() * COPY_RESTS);
            }
            StepResult::Busy | StepResult::Locked | _ => return Err(unwritable(to, "somebody else uses it")),
        }
    }
    drop(copying);
    // It came with the mark of a database that has a write-ahead log. A backup is one file.
    let unmark = target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()));
    unmark.map_err(of_the_copy)
}

/// A connection to the copy that is being made. Should that fail, all of it goes.
fn target(copy: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let target = Connection::open_with_flags(copy, flags)?;
    target.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    target.pragma_update(None, "synchronous", "OFF")?;
    Ok(target)
}

/// Waits until the file is on the disk, and says how large it is.
fn make_durable(copy: &Path) -> io::Result<u64> {
    let file = File::open(copy)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Reads the whole copy back: what cannot be restored is no backup.
fn check(from: &Path, to: &Path, copy: &Path) -> Result<(), BackupError> {
    match open::whose(copy).map_err(|reason| unwritable(to, reason))? {
        Whose::Ours => {}
        Whose::Nobodys | Whose::Others => return Err(damaged(from, "its mark is missing".to_owned())),
    }
    let connection = open::reader(copy).and_then(|connection| {
        let mut began = Instant::now();
        let rest = move || {
            if began.elapsed() > CHECK_WORKS {
                thread::sleep(began.elapsed() * CHECK_RESTS);
                began = Instant::now();
            }
            false
        };
        connection.progress_handler(CHECK_STEPS, Some(rest))?;
        Ok(connection)
    });
    match open::find_damage_with(connection).map_err(|reason| unwritable(to, reason))? {
        None => Ok(()),
        Some(finding) => Err(damaged(from, finding)),
    }
}

fn damaged(path: &Path, finding: String) -> BackupError {
    BackupError::Damaged {
        path: path.to_owned(),
        finding,
    }
}

fn unreadable(path: &Path, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackupError {
    BackupError::Unreadable {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn unwritable(path: &Path, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackupError {
    BackupError::Unwritable {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
