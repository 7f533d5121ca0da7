//! Products: What the store sells, how much of it there is, and the ledger of every change of stock.

#![allow(unused_imports, reason = "one list of imports serves every tag")]

use std::sync::LazyLock;

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
        body: models::NewProduct,
    ) -> impl Future<Output = Result<CreateProductResponse, Self::Error>> + Send;

    /// Restock or correct by a difference.
    ///
    /// Adds `delta` units to the product's stock, or removes them where it is negative, and writes the movement with
    /// reason `adjustment`. Stock never goes below 0, nor above 1 000 000 000 this way.
    fn create_stock_movement(
        &self,
        params: CreateStockMovementParams,
        body: models::NewStockMovement,
    ) -> impl Future<Output = Result<CreateStockMovementResponse, Self::Error>> + Send;

    /// Delete a product.
    ///
    /// Removes a product and its ledger. Allowed only while no order, in whatever status, refers to it: an order
    /// must always be able to say what was ordered.
    fn delete_product(
        &self,
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
    /// null: products that exist during the whole walk come exactly once, whatever is added or removed meanwhile.
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
        params: ListStockMovementsParams,
    ) -> impl Future<Output = Result<ListStockMovementsResponse, Self::Error>> + Send;

    /// Change a product.
    ///
    /// A partial update: `sku`, `name`, `price` and `stock` may be sent, in any combination but at least one, and
    /// only what is sent changes. A new `stock` is the new level; the difference is written to the ledger as an
    /// `adjustment` (to add or remove a number of units, post a stock movement instead, which cannot undo an order
    /// that came in between). A new `price` holds for later orders only.
    fn update_product(
        &self,
        params: UpdateProductParams,
        body: models::ProductUpdate,
    ) -> impl Future<Output = Result<UpdateProductResponse, Self::Error>> + Send;
}

/// What `create_product` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum CreateProductResponse {
    /// The product was created.
    Status201 {
        /// The body.
        body: models::Product,
        /// The header `Location`.
        location: String,
    },
}

impl CreateProductResponse {
    /// The response to send.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value does not fit into a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status201 { body, location } => {
                let response = respond::json(201, &body)?;
                let response = respond::header(response, "location", Some(location))?;
                Ok(response)
            }
        }
    }
}

/// What `create_stock_movement` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum CreateStockMovementResponse {
    /// The movement was written and the stock changed.
    Status201 {
        /// The body.
        body: models::StockMovement,
    },
}

impl CreateStockMovementResponse {
    /// The response to send.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value does not fit into a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status201 { body } => {
                let response = respond::json(201, &body)?;
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
}

#[derive(Validate)]
struct CreateStockMovementDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
}

impl CreateStockMovementParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = CreateStockMovementDraft {
            id: parameters.path("id"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("id", "id")]);
        Some(Self { id: draft.id? })
    }
}

/// What `delete_product` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum DeleteProductResponse {
    /// The product is gone.
    Status204,
}

impl DeleteProductResponse {
    /// The response to send.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value does not fit into a header or JSON.
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
    /// The product's id.
    pub id: i64,
}

#[derive(Validate)]
struct DeleteProductDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
}

impl DeleteProductParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = DeleteProductDraft {
            id: parameters.path("id"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("id", "id")]);
        Some(Self { id: draft.id? })
    }
}

/// What `get_product` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum GetProductResponse {
    /// The product.
    Status200 {
        /// The body.
        body: models::Product,
    },
}

impl GetProductResponse {
    /// The response to send.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value does not fit into a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body } => {
                let response = respond::json(200, &body)?;
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
}

#[derive(Validate)]
struct GetProductDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
}

impl GetProductParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = GetProductDraft {
            id: parameters.path("id"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("id", "id")]);
        Some(Self { id: draft.id? })
    }
}

/// What `list_products` answers where it succeeds.
#[derive(Clone, Debug)]
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
    /// The response to send.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value does not fit into a header or JSON.
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
    /// How many items a page holds at the most.
    pub limit: i32,
    /// Where to go on, the `next_cursor` of the page before. Opaque, so do not make one up.
    pub cursor: Option<String>,
    /// Only the product with exactly this SKU.
    pub sku: Option<String>,
}

#[derive(Validate)]
struct ListProductsDraft {
    #[validate(range(min = 1i32, max = 100i32))]
    limit: Option<i32>,
    cursor: Option<String>,
    #[validate(length(min = 1, max = 64))]
    #[validate(custom(function = "Self::sku_pattern"))]
    sku: Option<String>,
}

impl ListProductsDraft {
    fn sku_pattern(text: &str) -> Result<(), ValidationError> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| read::pattern(r"^[A-Za-z0-9][A-Za-z0-9._-]*$"));
        read::matches(
            text,
            &PATTERN,
            Some("must consist of letters, digits, '.', '_' and '-', a letter or digit first"),
        )
    }
}

impl ListProductsParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = ListProductsDraft {
            limit: parameters.query("limit"),
            cursor: parameters.query("cursor"),
            sku: parameters.query("sku"),
        };
        parameters.refuse_unknown_query(&["limit", "cursor", "sku"]);
        parameters.check(&draft, &[("limit", "limit"), ("cursor", "cursor"), ("sku", "sku")]);
        Some(Self {
            limit: draft.limit.unwrap_or(20),
            cursor: draft.cursor,
            sku: draft.sku,
        })
    }
}

/// What `list_stock_movements` answers where it succeeds.
#[derive(Clone, Debug)]
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
    /// The response to send.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value does not fit into a header or JSON.
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
    /// How many items a page holds at the most.
    pub limit: i32,
    /// Where to go on, the `next_cursor` of the page before. Opaque, so do not make one up.
    pub cursor: Option<String>,
}

#[derive(Validate)]
struct ListStockMovementsDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
    #[validate(range(min = 1i32, max = 100i32))]
    limit: Option<i32>,
    cursor: Option<String>,
}

impl ListStockMovementsParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = ListStockMovementsDraft {
            id: parameters.path("id"),
            limit: parameters.query("limit"),
            cursor: parameters.query("cursor"),
        };
        parameters.refuse_unknown_query(&["limit", "cursor"]);
        parameters.check(&draft, &[("id", "id"), ("limit", "limit"), ("cursor", "cursor")]);
        Some(Self {
            id: draft.id?,
            limit: draft.limit.unwrap_or(20),
            cursor: draft.cursor,
        })
    }
}

/// What `update_product` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum UpdateProductResponse {
    /// The product as it is now.
    Status200 {
        /// The body.
        body: models::Product,
    },
}

impl UpdateProductResponse {
    /// The response to send.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value does not fit into a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body } => {
                let response = respond::json(200, &body)?;
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
}

#[derive(Validate)]
struct UpdateProductDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
}

impl UpdateProductParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = UpdateProductDraft {
            id: parameters.path("id"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("id", "id")]);
        Some(Self { id: draft.id? })
    }
}
