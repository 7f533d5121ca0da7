//! Pagination: cursors, and the `Link` header to the next page.
//!
//! A cursor is the last id of a page minus one, as 16 hexadecimal digits, in a list by time after as many for the time. So
//! every text of the contract's pattern that fits the id type and the list is a valid cursor, and other text is refused.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Problem;
use crate::domain::{Invalid, Timestamp};

/// How many digits a number has.
const DIGITS: usize = 16;

/// The id that a cursor stands for.
///
/// # Errors
/// `validation-failed` where the text is not a cursor.
pub(super) fn cursor<T>(text: Option<&str>, id: fn(i64) -> Result<T, Invalid>) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let id = number(text).and_then(|before| id(before.saturating_add(1)).ok());
    id.map(Some).ok_or_else(no_cursor)
}

/// The place in a list by time that a cursor stands for.
///
/// # Errors
/// `validation-failed` where the text is not a cursor of such a list.
pub(super) fn time_cursor<T>(
    text: Option<&str>,
    id: fn(i64) -> Result<T, Invalid>,
) -> Result<Option<(Timestamp, T)>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let (time, before) = text.split_at_checked(DIGITS).ok_or_else(no_cursor)?;
    let time = number(time).map(Timestamp::from_millis);
    let id = number(before).and_then(|before| id(before.saturating_add(1)).ok());
    time.zip(id).map(Some).ok_or_else(no_cursor)
}

fn no_cursor() -> Problem {
    Problem::invalid_parameter("cursor", "must be the next_cursor of a page")
}

/// The cursor of the page after the one that ends with this id.
pub(super) fn next_cursor(last: i64) -> String {
    hex::encode(last.saturating_sub(1).to_be_bytes())
}

/// The cursor of the page after the one that ends with this time and id.
pub(super) fn next_time_cursor(time: Timestamp, last: i64) -> String {
    // Nothing is older than 1970, whatever the clock said.
    let time = time.millis().max(0);
    format!("{}{}", hex::encode(time.to_be_bytes()), next_cursor(last))
}

/// The number of these digits, 0 or more.
fn number(digits: &str) -> Option<i64> {
    // Each number has one spelling: no capitals, no sign, no other number of digits.
    let is_plain = digits.len() == DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    i64::from_str_radix(digits, 16).ok().filter(|_| is_plain)
}

/// The `Link` header (RFC 8288) to the next page of a list, with the same limit and filters.
pub(super) fn link(path: &str, limit: i32, cursor: Option<&str>, filters: &[(&str, Option<&str>)]) -> Option<String> {
    let mut link = format!("<{path}?limit={limit}&cursor={}", cursor?);
    for (name, value) in filters {
        if let Some(value) = value {
            link.extend(["&", name, "="]);
            link.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
    }
    link.push_str(">; rel=\"next\"");
    Some(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProductId;

    #[test]
    fn a_cursor_decodes_to_the_id_it_was_made_from() {
        for (id, text) in [
            (1, "0000000000000000"),
            (17, "0000000000000010"),
            (i64::MAX, "7ffffffffffffffe"),
        ] {
            assert_eq!(next_cursor(id), text);
            let read = cursor(Some(&next_cursor(id)), ProductId::new).unwrap();
            assert_eq!(read.map(ProductId::get), Some(id));
        }
        assert!(cursor(None, ProductId::new).unwrap().is_none());
    }

    #[test]
    fn other_text_than_a_cursor_is_refused() {
        for text in [
            "",
            "1",
            "bad",
            "next",
            "000000000000001",
            "00000000000000001",
            "000000000000000A",
            "+000000000000001",
            "-000000000000001",
            "8000000000000000",
            "ffffffffffffffff",
            "000000000000000 ",
            "ß",
        ] {
            assert!(cursor(Some(text), ProductId::new).is_err(), "{text}");
        }
    }

    #[test]
    fn links_keep_limit_and_filters() {
        let link = link(
            "/orders",
            5,
            Some("0000000000000000"),
            &[("status", Some("PAID")), ("sku", Some("A-1")), ("none", None)],
        );
        assert_eq!(
            link.as_deref(),
            Some("</orders?limit=5&cursor=0000000000000000&status=PAID&sku=A%2D1>; rel=\"next\"")
        );
        assert_eq!(super::link("/orders", 5, None, &[]), None);
    }
}
