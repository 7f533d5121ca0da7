//! The backup: a consistent copy of a database that may be in use, which appears under its name only when it is whole.
//!
//! It rests between its steps, because a service may be at work on the same disk and cores. While it copies, the service's
//! write-ahead log grows: checkpoints wait for the snapshot that is copied.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::copying::{self, CopyError, Pace, Stop};
use super::open::{self, Whose};
use super::{lock, paths};

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
    /// Another process has the database open by another path, and so with a write-ahead log that is not found here.
    #[error(
        "refusing to copy the database {}: another process has it open by another path (a hard link or a mount), and its \
         newest writes with it", path.display()
    )]
    Elsewhere {
        /// The database file.
        path: PathBuf,
    },
    /// It was stopped before the copy was whole.
    #[error("the backup {} was stopped; nothing of it was left", path.display())]
    Stopped {
        /// Where the copy was to be.
        path: PathBuf,
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
pub fn backup(from: &Path, to: &Path, stop: &Stop) -> Result<Backup, BackupError> {
    let exists = || BackupError::Exists { path: to.to_owned() };
    // A link that leads nowhere is there, too. This saves the work; what decides is the link below.
    if fs::symlink_metadata(to).is_ok() {
        return Err(exists());
    }
    let foreign = || BackupError::Foreign { path: from.to_owned() };
    let from = &match paths::resolve(from) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(foreign()),
        Err(reason) => return Err(unreadable(from, reason)),
    };
    match open::whose(from).map_err(|reason| unreadable(from, reason))? {
        Whose::Ours => {}
        Whose::Nobodys | Whose::HalfRestored | Whose::Others => return Err(foreign()),
    }
    if lock::is_in_use_elsewhere(from).map_err(|reason| unreadable(from, reason))? {
        return Err(BackupError::Elsewhere { path: from.to_owned() });
    }
    let copy = copying::copy(from, to, Pace::BESIDE_OTHERS, stop).map_err(|error| match error {
        CopyError::Stopped => BackupError::Stopped { path: to.to_owned() },
        CopyError::Unreadable(reason) => unreadable(from, reason),
        CopyError::Unwritable(reason) => unwritable(to, reason),
        CopyError::Damaged(finding) => BackupError::Damaged {
            path: from.to_owned(),
            finding,
        },
    })?;
    // A rename would replace a file that came to be there meanwhile; a second name for the same file cannot.
    fs::hard_link(&copy.file.0, to).map_err(|reason| {
        if reason.kind() == io::ErrorKind::AlreadyExists {
            exists()
        } else {
            unwritable(to, reason)
        }
    })?;
    let bytes = copy.bytes;
    drop(copy);
    // Names are the folder's to remember.
    paths::sync_folder_of(to).map_err(|reason| unwritable(to, reason))?;
    Ok(Backup {
        path: to.to_owned(),
        bytes,
    })
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
