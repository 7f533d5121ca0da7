//! What tests share: short names for values, and a store in a folder of its own.

use std::sync::Arc;

use tempfile::TempDir;

use crate::domain::{
    Amount, Content, EventId, EventType, Fact, FactKind, Money, NewMovement, NewOrder, NewProduct, OrderId,
    PaymentEvent, PaymentId, Price, ProductId, ProductName, Provider, Quantity, Reason, Reference, RefundId, Sku,
    Stock, Sum, Timestamp,
};
use crate::store::{
    AnyStore, FatalHandler, Options, PostgresOptions, PostgresStore, PostgresUrl, SqliteStore, Target, audit,
    audit_postgres,
};

#[path = "../tests/it/support/postgres.rs"]
pub(crate) mod postgres;
#[path = "../tests/it/support/proxy.rs"]
pub(crate) mod proxy;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_772_357_400_000);
pub(crate) const LATER: Timestamp = Timestamp::from_millis(1_772_359_200_123);

pub(crate) fn product_id(id: i64) -> ProductId {
    ProductId::new(id).unwrap()
}

pub(crate) fn order_id(id: i64) -> OrderId {
    OrderId::new(id).unwrap()
}

pub(crate) fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

pub(crate) fn name(text: &str) -> ProductName {
    ProductName::new(text).unwrap()
}

pub(crate) fn price(cents: i64) -> Price {
    Price::new(Money::from_cents(cents)).unwrap()
}

pub(crate) fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

pub(crate) fn stock(units: i64) -> Stock {
    Stock::new(units).unwrap()
}

/// A product for 12.50 with this SKU and stock.
pub(crate) fn new_product(sku_text: &str, units: i64) -> NewProduct {
    NewProduct {
        sku: sku(sku_text),
        name: name("Blue mug"),
        price: price(1_250),
        stock: stock(units),
    }
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference::new(text).unwrap()
}

/// An order of so many units at 12.50.
pub(crate) fn new_order(product_id: ProductId, units: i64) -> NewOrder {
    NewOrder::new(product_id, quantity(units), price(1_250), NOW).unwrap()
}

/// The movement that opens a ledger.
pub(crate) fn initial(product_id: ProductId, units: i64) -> NewMovement {
    NewMovement {
        product_id,
        delta: crate::domain::Delta::new(units).unwrap(),
        stock_after: stock(units),
        reason: Reason::Initial,
        note: None,
        created_at: NOW,
    }
}

pub(crate) fn event_id(text: &str) -> EventId {
    EventId::new(text).unwrap()
}

pub(crate) fn payment_id(text: &str) -> PaymentId {
    PaymentId::new(text).unwrap()
}

/// A payment, where its event names the payment and the cents.
pub(crate) fn money(order: OrderId, payment: Option<&str>, cents: Option<i64>) -> Fact {
    Fact {
        kind: FactKind::Paid { is_of_total: true },
        order_id: Some(order),
        payment_id: payment.map(payment_id),
        sum: cents.map(|cents| Sum::of_cents(Amount::new(Money::from_cents(cents)).unwrap())),
    }
}

/// A refund of this much, where its event names the refund.
pub(crate) fn refund(of: Fact, refund: Option<&str>) -> Fact {
    let id = refund.map(|id| RefundId::new(id).unwrap());
    Fact {
        kind: FactKind::Refund { id, has_failed: false },
        ..of
    }
}

/// A payment that failed, where its event names an order.
pub(crate) fn failed(order: Option<OrderId>, payment: Option<&str>) -> Fact {
    Fact {
        kind: FactKind::NotPaid,
        order_id: order,
        payment_id: payment.map(payment_id),
        sum: None,
    }
}

/// An event with this id, in the service's own format.
pub(crate) fn payment_event(id: &str, content: impl Into<Content>) -> PaymentEvent {
    let content = content.into();
    let event_type = match &content {
        Content::Fact(fact) => match fact.kind {
            FactKind::Paid { .. } => "payment.succeeded",
            FactKind::Refund { .. } => "payment.refunded",
            FactKind::RefundedSoFar | FactKind::Dispute { .. } | FactKind::NotPaid | FactKind::Processing { .. } => {
                "payment.failed"
            }
        },
        Content::Nothing(_) => "customer.created",
    };
    PaymentEvent {
        provider: Provider::Own,
        id: event_id(id),
        event_type: EventType::new(event_type).unwrap(),
        created_seconds: Some(1_772_359_200),
        early_until: None,
        content,
    }
}

/// An event with this id that means nothing here.
pub(crate) const NOTHING: Content = Content::Nothing(None);

/// Options for a file in this folder.
pub(crate) fn options(folder: &TempDir) -> Options {
    Options {
        path: folder.path().join("test.db"),
        ..Options::default()
    }
}

/// Fails the test in place of ending the process.
pub(crate) fn fatal() -> FatalHandler {
    Arc::new(|line| panic!("{line}"))
}

/// A new store, in a folder that lasts as long as its guard.
pub(crate) fn store() -> (SqliteStore, TempDir) {
    let folder = TempDir::new().unwrap();
    (SqliteStore::open_with(options(&folder), fatal()).unwrap(), folder)
}

/// How a database on the tests' PostgreSQL server is used.
pub(crate) fn target(url: &PostgresUrl) -> Target {
    Target {
        url: url.clone(),
        ca_file: None,
        allow_async_replication: false,
    }
}

/// A database of a test's own, of the backend that is chosen.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(PostgresUrl),
}

impl Database {
    pub(crate) async fn new() -> Self {
        match postgres::is_chosen() {
            false => Self::Sqlite(TempDir::new().unwrap()),
            true => Self::Postgres(postgres::new_database().await.parse().unwrap()),
        }
    }

    pub(crate) async fn open(&self) -> AnyStore {
        match self {
            Self::Sqlite(folder) => AnyStore::Sqlite(SqliteStore::open_with(options(folder), fatal()).unwrap()),
            Self::Postgres(url) => {
                let store = PostgresStore::open(&target(url), PostgresOptions::default()).await;
                AnyStore::Postgres(store.unwrap())
            }
        }
    }

    /// Recomputes every invariant from the rows.
    pub(crate) async fn audit(&self) {
        let report = match self {
            Self::Sqlite(folder) => audit(&options(folder).path).unwrap(),
            Self::Postgres(url) => audit_postgres(&target(url)).await.unwrap(),
        };
        assert!(report.is_clean(), "{report}");
    }
}
