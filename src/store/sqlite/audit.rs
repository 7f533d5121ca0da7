//! The audit: every invariant of the data, recomputed from the rows.
//!
//! Read-only and in one snapshot, so it can run beside a service that writes. What is checked is a list of
//! [`checks`], each a question to the data whose answer must be no rows.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::open::{self, Whose};
use super::{lock, paths};
use checks::{CHECKS, Check};

mod checks;

/// How many violations of a check are named; all are counted.
const EXAMPLES_MAX: usize = 10;

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Every check, in a fixed order.
    pub checks: Vec<Checked>,
}

/// What one check of an audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What must hold.
    pub name: &'static str,
    /// How many rows it was checked for.
    pub rows: u64,
    /// How many of them break it.
    pub violations: u64,
    /// The first of these, each with its ids.
    pub examples: Vec<String>,
}

impl AuditReport {
    /// Whether everything holds.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|check| check.violations == 0)
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checks.iter().try_for_each(|check| writeln!(f, "{check}"))
    }
}

/// One line.
impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, rows, violations) = (self.name, self.rows, self.violations);
        if violations == 0 {
            return write!(f, "ok      {name} ({rows} checked)");
        }
        let examples = self.examples.join("; ");
        write!(f, "BROKEN  {name} ({rows} checked, {violations} broken): {examples}")?;
        if self.examples.len() < usize::try_from(violations).unwrap_or(usize::MAX) {
            f.write_str("; …")?;
        }
        Ok(())
    }
}

/// Why there is no report. Each is one line that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file cannot be read, or is too damaged for it.
    #[error("cannot read the database {}: {reason}", path.display())]
    Unreadable {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is nothing in the file, or it is not a database of this service.
    #[error("there is no database of this service at {}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the database open by another path, and so with a write-ahead log that is not found here.
    #[error(
        "refusing to audit the database {}: another process has it open by another path (a hard link or a mount), and its \
         newest writes with it", path.display()
    )]
    Elsewhere {
        /// The database file.
        path: PathBuf,
    },
    /// The schema is not the one that this version of the service makes, so its audit says nothing.
    #[error(
        "the schema of the database {} is version {found}, and this audit knows {known}: start this version of the \
         service on it once, or use the version that wrote it", path.display()
    )]
    Schema {
        /// The database file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The version that is known here.
        known: i64,
    },
}

/// Recomputes every invariant of the data in this file, which is left as it is and may be in use.
///
/// # Errors
/// [`AuditError`] where there is nothing that could be audited.
pub fn audit(path: &Path) -> Result<AuditReport, AuditError> {
    let path = resolve(path)?;
    let snapshot = open(&path)?;
    run(&snapshot, &mut |_, _| ()).map_err(|reason| unreadable(&path, reason))
}

/// The real path of a database, whose folder must be there.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, AuditError> {
    paths::resolve(path).map_err(|error| match error.kind() == io::ErrorKind::NotFound {
        true => AuditError::Foreign { path: path.to_owned() },
        false => unreadable(path, error),
    })
}

fn unreadable(path: &Path, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AuditError {
    AuditError::Unreadable {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// A snapshot of the database at this resolved path, which may be in use.
pub(super) fn open(path: &Path) -> Result<Connection, AuditError> {
    match open::whose(path).map_err(|error| unreadable(path, error))? {
        Whose::Ours => {}
        Whose::Nobodys | Whose::HalfRestored | Whose::Others => {
            return Err(AuditError::Foreign { path: path.to_owned() });
        }
    }
    if lock::is_in_use_elsewhere(path).map_err(|error| unreadable(path, error))? {
        return Err(AuditError::Elsewhere { path: path.to_owned() });
    }
    let connection = open::reader(path).map_err(|error| unreadable(path, error))?;
    let known = open::schema_version();
    let found = open::schema_version_of(&connection).map_err(|error| unreadable(path, error))?;
    if found != known {
        return Err(AuditError::Schema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    // It lasts as long as the connection. It begins with the first read.
    let begun = connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema");
    begun.map_err(|error| unreadable(path, error))?;
    Ok(connection)
}

/// All checks on one state of the data. `after` is called after each with the number of those done and of all.
pub(super) fn run(snapshot: &Connection, after: &mut dyn FnMut(usize, usize)) -> rusqlite::Result<AuditReport> {
    let all: Vec<_> = CHECKS.iter().copied().flatten().collect();
    let mut checks = Vec::with_capacity(all.len());
    for check in &all {
        checks.push(run_check(snapshot, check)?);
        after(checks.len(), all.len());
    }
    Ok(AuditReport { checks })
}

fn run_check(snapshot: &Connection, check: &Check) -> rusqlite::Result<Checked> {
    let rows: i64 = snapshot.query_row(check.count, [], |row| row.get(0))?;
    let mut broken = snapshot.prepare(check.broken)?;
    let mut broken = broken.query([])?;
    let (mut violations, mut examples) = (0, Vec::new());
    while let Some(row) = broken.next()? {
        violations += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(row.get(0)?);
        }
    }
    Ok(Checked {
        name: check.name,
        rows: rows.unsigned_abs(),
        violations,
        examples,
    })
}

#[cfg(test)]
pub(super) mod tests;
