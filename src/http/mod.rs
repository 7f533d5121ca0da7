//! The way in and out: it turns requests into use cases and what comes back into answers.
//!
//! Here, and only here, are status codes, the generated types, and the clock: everything below gets `now` as a value.
//! It decides nothing about products and orders, and it holds no SQL.
//!
//! - [`layers`]: what every request passes: its id, its log line, the catching of panics, its body within limits;
//! - `router`: who answers a request;
//! - `rate`, `security`: how often one caller may ask, and the headers of every answer;
//! - [`problem`]: the one shape of every error, and the pages that explain them;
//! - `products`, `orders`, `webhooks`, `operations`: the operations of each tag;
//! - `page`, `versions`, `retries`: cursors, entity tags, idempotency keys;
//! - [`callers`], [`signature`]: who may call, and who may say that an order was paid;
//! - [`sweeper`]: what time alone does;
//! - [`measure`]: what is counted;
//! - [`docs`]: the documentation.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::request;
use axum::response::{IntoResponse, Response};
use orders_inventory_api::apis::{Api, SecurityScheme};
use orders_inventory_api::types;

use self::callers::Caller;
use self::layers::{Admission, Front};
use self::rate::RateLimit;
use self::security::SecurityHeaders;
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
mod rate;
mod retries;
mod router;
mod security;
pub mod signature;
pub mod sweeper;
mod versions;
mod webhooks;

pub use callers::ApiKeys;
pub use layers::Limits;
pub use measure::Measures;
pub use problem::{Problem, too_many_connections};
pub use rate::Peer;
pub use router::Router;
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
    /// What requests may ask for.
    pub limits: Limits,
    /// How many requests one caller may make in a minute; `None` for any number.
    pub rate_limit_per_minute: Option<NonZeroU32>,
    /// How many proxies stand in front, whose word on the client's address counts.
    pub trusted_proxies: usize,
    /// Whether a proxy in front ends TLS, so that clients never come by plain HTTP.
    pub is_behind_tls: bool,
    /// Whom to let in.
    pub api_keys: ApiKeys,
    /// What payment webhooks are signed with.
    pub keyring: Keyring,
    /// After how long an unpaid order expires; `None` for never.
    pub order_ttl: Option<Duration>,
    /// What counts; by default nothing does.
    pub measures: Measures,
}

/// The operations of the contract, over a store. Every request has a clone of it.
#[derive(Clone)]
struct Service<S>(Arc<Shared<S>>);

struct Shared<S> {
    store: S,
    clock: Clock,
    api_keys: Arc<ApiKeys>,
    keyring: Keyring,
    order_ttl: Option<Duration>,
    measures: Measures,
}

impl<S> Deref for Service<S> {
    type Target = Shared<S>;

    fn deref(&self) -> &Shared<S> {
        &self.0
    }
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
pub fn router<S: Store>(store: S, options: Options) -> Router<S> {
    let Options {
        clock,
        limits,
        rate_limit_per_minute,
        trusted_proxies,
        is_behind_tls,
        api_keys,
        keyring,
        order_ttl,
        measures,
    } = options;
    let api_keys = Arc::new(api_keys);
    let rate = rate_limit_per_minute.map(|limit| RateLimit::new(limit, trusted_proxies, Arc::clone(&api_keys)));
    let service = Service(Arc::new(Shared {
        store,
        clock,
        api_keys,
        keyring,
        order_ttl,
        measures: measures.clone(),
    }));
    let headers = SecurityHeaders { is_behind_tls };
    Router::new(service, Admission::new(limits, rate), Front { headers, measures })
}

fn not_found() -> Response {
    Problem::not_found().into_response()
}
