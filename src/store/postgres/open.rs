//! The database at the start: that it can be reached, is fit, is ours, and has the schema of this version.
//!
//! One that is refused is left as it is.

use std::path::PathBuf;
use std::time::Duration;

use refinery_core::error::Kind;
use refinery_core::{Migration, Runner};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::checks::{Durability, State};
use super::connect::{CONNECT_WAIT, Connected, Connector, PostgresUrl};
use super::failure;
use crate::store::one_line;

/// How long connecting, and then all checks, may take. A start that fails has said so within ten seconds.
const CHECK_WAIT: Duration = Duration::from_secs(4);
/// How long a start may wait for that of another instance, and then migrate.
const MIGRATE_WAIT: Duration = Duration::from_secs(600);

/// Where the applied migrations are listed; it marks a database as ours.
const MIGRATIONS_TABLE: &str = "orders_inventory_schema";

/// In order; what was released is never edited, only followed by another, which must only add: instances of the version
/// before go on beside it.
const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__schema", include_str!("0001_schema.sql")),
    (
        "V2__references_and_search",
        include_str!("0002_references_and_search.sql"),
    ),
];

/// Held while the schema is brought up to date (`ORIN` in ASCII, and 0).
const LOCK: &str = "SELECT pg_advisory_lock(1330792782, 0)";
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(1330792782, 0)";

/// Whether it is ours, and whether there is anything in the schema where our tables go.
const WHOSE: &str = "SELECT to_regclass('orders_inventory_schema') IS NOT NULL, \
     EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace), current_schema() IS NOT NULL";

/// Why the store cannot be opened. Each is one line that names the database or the file, and no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file of certificates is of no use.
    #[error("DATABASE_CA_FILE: {0}")]
    CaFile(String),
    /// The settings of the connection are of no use.
    #[error("{0}")]
    Setting(String),
    /// Nobody answers there, or whoever does refuses.
    #[error("cannot connect to the database {place}: {reason}")]
    Inaccessible {
        /// Its hosts and its name.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// The server is of another kind than is needed, or can lose what it acknowledges.
    #[error("refusing the database {place}: its server {reason}")]
    Unfit {
        /// Its hosts and its name.
        place: String,
        /// Why.
        reason: String,
    },
    /// It has tables, and they are not those of this service. It was left as it is.
    #[error("refusing the database {place}: it is not empty and not a database of this service")]
    Foreign {
        /// Its hosts and its name.
        place: String,
    },
    /// A newer version of the service made its schema. It was left as it is.
    #[error("refusing the database {place}: a newer version of this service made its schema")]
    Newer {
        /// Its hosts and its name.
        place: String,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot bring the schema of the database {place} up to date: {reason}")]
    Schema {
        /// Its hosts and its name.
        place: String,
        /// What went wrong.
        reason: String,
    },
}

/// Where a database is and how it may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its URL.
    pub url: PostgresUrl,
    /// The roots that certificates are verified with, in PEM; else the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether a server is served that can lose what it acknowledged.
    pub allow_async_replication: bool,
}

impl Target {
    pub(super) const fn durability(&self) -> Durability {
        match self.allow_async_replication {
            true => Durability::Waived,
            false => Durability::Required,
        }
    }

    pub(super) fn connector(&self) -> Result<Connector, OpenError> {
        Connector::new(&self.url, self.ca_file.as_deref()).map_err(OpenError::CaFile)
    }
}

/// Connects, within a few seconds, to a server that is fit.
pub(super) async fn connect(
    target: &Target,
    connector: &Connector,
    durability: Durability,
) -> Result<(Connected, State), OpenError> {
    let inaccessible = |reason: String| OpenError::Inaccessible {
        place: target.url.to_string(),
        reason: one_line(&reason),
    };
    let connected = timeout(CONNECT_WAIT, connector.connect_to(&target.url)).await;
    let connected = connected.map_err(|_| inaccessible(format!("no answer within {} s", CONNECT_WAIT.as_secs())))?;
    let connected = connected.map_err(|error| inaccessible(explain(&error)))?;
    let checked = timeout(CHECK_WAIT, durability.check(&connected.client)).await;
    let checked = checked.map_err(|_| inaccessible("it accepts connections and does not answer".to_owned()))?;
    let state = checked.map_err(|reason| OpenError::Unfit {
        place: target.url.to_string(),
        reason: one_line(&reason),
    })?;
    Ok((connected, state))
}

/// What a failure to connect means, with what to do where that is known.
pub(super) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = failure::text(error);
    if text.contains("invalid peer certificate") {
        text.push_str("; DATABASE_CA_FILE names the file of the certificate authority to trust");
    }
    text
}

/// Whose database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Nobody's: there is nothing in it.
    Nobodys,
    /// This service's.
    Ours,
    /// Somebody else's.
    Others,
}

pub(super) async fn whose(client: &Client) -> Result<Whose, tokio_postgres::Error> {
    let row = client.query_one(WHOSE, &[]).await?;
    Ok(match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => Whose::Ours,
        (false, true) => Whose::Others,
        (false, false) => Whose::Nobodys,
    })
}

/// The version of the schema that this version of the service makes.
pub(super) fn schema_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The version of the schema in this database of ours.
pub(super) async fn schema_version_of(client: &Client) -> Result<i64, tokio_postgres::Error> {
    let sql = format!("SELECT coalesce(max(version), 0)::bigint FROM {MIGRATIONS_TABLE}");
    client.query_one(&sql, &[]).await?.try_get(0)
}

/// Waits until no other instance brings the schema up to date.
async fn lock(client: &Client) -> Result<(), tokio_postgres::Error> {
    let is_locked: bool = client.query_one(TRY_LOCK, &[]).await?.try_get(0)?;
    if !is_locked {
        tracing::info!("another instance is at the schema of the database; this one waits for it");
        client.batch_execute(LOCK).await?;
    }
    Ok(())
}

/// Brings the schema up to date, while no other instance does.
pub(super) async fn migrate(target: &Target, connected: &mut Connected) -> Result<(), OpenError> {
    let place = target.url.to_string();
    let failed = |reason: String| OpenError::Schema {
        place: place.clone(),
        reason: one_line(&reason),
    };
    let client = &mut connected.client;
    let migrated =
        timeout(MIGRATE_WAIT, async {
            lock(client).await.map_err(|error| failed(explain(&error)))?;
            match whose(client).await.map_err(|error| failed(explain(&error)))? {
                Whose::Nobodys | Whose::Ours => {}
                Whose::Others => return Err(OpenError::Foreign { place: place.clone() }),
            }
            let migrations = MIGRATIONS.iter().map(|(name, sql)| Migration::unapplied(name, sql));
            let migrations: Result<Vec<_>, _> = migrations.collect();
            let mut runner = Runner::new(&migrations.map_err(|error| failed(error.to_string()))?);
            runner.set_migration_table_name(MIGRATIONS_TABLE);
            let report = runner.run_async(client).await.map_err(|error| {
                match matches!(error.kind(), Kind::MissingVersion(_)) {
                    true => OpenError::Newer { place: place.clone() },
                    false => failed(explain(&error)),
                }
            })?;
            if let Some(last) = report.applied_migrations().last() {
                tracing::info!(to = last.version(), "the schema was migrated");
            }
            Ok(())
        });
    migrated
        .await
        .unwrap_or_else(|_| Err(failed("another instance has been at it for ten minutes".to_owned())))
}
