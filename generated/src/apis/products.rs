//! Products: What the store sells, how much of it there is, and the ledger of every change of stock.

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

/// What the store sells, how much of it there is, and the ledger of every change of stock.
pub trait Products: Api {
    /// Create a product.
    ///
    /// Adds a product. `sku` must not be in use. An opening `stock` above 0 is written to the ledger as the product's
    /// first movement, with reason `initial`.
    fn create_product(
        &self,
        caller: Self::Caller,
        params: CreateProductParams,
        body: models::NewProduct,
        bytes: Bytes,
    ) -> impl Future<Output = Result<CreateProductResponse, Self::Error>> + Send;

    /// Restock or correct by a difference.
    ///
    /// Adds `delta` units to the product's stock, or removes them where it is negative, and writes the movement with
    /// reason `adjustment`. A movement that would take the stock below 0 or above 1 000 000 000 is refused.
    fn create_stock_movement(
        &self,
        caller: Self::Caller,
        params: CreateStockMovementParams,
        body: models::NewStockMovement,
        bytes: Bytes,
    ) -> impl Future<Output = Result<CreateStockMovementResponse, Self::Error>> + Send;

    /// Delete a product.
    ///
    /// Deletes a product and its ledger. Allowed only while no order, in whatever status, refers to it, so that every
    /// order can say what was ordered.
    fn delete_product(
        &self,
        caller: Self::Caller,
        params: DeleteProductParams,
    ) -> impl Future<Output = Result<DeleteProductResponse, Self::Error>> + Send;

    /// Get a product.
    ///
    /// One product as it is now; `stock` is what can still be ordered.
    fn get_product(
        &self,
        params: GetProductParams,
    ) -> impl Future<Output = Result<GetProductResponse, Self::Error>> + Send;

    /// List products.
    ///
    /// Products in the order of their ids, a page at a time. Follow `next_cursor` (or the `Link` header) until it is
    /// null: a product that exists during the whole walk is listed exactly once, whatever is added or removed meanwhile.
    ///
    /// The filters narrow the list and can be combined. With `updated_from` the list is in the order of `updated_at` by
    /// the minute, the longest unchanged first, and a product that changes during the walk comes again at its end. To keep
    /// a copy of the catalog, repeat the walk with the time at which the last one began, less a minute: a change is
    /// visible once it is committed, a moment after its `updated_at`. A cursor belongs to one of these two orders.
    fn list_products(
        &self,
        params: ListProductsParams,
    ) -> impl Future<Output = Result<ListProductsResponse, Self::Error>> + Send;

    /// List a product's stock movements.
    ///
    /// The ledger of one product, newest first. Every change of stock is one movement, written in the same
    /// transaction, so the product's `stock` is always the sum of all `delta` and the newest `stock_after`.
    fn list_stock_movements(
        &self,
        caller: Self::Caller,
        params: ListStockMovementsParams,
    ) -> impl Future<Output = Result<ListStockMovementsResponse, Self::Error>> + Send;

    /// Change a product.
    ///
    /// A partial update: send at least one of `sku`, `name`, `price` and `stock`; only the members that are sent change.
    /// A new `stock` is the new level, and the difference is written to the ledger as an `adjustment`. To add or remove a
    /// number of units, post a stock movement instead: it cannot undo an order that was placed in between. A new `price`
    /// applies to later orders only.
    fn update_product(
        &self,
        caller: Self::Caller,
        params: UpdateProductParams,
        body: models::ProductUpdate,
    ) -> impl Future<Output = Result<UpdateProductResponse, Self::Error>> + Send;
}

/// The responses of `create_product` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum CreateProductResponse {
    /// The product was created.
    Status201 {
        /// The body.
        body: respond::Body<models::Product>,
        /// The header `Location`.
        location: String,
        /// The header `ETag`.
        e_tag: String,
        /// The header `Idempotency-Replayed`.
        idempotency_replayed: Option<String>,
    },
}

impl CreateProductResponse {
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

/// The parameters of `create_product`.
#[derive(Clone, Debug)]
pub struct CreateProductParams {
    /// A key that you choose for this request, such as a UUID. The same key with the same body within 24 hours gets the
    /// response of the first success again; with another body it is 422 `idempotency-key-reused`. A key counts for one
    /// path and one API key.
    pub idempotency_key: Option<String>,
}

#[derive(Validate)]
struct CreateProductDraft {
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::idempotency_key_pattern"))]
    idempotency_key: Option<String>,
}

impl CreateProductDraft {
    fn idempotency_key_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[!-~]+$"));
        read::matches(text, &PATTERN, Some("must consist of visible ASCII characters"))
    }
}

impl CreateProductParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/products", parts, failures);
        let draft = CreateProductDraft {
            idempotency_key: parameters.header("Idempotency-Key"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("idempotency_key", "Idempotency-Key")]);
        Some(Self {
            idempotency_key: draft.idempotency_key,
        })
    }
}

/// The responses of `create_stock_movement` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum CreateStockMovementResponse {
    /// The movement was written and the stock changed.
    Status201 {
        /// The body.
        body: respond::Body<models::StockMovement>,
        /// The header `Idempotency-Replayed`.
        idempotency_replayed: Option<String>,
    },
}

impl CreateStockMovementResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status201 {
                body,
                idempotency_replayed,
            } => {
                let response = respond::body(201, body)?;
                let response = respond::header(response, "idempotency-replayed", idempotency_replayed)?;
                Ok(response)
            }
        }
    }
}

/// The parameters of `create_stock_movement`.
#[derive(Clone, Debug)]
pub struct CreateStockMovementParams {
    /// The product's id.
    pub id: i64,
    /// A key that you choose for this request, such as a UUID. The same key with the same body within 24 hours gets the
    /// response of the first success again; with another body it is 422 `idempotency-key-reused`. A key counts for one
    /// path and one API key.
    pub idempotency_key: Option<String>,
}

#[derive(Validate)]
struct CreateStockMovementDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    #[validate(length(min = 1, max = 255))]
    #[validate(custom(function = "Self::idempotency_key_pattern"))]
    idempotency_key: Option<String>,
}

impl CreateStockMovementDraft {
    fn idempotency_key_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[!-~]+$"));
        read::matches(text, &PATTERN, Some("must consist of visible ASCII characters"))
    }
}

impl CreateStockMovementParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/products/{id}/stock-movements", parts, failures);
        let draft = CreateStockMovementDraft {
            id: parameters.path("id"),
            idempotency_key: parameters.header("Idempotency-Key"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("id", "id"), ("idempotency_key", "Idempotency-Key")]);
        Some(Self {
            id: draft.id?,
            idempotency_key: draft.idempotency_key,
        })
    }
}

/// The responses of `delete_product` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum DeleteProductResponse {
    /// The product was deleted.
    Status204,
}

impl DeleteProductResponse {
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

/// The parameters of `delete_product`.
#[derive(Clone, Debug)]
pub struct DeleteProductParams {
    /// The product's id. (2, the second one of the examples, is not needed for the next steps.)
    pub id: i64,
    /// Change or delete the resource only if it is still in one of these versions (entity tags from `ETag`, or `*` for any);
    /// else 412 `stale-version`. May come in several lines, which are one list.
    pub if_match: Option<String>,
    /// Change or delete the resource only if it is in none of these versions; `*` names every version. Else 412
    /// `stale-version`. Judged after `If-Match`.
    pub if_none_match: Option<String>,
}

#[derive(Validate)]
struct DeleteProductDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    #[validate(custom(function = "Self::if_match_pattern"))]
    if_match: Option<String>,
    #[validate(custom(function = "Self::if_none_match_pattern"))]
    if_none_match: Option<String>,
}

impl DeleteProductDraft {
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

impl DeleteProductParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/products/{id}", parts, failures);
        let draft = DeleteProductDraft {
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

/// The responses of `get_product` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum GetProductResponse {
    /// The product.
    Status200 {
        /// The body.
        body: models::Product,
        /// The header `ETag`.
        e_tag: String,
    },
    /// The resource is still in a version that `If-None-Match` names.
    Status304 {
        /// The header `ETag`.
        e_tag: String,
    },
}

impl GetProductResponse {
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

/// The parameters of `get_product`.
#[derive(Clone, Debug)]
pub struct GetProductParams {
    /// The product's id.
    pub id: i64,
    /// Get the resource only if it is in one of these versions (entity tags from `ETag`, or `*` for any); else 412
    /// `stale-version`. A header that is no list of entity tags is ignored.
    pub if_match: Option<String>,
    /// Answer 304 if the resource is still in one of these versions (entity tags from `ETag`, or `*` for any). Judged after
    /// `If-Match`. A header that is no list of entity tags is ignored.
    pub if_none_match: Option<String>,
}

#[derive(Validate)]
struct GetProductDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl GetProductParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/products/{id}", parts, failures);
        let draft = GetProductDraft {
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

/// The responses of `list_products` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum ListProductsResponse {
    /// A page of products.
    Status200 {
        /// The body.
        body: models::ProductPage,
        /// The header `Link`.
        link: Option<String>,
    },
}

impl ListProductsResponse {
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

/// The parameters of `list_products`.
#[derive(Clone, Debug)]
pub struct ListProductsParams {
    /// The largest number of items on a page.
    pub limit: i32,
    /// The `next_cursor` of the previous page of the list in the same order. It is opaque, so do not construct one.
    pub cursor: Option<String>,
    /// Only the product with exactly this SKU.
    pub sku: Option<String>,
    /// Only products with this text in their name or SKU, in capital or small letters.
    pub q: Option<String>,
    /// Only products that were added or changed at this time or later; an order changes `stock`, too.
    pub updated_from: Option<Timestamp>,
}

#[derive(Validate)]
struct ListProductsDraft {
    #[validate(range(min = 1i32, max = 100i32))]
    limit: Option<i32>,
    #[validate(custom(function = "Self::cursor_pattern"))]
    cursor: Option<String>,
    #[validate(length(min = 1, max = 64))]
    #[validate(custom(function = "Self::sku_pattern"))]
    sku: Option<String>,
    #[validate(length(min = 1, max = 100))]
    #[validate(custom(function = "Self::q_pattern"))]
    q: Option<String>,
    updated_from: Option<Timestamp>,
}

impl ListProductsDraft {
    fn cursor_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[0-7][0-9a-f]{15}(?:[0-7][0-9a-f]{15})?$"));
        read::matches(text, &PATTERN, Some("must be the next_cursor of a page"))
    }
    fn sku_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[A-Za-z0-9][A-Za-z0-9._-]*$"));
        read::matches(
            text,
            &PATTERN,
            Some("must consist of letters, digits, '.', '_' and '-', a letter or digit first"),
        )
    }
    fn q_pattern(text: &str) -> Result<(), ValidationError> {
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

impl ListProductsParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/products", parts, failures);
        let draft = ListProductsDraft {
            limit: parameters.query("limit"),
            cursor: parameters.query("cursor"),
            sku: parameters.query("sku"),
            q: parameters.query("q"),
            updated_from: parameters.query("updated_from"),
        };
        parameters.refuse_unknown_query(&["limit", "cursor", "sku", "q", "updated_from"]);
        parameters.check(
            &draft,
            &[
                ("limit", "limit"),
                ("cursor", "cursor"),
                ("sku", "sku"),
                ("q", "q"),
                ("updated_from", "updated_from"),
            ],
        );
        Some(Self {
            limit: draft.limit.unwrap_or(20),
            cursor: draft.cursor,
            sku: draft.sku,
            q: draft.q,
            updated_from: draft.updated_from,
        })
    }
}

/// The responses of `list_stock_movements` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum ListStockMovementsResponse {
    /// A page of movements.
    Status200 {
        /// The body.
        body: models::StockMovementPage,
        /// The header `Link`.
        link: Option<String>,
    },
}

impl ListStockMovementsResponse {
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

/// The parameters of `list_stock_movements`.
#[derive(Clone, Debug)]
pub struct ListStockMovementsParams {
    /// The product's id.
    pub id: i64,
    /// The largest number of items on a page.
    pub limit: i32,
    /// The `next_cursor` of the previous page. It is opaque, so do not construct one.
    pub cursor: Option<String>,
    /// `product` adds each item's `product`: its SKU and name as they are now.
    pub expand: Option<models::Expansion>,
}

#[derive(Validate)]
struct ListStockMovementsDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    #[validate(range(min = 1i32, max = 100i32))]
    limit: Option<i32>,
    #[validate(custom(function = "Self::cursor_pattern"))]
    cursor: Option<String>,
    expand: Option<models::Expansion>,
}

impl ListStockMovementsDraft {
    fn cursor_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[0-7][0-9a-f]{15}$"));
        read::matches(text, &PATTERN, Some("must be the next_cursor of a page"))
    }
}

impl ListStockMovementsParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/products/{id}/stock-movements", parts, failures);
        let draft = ListStockMovementsDraft {
            id: parameters.path("id"),
            limit: parameters.query("limit"),
            cursor: parameters.query("cursor"),
            expand: parameters.query("expand"),
        };
        parameters.refuse_unknown_query(&["limit", "cursor", "expand"]);
        parameters.check(
            &draft,
            &[
                ("id", "id"),
                ("limit", "limit"),
                ("cursor", "cursor"),
                ("expand", "expand"),
            ],
        );
        Some(Self {
            id: draft.id?,
            limit: draft.limit.unwrap_or(20),
            cursor: draft.cursor,
            expand: draft.expand,
        })
    }
}

/// The responses of `update_product` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum UpdateProductResponse {
    /// The product as it is now.
    Status200 {
        /// The body.
        body: models::Product,
        /// The header `ETag`.
        e_tag: String,
    },
}

impl UpdateProductResponse {
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

/// The parameters of `update_product`.
#[derive(Clone, Debug)]
pub struct UpdateProductParams {
    /// The product's id.
    pub id: i64,
    /// Change or delete the resource only if it is still in one of these versions (entity tags from `ETag`, or `*` for any);
    /// else 412 `stale-version`. May come in several lines, which are one list.
    pub if_match: Option<String>,
    /// Change or delete the resource only if it is in none of these versions; `*` names every version. Else 412
    /// `stale-version`. Judged after `If-Match`.
    pub if_none_match: Option<String>,
}

#[derive(Validate)]
struct UpdateProductDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    #[validate(custom(function = "Self::if_match_pattern"))]
    if_match: Option<String>,
    #[validate(custom(function = "Self::if_none_match_pattern"))]
    if_none_match: Option<String>,
}

impl UpdateProductDraft {
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

impl UpdateProductParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/products/{id}", parts, failures);
        let draft = UpdateProductDraft {
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
