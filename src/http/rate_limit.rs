//! The rate limit: per API key where a valid one is sent, else per client address.
//!
//! It remembers only the callers of the last minute, so that many callers cannot fill the memory. Health and the
//! documentation are exempt. Webhooks are too, as long as their signatures verify: see `webhook_limit`.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use super::auth::{Caller, Identity};
use super::problem::RateLimited;
use super::webhook_limit::{self, FailedWebhooks};
use super::{Problem, client, docs};

/// After how many requests older callers are removed from memory.
pub(super) const FORGET_EVERY: u32 = 4_096;

/// The limit, and each caller's use of it.
pub(super) struct RateLimit {
    per_minute: NonZeroU32,
    trusted_proxies: usize,
    used: DefaultKeyedRateLimiter<Source>,
    clock: DefaultClock,
    checks: AtomicU32,
    /// The webhooks that failed.
    pub(super) failed: FailedWebhooks,
}

/// Whose allowance a request uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Key([u8; 32]),
    Address(IpAddr),
}

/// Middleware: responds with 429 where the caller's allowance is used up.
pub(super) async fn enforce(State(limit): State<Arc<RateLimit>>, mut request: Request, next: Next) -> Response {
    match Rule::of(&request) {
        Rule::Exempt => next.run(request).await,
        Rule::EveryRequest => match limit.check(&request) {
            Ok(()) => next.run(request).await,
            Err(limited) => limited.into_response(),
        },
        Rule::Unverified => {
            let address = limit.address(&request);
            match webhook_limit::begin(&limit, address, &mut request) {
                Ok(attempt) => attempt.end(next.run(request).await),
                Err(limited) => limited.into_response(),
            }
        }
    }
}

/// Which requests of a route count.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// None: health and the documentation cost little.
    Exempt,
    EveryRequest,
    /// Webhooks without a valid signature. The payment provider retries refused events, so a limit for valid ones would only
    /// add requests.
    Unverified,
}

impl Rule {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get().map_or("", MatchedPath::as_str);
        match route {
            "/healthz" | "/readyz" => Self::Exempt,
            _ if docs::is_route(route) => Self::Exempt,
            _ if route.starts_with("/webhooks/") => Self::Unverified,
            _ => Self::EveryRequest,
        }
    }
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
            failed: FailedWebhooks::new(per_minute),
        }
    }

    /// Deducts a request from its caller's allowance.
    ///
    /// # Errors
    /// [`RateLimited`] where the allowance is used up.
    fn check(&self, request: &Request) -> Result<(), RateLimited> {
        self.deduct(&self.source(request))
    }

    /// Deducts a request from the allowance of its address, used up or not.
    pub(super) fn count(&self, address: IpAddr) {
        // Whoever calls this has answered the request, so there is nothing to refuse.
        let _ = self.deduct(&Source::Address(address));
    }

    fn deduct(&self, source: &Source) -> Result<(), RateLimited> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.used.retain_recent();
            self.used.shrink_to_fit();
        }
        let checked = self.used.check_key(source);
        checked.map_err(|not_until| self.refusal(not_until.wait_time_from(self.clock.now())))
    }

    /// The response to a caller whose next request is allowed after `wait`.
    pub(super) fn refusal(&self, wait: Duration) -> RateLimited {
        // Rounded up: a retry slightly too early would be refused again.
        let wait_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Problem::rate_limited(self.per_minute, wait_seconds.max(1))
    }

    fn address(&self, request: &Request) -> IpAddr {
        client::address(request.headers(), request.extensions(), self.trusted_proxies)
    }

    fn source(&self, request: &Request) -> Source {
        if let Ok(Caller::Key(digest)) = Identity::of(request.extensions()).caller() {
            return Source::Key(digest);
        }
        Source::Address(self.address(request))
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
