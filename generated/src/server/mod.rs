//! The router: every operation of the contract is a route. A handler finds all failures of a request at once.

#![allow(unused_imports, reason = "one list of imports serves every contract")]

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};

use crate::apis::{Api, SecurityScheme, operations, orders, products, webhooks};
use crate::models;
use crate::read::{self, Failures};

/// A router with a route for every operation of the contract, which calls `api`.
///
/// Other paths and methods get the router's fallbacks.
pub fn new<A>(api: A) -> Router
where
    A: Api + operations::Operations + orders::Orders + products::Products + webhooks::Webhooks,
{
    Router::new()
        .route("/healthz", get(get_health::<A>))
        .route("/problems/{name}", get(get_problem::<A>))
        .route("/readyz", get(get_readiness::<A>))
        .route("/problems", get(list_problems::<A>))
        .route("/orders", post(create_order::<A>))
        .route("/orders/{id}", delete(delete_order::<A>))
        .route("/orders/{id}", get(get_order::<A>))
        .route("/orders", get(list_orders::<A>))
        .route("/orders/{id}", put(update_order::<A>))
        .route("/products", post(create_product::<A>))
        .route("/products/{id}/stock-movements", post(create_stock_movement::<A>))
        .route("/products/{id}", delete(delete_product::<A>))
        .route("/products/{id}", get(get_product::<A>))
        .route("/products", get(list_products::<A>))
        .route("/products/{id}/stock-movements", get(list_stock_movements::<A>))
        .route("/products/{id}", put(update_product::<A>))
        .route("/payment-events", get(list_payment_events::<A>))
        .route("/payments", get(list_payments::<A>))
        .route("/webhooks/payment", post(receive_payment_event::<A>))
        .route("/webhooks/stripe", post(receive_stripe_event::<A>))
        .with_state(api)
}

fn respond(result: Result<Response, impl IntoResponse>) -> Response {
    result.unwrap_or_else(IntoResponse::into_response)
}

async fn get_health<A: operations::Operations>(State(api): State<A>) -> Response {
    let call = async {
        let response = api.get_health().await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn get_problem<A: operations::Operations>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let mut failures = Failures::default();
        let params = operations::GetProblemParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.get_problem(params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn get_readiness<A: operations::Operations>(State(api): State<A>) -> Response {
    let call = async {
        let response = api.get_readiness().await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn list_problems<A: operations::Operations>(State(api): State<A>) -> Response {
    let call = async {
        let response = api.list_problems().await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn create_order<A: orders::Orders>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, body) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        read::refuse_encoded(&head)?;
        let bytes = api.receive(body, None).await?;
        api.verify(scheme, &head, &bytes)?;
        let mut failures = Failures::default();
        let params = orders::CreateOrderParams::read(&head, &mut failures);
        let body = read::json::<models::NewOrder>(&head, &bytes, &mut failures)?;
        let (params, body) = failures.accept(params.zip(body))?;
        let response = api.create_order(caller, params, body, bytes).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn delete_order<A: orders::Orders>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        let mut failures = Failures::default();
        let params = orders::DeleteOrderParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.delete_order(caller, params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn get_order<A: orders::Orders>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        let mut failures = Failures::default();
        let params = orders::GetOrderParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.get_order(caller, params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn list_orders<A: orders::Orders>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        let mut failures = Failures::default();
        let params = orders::ListOrdersParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.list_orders(caller, params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn update_order<A: orders::Orders>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, body) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        read::refuse_encoded(&head)?;
        let bytes = api.receive(body, None).await?;
        api.verify(scheme, &head, &bytes)?;
        let mut failures = Failures::default();
        let params = orders::UpdateOrderParams::read(&head, &mut failures);
        let body = read::json::<models::OrderUpdate>(&head, &bytes, &mut failures)?;
        let (params, body) = failures.accept(params.zip(body))?;
        let response = api.update_order(caller, params, body).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn create_product<A: products::Products>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, body) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        read::refuse_encoded(&head)?;
        let bytes = api.receive(body, None).await?;
        api.verify(scheme, &head, &bytes)?;
        let mut failures = Failures::default();
        let params = products::CreateProductParams::read(&head, &mut failures);
        let body = read::json::<models::NewProduct>(&head, &bytes, &mut failures)?;
        let (params, body) = failures.accept(params.zip(body))?;
        let response = api.create_product(caller, params, body, bytes).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn create_stock_movement<A: products::Products>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, body) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        read::refuse_encoded(&head)?;
        let bytes = api.receive(body, None).await?;
        api.verify(scheme, &head, &bytes)?;
        let mut failures = Failures::default();
        let params = products::CreateStockMovementParams::read(&head, &mut failures);
        let body = read::json::<models::NewStockMovement>(&head, &bytes, &mut failures)?;
        let (params, body) = failures.accept(params.zip(body))?;
        let response = api.create_stock_movement(caller, params, body, bytes).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn delete_product<A: products::Products>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        let mut failures = Failures::default();
        let params = products::DeleteProductParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.delete_product(caller, params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn get_product<A: products::Products>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let mut failures = Failures::default();
        let params = products::GetProductParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.get_product(params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn list_products<A: products::Products>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let mut failures = Failures::default();
        let params = products::ListProductsParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.list_products(params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn list_stock_movements<A: products::Products>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        let mut failures = Failures::default();
        let params = products::ListStockMovementsParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.list_stock_movements(caller, params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn update_product<A: products::Products>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, body) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        read::refuse_encoded(&head)?;
        let bytes = api.receive(body, None).await?;
        api.verify(scheme, &head, &bytes)?;
        let mut failures = Failures::default();
        let params = products::UpdateProductParams::read(&head, &mut failures);
        let body = read::json::<models::ProductUpdate>(&head, &bytes, &mut failures)?;
        let (params, body) = failures.accept(params.zip(body))?;
        let response = api.update_product(caller, params, body).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn list_payment_events<A: webhooks::Webhooks>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        let mut failures = Failures::default();
        let params = webhooks::ListPaymentEventsParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.list_payment_events(caller, params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn list_payments<A: webhooks::Webhooks>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, _) = request.into_parts();
        let scheme = SecurityScheme::ApiKey;
        let caller = api.authorize(scheme, &head)?;
        let mut failures = Failures::default();
        let params = webhooks::ListPaymentsParams::read(&head, &mut failures);
        let params = failures.accept(params)?;
        let response = api.list_payments(caller, params).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn receive_payment_event<A: webhooks::Webhooks>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, body) = request.into_parts();
        let scheme = SecurityScheme::WebhookSignature;
        let caller = api.authorize(scheme, &head)?;
        read::refuse_encoded(&head)?;
        let bytes = api.receive(body, None).await?;
        api.verify(scheme, &head, &bytes)?;
        let mut failures = Failures::default();
        let params = webhooks::ReceivePaymentEventParams::read(&head, &mut failures);
        let body = read::json::<models::PaymentEvent>(&head, &bytes, &mut failures)?;
        let (params, body) = failures.accept(params.zip(body))?;
        let response = api.receive_payment_event(caller, params, body).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}

async fn receive_stripe_event<A: webhooks::Webhooks>(State(api): State<A>, request: Request) -> Response {
    let call = async {
        let (head, body) = request.into_parts();
        let scheme = SecurityScheme::StripeSignature;
        let caller = api.authorize(scheme, &head)?;
        read::refuse_encoded(&head)?;
        let bytes = api.receive(body, Some(262144)).await?;
        api.verify(scheme, &head, &bytes)?;
        let mut failures = Failures::default();
        let params = webhooks::ReceiveStripeEventParams::read(&head, &mut failures);
        let body = read::json::<models::StripeEvent>(&head, &bytes, &mut failures)?;
        let (params, body) = failures.accept(params.zip(body))?;
        let response = api.receive_stripe_event(caller, params, body).await?;
        Ok::<_, A::Error>(response.into_response()?)
    };
    respond(call.await)
}
