//! Cursors, and the links from one page to the next.
//!
//! A cursor is the last id of its page, spelled so that nobody takes it for a promise.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Problem;
use crate::domain::Invalid;

/// The id that a cursor stands for.
///
/// # Errors
/// `validation-failed` where no page ever gave this cursor out.
pub(super) fn cursor<T>(text: Option<&str>, id: fn(i64) -> Result<T, Invalid>) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let number = bytes.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    // Each id has one spelling: what decodes to it and is spelled otherwise was not made here.
    match number.filter(|number| next_cursor(*number) == text).map(id) {
        Some(Ok(id)) => Ok(Some(id)),
        Some(Err(_)) | None => Err(Problem::invalid_parameter(
            "cursor",
            "must be the next_cursor of a page",
        )),
    }
}

/// The cursor of the page after the one that ends with this id.
pub(super) fn next_cursor(last: i64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(last.to_string())
}

/// The `Link` header (RFC 8288) to the next page of a list, with the same limit and filters.
pub(super) fn link(path: &str, limit: i32, cursor: Option<&str>, filters: &[(&str, Option<&str>)]) -> Option<String> {
    let mut target = format!("{path}?limit={limit}&cursor={}", cursor?);
    for (name, value) in filters {
        if let Some(value) = value {
            target.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        }
    }
    Some(format!("<{target}>; rel=\"next\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProductId;

    #[test]
    fn cursors_come_back_as_the_id_they_stand_for() {
        for id in [1, 20, i64::MAX] {
            let read = cursor(Some(&next_cursor(id)), ProductId::new).unwrap();
            assert_eq!(read.map(ProductId::get), Some(id));
        }
        assert!(cursor(None, ProductId::new).unwrap().is_none());
    }

    #[test]
    fn made_up_cursors_are_refused() {
        let zero_padded = BASE64_URL_SAFE_NO_PAD.encode("01");
        let signed = BASE64_URL_SAFE_NO_PAD.encode("+1");
        for text in [
            "",
            "1",
            "MQ==",
            "ß",
            &next_cursor(0),
            &next_cursor(-1),
            &zero_padded,
            &signed,
            "////",
        ] {
            assert!(cursor(Some(text), ProductId::new).is_err(), "{text}");
        }
    }

    #[test]
    fn links_keep_limit_and_filters() {
        let link = link(
            "/orders",
            5,
            Some("MQ"),
            &[("status", Some("PAID")), ("sku", Some("A-1")), ("none", None)],
        );
        assert_eq!(
            link.as_deref(),
            Some("</orders?limit=5&cursor=MQ&status=PAID&sku=A%2D1>; rel=\"next\"")
        );
        assert_eq!(super::link("/orders", 5, None, &[]), None);
    }
}
