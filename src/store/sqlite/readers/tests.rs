//! Reads that find no free connection, and scans that are to end.

use std::sync::mpsc;
use std::thread;

use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;

use super::*;
use crate::store::sqlite::open;
use crate::store::{SqliteStore, Store as _, Tx};
use crate::testing::{NOW, new_product, options, store};

/// A store with one connection for reads and one for scans.
fn narrow() -> (SqliteStore, TempDir) {
    let folder = TempDir::new().unwrap();
    let options = Options {
        readers: 1,
        scans: 1,
        scans_waiting_max: 1,
        scan_timeout: Duration::from_millis(300),
        ..options(&folder)
    };
    (SqliteStore::open(options).unwrap(), folder)
}

async fn add(store: &impl crate::store::Store, sku: &'static str) {
    let add = move |tx: &mut dyn Tx| tx.insert_product(&new_product(sku, 1), NOW);
    store.write(add).await.unwrap();
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

/// On one thread: if the second read waited there, the first could never go on.
#[tokio::test]
async fn a_read_that_finds_no_connection_waits_elsewhere() {
    let (store, _folder) = narrow();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let held = {
        let store = store.clone();
        let handle = tokio::runtime::Handle::current();
        thread::spawn(move || {
            handle.block_on(store.read(move |_| {
                begun.try_send(()).unwrap();
                may_go_on.recv().map_err(Error::internal)
            }))
        })
    };
    has_begun.recv().await.unwrap();
    let second = store.read(|view| view.products(None, 1));
    tokio::pin!(second);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut second).await;
    assert!(early.is_err(), "it did not wait");
    assert!(store.ready().await.is_ok(), "readiness has a connection of its own");
    go_on.send(()).unwrap();
    assert!(second.await.is_ok());
    held.join().unwrap().unwrap();
}

#[tokio::test]
async fn after_a_failure_or_a_panic_the_connection_goes_on() {
    let (store, _folder) = narrow();
    for _ in 0..3 {
        let refused = store.read(|_| Err::<(), _>(Error::Overloaded)).await;
        assert!(matches!(refused, Err(Error::Overloaded)));
        let panicked = store.read(|_| -> Result<(), Error> { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
    }
    add(&store, "A").await;
    assert_eq!(store.read(|view| view.products(None, 9)).await.unwrap().len(), 1);
}

/// Looks through far more than any test has time for.
fn endless(view: &dyn View) -> Result<(), Error> {
    loop {
        view.products(None, 1_000)?;
    }
}

#[tokio::test]
async fn a_scan_ends_when_its_time_is_up() {
    let (store, _folder) = narrow();
    for n in 0..1_000 {
        let sku: &'static str = Box::leak(format!("SKU-{n}").into_boxed_str());
        add(&store, sku).await;
    }
    assert!(matches!(store.scan(endless).await, Err(Error::Overloaded)));
    // The connection is as good as before.
    assert_eq!(store.scan(|view| view.products(None, 9)).await.unwrap().len(), 9);
}

#[tokio::test]
async fn a_scan_ends_when_its_caller_leaves() {
    let folder = TempDir::new().unwrap();
    let options = Options {
        scans: 1,
        scan_wait: Duration::from_secs(10),
        scan_timeout: Duration::from_secs(3_600),
        ..options(&folder)
    };
    let store = SqliteStore::open(options).unwrap();
    let fill = |tx: &mut dyn Tx| {
        for n in 0..1_000 {
            tx.insert_product(&new_product(&format!("SKU-{n}"), 1), NOW)?;
        }
        Ok(())
    };
    store.write(fill).await.unwrap();
    let scan = tokio::time::timeout(Duration::from_millis(50), store.scan(endless)).await;
    assert!(scan.is_err(), "the caller leaves");
    // Its turn comes, so the other has ended.
    assert_eq!(store.scan(|view| view.products(None, 9)).await.unwrap().len(), 9);
}

#[tokio::test]
async fn scans_beyond_the_bound_are_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let options = Options {
        scans: 1,
        scans_waiting_max: 1,
        scan_wait: Duration::from_secs(10),
        ..options(&folder)
    };
    let store = SqliteStore::open(options).unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let scan = |store: SqliteStore| async move { store.scan(|view| view.products(None, 1)).await };
    let running = {
        let store = store.clone();
        tokio::spawn(async move { store.scan(move |_| may_go_on.recv().map_err(Error::internal)).await })
    };
    tokio::task::yield_now().await;
    let waiting = tokio::spawn(scan(store.clone()));
    tokio::task::yield_now().await;
    assert!(matches!(scan(store.clone()).await, Err(Error::Overloaded)));
    go_on.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert!(waiting.await.unwrap().is_ok());
}

#[test]
fn a_statement_is_prepared_once_whatever_is_bound_to_it() {
    use rusqlite::StatementStatus;

    let folder = TempDir::new().unwrap();
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

#[tokio::test]
async fn reads_and_scans_are_counted_on_the_threads_that_begin_them() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recorded = ::metrics::set_default_local_recorder(&recorder);
    let folder = TempDir::new().unwrap();
    let options = Options {
        scans: 1,
        scan_wait: Duration::from_millis(50),
        ..options(&folder)
    };
    let store = SqliteStore::open(options).unwrap();
    let shown = |line: &str| metrics.render().lines().any(|shown| shown == line);

    let within = metrics.clone();
    let read = move |_: &dyn View| Ok(within.render().contains("\nshop_store_reads_running 1\n"));
    assert!(store.read(read).await.unwrap(), "{}", metrics.render());
    assert!(shown("shop_store_reads_running 0"), "{}", metrics.render());

    let (release, held) = mpsc::channel::<()>();
    let first = store.scan(move |_| held.recv().map_err(Error::internal));
    let second = async {
        let refused = store.scan(|_| Ok(())).await;
        release.send(()).unwrap();
        refused
    };
    let (first, second) = tokio::join!(first, second);
    first.unwrap();
    assert!(
        matches!(second, Err(Error::Overloaded)),
        "its turn did not come in time"
    );
    assert!(shown("shop_store_scans_refused_total 1"), "{}", metrics.render());
    assert!(
        shown(r#"shop_store_read_wait_seconds_count{kind="scan"} 1"#),
        "{}",
        metrics.render()
    );
}
