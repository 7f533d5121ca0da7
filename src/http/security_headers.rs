//! Response headers for browsers: content policy, content type, referrer, HTTPS, caching.

use axum::http::{HeaderName, HeaderValue, Response, header};
use tower_http::set_header::SetResponseHeaderLayer;

/// A header's value that depends on the response.
type FromResponse<B> = fn(&Response<B>) -> Option<HeaderValue>;

/// `Content-Security-Policy`: a response may load, run and be framed by nothing. The documentation has its own policy.
pub(super) fn content_security_policy() -> SetResponseHeaderLayer<HeaderValue> {
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    SetResponseHeaderLayer::if_not_present(header::CONTENT_SECURITY_POLICY, policy)
}

/// `X-Content-Type-Options`: browsers must not guess another type than `Content-Type`.
pub(super) fn content_type_options() -> SetResponseHeaderLayer<HeaderValue> {
    always(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// `Referrer-Policy`: other sites do not see this service's paths, which may contain an order's id.
pub(super) fn referrer_policy() -> SetResponseHeaderLayer<HeaderValue> {
    always(header::REFERRER_POLICY, "no-referrer")
}

/// `Strict-Transport-Security`: browsers must use HTTPS. `None` where no proxy in front terminates TLS, since browsers
/// could not connect then.
pub(super) fn strict_transport_security(is_behind_tls: bool) -> Option<SetResponseHeaderLayer<HeaderValue>> {
    is_behind_tls.then(|| always(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
}

/// `Cache-Control`: only the client itself may cache a response with an `ETag`, and must revalidate it each time, which
/// costs a 304. Other responses are not cached.
pub(super) fn cache_control<B>() -> SetResponseHeaderLayer<FromResponse<B>> {
    let value: FromResponse<B> = |response| {
        let value = match response.headers().contains_key(header::ETAG) {
            true => "private, no-cache",
            false => "no-store",
        };
        Some(HeaderValue::from_static(value))
    };
    SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, value)
}

fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
