//! Each use case on a real database, and what it leaves in the ledger.

use super::payments::Receipt;
use super::{orders, payments, products, stock};
use crate::domain::{
    Content, Delta, Expected, Note, Order, OrderChange, OrderId, Product, ProductChange, ProductId, Quantity, Reason,
    Status, StockMovement, Timestamp, Version, Versions,
};
use crate::error::Error;
use crate::store::{AnyStore, OrderFilter, Store, Tx};
use crate::testing::{
    self, Database, LATER, NOW, money, name, new_product, order_id, payment_event, price, product_id, quantity, sku,
};

#[path = "tests/expiry.rs"]
mod of_expiry;
#[path = "tests/idempotency.rs"]
mod of_idempotency;
#[path = "tests/orders.rs"]
mod of_orders;
#[path = "tests/payments.rs"]
mod of_payments;
#[path = "tests/products.rs"]
mod of_products;
#[path = "tests/versions.rs"]
mod of_versions;

/// A store with one product, and each use case as a call.
struct Shop {
    store: AnyStore,
    mug: ProductId,
    database: Database,
}

impl Shop {
    async fn with_mugs(units: i64) -> Self {
        let database = Database::new().await;
        let store = database.open().await;
        let mug = store
            .write(move |tx| products::create(tx, &new_product("MUG", units), NOW))
            .await
            .unwrap()
            .id;
        Self { store, mug, database }
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
            .write(move |tx| products::update(tx, mug, &Expected::ANY, &change, LATER))
            .await
    }

    async fn delete(&self, id: ProductId) -> Result<(), Error> {
        self.store
            .write(move |tx| products::delete(tx, id, &Expected::ANY))
            .await
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
            .write(move |tx| orders::place(tx, mug, quantity(units), None, None, NOW))
            .await
    }

    async fn order(&self, id: OrderId) -> Result<Order, Error> {
        self.store.read(move |view| orders::get(view, id)).await
    }

    async fn ask(&self, id: OrderId, status: Option<Status>, units: Option<i64>) -> Result<Order, Error> {
        let change = OrderChange {
            reference: None,
            status,
            quantity: units.map(quantity),
        };
        self.store
            .write(move |tx| orders::update(tx, id, &Expected::ANY, change.clone(), LATER).map(|updated| updated.order))
            .await
    }

    /// Tells of money, as the provider does.
    async fn tell(&self, id: &str, content: impl Into<Content>) -> Result<Receipt, Error> {
        let event = payment_event(id, content);
        self.store.write(move |tx| payments::receive(tx, &event, LATER)).await
    }

    /// Pays an order in full.
    async fn pay(&self, id: OrderId) -> Order {
        let (event, payment) = (format!("paid-{id}"), format!("pay-{id}"));
        let told = self.tell(&event, money(id, Some(&payment), None));
        assert_eq!(told.await.unwrap().order_status, Some(Status::Paid));
        self.order(id).await.unwrap()
    }

    async fn remove(&self, id: OrderId) -> Result<(), Error> {
        self.store
            .write(move |tx| orders::delete(tx, id, &Expected::ANY, LATER))
            .await
    }

    /// Recomputes every invariant from the rows.
    async fn check(&self) {
        self.database.audit().await;
    }

    /// The ledger, oldest first, as (delta, stock after, reason).
    async fn ledger(&self) -> Vec<(i64, i64, Reason)> {
        let mug = self.mug;
        let ledger = self
            .store
            .read(move |view| stock::list(view, mug, None, 100))
            .await
            .unwrap();
        ledger
            .page
            .items
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
