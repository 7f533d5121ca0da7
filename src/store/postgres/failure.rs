//! Which of our errors a failure of PostgreSQL is, and what can be done about it.

use std::error::Error as StdError;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::{Severity, SqlState};

use crate::error::Error;

/// What a failure says, with everything behind it: by itself PostgreSQL's driver says "db error".
pub(super) fn text(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Why a transaction did not do what it was to do.
#[derive(Debug)]
pub(super) enum Failure {
    /// It met another's work, or what it did cannot be stored; nothing was changed. It can be tried again.
    Conflict(Error),
    /// The connection is of no use any more; nothing was changed. It can be tried again on another.
    Lost(Error),
    /// It is not to be tried again; nothing was changed.
    Refused(Error),
}

impl Failure {
    /// The error, where nothing is tried again.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Conflict(error) | Self::Lost(error) | Self::Refused(error) => error,
        }
    }
}

/// What to do about a statement that failed before a commit was sent.
#[expect(clippy::needless_pass_by_value, reason = "what map_err calls")]
pub(super) fn of_statement(error: tokio_postgres::Error) -> Failure {
    let text = text(&error);
    let Some(code) = error.code().cloned() else {
        // No answer of the server: the connection broke, or a value cannot be sent or read.
        return match error.is_closed() || is_io(&error) {
            true => Failure::Lost(Error::storage(text)),
            false => Failure::Refused(Error::internal(text)),
        };
    };
    match code {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Failure::Conflict(Error::Overloaded),
        // The statement's or the lock's time was up.
        SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => Failure::Refused(Error::Overloaded),
        // Another server is the primary by now.
        SqlState::READ_ONLY_SQL_TRANSACTION => Failure::Lost(Error::storage(text)),
        // Integrity constraints: 23xxx. Rows that are not as they were read: P0002, from `expect_rows`.
        code if code.code().starts_with("23") || code == SqlState::NO_DATA_FOUND => {
            Failure::Conflict(Error::internal(text))
        }
        code if is_about_connections(&code) => Failure::Lost(Error::storage(text)),
        // A session that was ended for its idleness.
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Failure::Lost(Error::storage(text)),
        // Resources, limits of the system, damage: 53xxx, 58xxx, XX00x.
        code if ["53", "58", "XX"].iter().any(|class| code.code().starts_with(class)) => {
            Failure::Refused(Error::storage(text))
        }
        _ => Failure::Refused(Error::internal(text)),
    }
}

/// Whether this is about connections, or the operator ended one: 08xxx, 57xxx.
fn is_about_connections(code: &SqlState) -> bool {
    code.code().starts_with("08") || code.code().starts_with("57")
}

/// What to do where there is no connection.
pub(super) fn of_pool(error: PoolError) -> Failure {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => Failure::Refused(Error::Overloaded),
        // The server said no, such as to a password; but not one that goes down or comes up.
        PoolError::Backend(error) if error.code().is_some_and(|code| !is_about_connections(code)) => {
            Failure::Refused(Error::storage(text(&error)))
        }
        PoolError::Backend(error) => Failure::Lost(Error::storage(text(&error))),
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_) => Failure::Refused(Error::storage(format!("no connection: {error}"))),
    }
}

/// Whether a failure of the statements of a commit means for certain that nothing was changed: the server said so, and
/// went on. One that ends the session, or the server, may come when the commit is written.
pub(super) fn undoes_commit(error: &tokio_postgres::Error) -> bool {
    let Some(error) = error.as_db_error() else {
        return false;
    };
    error.parsed_severity() == Some(Severity::Error) && !is_about_connections(error.code())
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}
