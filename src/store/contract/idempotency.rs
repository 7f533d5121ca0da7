//! The contract's rules of idempotency keys.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::store::{IdempotencyKey, IdempotencyRecord, Store, StoredResponse};
use crate::testing::{LATER, NOW};

fn key(caller: &str, path: &str, key: &str) -> IdempotencyKey {
    IdempotencyKey {
        caller: caller.to_owned(),
        path: path.to_owned(),
        key: key.to_owned(),
    }
}

fn stored(status: u16, created_at: Timestamp) -> IdempotencyRecord {
    IdempotencyRecord {
        body_hash: [7; 32],
        response: StoredResponse {
            status,
            body: b"{\"id\":1}".to_vec(),
            location: Some("/orders/1".to_owned()),
            etag: Some("\"1\"".to_owned()),
        },
        created_at,
    }
}

async fn put(store: &impl Store, key: IdempotencyKey, stored: IdempotencyRecord) {
    store
        .write(move |tx| tx.save_idempotency_record(&key, &stored))
        .await
        .unwrap();
}

async fn get(store: &impl Store, key: IdempotencyKey) -> Option<IdempotencyRecord> {
    store.read(move |view| view.idempotency_record(&key)).await.unwrap()
}

pub(crate) async fn responses_come_back_as_stored(store: impl Store) {
    let k = key("caller", "/orders", "k");
    assert_eq!(get(&store, k.clone()).await, None);
    let bare = IdempotencyRecord {
        body_hash: std::array::from_fn(|n| u8::try_from(n).unwrap()),
        response: StoredResponse {
            status: u16::MAX,
            body: (0..=u8::MAX).collect(),
            location: None,
            etag: None,
        },
        created_at: LATER,
    };
    // A later one takes the place of the one before.
    for record in [stored(201, NOW), bare, stored(200, NOW)] {
        put(&store, k.clone(), record.clone()).await;
        assert_eq!(get(&store, k.clone()).await, Some(record));
    }
}

pub(crate) async fn responses_are_found_by_their_whole_key(store: impl Store) {
    put(&store, key("a", "/orders", "k"), stored(201, NOW)).await;
    for other in [
        key("b", "/orders", "k"),
        key("", "/orders", "k"),
        key("a", "/products", "k"),
        key("a", "/orders", "K"),
        key("a/", "orders", "k"),
    ] {
        assert_eq!(get(&store, other.clone()).await, None, "{other:?}");
        put(&store, other, stored(200, NOW)).await;
    }
    assert_eq!(get(&store, key("a", "/orders", "k")).await, Some(stored(201, NOW)));
}

pub(crate) async fn responses_are_removed_by_age(store: impl Store) {
    let time = |seconds| NOW.after(Duration::from_secs(seconds));
    for (name, seconds) in [("c", 3), ("a", 1), ("b", 2), ("d", 4)] {
        put(&store, key("", "/", name), stored(201, time(seconds))).await;
    }
    let has = async |seconds| {
        let has = store.read(move |view| view.has_idempotency_records_until(time(seconds)));
        has.await.unwrap()
    };
    let delete = async |seconds, limit| {
        let delete = store.write(move |tx| tx.delete_idempotency_records_until(time(seconds), limit));
        delete.await.unwrap()
    };
    assert!(!has(0).await && has(1).await);
    assert_eq!(delete(0, 9).await, 0);
    assert_eq!(delete(3, 2).await, 2);
    for (name, is_there) in [("a", false), ("b", false), ("c", true), ("d", true)] {
        assert_eq!(get(&store, key("", "/", name)).await.is_some(), is_there, "{name}");
    }
    assert_eq!(delete(3, 2).await, 1);
    assert!(!has(3).await && has(4).await);
}
