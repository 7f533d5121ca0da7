//! The verbs of kept answers in SQL.

use rusqlite::params;

use super::{Session, sql_limit};
use crate::domain::Timestamp;
use crate::error::Error;
use crate::store::sqlite::rows::{self, answer_columns};
use crate::store::{Kept, KeptTx, KeptView, Key, StoredAnswer};

pub(super) const STORED_ANSWER: &str = concat!(
    "SELECT ",
    answer_columns!(),
    " FROM kept_answers WHERE caller = ?1 AND path = ?2 AND key = ?3"
);

pub(super) const HAS_ANSWER_KEPT_UNTIL: &str = "SELECT EXISTS (SELECT 1 FROM kept_answers WHERE kept_at_ms <= ?1)";

pub(super) const DELETE_ANSWERS: &str = "DELETE FROM kept_answers WHERE number IN \
     (SELECT number FROM kept_answers WHERE kept_at_ms <= ?1 ORDER BY kept_at_ms LIMIT ?2)";

impl KeptView for Session<'_> {
    fn stored_answer(&self, key: &Key) -> Result<Option<StoredAnswer>, Error> {
        let Key { caller, path, key } = key;
        self.one(STORED_ANSWER, params![caller, path, key], rows::stored_answer)
    }

    fn has_answer_kept_until(&self, until: Timestamp) -> Result<bool, Error> {
        self.exactly_one(HAS_ANSWER_KEPT_UNTIL, params![until], |row| row.get(0))
    }
}

impl KeptTx for Session<'_> {
    fn store_answer(&mut self, key: &Key, stored: &StoredAnswer) -> Result<(), Error> {
        const SQL: &str = concat!(
            "INSERT OR REPLACE INTO kept_answers (caller, path, key, ",
            answer_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        );
        let Key { caller, path, key } = key;
        let StoredAnswer {
            body_hash,
            answer,
            kept_at,
        } = stored;
        let Kept {
            status,
            body,
            location,
            etag,
        } = answer;
        self.change_one(
            SQL,
            params![caller, path, key, body_hash, status, body, location, etag, kept_at],
        )
    }

    fn delete_answers_kept_until(&mut self, until: Timestamp, limit: usize) -> Result<usize, Error> {
        self.change(DELETE_ANSWERS, params![until, sql_limit(limit)])
    }
}
