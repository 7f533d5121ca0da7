//! Whole tables at once: reading all rows of one snapshot, and filling an empty database in one transaction.
//!
//! Rows go through COPY in its binary format. A transaction that is not committed leaves nothing, however it ends.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_postgres::CopyInSink;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutRow, BinaryCopyOutStream};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use super::checks::Durability;
use super::connect::{Connected, Connector};
use super::open::{self, OpenError, Target, Whose};
use super::writer::TURN;
use crate::store::one_line;
use crate::store::tables::{Counters, Kind, TABLES, Table, Value};

/// No limit of the server's, its role's or its database's ends work that takes as long as there is data, or a connection that
/// waits while what was read is checked; but none waits long for a lock. Settings that a server does not know are left out.
const SESSION: &str = "SET synchronous_commit = on; SET client_min_messages = warning; SET lock_timeout = '3s'; \
     SET timezone = 'UTC'; SET client_connection_check_interval = '1s'; \
     SELECT set_config(name, '0', FALSE) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout', \
         'idle_in_transaction_session_timeout', 'idle_session_timeout')";
/// How long that, and each question about the database as a whole, may take.
const ANSWER_WAIT: Duration = Duration::from_secs(4);

/// One state, which lasts as long as the transaction.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

const COUNTERS: &str = "SELECT products, orders, stock_movements, payment_events FROM counters";
/// Ids that were given in this database are never given again.
const SET_COUNTERS: &str = "UPDATE counters SET products = greatest(products, $1), orders = greatest(orders, $2), \
     stock_movements = greatest(stock_movements, $3), payment_events = greatest(payment_events, $4)";

/// The foreign keys and then the indexes of these tables but for those of primary keys and of unique columns: the statement
/// that removes each, and the one that makes it again.
const REMOVABLE: &str = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), \
         format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(pg_constraint.oid)) \
     FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid \
     WHERE contype = 'f' AND relnamespace = current_schema()::regnamespace AND relname = ANY ($1) \
     UNION ALL SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid) \
     FROM pg_index JOIN pg_class ON pg_class.oid = indrelid \
     WHERE relnamespace = current_schema()::regnamespace AND relname = ANY ($1) \
         AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)";

/// Why a database cannot be copied from, or copied to.
#[derive(Debug)]
pub(in crate::store) enum Refusal {
    /// It cannot be opened.
    Unfit(OpenError),
    /// It is none of ours.
    Foreign,
    /// Its schema has this version, and another one is known.
    Schema {
        /// What it has.
        found: i64,
        /// What is known.
        known: i64,
    },
    /// Another copy, an instance or somebody else works with its tables.
    InUse,
    /// There is something in it.
    Taken(String),
    /// It failed.
    Failed(String),
}

impl From<OpenError> for Refusal {
    fn from(reason: OpenError) -> Self {
        Self::Unfit(reason)
    }
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(reason: tokio_postgres::Error) -> Self {
        match reason.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            true => Self::InUse,
            false => Self::Failed(explain(&reason)),
        }
    }
}

/// What a failure means, in one line.
pub(in crate::store) fn explain(reason: &tokio_postgres::Error) -> String {
    one_line(&open::explain(reason))
}

/// How a commit ended.
#[derive(Debug)]
pub(in crate::store) enum Committed {
    Kept,
    /// Nothing was changed.
    Undone(String),
    /// It was kept whole or not at all, and nobody knows which.
    Unknown(String),
}

/// The rows of a table.
pub(in crate::store) type Leaving = Pin<Box<BinaryCopyOutStream>>;

/// A connection for whole tables. When it is dropped, so is its transaction.
pub(in crate::store) struct Session {
    connected: Connected,
    connector: Connector,
    /// The statements that make what was removed before tables were filled.
    removed: Vec<String>,
}

impl Session {
    async fn open(target: &Target, durability: Durability) -> Result<Self, Refusal> {
        let connector = target.connector()?;
        let (connected, _) = open::connect(target, &connector, durability).await?;
        let session = Self {
            connected,
            connector,
            removed: Vec::new(),
        };
        session.answer(session.connected.client.batch_execute(SESSION)).await?;
        Ok(session)
    }

    /// Waits for an answer that must come at once.
    async fn answer<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Refusal> {
        match timeout(ANSWER_WAIT, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Refusal::Failed("it accepts connections and does not answer".to_owned())),
        }
    }

    async fn whose(&self) -> Result<Whose, Refusal> {
        self.answer(open::whose(&self.connected.client)).await
    }

    /// One state of a database of ours, which may be in use.
    pub(in crate::store) async fn snapshot(target: &Target) -> Result<Self, Refusal> {
        let session = Self::open(target, Durability::Unasked).await?;
        let client = &session.connected.client;
        session.answer(client.batch_execute(SNAPSHOT)).await?;
        match session.whose().await? {
            Whose::Ours => {}
            Whose::Nobodys | Whose::Others => return Err(Refusal::Foreign),
        }
        let found = session.answer(open::schema_version_of(client)).await?;
        let known = open::schema_version();
        match found == known {
            true => Ok(session),
            false => Err(Refusal::Schema { found, known }),
        }
    }

    /// An empty database: one in which there is nothing, or only our tables without rows. Nothing is changed yet.
    pub(in crate::store) async fn vacancy(target: &Target) -> Result<Self, Refusal> {
        let session = Self::open(target, target.durability()).await?;
        match session.whose().await? {
            Whose::Nobodys => return Ok(session),
            Whose::Ours => {}
            Whose::Others => return Err(Refusal::Taken("it is not a database of this service".to_owned())),
        }
        let found = session
            .answer(open::schema_version_of(&session.connected.client))
            .await?;
        let known = open::schema_version();
        if found > known {
            return Err(Refusal::Schema { found, known });
        }
        session.must_be_empty().await?;
        Ok(session)
    }

    async fn must_be_empty(&self) -> Result<(), Refusal> {
        let client = &self.connected.client;
        for table in TABLES {
            // An earlier version of the schema has fewer tables.
            let name: [&(dyn ToSql + Sync); 1] = [&table.name];
            let is_there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &name);
            if !self.answer(is_there).await?.try_get::<_, bool>(0)? {
                continue;
            }
            let has_rows = format!("SELECT EXISTS (SELECT 1 FROM {})", table.name);
            if self.answer(client.query_one(&has_rows, &[])).await?.try_get(0)? {
                return Err(Refusal::Taken(format!("it has {}", table.name)));
            }
        }
        Ok(())
    }

    /// Makes our tables where they are missing, and begins the transaction that fills them. Until it ends no instance and no
    /// other copy writes there, and an instance that is started waits.
    ///
    /// Foreign keys and most indexes are made again at the end, which takes less than half of the time that rows take which are
    /// put into each. Nobody else sees the tables without them.
    pub(in crate::store) async fn begin_to_fill(&mut self, target: &Target) -> Result<(), Refusal> {
        open::migrate(target, &mut self.connected).await?;
        let client = &self.connected.client;
        client.batch_execute(TURN).await?;
        self.must_be_empty().await?;
        for row in client.query(REMOVABLE, &[&names()]).await? {
            client.batch_execute(row.try_get(0)?).await?;
            self.removed.push(row.try_get(1)?);
        }
        Ok(())
    }

    /// How many rows this table has.
    pub(in crate::store) async fn count(&self, table: &Table) -> Result<u64, tokio_postgres::Error> {
        let count = format!("SELECT count(*) FROM {}", table.name);
        let count: i64 = self.connected.client.query_one(&count, &[]).await?.try_get(0)?;
        Ok(count.unsigned_abs())
    }

    /// The rows of this table, in the order of its key.
    pub(in crate::store) async fn read(&self, table: &Table) -> Result<Leaving, tokio_postgres::Error> {
        let (name, columns, key) = (table.name, table.column_list(), table.key.join(", "));
        let copy = format!("COPY (SELECT {columns} FROM {name} ORDER BY {key}) TO STDOUT (FORMAT BINARY)");
        let rows = self.connected.client.copy_out(&copy).await?;
        Ok(Box::pin(BinaryCopyOutStream::new(rows, &types(table))))
    }

    /// Where rows of this table go.
    pub(in crate::store) async fn write(&self, table: &Table) -> Result<Arriving, tokio_postgres::Error> {
        let copy = format!(
            "COPY {} ({}) FROM STDIN (FORMAT BINARY)",
            table.name,
            table.column_list()
        );
        let sink: CopyInSink<Bytes> = self.connected.client.copy_in(&copy).await?;
        Ok(Arriving(Box::pin(BinaryCopyInWriter::new(sink, &types(table)))))
    }

    /// The last ids that were given; `None` where nothing says so.
    pub(in crate::store) async fn counters(&self) -> Result<Option<Counters>, tokio_postgres::Error> {
        let Some(row) = self.connected.client.query_opt(COUNTERS, &[]).await? else {
            return Ok(None);
        };
        let mut counters = Counters::default();
        for (index, counter) in counters.iter_mut().enumerate() {
            *counter = row.try_get(index)?;
        }
        Ok(Some(counters))
    }

    /// Sets the last ids that were given, makes foreign keys and indexes again, and gathers statistics of the rows, so that the
    /// first queries know them.
    pub(in crate::store) async fn end_filling(&self, counters: Counters) -> Result<(), Refusal> {
        let client = &self.connected.client;
        let [products, orders, movements, events] = &counters;
        let set = client
            .execute(SET_COUNTERS, &[products, orders, movements, events])
            .await?;
        if set != 1 {
            return Err(Refusal::Failed("it has no counters".to_owned()));
        }
        // Indexes first, for the foreign keys are looked up in some.
        for statement in self.removed.iter().rev() {
            client.batch_execute(statement).await?;
        }
        Ok(client.batch_execute(&format!("ANALYZE {}", names().join(", "))).await?)
    }

    /// Keeps all of it. Every statement before must have succeeded: a commit of a transaction that failed is answered like any
    /// other.
    pub(in crate::store) async fn commit(&self) -> Committed {
        self.connector.take_warning();
        match self.connected.client.batch_execute("COMMIT").await {
            Err(reason) if super::failure::undoes_commit(&reason) => Committed::Undone(explain(&reason)),
            Err(reason) => Committed::Unknown(explain(&reason)),
            Ok(()) if self.connector.take_warning() => {
                Committed::Unknown("the wait for the replicas was canceled at the server".to_owned())
            }
            Ok(()) => Committed::Kept,
        }
    }
}

/// The names of all tables.
fn names() -> Vec<&'static str> {
    TABLES.iter().map(|table| table.name).collect()
}

fn types(table: &Table) -> Vec<Type> {
    let columns = table.columns.iter();
    let types = columns.map(|column| match column.kind {
        Kind::Integer => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Bytes => Type::BYTEA,
        Kind::Boolean => Type::BOOL,
    });
    types.collect()
}

/// The values of a row that [`Session::read`] read.
pub(in crate::store) fn values<'r>(
    table: &Table,
    row: &'r BinaryCopyOutRow,
) -> Result<Vec<Value<'r>>, tokio_postgres::Error> {
    let columns = table.columns.iter().enumerate();
    let values = columns.map(|(index, column)| {
        Ok(match column.kind {
            Kind::Integer => row.try_get::<Option<i64>>(index)?.map(Value::Integer),
            Kind::Text => row.try_get::<Option<&str>>(index)?.map(Value::Text),
            Kind::Bytes => row.try_get::<Option<&[u8]>>(index)?.map(Value::Bytes),
            Kind::Boolean => row.try_get::<Option<bool>>(index)?.map(Value::Boolean),
        }
        .unwrap_or(Value::Null))
    });
    values.collect()
}

/// Rows on their way into a table.
pub(in crate::store) struct Arriving(Pin<Box<BinaryCopyInWriter>>);

impl Arriving {
    /// Sends a row.
    pub(in crate::store) async fn add(&mut self, values: &[Value<'_>]) -> Result<(), tokio_postgres::Error> {
        self.0.as_mut().write_raw(values).await
    }

    /// Waits until all rows are there, and says how many that are.
    pub(in crate::store) async fn finish(mut self) -> Result<u64, tokio_postgres::Error> {
        self.0.as_mut().finish().await
    }
}
