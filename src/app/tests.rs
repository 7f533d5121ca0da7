//! Each use case on a real file, and what it leaves in the ledger.

use tempfile::TempDir;

use super::{orders, products, stock};
use crate::domain::{
    Delta, Note, Order, OrderChange, OrderId, Product, ProductChange, ProductId, Quantity, Reason, Status,
    StockMovement, Timestamp,
};
use crate::error::Error;
use crate::store::{OrderFilter, SqliteStore, Store, Tx};
use crate::testing::{self, LATER, NOW, name, new_product, order_id, price, product_id, quantity, sku};

/// A store with one product, and each use case as a call.
struct Shop {
    store: SqliteStore,
    mug: ProductId,
    _folder: TempDir,
}

impl Shop {
    async fn with_mugs(units: i64) -> Self {
        let (store, folder) = testing::store();
        let mug = store
            .write(move |tx| products::create(tx, &new_product("MUG", units), NOW))
            .await
            .unwrap()
            .id;
        Self {
            store,
            mug,
            _folder: folder,
        }
    }

    async fn create(&self, sku: &'static str, units: i64) -> Result<Product, Error> {
        self.store
            .write(move |tx| products::create(tx, &new_product(sku, units), NOW))
            .await
    }

    async fn product(&self, id: ProductId) -> Result<Product, Error> {
        self.store.read(move |view| products::get(view, id)).await
    }

    async fn stock(&self) -> i64 {
        self.product(self.mug).await.unwrap().stock.get()
    }

    async fn change(&self, change: ProductChange) -> Result<Product, Error> {
        let mug = self.mug;
        self.store
            .write(move |tx| products::update(tx, mug, &change, LATER))
            .await
    }

    async fn delete(&self, id: ProductId) -> Result<(), Error> {
        self.store.write(move |tx| products::delete(tx, id)).await
    }

    async fn adjust(&self, delta: i64, note: Option<Note>) -> Result<StockMovement, Error> {
        let (mug, delta) = (self.mug, Delta::new(delta).unwrap());
        self.store
            .write(move |tx| stock::adjust(tx, mug, delta, note.as_ref(), LATER))
            .await
    }

    async fn place(&self, units: i64) -> Result<Order, Error> {
        let mug = self.mug;
        self.store
            .write(move |tx| orders::place(tx, mug, quantity(units), NOW))
            .await
    }

    async fn order(&self, id: OrderId) -> Result<Order, Error> {
        self.store.read(move |view| orders::get(view, id)).await
    }

    async fn ask(&self, id: OrderId, status: Option<Status>, units: Option<i64>) -> Result<Order, Error> {
        let change = OrderChange {
            status,
            quantity: units.map(quantity),
        };
        self.store.write(move |tx| orders::update(tx, id, change, LATER)).await
    }

    /// As the payment of the order does.
    async fn pay(&self, id: OrderId) -> Order {
        let pay = move |tx: &mut dyn Tx| {
            let order = orders::get(tx, id)?.pay(LATER).unwrap();
            tx.save_order(&order)?;
            Ok(order)
        };
        self.store.write(pay).await.unwrap()
    }

    async fn remove(&self, id: OrderId) -> Result<(), Error> {
        self.store.write(move |tx| orders::delete(tx, id, LATER)).await
    }

    /// The ledger, oldest first, as (delta, stock after, reason).
    async fn ledger(&self) -> Vec<(i64, i64, Reason)> {
        let mug = self.mug;
        let page = self
            .store
            .read(move |view| stock::list(view, mug, None, 100))
            .await
            .unwrap();
        page.items
            .iter()
            .rev()
            .map(|m| (m.delta.get(), m.stock_after.get(), m.reason))
            .collect()
    }
}

/// What a refusal says.
fn text<T>(result: Result<T, Error>) -> String {
    result.err().expect("refused").to_string()
}

#[tokio::test]
async fn a_product_begins_with_its_opening_stock() {
    let shop = Shop::with_mugs(40).await;
    assert_eq!(
        shop.product(shop.mug).await.unwrap(),
        new_product("MUG", 40).with_id(shop.mug, NOW)
    );
    assert_eq!(shop.ledger().await, [(40, 40, Reason::Initial)]);
    let none = Shop::with_mugs(0).await;
    assert_eq!(none.ledger().await, []);
}

#[tokio::test]
async fn a_sku_belongs_to_one_product() {
    let shop = Shop::with_mugs(1).await;
    assert_eq!(
        text(shop.create("MUG", 1).await),
        "SKU MUG is taken by another product."
    );
    let pot = shop.create("POT", 1).await.unwrap();
    let taken = ProductChange {
        sku: Some(sku("POT")),
        price: Some(price(1)),
        ..ProductChange::default()
    };
    assert_eq!(
        text(shop.change(taken.clone()).await),
        "SKU POT is taken by another product."
    );
    assert_eq!(shop.product(shop.mug).await.unwrap().updated_at, NOW);
    shop.delete(pot.id).await.unwrap();
    assert!(shop.change(taken).await.is_ok());
}

#[tokio::test]
async fn a_product_changes_only_where_it_is_told_to() {
    let shop = Shop::with_mugs(40).await;
    let before = shop.product(shop.mug).await.unwrap();
    let same = ProductChange {
        sku: Some(sku("MUG")),
        stock: Some(before.stock),
        ..ProductChange::default()
    };
    assert_eq!(shop.change(same).await.unwrap(), before);
    let change = ProductChange {
        name: Some(name("Large mug")),
        price: Some(price(1)),
        ..ProductChange::default()
    };
    let after = shop.change(change).await.unwrap();
    assert_eq!(
        after,
        Product {
            name: name("Large mug"),
            price: price(1),
            updated_at: LATER,
            ..before
        }
    );
    assert_eq!(shop.product(shop.mug).await.unwrap(), after);
    assert_eq!(shop.ledger().await.len(), 1);
}

#[tokio::test]
async fn a_new_level_of_stock_is_an_adjustment() {
    let shop = Shop::with_mugs(40).await;
    for level in [38, 41, 41] {
        let change = ProductChange {
            stock: Some(testing::stock(level)),
            ..ProductChange::default()
        };
        assert_eq!(shop.change(change).await.unwrap().stock.get(), level);
    }
    let adjustments = [(-2, 38, Reason::Adjustment), (3, 41, Reason::Adjustment)];
    assert_eq!(shop.ledger().await[1..], adjustments);
}

#[tokio::test]
async fn a_product_is_removed_with_its_ledger_unless_orders_refer_to_it() {
    let shop = Shop::with_mugs(40).await;
    let order = shop.place(1).await.unwrap().id();
    assert_eq!(
        text(shop.delete(shop.mug).await),
        "Product 1 cannot be deleted: orders refer to it."
    );
    shop.ask(order, Some(Status::Canceled), None).await.unwrap();
    assert!(matches!(shop.delete(shop.mug).await, Err(Error::ProductInUse { .. })));
    shop.remove(order).await.unwrap();
    shop.delete(shop.mug).await.unwrap();
    assert_eq!(text(shop.product(shop.mug).await), "There is no product 1.");
    let mug = shop.mug;
    assert_eq!(
        shop.store.read(move |view| view.movements(mug, None, 9)).await.unwrap(),
        []
    );
    assert!(matches!(
        shop.delete(shop.mug).await,
        Err(Error::ProductNotFound { .. })
    ));
}

#[tokio::test]
async fn products_are_listed_page_by_page() {
    let shop = Shop::with_mugs(1).await;
    for sku in ["B", "C"] {
        shop.create(sku, 1).await.unwrap();
    }
    let list = async |only: Option<&'static str>, after, limit| {
        let page = shop
            .store
            .read(move |view| products::list(view, only.map(sku).as_ref(), after, limit))
            .await
            .unwrap();
        let ids = page.items.iter().map(|product| product.id.get()).collect::<Vec<_>>();
        (ids, page.next.map(ProductId::get))
    };
    assert_eq!(list(None, None, 2).await, (vec![1, 2], Some(2)));
    assert_eq!(list(None, Some(product_id(2)), 2).await, (vec![3], None));
    // A last page that is full has no next one.
    assert_eq!(list(None, None, 3).await, (vec![1, 2, 3], None));
    assert_eq!(list(Some("C"), None, 1).await, (vec![3], None));
    assert_eq!(list(Some("C"), Some(product_id(3)), 1).await, (vec![], None));
    assert_eq!(list(Some("D"), None, 1).await, (vec![], None));
}

#[tokio::test]
async fn stock_is_moved_by_a_difference() {
    let shop = Shop::with_mugs(40).await;
    let movement = shop.adjust(100, Some(Note::new("Delivery 4711"))).await.unwrap();
    assert_eq!((movement.delta.get(), movement.stock_after.get()), (100, 140));
    assert_eq!((movement.reason, movement.created_at), (Reason::Adjustment, LATER));
    let mug = shop.mug;
    let page = shop
        .store
        .read(move |view| stock::list(view, mug, None, 1))
        .await
        .unwrap();
    assert_eq!((page.items, page.next), (vec![movement.clone()], Some(movement.id)));
    assert_eq!(
        text(shop.adjust(-141, None).await),
        "Product 1 has 140 in stock; 141 requested."
    );
    let limit = "Product 1 has 140 in stock; 1000000000 more would exceed 1000000000.";
    assert_eq!(text(shop.adjust(1_000_000_000, None).await), limit);
    assert_eq!(shop.adjust(-140, None).await.unwrap().stock_after.get(), 0);
    assert_eq!(shop.ledger().await.len(), 3);
    let nowhere = |tx: &mut dyn Tx| stock::adjust(tx, product_id(9), Delta::coming(quantity(1)), None, NOW);
    assert_eq!(text(shop.store.write(nowhere).await), "There is no product 9.");
    let nowhere = shop.store.read(|view| stock::list(view, product_id(9), None, 1));
    assert_eq!(text(nowhere.await), "There is no product 9.");
}

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
        .write(|tx| orders::place(tx, product_id(9), quantity(1), NOW));
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
    let kept = "Order 3 is CANCELED and part of the books; it was paid before, so it stays on record.";
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
            .read(move |view| orders::list(view, all, before.map(order_id), limit))
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
        tokio::spawn(async move { store.write(move |tx| orders::place(tx, mug, quantity(1), NOW)).await })
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
        .write(move |tx| orders::place(tx, mug, units, early))
        .await
        .unwrap();
    assert_eq!((order.created_at(), order.updated_at()), (early, early));
    assert_eq!(shop.product(mug).await.unwrap().updated_at, early);
}
