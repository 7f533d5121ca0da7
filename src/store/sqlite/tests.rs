//! The contract, and the promises of this backend's outside: bounded queues, calling off, closing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::domain::{NewMovement, Note, OrderId, ProductId};
use crate::store::contract::store_contract;
use crate::testing::{LATER, NOW, initial, new_order, new_product, options, quantity, stock, store};

mod contract {
    super::store_contract!(async || crate::testing::store());
}

/// A write that holds the writer until it is told to let go, which it waits for at the longest as tests may last.
struct Hold {
    let_go: mpsc::Sender<()>,
    held: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Hold {
    async fn of(store: &SqliteStore) -> Self {
        let (let_go, signal) = mpsc::channel::<()>();
        let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
        let store = store.clone();
        let held = tokio::spawn(async move {
            store
                .write(move |_| {
                    begun.try_send(()).unwrap();
                    signal.recv_timeout(Duration::from_secs(10)).unwrap();
                    Ok(())
                })
                .await
        });
        has_begun.recv().await.unwrap();
        Self { let_go, held }
    }

    async fn release(self) {
        self.let_go.send(()).unwrap();
        self.held.await.unwrap().unwrap();
    }
}

fn small(folder: &TempDir) -> SqliteStore {
    let wait = Duration::from_millis(250);
    let options = Options {
        queue_capacity: 2,
        queue_wait: wait,
        scans: 1,
        scan_wait: wait,
        ..options(folder)
    };
    SqliteStore::open(options).unwrap()
}

/// Adds a product; the flag says whether that was ever begun.
fn noticed(
    store: &SqliteStore,
    sku: &'static str,
) -> (Arc<AtomicBool>, impl Future<Output = Result<ProductId, Error>> + use<>) {
    let has_run = Arc::new(AtomicBool::new(false));
    let (flag, store) = (Arc::clone(&has_run), store.clone());
    let write = async move {
        let add = move |tx: &mut dyn Tx| {
            flag.store(true, Ordering::SeqCst);
            tx.insert_product(&new_product(sku, 1), NOW)
        };
        store.write(add).await
    };
    (has_run, write)
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let folder = TempDir::new().unwrap();
    let wait = Duration::from_secs(10);
    let options = Options {
        queue_capacity: 2,
        queue_wait: wait,
        ..options(&folder)
    };
    let store = SqliteStore::open(options).unwrap();
    let hold = Hold::of(&store).await;
    let (a, b) = (
        tokio::spawn(noticed(&store, "A").1),
        tokio::spawn(noticed(&store, "B").1),
    );
    tokio::task::yield_now().await;
    let (has_run, refused) = noticed(&store, "C");
    assert!(matches!(refused.await, Err(Error::Overloaded)));
    hold.release().await;
    assert!(a.await.unwrap().is_ok() && b.await.unwrap().is_ok());
    assert!(!has_run.load(Ordering::SeqCst));
    assert!(store.ready().await.is_ok());
}

#[tokio::test]
async fn a_write_that_waited_too_long_is_never_run() {
    let folder = TempDir::new().unwrap();
    let store = small(&folder);
    let hold = Hold::of(&store).await;
    let (has_run, late) = noticed(&store, "A");
    // The answer comes in time although the writer is still held.
    assert!(matches!(late.await, Err(Error::Overloaded)));
    hold.release().await;
    store.write(|_| Ok(())).await.unwrap();
    assert!(!has_run.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_never_run() {
    let (store, _folder) = store();
    let hold = Hold::of(&store).await;
    let (has_run, write) = noticed(&store, "A");
    let caller = tokio::spawn(write);
    tokio::task::yield_now().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    hold.release().await;
    store.write(|_| Ok(())).await.unwrap();
    assert!(!has_run.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_write_that_has_begun_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let store = small(&folder);
    let hold = Hold::of(&store).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    hold.release().await;
}

#[tokio::test]
async fn scans_without_a_turn_are_refused_in_time() {
    let folder = TempDir::new().unwrap();
    let store = small(&folder);
    let (let_go, signal) = mpsc::channel::<()>();
    let long = tokio::spawn({
        let store = store.clone();
        async move { store.scan(move |_| signal.recv().map_err(Error::internal)).await }
    });
    tokio::task::yield_now().await;
    assert!(matches!(
        store.scan(|view| view.products(None, 1)).await,
        Err(Error::Overloaded)
    ));
    assert!(store.ready().await.is_ok(), "readiness needs no scan's turn");
    let_go.send(()).unwrap();
    long.await.unwrap().unwrap();
    assert!(store.ready().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writes_at_once_are_all_answered() {
    let (store, _folder) = store();
    let product = store
        .write(|tx| tx.insert_product(&new_product("MUG", 900), NOW))
        .await
        .unwrap();
    let writes: Vec<_> = (0..1_000)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let place = move |tx: &mut dyn Tx| {
                    let is_taken = tx.take_stock(product, quantity(1), LATER)?.is_some();
                    is_taken.then(|| tx.insert_order(&new_order(product, 1))).transpose()
                };
                store.write(place).await
            })
        })
        .collect();
    let mut placed: Vec<OrderId> = Vec::new();
    for write in writes {
        placed.extend(write.await.unwrap().unwrap());
    }
    placed.sort_unstable();
    placed.dedup();
    assert_eq!(placed.len(), 900);
    let left = store.read(move |view| view.product(product)).await.unwrap();
    assert_eq!(left.map(|product| product.stock), Some(stock(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_short_while_many_write_and_read() {
    let folder = TempDir::new().unwrap();
    let options = Options {
        wal_bytes: 4 << 20,
        ..options(&folder)
    };
    let store = SqliteStore::open(options.clone()).unwrap();
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..60 {
                    let product = new_product(&format!("SKU-{client}-{number}"), 1);
                    // A note is in no index.
                    let large = Note::new("x".repeat(1_000_000)).unwrap();
                    let add = move |tx: &mut dyn Tx| {
                        let id = tx.insert_product(&product, NOW)?;
                        tx.insert_movement(&NewMovement {
                            note: Some(large.clone()),
                            ..initial(id, 1)
                        })
                    };
                    let added = store.write(add).await;
                    let seen = store.read(move |view| view.products(None, 1)).await;
                    assert!(added.is_ok() && seen.is_ok_and(|seen| seen.len() == 1));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    // 240 MB came.
    let wal = std::fs::metadata(folder.path().join("test.db-wal")).unwrap();
    assert!(wal.len() < 64 << 20, "{}", wal.len());
    store.close().await;
    let again = SqliteStore::open(options).unwrap();
    let kept = again.read(|view| view.products(None, 1_000)).await.unwrap();
    assert_eq!(kept.len(), 240);
}

fn files(folder: &TempDir) -> Vec<std::ffi::OsString> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().file_name()).collect()
}

/// Whoever closes the file last tidies up, and readers cannot.
#[tokio::test]
async fn closing_waits_for_a_read_that_is_under_way() {
    let (store, folder) = store();
    let (let_go, signal) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel::<()>();
    let reading = store.clone();
    let read = tokio::spawn(async move {
        let hold = move |_: &dyn View| {
            begun.send(()).unwrap();
            signal.recv().map_err(Error::internal)
        };
        reading.scan(hold).await
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    let mut closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    let early = tokio::time::timeout(Duration::from_millis(100), &mut closing).await;
    assert!(early.is_err(), "it did not wait");
    let_go.send(()).unwrap();
    read.await.unwrap().unwrap();
    closing.await.unwrap();
    assert_eq!(files(&folder), ["test.db"]);
}

#[tokio::test]
async fn closing_finishes_what_was_accepted_and_leaves_one_file() {
    let (store, folder) = store();
    let hold = Hold::of(&store).await;
    let accepted = tokio::spawn(noticed(&store, "A").1);
    tokio::task::yield_now().await;
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    tokio::task::yield_now().await;
    assert!(matches!(
        noticed(&store, "B").1.await,
        Err(Error::StorageUnavailable(_))
    ));
    hold.release().await;
    closing.await.unwrap();
    assert!(accepted.await.unwrap().is_ok());
    assert!(matches!(
        store.read(|view| view.products(None, 1)).await,
        Err(Error::StorageUnavailable(_))
    ));
    assert!(matches!(store.ready().await, Err(Error::StorageUnavailable(_))));
    store.close().await;
    assert_eq!(files(&folder), ["test.db"]);
    let again = SqliteStore::open(options(&folder)).unwrap();
    assert_eq!(again.read(|view| view.products(None, 9)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn dropping_the_last_clone_ends_the_writer() {
    let (store, _folder) = store();
    let mut ended = store.shared.writer_ended.clone();
    drop(store);
    assert!(ended.changed().await.is_err());
}

/// The contract's rule of the same name, with a write that certainly happens in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_one_state_whatever_is_written_meanwhile() {
    let (store, _folder) = store();
    let id = store
        .write(|tx| tx.insert_product(&new_product("MUG", 9), NOW))
        .await
        .unwrap();
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let read = store.read(move |view| {
        let before = view.product(id)?;
        begun.try_send(()).unwrap();
        may_go_on.recv().unwrap();
        Ok((before, view.product(id)?))
    });
    let writing = store.clone();
    // On a task of its own, for the read may keep the thread that it was asked for on.
    let write = tokio::spawn(async move {
        has_begun.recv().await.unwrap();
        writing
            .write(move |tx| tx.take_stock(id, quantity(1), LATER))
            .await
            .unwrap();
        go_on.send(()).unwrap();
    });
    let (before, after) = read.await.unwrap();
    write.await.unwrap();
    assert_eq!(before, after);
}
