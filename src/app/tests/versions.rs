//! Versions: what makes a new one, and what a caller who expects another is told.

use super::*;

fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

fn one_of(numbers: &[i64]) -> Expected {
    Expected::one_of(numbers.iter().map(|number| version(*number)).collect())
}

fn exists() -> Expected {
    Expected {
        in_one_of: Some(Versions::Every),
        in_none_of: None,
    }
}

fn none_of(numbers: &[i64]) -> Expected {
    Expected {
        in_one_of: None,
        in_none_of: one_of(numbers).in_one_of,
    }
}

impl Shop {
    async fn versions(&self, order: OrderId) -> (i64, i64) {
        let (mug, order) = (self.product(self.mug).await.unwrap(), self.order(order).await.unwrap());
        (mug.version.get(), order.version().get())
    }
}

#[tokio::test]
async fn every_change_that_can_be_seen_is_one_new_version() {
    let shop = Shop::with_mugs(9).await;
    let id = shop.place(2).await.unwrap().id();
    // The stock that an order takes is the product's change.
    assert_eq!(shop.versions(id).await, (2, 1));
    shop.ask(id, None, Some(3)).await.unwrap();
    assert_eq!(shop.versions(id).await, (3, 2));
    shop.adjust(1, None).await.unwrap();
    assert_eq!(shop.versions(id).await, (4, 2));
    shop.pay(id).await;
    assert_eq!(shop.versions(id).await, (4, 3));
    shop.ask(id, Some(Status::Canceled), None).await.unwrap();
    assert_eq!(shop.versions(id).await, (5, 4));
    // What is owed goes with its refund.
    shop.tell("back", testing::refund(money(id, None, None), None))
        .await
        .unwrap();
    assert_eq!(shop.versions(id).await, (5, 5));
    // Late money is owed anew; more of it changes nothing that can be seen.
    for (event, expected) in [("late", 6), ("later", 6)] {
        shop.tell(event, money(id, None, None)).await.unwrap();
        assert_eq!(shop.versions(id).await, (5, expected));
    }
    // What is there already is no change.
    shop.ask(id, Some(Status::Canceled), Some(3)).await.unwrap();
    shop.change(ProductChange::default()).await.unwrap();
    assert_eq!(shop.versions(id).await, (5, 6));
    let new_name = ProductChange {
        name: Some(name("Large mug")),
        ..ProductChange::default()
    };
    assert_eq!(shop.change(new_name).await.unwrap().version, version(6));
    assert_eq!(shop.versions(id).await, (6, 6));
    shop.check().await;
}

#[tokio::test]
async fn a_product_is_changed_in_an_expected_version_only() {
    let shop = Shop::with_mugs(9).await;
    let mug = shop.mug;
    let update = async |id, expected: Expected, units| {
        let change = ProductChange {
            stock: Some(testing::stock(units)),
            ..ProductChange::default()
        };
        let update = move |tx: &mut dyn Tx| products::update(tx, id, &expected, &change, LATER);
        shop.store.write(update).await.map(|product| product.version.get())
    };
    let stale = r#"Product 1 is in version "1", which If-Match does not name."#;
    assert_eq!(text(update(mug, one_of(&[2]), 8).await), stale);
    assert_eq!(text(update(mug, one_of(&[]), 8).await), stale);
    let named = r#"Product 1 is in version "1", which If-None-Match names."#;
    assert_eq!(text(update(mug, none_of(&[1]), 8).await), named);
    // Even what would change nothing.
    assert_eq!(text(update(mug, one_of(&[2]), 9).await), stale);
    assert_eq!(update(mug, one_of(&[1]), 8).await.unwrap(), 2);
    assert_eq!(update(mug, one_of(&[7, 2]), 7).await.unwrap(), 3);
    assert_eq!(update(mug, exists(), 6).await.unwrap(), 4);
    assert_eq!(update(mug, Expected::ANY, 5).await.unwrap(), 5);
    // What is not there is in no version.
    for expected in [one_of(&[1]), exists()] {
        assert_eq!(text(update(product_id(9), expected, 1).await), "There is no product 9.");
    }
    let delete = async |expected: Expected| {
        let delete = move |tx: &mut dyn Tx| products::delete(tx, mug, &expected);
        shop.store.write(delete).await
    };
    let stale = r#"Product 1 is in version "5", which If-Match does not name."#;
    assert_eq!(text(delete(one_of(&[4])).await), stale);
    // Before the rules: the order would forbid it, too.
    let order = shop.place(1).await.unwrap().id();
    let stale = r#"Product 1 is in version "6", which If-Match does not name."#;
    assert_eq!(text(delete(one_of(&[5])).await), stale);
    shop.remove(order).await.unwrap();
    delete(one_of(&[7])).await.unwrap();
    assert_eq!(text(delete(one_of(&[7])).await), "There is no product 1.");
}

#[tokio::test]
async fn an_order_is_changed_in_an_expected_version_only() {
    let shop = Shop::with_mugs(9).await;
    let id = shop.place(2).await.unwrap().id();
    let update = async |id, expected: Expected, status| {
        let change = OrderChange {
            reference: None,
            status: Some(status),
            quantity: None,
        };
        let update = move |tx: &mut dyn Tx| orders::update(tx, id, &expected, change.clone(), LATER);
        shop.store
            .write(update)
            .await
            .map(|updated| updated.order.version().get())
    };
    let stale = r#"Order 1 is in version "1", which If-Match does not name."#;
    assert_eq!(text(update(id, one_of(&[2]), Status::Canceled).await), stale);
    // Before the rules: a pending order cannot be shipped anyway.
    assert_eq!(text(update(id, one_of(&[2]), Status::Shipped).await), stale);
    assert_eq!(update(id, one_of(&[1]), Status::Canceled).await.unwrap(), 2);
    for expected in [one_of(&[1]), exists()] {
        let nowhere = update(order_id(9), expected, Status::Canceled).await;
        assert_eq!(text(nowhere), "There is no order 9.");
    }
    let delete = async |expected: Expected| {
        let delete = move |tx: &mut dyn Tx| orders::delete(tx, id, &expected, LATER);
        shop.store.write(delete).await
    };
    let stale = r#"Order 1 is in version "2", which If-Match does not name."#;
    assert_eq!(text(delete(one_of(&[1])).await), stale);
    delete(one_of(&[2])).await.unwrap();
    assert_eq!(text(delete(exists()).await), "There is no order 1.");
    shop.check().await;
}
