//! Cursors, and the links from one page to the next.
//!
//! A cursor is the last id of its page: a number with the digits `a` to `p`, so that nobody takes it for a promise. Each id
//! has one spelling, and whatever fits the contract's pattern is one, so a made-up cursor is a place in the list as well.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Problem;
use crate::domain::Invalid;

/// The id that a cursor stands for.
///
/// # Errors
/// `validation-failed` where no page ever gave this cursor out.
pub(super) fn cursor<T>(text: Option<&str>, id: fn(i64) -> Result<T, Invalid>) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    match number(text).map(id) {
        Some(Ok(id)) => Ok(Some(id)),
        Some(Err(_)) | None => Err(Problem::invalid_parameter(
            "cursor",
            "must be the next_cursor of a page",
        )),
    }
}

/// The cursor of the page after the one that ends with this id.
pub(super) fn next_cursor(last: i64) -> String {
    let letter = |digit: u8| if digit < b'a' { digit - b'0' + b'a' } else { digit + 10 };
    format!("{last:x}").bytes().map(letter).map(char::from).collect()
}

/// The number that a cursor spells, if it spells one.
fn number(cursor: &str) -> Option<i64> {
    let digits = cursor
        .bytes()
        .map(|letter| letter.checked_sub(b'a').filter(|digit| *digit < 16));
    let number = digits.fold(Some(0), |number: Option<i64>, digit| {
        number?.checked_mul(16)?.checked_add(digit?.into())
    });
    number.filter(|number| next_cursor(*number) == cursor)
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
        for (id, text) in [
            (1, "b"),
            (15, "p"),
            (16, "ba"),
            (20, "be"),
            (i64::MAX, "hppppppppppppppp"),
        ] {
            assert_eq!(next_cursor(id), text);
            let read = cursor(Some(&next_cursor(id)), ProductId::new).unwrap();
            assert_eq!(read.map(ProductId::get), Some(id));
        }
        assert!(cursor(None, ProductId::new).unwrap().is_none());
    }

    #[test]
    fn made_up_cursors_are_refused() {
        let beyond = "iaaaaaaaaaaaaaaa";
        for text in [
            "",
            "a",
            "ab",
            "q",
            "B",
            "1",
            "b=",
            "-b",
            "ß",
            beyond,
            "bbbbbbbbbbbbbbbbb",
        ] {
            assert!(cursor(Some(text), ProductId::new).is_err(), "{text}");
        }
    }

    #[test]
    fn links_keep_limit_and_filters() {
        let link = link(
            "/orders",
            5,
            Some("b"),
            &[("status", Some("PAID")), ("sku", Some("A-1")), ("none", None)],
        );
        assert_eq!(
            link.as_deref(),
            Some("</orders?limit=5&cursor=b&status=PAID&sku=A%2D1>; rel=\"next\"")
        );
        assert_eq!(super::link("/orders", 5, None, &[]), None);
    }
}
