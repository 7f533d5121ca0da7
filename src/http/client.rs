//! The client's address, also behind trusted proxies.
//!
//! What counts per address asks here: the rate limit, and the memory for arriving bodies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request counts for. For IPv6 it is the /64 network, since one client commonly has all 2^64 addresses
/// of it.
pub(super) fn address(headers: &HeaderMap, extensions: &Extensions, trusted_proxies: usize) -> IpAddr {
    let peer = || connection(extensions).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    network(forwarded(headers, trusted_proxies).unwrap_or_else(peer))
}

/// The other end of the request's connection, which no other open connection has.
pub(super) fn connection(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get().map(|ConnectInfo(peer)| *peer)
}

/// The client's address as the outermost trusted proxy saw it. Each proxy appends the address of its client, so with n
/// trusted proxies it is the n-th entry from the right. Entries left of it come from the client and are not trusted.
/// `None` where there are no proxies, no such entry, or an entry that is not an address.
fn forwarded(headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    let index = trusted_proxies.checked_sub(1)?;
    let lines = headers.get_all(FORWARDED_FOR).into_iter().rev();
    let mut entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    entry_address(entries.nth(index)?)
}

/// An entry's address. Some proxies append the port, write IPv6 in brackets, or quote the entry as in `Forwarded`
/// (RFC 7239).
fn entry_address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let entry = unwrapped(entry, '"', '"').unwrap_or(entry).trim();
    let bare = || entry.parse().ok();
    let with_port = || entry.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || unwrapped(entry, '[', ']')?.parse().ok().map(IpAddr::V6);
    bare().or_else(with_port).or_else(in_brackets)
}

fn unwrapped(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address of a request from 192.0.2.1 with these lines of `X-Forwarded-For`.
    fn seen(trusted_proxies: usize, lines: &[&str]) -> IpAddr {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 80))));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        address(&headers, &extensions, trusted_proxies)
    }

    #[test]
    fn the_client_is_the_entry_that_the_outermost_proxy_wrote() {
        let cases: [(usize, &[&str], &str); 13] = [
            (0, &["198.51.100.1"], "192.0.2.1"),
            (1, &[], "192.0.2.1"),
            (1, &["198.51.100.1"], "198.51.100.1"),
            (1, &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (1, &["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
            (2, &["203.0.113.9, 198.51.100.1 ,10.0.0.1"], "198.51.100.1"),
            (2, &["203.0.113.9,198.51.100.1", "10.0.0.1"], "198.51.100.1"),
            (2, &["198.51.100.1"], "192.0.2.1"),
            (1, &["198.51.100.1, unknown"], "192.0.2.1"),
            (1, &["198.51.100.1,"], "192.0.2.1"),
            (1, &[""], "192.0.2.1"),
            (1, &["::ffff:198.51.100.1"], "198.51.100.1"),
            (1, &["2001:db8::1:2:3:4"], "2001:db8::"),
        ];
        for (proxies, lines, client) in cases {
            assert_eq!(
                seen(proxies, lines),
                client.parse::<IpAddr>().unwrap(),
                "{proxies} {lines:?}"
            );
        }
    }

    #[test]
    fn an_entry_may_have_a_port_brackets_and_quotes() {
        for (entry, client) in [
            ("198.51.100.1:4711", "198.51.100.1"),
            ("\"198.51.100.1\"", "198.51.100.1"),
            ("\"198.51.100.1:4711\"", "198.51.100.1"),
            ("[2001:db8::1]", "2001:db8::"),
            ("[2001:db8::1]:4711", "2001:db8::"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::"),
            ("\" 2001:db8::1 \"", "2001:db8::"),
            ("[::ffff:198.51.100.1]:4711", "198.51.100.1"),
        ] {
            let line = format!("203.0.113.9, {entry}");
            assert_eq!(seen(1, &[&line]), client.parse::<IpAddr>().unwrap(), "{entry}");
        }
        for entry in [
            "198.51.100.1:",
            "198.51.100.1:99999",
            "[198.51.100.1]",
            "[2001:db8::1",
            "\"",
            "_hidden",
            "::1:x",
        ] {
            assert_eq!(seen(1, &[entry]), IpAddr::from([192, 0, 2, 1]), "{entry}");
        }
    }
}
