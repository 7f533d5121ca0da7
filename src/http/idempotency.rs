//! Safe retries: a POST with an `Idempotency-Key` happens once, and its answer is given as often as it is asked for.
//!
//! The answer is written down in the same transaction as its effect, as the very bytes that go out.

use axum::body::Bytes;
use orders_inventory_api::respond::Body;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::auth::Caller;
use super::{Problem, Service};
use crate::app::idempotency::{self, IdempotencyKey, Outcome, StoredResponse};
use crate::domain::Timestamp;
use crate::error::Error;
use crate::store::{Store, Tx};

/// The status of every answer that is kept: something was created.
const CREATED: u16 = 201;

/// What a request asks for when it may come again.
pub(super) struct Request {
    /// Who sent it; a key counts for one caller.
    pub caller: Caller,
    /// Its `Idempotency-Key`, if it has one.
    pub key: Option<String>,
    /// Its path; a key counts for one path.
    pub path: String,
    /// Its body, byte for byte.
    pub body: Bytes,
    /// When it came.
    pub now: Timestamp,
}

/// What was created, and how it is answered.
pub(super) struct Created<M> {
    /// The body.
    pub body: M,
    /// Where to find it and in which version it is; not everything that is created has an address.
    pub address: Option<Address>,
}

/// `Location` and `ETag` of what was created.
pub(super) struct Address {
    pub location: String,
    pub e_tag: String,
}

/// The answer to a request that may come again.
pub(super) struct Answer<M> {
    /// The body, as a value or as it was kept.
    pub body: Body<M>,
    /// Where to find what was created.
    pub address: Option<Address>,
    /// `Idempotency-Replayed`, where it was kept.
    pub idempotency_replayed: Option<String>,
}

impl<S: Store> Service<S> {
    /// Creates what `work` creates; with a key, at most once.
    pub(super) async fn create<M, F>(&self, request: Request, work: F) -> Result<Answer<M>, Problem>
    where
        M: Serialize + Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<Created<M>, Error> + Send + 'static,
    {
        let Request {
            caller,
            key,
            path,
            body,
            now,
        } = request;
        let Some(key) = key else {
            let Created { body, address } = self.write(work).await?;
            return Ok(Answer {
                body: Body::Value(body),
                address,
                idempotency_replayed: None,
            });
        };
        let key = IdempotencyKey {
            caller: caller.name(),
            path,
            key,
        };
        let body_hash = Sha256::digest(&body).into();
        let once = move |tx: &mut dyn Tx| idempotency::once(tx, &key, body_hash, now, |tx| keep(work(tx)?));
        let (kept, idempotency_replayed) = match self.write(once).await? {
            Outcome::Fresh(kept) => (kept, None),
            Outcome::Replayed(kept) => (kept, Some("true".to_owned())),
        };
        let StoredResponse {
            status: _,
            body,
            location,
            etag,
        } = kept;
        Ok(Answer {
            body: Body::Written(body.into()),
            address: location.zip(etag).map(|(location, e_tag)| Address { location, e_tag }),
            idempotency_replayed,
        })
    }
}

impl<M> Answer<M> {
    /// The address that must be there.
    ///
    /// # Errors
    /// An internal error where what was kept has lost it.
    pub(super) fn addressed(self) -> Result<(Body<M>, Address, Option<String>), Problem> {
        let Self {
            body,
            address,
            idempotency_replayed,
        } = self;
        let address = address.ok_or_else(|| Error::internal("an answer was kept without its address"))?;
        Ok((body, address, idempotency_replayed))
    }
}

fn keep<M: Serialize>(created: Created<M>) -> Result<StoredResponse, Error> {
    let Created { body, address } = created;
    let (location, etag) = address.map(|Address { location, e_tag }| (location, e_tag)).unzip();
    Ok(StoredResponse {
        status: CREATED,
        body: serde_json::to_vec(&body).map_err(Error::internal)?,
        location,
        etag,
    })
}
