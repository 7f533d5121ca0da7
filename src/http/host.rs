//! The host that a request is for: `Host`, or `:authority` over HTTP/2 (RFC 9112, section 3.2; RFC 9113, section 8.3.1).
//!
//! The service answers for any host. But a request that names none, or several, may be understood in another way by a
//! proxy in front, so it is refused, and its connection closed. HTTP/1.0 requests need no host.

use std::net::Ipv6Addr;

use axum::http::header::{CONNECTION, HOST};
use axum::http::{HeaderValue, Request, Version};
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use super::Problem;

/// Why a request's host is invalid.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum InvalidHost {
    #[error("The request has no Host header.")]
    Missing,
    #[error("The request has more than one Host header.")]
    Repeated,
    #[error("The Host header is not a name or an address, with at most a port.")]
    Malformed,
    #[error("The Host header differs from the request's authority.")]
    Different,
}

/// Refuses a request without a valid host.
///
/// # Errors
/// The response.
#[allow(clippy::result_large_err, reason = "the layer wants a response")]
pub(super) fn validate<B>(request: &mut Request<B>) -> Result<(), Response> {
    check(request).map_err(|reason| {
        let mut response = Problem::invalid_host(reason).into_response();
        if request.version() < Version::HTTP_2 {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    })
}

fn check<B>(request: &Request<B>) -> Result<(), InvalidHost> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(InvalidHost::Repeated),
        (host, None) => host.map(HeaderValue::as_bytes),
    };
    // The authority of an absolute target counts, and `Host` must be there and valid all the same.
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if !host.into_iter().chain(authority).all(is_valid) {
        return Err(InvalidHost::Malformed);
    }
    match (request.version(), host, authority) {
        (Version::HTTP_2, None, None) | (Version::HTTP_11, None, _) => Err(InvalidHost::Missing),
        (Version::HTTP_2, Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            Err(InvalidHost::Different)
        }
        _ => Ok(()),
    }
}

/// Whether this is a host, and a port where there is a colon (RFC 3986, section 3.2). Names of userinfo (`user@host`) are
/// no part of HTTP, and an empty host is none.
fn is_valid(host: &[u8]) -> bool {
    let (is_host, port) = match host.strip_prefix(b"[") {
        Some(rest) => {
            let end = rest.iter().position(|byte| *byte == b']').unwrap_or(rest.len());
            let (address, port) = rest.split_at(end);
            let address = str::from_utf8(address).unwrap_or_default();
            (
                address.parse::<Ipv6Addr>().is_ok(),
                port.strip_prefix(b"]").unwrap_or(b"x"),
            )
        }
        None => {
            let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
            let (name, port) = host.split_at(end);
            (!name.is_empty() && name.iter().copied().all(is_of_name), port)
        }
    };
    is_host && is_port(port)
}

/// Whether a name may have this byte: letters, digits, and RFC 3986's other unreserved and sub-delimiting characters.
/// Percent-encoding is left out; names are sent in their ASCII form.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// Whether this is nothing, or a colon and a port, which may be empty.
fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((b':', [])) => true,
        Some((b':', digits)) => {
            digits.iter().all(u8::is_ascii_digit)
                && str::from_utf8(digits).is_ok_and(|port| port.parse::<u16>().is_ok())
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, target: &str, hosts: &[&[u8]]) -> Result<(), InvalidHost> {
        let request = Request::builder().version(version).uri(target);
        let request = hosts.iter().fold(request, |request, host| request.header(HOST, *host));
        check(&request.body(()).unwrap())
    }

    #[test]
    fn http_1_1_needs_one_host() {
        let checked = |target, hosts: &[&[u8]]| checked(Version::HTTP_11, target, hosts);
        assert_eq!(checked("/", &[b"shop.example"]), Ok(()));
        assert_eq!(checked("/", &[]), Err(InvalidHost::Missing));
        assert_eq!(checked("/", &[b"a", b"a"]), Err(InvalidHost::Repeated));
        assert_eq!(checked("/", &[b""]), Err(InvalidHost::Malformed));
        // An absolute target's own authority is what counts (RFC 9112, section 3.2.2).
        assert_eq!(checked("http://shop.example/", &[b"other.example"]), Ok(()));
        assert_eq!(checked("http://shop.example/", &[]), Err(InvalidHost::Missing));
        assert_eq!(checked("http://shop.example/", &[b"a b"]), Err(InvalidHost::Malformed));
        assert_eq!(
            checked("http://me@shop.example/", &[b"shop.example"]),
            Err(InvalidHost::Malformed)
        );
    }

    #[test]
    fn http_1_0_needs_none_and_still_no_wrong_one() {
        let checked = |hosts: &[&[u8]]| checked(Version::HTTP_10, "/", hosts);
        assert_eq!(checked(&[]), Ok(()));
        assert_eq!(checked(&[b"shop.example"]), Ok(()));
        assert_eq!(checked(&[b"a", b"b"]), Err(InvalidHost::Repeated));
        assert_eq!(checked(&[b"a b"]), Err(InvalidHost::Malformed));
    }

    #[test]
    fn http_2_has_an_authority_or_a_host_and_never_two() {
        let checked = |target, hosts: &[&[u8]]| checked(Version::HTTP_2, target, hosts);
        assert_eq!(checked("http://shop.example/", &[]), Ok(()));
        assert_eq!(checked("http://shop.example/", &[b"SHOP.example"]), Ok(()));
        assert_eq!(checked("/", &[b"shop.example"]), Ok(()));
        assert_eq!(checked("/", &[]), Err(InvalidHost::Missing));
        assert_eq!(
            checked("http://shop.example/", &[b"other.example"]),
            Err(InvalidHost::Different)
        );
        assert_eq!(checked("http://a/", &[b"a", b"a"]), Err(InvalidHost::Repeated));
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_a_port() {
        for host in [
            "a",
            "shop.example:80",
            "shop.example:",
            "127.0.0.1:8080",
            "[::1]",
            "[::ffff:1.2.3.4]:65535",
            "a_b~",
        ] {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":80",
            "a b",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:+1",
            "a:-1",
            "a/",
            "a/b",
            "http://a",
            "me@a",
            "a@",
            "a?",
            "a#",
            "[::1",
            "::1",
            "[::1]a",
            "[::1]80",
            "[a]",
            "[]",
            "[::1%25eth0]",
            "a\\b",
            "a\"",
            "<a>",
            "a%2e",
            "é",
            "a, b",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
        assert!(!is_valid(b"\xff"));
    }
}
