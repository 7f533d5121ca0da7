//! Orders: An order reserves stock of one product from the moment it is placed until it is canceled.

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

/// An order reserves stock of one product from the moment it is placed until it is canceled.
pub trait Orders: Api {
    /// Place an order.
    ///
    /// Reserves `quantity` units of one product and creates a `PENDING` order, both in one transaction: of two
    /// orders for the last unit one gets it and the other gets 409 `insufficient-stock`. `unit_price` is the
    /// product's price at this moment and never changes after.
    fn create_order(
        &self,
        body: models::NewOrder,
    ) -> impl Future<Output = Result<CreateOrderResponse, Self::Error>> + Send;

    /// Delete an order that never saw money.
    ///
    /// Removes an order for which no payment was ever recorded: a `PENDING` one, whose stock goes back in the same
    /// transaction, or a `CANCELED` one. A `PAID` or `SHIPPED` order is part of the books and stays; to take back a
    /// paid order, cancel it.
    fn delete_order(
        &self,
        params: DeleteOrderParams,
    ) -> impl Future<Output = Result<DeleteOrderResponse, Self::Error>> + Send;

    /// Get an order.
    ///
    /// One order as it is now, with the time of each step it has taken.
    fn get_order(&self, params: GetOrderParams) -> impl Future<Output = Result<GetOrderResponse, Self::Error>> + Send;

    /// List orders.
    ///
    /// Orders, newest first, a page at a time; `status` and `product_id` narrow the list and can be combined.
    fn list_orders(
        &self,
        params: ListOrdersParams,
    ) -> impl Future<Output = Result<ListOrdersResponse, Self::Error>> + Send;

    /// Ship, cancel or change an order.
    ///
    /// A partial update: `status` and `quantity` may be sent, at least one of them; both together happen together or
    /// not at all.
    ///
    /// | from | to | by |
    /// |---|---|---|
    /// | `PENDING` | `PAID` | the payment webhook only; asking for it here is 409 `invalid-transition` |
    /// | `PENDING`, `PAID` | `CANCELED` | this operation; the stock goes back in the same transaction |
    /// | `PAID` | `SHIPPED` | this operation |
    ///
    /// `SHIPPED` and `CANCELED` are final. Asking for the status the order already has changes nothing and is 200.
    /// `quantity` changes only while the order is `PENDING` and stays so (else 409 `order-not-editable`) and moves
    /// the difference of stock; the quantity it already has changes nothing.
    fn update_order(
        &self,
        params: UpdateOrderParams,
        body: models::OrderUpdate,
    ) -> impl Future<Output = Result<UpdateOrderResponse, Self::Error>> + Send;
}

/// What `create_order` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum CreateOrderResponse {
    /// The order was placed and its stock reserved.
    Status201 {
        /// The body.
        body: models::Order,
        /// The header `Location`.
        location: String,
    },
}

impl CreateOrderResponse {
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

/// What `delete_order` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum DeleteOrderResponse {
    /// The order is gone.
    Status204,
}

impl DeleteOrderResponse {
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

/// The parameters of `delete_order`.
#[derive(Clone, Debug)]
pub struct DeleteOrderParams {
    /// The order's id.
    pub id: i64,
}

#[derive(Validate)]
struct DeleteOrderDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
}

impl DeleteOrderParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = DeleteOrderDraft {
            id: parameters.path("id"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("id", "id")]);
        Some(Self { id: draft.id? })
    }
}

/// What `get_order` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum GetOrderResponse {
    /// The order.
    Status200 {
        /// The body.
        body: models::Order,
    },
}

impl GetOrderResponse {
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

/// The parameters of `get_order`.
#[derive(Clone, Debug)]
pub struct GetOrderParams {
    /// The order's id.
    pub id: i64,
}

#[derive(Validate)]
struct GetOrderDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
}

impl GetOrderParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = GetOrderDraft {
            id: parameters.path("id"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("id", "id")]);
        Some(Self { id: draft.id? })
    }
}

/// What `list_orders` answers where it succeeds.
#[derive(Clone, Debug)]
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

/// The parameters of `list_orders`.
#[derive(Clone, Debug)]
pub struct ListOrdersParams {
    /// How many items a page holds at the most.
    pub limit: i32,
    /// Where to go on, the `next_cursor` of the page before. Opaque, so do not make one up.
    pub cursor: Option<String>,
    /// Only orders in this status.
    pub status: Option<models::OrderStatus>,
    /// Only orders of this product. One that does not exist gives an empty page.
    pub product_id: Option<i64>,
}

#[derive(Validate)]
struct ListOrdersDraft {
    #[validate(range(min = 1i32, max = 100i32))]
    limit: Option<i32>,
    cursor: Option<String>,
    status: Option<models::OrderStatus>,
    #[validate(range(min = 1i64))]
    product_id: Option<i64>,
}

impl ListOrdersParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = ListOrdersDraft {
            limit: parameters.query("limit"),
            cursor: parameters.query("cursor"),
            status: parameters.query("status"),
            product_id: parameters.query("product_id"),
        };
        parameters.refuse_unknown_query(&["limit", "cursor", "status", "product_id"]);
        parameters.check(
            &draft,
            &[
                ("limit", "limit"),
                ("cursor", "cursor"),
                ("status", "status"),
                ("product_id", "product_id"),
            ],
        );
        Some(Self {
            limit: draft.limit.unwrap_or(20),
            cursor: draft.cursor,
            status: draft.status,
            product_id: draft.product_id,
        })
    }
}

/// What `update_order` answers where it succeeds.
#[derive(Clone, Debug)]
pub enum UpdateOrderResponse {
    /// The order as it is now.
    Status200 {
        /// The body.
        body: models::Order,
    },
}

impl UpdateOrderResponse {
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

/// The parameters of `update_order`.
#[derive(Clone, Debug)]
pub struct UpdateOrderParams {
    /// The order's id.
    pub id: i64,
}

#[derive(Validate)]
struct UpdateOrderDraft {
    #[validate(range(min = 1i64))]
    id: Option<i64>,
}

impl UpdateOrderParams {
    pub(crate) async fn read(parts: &mut request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of(parts, failures).await;
        let draft = UpdateOrderDraft {
            id: parameters.path("id"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("id", "id")]);
        Some(Self { id: draft.id? })
    }
}
