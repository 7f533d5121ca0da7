//! One read by a command, beside the instances that serve the database. It changes nothing, not even the schema.

use std::time::Instant;

use super::bulk::{Refusal, Session};
use super::connect::CONNECT_WAIT;
use super::open::Target;
use super::{BULK_WAIT, SessionLimits, TURN_WAIT, readers};
use crate::error::Error;
use crate::store::View;

/// Runs `work` on one state of the database, which must be ours and have the schema of this version.
pub(in crate::store) async fn look<T>(
    target: &Target,
    work: impl Fn(&dyn View) -> Result<T, Error>,
) -> Result<Result<T, Error>, Refusal> {
    drop(Session::snapshot(target).await?);
    let limits = SessionLimits {
        statement: BULK_WAIT,
        lock: TURN_WAIT,
        idle_in_transaction: BULK_WAIT,
    };
    let connector = target.connector()?.with_limits(limits);
    let pool = connector.pool(&target.url, 1, CONNECT_WAIT).map_err(Refusal::Failed)?;
    let ran = readers::run(&pool, "look", Instant::now() + BULK_WAIT, work).await;
    Ok(ran.unwrap_or_else(Err))
}
