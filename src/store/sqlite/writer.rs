//! The one thread that writes.
//!
//! It takes what waits, runs all of it in one transaction, commits once (one sync of the disk for many writes), and
//! only then answers. A write that fails or panics is undone alone: where it had changed something by then, which takes
//! a fault, the transaction starts over with savepoints around every write; else nothing has to be undone. A failure of
//! the storage undoes the whole batch, for nobody can tell what of it survived, and costs the connection: the next batch
//! gets a new one.

use std::error::Error as _;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use super::desk::Desk;
use super::measure::Measures;
use super::open;
use super::pace::Pace;
use super::queue::Job;
use super::readers::Readers;
use super::session::{Session, failure};
use super::wal::{self, Due, Log, Mover, Wal};
use crate::error::{Error, panic_message};

/// How long reads that are under way may keep the writer from tidying up when it ends. What is left then, the next start
/// finds.
const READS_WAIT: Duration = Duration::from_secs(2);

/// Who writes, and with what.
pub(super) struct Writer {
    path: PathBuf,
    /// Where the connection lies between two batches.
    desk: Arc<Desk>,
    /// It during a batch; `None` from a failure of the storage until it is needed again.
    connection: Option<Connection>,
    readers: Readers,
    batch_max: usize,
    due: Due,
    measures: Measures,
}

/// Starts the thread. It ends when the last sender to `jobs` is gone and all jobs are done; then the receiver returned
/// here sees its sender gone.
pub(super) fn spawn(mut writer: Writer, jobs: Receiver<Box<dyn Job>>) -> io::Result<watch::Receiver<()>> {
    let (running, ended) = watch::channel(());
    let mover = Mover::start(writer.log())?;
    thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        writer.serve(&jobs, &mover);
        mover.end();
        writer.close();
        drop(running);
    })?;
    Ok(ended)
}

impl Writer {
    /// A writer to the file at `path` that begins with this connection.
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        readers: Readers,
        batch_max: usize,
        due: Due,
        measures: Measures,
    ) -> Self {
        Self {
            path,
            desk: Arc::new(Desk::new(connection)),
            connection: None,
            readers,
            batch_max,
            due,
            measures,
        }
    }

    /// The log of the same database, for whoever moves it.
    fn log(&self) -> Log {
        Log::new(
            self.path.clone(),
            self.due,
            Arc::clone(&self.desk),
            self.readers.clone(),
        )
    }

    fn serve(&mut self, jobs: &Receiver<Box<dyn Job>>, mover: &Mover) {
        let mut pace = Pace::default();
        while let Ok(first) = jobs.recv() {
            pace.wait(self.readers.begun());
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(self.batch_max.saturating_sub(1)));
            pace.taken(batch.len(), self.readers.begun());
            self.measures.taken(batch.len());
            // Jobs catch their own panics. One from elsewhere is our mistake, and must not end all writing.
            let ran = catch_unwind(AssertUnwindSafe(|| self.serve_batch(batch)));
            match ran {
                Ok(Some(wal)) if self.due.is(wal, &self.path) => {
                    if self.due.is_over(wal, &self.path) && !mover.is_held() {
                        // Before the mover is woken, for it ends this pause when it is done.
                        self.desk.begin_pause();
                    }
                    mover.wake();
                }
                Ok(_) => {}
                Err(panic) => {
                    tracing::error!(
                        panic = panic_message(&*panic),
                        "the writer panicked and goes on with a new connection"
                    );
                    self.connection = None;
                    self.desk.lay_back(None);
                }
            }
        }
    }

    /// Runs these jobs on the connection from the desk, and says how far the log is then.
    fn serve_batch(&mut self, batch: Vec<Box<dyn Job>>) -> Option<Wal> {
        self.connection = self.desk.take();
        self.run_batch(batch);
        let wal = self
            .connection
            .as_ref()
            .and_then(|connection| Wal::now(connection).ok());
        self.desk.lay_back(self.connection.take());
        wal
    }

    /// Runs these jobs in one transaction and answers them all. Those whose callers wait no longer are not run.
    fn run_batch(&mut self, batch: Vec<Box<dyn Job>>) {
        let now = Instant::now();
        let (mut jobs, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|job| job.claim(now));
        self.measures.batch(late.len(), jobs.len());
        for job in late {
            job.answer(Err(Error::Overloaded));
        }
        if jobs.is_empty() {
            return;
        }
        let outcome = self.transact(&mut jobs).map_err(of_the_storage);
        // Also after a failure: of a commit that failed nobody knows for certain what it left.
        self.readers.renew();
        if let Err(error) = &outcome {
            self.recover(error, jobs.len());
        }
        for job in jobs {
            job.answer(outcome.clone());
        }
    }

    /// One transaction around these jobs. After an error nothing of them is kept.
    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Error> {
        let measures = self.measures.clone();
        let connection = self.connection()?;
        let mut session = Session::new(connection);
        // A job alone needs no savepoint: the transaction is its own.
        let isolation = if jobs.len() > 1 {
            Isolation::Hoped
        } else {
            Isolation::Own
        };
        let mut ran = run_jobs(&mut session, jobs, isolation)?;
        if let Ran::Mixed = ran {
            session.run("ROLLBACK")?;
            ran = run_jobs(&mut session, jobs, Isolation::Savepoints)?;
        }
        if connection.is_autocommit() {
            // SQLite undoes a transaction by itself after some failures; then there is nothing left to commit.
            return Err(Error::storage("the transaction ended before its commit"));
        }
        match ran {
            Ran::Kept => measures.commit(|| session.run("COMMIT")),
            Ran::Nothing | Ran::Mixed => session.run("ROLLBACK"),
        }
    }

    /// The connection, a new one if the last was lost.
    fn connection(&mut self) -> Result<&Connection, Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::writer_beside(&self.path).map_err(failure)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Undoes what a failed transaction left behind, and gives up a connection that cannot be trusted any more.
    fn recover(&mut self, error: &Error, jobs: usize) {
        self.measures.batch_failed();
        let cause = error
            .source()
            .map_or_else(|| "the database is busy".to_owned(), ToString::to_string);
        tracing::error!(
            cause,
            writes = jobs,
            "the storage failed, no write of this batch was kept"
        );
        let is_clean = self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok());
        if !(is_clean && matches!(error, Error::Overloaded)) {
            self.connection = None;
        }
    }

    /// Leaves everything in the database file itself.
    fn close(self) {
        // Readers first: the last connection to close tidies up, and only this one can.
        self.readers.close(READS_WAIT);
        let Some(connection) = self.desk.take() else { return };
        match wal::cut(&connection) {
            Ok(true) => {
                // Nothing is left in it that could be lost, so it may go.
                let _ = open::keep_log(&connection, false);
            }
            Ok(false) => tracing::debug!("somebody kept the write-ahead log from being cut"),
            Err(error) => tracing::warn!(%error, "the write-ahead log could not be cut"),
        }
    }
}

/// What stops a whole batch is a failure of the storage, by whatever name: a commit can fail of a constraint, too.
fn of_the_storage(error: Error) -> Error {
    if let Error::Internal(cause) = error {
        Error::StorageUnavailable(cause)
    } else {
        error
    }
}

/// How the jobs of a transaction are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// There is only one.
    Own,
    /// Not at all: a job that fails does so before it has written anything, but for faults of ours.
    Hoped,
    /// Each by a savepoint, so that one that wrote and then failed is undone alone.
    Savepoints,
}

/// What running the jobs of a transaction came to.
enum Ran {
    /// There is something to keep.
    Kept,
    /// There is nothing to keep.
    Nothing,
    /// A job wrote and then failed, in the same transaction as others: nothing may be kept, and all must run again.
    Mixed,
}

/// Begins a transaction and runs these jobs in it. An error here is everybody's.
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
        } else if isolation == Isolation::Hoped && session.changes() != changes_before {
            return Ok(Ran::Mixed);
        }
    }
    Ok(ran)
}

#[cfg(test)]
mod tests;
