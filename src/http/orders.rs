//! The operations tagged Orders. They translate between the contract's types and the domain's; rules are in `app` and
//! `domain`.

use axum::body::Bytes;
use orders_inventory_api::apis::orders::{
    CreateOrderParams, CreateOrderResponse, DeleteOrderParams, DeleteOrderResponse, GetOrderParams, GetOrderResponse,
    ListOrdersParams, ListOrdersResponse, Orders, UpdateOrderParams, UpdateOrderResponse,
};
use orders_inventory_api::models;
use orders_inventory_api::types::Decimal;

use super::auth::Caller;
use super::idempotency::{Address, Created, Request};
use super::problem::{at_pointer, parameter};
use super::{Problem, Service, after_commit, etag, pagination};
use crate::app::orders::{self, ListedOrder};
use crate::domain::{Order, OrderChange, OrderId, ProductId, Quantity, Reference, Resource, Status};
use crate::store::{OrderFilter, Store, TimeSpan, Tx, View};

impl<S: Store> Orders for Service<S> {
    async fn create_order(
        &self,
        caller: Caller,
        params: CreateOrderParams,
        body: models::NewOrder,
        bytes: Bytes,
    ) -> Result<CreateOrderResponse, Problem> {
        let models::NewOrder {
            product_id,
            quantity,
            reference,
        } = body;
        let product_id = at_pointer("/product_id", ProductId::new(product_id))?;
        let quantity = at_pointer("/quantity", Quantity::new(quantity))?;
        let reference = at_pointer("/reference", reference.map(Reference::new).transpose())?;
        let now = self.clock.now();
        let request = Request::new(caller, params.idempotency_key, "/orders", bytes, now);
        let ttl = self.order_ttl;
        let create = move |tx: &mut dyn Tx| {
            let order = orders::place(tx, product_id, quantity, reference.clone(), ttl, now)?;
            let location = format!("/orders/{}", order.id());
            Ok(Created::at(location, order.version(), models::Order::from(order)))
        };
        let created = self.create(request, create, after_commit::order_placed).await?;
        let (body, address, idempotency_replayed) = created.addressed()?;
        let Address { location, e_tag } = address;
        Ok(CreateOrderResponse::Status201 {
            body,
            location,
            e_tag,
            idempotency_replayed,
        })
    }

    async fn list_orders(&self, _: Caller, params: ListOrdersParams) -> Result<ListOrdersResponse, Problem> {
        let product_id = parameter("product_id", params.product_id.map(ProductId::new).transpose())?;
        let filter = OrderFilter {
            status: params.status.map(Into::into),
            product_id,
            refund_due: params.refund_due,
            reference: parameter("reference", params.reference.map(Reference::new).transpose())?,
        };
        let [created_from, created_before] = [params.created_from, params.created_before];
        let span = TimeSpan {
            from: created_from.map(Into::into),
            until: created_before.map(Into::into),
        };
        let product_id = product_id.map(|id| id.to_string());
        let [from_text, before_text] = [created_from, created_before].map(|time| time.map(|time| time.to_string()));
        let reference = filter.reference.as_ref().map(Reference::to_string);
        let filters = [
            ("status", filter.status.map(Status::name)),
            ("product_id", product_id.as_deref()),
            (
                "refund_due",
                filter.refund_due.map(|due| if due { "true" } else { "false" }),
            ),
            ("reference", reference.as_deref()),
            ("created_from", from_text.as_deref()),
            ("created_before", before_text.as_deref()),
            ("expand", params.expand.map(models::Expansion::as_str)),
        ];
        let expands = params.expand.is_some();
        let (cursor, limit) = (
            params.cursor.as_deref(),
            usize::try_from(params.limit).unwrap_or_default(),
        );
        let (items, next_cursor) = if span == TimeSpan::default() {
            let before = pagination::cursor(cursor, OrderId::new)?;
            let is_scan = filter.is_scan();
            let list = move |view: &dyn View| {
                let page = orders::list(view, &filter, before, limit)?;
                Ok((orders::with_products(view, page.items, expands)?, page.next))
            };
            let (items, next) = self.look_up(is_scan, list).await?;
            (items, next.map(|id| pagination::next_cursor(id.get())))
        } else {
            let before = pagination::time_cursor(cursor, OrderId::new)?;
            let is_scan = filter != OrderFilter::default();
            let list = move |view: &dyn View| {
                let page = orders::list_by_time(view, &filter, span, before, limit)?;
                Ok((orders::with_products(view, page.items, expands)?, page.next))
            };
            let (items, next) = self.look_up(is_scan, list).await?;
            (
                items,
                next.map(|(time, id)| pagination::next_time_cursor(time, id.get())),
            )
        };
        let link = pagination::link("/orders", params.limit, next_cursor.as_deref(), &filters);
        let items = items.into_iter().map(Into::into).collect();
        Ok(ListOrdersResponse::Status200 {
            body: models::OrderPage { items, next_cursor },
            link,
        })
    }

    async fn get_order(&self, _: Caller, params: GetOrderParams) -> Result<GetOrderResponse, Problem> {
        let id = order_id(params.id)?;
        let order = self.store.read(move |view| orders::get(view, id)).await?;
        let e_tag = etag::entity_tag(order.version());
        let (if_match, if_none_match) = (params.if_match.as_deref(), params.if_none_match.as_deref());
        match etag::is_known(if_match, if_none_match, Resource::Order(id), order.version())? {
            true => Ok(GetOrderResponse::Status304 { e_tag }),
            false => Ok(GetOrderResponse::Status200 {
                body: order.into(),
                e_tag,
            }),
        }
    }

    async fn update_order(
        &self,
        _: Caller,
        params: UpdateOrderParams,
        body: models::OrderUpdate,
    ) -> Result<UpdateOrderResponse, Problem> {
        let id = order_id(params.id)?;
        let models::OrderUpdate {
            status,
            quantity,
            reference,
        } = body;
        let change = OrderChange {
            status: status.map(Into::into),
            quantity: at_pointer("/quantity", quantity.map(Quantity::new).transpose())?,
            reference: at_pointer("/reference", reference.map(Reference::new).transpose())?,
        };
        let now = self.clock.now();
        let expected = etag::expected(params.if_match.as_deref(), params.if_none_match.as_deref())?;
        let update = move |tx: &mut dyn Tx| orders::update(tx, id, &expected, change.clone(), now);
        let order = self.write_then(update, after_commit::order_updated).await?.order;
        let e_tag = etag::entity_tag(order.version());
        Ok(UpdateOrderResponse::Status200 {
            body: order.into(),
            e_tag,
        })
    }

    async fn delete_order(&self, _: Caller, params: DeleteOrderParams) -> Result<DeleteOrderResponse, Problem> {
        let id = order_id(params.id)?;
        let now = self.clock.now();
        let expected = etag::expected(params.if_match.as_deref(), params.if_none_match.as_deref())?;
        self.write(move |tx| orders::delete(tx, id, &expected, now)).await?;
        Ok(DeleteOrderResponse::Status204)
    }
}

fn order_id(id: i64) -> Result<OrderId, Problem> {
    parameter("id", OrderId::new(id))
}

impl From<Order> for models::Order {
    fn from(order: Order) -> Self {
        let state = order.state();
        Self {
            id: order.id().get(),
            reference: order.reference().map(Reference::to_string),
            product_id: order.product_id().get(),
            product: None,
            quantity: order.quantity().get(),
            unit_price: Decimal::from_hundredths(order.unit_price().cents()),
            total: Decimal::from_hundredths(order.total().cents()),
            status: order.status().into(),
            refund_due: order.refund_due(),
            created_at: order.created_at().into(),
            updated_at: order.updated_at().into(),
            expires_at: state.expires_at().map(Into::into),
            paid_at: state.paid_at().map(Into::into),
            shipped_at: state.shipped_at().map(Into::into),
            canceled_at: state.canceled_at().map(Into::into),
        }
    }
}

impl From<ListedOrder> for models::Order {
    fn from(listed: ListedOrder) -> Self {
        Self {
            product: listed.product.map(Into::into),
            ..listed.order.into()
        }
    }
}

same_variants! { Status, models::OrderStatus: Pending, Paid, Shipped, Canceled }
