//! The verbs of answers that are kept for requests that come again.

use crate::domain::Timestamp;
use crate::error::Error;

/// What a request that may come again is known by. Each part is a text that the store compares and never reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who asks; empty where nobody has a name.
    pub caller: String,
    /// What is asked for.
    pub path: String,
    /// The caller's own name for the request.
    pub key: String,
}

/// An answer that is given again. What its parts mean is for those to know who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// Where to find what was made.
    pub location: Option<String>,
    /// The version of what was made.
    pub etag: Option<String>,
}

/// An answer as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The digest of the body that was asked with.
    pub body_hash: [u8; 32],
    /// The answer.
    pub answer: Kept,
    /// When it was given first.
    pub kept_at: Timestamp,
}

/// What can be read about kept answers.
pub trait KeptView {
    /// The answer that is stored under this key.
    fn stored_answer(&self, key: &Key) -> Result<Option<StoredAnswer>, Error>;

    /// Whether any answer was kept then or before.
    fn has_answer_kept_until(&self, until: Timestamp) -> Result<bool, Error>;
}

/// What can be written about kept answers.
pub trait KeptTx: KeptView {
    /// Stores an answer under this key, in place of one that is there.
    fn store_answer(&mut self, key: &Key, stored: &StoredAnswer) -> Result<(), Error>;

    /// Removes at most `limit` answers that were kept then or before, the oldest first, and says how many.
    fn delete_answers_kept_until(&mut self, until: Timestamp, limit: usize) -> Result<usize, Error>;
}
