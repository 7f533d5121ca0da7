//! Whether the database is still where it was opened: its file, the files beside it, and so its folder.
//!
//! An open file that is removed or replaced goes on taking writes, which nobody finds again once the process ends. So a
//! thread looks for the files each second. While one is missing or another is in its place, no write is taken. Reads go
//! on: what this process has open may be all that is left of the database. If the files come back, writes go on as well.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::lock::FileId;
use super::paths;

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(1);

/// How often it says again that a file is lost.
const REMINDER: Duration = Duration::from_secs(10);

/// Why nothing is written, if so. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost(Arc<RwLock<Option<String>>>);

impl Lost {
    /// Which file is lost, in one line.
    pub(super) fn reason(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, reason: Option<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// The thread that looks.
pub(super) struct Watch {
    lost: Lost,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watch {
    /// Starts it for a database that is open for writing.
    pub(super) fn start(database: &Path) -> io::Result<Self> {
        let paths = [
            database.to_owned(),
            paths::log_of(database),
            paths::index_of(database),
            paths::lock_of(database),
        ];
        let files = paths.into_iter().map(|path| FileId::at(&path).map(|id| (path, id)));
        let files = Files(files.collect::<io::Result<_>>()?);
        let (stop, stopped) = channel();
        let lost = Lost::default();
        let shared = lost.clone();
        let thread = thread::Builder::new()
            .name("store-presence".to_owned())
            .spawn(move || files.watch(&shared, &stopped))?;
        Ok(Self { lost, stop, thread })
    }

    /// What it finds.
    pub(super) fn lost(&self) -> Lost {
        self.lost.clone()
    }

    /// Looks once more and ends.
    pub(super) fn end(self) {
        drop(self.stop);
        // It has nothing to return, and a panic there was its own.
        let _ = self.thread.join();
    }
}

/// The files, as they were when the database was opened.
struct Files(Vec<(PathBuf, FileId)>);

impl Files {
    fn watch(&self, lost: &Lost, stopped: &Receiver<()>) {
        let mut said_at: Option<Instant> = None;
        loop {
            let is_stopped = stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout);
            let found = self.look();
            // What the log says is so by then.
            lost.set(found.clone());
            match &found {
                Some(reason) if said_at.is_none_or(|said| said.elapsed() >= REMINDER) => {
                    tracing::error!(reason, "the database is lost: no write is taken");
                    said_at = Some(Instant::now());
                }
                None if said_at.take().is_some() => {
                    tracing::warn!("the database is where it was: writes are taken again");
                }
                Some(_) | None => {}
            }
            if is_stopped {
                return;
            }
        }
    }

    /// The first file that is not where it was.
    fn look(&self) -> Option<String> {
        self.0.iter().find_map(|(path, id)| match FileId::at(path) {
            Ok(found) if found == *id => None,
            Ok(_) => Some(format!("another file is in the place of {}", path.display())),
            Err(error) => Some(format!("{} cannot be found: {error}", path.display())),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::error::Error;
    use crate::store::{SqliteStore, Store};
    use crate::testing::{NOW, fatal, new_product, options};

    /// Waits until writes are refused, or taken again.
    async fn until_writes_are(store: &SqliteStore, is_ok: bool) -> Result<(), Error> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let written = store.write(|tx| tx.insert_product(&new_product("NEW", 1), NOW)).await;
            // The SKU is taken from the second time on.
            let is_taken = !matches!(written, Err(Error::StorageUnavailable(_)));
            if is_taken == is_ok {
                return written.map(|_| ());
            }
            assert!(Instant::now() < until, "within 10 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn no_write_is_taken_while_a_file_is_not_where_it_was() {
        for suffix in ["", "-wal", "-shm", "-lock"] {
            let folder = TempDir::new().unwrap();
            let store = SqliteStore::open_with(options(&folder), fatal()).unwrap();
            store
                .write(|tx| tx.insert_product(&new_product("MUG", 1), NOW))
                .await
                .unwrap();
            let file = paths::beside(store.path(), suffix);
            let away = folder.path().join("away");

            fs::rename(&file, &away).unwrap();
            until_writes_are(&store, false).await.unwrap_err();
            assert!(store.lost().unwrap().contains("cannot be found"), "{suffix}");
            assert!(store.ready().await.is_err(), "{suffix}");
            let read = store.read(|view| view.products(None, 9)).await;
            assert!(!read.unwrap().is_empty(), "{suffix}: reads go on");

            fs::write(&file, "another").unwrap();
            until_reason_is(&store, "another file").await;
            fs::rename(&away, &file).unwrap();
            let _ = until_writes_are(&store, true).await;
            assert_eq!(store.lost(), None, "{suffix}");
            store.close().await;
            let names: Vec<_> = fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names, ["test.db"], "{suffix}");
        }
    }

    async fn until_reason_is(store: &SqliteStore, text: &str) {
        let until = Instant::now() + Duration::from_secs(10);
        while !store.lost().is_some_and(|reason| reason.contains(text)) {
            assert!(Instant::now() < until, "{:?}", store.lost());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn closing_removes_no_file_of_another_database() {
        let folder = TempDir::new().unwrap();
        let store = SqliteStore::open_with(options(&folder), fatal()).unwrap();
        store
            .write(|tx| tx.insert_product(&new_product("MUG", 1), NOW))
            .await
            .unwrap();
        for suffix in ["", "-wal", "-shm", "-lock"] {
            let file = paths::beside(store.path(), suffix);
            fs::remove_file(&file).unwrap();
            fs::write(&file, suffix).unwrap();
        }
        store.close().await;
        for suffix in ["", "-wal", "-shm", "-lock"] {
            assert_eq!(fs::read_to_string(paths::beside(store.path(), suffix)).unwrap(), suffix);
        }
        assert!(store.lost().is_some());
    }
}
