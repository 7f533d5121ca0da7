//! The headers that tell browsers to take no answer for more than it is.

use axum::http::{HeaderMap, HeaderValue, header};

/// What every answer gets that does not say otherwise itself, as the documentation's page does.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecurityHeaders {
    /// Whether clients reach the service by TLS, which a proxy in front ends. Only then may a browser be told to come by
    /// nothing else.
    pub(super) is_behind_tls: bool,
}

/// How many headers are added, with the request's id.
const ADDED: usize = 6;

impl SecurityHeaders {
    /// Adds them.
    pub(super) fn add_to(self, headers: &mut HeaderMap) {
        headers.reserve(ADDED);
        // Nothing in an answer of the API is to be shown, run or framed.
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(const { HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'") });
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            const { HeaderValue::from_static("nosniff") },
        );
        headers.insert(
            header::REFERRER_POLICY,
            const { HeaderValue::from_static("no-referrer") },
        );
        // What has a version may be kept by the client alone, and is asked for again each time, which costs a 304.
        let caching = match headers.contains_key(header::ETAG) {
            true => const { HeaderValue::from_static("private, no-cache") },
            false => const { HeaderValue::from_static("no-store") },
        };
        headers.entry(header::CACHE_CONTROL).or_insert(caching);
        if self.is_behind_tls {
            headers.insert(
                header::STRICT_TRANSPORT_SECURITY,
                const { HeaderValue::from_static("max-age=31536000") },
            );
        }
    }
}
