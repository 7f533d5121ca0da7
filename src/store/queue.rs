//! A write on its way to a backend's writer, and its result on the way back.
//!
//! A job is either run or canceled, never both: the first claim decides, the writer's or that of a caller whose wait has
//! ended. So a caller who is told that nothing was changed can rely on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, panic_message};
use crate::store::Tx;

/// A write that waits for the writer.
pub(super) trait Job: Send {
    /// Takes the job for running it; false if its caller no longer waits or has waited too long.
    fn claim(&self, now: Instant) -> bool;

    /// Runs the work and holds its result; whether what it wrote is to be kept.
    fn run(&mut self, tx: &mut dyn Tx) -> bool;

    /// Whether the last run succeeded, so that its transaction is to keep what it wrote.
    fn succeeded(&self) -> bool;

    /// Answers with the result of the run, whose transaction has ended, or with the error of the transaction.
    fn answer(self: Box<Self>, outcome: Result<(), Error>);
}

/// What a caller holds until its write is answered.
pub(super) struct Ticket<T> {
    claimed: Arc<AtomicBool>,
    reply: oneshot::Receiver<Result<T, Error>>,
    wait: Duration,
}

/// A job for this work and what follows its commit, and the ticket with which its caller waits. The job begins within
/// `wait` or never.
pub(super) fn job<T, F, A>(work: F, then: A, wait: Duration) -> (Box<dyn Job>, Ticket<T>)
where
    T: Send + 'static,
    F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
    A: FnOnce(&T) + Send + 'static,
{
    let (sender, reply) = oneshot::channel();
    let claimed = Arc::new(AtomicBool::new(false));
    let expires_at = Instant::now() + wait;
    let job = Work {
        work,
        then,
        result: None,
        claimed: Arc::clone(&claimed),
        reply: sender,
        expires_at,
    };
    (Box::new(job), Ticket { claimed, reply, wait })
}

impl<T> Ticket<T> {
    /// The answer, or [`Error::Overloaded`] once the job was canceled because it had not begun in time.
    pub(super) async fn wait(mut self) -> Result<T, Error> {
        if let Ok(answer) = tokio::time::timeout(self.wait, &mut self.reply).await {
            return answer.unwrap_or_else(|_| Err(no_answer()));
        }
        if claim(&self.claimed) {
            return Err(Error::Overloaded);
        }
        // It has begun, so its outcome is known soon.
        self.reply.await.unwrap_or_else(|_| Err(no_answer()))
    }
}

/// The writer ended in the middle of it.
fn no_answer() -> Error {
    Error::outcome_unknown("the writer dropped a write that had begun")
}

/// Whether this is the first claim.
fn claim(claimed: &AtomicBool) -> bool {
    !claimed.swap(true, Ordering::AcqRel)
}

struct Work<T, F, A> {
    work: F,
    then: A,
    result: Option<Result<T, Error>>,
    claimed: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<T, Error>>,
    expires_at: Instant,
}

impl<T, F, A> Job for Work<T, F, A>
where
    T: Send,
    F: Fn(&mut dyn Tx) -> Result<T, Error> + Send,
    A: FnOnce(&T) + Send,
{
    fn claim(&self, now: Instant) -> bool {
        now < self.expires_at && !self.reply.is_closed() && claim(&self.claimed)
    }

    fn run(&mut self, tx: &mut dyn Tx) -> bool {
        // After a panic the result is replaced and the writes are rolled back, so no broken state is seen.
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(tx)))
            .unwrap_or_else(|panic| Err(Error::internal(format!("a write panicked: {}", panic_message(&*panic)))));
        self.result.insert(result).is_ok()
    }

    fn succeeded(&self) -> bool {
        self.result.as_ref().is_some_and(Result::is_ok)
    }

    fn answer(self: Box<Self>, outcome: Result<(), Error>) {
        let Self {
            then, result, reply, ..
        } = *self;
        let result = match outcome {
            Ok(()) => result.unwrap_or_else(|| Err(Error::internal("a write was answered without being run"))),
            Err(error) => Err(error),
        };
        if let Ok(result) = &result {
            let then = catch_unwind(AssertUnwindSafe(|| then(result)));
            if let Err(panic) = then {
                tracing::error!(panic = panic_message(&*panic), "what follows a commit panicked");
            }
        }
        // A caller that has left needs no answer.
        let _ = reply.send(result);
    }
}
