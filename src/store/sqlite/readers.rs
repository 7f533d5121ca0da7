//! The connection pools that read: one for short reads, one for scans, one for the readiness probe.
//!
//! Nobody waits for a connection, or for a scan, on a thread. A short read runs on the thread of its caller once a
//! connection is free, so as many threads read as there are connections. Blocking threads are for scans and the probe,
//! few of which run at a time: each thread takes about a megabyte for what it reads, and keeps it while it lives.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use metrics::{counter, histogram};
use r2d2::{NopErrorHandler, Pool, PooledConnection};
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::open::{self, OpenError};
use super::snapshot::{Commits, Manager};
use super::{Options, closed};
use crate::error::Error;
use crate::metrics::{GaugeGuard, table};
use crate::store::View;

/// How long a read waits for a connection where all are in use.
const CONNECTION_WAIT: Duration = Duration::from_secs(2);

/// How long all connections of a pool may take to open.
const OPEN_WAIT: Duration = Duration::from_secs(10);

/// How many readiness probes may wait for the one connection that they have.
const PROBES_WAITING_MAX: usize = 32;

/// How many steps of SQLite's virtual machine a scan runs between two looks at whether it is to end: well under a
/// millisecond.
const SCAN_STEPS: i32 = 10_000;

/// All connections that read. Clones share them.
#[derive(Clone)]
pub(super) struct Readers {
    reads: Connections,
    /// One permit for each connection for reads; whoever has one finds a connection free.
    read_turns: Arc<Semaphore>,
    scans: Lane,
    probes: Lane,
    /// How long one scan may run.
    scan_timeout: Duration,
    commits: Commits,
}

impl Readers {
    /// Opens all connections to the file of these options.
    pub(super) fn open(options: &Options) -> Result<Self, OpenError> {
        let path = &options.path;
        // The pools open their connections on it, and have no more work for it afterwards.
        let thread = Arc::new(ScheduledThreadPool::new(1));
        let scans = Connections::open(path, options.scans, &thread)?;
        let probes = Connections::open(path, 1, &thread)?;
        Ok(Self {
            reads: Connections::open(path, options.readers, &thread)?,
            read_turns: Arc::new(Semaphore::new(options.readers.max(1) as usize)),
            scans: Lane::new(scans, options.scans, options.scans_waiting_max, options.scan_wait),
            probes: Lane::new(probes, 1, PROBES_WAITING_MAX, CONNECTION_WAIT),
            scan_timeout: options.scan_timeout,
            commits: Commits::default(),
        })
    }

    /// Runs `work` on one state of the data, on this thread, as soon as a connection is free.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        let wait = histogram!(table::STORE_READ_WAIT, "kind" => "read");
        // Declared before the connection, so that it ends after that was returned.
        let _turn = if let Ok(turn) = self.read_turns.try_acquire() {
            wait.record(0);
            turn
        } else {
            let started = Instant::now();
            let turn = tokio::time::timeout(CONNECTION_WAIT, self.read_turns.acquire()).await;
            wait.record(started.elapsed());
            turn.map_err(|_| Error::Overloaded)?.map_err(Error::internal)?
        };
        let mut reader = self.reads.try_get()?.ok_or(Error::Overloaded)?;
        let _running = GaugeGuard::new(table::STORE_READS_RUNNING);
        reader.read(&self.commits, work)
    }

    /// Runs `work`, which may look through many rows, on a thread of its own. It ends when its time is up or when this
    /// future is dropped.
    pub(super) async fn scan<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        let started = Instant::now();
        let turn = self
            .scans
            .turn()
            .await
            .inspect_err(|_| counter!(table::STORE_SCANS_REFUSED).increment(1))?;
        histogram!(table::STORE_READ_WAIT, "kind" => "scan").record(started.elapsed());
        let caller = Caller::default();
        let has_left = Arc::clone(&caller.has_left);
        let (connections, commits) = (self.scans.connections.clone(), self.commits.clone());
        let until = Instant::now() + self.scan_timeout;
        let scan = on_blocking_thread(move || {
            let _turn = turn;
            let mut reader = connections.get(CONNECTION_WAIT)?;
            let _running = GaugeGuard::new(table::STORE_READS_RUNNING);
            let is_over = move || has_left.load(Ordering::Relaxed) || Instant::now() > until;
            reader
                .connection
                .progress_handler(SCAN_STEPS, Some(is_over))
                .map_err(Error::internal)?;
            let result = reader.read(&commits, work);
            // Scans are rare, so the next one needs another snapshot anyway.
            reader.release();
            reader
                .connection
                .progress_handler(0, None::<fn() -> bool>)
                .map_err(Error::internal)?;
            result
        });
        scan.await
    }

    /// Reads one row on a connection that nothing else uses, so that it says whether the storage answers and not whether
    /// others are busy.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        let turn = self.probes.turn().await?;
        let (connections, commits) = (self.probes.connections.clone(), self.commits.clone());
        on_blocking_thread(move || {
            let _turn = turn;
            let mut reader = connections.get(CONNECTION_WAIT)?;
            let result = reader.read(&commits, |view| view.products(None, 1).map(|_| ()));
            reader.release();
            result
        })
        .await
    }

    /// What the writer tells of its commits.
    pub(super) const fn commits(&self) -> &Commits {
        &self.commits
    }

    /// Ends the snapshots that no read is using.
    pub(super) fn release_idle(&self) {
        // Taken out first and returned together, for the pool would give out the same one again and again.
        let mut idle = Vec::new();
        while let Ok(turn) = self.read_turns.try_acquire() {
            let Ok(Some(mut reader)) = self.reads.try_get() else {
                break;
            };
            reader.release();
            idle.push((reader, turn));
        }
    }

    /// Closes all connections: those in use when they are returned, for which it waits so long at the most.
    pub(super) fn close(&self, wait: Duration) {
        let until = Instant::now() + wait;
        for connections in [&self.reads, &self.scans.connections, &self.probes.connections] {
            connections.close(until);
        }
    }
}

/// Runs `work` where it may block.
async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::internal(error)))
}

/// Whoever waits for a scan. It is dropped with the future.
#[derive(Default)]
struct Caller {
    has_left: Arc<AtomicBool>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.has_left.store(true, Ordering::Relaxed);
    }
}

/// A few connections for work that runs on blocking threads: as many at a time as there are connections, and a bounded
/// number waiting.
#[derive(Clone)]
struct Lane {
    connections: Connections,
    /// One permit for each that runs or waits.
    places: Arc<Semaphore>,
    /// One permit for each that runs.
    turns: Arc<Semaphore>,
    wait: Duration,
}

impl Lane {
    fn new(connections: Connections, count: u32, waiting_max: usize, wait: Duration) -> Self {
        let running_max = count.max(1) as usize;
        Self {
            connections,
            places: Arc::new(Semaphore::new(running_max.saturating_add(waiting_max))),
            turns: Arc::new(Semaphore::new(running_max)),
            wait,
        }
    }

    /// Waits for a turn, without a thread. The turn ends when what this returns is dropped.
    async fn turn(&self) -> Result<impl Send + use<>, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Error::Overloaded)?;
        let turn = tokio::time::timeout(self.wait, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_| Error::Overloaded)?.map_err(Error::internal)?;
        Ok((place, turn))
    }
}

type Connected = PooledConnection<Manager>;

/// A pool of connections that cannot write; `None` once it is closed.
#[derive(Clone)]
struct Connections(Arc<RwLock<Option<Pool<Manager>>>>);

impl Connections {
    /// So many connections, at least one, all open from the start and kept.
    fn open(path: &Path, count: u32, thread: &Arc<ScheduledThreadPool>) -> Result<Self, OpenError> {
        let pool = Pool::builder()
            .max_size(count.max(1))
            .connection_timeout(OPEN_WAIT)
            // A connection to a file does not go stale: no query when one is checked out, and none is ever replaced.
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .thread_pool(Arc::clone(thread))
            // What it would log is in the error that `build` returns.
            .error_handler(Box::new(NopErrorHandler))
            .build(Manager(open::reader_manager(path)))
            .map_err(|reason| open::inaccessible(path, reason))?;
        Ok(Self(Arc::new(RwLock::new(Some(pool)))))
    }

    fn pool(&self) -> Result<Pool<Manager>, Error> {
        let pool = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pool.clone().ok_or_else(closed)
    }

    /// A connection, if one is free.
    fn try_get(&self) -> Result<Option<Connected>, Error> {
        let pool = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(pool.as_ref().ok_or_else(closed)?.try_get())
    }

    /// A connection, for which it waits so long at the most.
    fn get(&self, wait: Duration) -> Result<Connected, Error> {
        self.pool()?.get_timeout(wait).map_err(|_| Error::Overloaded)
    }

    /// Gives out no more connections, takes all out of the pool and closes them with it. What is not returned until then is
    /// closed when it is.
    fn close(&self, until: Instant) {
        let pool = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(pool) = pool else { return };
        let all = (0..pool.max_size()).map(|_| pool.get_timeout(until.saturating_duration_since(Instant::now())));
        let all: Result<Vec<_>, _> = all.collect();
        if all.is_err() {
            tracing::debug!("a read is still under way, so its connection is closed later");
        }
    }
}

#[cfg(test)]
mod tests;
