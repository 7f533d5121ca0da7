//! The verbs of idempotency keys: the response that is stored for a request that may come again.
//!
//! It compares keys and stores bytes. What a response means, and how long it counts, is decided above.

use crate::domain::Timestamp;
use crate::error::Error;

/// What identifies a request that may come again. The store compares the parts and never reads them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// The caller; empty where callers have no names.
    pub caller: String,
    /// The path of the request.
    pub path: String,
    /// The caller's own name for the request.
    pub key: String,
}

/// A response that can be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// The `Location` of what was created.
    pub location: Option<String>,
    /// The `ETag` of what was created.
    pub etag: Option<String>,
}

/// What is stored under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The digest of the request's body.
    pub body_hash: [u8; 32],
    /// The response.
    pub response: StoredResponse,
    /// When the response was first sent.
    pub created_at: Timestamp,
}

/// What can be read about idempotency keys.
pub trait IdempotencyView {
    /// The record under this key.
    fn idempotency_record(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, Error>;

    /// Whether any record was created then or before.
    fn has_idempotency_records_until(&self, until: Timestamp) -> Result<bool, Error>;
}

/// What can be written about idempotency keys.
pub trait IdempotencyTx: IdempotencyView {
    /// Stores a record under this key and replaces one that is there.
    fn save_idempotency_record(&mut self, key: &IdempotencyKey, record: &IdempotencyRecord) -> Result<(), Error>;

    /// Deletes at most `limit` records that were created then or before, the oldest first, and returns how many.
    fn delete_idempotency_records_until(&mut self, until: Timestamp, limit: usize) -> Result<usize, Error>;
}
