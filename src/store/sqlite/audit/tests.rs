//! Each check, shown to fail on a file that was tampered with; and files that cannot be audited.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::app::{idempotency, orders, payments, products, stock};
use crate::domain::{
    Amount, Currency, Delta, DisputeId, DisputeState, Expected, Fact, FactKind, Minor, Money, OrderChange, OrderId,
    PaymentEvent, ProductId, Provider, RefundId, Status, Sum,
};
use crate::error::Error;
use crate::store::{IdempotencyKey, SqliteStore, Store, StoredResponse, Tx};
use crate::testing::{
    NOW, money, new_product, options, order_id, payment_event, payment_id, product_id, quantity, refund,
};

pub(in crate::store) mod tampering;

/// Events of Stripe, from number 17 on: an order that is held for a payment (3), a payment with a refund that two events tell
/// of and a dispute, one of no order whose refund failed, and a dispute whose payment has not come.
fn tell_of_stripe(tx: &mut dyn Tx) -> Result<(), Error> {
    let euros = |units| {
        let amount = Amount::new(Money::from_cents(units)).map_err(Error::internal)?;
        let currency = Currency::new("EUR").map_err(Error::internal)?;
        Ok::<_, Error>(Some(Sum {
            minor: Some(Minor { units, currency }),
            ..Sum::of_cents(amount)
        }))
    };
    let refund = |id: &str, has_failed| {
        let id = Some(RefundId::new(id).map_err(Error::internal)?);
        Ok::<_, Error>(FactKind::Refund { id, has_failed })
    };
    let dispute = |id: &str| {
        let (id, state) = (DisputeId::new(id).map_err(Error::internal)?, DisputeState::Open);
        Ok::<_, Error>(FactKind::Dispute { id, state })
    };
    let paid = FactKind::Paid { is_of_total: false };
    let hold = Duration::from_secs(3_600);
    for (event, kind, order, payment, units, result) in [
        ("s1", FactKind::Processing { hold }, Some(3), "pi_1", 2_500, "ignored"),
        ("s2", paid.clone(), Some(1), "pi_2", 2_500, "duplicate_payment"),
        ("s3", FactKind::RefundedSoFar, None, "pi_2", 500, "partial_refund"),
        ("s4", refund("re_1", false)?, None, "pi_2", 500, "ignored"),
        ("s5", dispute("du_1")?, None, "pi_2", 2_500, "disputed"),
        ("s6", paid, Some(99), "pi_4", 2_500, "order_unknown"),
        ("s7", refund("re_2", false)?, None, "pi_4", 2_500, "applied"),
        ("s8", refund("re_2", true)?, None, "pi_4", 2_500, "refund_failed"),
        ("s9", dispute("du_9")?, None, "pi_9", 2_500, "ignored"),
    ] {
        let fact = Fact {
            kind,
            order_id: order.map(order_id),
            payment_id: Some(payment_id(payment)),
            sum: euros(units)?,
        };
        let event = PaymentEvent {
            provider: Provider::Stripe,
            early_until: Some(NOW),
            ..payment_event(event, fact)
        };
        let received = payments::receive(tx, &event, NOW)?.result.name();
        if received != result {
            return Err(Error::internal(format!("{} is {received}", event.id)));
        }
    }
    Ok(())
}

/// A shop with something of everything: two products, and orders that are shipped (1, paid twice), paid (2), pending
/// (3), canceled and owing (4), canceled and deleted (5, paid since), deleted (6) and refunded (7).
pub(in crate::store) fn fill(tx: &mut dyn Tx) -> Result<(), Error> {
    let mug = products::create(tx, &new_product("MUG", 40), NOW)?.id;
    let pot = products::create(tx, &new_product("POT", 5), NOW)?.id;
    stock::adjust(tx, pot, Delta::new(-1).map_err(Error::internal)?, None, NOW)?;
    let paid = |fact| fact;
    let refunded = |data| refund(data, None);
    let refund_of_300 = |data| refund(data, Some("re_1"));
    let place = |tx: &mut dyn Tx, product: ProductId| {
        let ttl = Some(Duration::from_secs(60));
        orders::place(tx, product, quantity(2), None, ttl, NOW).map(|order| order.id())
    };
    let ask = |tx: &mut dyn Tx, id: OrderId, status: Status| {
        let change = OrderChange {
            reference: None,
            status: Some(status),
            quantity: None,
        };
        orders::update(tx, id, &Expected::ANY, change, NOW).map(|_| ())
    };
    let mut tell = {
        let mut event = 0;
        move |tx: &mut dyn Tx, kind: fn(Fact) -> Fact, data: Fact| {
            event += 1;
            payments::receive(tx, &payment_event(&format!("e{event}"), kind(data)), NOW).map(|_| ())
        }
    };
    for product in [mug, mug, mug, mug, mug, pot, mug] {
        place(tx, product)?;
    }
    tell(tx, paid, money(order_id(1), Some("p1"), None))?;
    tell(tx, paid, money(order_id(1), Some("p2"), Some(2_500)))?;
    tell(tx, refunded, money(order_id(1), Some("p2"), Some(1_000)))?;
    ask(tx, order_id(1), Status::Shipped)?;
    tell(tx, paid, money(order_id(2), None, None))?;
    for id in [order_id(4), order_id(5)] {
        ask(tx, id, Status::Canceled)?;
    }
    tell(tx, paid, money(order_id(4), Some("p1"), Some(7)))?;
    orders::delete(tx, order_id(5), &Expected::ANY, NOW)?;
    tell(tx, paid, money(order_id(5), Some("p1"), None))?;
    orders::delete(tx, order_id(6), &Expected::ANY, NOW)?;
    tell(tx, paid, money(order_id(7), Some("p1"), None))?;
    tell(tx, refunded, money(order_id(7), Some("p1"), Some(500)))?;
    tell(tx, refunded, money(order_id(7), Some("p1"), None))?;
    // Refunds that overtake their payment: of all of it, of a part, and of one that has not come.
    tell(tx, refunded, money(order_id(3), Some("p1"), None))?;
    tell(tx, paid, money(order_id(3), Some("p1"), None))?;
    tell(tx, refunded, money(order_id(4), Some("p2"), Some(500)))?;
    tell(tx, paid, money(order_id(4), Some("p2"), None))?;
    tell(tx, refunded, money(order_id(7), Some("p9"), Some(100)))?;
    // One refund under two events.
    tell(tx, refund_of_300, money(order_id(2), None, Some(300)))?;
    tell(tx, refund_of_300, money(order_id(2), None, Some(300)))?;
    tell_of_stripe(tx)?;
    let key = IdempotencyKey {
        caller: "a".to_owned(),
        path: "/orders".to_owned(),
        key: "k".to_owned(),
    };
    let kept = StoredResponse {
        status: 201,
        body: b"{}".to_vec(),
        location: None,
        etag: None,
    };
    idempotency::once(tx, &key, [0; 32], NOW, |_| Ok(kept)).map(|_| ())
}

/// The closed file of such a shop.
async fn filled() -> TempDir {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(options(&folder)).unwrap();
    store.write(fill).await.unwrap();
    store.close().await;
    folder
}

/// What an audit says of the file after somebody changed it behind the service's back.
fn tampered(folder: &TempDir, sql: &str) -> AuditReport {
    let path = folder.path().join("tampered.db");
    fs::copy(options(folder).path, &path).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON")
        .unwrap();
    connection
        .execute_batch(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    drop(connection);
    let report = audit(&path).unwrap();
    for file in ["tampered.db", "tampered.db-wal", "tampered.db-shm"] {
        let _ = fs::remove_file(folder.path().join(file));
    }
    report
}

#[tokio::test]
async fn what_holds_is_said_to_hold() {
    let folder = filled().await;
    let report = audit(&options(&folder).path).unwrap();
    assert!(report.is_clean(), "{report}");
    for check in &report.checks {
        assert!(check.rows > 0, "nothing to check for {}", check.name);
        assert!(check.examples.is_empty());
    }
    let lines: Vec<_> = report.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), report.checks.len());
    assert!(lines.contains(&"ok      stock is the sum of its movements (2 checked)".to_owned()));
}

#[tokio::test]
async fn every_check_can_fail() {
    let folder = filled().await;
    for (name, sql, example) in tampering::ALL {
        let report = tampered(&folder, sql);
        let check = report.checks.iter().find(|check| check.name == *name).unwrap();
        assert!(!report.is_clean() && check.violations > 0, "{sql}\n{report}");
        let is_named = check.examples.iter().any(|text| text.contains(example));
        assert!(is_named, "{sql}\n{check}");
        assert!(check.to_string().starts_with("BROKEN  "), "{check}");
        assert!(check.examples.iter().all(|text| !text.contains('\n')), "{check}");
    }
    let report = audit(&options(&folder).path).unwrap();
    let checks: BTreeSet<_> = report.checks.iter().map(|check| check.name).collect();
    let shown: BTreeSet<_> = tampering::ALL.iter().map(|(name, ..)| *name).collect();
    assert_eq!(shown, checks);
    assert_eq!(checks.len(), report.checks.len(), "each has a name of its own");
}

#[tokio::test]
async fn of_many_violations_the_first_are_named_and_all_are_counted() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(options(&folder)).unwrap();
    let fill = |tx: &mut dyn Tx| {
        for n in 0..25 {
            products::create(tx, &new_product(&format!("SKU-{n}"), 1), NOW)?;
        }
        Ok(())
    };
    store.write(fill).await.unwrap();
    store.close().await;
    let report = tampered(&folder, "UPDATE products SET stock = 2");
    let name = "stock is the sum of its movements";
    let check = report.checks.iter().find(|check| check.name == name).unwrap();
    assert_eq!((check.rows, check.violations, check.examples.len()), (25, 25, 10));
    let line = check.to_string();
    assert!(line.starts_with("BROKEN  stock is the sum of its movements (25 checked, 25 broken): product 1 "));
    assert!(
        line.ends_with("product 10 has stock 2, its movements add up to 1; …"),
        "{line}"
    );
}

#[tokio::test]
async fn a_new_file_holds() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(options(&folder)).unwrap();
    assert!(audit(&options(&folder).path).unwrap().is_clean());
    store.close().await;
    assert!(audit(&options(&folder).path).unwrap().is_clean());
}

/// Beside a service that writes: each audit sees one state, in which everything holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_use_is_audited_as_it_is_at_one_moment() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(options(&folder)).unwrap();
    let create = |tx: &mut dyn Tx| products::create(tx, &new_product("MUG", 100_000), NOW);
    store.write(create).await.unwrap();
    let writes = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 1..=400_i64 {
                let event = payment_event(&format!("e{n}"), money(order_id(n), None, None));
                let place = |tx: &mut dyn Tx| orders::place(tx, product_id(1), quantity(1), None, None, NOW);
                store.write(place).await.unwrap();
                let receive = move |tx: &mut dyn Tx| payments::receive(tx, &event, NOW);
                store.write(receive).await.unwrap();
            }
        }
    });
    let mut audits = 0;
    while audits < 3 || !writes.is_finished() {
        let path = options(&folder).path;
        let report = tokio::task::spawn_blocking(move || audit(&path))
            .await
            .unwrap()
            .unwrap();
        assert!(report.is_clean(), "{report}");
        audits += 1;
    }
    writes.await.unwrap();
}

fn refusal(path: &Path) -> String {
    let text = audit(path).unwrap_err().to_string();
    assert!(text.contains(path.to_str().unwrap()) && !text.contains('\n'), "{text}");
    text
}

#[tokio::test]
async fn what_cannot_be_audited_is_refused_untouched() {
    let folder = filled().await;
    let path = options(&folder).path;
    let other = folder.path().join("other");
    assert!(refusal(&other).contains("no database of this service"));
    assert!(!other.exists());
    fs::write(&other, "sku,name").unwrap();
    assert!(refusal(&other).contains("no database of this service"));
    assert!(refusal(folder.path()).contains("cannot read"));
    // A schema that is not ours to judge.
    fs::copy(&path, &other).unwrap();
    let connection = Connection::open(&other).unwrap();
    for version in [1, 99] {
        connection.pragma_update(None, "user_version", version).unwrap();
        assert!(refusal(&other).contains(&format!("is version {version}, and this audit knows 8")));
    }
    drop(connection);
    // Cut off in the middle: either it cannot be read at all, or it is not sound.
    let sound = fs::read(&path).unwrap();
    fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    match audit(&path) {
        Ok(report) => assert!(!report.is_clean()),
        Err(error) => assert!(matches!(error, AuditError::Unreadable { .. })),
    }
}
