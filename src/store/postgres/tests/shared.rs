//! Reads that wait for a connection share a round trip.

use deadpool_postgres::Object;
use futures_util::future::join_all;

use super::*;
use crate::domain::ProductId;
use crate::store::OrderFilter;

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn reads_at_once_share_a_connection_and_each_gets_its_own_answer() {
    let url = postgres::new_database().await;
    let options = Options {
        readers: 1,
        ..Options::default()
    };
    let opened = PostgresStore::open(&testing::target(&url.parse().unwrap()), options).await;
    let store = opened.unwrap();
    for number in 1..=9 {
        add_product(&store, &format!("SKU-{number}")).await.unwrap();
    }
    let uses = async || {
        let connection = store.shared.readers.reads.get().await.unwrap();
        Object::metrics(&connection).recycle_count
    };
    let before = uses().await;
    // On a test's only thread all of them are in the queue before anyone looks.
    let pages = join_all((1..=8).map(|after| {
        store.read(move |view| {
            let page = view.products(Some(product_id(after)), 2)?;
            Ok(page.iter().map(|product| product.id).collect::<Vec<ProductId>>())
        })
    }));
    let rows = join_all((1..=9).map(|id| store.read(move |view| view.product(product_id(id)))));
    let ledger = store.read(|view| view.movements(product_id(1), None, 9));
    let orders = store.read(|view| view.orders(&OrderFilter::default(), None, 9));
    let (pages, rows, ledger, orders) = tokio::join!(pages, rows, ledger, orders);
    for (after, page) in (1..).zip(pages) {
        let expected: Vec<_> = (after + 1..=9).take(2).map(product_id).collect();
        assert_eq!(page.unwrap(), expected, "after {after}");
    }
    for (id, row) in (1..).zip(rows) {
        assert_eq!(row.unwrap().unwrap().id, product_id(id));
    }
    assert_eq!((ledger.unwrap().len(), orders.unwrap().len()), (0, 0));
    // Once for the rows, once for the pages, and once to ask.
    assert_eq!(uses().await - before, 3);
}
