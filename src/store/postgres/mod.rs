//! The store in a PostgreSQL database, which several instances of the service share.
//!
//! Reads have a pool of connections, one writer for each instance has its own. Writers take turns, so the writes of all
//! instances behave as if one ran after the other, and many writes share a turn. Whatever waits has a bound, and beyond it is
//! refused. No thread waits for the database.
//!
//! - `connect`, `checks`, `open`: where the database is, what is wanted of its server, its schema
//! - `query`: what the verbs ask, as values
//! - `session`, `changes`: the verbs on what was loaded, and what they change
//! - `pipeline`, `load`: many statements in one round trip
//! - `readers`, `writer`: who runs closures
//! - `lookups`: short reads of many callers in one round trip
//! - `failure`: what PostgreSQL's errors mean here
//! - `metrics`: what is counted nowhere else, and gauges of the database
//! - `bulk`: whole tables at once, for a copy and an audit; `look`: a read by a command

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::metrics::{counter, gauge};
use deadpool_postgres::Pool;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, watch};

use self::connect::SessionLimits;
use self::lookups::{Lookups, PAGES_MAX, ROWS_MAX};
use self::readers::Readers;
use self::writer::Writer;
use super::queue::{self, Job};
use super::{Store, Tx, View};
use crate::error::Error;
use crate::metrics::table;

pub(super) mod bulk;
mod changes;
mod checks;
mod connect;
mod failure;
mod load;
mod look;
mod lookups;
mod metrics;
mod open;
mod pipeline;
mod query;
mod readers;
mod session;
mod writer;

pub use self::connect::PostgresUrl;
pub(super) use self::look::look;
pub use self::open::{OpenError, Target};

/// How long [`Store::ready`] waits for its read, and then for its write.
const READY_WAIT: Duration = Duration::from_secs(2);
/// How long it waits before it tries again to put its write into a full queue.
const READY_RETRY: Duration = Duration::from_millis(10);
/// How long a writer waits for its turn, and for a lock that somebody else holds.
const TURN_WAIT: Duration = Duration::from_secs(3);
/// After so long, the database ends the transaction of an instance that hangs, and with it its turn.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(2);
/// How long work on many rows at once may take.
const BULK_WAIT: Duration = Duration::from_secs(600);

/// What is allowed to the session of a writer whose batches may take so long.
fn writing(write_timeout: Duration) -> SessionLimits {
    SessionLimits {
        // A little less, so that the database is heard to have ended it.
        statement: write_timeout * 9 / 10,
        lock: TURN_WAIT,
        idle_in_transaction: IDLE_IN_TRANSACTION_MAX.max(write_timeout / 4),
    }
}

/// How much the store takes on at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many connections there are for [`Store::read`].
    pub readers: usize,
    /// How many of [`Store::scan`] run at once, each on a connection of its own.
    pub scans: usize,
    /// How many more of them may wait; beyond that they are refused as [`Error::Overloaded`] at once.
    pub scans_waiting_max: usize,
    /// How long a read or a scan may wait for a connection before it is refused as [`Error::Overloaded`].
    pub connection_wait: Duration,
    /// How long a read or a scan may take before it ends as [`Error::Overloaded`].
    pub read_timeout: Duration,
    /// How many writes may wait; more are refused as [`Error::Overloaded`] at once.
    pub queue_capacity: usize,
    /// How long a write may wait before it is refused as [`Error::Overloaded`] and never run.
    pub queue_wait: Duration,
    /// How many writes share a transaction at the most.
    pub batch_max: usize,
    /// How long the writes of a transaction are tried, from when they have begun.
    pub write_timeout: Duration,
}

impl Options {
    /// For one write of very many rows, which no request waits for.
    pub fn bulk() -> Self {
        Self {
            write_timeout: BULK_WAIT,
            ..Self::default()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 8,
            scans: 2,
            scans_waiting_max: 64,
            connection_wait: Duration::from_secs(2),
            read_timeout: Duration::from_secs(5),
            queue_capacity: 1_024,
            queue_wait: Duration::from_secs(2),
            batch_max: 128,
            // With the time in the queue it bounds every answer.
            write_timeout: Duration::from_millis(4_500),
        }
    }
}

/// A store in a PostgreSQL database. Clones share it.
///
/// When the last clone is dropped, the writer finishes what it has accepted and ends; [`PostgresStore::close`] waits for
/// that.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// The hosts and the name of the database.
    place: String,
    readers: Readers,
    /// Where writes go; `None` once the store is closed.
    writes: RwLock<Option<mpsc::Sender<Box<dyn Job>>>>,
    queue_wait: Duration,
    /// Its sender is gone when the writer has ended.
    writer_ended: watch::Receiver<()>,
}

impl PostgresStore {
    /// Connects to the database, brings its schema up to date, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`]; a database that is refused is left as it is.
    pub async fn open(target: &Target, options: Options) -> Result<Self, OpenError> {
        let connector = target.connector()?;
        let (mut connected, state) = open::connect(target, &connector, target.durability()).await?;
        open::migrate(target, &mut connected).await?;
        if let Some(reason) = state.unsafe_because() {
            tracing::warn!("the database's server {reason}; it is served because ALLOW_ASYNC_REPLICATION is true");
        } else if state.replicas == 0 && !state.is_synchronous() {
            tracing::warn!("the database has no replica: what its disk loses is lost, but for backups");
        }
        let pool = |limits: SessionLimits, size, wait| -> Result<(connect::Connector, Pool), OpenError> {
            let connector = connector.with_limits(limits);
            let pool = connector.pool(&target.url, size, wait).map_err(OpenError::Setting)?;
            Ok((connector, pool))
        };
        let reading = SessionLimits {
            statement: options.read_timeout,
            lock: options.read_timeout,
            idle_in_transaction: IDLE_IN_TRANSACTION_MAX,
        };
        let scans = options.scans.max(1);
        let reads = pool(reading, options.readers, options.connection_wait)?.1;
        let readers = Readers {
            rows: Lookups::start(&reads, ROWS_MAX, &options),
            pages: Lookups::start(&reads, PAGES_MAX, &options),
            reads,
            scans: pool(reading, scans, options.connection_wait)?.1,
            probes: pool(reading, 1, options.connection_wait)?.1,
            scan_places: Arc::new(Semaphore::new(scans.saturating_add(options.scans_waiting_max))),
            read_timeout: options.read_timeout,
        };
        let (writing, write_pool) = pool(self::writing(options.write_timeout), 1, options.connection_wait)?;
        metrics::register(&options);
        let (writes, jobs) = mpsc::channel(options.queue_capacity.max(1));
        let (running, writer_ended) = watch::channel(());
        let writer = Writer::new(write_pool, writing, &options, target.durability());
        tokio::spawn(async move {
            writer.serve(jobs).await;
            drop(running);
        });
        let shared = Shared {
            place: target.url.to_string(),
            readers,
            writes: RwLock::new(Some(writes)),
            queue_wait: options.queue_wait,
            writer_ended,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The hosts and the name of the database.
    pub fn place(&self) -> &str {
        &self.shared.place
    }

    /// Accepts no more work, and returns when all accepted writes are done and answered. From then on every read and write
    /// is [`Error::StorageUnavailable`], on all clones.
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
        for pool in [
            &self.shared.readers.reads,
            &self.shared.readers.scans,
            &self.shared.readers.probes,
        ] {
            pool.close();
        }
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
                TrySendError::Closed(_) => closed(),
            }
        })
    }
}

fn closed() -> Error {
    Error::storage("the store is closed")
}

impl Store for PostgresStore {
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

#[cfg(test)]
mod tests;
