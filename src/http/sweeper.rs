//! The sweeper: cancels unpaid orders that have expired, and deletes stored responses that have expired.
//!
//! It reads before it writes, so that an idle service writes nothing, and writes in bounded batches, so that requests
//! do not wait for a long transaction. It reads the clock and passes `now` to a use case, as a request does.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Clock, after_commit};
use crate::app::{idempotency, orders};
use crate::domain::Timestamp;
use crate::error::Error;
use crate::store::{Store, Tx};

/// How often it looks for work.
const PERIOD: Duration = Duration::from_secs(1);

/// How many rows one transaction changes at most.
const BATCH_MAX: usize = 100;

/// Sweeps for as long as the future is polled.
pub async fn run<S: Store>(store: S, clock: Clock) {
    let mut ticks = tokio::time::interval(PERIOD);
    // After a pause, one sweep makes up for all missed ticks.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // The store has logged its own failures, and the next tick tries again.
        if let Err(error) = sweep(&store, clock.now()).await {
            tracing::debug!(%error, "the sweep failed");
        }
    }
}

/// Sweeps once: cancels unpaid orders and deletes stored responses that have expired.
///
/// # Errors
/// Those of the store.
pub async fn sweep<S: Store>(store: &S, now: Timestamp) -> Result<(), Error> {
    if store.read(move |view| orders::is_any_due(view, now)).await? {
        let mut canceled = 0;
        loop {
            let expire = move |tx: &mut dyn Tx| orders::expire_due(tx, now, BATCH_MAX);
            let expired = store.write_then(expire, after_commit::orders_expired).await?;
            canceled += expired.count;
            if !expired.has_more {
                break;
            }
        }
        tracing::info!(canceled, "unpaid orders expired");
    }
    if store.read(move |view| idempotency::is_any_expired(view, now)).await? {
        while store.write(move |tx| idempotency::sweep(tx, now, BATCH_MAX)).await? == BATCH_MAX {}
    }
    Ok(())
}
