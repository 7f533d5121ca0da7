//! Entity tags, and the conditions `If-Match` and `If-None-Match` (RFC 9110, section 13.1).
//!
//! A tag is the version's number in quotes, always a strong one. A well-formed tag that this service never sent matches
//! nothing; a header that is not a list of tags is refused.

use super::Problem;
use crate::domain::{Expected, Version};

/// The entity tag of this version.
pub(super) fn entity_tag(version: Version) -> String {
    ["\"", &version.get().to_string(), "\""].concat()
}

/// The versions that `If-Match` accepts. Tags compare strongly: a weak one matches nothing.
///
/// # Errors
/// `validation-failed` where the header is neither `*` nor a list of entity tags.
pub(super) fn if_match(header: Option<&str>) -> Result<Expected, Problem> {
    let Some(header) = header else { return Ok(Expected::Any) };
    let condition = condition("If-Match", header)?;
    Ok(condition.map_or(Expected::Exists, |tags| {
        Expected::OneOf(versions(tags.iter().filter(|tag| !tag.is_weak)))
    }))
}

/// Whether `If-None-Match` lists this version, so that the caller has it already. Tags compare weakly.
///
/// # Errors
/// As [`if_match`].
pub(super) fn is_known(header: Option<&str>, version: Version) -> Result<bool, Problem> {
    let Some(header) = header else { return Ok(false) };
    let condition = condition("If-None-Match", header)?;
    Ok(condition.is_none_or(|tags| versions(tags.iter()).contains(&version)))
}

struct Tag<'a> {
    is_weak: bool,
    opaque: &'a str,
}

/// The tags of a condition; `None` for `*`.
fn condition<'a>(name: &str, header: &'a str) -> Result<Option<Vec<Tag<'a>>>, Problem> {
    let header = header.trim();
    if header == "*" {
        return Ok(None);
    }
    tags(header)
        .map(Some)
        .ok_or_else(|| Problem::invalid_parameter(name, "must be * or a list of entity tags in quotes"))
}

/// The tags of a list. A comma inside the quotes is part of its tag (RFC 9110, section 8.8.3).
fn tags(mut list: &str) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    loop {
        let (is_weak, quoted) = list.strip_prefix("W/").map_or((false, list), |rest| (true, rest));
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        if !opaque.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        tags.push(Tag { is_weak, opaque });
        let rest = rest.trim_start();
        if rest.is_empty() {
            return Some(tags);
        }
        list = rest.strip_prefix(',')?.trim_start();
    }
}

/// The versions that the tags stand for; tags in any other form are left out.
fn versions<'a>(tags: impl Iterator<Item = &'a Tag<'a>>) -> Vec<Version> {
    let parsed = tags.filter_map(|tag| {
        let version = tag.opaque.parse().ok().and_then(|number| Version::new(number).ok())?;
        // Each version has one spelling.
        (version.to_string() == tag.opaque).then_some(version)
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: i64) -> Version {
        Version::new(number).unwrap()
    }

    #[test]
    fn if_match_compares_strongly() {
        let expected = |header| if_match(Some(header)).unwrap();
        assert_eq!(if_match(None).unwrap(), Expected::Any);
        assert_eq!(expected("*"), Expected::Exists);
        assert_eq!(expected("\"3\""), Expected::OneOf(vec![version(3)]));
        assert_eq!(expected(" \"3\" ,\"4\""), Expected::OneOf(vec![version(3), version(4)]));
        for never_ours in ["W/\"3\"", "\"03\"", "\"+3\"", "\"0\"", "\"\"", "\"x\"", "\"3,4\""] {
            assert_eq!(expected(never_ours), Expected::OneOf(Vec::new()), "{never_ours}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let known = |header| is_known(Some(header), version(3)).unwrap();
        assert!(known("*") && known("\"3\"") && known("W/\"3\"") && known("\"1\",W/\"a,b\" , \"3\""));
        assert!(!known("\"4\"") && !known("\"x\""));
        assert!(!is_known(None, version(3)).unwrap());
    }

    #[test]
    fn a_header_that_is_not_a_list_of_tags_is_refused() {
        for header in [
            "",
            "3",
            "\"3",
            "3\"",
            "\"3\",",
            "\"3\" \"4\"",
            "*,\"3\"",
            "w/\"3\"",
            "\"a b\"",
        ] {
            assert!(if_match(Some(header)).is_err(), "{header}");
        }
    }
}
