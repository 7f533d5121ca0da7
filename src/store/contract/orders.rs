//! The contract's rules of orders.

use std::time::Duration;

use super::{add_order, add_product, order};
use crate::domain::{NewOrder, Order, OrderId, State, Status, Timestamp, Version};
use crate::error::Error;
use crate::store::{OrderFilter, Store, TimeSpan};
use crate::testing::{LATER, NOW, new_order, product_id, reference};

pub(crate) async fn orders_come_back_in_every_state(store: impl Store) {
    let product = add_product(&store, "MUG", 5).await;
    let id = add_order(&store, product).await;
    let placed = new_order(product, 2);
    assert_eq!(order(&store, id).await, Some(placed.with_id(id)));
    let time = Timestamp::from_millis;
    let states = [
        State::Paid { paid_at: time(1) },
        State::Shipped {
            paid_at: time(2),
            shipped_at: time(3),
        },
        State::Canceled {
            paid_at: Some(time(4)),
            canceled_at: time(5),
            refund_due: true,
        },
        State::Canceled {
            paid_at: None,
            canceled_at: time(6),
            refund_due: false,
        },
        State::Pending { expires_at: None },
        State::Pending {
            expires_at: Some(time(7)),
        },
    ];
    for (version, state) in (2..).zip(states) {
        let version = Version::new(version).unwrap();
        let named = new_order(product, 10_000).with_reference(Some(reference(&format!("R {version:?}"))));
        let changed = Order::restore(id, named, state, version, LATER);
        let saved = changed.clone();
        store.write(move |tx| tx.save_order(&saved)).await.unwrap();
        assert_eq!(order(&store, id).await, Some(changed));
    }
    store.write(move |tx| tx.delete_order(id)).await.unwrap();
    assert_eq!(order(&store, id).await, None);
}

async fn pay(store: &impl Store, id: OrderId) {
    let pay = store.write(move |tx| {
        let order = tx.order(id)?.unwrap().pay(LATER).unwrap();
        tx.save_order(&order)
    });
    pay.await.unwrap();
}

async fn order_ids(store: &impl Store, filter: &OrderFilter, before: Option<OrderId>, limit: usize) -> Vec<OrderId> {
    let filter = filter.clone();
    let page = store
        .read(move |view| view.orders(&filter, before, limit))
        .await
        .unwrap();
    page.iter().map(Order::id).collect()
}

pub(crate) async fn orders_are_listed_newest_first(store: impl Store) {
    let product = add_product(&store, "MUG", 9).await;
    let (a, b, c) = (
        add_order(&store, product).await,
        add_order(&store, product).await,
        add_order(&store, product).await,
    );
    let all = OrderFilter::default();
    assert_eq!(order_ids(&store, &all, None, 2).await, [c, b]);
    assert_eq!(order_ids(&store, &all, Some(b), 2).await, [a]);
    assert_eq!(order_ids(&store, &all, Some(a), 2).await, []);
}

pub(crate) async fn orders_expire_in_the_order_of_their_times(store: impl Store) {
    let product = add_product(&store, "MUG", 9).await;
    let mut ids = Vec::new();
    for seconds in [Some(3), Some(1), None, Some(1), Some(2)] {
        let order = new_order(product, 1).expiring_after(seconds.map(Duration::from_secs));
        ids.push(store.write(move |tx| tx.insert_order(&order)).await.unwrap());
    }
    let expiring = async |seconds, limit| {
        let until = NOW.after(Duration::from_secs(seconds));
        let orders = store
            .read(move |view| view.orders_expiring(until, limit))
            .await
            .unwrap();
        orders.iter().map(Order::id).collect::<Vec<_>>()
    };
    assert_eq!(expiring(0, 9).await, []);
    assert_eq!(expiring(1, 9).await, [ids[1], ids[3]]);
    assert_eq!(expiring(3, 9).await, [ids[1], ids[3], ids[4], ids[0]]);
    assert_eq!(expiring(3, 3).await, [ids[1], ids[3], ids[4]]);
    assert_eq!(expiring(3, 0).await, []);
    pay(&store, ids[1]).await;
    assert_eq!(expiring(3, 1).await, [ids[3]]);
}

pub(crate) async fn the_last_order_id_outlives_its_order(store: impl Store) {
    let last = async || store.read(|view| view.last_order_id()).await.unwrap();
    let product = add_product(&store, "MUG", 9).await;
    assert_eq!(last().await, None);
    let (a, b) = (add_order(&store, product).await, add_order(&store, product).await);
    assert_eq!(last().await, Some(b));
    for id in [a, b] {
        store.write(move |tx| tx.delete_order(id)).await.unwrap();
        assert_eq!(last().await, Some(b));
    }
    // What was undone was never given.
    let failed = store.write(move |tx| -> Result<(), Error> {
        tx.insert_order(&new_order(product, 1))?;
        Err(Error::Overloaded)
    });
    assert!(failed.await.is_err());
    assert_eq!(last().await, Some(b));
}

/// Any of them may be gone: the newest, the one that a page ended with, and those in the middle.
pub(crate) async fn orders_of_a_product_are_found_whatever_is_gone(store: impl Store) {
    let (mug, pot) = (add_product(&store, "MUG", 9).await, add_product(&store, "POT", 9).await);
    let mut ids = Vec::new();
    for product in [mug, pot, mug, mug, pot, mug, mug] {
        ids.push(add_order(&store, product).await);
    }
    let mugs = OrderFilter {
        product_id: Some(mug),
        ..OrderFilter::default()
    };
    let found = async |before, limit| order_ids(&store, &mugs, before, limit).await;
    let remove = async |index: usize| {
        let id = ids[index];
        store.write(move |tx| tx.delete_order(id)).await.unwrap();
    };
    let [a, b, c, d, e] = [ids[0], ids[2], ids[3], ids[5], ids[6]];
    assert_eq!(found(None, 9).await, [e, d, c, b, a]);
    remove(3).await;
    assert_eq!(found(None, 3).await, [e, d, b]);
    assert_eq!(found(Some(c), 9).await, [b, a], "where a page ended");
    remove(5).await;
    assert_eq!(found(None, 9).await, [e, b, a], "two in a row");
    assert_eq!(found(Some(e), 1).await, [b]);
    assert_eq!(found(Some(d), 1).await, [b]);
    assert_eq!(
        found(Some(ids[4]), 9).await,
        [b, a],
        "before an order of another product"
    );
    remove(6).await;
    assert_eq!(
        found(None, 9).await,
        [b, a],
        "the newest, and with it those that only it led to"
    );
    for gone in [c, d, e] {
        assert_eq!(found(Some(gone), 9).await, [b, a]);
    }
    let f = add_order(&store, mug).await;
    assert_eq!(found(None, 9).await, [f, b, a]);
    assert_eq!(found(Some(e), 9).await, [b, a]);
    remove(0).await;
    remove(2).await;
    assert_eq!(found(None, 9).await, [f]);
    store.write(move |tx| tx.delete_order(f)).await.unwrap();
    assert_eq!(found(None, 9).await, []);
    store
        .write(move |tx| {
            tx.delete_movements(mug)?;
            tx.delete_product(mug)
        })
        .await
        .unwrap();
    assert_eq!(found(None, 9).await, []);
    assert_eq!(
        order_ids(&store, &OrderFilter::default(), None, 9).await,
        [ids[4], ids[1]]
    );
}

pub(crate) async fn orders_are_narrowed_down(store: impl Store) {
    let (mug, pot) = (add_product(&store, "MUG", 9).await, add_product(&store, "POT", 9).await);
    let mut ids = Vec::new();
    for product in [mug, pot, mug, pot, mug] {
        ids.push(add_order(&store, product).await);
    }
    let canceled = [ids[2], ids[3]];
    store
        .write(move |tx| {
            for id in canceled {
                let order = tx.order(id)?.unwrap().cancel(id == canceled[0], LATER).unwrap();
                tx.save_order(&order)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let filter = |status, product_id| OrderFilter {
        status,
        product_id,
        ..OrderFilter::default()
    };
    let owing = |refund_due, filter: &OrderFilter| OrderFilter {
        refund_due: Some(refund_due),
        ..filter.clone()
    };
    let found = async |filter: OrderFilter| order_ids(&store, &filter, None, 9).await;
    assert_eq!(found(filter(None, Some(mug))).await, [ids[4], ids[2], ids[0]]);
    assert_eq!(found(filter(Some(Status::Canceled), None)).await, [ids[3], ids[2]]);
    assert_eq!(found(filter(Some(Status::Pending), Some(mug))).await, [ids[4], ids[0]]);
    assert_eq!(found(filter(Some(Status::Paid), None)).await, []);
    assert_eq!(found(filter(None, Some(product_id(pot.get() + 1)))).await, []);
    let (all, canceled, mugs) = (
        filter(None, None),
        filter(Some(Status::Canceled), None),
        filter(None, Some(mug)),
    );
    assert_eq!(found(owing(true, &all)).await, [ids[2]]);
    assert_eq!(found(owing(true, &canceled)).await, [ids[2]]);
    assert_eq!(found(owing(true, &mugs)).await, [ids[2]]);
    assert_eq!(found(owing(true, &filter(Some(Status::Paid), None))).await, []);
    assert_eq!(found(owing(true, &filter(None, Some(pot)))).await, []);
    assert_eq!(found(owing(false, &all)).await, [ids[4], ids[3], ids[1], ids[0]]);
    assert_eq!(found(owing(false, &canceled)).await, [ids[3]]);
    assert_eq!(found(owing(false, &mugs)).await, [ids[4], ids[0]]);
    // Pages go on within the filter.
    assert_eq!(order_ids(&store, &owing(true, &all), Some(ids[2]), 9).await, []);
    let pending = filter(Some(Status::Pending), None);
    assert_eq!(order_ids(&store, &pending, Some(ids[4]), 1).await, [ids[1]]);
    assert_eq!(
        order_ids(&store, &filter(None, Some(mug)), Some(ids[4]), 1).await,
        [ids[2]]
    );
    assert_eq!(
        order_ids(&store, &filter(Some(Status::Pending), Some(mug)), Some(ids[4]), 1).await,
        [ids[0]]
    );
}

pub(crate) async fn orders_are_found_by_their_reference(store: impl Store) {
    let (mug, pot) = (add_product(&store, "MUG", 9).await, add_product(&store, "POT", 9).await);
    let mut ids = Vec::new();
    // A reference is compared byte by byte, and not unique.
    for (product, name) in [
        (mug, Some("W-1")),
        (mug, None),
        (pot, Some("W-1")),
        (mug, Some("w-1")),
        (mug, Some("W-1")),
    ] {
        let order = new_order(product, 1).with_reference(name.map(reference));
        ids.push(store.write(move |tx| tx.insert_order(&order)).await.unwrap());
    }
    let named = OrderFilter {
        reference: Some(reference("W-1")),
        ..OrderFilter::default()
    };
    assert_eq!(order_ids(&store, &named, None, 9).await, [ids[4], ids[2], ids[0]]);
    assert_eq!(order_ids(&store, &named, Some(ids[4]), 1).await, [ids[2]]);
    let of_pot = OrderFilter {
        product_id: Some(pot),
        ..named.clone()
    };
    assert_eq!(order_ids(&store, &of_pot, None, 9).await, [ids[2]]);
    pay(&store, ids[0]).await;
    for (status, found) in [(Status::Paid, vec![ids[0]]), (Status::Pending, vec![ids[4], ids[2]])] {
        let filter = OrderFilter {
            status: Some(status),
            ..named.clone()
        };
        assert_eq!(order_ids(&store, &filter, None, 9).await, found);
    }
    for (refund_due, found) in [(true, vec![]), (false, vec![ids[4], ids[2], ids[0]])] {
        let filter = OrderFilter {
            refund_due: Some(refund_due),
            ..named.clone()
        };
        assert_eq!(order_ids(&store, &filter, None, 9).await, found);
    }
    let nobodys = OrderFilter {
        reference: Some(reference("W-2")),
        ..OrderFilter::default()
    };
    assert_eq!(order_ids(&store, &nobodys, None, 9).await, []);
}

/// A clock may step back, and many orders have one time.
pub(crate) async fn orders_are_listed_by_their_time(store: impl Store) {
    let (mug, pot) = (add_product(&store, "MUG", 9).await, add_product(&store, "POT", 9).await);
    let time = Timestamp::from_millis;
    let mut ids = Vec::new();
    for (product, at) in [(mug, 20), (pot, 10), (mug, 30), (mug, 20), (pot, 20)] {
        let order = NewOrder::new(
            product,
            new_order(product, 1).quantity(),
            new_order(product, 1).unit_price(),
            time(at),
        );
        let order = order.unwrap().with_reference((at == 30).then(|| reference("W-1")));
        ids.push(store.write(move |tx| tx.insert_order(&order)).await.unwrap());
    }
    let found = async |filter: &OrderFilter, from: Option<i64>, until: Option<i64>, before, limit| {
        let span = TimeSpan {
            from: from.map(time),
            until: until.map(time),
        };
        let filter = filter.clone();
        let list = store.read(move |view| view.orders_by_time(&filter, span, before, limit));
        list.await.unwrap().iter().map(Order::id).collect::<Vec<_>>()
    };
    let all = OrderFilter::default();
    let by_time = [ids[2], ids[4], ids[3], ids[0], ids[1]];
    assert_eq!(found(&all, None, None, None, 9).await, by_time);
    assert_eq!(found(&all, Some(20), None, None, 9).await, by_time[..4]);
    assert_eq!(found(&all, Some(21), None, None, 9).await, by_time[..1]);
    assert_eq!(found(&all, None, Some(30), None, 9).await, by_time[1..]);
    assert_eq!(found(&all, Some(20), Some(30), None, 2).await, by_time[1..3]);
    assert_eq!(found(&all, Some(30), Some(20), None, 9).await, []);
    // A page ends within a time, at its first order, and with one that is gone by then.
    assert_eq!(
        found(&all, Some(20), None, Some((time(20), ids[3])), 9).await,
        by_time[3..4]
    );
    assert_eq!(
        found(&all, None, None, Some((time(30), ids[2])), 2).await,
        by_time[1..3]
    );
    assert_eq!(
        found(&all, None, Some(30), Some((time(40), ids[0])), 9).await,
        by_time[1..]
    );
    let gone = ids[4];
    store.write(move |tx| tx.delete_order(gone)).await.unwrap();
    assert_eq!(found(&all, None, None, Some((time(20), gone)), 9).await, by_time[2..]);
    // Filters narrow it.
    let mugs = OrderFilter {
        product_id: Some(mug),
        ..OrderFilter::default()
    };
    assert_eq!(found(&mugs, None, Some(30), None, 9).await, by_time[2..4]);
    let named = OrderFilter {
        reference: Some(reference("W-1")),
        ..OrderFilter::default()
    };
    assert_eq!(found(&named, None, None, None, 9).await, by_time[..1]);
    for (status, count) in [(Status::Pending, 4), (Status::Paid, 0)] {
        let filter = OrderFilter {
            status: Some(status),
            refund_due: Some(false),
            ..OrderFilter::default()
        };
        assert_eq!(found(&filter, None, None, None, 9).await.len(), count);
    }
}
