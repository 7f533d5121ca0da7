//! Idempotency keys: a POST with an `Idempotency-Key` takes effect once; retries receive the stored response.
//!
//! The response is stored in the same transaction as its effect, as the bytes that were sent.

use axum::body::Bytes;
use orders_inventory_api::respond::Body;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::auth::Caller;
use super::{Problem, Service, etag};
use crate::app::idempotency::{self, IdempotencyKey, Outcome, StoredResponse};
use crate::domain::{Timestamp, Version};
use crate::error::Error;
use crate::store::{Store, Tx};

/// The status of every stored response.
const CREATED: u16 = 201;

/// A request that creates a resource and may carry an idempotency key.
pub(super) struct Request {
    /// Its caller; each caller has its own keys.
    caller: Caller,
    /// Its `Idempotency-Key`, if it has one.
    key: Option<String>,
    /// Its path; each path has its own keys.
    path: String,
    /// Its body, byte for byte.
    body: Bytes,
    /// When it arrived.
    now: Timestamp,
}

impl Request {
    pub(super) fn new(
        caller: Caller,
        key: Option<String>,
        path: impl Into<String>,
        body: Bytes,
        now: Timestamp,
    ) -> Self {
        let path = path.into();
        Self {
            caller,
            key,
            path,
            body,
            now,
        }
    }
}

/// A created resource, as the response to the request.
pub(super) struct Created<M> {
    /// The body.
    pub body: M,
    /// Its address and version; `None` for a resource without an address.
    pub address: Option<Address>,
}

impl<M> Created<M> {
    /// The resource at this path, in this version.
    pub(super) fn at(location: String, version: Version, body: M) -> Self {
        let e_tag = etag::entity_tag(version);
        let address = Some(Address { location, e_tag });
        Self { body, address }
    }
}

/// `Location` and `ETag` of a created resource.
pub(super) struct Address {
    pub location: String,
    pub e_tag: String,
}

/// The response, new or stored.
pub(super) struct CreateResponse<M> {
    /// The body, as a value or as stored bytes.
    pub body: Body<M>,
    /// The address of the created resource.
    pub address: Option<Address>,
    /// `Idempotency-Replayed`, where the response was stored before.
    pub idempotency_replayed: Option<String>,
}

impl<S: Store> Service<S> {
    /// Runs `work`, which creates a resource; with a key, at most once. Once it has been created `then` is called, also
    /// where the caller has left.
    pub(super) async fn create<M, F, A>(&self, request: Request, work: F, then: A) -> Result<CreateResponse<M>, Problem>
    where
        M: Serialize + Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<Created<M>, Error> + Send + 'static,
        A: FnOnce() + Send + 'static,
    {
        let Some(key) = request.key else {
            let Created { body, address } = self.write_then(work, |_| then()).await?;
            return Ok(CreateResponse {
                body: Body::Value(body),
                address,
                idempotency_replayed: None,
            });
        };
        let key = IdempotencyKey {
            caller: request.caller.name(),
            path: request.path,
            key,
        };
        let (body_hash, now) = (Sha256::digest(&request.body).into(), request.now);
        let once = move |tx: &mut dyn Tx| idempotency::once(tx, &key, body_hash, now, |tx| stored_response(work(tx)?));
        let then = |outcome: &Outcome| match outcome {
            Outcome::Fresh(_) => then(),
            Outcome::Replayed(_) => {}
        };
        let (stored, idempotency_replayed) = match self.write_then(once, then).await? {
            Outcome::Fresh(stored) => (stored, None),
            Outcome::Replayed(stored) => (stored, Some("true".to_owned())),
        };
        let address = stored.location.zip(stored.etag);
        Ok(CreateResponse {
            body: Body::Written(stored.body.into()),
            address: address.map(|(location, e_tag)| Address { location, e_tag }),
            idempotency_replayed,
        })
    }
}

impl<M> CreateResponse<M> {
    /// Body, address and `Idempotency-Replayed` of a resource that has an address.
    ///
    /// # Errors
    /// An internal error where the stored response has no address.
    pub(super) fn addressed(self) -> Result<(Body<M>, Address, Option<String>), Problem> {
        let address = self.address;
        let address = address.ok_or_else(|| Error::internal("a stored response has no address"))?;
        Ok((self.body, address, self.idempotency_replayed))
    }
}

fn stored_response<M: Serialize>(created: Created<M>) -> Result<StoredResponse, Error> {
    let Created { body, address } = created;
    let (location, etag) = address.map(|Address { location, e_tag }| (location, e_tag)).unzip();
    Ok(StoredResponse {
        status: CREATED,
        body: serde_json::to_vec(&body).map_err(Error::internal)?,
        location,
        etag,
    })
}
