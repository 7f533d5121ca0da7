//! The schemas of the contract. Types that are read from requests implement [`Read`], which returns valid values only.

#![allow(unused_imports, reason = "one list of imports serves every contract")]

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use validator::{Validate, ValidationError};

use crate::models;
use crate::read::{self, Failures, Object, Pointer, Read, Text};
use crate::types::{AnyJson, Decimal, Timestamp};

/// What became of the event, as in `PaymentResult`; `duplicate` if it was recorded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeliveryResult {
    /// `applied`
    #[serde(rename = "applied")]
    Applied,
    /// `ignored`
    #[serde(rename = "ignored")]
    Ignored,
    /// `amount_mismatch`
    #[serde(rename = "amount_mismatch")]
    AmountMismatch,
    /// `currency_mismatch`
    #[serde(rename = "currency_mismatch")]
    CurrencyMismatch,
    /// `duplicate_payment`
    #[serde(rename = "duplicate_payment")]
    DuplicatePayment,
    /// `refund_due`
    #[serde(rename = "refund_due")]
    RefundDue,
    /// `order_gone`
    #[serde(rename = "order_gone")]
    OrderGone,
    /// `order_unknown`
    #[serde(rename = "order_unknown")]
    OrderUnknown,
    /// `partial_refund`
    #[serde(rename = "partial_refund")]
    PartialRefund,
    /// `refund_failed`
    #[serde(rename = "refund_failed")]
    RefundFailed,
    /// `disputed`
    #[serde(rename = "disputed")]
    Disputed,
    /// `duplicate`
    #[serde(rename = "duplicate")]
    Duplicate,
}

impl DeliveryResult {
    /// Every value, in the contract's order.
    pub const ALL: &[Self] = &[
        Self::Applied,
        Self::Ignored,
        Self::AmountMismatch,
        Self::CurrencyMismatch,
        Self::DuplicatePayment,
        Self::RefundDue,
        Self::OrderGone,
        Self::OrderUnknown,
        Self::PartialRefund,
        Self::RefundFailed,
        Self::Disputed,
        Self::Duplicate,
    ];

    /// The value's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::AmountMismatch => "amount_mismatch",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::DuplicatePayment => "duplicate_payment",
            Self::RefundDue => "refund_due",
            Self::OrderGone => "order_gone",
            Self::OrderUnknown => "order_unknown",
            Self::PartialRefund => "partial_refund",
            Self::RefundFailed => "refund_failed",
            Self::Disputed => "disputed",
            Self::Duplicate => "duplicate",
        }
    }
}

impl Text for DeliveryResult {
    fn from_text(text: &str) -> Result<Self, String> {
        read::one_of(Self::ALL, Self::as_str, text)
    }
}

impl Read for DeliveryResult {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        read::string(json, at, failures)
    }
}

/// What a list shows more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expansion {
    /// `product`
    #[serde(rename = "product")]
    Product,
}

impl Expansion {
    /// Every value, in the contract's order.
    pub const ALL: &[Self] = &[Self::Product];

    /// The value's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
        }
    }
}

impl Text for Expansion {
    fn from_text(text: &str) -> Result<Self, String> {
        read::one_of(Self::ALL, Self::as_str, text)
    }
}

impl Read for Expansion {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        read::string(json, at, failures)
    }
}

/// One thing that is wrong with a request; it names either `pointer` or `parameter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// JSON Pointer (RFC 6901) to the value in the body; empty for the body as a whole.
    #[serde(rename = "pointer", default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Name of the path, query or header parameter.
    #[serde(rename = "parameter", default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong with it.
    #[serde(rename = "detail")]
    pub detail: String,
}

/// The health of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always `ok`; an unhealthy service answers with another HTTP status code.
    #[serde(rename = "status")]
    pub status: models::HealthStatus,
}

/// Always `ok`; an unhealthy service answers with another HTTP status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HealthStatus {
    /// `ok`
    #[serde(rename = "ok")]
    Ok,
}

impl HealthStatus {
    /// Every value, in the contract's order.
    pub const ALL: &[Self] = &[Self::Ok];

    /// The value's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
        }
    }
}

impl Text for HealthStatus {
    fn from_text(text: &str) -> Result<Self, String> {
        read::one_of(Self::ALL, Self::as_str, text)
    }
}

impl Read for HealthStatus {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        read::string(json, at, failures)
    }
}

/// Why stock changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MovementReason {
    /// `initial`
    #[serde(rename = "initial")]
    Initial,
    /// `adjustment`
    #[serde(rename = "adjustment")]
    Adjustment,
    /// `order_placed`
    #[serde(rename = "order_placed")]
    OrderPlaced,
    /// `order_changed`
    #[serde(rename = "order_changed")]
    OrderChanged,
    /// `order_canceled`
    #[serde(rename = "order_canceled")]
    OrderCanceled,
    /// `order_expired`
    #[serde(rename = "order_expired")]
    OrderExpired,
    /// `order_deleted`
    #[serde(rename = "order_deleted")]
    OrderDeleted,
}

impl MovementReason {
    /// Every value, in the contract's order.
    pub const ALL: &[Self] = &[
        Self::Initial,
        Self::Adjustment,
        Self::OrderPlaced,
        Self::OrderChanged,
        Self::OrderCanceled,
        Self::OrderExpired,
        Self::OrderDeleted,
    ];

    /// The value's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Adjustment => "adjustment",
            Self::OrderPlaced => "order_placed",
            Self::OrderChanged => "order_changed",
            Self::OrderCanceled => "order_canceled",
            Self::OrderExpired => "order_expired",
            Self::OrderDeleted => "order_deleted",
        }
    }
}

impl Text for MovementReason {
    fn from_text(text: &str) -> Result<Self, String> {
        read::one_of(Self::ALL, Self::as_str, text)
    }
}

impl Read for MovementReason {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        read::string(json, at, failures)
    }
}

/// An order to place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// A positive 64-bit integer, never used again.
    #[serde(rename = "product_id")]
    pub product_id: i64,
    /// Units ordered.
    #[serde(rename = "quantity")]
    pub quantity: i64,
    /// The shop's own number of an order; at least one visible character, no control characters such as line breaks.
    #[serde(rename = "reference", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// The members of a [`NewOrder`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct NewOrderDraft {
    #[validate(range(min = 1i64))]
    product_id: Option<i64>,
    #[validate(range(min = 1i64, max = 10000i64))]
    quantity: Option<i64>,
    #[validate(length(min = 1, max = 100))]
    #[validate(custom(function = "Self::reference_pattern"))]
    reference: Option<String>,
}

impl Read for NewOrder {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = NewOrderDraft {
            product_id: object.required("product_id"),
            quantity: object.required("quantity"),
            reference: object.optional("reference"),
        };
        object.refuse_unknown();
        object.check(&draft, &[]);
        Some(Self {
            product_id: draft.product_id?,
            quantity: draft.quantity?,
            reference: draft.reference,
        })
    }
}

impl NewOrderDraft {
    fn reference_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                r"^(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*(?:[^\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2027-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|\u2027)(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*$",
            )
        });
        read::matches(
            text,
            &PATTERN,
            Some("must have a visible character and no control characters"),
        )
    }
}

/// A product to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// The store's own article number, unique among products; letters, digits, `.`, `_` and `-`, a letter or digit first.
    #[serde(rename = "sku")]
    pub sku: String,
    /// What customers read; at least one visible character, no control characters such as line breaks.
    #[serde(rename = "name")]
    pub name: String,
    /// Money in the store's one currency, with at most two decimals; checked on the number as written.
    #[serde(rename = "price")]
    pub price: Decimal,
    /// Units in stock, as callers may set them.
    #[serde(rename = "stock")]
    pub stock: i64,
}

/// The members of a [`NewProduct`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct NewProductDraft {
    #[validate(length(min = 1, max = 64))]
    #[validate(custom(function = "Self::sku_pattern"))]
    sku: Option<String>,
    #[validate(length(min = 1, max = 200))]
    #[validate(custom(function = "Self::name_pattern"))]
    name: Option<String>,
    #[validate(range(exclusive_min = const { Decimal::literal("0") }, max = const { Decimal::literal("1000000") }))]
    #[validate(custom(function = "Self::price_decimals"))]
    price: Option<Decimal>,
    #[validate(range(min = 0i64, max = 1000000000i64))]
    stock: Option<i64>,
}

impl Read for NewProduct {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = NewProductDraft {
            sku: object.required("sku"),
            name: object.required("name"),
            price: object.required("price"),
            stock: object.required("stock"),
        };
        object.refuse_unknown();
        object.check(&draft, &[]);
        Some(Self {
            sku: draft.sku?,
            name: draft.name?,
            price: draft.price?,
            stock: draft.stock?,
        })
    }
}

impl NewProductDraft {
    fn sku_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[A-Za-z0-9][A-Za-z0-9._-]*$"));
        read::matches(
            text,
            &PATTERN,
            Some("must consist of letters, digits, '.', '_' and '-', a letter or digit first"),
        )
    }

    fn name_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                r"^(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*(?:[^\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2027-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|\u2027)(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*$",
            )
        });
        read::matches(
            text,
            &PATTERN,
            Some("must have a visible character and no control characters"),
        )
    }

    fn price_decimals(value: &Decimal) -> Result<(), ValidationError> {
        read::at_most_decimals(*value, 2)
    }
}

/// A change of stock by a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewStockMovement {
    /// Units to add, or to remove where negative.
    #[serde(rename = "delta")]
    pub delta: i64,
    /// A remark for people; at least one visible character, no control characters such as line breaks.
    #[serde(rename = "note", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The members of a [`NewStockMovement`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct NewStockMovementDraft {
    #[validate(range(min = -1000000000i64, max = 1000000000i64))]
    #[validate(custom(function = "Self::delta_not"))]
    delta: Option<i64>,
    #[validate(length(min = 1, max = 200))]
    #[validate(custom(function = "Self::note_pattern"))]
    note: Option<String>,
}

impl Read for NewStockMovement {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = NewStockMovementDraft {
            delta: object.required("delta"),
            note: object.optional("note"),
        };
        object.refuse_unknown();
        object.check(&draft, &[]);
        Some(Self {
            delta: draft.delta?,
            note: draft.note,
        })
    }
}

impl NewStockMovementDraft {
    fn delta_not(value: i64) -> Result<(), ValidationError> {
        read::none_of(value, &[0])
    }

    fn note_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                r"^(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*(?:[^\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2027-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|\u2027)(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*$",
            )
        });
        read::matches(
            text,
            &PATTERN,
            Some("must have a visible character and no control characters"),
        )
    }
}

/// Units of one product, reserved for a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// A positive 64-bit integer, never used again.
    #[serde(rename = "id")]
    pub id: i64,
    /// The shop's own number of the order, null where it has given none.
    #[serde(rename = "reference")]
    pub reference: Option<String>,
    /// A positive 64-bit integer, never used again.
    #[serde(rename = "product_id")]
    pub product_id: i64,
    /// What a product is called now; only in lists, where `expand=product` asks for it.
    #[serde(rename = "product", default, skip_serializing_if = "Option::is_none")]
    pub product: Option<models::ProductSummary>,
    /// Units ordered.
    #[serde(rename = "quantity")]
    pub quantity: i64,
    /// Money in the store's one currency, with at most two decimals; checked on the number as written.
    #[serde(rename = "unit_price")]
    pub unit_price: Decimal,
    /// `quantity` × `unit_price`, exactly.
    #[serde(rename = "total")]
    pub total: Decimal,
    /// The state of an order. `SHIPPED` and `CANCELED` are final.
    #[serde(rename = "status")]
    pub status: models::OrderStatus,
    /// Whether money is owed back; true exactly while a `CANCELED` order has a payment that was not refunded.
    #[serde(rename = "refund_due")]
    pub refund_due: bool,
    /// RFC 3339 in UTC with milliseconds.
    #[serde(rename = "created_at")]
    pub created_at: Timestamp,
    /// RFC 3339 in UTC with milliseconds.
    #[serde(rename = "updated_at")]
    pub updated_at: Timestamp,
    /// When the service cancels the order if it is still `PENDING`; null where it never does.
    #[serde(rename = "expires_at")]
    pub expires_at: Option<Timestamp>,
    /// When the order was paid, null until then.
    #[serde(rename = "paid_at")]
    pub paid_at: Option<Timestamp>,
    /// When the order was shipped, null until then.
    #[serde(rename = "shipped_at")]
    pub shipped_at: Option<Timestamp>,
    /// When the order was canceled, null until then.
    #[serde(rename = "canceled_at")]
    pub canceled_at: Option<Timestamp>,
}

/// A page of orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPage {
    /// The orders, newest first.
    #[serde(rename = "items")]
    pub items: Vec<models::Order>,
    /// Pass it as `cursor` for the next page; null on the last.
    #[serde(rename = "next_cursor")]
    pub next_cursor: Option<String>,
}

/// The state of an order. `SHIPPED` and `CANCELED` are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OrderStatus {
    /// `PENDING`
    #[serde(rename = "PENDING")]
    Pending,
    /// `PAID`
    #[serde(rename = "PAID")]
    Paid,
    /// `SHIPPED`
    #[serde(rename = "SHIPPED")]
    Shipped,
    /// `CANCELED`
    #[serde(rename = "CANCELED")]
    Canceled,
}

impl OrderStatus {
    /// Every value, in the contract's order.
    pub const ALL: &[Self] = &[Self::Pending, Self::Paid, Self::Shipped, Self::Canceled];

    /// The value's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Shipped => "SHIPPED",
            Self::Canceled => "CANCELED",
        }
    }
}

impl Text for OrderStatus {
    fn from_text(text: &str) -> Result<Self, String> {
        read::one_of(Self::ALL, Self::as_str, text)
    }
}

impl Read for OrderStatus {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        read::string(json, at, failures)
    }
}

/// Changes to an order; members that are absent stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderUpdate {
    /// The state of an order. `SHIPPED` and `CANCELED` are final.
    #[serde(rename = "status", default, skip_serializing_if = "Option::is_none")]
    pub status: Option<models::OrderStatus>,
    /// Units ordered.
    #[serde(rename = "quantity", default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// The shop's own number of an order; at least one visible character, no control characters such as line breaks.
    #[serde(rename = "reference", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// The members of a [`OrderUpdate`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct OrderUpdateDraft {
    status: Option<models::OrderStatus>,
    #[validate(range(min = 1i64, max = 10000i64))]
    quantity: Option<i64>,
    #[validate(length(min = 1, max = 100))]
    #[validate(custom(function = "Self::reference_pattern"))]
    reference: Option<String>,
}

impl Read for OrderUpdate {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = OrderUpdateDraft {
            status: object.optional("status"),
            quantity: object.optional("quantity"),
            reference: object.optional("reference"),
        };
        object.at_least(1);
        object.refuse_unknown();
        object.check(&draft, &[]);
        Some(Self {
            status: draft.status,
            quantity: draft.quantity,
            reference: draft.reference,
        })
    }
}

impl OrderUpdateDraft {
    fn reference_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                r"^(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*(?:[^\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2027-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|\u2027)(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*$",
            )
        });
        read::matches(
            text,
            &PATTERN,
            Some("must have a visible character and no control characters"),
        )
    }
}

/// Money that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The provider's id of the payment; the id of its event where that named none.
    #[serde(rename = "payment_id")]
    pub payment_id: String,
    /// Who tells of it: `own` is whoever sends events in the service's own format. Ids of two providers are different ones.
    #[serde(rename = "provider")]
    pub provider: models::Provider,
    /// The order that it is for, which may be deleted; null where that was never placed.
    #[serde(rename = "order_id")]
    pub order_id: Option<i64>,
    /// How much, null where that is unknown, or in another currency or in parts of a cent.
    #[serde(rename = "amount")]
    pub amount: Option<Decimal>,
    /// Its currency (ISO 4217), null where its event named none.
    #[serde(rename = "currency")]
    pub currency: Option<String>,
    /// How much of it was refunded so far, null where `amount` is in another currency or in parts of a cent.
    #[serde(rename = "refunded")]
    pub refunded: Option<Decimal>,
    /// Whether any of it is still here; false once refunds add up to its amount.
    #[serde(rename = "open")]
    pub open: bool,
    /// Whether it is the payment that made its order `PAID`.
    #[serde(rename = "own")]
    pub own: bool,
    /// Whether the customer's bank disputes it, or took it back.
    #[serde(rename = "disputed")]
    pub disputed: bool,
    /// RFC 3339 in UTC with milliseconds.
    #[serde(rename = "created_at")]
    pub created_at: Timestamp,
}

/// What a `payment.*` event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentData {
    /// The order; required for `payment.succeeded` and `payment.refunded`.
    #[serde(rename = "order_id", default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<i64>,
    /// The provider's id of a payment.
    #[serde(rename = "payment_id", default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// The provider's id of a refund; only `payment.refunded` has one.
    #[serde(rename = "refund_id", default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<String>,
    /// Money that was paid or refunded, with at most two decimals; checked on the number as written.
    #[serde(rename = "amount", default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
}

/// The members of a [`PaymentData`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct PaymentDataDraft {
    #[validate(range(min = 1i64))]
    order_id: Option<i64>,
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::payment_id_pattern"))]
    payment_id: Option<String>,
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::refund_id_pattern"))]
    refund_id: Option<String>,
    #[validate(range(exclusive_min = const { Decimal::literal("0") }, max = const { Decimal::literal("1000000000000") }))]
    #[validate(custom(function = "Self::amount_decimals"))]
    amount: Option<Decimal>,
}

impl Read for PaymentData {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = PaymentDataDraft {
            order_id: object.optional("order_id"),
            payment_id: object.optional("payment_id"),
            refund_id: object.optional("refund_id"),
            amount: object.optional("amount"),
        };
        object.check(&draft, &[]);
        Some(Self {
            order_id: draft.order_id,
            payment_id: draft.payment_id,
            refund_id: draft.refund_id,
            amount: draft.amount,
        })
    }
}

impl PaymentDataDraft {
    fn payment_id_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[^\x00]+$"));
        read::matches(text, &PATTERN, Some("must not contain the character U+0000"))
    }

    fn refund_id_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[^\x00]+$"));
        read::matches(text, &PATTERN, Some("must not contain the character U+0000"))
    }

    fn amount_decimals(value: &Decimal) -> Result<(), ValidationError> {
        read::at_most_decimals(*value, 2)
    }
}

/// An event in the service's own format; other members are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEvent {
    /// The provider's id of the event. It may be missing only where the header `webhook-id` has it.
    #[serde(rename = "id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `payment.succeeded`, `payment.refunded` and `payment.failed` are handled; any other type is recorded only.
    #[serde(rename = "type")]
    pub r_type: String,
    /// When it happened, in Unix seconds.
    #[serde(rename = "created", default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// For the three `payment.*` types above, an object as shown; for any other type, any value or none.
    #[serde(rename = "data", default, skip_serializing_if = "Option::is_none")]
    pub data: Option<AnyJson>,
}

/// The members of a [`PaymentEvent`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct PaymentEventDraft {
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::id_pattern"))]
    id: Option<String>,
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::r_type_pattern"))]
    r_type: Option<String>,
    #[validate(range(min = 0i64))]
    created: Option<i64>,
    data: Option<AnyJson>,
}

impl Read for PaymentEvent {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = PaymentEventDraft {
            id: object.optional("id"),
            r_type: object.required("type"),
            created: object.optional("created"),
            data: object.optional("data"),
        };
        object.check(&draft, &[("r_type", "type")]);
        Some(Self {
            id: draft.id,
            r_type: draft.r_type?,
            created: draft.created,
            data: draft.data,
        })
    }
}

impl PaymentEventDraft {
    fn id_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[^\x00]+$"));
        read::matches(text, &PATTERN, Some("must not contain the character U+0000"))
    }

    fn r_type_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[^\x00]+$"));
        read::matches(text, &PATTERN, Some("must not contain the character U+0000"))
    }
}

/// A page of payment events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEventPage {
    /// The events, newest first.
    #[serde(rename = "items")]
    pub items: Vec<models::RecordedPaymentEvent>,
    /// Pass it as `cursor` for the next page; null on the last.
    #[serde(rename = "next_cursor")]
    pub next_cursor: Option<String>,
}

/// What became of a delivered event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEventReceipt {
    /// The provider's id of an event.
    #[serde(rename = "event_id")]
    pub event_id: String,
    /// What became of the event, as in `PaymentResult`; `duplicate` if it was recorded before.
    #[serde(rename = "result")]
    pub result: models::DeliveryResult,
    /// The order that the event is about (for a `duplicate`, the recorded event), null where that is none.
    #[serde(rename = "order_id")]
    pub order_id: Option<i64>,
    /// The status of that order now; null where there is no such order.
    #[serde(rename = "order_status")]
    pub order_status: Option<models::OrderStatus>,
}

/// A page of payments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentPage {
    /// The payments, newest first.
    #[serde(rename = "items")]
    pub items: Vec<models::Payment>,
    /// Pass it as `cursor` for the next page; null on the last.
    #[serde(rename = "next_cursor")]
    pub next_cursor: Option<String>,
}

/// What became of an event. `applied`: the order was paid, or a payment was refunded whole. `ignored`: nothing
/// changed, or a refund or dispute is kept until its payment comes. The others are money that needs a person:
/// `amount_mismatch` (a payment of another amount than the order's total), `currency_mismatch` (a payment in another
/// currency, or in parts of a cent), `duplicate_payment` (a further payment of a paid order), `refund_due` (a payment of
/// a canceled order, or a refund of one that failed), `order_gone` (a payment of a deleted order), `order_unknown` (a
/// payment of an order that was never placed), `partial_refund` (a refund of less than the payment), `refund_failed` (a
/// refund that failed, so the money is still here), `disputed` (the customer's bank takes the money back, or tries to).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PaymentResult {
    /// `applied`
    #[serde(rename = "applied")]
    Applied,
    /// `ignored`
    #[serde(rename = "ignored")]
    Ignored,
    /// `amount_mismatch`
    #[serde(rename = "amount_mismatch")]
    AmountMismatch,
    /// `currency_mismatch`
    #[serde(rename = "currency_mismatch")]
    CurrencyMismatch,
    /// `duplicate_payment`
    #[serde(rename = "duplicate_payment")]
    DuplicatePayment,
    /// `refund_due`
    #[serde(rename = "refund_due")]
    RefundDue,
    /// `order_gone`
    #[serde(rename = "order_gone")]
    OrderGone,
    /// `order_unknown`
    #[serde(rename = "order_unknown")]
    OrderUnknown,
    /// `partial_refund`
    #[serde(rename = "partial_refund")]
    PartialRefund,
    /// `refund_failed`
    #[serde(rename = "refund_failed")]
    RefundFailed,
    /// `disputed`
    #[serde(rename = "disputed")]
    Disputed,
}

impl PaymentResult {
    /// Every value, in the contract's order.
    pub const ALL: &[Self] = &[
        Self::Applied,
        Self::Ignored,
        Self::AmountMismatch,
        Self::CurrencyMismatch,
        Self::DuplicatePayment,
        Self::RefundDue,
        Self::OrderGone,
        Self::OrderUnknown,
        Self::PartialRefund,
        Self::RefundFailed,
        Self::Disputed,
    ];

    /// The value's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::AmountMismatch => "amount_mismatch",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::DuplicatePayment => "duplicate_payment",
            Self::RefundDue => "refund_due",
            Self::OrderGone => "order_gone",
            Self::OrderUnknown => "order_unknown",
            Self::PartialRefund => "partial_refund",
            Self::RefundFailed => "refund_failed",
            Self::Disputed => "disputed",
        }
    }
}

impl Text for PaymentResult {
    fn from_text(text: &str) -> Result<Self, String> {
        read::one_of(Self::ALL, Self::as_str, text)
    }
}

impl Read for PaymentResult {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        read::string(json, at, failures)
    }
}

/// Every error of every kind (RFC 9457). The first four members are always there; the others come with the error
/// types that their descriptions name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What went wrong, as the path of the page that explains it.
    #[serde(rename = "type")]
    pub r_type: models::ProblemType,
    /// The error type in a few words, the same each time.
    #[serde(rename = "title")]
    pub title: String,
    /// The HTTP status code.
    #[serde(rename = "status")]
    pub status: i32,
    /// What went wrong this time, for a person; the same request in the same state gets the same text.
    #[serde(rename = "detail")]
    pub detail: String,
    /// With `validation-failed`, every failure of the request, up to the first 100.
    #[serde(rename = "errors", default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<models::Failure>>,
    /// With `duplicate-sku`, the SKU that is taken.
    #[serde(rename = "sku", default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// With `insufficient-stock`, the units that were asked for.
    #[serde(rename = "requested", default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<i64>,
    /// With `insufficient-stock`, the units that there are.
    #[serde(rename = "available", default, skip_serializing_if = "Option::is_none")]
    pub available: Option<i64>,
    /// With `invalid-transition`, the statuses that this operation can move the order to from here.
    #[serde(rename = "allowed", default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<models::OrderStatus>>,
}

/// What went wrong, as the path of the page that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProblemType {
    /// `/problems/malformed-json`
    #[serde(rename = "/problems/malformed-json")]
    MalformedJson,
    /// `/problems/invalid-host`
    #[serde(rename = "/problems/invalid-host")]
    InvalidHost,
    /// `/problems/missing-api-key`
    #[serde(rename = "/problems/missing-api-key")]
    MissingApiKey,
    /// `/problems/invalid-api-key`
    #[serde(rename = "/problems/invalid-api-key")]
    InvalidApiKey,
    /// `/problems/invalid-signature`
    #[serde(rename = "/problems/invalid-signature")]
    InvalidSignature,
    /// `/problems/not-found`
    #[serde(rename = "/problems/not-found")]
    NotFound,
    /// `/problems/product-not-found`
    #[serde(rename = "/problems/product-not-found")]
    ProductNotFound,
    /// `/problems/order-not-found`
    #[serde(rename = "/problems/order-not-found")]
    OrderNotFound,
    /// `/problems/method-not-allowed`
    #[serde(rename = "/problems/method-not-allowed")]
    MethodNotAllowed,
    /// `/problems/request-timeout`
    #[serde(rename = "/problems/request-timeout")]
    RequestTimeout,
    /// `/problems/duplicate-sku`
    #[serde(rename = "/problems/duplicate-sku")]
    DuplicateSku,
    /// `/problems/insufficient-stock`
    #[serde(rename = "/problems/insufficient-stock")]
    InsufficientStock,
    /// `/problems/stock-limit`
    #[serde(rename = "/problems/stock-limit")]
    StockLimit,
    /// `/problems/product-in-use`
    #[serde(rename = "/problems/product-in-use")]
    ProductInUse,
    /// `/problems/invalid-transition`
    #[serde(rename = "/problems/invalid-transition")]
    InvalidTransition,
    /// `/problems/order-not-editable`
    #[serde(rename = "/problems/order-not-editable")]
    OrderNotEditable,
    /// `/problems/order-not-deletable`
    #[serde(rename = "/problems/order-not-deletable")]
    OrderNotDeletable,
    /// `/problems/stale-version`
    #[serde(rename = "/problems/stale-version")]
    StaleVersion,
    /// `/problems/payload-too-large`
    #[serde(rename = "/problems/payload-too-large")]
    PayloadTooLarge,
    /// `/problems/unsupported-media-type`
    #[serde(rename = "/problems/unsupported-media-type")]
    UnsupportedMediaType,
    /// `/problems/validation-failed`
    #[serde(rename = "/problems/validation-failed")]
    ValidationFailed,
    /// `/problems/idempotency-key-reused`
    #[serde(rename = "/problems/idempotency-key-reused")]
    IdempotencyKeyReused,
    /// `/problems/rate-limited`
    #[serde(rename = "/problems/rate-limited")]
    RateLimited,
    /// `/problems/internal-error`
    #[serde(rename = "/problems/internal-error")]
    InternalError,
    /// `/problems/outcome-unknown`
    #[serde(rename = "/problems/outcome-unknown")]
    OutcomeUnknown,
    /// `/problems/overloaded`
    #[serde(rename = "/problems/overloaded")]
    Overloaded,
    /// `/problems/storage-unavailable`
    #[serde(rename = "/problems/storage-unavailable")]
    StorageUnavailable,
    /// `/problems/webhook-not-configured`
    #[serde(rename = "/problems/webhook-not-configured")]
    WebhookNotConfigured,
}

impl ProblemType {
    /// Every value, in the contract's order.
    pub const ALL: &[Self] = &[
        Self::MalformedJson,
        Self::InvalidHost,
        Self::MissingApiKey,
        Self::InvalidApiKey,
        Self::InvalidSignature,
        Self::NotFound,
        Self::ProductNotFound,
        Self::OrderNotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::DuplicateSku,
        Self::InsufficientStock,
        Self::StockLimit,
        Self::ProductInUse,
        Self::InvalidTransition,
        Self::OrderNotEditable,
        Self::OrderNotDeletable,
        Self::StaleVersion,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::InternalError,
        Self::OutcomeUnknown,
        Self::Overloaded,
        Self::StorageUnavailable,
        Self::WebhookNotConfigured,
    ];

    /// The value's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "/problems/malformed-json",
            Self::InvalidHost => "/problems/invalid-host",
            Self::MissingApiKey => "/problems/missing-api-key",
            Self::InvalidApiKey => "/problems/invalid-api-key",
            Self::InvalidSignature => "/problems/invalid-signature",
            Self::NotFound => "/problems/not-found",
            Self::ProductNotFound => "/problems/product-not-found",
            Self::OrderNotFound => "/problems/order-not-found",
            Self::MethodNotAllowed => "/problems/method-not-allowed",
            Self::RequestTimeout => "/problems/request-timeout",
            Self::DuplicateSku => "/problems/duplicate-sku",
            Self::InsufficientStock => "/problems/insufficient-stock",
            Self::StockLimit => "/problems/stock-limit",
            Self::ProductInUse => "/problems/product-in-use",
            Self::InvalidTransition => "/problems/invalid-transition",
            Self::OrderNotEditable => "/problems/order-not-editable",
            Self::OrderNotDeletable => "/problems/order-not-deletable",
            Self::StaleVersion => "/problems/stale-version",
            Self::PayloadTooLarge => "/problems/payload-too-large",
            Self::UnsupportedMediaType => "/problems/unsupported-media-type",
            Self::ValidationFailed => "/problems/validation-failed",
            Self::IdempotencyKeyReused => "/problems/idempotency-key-reused",
            Self::RateLimited => "/problems/rate-limited",
            Self::InternalError => "/problems/internal-error",
            Self::OutcomeUnknown => "/problems/outcome-unknown",
            Self::Overloaded => "/problems/overloaded",
            Self::StorageUnavailable => "/problems/storage-unavailable",
            Self::WebhookNotConfigured => "/problems/webhook-not-configured",
        }
    }
}

impl Text for ProblemType {
    fn from_text(text: &str) -> Result<Self, String> {
        read::one_of(Self::ALL, Self::as_str, text)
    }
}

impl Read for ProblemType {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        read::string(json, at, failures)
    }
}

/// Something the store sells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// A positive 64-bit integer, never used again.
    #[serde(rename = "id")]
    pub id: i64,
    /// The store's own article number, unique among products; letters, digits, `.`, `_` and `-`, a letter or digit first.
    #[serde(rename = "sku")]
    pub sku: String,
    /// What customers read. One from before version 0.2.0 may break the rules for new ones.
    #[serde(rename = "name")]
    pub name: String,
    /// Money in the store's one currency, with at most two decimals; checked on the number as written.
    #[serde(rename = "price")]
    pub price: Decimal,
    /// Units that can still be ordered. Stock that comes back from orders always fits, so there is no maximum.
    #[serde(rename = "stock")]
    pub stock: i64,
    /// RFC 3339 in UTC with milliseconds.
    #[serde(rename = "created_at")]
    pub created_at: Timestamp,
    /// RFC 3339 in UTC with milliseconds.
    #[serde(rename = "updated_at")]
    pub updated_at: Timestamp,
}

/// A page of products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductPage {
    /// The products, in the order of their ids.
    #[serde(rename = "items")]
    pub items: Vec<models::Product>,
    /// Pass it as `cursor` for the next page; null on the last.
    #[serde(rename = "next_cursor")]
    pub next_cursor: Option<String>,
}

/// What a product is called now; only in lists, where `expand=product` asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductSummary {
    /// The store's own article number, unique among products; letters, digits, `.`, `_` and `-`, a letter or digit first.
    #[serde(rename = "sku")]
    pub sku: String,
    /// What customers read; at least one visible character, no control characters such as line breaks.
    #[serde(rename = "name")]
    pub name: String,
}

/// Changes to a product; members that are absent stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductUpdate {
    /// The store's own article number, unique among products; letters, digits, `.`, `_` and `-`, a letter or digit first.
    #[serde(rename = "sku", default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// What customers read; at least one visible character, no control characters such as line breaks.
    #[serde(rename = "name", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Money in the store's one currency, with at most two decimals; checked on the number as written.
    #[serde(rename = "price", default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// Units in stock, as callers may set them.
    #[serde(rename = "stock", default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<i64>,
}

/// The members of a [`ProductUpdate`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct ProductUpdateDraft {
    #[validate(length(min = 1, max = 64))]
    #[validate(custom(function = "Self::sku_pattern"))]
    sku: Option<String>,
    #[validate(length(min = 1, max = 200))]
    #[validate(custom(function = "Self::name_pattern"))]
    name: Option<String>,
    #[validate(range(exclusive_min = const { Decimal::literal("0") }, max = const { Decimal::literal("1000000") }))]
    #[validate(custom(function = "Self::price_decimals"))]
    price: Option<Decimal>,
    #[validate(range(min = 0i64, max = 1000000000i64))]
    stock: Option<i64>,
}

impl Read for ProductUpdate {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = ProductUpdateDraft {
            sku: object.optional("sku"),
            name: object.optional("name"),
            price: object.optional("price"),
            stock: object.optional("stock"),
        };
        object.at_least(1);
        object.refuse_unknown();
        object.check(&draft, &[]);
        Some(Self {
            sku: draft.sku,
            name: draft.name,
            price: draft.price,
            stock: draft.stock,
        })
    }
}

impl ProductUpdateDraft {
    fn sku_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[A-Za-z0-9][A-Za-z0-9._-]*$"));
        read::matches(
            text,
            &PATTERN,
            Some("must consist of letters, digits, '.', '_' and '-', a letter or digit first"),
        )
    }

    fn name_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                r"^(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*(?:[^\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2027-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|\u2027)(?:[^\x00-\x1f\x7f-\x9f\u2027-\u202a]|[\u2027\u202a])*$",
            )
        });
        read::matches(
            text,
            &PATTERN,
            Some("must have a visible character and no control characters"),
        )
    }

    fn price_decimals(value: &Decimal) -> Result<(), ValidationError> {
        read::at_most_decimals(*value, 2)
    }
}

/// Who tells of it: `own` is whoever sends events in the service's own format. Ids of two providers are different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Provider {
    /// `own`
    #[serde(rename = "own")]
    Own,
    /// `stripe`
    #[serde(rename = "stripe")]
    Stripe,
}

impl Provider {
    /// Every value, in the contract's order.
    pub const ALL: &[Self] = &[Self::Own, Self::Stripe];

    /// The value's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Stripe => "stripe",
        }
    }
}

impl Text for Provider {
    fn from_text(text: &str) -> Result<Self, String> {
        read::one_of(Self::ALL, Self::as_str, text)
    }
}

impl Read for Provider {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        read::string(json, at, failures)
    }
}

/// A payment event as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPaymentEvent {
    /// Who tells of it: `own` is whoever sends events in the service's own format. Ids of two providers are different ones.
    #[serde(rename = "provider")]
    pub provider: models::Provider,
    /// The provider's id of an event.
    #[serde(rename = "event_id")]
    pub event_id: String,
    /// Its type, as sent.
    #[serde(rename = "type")]
    pub r_type: String,
    /// The order that it is about, null where that is none.
    #[serde(rename = "order_id")]
    pub order_id: Option<i64>,
    /// The `reference` of that order, null where it has none or is gone.
    #[serde(rename = "order_reference")]
    pub order_reference: Option<String>,
    /// The payment that it names, null where it names none.
    #[serde(rename = "payment_id")]
    pub payment_id: Option<String>,
    /// The refund that it names, null where it names none.
    #[serde(rename = "refund_id")]
    pub refund_id: Option<String>,
    /// The amount that it names, null where it names none, or one in another currency or in parts of a cent.
    #[serde(rename = "amount")]
    pub amount: Option<Decimal>,
    /// The currency that it names (ISO 4217), null where it names none.
    #[serde(rename = "currency")]
    pub currency: Option<String>,
    /// What became of an event. `applied`: the order was paid, or a payment was refunded whole. `ignored`: nothing
    /// changed, or a refund or dispute is kept until its payment comes. The others are money that needs a person:
    /// `amount_mismatch` (a payment of another amount than the order's total), `currency_mismatch` (a payment in another
    /// currency, or in parts of a cent), `duplicate_payment` (a further payment of a paid order), `refund_due` (a payment of
    /// a canceled order, or a refund of one that failed), `order_gone` (a payment of a deleted order), `order_unknown` (a
    /// payment of an order that was never placed), `partial_refund` (a refund of less than the payment), `refund_failed` (a
    /// refund that failed, so the money is still here), `disputed` (the customer's bank takes the money back, or tries to).
    #[serde(rename = "result")]
    pub result: models::PaymentResult,
    /// RFC 3339 in UTC with milliseconds.
    #[serde(rename = "received_at")]
    pub received_at: Timestamp,
}

/// One entry of a product's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovement {
    /// A positive 64-bit integer, never used again.
    #[serde(rename = "id")]
    pub id: i64,
    /// A positive 64-bit integer, never used again.
    #[serde(rename = "product_id")]
    pub product_id: i64,
    /// What a product is called now; only in lists, where `expand=product` asks for it.
    #[serde(rename = "product", default, skip_serializing_if = "Option::is_none")]
    pub product: Option<models::ProductSummary>,
    /// Units that were added (positive) or removed (negative).
    #[serde(rename = "delta")]
    pub delta: i64,
    /// The product's stock right after this movement.
    #[serde(rename = "stock_after")]
    pub stock_after: i64,
    /// Why stock changed.
    #[serde(rename = "reason")]
    pub reason: models::MovementReason,
    /// The order that caused it, null for `initial` and `adjustment`.
    #[serde(rename = "order_id")]
    pub order_id: Option<i64>,
    /// The `reference` of that order, null where it has none or is gone.
    #[serde(rename = "order_reference")]
    pub order_reference: Option<String>,
    /// A remark for people.
    #[serde(rename = "note")]
    pub note: Option<String>,
    /// RFC 3339 in UTC with milliseconds.
    #[serde(rename = "created_at")]
    pub created_at: Timestamp,
}

/// A page of stock movements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovementPage {
    /// The movements, newest first.
    #[serde(rename = "items")]
    pub items: Vec<models::StockMovement>,
    /// Pass it as `cursor` for the next page; null on the last.
    #[serde(rename = "next_cursor")]
    pub next_cursor: Option<String>,
}

/// A snapshot event as Stripe sends it. What is listed here is checked; other members are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeEvent {
    /// The provider's id of an event.
    #[serde(rename = "id")]
    pub id: String,
    /// Always `event`.
    #[serde(rename = "object")]
    pub object: String,
    /// Its type. One that is not listed above is recorded only.
    #[serde(rename = "type")]
    pub r_type: String,
    /// When it happened, in Unix seconds.
    #[serde(rename = "created")]
    pub created: i64,
    /// Whether it is about real money. Events of the mode that the service is not configured for are ignored.
    #[serde(rename = "livemode")]
    pub livemode: bool,
    /// The connected account that it is of. Events of another account than the configured one are ignored.
    #[serde(rename = "account", default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What the event is about.
    #[serde(rename = "data")]
    pub data: models::StripeEventData,
}

/// The members of a [`StripeEvent`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct StripeEventDraft {
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::id_pattern"))]
    id: Option<String>,
    #[validate(custom(function = "Self::object_pattern"))]
    object: Option<String>,
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::r_type_pattern"))]
    r_type: Option<String>,
    #[validate(range(min = 0i64))]
    created: Option<i64>,
    livemode: Option<bool>,
    #[validate(length(min = 1, max = 255))]
    account: Option<String>,
    data: Option<models::StripeEventData>,
}

impl Read for StripeEvent {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = StripeEventDraft {
            id: object.required("id"),
            object: object.required("object"),
            r_type: object.required("type"),
            created: object.required("created"),
            livemode: object.required("livemode"),
            account: object.optional("account"),
            data: object.required("data"),
        };
        object.check(&draft, &[("r_type", "type")]);
        Some(Self {
            id: draft.id?,
            object: draft.object?,
            r_type: draft.r_type?,
            created: draft.created?,
            livemode: draft.livemode?,
            account: draft.account,
            data: draft.data?,
        })
    }
}

impl StripeEventDraft {
    fn id_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[^\x00]+$"));
        read::matches(text, &PATTERN, Some("must not contain the character U+0000"))
    }

    fn object_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^event$"));
        read::matches(
            text,
            &PATTERN,
            Some(
                "must be \"event\"; a thin event has no object in it, so choose the payload style Snapshot for this endpoint",
            ),
        )
    }

    fn r_type_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[^\x00]+$"));
        read::matches(text, &PATTERN, Some("must not contain the character U+0000"))
    }
}

/// What the event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeEventData {
    /// The object as it was then. Only its `id` and what is needed of its type is read; where that cannot be read, the event
    /// is `ignored`, with a warning in the log.
    #[serde(rename = "object")]
    pub object: AnyJson,
}

/// The members of a [`StripeEventData`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct StripeEventDataDraft {
    object: Option<AnyJson>,
}

impl Read for StripeEventData {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = StripeEventDataDraft {
            object: object.required("object"),
        };
        object.check(&draft, &[]);
        Some(Self { object: draft.object? })
    }
}

/// An object of Stripe, such as a Checkout Session, a PaymentIntent, a Charge, a Refund or a Dispute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeObject {
    /// Stripe's id of it.
    #[serde(rename = "id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it is.
    #[serde(rename = "object", default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// The members of a [`StripeObject`] that could be read, to be validated even where others failed.
#[derive(Validate)]
struct StripeObjectDraft {
    id: Option<String>,
    object: Option<String>,
}

impl Read for StripeObject {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let mut object = Object::open(json, at, failures)?;
        let draft = StripeObjectDraft {
            id: object.optional("id"),
            object: object.optional("object"),
        };
        object.check(&draft, &[]);
        Some(Self {
            id: draft.id,
            object: draft.object,
        })
    }
}
