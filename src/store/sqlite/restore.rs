//! The restore: a backup becomes the database, and the old database is set aside.
//!
//! Two files cannot be replaced in one step, and a new file beside an old write-ahead log is a mixed database. So the old log
//! is moved into the old file first, as a start would do, and only then a rename replaces that one file. Whatever ends the
//! process between two steps, the path leads to the old database or to the new one.
//!
//! Where the old database cannot be opened, its log cannot be moved. Then a file that every start refuses stands in its place
//! until the log is set aside.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::checkpoint::{self, Outcome};
use super::copying::{self, CopyError, Pace, Stop, Unfinished};
use super::lock::{self, FileId, Lock, Refused};
use super::open::{self, Whose};
use super::paths;

/// A database that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The database.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where the old database is, if there was one.
    pub set_aside: Option<PathBuf>,
}

/// Why nothing was restored. Each is one line that names the file, and the database is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A service, another restore, or a program such as `sqlite3` has the database open.
    #[error("cannot restore the database {}: another process has it open; stop that first", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The backup is the database itself.
    #[error("cannot restore the database {}: the backup is the same file", path.display())]
    SameFile {
        /// The database file.
        path: PathBuf,
    },
    /// What is in the database's place is something else, and stays.
    #[error(
        "cannot restore the database {}: the file there is not a database of this service; move it away first",
        path.display()
    )]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The backup is no database of this service.
    #[error("cannot restore {}: it is not a database of this service", path.display())]
    NoBackup {
        /// The backup.
        path: PathBuf,
    },
    /// A newer version of the service wrote the backup.
    #[error("cannot restore {}: a newer version of this service wrote it", path.display())]
    Newer {
        /// The backup.
        path: PathBuf,
    },
    /// The backup is damaged.
    #[error("cannot restore {}: it is damaged ({finding})", path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// The first thing found.
        finding: String,
    },
    /// The backup cannot be read.
    #[error("cannot read the backup {}: {reason}", path.display())]
    Unreadable {
        /// The backup.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database cannot be written.
    #[error("cannot restore the database {}: {reason}", path.display())]
    Unwritable {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It was stopped before anything was replaced.
    #[error("the restore of {} was stopped; the database is what it was", path.display())]
    Stopped {
        /// The database file.
        path: PathBuf,
    },
}

/// Puts a copy of the backup in the place of the database, and sets the old one aside. No service may use it.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(database: &Path, backup: &Path, stop: &Stop) -> Result<Restored, RestoreError> {
    restore_in_steps(database, backup, stop, &mut |_| {})
}

/// The same; `after` is called after each step, with its name.
fn restore_in_steps(
    database: &Path,
    backup: &Path,
    stop: &Stop,
    after: &mut dyn FnMut(&'static str),
) -> Result<Restored, RestoreError> {
    let database = &paths::make_folder_of(database)
        .and_then(|()| paths::resolve(database))
        .map_err(|reason| unwritable(database, reason))?;
    let backup = &fs::canonicalize(backup).map_err(|reason| unreadable(backup, reason))?;
    let _lock = lock(database)?;
    let whose = open::whose(database).map_err(|reason| unwritable(database, reason))?;
    if let Whose::Others = whose {
        return Err(RestoreError::Foreign { path: database.clone() });
    }
    check_backup(database, backup)?;
    let copy = copying::copy(backup, database, Pace::FAST, stop).map_err(|error| match error {
        CopyError::Stopped => RestoreError::Stopped { path: database.clone() },
        CopyError::Unreadable(reason) => unreadable(backup, reason),
        CopyError::Unwritable(reason) => unwritable(database, reason),
        CopyError::Damaged(finding) => RestoreError::Damaged {
            path: backup.clone(),
            finding,
        },
    })?;
    let is_newer = open::reader(&copy.file.0).and_then(|copy| open::schema_version_of(&copy));
    if is_newer.map_err(|reason| unwritable(database, reason))? > open::schema_version() {
        return Err(RestoreError::Newer { path: backup.clone() });
    }
    after("the backup was copied");
    let replaced = replace(database, &whose, &copy.file.0, after);
    Ok(Restored {
        path: database.clone(),
        bytes: copy.bytes,
        set_aside: replaced.map_err(|reason| unwritable(database, reason))?,
    })
}

/// The lock of the database, which nobody else has open.
fn lock(database: &Path) -> Result<Lock, RestoreError> {
    let in_use = || RestoreError::InUse {
        path: database.to_owned(),
    };
    let lock = Lock::acquire(database, Duration::ZERO).map_err(|refused| match refused {
        Refused::Held => in_use(),
        Refused::Failed(reason) => unwritable(database, reason),
    })?;
    // Also a program that has no lock, such as `sqlite3`: it could use the old file with the new one's log.
    match lock::is_in_use(database) {
        Ok(false) => Ok(lock),
        Ok(true) => Err(in_use()),
        Err(reason) => Err(unwritable(database, reason)),
    }
}

fn check_backup(database: &Path, backup: &Path) -> Result<(), RestoreError> {
    if FileId::at(database).ok() == Some(FileId::at(backup).map_err(|reason| unreadable(backup, reason))?) {
        return Err(RestoreError::SameFile {
            path: database.to_owned(),
        });
    }
    match open::whose(backup).map_err(|reason| unreadable(backup, reason))? {
        Whose::Ours => {}
        Whose::Nobodys | Whose::HalfRestored | Whose::Others => {
            return Err(RestoreError::NoBackup {
                path: backup.to_owned(),
            });
        }
    }
    match lock::is_in_use_elsewhere(backup) {
        Ok(false) => Ok(()),
        Ok(true) => Err(unreadable(
            backup,
            "another process has it open by another path (a hard link or a mount)",
        )),
        Err(reason) => Err(unreadable(backup, reason)),
    }
}

type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Puts the new file in the place of the database, and returns where the old one is.
pub(super) fn replace(
    database: &Path,
    whose: &Whose,
    new: &Path,
    after: &mut dyn FnMut(&'static str),
) -> Result<Option<PathBuf>, Reason> {
    take_after(new, database)?;
    remove_links_to(database)?;
    let (old, is_there) = match whose {
        Whose::Ours => (first_free(database), true),
        // Of the restore that was interrupted.
        Whose::HalfRestored => (newest_in_use(database), false),
        Whose::Nobodys | Whose::Others => (first_free(database), false),
    };
    if is_there {
        let is_whole = settle(database);
        after("the old log was moved into the old database");
        fs::hard_link(database, &old)?;
        paths::sync_folder_of(database)?;
        after("the old database has a second name");
        if is_whole.is_err() {
            set_log_aside(database, &old, after)?;
        }
    } else {
        set_log_aside(database, &old, after)?;
    }
    paths::remove(&paths::index_of(database))?;
    paths::sync_folder_of(database)?;
    after("nothing is beside the old database");
    fs::rename(new, database)?;
    after("the new database is in place");
    paths::sync_folder_of(database)?;
    Ok(old.exists().then_some(old))
}

/// Moves the log into the database, so that this one file has all of it.
fn settle(database: &Path) -> Result<(), Reason> {
    open::sync_log(database)?;
    let connection = open::writer(database)?;
    match checkpoint::truncate(&connection)? {
        // Nothing is left in it that could be lost, so SQLite removes it.
        Outcome::All => open::keep_log(&connection, false)?,
        Outcome::Part => return Err("another process reads it".into()),
    }
    connection.close().map_err(|(_, reason)| reason)?;
    match leftovers(database).next() {
        None => Ok(()),
        Some(_) => Err("its log is still there".into()),
    }
}

/// The files beside the database that belong to its content.
pub(super) fn leftovers(database: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    [paths::log_of(database), paths::journal_of(database)]
        .into_iter()
        .filter(|path| fs::symlink_metadata(path).is_ok())
}

/// Sets the log of a database aside that cannot be opened, which itself has another name already.
fn set_log_aside(database: &Path, old: &Path, after: &mut dyn FnMut(&'static str)) -> Result<(), Reason> {
    if leftovers(database).next().is_none() {
        return Ok(());
    }
    let stand_in = Unfinished::begin(database)?;
    let mut file = File::create(&stand_in.0)?;
    file.write_all(open::HALF_RESTORED)?;
    file.sync_all()?;
    fs::rename(&stand_in.0, database)?;
    paths::sync_folder_of(database)?;
    after("a file that every start refuses is in place");
    let to = [paths::log_of(old), paths::journal_of(old)];
    for (from, to) in [paths::log_of(database), paths::journal_of(database)].iter().zip(to) {
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => after("a log was set aside"),
        }
    }
    Ok(())
}

/// Gives the new file owner and mode of the old one, as far as this user may.
fn take_after(new: &Path, database: &Path) -> io::Result<()> {
    let Ok(old) = fs::metadata(database) else { return Ok(()) };
    let _ = chown(new, Some(old.uid()), Some(old.gid()));
    fs::set_permissions(new, old.permissions())
}

/// A name for the old database.
fn set_aside_name(database: &Path, number: u32) -> PathBuf {
    paths::beside(database, &format!(".replaced-{number}"))
}

fn is_free(old: &Path) -> bool {
    let names = [old.to_owned(), paths::log_of(old), paths::journal_of(old)];
    names.iter().all(|name| fs::symlink_metadata(name).is_err())
}

fn first_free(database: &Path) -> PathBuf {
    let mut names = (1..).map(|number| set_aside_name(database, number));
    names
        .find(|old| is_free(old))
        .unwrap_or_else(|| set_aside_name(database, 0))
}

fn newest_in_use(database: &Path) -> PathBuf {
    let names = (1..).map(|number| set_aside_name(database, number));
    names
        .take_while(|old| !is_free(old))
        .last()
        .unwrap_or_else(|| first_free(database))
}

/// Removes second names of the database, which a restore left that was ended before it replaced it.
fn remove_links_to(database: &Path) -> io::Result<()> {
    let Ok(id) = FileId::at(database) else { return Ok(()) };
    let names = (1..).map(|number| set_aside_name(database, number));
    for old in names.take_while(|old| !is_free(old)) {
        if FileId::at(&old).is_ok_and(|found| found == id) {
            fs::remove_file(&old)?;
        }
    }
    Ok(())
}

fn unreadable(path: &Path, reason: impl Into<Reason>) -> RestoreError {
    RestoreError::Unreadable {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn unwritable(path: &Path, reason: impl Into<Reason>) -> RestoreError {
    RestoreError::Unwritable {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
