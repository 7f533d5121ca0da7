//! A request's way to its operation. What is wrong with a request is found here, all of it at once.

#![allow(unused_imports, reason = "one list of imports serves every contract")]

use std::pin::Pin;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};

use crate::apis::{Api, SecurityScheme, operations, orders, products, webhooks};
use crate::models;
use crate::read::{self, Failures};

/// The paths of the contract.
#[derive(Debug)]
pub struct Paths<A>(Vec<Path<A>>);

/// A path of the contract, with its operations.
#[derive(Debug)]
pub struct Path<A> {
    template: &'static str,
    /// The template without its parameters: what stands before the first, between them, and after the last.
    words: Vec<&'static str>,
    operations: Vec<(Method, Operation<A>)>,
}

/// An operation: it answers every request, also one that it refuses.
pub type Operation<A> = fn(A, Request) -> Answering;

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<A> Paths<A>
where
    A: Api + operations::Operations + orders::Orders + products::Products + webhooks::Webhooks,
{
    /// All of them.
    pub fn all() -> Self {
        let operations: Vec<(&'static str, Method, Operation<A>)> = vec![
            ("/healthz", Method::GET, |api, request| {
                Box::pin(async { answer(get_health(api, request).await) })
            }),
            ("/problems/{name}", Method::GET, |api, request| {
                Box::pin(async { answer(get_problem(api, request).await) })
            }),
            ("/readyz", Method::GET, |api, request| {
                Box::pin(async { answer(get_readiness(api, request).await) })
            }),
            ("/problems", Method::GET, |api, request| {
                Box::pin(async { answer(list_problems(api, request).await) })
            }),
            ("/orders", Method::POST, |api, request| {
                Box::pin(async { answer(create_order(api, request).await) })
            }),
            ("/orders/{id}", Method::DELETE, |api, request| {
                Box::pin(async { answer(delete_order(api, request).await) })
            }),
            ("/orders/{id}", Method::GET, |api, request| {
                Box::pin(async { answer(get_order(api, request).await) })
            }),
            ("/orders", Method::GET, |api, request| {
                Box::pin(async { answer(list_orders(api, request).await) })
            }),
            ("/orders/{id}", Method::PUT, |api, request| {
                Box::pin(async { answer(update_order(api, request).await) })
            }),
            ("/products", Method::POST, |api, request| {
                Box::pin(async { answer(create_product(api, request).await) })
            }),
            ("/products/{id}/stock-movements", Method::POST, |api, request| {
                Box::pin(async { answer(create_stock_movement(api, request).await) })
            }),
            ("/products/{id}", Method::DELETE, |api, request| {
                Box::pin(async { answer(delete_product(api, request).await) })
            }),
            ("/products/{id}", Method::GET, |api, request| {
                Box::pin(async { answer(get_product(api, request).await) })
            }),
            ("/products", Method::GET, |api, request| {
                Box::pin(async { answer(list_products(api, request).await) })
            }),
            ("/products/{id}/stock-movements", Method::GET, |api, request| {
                Box::pin(async { answer(list_stock_movements(api, request).await) })
            }),
            ("/products/{id}", Method::PUT, |api, request| {
                Box::pin(async { answer(update_product(api, request).await) })
            }),
            ("/payment-events", Method::GET, |api, request| {
                Box::pin(async { answer(list_payment_events(api, request).await) })
            }),
            ("/webhooks/payment", Method::POST, |api, request| {
                Box::pin(async { answer(receive_payment_event(api, request).await) })
            }),
        ];
        let mut paths: Vec<Path<A>> = Vec::new();
        for (template, method, operation) in operations {
            match paths.iter_mut().find(|path| path.template == template) {
                Some(path) => path.operations.push((method, operation)),
                None => paths.push(Path {
                    template,
                    words: words(template),
                    operations: vec![(method, operation)],
                }),
            }
        }
        // A plain word is what was meant where a parameter would fit as well.
        paths.sort_by_key(|path| {
            path.template
                .split('/')
                .map(|part| part.starts_with('{'))
                .collect::<Vec<_>>()
        });
        Self(paths)
    }
}

impl<A> Paths<A> {
    /// The one that the path of a request fits.
    pub fn find(&self, path: &str) -> Option<&Path<A>> {
        self.0.iter().find(|known| known.fits(path))
    }
}

impl<A> Path<A> {
    /// The path as the contract writes it.
    pub fn template(&self) -> &'static str {
        self.template
    }

    /// The operation of this method. HEAD is GET, and whoever sends the answer leaves out its body.
    pub fn operation(&self, method: &Method) -> Option<Operation<A>> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let operation = self.operations.iter().find(|(known, _)| known == method);
        operation.map(|(_, operation)| *operation)
    }

    /// The methods that have an operation, as the header `Allow` names them.
    pub fn allow(&self) -> String {
        let methods = self.operations.iter().map(|(method, _)| method.as_str());
        methods.collect::<Vec<_>>().join(",").replace("GET", "GET,HEAD")
    }

    fn fits(&self, path: &str) -> bool {
        let mut words = self.words.iter();
        let Some(mut rest) = words.next().and_then(|word| path.strip_prefix(word)) else {
            return false;
        };
        for word in words {
            let (part, after) = rest.split_at(read::part_length(rest));
            match after.strip_prefix(word) {
                // At the end there must be something, for what has nothing there is another path.
                Some(after) if !(word.is_empty() && part.is_empty()) => rest = after,
                _ => return false,
            }
        }
        rest.is_empty()
    }
}

fn words(template: &'static str) -> Vec<&'static str> {
    let mut parts = template.split('{');
    let first = parts.next();
    let others = parts.map(|part| part.split_once('}').map_or("", |(_, word)| word));
    first.into_iter().chain(others).collect()
}

fn answer(result: Result<Response, impl IntoResponse>) -> Response {
    result.unwrap_or_else(IntoResponse::into_response)
}

async fn get_health<A: operations::Operations>(api: A, _: Request) -> Result<Response, A::Error> {
    let answer = api.get_health().await?;
    Ok(answer.into_response()?)
}

async fn get_problem<A: operations::Operations>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let mut failures = Failures::default();
    let params = operations::GetProblemParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.get_problem(params).await?;
    Ok(answer.into_response()?)
}

async fn get_readiness<A: operations::Operations>(api: A, _: Request) -> Result<Response, A::Error> {
    let answer = api.get_readiness().await?;
    Ok(answer.into_response()?)
}

async fn list_problems<A: operations::Operations>(api: A, _: Request) -> Result<Response, A::Error> {
    let answer = api.list_problems().await?;
    Ok(answer.into_response()?)
}

async fn create_order<A: orders::Orders>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, body) = request.into_parts();
    let bytes = read::bytes(body).await?;
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &bytes)?;
    let mut failures = Failures::default();
    let params = orders::CreateOrderParams::read(&parts, &mut failures);
    let body = read::json::<models::NewOrder>(&parts, &bytes, &mut failures)?;
    let (params, body) = failures.accept(params.zip(body))?;
    let answer = api.create_order(caller, params, body, bytes).await?;
    Ok(answer.into_response()?)
}

async fn delete_order<A: orders::Orders>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &Bytes::new())?;
    let mut failures = Failures::default();
    let params = orders::DeleteOrderParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.delete_order(caller, params).await?;
    Ok(answer.into_response()?)
}

async fn get_order<A: orders::Orders>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &Bytes::new())?;
    let mut failures = Failures::default();
    let params = orders::GetOrderParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.get_order(caller, params).await?;
    Ok(answer.into_response()?)
}

async fn list_orders<A: orders::Orders>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &Bytes::new())?;
    let mut failures = Failures::default();
    let params = orders::ListOrdersParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.list_orders(caller, params).await?;
    Ok(answer.into_response()?)
}

async fn update_order<A: orders::Orders>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, body) = request.into_parts();
    let bytes = read::bytes(body).await?;
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &bytes)?;
    let mut failures = Failures::default();
    let params = orders::UpdateOrderParams::read(&parts, &mut failures);
    let body = read::json::<models::OrderUpdate>(&parts, &bytes, &mut failures)?;
    let (params, body) = failures.accept(params.zip(body))?;
    let answer = api.update_order(caller, params, body).await?;
    Ok(answer.into_response()?)
}

async fn create_product<A: products::Products>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, body) = request.into_parts();
    let bytes = read::bytes(body).await?;
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &bytes)?;
    let mut failures = Failures::default();
    let params = products::CreateProductParams::read(&parts, &mut failures);
    let body = read::json::<models::NewProduct>(&parts, &bytes, &mut failures)?;
    let (params, body) = failures.accept(params.zip(body))?;
    let answer = api.create_product(caller, params, body, bytes).await?;
    Ok(answer.into_response()?)
}

async fn create_stock_movement<A: products::Products>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, body) = request.into_parts();
    let bytes = read::bytes(body).await?;
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &bytes)?;
    let mut failures = Failures::default();
    let params = products::CreateStockMovementParams::read(&parts, &mut failures);
    let body = read::json::<models::NewStockMovement>(&parts, &bytes, &mut failures)?;
    let (params, body) = failures.accept(params.zip(body))?;
    let answer = api.create_stock_movement(caller, params, body, bytes).await?;
    Ok(answer.into_response()?)
}

async fn delete_product<A: products::Products>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &Bytes::new())?;
    let mut failures = Failures::default();
    let params = products::DeleteProductParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.delete_product(caller, params).await?;
    Ok(answer.into_response()?)
}

async fn get_product<A: products::Products>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let mut failures = Failures::default();
    let params = products::GetProductParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.get_product(params).await?;
    Ok(answer.into_response()?)
}

async fn list_products<A: products::Products>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let mut failures = Failures::default();
    let params = products::ListProductsParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.list_products(params).await?;
    Ok(answer.into_response()?)
}

async fn list_stock_movements<A: products::Products>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &Bytes::new())?;
    let mut failures = Failures::default();
    let params = products::ListStockMovementsParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.list_stock_movements(caller, params).await?;
    Ok(answer.into_response()?)
}

async fn update_product<A: products::Products>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, body) = request.into_parts();
    let bytes = read::bytes(body).await?;
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &bytes)?;
    let mut failures = Failures::default();
    let params = products::UpdateProductParams::read(&parts, &mut failures);
    let body = read::json::<models::ProductUpdate>(&parts, &bytes, &mut failures)?;
    let (params, body) = failures.accept(params.zip(body))?;
    let answer = api.update_product(caller, params, body).await?;
    Ok(answer.into_response()?)
}

async fn list_payment_events<A: webhooks::Webhooks>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, _) = request.into_parts();
    let caller = api.authorize(SecurityScheme::ApiKey, &parts, &Bytes::new())?;
    let mut failures = Failures::default();
    let params = webhooks::ListPaymentEventsParams::read(&parts, &mut failures);
    let params = failures.accept(params)?;
    let answer = api.list_payment_events(caller, params).await?;
    Ok(answer.into_response()?)
}

async fn receive_payment_event<A: webhooks::Webhooks>(api: A, request: Request) -> Result<Response, A::Error> {
    let (parts, body) = request.into_parts();
    let bytes = read::bytes(body).await?;
    let caller = api.authorize(SecurityScheme::WebhookSignature, &parts, &bytes)?;
    let mut failures = Failures::default();
    read::refuse_query(&parts.uri, &mut failures);
    let body = read::json::<models::PaymentEvent>(&parts, &bytes, &mut failures)?;
    let body = failures.accept(body)?;
    let answer = api.receive_payment_event(caller, body).await?;
    Ok(answer.into_response()?)
}
