//! A database moves to another backend: SQLite to PostgreSQL and back, whole, or not at all.
//!
//! Everything is copied that the [tables](super::tables) hold, and the last ids that were given, so that none is given again.
//! It is read from one snapshot and kept in one step. Both sides are audited before: of a PostgreSQL database, an audit reads
//! the rows into an SQLite database and asks the same questions there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::sleep;

use super::postgres::bulk as postgres;
use super::postgres::bulk::{Committed, Session};
use super::sqlite::bulk as sqlite;
use super::sqlite::bulk::{Filled, Filling, Inserted, Snapshot, Vacancy};
use super::tables::{Counters, TABLES, Table, Value};
use super::{AuditError, AuditReport, Checked, PostgresOpenError, Stop, Target, View, one_line};
use crate::error::Error;

/// How many rows come between two looks at whether the work is stopped, each of which also tells how far it is.
const ROWS_A_LOOK: u64 = 1_024;
/// How soon work that waits for a database notices that it is stopped.
const STOP_POLL: Duration = Duration::from_millis(50);
/// How many rows that do not fit their table are named; all are counted.
const EXAMPLES_MAX: usize = 10;

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// How many of its parts are done.
    pub done: u64,
    /// How many there are; 0 where that is not known.
    pub total: u64,
}

/// Who waits for the work: whether it is to stop, and how far it is.
pub struct Watcher<'w> {
    /// Set to true, it ends the work; then nothing is left of that.
    pub stop: &'w Stop,
    /// Called from time to time.
    pub show: &'w mut dyn FnMut(Progress),
}

impl Watcher<'_> {
    fn show(&mut self, step: &'static str, done: u64, total: u64) {
        (self.show)(Progress { step, done, total });
    }

    /// Tells how many rows are done, and whether to go on.
    fn row(&mut self, step: &'static str, done: u64, total: u64) -> Result<(), CopyError> {
        if !done.is_multiple_of(ROWS_A_LOOK) {
            return Ok(());
        }
        self.show(step, done, total);
        self.go_on()
    }

    fn go_on(&self) -> Result<(), CopyError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(CopyError::Stopped),
            false => Ok(()),
        }
    }

    /// The checks of an audit, as parts of this step.
    fn checks(&mut self, step: &'static str) -> impl FnMut(usize, usize) {
        move |done, total| self.show(step, done as u64, total as u64)
    }
}

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// How many rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// Where the empty SQLite database is that was in its place, if there was one.
    pub set_aside: Option<PathBuf>,
}

impl Copied {
    /// How many rows of all tables.
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }
}

/// The rows of each table.
impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (table, rows)) in self.rows.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{table} {rows}")?;
        }
        Ok(())
    }
}

/// Why there is no copy, no audit, or nothing to look at. Each is one line that names the database, and no secret. After all but
/// [`CopyError::OutcomeUnknown`] both databases are what they were, but that an empty PostgreSQL database may have got our
/// tables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The PostgreSQL database cannot be opened.
    #[error(transparent)]
    Postgres(#[from] PostgresOpenError),
    /// The SQLite database cannot be audited, and so not be copied.
    #[error(transparent)]
    Sqlite(#[from] AuditError),
    /// The PostgreSQL database is none of this service.
    #[error("there is no database of this service at {place}")]
    Foreign {
        /// Its hosts and its name.
        place: String,
    },
    /// The schema is not the one that this version of the service makes.
    #[error(
        "the schema of the database {place} is version {found}, and this version of the service knows {known}: start it on \
         that once, or use the version that wrote it"
    )]
    Schema {
        /// Its hosts and its name.
        place: String,
        /// The version of its schema.
        found: i64,
        /// The version that is known here.
        known: i64,
    },
    /// Another process uses a database that must be at rest.
    #[error("cannot copy: another process uses the database {place}; stop that first")]
    InUse {
        /// The database.
        place: String,
    },
    /// The target is not empty.
    #[error("refusing to copy to {place}: {what}; it must be empty, and was left as it is")]
    Taken {
        /// The target.
        place: String,
        /// What is there.
        what: String,
    },
    /// A row cannot be stored by the other backend.
    #[error("cannot copy {row}; nothing was changed")]
    Row {
        /// The table, the row, and why.
        row: String,
    },
    /// A database cannot be read.
    #[error("cannot read the database {place}: {reason}")]
    Unreadable {
        /// The database.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// A database cannot be written.
    #[error("cannot write the database {place}: {reason}; nothing was kept")]
    Unwritable {
        /// The database.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// The temporary file that an audit reads a PostgreSQL database into cannot be written.
    #[error(
        "cannot write a temporary copy of the database {place}, to be audited: {reason}; SQLITE_TMPDIR names its folder"
    )]
    NoTemporary {
        /// The database.
        place: String,
        /// What SQLite said.
        reason: String,
    },
    /// An audit found a broken invariant.
    #[error("nothing was kept, because the audit of {place} found: {finding}")]
    Broken {
        /// The database.
        place: String,
        /// The first thing that is broken.
        finding: String,
    },
    /// The work was stopped.
    #[error("the copy was stopped; nothing of it was left")]
    Stopped,
    /// The database failed while it kept the copy.
    #[error(
        "it is not known whether {place} kept the copy ({reason}): it has the whole or nothing of it; look by audit"
    )]
    OutcomeUnknown {
        /// The target.
        place: String,
        /// What went wrong.
        reason: String,
    },
}

/// Copies the SQLite database at `from`, which no service may use, to a PostgreSQL database that is empty.
///
/// That stays empty until all is there and was audited, read back within the transaction that brought it.
///
/// # Errors
/// [`CopyError`].
pub async fn copy_to_postgres(from: &Path, to: &Target, watcher: &mut Watcher<'_>) -> Result<Copied, CopyError> {
    let place = to.url.to_string();
    let stop = watcher.stop;
    let (session, copied) = unless_stopped(stop, fill_postgres(from, to, watcher)).await?;
    let unknown = |reason| CopyError::OutcomeUnknown {
        place: place.clone(),
        reason,
    };
    // A commit that was sent is not taken back.
    match unless_stopped(stop, async { Ok(session.commit().await) }).await {
        Ok(Committed::Kept) => Ok(copied),
        Ok(Committed::Undone(reason)) => Err(CopyError::Unwritable { place, reason }),
        Ok(Committed::Unknown(reason)) => Err(unknown(reason)),
        Err(_) => Err(unknown("it was stopped while the database committed".to_owned())),
    }
}

/// Everything but the commit.
async fn fill_postgres(from: &Path, to: &Target, watcher: &mut Watcher<'_>) -> Result<(Session, Copied), CopyError> {
    let (source, place) = (from.display().to_string(), to.url.to_string());
    let sides = Sides {
        from: &source,
        to: Some(&place),
    };
    let snapshot = Snapshot::open(from, watcher.stop).map_err(|refusal| of_sqlite(refusal, &source, &sides.reads()))?;
    let refused = |refusal| of_postgres(refusal, &place, &sides.writes());
    let mut session = Session::vacancy(to).await.map_err(refused)?;
    let total = check_rows(&snapshot, &sides, watcher)?;
    let report = snapshot.audit(&mut watcher.checks("checking the source"));
    must_be_clean(&report.map_err(sides.reads())?, &source)?;
    let counters = snapshot.counters().map_err(sides.reads())?;
    watcher.go_on()?;

    session.begin_to_fill(to).await.map_err(refused)?;
    let (mut rows, mut done) = (Vec::new(), 0);
    for table in TABLES {
        let writes = |reason| sides.writes()(format!("{}: {}", table.name, postgres::explain(&reason)));
        let mut arriving = session.write(table).await.map_err(writes)?;
        let mut select = snapshot.select(table).map_err(sides.reads())?;
        let mut read = select.query([]).map_err(sides.reads())?;
        while let Some(row) = read.next().map_err(sides.reads())? {
            let values = sqlite::values(table, row).map_err(|row| CopyError::Row { row })?;
            arriving.add(&values).await.map_err(writes)?;
            done += 1;
            watcher.row("copying", done, total)?;
        }
        rows.push((table.name, arriving.finish().await.map_err(writes)?));
    }
    watcher.show("making the indexes", 0, 0);
    session.end_filling(counters).await.map_err(refused)?;

    let back = Sides { from: &place, to: None };
    let temporary = Filling::temporary(watcher.stop).map_err(back.writes())?;
    let poured = pour(
        &session,
        temporary,
        |counters| counters,
        "reading the copy back",
        &back,
        watcher,
    )
    .await?;
    if poured.rows != rows {
        return Err(sides.writes()("it has other rows than were copied"));
    }
    must_be_clean(&poured.audit(&back, watcher)?, &place)?;
    watcher.go_on()?;
    // Asked last, for it is answered only where nothing before has failed: a commit would not tell.
    session
        .counters()
        .await
        .map_err(|reason| sides.writes()(postgres::explain(&reason)))?;
    Ok((session, Copied { rows, set_aside: None }))
}

/// Copies one snapshot of the PostgreSQL database at `from`, which may be in use, to a new SQLite database.
///
/// It is filled under another name, audited, which is the audit of both sides, and only then named `to`.
///
/// # Errors
/// [`CopyError`].
pub async fn copy_to_sqlite(from: &Target, to: &Path, watcher: &mut Watcher<'_>) -> Result<Copied, CopyError> {
    unless_stopped(watcher.stop, fill_sqlite(from, to, watcher)).await
}

async fn fill_sqlite(from: &Target, to: &Path, watcher: &mut Watcher<'_>) -> Result<Copied, CopyError> {
    let (source, place) = (from.url.to_string(), to.display().to_string());
    let sides = Sides {
        from: &source,
        to: Some(&place),
    };
    let session = Session::snapshot(from)
        .await
        .map_err(|refusal| of_postgres(refusal, &source, &sides.reads()))?;
    let vacancy = Vacancy::claim(to).map_err(|refusal| of_sqlite(refusal, &place, &sides.writes()))?;
    let filling = vacancy.filling(watcher.stop).map_err(sides.writes())?;
    let counters = |counters| vacancy.counters_after(counters);
    let poured = pour(&session, filling, counters, "copying", &sides, watcher).await?;
    // Its snapshot keeps the database from tidying up.
    drop(session);
    let report = vacancy.check(poured.filled, watcher.stop, &mut watcher.checks("checking the copy"));
    must_be_clean(&report.map_err(sides.writes())?, &source)?;
    watcher.go_on()?;
    Ok(Copied {
        rows: poured.rows,
        set_aside: vacancy.take().map_err(sides.writes())?,
    })
}

/// Runs `work` on one state of the SQLite database at `path`, which is left as it is and may be in use.
///
/// # Errors
/// [`CopyError`] where it cannot be read.
pub fn look_at_sqlite<T>(path: &Path, work: impl Fn(&dyn View) -> Result<T, Error>) -> Result<T, CopyError> {
    let place = path.display().to_string();
    let sides = Sides { from: &place, to: None };
    let looked = super::sqlite::look(path, work)?;
    looked.map_err(|error| sides.reads()(error.cause()))
}

/// The same of a PostgreSQL database.
///
/// # Errors
/// [`CopyError`] where it cannot be read.
pub async fn look_at_postgres<T>(
    target: &Target,
    work: impl Fn(&dyn View) -> Result<T, Error>,
) -> Result<T, CopyError> {
    let place = target.url.to_string();
    let sides = Sides { from: &place, to: None };
    let looked = super::postgres::look(target, work).await;
    let looked = looked.map_err(|refusal| of_postgres(refusal, &place, &sides.reads()))?;
    looked.map_err(|error| sides.reads()(error.cause()))
}

/// Recomputes every invariant of one snapshot of a PostgreSQL database, which is left as it is and may be in use.
///
/// The snapshot is read into a temporary SQLite database, which takes as much of the disk as a SQLite database with these
/// rows would, in the folder that `SQLITE_TMPDIR`, else `TMPDIR`, names; else in `/var/tmp` or `/tmp`. It has no name, and goes
/// with the process however that ends.
///
/// # Errors
/// [`CopyError`] where there is nothing that could be audited.
pub async fn audit_postgres(target: &Target) -> Result<AuditReport, CopyError> {
    let place = target.url.to_string();
    let sides = Sides { from: &place, to: None };
    let (stop, show) = (Stop::default(), &mut |_| ());
    let mut watcher = Watcher { stop: &stop, show };
    let session = Session::snapshot(target)
        .await
        .map_err(|refusal| of_postgres(refusal, &place, &sides.reads()))?;
    let temporary = Filling::temporary(&stop).map_err(sides.writes())?;
    let poured = pour(
        &session,
        temporary,
        |counters| counters,
        "reading",
        &sides,
        &mut watcher,
    )
    .await?;
    drop(session);
    poured.audit(&sides, &mut watcher)
}

/// What is read, and what is written: a database, or a temporary copy of the first.
struct Sides<'p> {
    from: &'p str,
    to: Option<&'p str>,
}

impl Sides<'_> {
    /// What a failure to read means.
    fn reads<E: ToString>(&self) -> impl Fn(E) -> CopyError {
        let place = self.from.to_owned();
        move |reason| CopyError::Unreadable {
            place: place.clone(),
            reason: one_line(&reason.to_string()),
        }
    }

    /// What a failure to write means.
    fn writes<E: ToString>(&self) -> impl Fn(E) -> CopyError {
        let (place, is_temporary) = (self.to.unwrap_or(self.from).to_owned(), self.to.is_none());
        move |reason| {
            let (place, reason) = (place.clone(), one_line(&reason.to_string()));
            match is_temporary {
                true => CopyError::NoTemporary { place, reason },
                false => CopyError::Unwritable { place, reason },
            }
        }
    }
}

/// Reads all rows of an SQLite database once, and returns how many there are. A row that PostgreSQL cannot store is refused
/// before anything is changed there.
fn check_rows(snapshot: &Snapshot, sides: &Sides<'_>, watcher: &mut Watcher<'_>) -> Result<u64, CopyError> {
    let (mut total, mut done) = (0, 0);
    for table in TABLES {
        total += snapshot.count(table).map_err(sides.reads())?;
    }
    for table in TABLES {
        let mut select = snapshot.select(table).map_err(sides.reads())?;
        let mut rows = select.query([]).map_err(sides.reads())?;
        while let Some(row) = rows.next().map_err(sides.reads())? {
            let values = sqlite::values(table, row).map_err(|row| CopyError::Row { row })?;
            must_be_storable(table, &values)?;
            done += 1;
            watcher.row("reading the source", done, total)?;
        }
    }
    Ok(total)
}

fn must_be_storable(table: &Table, values: &[Value<'_>]) -> Result<(), CopyError> {
    let has_nul = |value: &Value<'_>| matches!(value, Value::Text(text) if text.contains('\0'));
    let Some(index) = values.iter().position(has_nul) else {
        return Ok(());
    };
    let (row, column) = (table.row_name(values), table.columns[index].name);
    Err(CopyError::Row {
        row: format!("{row}: its {column} has the character U+0000, which PostgreSQL cannot store"),
    })
}

/// What was read into an SQLite database.
struct Poured {
    rows: Vec<(&'static str, u64)>,
    /// Whether each row fits its table. One that does not is not there.
    fits: Checked,
    filled: Filled,
}

impl Poured {
    /// Recomputes every invariant.
    fn audit(self, sides: &Sides<'_>, watcher: &mut Watcher<'_>) -> Result<AuditReport, CopyError> {
        let report = self.filled.audit(&mut watcher.checks("checking the copy"));
        let mut report = report.map_err(sides.writes())?;
        report.checks.insert(0, self.fits);
        Ok(report)
    }
}

/// Reads all rows of a PostgreSQL database into a SQLite database.
async fn pour(
    session: &Session,
    filling: Filling,
    counters_of: impl Fn(Counters) -> Counters,
    step: &'static str,
    sides: &Sides<'_>,
    watcher: &mut Watcher<'_>,
) -> Result<Poured, CopyError> {
    let reads = |reason: tokio_postgres::Error| sides.reads()(postgres::explain(&reason));
    let mut total = 0;
    for table in TABLES {
        total += session.count(table).await.map_err(reads)?;
    }
    let mut fits = Checked {
        name: "rows have their columns, and keys of their own",
        rows: total,
        violations: 0,
        examples: Vec::new(),
    };
    let (mut rows, mut done) = (Vec::new(), 0);
    for table in TABLES {
        let before = done;
        let mut insert = filling.insert(table).map_err(sides.writes())?;
        let mut read = session.read(table).await.map_err(reads)?;
        while let Some(row) = read.next().await {
            let row = row.map_err(reads)?;
            let values = postgres::values(table, &row).map_err(reads)?;
            if let Inserted::Refused(reason) = insert.add(&values).map_err(sides.writes())? {
                fits.violations += 1;
                if fits.examples.len() < EXAMPLES_MAX {
                    fits.examples.push(format!("{}: {reason}", table.row_name(&values)));
                }
            }
            done += 1;
            watcher.row(step, done, total)?;
        }
        rows.push((table.name, done - before));
    }
    let counters = session.counters().await.map_err(reads)?;
    let filled = filling.finish(counters.map(counters_of)).map_err(sides.writes())?;
    Ok(Poured { rows, fits, filled })
}

fn must_be_clean(report: &AuditReport, place: &str) -> Result<(), CopyError> {
    let Some(broken) = report.checks.iter().find(|check| check.violations > 0) else {
        return Ok(());
    };
    Err(CopyError::Broken {
        place: place.to_owned(),
        finding: one_line(&broken.to_string()),
    })
}

/// Runs this work, which leaves nothing when it is dropped, unless it is stopped.
async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = Result<T, CopyError>>) -> Result<T, CopyError> {
    let stopped = async {
        while !stop.load(Ordering::Relaxed) {
            sleep(STOP_POLL).await;
        }
    };
    tokio::select! {
        biased;
        // What failed because it was stopped says so.
        done = work => done.map_err(|reason| if stop.load(Ordering::Relaxed) { CopyError::Stopped } else { reason }),
        () = stopped => Err(CopyError::Stopped),
    }
}

fn of_sqlite(refusal: sqlite::Refusal, place: &str, failed: &impl Fn(String) -> CopyError) -> CopyError {
    let place = place.to_owned();
    match refusal {
        sqlite::Refusal::InUse => CopyError::InUse { place },
        sqlite::Refusal::Taken(what) => CopyError::Taken { place, what },
        sqlite::Refusal::Unfit(reason) => reason.into(),
        sqlite::Refusal::Failed(reason) => failed(reason.to_string()),
    }
}

fn of_postgres(refusal: postgres::Refusal, place: &str, failed: &impl Fn(String) -> CopyError) -> CopyError {
    let place = place.to_owned();
    match refusal {
        postgres::Refusal::Unfit(reason) => reason.into(),
        postgres::Refusal::Foreign => CopyError::Foreign { place },
        postgres::Refusal::Schema { found, known } => CopyError::Schema { place, found, known },
        postgres::Refusal::InUse => CopyError::InUse { place },
        postgres::Refusal::Taken(what) => CopyError::Taken { place, what },
        postgres::Refusal::Failed(reason) => failed(reason),
    }
}

#[cfg(test)]
mod tests;
