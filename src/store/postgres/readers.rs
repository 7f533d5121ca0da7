//! The connection pools that read: one for short reads, one for scans, one for the readiness probe.
//!
//! A read that asks one question is one statement, which sees one state by itself; it may share its round trip with other
//! reads, and for a row by its key the statement, too. One that asks more asks all of them in one transaction with one snapshot. Either way it is
//! one round trip, which leaves nothing open where its caller leaves.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use metrics::{counter, histogram};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout_at};

use super::failure::{self, Failure};
use super::lookups::Lookups;
use super::query::Sharing;
use super::session::{Answers, Asked, run_read};
use super::{load, pipeline};
use crate::error::{Error, panic_message};
use crate::metrics::{GaugeGuard, table};
use crate::store::View;

/// Everything sees the same state, and nothing can be written.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// How often a read asks for what it turns out to need. Each time it gets further.
const LOADS_MAX: usize = 16;

/// How often a read is tried at the most, each time on another connection.
const TRIES_MAX: u32 = 4;
/// How long it waits before it tries again, times the number of its tries.
const RETRY_WAIT: Duration = Duration::from_millis(10);

/// All connections that read. Clones share them.
#[derive(Clone)]
pub(super) struct Readers {
    pub(super) reads: Pool,
    /// Rows by their keys, on the connections of `reads`.
    pub(super) rows: Lookups,
    /// Pages, on the same.
    pub(super) pages: Lookups,
    pub(super) scans: Pool,
    pub(super) probes: Pool,
    /// One permit for each scan that runs or waits.
    pub(super) scan_places: Arc<Semaphore>,
    /// How long one read, or one scan, may take.
    pub(super) read_timeout: Duration,
}

impl Readers {
    /// Runs `work` on one state of the data.
    pub(super) async fn read<T, F>(&self, mut work: F) -> Result<T, Error>
    where
        F: Fn(&dyn View) -> Result<T, Error>,
    {
        let (result, mut missing) = attempt(&Answers::default(), &mut work);
        if missing.is_empty() {
            return result;
        }
        if let [asked] = &missing[..]
            && let Some(lookups) = self.lookups(asked)
        {
            let answers = lookups.ask(asked.clone()).await.map_err(report)?;
            let (result, more) = attempt(&answers, &mut work);
            if more.is_empty() {
                return result;
            }
            // It needs more, and all of it of one state.
            missing.extend(more);
        }
        self.load(&self.reads, "read", missing, work).await
    }

    /// Where this is asked together with others.
    fn lookups(&self, asked: &Asked) -> Option<&Lookups> {
        match asked.query.sharing() {
            Sharing::Statement => Some(&self.rows),
            Sharing::RoundTrip => Some(&self.pages),
            Sharing::Nothing => None,
        }
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

    /// Runs the work on a connection of this pool, within the time of a read.
    async fn run<T, F>(&self, pool: &Pool, kind: &'static str, work: F) -> Result<T, Error>
    where
        F: Fn(&dyn View) -> Result<T, Error>,
    {
        let ran = run(pool, kind, Instant::now() + self.read_timeout, work).await;
        ran.unwrap_or_else(|error| Err(report(error)))
    }

    /// The same for work that is known to ask this.
    async fn load<T, F>(&self, pool: &Pool, kind: &'static str, asked: Vec<Asked>, mut work: F) -> Result<T, Error>
    where
        F: Fn(&dyn View) -> Result<T, Error>,
    {
        let until = Instant::now() + self.read_timeout;
        let loaded = load_with_retries(pool, kind, until, asked, &mut Answers::default(), &mut work).await;
        loaded.unwrap_or_else(|error| Err(report(error)))
    }
}

/// Runs the work on a connection of this pool. The outer result is the pool's.
pub(super) async fn run<T>(
    pool: &Pool,
    kind: &'static str,
    until: Instant,
    mut work: impl Fn(&dyn View) -> Result<T, Error>,
) -> Result<Result<T, Error>, Error> {
    let (result, missing) = attempt(&Answers::default(), &mut work);
    match missing.is_empty() {
        true => Ok(result),
        false => load_with_retries(pool, kind, until, missing, &mut Answers::default(), &mut work).await,
    }
}

/// The answers to these questions. They may be of different states.
pub(super) async fn look_up(pool: &Pool, asked: Vec<Asked>, until: Instant) -> Result<Answers, Error> {
    let mut answers = Answers::default();
    load_with_retries(pool, "lookups", until, asked, &mut answers, &mut |_| Ok(())).await??;
    Ok(answers)
}

/// Asks until the work has all it needs, and returns its result: on another connection if one breaks.
async fn load_with_retries<T>(
    pool: &Pool,
    kind: &'static str,
    until: Instant,
    mut asked: Vec<Asked>,
    answers: &mut Answers,
    work: &mut impl Fn(&dyn View) -> Result<T, Error>,
) -> Result<Result<T, Error>, Error> {
    for tried in 1..=TRIES_MAX {
        match load_all(pool, kind, until, &mut asked, answers, work).await {
            // A connection of the pool may have broken while nobody used it, and others with it.
            Err(Failure::Lost(_)) if tried < TRIES_MAX => sleep(RETRY_WAIT * tried).await,
            outcome => return outcome.map_err(Failure::into_error),
        }
    }
    Err(Error::internal("a read was not tried"))
}

/// What a read fails with whose time is up.
pub(super) fn silent() -> Error {
    Error::storage("the database does not answer")
}

/// Counts a read that failed, and logs why, where its answer only says that it did.
fn report(error: Error) -> Error {
    if let Error::StorageUnavailable(cause) = &error {
        counter!(table::STORE_READS_FAILED).increment(1);
        tracing::error!(%cause, "the database failed to answer a read");
    }
    error
}

/// Asks on one connection until the work has all it needs, and returns its result. What was asked stays in `asked`.
async fn load_all<T>(
    pool: &Pool,
    kind: &'static str,
    until: Instant,
    asked: &mut Vec<Asked>,
    answers: &mut Answers,
    // Not shared, for it may be sent to another thread and not be used by two.
    work: &mut impl Fn(&dyn View) -> Result<T, Error>,
) -> Result<Result<T, Error>, Failure> {
    let is_silent = |_| Failure::Refused(silent());
    let started = Instant::now();
    let connection = timeout_at(until.into(), pool.get()).await.map_err(is_silent)?;
    let connection = connection.map_err(failure::of_pool)?;
    histogram!(table::STORE_READ_WAIT, "kind" => kind).record(started.elapsed());
    let mut lease = Lease {
        connection: Some(connection),
        is_closed: kind == "scan",
    };
    let _running = GaugeGuard::new(table::STORE_READS_RUNNING);
    for _ in 0..LOADS_MAX {
        // All of it again, for what was answered before was another state.
        *answers = Answers::default();
        let answered = timeout_at(
            until.into(),
            ask(lease.connection()?, kind != "lookups", asked.clone(), answers),
        )
        .await;
        if let Err(failed) = answered.map_err(is_silent).flatten() {
            lease.is_closed = true;
            return Err(failed);
        }
        let (result, mut missing) = attempt(answers, work);
        if missing.is_empty() {
            lease.is_closed = false;
            return Ok(result);
        }
        asked.append(&mut missing);
    }
    Err(Failure::Refused(Error::internal("a read asks for more and more")))
}

/// A connection of a pool, which has it back when this is dropped, or closes it.
struct Lease {
    connection: Option<Object>,
    /// A connection that failed or is silent is closed, and so is that of a scan whose caller has left: what still runs on it
    /// would delay the next one. What is left of a short read would not.
    is_closed: bool,
}

impl Lease {
    fn connection(&self) -> Result<&Object, Failure> {
        let connection = self.connection.as_ref();
        connection.ok_or_else(|| Failure::Refused(Error::internal("the connection was given back")))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take_if(|_| self.is_closed) {
            drop(Object::take(connection));
        }
    }
}

/// Runs the work on what is known.
fn attempt<T>(answers: &Answers, work: &mut impl Fn(&dyn View) -> Result<T, Error>) -> (Result<T, Error>, Vec<Asked>) {
    run_read(answers, |view| {
        catch_unwind(AssertUnwindSafe(|| work(view)))
            .unwrap_or_else(|panic| Err(Error::internal(format!("a read panicked: {}", panic_message(&*panic)))))
    })
}

/// Asks all of these, of one state where that is wanted.
async fn ask(
    connection: &Object,
    is_of_one_state: bool,
    asked: Vec<Asked>,
    answers: &mut Answers,
) -> Result<(), Failure> {
    let needs_snapshot = is_of_one_state && !load::is_one_statement(&asked);
    let around = |sql| match needs_snapshot {
        true => vec![pipeline::run(connection, sql)],
        false => vec![],
    };
    let loaded = load::load(connection, around(BEGIN), asked, around("COMMIT"), answers).await;
    loaded.map(|_| ()).map_err(failure::of_statement)
}
