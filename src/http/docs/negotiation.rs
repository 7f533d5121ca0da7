//! What a request says about the form of its answer: the content codings it takes, and the copy it has already.
//!
//! It reads two headers, `Accept-Encoding` and `If-None-Match` (RFC 9110 §12.5.3 and §13.1.2), and knows no file. It
//! refuses no request: a header, or a part of one, that cannot be read counts as not sent.

use axum::http::{HeaderMap, HeaderName, header};

/// How a file's bytes are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    /// In the order of our preference, the smallest first.
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// The registered name (RFC 9110 §18.6).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// Whether `token` names this coding; names have no case, and gzip has an old one (RFC 9110 §8.4.1.3).
    fn is_named(self, token: &str) -> bool {
        token.eq_ignore_ascii_case(self.name()) || (self == Self::Gzip && token.eq_ignore_ascii_case("x-gzip"))
    }
}

/// The coding that the request likes best among those there are, and of several it likes equally, the smallest.
///
/// A request that takes none of them gets the file as it is: a client that says `identity;q=0` and then nothing we have
/// is better off with a readable answer than with a 406, and RFC 9110 §12.4.1 lets us choose.
pub(super) fn preferred_coding(request: &HeaderMap, is_available: impl Fn(Coding) -> bool) -> Coding {
    let mut best = (Coding::Identity, 0);
    for coding in Coding::ALL.into_iter().filter(|&coding| is_available(coding)) {
        let weight = weight_of(coding, request);
        if weight > best.1 {
            best = (coding, weight);
        }
    }
    best.0
}

/// How much the request wants `coding`, in thousandths; 0 is not at all.
///
/// Without any entry that fits, a coding is not wanted. Identity always is (RFC 9110 §12.5.3, rule 2), but only where
/// nothing else is: 0 says that too, for [`preferred_coding`] falls back to it.
fn weight_of(coding: Coding, request: &HeaderMap) -> u16 {
    let mut wildcard = 0;
    for (token, weight) in list_members(request, &header::ACCEPT_ENCODING).filter_map(weighted) {
        if coding.is_named(token) {
            return weight;
        }
        if token == "*" {
            wildcard = weight;
        }
    }
    wildcard
}

/// The members of a list header, over all lines it was sent in (RFC 9110 §5.6.1); only for headers whose members hold no
/// quoted comma.
fn list_members<'r>(request: &'r HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'r str> {
    let lines = request.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

/// Reads `token` or `token;q=0.5`; the weight in thousandths, 1000 where none is given (RFC 9110 §12.4.2).
fn weighted(member: &str) -> Option<(&str, u16)> {
    let Some((token, parameter)) = member.split_once(';') else {
        return Some((member, 1000));
    };
    let (name, value) = parameter.trim().split_once('=')?;
    let weight = name.eq_ignore_ascii_case("q").then(|| thousandths(value))??;
    Some((token.trim_end(), weight))
}

/// Reads a `qvalue`: 0 to 1 with at most three decimals.
fn thousandths(value: &str) -> Option<u16> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{decimals:0<3}")
        .parse()
        .ok()
        .filter(|&weight| weight <= 1000)
}

/// Whether the client has the representation with this entity tag already, so that 304 is the answer.
///
/// The comparison is weak, as for GET and HEAD it has to be: a `W/` on the client's side does not matter.
pub(super) fn is_not_modified(request: &HeaderMap, etag: &str) -> bool {
    let lines = request
        .get_all(header::IF_NONE_MATCH)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .map(str::trim)
        .any(|line| line == "*" || entity_tags(line).any(|tag| tag == etag))
}

/// The entity tags of a list, with their quotes and without `W/`, up to the first thing that is none. They are not split
/// at commas, which may be part of a tag (RFC 9110 §8.8.3).
fn entity_tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        rest = rest.strip_prefix("W/").unwrap_or(rest);
        let length = rest.strip_prefix('"')?.find('"')? + 2;
        let (tag, after) = rest.split_at(length);
        rest = after;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn request(name: &HeaderName, lines: &[&'static str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (name.clone(), HeaderValue::from_static(line)))
            .collect()
    }

    fn chosen(lines: &[&'static str]) -> Coding {
        preferred_coding(&request(&header::ACCEPT_ENCODING, lines), |_| true)
    }

    #[test]
    fn the_coding_follows_the_weights_and_then_our_preference() {
        for (accept_encoding, coding) in [
            ("", Coding::Identity),
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("gzip", Coding::Gzip),
            ("X-GZip", Coding::Gzip),
            ("BR", Coding::Brotli),
            ("br;q=0.5, gzip;q=0.8", Coding::Gzip),
            ("br;q=0.001, gzip;q=0", Coding::Brotli),
            ("br ; q=0.5 , gzip ; Q=1.000", Coding::Gzip),
            ("*", Coding::Brotli),
            ("br;q=0, *", Coding::Gzip),
            ("*;q=0.5, gzip", Coding::Gzip),
            ("gzip;q=0.3, *;q=0", Coding::Gzip),
            ("identity", Coding::Identity),
            ("identity, br;q=0.5", Coding::Identity),
            ("identity;q=0, *", Coding::Brotli),
            ("identity;q=0, gzip;q=0.1", Coding::Gzip),
            ("zstd, deflate", Coding::Identity),
        ] {
            assert_eq!(chosen(&[accept_encoding]), coding, "Accept-Encoding: {accept_encoding}");
        }
    }

    #[test]
    fn no_header_means_identity_and_several_lines_are_one_list() {
        assert_eq!(chosen(&[]), Coding::Identity);
        assert_eq!(chosen(&["gzip;q=0.5", "br;q=0.1"]), Coding::Gzip);
    }

    #[test]
    fn a_request_that_takes_nothing_gets_identity() {
        for accept_encoding in ["identity;q=0", "*;q=0", "br;q=0, gzip;q=0, identity;q=0"] {
            assert_eq!(
                chosen(&[accept_encoding]),
                Coding::Identity,
                "Accept-Encoding: {accept_encoding}"
            );
        }
    }

    #[test]
    fn a_coding_that_is_not_there_is_passed_over() {
        let request = request(&header::ACCEPT_ENCODING, &["br, gzip;q=0.1"]);
        assert_eq!(
            preferred_coding(&request, |coding| coding != Coding::Brotli),
            Coding::Gzip
        );
        assert_eq!(
            preferred_coding(&request, |coding| coding == Coding::Identity),
            Coding::Identity
        );
    }

    #[test]
    fn a_member_that_cannot_be_read_is_passed_over() {
        for member in [
            "br;q=2",
            "br;q=1.001",
            "br;q=0.1234",
            "br;q=-1",
            "br;q=",
            "br;level=9",
            "br;q=0.5;x=1",
            ";q=1",
        ] {
            assert_eq!(
                weighted(member).filter(|(token, _)| !token.is_empty()),
                None,
                "{member}"
            );
        }
        assert_eq!(chosen(&["br;q=2, gzip;q=0.1"]), Coding::Gzip);
    }

    #[test]
    fn tags_are_compared_weakly_one_by_one() {
        let is_fresh = |lines: &[&'static str]| is_not_modified(&request(&header::IF_NONE_MATCH, lines), "\"a,b\"");
        for fresh in [
            "\"a,b\"",
            "W/\"a,b\"",
            "*",
            "\"x\", \"a,b\"",
            "\"x\" ,, W/\"a,b\" , \"y\"",
            " * ",
        ] {
            assert!(is_fresh(&[fresh]), "If-None-Match: {fresh}");
        }
        for stale in [
            "",
            "a,b",
            "\"a\"",
            "\"A,B\"",
            "\"x\", \"y\"",
            "\"a,b",
            "w/\"a,b\"",
            "\"*\"",
        ] {
            assert!(!is_fresh(&[stale]), "If-None-Match: {stale}");
        }
        assert!(is_fresh(&["\"x\"", "\"a,b\""]));
        assert!(!is_fresh(&[]));
    }
}
