//! A copy of a database, made beside the place where it is to be, and checked before anybody sees it under its name.
//!
//! It holds one state of a database that may be in use: all that was acknowledged before it began and nothing half done. This
//! module gives the copy no name: `backup` and `restore` do.

use std::fs::{self, File};
use std::io;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup as Copying, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::open::{self, Whose};

/// How many pages are copied and synced at a time: 1 MiB.
const PAGES_A_STEP: i32 = 256;

/// How many steps of the check come between two looks at the clock.
const CHECK_STEPS: i32 = 200;

/// For how long the check works between two rests.
const CHECK_WORKS: Duration = Duration::from_millis(2);

/// Set to true, it ends a copy that is under way; nothing is left of that.
pub type Stop = Arc<AtomicBool>;

/// How much a copy rests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// After each step of the copy, as a multiple of the time that the step took.
    copy_rests: u32,
    /// After each part of the check, as a multiple of its time.
    check_rests: u32,
}

impl Pace {
    /// For a copy beside a service on the same disk and cores.
    pub(super) const BESIDE_OTHERS: Self = Self {
        copy_rests: 2,
        check_rests: 19,
    };
    /// For a copy that a service waits for.
    pub(super) const FAST: Self = Self {
        copy_rests: 0,
        check_rests: 0,
    };
}

type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no copy. Nothing was left behind.
#[derive(Debug)]
pub(super) enum CopyError {
    /// It was stopped.
    Stopped,
    /// The database cannot be read.
    Unreadable(Reason),
    /// The copy cannot be written.
    Unwritable(Reason),
    /// The copy is damaged, and so most likely is the database.
    Damaged(String),
}

/// A copy that is whole, checked and on the disk, under a name that says that it is unfinished.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) file: Unfinished,
    pub(super) bytes: u64,
}

/// Copies the database at `from` to a new file beside `to`.
pub(super) fn copy(from: &Path, to: &Path, pace: Pace, stop: &Stop) -> Result<Copy, CopyError> {
    let file = Unfinished::begin(to).map_err(unwritable)?;
    copy_database(from, &file.0, pace, stop)?;
    let bytes = make_durable(&file.0).map_err(unwritable)?;
    check(&file.0, pace, stop)?;
    Ok(Copy { file, bytes })
}

/// A file that goes when this does, whether or not it has another name by then.
#[derive(Debug)]
pub(super) struct Unfinished(pub(super) PathBuf);

impl Unfinished {
    /// Makes an empty file beside `to`, under a name that nobody has: not another copy to the same name, and not one
    /// that was killed.
    pub(super) fn begin(to: &Path) -> io::Result<Self> {
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
            "too many unfinished files of this name are beside it; remove them",
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
fn copy_database(from: &Path, copy: &Path, pace: Pace, stop: &Stop) -> Result<(), CopyError> {
    let of_the_source = |reason: rusqlite::Error| match open::is_damage(&reason) {
        true => CopyError::Damaged(reason.to_string()),
        false => CopyError::Unreadable(reason.into()),
    };
    let of_the_copy = |reason: rusqlite::Error| match open::is_damage(&reason) {
        true => CopyError::Damaged(reason.to_string()),
        false => unwritable(reason),
    };
    let source = open::reader(from).map_err(of_the_source)?;
    // One state for all steps. What is committed between them stays in the log until this ends.
    source
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
        .map_err(of_the_source)?;
    let file = File::open(copy).map_err(unwritable)?;
    let mut target = target(copy).map_err(of_the_copy)?;
    let copying = Copying::new(&source, &mut target).map_err(of_the_copy)?;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(CopyError::Stopped);
        }
        let began = Instant::now();
        let step = copying.step(PAGES_A_STEP).map_err(of_the_copy)?;
        // Piece by piece: the whole at once would be a long wait for everybody who syncs to this disk.
        file.sync_data().map_err(unwritable)?;
        match step {
            StepResult::Done => break,
            StepResult::More => {
                thread::sleep(began.elapsed() * pace.copy_rests);
            }
            StepResult::Busy | StepResult::Locked | _ => return Err(unwritable("somebody else uses it")),
        }
    }
    drop(copying);
    // It came with the mark of a database that has a write-ahead log. A copy is one file.
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
pub(super) fn make_durable(copy: &Path) -> io::Result<u64> {
    let file = File::open(copy)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Reads the whole copy back: what cannot be opened is no copy.
pub(super) fn check(copy: &Path, pace: Pace, stop: &Stop) -> Result<(), CopyError> {
    match open::whose(copy).map_err(unwritable)? {
        Whose::Ours => {}
        Whose::Nobodys | Whose::HalfRestored | Whose::Others => {
            return Err(CopyError::Damaged("its mark is missing".to_owned()));
        }
    }
    let connection = open::reader(copy).and_then(|connection| {
        let mut began = Instant::now();
        let is_stopped = Arc::clone(stop);
        let rest = move || {
            if began.elapsed() > CHECK_WORKS {
                thread::sleep(began.elapsed() * pace.check_rests);
                began = Instant::now();
            }
            is_stopped.load(Ordering::Relaxed)
        };
        connection.progress_handler(CHECK_STEPS, Some(rest))?;
        Ok(connection)
    });
    match open::find_damage_with(connection) {
        Ok(None) => Ok(()),
        Ok(Some(finding)) => Err(CopyError::Damaged(finding)),
        Err(_) if stop.load(Ordering::Relaxed) => Err(CopyError::Stopped),
        Err(reason) => Err(unwritable(reason)),
    }
}

fn unwritable(reason: impl Into<Reason>) -> CopyError {
    CopyError::Unwritable(reason.into())
}
