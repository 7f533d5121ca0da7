//! Products and their ledger.

use super::*;
use crate::app::products::ProductFilter;
use crate::domain::SearchText;

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
            version: before.version.next(),
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
        let filter = ProductFilter {
            sku: only.map(sku),
            text: None,
        };
        let page = shop
            .store
            .read(move |view| products::list(view, &filter, after, limit))
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

/// A SKU is asked for together with a text, or with a time.
#[tokio::test]
async fn one_product_is_listed_if_it_fits_every_filter() {
    let shop = Shop::with_mugs(1).await;
    let filter = |text: &str| ProductFilter {
        sku: Some(sku("MUG")),
        text: Some(SearchText::new(text).unwrap()),
    };
    let count = async |filter: ProductFilter, from: Option<Timestamp>| {
        let list = shop.store.read(move |view| {
            Ok(match from {
                None => products::list(view, &filter, None, 9)?.items.len(),
                Some(from) => products::list_by_change(view, &filter, from, None, 9)?.items.len(),
            })
        });
        list.await.unwrap()
    };
    for from in [None, Some(NOW)] {
        assert_eq!(count(filter("blue"), from).await, 1);
        assert_eq!(count(filter("red"), from).await, 0);
    }
    assert_eq!(count(filter("blue"), Some(LATER)).await, 0);
}

#[tokio::test]
async fn stock_is_moved_by_a_difference() {
    let shop = Shop::with_mugs(40).await;
    let movement = shop
        .adjust(100, Some(Note::new("Delivery 4711").unwrap()))
        .await
        .unwrap();
    assert_eq!((movement.delta.get(), movement.stock_after.get()), (100, 140));
    assert_eq!((movement.reason, movement.created_at), (Reason::Adjustment, LATER));
    let mug = shop.mug;
    let page = shop
        .store
        .read(move |view| stock::list(view, mug, None, 1))
        .await
        .unwrap();
    assert_eq!(
        (page.page.items, page.page.next),
        (vec![movement.clone()], Some(movement.id))
    );
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
