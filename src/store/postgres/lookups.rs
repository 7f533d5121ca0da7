//! Rows by their keys, for many callers in one round trip.
//!
//! What is asked while a connection is free is asked at once, alone. Questions that come while all are at work gather, and the
//! next one that is free asks all of them: under load a row costs the database a quarter of what a statement of its own does.
//! An answer is never older than its question. What needs two answers of one state is not for here.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use futures_util::FutureExt;
use metrics::histogram;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout_at;

use super::readers;
use super::session::{Answers, Asked};
use crate::error::{Error, panic_message};
use crate::metrics::table;

/// How many questions share a round trip at the most.
const TOGETHER_MAX: usize = 64;
/// How many may wait at the most.
const WAITING_MAX: usize = 4_096;

/// A question, and where its answer goes.
struct Question {
    asked: Asked,
    since: Instant,
    answer: oneshot::Sender<Result<Arc<Answers>, Error>>,
}

/// Where questions go. Clones share it.
#[derive(Clone)]
pub(super) struct Lookups {
    questions: mpsc::Sender<Question>,
}

/// One of those who take what waits and ask the database.
struct Asker {
    questions: Arc<Mutex<mpsc::Receiver<Question>>>,
    pool: Pool,
    /// How long a question may wait until it is asked.
    wait: Duration,
    /// How long the database may take to answer.
    read_timeout: Duration,
}

impl Lookups {
    /// Starts an asker for each connection of this pool. They end when the last clone of this is gone.
    pub(super) fn start(pool: &Pool, wait: Duration, read_timeout: Duration) -> Self {
        let (sender, questions) = mpsc::channel(WAITING_MAX);
        let questions = Arc::new(Mutex::new(questions));
        for _ in 0..pool.status().max_size {
            let asker = Asker {
                questions: Arc::clone(&questions),
                pool: pool.clone(),
                wait,
                read_timeout,
            };
            tokio::spawn(asker.serve());
        }
        Self { questions: sender }
    }

    /// How many questions wait.
    pub(super) fn waiting(&self) -> usize {
        self.questions.max_capacity() - self.questions.capacity()
    }

    /// The answer to one question, and maybe those to others.
    pub(super) async fn ask(&self, asked: Asked, until: Instant) -> Result<Arc<Answers>, Error> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            asked,
            since: Instant::now(),
            answer,
        };
        self.questions.try_send(question).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Closed(_) => super::closed(),
        })?;
        match timeout_at(until.into(), answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(Error::internal("a question was dropped"))),
            Err(_) => Err(Error::storage("the database does not answer")),
        }
    }
}

impl Asker {
    async fn serve(self) {
        let mut taken = Vec::new();
        loop {
            // One at a time takes what waits, all of it, and the next one what comes from then on.
            let count = self.questions.lock().await.recv_many(&mut taken, TOGETHER_MAX).await;
            if count == 0 {
                return;
            }
            let answered = AssertUnwindSafe(self.answer(taken.drain(..).collect())).catch_unwind();
            if let Err(panic) = answered.await {
                tracing::error!(panic = panic_message(&*panic), "a look-up panicked");
            }
        }
    }

    /// Answers all of these.
    async fn answer(&self, taken: Vec<Question>) {
        let mut questions = Vec::with_capacity(taken.len());
        for question in taken {
            let waited = question.since.elapsed();
            histogram!(table::STORE_READ_WAIT, "kind" => "read").record(waited);
            if waited > self.wait {
                // The caller may have left.
                let _ = question.answer.send(Err(Error::Overloaded));
            } else if !question.answer.is_closed() {
                questions.push(question);
            }
        }
        if questions.is_empty() {
            return;
        }
        let asked: HashSet<_> = questions.iter().map(|question| question.asked.clone()).collect();
        let until = Instant::now() + self.read_timeout;
        let answers = readers::look_up(&self.pool, asked.into_iter().collect(), until).await;
        let answers = answers.map(Arc::new);
        for question in questions {
            let _ = question.answer.send(answers.clone());
        }
    }
}
