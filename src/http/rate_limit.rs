//! The rate limit: per API key where a valid one is sent, else per client address.
//!
//! It remembers only the callers of the last minute, so that many callers cannot fill the memory. The webhook, health
//! and the documentation are exempt.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use super::auth::{Caller, Identity};
use super::problem::RateLimited;
use super::{Problem, client, docs};

/// After how many requests older callers are removed from memory.
const FORGET_EVERY: u32 = 4_096;

/// The limit, and each caller's use of it.
pub(super) struct RateLimit {
    per_minute: NonZeroU32,
    trusted_proxies: usize,
    used: DefaultKeyedRateLimiter<Source>,
    clock: DefaultClock,
    checks: AtomicU32,
}

/// Whose allowance a request uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Key([u8; 32]),
    Address(IpAddr),
}

/// Middleware: responds with 429 where the caller's allowance is used up.
pub(super) async fn enforce(State(limit): State<Arc<RateLimit>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get().map(MatchedPath::as_str);
    match route.is_some_and(is_exempt) {
        true => next.run(request).await,
        false => match limit.check(&request) {
            Ok(()) => next.run(request).await,
            Err(limited) => limited.into_response(),
        },
    }
}

/// Whether this route is exempt. The payment provider retries refused events, so a limit would only add requests.
/// Health and the documentation cost little.
fn is_exempt(route: &str) -> bool {
    matches!(route, "/webhooks/payment" | "/healthz" | "/readyz") || docs::is_route(route)
}

impl RateLimit {
    /// Allows each caller this many requests a minute, also all at once.
    pub(super) fn new(per_minute: NonZeroU32, trusted_proxies: usize) -> Self {
        Self {
            per_minute,
            trusted_proxies,
            used: DefaultKeyedRateLimiter::keyed(Quota::per_minute(per_minute)),
            clock: DefaultClock::default(),
            checks: AtomicU32::new(0),
        }
    }

    /// Deducts a request from its caller's allowance.
    ///
    /// # Errors
    /// [`RateLimited`] where the allowance is used up.
    pub(super) fn check(&self, request: &Request) -> Result<(), RateLimited> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.used.retain_recent();
            self.used.shrink_to_fit();
        }
        let source = self.source(request);
        self.used.check_key(&source).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            // Rounded up: a retry slightly too early would be refused again.
            let wait_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Problem::rate_limited(self.per_minute, wait_seconds.max(1))
        })
    }

    fn source(&self, request: &Request) -> Source {
        if let Ok(Caller::Key(digest)) = Identity::of(request.extensions()).caller() {
            return Source::Key(digest);
        }
        Source::Address(client::address(
            request.headers(),
            request.extensions(),
            self.trusted_proxies,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use axum::body::Body;
    use axum::extract::ConnectInfo;

    use super::*;
    use crate::http::ApiKeys;

    fn limit(per_minute: u32, trusted_proxies: usize) -> RateLimit {
        RateLimit::new(NonZeroU32::new(per_minute).unwrap(), trusted_proxies)
    }

    fn request(peer: &str, headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new(Body::empty());
        let peer = SocketAddr::new(peer.parse().unwrap(), 80);
        request.extensions_mut().insert(ConnectInfo(peer));
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        Identity::attach(&ApiKeys::new("alpha,beta"), request)
    }

    #[test]
    fn a_valid_key_counts_from_any_address_and_an_invalid_one_counts_as_none() {
        let limit = limit(2, 0);
        let is_served = |peer: &str, keys: &[&str]| {
            let headers: Vec<_> = keys.iter().map(|key| ("x-api-key", *key)).collect();
            limit.check(&request(peer, &headers)).is_ok()
        };
        assert!(is_served("192.0.2.1", &["alpha"]));
        assert!(is_served("192.0.2.2", &["alpha"]));
        assert!(!is_served("192.0.2.3", &["alpha"]));
        assert!(is_served("192.0.2.3", &["beta"]));
        // A client that tries keys counts as one client.
        assert!(is_served("192.0.2.4", &["gamma"]));
        assert!(is_served("192.0.2.4", &["alpha", "beta"]));
        assert!(!is_served("192.0.2.4", &[]));
        assert!(is_served("192.0.2.5", &[]));
    }

    #[test]
    fn callers_of_long_ago_are_forgotten() {
        // An allowance that is full again after 10 microseconds.
        let limit = limit(6_000_000, 0);
        for client in 0..3 * FORGET_EVERY {
            let peer = Ipv4Addr::from(client).to_string();
            assert!(limit.check(&request(&peer, &[])).is_ok());
        }
        assert!(limit.used.len() <= FORGET_EVERY as usize, "{}", limit.used.len());
    }
}
