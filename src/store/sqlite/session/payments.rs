//! The verbs of payments in SQL: their events, refunds, disputes and holds.
//!
//! Decides nothing: events are only added, the others added and changed.

use rusqlite::params;

use super::{Session, sql_limit};
use crate::domain::{
    Dispute, DisputeId, EventId, EventNumber, EventResult, FactKind, Hold, ListedPayment, OrderId, Payment,
    PaymentEvent, PaymentId, Provider, RecordedEvent, Refund, RefundId, Timestamp,
};
use crate::error::Error;
use crate::store::rows::{
    dispute_columns, event_columns, hold_columns, listed_payment_columns, payment_columns, refund_columns,
};
use crate::store::{EventFilter, PaymentFilter, PaymentTx, PaymentView};

impl PaymentView for Session<'_> {
    fn event(&self, provider: Provider, id: &EventId) -> Result<Option<RecordedEvent>, Error> {
        self.one(EVENT, params![id, provider])
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
        self.many(sql, params![before, limit, result, order_id])
    }

    fn payments(
        &self,
        filter: PaymentFilter,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<ListedPayment>, Error> {
        let (before, limit) = (before.map_or(i64::MAX, EventNumber::get), sql_limit(limit));
        let PaymentFilter { order_id, is_open } = filter;
        let is_closed = is_open.map(|is_open| !is_open);
        let sql = match (order_id, is_closed) {
            (Some(_), _) => PAYMENTS_BY_ORDER,
            (None, Some(_)) => PAYMENTS_BY_STATE,
            (None, None) => PAYMENTS,
        };
        self.many(sql, params![before, limit, is_closed, order_id])
    }

    fn payment_of_order(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<Option<Payment>, Error> {
        self.one(PAYMENT_OF_ORDER, params![order_id, payment_id])
    }

    fn payment_of_provider(&self, provider: Provider, payment_id: &PaymentId) -> Result<Option<Payment>, Error> {
        self.one(PAYMENT_OF_PROVIDER, params![payment_id, provider])
    }

    fn is_payment_known(&self, order_id: OrderId, payment_id: &PaymentId) -> Result<bool, Error> {
        self.exactly_one(IS_PAYMENT_KNOWN, params![order_id, payment_id])
    }

    fn refund(
        &self,
        provider: Provider,
        order_id: Option<OrderId>,
        refund_id: &RefundId,
    ) -> Result<Option<Refund>, Error> {
        match provider {
            Provider::Own => self.one(REFUND_OF_ORDER, params![refund_id, order_id]),
            Provider::Stripe => self.one(REFUND_OF_PROVIDER, params![refund_id, provider]),
        }
    }

    fn refunds_of(&self, payment: EventNumber) -> Result<Vec<Refund>, Error> {
        self.many(REFUNDS_OF, params![payment])
    }

    fn kept_refunds(&self, provider: Provider, payment_id: &PaymentId) -> Result<Vec<Refund>, Error> {
        self.many(KEPT_REFUNDS, params![payment_id, provider])
    }

    fn dispute(&self, provider: Provider, id: &DisputeId) -> Result<Option<Dispute>, Error> {
        self.one(DISPUTE, params![id, provider])
    }

    fn kept_disputes(&self, provider: Provider, payment_id: &PaymentId) -> Result<Vec<Dispute>, Error> {
        self.many(KEPT_DISPUTES, params![payment_id, provider])
    }

    fn hold(&self, provider: Provider, payment_id: &PaymentId) -> Result<Option<Hold>, Error> {
        self.one(HOLD, params![payment_id, provider])
    }

    fn holds(&self, order_id: OrderId) -> Result<Vec<Hold>, Error> {
        self.many(HOLDS, params![order_id])
    }

    fn has_recorded_payment(&self, order_id: OrderId) -> Result<bool, Error> {
        self.exactly_one(HAS_RECORDED_PAYMENT, params![order_id])
    }

    fn open_payments(&self, order_id: OrderId) -> Result<Vec<Payment>, Error> {
        self.many(OPEN_PAYMENTS, params![order_id])
    }
}

pub(super) const EVENT: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM payment_events WHERE event_id = ?1 AND provider = ?2"
);

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

/// A list of payments, newest first, as [`select_events`]. Each payment has its event, so the join narrows nothing, and
/// `CROSS` keeps SQLite from beginning with the events.
macro_rules! select_payments {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            listed_payment_columns!(),
            " FROM payments AS p CROSS JOIN payment_events AS e ON e.number = p.number WHERE p.number < ?1 AND ",
            $condition,
            " AND (?3 IS NULL OR is_closed = ?3) AND (?4 IS NULL OR p.order_id = ?4) ORDER BY p.number DESC LIMIT ?2"
        )
    };
}

pub(super) const PAYMENTS: &str = select_payments!("TRUE");
pub(super) const PAYMENTS_BY_STATE: &str = select_payments!("is_closed = ?3");
/// An order has fewer payments than a state.
pub(super) const PAYMENTS_BY_ORDER: &str = select_payments!("p.order_id = ?4");

/// Payments that this condition finds.
macro_rules! select_payment {
    ($condition:literal) => {
        concat!("SELECT ", payment_columns!(), " FROM payments WHERE ", $condition)
    };
}

/// One that is known twice, by an old version's mistake, is the older one.
pub(super) const PAYMENT_OF_ORDER: &str =
    select_payment!("order_id = ?1 AND payment_id = ?2 AND provider = 'own' ORDER BY number LIMIT 1");
pub(super) const PAYMENT_OF_PROVIDER: &str = select_payment!("payment_id = ?1 AND provider = ?2 AND provider <> 'own'");
pub(super) const OPEN_PAYMENTS: &str = select_payment!("order_id = ?1 AND is_closed = 0 ORDER BY number DESC");

pub(super) const IS_PAYMENT_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM payment_events WHERE order_id = ?1 \
     AND payment_id = ?2 AND fact = 'paid' AND provider = 'own')";

pub(super) const HAS_RECORDED_PAYMENT: &str =
    "SELECT EXISTS (SELECT 1 FROM payment_events WHERE order_id = ?1 AND fact = 'paid')";

/// Refunds that this condition finds.
macro_rules! select_refunds {
    ($condition:literal) => {
        concat!("SELECT ", refund_columns!(), " FROM refunds WHERE ", $condition)
    };
}

pub(super) const REFUND_OF_ORDER: &str = select_refunds!("refund_id = ?1 AND order_id = ?2 AND provider = 'own'");
pub(super) const REFUND_OF_PROVIDER: &str = select_refunds!("refund_id = ?1 AND provider = ?2 AND provider <> 'own'");
pub(super) const REFUNDS_OF: &str = select_refunds!("payment = ?1 ORDER BY number");
pub(super) const KEPT_REFUNDS: &str =
    select_refunds!("payment_id = ?1 AND payment IS NULL AND provider = ?2 ORDER BY number");

/// Disputes that this condition finds.
macro_rules! select_disputes {
    ($condition:literal) => {
        concat!("SELECT ", dispute_columns!(), " FROM disputes WHERE ", $condition)
    };
}

pub(super) const DISPUTE: &str = select_disputes!("dispute_id = ?1 AND provider = ?2");
pub(super) const KEPT_DISPUTES: &str =
    select_disputes!("payment_id = ?1 AND payment IS NULL AND provider = ?2 ORDER BY number");

pub(super) const HOLD: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM payment_holds WHERE payment_id = ?1 AND provider = ?2"
);
pub(super) const HOLDS: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM payment_holds WHERE order_id = ?1 ORDER BY payment_id, provider"
);

impl PaymentTx for Session<'_> {
    fn insert_event(
        &mut self,
        event: &PaymentEvent,
        order_id: Option<OrderId>,
        result: EventResult,
        now: Timestamp,
    ) -> Result<EventNumber, Error> {
        const SQL: &str = "INSERT INTO payment_events (provider, event_id, type, fact, created_s, order_id, payment_id, \
                           refund_id, amount_cents, amount_minor, currency, result, received_at_ms) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        let fact = event.fact();
        let sum = fact.and_then(|fact| fact.sum.as_ref());
        let minor = sum.and_then(|sum| sum.minor);
        self.change_one(
            SQL,
            params![
                event.provider,
                event.id,
                event.event_type,
                fact.map(|fact| fact.kind.name()),
                event.created_seconds,
                order_id,
                fact.and_then(|fact| fact.payment_id.as_ref()),
                fact.map(|fact| &fact.kind).and_then(FactKind::refund_id),
                sum.and_then(|sum| sum.cents),
                minor.map(|minor| minor.units),
                minor.map(|minor| minor.currency),
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
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        );
        self.change_one(
            SQL,
            params![
                payment.number,
                payment.provider,
                payment.order_id,
                payment.payment_id,
                payment.currency,
                payment.is_foreign,
                payment.balance.amount,
                payment.balance.refunded,
                payment.is_own,
                payment.balance.is_closed
            ],
        )
    }

    fn save_payment(&mut self, payment: &Payment) -> Result<(), Error> {
        const SQL: &str = "UPDATE payments SET refunded_units = ?2, is_closed = ?3 WHERE number = ?1";
        let balance = payment.balance;
        self.change_one(SQL, params![payment.number, balance.refunded, balance.is_closed])
    }

    fn insert_refund(&mut self, refund: &Refund) -> Result<(), Error> {
        const SQL: &str = concat!(
            "INSERT INTO refunds (",
            refund_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        );
        let told = &refund.told;
        let minor = told.sum.and_then(|sum| sum.minor);
        self.change_one(
            SQL,
            params![
                refund.number,
                told.provider,
                told.order_id,
                told.id,
                told.payment_id,
                told.sum.and_then(|sum| sum.cents),
                minor.map(|minor| minor.units),
                minor.map(|minor| minor.currency),
                told.has_failed,
                refund.payment
            ],
        )
    }

    fn save_refund(&mut self, refund: &Refund) -> Result<(), Error> {
        const SQL: &str = "UPDATE refunds SET payment = ?2, has_failed = ?3 WHERE number = ?1";
        self.change_one(SQL, params![refund.number, refund.payment, refund.told.has_failed])
    }

    fn insert_dispute(&mut self, dispute: &Dispute) -> Result<(), Error> {
        const SQL: &str = concat!(
            "INSERT INTO disputes (",
            dispute_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        );
        let told = &dispute.told;
        self.change_one(
            SQL,
            params![
                dispute.number,
                told.provider,
                told.id,
                told.order_id,
                told.payment_id,
                told.state,
                dispute.payment
            ],
        )
    }

    fn save_dispute(&mut self, dispute: &Dispute) -> Result<(), Error> {
        const SQL: &str = "UPDATE disputes SET payment = ?2, state = ?3 WHERE number = ?1";
        self.change_one(SQL, params![dispute.number, dispute.payment, dispute.told.state])
    }

    fn save_hold(&mut self, hold: &Hold) -> Result<(), Error> {
        const SQL: &str = concat!(
            "INSERT INTO payment_holds (",
            hold_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE \
             SET until_ms = excluded.until_ms, told_s = excluded.told_s, ended_s = excluded.ended_s"
        );
        self.change_one(
            SQL,
            params![
                hold.payment_id,
                hold.provider,
                hold.order_id,
                hold.deadline,
                hold.until,
                hold.told_seconds,
                hold.ended_seconds
            ],
        )
    }
}
