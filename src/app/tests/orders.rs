//! Orders and the stock that moves along.

use super::*;

#[tokio::test]
async fn an_order_takes_its_units_and_keeps_its_price() {
    let shop = Shop::with_mugs(40).await;
    let order = shop.place(2).await.unwrap();
    assert_eq!((order.status(), order.total().cents()), (Status::Pending, 2_500));
    shop.change(ProductChange {
        price: Some(price(9_999)),
        ..ProductChange::default()
    })
    .await
    .unwrap();
    assert_eq!(shop.order(order.id()).await.unwrap(), order);
    assert_eq!(shop.ledger().await[1..], [(-2, 38, Reason::OrderPlaced(order.id()))]);
    assert_eq!(text(shop.place(39).await), "Product 1 has 38 in stock; 39 requested.");
    assert_eq!(shop.stock().await, 38);
    let nowhere = shop
        .store
        .write(|tx| orders::place(tx, product_id(9), quantity(1), None, None, NOW));
    assert_eq!(text(nowhere.await), "There is no product 9.");
    assert_eq!(text(shop.order(order_id(9)).await), "There is no order 9.");
}

/// Prices whose nearest doubles are off, through the file and back.
#[tokio::test]
async fn totals_are_exact_to_the_cent() {
    let shop = Shop::with_mugs(0).await;
    for (cents, total) in [
        (1, 10_000),
        (10, 100_000),
        (29, 290_000),
        (115, 1_150_000),
        (435, 4_350_000),
        (99_999_999, 999_999_990_000),
    ] {
        let (stock, price) = (Some(testing::stock(10_003)), Some(price(cents)));
        shop.change(ProductChange {
            stock,
            price,
            ..ProductChange::default()
        })
        .await
        .unwrap();
        for (units, expected) in [(10_000, total), (3, 3 * cents)] {
            let id = shop.place(units).await.unwrap().id();
            assert_eq!(shop.order(id).await.unwrap().total().cents(), expected);
        }
    }
}

#[tokio::test]
async fn canceling_gives_the_units_back_once() {
    let shop = Shop::with_mugs(5).await;
    for is_paid in [false, true] {
        let id = shop.place(3).await.unwrap().id();
        let paid_at = if is_paid {
            shop.pay(id).await.state().paid_at()
        } else {
            None
        };
        let canceled = shop.ask(id, Some(Status::Canceled), None).await.unwrap();
        assert_eq!(
            (canceled.state().paid_at(), canceled.state().canceled_at()),
            (paid_at, Some(LATER))
        );
        assert_eq!(shop.stock().await, 5);
        assert_eq!(shop.ledger().await.last(), Some(&(3, 5, Reason::OrderCanceled(id))));
        // Once more is no change at all.
        assert_eq!(shop.ask(id, Some(Status::Canceled), Some(3)).await.unwrap(), canceled);
        assert_eq!(shop.stock().await, 5);
    }
}

#[tokio::test]
async fn shipping_needs_a_payment_and_moves_no_stock() {
    let shop = Shop::with_mugs(5).await;
    let id = shop.place(3).await.unwrap().id();
    let unpaid = "Order 1 is PENDING and cannot become SHIPPED: only a paid order can be shipped.";
    assert_eq!(text(shop.ask(id, Some(Status::Shipped), None).await), unpaid);
    let by_hand = "Order 1 is PENDING and cannot become PAID: only the payment webhook marks an order as paid.";
    assert_eq!(text(shop.ask(id, Some(Status::Paid), None).await), by_hand);
    shop.pay(id).await;
    let shipped = shop.ask(id, Some(Status::Shipped), None).await.unwrap();
    assert_eq!(shipped.state().shipped_at(), Some(LATER));
    let last = "Order 1 is SHIPPED and cannot become CANCELED: SHIPPED is final.";
    assert_eq!(text(shop.ask(id, Some(Status::Canceled), None).await), last);
    assert_eq!((shop.stock().await, shop.ledger().await.len()), (2, 2));
}

#[tokio::test]
async fn another_quantity_moves_the_difference() {
    let shop = Shop::with_mugs(5).await;
    let id = shop.place(3).await.unwrap().id();
    for (units, left) in [(5, 0), (1, 4), (1, 4)] {
        let order = shop.ask(id, None, Some(units)).await.unwrap();
        assert_eq!((order.quantity().get(), order.total().cents()), (units, units * 1_250));
        assert_eq!(shop.stock().await, left);
    }
    let changed = Reason::OrderChanged(id);
    assert_eq!(shop.ledger().await[2..], [(-2, 0, changed), (4, 4, changed)]);
    // What is missing is told in further units.
    assert_eq!(
        text(shop.ask(id, None, Some(6)).await),
        "Product 1 has 4 in stock; 5 requested."
    );
    assert_eq!(shop.order(id).await.unwrap().quantity().get(), 1);
    shop.pay(id).await;
    let settled = "Order 1 is PAID: its quantity can change only while it is PENDING and stays so.";
    assert_eq!(text(shop.ask(id, None, Some(2)).await), settled);
    assert_eq!(text(shop.ask(id, Some(Status::Canceled), Some(2)).await), settled);
    assert_eq!(
        (shop.stock().await, shop.order(id).await.unwrap().status()),
        (4, Status::Paid)
    );
}

#[tokio::test]
async fn only_orders_without_money_are_removed() {
    let shop = Shop::with_mugs(9).await;
    let pending = shop.place(2).await.unwrap().id();
    shop.remove(pending).await.unwrap();
    assert_eq!(shop.ledger().await.last(), Some(&(2, 9, Reason::OrderDeleted(pending))));
    assert_eq!(text(shop.remove(pending).await), "There is no order 1.");

    let canceled = shop.place(2).await.unwrap().id();
    shop.ask(canceled, Some(Status::Canceled), None).await.unwrap();
    let entries = shop.ledger().await.len();
    shop.remove(canceled).await.unwrap();
    assert_eq!((shop.stock().await, shop.ledger().await.len()), (9, entries));

    let paid = shop.place(2).await.unwrap().id();
    shop.pay(paid).await;
    let kept = "Order 3 is PAID and part of the books; to take it back, cancel it.";
    assert_eq!(text(shop.remove(paid).await), kept);
    shop.ask(paid, Some(Status::Canceled), None).await.unwrap();
    let kept = "Order 3 is CANCELED and part of the books, for a payment of it came; it is canceled already and stays on record.";
    assert_eq!(text(shop.remove(paid).await), kept);
    assert!(shop.order(paid).await.is_ok());
}

#[tokio::test]
async fn orders_are_listed_page_by_page() {
    let shop = Shop::with_mugs(9).await;
    for _ in 0..3 {
        shop.place(1).await.unwrap();
    }
    let list = async |before: Option<i64>, limit| {
        let all = OrderFilter::default();
        let page = shop
            .store
            .read(move |view| orders::list(view, &all, before.map(order_id), limit))
            .await
            .unwrap();
        (
            page.items.iter().map(|order| order.id().get()).collect::<Vec<_>>(),
            page.next.map(OrderId::get),
        )
    };
    assert_eq!(list(None, 2).await, (vec![3, 2], Some(2)));
    assert_eq!(list(Some(2), 2).await, (vec![1], None));
    assert_eq!(list(None, 3).await, (vec![3, 2, 1], None));
}

#[tokio::test]
async fn of_many_buyers_one_gets_the_last_unit() {
    let shop = Shop::with_mugs(1).await;
    let buyers = (0..64).map(|_| {
        let (store, mug) = (shop.store.clone(), shop.mug);
        tokio::spawn(async move {
            store
                .write(move |tx| orders::place(tx, mug, quantity(1), None, None, NOW))
                .await
        })
    });
    let mut refusals = Vec::new();
    for buyer in buyers.collect::<Vec<_>>() {
        refusals.extend(buyer.await.unwrap().err().map(|error| error.to_string()));
    }
    assert_eq!(refusals, ["Product 1 has 0 in stock; 1 requested."; 63]);
    assert_eq!((shop.stock().await, shop.ledger().await.len()), (0, 2));
}

#[tokio::test]
async fn a_total_that_cannot_be_counted_changes_nothing() {
    let shop = Shop::with_mugs(9).await;
    shop.change(ProductChange {
        price: Some(price(i64::MAX)),
        ..ProductChange::default()
    })
    .await
    .unwrap();
    assert!(matches!(shop.place(2).await, Err(Error::Internal(_))));
    assert_eq!((shop.stock().await, shop.ledger().await.len()), (9, 1));
}

#[tokio::test]
async fn time_is_what_is_handed_in() {
    let shop = Shop::with_mugs(9).await;
    let (mug, units): (_, Quantity) = (shop.mug, quantity(1));
    let early = Timestamp::from_millis(-1);
    let order = shop
        .store
        .write(move |tx| orders::place(tx, mug, units, None, None, early))
        .await
        .unwrap();
    assert_eq!((order.created_at(), order.updated_at()), (early, early));
    assert_eq!(shop.product(mug).await.unwrap().updated_at, early);
}
