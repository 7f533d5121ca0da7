//! Short reads of one question each, for many callers in one round trip.
//!
//! While a connection is free, a look-up is sent at once and alone. Look-ups that come while all connections are busy are
//! queued, and the next free connection sends many of them together: rows by their keys in one statement, which then cost the
//! database about a quarter each, and pages in a statement each. An answer is never older than its question. A read that needs
//! several answers of one state does not come here.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use futures_util::FutureExt;
use metrics::histogram;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::session::{Answers, Asked};
use super::{Options, readers};
use crate::error::{Error, panic_message};
use crate::metrics::table;

/// How many rows share a statement at the most.
pub(super) const ROWS_MAX: usize = 64;
/// How many pages share a round trip at the most. They are read one after the other, so the last one waits for all.
pub(super) const PAGES_MAX: usize = 16;
/// How many may wait at the most; more are refused.
const WAITING_MAX: usize = 4_096;

/// Where look-ups go. Clones share it.
#[derive(Clone)]
pub(super) struct Lookups {
    queue: mpsc::Sender<Lookup>,
    /// How long one may take, with its wait.
    timeout: Duration,
}

/// One question, and where its answer goes.
struct Lookup {
    asked: Asked,
    since: Instant,
    answer: oneshot::Sender<Result<Arc<Answers>, Error>>,
}

/// A task that takes what waits and asks the database. There is one for each connection.
struct Worker {
    queue: Arc<Mutex<mpsc::Receiver<Lookup>>>,
    pool: Pool,
    batch_max: usize,
    /// How long a look-up may wait before it is refused.
    wait: Duration,
    read_timeout: Duration,
}

impl Lookups {
    /// Starts a worker for each connection of this pool, which asks so many questions at once at the most. They end when the
    /// last clone of this is gone.
    pub(super) fn start(pool: &Pool, batch_max: usize, options: &Options) -> Self {
        let (sender, queue) = mpsc::channel(WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..pool.status().max_size {
            let worker = Worker {
                queue: Arc::clone(&queue),
                pool: pool.clone(),
                batch_max,
                wait: options.connection_wait,
                read_timeout: options.read_timeout,
            };
            tokio::spawn(worker.serve());
        }
        Self {
            queue: sender,
            timeout: options.read_timeout,
        }
    }

    /// How many look-ups wait for a connection.
    pub(super) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// The answer to this question, and perhaps to others.
    pub(super) async fn ask(&self, asked: Asked) -> Result<Arc<Answers>, Error> {
        let (answer, answered) = oneshot::channel();
        let lookup = Lookup {
            asked,
            since: Instant::now(),
            answer,
        };
        self.queue.try_send(lookup).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Closed(_) => super::closed(),
        })?;
        match timeout(self.timeout, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(Error::internal("a look-up was dropped"))),
            Err(_) => Err(readers::silent()),
        }
    }
}

impl Worker {
    async fn serve(self) {
        let mut taken = Vec::new();
        // One worker at a time takes all that waits, and the next one what comes from then on.
        while self.queue.lock().await.recv_many(&mut taken, self.batch_max).await > 0 {
            let answered = AssertUnwindSafe(self.answer(taken.split_off(0))).catch_unwind();
            if let Err(panic) = answered.await {
                tracing::error!(panic = panic_message(&*panic), "a look-up panicked");
            }
        }
    }

    /// Answers all of these with one round trip.
    async fn answer(&self, taken: Vec<Lookup>) {
        let mut lookups = Vec::with_capacity(taken.len());
        for lookup in taken {
            let waited = lookup.since.elapsed();
            histogram!(table::STORE_READ_WAIT, "kind" => "read").record(waited);
            if waited > self.wait {
                // The receiver may be gone, here and below: its caller has left.
                let _ = lookup.answer.send(Err(Error::Overloaded));
            } else if !lookup.answer.is_closed() {
                lookups.push(lookup);
            }
        }
        if lookups.is_empty() {
            return;
        }
        let asked: HashSet<_> = lookups.iter().map(|lookup| lookup.asked.clone()).collect();
        let until = Instant::now() + self.read_timeout;
        let answers = readers::look_up(&self.pool, asked.into_iter().collect(), until).await;
        let answers = answers.map(Arc::new);
        for lookup in lookups {
            let _ = lookup.answer.send(answers.clone());
        }
    }
}
