//! The connections that read, and the snapshots that they keep.
//!
//! To open a snapshot costs several times what most reads do with it: SQLite takes and gives back locks in the
//! write-ahead log's index by system calls. So a reader keeps its snapshot for the next read, until something was
//! committed since. A reader that nobody asks would hold on to an old one and keep the log from starting anew, so whoever
//! moves the log has the idle ones let go.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::closed;
use super::measure::Measures;
use super::open::{self, OpenError};
use super::session::Session;
use crate::error::{Error, panic_message};
use crate::store::View;

/// How long a read waits for a connection where all are in use.
const TURN_WAIT: Duration = Duration::from_secs(2);

/// The connections that read. Clones share them.
#[derive(Clone)]
pub(super) struct Readers {
    shared: Arc<Shared>,
}

struct Shared {
    count: u32,
    room: Mutex<Room>,
    /// Told when a connection is idle again, if anybody waits for one.
    came_back: Condvar,
    /// Counts the states of the data: it grows once a transaction has ended and before anybody is told of it.
    state: AtomicU64,
    measures: Measures,
}

/// Where the connections are.
#[derive(Default)]
struct Room {
    /// The last one back is the next to go: it remembers most.
    idle: Vec<Reader>,
    lent: usize,
    waiting: usize,
    /// How many reads were lent one, from the first on.
    begun: u64,
    /// Those that come back are closed.
    is_closing: bool,
    /// Nobody gets one any more.
    is_closed: bool,
}

impl Readers {
    /// So many connections to the file, all open from the start and kept.
    pub(super) fn open(path: &Path, count: u32, measures: Measures) -> Result<Self, OpenError> {
        let room = Room {
            idle: connect(path, count).map_err(|reason| open::inaccessible(path, reason))?,
            ..Room::default()
        };
        let shared = Shared {
            count,
            room: Mutex::new(room),
            came_back: Condvar::new(),
            state: AtomicU64::default(),
            measures,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Runs `work` on one state of the data, which is at least as new as the last [`Readers::renew`].
    ///
    /// Waits for a connection where all are in use.
    pub(super) fn read<T>(&self, work: impl FnOnce(&dyn View) -> Result<T, Error>) -> Result<T, Error> {
        let measures = &self.shared.measures;
        let mut reader = measures.read_turn(|| self.shared.lend())?;
        let running = measures.read_runs();
        // Before the snapshot is opened: it may then be newer than this number says, and never older.
        let result = reader.read(self.shared.state.load(Ordering::Acquire), work);
        drop(running);
        self.shared.take_back(reader);
        result
    }

    /// How many reads have begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.shared.room().begun
    }

    /// From here on no read is answered from a snapshot that was opened before.
    pub(super) fn renew(&self) {
        self.shared.state.fetch_add(1, Ordering::Release);
    }

    /// Lets go of the snapshots that no read is using.
    pub(super) fn release_idle(&self) {
        let mut room = self.shared.room();
        let idle = mem::take(&mut room.idle);
        room.lent += idle.len();
        // Reads that come now take the first that is back.
        drop(room);
        for mut reader in idle {
            reader.release();
            self.shared.take_back(reader);
        }
    }

    /// Closes all connections, waiting for those in use. Who wants to read waits for [`Readers::resume`].
    pub(super) fn suspend(&self) {
        drop(self.shared.close_all(None));
    }

    /// Lends connections again: new ones to the same file.
    pub(super) fn resume(&self, path: &Path) -> rusqlite::Result<()> {
        let idle = connect(path, self.shared.count)?;
        let mut room = self.shared.room();
        room.is_closing = false;
        room.idle = idle;
        self.shared.came_back.notify_all();
        Ok(())
    }

    /// Lends no more connections and closes all: those in use once they are back, for which it waits so long at the most.
    pub(super) fn close(&self, wait: Duration) {
        self.shared.room().is_closed = true;
        drop(self.shared.close_all(Some(wait)));
    }
}

fn connect(path: &Path, count: u32) -> rusqlite::Result<Vec<Reader>> {
    (0..count).map(|_| open::reader(path).map(Reader::new)).collect()
}

impl Shared {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while this holds, or no longer than this.
    fn wait_while<'a>(
        &'a self,
        mut room: MutexGuard<'a, Room>,
        wait: Option<Duration>,
        condition: impl Fn(&Room) -> bool,
    ) -> MutexGuard<'a, Room> {
        room.waiting += 1;
        let condition = |room: &mut Room| condition(room);
        let mut room = match wait {
            Some(wait) => {
                let waited = self.came_back.wait_timeout_while(room, wait, condition);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.came_back.wait_while(room, condition);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        room.waiting -= 1;
        room
    }

    fn close_all(&self, wait: Option<Duration>) -> MutexGuard<'_, Room> {
        let mut room = self.room();
        room.is_closing = true;
        room.idle.clear();
        self.came_back.notify_all();
        self.wait_while(room, wait, |room| room.lent > 0)
    }

    fn lend(&self) -> Result<Reader, Error> {
        let mut room = self.room();
        if room.idle.is_empty() && !room.is_closed {
            room = self.wait_while(room, Some(TURN_WAIT), |room| room.idle.is_empty() && !room.is_closed);
        }
        if room.is_closed {
            return Err(closed());
        }
        let reader = room
            .idle
            .pop()
            .ok_or_else(|| Error::storage("all connections are in use"))?;
        room.lent += 1;
        room.begun += 1;
        Ok(reader)
    }

    fn take_back(&self, reader: Reader) {
        let mut room = self.room();
        if room.is_closing {
            drop(room);
            // Closed before it counts as back, for somebody may wait to be the last one in the file.
            drop(reader);
            room = self.room();
        } else {
            room.idle.push(reader);
        }
        room.lent -= 1;
        // To tell nobody would still be a call of the system.
        if room.waiting > 0 {
            self.came_back.notify_all();
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
    const fn new(connection: Connection) -> Self {
        Self {
            connection,
            snapshot: None,
        }
    }

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
        drop(session);
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
