//! What goes wrong with writes and scans is counted, and what has gone leaves the gauges.

use std::sync::mpsc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::{SqliteStore, Store};
use crate::testing::options;

/// A store that counts and takes one write at a time, one more waiting.
fn narrow(change: impl FnOnce(&mut Options)) -> (SqliteStore, Recorder, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut options = Options {
        queue_capacity: 1,
        batch_max: 1,
        scans: 1,
        queue_wait: Duration::from_secs(60),
        scan_wait: Duration::from_millis(50),
        ..options(&folder)
    };
    change(&mut options);
    let mut recorder = Recorder::default();
    let metrics = Metrics::new(&mut recorder, &options);
    (
        SqliteStore::open_with(options, metrics, crate::testing::fatal()).unwrap(),
        recorder,
        folder,
    )
}

#[track_caller]
fn assert_shown(recorder: &Recorder, lines: &[&str]) {
    let text = recorder.text().unwrap();
    for line in lines {
        assert!(text.lines().any(|shown| shown == *line), "no {line} in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_are_not_begun_are_counted() {
    let (store, recorder, _folder) = narrow(|options| options.queue_wait = Duration::from_millis(300));
    let (begin, begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let first = store.clone();
    let first = tokio::spawn(async move {
        let work = move |_: &mut dyn crate::store::Tx| {
            begin.send(()).unwrap();
            held.recv().map_err(Error::internal)
        };
        first.write(work).await
    });
    begun.recv().unwrap();
    let second = store.clone();
    let second = tokio::spawn(async move { second.write(|_| Ok(())).await });
    while !recorder.text().unwrap().contains("\nshop_store_queue_length 1\n") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(matches!(store.write(|_| Ok(())).await, Err(Error::Overloaded)));
    let full = r#"shop_store_writes_refused_total{reason="queue_full"} 1"#;
    assert_shown(
        &recorder,
        &["shop_store_queue_length 1", "shop_store_queue_capacity 1", full],
    );

    assert!(
        matches!(second.await.unwrap(), Err(Error::Overloaded)),
        "it waited too long"
    );
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    store.close().await;
    let late = r#"shop_store_writes_refused_total{reason="late"} 1"#;
    assert_shown(
        &recorder,
        &[
            "shop_store_queue_length 0",
            full,
            late,
            "shop_store_batch_writes_count 1",
        ],
    );
}

#[tokio::test]
async fn transactions_that_the_storage_fails_are_counted() {
    let (store, recorder, folder) = narrow(|_| ());
    // Somebody else writes, and does not stop.
    let other = Connection::open(options(&folder).path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(store.write(|_| Ok(())).await, Err(Error::Overloaded)));
    assert_shown(
        &recorder,
        &[
            "shop_store_batches_failed_total 1",
            "shop_store_commit_duration_seconds_count 0",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_are_counted_while_they_run_and_where_their_turn_does_not_come() {
    let (store, recorder, _folder) = narrow(|_| ());
    let (begin, begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let first = store.clone();
    let first = tokio::spawn(async move {
        let work = move |_: &dyn crate::store::View| {
            begin.send(()).unwrap();
            held.recv().map_err(Error::internal)
        };
        first.scan(work).await
    });
    begun.recv().unwrap();
    assert!(matches!(store.scan(|_| Ok(())).await, Err(Error::Overloaded)));
    assert_shown(
        &recorder,
        &["shop_store_reads_running 1", "shop_store_scans_refused_total 1"],
    );
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    let waited = r#"shop_store_read_wait_seconds_count{kind="scan"} 1"#;
    assert_shown(
        &recorder,
        &["shop_store_reads_running 0", "shop_store_scans_refused_total 1", waited],
    );
}
