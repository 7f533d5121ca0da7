//! The file: whose it is, whether it is sound, its schema, and the settings of every connection to it.
//!
//! A file that is not ours or not sound is refused before anything is written to it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, ffi};
use rusqlite_migration::{Error as MigrationError, M, MigrationDefinitionError, Migrations};

use super::lock::{self, Lock, Refused};
use super::paths;

/// Marks a file as ours, in the header of its first page (`ORIN` in ASCII). Never changes.
pub(super) const APPLICATION_ID: i32 = 0x4F52_494E;

/// How long a connection waits for another process that holds the file, a backup say.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// More than there are statements, so that none is ever prepared twice.
const STATEMENTS_MAX: usize = 64;

/// The writer's page cache: the pages that most orders change, and what a batch changes.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// The page cache of each reader. What is not in it comes from the system's cache, which all readers share.
const READER_CACHE_KIB: i64 = 1024;

/// In order; what was released is never edited, only followed by another.
const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("0001_products_orders.sql")),
    M::up(include_str!("0002_payments_versions_kept_answers.sql")),
    M::up(include_str!("0003_chains.sql")),
    M::up(include_str!("0004_appended_answers.sql")),
    M::up(include_str!("0005_foreign_keys_and_indexes.sql")).foreign_key_check(),
    M::up(include_str!("0006_refunds.sql")).foreign_key_check(),
    M::up(include_str!("0007_providers.sql")).foreign_key_check(),
    M::up(include_str!("0008_references_and_search.sql")),
];

/// Why the store cannot be opened. Each is one line that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder is not there and cannot be made.
    #[error("cannot make the folder of the database {}: {reason}", path.display())]
    Folder {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The file cannot be read or written at all.
    #[error("cannot open the database {}: {reason}", path.display())]
    Inaccessible {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is not empty and not a database of this service. It was left as it is.
    #[error("refusing {}: it is not a database of this service", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is a database of this service, but damaged. It was left as it is.
    #[error("refusing the database {}: it is damaged ({finding}); restore a backup", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// The first thing found.
        finding: String,
    },
    /// Another process has the lock of the database: a service, or a restore.
    #[error("refusing the database {}: another process serves or restores it", path.display())]
    Served {
        /// The database file.
        path: PathBuf,
    },
    /// Another process has the file open by another path, and so with another write-ahead log.
    #[error(
        "refusing the database {}: another process has it open by another path (a hard link or a mount)",
        path.display()
    )]
    Elsewhere {
        /// The database file.
        path: PathBuf,
    },
    /// The file is missing or empty and its write-ahead log is not, so orders would be lost.
    #[error(
        "refusing the database {}: it is missing, but its write-ahead log is there; put the file back, restore a backup, \
         or move the log away", path.display()
    )]
    LogAlone {
        /// The database file.
        path: PathBuf,
    },
    /// A restore ended while it replaced the file.
    #[error("refusing the database {}: a restore of it was interrupted; run it again", path.display())]
    HalfRestored {
        /// The database file.
        path: PathBuf,
    },
    /// A newer version of the service wrote the file. It was left as it is.
    #[error("refusing the database {}: a newer version of this service wrote it", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot bring the schema of the database {} up to date: {reason}", path.display())]
    Schema {
        /// The database file.
        path: PathBuf,
        /// What went wrong.
        reason: MigrationError,
    },
    /// A thread of the store cannot be started.
    #[error("cannot start the writer of the database {}: {reason}", path.display())]
    Writer {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

/// Resolves the path of a database, makes its folder, and locks it for one service.
pub(super) fn lock(path: &Path) -> Result<(PathBuf, Lock), OpenError> {
    paths::make_folder_of(path).map_err(|reason| OpenError::Folder {
        path: path.to_owned(),
        reason,
    })?;
    let path = paths::resolve(path).map_err(|reason| inaccessible(path, reason))?;
    let lock = match Lock::acquire(&path, lock::SERVICE_WAIT) {
        Ok(lock) => lock,
        Err(Refused::Held) => return Err(OpenError::Served { path }),
        Err(Refused::Failed(reason)) => return Err(inaccessible(&path, reason)),
    };
    match lock::is_in_use_elsewhere(&path) {
        Ok(false) => Ok((path, lock)),
        Ok(true) => Err(OpenError::Elsewhere { path }),
        Err(reason) => Err(inaccessible(&path, reason)),
    }
}

/// Makes, checks and migrates the file at this resolved path, and returns the connection that writes to it.
pub(super) fn prepare(path: &Path) -> Result<Connection, OpenError> {
    let is_new = match whose(path).map_err(|reason| inaccessible(path, reason))? {
        // SQLite would delete the log of a database that is new.
        Whose::Nobodys if has_frames(path) => return Err(OpenError::LogAlone { path: path.to_owned() }),
        Whose::Nobodys => true,
        Whose::Ours => false,
        Whose::HalfRestored => return Err(OpenError::HalfRestored { path: path.to_owned() }),
        Whose::Others => return Err(OpenError::Foreign { path: path.to_owned() }),
    };
    if is_new {
        create(path).map_err(|reason| inaccessible(path, reason))?;
    } else {
        check(path)?;
    }
    sync_log(path).map_err(|reason| inaccessible(path, reason))?;
    let mut connection = writer(path).map_err(|reason| inaccessible(path, reason))?;
    // A file that is refused gets nothing beside it.
    keep_log(&connection, false).map_err(|reason| inaccessible(path, reason))?;
    let version = schema_version_of(&connection).map_err(|reason| inaccessible(path, reason))?;
    match migrate(&mut connection) {
        Ok(()) => {
            if version != schema_version() {
                tracing::info!(from = version, to = schema_version(), "the schema was migrated");
            }
            keep_log(&connection, true).map_err(|reason| inaccessible(path, reason))?;
            Ok(connection)
        }
        Err(MigrationError::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead)) => {
            Err(OpenError::Newer { path: path.to_owned() })
        }
        Err(reason) => Err(OpenError::Schema {
            path: path.to_owned(),
            reason,
        }),
    }
}

/// Brings the schema up to date. A migration that makes a table anew drops one that others refer to, so foreign keys are
/// checked at its end and not while it runs (sqlite.org/lang_altertable.html#otheralter).
pub(super) fn migrate(connection: &mut Connection) -> Result<(), MigrationError> {
    connection.pragma_update(None, "foreign_keys", false)?;
    Migrations::from_slice(MIGRATIONS).to_latest(connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(())
}

pub(super) fn inaccessible(path: &Path, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
    OpenError::Inaccessible {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// Whose file it is.
pub(super) enum Whose {
    /// Nobody's: it is empty, or not there.
    Nobodys,
    /// This service's.
    Ours,
    /// Nobody's any more: it is what a restore puts there while it replaces a database that cannot be opened.
    HalfRestored,
    /// Somebody else's.
    Others,
}

/// What the file begins with that a restore puts in the place of a database that cannot be opened.
pub(super) const HALF_RESTORED: &[u8] = b"orders-inventory: a restore was interrupted; run it again\n";

/// Whose file it is, by its first bytes (sqlite.org/fileformat.html#the_database_header) and without SQLite, which
/// might already write to a file that it opens.
pub(super) fn whose(path: &Path) -> io::Result<Whose> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    const APPLICATION_ID_OFFSET: usize = 68;

    let mut header = Vec::with_capacity(100);
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut header)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Whose::Nobodys),
        Err(error) => return Err(error),
    };
    let id = header.get(APPLICATION_ID_OFFSET..APPLICATION_ID_OFFSET + 4);
    Ok(if header.is_empty() {
        Whose::Nobodys
    } else if header.starts_with(MAGIC) && id == Some(&APPLICATION_ID.to_be_bytes()) {
        Whose::Ours
    } else if header.starts_with(HALF_RESTORED) {
        Whose::HalfRestored
    } else {
        Whose::Others
    })
}

/// Makes an empty database that is marked as ours, durably, unless another process was faster.
///
/// It is made under another name and gets its own when it is whole. For SQLite makes a file in steps, with a rollback
/// journal beside it, and what a crash leaves between them could only be repaired by writing to it: to a file whose
/// mark may be missing.
fn create(path: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if fs::symlink_metadata(path).is_ok() {
        // An empty file that somebody put there, or a link to where the database is to be, stays what it is.
        return Ok(make(path)?);
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.unfinished", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let made = make_and_name(&unfinished, path);
    // Where it cannot be removed, its name says what it is.
    let _ = fs::remove_file(&unfinished);
    made
}

fn make_and_name(unfinished: &Path, path: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // What a crash left of a process with this id.
    if let Err(error) = fs::remove_file(unfinished)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    make(unfinished)?;
    File::open(unfinished)?.sync_all()?;
    // Unlike a rename, a second name never takes the place of a file that came to be there meanwhile.
    match fs::hard_link(unfinished, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    paths::sync_folder_of(path)?;
    Ok(())
}

/// The steps of it: the mark is written before the write-ahead log is in use, so it stands in the file itself from the
/// first moment on.
fn make(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "journal_mode", "WAL")
}

/// Refuses a damaged file.
fn check(path: &Path) -> Result<(), OpenError> {
    match find_damage(path).map_err(|reason| inaccessible(path, reason))? {
        None => Ok(()),
        Some(finding) => Err(OpenError::Damaged {
            path: path.to_owned(),
            finding,
        }),
    }
}

/// Looks for damage, read-only, and says in one line what it finds first: opening and reading the schema alone would
/// not see a damaged page.
fn find_damage(path: &Path) -> rusqlite::Result<Option<String>> {
    find_damage_with(reader(path))
}

/// The same, with a connection, or with what was found when it was opened.
pub(super) fn find_damage_with(opened: rusqlite::Result<Connection>) -> rusqlite::Result<Option<String>> {
    let finding =
        opened.and_then(|connection| connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)));
    match finding {
        Ok(finding) if finding == "ok" => Ok(None),
        // SQLite may answer in several lines; ours is one.
        Ok(finding) => Ok(Some(finding.lines().collect::<Vec<_>>().join(" "))),
        Err(error) if is_damage(&error) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Whether SQLite failed because of what is in the file.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// The version of the schema that the migrations lead to, as SQLite's `user_version` counts it.
pub(super) fn schema_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The version of the schema in this file.
pub(super) fn schema_version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// A connection that writes, and leaves the log when it closes. The file must be there: a missing database is an error and
/// is not created again.
pub(super) fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Whatever fails here, the log of a database that cannot be opened stays.
    keep_log(&connection, true)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Where it may not write, SQLite opens a file to read, and would even serve it if a log lies beside it.
    if connection.is_readonly(MAIN_DB)? {
        return Err(refusal(ffi::SQLITE_READONLY, "it cannot be written"));
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let why = format!("write-ahead logging is not possible here, only {mode}");
        return Err(refusal(ffi::SQLITE_CANTOPEN, &why));
    }
    // An acknowledged write survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // The store decides when the log is checkpointed.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    keep_statements(&connection)?;
    Ok(connection)
}

/// Syncs the write-ahead log. The process that wrote it may have ended before it could, and SQLite takes what it finds
/// there for durable.
pub(super) fn sync_log(path: &Path) -> rusqlite::Result<()> {
    match File::open(paths::log_of(path)).and_then(|log| log.sync_all()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refusal(
            ffi::SQLITE_IOERR_FSYNC,
            &format!("its write-ahead log cannot be synced: {error}"),
        )),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether there is anything in the write-ahead log.
fn has_frames(path: &Path) -> bool {
    fs::metadata(paths::log_of(path)).is_ok_and(|log| log.len() > 0)
}

/// Whether the log stays as it is when this connection closes as the last one. Otherwise SQLite checkpoints and removes
/// it then, also where a write or a checkpoint has just failed.
pub(super) fn keep_log(connection: &Connection, is_kept: bool) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_kept)
        .map(|_| ())
}

/// Our own refusal of a connection, as SQLite would have said it.
fn refusal(code: std::ffi::c_int, why: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(why.to_owned()))
}

/// How connections are opened that can only read.
fn reader_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// A connection that can only read.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, reader_flags())?;
    set_up_reader(&connection)?;
    Ok(connection)
}

/// Such connections, for a pool.
pub(super) fn reader_manager(path: &Path) -> SqliteConnectionManager {
    SqliteConnectionManager::file(path)
        .with_flags(reader_flags())
        .with_init(|connection| set_up_reader(connection))
}

fn set_up_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    keep_statements(connection)
}

/// Statements are prepared once. By default SQLite prepares some again whenever a bound value has changed, the limit of a
/// page for example, because the value might suit another plan; here the plan depends on the statement alone.
fn keep_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
