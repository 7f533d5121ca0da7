//! HTTP: translates requests into calls of use cases, and their results into responses.
//!
//! Only this module knows status codes, the generated types and the clock; the modules below receive `now` as an
//! argument. It has no rules about products and orders, and no SQL. [`router`] lists the layers that every request
//! passes.
//!
//! - `products`, `orders`, `webhooks`, `operations`: the operations of each tag; [`catalog`]: products in a file;
//! - [`auth`], [`signature`]: API keys and webhook signatures;
//! - `host`, `bodies`, `arriving`, `rate_limit`, `webhook_limit`: admission control; `client`: the address that counts
//!   there;
//! - `after_commit`: what follows a commit, such as warnings about money;
//! - `idempotency`, `etag`, `pagination`: idempotency keys, entity tags, cursors;
//! - [`remove_from_bodiless`]: the `Content-Length` of 204 and 304;
//! - [`problem`]: the one shape of every error, and the pages that explain them;
//! - `request_id`, `trace`, `security_headers`, [`metrics`]: layers for every request and response;
//! - `cors`: web pages of other origins; `trailing_slash`, `forwarded_prefix`: other spellings of paths;
//! - [`docs`]: the documentation;
//! - [`sweeper`]: expiry of orders and stored responses.

use std::any::Any;
use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::metrics::counter;
use axum::body::{Body, Bytes};
use axum::http::request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use orders_inventory_api::apis::{Api, SecurityScheme};
use orders_inventory_api::{server, types};
use tower::ServiceBuilder;
use tower_http::ServiceBuilderExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::validate_request::ValidateRequestHeaderLayer;
use tracing::Span;

use self::arriving::Arriving;
use self::auth::{Caller, Identity};
use self::bodies::BodyReader;
use self::cors::Cors;
use self::rate_limit::RateLimit;
use self::signature::SignatureError;
use crate::domain::Timestamp;
use crate::error::{Error, panic_message};
use crate::metrics::table;
use crate::store::{Store, Tx, View};

/// Converts between an enum of the domain and one of the contract that have the same variants. A variant that only one of
/// them has does not compile.
macro_rules! same_variants {
    ($domain:ty, $contract:ty: $($variant:ident),+) => {
        impl From<$domain> for $contract {
            fn from(value: $domain) -> Self {
                match value {
                    $(<$domain>::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$contract> for $domain {
            fn from(value: $contract) -> Self {
                match value {
                    $(<$contract>::$variant => Self::$variant,)+
                }
            }
        }
    };
}

mod after_commit;
mod arriving;
pub mod auth;
mod bodies;
pub mod catalog;
mod client;
mod content_length;
mod cors;
pub mod docs;
mod etag;
mod forwarded_prefix;
mod host;
mod idempotency;
pub mod metrics;
mod operations;
mod orders;
mod pagination;
pub mod problem;
mod products;
mod rate_limit;
mod request_id;
mod security_headers;
pub mod signature;
pub mod sweeper;
mod trace;
mod trailing_slash;
mod webhook_limit;
mod webhooks;

pub use auth::ApiKeys;
pub use bodies::BodyLimits;
pub use content_length::remove_from_bodiless;
pub use cors::CorsOrigins;
pub use problem::{Problem, too_many_connections};
pub use signature::Keyring;
pub use trailing_slash::AnyTrailingSlash;
pub use webhooks::stripe::Stripe;

/// The options of the router.
#[derive(Clone)]
pub struct Options {
    /// The clock.
    pub clock: Clock,
    /// The limits of a request's body.
    pub body_limits: BodyLimits,
    /// How many requests one caller may make in a minute; `None` for no limit.
    pub rate_limit_per_minute: Option<NonZeroU32>,
    /// How many trusted proxies are in front of the service; their entries in `X-Forwarded-For` count.
    pub trusted_proxies: usize,
    /// The web pages of other origins that may call the service; `None` for none.
    pub cors_origins: Option<CorsOrigins>,
    /// Whether a proxy in front terminates TLS, so that browsers must use HTTPS.
    pub is_behind_tls: bool,
    /// The accepted API keys.
    pub api_keys: ApiKeys,
    /// The secrets of payment webhooks.
    pub keyring: Keyring,
    /// The secrets of Stripe's webhooks, and what is expected of its events; `None` where Stripe is not configured.
    pub stripe: Option<(Keyring, Stripe)>,
    /// After how long an unpaid order expires; `None` for never.
    pub order_ttl: Option<Duration>,
    /// The operations whose requests are counted; `None` where no metrics are served.
    pub counted: Option<metrics::Operations>,
}

/// The largest body that the contract allows an operation whatever the service's own limit is, in bytes: an event of Stripe.
const CONTRACT_BYTES_MAX: usize = 256 << 10;

/// The router: every operation of the contract, the documentation, and a problem for every other path and method.
///
/// A request passes the layers from top to bottom, its response from bottom to top. The layers run after routing, so
/// each knows the route ([`axum::extract::MatchedPath`]). No layer ends a request whose work has begun: after such a
/// timeout the outcome of a write would be unknown.
pub fn router<S: Store>(store: S, options: Options) -> AnyTrailingSlash {
    let Options {
        clock,
        body_limits,
        rate_limit_per_minute,
        trusted_proxies,
        cors_origins,
        is_behind_tls,
        api_keys,
        keyring,
        stripe,
        order_ttl,
        counted,
    } = options;
    let rate_limit = rate_limit_per_minute.map(|limit| Arc::new(RateLimit::new(limit, trusted_proxies)));
    let arriving = Arriving::new(body_limits.bytes_max.max(CONTRACT_BYTES_MAX), trusted_proxies);
    let cors = cors_origins.map(Cors::new);
    let (stripe_keyring, stripe) = stripe.unzip();
    let service = Service(Arc::new(Shared {
        store,
        clock,
        bodies: BodyReader::new(body_limits),
        keyring,
        stripe_keyring,
        stripe,
        order_ttl,
    }));
    let layers = ServiceBuilder::new()
        .map_request(request_id::remove_invalid)
        .set_request_id(request_id::HEADER, request_id::MakeUuid)
        .map_request(move |request| Identity::attach(&api_keys, request))
        .layer(trace::layer())
        .map_future(trace::log_abandoned)
        .option_layer(counted.map(|operations| from_fn_with_state(operations, metrics::count)))
        .propagate_request_id(request_id::HEADER)
        .layer(security_headers::content_security_policy())
        .layer(security_headers::content_type_options())
        .layer(security_headers::referrer_policy())
        .layer(security_headers::cache_control())
        .option_layer(security_headers::strict_transport_security(is_behind_tls))
        .option_layer((trusted_proxies > 0).then(|| from_fn(forwarded_prefix::apply)))
        .layer(ValidateRequestHeaderLayer::custom(host::validate))
        .option_layer(cors.map(|cors| from_fn_with_state(cors, cors::answer)))
        .option_layer(rate_limit.map(|limit| from_fn_with_state(limit, rate_limit::enforce)))
        .map_request(move |request| arriving.count(request))
        .map_response(|response: axum::http::Response<_>| response.map(Body::new))
        .layer(CatchPanicLayer::custom(panic_response));
    let router = server::new(service)
        .merge(docs::router())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(layers);
    AnyTrailingSlash(router)
}

/// The response where a handler panicked: an internal error like any other.
#[allow(clippy::needless_pass_by_value, reason = "the layer hands over the panic")]
fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    Problem::from(Error::internal(format!("panic: {}", panic_message(&*panic)))).into_response()
}

/// The operations of the contract, over a store. Clones share it.
struct Service<S>(Arc<Shared<S>>);

struct Shared<S> {
    store: S,
    clock: Clock,
    bodies: BodyReader,
    keyring: Keyring,
    stripe_keyring: Option<Keyring>,
    stripe: Option<Stripe>,
    order_ttl: Option<Duration>,
}

impl<S> Clone for Service<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Deref for Service<S> {
    type Target = Shared<S>;

    fn deref(&self) -> &Shared<S> {
        &self.0
    }
}

impl<S: Store> Service<S> {
    /// Looks up a list, as a scan where it may look through what it does not return.
    async fn look_up<T, F>(&self, is_scan: bool, list: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        match is_scan {
            true => self.store.scan(list).await,
            false => self.store.read(list).await,
        }
    }

    /// [`Store::write`], in the span of the request.
    async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
    {
        self.write_then(work, |_| ()).await
    }

    /// [`Store::write_then`], in the span of the request, for both closures run on another thread.
    async fn write_then<T, F, A>(&self, work: F, then: A) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let span = Span::current();
        let then_span = span.clone();
        let work = move |tx: &mut dyn Tx| span.in_scope(|| work(tx));
        self.store
            .write_then(work, move |result| then_span.in_scope(|| then(result)))
            .await
    }
}

impl<S: Store> Api for Service<S> {
    type Error = Problem;
    type Caller = Caller;

    fn authorize(&self, scheme: SecurityScheme, head: &request::Parts) -> Result<Caller, Problem> {
        if scheme == SecurityScheme::ApiKey {
            return Identity::of(&head.extensions).caller().map_err(Problem::unauthorized);
        }
        let keyring = self.keyring(scheme).ok_or_else(Problem::webhook_not_configured)?;
        // `verify` compares the signature once the body has arrived.
        let checked = signature::check_head(&head.headers, keyring, self.clock.now());
        checked
            .map(|()| Caller::PaymentProvider)
            .map_err(|reason| signature_refused(keyring, reason))
    }

    async fn receive(&self, body: Body, bytes_max: Option<usize>) -> Result<Bytes, Problem> {
        self.bodies.read(body, bytes_max).await
    }

    fn verify(&self, scheme: SecurityScheme, head: &request::Parts, body: &Bytes) -> Result<(), Problem> {
        let Some(keyring) = self.keyring(scheme) else {
            return Ok(());
        };
        let verified = signature::verify(&head.headers, body, keyring, self.clock.now());
        verified.map_err(|reason| signature_refused(keyring, reason))?;
        webhook_limit::excuse(&head.extensions);
        Ok(())
    }
}

impl<S> Service<S> {
    /// What signatures of this scheme are verified with; `None` where it signs nothing, or no secret is configured.
    fn keyring(&self, scheme: SecurityScheme) -> Option<&Keyring> {
        let keyring = match scheme {
            SecurityScheme::ApiKey => None,
            SecurityScheme::WebhookSignature => Some(&self.keyring),
            SecurityScheme::StripeSignature => self.stripe_keyring.as_ref(),
        };
        keyring.filter(|keyring| !keyring.secrets.is_empty())
    }
}

fn signature_refused(keyring: &Keyring, reason: SignatureError) -> Problem {
    tracing::warn!(%reason, "a webhook was refused because of its signature");
    counter!(table::WEBHOOK_SIGNATURES_REFUSED, "reason" => reason.name()).increment(1);
    Problem::invalid_signature(keyring.headers, reason)
}

/// A clock with millisecond resolution.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        Self::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// A clock that calls `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl From<types::Timestamp> for Timestamp {
    fn from(time: types::Timestamp) -> Self {
        Self::from_millis(time.unix_ms())
    }
}

impl From<Timestamp> for types::Timestamp {
    fn from(instant: Timestamp) -> Self {
        Self::from_unix_ms(instant.millis())
    }
}
