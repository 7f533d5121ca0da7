//! The operations tagged Products. They translate between the contract's types and the domain's; rules are in `app` and
//! `domain`.

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
use super::idempotency::{Address, Created, Request};
use super::problem::{at_pointer, parameter};
use super::{Problem, Service, etag, pagination};
use crate::app::products::{self, ProductFilter};
use crate::app::stock;
use crate::domain::{
    Delta, Money, MovementId, NewProduct, Note, OrderId, Price, Product, ProductChange, ProductId, ProductName, Reason,
    Reference, Resource, SearchText, Sku, Stock, StockMovement, Timestamp,
};
use crate::store::{Store, Tx, View};

impl<S: Store> Products for Service<S> {
    async fn create_product(
        &self,
        caller: Caller,
        params: CreateProductParams,
        body: models::NewProduct,
        bytes: Bytes,
    ) -> Result<CreateProductResponse, Problem> {
        let models::NewProduct {
            sku,
            name,
            price: amount,
            stock,
        } = body;
        let new = NewProduct {
            sku: at_pointer("/sku", Sku::new(sku))?,
            name: at_pointer("/name", ProductName::new(name))?,
            price: price(amount)?,
            stock: at_pointer("/stock", Stock::new(stock))?,
        };
        let now = self.clock.now();
        let request = Request::new(caller, params.idempotency_key, "/products", bytes, now);
        let create = move |tx: &mut dyn Tx| {
            let product = products::create(tx, &new, now)?;
            let location = format!("/products/{}", product.id);
            Ok(Created::at(location, product.version, models::Product::from(product)))
        };
        let (body, address, idempotency_replayed) = self.create(request, create, || ()).await?.addressed()?;
        let Address { location, e_tag } = address;
        Ok(CreateProductResponse::Status201 {
            body,
            location,
            e_tag,
            idempotency_replayed,
        })
    }

    async fn list_products(&self, params: ListProductsParams) -> Result<ListProductsResponse, Problem> {
        let filter = ProductFilter {
            sku: parameter("sku", params.sku.map(Sku::new).transpose())?,
            text: parameter("q", params.q.map(SearchText::new).transpose())?,
        };
        let (sku, text) = (filter.sku.clone(), filter.text.clone());
        let from_text = params.updated_from.map(|time| time.to_string());
        let filters = [
            ("sku", sku.as_ref().map(Sku::as_str)),
            ("q", text.as_ref().map(SearchText::as_str)),
            ("updated_from", from_text.as_deref()),
        ];
        // A text may be in few products of many, or in many that have to be sorted.
        let is_scan = text.is_some();
        let (cursor, limit) = (
            params.cursor.as_deref(),
            usize::try_from(params.limit).unwrap_or_default(),
        );
        let (items, next_cursor) = match params.updated_from.map(Timestamp::from) {
            None => {
                let after = pagination::cursor(cursor, ProductId::new)?;
                let list = move |view: &dyn View| products::list(view, &filter, after, limit);
                let found = self.look_up(is_scan, list).await?;
                (found.items, found.next.map(|id| pagination::next_cursor(id.get())))
            }
            Some(from) => {
                let after = pagination::time_cursor(cursor, ProductId::new)?;
                let list = move |view: &dyn View| products::list_by_change(view, &filter, from, after, limit);
                let found = self.look_up(is_scan, list).await?;
                let next = found
                    .next
                    .map(|(time, id)| pagination::next_time_cursor(time, id.get()));
                (found.items, next)
            }
        };
        let link = pagination::link("/products", params.limit, next_cursor.as_deref(), &filters);
        let items = items.into_iter().map(Into::into).collect();
        Ok(ListProductsResponse::Status200 {
            body: models::ProductPage { items, next_cursor },
            link,
        })
    }

    async fn get_product(&self, params: GetProductParams) -> Result<GetProductResponse, Problem> {
        let id = product_id(params.id)?;
        let product = self.store.read(move |view| products::get(view, id)).await?;
        let e_tag = etag::entity_tag(product.version);
        let (if_match, if_none_match) = (params.if_match.as_deref(), params.if_none_match.as_deref());
        match etag::is_known(if_match, if_none_match, Resource::Product(id), product.version)? {
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
        let change = change(body)?;
        let expected = etag::expected(params.if_match.as_deref(), params.if_none_match.as_deref())?;
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
        let expected = etag::expected(params.if_match.as_deref(), params.if_none_match.as_deref())?;
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
        let ledger = self
            .store
            .read(move |view| stock::list(view, id, before, limit))
            .await?;
        let next_cursor = ledger.page.next.map(|id| pagination::next_cursor(id.get()));
        let path = format!("/products/{id}/stock-movements");
        let filters = [("expand", params.expand.map(models::Expansion::as_str))];
        let link = pagination::link(&path, params.limit, next_cursor.as_deref(), &filters);
        let product: Option<models::ProductSummary> = params.expand.map(|_| ledger.product.into());
        let items = ledger.page.items.into_iter().map(|movement| {
            let order_id = movement.reason.order_id();
            models::StockMovement {
                product: product.clone(),
                order_reference: order_id
                    .and_then(|id| ledger.references.get(&id))
                    .map(Reference::to_string),
                ..movement.into()
            }
        });
        let items = items.collect();
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
        let models::NewStockMovement { delta, note } = body;
        let delta = at_pointer("/delta", Delta::new(delta))?;
        let note = at_pointer("/note", note.map(Note::new).transpose())?;
        let now = self.clock.now();
        let path = format!("/products/{id}/stock-movements");
        let request = Request::new(caller, params.idempotency_key, path, bytes, now);
        let create = move |tx: &mut dyn Tx| {
            let movement = stock::adjust(tx, id, delta, note.as_ref(), now)?;
            Ok(Created {
                body: models::StockMovement::from(movement),
                address: None,
            })
        };
        let created = self.create(request, create, || ()).await?;
        Ok(CreateStockMovementResponse::Status201 {
            body: created.body,
            idempotency_replayed: created.idempotency_replayed,
        })
    }
}

fn product_id(id: i64) -> Result<ProductId, Problem> {
    parameter("id", ProductId::new(id))
}

/// What a body changes about a product.
pub(super) fn change(body: models::ProductUpdate) -> Result<ProductChange, Problem> {
    let models::ProductUpdate {
        sku,
        name,
        price: amount,
        stock,
    } = body;
    Ok(ProductChange {
        sku: at_pointer("/sku", sku.map(Sku::new).transpose())?,
        name: at_pointer("/name", name.map(ProductName::new).transpose())?,
        price: amount.map(price).transpose()?,
        stock: at_pointer("/stock", stock.map(Stock::new).transpose())?,
    })
}

fn price(number: Decimal) -> Result<Price, Problem> {
    // The contract accepts whole hundredths within bounds only, so this refuses nothing that the contract let pass.
    let cents = number
        .in_units(2)
        .ok_or_else(|| Problem::invalid_pointer("/price", "must be an amount of money"))?;
    at_pointer("/price", Price::new(Money::from_cents(cents)))
}

impl From<Product> for models::Product {
    fn from(product: Product) -> Self {
        Self {
            id: product.id.get(),
            sku: product.sku.into_string(),
            name: product.name.into_string(),
            price: Decimal::from_hundredths(product.price.cents()),
            stock: product.stock.get(),
            created_at: product.created_at.into(),
            updated_at: product.updated_at.into(),
        }
    }
}

impl From<Product> for models::ProductSummary {
    fn from(product: Product) -> Self {
        Self {
            sku: product.sku.into_string(),
            name: product.name.into_string(),
        }
    }
}

impl From<StockMovement> for models::StockMovement {
    fn from(movement: StockMovement) -> Self {
        Self {
            id: movement.id.get(),
            product_id: movement.product_id.get(),
            product: None,
            delta: movement.delta.get(),
            stock_after: movement.stock_after.get(),
            reason: movement.reason.into(),
            order_id: movement.reason.order_id().map(OrderId::get),
            order_reference: None,
            note: movement.note.map(Note::into_string),
            created_at: movement.created_at.into(),
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
