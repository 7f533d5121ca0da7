//! The path prefix that a proxy in front has removed, from `X-Forwarded-Prefix`: `/shop`, where it serves `/shop/products`
//! as `/products`.
//!
//! Paths in `Location` and `Link` get the prefix, so that they are right for the client. Pages need none: their links are
//! relative. No RFC has this header; Traefik, Spring, ASP.NET and Werkzeug agree on it.

use axum::extract::Request;
use axum::http::header::{LINK, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

const HEADER: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The longest prefix, in bytes.
const BYTES_MAX: usize = 256;

/// Middleware: puts the prefix in front of the paths in the response's headers. Only for services behind a trusted proxy.
pub(super) async fn apply(request: Request, next: Next) -> Response {
    let prefix = prefix(request.headers()).map(str::to_owned);
    let mut response = next.run(request).await;
    if let Some(prefix) = prefix {
        let headers = response.headers_mut();
        prepend(headers, &LOCATION, "", &prefix);
        prepend(headers, &LINK, "<", &prefix);
    }
    response
}

/// The prefix, without a slash at its end. Several headers, and what is no path, do not count: `//host` would lead to another
/// server.
fn prefix(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let prefix = value.to_str().ok()?.trim_end_matches('/');
    let mut segments = prefix.strip_prefix('/')?.split('/');
    (prefix.len() <= BYTES_MAX && segments.all(is_segment)).then_some(prefix)
}

fn is_segment(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain)
}

/// Puts the prefix in front of the path that follows `before` in this header; a relative path stays as it is.
fn prepend(headers: &mut HeaderMap, name: &HeaderName, before: &str, prefix: &str) {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    let path = value
        .and_then(|value| value.strip_prefix(before))
        .filter(|path| path.starts_with('/'));
    if let Some(Ok(value)) = path.map(|path| HeaderValue::from_str(&format!("{before}{prefix}{path}"))) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        prefix(&headers).map(str::to_owned)
    }

    #[test]
    fn a_prefix_is_one_path() {
        for (value, prefix) in [
            ("/shop", "/shop"),
            ("/shop/", "/shop"),
            ("/a/b-1.2_~%20", "/a/b-1.2_~%20"),
        ] {
            assert_eq!(found(&[value]).as_deref(), Some(prefix), "{value}");
        }
        let long = format!("/{}", "x".repeat(BYTES_MAX));
        for value in [
            "",
            "/",
            "//",
            "shop",
            "//evil.example",
            "/shop//a",
            "/..",
            "/a/../b",
            "/a/.",
            "/a?b",
            "/a#b",
            "/a b",
            "/a>b",
            "/a\"b",
            "/a, /b",
            "https://evil.example",
            "/\\evil.example",
            &long,
        ] {
            assert_eq!(found(&[value]), None, "{value}");
        }
        assert_eq!(found(&[]), None);
        assert_eq!(found(&["/a", "/b"]), None);
    }
}
