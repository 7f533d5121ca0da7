//! The operations tagged Products: they translate, and nothing else.

use axum::body::Bytes;
use orders_inventory_api::apis::products::{
    CreateProductParams, CreateProductResponse, CreateStockMovementParams, CreateStockMovementResponse,
    DeleteProductParams, DeleteProductResponse, GetProductParams, GetProductResponse, ListProductsParams,
    ListProductsResponse, ListStockMovementsParams, ListStockMovementsResponse, Products, UpdateProductParams,
    UpdateProductResponse,
};
use orders_inventory_api::models;
use orders_inventory_api::types::Decimal;

use super::auth::Caller;
use super::idempotency::{Address, Answer, Created, Request};
use super::problem::{at_pointer, parameter};
use super::{Problem, Service, etag, pagination};
use crate::app::{products, stock};
use crate::domain::{
    Delta, Money, MovementId, NewProduct, Note, OrderId, Price, Product, ProductChange, ProductId, ProductName, Reason,
    Sku, Stock, StockMovement,
};
use crate::store::{Store, Tx};

impl<S: Store> Products for Service<S> {
    async fn create_product(
        &self,
        caller: Caller,
        params: CreateProductParams,
        body: models::NewProduct,
        bytes: Bytes,
    ) -> Result<CreateProductResponse, Problem> {
        let new = NewProduct {
            sku: at_pointer("/sku", Sku::new(body.sku))?,
            name: at_pointer("/name", ProductName::new(body.name))?,
            price: price(body.price)?,
            stock: at_pointer("/stock", Stock::new(body.stock))?,
        };
        let now = self.clock.now();
        let request = Request {
            caller,
            key: params.idempotency_key,
            path: "/products".to_owned(),
            body: bytes,
            now,
        };
        let create = move |tx: &mut dyn Tx| {
            let product = products::create(tx, &new, now)?;
            let location = format!("/products/{}", product.id);
            let address = Some(Address {
                location,
                e_tag: etag::entity_tag(product.version),
            });
            Ok(Created {
                body: models::Product::from(product),
                address,
            })
        };
        let (body, address, idempotency_replayed) = self.create(request, create).await?.addressed()?;
        let Address { location, e_tag } = address;
        Ok(CreateProductResponse::Status201 {
            body,
            location,
            e_tag,
            idempotency_replayed,
        })
    }

    async fn list_products(&self, params: ListProductsParams) -> Result<ListProductsResponse, Problem> {
        let after = pagination::cursor(params.cursor.as_deref(), ProductId::new)?;
        let sku = params.sku.map(Sku::new).transpose();
        let sku = parameter("sku", sku)?;
        let limit = usize::try_from(params.limit).unwrap_or_default();
        let filter = sku.clone();
        let found = self
            .store
            .read(move |view| products::list(view, filter.as_ref(), after, limit))
            .await?;
        let next_cursor = found.next.map(|id| pagination::next_cursor(id.get()));
        let filters = [("sku", sku.as_ref().map(Sku::as_str))];
        let link = pagination::link("/products", params.limit, next_cursor.as_deref(), &filters);
        let items = found.items.into_iter().map(Into::into).collect();
        Ok(ListProductsResponse::Status200 {
            body: models::ProductPage { items, next_cursor },
            link,
        })
    }

    async fn get_product(&self, params: GetProductParams) -> Result<GetProductResponse, Problem> {
        let id = product_id(params.id)?;
        let product = self.store.read(move |view| products::get(view, id)).await?;
        let e_tag = etag::entity_tag(product.version);
        match etag::is_known(params.if_none_match.as_deref(), product.version)? {
            true => Ok(GetProductResponse::Status304 { e_tag }),
            false => Ok(GetProductResponse::Status200 {
                body: product.into(),
                e_tag,
            }),
        }
    }

    async fn update_product(
        &self,
        _: Caller,
        params: UpdateProductParams,
        body: models::ProductUpdate,
    ) -> Result<UpdateProductResponse, Problem> {
        let id = product_id(params.id)?;
        let change = ProductChange {
            sku: at_pointer("/sku", body.sku.map(Sku::new).transpose())?,
            name: at_pointer("/name", body.name.map(ProductName::new).transpose())?,
            price: body.price.map(price).transpose()?,
            stock: at_pointer("/stock", body.stock.map(Stock::new).transpose())?,
        };
        let expected = etag::if_match(params.if_match.as_deref())?;
        let now = self.clock.now();
        let product = self
            .write(move |tx| products::update(tx, id, &expected, &change, now))
            .await?;
        let e_tag = etag::entity_tag(product.version);
        Ok(UpdateProductResponse::Status200 {
            body: product.into(),
            e_tag,
        })
    }

    async fn delete_product(&self, _: Caller, params: DeleteProductParams) -> Result<DeleteProductResponse, Problem> {
        let id = product_id(params.id)?;
        let expected = etag::if_match(params.if_match.as_deref())?;
        self.write(move |tx| products::delete(tx, id, &expected)).await?;
        Ok(DeleteProductResponse::Status204)
    }

    async fn list_stock_movements(
        &self,
        _: Caller,
        params: ListStockMovementsParams,
    ) -> Result<ListStockMovementsResponse, Problem> {
        let id = product_id(params.id)?;
        let before = pagination::cursor(params.cursor.as_deref(), MovementId::new)?;
        let limit = usize::try_from(params.limit).unwrap_or_default();
        let found = self
            .store
            .read(move |view| stock::list(view, id, before, limit))
            .await?;
        let next_cursor = found.next.map(|id| pagination::next_cursor(id.get()));
        let path = format!("/products/{id}/stock-movements");
        let link = pagination::link(&path, params.limit, next_cursor.as_deref(), &[]);
        let items = found.items.into_iter().map(Into::into).collect();
        Ok(ListStockMovementsResponse::Status200 {
            body: models::StockMovementPage { items, next_cursor },
            link,
        })
    }

    async fn create_stock_movement(
        &self,
        caller: Caller,
        params: CreateStockMovementParams,
        body: models::NewStockMovement,
        bytes: Bytes,
    ) -> Result<CreateStockMovementResponse, Problem> {
        let id = product_id(params.id)?;
        let delta = at_pointer("/delta", Delta::new(body.delta))?;
        let note = body.note.map(Note::new);
        let now = self.clock.now();
        let path = format!("/products/{id}/stock-movements");
        let request = Request {
            caller,
            key: params.idempotency_key,
            path,
            body: bytes,
            now,
        };
        let create = move |tx: &mut dyn Tx| {
            let movement = stock::adjust(tx, id, delta, note.as_ref(), now)?;
            Ok(Created {
                body: models::StockMovement::from(movement),
                address: None,
            })
        };
        let Answer {
            body,
            address: _,
            idempotency_replayed,
        } = self.create(request, create).await?;
        Ok(CreateStockMovementResponse::Status201 {
            body,
            idempotency_replayed,
        })
    }
}

fn product_id(id: i64) -> Result<ProductId, Problem> {
    parameter("id", ProductId::new(id))
}

fn price(number: Decimal) -> Result<Price, Problem> {
    // The contract takes hundredths only, so a number that is none, or too large for an i64 of them, is one it missed.
    let cents = number
        .in_units(2)
        .ok_or_else(|| Problem::invalid_pointer("/price", "must be an amount of money"))?;
    at_pointer("/price", Price::new(Money::from_cents(cents)))
}

impl From<Product> for models::Product {
    fn from(product: Product) -> Self {
        let Product {
            id,
            sku,
            name,
            price,
            stock,
            created_at,
            updated_at,
            version: _,
        } = product;
        Self {
            id: id.get(),
            sku: sku.into_string(),
            name: name.into_string(),
            price: Decimal::from_hundredths(price.cents()),
            stock: stock.get(),
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

impl From<StockMovement> for models::StockMovement {
    fn from(movement: StockMovement) -> Self {
        let StockMovement {
            id,
            product_id,
            delta,
            stock_after,
            reason,
            note,
            created_at,
        } = movement;
        Self {
            id: id.get(),
            product_id: product_id.get(),
            delta: delta.get(),
            stock_after: stock_after.get(),
            reason: reason.into(),
            order_id: reason.order_id().map(OrderId::get),
            note: note.map(Note::into_string),
            created_at: created_at.into(),
        }
    }
}

impl From<Reason> for models::MovementReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Initial => Self::Initial,
            Reason::Adjustment => Self::Adjustment,
            Reason::OrderPlaced(_) => Self::OrderPlaced,
            Reason::OrderChanged(_) => Self::OrderChanged,
            Reason::OrderCanceled(_) => Self::OrderCanceled,
            Reason::OrderExpired(_) => Self::OrderExpired,
            Reason::OrderDeleted(_) => Self::OrderDeleted,
        }
    }
}
