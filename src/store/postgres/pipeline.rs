//! Several statements in one round trip.
//!
//! A statement is sent when its future is polled for the first time, and the answers come in the order of the statements.
//! So what begins a transaction must be polled before what belongs to it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use deadpool_postgres::ClientWrapper;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

/// A statement on its way, and the rows that it gives.
pub(super) type Step<'s> = BoxFuture<'s, Result<Vec<Row>, Error>>;

/// Statements without parameters, such as `BEGIN`.
pub(super) fn run<'s>(client: &'s ClientWrapper, sql: &'s str) -> Step<'s> {
    Box::pin(async move {
        client.batch_execute(sql).await?;
        Ok(Vec::new())
    })
}

/// A prepared statement.
pub(super) fn query<'s>(
    client: &'s ClientWrapper,
    prepared: &'s Statement,
    params: Vec<&'s (dyn ToSql + Sync)>,
) -> Step<'s> {
    Box::pin(async move { client.query(prepared, &params).await })
}

/// Sends all of them in their order, and waits for all answers. The first that failed is the result, for those after it
/// failed because of it.
pub(super) async fn send(steps: Vec<Step<'_>>) -> Result<Vec<Vec<Row>>, Error> {
    let mut steps: Vec<MaybeDone<Step<'_>>> = steps.into_iter().map(maybe_done).collect();
    poll_fn(|context| {
        let mut all = Poll::Ready(());
        for step in &mut steps {
            if Pin::new(step).poll(context).is_pending() {
                all = Poll::Pending;
            }
        }
        all
    })
    .await;
    let done = steps.iter_mut().filter_map(|step| Pin::new(step).take_output());
    done.collect()
}
