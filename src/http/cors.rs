//! Cross-origin resource sharing: which web pages of other origins may call the service, and read its responses.
//!
//! tower-http answers preflight requests and sets the headers. It also does so for pages that may not call the service, and
//! takes every `OPTIONS` request for a preflight; such requests pass it by, and are answered as where CORS is off.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, ORIGIN, RETRY_AFTER,
    VARY,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::{auth, request_id};

/// For how long a browser may remember a preflight's answer: Chromium's maximum.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7_200);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The pages that may call the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Those of any origin. They may not send API keys: a key in a page that anybody may copy is no secret.
    Any,
    /// Those of these origins, each as a browser sends it in `Origin`.
    These(Vec<HeaderValue>),
}

/// The rules for requests from pages. Clones share them.
#[derive(Clone)]
pub(super) struct Cors(Arc<Rules>);

struct Rules {
    origins: CorsOrigins,
    layer: CorsLayer,
}

impl Cors {
    pub(super) fn new(origins: CorsOrigins) -> Self {
        // Signatures of webhooks are not among them, since no page has their secrets.
        let mut headers = vec![
            CONTENT_TYPE,
            IDEMPOTENCY_KEY,
            IF_MATCH,
            IF_NONE_MATCH,
            request_id::HEADER,
        ];
        let layer = match &origins {
            CorsOrigins::Any => CorsLayer::new().allow_origin(Any),
            CorsOrigins::These(origins) => {
                headers.push(auth::HEADER);
                CorsLayer::new().allow_origin(AllowOrigin::list(origins.clone()))
            }
        };
        let layer = layer
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(headers)
            .expose_headers([
                ETAG,
                LOCATION,
                LINK,
                IDEMPOTENCY_REPLAYED,
                RETRY_AFTER,
                request_id::HEADER,
            ])
            .max_age(PREFLIGHT_AGE)
            .vary([ORIGIN]);
        Self(Arc::new(Rules { origins, layer }))
    }

    /// Whether this is a request of a page that may call the service.
    fn allows(&self, request: &Request) -> bool {
        let headers = request.headers();
        let is_allowed = headers.get(ORIGIN).is_some_and(|origin| match &self.0.origins {
            CorsOrigins::Any => true,
            CorsOrigins::These(origins) => origins.contains(origin),
        });
        is_allowed && (request.method() != Method::OPTIONS || headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD))
    }
}

/// Middleware: answers the preflights of pages that may call the service, and lets them read its other responses.
pub(super) async fn answer(State(cors): State<Cors>, request: Request, next: Next) -> Response {
    if cors.allows(&request) {
        let Ok(response) = cors.0.layer.layer(next).oneshot(request).await;
        return response;
    }
    let mut response = next.run(request).await;
    // A cache must not give this response to a page that may read it.
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    response
}
