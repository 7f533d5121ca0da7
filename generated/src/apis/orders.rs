//! Orders: An order reserves stock of one product from the moment it is placed until it is canceled.

#![allow(unused_imports, reason = "one list of imports serves every tag")]

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::request;
use axum::response::Response;
use regex::Regex;
use validator::{Validate, ValidationError};

use super::Api;
use crate::models;
use crate::read::{self, Failures, Parameters, Rejection};
use crate::respond;
use crate::types::{Decimal, Timestamp};

/// An order reserves stock of one product from the moment it is placed until it is canceled.
pub trait Orders: Api {
    /// Place an order.
    ///
    /// Reserves `quantity` units of one product and creates a `PENDING` order, both in one transaction: of two
    /// orders for the last unit one gets it and the other gets 409 `insufficient-stock`. `unit_price` is the
    /// product's price at this moment and never changes after. The service cancels an order that is not paid by
    /// `expires_at`, and its stock goes back. `reference` is the shop's own number of the order; it need not be unique.
    fn create_order(
        &self,
        caller: Self::Caller,
        params: CreateOrderParams,
        body: models::NewOrder,
        bytes: Bytes,
    ) -> impl Future<Output = Result<CreateOrderResponse, Self::Error>> + Send;

    /// Delete an order without a recorded payment.
    ///
    /// Deletes an order for which no `payment.succeeded` was ever recorded: a `PENDING` one, whose stock goes back in the
    /// same transaction, or a `CANCELED` one. Any other order stays on record; to take back a paid order, cancel it.
    fn delete_order(
        &self,
        caller: Self::Caller,
        params: DeleteOrderParams,
    ) -> impl Future<Output = Result<DeleteOrderResponse, Self::Error>> + Send;

    /// Get an order.
    ///
    /// One order as it is now, with the time of each step it has taken.
    fn get_order(
        &self,
        caller: Self::Caller,
        params: GetOrderParams,
    ) -> impl Future<Output = Result<GetOrderResponse, Self::Error>> + Send;

    /// List orders.
    ///
    /// Orders, newest first, a page at a time. The filters narrow the list and can be combined. `created_from` and
    /// `created_before` are compared with `created_at`; with one of them the list is in the order of `created_at`, newest
    /// first, else in that of the ids. A cursor belongs to one of these two orders. A combination of filters that would
    /// look through too many orders is 503 `overloaded`; a shorter time span helps.
    fn list_orders(
        &self,
        caller: Self::Caller,
        params: ListOrdersParams,
    ) -> impl Future<Output = Result<ListOrdersResponse, Self::Error>> + Send;

    /// Ship, cancel or change an order.
    ///
    /// A partial update: send at least one of `status`, `quantity` and `reference`. All that is sent changes, or nothing
    /// does.
    ///
    /// | from | to | by |
    /// |---|---|---|
    /// | `PENDING` | `PAID` | the payment webhook only; asking for it here is 409 `invalid-transition` |
    /// | `PENDING`, `PAID` | `CANCELED` | this operation; the stock goes back in the same transaction. Money that was paid is then owed back: `refund_due` |
    /// | `PENDING` | `CANCELED` | the service itself, once `expires_at` has passed |
    /// | `PAID` | `CANCELED` | the payment webhook, when the order's payment was refunded |
    /// | `PAID` | `SHIPPED` | this operation |
    ///
    /// `SHIPPED` and `CANCELED` are final. `quantity` and `reference` can change only while the order is `PENDING` and
    /// stays so (else 409 `order-not-editable`); a difference of quantity is taken from the stock or goes back to it. What
    /// the order already has is 200 and changes nothing.
    fn update_order(
        &self,
        caller: Self::Caller,
        params: UpdateOrderParams,
        body: models::OrderUpdate,
    ) -> impl Future<Output = Result<UpdateOrderResponse, Self::Error>> + Send;
}

/// The responses of `create_order` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum CreateOrderResponse {
    /// The order was placed and its stock reserved.
    Status201 {
        /// The body.
        body: respond::Body<models::Order>,
        /// The header `Location`.
        location: String,
        /// The header `ETag`.
        e_tag: String,
        /// The header `Idempotency-Replayed`.
        idempotency_replayed: Option<String>,
    },
}

impl CreateOrderResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status201 {
                body,
                location,
                e_tag,
                idempotency_replayed,
            } => {
                let response = respond::body(201, body)?;
                let response = respond::header(response, "location", Some(location))?;
                let response = respond::header(response, "etag", Some(e_tag))?;
                let response = respond::header(response, "idempotency-replayed", idempotency_replayed)?;
                Ok(response)
            }
        }
    }
}

/// The parameters of `create_order`.
#[derive(Clone, Debug)]
pub struct CreateOrderParams {
    /// A key that you choose for this request, such as a UUID. The same key with the same body within 24 hours gets the
    /// response of the first success again; with another body it is 422 `idempotency-key-reused`. A key counts for one
    /// path and one API key.
    pub idempotency_key: Option<String>,
}

#[derive(Validate)]
struct CreateOrderDraft {
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::idempotency_key_pattern"))]
    idempotency_key: Option<String>,
}

impl CreateOrderDraft {
    fn idempotency_key_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[!-~]+$"));
        read::matches(text, &PATTERN, Some("must consist of visible ASCII characters"))
    }
}

impl CreateOrderParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/orders", parts, failures);
        let draft = CreateOrderDraft {
            idempotency_key: parameters.header("Idempotency-Key"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("idempotency_key", "Idempotency-Key")]);
        Some(Self {
            idempotency_key: draft.idempotency_key,
        })
    }
}

/// The responses of `delete_order` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum DeleteOrderResponse {
    /// The order was deleted.
    Status204,
}

impl DeleteOrderResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status204 => {
                let response = respond::empty(204)?;
                Ok(response)
            }
        }
    }
}

/// The parameters of `delete_order`.
#[derive(Clone, Debug)]
pub struct DeleteOrderParams {
    /// The order's id. (2, the second one of the examples, is not needed for the next steps.)
    pub id: i64,
    /// Change or delete the resource only if it is still in one of these versions (entity tags from `ETag`, or `*` for any);
    /// else 412 `stale-version`. May come in several lines, which are one list.
    pub if_match: Option<String>,
    /// Change or delete the resource only if it is in none of these versions; `*` names every version. Else 412
    /// `stale-version`. Judged after `If-Match`.
    pub if_none_match: Option<String>,
}

#[derive(Validate)]
struct DeleteOrderDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    #[validate(custom(function = "Self::if_match_pattern"))]
    if_match: Option<String>,
    #[validate(custom(function = "Self::if_none_match_pattern"))]
    if_none_match: Option<String>,
}

impl DeleteOrderDraft {
    fn if_match_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                "^[ \\t]*(?:\\*[ \\t]*|(?:(?:W/)?\"[!#-~\\x80-\\xff]*\"[ \\t]*)?(?:,[ \\t]*(?:(?:W/)?\"[!#-~\\x80-\\xff]*\"[ \\t]*)?)*)$",
            )
        });
        read::matches(text, &PATTERN, Some("must be * or a list of entity tags in quotes"))
    }
    fn if_none_match_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                "^[ \\t]*(?:\\*[ \\t]*|(?:(?:W/)?\"[!#-~\\x80-\\xff]*\"[ \\t]*)?(?:,[ \\t]*(?:(?:W/)?\"[!#-~\\x80-\\xff]*\"[ \\t]*)?)*)$",
            )
        });
        read::matches(text, &PATTERN, Some("must be * or a list of entity tags in quotes"))
    }
}

impl DeleteOrderParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/orders/{id}", parts, failures);
        let draft = DeleteOrderDraft {
            id: parameters.path("id"),
            if_match: parameters.header_lines("If-Match"),
            if_none_match: parameters.header_lines("If-None-Match"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(
            &draft,
            &[
                ("id", "id"),
                ("if_match", "If-Match"),
                ("if_none_match", "If-None-Match"),
            ],
        );
        Some(Self {
            id: draft.id?,
            if_match: draft.if_match,
            if_none_match: draft.if_none_match,
        })
    }
}

/// The responses of `get_order` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum GetOrderResponse {
    /// The order.
    Status200 {
        /// The body.
        body: models::Order,
        /// The header `ETag`.
        e_tag: String,
    },
    /// The resource is still in a version that `If-None-Match` names.
    Status304 {
        /// The header `ETag`.
        e_tag: String,
    },
}

impl GetOrderResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body, e_tag } => {
                let response = respond::json(200, &body)?;
                let response = respond::header(response, "etag", Some(e_tag))?;
                Ok(response)
            }
            Self::Status304 { e_tag } => {
                let response = respond::empty(304)?;
                let response = respond::header(response, "etag", Some(e_tag))?;
                Ok(response)
            }
        }
    }
}

/// The parameters of `get_order`.
#[derive(Clone, Debug)]
pub struct GetOrderParams {
    /// The order's id.
    pub id: i64,
    /// Get the resource only if it is in one of these versions (entity tags from `ETag`, or `*` for any); else 412
    /// `stale-version`. A header that is no list of entity tags is ignored.
    pub if_match: Option<String>,
    /// Answer 304 if the resource is still in one of these versions (entity tags from `ETag`, or `*` for any). Judged after
    /// `If-Match`. A header that is no list of entity tags is ignored.
    pub if_none_match: Option<String>,
}

#[derive(Validate)]
struct GetOrderDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl GetOrderParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/orders/{id}", parts, failures);
        let draft = GetOrderDraft {
            id: parameters.path("id"),
            if_match: parameters.header_lines("If-Match"),
            if_none_match: parameters.header_lines("If-None-Match"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(
            &draft,
            &[
                ("id", "id"),
                ("if_match", "If-Match"),
                ("if_none_match", "If-None-Match"),
            ],
        );
        Some(Self {
            id: draft.id?,
            if_match: draft.if_match,
            if_none_match: draft.if_none_match,
        })
    }
}

/// The responses of `list_orders` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum ListOrdersResponse {
    /// A page of orders.
    Status200 {
        /// The body.
        body: models::OrderPage,
        /// The header `Link`.
        link: Option<String>,
    },
}

impl ListOrdersResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body, link } => {
                let response = respond::json(200, &body)?;
                let response = respond::header(response, "link", link)?;
                Ok(response)
            }
        }
    }
}

/// The parameters of `list_orders`.
#[derive(Clone, Debug)]
pub struct ListOrdersParams {
    /// The largest number of items on a page.
    pub limit: i32,
    /// The `next_cursor` of the previous page of the list in the same order. It is opaque, so do not construct one.
    pub cursor: Option<String>,
    /// Only orders in this status.
    pub status: Option<models::OrderStatus>,
    /// Only orders of this product. One that does not exist gives an empty page.
    pub product_id: Option<i64>,
    /// Only orders that owe money back (true), or only those that do not (false).
    pub refund_due: Option<bool>,
    /// Only orders with exactly this reference.
    pub reference: Option<String>,
    /// Only orders placed at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only orders placed before this time.
    pub created_before: Option<Timestamp>,
    /// `product` adds each item's `product`: its SKU and name as they are now.
    pub expand: Option<models::Expansion>,
}

#[derive(Validate)]
struct ListOrdersDraft {
    #[validate(range(min = 1i32, max = 100i32))]
    limit: Option<i32>,
    #[validate(custom(function = "Self::cursor_pattern"))]
    cursor: Option<String>,
    status: Option<models::OrderStatus>,
    #[validate(range(min = 1i64))]
    product_id: Option<i64>,
    refund_due: Option<bool>,
    #[validate(length(min = 1, max = 100))]
    #[validate(custom(function = "Self::reference_pattern"))]
    reference: Option<String>,
    created_from: Option<Timestamp>,
    created_before: Option<Timestamp>,
    expand: Option<models::Expansion>,
}

impl ListOrdersDraft {
    fn cursor_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[0-7][0-9a-f]{15}(?:[0-7][0-9a-f]{15})?$"));
        read::matches(text, &PATTERN, Some("must be the next_cursor of a page"))
    }
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

impl ListOrdersParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/orders", parts, failures);
        let draft = ListOrdersDraft {
            limit: parameters.query("limit"),
            cursor: parameters.query("cursor"),
            status: parameters.query("status"),
            product_id: parameters.query("product_id"),
            refund_due: parameters.query("refund_due"),
            reference: parameters.query("reference"),
            created_from: parameters.query("created_from"),
            created_before: parameters.query("created_before"),
            expand: parameters.query("expand"),
        };
        parameters.refuse_unknown_query(&[
            "limit",
            "cursor",
            "status",
            "product_id",
            "refund_due",
            "reference",
            "created_from",
            "created_before",
            "expand",
        ]);
        parameters.check(
            &draft,
            &[
                ("limit", "limit"),
                ("cursor", "cursor"),
                ("status", "status"),
                ("product_id", "product_id"),
                ("refund_due", "refund_due"),
                ("reference", "reference"),
                ("created_from", "created_from"),
                ("created_before", "created_before"),
                ("expand", "expand"),
            ],
        );
        Some(Self {
            limit: draft.limit.unwrap_or(20),
            cursor: draft.cursor,
            status: draft.status,
            product_id: draft.product_id,
            refund_due: draft.refund_due,
            reference: draft.reference,
            created_from: draft.created_from,
            created_before: draft.created_before,
            expand: draft.expand,
        })
    }
}

/// The responses of `update_order` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum UpdateOrderResponse {
    /// The order as it is now.
    Status200 {
        /// The body.
        body: models::Order,
        /// The header `ETag`.
        e_tag: String,
    },
}

impl UpdateOrderResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body, e_tag } => {
                let response = respond::json(200, &body)?;
                let response = respond::header(response, "etag", Some(e_tag))?;
                Ok(response)
            }
        }
    }
}

/// The parameters of `update_order`.
#[derive(Clone, Debug)]
pub struct UpdateOrderParams {
    /// The order's id.
    pub id: i64,
    /// Change or delete the resource only if it is still in one of these versions (entity tags from `ETag`, or `*` for any);
    /// else 412 `stale-version`. May come in several lines, which are one list.
    pub if_match: Option<String>,
    /// Change or delete the resource only if it is in none of these versions; `*` names every version. Else 412
    /// `stale-version`. Judged after `If-Match`.
    pub if_none_match: Option<String>,
}

#[derive(Validate)]
struct UpdateOrderDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    #[validate(custom(function = "Self::if_match_pattern"))]
    if_match: Option<String>,
    #[validate(custom(function = "Self::if_none_match_pattern"))]
    if_none_match: Option<String>,
}

impl UpdateOrderDraft {
    fn if_match_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                "^[ \\t]*(?:\\*[ \\t]*|(?:(?:W/)?\"[!#-~\\x80-\\xff]*\"[ \\t]*)?(?:,[ \\t]*(?:(?:W/)?\"[!#-~\\x80-\\xff]*\"[ \\t]*)?)*)$",
            )
        });
        read::matches(text, &PATTERN, Some("must be * or a list of entity tags in quotes"))
    }
    fn if_none_match_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            read::pattern(
                "^[ \\t]*(?:\\*[ \\t]*|(?:(?:W/)?\"[!#-~\\x80-\\xff]*\"[ \\t]*)?(?:,[ \\t]*(?:(?:W/)?\"[!#-~\\x80-\\xff]*\"[ \\t]*)?)*)$",
            )
        });
        read::matches(text, &PATTERN, Some("must be * or a list of entity tags in quotes"))
    }
}

impl UpdateOrderParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/orders/{id}", parts, failures);
        let draft = UpdateOrderDraft {
            id: parameters.path("id"),
            if_match: parameters.header_lines("If-Match"),
            if_none_match: parameters.header_lines("If-None-Match"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(
            &draft,
            &[
                ("id", "id"),
                ("if_match", "If-Match"),
                ("if_none_match", "If-None-Match"),
            ],
        );
        Some(Self {
            id: draft.id?,
            if_match: draft.if_match,
            if_none_match: draft.if_none_match,
        })
    }
}
