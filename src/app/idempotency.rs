//! Idempotency keys: the first success is stored with its effect, and returned again.
//!
//! It compares keys and digests. It knows nothing of headers, and does not read the response that it stores.

use std::time::Duration;

use tracing::instrument;

use crate::domain::Timestamp;
use crate::error::Error;
use crate::store::{IdempotencyRecord, Tx, View};

pub use crate::store::{IdempotencyKey, StoredResponse};

/// How long a response is stored.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// A response, and whether it is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is new, and so is its effect.
    Fresh(StoredResponse),
    /// It is the stored response of the first request, and nothing was done now.
    Replayed(StoredResponse),
}

/// Runs `run` once: its response is stored in the same transaction as its effect, and returned again for the same key and
/// body within [`RETENTION`]. Only successes are stored; after a failure the key is as if never used.
///
/// # Errors
/// [`Error::IdempotencyKeyReused`] where the key came with another body before; else what `run` refuses.
#[instrument(level = "debug", name = "idempotency::once", skip_all)]
pub fn once(
    tx: &mut dyn Tx,
    key: &IdempotencyKey,
    body_hash: [u8; 32],
    now: Timestamp,
    run: impl FnOnce(&mut dyn Tx) -> Result<StoredResponse, Error>,
) -> Result<Outcome, Error> {
    let record = tx
        .idempotency_record(key)?
        .filter(|record| record.created_at > expired_until(now));
    match record {
        Some(record) if record.body_hash == body_hash => Ok(Outcome::Replayed(record.response)),
        Some(_) => Err(Error::IdempotencyKeyReused),
        None => {
            let record = IdempotencyRecord {
                body_hash,
                response: run(tx)?,
                created_at: now,
            };
            tx.save_idempotency_record(key, &record)?;
            Ok(Outcome::Fresh(record.response))
        }
    }
}

/// Whether [`sweep`] has anything to do.
///
/// # Errors
/// As the storage fails.
pub fn is_any_expired(view: &dyn View, now: Timestamp) -> Result<bool, Error> {
    view.has_idempotency_records_until(expired_until(now))
}

/// Deletes expired records, at most `limit` of them, and returns how many.
///
/// # Errors
/// As the storage fails.
#[instrument(level = "debug", name = "idempotency::sweep", skip_all, fields(limit))]
pub fn sweep(tx: &mut dyn Tx, now: Timestamp, limit: usize) -> Result<usize, Error> {
    tx.delete_idempotency_records_until(expired_until(now), limit)
}

/// A record that was created then or before has expired.
fn expired_until(now: Timestamp) -> Timestamp {
    now.before(RETENTION)
}
