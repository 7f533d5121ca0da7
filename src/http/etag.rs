//! Entity tags, and the conditions `If-Match` and `If-None-Match` (RFC 9110, section 13).
//!
//! A tag is the version's number in quotes, a strong one. Proxies that compress make it weak; since it names a version and
//! not bytes, its weak form is the same tag, in both conditions. A well-formed tag that this service never sent matches
//! nothing. A header that is no list of tags is ignored where a resource is read, and refused where it is changed.

use super::Problem;
use crate::domain::{Expected, Resource, Unexpected, Version, Versions};
use crate::error::Error;

/// The entity tag of this version.
pub(super) fn entity_tag(version: Version) -> String {
    ["\"", &version.get().to_string(), "\""].concat()
}

/// The conditions of a request that changes a resource.
///
/// # Errors
/// `validation-failed` where a header is neither `*` nor a list of entity tags.
pub(super) fn expected(if_match: Option<&str>, if_none_match: Option<&str>) -> Result<Expected, Problem> {
    // The contract's pattern has refused what cannot be read, so this refuses nothing else.
    let versions = |name, header: Option<&str>| {
        let read = |header| {
            versions(header)
                .ok_or_else(|| Problem::invalid_parameter(name, "must be * or a list of entity tags in quotes"))
        };
        header.map(read).transpose()
    };
    Ok(Expected {
        in_one_of: versions("If-Match", if_match)?,
        in_none_of: versions("If-None-Match", if_none_match)?,
    })
}

/// Whether the caller of a request that reads a resource has this version already.
///
/// # Errors
/// `stale-version` where `If-Match` does not name the version.
pub(super) fn is_known(
    if_match: Option<&str>,
    if_none_match: Option<&str>,
    what: Resource,
    version: Version,
) -> Result<bool, Error> {
    let expected = Expected {
        in_one_of: if_match.and_then(versions),
        in_none_of: if_none_match.and_then(versions),
    };
    match expected.check(version) {
        Ok(()) => Ok(false),
        Err(Unexpected::Named) => Ok(true),
        Err(unexpected @ Unexpected::NotNamed) => Err(Error::StaleVersion {
            what,
            version,
            unexpected,
        }),
    }
}

/// White space around the elements of a list (RFC 9110, section 5.6.3).
const WHITE_SPACE: [char; 2] = [' ', '\t'];

/// The versions that a header names; `None` where it cannot be read.
fn versions(header: &str) -> Option<Versions> {
    match header.trim_matches(WHITE_SPACE) {
        "*" => Some(Versions::Every),
        list => tags(list).map(|tags| Versions::OneOf(tags.into_iter().filter_map(version).collect())),
    }
}

/// The opaque parts of a list's tags, weak ones included. Empty elements are passed over (RFC 9110, section 5.6.1.2). A comma
/// inside the quotes is part of its tag (section 8.8.3).
fn tags(mut rest: &str) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    loop {
        if !rest.is_empty() && !rest.starts_with(',') {
            let quoted = rest.strip_prefix("W/").unwrap_or(rest);
            let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
            if !opaque.chars().all(is_tag_character) {
                return None;
            }
            tags.push(opaque);
            rest = after.trim_start_matches(WHITE_SPACE);
        }
        if rest.is_empty() {
            return Some(tags);
        }
        rest = rest.strip_prefix(',')?.trim_start_matches(WHITE_SPACE);
    }
}

/// `etagc` of RFC 9110: visible characters but the quotation mark, and every byte above ASCII.
const fn is_tag_character(character: char) -> bool {
    matches!(character, '!' | '#'..='~' | '\u{80}'..='\u{ff}')
}

/// The version that a tag stands for; `None` for a tag in any other form, since each version has one spelling.
fn version(opaque: &str) -> Option<Version> {
    let version = opaque.parse().ok().and_then(|number| Version::new(number).ok())?;
    (version.to_string() == opaque).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of(numbers: &[i64]) -> Option<Versions> {
        let versions = numbers.iter().map(|number| Version::new(*number).unwrap());
        Some(Versions::OneOf(versions.collect()))
    }

    #[test]
    fn a_list_of_tags_is_read_as_the_rfc_says() {
        assert_eq!(versions("*"), Some(Versions::Every));
        assert_eq!(versions(" *\t"), Some(Versions::Every));
        for (header, numbers) in [
            ("\"3\"", &[3][..]),
            ("W/\"3\"", &[3]),
            (" \"3\" ,\"4\"", &[3, 4]),
            ("\"3\",", &[3]),
            (",\"3\"", &[3]),
            (", ,\t, \"3\"\t,\tW/\"4\",,", &[3, 4]),
            ("\"1\",W/\"a,b\" , \"3\"", &[1, 3]),
            ("\"\u{e4}\", \"3\"", &[3]),
            ("", &[]),
            (",", &[]),
        ] {
            assert_eq!(versions(header), one_of(numbers), "{header}");
        }
        for never_ours in [
            "\"03\"", "\"+3\"", "\"0\"", "\"\"", "\"x\"", "\"3,4\"", "W/\"x\"", "\"*\"",
        ] {
            assert_eq!(versions(never_ours), one_of(&[]), "{never_ours}");
        }
    }

    #[test]
    fn what_is_no_list_of_tags_is_not_read() {
        for header in [
            "3",
            "\"3",
            "3\"",
            "\"3\" \"4\"",
            "*,\"3\"",
            "*, *",
            ",*",
            "w/\"3\"",
            "W/ \"3\"",
            "W/",
            "\"a b\"",
            "\"a\tb\"",
            "\"\u{7f}\"",
            "\"3\";\"4\"",
            "\u{a0}\"3\"",
        ] {
            assert_eq!(versions(header), None, "{header}");
            assert!(
                expected(Some(header), None).is_err() && expected(None, Some(header)).is_err(),
                "{header}"
            );
            let version = Version::FIRST;
            let what = Resource::Product(crate::domain::ProductId::new(1).unwrap());
            assert!(
                !is_known(Some(header), Some(header), what, version).unwrap(),
                "{header}"
            );
        }
    }
}
