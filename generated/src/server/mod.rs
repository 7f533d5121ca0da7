//! The router: a request's way to its operation. What is wrong with a request is found here, all of it at once.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing;

use crate::apis::{Api, operations, orders, products};
use crate::models;
use crate::read::{self, Failures};

/// Routes every operation of the contract to `api`. Other paths and methods are left to the router that this one is
/// merged into.
pub fn router<A>(api: A) -> Router
where
    A: Api + operations::Operations + orders::Orders + products::Products,
{
    Router::new()
        .route("/healthz", routing::get(get_health::<A>))
        .route("/problems/{name}", routing::get(get_problem::<A>))
        .route("/readyz", routing::get(get_readiness::<A>))
        .route("/problems", routing::get(list_problems::<A>))
        .route("/orders", routing::post(create_order::<A>))
        .route("/orders/{id}", routing::delete(delete_order::<A>))
        .route("/orders/{id}", routing::get(get_order::<A>))
        .route("/orders", routing::get(list_orders::<A>))
        .route("/orders/{id}", routing::put(update_order::<A>))
        .route("/products", routing::post(create_product::<A>))
        .route(
            "/products/{id}/stock-movements",
            routing::post(create_stock_movement::<A>),
        )
        .route("/products/{id}", routing::delete(delete_product::<A>))
        .route("/products/{id}", routing::get(get_product::<A>))
        .route("/products", routing::get(list_products::<A>))
        .route(
            "/products/{id}/stock-movements",
            routing::get(list_stock_movements::<A>),
        )
        .route("/products/{id}", routing::put(update_product::<A>))
        .with_state(api)
}

async fn get_health<A: operations::Operations>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    read::refuse_query(&request, &mut failures);
    failures.accept(Some(()))?;
    let answer = api.get_health().await?;
    Ok(answer.into_response()?)
}

async fn get_problem<A: operations::Operations>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, _) = request.into_parts();
    let params = operations::GetProblemParams::read(&mut parts, &mut failures).await;
    let params = failures.accept(params)?;
    let answer = api.get_problem(params).await?;
    Ok(answer.into_response()?)
}

async fn get_readiness<A: operations::Operations>(
    State(api): State<A>,
    request: Request,
) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    read::refuse_query(&request, &mut failures);
    failures.accept(Some(()))?;
    let answer = api.get_readiness().await?;
    Ok(answer.into_response()?)
}

async fn list_problems<A: operations::Operations>(
    State(api): State<A>,
    request: Request,
) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    read::refuse_query(&request, &mut failures);
    failures.accept(Some(()))?;
    let answer = api.list_problems().await?;
    Ok(answer.into_response()?)
}

async fn create_order<A: orders::Orders>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    read::refuse_query(&request, &mut failures);
    let body = read::body::<models::NewOrder>(request, &mut failures).await?;
    let body = failures.accept(body)?;
    let answer = api.create_order(body).await?;
    Ok(answer.into_response()?)
}

async fn delete_order<A: orders::Orders>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, _) = request.into_parts();
    let params = orders::DeleteOrderParams::read(&mut parts, &mut failures).await;
    let params = failures.accept(params)?;
    let answer = api.delete_order(params).await?;
    Ok(answer.into_response()?)
}

async fn get_order<A: orders::Orders>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, _) = request.into_parts();
    let params = orders::GetOrderParams::read(&mut parts, &mut failures).await;
    let params = failures.accept(params)?;
    let answer = api.get_order(params).await?;
    Ok(answer.into_response()?)
}

async fn list_orders<A: orders::Orders>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, _) = request.into_parts();
    let params = orders::ListOrdersParams::read(&mut parts, &mut failures).await;
    let params = failures.accept(params)?;
    let answer = api.list_orders(params).await?;
    Ok(answer.into_response()?)
}

async fn update_order<A: orders::Orders>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, body) = request.into_parts();
    let params = orders::UpdateOrderParams::read(&mut parts, &mut failures).await;
    let request = Request::from_parts(parts, body);
    let body = read::body::<models::OrderUpdate>(request, &mut failures).await?;
    let (params, body) = failures.accept(params.zip(body))?;
    let answer = api.update_order(params, body).await?;
    Ok(answer.into_response()?)
}

async fn create_product<A: products::Products>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    read::refuse_query(&request, &mut failures);
    let body = read::body::<models::NewProduct>(request, &mut failures).await?;
    let body = failures.accept(body)?;
    let answer = api.create_product(body).await?;
    Ok(answer.into_response()?)
}

async fn create_stock_movement<A: products::Products>(
    State(api): State<A>,
    request: Request,
) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, body) = request.into_parts();
    let params = products::CreateStockMovementParams::read(&mut parts, &mut failures).await;
    let request = Request::from_parts(parts, body);
    let body = read::body::<models::NewStockMovement>(request, &mut failures).await?;
    let (params, body) = failures.accept(params.zip(body))?;
    let answer = api.create_stock_movement(params, body).await?;
    Ok(answer.into_response()?)
}

async fn delete_product<A: products::Products>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, _) = request.into_parts();
    let params = products::DeleteProductParams::read(&mut parts, &mut failures).await;
    let params = failures.accept(params)?;
    let answer = api.delete_product(params).await?;
    Ok(answer.into_response()?)
}

async fn get_product<A: products::Products>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, _) = request.into_parts();
    let params = products::GetProductParams::read(&mut parts, &mut failures).await;
    let params = failures.accept(params)?;
    let answer = api.get_product(params).await?;
    Ok(answer.into_response()?)
}

async fn list_products<A: products::Products>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, _) = request.into_parts();
    let params = products::ListProductsParams::read(&mut parts, &mut failures).await;
    let params = failures.accept(params)?;
    let answer = api.list_products(params).await?;
    Ok(answer.into_response()?)
}

async fn list_stock_movements<A: products::Products>(
    State(api): State<A>,
    request: Request,
) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, _) = request.into_parts();
    let params = products::ListStockMovementsParams::read(&mut parts, &mut failures).await;
    let params = failures.accept(params)?;
    let answer = api.list_stock_movements(params).await?;
    Ok(answer.into_response()?)
}

async fn update_product<A: products::Products>(State(api): State<A>, request: Request) -> Result<Response, A::Error> {
    let mut failures = Failures::default();
    let (mut parts, body) = request.into_parts();
    let params = products::UpdateProductParams::read(&mut parts, &mut failures).await;
    let request = Request::from_parts(parts, body);
    let body = read::body::<models::ProductUpdate>(request, &mut failures).await?;
    let (params, body) = failures.accept(params.zip(body))?;
    let answer = api.update_product(params, body).await?;
    Ok(answer.into_response()?)
}
