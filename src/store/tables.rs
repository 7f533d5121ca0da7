//! The tables and their columns, which both backends have alike, and a row as it is copied from one to the other.
//!
//! A copy takes values as they are and gives them no meaning: whether a row makes sense, the audit says.
//!
//! PostgreSQL's `writers` is not listed, for it tells of the instances of one database. Nor is the `number` of an idempotency
//! key, which SQLite gives anew in the order in which the keys are read.

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use self::Kind::{Boolean, Bytes, Integer, Text};

/// A table of both backends.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The order in which its rows are copied; it names a row, too.
    pub(super) key: &'static [&'static str],
    pub(super) columns: &'static [Column],
}

/// A column of a table.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a column holds, where it is not NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A 64-bit integer.
    Integer,
    Text,
    Bytes,
    /// In SQLite 0 or 1.
    Boolean,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

/// Every table, those first that others refer to.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "products",
        key: &["id"],
        columns: &[
            column("id", Integer),
            column("sku", Text),
            column("name", Text),
            column("price_cents", Integer),
            column("stock", Integer),
            column("version", Integer),
            column("created_at_ms", Integer),
            column("updated_at_ms", Integer),
        ],
    },
    Table {
        name: "orders",
        key: &["id"],
        columns: &[
            column("id", Integer),
            column("product_id", Integer),
            column("quantity", Integer),
            column("unit_price_cents", Integer),
            column("status", Text),
            column("version", Integer),
            column("created_at_ms", Integer),
            column("updated_at_ms", Integer),
            column("expires_at_ms", Integer),
            column("paid_at_ms", Integer),
            column("shipped_at_ms", Integer),
            column("canceled_at_ms", Integer),
            column("refund_due", Boolean),
            column("reference", Text),
        ],
    },
    Table {
        name: "stock_movements",
        key: &["id"],
        columns: &[
            column("id", Integer),
            column("product_id", Integer),
            column("delta", Integer),
            column("stock_after", Integer),
            column("reason", Text),
            column("order_id", Integer),
            column("note", Text),
            column("created_at_ms", Integer),
        ],
    },
    Table {
        name: "payment_events",
        key: &["number"],
        columns: &[
            column("number", Integer),
            column("provider", Text),
            column("event_id", Text),
            column("type", Text),
            column("fact", Text),
            column("created_s", Integer),
            column("order_id", Integer),
            column("payment_id", Text),
            column("refund_id", Text),
            column("amount_cents", Integer),
            column("amount_minor", Integer),
            column("currency", Text),
            column("result", Text),
            column("received_at_ms", Integer),
        ],
    },
    Table {
        name: "payments",
        key: &["number"],
        columns: &[
            column("number", Integer),
            column("provider", Text),
            column("order_id", Integer),
            column("payment_id", Text),
            column("currency", Text),
            column("is_foreign", Boolean),
            column("amount_units", Integer),
            column("refunded_units", Integer),
            column("is_own", Boolean),
            column("is_closed", Boolean),
        ],
    },
    Table {
        name: "refunds",
        key: &["number"],
        columns: &[
            column("number", Integer),
            column("provider", Text),
            column("order_id", Integer),
            column("refund_id", Text),
            column("payment_id", Text),
            column("amount_cents", Integer),
            column("amount_minor", Integer),
            column("currency", Text),
            column("has_failed", Boolean),
            column("payment", Integer),
        ],
    },
    Table {
        name: "disputes",
        key: &["number"],
        columns: &[
            column("number", Integer),
            column("provider", Text),
            column("dispute_id", Text),
            column("order_id", Integer),
            column("payment_id", Text),
            column("state", Text),
            column("payment", Integer),
        ],
    },
    Table {
        name: "payment_holds",
        key: &["payment_id", "provider"],
        columns: &[
            column("payment_id", Text),
            column("provider", Text),
            column("order_id", Integer),
            column("deadline_ms", Integer),
            column("until_ms", Integer),
            column("told_s", Integer),
            column("ended_s", Integer),
        ],
    },
    Table {
        name: "idempotency_keys",
        key: &["created_at_ms", "key", "path", "caller"],
        columns: &[
            column("caller", Text),
            column("path", Text),
            column("key", Text),
            column("body_hash", Bytes),
            column("status", Integer),
            column("body", Bytes),
            column("location", Text),
            column("etag", Text),
            column("created_at_ms", Integer),
        ],
    },
];

/// The tables whose ids are never given again, as SQLite's `sqlite_sequence` and PostgreSQL's `counters` name them.
pub(super) const COUNTED: [&str; 4] = ["products", "orders", "stock_movements", "payment_events"];

/// The last id given in each of [`COUNTED`], even if that row is gone; 0 before the first.
pub(super) type Counters = [i64; COUNTED.len()];

impl Table {
    /// Its columns, for a statement.
    pub(super) fn column_list(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }

    /// The row with these values, for people.
    pub(super) fn row_name(&self, values: &[Value<'_>]) -> String {
        let named = |key: &&str| {
            let place = self.columns.iter().position(|column| column.name == *key)?;
            Some(format!("{key} {}", values.get(place)?))
        };
        let key: Vec<_> = self.key.iter().filter_map(named).collect();
        format!("{} ({})", self.name, key.join(", "))
    }
}

/// The value of a column, as it is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Boolean(bool),
}

/// For people.
impl std::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(number) => write!(f, "{number}"),
            // With escapes, so that it stays one line.
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "of {} bytes", bytes.len()),
            Self::Boolean(is_true) => write!(f, "{is_true}"),
        }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};

        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::Boolean(is_true) => ValueRef::Integer((*is_true).into()),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, super::rows::Unreadable> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(kind, out),
            Self::Text(text) => text.to_sql_checked(kind, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(kind, out),
            Self::Boolean(is_true) => is_true.to_sql_checked(kind, out),
        }
    }

    /// What each value says of itself.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
