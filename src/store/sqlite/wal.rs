//! The write-ahead log's way into the database file.
//!
//! The writer moves it, between two of its transactions. A thread beside it could do so while writes go on, but then the
//! log is moved in parts that count as moved before the database file was synced; where that sync fails, and the system
//! drops what it could not write, readers would find old pages in the file and no way back to those in the log. What is
//! moved whole counts as moved only after the sync.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::open::BUSY_TIMEOUT;
use super::readers::Readers;

/// A log is moved once it has this many pages, and again whenever this many more came before it could start anew.
pub(super) const PAGES: i64 = 4_096;
const PAGES_MORE: i64 = 512;

/// How long a move may wait for reads under way.
const READERS_WAIT: Duration = Duration::from_millis(50);

/// The log of this database, in a file beside it.
pub(super) fn file_of(database: &Path) -> PathBuf {
    let mut file = database.as_os_str().to_owned();
    file.push("-wal");
    file.into()
}

/// How far a log is, in pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wal {
    /// How many there are in it.
    pub(super) pages: i64,
    /// How many of them are in the database file, too.
    moved: i64,
}

impl Wal {
    /// How far it is now.
    pub(super) fn now(connection: &Connection) -> rusqlite::Result<Self> {
        Self::after(connection, "PRAGMA wal_checkpoint(NOOP)")
    }

    fn after(connection: &Connection, checkpoint: &str) -> rusqlite::Result<Self> {
        connection.prepare_cached(checkpoint)?.query_row([], |row| {
            Ok(Self {
                pages: row.get(1)?,
                moved: row.get(2)?,
            })
        })
    }
}

/// Moves a log that has grown, where readers let it.
///
/// It starts anew with the first write that finds all of it moved and no reader in it. So readers are told to look again:
/// before, lest an old snapshot stops the move half-way, and after, for only then they can do without the log.
pub(super) fn move_where_due(connection: &Connection, readers: &Readers) -> rusqlite::Result<()> {
    let wal = Wal::now(connection)?;
    if wal.pages < PAGES || wal.pages - wal.moved < PAGES_MORE {
        return Ok(());
    }
    readers.release_idle();
    within(connection, READERS_WAIT, |connection| {
        Wal::after(connection, "PRAGMA wal_checkpoint(FULL)")
    })?;
    readers.renew();
    readers.release_idle();
    Ok(())
}

/// Moves all of the log and cuts it to nothing, if readers let it; whether they did. If not, all of it is still there, and
/// the next move or the next start goes on with it.
pub(super) fn cut(connection: &Connection) -> rusqlite::Result<bool> {
    within(connection, READERS_WAIT, |connection| {
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(!is_busy)
    })
}

/// Runs `work` with another busy timeout.
fn within<T>(
    connection: &Connection,
    wait: Duration,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(wait)?;
    let worked = work(connection);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    worked
}
