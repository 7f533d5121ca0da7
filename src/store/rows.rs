//! Rows and columns as values of the domain, both ways, for every backend.
//!
//! A row that makes no sense (a price of 0, a status whose times are missing) is refused, not repaired. Both backends have
//! the same columns, so what a row means is said once.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types as postgres;

use crate::domain::{
    Amount, Balance, Currency, Delta, Dispute, DisputeId, DisputeState, DisputeTold, EventId, EventNumber, EventResult,
    EventType, Hold, ListedPayment, Minor, Money, MovementId, NewOrder, Note, Order, OrderId, Payment, PaymentId,
    Price, Product, ProductId, ProductName, Provider, Quantity, Reason, RecordedEvent, Reference, Refund, RefundId,
    RefundTold, Sku, StateParts, Status, Stock, StockMovement, Sum, Timestamp, Version,
};
use crate::store::{IdempotencyRecord, StoredResponse, Taken};

/// Why a column or a row is no value of the domain, or cannot be read.
pub(super) type Unreadable = Box<dyn StdError + Send + Sync>;

/// What a column of either backend can be read as.
pub(super) trait Column: rusqlite::types::FromSql + for<'r> postgres::FromSql<'r> {}

impl<T: rusqlite::types::FromSql + for<'r> postgres::FromSql<'r>> Column for T {}

/// A row of either backend.
pub(super) trait Row {
    /// The value of this column.
    fn get<T: Column>(&self, column: usize) -> Result<T, Unreadable>;
}

impl Row for rusqlite::Row<'_> {
    fn get<T: Column>(&self, column: usize) -> Result<T, Unreadable> {
        Ok(rusqlite::Row::get(self, column)?)
    }
}

impl Row for tokio_postgres::Row {
    fn get<T: Column>(&self, column: usize) -> Result<T, Unreadable> {
        Ok(self.try_get(column)?)
    }
}

/// What a whole row is read as.
pub(super) trait FromRow: Sized {
    /// The value of this row, whose columns are those named beside the implementation.
    fn from_row(row: &impl Row) -> Result<Self, Unreadable>;
}

/// Types that are a number in a column.
macro_rules! integer_columns {
    ($($type:ty: $parse:expr, $number:expr;)*) => {$(
        impl rusqlite::types::FromSql for $type {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                let parse: fn(i64) -> Result<Self, Unreadable> = $parse;
                parse(value.as_i64()?).map_err(rusqlite::types::FromSqlError::Other)
            }
        }

        impl rusqlite::ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                let number: fn(Self) -> i64 = $number;
                Ok(number(*self).into())
            }
        }

        impl<'r> postgres::FromSql<'r> for $type {
            fn from_sql(kind: &postgres::Type, raw: &'r [u8]) -> Result<Self, Unreadable> {
                let parse: fn(i64) -> Result<Self, Unreadable> = $parse;
                parse(<i64 as postgres::FromSql>::from_sql(kind, raw)?)
            }

            postgres::accepts!(INT8);
        }

        impl postgres::ToSql for $type {
            fn to_sql(
                &self,
                kind: &postgres::Type,
                out: &mut BytesMut,
            ) -> Result<postgres::IsNull, Unreadable> {
                let number: fn(Self) -> i64 = $number;
                number(*self).to_sql(kind, out)
            }

            postgres::accepts!(INT8);
            postgres::to_sql_checked!();
        }
    )*};
}

integer_columns! {
    ProductId: |n| Ok(Self::new(n)?), Self::get;
    OrderId: |n| Ok(Self::new(n)?), Self::get;
    MovementId: |n| Ok(Self::new(n)?), Self::get;
    EventNumber: |n| Ok(Self::new(n)?), Self::get;
    Version: |n| Ok(Self::new(n)?), Self::get;
    Quantity: |n| Ok(Self::new(n)?), Self::get;
    Stock: |n| Ok(Self::new(n)?), Self::get;
    Delta: |n| Ok(Self::new(n)?), Self::get;
    Price: |n| Ok(Self::new(Money::from_cents(n))?), Self::cents;
    Amount: |n| Ok(Self::new(Money::from_cents(n))?), Self::cents;
    Money: |n| Ok(Self::from_cents(n)), Self::cents;
    Timestamp: |n| Ok(Self::from_millis(n)), Self::millis;
}

/// Types that are a text in a column.
macro_rules! text_columns {
    ($($type:ty: $parse:expr, $text:expr;)*) => {$(
        impl rusqlite::types::FromSql for $type {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                let parse: fn(&str) -> Result<Self, Unreadable> = $parse;
                parse(value.as_str()?).map_err(rusqlite::types::FromSqlError::Other)
            }
        }

        impl rusqlite::ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                let text: fn(&Self) -> &str = $text;
                Ok(text(self).into())
            }
        }

        impl<'r> postgres::FromSql<'r> for $type {
            fn from_sql(kind: &postgres::Type, raw: &'r [u8]) -> Result<Self, Unreadable> {
                let parse: fn(&str) -> Result<Self, Unreadable> = $parse;
                parse(<&str as postgres::FromSql>::from_sql(kind, raw)?)
            }

            postgres::accepts!(TEXT);
        }

        impl postgres::ToSql for $type {
            fn to_sql(
                &self,
                kind: &postgres::Type,
                out: &mut BytesMut,
            ) -> Result<postgres::IsNull, Unreadable> {
                let text: fn(&Self) -> &str = $text;
                text(self).to_sql(kind, out)
            }

            postgres::accepts!(TEXT);
            postgres::to_sql_checked!();
        }
    )*};
}

text_columns! {
    Sku: |text| Ok(Self::new(text)?), Self::as_str;
    ProductName: |text| Ok(Self::restore(text)?), Self::as_str;
    Reference: |text| Ok(Self::new(text)?), Self::as_str;
    Note: |text| Ok(Self::restore(text)), Self::as_str;
    EventId: |text| Ok(Self::new(text)?), Self::as_str;
    PaymentId: |text| Ok(Self::new(text)?), Self::as_str;
    RefundId: |text| Ok(Self::new(text)?), Self::as_str;
    EventType: |text| Ok(Self::new(text)?), Self::as_str;
    DisputeId: |text| Ok(Self::new(text)?), Self::as_str;
    Currency: |code| Ok(Self::new(code)?), Self::code;
    Provider: |name| Self::from_name(name).ok_or_else(|| unknown("provider", name)), |provider| provider.name();
    DisputeState: |name| Self::from_name(name).ok_or_else(|| unknown("state", name)), |state| state.name();
    EventResult: |name| Self::from_name(name).ok_or_else(|| unknown("result", name)), |result| result.name();
    Status: |name| Self::from_name(name).ok_or_else(|| unknown("status", name)), |status| status.name();
}

fn unknown(what: &str, name: &str) -> Unreadable {
    format!("there is no {what} {name}").into()
}

// Lists select the table's last column first. SQLite parses a row's header only as far as the column it needs; parsing it
// once to the end is cheaper than column by column.

/// The columns of a [`Product`], in its order.
macro_rules! product_columns {
    () => {
        "version, id, sku, name, price_cents, stock, created_at_ms, updated_at_ms"
    };
}
pub(super) use product_columns;

impl FromRow for Product {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        Ok(Self {
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
}

/// The columns of a [`Order`], in its order.
macro_rules! order_columns {
    () => {
        "refund_due, id, product_id, quantity, unit_price_cents, created_at_ms, updated_at_ms, version, \
         status, expires_at_ms, paid_at_ms, shipped_at_ms, canceled_at_ms, reference"
    };
}
pub(super) use order_columns;

impl FromRow for Order {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        let id: OrderId = row.get(1)?;
        let placed = NewOrder::new(row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)
            .map_err(|_| format!("the total of order {id} overflows"))?
            .with_reference(row.get(13)?);
        let parts = StateParts {
            status: row.get(8)?,
            expires_at: row.get(9)?,
            paid_at: row.get(10)?,
            shipped_at: row.get(11)?,
            canceled_at: row.get(12)?,
            refund_due: row.get(0)?,
        };
        let state = parts
            .state()
            .ok_or_else(|| format!("order {id} is {} with other times or debts than that", parts.status))?;
        Ok(Self::restore(id, placed, state, row.get(7)?, row.get(6)?))
    }
}

/// The columns of a [`StockMovement`], in its order.
macro_rules! movement_columns {
    () => {
        "created_at_ms, id, product_id, delta, stock_after, reason, order_id, note"
    };
}
pub(super) use movement_columns;

impl FromRow for StockMovement {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        let id: MovementId = row.get(1)?;
        let (name, order_id): (String, _) = (row.get(5)?, row.get(6)?);
        let reason = Reason::from_parts(&name, order_id)
            .ok_or_else(|| format!("movement {id} has reason {name}, order {order_id:?}"))?;
        Ok(Self {
            id,
            product_id: row.get(2)?,
            delta: row.get(3)?,
            stock_after: row.get(4)?,
            reason,
            note: row.get(7)?,
            created_at: row.get(0)?,
        })
    }
}

impl FromRow for Taken {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        Ok(Self {
            stock: row.get(0)?,
            price: row.get(1)?,
        })
    }
}

/// The columns of a [`RecordedEvent`], in its order.
macro_rules! event_columns {
    () => {
        "number, provider, event_id, type, created_s, order_id, payment_id, refund_id, amount_cents, currency, result, \
         received_at_ms"
    };
}
pub(super) use event_columns;

impl FromRow for RecordedEvent {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        Ok(Self {
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
}

/// The columns of a [`Payment`], in its order.
macro_rules! payment_columns {
    () => {
        "number, provider, order_id, payment_id, currency, is_foreign, amount_units, refunded_units, is_own, is_closed"
    };
}
pub(super) use payment_columns;

impl FromRow for Payment {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        Ok(Self {
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
}

/// The columns of a [`ListedPayment`], in its order: those of the payment `p`, and of its event `e`.
macro_rules! listed_payment_columns {
    () => {
        "p.number, p.provider, p.order_id, p.payment_id, p.currency, p.is_foreign, p.amount_units, p.refunded_units, \
         p.is_own, p.is_closed, e.event_id, e.received_at_ms, \
         EXISTS (SELECT 1 FROM disputes AS d WHERE d.payment = p.number AND d.state <> 'won')"
    };
}
pub(super) use listed_payment_columns;

impl FromRow for ListedPayment {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        Ok(Self {
            payment: Payment::from_row(row)?,
            event_id: row.get(10)?,
            is_disputed: row.get(12)?,
            created_at: row.get(11)?,
        })
    }
}

/// The columns of a [`Refund`], in its order.
macro_rules! refund_columns {
    () => {
        "number, provider, order_id, refund_id, payment_id, amount_cents, amount_minor, currency, has_failed, payment"
    };
}
pub(super) use refund_columns;

impl FromRow for Refund {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        let number: EventNumber = row.get(0)?;
        let minor = match (row.get(6)?, row.get(7)?) {
            (Some(units), Some(currency)) => Some(Minor { units, currency }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let what =
                    format!("refund {number} has an amount without its currency, or a currency without an amount");
                return Err(what.into());
            }
        };
        let cents: Option<Amount> = row.get(5)?;
        Ok(Self {
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
}

/// The columns of a [`Dispute`], in its order.
macro_rules! dispute_columns {
    () => {
        "number, provider, dispute_id, order_id, payment_id, state, payment"
    };
}
pub(super) use dispute_columns;

impl FromRow for Dispute {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        Ok(Self {
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
}

/// The columns of a [`Hold`], in its order.
macro_rules! hold_columns {
    () => {
        "payment_id, provider, order_id, deadline_ms, until_ms, told_s, ended_s"
    };
}
pub(super) use hold_columns;

impl FromRow for Hold {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        Ok(Self {
            payment_id: row.get(0)?,
            provider: row.get(1)?,
            order_id: row.get(2)?,
            deadline: row.get(3)?,
            until: row.get(4)?,
            told_seconds: row.get(5)?,
            ended_seconds: row.get(6)?,
        })
    }
}

/// The columns of a [`IdempotencyRecord`], in its order.
macro_rules! idempotency_columns {
    () => {
        "body_hash, status, body, location, etag, created_at_ms"
    };
}
pub(super) use idempotency_columns;

impl FromRow for IdempotencyRecord {
    fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
        let (hash, status): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
        Ok(Self {
            body_hash: hash.try_into().map_err(|_| "a digest is not of 32 bytes")?,
            response: StoredResponse {
                status: status.try_into()?,
                body: row.get(2)?,
                location: row.get(3)?,
                etag: row.get(4)?,
            },
            created_at: row.get(5)?,
        })
    }
}

/// What one column is read as, where a query asks for no more.
macro_rules! single_column {
    ($($type:ty),*) => {$(
        impl FromRow for $type {
            fn from_row(row: &impl Row) -> Result<Self, Unreadable> {
                row.get(0)
            }
        }
    )*};
}

single_column!(bool, i64, OrderId, Stock);
