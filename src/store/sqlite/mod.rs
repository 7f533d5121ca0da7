//! The store in one SQLite file: many readers, one writer.
//!
//! Reads run on a pool of connections that cannot write, each in its own snapshot: those of a few rows where they are
//! asked for, since to change threads would cost more than they do, the others on threads that may take their time.
//! Writes go through a bounded queue to one thread, the only one that ever writes, which commits many of them at once.
//! All are refused rather than left waiting without bound.
//!
//! - `open`: the file, its checks, its schema, the settings of connections
//! - `session`, `rows`: the verbs in SQL, and rows as values
//! - `readers`: the connections that read
//! - `queue`, `writer`, `desk`: a write on its way, the thread at its end, and where its connection lies meanwhile
//! - `pace`: when a commit waits for company
//! - `wal`: the write-ahead log's way into the file
//! - `measure`: what is counted
//! - `audit`, `backup`: the operator's commands, on a file that may be in use

use std::path::PathBuf;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use self::queue::Job;
use self::readers::Readers;
use self::wal::Due;
use self::writer::Writer;
use super::{Store, Tx, View};
use crate::error::Error;

mod audit;
mod backup;
mod desk;
mod measure;
mod open;
mod pace;
mod queue;
mod readers;
mod rows;
mod session;
mod wal;
mod writer;

#[cfg(test)]
mod tests;

pub use self::audit::{AuditError, AuditReport, Checked, audit};
pub use self::backup::{Backup, BackupError, backup};
pub use self::measure::Measures;
pub use self::open::OpenError;

/// How long [`Store::ready`] waits for its read, and then for its write.
const READY_WAIT: Duration = Duration::from_secs(2);

/// Where the store is and how much it takes on at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The database file. It and its folder are made if they are not there.
    pub path: PathBuf,
    /// How many connections there are for [`Store::read`]; as many as threads that ask are enough.
    pub readers: u32,
    /// How many of [`Store::scan`] run at once, each on a connection of its own.
    pub scans: u32,
    /// How long one may wait for its turn before it is refused as [`Error::Overloaded`].
    pub scan_wait: Duration,
    /// How many writes may wait; more are refused as [`Error::Overloaded`] at once.
    pub queue_capacity: usize,
    /// How long a write may wait for its turn before it is refused as [`Error::Overloaded`] and never run.
    pub queue_wait: Duration,
    /// How many writes share a commit at the most.
    pub batch_max: usize,
    /// How long the write-ahead log gets before it is moved into the file, in bytes. That of a large file gets longer, up to
    /// four times.
    pub wal_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data/orders-inventory.db"),
            readers: 4,
            scans: 2,
            scan_wait: Duration::from_secs(2),
            queue_capacity: 1_024,
            queue_wait: Duration::from_secs(2),
            batch_max: 128,
            wal_bytes: wal::WAL_BYTES,
        }
    }
}

/// A store in one SQLite file. Clones share it.
///
/// When the last clone is dropped, the writer finishes what it has accepted and ends; [`SqliteStore::close`] waits for
/// that.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    readers: Readers,
    /// Where writes go; `None` once the store is closed.
    writes: RwLock<Option<SyncSender<Box<dyn Job>>>>,
    /// One permit for each scan, so that it waits without a thread.
    scans: Arc<Semaphore>,
    scan_wait: Duration,
    queue_wait: Duration,
    measures: Measures,
    /// Its sender is gone when the writer has ended.
    writer_ended: watch::Receiver<()>,
}

impl SqliteStore {
    /// Opens the file, making it if it is not there, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`]; a file that is refused is left as it is.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_measured(options, Measures::default())
    }

    /// The same, and counts what it does.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_measured(options: Options, measures: Measures) -> Result<Self, OpenError> {
        let Options {
            path,
            readers,
            scans,
            scan_wait,
            queue_capacity,
            queue_wait,
            batch_max,
            wal_bytes,
        } = options;
        let connection = open::prepare(&path)?;
        let scans = scans.max(1);
        let readers = Readers::open(&path, readers.max(1).saturating_add(scans), measures.clone())?;
        // Without room a write could only be handed over while the writer happens to wait for one.
        let (writes, jobs) = mpsc::sync_channel(queue_capacity.max(1));
        let due = Due::at(wal_bytes);
        let writer = Writer::new(
            path.clone(),
            connection,
            readers.clone(),
            batch_max,
            due,
            measures.clone(),
        );
        let writer_ended = writer::spawn(writer, jobs).map_err(|reason| OpenError::Writer { path, reason })?;
        let shared = Shared {
            readers,
            writes: RwLock::new(Some(writes)),
            scans: Arc::new(Semaphore::new(scans as usize)),
            scan_wait,
            queue_wait,
            measures,
            writer_ended,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Accepts no more work, and returns when all accepted writes are done and answered and everything is in the
    /// database file. From then on every read and write is [`Error::StorageUnavailable`], on all clones.
    pub async fn close(&self) {
        drop(
            self.shared
                .writes
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        // Nothing is ever sent: this waits for the writer's end of the channel to go.
        while self.shared.writer_ended.clone().changed().await.is_ok() {}
    }

    /// Puts a job into the queue, or refuses it at once.
    fn submit(&self, job: Box<dyn Job>) -> Result<(), Error> {
        let writes = self.shared.writes.read().unwrap_or_else(PoisonError::into_inner);
        let writes = writes.as_ref().ok_or_else(closed)?;
        writes.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => closed(),
        })
    }
}

fn closed() -> Error {
    Error::storage("the store is closed")
}

impl Store for SqliteStore {
    async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        self.shared.readers.read(work)
    }

    async fn scan<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        let turn = tokio::time::timeout(self.shared.scan_wait, Arc::clone(&self.shared.scans).acquire_owned());
        let turn = self.shared.measures.scan_turn(turn).await;
        let permit = turn.map_err(|_| Error::Overloaded)?.map_err(Error::internal)?;
        let readers = self.shared.readers.clone();
        let scan = tokio::task::spawn_blocking(move || {
            let result = readers.read(work);
            drop(permit);
            result
        });
        scan.await.unwrap_or_else(|error| Err(Error::internal(error)))
    }

    async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
    {
        let (job, ticket) = queue::job(work, self.shared.queue_wait);
        self.shared.measures.queue(|| self.submit(job))?;
        ticket.wait().await
    }

    async fn ready(&self) -> Result<(), Error> {
        let late = |_| Error::Overloaded;
        // On a thread of its own: a disk that does not answer must not hold the one that has to say so.
        let read = self.scan(|view| view.products(None, 1).map(|_| ()));
        tokio::time::timeout(READY_WAIT, read).await.map_err(late)??;
        tokio::time::timeout(READY_WAIT, self.write(|_| Ok(())))
            .await
            .map_err(late)?
    }
}
