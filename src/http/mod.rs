//! The way in and out: it turns requests into use cases and what comes back into answers.
//!
//! Here, and only here, are status codes, the generated types, and the clock: everything below gets `now` as a value.
//! It decides nothing about products and orders, and it holds no SQL.
//!
//! - [`layers`]: what every request passes: its id, its log line, the catching of panics, its body within limits;
//! - [`problem`]: the one shape of every error, and the pages that explain them;
//! - `products`, `orders`, `operations`: the operations of each tag;
//! - `page`: cursors and the links between pages;
//! - [`docs`]: the documentation.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use orders_inventory_api::apis::Api;
use orders_inventory_api::{server, types};
use tower_http::catch_panic::CatchPanicLayer;

use crate::domain::Timestamp;
use crate::store::Store;

pub mod docs;
pub mod layers;
mod operations;
mod orders;
mod page;
pub mod problem;
mod products;

pub use layers::Limits;
pub use problem::Problem;

/// Tells the time, to the millisecond.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// A clock that shows what `now` says.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl From<Timestamp> for types::Timestamp {
    fn from(instant: Timestamp) -> Self {
        Self::from_unix_ms(instant.millis())
    }
}

/// The operations of the contract, over a store.
#[derive(Clone)]
struct Service<S> {
    store: S,
    clock: Clock,
}

impl<S: Store> Api for Service<S> {
    type Error = Problem;
}

/// The service: every operation of the contract, its documentation, and a problem for every other path and method.
pub fn router<S: Store>(store: S, clock: Clock, limits: Limits) -> Router {
    let operations = server::router(Service { store, clock });
    operations
        .route_layer(from_fn_with_state(limits, layers::buffer_body))
        .merge(docs::router(not_found))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(CatchPanicLayer::custom(layers::answer_panic))
        .layer(from_fn(layers::observe))
}

fn not_found() -> Response {
    Problem::not_found().into_response()
}
