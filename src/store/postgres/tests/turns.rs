//! Writes share transactions, and the transactions of all stores take turns.
//!
//! On a test's only thread writes that are polled at once are in the queue before the writer looks: one batch.

use std::time::Instant;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{initial, sku};

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn writes_at_once_share_a_transaction_and_one_that_fails_is_undone_alone() {
    let (store, url) = store().await;
    let writes = (0..120).map(|number| {
        let product = new_product(&format!("SKU-{number}"), 1);
        store.write(move |tx| {
            let id = tx.insert_product(&product, NOW)?;
            match number % 3 {
                0 => Ok(id),
                _ if number == 5 => panic!("of the test"),
                _ => Err(Error::ProductNotFound { id }),
            }
        })
    });
    let results = join_all(writes).await;
    for (number, result) in results.iter().enumerate() {
        match (number % 3, result) {
            // Ids have no gaps where the others failed.
            (0, Ok(id)) => assert_eq!(id.get() as usize, number / 3 + 1),
            (1 | 2, Err(Error::ProductNotFound { .. } | Error::Internal(_))) => {}
            other => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(product_ids(&store).await, first_ids(40));
    assert_eq!(transactions(&url).await, 1);
    // Where nothing is to be kept there is none.
    let nothing = join_all((0..10).map(|_| store.write(|tx| tx.product(product_id(1))))).await;
    assert!(nothing.iter().all(Result::is_ok), "{nothing:?}");
    assert_eq!(transactions(&url).await, 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_write_that_cannot_be_stored_fails_alone() {
    let (store, url) = store().await;
    let writes = (0..9).map(|number| {
        let product = new_product(&format!("SKU-{number}"), 1);
        store.write(move |tx| match number {
            // A foreign key.
            4 => tx
                .insert_movement(&initial(product_id(999), 1))
                .map(|_| product_id(999)),
            _ => tx.insert_product(&product, NOW),
        })
    });
    let results = join_all(writes).await;
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), number != 4, "{number}: {result:?}");
    }
    assert!(matches!(results[4], Err(Error::Internal(_))), "{:?}", results[4]);
    assert_eq!(product_ids(&store).await, first_ids(8));
    assert_eq!(postgres::count(&url, "SELECT count(*) FROM stock_movements").await, 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_write_that_asks_for_what_one_before_it_changed_sees_it() {
    let (store, url) = store().await;
    let add = store.write(|tx| tx.insert_product(&new_product("FIRST", 1), NOW));
    let by_sku = store.write(|tx| tx.product_by_sku(&sku("FIRST")));
    let by_list = store.write(|tx| {
        let known = tx.products(None, 10)?.len();
        tx.insert_product(&new_product(&format!("AFTER-{known}"), 1), NOW)
    });
    // By its id it is known without the database.
    let by_id = store.write(|tx| tx.product(product_id(1)));
    let (added, by_sku, by_list, by_id) = tokio::join!(add, by_sku, by_list, by_id);
    assert_eq!(added.unwrap(), product_id(1));
    assert_eq!(by_sku.unwrap().unwrap().id, product_id(1));
    assert_eq!(by_id.unwrap().unwrap().id, product_id(1));
    assert_eq!(by_list.unwrap(), product_id(2));
    let names = "SELECT count(*) FROM products WHERE sku IN ('FIRST', 'AFTER-1')";
    assert_eq!(postgres::count(&url, names).await, 2);
    assert_eq!(transactions(&url).await, 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn writes_that_wait_for_each_other_are_all_answered_in_time() {
    let (store, url) = store().await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END'; \
         CREATE TRIGGER slow BEFORE INSERT ON products EXECUTE FUNCTION slow()";
    postgres::run(&url, slow).await;
    // Each asks for what the one before it adds, so each needs a transaction of its own.
    let writes = (0..30).map(|_| {
        store.write(|tx| {
            let known = tx.products(None, 100)?.len();
            tx.insert_product(&new_product(&format!("SKU-{known}"), 1), NOW)
        })
    });
    let began = Instant::now();
    let results = join_all(writes).await;
    let took = began.elapsed();
    assert!(took < Duration::from_millis(4_500), "{took:?}");
    let (written, refused) = results.split_at(results.iter().take_while(|result| result.is_ok()).count());
    assert!(written.len() > 1, "{results:?}");
    assert!(
        refused.len() > 1 && refused.iter().all(|result| matches!(result, Err(Error::Overloaded))),
        "{results:?}"
    );
    assert_eq!(product_ids(&store).await, first_ids(written.len() as i64));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_row_that_a_hand_changes_without_a_turn_is_never_overwritten() {
    let (store, url) = store().await;
    add_product(&store, "CHANGED").await.unwrap();
    let hand = Hand::of(&url).await;
    hand.run("BEGIN; UPDATE products SET stock = 70, version = version + 1")
        .await;
    let take = store.write(|tx| tx.take_stock(product_id(1), testing::quantity(1), NOW));
    let (taken, ()) = tokio::join!(take, async {
        // It has read the row by now, and waits for the hand's lock.
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        while postgres::count(&url, waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        hand.run("COMMIT").await;
    });
    assert_eq!(taken.unwrap().unwrap().stock.get(), 69);
    assert_eq!(postgres::count(&url, "SELECT version FROM products").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn the_writes_of_two_stores_are_as_if_one_ran_after_the_other() {
    let (first, url) = store().await;
    let stores = [first, open(&url).await];
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let stores = stores.clone();
        writers.spawn(async move {
            for number in 0..15 {
                let id = add_product(&stores[writer % 2], &format!("SKU-{writer}-{number}"))
                    .await
                    .unwrap();
                // Whatever has a lower id is there, at the other store too.
                let seen = product_ids(&stores[(writer + 1) % 2]).await;
                assert!(seen.len() as i64 >= id.get(), "{id}: {seen:?}");
                assert_eq!(seen, first_ids(seen.len() as i64));
            }
        });
    }
    writers.join_all().await;
    assert_eq!(product_ids(&stores[0]).await, first_ids(16 * 15));
    // Both have written, and waited for each other.
    assert_eq!(postgres::count(&url, "SELECT count(*) FROM writers").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_turn_that_is_kept_makes_others_overloaded_in_time_and_they_recover() {
    let (first, url) = store().await;
    let stores = [first, open(&url).await];
    let hand = Hand::of(&url).await;
    hand.run(writer::TURN).await;
    let began = Instant::now();
    let writes = (0..40).map(|number| add_product(&stores[number % 2], "KEPT"));
    let (results, read) = tokio::join!(join_all(writes), stores[0].read(|view| view.products(None, 1)));
    let took = began.elapsed();
    assert!(
        results.iter().all(|result| matches!(result, Err(Error::Overloaded))),
        "{results:?}"
    );
    assert!(took < TURN_WAIT + Duration::from_secs(1), "{took:?}");
    read.unwrap();
    hand.run("ROLLBACK").await;
    assert_eq!(add_product(&stores[1], "KEPT").await.unwrap(), product_id(1));
    assert!(matches!(stores[0].ready().await, Ok(())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn the_turn_of_an_instance_that_hangs_is_taken_from_it() {
    let (store, url) = store().await;
    let hand = Hand::of(&url).await;
    hand.run(&writing(Options::default().write_timeout).sql()).await;
    hand.run(writer::TURN).await;
    let began = Instant::now();
    assert_eq!(add_product(&store, "TAKEN").await.unwrap(), product_id(1));
    let took = began.elapsed();
    assert!(took < IDLE_IN_TRANSACTION_MAX + Duration::from_secs(1), "{took:?}");
    assert!(hand.client.simple_query("COMMIT").await.is_err());
}

/// A session outside of any store.
struct Hand {
    client: tokio_postgres::Client,
}

impl Hand {
    async fn of(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { client }
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }
}
