//! The verbs of payments and their events in SQL.
//!
//! Decides nothing: events are only added, payments and refunds added and changed.

use rusqlite::params;

use super::{Session, sql_limit};
use crate::domain::{
    EventId, EventNumber, EventResult, OrderId, Payment, PaymentEvent, PaymentId, RecordedEvent, Refund, RefundId,
    Timestamp,
};
use crate::error::Error;
use crate::store::sqlite::rows::{self, event_columns, payment_columns, refund_columns};
use crate::store::{EventFilter, PaymentTx, PaymentView};

impl PaymentView for Session<'_> {
    fn event(&self, id: &EventId) -> Result<Option<RecordedEvent>, Error> {
        const SQL: &str = concat!("SELECT ", event_columns!(), " FROM payment_events WHERE event_id = ?1");
        self.one(SQL, params![id], rows::event)
    }

    fn events(
        &self,
        filter: EventFilter,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, Error> {
        let (before, limit) = (before.map_or(i64::MAX, EventNumber::get), sql_limit(limit));
        let EventFilter { result, order_id } = filter;
        let sql = match (order_id, result) {
            (Some(_), _) => EVENTS_BY_ORDER,
            (None, Some(_)) => EVENTS_BY_RESULT,
            (None, None) => EVENTS,
        };
        self.many(sql, params![before, limit, result, order_id], rows::event)
    }

    fn is_payment_known(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<bool, Error> {
        self.exactly_one(IS_PAYMENT_KNOWN, params![order_id, payment_id], |row| row.get(0))
    }

    fn is_refund_known(&self, order_id: OrderId, refund_id: &RefundId) -> Result<bool, Error> {
        self.exactly_one(IS_REFUND_KNOWN, params![order_id, refund_id], |row| row.get(0))
    }

    fn kept_refunds(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<Vec<Refund>, Error> {
        self.many(KEPT_REFUNDS, params![order_id, payment_id], rows::refund)
    }

    fn has_recorded_payment(&self, order_id: OrderId) -> Result<bool, Error> {
        self.exactly_one(HAS_RECORDED_PAYMENT, params![order_id], |row| row.get(0))
    }

    fn open_payments(&self, order_id: OrderId) -> Result<Vec<Payment>, Error> {
        self.many(OPEN_PAYMENTS, params![order_id], rows::payment)
    }
}

/// A list of events, newest first. Every filter has its parameter, and one that is NULL narrows nothing; the condition
/// written out is the one whose index finds the rows.
macro_rules! select_events {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM payment_events WHERE number < ?1 AND ",
            $condition,
            " AND (?3 IS NULL OR result = ?3) AND (?4 IS NULL OR order_id = ?4) ORDER BY number DESC LIMIT ?2"
        )
    };
}

pub(super) const EVENTS: &str = select_events!("TRUE");
pub(super) const EVENTS_BY_RESULT: &str = select_events!("result = ?3");
/// An order has fewer events than a result.
pub(super) const EVENTS_BY_ORDER: &str = select_events!("order_id = ?4");

pub(super) const IS_PAYMENT_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM payment_events WHERE order_id = ?1 \
     AND payment_id = ?2 AND type = 'payment.succeeded')";

pub(super) const IS_REFUND_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM refunds WHERE order_id = ?1 AND refund_id = ?2)";

pub(super) const KEPT_REFUNDS: &str = concat!(
    "SELECT ",
    refund_columns!(),
    " FROM refunds WHERE order_id = ?1 AND payment_id = ?2 AND payment IS NULL ORDER BY number"
);

pub(super) const HAS_RECORDED_PAYMENT: &str =
    "SELECT EXISTS (SELECT 1 FROM payment_events WHERE order_id = ?1 AND type = 'payment.succeeded')";

pub(super) const OPEN_PAYMENTS: &str = concat!(
    "SELECT ",
    payment_columns!(),
    " FROM payments WHERE order_id = ?1 AND is_closed = 0 ORDER BY number DESC"
);

impl PaymentTx for Session<'_> {
    fn insert_event(
        &mut self,
        event: &PaymentEvent,
        result: EventResult,
        now: Timestamp,
    ) -> Result<EventNumber, Error> {
        const SQL: &str = "INSERT INTO payment_events (event_id, type, created_s, order_id, payment_id, refund_id, \
                           amount_cents, result, received_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let kind = &event.kind;
        self.change_one(
            SQL,
            params![
                event.id,
                kind.type_name(),
                event.created_seconds,
                kind.order_id(),
                kind.payment_id(),
                kind.refund_id(),
                kind.amount(),
                result,
                now
            ],
        )?;
        EventNumber::new(self.connection.last_insert_rowid()).map_err(Error::internal)
    }

    fn insert_payment(&mut self, payment: &Payment) -> Result<(), Error> {
        const SQL: &str = concat!(
            "INSERT INTO payments (",
            payment_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        );
        self.change_one(
            SQL,
            params![
                payment.number,
                payment.order_id,
                payment.payment_id,
                payment.balance.amount,
                payment.balance.refunded,
                payment.is_own,
                payment.balance.is_closed
            ],
        )
    }

    fn save_payment(&mut self, payment: &Payment) -> Result<(), Error> {
        const SQL: &str = "UPDATE payments SET refunded_cents = ?2, is_closed = ?3 WHERE number = ?1";
        let balance = payment.balance;
        self.change_one(SQL, params![payment.number, balance.refunded, balance.is_closed])
    }

    fn insert_refund(&mut self, refund: &Refund) -> Result<(), Error> {
        const SQL: &str = concat!(
            "INSERT INTO refunds (",
            refund_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        );
        self.change_one(
            SQL,
            params![
                refund.number,
                refund.order_id,
                refund.refund_id,
                refund.payment_id,
                refund.amount,
                refund.payment
            ],
        )
    }

    fn save_refund(&mut self, refund: &Refund) -> Result<(), Error> {
        const SQL: &str = "UPDATE refunds SET payment = ?2 WHERE number = ?1";
        self.change_one(SQL, params![refund.number, refund.payment])
    }
}
