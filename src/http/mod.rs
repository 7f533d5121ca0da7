//! The way in and out: it turns requests into use cases and what comes back into answers.
//!
//! Here, and only here, are status codes, the generated types, and the clock: everything below gets `now` as a value.
//! It decides nothing about products and orders, and it holds no SQL.
//!
//! - [`layers`]: what every request passes: its id, its log line, the catching of panics, its body within limits;
//! - [`problem`]: the one shape of every error, and the pages that explain them;
//! - `products`, `orders`, `webhooks`, `operations`: the operations of each tag;
//! - `page`, `versions`, `retries`: cursors, entity tags, idempotency keys;
//! - [`callers`], [`signature`]: who may call, and who may say that an order was paid;
//! - [`sweeper`]: what time alone does;
//! - [`measure`]: what is counted;
//! - [`docs`]: the documentation.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::http::request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use orders_inventory_api::apis::{Api, SecurityScheme};
use orders_inventory_api::{server, types};
use tower_http::catch_panic::CatchPanicLayer;

use self::callers::Caller;
use crate::domain::Timestamp;
use crate::store::Store;

pub mod callers;
pub mod docs;
pub mod layers;
pub mod measure;
mod operations;
mod orders;
mod page;
pub mod problem;
mod products;
mod retries;
pub mod signature;
pub mod sweeper;
mod versions;
mod webhooks;

pub use callers::ApiKeys;
pub use layers::Limits;
pub use measure::Measures;
pub use problem::Problem;
pub use signature::Keyring;

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

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl From<Timestamp> for types::Timestamp {
    fn from(instant: Timestamp) -> Self {
        Self::from_unix_ms(instant.millis())
    }
}

/// What the service is told when it starts.
#[derive(Clone)]
pub struct Options {
    /// The time.
    pub clock: Clock,
    /// What one request may ask for.
    pub limits: Limits,
    /// Whom to let in.
    pub api_keys: ApiKeys,
    /// What payment webhooks are signed with.
    pub keyring: Keyring,
    /// After how long an unpaid order expires; `None` for never.
    pub order_ttl: Option<Duration>,
    /// What counts; by default nothing does.
    pub measures: Measures,
}

/// The operations of the contract, over a store.
#[derive(Clone)]
struct Service<S> {
    store: S,
    clock: Clock,
    api_keys: Arc<ApiKeys>,
    keyring: Arc<Keyring>,
    order_ttl: Option<Duration>,
    measures: Measures,
}

impl<S: Store> Api for Service<S> {
    type Error = Problem;
    type Caller = Caller;

    fn authorize(&self, scheme: SecurityScheme, parts: &request::Parts, body: &Bytes) -> Result<Caller, Problem> {
        match scheme {
            SecurityScheme::ApiKey => self.api_keys.identify(&parts.headers).map_err(Problem::stranger),
            SecurityScheme::WebhookSignature if self.keyring.secrets.is_empty() => {
                Err(Problem::webhook_not_configured())
            }
            SecurityScheme::WebhookSignature => {
                match signature::verify(&parts.headers, body, &self.keyring, self.clock.now()) {
                    Ok(()) => Ok(Caller::PaymentProvider),
                    Err(refused) => {
                        tracing::warn!(%refused, "a webhook was refused");
                        self.measures.signature_refused(refused);
                        Err(Problem::invalid_signature())
                    }
                }
            }
        }
    }
}

/// The service: every operation of the contract, its documentation, and a problem for every other path and method.
pub fn router<S: Store>(store: S, options: Options) -> Router {
    let Options {
        clock,
        limits,
        api_keys,
        keyring,
        order_ttl,
        measures,
    } = options;
    let (api_keys, keyring) = (Arc::new(api_keys), Arc::new(keyring));
    let operations = server::router(Service {
        store,
        clock,
        api_keys,
        keyring,
        order_ttl,
        measures: measures.clone(),
    });
    operations
        .route_layer(from_fn_with_state(limits, layers::buffer_body))
        .merge(docs::router(not_found))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(CatchPanicLayer::custom(layers::answer_panic))
        .layer(from_fn_with_state(measures, layers::observe))
}

fn not_found() -> Response {
    Problem::not_found().into_response()
}
