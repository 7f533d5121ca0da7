//! How often one caller may ask: per API key where a good one is sent, else per client address.
//!
//! It holds one time for each caller that asked lately and forgets the others, so that no crowd of callers fills the
//! memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use super::callers::Caller;
use super::problem::RateLimited;
use super::{ApiKeys, Problem};

/// The address at the other end of a request's connection. Whoever accepts connections puts it into the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// After how many requests those who asked long ago are forgotten. A caller is remembered until its allowance is whole
/// again, so this and what comes in a minute bound how many there are.
const FORGET_EVERY: u32 = 4_096;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The limit and what its callers have used of it.
pub(super) struct RateLimit {
    per_minute: NonZeroU32,
    trusted_proxies: usize,
    api_keys: Arc<ApiKeys>,
    used: DefaultKeyedRateLimiter<Source>,
    clock: DefaultClock,
    checks: AtomicU32,
}

/// Whose allowance a request is taken from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Key([u8; 32]),
    Address(IpAddr),
}

impl RateLimit {
    /// So many requests a minute for each caller; a minute's worth may come at once.
    pub(super) fn new(per_minute: NonZeroU32, trusted_proxies: usize, api_keys: Arc<ApiKeys>) -> Self {
        Self {
            per_minute,
            trusted_proxies,
            api_keys,
            used: DefaultKeyedRateLimiter::keyed(Quota::per_minute(per_minute)),
            clock: DefaultClock::default(),
            checks: AtomicU32::new(0),
        }
    }

    /// Takes a request from its caller's allowance.
    ///
    /// # Errors
    /// [`RateLimited`] where that is used up.
    pub(super) fn check(&self, request: &Request) -> Result<(), RateLimited> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.used.retain_recent();
            self.used.shrink_to_fit();
        }
        let source = self.source(request);
        self.used.check_key(&source).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            // Rounded up: who came back a moment too early would be refused again.
            let wait_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Problem::rate_limited(self.per_minute, wait_seconds.max(1))
        })
    }

    fn source(&self, request: &Request) -> Source {
        if let Ok(Caller::Key(digest)) = self.api_keys.identify(request.headers()) {
            return Source::Key(digest);
        }
        let peer = request.extensions().get();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |&Peer(address)| address);
        let client = forwarded(request.headers(), self.trusted_proxies).unwrap_or(peer);
        Source::Address(household(client))
    }
}

/// The client's address as the outermost of so many proxies saw it: that entry from the right, for each proxy adds the
/// address of whoever called it at the end, and what stands before is the client's own word. `None` where there are no
/// proxies, or no such entry, or it is no address.
fn forwarded(headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    let index = trusted_proxies.checked_sub(1)?;
    let lines = headers.get_all(FORWARDED_FOR).into_iter().rev();
    let mut entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    entries.nth(index)?.trim().parse().ok()
}

/// One address for all that one client may choose from: an IPv6 client commonly has the 2^64 addresses of a network.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn limit(per_minute: u32, trusted_proxies: usize) -> RateLimit {
        let keys = Arc::new(ApiKeys::new("alpha,beta"));
        RateLimit::new(NonZeroU32::new(per_minute).unwrap(), trusted_proxies, keys)
    }

    fn request(peer: &str, headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn the_client_is_the_entry_that_the_outermost_proxy_wrote() {
        let cases: [(usize, &[&str], &str); 14] = [
            (0, &["198.51.100.1"], "192.0.2.1"),
            (1, &[], "192.0.2.1"),
            (1, &["198.51.100.1"], "198.51.100.1"),
            (1, &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (1, &["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
            (2, &["203.0.113.9, 198.51.100.1 ,10.0.0.1"], "198.51.100.1"),
            (2, &["203.0.113.9,198.51.100.1", "10.0.0.1"], "198.51.100.1"),
            (2, &["198.51.100.1"], "192.0.2.1"),
            (1, &["198.51.100.1, unknown"], "192.0.2.1"),
            (1, &["198.51.100.1:80"], "192.0.2.1"),
            (1, &["198.51.100.1,"], "192.0.2.1"),
            (1, &[""], "192.0.2.1"),
            (1, &["::ffff:198.51.100.1"], "198.51.100.1"),
            (1, &["2001:db8::1:2:3:4"], "2001:db8::"),
        ];
        for (proxies, lines, client) in cases {
            let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let source = limit(1, proxies).source(&request("192.0.2.1", &headers));
            assert_eq!(source, Source::Address(client.parse().unwrap()), "{proxies} {lines:?}");
        }
    }

    #[test]
    fn a_good_key_counts_wherever_it_comes_from_and_a_bad_one_counts_as_none() {
        let limit = limit(2, 0);
        let is_served = |peer: &str, keys: &[&str]| {
            let headers: Vec<_> = keys.iter().map(|key| ("x-api-key", *key)).collect();
            limit.check(&request(peer, &headers)).is_ok()
        };
        assert!(is_served("192.0.2.1", &["alpha"]));
        assert!(is_served("192.0.2.2", &["alpha"]));
        assert!(!is_served("192.0.2.3", &["alpha"]));
        assert!(is_served("192.0.2.3", &["beta"]));
        // Whoever tries keys is one client.
        assert!(is_served("192.0.2.4", &["gamma"]));
        assert!(is_served("192.0.2.4", &["alpha", "beta"]));
        assert!(!is_served("192.0.2.4", &[]));
        assert!(is_served("192.0.2.5", &[]));
    }

    #[test]
    fn who_asked_long_ago_is_forgotten() {
        // An allowance that is whole again after 10 microseconds.
        let limit = limit(6_000_000, 0);
        for client in 0..3 * FORGET_EVERY {
            let peer = Ipv4Addr::from(client).to_string();
            assert!(limit.check(&request(&peer, &[])).is_ok());
        }
        assert!(limit.used.len() <= FORGET_EVERY as usize, "{}", limit.used.len());
    }
}
