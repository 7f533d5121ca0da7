//! Checkpoints of the write-ahead log: SQLite's own, most of each beside the writer.
//!
//! A thread runs `PASSIVE` checkpoints, until little is left, and syncs the database file; the writer goes on meanwhile. Then
//! the writer runs `RESTART` between two batches, which moves the short rest, so that the log begins anew. The thread
//! could run that too, but SQLite waits for the write lock by sleeping and looking again, and behind a busy writer it would
//! hardly ever find it free.
//!
//! A part that was moved counts as moved before it is synced, and readers take it from the file
//! (sqlite.org/wal.html#checkpointing). That is safe, for SQLite resets the log only after a checkpoint of all of it that
//! was synced. So until then everything is still in the log. But after a failed sync the system may drop what it could not
//! write, and the next sync succeeds all the same (wiki.postgresql.org/wiki/Fsync_Errors). So an I/O error here ends the
//! process, and the next start reads the log again. A busy database or a full disk is no such error.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::open::{self, BUSY_TIMEOUT};
use super::readers::Readers;
use super::{FatalHandler, PAGE_BYTES};

/// The longest that the writer waits for reads in the log, when it lets the log begin anew. Reads are short.
const READERS_WAIT: Duration = Duration::from_millis(20);

/// How many pages the thread may leave for the writer: about as many as a few batches write.
const REST_PAGES: u64 = 512;

/// After so many passes the writer moves whatever is left, for a busy one could outrun the thread for ever.
const PASSES_MAX: usize = 6;

/// How many pages the log has, and how many of them were moved into the database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) pages: u64,
    pub(super) moved: u64,
}

/// What a checkpoint came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All that was in the log when it began was moved.
    All,
    /// A read that began before keeps a part of it in the log, or the disk is full.
    Part,
}

/// Runs one checkpoint, `NOOP` to only look.
fn checkpoint(connection: &Connection, mode: &'static str) -> rusqlite::Result<(bool, Progress)> {
    let pages = |row: &rusqlite::Row<'_>, index| row.get::<_, i64>(index).map(i64::unsigned_abs);
    connection.prepare_cached(mode)?.query_row([], |row| {
        let progress = Progress {
            pages: pages(row, 1)?,
            moved: pages(row, 2)?,
        };
        Ok((row.get(0)?, progress))
    })
}

/// How long the log is now.
pub(super) fn progress(connection: &Connection) -> rusqlite::Result<Progress> {
    checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)").map(|(_, progress)| progress)
}

/// Moves all of the log and truncates its file. `Part` where reads did not let it; then all of it is still there, and the
/// next start goes on with it.
pub(super) fn truncate(connection: &Connection) -> rusqlite::Result<Outcome> {
    wait_for_readers(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
}

fn wait_for_readers(connection: &Connection, mode: &'static str) -> rusqlite::Result<Outcome> {
    connection.busy_timeout(READERS_WAIT)?;
    let done = checkpoint(connection, mode);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    done.map(|(is_busy, _)| if is_busy { Outcome::Part } else { Outcome::All })
}

/// Whether a failed checkpoint ends the process: an I/O error, and not a disk that is only full.
fn is_fatal(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// Tells of a failed checkpoint, and ends the process if it must.
pub(super) fn failed(path: &Path, on_fatal: &FatalHandler, error: &rusqlite::Error) {
    if is_fatal(error) {
        on_fatal(&fatal_line(path, error));
    }
    tracing::warn!(%error, "the write-ahead log could not be checkpointed");
}

/// The line that the process ends with.
fn fatal_line(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!(
        "the database {} could not be checkpointed ({error}); the process ends, and the next start reads the \
         write-ahead log again",
        path.display()
    )
}

/// When the log is due, and the thread that moves most of it.
pub(super) struct Checkpoints {
    path: PathBuf,
    /// The length at which the log is due, in pages.
    due: u64,
    /// The same, or longer while a read keeps the log from beginning anew.
    due_now: u64,
    ask: SyncSender<()>,
    outcomes: Receiver<Outcome>,
    is_asked: bool,
    thread: JoinHandle<()>,
    readers: Readers,
    on_fatal: FatalHandler,
    /// To sync the database file. Closing any descriptor of a file gives up all of the process's locks on it (`fcntl(2)`),
    /// SQLite's too, so this one is open for as long as any connection.
    _database: Arc<File>,
}

impl Checkpoints {
    /// Starts the thread, for a log that is due at this length.
    pub(super) fn start(path: &Path, due_bytes: u64, readers: Readers, on_fatal: FatalHandler) -> io::Result<Self> {
        let (ask, asked) = sync_channel(1);
        let (tell, outcomes) = sync_channel(1);
        let database = Arc::new(File::open(path)?);
        let checkpointer = Checkpointer {
            path: path.to_owned(),
            database: Arc::clone(&database),
            connection: None,
            readers: readers.clone(),
            on_fatal: Arc::clone(&on_fatal),
        };
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || checkpointer.serve(&asked, &tell))?;
        let due = (due_bytes / PAGE_BYTES).max(1);
        Ok(Self {
            path: path.to_owned(),
            due,
            due_now: due,
            ask,
            outcomes,
            is_asked: false,
            thread,
            readers,
            on_fatal,
            _database: database,
        })
    }

    /// Does what is due of the log, between two batches of the writer on this connection.
    pub(super) fn tend(&mut self, writer: &Connection) {
        let outcome = match self.outcomes.try_recv() {
            Ok(Outcome::All) => self.restart(writer),
            Ok(Outcome::Part) => Ok(Outcome::Part),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return self.ask_if_due(writer),
        };
        self.is_asked = false;
        self.due_now = match outcome {
            Ok(Outcome::All) => self.due,
            // Trying again at once would find the same read.
            Ok(Outcome::Part) => self.due_now.saturating_add(self.due / 4 + 1),
            Err(error) => {
                failed(&self.path, &self.on_fatal, &error);
                self.due_now.saturating_add(self.due / 4 + 1)
            }
        };
    }

    /// Moves the rest of the log, so that the next write begins it anew. A snapshot that is kept would stop that.
    fn restart(&self, writer: &Connection) -> rusqlite::Result<Outcome> {
        self.readers.commits().set_restarting(true);
        self.readers.release_idle();
        let outcome = wait_for_readers(writer, "PRAGMA wal_checkpoint(RESTART)");
        self.readers.commits().set_restarting(false);
        outcome
    }

    fn ask_if_due(&mut self, writer: &Connection) {
        if !self.is_asked && progress(writer).is_ok_and(|progress| progress.pages >= self.due_now) {
            self.is_asked = self.ask.try_send(()).is_ok();
        }
    }

    /// Ends the thread, and returns the database file, to be dropped after the last connection.
    pub(super) fn end(self) -> Arc<File> {
        drop((self.ask, self.outcomes));
        // It has nothing to return, and a panic there was its own.
        let _ = self.thread.join();
        self._database
    }
}

/// The thread's part.
struct Checkpointer {
    path: PathBuf,
    database: Arc<File>,
    connection: Option<Connection>,
    readers: Readers,
    on_fatal: FatalHandler,
}

impl Checkpointer {
    fn serve(mut self, asked: &Receiver<()>, tell: &SyncSender<Outcome>) {
        while asked.recv().is_ok() {
            let outcome = self.move_bulk().unwrap_or_else(|error| {
                failed(&self.path, &self.on_fatal, &error);
                self.connection = None;
                Outcome::Part
            });
            if tell.send(outcome).is_err() {
                return;
            }
        }
    }

    /// Moves what is in the log now, and syncs it, so that the writer need not wait for that.
    fn move_bulk(&mut self) -> rusqlite::Result<Outcome> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::writer(&self.path)?,
        };
        let connection = self.connection.insert(connection);
        for _ in 0..PASSES_MAX {
            self.readers.release_idle();
            let (_, done) = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
            if let Err(error) = self.database.sync_data() {
                (self.on_fatal)(&fatal_line(&self.path, &error));
            }
            if done.moved < done.pages {
                return Ok(Outcome::Part);
            }
            // The checkpoint counts from its beginning, and the writer went on meanwhile.
            let now = progress(connection)?;
            if now.pages.saturating_sub(now.moved) <= REST_PAGES {
                break;
            }
        }
        Ok(Outcome::All)
    }
}

#[cfg(test)]
mod tests;
