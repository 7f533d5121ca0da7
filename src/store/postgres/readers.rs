//! The connection pools that read: one for short reads, one for scans, one for the readiness probe.
//!
//! A read that asks one question is one statement, which sees one state by itself. One that asks more asks all of them in
//! one transaction with one snapshot. Either way it is one round trip, which leaves nothing open where its caller leaves.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use metrics::{counter, histogram};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::failure::{self, Failure};
use super::session::{Answers, Asked, run_read};
use super::{load, pipeline};
use crate::error::{Error, panic_message};
use crate::metrics::{GaugeGuard, table};
use crate::store::View;

/// Everything sees the same state, and nothing can be written.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// How often a read asks for what it turns out to need. Each time it gets further.
const LOADS_MAX: usize = 16;

/// All connections that read. Clones share them.
#[derive(Clone)]
pub(super) struct Readers {
    pub(super) reads: Pool,
    pub(super) scans: Pool,
    pub(super) probes: Pool,
    /// One permit for each scan that runs or waits.
    pub(super) scan_places: Arc<Semaphore>,
    /// How long one read, or one scan, may take.
    pub(super) read_timeout: Duration,
}

impl Readers {
    /// Runs `work` on one state of the data.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: Fn(&dyn View) -> Result<T, Error>,
    {
        self.run(&self.reads, "read", work).await
    }

    /// The same for work that may look through many rows: on few connections, and with a bounded number waiting for them.
    pub(super) async fn scan<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: Fn(&dyn View) -> Result<T, Error>,
    {
        let place = Arc::clone(&self.scan_places).try_acquire_owned();
        let _place = place.map_err(|_| {
            counter!(table::STORE_SCANS_REFUSED).increment(1);
            Error::Overloaded
        })?;
        self.run(&self.scans, "scan", work).await
    }

    /// Reads one row on a connection that nothing else uses.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        let work = |view: &dyn View| view.products(None, 1).map(|_| ());
        self.run(&self.probes, "probe", work).await
    }

    async fn run<T, F>(&self, pool: &Pool, kind: &'static str, work: F) -> Result<T, Error>
    where
        F: Fn(&dyn View) -> Result<T, Error>,
    {
        let mut answers = Answers::default();
        let (mut result, mut missing) = attempt(&answers, &work);
        if missing.is_empty() {
            return result;
        }
        let started = Instant::now();
        let mut connection = pool.get().await.map_err(|error| failure::of_pool(error).into_error())?;
        histogram!(table::STORE_READ_WAIT, "kind" => kind).record(started.elapsed());
        let _running = GaugeGuard::new(table::STORE_READS_RUNNING);
        let mut asked: Vec<Asked> = Vec::new();
        let mut is_retried = false;
        for _ in 0..LOADS_MAX {
            // All of it again, for what was answered before was another state.
            asked.append(&mut missing);
            answers = Answers::default();
            match timeout(self.read_timeout, ask(&connection, asked.clone(), &mut answers)).await {
                Ok(Ok(())) => {}
                // A connection of the pool may have broken while nobody used it.
                Ok(Err(Failure::Lost(_))) if !is_retried => {
                    drop(Object::take(connection));
                    is_retried = true;
                    connection = pool.get().await.map_err(|error| failure::of_pool(error).into_error())?;
                    continue;
                }
                Ok(Err(failed)) => {
                    if matches!(failed, Failure::Lost(_)) {
                        drop(Object::take(connection));
                    }
                    return Err(failed.into_error());
                }
                Err(_) => {
                    drop(Object::take(connection));
                    return Err(Error::storage("the database does not answer"));
                }
            }
            (result, missing) = attempt(&answers, &work);
            if missing.is_empty() {
                return result;
            }
        }
        Err(Error::internal("a read asks for more and more"))
    }
}

/// Runs the work on what is known.
fn attempt<T>(answers: &Answers, work: &impl Fn(&dyn View) -> Result<T, Error>) -> (Result<T, Error>, Vec<Asked>) {
    run_read(answers, |view| {
        catch_unwind(AssertUnwindSafe(|| work(view)))
            .unwrap_or_else(|panic| Err(Error::internal(format!("a read panicked: {}", panic_message(&*panic)))))
    })
}

/// Asks all of these of one state.
async fn ask(connection: &Object, asked: Vec<Asked>, answers: &mut Answers) -> Result<(), Failure> {
    let is_one = asked.len() == 1;
    let around = |sql| match is_one {
        true => vec![],
        false => vec![pipeline::run(connection, sql)],
    };
    let loaded = load::load(connection, around(BEGIN), asked, around("COMMIT"), answers).await;
    loaded.map(|_| ()).map_err(failure::of_statement)
}
