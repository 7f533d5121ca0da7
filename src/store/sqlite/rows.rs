//! Rows and columns as values of the domain, both ways.
//!
//! A row that makes no sense (a price of 0, a status whose times are missing) is refused, not repaired.

use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Row, Statement};

use crate::domain::{
    Amount, Balance, Currency, Delta, Dispute, DisputeId, DisputeState, DisputeTold, EventId, EventNumber, EventResult,
    EventType, Hold, ListedPayment, Minor, Money, MovementId, NewOrder, Note, Order, OrderId, Payment, PaymentId,
    Price, Product, ProductId, ProductName, Provider, Quantity, Reason, RecordedEvent, Refund, RefundId, RefundTold,
    Sku, StateParts, Status, Stock, StockMovement, Sum, Timestamp, Version,
};
use crate::store::{IdempotencyRecord, StoredResponse, Taken};

macro_rules! integer_column {
    ($($type:ty: $parse:expr, $number:expr;)*) => {$(
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let parse: fn(i64) -> Result<Self, FromSqlError> = $parse;
                parse(value.as_i64()?)
            }
        }

        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                let number: fn(Self) -> i64 = $number;
                Ok(number(*self).into())
            }
        }
    )*};
}

integer_column! {
    ProductId: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    OrderId: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    MovementId: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    EventNumber: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    Version: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    Quantity: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    Stock: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    Delta: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    Price: |n| Self::new(Money::from_cents(n)).map_err(FromSqlError::other), Self::cents;
    Amount: |n| Self::new(Money::from_cents(n)).map_err(FromSqlError::other), Self::cents;
    Money: |n| Ok(Self::from_cents(n)), Self::cents;
    Timestamp: |n| Ok(Self::from_millis(n)), Self::millis;
}

macro_rules! text_column {
    ($($type:ty: $parse:expr, $text:expr;)*) => {$(
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let parse: fn(&str) -> Result<Self, FromSqlError> = $parse;
                parse(value.as_str()?)
            }
        }

        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                let text: fn(&Self) -> &str = $text;
                Ok(text(self).into())
            }
        }
    )*};
}

text_column! {
    Sku: |text| Self::new(text).map_err(FromSqlError::other), Self::as_str;
    ProductName: |text| Self::restore(text).map_err(FromSqlError::other), Self::as_str;
    Note: |text| Ok(Self::restore(text)), Self::as_str;
    EventId: |text| Self::new(text).map_err(FromSqlError::other), Self::as_str;
    PaymentId: |text| Self::new(text).map_err(FromSqlError::other), Self::as_str;
    RefundId: |text| Self::new(text).map_err(FromSqlError::other), Self::as_str;
    EventType: |text| Self::new(text).map_err(FromSqlError::other), Self::as_str;
    DisputeId: |text| Self::new(text).map_err(FromSqlError::other), Self::as_str;
    Currency: |code| Self::new(code).map_err(FromSqlError::other), Self::code;
    Provider: |name| Self::from_name(name).ok_or(FromSqlError::InvalidType), |provider| provider.name();
    DisputeState: |name| Self::from_name(name).ok_or(FromSqlError::InvalidType), |state| state.name();
    EventResult: |name| Self::from_name(name).ok_or(FromSqlError::InvalidType), |result| result.name();
    Status: |name| Self::from_name(name).ok_or(FromSqlError::InvalidType), |status| status.name();
}

// Lists select the table's last column first. SQLite parses a row's header only as far as the column it needs; parsing it
// once to the end is cheaper than column by column.

/// The columns that [`product`] reads, in its order.
macro_rules! product_columns {
    () => {
        "version, id, sku, name, price_cents, stock, created_at_ms, updated_at_ms"
    };
}
pub(super) use product_columns;

pub(super) fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        version: row.get(0)?,
        id: row.get(1)?,
        sku: row.get(2)?,
        name: row.get(3)?,
        price: row.get(4)?,
        stock: row.get(5)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
    })
}

/// The columns that [`order`] reads, in its order.
macro_rules! order_columns {
    () => {
        "refund_due, id, product_id, quantity, unit_price_cents, created_at_ms, updated_at_ms, version, \
         status, expires_at_ms, paid_at_ms, shipped_at_ms, canceled_at_ms"
    };
}
pub(super) use order_columns;

pub(super) fn order(row: &Row<'_>) -> rusqlite::Result<Order> {
    let id: OrderId = row.get(1)?;
    let placed = NewOrder::new(row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)
        .map_err(|_| inconsistent(row, "quantity", format!("the total of order {id} overflows")))?;
    let parts = StateParts {
        status: row.get(8)?,
        expires_at: row.get(9)?,
        paid_at: row.get(10)?,
        shipped_at: row.get(11)?,
        canceled_at: row.get(12)?,
        refund_due: row.get(0)?,
    };
    let state = parts.state().ok_or_else(|| {
        inconsistent(
            row,
            "status",
            format!("order {id} is {} with other times or debts than that", parts.status),
        )
    })?;
    Ok(Order::restore(id, placed, state, row.get(7)?, row.get(6)?))
}

/// The columns that [`movement`] reads, in its order.
macro_rules! movement_columns {
    () => {
        "created_at_ms, id, product_id, delta, stock_after, reason, order_id, note"
    };
}
pub(super) use movement_columns;

pub(super) fn movement(row: &Row<'_>) -> rusqlite::Result<StockMovement> {
    let id: MovementId = row.get(1)?;
    let (name, order_id) = (row.get_ref(5)?.as_str()?, row.get(6)?);
    let reason = Reason::from_parts(name, order_id).ok_or_else(|| {
        inconsistent(
            row,
            "reason",
            format!("movement {id} has reason {name}, order {order_id:?}"),
        )
    })?;
    Ok(StockMovement {
        id,
        product_id: row.get(2)?,
        delta: row.get(3)?,
        stock_after: row.get(4)?,
        reason,
        note: row.get(7)?,
        created_at: row.get(0)?,
    })
}

pub(super) fn taken(row: &Row<'_>) -> rusqlite::Result<Taken> {
    Ok(Taken {
        stock: row.get(0)?,
        price: row.get(1)?,
    })
}

/// The columns that [`event`] reads, in its order.
macro_rules! event_columns {
    () => {
        "number, provider, event_id, type, created_s, order_id, payment_id, refund_id, amount_cents, currency, result, \
         received_at_ms"
    };
}
pub(super) use event_columns;

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<RecordedEvent> {
    Ok(RecordedEvent {
        number: row.get(0)?,
        provider: row.get(1)?,
        event_id: row.get(2)?,
        event_type: row.get(3)?,
        created_seconds: row.get(4)?,
        order_id: row.get(5)?,
        payment_id: row.get(6)?,
        refund_id: row.get(7)?,
        amount: row.get(8)?,
        currency: row.get(9)?,
        result: row.get(10)?,
        received_at: row.get(11)?,
    })
}

/// The columns that [`payment`] reads, in its order.
macro_rules! payment_columns {
    () => {
        "number, provider, order_id, payment_id, currency, is_foreign, amount_units, refunded_units, is_own, is_closed"
    };
}
pub(super) use payment_columns;

pub(super) fn payment(row: &Row<'_>) -> rusqlite::Result<Payment> {
    Ok(Payment {
        number: row.get(0)?,
        provider: row.get(1)?,
        order_id: row.get(2)?,
        payment_id: row.get(3)?,
        currency: row.get(4)?,
        is_foreign: row.get(5)?,
        balance: Balance {
            amount: row.get(6)?,
            refunded: row.get(7)?,
            is_closed: row.get(9)?,
        },
        is_own: row.get(8)?,
    })
}

/// The columns that [`listed_payment`] reads, in its order: those of the payment `p`, and of its event `e`.
macro_rules! listed_payment_columns {
    () => {
        "p.number, p.provider, p.order_id, p.payment_id, p.currency, p.is_foreign, p.amount_units, p.refunded_units, \
         p.is_own, p.is_closed, e.event_id, e.received_at_ms, \
         EXISTS (SELECT 1 FROM disputes AS d WHERE d.payment = p.number AND d.state <> 'won')"
    };
}
pub(super) use listed_payment_columns;

pub(super) fn listed_payment(row: &Row<'_>) -> rusqlite::Result<ListedPayment> {
    Ok(ListedPayment {
        payment: payment(row)?,
        event_id: row.get(10)?,
        is_disputed: row.get(12)?,
        created_at: row.get(11)?,
    })
}

/// The columns that [`refund`] reads, in its order.
macro_rules! refund_columns {
    () => {
        "number, provider, order_id, refund_id, payment_id, amount_cents, amount_minor, currency, has_failed, payment"
    };
}
pub(super) use refund_columns;

pub(super) fn refund(row: &Row<'_>) -> rusqlite::Result<Refund> {
    let number: EventNumber = row.get(0)?;
    let minor = match (row.get(6)?, row.get(7)?) {
        (Some(units), Some(currency)) => Some(Minor { units, currency }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let what = format!("refund {number} has an amount without its currency, or a currency without an amount");
            return Err(inconsistent(row, "currency", what));
        }
    };
    let cents: Option<Amount> = row.get(5)?;
    Ok(Refund {
        number,
        told: RefundTold {
            provider: row.get(1)?,
            order_id: row.get(2)?,
            id: row.get(3)?,
            payment_id: row.get(4)?,
            sum: (cents.is_some() || minor.is_some()).then_some(Sum { cents, minor }),
            has_failed: row.get(8)?,
        },
        payment: row.get(9)?,
    })
}

/// The columns that [`dispute`] reads, in its order.
macro_rules! dispute_columns {
    () => {
        "number, provider, dispute_id, order_id, payment_id, state, payment"
    };
}
pub(super) use dispute_columns;

pub(super) fn dispute(row: &Row<'_>) -> rusqlite::Result<Dispute> {
    Ok(Dispute {
        number: row.get(0)?,
        told: DisputeTold {
            provider: row.get(1)?,
            id: row.get(2)?,
            order_id: row.get(3)?,
            payment_id: row.get(4)?,
            state: row.get(5)?,
        },
        payment: row.get(6)?,
    })
}

/// The columns that [`hold`] reads, in its order.
macro_rules! hold_columns {
    () => {
        "payment_id, provider, order_id, deadline_ms, until_ms, told_s, ended_s"
    };
}
pub(super) use hold_columns;

pub(super) fn hold(row: &Row<'_>) -> rusqlite::Result<Hold> {
    Ok(Hold {
        payment_id: row.get(0)?,
        provider: row.get(1)?,
        order_id: row.get(2)?,
        deadline: row.get(3)?,
        until: row.get(4)?,
        told_seconds: row.get(5)?,
        ended_seconds: row.get(6)?,
    })
}

/// The columns that [`idempotency_record`] reads, in its order.
macro_rules! idempotency_columns {
    () => {
        "body_hash, status, body, location, etag, created_at_ms"
    };
}
pub(super) use idempotency_columns;

pub(super) fn idempotency_record(row: &Row<'_>) -> rusqlite::Result<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        body_hash: row.get(0)?,
        response: StoredResponse {
            status: row.get(1)?,
            body: row.get(2)?,
            location: row.get(3)?,
            etag: row.get(4)?,
        },
        created_at: row.get(5)?,
    })
}

/// Columns that are each well-formed but do not fit together.
fn inconsistent(row: &Row<'_>, column: &str, what: String) -> rusqlite::Error {
    let statement: &Statement<'_> = row.as_ref();
    let index = statement.column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(Inconsistent(what)))
}

#[derive(Debug)]
struct Inconsistent(String);

impl fmt::Display for Inconsistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Inconsistent {}
