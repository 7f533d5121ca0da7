//! What a transaction is to write: rows as they are to be, each once, however often it changed, and multi-row statements
//! that write them all.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tokio_postgres::types::ToSql;

use super::query::Scope;
use crate::domain::{
    Dispute, EventNumber, EventResult, FactKind, Hold, Order, OrderId, Payment, PaymentEvent, PaymentId, Product,
    ProductId, Provider, Refund, Stock, StockMovement, Timestamp,
};
use crate::store::{IdempotencyKey, IdempotencyRecord};

/// The last ids that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) products: i64,
    /// `None` where it was not read.
    pub(super) orders: Option<i64>,
    pub(super) movements: i64,
    pub(super) events: i64,
}

impl Counters {
    /// Those of a run that does not count.
    pub(super) const UNKNOWN: Self = Self {
        products: 0,
        orders: None,
        movements: 0,
        events: 0,
    };

    /// Those of a write that runs before they are known, to find out what it asks for. Any order may have been placed.
    pub(super) const ASSUMED: Self = Self {
        orders: Some(i64::MAX),
        ..Self::UNKNOWN
    };

    /// The next id of this counter.
    pub(super) const fn next(last: &mut i64) -> i64 {
        *last = last.saturating_add(1);
        *last
    }
}

/// A row before the transaction and after it; `None` where there is none.
#[derive(Debug, Clone)]
struct Change<T> {
    before: Option<T>,
    after: Option<T>,
}

/// A row that is only ever added or changed.
#[derive(Debug, Clone)]
struct Saved<T> {
    is_new: bool,
    row: T,
}

/// An event to record.
#[derive(Debug, Clone)]
pub(super) struct NewEvent {
    pub(super) number: EventNumber,
    pub(super) event: PaymentEvent,
    pub(super) order_id: Option<OrderId>,
    pub(super) result: EventResult,
    pub(super) received_at: Timestamp,
}

/// Everything that is to be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    /// How often something was changed.
    count: usize,
    touched: HashSet<Scope>,
    products: BTreeMap<ProductId, Change<Product>>,
    orders: BTreeMap<OrderId, Change<Order>>,
    movements: Vec<StockMovement>,
    /// Products whose ledger goes.
    without_movements: BTreeSet<ProductId>,
    events: Vec<NewEvent>,
    payments: BTreeMap<EventNumber, Saved<Payment>>,
    refunds: BTreeMap<EventNumber, Saved<Refund>>,
    disputes: BTreeMap<EventNumber, Saved<Dispute>>,
    holds: HashMap<(PaymentId, Provider), Hold>,
    records: HashMap<IdempotencyKey, Option<IdempotencyRecord>>,
}

impl Changes {
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether something changed on which an answer of this scope depends.
    pub(super) fn touch(&self, scope: &Scope) -> bool {
        self.touched.contains(scope)
    }

    /// The product as it is to be, if it changed.
    pub(super) fn product(&self, id: ProductId) -> Option<Option<&Product>> {
        self.products.get(&id).map(|change| change.after.as_ref())
    }

    /// The order as it is to be, if it changed.
    pub(super) fn order(&self, id: OrderId) -> Option<Option<&Order>> {
        self.orders.get(&id).map(|change| change.after.as_ref())
    }

    /// The record as it is to be, if it changed.
    pub(super) fn record(&self, key: &IdempotencyKey) -> Option<Option<&IdempotencyRecord>> {
        self.records.get(key).map(Option::as_ref)
    }

    fn changed(&mut self, scopes: impl IntoIterator<Item = Scope>) {
        self.count += 1;
        self.touched.extend(scopes);
    }

    pub(super) fn save_product(&mut self, before: Option<Product>, after: Product) {
        self.changed([Scope::Products, Scope::Sku(after.sku.clone())]);
        if let Some(before) = before.as_ref().filter(|before| before.sku != after.sku) {
            self.touched.insert(Scope::Sku(before.sku.clone()));
        }
        change(&mut self.products, after.id, before, Some(after));
    }

    pub(super) fn set_stock(&mut self, before: Product, stock: Stock, now: Timestamp) {
        let after = Product {
            stock,
            version: before.version.next(),
            updated_at: now,
            ..before.clone()
        };
        self.save_product(Some(before), after);
    }

    pub(super) fn delete_product(&mut self, before: Product) {
        self.changed([Scope::Products, Scope::Sku(before.sku.clone())]);
        change(&mut self.products, before.id, Some(before), None);
    }

    pub(super) fn save_order(&mut self, before: Option<Order>, after: Order) {
        self.changed([Scope::Orders, Scope::OrdersOf(after.product_id())]);
        change(&mut self.orders, after.id(), before, Some(after));
    }

    pub(super) fn delete_order(&mut self, before: Order) {
        self.changed([Scope::Orders, Scope::OrdersOf(before.product_id())]);
        change(&mut self.orders, before.id(), Some(before), None);
    }

    pub(super) fn add_movement(&mut self, movement: StockMovement) {
        self.changed([Scope::Movements(movement.product_id)]);
        self.movements.push(movement);
    }

    pub(super) fn delete_movements(&mut self, of: ProductId) {
        self.changed([Scope::Movements(of)]);
        self.movements.retain(|movement| movement.product_id != of);
        self.without_movements.insert(of);
    }

    pub(super) fn add_event(&mut self, event: NewEvent) {
        let of_order = event.order_id.map(Scope::MoneyOf);
        self.changed(
            [Scope::Events, Scope::Event(event.event.id.clone())]
                .into_iter()
                .chain(of_order),
        );
        self.events.push(event);
    }

    fn payment_changed(&mut self, payment: &Payment) {
        let of_order = payment.order_id.map(Scope::MoneyOf);
        let of_id = payment.payment_id.clone().map(Scope::Money);
        self.changed([Scope::Payments].into_iter().chain(of_order).chain(of_id));
    }

    pub(super) fn add_payment(&mut self, payment: Payment) {
        self.payment_changed(&payment);
        add(&mut self.payments, payment.number, payment);
    }

    pub(super) fn save_payment(&mut self, payment: Payment) {
        self.payment_changed(&payment);
        save(&mut self.payments, payment.number, payment);
    }

    fn refund_changed(&mut self, refund: &Refund) {
        let of_id = refund.told.id.clone().map(Scope::Refund);
        let of_payment = refund.payment.map(Scope::RefundsOf);
        let of_money = refund.told.payment_id.clone().map(Scope::Money);
        self.changed(of_id.into_iter().chain(of_payment).chain(of_money));
    }

    pub(super) fn add_refund(&mut self, refund: Refund) {
        self.refund_changed(&refund);
        add(&mut self.refunds, refund.number, refund);
    }

    pub(super) fn save_refund(&mut self, refund: Refund) {
        self.refund_changed(&refund);
        save(&mut self.refunds, refund.number, refund);
    }

    fn dispute_changed(&mut self, dispute: &Dispute) {
        let told = &dispute.told;
        self.changed([
            // A payment is listed with whether it is disputed.
            Scope::Payments,
            Scope::Dispute(told.id.clone()),
            Scope::Money(told.payment_id.clone()),
        ]);
    }

    pub(super) fn add_dispute(&mut self, dispute: Dispute) {
        self.dispute_changed(&dispute);
        add(&mut self.disputes, dispute.number, dispute);
    }

    pub(super) fn save_dispute(&mut self, dispute: Dispute) {
        self.dispute_changed(&dispute);
        save(&mut self.disputes, dispute.number, dispute);
    }

    pub(super) fn save_hold(&mut self, hold: Hold) {
        self.changed([Scope::MoneyOf(hold.order_id), Scope::Money(hold.payment_id.clone())]);
        self.holds.insert((hold.payment_id.clone(), hold.provider), hold);
    }

    pub(super) fn save_record(&mut self, key: IdempotencyKey, record: IdempotencyRecord) {
        self.changed([Scope::Records]);
        self.records.insert(key, Some(record));
    }

    pub(super) fn delete_record(&mut self, key: IdempotencyKey) {
        self.changed([Scope::Records]);
        self.records.insert(key, None);
    }

    /// Adds what a later write of the same transaction changed.
    pub(super) fn merge(&mut self, later: Self) {
        self.count += later.count;
        self.touched.extend(later.touched);
        for (id, Change { before, after }) in later.products {
            change(&mut self.products, id, before, after);
        }
        for (id, Change { before, after }) in later.orders {
            change(&mut self.orders, id, before, after);
        }
        for of in &later.without_movements {
            self.movements.retain(|movement| movement.product_id != *of);
        }
        self.movements.extend(later.movements);
        self.without_movements.extend(later.without_movements);
        self.events.extend(later.events);
        merge(&mut self.payments, later.payments);
        merge(&mut self.refunds, later.refunds);
        merge(&mut self.disputes, later.disputes);
        self.holds.extend(later.holds);
        self.records.extend(later.records);
    }
}

/// Notes a change of a row, which may have changed before.
fn change<K: Ord, T>(rows: &mut BTreeMap<K, Change<T>>, key: K, before: Option<T>, after: Option<T>) {
    match rows.get_mut(&key) {
        Some(change) => change.after = after,
        None => {
            rows.insert(key, Change { before, after });
        }
    }
}

fn add<T>(rows: &mut BTreeMap<EventNumber, Saved<T>>, number: EventNumber, row: T) {
    rows.insert(number, Saved { is_new: true, row });
}

fn save<T>(rows: &mut BTreeMap<EventNumber, Saved<T>>, number: EventNumber, row: T) {
    let is_new = rows.get(&number).is_some_and(|saved| saved.is_new);
    rows.insert(number, Saved { is_new, row });
}

fn merge<T>(rows: &mut BTreeMap<EventNumber, Saved<T>>, later: BTreeMap<EventNumber, Saved<T>>) {
    for (number, Saved { is_new, row }) in later {
        match is_new {
            true => add(rows, number, row),
            false => save(rows, number, row),
        }
    }
}

/// A statement that writes many rows: each parameter has a column of them.
pub(super) struct Statement<'c> {
    pub(super) sql: &'static str,
    pub(super) columns: Columns<'c>,
}

type Columns<'c> = Vec<Box<dyn ToSql + Sync + Send + 'c>>;

/// A statement that fails unless it changes a row for each element of its first parameter. Another number means that a row
/// is not there, or that somebody changed it who does not take turns.
macro_rules! exactly {
    ($sql:literal) => {
        concat!(
            "WITH changed AS (",
            $sql,
            " RETURNING 1) SELECT expect_rows(count(*), cardinality($1)) FROM changed"
        )
    };
}

/// The statement that writes these rows, each of which has these columns, if there are any.
macro_rules! statement {
    ($statements:ident, $sql:expr, $rows:expr, |$row:pat_param| [$($column:expr),* $(,)?]) => {
        let rows: Vec<_> = $rows.collect();
        if !rows.is_empty() {
            #[allow(unused_variables, reason = "a column may need only a part of the row")]
            let columns: Columns<'_> = vec![$(Box::new(rows.iter().copied().map(|$row| $column).collect::<Vec<_>>())),*];
            $statements.push(Statement { sql: $sql, columns });
        }
    };
}

impl Changes {
    /// The statements that write it all, in an order that keeps every reference.
    pub(super) fn statements(&self) -> Vec<Statement<'_>> {
        let mut statements = Vec::new();
        self.write_products(&mut statements);
        self.write_orders(&mut statements);
        self.write_movements(&mut statements);
        let gone = self.products.values().filter(|change| change.after.is_none());
        statement!(
            statements,
            exactly!("DELETE FROM products WHERE id = ANY ($1::bigint[])"),
            gone.filter_map(|change| change.before.as_ref()),
            |product| [product.id]
        );
        self.write_events(&mut statements);
        self.write_payments(&mut statements);
        self.write_refunds(&mut statements);
        self.write_disputes(&mut statements);
        self.write_holds(&mut statements);
        self.write_records(&mut statements);
        statements
    }

    fn write_products<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        let added = self.products.values().filter(|change| change.before.is_none());
        statement!(
            statements,
            "INSERT INTO products (id, sku, name, price_cents, stock, version, created_at_ms, updated_at_ms) \
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], \
             $7::bigint[], $8::bigint[])",
            added.filter_map(|change| change.after.as_ref()),
            |product| [
                product.id,
                &product.sku,
                &product.name,
                product.price,
                product.stock,
                product.version,
                product.created_at,
                product.updated_at
            ]
        );
        let changed = self.products.values();
        // Only a row that is still as it was read.
        statement!(
            statements,
            exactly!(
                "UPDATE products SET sku = new.sku, name = new.name, price_cents = new.price_cents, stock = new.stock, \
             version = new.version, updated_at_ms = new.updated_at_ms \
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], \
             $8::bigint[], $9::bigint[]) \
             AS new (id, old_version, old_stock, sku, name, price_cents, stock, version, updated_at_ms) \
             WHERE products.id = new.id AND products.version = old_version AND products.stock = old_stock"
            ),
            changed.filter_map(|change| change.before.as_ref().zip(change.after.as_ref())),
            |(before, after)| [
                after.id,
                before.version,
                before.stock,
                &after.sku,
                &after.name,
                after.price,
                after.stock,
                after.version,
                after.updated_at
            ]
        );
    }

    fn write_orders<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        let added = self.orders.values().filter(|change| change.before.is_none());
        let added = added.filter_map(|change| change.after.as_ref());
        statement!(
            statements,
            "INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, version, created_at_ms, \
             updated_at_ms, expires_at_ms, paid_at_ms, shipped_at_ms, canceled_at_ms, refund_due, reference) \
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], \
             $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::boolean[], \
             $14::text[])",
            added.map(|order| (order, order.state().parts())),
            |(order, state)| [
                order.id(),
                order.product_id(),
                order.quantity(),
                order.unit_price(),
                state.status,
                order.version(),
                order.created_at(),
                order.updated_at(),
                state.expires_at,
                state.paid_at,
                state.shipped_at,
                state.canceled_at,
                state.refund_due,
                order.reference()
            ]
        );
        let changed = self.orders.values();
        let changed = changed.filter_map(|change| change.before.as_ref().zip(change.after.as_ref()));
        statement!(
            statements,
            exactly!(
                "UPDATE orders SET quantity = new.quantity, version = new.version, updated_at_ms = new.updated_at_ms, \
             status = new.status, expires_at_ms = new.expires_at_ms, paid_at_ms = new.paid_at_ms, \
             shipped_at_ms = new.shipped_at_ms, canceled_at_ms = new.canceled_at_ms, refund_due = new.refund_due, \
             reference = new.reference \
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], \
             $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[], $12::text[]) \
             AS new (id, old_version, quantity, version, updated_at_ms, status, expires_at_ms, paid_at_ms, \
             shipped_at_ms, canceled_at_ms, refund_due, reference) \
             WHERE orders.id = new.id AND orders.version = old_version"
            ),
            changed.map(|(before, after)| (before, after, after.state().parts())),
            |(before, after, state)| [
                after.id(),
                before.version(),
                after.quantity(),
                after.version(),
                after.updated_at(),
                state.status,
                state.expires_at,
                state.paid_at,
                state.shipped_at,
                state.canceled_at,
                state.refund_due,
                after.reference()
            ]
        );
        let gone = self.orders.values().filter(|change| change.after.is_none());
        statement!(
            statements,
            exactly!("DELETE FROM orders WHERE id = ANY ($1::bigint[])"),
            gone.filter_map(|change| change.before.as_ref()),
            |order| [order.id()]
        );
    }

    fn write_movements<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        if !self.without_movements.is_empty() {
            let products: Vec<_> = self.without_movements.iter().copied().collect();
            statements.push(Statement {
                sql: "DELETE FROM stock_movements WHERE product_id = ANY ($1)",
                columns: vec![Box::new(products)],
            });
        }
        statement!(
            statements,
            "INSERT INTO stock_movements (id, product_id, delta, stock_after, reason, order_id, note, created_at_ms) \
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], \
             $7::text[], $8::bigint[])",
            self.movements.iter(),
            |movement| [
                movement.id,
                movement.product_id,
                movement.delta,
                movement.stock_after,
                movement.reason.name(),
                movement.reason.order_id(),
                movement.note.as_ref(),
                movement.created_at
            ]
        );
    }

    fn write_events<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        let told = self.events.iter().map(|event| {
            let fact = event.event.fact();
            let sum = fact.and_then(|fact| fact.sum.as_ref());
            (event, fact, sum, sum.and_then(|sum| sum.minor))
        });
        statement!(
            statements,
            "INSERT INTO payment_events (number, provider, event_id, type, fact, created_s, order_id, payment_id, \
             refund_id, amount_cents, amount_minor, currency, result, received_at_ms) \
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], \
             $7::bigint[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::bigint[])",
            told,
            |(event, fact, sum, minor)| [
                event.number,
                event.event.provider,
                &event.event.id,
                &event.event.event_type,
                fact.map(|fact| fact.kind.name()),
                event.event.created_seconds,
                event.order_id,
                fact.and_then(|fact| fact.payment_id.as_ref()),
                fact.map(|fact| &fact.kind).and_then(FactKind::refund_id),
                sum.and_then(|sum| sum.cents),
                minor.map(|minor| minor.units),
                minor.map(|minor| minor.currency),
                event.result,
                event.received_at
            ]
        );
    }

    fn write_payments<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        let (added, changed) = split(&self.payments);
        statement!(
            statements,
            "INSERT INTO payments (number, provider, order_id, payment_id, currency, is_foreign, amount_units, \
             refunded_units, is_own, is_closed) \
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::boolean[], \
             $7::bigint[], $8::bigint[], $9::boolean[], $10::boolean[])",
            added.into_iter(),
            |payment| [
                payment.number,
                payment.provider,
                payment.order_id,
                payment.payment_id.as_ref(),
                payment.currency,
                payment.is_foreign,
                payment.balance.amount,
                payment.balance.refunded,
                payment.is_own,
                payment.balance.is_closed
            ]
        );
        statement!(
            statements,
            exactly!(
                "UPDATE payments SET refunded_units = new.refunded_units, is_closed = new.is_closed \
             FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS new (number, refunded_units, is_closed) \
             WHERE payments.number = new.number"
            ),
            changed.into_iter(),
            |payment| [payment.number, payment.balance.refunded, payment.balance.is_closed]
        );
    }

    fn write_refunds<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        let (added, changed) = split(&self.refunds);
        let added = added.into_iter().map(|refund| {
            let minor = refund.told.sum.and_then(|sum| sum.minor);
            (refund, &refund.told, minor)
        });
        statement!(
            statements,
            "INSERT INTO refunds (number, provider, order_id, refund_id, payment_id, amount_cents, amount_minor, \
             currency, has_failed, payment) \
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], \
             $7::bigint[], $8::text[], $9::boolean[], $10::bigint[])",
            added,
            |(refund, told, minor)| [
                refund.number,
                told.provider,
                told.order_id,
                told.id.as_ref(),
                told.payment_id.as_ref(),
                told.sum.and_then(|sum| sum.cents),
                minor.map(|minor| minor.units),
                minor.map(|minor| minor.currency),
                told.has_failed,
                refund.payment
            ]
        );
        statement!(
            statements,
            exactly!(
                "UPDATE refunds SET payment = new.payment, has_failed = new.has_failed \
             FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS new (number, payment, has_failed) \
             WHERE refunds.number = new.number"
            ),
            changed.into_iter(),
            |refund| [refund.number, refund.payment, refund.told.has_failed]
        );
    }

    fn write_disputes<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        let (added, changed) = split(&self.disputes);
        statement!(
            statements,
            "INSERT INTO disputes (number, provider, dispute_id, order_id, payment_id, state, payment) \
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], \
             $7::bigint[])",
            added.into_iter(),
            |dispute| [
                dispute.number,
                dispute.told.provider,
                &dispute.told.id,
                dispute.told.order_id,
                &dispute.told.payment_id,
                dispute.told.state,
                dispute.payment
            ]
        );
        statement!(
            statements,
            exactly!(
                "UPDATE disputes SET payment = new.payment, state = new.state \
             FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS new (number, payment, state) \
             WHERE disputes.number = new.number"
            ),
            changed.into_iter(),
            |dispute| [dispute.number, dispute.payment, dispute.told.state]
        );
    }

    fn write_holds<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        statement!(
            statements,
            "INSERT INTO payment_holds (payment_id, provider, order_id, deadline_ms, until_ms, told_s, ended_s) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], \
             $7::bigint[]) \
             ON CONFLICT (payment_id, provider) DO UPDATE \
             SET until_ms = excluded.until_ms, told_s = excluded.told_s, ended_s = excluded.ended_s",
            self.holds.values(),
            |hold| [
                &hold.payment_id,
                hold.provider,
                hold.order_id,
                hold.deadline,
                hold.until,
                hold.told_seconds,
                hold.ended_seconds
            ]
        );
    }

    fn write_records<'c>(&'c self, statements: &mut Vec<Statement<'c>>) {
        let gone = self.records.iter().filter(|(_, record)| record.is_none());
        statement!(
            statements,
            "DELETE FROM idempotency_keys USING unnest($1::text[], $2::text[], $3::text[]) AS gone (caller, path, key) \
             WHERE (idempotency_keys.key, idempotency_keys.path, idempotency_keys.caller) = (gone.key, gone.path, gone.caller)",
            gone.map(|(key, _)| key),
            |key| [&*key.caller, &*key.path, &*key.key]
        );
        let saved = self.records.iter();
        statement!(
            statements,
            "INSERT INTO idempotency_keys (caller, path, key, body_hash, status, body, location, etag, created_at_ms) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[], $7::text[], \
             $8::text[], $9::bigint[]) \
             ON CONFLICT (key, path, caller) DO UPDATE SET body_hash = excluded.body_hash, status = excluded.status, \
             body = excluded.body, location = excluded.location, etag = excluded.etag, \
             created_at_ms = excluded.created_at_ms",
            saved.filter_map(|(key, record)| record.as_ref().map(|record| (key, record, &record.response))),
            |(key, record, response)| [
                &*key.caller,
                &*key.path,
                &*key.key,
                record.body_hash.as_slice(),
                i64::from(response.status),
                response.body.as_slice(),
                response.location.as_deref(),
                response.etag.as_deref(),
                record.created_at
            ]
        );
    }
}

/// The rows that are new, and those that are not.
fn split<T>(rows: &BTreeMap<EventNumber, Saved<T>>) -> (Vec<&T>, Vec<&T>) {
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for saved in rows.values() {
        match saved.is_new {
            true => added.push(&saved.row),
            false => changed.push(&saved.row),
        }
    }
    (added, changed)
}
