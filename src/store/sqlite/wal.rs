//! The write-ahead log's way into the database file.
//!
//! One thread moves it while the writer goes on, part after part; only the last short one it does in a pause of the
//! writer, for a log starts anew when all of it was moved. A part counts as moved once the database file was synced: the
//! store's own way to its files sees to that (`orders_inventory_vfs`). Where that sync fails, the system may drop what it
//! could not write, and readers would find old pages in the file. Then every connection is closed, and new ones find a log
//! of which nothing was moved. The log itself is synced by whoever writes to it.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::desk::Desk;
use super::open::{self, BUSY_TIMEOUT};
use super::readers::Readers;
use crate::error::panic_message;

mod due;
pub(super) use due::{Due, WAL_BYTES};

/// The size of a page, SQLite's default.
const PAGE: u64 = 4_096;

/// What the writer may be paused for: a part as long as its next few batches.
const PAGES_LAST: i64 = 128;

/// After so many parts the writer is paused for whatever is left, lest it outrun this for ever.
const PARTS_MAX: usize = 6;

/// How long the last part may wait for reads under way, while the writer waits for it.
const READERS_WAIT: Duration = Duration::from_millis(50);

/// How long a read takes that is not a long one.
const READ: Duration = Duration::from_millis(1);

/// When a log is tried again that could not be moved: because of a snapshot, maybe of another process, or of the disk.
const HELD: Duration = Duration::from_millis(100);

/// How often it looks whether one has ended, while the writer waits.
const LOOK: Duration = Duration::from_micros(200);

/// How soon new connections are tried again where there can be none.
const RETRY: Duration = Duration::from_millis(100);

/// How far a log is, in pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wal {
    /// How many there are in it.
    pub(super) pages: i64,
    /// How many of them are in the database file, too.
    moved: i64,
}

impl Wal {
    /// How far it is now.
    pub(super) fn now(connection: &Connection) -> rusqlite::Result<Self> {
        Self::of(connection, "PRAGMA wal_checkpoint(NOOP)")
    }

    /// How far it is now that this checkpoint was run. What the checkpoint itself says is from its beginning, and the
    /// writer went on meanwhile.
    fn after(connection: &Connection, checkpoint: &str) -> rusqlite::Result<Self> {
        Self::of(connection, checkpoint)?;
        Self::now(connection)
    }

    fn of(connection: &Connection, checkpoint: &str) -> rusqlite::Result<Self> {
        connection.prepare_cached(checkpoint)?.query_row([], |row| {
            Ok(Self {
                pages: row.get(1)?,
                moved: row.get(2)?,
            })
        })
    }

    const fn left(self) -> i64 {
        self.pages - self.moved
    }
}

/// The thread that moves the log.
pub(super) struct Mover {
    due: SyncSender<()>,
    is_held: Arc<AtomicBool>,
    is_ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Mover {
    pub(super) fn start(log: Log) -> io::Result<Self> {
        let (due, is_due) = sync_channel(1);
        let (is_held, is_ending) = (Arc::clone(&log.is_held), Arc::clone(&log.is_ending));
        let thread = thread::Builder::new()
            .name("store-log".to_owned())
            .spawn(move || log.serve(&is_due))?;
        Ok(Self {
            due,
            is_held,
            is_ending,
            thread,
        })
    }

    /// Has the log moved. Who asks while that is under way asks once for all.
    pub(super) fn wake(&self) {
        let _ = self.due.try_send(());
    }

    /// Whether the log cannot be moved for now, so that there is no use in waiting for it.
    pub(super) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    /// Waits until nothing moves any more.
    pub(super) fn end(self) {
        self.is_ending.store(true, Ordering::Relaxed);
        drop(self.due);
        // It catches its own panics.
        let _ = self.thread.join();
    }
}

/// A log that is moved beside a writer.
pub(super) struct Log {
    path: PathBuf,
    due: Due,
    desk: Arc<Desk>,
    readers: Readers,
    connection: Option<Connection>,
    /// Until when nothing is tried, for a snapshot or the disk kept the log from being moved.
    held_until: Option<Instant>,
    /// Whether the last try ended so.
    is_held: Arc<AtomicBool>,
    is_ending: Arc<AtomicBool>,
}

/// What came of moving a part.
enum Moved {
    /// The log is so far now.
    To(Wal),
    /// Nothing, or not all, is certain to be in the file. All connections were closed and are new.
    Renewed,
}

impl Log {
    pub(super) fn new(path: PathBuf, due: Due, desk: Arc<Desk>, readers: Readers) -> Self {
        Self {
            path,
            due,
            desk,
            readers,
            connection: None,
            held_until: None,
            is_held: Arc::default(),
            is_ending: Arc::default(),
        }
    }

    fn serve(mut self, is_due: &Receiver<()>) {
        while is_due.recv().is_ok() {
            // A panic would be our mistake, and must not leave the writer in its pause.
            let tended = catch_unwind(AssertUnwindSafe(|| self.tend()));
            // Who asked meanwhile asked for this. It is forgotten before the pause ends, for who begins another one after
            // that asks again.
            let _ = is_due.try_recv();
            self.desk.go_on();
            if let Err(panic) = tended {
                tracing::error!(panic = panic_message(&*panic), "the write-ahead log was not moved");
                self.connection = None;
            }
        }
    }

    /// Moves what is in the log, as far as snapshots let it. At the end the writer may be in a pause.
    fn tend(&mut self) {
        if let Err(error) = self.move_parts() {
            // Everything is still in the log.
            tracing::warn!(%error, "the write-ahead log could not be moved into the database file");
            self.connection = None;
            self.hold();
        }
    }

    fn move_parts(&mut self) -> rusqlite::Result<()> {
        if self.held_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.held_until = None;
        let mut wal = Wal::now(self.connection()?)?;
        let mut is_held = false;
        for _ in 0..PARTS_MAX {
            let before = wal;
            let Moved::To(now) = self.move_part("PRAGMA wal_checkpoint(PASSIVE)")? else {
                return Ok(());
            };
            wal = now;
            is_held = wal.moved < before.pages;
            if is_held {
                thread::sleep(READ);
            } else if wal.left() <= PAGES_LAST || wal.left() >= before.left() {
                break;
            }
        }
        if is_held {
            self.hold();
            return Ok(());
        }
        self.move_last()
    }

    fn hold(&mut self) {
        self.held_until = Some(Instant::now() + HELD);
        self.is_held.store(true, Ordering::Relaxed);
    }

    /// Moves what is left, in a pause of the writer.
    fn move_last(&mut self) -> rusqlite::Result<()> {
        self.desk.pause();
        let began = Instant::now();
        loop {
            let Moved::To(wal) = self.move_part("PRAGMA wal_checkpoint(FULL)")? else {
                return Ok(());
            };
            if wal.left() == 0 {
                self.is_held.store(false, Ordering::Relaxed);
                break;
            }
            if began.elapsed() > READERS_WAIT {
                self.hold();
                return Ok(());
            }
            // Some read is under way. Its snapshot goes when the connection is idle and this looks again, which is sooner
            // than SQLite would.
            thread::sleep(LOOK);
        }
        if self.due.is_exceeded(&self.path) && !cut(self.connection()?)? {
            tracing::debug!("readers kept the write-ahead log from being cut");
        }
        Ok(())
    }

    /// It starts anew with the first write that finds all of it moved and no reader in it. So readers are told to look
    /// again: before, lest an old snapshot stops this half-way, and after, for only then they can do without the log.
    fn move_part(&mut self, checkpoint: &str) -> rusqlite::Result<Moved> {
        self.readers.release_idle();
        let is_lost = Rc::new(Cell::new(false));
        let close_all = {
            let (is_lost, desk, readers) = (Rc::clone(&is_lost), Arc::clone(&self.desk), self.readers.clone());
            move || {
                is_lost.set(true);
                desk.pause();
                desk.close();
                readers.suspend();
            }
        };
        let connection = self.connection()?;
        let wal = orders_inventory_vfs::checkpointing(close_all, || {
            within(connection, Duration::ZERO, |connection| {
                Wal::after(connection, checkpoint)
            })
        });
        if is_lost.get() {
            tracing::error!("the database file could not be synced, so all connections to it are made anew");
            self.renew();
            return Ok(Moved::Renewed);
        }
        self.readers.renew();
        self.readers.release_idle();
        wal.map(Moved::To)
    }

    /// Makes all connections anew, on a log of which nothing was moved.
    fn renew(&mut self) {
        self.connection = None;
        while !self.is_ending.load(Ordering::Relaxed) {
            match self.try_renew() {
                Ok(true) => return,
                Ok(false) => tracing::debug!("another process keeps the index of the write-ahead log"),
                Err(error) => tracing::warn!(%error, "there can be no new connections to the database"),
            }
            self.connection = None;
            thread::sleep(RETRY);
        }
    }

    /// Whether there are new connections: not while another process has the file open, for then SQLite keeps the index.
    fn try_renew(&mut self) -> rusqlite::Result<bool> {
        let wal = Wal::now(self.connection()?)?;
        Ok(wal.moved == 0 && self.readers.resume(&self.path).map(|()| true)?)
    }

    fn connection(&mut self) -> rusqlite::Result<&Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::writer_beside(&self.path)?,
        };
        Ok(self.connection.insert(connection))
    }
}

/// Moves all of the log and cuts it to nothing, if readers let it; whether they did. If not, all of it is still there, and
/// the next move or the next start goes on with it.
pub(super) fn cut(connection: &Connection) -> rusqlite::Result<bool> {
    within(connection, READERS_WAIT, |connection| {
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(!is_busy)
    })
}

/// Runs `work` with another busy timeout.
fn within<T>(
    connection: &Connection,
    wait: Duration,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(wait)?;
    let worked = work(connection);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    worked
}

#[cfg(test)]
mod tests;
