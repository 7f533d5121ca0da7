//! What RFC 9110 (sections 5.6.1.2, 8.8.3 and 13.1) says about `If-Match` and `If-None-Match` on one product or order, read
//! a second time and from the bytes alone: the version is in the answer's own `ETag`.

use std::sync::LazyLock;

use axum::http::Method;
use regex::bytes::Regex;

use crate::answer::Answer;
use crate::requests::Head;

static RESOURCE: LazyLock<Regex> = LazyLock::new(|| regex(r"^/(products|orders)/[1-9][0-9]{0,8}$"));
static EVERY: LazyLock<Regex> = LazyLock::new(|| regex(r"^[ \t]*\*[ \t]*$"));
static TAG: LazyLock<Regex> = LazyLock::new(|| regex(r#"(?:W/)?"([!#-~\x80-\xff]*)""#));
static LIST: LazyLock<Regex> = LazyLock::new(|| {
    let tag = TAG
        .as_str()
        .trim_start_matches("(?-u)")
        .replace('(', "(?:")
        .replace("(?:?:", "(?:");
    regex(&format!(r"^[ \t]*(?:{tag}[ \t]*)?(?:,[ \t]*(?:{tag}[ \t]*)?)*$"))
});

fn regex(text: &str) -> Regex {
    Regex::new(&format!("(?-u){text}")).expect("a regular expression")
}

/// What a condition names.
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Absent,
    Every,
    /// These opaque parts, as Rust escapes them.
    Tags(Vec<String>),
    /// It is no list; ignored where a resource is read, refused where it is changed.
    Unreadable,
}

impl Condition {
    /// Several lines are one list.
    fn read(lines: &[Vec<u8>]) -> Self {
        let list = lines.join(&b", "[..]);
        match lines {
            [] => Self::Absent,
            _ if EVERY.is_match(&list) => Self::Every,
            _ if LIST.is_match(&list) => {
                let tags = TAG.captures_iter(&list).filter_map(|tag| tag.get(1));
                Self::Tags(
                    tags.map(|opaque| opaque.as_bytes().escape_ascii().to_string())
                        .collect(),
                )
            }
            _ => Self::Unreadable,
        }
    }

    fn is_condition(&self) -> bool {
        matches!(self, Self::Every | Self::Tags(_))
    }

    /// Whether it names this entity tag. A weak one is the same version.
    fn names(&self, tag: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Tags(tags) => tags.iter().any(|opaque| opaque == tag.trim_matches('"')),
            Self::Absent | Self::Unreadable => false,
        }
    }
}

/// Compares the answer with the conditions of its request.
///
/// # Errors
/// What the answer should not have been.
pub(crate) fn check(head: &Head, answer: &Answer) -> Result<(), String> {
    if !RESOURCE.is_match(head.path.as_bytes()) || head.has_query {
        return Ok(());
    }
    let (wanted, known) = (Condition::read(&head.if_match), Condition::read(&head.if_none_match));
    let is_read = head.method == Method::GET || head.method == Method::HEAD;
    let tag = answer.header("etag").filter(|_| is_read);
    let wrong = |what: &str| {
        Err(format!(
            "{what}: If-Match {wanted:?}, If-None-Match {known:?}, ETag {tag:?}"
        ))
    };
    match (answer.status, tag) {
        (412, _) if !(wanted.is_condition() || known.is_condition() && !is_read) => wrong("412 without a condition"),
        (422, _) if is_read => wrong("a condition was refused"),
        (422, _)
            if head.method == Method::DELETE && wanted != Condition::Unreadable && known != Condition::Unreadable =>
        {
            wrong("a good condition was refused")
        }
        (200, Some(tag)) if known.names(tag) => wrong("200 for a known version"),
        (200, Some(tag)) if wanted.is_condition() && !wanted.names(tag) => wrong("200 for another version"),
        (304, Some(tag)) if !known.names(tag) => wrong("304 for an unknown version"),
        (200..=299 | 409 | 412, _) if !is_read && [&wanted, &known].contains(&&Condition::Unreadable) => {
            wrong("an unreadable condition was taken")
        }
        _ => Ok(()),
    }
}

#[test]
fn conditions_are_read_as_the_rfc_says() {
    let read = |lines: &[&str]| {
        let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        Condition::read(&lines)
    };
    let tags = |tags: &[&str]| Condition::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect());
    assert_eq!(read(&[]), Condition::Absent);
    assert_eq!(read(&[" *\t"]), Condition::Every);
    assert_eq!(read(&["\"1\""]), tags(&["1"]));
    assert_eq!(read(&["W/\"1\" ,\t, \"a,b\",", "\"\""]), tags(&["1", "a,b", ""]));
    assert_eq!(read(&[""]), tags(&[]));
    assert_eq!(read(&["\"é\""]), tags(&["\\xc3\\xa9"]));
    for bad in [
        "1",
        "\"1",
        "\"1\" \"2\"",
        "*,\"1\"",
        "**",
        "w/\"1\"",
        "W/ \"1\"",
        "\"a b\"",
        "\"1\";q=1",
        "\"\t\"",
    ] {
        assert_eq!(read(&[bad]), Condition::Unreadable, "{bad}");
    }
}
