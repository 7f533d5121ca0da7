//! The metrics of the store: its queue, its commits, its reads, its files.
//!
//! Without a recorder nothing is counted and no clock is read.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::{Options, open};
use crate::error::Error;
use crate::metrics::{Counter, DURATION_BUCKETS_SECONDS, Gauge, Histogram, Recorder, table};

/// Up to [`Options::batch_max`] by default.
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The handles of all metrics here; none where there is no recorder.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Option<Arc<Handles>>);

#[derive(Debug)]
struct Handles {
    queue_length: Gauge,
    queue_full: Counter,
    queue_late: Counter,
    batch_writes: Histogram,
    commit: Histogram,
    batches_failed: Counter,
    reads_running: Gauge,
    read_wait: Histogram,
    scan_wait: Histogram,
    scans_refused: Counter,
}

impl Metrics {
    /// Takes handles for everything in a store of these options.
    pub fn new(recorder: &mut Recorder, options: &Options) -> Self {
        let readers = i64::from(options.readers.max(1)) + i64::from(options.scans.max(1));
        recorder.gauge(&table::STORE_READERS).set(readers);
        let capacity = i64::try_from(options.queue_capacity.max(1)).unwrap_or(i64::MAX);
        recorder.gauge(&table::STORE_QUEUE_CAPACITY).set(capacity);
        ask_for_sizes(recorder, options.path.clone());
        let waits = recorder.durations(&table::STORE_READ_WAIT);
        let refused = recorder.counters(&table::STORE_WRITES_REFUSED);
        Self(Some(Arc::new(Handles {
            queue_length: recorder.gauge(&table::STORE_QUEUE_LENGTH),
            queue_full: refused.of(&["queue_full"]),
            queue_late: refused.of(&["late"]),
            batch_writes: recorder.histogram(&table::STORE_BATCH_WRITES, BATCH_BUCKETS),
            commit: recorder.histogram(&table::STORE_COMMIT_DURATION, DURATION_BUCKETS_SECONDS),
            batches_failed: recorder.counter(&table::STORE_BATCHES_FAILED),
            reads_running: recorder.gauge(&table::STORE_READS_RUNNING),
            read_wait: waits.of(&["read"]),
            scan_wait: waits.of(&["scan"]),
            scans_refused: recorder.counter(&table::STORE_SCANS_REFUSED),
        })))
    }

    /// Hands a write over to the queue, which takes it or is full.
    pub(super) fn queue(&self, submit: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let Some(handles) = &self.0 else { return submit() };
        // Before the writer can have taken it, so that the length is never below 0.
        handles.queue_length.inc();
        submit().inspect_err(|refused| {
            handles.queue_length.dec();
            if matches!(refused, Error::Overloaded) {
                handles.queue_full.inc();
            }
        })
    }

    /// So many writes left the queue.
    pub(super) fn taken(&self, writes: usize) {
        if let Some(handles) = &self.0 {
            handles.queue_length.dec_by(i64::try_from(writes).unwrap_or(i64::MAX));
        }
    }

    /// So many of them came too late, and so many share a transaction.
    pub(super) fn batch(&self, late: usize, writes: usize) {
        let Some(handles) = &self.0 else { return };
        handles.queue_late.inc_by(late as u64);
        if writes > 0 {
            handles
                .batch_writes
                .observe(f64::from(u32::try_from(writes).unwrap_or(u32::MAX)));
        }
    }

    /// Commits.
    pub(super) fn commit<E>(&self, commit: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let Some(handles) = &self.0 else { return commit() };
        let started = Instant::now();
        let committed = commit();
        handles.commit.observe(started.elapsed().as_secs_f64());
        committed
    }

    /// The storage failed a transaction.
    pub(super) fn batch_failed(&self) {
        if let Some(handles) = &self.0 {
            handles.batches_failed.inc();
        }
    }

    /// A read found a free connection.
    pub(super) fn read_began_at_once(&self) {
        if let Some(handles) = &self.0 {
            handles.read_wait.observe(0.0);
        }
    }

    /// Waits for a connection to read on.
    pub(super) fn read_waits<T>(&self, wait: impl FnOnce() -> T) -> T {
        let Some(handles) = &self.0 else { return wait() };
        let started = Instant::now();
        let done = wait();
        handles.read_wait.observe(started.elapsed().as_secs_f64());
        done
    }

    /// Waits for a scan's turn, which comes in time or not.
    pub(super) async fn scan_waits<T, E>(&self, turn: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let Some(handles) = &self.0 else { return turn.await };
        let started = Instant::now();
        let turn = turn.await;
        match turn {
            Ok(_) => handles.scan_wait.observe(started.elapsed().as_secs_f64()),
            Err(_) => _ = handles.scans_refused.inc(),
        }
        turn
    }

    /// A read runs, until what this returns is gone.
    pub(super) fn read_runs(&self) -> Option<Running> {
        self.0.as_ref().map(|handles| {
            handles.reads_running.inc();
            Running(Arc::clone(handles))
        })
    }
}

/// A read that runs.
pub(super) struct Running(Arc<Handles>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.reads_running.dec();
    }
}

/// Sizes are read from the file system when the metrics are scraped.
#[allow(
    clippy::cast_precision_loss,
    reason = "Prometheus' values are doubles, exact up to 8 PiB"
)]
fn ask_for_sizes(recorder: &mut Recorder, database: PathBuf) {
    let wal = open::log_of(&database);
    let disk = {
        let database = database.clone();
        move || rustix::fs::statvfs(&database).ok()
    };
    let disk_free = disk.clone();
    recorder.asked(&table::STORE_DISK, move || {
        disk().map(|disk| (disk.f_blocks * disk.f_frsize) as f64)
    });
    recorder.asked(&table::STORE_DISK_FREE, move || {
        disk_free().map(|disk| (disk.f_bavail * disk.f_frsize) as f64)
    });
    recorder.asked(&table::STORE_DATABASE, move || {
        fs::metadata(&database).ok().map(|file| file.len() as f64)
    });
    // Without a log there is nothing in it.
    recorder.asked(&table::STORE_WAL, move || {
        Some(fs::metadata(&wal).map_or(0.0, |file| file.len() as f64))
    });
}

#[cfg(test)]
mod tests;
