//! What the service wants of a server: that it is a primary, knows what is needed, and loses nothing that it has said is
//! kept.

use tokio_postgres::Client;

use super::failure;

/// The oldest version that is served, as the server counts it: the first one that notices that a client has left.
const VERSION_MIN: i32 = 140_000;

/// Everything in one question. A role that is no superuser sees the replicas as rows whose state is hidden, and all of these
/// settings. `reset_val` is what the server, the database and the role say before the session's own SET.
const STATE: &str = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
     current_setting('server_encoding'), pg_is_in_recovery(), current_setting('fsync'), \
     current_setting('full_page_writes'), \
     (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'), \
     current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication), \
     current_setting('default_transaction_read_only') = 'on'";

/// Whether a server may lose what it acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It may not.
    Required,
    /// It may, by the operator's choice.
    Waived,
    /// Nothing is written.
    Unasked,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    version: i32,
    version_name: String,
    encoding: String,
    is_replica: bool,
    is_read_only: bool,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    synchronous_standbys: String,
    /// How many servers copy from it.
    pub(super) replicas: i64,
}

impl State {
    /// Asks the server.
    pub(super) async fn ask(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let row = client.query_one(STATE, &[]).await?;
        Ok(Self {
            version: row.try_get(0)?,
            version_name: row.try_get(1)?,
            encoding: row.try_get(2)?,
            is_replica: row.try_get(3)?,
            fsync: row.try_get(4)?,
            full_page_writes: row.try_get(5)?,
            synchronous_commit: row.try_get(6)?,
            synchronous_standbys: row.try_get(7)?,
            replicas: row.try_get(8)?,
            is_read_only: row.try_get(9)?,
        })
    }

    /// Whether a commit waits for a replica.
    pub(super) fn is_synchronous(&self) -> bool {
        !self.synchronous_standbys.trim().is_empty()
    }

    /// Why the server cannot be used at all, as the rest of a sentence about it.
    pub(super) fn unfit(&self) -> Option<String> {
        if self.version < VERSION_MIN {
            return Some(format!(
                "is PostgreSQL {}; 14 or a newer one is needed",
                self.version_name
            ));
        }
        if self.encoding != "UTF8" {
            return Some(format!("has the encoding {}; UTF8 is needed", self.encoding));
        }
        self.is_replica.then(|| {
            "is a replica, which cannot be written; name all servers and target_session_attrs=read-write".to_owned()
        })
    }

    /// Why it takes no writes, as the rest of a sentence about it.
    pub(super) fn unwritable_because(&self) -> Option<String> {
        self.is_read_only
            .then(|| "takes no writes from this role in this database (default_transaction_read_only is on)".to_owned())
    }

    /// Why it can lose what it acknowledged, as the rest of a sentence about it.
    pub(super) fn unsafe_because(&self) -> Option<String> {
        if self.fsync != "on" {
            return Some("runs with fsync off, so a crash loses acknowledged writes".to_owned());
        }
        if self.full_page_writes != "on" {
            return Some("runs with full_page_writes off, so a crash can damage it".to_owned());
        }
        if !["on", "remote_apply"].contains(&&*self.synchronous_commit) {
            return Some(format!(
                "has synchronous_commit = {}, so a crash loses acknowledged writes",
                self.synchronous_commit
            ));
        }
        (self.replicas > 0 && !self.is_synchronous()).then(|| {
            "has replicas and none of them is synchronous (synchronous_standby_names is empty), so a failover loses \
             acknowledged writes"
                .to_owned()
        })
    }
}

impl Durability {
    /// Refuses a server that is unfit, or that can lose what it acknowledged.
    ///
    /// # Errors
    /// The reason, as the rest of a sentence about the server.
    pub(super) async fn check(self, client: &Client) -> Result<State, String> {
        let state = State::ask(client).await.map_err(|error| failure::text(&error))?;
        if let Some(reason) = state.unfit() {
            return Err(reason);
        }
        let refusal = match self {
            Self::Required => state.unwritable_because().or_else(|| {
                let reason = state.unsafe_because()?;
                Some(format!("{reason}; ALLOW_ASYNC_REPLICATION=true serves it all the same"))
            }),
            Self::Waived => state.unwritable_because(),
            Self::Unasked => None,
        };
        refusal.map_or(Ok(state), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            version: 180_006,
            version_name: "18.6".to_owned(),
            encoding: "UTF8".to_owned(),
            is_replica: false,
            is_read_only: false,
            fsync: "on".to_owned(),
            full_page_writes: "on".to_owned(),
            synchronous_commit: "on".to_owned(),
            synchronous_standbys: String::new(),
            replicas: 0,
        }
    }

    #[test]
    fn a_primary_that_loses_nothing_is_fit() {
        assert_eq!((state().unfit(), state().unsafe_because()), (None, None));
        let replicated = State {
            replicas: 2,
            synchronous_standbys: "*".to_owned(),
            synchronous_commit: "remote_apply".to_owned(),
            ..state()
        };
        assert_eq!(replicated.unsafe_because(), None);
    }

    #[test]
    fn what_can_lose_writes_is_named() {
        let cases = [
            (
                State {
                    fsync: "off".to_owned(),
                    ..state()
                },
                "fsync",
            ),
            (
                State {
                    full_page_writes: "off".to_owned(),
                    ..state()
                },
                "full_page_writes",
            ),
            (
                State {
                    synchronous_commit: "off".to_owned(),
                    ..state()
                },
                "synchronous_commit = off",
            ),
            (
                State {
                    synchronous_commit: "local".to_owned(),
                    ..state()
                },
                "synchronous_commit = local",
            ),
            (
                State {
                    synchronous_commit: "remote_write".to_owned(),
                    ..state()
                },
                "synchronous_commit = remote_write",
            ),
            (State { replicas: 1, ..state() }, "none of them is synchronous"),
        ];
        for (state, reason) in cases {
            assert!(state.unsafe_because().unwrap().contains(reason), "{reason}");
        }
    }

    #[test]
    fn what_cannot_be_served_is_named() {
        let cases = [
            (
                State {
                    version: 130_014,
                    version_name: "13.14".to_owned(),
                    ..state()
                },
                "PostgreSQL 13.14",
            ),
            (
                State {
                    encoding: "SQL_ASCII".to_owned(),
                    ..state()
                },
                "SQL_ASCII",
            ),
            (
                State {
                    is_replica: true,
                    ..state()
                },
                "is a replica",
            ),
        ];
        for (state, reason) in cases {
            assert!(state.unfit().unwrap().contains(reason), "{reason}");
        }
        assert_eq!(state().unwritable_because(), None);
        let state = State {
            is_read_only: true,
            ..state()
        };
        assert!(
            state
                .unwritable_because()
                .unwrap()
                .contains("default_transaction_read_only")
        );
    }
}
