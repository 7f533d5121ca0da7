//! The rate limit of webhooks: only calls whose signature does not verify count.
//!
//! Such a call counts like any other request of its address. An address that has failed as often in a minute as the limit
//! allows is refused before the body is read, whatever it sends. Valid events never count, and neither does what else the
//! address has asked for. So the payment provider is refused only where its own address sends forgeries.
//!
//! `governor` cannot do this: whether a call counts is known after it was admitted, and a limiter of its that is asked
//! whether anything is left deducts from it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::Extensions;
use axum::response::Response;

use super::problem::RateLimited;
use super::rate_limit::{FORGET_EVERY, RateLimit};

const MINUTE: Duration = Duration::from_secs(60);

/// The failed calls of each address: the generic cell rate algorithm (GCRA).
#[derive(Debug)]
pub(super) struct FailedWebhooks {
    /// How long a failed call takes up a place of the allowance.
    interval: Duration,
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// When the whole allowance of an address is free again.
    free_at: HashMap<IpAddr, Instant>,
    /// How many failures were added since it was looked through for addresses to forget.
    added: u32,
}

impl FailedWebhooks {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        Self {
            interval: MINUTE / per_minute.get(),
            remembered: Mutex::default(),
        }
    }

    /// How long this address has to wait; `None` where it has failed less often than it may.
    fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = remembered.free_at.get(&address)?.saturating_duration_since(now);
        let wait = taken.saturating_sub(MINUTE - self.interval);
        (!wait.is_zero()).then_some(wait)
    }

    fn add(&self, address: IpAddr, now: Instant) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.added += 1;
        if remembered.added == FORGET_EVERY {
            remembered.added = 0;
            remembered.free_at.retain(|_, free_at| *free_at > now);
        }
        let free_at = remembered.free_at.entry(address).or_insert(now);
        *free_at = (*free_at).max(now) + self.interval;
    }
}

/// Begins a webhook call.
///
/// # Errors
/// [`RateLimited`] where its address has failed too often.
pub(super) fn begin<'l>(
    limit: &'l RateLimit,
    address: IpAddr,
    request: &mut Request,
) -> Result<Attempt<'l>, RateLimited> {
    if let Some(wait) = limit.failed.wait(address, Instant::now()) {
        return Err(limit.refusal(wait));
    }
    let is_excused = Arc::new(AtomicBool::new(false));
    request.extensions_mut().insert(Excuse(Arc::clone(&is_excused)));
    Ok(Attempt {
        limit,
        address,
        is_excused,
    })
}

/// Says that the signature of the request with these extensions is valid.
pub(super) fn excuse(extensions: &Extensions) {
    if let Some(Excuse(is_excused)) = extensions.get() {
        is_excused.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Excuse(Arc<AtomicBool>);

/// A webhook call. It counts as failed when this is dropped, also where the caller left before there was an answer, unless
/// it was excused.
pub(super) struct Attempt<'l> {
    limit: &'l RateLimit,
    address: IpAddr,
    is_excused: Arc<AtomicBool>,
}

impl Attempt<'_> {
    /// Excuses a call that failed because of the service.
    pub(super) fn end(self, response: Response) -> Response {
        if response.status().is_server_error() {
            self.is_excused.store(true, Ordering::Relaxed);
        }
        response
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_excused.load(Ordering::Relaxed) {
            self.limit.count(self.address);
            self.limit.failed.add(self.address, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_allowance_of_failures_is_used_up_and_refills() {
        let failed = FailedWebhooks::new(NonZeroU32::new(3).unwrap());
        let (address, now) = (IpAddr::from([192, 0, 2, 1]), Instant::now());
        for _ in 0..3 {
            assert_eq!(failed.wait(address, now), None);
            failed.add(address, now);
        }
        assert_eq!(failed.wait(address, now), Some(Duration::from_secs(20)));
        assert_eq!(failed.wait(IpAddr::from([192, 0, 2, 2]), now), None);
        let later = now + Duration::from_secs(20);
        assert_eq!(failed.wait(address, later), None);
        failed.add(address, later);
        assert_eq!(failed.wait(address, later), Some(Duration::from_secs(20)));
        assert_eq!(failed.wait(address, later + MINUTE), None);
    }

    #[test]
    fn failures_of_long_ago_are_forgotten() {
        let failed = FailedWebhooks::new(NonZeroU32::MIN);
        let mut now = Instant::now();
        for client in 0..3 * FORGET_EVERY {
            now += MINUTE;
            failed.add(Ipv4Addr::from(client).into(), now);
        }
        let remembered = failed.remembered.lock().unwrap().free_at.len();
        assert!(remembered <= FORGET_EVERY as usize, "{remembered}");
    }
}
