//! The one thread that writes: group commit.
//!
//! It takes all waiting jobs, runs them in one transaction, commits once (one sync of the disk for many writes), and only
//! then answers. A job that is refused before it wrote anything needs no undoing. Where one fails after it wrote, which
//! takes a fault, the batch runs again with a savepoint around each job, so that it is undone alone. A failure of the
//! storage fails the whole batch and costs the connection: the next batch has a new one.
//!
//! Before `COMMIT` such a failure changed nothing. While committing, nobody can tell: a commit record may have reached the
//! log, and then the next start finds it. Except where the disk was full, when that record was not written. After a sync
//! that failed the process ends (see [`checkpoint`]), for the system may have dropped what it could not write.

use std::error::Error as _;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::watch;

use super::checkpoint::{self, Checkpoints};
use super::lock::Lock;
use super::presence::{Lost, Watch};
use super::readers::Readers;
use super::session::{Session, failure};
use super::{FatalHandler, open};
use crate::error::{Error, panic_message};
use crate::metrics::table;
use crate::store::queue::Job;

/// How long reads that are under way may keep the writer from tidying up when it ends. The next start does the rest.
const READS_WAIT: Duration = Duration::from_secs(2);

/// How long the answers to a batch have to be sent before the process ends.
const ANSWERS_WAIT: Duration = Duration::from_millis(200);

/// What the writer needs.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    /// `None` from a failure of the storage until the next batch.
    pub(super) connection: Option<Connection>,
    pub(super) batch_max: usize,
    /// The length at which the write-ahead log is checkpointed.
    pub(super) wal_bytes: u64,
    pub(super) readers: Readers,
    pub(super) on_fatal: FatalHandler,
    /// Whether the files are where they were; otherwise nothing is written.
    pub(super) lost: Lost,
}

/// Starts the thread. It ends when the last sender to `jobs` is gone and all jobs are done; then the receiver returned
/// here sees its sender gone, and the lock is released.
pub(super) fn spawn(
    mut writer: Writer,
    jobs: Receiver<Box<dyn Job>>,
    files: Watch,
    lock: Lock,
) -> io::Result<watch::Receiver<()>> {
    let (running, ended) = watch::channel(());
    let checkpoints = Checkpoints::start(
        &writer.path,
        writer.wal_bytes,
        writer.readers.clone(),
        Arc::clone(&writer.on_fatal),
    )?;
    thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        let database = writer.serve(&jobs, checkpoints);
        // SQLite removes the log when the file is closed.
        files.end();
        // The last connection to close tidies up, and only a writing one can.
        writer.readers.close(READS_WAIT);
        writer.close();
        drop(database);
        drop(lock);
        drop(running);
    })?;
    Ok(ended)
}

impl Writer {
    /// Runs all jobs, and returns the database file of the checkpoints.
    fn serve(&mut self, jobs: &Receiver<Box<dyn Job>>, mut checkpoints: Checkpoints) -> Arc<File> {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(self.batch_max.saturating_sub(1)));
            gauge!(table::STORE_QUEUE_LENGTH).decrement(batch.len() as f64);
            let served = catch_unwind(AssertUnwindSafe(|| {
                self.run_batch(batch);
                if let Some(connection) = &self.connection {
                    checkpoints.tend(connection);
                }
            }));
            if let Err(panic) = served {
                tracing::error!(
                    panic = panic_message(&*panic),
                    "the writer panicked and goes on with a new connection"
                );
                self.connection = None;
            }
        }
        checkpoints.end()
    }

    /// Runs these jobs in one transaction and answers them all. Jobs whose callers no longer wait are not run.
    fn run_batch(&mut self, batch: Vec<Box<dyn Job>>) {
        let now = Instant::now();
        let (mut jobs, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|job| job.claim(now));
        counter!(table::STORE_WRITES_REFUSED, "reason" => "late").increment(late.len() as u64);
        for job in late {
            job.answer(Err(Error::Overloaded));
        }
        if jobs.is_empty() {
            return;
        }
        if let Some(reason) = self.lost.reason() {
            counter!(table::STORE_BATCHES_FAILED).increment(1);
            for job in jobs {
                job.answer(Err(Error::storage(reason.clone())));
            }
            return;
        }
        histogram!(table::STORE_BATCH_WRITES).record(jobs.len() as f64);
        let outcome = self.transact(&mut jobs).map_err(of_the_storage);
        // Also after a failure, for nobody knows what a failed commit left.
        self.readers.commits().committed();
        let failed_sync = outcome.as_ref().err().and_then(failed_sync);
        if let Err(error) = &outcome {
            self.recover(error, jobs.len());
        }
        for job in jobs {
            let outcome = match &outcome {
                // It was not to be kept in any case.
                Err(Error::OutcomeUnknown(cause)) if !job.succeeded() => {
                    Err(Error::StorageUnavailable(Arc::clone(cause)))
                }
                outcome => outcome.clone(),
            };
            job.answer(outcome);
        }
        if let Some(error) = failed_sync {
            thread::sleep(ANSWERS_WAIT);
            (self.on_fatal)(&format!(
                "the write-ahead log of the database {} could not be synced ({error}); the process ends, and the next \
                 start reads it again",
                self.path.display()
            ));
        }
    }

    /// One transaction around these jobs. After an error nothing of them is kept, but for [`Error::OutcomeUnknown`].
    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Error> {
        let connection = self.connection()?;
        let mut session = Session::new(connection);
        // A job alone needs no savepoint: the transaction is its own.
        let isolation = if jobs.len() > 1 {
            Isolation::None
        } else {
            Isolation::Transaction
        };
        let mut ran = run_jobs(&mut session, jobs, isolation)?;
        if let Ran::Mixed = ran {
            session.run("ROLLBACK")?;
            ran = run_jobs(&mut session, jobs, Isolation::Savepoints)?;
        }
        if connection.is_autocommit() {
            // SQLite rolls a transaction back by itself after some failures; then there is nothing left to commit.
            return Err(Error::storage("the transaction ended before its commit"));
        }
        match ran {
            Ran::Kept => timed_commit(&mut session).map_err(|error| {
                // One that is still open was not committed: SQLite refused the commit before it wrote anything.
                let is_open = !connection.is_autocommit();
                if is_open || error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
                    failure(error)
                } else {
                    Error::outcome_unknown(error)
                }
            }),
            Ran::Nothing | Ran::Mixed => session.run("ROLLBACK"),
        }
    }

    /// The connection, a new one if the last was given up.
    fn connection(&mut self) -> Result<&Connection, Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().map_err(failure)?,
        };
        Ok(self.connection.insert(connection))
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = open::writer(&self.path)?;
        limit_log(&connection, self.wal_bytes)?;
        Ok(connection)
    }

    /// Rolls back what a failed transaction left open, and gives up a connection that cannot be trusted any more.
    fn recover(&mut self, error: &Error, jobs: usize) {
        counter!(table::STORE_BATCHES_FAILED).increment(1);
        let cause = error
            .source()
            .map_or_else(|| "the database is busy".to_owned(), ToString::to_string);
        let outcome = if matches!(error, Error::OutcomeUnknown(_)) {
            "whether the writes of this batch were kept is unknown"
        } else {
            "no write of this batch was kept"
        };
        tracing::error!(cause, writes = jobs, "the storage failed: {outcome}");
        let is_clean = self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok());
        if !(is_clean && matches!(error, Error::Overloaded)) {
            self.connection = None;
        }
    }

    /// Leaves everything in the database file itself, unless that is lost: SQLite would remove the log by its name, which
    /// may be another file's by now.
    fn close(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if self.lost.reason().is_some() {
            return;
        }
        match checkpoint::truncate(&connection) {
            Ok(checkpoint::Outcome::All) => {
                // Nothing is left in it that could be lost, so it may go.
                let _ = open::keep_log(&connection, false);
            }
            Ok(checkpoint::Outcome::Part) => tracing::debug!("a read kept the write-ahead log from being truncated"),
            Err(error) => checkpoint::failed(&self.path, &self.on_fatal, &error),
        }
    }
}

/// Commits, and records how long it took.
fn timed_commit(session: &mut Session<'_>) -> rusqlite::Result<()> {
    let started = Instant::now();
    let committed = session.commit();
    histogram!(table::STORE_COMMIT_DURATION).record(started.elapsed());
    committed
}

/// Cuts the log's file to this length when the log begins anew.
pub(super) fn limit_log(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    connection.pragma_update_and_check(None, "journal_size_limit", bytes, |_| Ok(()))
}

/// What stops a whole batch is a failure of the storage, by whatever name: a commit can fail of a constraint, too.
fn of_the_storage(error: Error) -> Error {
    if let Error::Internal(cause) = error {
        Error::StorageUnavailable(cause)
    } else {
        error
    }
}

/// What SQLite said, if it was a sync that failed.
fn failed_sync(error: &Error) -> Option<String> {
    let (Error::StorageUnavailable(cause) | Error::OutcomeUnknown(cause)) = error else {
        return None;
    };
    let cause = cause.downcast_ref::<rusqlite::Error>()?;
    let code = cause.sqlite_error()?.extended_code;
    matches!(code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC).then(|| cause.to_string())
}

/// How the jobs of a transaction are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// By the transaction: there is only one job.
    Transaction,
    /// Not at all: a job that fails has not written anything by then, but for faults of ours.
    None,
    /// Each by a savepoint, so that one that wrote and then failed is undone alone.
    Savepoints,
}

/// What running the jobs of a transaction came to.
enum Ran {
    /// There is something to commit.
    Kept,
    /// There is nothing to commit.
    Nothing,
    /// A job wrote and then failed, in the same transaction as others: roll back and run all again.
    Mixed,
}

/// Begins a transaction and runs these jobs in it. An error fails the whole batch.
fn run_jobs(session: &mut Session<'_>, jobs: &mut [Box<dyn Job>], isolation: Isolation) -> Result<Ran, Error> {
    session.run("BEGIN IMMEDIATE")?;
    let mut ran = Ran::Nothing;
    for job in jobs {
        let changes_before = session.changes();
        if isolation == Isolation::Savepoints {
            session.run("SAVEPOINT job")?;
        }
        let is_kept = job.run(session);
        if let Some(error) = session.failure() {
            return Err(error.clone());
        }
        if isolation == Isolation::Savepoints {
            if !is_kept {
                session.run("ROLLBACK TO job")?;
            }
            session.run("RELEASE job")?;
        }
        if is_kept {
            ran = Ran::Kept;
        } else if isolation == Isolation::None && session.changes() != changes_before {
            return Ok(Ran::Mixed);
        }
    }
    Ok(ran)
}

#[cfg(test)]
mod tests;
