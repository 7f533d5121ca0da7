//! The one task that writes: what waits in the queue shares a transaction, and instances take turns.
//!
//! A transaction begins by taking the turn, one lock for the whole database, and ends it with its commit. So the writes of
//! all instances behave as if one ran after the other, and what one reads no other changes until it is done. The turn and
//! all rows that the writes ask for are one round trip, all rows that they change and the commit are another, however many
//! writes there are.
//!
//! Before the commit is sent a failure has changed nothing, and the writes are tried again where that can help. Where its
//! answer does not come, or does not say that it was replicated, the row of this writer tells whether it was kept, on
//! whichever server is the primary by then; and where that cannot be asked in time, nobody knows. A commit is never
//! canceled, for PostgreSQL then keeps it without its replicas.

use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{ClientWrapper, Object, Pool};
use futures_util::FutureExt;
use indexmap::IndexSet;
use metrics::{counter, gauge, histogram};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout_at};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Options;
use super::changes::{Changes, Counters, Statement};
use super::checks::Durability;
use super::connect::Connector;
use super::failure::{self, Failure};
use super::load;
use super::pipeline;
use super::session::{Answers, Asked, Session};
use crate::error::{Error, panic_message};
use crate::metrics::table;
use crate::store::queue::Job;

/// Takes the turn, by its number among the database's advisory locks (`ORIN` in ASCII, and 1). In another isolation, which a
/// database may have by default, what follows would not see what was written while this waited.
pub(super) const TURN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(1330792782, 1)";

/// The last ids, and whether this server is a replica, which a lost connection may have led to.
const COUNTERS: &str = "SELECT products, orders, stock_movements, payment_events, pg_is_in_recovery() FROM counters";

/// Writes the last ids, and that this writer's transaction of this number was kept.
const MARK: &str = "WITH mark AS (INSERT INTO writers (id, last_write) VALUES ($1, $2) \
     ON CONFLICT (id) DO UPDATE SET last_write = excluded.last_write, written_at = now()) \
     UPDATE counters SET products = $3, orders = $4, stock_movements = $5, payment_events = $6";

/// The number of this writer's last transaction that was kept. It also changes the row, so that its own commit waits for the
/// replicas, and with it for everything that was committed before.
const SETTLE: &str = "INSERT INTO writers (id, last_write) VALUES ($1, 0) \
     ON CONFLICT (id) DO UPDATE SET written_at = now() RETURNING last_write";

/// How long a write of a batch may wait for those that must come before it, each of which may need a transaction of its own.
/// What is left of [`Options::write_timeout`] is enough for one that begins then.
const DEFERRED_MAX: Duration = Duration::from_secs(2);
/// How often they are tried at the most.
const TRIES_MAX: u32 = 5;
/// How long it waits before it tries again.
const RETRY_WAIT: Duration = Duration::from_millis(20);
/// How often a transaction loads what its writes turn out to need. Each time they get further.
const LOADS_MAX: usize = 64;

/// What the writer needs.
pub(super) struct Writer {
    /// Its pool of one connection.
    pub(super) pool: Pool,
    pub(super) connector: Connector,
    pub(super) batch_max: usize,
    pub(super) durability: Durability,
    write_timeout: Duration,
    /// Names this writer in the database.
    id: String,
    /// The number of its last transaction that changed something.
    last_write: i64,
}

/// A write that was begun.
struct Begun {
    job: Box<dyn Job>,
    /// Whether it needs a transaction of its own.
    is_alone: bool,
}

/// What happened to a write in a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// It has its result.
    Done,
    /// Its turn is in the next one.
    Waits,
    /// Its turn is in one of its own.
    WaitsAlone,
}

/// What a transaction is to write.
struct Ready {
    /// What happened to each write.
    ran: Vec<Ran>,
    changes: Changes,
    counters: Counters,
}

/// Why a transaction was not kept for certain.
enum Undone {
    /// Nothing was changed.
    Failed(Failure),
    /// Nobody knows: the commit was sent, and was not answered, or not as it must be. If it was kept, this happened to each
    /// write.
    Unknown(Error, Vec<Ran>),
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Writer {
    pub(super) fn new(pool: Pool, connector: Connector, options: &Options, durability: Durability) -> Self {
        Self {
            pool,
            connector,
            batch_max: options.batch_max.max(1),
            durability,
            write_timeout: options.write_timeout,
            id: Uuid::now_v7().to_string(),
            last_write: 0,
        }
    }

    /// Runs all jobs, until the last sender is gone.
    pub(super) async fn serve(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut batch = Vec::new();
        while jobs.recv_many(&mut batch, self.batch_max).await > 0 {
            gauge!(table::STORE_QUEUE_LENGTH).decrement(batch.len() as f64);
            let now = Instant::now();
            let (begun, late): (Vec<_>, Vec<_>) = mem::take(&mut batch).into_iter().partition(|job| job.claim(now));
            refuse(late);
            let mut begun: Vec<_> = begun.into_iter().map(|job| Begun { job, is_alone: false }).collect();
            let began = Instant::now();
            while !begun.is_empty() {
                if began.elapsed() > DEFERRED_MAX {
                    refuse(begun.into_iter().map(|begun| begun.job).collect());
                    break;
                }
                let ran = AssertUnwindSafe(self.run(begun, began + self.write_timeout)).catch_unwind();
                begun = ran.await.unwrap_or_else(|panic| {
                    tracing::error!(panic = panic_message(&*panic), "the writer panicked and goes on");
                    Vec::new()
                });
            }
        }
    }

    /// Runs a transaction of these writes, and answers them but for those that it returns, whose turn is in the next one.
    async fn run(&mut self, mut begun: Vec<Begun>, until: Instant) -> Vec<Begun> {
        let rest = match begun.first().is_some_and(|first| first.is_alone) {
            true => begun.split_off(1),
            false => Vec::new(),
        };
        histogram!(table::STORE_BATCH_WRITES).record(begun.len() as f64);
        let mut waiting = Vec::new();
        let alone = |begun: Begun| Begun {
            is_alone: true,
            ..begun
        };
        match self.try_all(&mut begun, until).await {
            Ok(ran) => {
                for (begun, ran) in begun.into_iter().zip(ran) {
                    match ran {
                        Ran::Done => begun.job.answer(Ok(())),
                        Ran::Waits => waiting.push(begun),
                        Ran::WaitsAlone => waiting.push(alone(begun)),
                    }
                }
            }
            // One of them cannot be stored. Which one shows when each is alone.
            Err(Failure::Conflict(Error::Internal(_))) if begun.len() > 1 => {
                waiting.extend(begun.into_iter().map(alone));
            }
            Err(failed) => {
                let error = failed.into_error();
                report(&error, begun.len());
                for Begun { job, .. } in begun {
                    let error = match (&error, job.succeeded()) {
                        // It was not to be kept in any case.
                        (Error::OutcomeUnknown(cause), false) => Error::StorageUnavailable(Arc::clone(cause)),
                        (error, _) => error.clone(),
                    };
                    job.answer(Err(error));
                }
            }
        }
        waiting.extend(rest);
        waiting
    }

    /// Tries the transaction until it is kept, or another try cannot help.
    async fn try_all(&mut self, begun: &mut [Begun], until: Instant) -> Result<Vec<Ran>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.transact(begun, until).await {
                Ok(ran) => return Ok(ran),
                Err(Undone::Failed(failed)) => failed,
                Err(Undone::Unknown(error, ran)) => match self.settle(until).await {
                    Some(true) => return Ok(ran),
                    Some(false) => Failure::Lost(Error::storage(format!("a commit was not kept: {}", error.cause()))),
                    None => return Err(Failure::Refused(error)),
                },
            };
            let is_over = match &failed {
                Failure::Refused(_) => return Err(failed),
                // Once more, for a hand that changes rows without taking turns; then it is a fault.
                Failure::Conflict(Error::Internal(_)) => tries > 1,
                Failure::Conflict(_) | Failure::Lost(_) => tries >= TRIES_MAX,
            };
            if is_over || Instant::now() + RETRY_WAIT * tries >= until {
                return Err(failed);
            }
            counter!(table::STORE_RETRIES).increment(1);
            sleep(RETRY_WAIT * (tries - 1)).await;
        }
    }

    /// One transaction.
    async fn transact(&mut self, begun: &mut [Begun], until: Instant) -> Result<Vec<Ran>, Undone> {
        let is_silent = || Failure::Lost(Error::storage("the database does not answer"));
        let connection = timeout_at(until.into(), self.connection())
            .await
            .map_err(|_| is_silent())??;
        let worked = timeout_at(until.into(), work(&connection, begun)).await;
        let ready = match worked.unwrap_or_else(|_| Err(is_silent())) {
            Ok(ready) if ready.changes.is_empty() => return Ok(ready.ran),
            Ok(ready) => ready,
            Err(failed) => {
                end(connection, &failed, until).await;
                return Err(failed.into());
            }
        };
        let statements = ready.changes.statements();
        let sqls: Vec<_> = statements.iter().map(|statement| statement.sql).chain([MARK]).collect();
        let prepared = timeout_at(until.into(), load::prepare(&connection, &sqls)).await;
        let prepared = match prepared.map_or_else(|_| Err(is_silent()), |done| done.map_err(failure::of_statement)) {
            Ok(prepared) => prepared,
            Err(failed) => {
                end(connection, &failed, until).await;
                return Err(failed.into());
            }
        };
        self.last_write += 1;
        let committed = self.commit(&connection, &statements, &prepared, &ready.counters);
        let committed = timeout_at(until.into(), committed).await;
        let error = match committed {
            Ok(Ok(())) => return Ok(ready.ran),
            Ok(Err(error)) => error,
            Err(_) => CommitError::Unknown(Error::outcome_unknown("the database did not answer to a commit")),
        };
        Err(match error {
            CommitError::Undone(failed) => {
                if matches!(failed, Failure::Lost(_)) {
                    drop(Object::take(connection));
                }
                failed.into()
            }
            CommitError::Unknown(error) => {
                drop(Object::take(connection));
                Undone::Unknown(error, ready.ran)
            }
        })
    }

    /// A connection to the primary, of which it is known what its commits promise.
    async fn connection(&self) -> Result<Object, Failure> {
        let connection = self.pool.get().await.map_err(failure::of_pool)?;
        if Object::metrics(&connection).recycled.is_none() {
            counter!(table::STORE_CONNECTS).increment(1);
            if let Err(reason) = self.durability.check(&connection).await {
                drop(Object::take(connection));
                return Err(Failure::Lost(Error::storage(reason)));
            }
        }
        Ok(connection)
    }

    /// Writes what is to be written, with a prepared statement for each of these and for the mark, and commits.
    async fn commit(
        &self,
        client: &ClientWrapper,
        statements: &[Statement<'_>],
        prepared: &[tokio_postgres::Statement],
        counters: &Counters,
    ) -> Result<(), CommitError> {
        let mut steps = Vec::new();
        for (statement, prepared) in statements.iter().zip(prepared) {
            let columns = statement.columns.iter().map(|column| &**column as _);
            steps.push(pipeline::query(client, prepared, columns.collect()));
        }
        let Counters {
            products,
            orders,
            movements,
            events,
        } = counters;
        let mark = prepared
            .last()
            .ok_or_else(|| CommitError::Undone(Failure::Refused(Error::internal("no mark"))))?;
        let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            vec![&self.id, &self.last_write, products, orders, movements, events];
        steps.push(pipeline::query(client, mark, values));
        steps.push(pipeline::run(client, "COMMIT"));
        self.connector.take_warning();
        let started = Instant::now();
        // A commit of a transaction that failed is answered like any other, so all statements before it must have succeeded.
        let sent = pipeline::send(steps).await;
        histogram!(table::STORE_COMMIT_DURATION).record(started.elapsed());
        match sent {
            Err(error) if failure::undoes_commit(&error) => Err(CommitError::Undone(failure::of_statement(error))),
            Err(error) => Err(CommitError::Unknown(Error::outcome_unknown(failure::text(&error)))),
            Ok(_) if self.connector.take_warning() => Err(CommitError::Unknown(Error::outcome_unknown(
                "the wait for the replicas was canceled at the server",
            ))),
            Ok(_) => Ok(()),
        }
    }

    /// Whether this writer's last transaction was kept; `None` where that cannot be found out in time.
    async fn settle(&self, until: Instant) -> Option<bool> {
        let mut tries = 0;
        loop {
            let asked = timeout_at(until.into(), self.ask_last_write()).await.ok()?;
            if let Ok(last) = asked {
                let is_kept = last >= self.last_write;
                tracing::warn!(is_kept, "it was settled whether a commit without an answer was kept");
                return Some(is_kept);
            }
            tries += 1;
            sleep(RETRY_WAIT * tries).await;
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// The number of this writer's last transaction that was kept. It has the turn, so the transaction in question has ended.
    async fn ask_last_write(&self) -> Result<i64, Failure> {
        let connection = self.connection().await?;
        let asked = async {
            let prepared = connection.prepare_cached(SETTLE).await?;
            self.connector.take_warning();
            let steps = vec![
                pipeline::run(&connection, TURN),
                pipeline::query(&connection, &prepared, vec![&self.id]),
                pipeline::run(&connection, "COMMIT"),
            ];
            let rows = pipeline::send(steps).await?;
            rows.iter().flatten().next().map_or(Ok(0), |row| row.try_get(0))
        };
        match asked.await {
            Ok(last) if !self.connector.take_warning() => Ok(last),
            Ok(_) => Err(Failure::Lost(Error::storage("the wait for the replicas was canceled"))),
            Err(error) => {
                drop(Object::take(connection));
                Err(failure::of_statement(error))
            }
        }
    }
}

/// Why a commit was not kept for certain.
enum CommitError {
    Undone(Failure),
    Unknown(Error),
}

/// Answers jobs whose time is up, and which changed nothing.
fn refuse(jobs: Vec<Box<dyn Job>>) {
    counter!(table::STORE_WRITES_REFUSED, "reason" => "late").increment(jobs.len() as u64);
    for job in jobs {
        job.answer(Err(Error::Overloaded));
    }
}

/// Ends a transaction that failed, with its connection where that may be broken.
async fn end(connection: Object, failed: &Failure, until: Instant) {
    let is_usable = match failed {
        Failure::Lost(_) => false,
        Failure::Conflict(_) | Failure::Refused(_) => {
            let undone = timeout_at(until.into(), connection.batch_execute("ROLLBACK")).await;
            undone.is_ok_and(|undone| undone.is_ok())
        }
    };
    if !is_usable {
        drop(Object::take(connection));
    }
}

/// Takes the turn, and runs the writes on what they ask for until each has its result. Where nothing is to be written the
/// transaction is over.
async fn work(client: &ClientWrapper, begun: &mut [Begun]) -> Result<Ready, Failure> {
    let mut answers = Answers::default();
    // What they ask for first is known without the database.
    let mut missing = run_all(begun, &answers, Counters::ASSUMED).missing;
    let counters = take_turn(client, mem::take(&mut missing), &mut answers).await?;
    for _ in 0..LOADS_MAX {
        let mut round = run_all(begun, &answers, counters);
        if let Some((changes, asked)) = round.unwritten.take() {
            ask_between(client, &changes, asked, &mut answers).await?;
        } else if !round.missing.is_empty() {
            let loaded = load::load(client, vec![], round.missing, vec![], &mut answers).await;
            loaded.map_err(failure::of_statement)?;
        } else {
            if round.ready.changes.is_empty() {
                client.batch_execute("ROLLBACK").await.map_err(failure::of_statement)?;
            }
            return Ok(round.ready);
        }
    }
    Err(Failure::Refused(Error::internal("a write asks for more and more")))
}

/// Begins the transaction and takes the turn, and loads what is asked for with it. Returns the last ids.
async fn take_turn(client: &ClientWrapper, asked: IndexSet<Asked>, answers: &mut Answers) -> Result<Counters, Failure> {
    let prepared = client.prepare_cached(COUNTERS).await.map_err(failure::of_statement)?;
    let turn = Box::pin(async {
        let started = Instant::now();
        let taken = pipeline::run(client, TURN).await;
        histogram!(table::STORE_TURN_WAIT).record(started.elapsed());
        taken
    });
    let before: Vec<pipeline::Step<'_>> = vec![turn, pipeline::query(client, &prepared, vec![])];
    let rows = load::load(client, before, asked, vec![], answers).await;
    let rows = rows.map_err(failure::of_statement)?;
    let row = rows.iter().flatten().next();
    let row = row.ok_or_else(|| Failure::Refused(Error::storage("the database has no counters")))?;
    let (counters, is_replica) = read_counters(row).map_err(|reason| Failure::Refused(Error::internal(reason)))?;
    match is_replica {
        true => Err(Failure::Lost(Error::storage("this server is a replica"))),
        false => Ok(counters),
    }
}

fn read_counters(row: &Row) -> Result<(Counters, bool), tokio_postgres::Error> {
    let counters = Counters {
        products: row.try_get(0)?,
        orders: Some(row.try_get(1)?),
        movements: row.try_get(2)?,
        events: row.try_get(3)?,
    };
    Ok((counters, row.try_get(4)?))
}

/// Asks for what a write itself has changed: writes that, asks, and undoes it.
async fn ask_between(
    client: &ClientWrapper,
    changes: &Changes,
    asked: Asked,
    answers: &mut Answers,
) -> Result<(), Failure> {
    let asked_between = async {
        let statements = changes.statements();
        let sqls: Vec<_> = statements.iter().map(|statement| statement.sql).collect();
        let prepared = load::prepare(client, &sqls).await?;
        let mut before = vec![pipeline::run(client, "SAVEPOINT between")];
        for (statement, prepared) in statements.iter().zip(&prepared) {
            let columns = statement.columns.iter().map(|column| &**column as _);
            before.push(pipeline::query(client, prepared, columns.collect()));
        }
        let after = vec![pipeline::run(client, "ROLLBACK TO SAVEPOINT between")];
        load::load(client, before, vec![asked], after, answers)
            .await
            .map(|_| ())
    };
    asked_between.await.map_err(failure::of_statement)
}

/// What came of running all writes once.
struct Round {
    ready: Ready,
    /// What was missing. They must run again if there is anything.
    missing: IndexSet<Asked>,
    /// What is to be asked for between these changes and the rest of a write that is alone.
    unwritten: Option<(Changes, Asked)>,
}

/// Runs all writes, one after the other, on what is known.
fn run_all(begun: &mut [Begun], answers: &Answers, counters: Counters) -> Round {
    let is_alone = begun.len() == 1;
    let mut round = Round {
        ready: Ready {
            ran: Vec::with_capacity(begun.len()),
            changes: Changes::default(),
            counters,
        },
        missing: IndexSet::new(),
        unwritten: None,
    };
    for Begun { job, .. } in begun {
        let Ready { ran, changes, counters } = &mut round.ready;
        let mut session = Session::new(answers, changes, *counters);
        let is_kept = job.run(&mut session);
        let mut outcome = session.end();
        if outcome.must_wait {
            ran.push(Ran::Waits);
        } else if let Some(unwritten) = outcome.unwritten {
            ran.push(Ran::WaitsAlone);
            if let (true, Some(asked)) = (is_alone, outcome.missing.pop()) {
                round.unwritten = Some((unwritten, asked));
            }
        } else if outcome.missing.is_empty() {
            ran.push(Ran::Done);
            if is_kept {
                changes.merge(outcome.changes);
                *counters = outcome.counters;
            }
        } else {
            ran.push(Ran::Done);
            round.missing.extend(outcome.missing);
        }
    }
    round
}

/// Logs why writes were refused.
fn report(error: &Error, writes: usize) {
    counter!(table::STORE_BATCHES_FAILED).increment(1);
    let cause = error.cause();
    if matches!(error, Error::OutcomeUnknown(_)) {
        tracing::error!(
            cause,
            writes,
            "the database failed: whether the writes of this batch were kept is unknown"
        );
    } else {
        tracing::error!(cause, writes, "the database failed: no write of this batch was kept");
    }
}
