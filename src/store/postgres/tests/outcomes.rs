//! Commits whose answer does not come, or is not what it must be: a write is answered as what became of it, or it is said
//! that nobody knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::join_all;

use super::*;
use crate::testing::proxy::{Mode, Proxy, address_of, at};

const WARNING: Mode = Mode::SaysAtCommits("WARNING", "01000");

/// A store that reaches its database through a proxy, and the URL of that.
async fn behind_proxy() -> (PostgresStore, Proxy, String) {
    let url = postgres::new_database().await;
    let proxy = Proxy::of(address_of(&url));
    (open(&at(&url, proxy.address)).await, proxy, url)
}

/// How many products have this SKU.
async fn count(url: &str, sku: &str) -> i64 {
    postgres::count(url, &format!("SELECT count(*) FROM products WHERE sku = '{sku}'")).await
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_write_whose_commit_is_not_answered_is_settled() {
    let (store, proxy, url) = behind_proxy().await;
    let modes = [
        Mode::CutsBeforeCommits,
        Mode::CutsAfterCommits,
        // Its wait for the replicas was canceled: asking again waits for them.
        WARNING,
        // It was ended in that wait, and the server fell while it wrote. Either is kept.
        Mode::SaysAtCommits("FATAL", "57P01"),
        Mode::SaysAtCommits("PANIC", "58030"),
        // A proxy between says so, or a library.
        Mode::SaysAtCommits("FATAL", "08006"),
    ];
    for (number, mode) in (1..).zip(modes) {
        let sku = format!("SKU-{number}");
        let told = Arc::new(AtomicUsize::new(0));
        let (product, tell) = (new_product(&sku, 1), Arc::clone(&told));
        let write = store.write_then(
            move |tx| tx.insert_product(&product, NOW),
            move |_| {
                tell.fetch_add(1, Ordering::SeqCst);
            },
        );
        let (written, ()) = tokio::join!(write, proxy.break_commit(mode));
        assert_eq!(written.unwrap(), product_id(number), "{mode:?}");
        assert_eq!(count(&url, &sku).await, 1, "{mode:?}");
        assert_eq!(told.load(Ordering::SeqCst), 1, "{mode:?}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn where_nobody_can_tell_in_time_the_outcome_is_unknown() {
    let modes = [
        (Mode::CutsBeforeCommits, 0),
        (Mode::CutsAfterCommits, 1),
        (Mode::HangsAtCommits, 1),
        (WARNING, 1),
        (Mode::SaysAtCommits("FATAL", "57P01"), 1),
    ];
    join_all(modes.map(async |(mode, kept)| {
        let (store, proxy, url) = behind_proxy().await;
        let told = Arc::new(AtomicUsize::new(0));
        let tell = Arc::clone(&told);
        proxy.set(mode);
        let began = Instant::now();
        let write = store.write_then(
            |tx| tx.insert_product(&new_product("UNKNOWN", 1), NOW),
            move |_| {
                tell.fetch_add(1, Ordering::SeqCst);
            },
        );
        // Of the same transaction, and not to be kept in any case.
        let refused = store.write(|tx| {
            let id = tx.insert_product(&new_product("REFUSED", 1), NOW)?;
            Err::<(), _>(Error::ProductNotFound { id })
        });
        let (written, refused) = tokio::join!(write, refused);
        let took = began.elapsed();
        assert!(
            matches!(written, Err(Error::OutcomeUnknown(_))),
            "{mode:?}: {written:?}"
        );
        assert!(
            matches!(refused, Err(Error::StorageUnavailable(_))),
            "{mode:?}: {refused:?}"
        );
        assert!(took < Duration::from_secs(5), "{mode:?}: {took:?}");
        proxy.set(Mode::Passes);
        // The turn was given back, or is taken from the session that hangs; and the next id is the next one.
        assert_eq!(
            add_product(&store, "AFTER").await.unwrap(),
            product_id(kept + 1),
            "{mode:?}"
        );
        assert_eq!(count(&url, "UNKNOWN").await, kept, "{mode:?}");
        assert_eq!(count(&url, "REFUSED").await, 0, "{mode:?}");
        assert_eq!(told.load(Ordering::SeqCst), 0, "{mode:?}");
    }))
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_server_that_is_away_after_a_commit_leaves_its_outcome_unknown() {
    let (store, proxy, url) = behind_proxy().await;
    let (written, ()) = tokio::join!(add_product(&store, "AWAY"), async {
        proxy.break_commit(Mode::CutsAfterCommits).await;
        proxy.set(Mode::Cuts);
    });
    assert!(matches!(written, Err(Error::OutcomeUnknown(_))), "{written:?}");
    // And before one, that nothing was changed.
    let not_written = add_product(&store, "AWAY-2").await;
    assert!(
        matches!(not_written, Err(Error::StorageUnavailable(_))),
        "{not_written:?}"
    );
    proxy.set(Mode::Passes);
    assert_eq!(add_product(&store, "BACK").await.unwrap(), product_id(2));
    assert_eq!(count(&url, "AWAY").await, 1);
    assert_eq!(count(&url, "AWAY-2").await, 0);
}
