//! What time alone does: unpaid orders expire, and kept answers go.
//!
//! No request comes in here; like one, it reads the clock and hands `now` to a use case. It asks before it writes, so an
//! idle service stays idle, and it works in bounded batches, so that requests never wait behind a long one.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Clock, Measures};
use crate::app::{idempotency, orders};
use crate::domain::Timestamp;
use crate::error::Error;
use crate::store::Store;

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(1);

/// How much one transaction does at the most.
const BATCH_MAX: usize = 100;

/// Sweeps for as long as the future is polled.
pub async fn run<S: Store>(store: S, clock: Clock, measures: Measures) {
    let mut ticks = tokio::time::interval(PERIOD);
    // After a pause one look does for all the ticks that were missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // The store has logged its own failures, and the next tick tries again.
        if let Err(error) = sweep(&store, clock.now(), &measures).await {
            tracing::debug!(%error, "the sweeper had to stop early");
        }
    }
}

/// Does all that is due: cancels unpaid orders whose time is up, and removes answers that are given no longer.
///
/// # Errors
/// As the store's.
pub async fn sweep<S: Store>(store: &S, now: Timestamp, measures: &Measures) -> Result<(), Error> {
    if store.read(move |view| orders::is_any_due(view, now)).await? {
        let mut canceled = 0;
        loop {
            let expired = store.write(move |tx| orders::expire_due(tx, now, BATCH_MAX)).await?;
            measures.orders_expired(expired.count);
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
