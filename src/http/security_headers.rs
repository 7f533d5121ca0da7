//! The headers that tell browsers to take no answer for more than it is.

use axum::http::{HeaderName, HeaderValue, Response, header};
use tower_http::set_header::SetResponseHeaderLayer;

/// What an answer may show, run or be framed by: nothing. The documentation's page has a policy of its own.
pub(super) fn content_security_policy() -> SetResponseHeaderLayer<HeaderValue> {
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    SetResponseHeaderLayer::if_not_present(header::CONTENT_SECURITY_POLICY, policy)
}

/// An answer is what its `Content-Type` says.
pub(super) fn content_type_options() -> SetResponseHeaderLayer<HeaderValue> {
    always(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// No other site learns a path of ours, which may hold an order's id.
pub(super) fn referrer_policy() -> SetResponseHeaderLayer<HeaderValue> {
    always(header::REFERRER_POLICY, "no-referrer")
}

/// Browsers come by TLS only. `None` where no proxy in front ends TLS: then they could not come at all.
pub(super) fn strict_transport_security(is_behind_tls: bool) -> Option<SetResponseHeaderLayer<HeaderValue>> {
    is_behind_tls.then(|| always(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
}

/// An answer with a version may be kept by the client alone, which asks for it again each time; that costs a 304.
pub(super) fn cache_control<B>() -> SetResponseHeaderLayer<fn(&Response<B>) -> Option<HeaderValue>> {
    let value: fn(&Response<B>) -> Option<HeaderValue> = |response| {
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
