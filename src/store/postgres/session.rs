//! The verbs of [`View`] and [`Tx`] on what was loaded, without a wait.
//!
//! A closure asks for rows that are not there yet. Then it gets a stand-in (no row, an empty list), and the question is
//! noted; whoever runs it loads what is missing and runs it again, and only a run for which everything was there counts.
//! What a write changes is noted as well ([`Changes`]) and written when it has run. Decides nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::mem;

use indexmap::IndexSet;
use tokio_postgres::Row;

use super::changes::{Changes, Counters, NewEvent};
use super::query::{Query, Scope};
use crate::domain::{
    Dispute, DisputeId, EventId, EventNumber, EventResult, Hold, ListedPayment, MovementId, NewMovement, NewOrder,
    NewProduct, Order, OrderId, Payment, PaymentEvent, PaymentId, Product, ProductId, Provider, Quantity,
    RecordedEvent, Refund, RefundId, SearchText, Sku, Stock, StockMovement, Timestamp,
};
use crate::error::Error;
use crate::store::rows::FromRow;
use crate::store::{
    EventFilter, IdempotencyKey, IdempotencyRecord, IdempotencyTx, IdempotencyView, OrderFilter, PaymentFilter,
    PaymentTx, PaymentView, Taken, TimeSpan, Tx, View, change_place, is_short,
};

/// A question, and after how many changes of the closure's own it was asked: 0 where these do not matter to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) query: Query,
    pub(super) after: usize,
}

impl From<Query> for Asked {
    fn from(query: Query) -> Self {
        Self { query, after: 0 }
    }
}

/// What the database answered.
#[derive(Default)]
pub(super) struct Answers(HashMap<Asked, Vec<Row>>);

impl Answers {
    pub(super) fn insert(&mut self, asked: Asked, rows: Vec<Row>) {
        self.0.insert(asked, rows);
    }
}

/// What one run of a closure has, and what came of it.
pub(super) struct Session<'a> {
    answers: &'a Answers,
    /// What the writes before it in the same transaction changed.
    before: &'a Changes,
    own: Changes,
    counters: Counters,
    missing: RefCell<IndexSet<Asked>>,
    /// It asked for what a write before it changed, and the database does not have yet.
    must_wait: Cell<bool>,
    /// What it had changed when it asked for what itself had changed.
    unwritten: RefCell<Option<Changes>>,
}

/// What came of a run.
pub(super) struct Outcome {
    /// What was not there. The run counts only if this is empty.
    pub(super) missing: IndexSet<Asked>,
    /// Whether it needs what a write before it in the same transaction changed: then its turn is in the next one.
    pub(super) must_wait: bool,
    /// What must be written before that which is missing can be asked for, and undone again.
    pub(super) unwritten: Option<Changes>,
    /// What it changed.
    pub(super) changes: Changes,
    /// The last ids after it.
    pub(super) counters: Counters,
}

impl<'a> Session<'a> {
    pub(super) fn new(answers: &'a Answers, before: &'a Changes, counters: Counters) -> Self {
        Self {
            answers,
            before,
            own: Changes::default(),
            counters,
            missing: RefCell::default(),
            must_wait: Cell::new(false),
            unwritten: RefCell::default(),
        }
    }

    pub(super) fn end(self) -> Outcome {
        Outcome {
            missing: self.missing.into_inner(),
            must_wait: self.must_wait.get(),
            unwritten: self.unwritten.into_inner(),
            changes: self.own,
            counters: self.counters,
        }
    }

    /// The answer, if it is there.
    fn ask(&self, query: Query) -> Option<&'a [Row]> {
        let scope = query.scope();
        let mut asked = Asked::from(query);
        if scope != Scope::Key {
            if self.before.touch(&scope) {
                self.must_wait.set(true);
                return None;
            }
            if self.own.touch(&scope) {
                asked.after = self.own.count();
            }
        }
        if let Some(rows) = self.answers.0.get(&asked) {
            return Some(rows);
        }
        if asked.after > 0 {
            // What comes after it is asked for when this is there.
            let mut unwritten = self.unwritten.borrow_mut();
            if unwritten.is_some() {
                return None;
            }
            *unwritten = Some(self.own.clone());
        }
        self.missing.borrow_mut().insert(asked);
        None
    }

    fn many<T: FromRow>(&self, query: Query) -> Result<Vec<T>, Error> {
        let rows = self.ask(query).unwrap_or_default();
        rows.iter().map(read).collect()
    }

    fn one<T: FromRow>(&self, query: Query) -> Result<Option<T>, Error> {
        self.ask(query).and_then(<[Row]>::first).map(read).transpose()
    }

    /// The answer to a question of yes or no.
    fn is(&self, query: Query) -> Result<bool, Error> {
        Ok(self.one(query)?.unwrap_or_default())
    }

    /// The row that is to be changed. One that is not there is a fault, unless something was missing: then this run does not
    /// count, and goes on to find out what else is.
    fn to_change<T>(&self, found: Option<T>, what: &str, id: impl fmt::Display) -> Result<Option<T>, Error> {
        match found {
            None if self.missing.borrow().is_empty() => {
                Err(Error::internal(format!("there is no {what} {id} to change")))
            }
            found => Ok(found),
        }
    }

    fn product_to_change(&self, id: ProductId) -> Result<Option<Product>, Error> {
        self.to_change(self.product(id)?, "product", id)
    }

    fn order_to_change(&self, id: OrderId) -> Result<Option<Order>, Error> {
        self.to_change(self.order(id)?, "order", id)
    }
}

fn read<T: FromRow>(row: &Row) -> Result<T, Error> {
    T::from_row(row).map_err(Error::internal)
}

/// The pattern of `LIKE` for what has this text somewhere.
fn like(text: &SearchText) -> String {
    let mut pattern = String::from("%");
    for character in text.as_str().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// How many rows to fetch, as SQL wants it.
fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl View for Session<'_> {
    fn product(&self, id: ProductId) -> Result<Option<Product>, Error> {
        match self.own.product(id).or_else(|| self.before.product(id)) {
            Some(known) => Ok(known.cloned()),
            None => self.one(Query::Product(id)),
        }
    }

    fn product_by_sku(&self, sku: &Sku) -> Result<Option<Product>, Error> {
        self.one(Query::ProductBySku(sku.clone()))
    }

    fn products(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Product>, Error> {
        self.many(Query::Products {
            after: after.map_or(0, ProductId::get),
            limit: sql_limit(limit),
        })
    }

    fn products_with_text(
        &self,
        text: &SearchText,
        after: Option<ProductId>,
        limit: usize,
    ) -> Result<Vec<Product>, Error> {
        self.many(Query::ProductsWithText {
            pattern: like(text),
            is_short: is_short(text),
            after: after.map_or(0, ProductId::get),
            limit: sql_limit(limit),
        })
    }

    fn products_by_change(
        &self,
        from: Timestamp,
        text: Option<&SearchText>,
        after: Option<(Timestamp, ProductId)>,
        limit: usize,
    ) -> Result<Vec<Product>, Error> {
        let (minute, after) = change_place(from, after);
        self.many(Query::ProductsByChange {
            from,
            minute,
            after,
            pattern: text.map(like),
            limit: sql_limit(limit),
        })
    }

    fn product_has_orders(&self, id: ProductId) -> Result<bool, Error> {
        self.is(Query::HasOrders(id))
    }

    fn movements(
        &self,
        product_id: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<StockMovement>, Error> {
        self.many(Query::Movements {
            of: product_id,
            before: before.map_or(i64::MAX, MovementId::get),
            limit: sql_limit(limit),
        })
    }

    fn order(&self, id: OrderId) -> Result<Option<Order>, Error> {
        match self.own.order(id).or_else(|| self.before.order(id)) {
            Some(known) => Ok(known.cloned()),
            None => self.one(Query::Order(id)),
        }
    }

    fn orders(&self, filter: &OrderFilter, before: Option<OrderId>, limit: usize) -> Result<Vec<Order>, Error> {
        self.many(Query::Orders {
            filter: filter.clone(),
            before: before.map_or(i64::MAX, OrderId::get),
            limit: sql_limit(limit),
        })
    }

    fn orders_by_time(
        &self,
        filter: &OrderFilter,
        span: TimeSpan,
        before: Option<(Timestamp, OrderId)>,
        limit: usize,
    ) -> Result<Vec<Order>, Error> {
        let (end, before) = span.end_ms(before);
        self.many(Query::OrdersByTime {
            filter: filter.clone(),
            first: span.first_ms(),
            end,
            before,
            limit: sql_limit(limit),
        })
    }

    fn orders_expiring(&self, until: Timestamp, limit: usize) -> Result<Vec<Order>, Error> {
        self.many(Query::OrdersExpiring {
            until,
            limit: sql_limit(limit),
        })
    }

    fn last_order_id(&self) -> Result<Option<OrderId>, Error> {
        match self.counters.orders {
            Some(0) => Ok(None),
            Some(last) => OrderId::new(last).map(Some).map_err(Error::internal),
            None => self.one(Query::LastOrderId),
        }
    }
}

impl PaymentView for Session<'_> {
    fn event(&self, provider: Provider, id: &EventId) -> Result<Option<RecordedEvent>, Error> {
        self.one(Query::Event(provider, id.clone()))
    }

    fn events(
        &self,
        filter: EventFilter,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, Error> {
        self.many(Query::Events {
            filter,
            before: before.map_or(i64::MAX, EventNumber::get),
            limit: sql_limit(limit),
        })
    }

    fn payments(
        &self,
        filter: PaymentFilter,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<ListedPayment>, Error> {
        self.many(Query::Payments {
            filter,
            is_closed: filter.is_open.map(|is_open| !is_open),
            before: before.map_or(i64::MAX, EventNumber::get),
            limit: sql_limit(limit),
        })
    }

    fn payment_of_order(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<Option<Payment>, Error> {
        self.one(Query::PaymentOfOrder(order_id, payment_id.clone()))
    }

    fn payment_of_provider(&self, provider: Provider, payment_id: &PaymentId) -> Result<Option<Payment>, Error> {
        self.one(Query::PaymentOfProvider(provider, payment_id.clone()))
    }

    fn is_payment_known(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<bool, Error> {
        self.is(Query::IsPaymentKnown(order_id, payment_id.clone()))
    }

    fn refund(
        &self,
        provider: Provider,
        order_id: Option<OrderId>,
        refund_id: &RefundId,
    ) -> Result<Option<Refund>, Error> {
        self.one(match provider {
            Provider::Own => Query::RefundOfOrder(order_id, refund_id.clone()),
            Provider::Stripe => Query::RefundOfProvider(provider, refund_id.clone()),
        })
    }

    fn refunds_of(&self, payment: EventNumber) -> Result<Vec<Refund>, Error> {
        self.many(Query::RefundsOf(payment))
    }

    fn kept_refunds(&self, provider: Provider, payment_id: &PaymentId) -> Result<Vec<Refund>, Error> {
        self.many(Query::KeptRefunds(provider, payment_id.clone()))
    }

    fn dispute(&self, provider: Provider, id: &DisputeId) -> Result<Option<Dispute>, Error> {
        self.one(Query::Dispute(provider, id.clone()))
    }

    fn kept_disputes(&self, provider: Provider, payment_id: &PaymentId) -> Result<Vec<Dispute>, Error> {
        self.many(Query::KeptDisputes(provider, payment_id.clone()))
    }

    fn hold(&self, provider: Provider, payment_id: &PaymentId) -> Result<Option<Hold>, Error> {
        self.one(Query::Hold(provider, payment_id.clone()))
    }

    fn holds(&self, order_id: OrderId) -> Result<Vec<Hold>, Error> {
        self.many(Query::Holds(order_id))
    }

    fn has_recorded_payment(&self, order_id: OrderId) -> Result<bool, Error> {
        self.is(Query::HasRecordedPayment(order_id))
    }

    fn open_payments(&self, order_id: OrderId) -> Result<Vec<Payment>, Error> {
        self.many(Query::OpenPayments(order_id))
    }
}

impl IdempotencyView for Session<'_> {
    fn idempotency_record(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, Error> {
        match self.own.record(key).or_else(|| self.before.record(key)) {
            Some(known) => Ok(known.cloned()),
            None => self.one(Query::Record(key.clone())),
        }
    }

    fn has_idempotency_records_until(&self, until: Timestamp) -> Result<bool, Error> {
        self.is(Query::HasRecordsUntil(until))
    }
}

impl Tx for Session<'_> {
    fn insert_product(&mut self, product: &NewProduct, now: Timestamp) -> Result<ProductId, Error> {
        let id = ProductId::new(Counters::next(&mut self.counters.products)).map_err(Error::internal)?;
        self.own.save_product(None, product.clone().with_id(id, now));
        Ok(id)
    }

    fn save_product(&mut self, product: &Product) -> Result<(), Error> {
        if let Some(before) = self.product_to_change(product.id)? {
            self.own.save_product(Some(before), product.clone());
        }
        Ok(())
    }

    fn delete_product(&mut self, id: ProductId) -> Result<(), Error> {
        if let Some(before) = self.product_to_change(id)? {
            self.own.delete_product(before);
        }
        Ok(())
    }

    fn take_stock(&mut self, id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Option<Taken>, Error> {
        let Some(before) = self.product(id)? else {
            return Ok(None);
        };
        let Ok(left) = Stock::new(before.stock.get() - quantity.get()) else {
            return Ok(None);
        };
        let price = before.price;
        self.own.set_stock(before, left, now);
        Ok(Some(Taken { stock: left, price }))
    }

    fn return_stock(&mut self, id: ProductId, quantity: Quantity, now: Timestamp) -> Result<Stock, Error> {
        let Some(before) = self.product_to_change(id)? else {
            return Ok(Stock::NONE);
        };
        let stock = Stock::new(before.stock.get().saturating_add(quantity.get())).map_err(Error::internal)?;
        self.own.set_stock(before, stock, now);
        Ok(stock)
    }

    fn insert_movement(&mut self, movement: &NewMovement) -> Result<MovementId, Error> {
        let id = MovementId::new(Counters::next(&mut self.counters.movements)).map_err(Error::internal)?;
        self.own.add_movement(movement.clone().with_id(id));
        Ok(id)
    }

    fn delete_movements(&mut self, product_id: ProductId) -> Result<(), Error> {
        self.own.delete_movements(product_id);
        Ok(())
    }

    fn insert_order(&mut self, order: &NewOrder) -> Result<OrderId, Error> {
        // Counted also where nobody knows yet how many there are, for then this run does not count.
        let mut last = self.counters.orders.unwrap_or_default();
        let id = OrderId::new(Counters::next(&mut last)).map_err(Error::internal)?;
        self.counters.orders = self.counters.orders.map(|_| last);
        self.own.save_order(None, order.clone().with_id(id));
        Ok(id)
    }

    fn save_order(&mut self, order: &Order) -> Result<(), Error> {
        if let Some(before) = self.order_to_change(order.id())? {
            self.own.save_order(Some(before), order.clone());
        }
        Ok(())
    }

    fn delete_order(&mut self, id: OrderId) -> Result<(), Error> {
        if let Some(before) = self.order_to_change(id)? {
            self.own.delete_order(before);
        }
        Ok(())
    }
}

impl PaymentTx for Session<'_> {
    fn insert_event(
        &mut self,
        event: &PaymentEvent,
        order_id: Option<OrderId>,
        result: EventResult,
        now: Timestamp,
    ) -> Result<EventNumber, Error> {
        let number = EventNumber::new(Counters::next(&mut self.counters.events)).map_err(Error::internal)?;
        self.own.add_event(NewEvent {
            number,
            event: event.clone(),
            order_id,
            result,
            received_at: now,
        });
        Ok(number)
    }

    fn insert_payment(&mut self, payment: &Payment) -> Result<(), Error> {
        self.own.add_payment(payment.clone());
        Ok(())
    }

    fn save_payment(&mut self, payment: &Payment) -> Result<(), Error> {
        self.own.save_payment(payment.clone());
        Ok(())
    }

    fn insert_refund(&mut self, refund: &Refund) -> Result<(), Error> {
        self.own.add_refund(refund.clone());
        Ok(())
    }

    fn save_refund(&mut self, refund: &Refund) -> Result<(), Error> {
        self.own.save_refund(refund.clone());
        Ok(())
    }

    fn insert_dispute(&mut self, dispute: &Dispute) -> Result<(), Error> {
        self.own.add_dispute(dispute.clone());
        Ok(())
    }

    fn save_dispute(&mut self, dispute: &Dispute) -> Result<(), Error> {
        self.own.save_dispute(dispute.clone());
        Ok(())
    }

    fn save_hold(&mut self, hold: &Hold) -> Result<(), Error> {
        self.own.save_hold(hold.clone());
        Ok(())
    }
}

impl IdempotencyTx for Session<'_> {
    fn save_idempotency_record(&mut self, key: &IdempotencyKey, record: &IdempotencyRecord) -> Result<(), Error> {
        self.own.save_record(key.clone(), record.clone());
        Ok(())
    }

    fn delete_idempotency_records_until(&mut self, until: Timestamp, limit: usize) -> Result<usize, Error> {
        let query = Query::RecordsUntil {
            until,
            limit: sql_limit(limit),
        };
        let rows = self.ask(query).unwrap_or_default();
        for row in rows {
            let part = |column| row.try_get::<_, String>(column).map_err(Error::internal);
            self.own.delete_record(IdempotencyKey {
                caller: part(0)?,
                path: part(1)?,
                key: part(2)?,
            });
        }
        Ok(rows.len())
    }
}

/// Runs `work` on what was loaded; its result, and what was missing.
pub(super) fn run_read<T>(
    answers: &Answers,
    work: impl Fn(&dyn View) -> Result<T, Error>,
) -> (Result<T, Error>, Vec<Asked>) {
    let before = Changes::default();
    let session = Session::new(answers, &before, Counters::UNKNOWN);
    let result = work(&session);
    let missing = mem::take(&mut *session.missing.borrow_mut());
    (result, missing.into_iter().collect())
}
