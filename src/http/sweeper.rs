//! The sweeper: unpaid orders expire, and stored responses are deleted after their time.
//!
//! It reads before it writes, so an idle service stays idle, and works in bounded batches, so that no request waits behind
//! a long one. Like a request it reads the clock and hands `now` to a use case.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Clock, Metrics};
use crate::app::{idempotency, orders};
use crate::domain::Timestamp;
use crate::error::Error;
use crate::store::Store;

/// How often it looks for work.
const PERIOD: Duration = Duration::from_secs(1);

/// How much one transaction does at the most.
const BATCH_MAX: usize = 100;

/// Sweeps for as long as the future is polled.
pub async fn run<S: Store>(store: S, clock: Clock, metrics: Metrics) {
    let mut ticks = tokio::time::interval(PERIOD);
    // After a pause one look is enough for all the ticks that were missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // The store has logged its own failures, and the next tick tries again.
        if let Err(error) = sweep(&store, clock.now(), &metrics).await {
            tracing::debug!(%error, "the sweeper had to stop early");
        }
    }
}

/// Does all that is due: cancels unpaid orders whose time is up, and deletes stored responses that have expired.
///
/// # Errors
/// As the store's.
pub async fn sweep<S: Store>(store: &S, now: Timestamp, metrics: &Metrics) -> Result<(), Error> {
    if store.read(move |view| orders::is_any_due(view, now)).await? {
        let mut canceled = 0;
        loop {
            let expired = store.write(move |tx| orders::expire_due(tx, now, BATCH_MAX)).await?;
            metrics.orders_expired(expired.count);
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
