//! The thread that moves the write-ahead log into the database file while writes go on.
//!
//! A checkpoint syncs the database file, which takes as long as many commits do; on the writer's thread every write that
//! comes meanwhile would wait for it. What came during the last pass is left to the writer: only who lets no write in
//! between can move all of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::open;
use super::readers::Readers;

/// How far a write-ahead log is, in pages.
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
        Self::after(connection, "PRAGMA wal_checkpoint(NOOP)")
    }

    /// How many pages wait to be moved.
    pub(super) const fn waiting(self) -> i64 {
        self.pages - self.moved
    }

    fn after(connection: &Connection, checkpoint: &str) -> rusqlite::Result<Self> {
        connection.prepare_cached(checkpoint)?.query_row([], |row| {
            Ok(Self {
                pages: row.get(1)?,
                moved: row.get(2)?,
            })
        })
    }
}

/// Moves what is in the log and what no reader needs there any more. The log starts anew with the first write that finds
/// all of it moved and no reader in it, so readers are told to look again: before, lest an old snapshot stops the move
/// half-way, and after, for only then they can do without the log.
pub(super) fn checkpoint(connection: &Connection, readers: &Readers) -> rusqlite::Result<()> {
    readers.release_idle();
    Wal::after(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    readers.renew();
    readers.release_idle();
    Ok(())
}

/// Has the log moved when the writer says so.
pub(super) struct Checkpointer {
    passes: SyncSender<()>,
    is_at_work: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives none.
    pub(super) fn start(path: PathBuf, readers: Readers) -> io::Result<Self> {
        let (passes, asked) = mpsc::sync_channel(1);
        let is_at_work = Arc::new(AtomicBool::new(false));
        let thread = {
            let is_at_work = Arc::clone(&is_at_work);
            let work = move || run(&path, &readers, &asked, &is_at_work);
            thread::Builder::new().name("checkpointer".to_owned()).spawn(work)?
        };
        Ok(Self {
            passes,
            is_at_work,
            thread,
        })
    }

    /// Whether a pass is under way.
    pub(super) fn is_at_work(&self) -> bool {
        self.is_at_work.load(Ordering::Acquire)
    }

    /// Begins a pass, where none is under way.
    pub(super) fn begin(&self) {
        if !self.is_at_work.swap(true, Ordering::AcqRel) {
            // There is room for one, and there is no other.
            let _ = self.passes.try_send(());
        }
    }

    /// Waits for the pass under way and ends the thread.
    pub(super) fn end(self) {
        drop(self.passes);
        // It does not panic; if it did, the log stays where it is, which is safe.
        let _ = self.thread.join();
    }
}

fn run(path: &std::path::Path, readers: &Readers, asked: &Receiver<()>, is_at_work: &AtomicBool) {
    let mut kept = None;
    while asked.recv().is_ok() {
        let pass = |kept: Option<Connection>| {
            let connection = kept.map_or_else(|| open::writer(path), Ok)?;
            checkpoint(&connection, readers)?;
            Ok::<_, rusqlite::Error>(connection)
        };
        kept = match pass(kept.take()) {
            Ok(connection) => Some(connection),
            // Everything is still in the log, and the next pass tries again, on a new connection.
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be moved into the database file");
                None
            }
        };
        is_at_work.store(false, Ordering::Release);
    }
}
