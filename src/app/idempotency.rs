//! Requests that may come again: the first success is kept with its effect, and answered again.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::error::Error;
use crate::store::{StoredAnswer, Tx, View};

pub use crate::store::{Kept, Key};

/// How long an answer is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer, and whether it was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is new, and so is its effect.
    Fresh(Kept),
    /// It is the one kept from the first time, and nothing was done now.
    Replayed(Kept),
}

/// Runs `run` once: its answer is kept in the same transaction as what it does, and given again to whoever comes with
/// the same key and body within [`KEPT_FOR`]. Only successes are kept; after a failure the key is as if never used.
///
/// # Errors
/// [`Error::IdempotencyKeyReused`] where the key came with another body before; else what `run` refuses.
pub fn once(
    tx: &mut dyn Tx,
    key: &Key,
    body_hash: [u8; 32],
    now: Timestamp,
    run: impl FnOnce(&mut dyn Tx) -> Result<Kept, Error>,
) -> Result<Outcome, Error> {
    let stored = tx
        .stored_answer(key)?
        .filter(|stored| stored.kept_at > oldest_kept(now));
    match stored {
        Some(stored) if stored.body_hash == body_hash => Ok(Outcome::Replayed(stored.answer)),
        Some(_) => Err(Error::IdempotencyKeyReused),
        None => {
            let stored = StoredAnswer {
                body_hash,
                answer: run(tx)?,
                kept_at: now,
            };
            tx.store_answer(key, &stored)?;
            Ok(Outcome::Fresh(stored.answer))
        }
    }
}

/// Whether anything waits for [`sweep`].
///
/// # Errors
/// As the storage fails.
pub fn is_any_expired(view: &dyn View, now: Timestamp) -> Result<bool, Error> {
    view.has_answer_kept_until(oldest_kept(now))
}

/// Removes answers that are given no longer, at most `limit` of them, and says how many.
///
/// # Errors
/// As the storage fails.
pub fn sweep(tx: &mut dyn Tx, now: Timestamp, limit: usize) -> Result<usize, Error> {
    tx.delete_answers_kept_until(oldest_kept(now), limit)
}

/// What was kept then, or before, is given no longer.
fn oldest_kept(now: Timestamp) -> Timestamp {
    now.before(KEPT_FOR)
}
