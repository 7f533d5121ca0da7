//! Whole tables at once: reading all rows of a database, and filling a new one.
//!
//! A new file is filled under another name, and gets its own when it is whole. Rows are taken as they are: what a row means
//! is nothing to this module.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Statement, params_from_iter};

use super::audit::{self, AuditError, AuditReport};
use super::copying::{self, Stop, Unfinished};
use super::lock::{self, Lock, Refused};
use super::open::{self, Whose};
use super::{paths, restore};
use crate::store::tables::{COUNTED, Counters, Kind, TABLES, Table, Value};

/// How many steps of SQLite come between two looks at whether the work is stopped.
const STOP_STEPS: i32 = 10_000;

/// The page cache while a database is filled, which is also what an index is sorted in before it takes a temporary file.
const FILL_CACHE_KIB: i64 = 64 * 1024;

type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Why a database cannot be copied from, or copied to.
#[derive(Debug)]
pub(in crate::store) enum Refusal {
    /// Another process has it open.
    InUse,
    /// There is something in the place of the new database, as the end of a sentence about that.
    Taken(String),
    /// It is none that could be audited.
    Unfit(AuditError),
    /// It cannot be read or written.
    Failed(Reason),
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Refusal {
    fn from(reason: E) -> Self {
        Self::Failed(reason.into())
    }
}

/// One state of a database that no service uses while this lasts.
pub(in crate::store) struct Snapshot {
    connection: Connection,
    _lock: Lock,
}

impl Snapshot {
    /// Locks the database, as a service does, and begins to read it.
    pub(in crate::store) fn open(path: &Path, stop: &Stop) -> Result<Self, Refusal> {
        let path = audit::resolve(path).map_err(Refusal::Unfit)?;
        let lock = acquire(&path)?;
        let connection = audit::open(&path).map_err(Refusal::Unfit)?;
        stop_at(&connection, stop)?;
        Ok(Self {
            connection,
            _lock: lock,
        })
    }

    /// Recomputes every invariant; `after` is called after each.
    pub(in crate::store) fn audit(&self, after: &mut dyn FnMut(usize, usize)) -> rusqlite::Result<AuditReport> {
        audit::run(&self.connection, after)
    }

    /// The statement that reads all rows of this table, in the order of its key.
    pub(in crate::store) fn select(&self, table: &Table) -> rusqlite::Result<Statement<'_>> {
        let (name, columns, key) = (table.name, table.column_list(), table.key.join(", "));
        self.connection
            .prepare(&format!("SELECT {columns} FROM {name} ORDER BY {key}"))
    }

    /// How many rows this table has.
    pub(in crate::store) fn count(&self, table: &Table) -> rusqlite::Result<u64> {
        let count = format!("SELECT count(*) FROM {}", table.name);
        self.connection
            .query_row(&count, [], |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
    }

    /// The last ids that were given.
    pub(in crate::store) fn counters(&self) -> rusqlite::Result<Counters> {
        counters(&self.connection)
    }
}

/// The values of a row that [`Snapshot::select`] read.
///
/// # Errors
/// One line that names the row, where a value is of another kind than its column, or no UTF-8.
pub(in crate::store) fn values<'r>(table: &Table, row: &'r Row<'_>) -> Result<Vec<Value<'r>>, String> {
    let mut values = Vec::with_capacity(table.columns.len());
    let mut failed = None;
    for (index, column) in table.columns.iter().enumerate() {
        let value = row.get_ref(index).map_err(|reason| reason.to_string());
        values.push(match (value, column.kind) {
            (Ok(ValueRef::Null), _) => Value::Null,
            (Ok(ValueRef::Integer(number)), Kind::Integer) => Value::Integer(number),
            (Ok(ValueRef::Integer(number @ (0 | 1))), Kind::Boolean) => Value::Boolean(number == 1),
            (Ok(ValueRef::Blob(bytes)), Kind::Bytes) => Value::Bytes(bytes),
            (Ok(ValueRef::Text(text)), Kind::Text) => match std::str::from_utf8(text) {
                Ok(text) => Value::Text(text),
                Err(reason) => {
                    failed.get_or_insert(format!("{} is no text: {reason}", column.name));
                    Value::Null
                }
            },
            (Ok(value), kind) => {
                let found = value.data_type();
                failed.get_or_insert(format!("{} is {found}, not of the kind {kind:?}", column.name));
                Value::Null
            }
            (Err(reason), _) => {
                failed.get_or_insert(format!("{} cannot be read: {reason}", column.name));
                Value::Null
            }
        });
    }
    match failed {
        None => Ok(values),
        Some(reason) => Err(format!("{}: {reason}", table.row_name(&values))),
    }
}

/// The place of a new database, which nobody else uses while this lasts: there is nothing, or a database without rows. The new
/// one is beside it, and gone with this unless it takes the place.
pub(in crate::store) struct Vacancy {
    database: PathBuf,
    whose: Whose,
    /// The ids that were given in the database that is there.
    given: Counters,
    new: Unfinished,
    _lock: Lock,
}

impl Vacancy {
    /// Locks the place.
    pub(in crate::store) fn claim(path: &Path) -> Result<Self, Refusal> {
        paths::make_folder_of(path)?;
        let database = paths::resolve(path)?;
        let lock = acquire(&database)?;
        // Also a program that has no lock, such as `sqlite3`: it would go on with a file that is no longer there.
        if lock::is_in_use(&database)? {
            return Err(Refusal::InUse);
        }
        let taken = |what: &str| Err(Refusal::Taken(what.to_owned()));
        let whose = open::whose(&database)?;
        let given = match whose {
            Whose::Ours => given_without_rows(&database)?,
            Whose::Nobodys if restore::leftovers(&database).next().is_some() => {
                return taken("the database is missing, but its write-ahead log is there");
            }
            Whose::Nobodys => Counters::default(),
            Whose::HalfRestored => return taken("a restore of it was interrupted"),
            Whose::Others => return taken("it is not a database of this service"),
        };
        Ok(Self {
            whose,
            given,
            new: Unfinished::begin(&database)?,
            database,
            _lock: lock,
        })
    }

    /// The new database, to be filled.
    pub(in crate::store) fn filling(&self, stop: &Stop) -> rusqlite::Result<Filling> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.new.0, flags)?;
        connection.pragma_update(None, "application_id", open::APPLICATION_ID)?;
        Filling::begin(connection, stop, Rows::MustFit)
    }

    /// Ids that were given here are never given again.
    pub(in crate::store) fn counters_after(&self, copied: Counters) -> Counters {
        std::array::from_fn(|index| copied[index].max(self.given[index]))
    }

    /// Makes the new database durable, and recomputes every invariant of what is in the file.
    pub(in crate::store) fn check(
        &self,
        filled: Filled,
        stop: &Stop,
        after: &mut dyn FnMut(usize, usize),
    ) -> Result<AuditReport, Reason> {
        filled.0.close().map_err(|(_, reason)| reason)?;
        copying::make_durable(&self.new.0)?;
        let connection = open::reader(&self.new.0)?;
        stop_at(&connection, stop)?;
        Ok(audit::run(&connection, after)?)
    }

    /// Gives the new database its name. Returns where the database is that had it.
    pub(in crate::store) fn take(self) -> Result<Option<PathBuf>, Reason> {
        restore::replace(&self.database, &self.whose, &self.new.0, &mut |_| ())
    }
}

fn acquire(database: &Path) -> Result<Lock, Refusal> {
    Lock::acquire(database, Duration::ZERO).map_err(|refused| match refused {
        Refused::Held => Refusal::InUse,
        Refused::Failed(reason) => Refusal::Failed(reason.into()),
    })
}

/// The last ids that were given in a database of ours, which must be without rows.
fn given_without_rows(database: &Path) -> Result<Counters, Refusal> {
    let connection = audit::open(database).map_err(Refusal::Unfit)?;
    for table in TABLES {
        let has_rows = format!("SELECT EXISTS (SELECT 1 FROM {})", table.name);
        if connection.query_row(&has_rows, [], |row| row.get(0))? {
            return Err(Refusal::Taken(format!("it has {}", table.name)));
        }
    }
    Ok(counters(&connection)?)
}

fn counters(connection: &Connection) -> rusqlite::Result<Counters> {
    let mut counters = Counters::default();
    let mut last = connection.prepare("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = ?1")?;
    for (counter, name) in counters.iter_mut().zip(COUNTED) {
        *counter = last.query_row([name], |row| row.get(0))?;
    }
    Ok(counters)
}

/// From here on, whatever the connection is at ends soon after `stop` is set.
fn stop_at(connection: &Connection, stop: &Stop) -> rusqlite::Result<()> {
    let stop = Arc::clone(stop);
    connection.progress_handler(STOP_STEPS, Some(move || stop.load(Ordering::Relaxed)))
}

/// What becomes of a row that does not fit its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// It is an error.
    MustFit,
    /// The CHECKs and the unique indexes let it in, as far as that is possible, so that an audit finds it.
    MayBeBroken,
}

/// A new database that is being filled. Foreign keys are not looked at, and the indexes are made at the end: that takes a fifth
/// less time, and a row may come that a unique index would keep out, where rows may be broken.
pub(in crate::store) struct Filling {
    connection: Connection,
    rows: Rows,
    /// The statements that make the indexes.
    indexes: Vec<String>,
}

impl Filling {
    /// One that is gone with the connection, on disk where it is large. Rows may be broken in it.
    pub(in crate::store) fn temporary(stop: &Stop) -> rusqlite::Result<Self> {
        // An empty name is SQLite's for such a file (sqlite.org/inmemorydb.html#temp_db). It has no other name that somebody
        // could open, or would have to remove.
        Self::begin(Connection::open("")?, stop, Rows::MayBeBroken)
    }

    fn begin(mut connection: Connection, stop: &Stop, rows: Rows) -> rusqlite::Result<Self> {
        // Should this fail, all of it goes.
        connection.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "cache_size", -FILL_CACHE_KIB)?;
        // Statements are few, and each is prepared once.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        open::migrate(&mut connection).map_err(|reason| rusqlite::Error::ToSqlConversionFailure(reason.into()))?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.pragma_update(None, "ignore_check_constraints", rows == Rows::MayBeBroken)?;
        stop_at(&connection, stop)?;
        connection.execute_batch("BEGIN")?;
        let indexes = {
            let mut made =
                connection.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")?;
            let made = made.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            made.collect::<rusqlite::Result<Vec<(String, String)>>>()?
        };
        for (name, _) in &indexes {
            connection.execute_batch(&format!("DROP INDEX {name}"))?;
        }
        Ok(Self {
            connection,
            rows,
            indexes: indexes.into_iter().map(|(_, sql)| sql).collect(),
        })
    }

    /// The statement that adds a row to this table.
    pub(in crate::store) fn insert(&self, table: &Table) -> rusqlite::Result<Insert<'_>> {
        let places = vec!["?"; table.columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.column_list());
        Ok(Insert {
            statement: self.connection.prepare(&sql)?,
            rows: self.rows,
        })
    }

    /// Sets the last ids that were given, if it is known, makes the indexes and commits.
    pub(in crate::store) fn finish(self, counters: Option<Counters>) -> rusqlite::Result<Filled> {
        self.connection.execute("DELETE FROM sqlite_sequence", [])?;
        for (name, last) in COUNTED.into_iter().zip(counters.unwrap_or_default()) {
            if last != 0 {
                let set = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
                self.connection.execute(set, (name, last))?;
            }
        }
        for index in &self.indexes {
            match self.connection.execute_batch(index) {
                // Two rows have the same key, which the audit looks for.
                Err(reason) if self.rows == Rows::MayBeBroken && is_constraint(&reason) => {}
                made => made?,
            }
        }
        self.connection.execute_batch("COMMIT")?;
        self.connection.pragma_update(None, "ignore_check_constraints", false)?;
        Ok(Filled(self.connection))
    }
}

/// Adds rows to a table.
pub(in crate::store) struct Insert<'f> {
    statement: Statement<'f>,
    rows: Rows,
}

/// What came of a row.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Inserted {
    /// It is there.
    Whole,
    /// It cannot be there, because of this.
    Refused(String),
}

impl Insert<'_> {
    /// Adds a row. Where rows may be broken, one that cannot be there at all is left out.
    pub(in crate::store) fn add(&mut self, values: &[Value<'_>]) -> rusqlite::Result<Inserted> {
        match self.statement.execute(params_from_iter(values)) {
            Ok(_) => Ok(Inserted::Whole),
            Err(reason) if self.rows == Rows::MayBeBroken && is_constraint(&reason) => {
                Ok(Inserted::Refused(reason.to_string()))
            }
            Err(reason) => Err(reason),
        }
    }
}

fn is_constraint(reason: &rusqlite::Error) -> bool {
    reason.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// A database that is filled.
pub(in crate::store) struct Filled(Connection);

impl Filled {
    /// Recomputes every invariant; `after` is called after each.
    pub(in crate::store) fn audit(&self, after: &mut dyn FnMut(usize, usize)) -> rusqlite::Result<AuditReport> {
        audit::run(&self.0, after)
    }
}
