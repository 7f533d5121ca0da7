//! The operations tagged Products: they translate, and nothing else.

use orders_inventory_api::apis::products::{
    CreateProductResponse, CreateStockMovementParams, CreateStockMovementResponse, DeleteProductParams,
    DeleteProductResponse, GetProductParams, GetProductResponse, ListProductsParams, ListProductsResponse,
    ListStockMovementsParams, ListStockMovementsResponse, Products, UpdateProductParams, UpdateProductResponse,
};
use orders_inventory_api::models;
use orders_inventory_api::types::Decimal;

use super::problem::{at_pointer, parameter};
use super::{Problem, Service, page};
use crate::app::{products, stock};
use crate::domain::{
    Delta, Money, MovementId, NewProduct, Note, OrderId, Price, Product, ProductChange, ProductId, ProductName, Reason,
    Sku, Stock, StockMovement,
};
use crate::store::Store;

impl<S: Store> Products for Service<S> {
    async fn create_product(&self, body: models::NewProduct) -> Result<CreateProductResponse, Problem> {
        let new = NewProduct {
            sku: at_pointer("/sku", Sku::new(body.sku))?,
            name: at_pointer("/name", ProductName::new(body.name))?,
            price: price(body.price)?,
            stock: at_pointer("/stock", Stock::new(body.stock))?,
        };
        let now = self.clock.now();
        let product = self.store.write(move |tx| products::create(tx, &new, now)).await?;
        let location = format!("/products/{}", product.id);
        Ok(CreateProductResponse::Status201 {
            body: product.into(),
            location,
        })
    }

    async fn list_products(&self, params: ListProductsParams) -> Result<ListProductsResponse, Problem> {
        let after = page::cursor(params.cursor.as_deref(), ProductId::new)?;
        let sku = params.sku.map(Sku::new).transpose();
        let sku = parameter("sku", sku)?;
        let limit = usize::try_from(params.limit).unwrap_or_default();
        let filter = sku.clone();
        let found = self
            .store
            .read(move |view| products::list(view, filter.as_ref(), after, limit))
            .await?;
        let next_cursor = found.next.map(|id| page::next_cursor(id.get()));
        let filters = [("sku", sku.as_ref().map(Sku::as_str))];
        let link = page::link("/products", params.limit, next_cursor.as_deref(), &filters);
        let items = found.items.into_iter().map(Into::into).collect();
        Ok(ListProductsResponse::Status200 {
            body: models::ProductPage { items, next_cursor },
            link,
        })
    }

    async fn get_product(&self, params: GetProductParams) -> Result<GetProductResponse, Problem> {
        let id = product_id(params.id)?;
        let product = self.store.read(move |view| products::get(view, id)).await?;
        Ok(GetProductResponse::Status200 { body: product.into() })
    }

    async fn update_product(
        &self,
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
        let now = self.clock.now();
        let product = self
            .store
            .write(move |tx| products::update(tx, id, &change, now))
            .await?;
        Ok(UpdateProductResponse::Status200 { body: product.into() })
    }

    async fn delete_product(&self, params: DeleteProductParams) -> Result<DeleteProductResponse, Problem> {
        let id = product_id(params.id)?;
        self.store.write(move |tx| products::delete(tx, id)).await?;
        Ok(DeleteProductResponse::Status204)
    }

    async fn list_stock_movements(
        &self,
        params: ListStockMovementsParams,
    ) -> Result<ListStockMovementsResponse, Problem> {
        let id = product_id(params.id)?;
        let before = page::cursor(params.cursor.as_deref(), MovementId::new)?;
        let limit = usize::try_from(params.limit).unwrap_or_default();
        let found = self
            .store
            .read(move |view| stock::list(view, id, before, limit))
            .await?;
        let next_cursor = found.next.map(|id| page::next_cursor(id.get()));
        let path = format!("/products/{id}/stock-movements");
        let link = page::link(&path, params.limit, next_cursor.as_deref(), &[]);
        let items = found.items.into_iter().map(Into::into).collect();
        Ok(ListStockMovementsResponse::Status200 {
            body: models::StockMovementPage { items, next_cursor },
            link,
        })
    }

    async fn create_stock_movement(
        &self,
        params: CreateStockMovementParams,
        body: models::NewStockMovement,
    ) -> Result<CreateStockMovementResponse, Problem> {
        let id = product_id(params.id)?;
        let delta = at_pointer("/delta", Delta::new(body.delta))?;
        let note = body.note.map(Note::new);
        let now = self.clock.now();
        let movement = self
            .store
            .write(move |tx| stock::adjust(tx, id, delta, note.as_ref(), now))
            .await?;
        Ok(CreateStockMovementResponse::Status201 { body: movement.into() })
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
            Reason::OrderDeleted(_) => Self::OrderDeleted,
        }
    }
}
