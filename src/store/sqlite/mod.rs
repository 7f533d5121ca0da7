//! The store in one SQLite file: connection pools that read, one writer.
//!
//! A short read runs at once on its caller's thread, a scan on a thread that may take its time. Writes go through a bounded
//! queue to one thread, the only one that ever writes, which commits many of them at once. Whatever waits has a bound, and
//! beyond it is refused.
//!
//! - `paths`, `lock`, `presence`: where the file is, that only one service has it, and that it stays there
//! - `open`: the file, its checks, its schema, the settings of connections
//! - `session`: the verbs in SQL
//! - `readers`, `snapshot`: the connection pools, and connections that keep their snapshot
//! - `writer`: the thread that runs the writes
//! - `checkpoint`: the write-ahead log's way into the file
//! - `metrics`: gauges of the configuration and of file sizes
//! - `audit`, `backup`, `copying`, `look`: the operator's commands, on a file that may be in use
//! - `bulk`: whole tables at once, for a copy from or to another backend
//! - `restore`: the operator's command that puts a backup in the place of the file

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::metrics::{counter, gauge};
use tokio::sync::watch;

use self::presence::{Lost, Watch};

use self::readers::Readers;
use self::writer::Writer;
use super::queue::{self, Job};
use super::{Store, Tx, View};
use crate::error::Error;
use crate::metrics::table;

mod audit;
mod backup;
pub(super) mod bulk;
mod checkpoint;
mod copying;
mod lock;
mod look;
mod metrics;
mod open;
mod paths;
mod presence;
mod readers;
mod restore;
mod session;
mod snapshot;
mod writer;

#[cfg(test)]
mod tests;

/// Databases for the tests of others.
#[cfg(test)]
pub(super) mod samples {
    pub(in crate::store) use super::audit::tests::{fill, tampering};
    pub(in crate::store) use super::open::tests::{SAMPLES, left_by};
}

pub use self::audit::{AuditError, AuditReport, Checked, audit};
pub use self::backup::{Backup, BackupError, backup};
pub use self::copying::Stop;
pub(super) use self::look::look;
pub use self::metrics::measure_files;
pub use self::open::OpenError;
pub use self::restore::{RestoreError, Restored, restore};

/// The size of a page, SQLite's default.
const PAGE_BYTES: u64 = 4_096;

/// Called with one line where the storage failed so that the process must end: a sync or a checkpoint failed. It must not
/// return, but in tests. Nothing may be closed on the way, for closing writes to the files.
pub type FatalHandler = Arc<dyn Fn(&str) + Send + Sync>;

/// Prints the line and ends the process: the [`FatalHandler`] of [`SqliteStore::open`].
pub fn end_process(line: &str) {
    // Where it cannot be printed, the exit status tells.
    let _ = writeln!(std::io::stderr(), "orders-inventory: {line}");
    std::process::exit(1);
}

/// How long [`Store::ready`] waits for its read, and then for its write.
const READY_WAIT: Duration = Duration::from_secs(2);
/// How long it waits before it tries again to put its write into a full queue.
const READY_RETRY: Duration = Duration::from_millis(10);

/// Where the store is and how much it takes on at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The database file. It and its folder are made if they are not there.
    pub path: PathBuf,
    /// How many connections there are for [`Store::read`]. Fewer than the runtime has worker threads: so many reads can
    /// run on them at once, and a disk that hangs must not stop all.
    pub readers: u32,
    /// How many of [`Store::scan`] run at once, each on a connection of its own.
    pub scans: u32,
    /// How many more of them may wait; beyond that they are refused as [`Error::Overloaded`] at once.
    pub scans_waiting_max: usize,
    /// How long one may wait for its turn before it is refused as [`Error::Overloaded`].
    pub scan_wait: Duration,
    /// How long one may run before it ends as [`Error::Overloaded`].
    pub scan_timeout: Duration,
    /// How many writes may wait; more are refused as [`Error::Overloaded`] at once.
    pub queue_capacity: usize,
    /// How long a write may wait for its turn before it is refused as [`Error::Overloaded`] and never run.
    pub queue_wait: Duration,
    /// How many writes share a commit at the most.
    pub batch_max: usize,
    /// The length at which the write-ahead log is checkpointed, in bytes.
    pub wal_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data/orders-inventory.db"),
            readers: 4,
            scans: 2,
            scans_waiting_max: 64,
            scan_wait: Duration::from_secs(2),
            scan_timeout: Duration::from_secs(5),
            queue_capacity: 1_024,
            queue_wait: Duration::from_secs(2),
            batch_max: 128,
            wal_bytes: 64 << 20,
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
    path: PathBuf,
    lost: Lost,
    readers: Readers,
    /// Where writes go; `None` once the store is closed.
    writes: RwLock<Option<SyncSender<Box<dyn Job>>>>,
    queue_wait: Duration,
    /// Its sender is gone when the writer has ended.
    writer_ended: watch::Receiver<()>,
}

impl SqliteStore {
    /// Opens the file, making it if it is not there, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`]; a file that is refused is left as it is.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_with(options, Arc::new(end_process))
    }

    /// The same, with what ends the process.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with(mut options: Options, on_fatal: FatalHandler) -> Result<Self, OpenError> {
        let (path, lock) = open::lock(&options.path)?;
        options.path = path;
        let connection = open::prepare(&options.path)?;
        let readers = Readers::open(&options)?;
        metrics::register(&options);
        let Options {
            path,
            queue_capacity,
            queue_wait,
            batch_max,
            wal_bytes,
            ..
        } = options;
        writer::limit_log(&connection, wal_bytes).map_err(|reason| open::inaccessible(&path, reason))?;
        let watch = Watch::start(&path).map_err(|reason| OpenError::Writer {
            path: path.clone(),
            reason,
        })?;
        // Without a place in the queue, a write could only be taken while the writer happens to wait for one.
        let (writes, jobs) = mpsc::sync_channel(queue_capacity.max(1));
        let writer = Writer {
            path: path.clone(),
            connection: Some(connection),
            batch_max,
            wal_bytes,
            readers: readers.clone(),
            on_fatal,
            lost: watch.lost(),
        };
        let lost = watch.lost();
        let writer_ended = writer::spawn(writer, jobs, watch, lock).map_err(|reason| OpenError::Writer {
            path: path.clone(),
            reason,
        })?;
        let shared = Shared {
            path,
            lost,
            readers,
            writes: RwLock::new(Some(writes)),
            queue_wait,
            writer_ended,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The path of the database, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Why no write is taken: the database or a file beside it is not where it was when the store was opened.
    pub fn lost(&self) -> Option<String> {
        self.shared.lost.reason()
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
        let length = gauge!(table::STORE_QUEUE_LENGTH);
        // Before the writer can have taken it, so that the length is never below 0.
        length.increment(1);
        writes.try_send(job).map_err(|refused| {
            length.decrement(1);
            match refused {
                TrySendError::Full(_) => {
                    counter!(table::STORE_WRITES_REFUSED, "reason" => "queue_full").increment(1);
                    Error::Overloaded
                }
                TrySendError::Disconnected(_) => closed(),
            }
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
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        self.shared.readers.read(work).await
    }

    async fn scan<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        self.shared.readers.scan(work).await
    }

    async fn write_then<T, F, A>(&self, work: F, then: A) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (job, ticket) = queue::job(work, then, self.shared.queue_wait);
        self.submit(job)?;
        ticket.wait().await
    }

    async fn ready(&self) -> Result<(), Error> {
        let late = |_| Error::Overloaded;
        tokio::time::timeout(READY_WAIT, self.shared.readers.probe())
            .await
            .map_err(late)??;
        // A full queue is a writer at work, not one that is stuck: then this waits for a place in it.
        let write = async {
            loop {
                match self.write(|_| Ok(())).await {
                    Err(Error::Overloaded) => tokio::time::sleep(READY_RETRY).await,
                    outcome => return outcome,
                }
            }
        };
        tokio::time::timeout(READY_WAIT, write).await.map_err(late)?
    }
}
