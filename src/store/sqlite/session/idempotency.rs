//! The verbs of idempotency keys in SQL.
//!
//! Decides nothing: a record is stored, found by its whole key, and deleted by its age.

use rusqlite::params;

use super::{Session, sql_limit};
use crate::domain::Timestamp;
use crate::error::Error;
use crate::store::rows::idempotency_columns;
use crate::store::{IdempotencyKey, IdempotencyRecord, IdempotencyTx, IdempotencyView};

pub(super) const RECORD: &str = concat!(
    "SELECT ",
    idempotency_columns!(),
    " FROM idempotency_keys WHERE caller = ?1 AND path = ?2 AND key = ?3"
);

pub(super) const HAS_RECORDS_UNTIL: &str = "SELECT EXISTS (SELECT 1 FROM idempotency_keys WHERE created_at_ms <= ?1)";

pub(super) const DELETE_RECORDS: &str = "DELETE FROM idempotency_keys WHERE number IN \
     (SELECT number FROM idempotency_keys WHERE created_at_ms <= ?1 ORDER BY created_at_ms LIMIT ?2)";

impl IdempotencyView for Session<'_> {
    fn idempotency_record(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, Error> {
        let IdempotencyKey { caller, path, key } = key;
        self.one(RECORD, params![caller, path, key])
    }

    fn has_idempotency_records_until(&self, until: Timestamp) -> Result<bool, Error> {
        self.exactly_one(HAS_RECORDS_UNTIL, params![until])
    }
}

impl IdempotencyTx for Session<'_> {
    fn save_idempotency_record(&mut self, key: &IdempotencyKey, record: &IdempotencyRecord) -> Result<(), Error> {
        const SQL: &str = concat!(
            "INSERT OR REPLACE INTO idempotency_keys (caller, path, key, ",
            idempotency_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        );
        let IdempotencyKey { caller, path, key } = key;
        let response = &record.response;
        let (hash, status, body) = (record.body_hash, response.status, &response.body);
        let (location, etag, created_at) = (&response.location, &response.etag, record.created_at);
        self.change_one(
            SQL,
            params![caller, path, key, hash, status, body, location, etag, created_at],
        )
    }

    fn delete_idempotency_records_until(&mut self, until: Timestamp, limit: usize) -> Result<usize, Error> {
        self.change(DELETE_RECORDS, params![until, sql_limit(limit)])
    }
}
