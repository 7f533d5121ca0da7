//! Requests that come again, and answers that grow old.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::app::idempotency::{self, IdempotencyKey, Outcome, RETENTION, StoredResponse};

fn key(caller: &str, path: &str, key: &str) -> IdempotencyKey {
    IdempotencyKey {
        caller: caller.to_owned(),
        path: path.to_owned(),
        key: key.to_owned(),
    }
}

/// The answer to an order that was placed.
fn answer(order: &Order) -> StoredResponse {
    StoredResponse {
        status: 201,
        body: format!("order {}", order.id()).into_bytes(),
        location: Some(format!("/orders/{}", order.id())),
        etag: Some(format!("\"{}\"", order.version())),
    }
}

const BODY: [u8; 32] = [1; 32];
const OTHER_BODY: [u8; 32] = [2; 32];

impl Shop {
    /// Orders one mug under this key.
    async fn order_once(&self, key: IdempotencyKey, body: [u8; 32], now: Timestamp) -> Result<Outcome, Error> {
        let mug = self.mug;
        let place = move |tx: &mut dyn Tx| orders::place(tx, mug, quantity(1), None, None, now);
        self.store
            .write(move |tx| idempotency::once(tx, &key, body, now, |tx| place(tx).map(|order| answer(&order))))
            .await
    }
}

fn location(outcome: Outcome) -> (bool, String) {
    match outcome {
        Outcome::Fresh(kept) => (false, kept.location.unwrap()),
        Outcome::Replayed(kept) => (true, kept.location.unwrap()),
    }
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_as_the_first_time() {
    let shop = Shop::with_mugs(9).await;
    let first = shop.order_once(key("a", "/orders", "k"), BODY, NOW).await.unwrap();
    let Outcome::Fresh(kept) = first else {
        panic!("{first:?}")
    };
    // Whatever became of the order since.
    shop.remove(order_id(1)).await.unwrap();
    let again = shop.order_once(key("a", "/orders", "k"), BODY, LATER).await.unwrap();
    assert_eq!(again, Outcome::Replayed(kept));
    assert_eq!(text(shop.order(order_id(2)).await), "There is no order 2.");
    shop.check().await;
}

#[tokio::test]
async fn an_answer_without_its_optional_parts_comes_back_so() {
    let shop = Shop::with_mugs(9).await;
    let bare = StoredResponse {
        status: 200,
        body: vec![0, 255, 10],
        location: None,
        etag: None,
    };
    let once = async || {
        let bare = bare.clone();
        let once = move |tx: &mut dyn Tx| idempotency::once(tx, &key("", "/", "k"), BODY, NOW, |_| Ok(bare.clone()));
        shop.store.write(once).await.unwrap()
    };
    assert_eq!(once().await, Outcome::Fresh(bare.clone()));
    assert_eq!(once().await, Outcome::Replayed(bare.clone()));
}

#[tokio::test]
async fn another_body_is_refused() {
    let shop = Shop::with_mugs(9).await;
    shop.order_once(key("a", "/orders", "k"), BODY, NOW).await.unwrap();
    let reused = shop.order_once(key("a", "/orders", "k"), OTHER_BODY, NOW).await;
    let refusal = "This Idempotency-Key was used for this path with another body.";
    assert_eq!(text(reused), refusal);
    assert_eq!(shop.stock().await, 8);
}

#[tokio::test]
async fn a_key_counts_for_one_caller_and_one_path() {
    let shop = Shop::with_mugs(9).await;
    for (n, key) in (1..).zip([
        key("a", "/orders", "k"),
        key("b", "/orders", "k"),
        key("a", "/products", "k"),
        key("a", "/orders", "K"),
        key("", "a/orders", "k"),
    ]) {
        let fresh = shop.order_once(key, BODY, NOW).await.unwrap();
        assert_eq!(location(fresh), (false, format!("/orders/{n}")));
    }
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let shop = Shop::with_mugs(0).await;
    let none_left = "Product 1 has 0 in stock; 1 requested.";
    let order = async || shop.order_once(key("a", "/orders", "k"), BODY, NOW).await;
    assert_eq!(text(order().await), none_left);
    shop.adjust(1, None).await.unwrap();
    assert_eq!(location(order().await.unwrap()), (false, "/orders/1".to_owned()));
    // A failure does not even use the key up for another body.
    let failed = shop.order_once(key("a", "/orders", "l"), BODY, NOW).await;
    assert_eq!(text(failed), none_left);
    shop.adjust(1, None).await.unwrap();
    let other = shop.order_once(key("a", "/orders", "l"), OTHER_BODY, NOW).await;
    assert_eq!(location(other.unwrap()), (false, "/orders/2".to_owned()));
}

#[tokio::test]
async fn of_many_retries_at_once_one_orders() {
    let shop = Arc::new(Shop::with_mugs(9).await);
    let fresh = Arc::new(AtomicUsize::new(0));
    let retries: Vec<_> = (0..100)
        .map(|_| {
            let (shop, fresh) = (Arc::clone(&shop), Arc::clone(&fresh));
            tokio::spawn(async move {
                let (is_replayed, location) =
                    location(shop.order_once(key("a", "/orders", "k"), BODY, NOW).await.unwrap());
                fresh.fetch_add(usize::from(!is_replayed), Ordering::SeqCst);
                assert_eq!(location, "/orders/1");
            })
        })
        .collect();
    for retry in retries {
        retry.await.unwrap();
    }
    assert_eq!((fresh.load(Ordering::SeqCst), shop.stock().await), (1, 8));
    shop.check().await;
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_crash() {
    let shop = Shop::with_mugs(9).await;
    shop.order_once(key("a", "/orders", "k"), BODY, NOW).await.unwrap();
    let database = match &shop.database {
        // What a crash would leave: the file and its log, with nothing closed.
        Database::Sqlite(folder) => {
            let crashed = TempDir::new().unwrap();
            for file in ["test.db", "test.db-wal"] {
                std::fs::copy(folder.path().join(file), crashed.path().join(file)).unwrap();
            }
            Database::Sqlite(crashed)
        }
        // What another instance finds.
        Database::Postgres(url) => Database::Postgres(url.clone()),
    };
    let again = Shop {
        store: database.open().await,
        mug: shop.mug,
        database,
    };
    let retried = again.order_once(key("a", "/orders", "k"), BODY, LATER).await.unwrap();
    assert_eq!(location(retried), (true, "/orders/1".to_owned()));
    assert_eq!(again.stock().await, 8);
    again.check().await;
}

#[tokio::test]
async fn an_answer_is_given_for_a_day() {
    let shop = Shop::with_mugs(9).await;
    let order = async |body, now| {
        let outcome = shop.order_once(key("a", "/orders", "k"), body, now).await;
        location(outcome.unwrap())
    };
    let (a_day_later, millisecond) = (NOW.after(RETENTION), Duration::from_millis(1));
    assert_eq!(order(BODY, NOW).await, (false, "/orders/1".to_owned()));
    assert_eq!(
        order(BODY, a_day_later.before(millisecond)).await,
        (true, "/orders/1".to_owned())
    );
    // From then on the key is as if never used, for any body, and what is kept is the new answer.
    assert_eq!(order(OTHER_BODY, a_day_later).await, (false, "/orders/2".to_owned()));
    assert_eq!(order(OTHER_BODY, a_day_later).await, (true, "/orders/2".to_owned()));
}

#[tokio::test]
async fn answers_that_are_given_no_longer_are_swept() {
    let shop = Shop::with_mugs(9).await;
    let second = Duration::from_secs(1);
    let mut now = NOW;
    for name in ["k1", "k2", "k3", "k4"] {
        shop.order_once(key("a", "/orders", name), BODY, now).await.unwrap();
        now = now.after(second);
    }
    let sweep = async |now: Timestamp, limit| {
        let is_any = shop
            .store
            .read(move |view| idempotency::is_any_expired(view, now))
            .await;
        let swept = shop.store.write(move |tx| idempotency::sweep(tx, now, limit)).await;
        (is_any.unwrap(), swept.unwrap())
    };
    let first_expires = NOW.after(RETENTION);
    assert_eq!(sweep(first_expires.before(second), 9).await, (false, 0));
    assert_eq!(sweep(first_expires, 9).await, (true, 1));
    // In bounded batches, the oldest first.
    let all_expired = first_expires.after(second * 3);
    assert_eq!(sweep(all_expired, 2).await, (true, 2));
    let last = shop.order_once(key("a", "/orders", "k4"), BODY, NOW).await.unwrap();
    assert_eq!(location(last), (true, "/orders/4".to_owned()));
    assert_eq!(sweep(all_expired, 2).await, (true, 1));
    assert_eq!(sweep(all_expired, 2).await, (false, 0));
}
