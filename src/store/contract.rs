//! What every backend of the store must do, as one suite.
//!
//! A backend runs it with `store_contract!(open)`, where `open().await` gives a new, empty store and a guard that keeps it.

use super::{Store, Taken, Tx, View};
use crate::domain::{
    Delta, MovementId, NewMovement, NewProduct, Note, Order, OrderId, Product, ProductId, Reason, SearchText,
    Timestamp, Version,
};
use crate::error::Error;
use crate::testing::{
    LATER, NOW, initial, name, new_order, new_product, order_id, price, product_id, quantity, sku, stock,
};

/// One test for each rule of the contract, each on a new store, and with these attributes.
macro_rules! store_contract {
    ($open:expr $(, $attribute:meta)*) => {
        $crate::store::contract::store_contract! { @tests [$(#[$attribute])*] $open =>
            products_come_back_as_written
            products_are_changed_and_removed
            skus_are_unique
            products_are_listed_by_id
            products_are_found_by_a_part_of_their_texts
            products_are_listed_by_their_last_change
            stock_is_taken_only_if_it_suffices
            stock_comes_back
            orders_come_back_in_every_state
            orders_are_listed_newest_first
            orders_are_narrowed_down
            orders_are_found_by_their_reference
            orders_are_listed_by_their_time
            orders_of_a_product_are_found_whatever_is_gone
            products_know_whether_they_have_orders
            movements_are_listed_newest_first
            movements_outlive_their_order
            ids_are_never_used_again
            writes_to_what_is_not_there_are_faults
            a_failed_write_leaves_nothing
            a_panicking_write_leaves_nothing
            a_panicking_read_harms_nobody
            a_write_sees_itself_and_later_reads_see_it
            a_read_sees_one_state
            one_of_many_gets_the_last_unit
            it_is_ready
            orders_expire_in_the_order_of_their_times
            the_last_order_id_outlives_its_order
            events_come_back_as_recorded
            an_event_is_recorded_once
            events_are_narrowed_down
            payments_are_known_by_what_was_recorded
            refunds_are_kept_until_their_payment_comes
            totals_of_refunds_are_kept_side_by_side
            disputes_are_kept_until_their_payment_comes
            holds_are_of_one_payment_each
            payments_are_found_by_their_ids
            payments_are_narrowed_down
            orders_know_whether_a_payment_was_recorded
            open_payments_are_listed_newest_first
            writes_to_payments_that_are_not_there_are_faults
            responses_come_back_as_stored
            responses_are_found_by_their_whole_key
            responses_are_removed_by_age
        }
    };
    (@tests $attributes:tt $open:expr => $($rule:ident)*) => {
        $($crate::store::contract::store_contract! { @test $attributes $open => $rule })*
    };
    (@test [$(#[$attribute:meta])*] $open:expr => $rule:ident) => {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$attribute])*
            async fn $rule() {
                let (store, _guard) = ($open)().await;
                $crate::store::contract::rules::$rule(store).await;
            }
    };
}
pub(crate) use store_contract;

mod idempotency;
mod orders;
mod payments;

/// Every rule, wherever it stands.
pub(crate) mod rules {
    pub(crate) use super::idempotency::*;
    pub(crate) use super::orders::*;
    pub(crate) use super::payments::*;
    pub(crate) use super::*;
}

async fn add_product(store: &impl Store, sku: &'static str, units: i64) -> ProductId {
    store
        .write(move |tx| tx.insert_product(&new_product(sku, units), NOW))
        .await
        .unwrap()
}

async fn add_order(store: &impl Store, product: ProductId) -> OrderId {
    store
        .write(move |tx| tx.insert_order(&new_order(product, 2)))
        .await
        .unwrap()
}

async fn product(store: &impl Store, id: ProductId) -> Option<Product> {
    store.read(move |view| view.product(id)).await.unwrap()
}

async fn order(store: &impl Store, id: OrderId) -> Option<Order> {
    store.read(move |view| view.order(id)).await.unwrap()
}

fn is_internal<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Internal(_)))
}

pub(crate) async fn products_come_back_as_written(store: impl Store) {
    let new = new_product("Teapot-2", 40);
    let written = new.clone();
    let id = store.write(move |tx| tx.insert_product(&written, NOW)).await.unwrap();
    let expected = new.with_id(id, NOW);
    assert_eq!(product(&store, id).await, Some(expected.clone()));
    assert_eq!(
        store.read(|view| view.product_by_sku(&sku("Teapot-2"))).await.unwrap(),
        Some(expected)
    );
    // Another case is another SKU.
    assert_eq!(
        store.read(|view| view.product_by_sku(&sku("TEAPOT-2"))).await.unwrap(),
        None
    );
    assert_eq!(product(&store, product_id(id.get() + 1)).await, None);
}

async fn ids_with_text(store: &impl Store, text: &str, after: Option<ProductId>, limit: usize) -> Vec<ProductId> {
    let text = SearchText::new(text).unwrap();
    let list = store.scan(move |view| view.products_with_text(&text, after, limit));
    list.await.unwrap().iter().map(|product| product.id).collect()
}

pub(crate) async fn products_are_found_by_a_part_of_their_texts(store: impl Store) {
    let mut ids = Vec::new();
    for (sku_text, name_text) in [
        ("MUG-BLUE", "Große Tasse"),
        ("MUG-RED", "Mug \"100%\" red_1"),
        ("POT", "Topf \\ Kanne 'x'"),
        ("mug.3", "ÄÖÜ"),
    ] {
        let new = NewProduct {
            name: name(name_text),
            ..new_product(sku_text, 1)
        };
        ids.push(store.write(move |tx| tx.insert_product(&new, NOW)).await.unwrap());
    }
    let [blue, red, pot, third] = ids[..] else {
        panic!("four products")
    };
    let found = async |text: &'static str| ids_with_text(&store, text, None, 9).await;
    for (text, expected) in [
        ("mug", vec![blue, red, third]),
        ("UG-", vec![blue, red]),
        ("TASSE", vec![blue]),
        ("große t", vec![blue]),
        ("äöü", vec![third]),
        // What means something in a pattern, or in a query, stands for itself.
        ("100%", vec![red]),
        ("%", vec![red]),
        ("red_1", vec![red]),
        ("red-1", vec![]),
        ("\"100%\"", vec![red]),
        ("f \\ k", vec![pot]),
        ("\\", vec![pot]),
        ("'x'", vec![pot]),
        ("mug OR pot", vec![]),
        ("mug*", vec![]),
        // Short ones, too.
        ("m", vec![blue, red, third]),
        ("üx", vec![]),
        ("Ä", vec![third]),
        // A SKU and a name are two texts.
        ("blue große", vec![]),
    ] {
        assert_eq!(found(text).await, expected, "{text}");
    }
    for text in ["mug", "ug"] {
        assert_eq!(ids_with_text(&store, text, None, 1).await, [blue]);
        assert_eq!(ids_with_text(&store, text, Some(blue), 9).await, [red, third]);
    }
    // It follows a new name, a new SKU and the end of a product, but a new stock is nothing to it.
    store
        .write(move |tx| {
            let product = tx.product(blue)?.unwrap();
            let (name, sku) = (name("Becher"), sku("CUP"));
            tx.save_product(&Product { name, sku, ..product })?;
            tx.take_stock(red, quantity(1), LATER)?;
            tx.delete_movements(third)?;
            tx.delete_product(third)
        })
        .await
        .unwrap();
    assert_eq!(found("mug").await, [red]);
    assert_eq!(found("tasse").await, []);
    assert_eq!(found("becher").await, [blue]);
    assert_eq!(found("cup").await, [blue]);
    // What was undone is not found.
    let undone = store.write(|tx| -> Result<(), Error> {
        tx.insert_product(&new_product("UNDONE", 1), NOW)?;
        Err(Error::Overloaded)
    });
    assert!(undone.await.is_err());
    assert_eq!(found("undone").await, []);
}

pub(crate) async fn products_are_listed_by_their_last_change(store: impl Store) {
    let time = |minute: i64, ms: i64| Timestamp::from_millis(minute * 60_000 + ms);
    let mut ids = Vec::new();
    for (n, at) in [time(3, 0), time(1, 59_999), time(1, 5), time(2, 0), time(1, 4)]
        .into_iter()
        .enumerate()
    {
        let new = new_product(&format!("SKU-{n}"), 9);
        ids.push(store.write(move |tx| tx.insert_product(&new, at)).await.unwrap());
    }
    let [a, b, c, d, e] = ids[..] else {
        panic!("five products")
    };
    let found = async |from, text: Option<&'static str>, after, limit| {
        let text = text.map(|text| SearchText::new(text).unwrap());
        let list = store.read(move |view| view.products_by_change(from, text.as_ref(), after, limit));
        let found = list.await.unwrap();
        found.iter().map(|product| product.id).collect::<Vec<_>>()
    };
    assert_eq!(found(time(0, 0), None, None, 9).await, [b, c, e, d, a]);
    assert_eq!(found(time(1, 5), None, None, 9).await, [b, c, d, a]);
    assert_eq!(found(time(2, 0), None, None, 9).await, [d, a]);
    assert_eq!(found(time(3, 1), None, None, 9).await, []);
    assert_eq!(found(time(0, 0), None, None, 2).await, [b, c]);
    assert_eq!(found(time(0, 0), None, Some((time(1, 0), c)), 9).await, [e, d, a]);
    assert_eq!(found(time(1, 5), None, Some((time(1, 0), c)), 1).await, [d]);
    assert_eq!(found(time(0, 0), None, Some((time(3, 0), a)), 9).await, []);
    assert_eq!(found(time(0, 0), Some("sku-2"), None, 9).await, [c]);
    assert_eq!(found(time(2, 0), Some("sku-2"), None, 9).await, []);
    // A change of stock is one, too.
    store
        .write(move |tx| tx.take_stock(b, quantity(1), time(4, 0)).map(|_| ()))
        .await
        .unwrap();
    assert_eq!(found(time(0, 0), None, None, 9).await, [c, e, d, a, b]);
    assert_eq!(found(time(4, 0), None, None, 9).await, [b]);
}

pub(crate) async fn products_are_changed_and_removed(store: impl Store) {
    let id = add_product(&store, "MUG", 40).await;
    let changed = Product {
        id,
        sku: sku("MUG-2"),
        name: name("Tasse <groß> 'n' \"Löffel\" ☕"),
        price: price(99_999_999),
        stock: stock(1_000_000_000_000),
        version: Version::new(7).unwrap(),
        created_at: NOW,
        updated_at: LATER,
    };
    let written = changed.clone();
    store.write(move |tx| tx.save_product(&written)).await.unwrap();
    assert_eq!(product(&store, id).await, Some(changed));
    store.write(move |tx| tx.delete_product(id)).await.unwrap();
    assert_eq!(product(&store, id).await, None);
}

pub(crate) async fn skus_are_unique(store: impl Store) {
    add_product(&store, "MUG", 1).await;
    assert!(is_internal(
        &store.write(|tx| tx.insert_product(&new_product("MUG", 2), NOW)).await
    ));
    assert_eq!(store.read(|view| view.products(None, 9)).await.unwrap().len(), 1);
}

pub(crate) async fn products_are_listed_by_id(store: impl Store) {
    let mut ids = Vec::new();
    for sku in ["C", "A", "B"] {
        ids.push(add_product(&store, sku, 1).await);
    }
    let list = async |after, limit| {
        let page = store.read(move |view| view.products(after, limit)).await.unwrap();
        page.into_iter().map(|product| product.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 2).await, ids[..2]);
    assert_eq!(list(Some(ids[1]), 2).await, ids[2..]);
    assert_eq!(list(Some(ids[2]), 2).await, []);
}

pub(crate) async fn stock_is_taken_only_if_it_suffices(store: impl Store) {
    let id = add_product(&store, "MUG", 5).await;
    let take = async |id, units| {
        store
            .write(move |tx| tx.take_stock(id, quantity(units), LATER))
            .await
            .unwrap()
    };
    assert_eq!(take(id, 6).await, None);
    assert_eq!(
        product(&store, id)
            .await
            .map(|p| (p.stock, p.updated_at, p.version.get())),
        Some((stock(5), NOW, 1))
    );
    assert_eq!(
        take(id, 2).await,
        Some(Taken {
            stock: stock(3),
            price: price(1_250)
        })
    );
    assert_eq!(
        take(id, 3).await,
        Some(Taken {
            stock: stock(0),
            price: price(1_250)
        })
    );
    assert_eq!(take(id, 1).await, None);
    assert_eq!(
        product(&store, id)
            .await
            .map(|p| (p.stock, p.updated_at, p.version.get())),
        Some((stock(0), LATER, 3))
    );
    assert_eq!(take(product_id(id.get() + 1), 1).await, None);
}

pub(crate) async fn stock_comes_back(store: impl Store) {
    let id = add_product(&store, "MUG", 1_000_000_000).await;
    let after = store
        .write(move |tx| tx.return_stock(id, quantity(7), LATER))
        .await
        .unwrap();
    assert_eq!(after, stock(1_000_000_007));
    assert_eq!(
        product(&store, id)
            .await
            .map(|p| (p.stock, p.updated_at, p.version.get())),
        Some((after, LATER, 2))
    );
}

pub(crate) async fn products_know_whether_they_have_orders(store: impl Store) {
    let product = add_product(&store, "MUG", 9).await;
    let has_orders = async || store.read(move |view| view.product_has_orders(product)).await.unwrap();
    assert!(!has_orders().await);
    let id = add_order(&store, product).await;
    assert!(has_orders().await);
    // An order without its product is never left behind.
    assert!(is_internal(&store.write(move |tx| tx.delete_product(product)).await));
    store.write(move |tx| tx.delete_order(id)).await.unwrap();
    assert!(!has_orders().await);
    assert!(is_internal(
        &store.write(|tx| tx.insert_order(&new_order(product_id(99), 1))).await
    ));
}

pub(crate) async fn movements_are_listed_newest_first(store: impl Store) {
    let (mug, pot) = (add_product(&store, "MUG", 9).await, add_product(&store, "POT", 9).await);
    let movement = |delta, reason, note: Option<&str>| NewMovement {
        product_id: mug,
        delta: Delta::new(delta).unwrap(),
        stock_after: stock(9),
        reason,
        note: note.map(Note::restore),
        created_at: LATER,
    };
    let order = order_id(3);
    let written = [
        movement(9, Reason::Initial, None),
        movement(-1, Reason::Adjustment, Some("one broke ☹")),
        movement(-2, Reason::OrderPlaced(order), None),
        movement(1, Reason::OrderChanged(order), Some("")),
        movement(1, Reason::OrderCanceled(order), None),
        movement(1, Reason::OrderExpired(order), None),
        movement(1, Reason::OrderDeleted(order), None),
    ];
    let expected = written.clone();
    let ids = store
        .write(move |tx| {
            tx.insert_movement(&initial(pot, 9))?;
            written
                .iter()
                .map(|movement| tx.insert_movement(movement))
                .collect::<Result<Vec<_>, _>>()
        })
        .await
        .unwrap();
    let list = async |before: Option<MovementId>, limit| {
        store
            .read(move |view| view.movements(mug, before, limit))
            .await
            .unwrap()
    };
    let mut newest_first: Vec<_> = expected.into_iter().zip(ids).map(|(new, id)| new.with_id(id)).collect();
    newest_first.reverse();
    assert_eq!(list(None, 9).await, newest_first);
    assert_eq!(list(None, 4).await, newest_first[..4]);
    assert_eq!(list(Some(newest_first[3].id), 9).await, newest_first[4..]);
    assert_eq!(list(Some(newest_first[6].id), 9).await, []);
    store.write(move |tx| tx.delete_movements(mug)).await.unwrap();
    assert_eq!(list(None, 9).await, []);
    assert_eq!(
        store
            .read(move |view| view.movements(pot, None, 9))
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(crate) async fn movements_outlive_their_order(store: impl Store) {
    let product = add_product(&store, "MUG", 9).await;
    let id = add_order(&store, product).await;
    store
        .write(move |tx| {
            tx.insert_movement(&NewMovement {
                reason: Reason::OrderPlaced(id),
                ..initial(product, 1)
            })?;
            tx.delete_order(id)
        })
        .await
        .unwrap();
    let ledger = store.read(move |view| view.movements(product, None, 9)).await.unwrap();
    assert_eq!(
        ledger
            .iter()
            .map(|movement| movement.reason.order_id())
            .collect::<Vec<_>>(),
        [Some(id)]
    );
}

pub(crate) async fn ids_are_never_used_again(store: impl Store) {
    let add = async || {
        let add = |tx: &mut dyn Tx| {
            let product = tx.insert_product(&new_product("MUG", 9), NOW)?;
            let ids = (
                product,
                tx.insert_order(&new_order(product, 1))?,
                tx.insert_movement(&initial(product, 9))?,
            );
            Ok(ids)
        };
        store.write(add).await.unwrap()
    };
    let (product, order, movement) = add().await;
    store
        .write(move |tx| {
            tx.delete_order(order)?;
            tx.delete_movements(product)?;
            tx.delete_product(product)
        })
        .await
        .unwrap();
    let (later_product, later_order, later_movement) = add().await;
    assert!(later_product > product && later_order > order && later_movement > movement);
}

pub(crate) async fn writes_to_what_is_not_there_are_faults(store: impl Store) {
    let product = new_product("MUG", 1).with_id(product_id(9), NOW);
    let order = new_order(product_id(9), 1).with_id(order_id(9));
    assert!(is_internal(&store.write(move |tx| tx.save_product(&product)).await));
    assert!(is_internal(&store.write(|tx| tx.delete_product(product_id(9))).await));
    assert!(is_internal(
        &store.write(|tx| tx.return_stock(product_id(9), quantity(1), NOW)).await
    ));
    assert!(is_internal(
        &store.write(|tx| tx.insert_movement(&initial(product_id(9), 1))).await
    ));
    assert!(is_internal(&store.write(move |tx| tx.save_order(&order)).await));
    assert!(is_internal(&store.write(|tx| tx.delete_order(order_id(9))).await));
    assert!(store.ready().await.is_ok());
}

pub(crate) async fn a_failed_write_leaves_nothing(store: impl Store) {
    let failed = store.write(|tx| {
        tx.insert_product(&new_product("MUG", 9), NOW)?;
        Err::<(), _>(Error::OrderNotFound { id: order_id(7) })
    });
    assert!(matches!(failed.await, Err(Error::OrderNotFound { .. })));
    assert_eq!(store.read(|view| view.products(None, 9)).await.unwrap(), []);
}

pub(crate) async fn a_panicking_write_leaves_nothing(store: impl Store) {
    let failed = store.write(|tx| -> Result<(), Error> {
        tx.insert_product(&new_product("MUG", 9), NOW)?;
        panic!("on purpose");
    });
    assert!(is_internal(&failed.await));
    assert_eq!(store.read(|view| view.products(None, 9)).await.unwrap(), []);
    add_product(&store, "MUG", 9).await;
}

pub(crate) async fn a_panicking_read_harms_nobody(store: impl Store) {
    for _ in 0..20 {
        let failed = store.read(|view| -> Result<(), Error> {
            view.products(None, 1)?;
            panic!("on purpose");
        });
        assert!(is_internal(&failed.await));
    }
    let id = add_product(&store, "MUG", 9).await;
    assert!(product(&store, id).await.is_some(), "a later read sees a later state");
}

pub(crate) async fn a_write_sees_itself_and_later_reads_see_it(store: impl Store) {
    let id = store
        .write(|tx| {
            let id = tx.insert_product(&new_product("MUG", 9), NOW)?;
            assert!(tx.product(id)?.is_some());
            tx.take_stock(id, quantity(2), LATER)?;
            assert_eq!(tx.product(id)?.map(|product| product.stock), Some(stock(7)));
            Ok(id)
        })
        .await
        .unwrap();
    assert_eq!(product(&store, id).await.map(|product| product.stock), Some(stock(7)));
}

pub(crate) async fn a_read_sees_one_state(store: impl Store) {
    let id = store
        .write(|tx| {
            let id = tx.insert_product(&new_product("MUG", 200), NOW)?;
            tx.insert_movement(&initial(id, 200)).map(|_| id)
        })
        .await
        .unwrap();
    let writing = store.clone();
    let writer = tokio::spawn(async move {
        for left in (0..200).rev() {
            let take = move |tx: &mut dyn Tx| {
                tx.take_stock(id, quantity(1), LATER)?;
                let movement = NewMovement {
                    delta: Delta::new(-1).unwrap(),
                    stock_after: stock(left),
                    reason: Reason::Adjustment,
                    ..initial(id, 1)
                };
                tx.insert_movement(&movement)
            };
            writing.write(take).await.unwrap();
        }
    });
    while !writer.is_finished() {
        let both = move |view: &dyn View| Ok((view.product(id)?, view.movements(id, None, 1)?));
        let (product, movements) = store.read(both).await.unwrap();
        assert_eq!(product.unwrap().stock, movements[0].stock_after);
    }
    writer.await.unwrap();
    assert_eq!(product(&store, id).await.map(|product| product.stock), Some(stock(0)));
}

pub(crate) async fn one_of_many_gets_the_last_unit(store: impl Store) {
    let id = add_product(&store, "MUG", 1).await;
    let buyers: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(move |tx| tx.take_stock(id, quantity(1), LATER))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut lucky = 0;
    for buyer in buyers {
        lucky += usize::from(buyer.await.unwrap().is_some());
    }
    assert_eq!(lucky, 1);
    assert_eq!(product(&store, id).await.map(|product| product.stock), Some(stock(0)));
}

pub(crate) async fn it_is_ready(store: impl Store) {
    assert!(store.ready().await.is_ok());
}
