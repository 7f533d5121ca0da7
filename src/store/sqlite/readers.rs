//! The connections that read, and the snapshots that they keep.
//!
//! To open a snapshot costs several times what most reads do with it: SQLite takes and gives back locks in the
//! write-ahead log's index by system calls. So a reader keeps its snapshot for the next read, until something was
//! committed since. A reader that nobody asks would hold on to an old one and keep the log from starting anew, so the
//! writer has the idle ones let go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use r2d2::{ManageConnection, Pool};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use super::measure::Measures;
use super::open::{self, OpenError};
use super::session::Session;
use crate::error::{Error, panic_message};
use crate::store::View;

/// The connections that read. Clones share them.
#[derive(Clone)]
pub(super) struct Readers {
    pool: Pool<Manager>,
    /// Counts the states of the data: it grows once a transaction has ended and before anybody is told of it.
    state: Arc<AtomicU64>,
    measures: Measures,
}

impl Readers {
    /// So many connections to the file, all open from the start and kept.
    pub(super) fn open(path: &Path, count: u32, measures: Measures) -> Result<Self, OpenError> {
        Ok(Self {
            pool: open::pool(path, count, Manager)?,
            state: Arc::default(),
            measures,
        })
    }

    /// Runs `work` on one state of the data, which is at least as new as the last [`Readers::renew`].
    ///
    /// Waits for a connection where all are in use.
    pub(super) fn read<T>(&self, work: impl FnOnce(&dyn View) -> Result<T, Error>) -> Result<T, Error> {
        // One is there nearly always. One that broke is replaced while others wait, so waiting can fail.
        let turn = || self.pool.try_get().map_or_else(|| self.pool.get(), Ok);
        let mut reader = self.measures.read_turn(turn).map_err(Error::storage)?;
        let _running = self.measures.read_runs();
        // Before the snapshot is opened: it may then be newer than this number says, and never older.
        reader.read(self.state.load(Ordering::Acquire), work)
    }

    /// From here on no read is answered from a snapshot that was opened before.
    pub(super) fn renew(&self) {
        self.state.fetch_add(1, Ordering::Release);
    }

    /// Lets go of the snapshots that no read is using.
    pub(super) fn release_idle(&self) {
        // Held until the end, or the same one would come again.
        let mut idle = Vec::new();
        while let Some(mut reader) = self.pool.try_get() {
            reader.release();
            idle.push(reader);
        }
    }
}

/// A connection that can only read, and its snapshot.
struct Reader {
    connection: Connection,
    /// The state that a kept snapshot shows, or one before it.
    snapshot: Option<u64>,
}

impl Reader {
    fn read<T>(&mut self, state: u64, work: impl FnOnce(&dyn View) -> Result<T, Error>) -> Result<T, Error> {
        if self.snapshot != Some(state) {
            self.release();
            Session::new(&self.connection).run("BEGIN")?;
            self.snapshot = Some(state);
        }
        let session = Session::new(&self.connection);
        let result = catch_unwind(AssertUnwindSafe(|| work(&session)))
            .unwrap_or_else(|panic| Err(Error::internal(format!("a read panicked: {}", panic_message(&*panic)))));
        let failure = session.failure().cloned();
        if let Some(Error::StorageUnavailable(cause)) = &failure {
            tracing::error!(%cause, "the storage failed to answer a read");
        }
        if failure.is_some() || self.connection.is_autocommit() {
            // The connection may recover; its snapshot is not to be trusted.
            self.release();
        }
        result
    }

    fn release(&mut self) {
        self.snapshot = None;
        if !self.connection.is_autocommit() {
            // It only read, so there is nothing to lose; a transaction that is still open fails the next `BEGIN`.
            let _ = Session::new(&self.connection).run("ROLLBACK");
        }
    }
}

/// Makes readers.
struct Manager(SqliteConnectionManager);

impl ManageConnection for Manager {
    type Connection = Reader;
    type Error = rusqlite::Error;

    fn connect(&self) -> Result<Reader, rusqlite::Error> {
        let connection = self.0.connect()?;
        Ok(Reader {
            connection,
            snapshot: None,
        })
    }

    fn is_valid(&self, _: &mut Reader) -> Result<(), rusqlite::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Reader) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::store::{Store as _, Tx};
    use crate::testing::{NOW, new_product, options, store};

    /// A reader beside the store, and the number of the state that it may know.
    fn reader() -> (crate::store::SqliteStore, Readers, tempfile::TempDir) {
        let (store, folder) = store();
        let readers = Readers::open(&options(&folder).path, 1, Measures::default()).unwrap();
        (store, readers, folder)
    }

    fn count(readers: &Readers) -> usize {
        readers.read(|view| view.products(None, 100)).unwrap().len()
    }

    async fn add(store: &impl crate::store::Store, sku: &'static str) {
        let add = move |tx: &mut dyn Tx| tx.insert_product(&new_product(sku, 1), NOW);
        store.write(add).await.unwrap();
    }

    #[tokio::test]
    async fn a_snapshot_is_kept_until_it_is_told_that_there_is_a_newer_state() {
        let (store, readers, _folder) = reader();
        assert_eq!(count(&readers), 0);
        add(&store, "A").await;
        // Nobody told these readers, who are none of the store's.
        assert_eq!(count(&readers), 0);
        readers.renew();
        assert_eq!(count(&readers), 1);
        add(&store, "B").await;
        readers.release_idle();
        assert_eq!(count(&readers), 2);
    }

    #[tokio::test]
    async fn after_a_failure_or_a_panic_the_reader_goes_on() {
        let (store, readers, _folder) = reader();
        let refused = readers.read(|_| Err::<(), _>(Error::Overloaded));
        assert!(matches!(refused, Err(Error::Overloaded)));
        let panicked = readers.read(|_| -> Result<(), Error> { panic!("on purpose") });
        assert!(matches!(panicked, Err(Error::Internal(_))));
        add(&store, "A").await;
        readers.renew();
        assert_eq!(count(&readers), 1);
    }

    #[tokio::test]
    async fn every_read_after_a_write_sees_it() {
        let (store, _folder) = store();
        for number in 1..200 {
            let sku: &'static str = Box::leak(format!("SKU-{number}").into_boxed_str());
            add(&store, sku).await;
            let seen = store.read(|view| view.products(None, 500)).await.unwrap();
            assert_eq!(seen.len(), number);
        }
    }

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound_to_it() {
        use rusqlite::StatementStatus;

        let folder = tempfile::TempDir::new().unwrap();
        let path = options(&folder).path;
        open::prepare(&path).unwrap();
        for connection in [open::reader(&path).unwrap(), open::writer(&path).unwrap()] {
            let sql = "SELECT id FROM products WHERE id > ?1 ORDER BY id LIMIT ?2";
            for limit in 1..5 {
                let mut statement = connection.prepare_cached(sql).unwrap();
                assert_eq!(statement.query_map([0, limit], |_| Ok(())).unwrap().count(), 0);
                assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
            }
        }
    }
}
