//! Rows and columns as values of the domain, both ways.
//!
//! A row that makes no sense (a price of 0, a status whose times are missing) is refused, not repaired.

use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Row, Statement};

use crate::domain::{
    Delta, Money, MovementId, NewOrder, Note, Order, OrderId, Price, Product, ProductId, ProductName, Quantity, Reason,
    Sku, State, Status, Stock, StockMovement, Timestamp,
};
use crate::store::Taken;

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
    Quantity: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    Stock: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    Delta: |n| Self::new(n).map_err(FromSqlError::other), Self::get;
    Price: |n| Self::new(Money::from_cents(n)).map_err(FromSqlError::other), Self::cents;
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
    ProductName: |text| Self::new(text).map_err(FromSqlError::other), Self::as_str;
    Note: |text| Ok(Self::new(text)), Self::as_str;
    Status: |name| Self::from_name(name).ok_or(FromSqlError::InvalidType), |status| status.name();
}

/// The columns that [`product`] reads, in its order.
macro_rules! product_columns {
    () => {
        "id, sku, name, price_cents, stock, created_at_ms, updated_at_ms"
    };
}
pub(super) use product_columns;

pub(super) fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        sku: row.get(1)?,
        name: row.get(2)?,
        price: row.get(3)?,
        stock: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

/// The columns that [`order`] reads, in its order.
macro_rules! order_columns {
    () => {
        "id, product_id, quantity, unit_price_cents, created_at_ms, updated_at_ms, \
         status, paid_at_ms, shipped_at_ms, canceled_at_ms"
    };
}
pub(super) use order_columns;

pub(super) fn order(row: &Row<'_>) -> rusqlite::Result<Order> {
    let id: OrderId = row.get(0)?;
    let placed = NewOrder::new(row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)
        .map_err(|_| inconsistent(row, "quantity", format!("the total of order {id} overflows")))?;
    let status: Status = row.get(6)?;
    let state = State::from_parts(status, row.get(7)?, row.get(8)?, row.get(9)?).ok_or_else(|| {
        inconsistent(
            row,
            "status",
            format!("order {id} is {status} with other times than that"),
        )
    })?;
    Ok(Order::restore(id, placed, state, row.get(5)?))
}

/// The columns that [`movement`] reads, in its order.
macro_rules! movement_columns {
    () => {
        "id, product_id, delta, stock_after, reason, order_id, note, created_at_ms"
    };
}
pub(super) use movement_columns;

pub(super) fn movement(row: &Row<'_>) -> rusqlite::Result<StockMovement> {
    let id: MovementId = row.get(0)?;
    let (name, order_id) = (row.get_ref(4)?.as_str()?, row.get(5)?);
    let reason = Reason::from_parts(name, order_id).ok_or_else(|| {
        inconsistent(
            row,
            "reason",
            format!("movement {id} has reason {name}, order {order_id:?}"),
        )
    })?;
    Ok(StockMovement {
        id,
        product_id: row.get(1)?,
        delta: row.get(2)?,
        stock_after: row.get(3)?,
        reason,
        note: row.get(6)?,
        created_at: row.get(7)?,
    })
}

pub(super) fn taken(row: &Row<'_>) -> rusqlite::Result<Taken> {
    Ok(Taken {
        stock: row.get(0)?,
        price: row.get(1)?,
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
