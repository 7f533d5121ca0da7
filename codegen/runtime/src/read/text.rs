//! Reads values from text: parameters, and the content of JSON strings.
//!
//! An integer has one spelling; others, such as `01` or `+1`, are refused.

use std::fmt;
use std::str::FromStr;

use crate::types::{Decimal, NotATimestamp, Timestamp};

/// A type that can be read from text: a parameter, or the content of a JSON string.
pub trait Text: Sized {
    /// Reads the value.
    ///
    /// # Errors
    ///
    /// What the text must be, as in [`Failure::detail`](super::Failure::detail).
    fn from_text(text: &str) -> Result<Self, String>;
}

impl Text for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Text for Timestamp {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: NotATimestamp| error.to_string())
    }
}

impl Text for Decimal {
    fn from_text(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|_| "must be a number".to_owned())
    }
}

impl Text for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".to_owned())
    }
}

impl Text for i64 {
    fn from_text(text: &str) -> Result<Self, String> {
        plain_integer(text).ok_or_else(|| "must be a 64-bit integer".to_owned())
    }
}

impl Text for i32 {
    fn from_text(text: &str) -> Result<Self, String> {
        plain_integer(text).ok_or_else(|| "must be a 32-bit integer".to_owned())
    }
}

/// An integer in its one spelling: without a plus sign or leading zeros.
fn plain_integer<T: FromStr + fmt::Display>(text: &str) -> Option<T> {
    text.parse().ok().filter(|integer: &T| integer.to_string() == text)
}

/// The value of an enumeration whose name is `text`.
///
/// # Errors
///
/// The list of valid values.
pub fn one_of<T: Copy>(all: &[T], spelled: fn(T) -> &'static str, text: &str) -> Result<T, String> {
    all.iter()
        .copied()
        .find(|value| spelled(*value) == text)
        .ok_or_else(|| {
            let names: Vec<_> = all.iter().copied().map(spelled).collect();
            format!(
                "must be {}{}",
                if names.len() > 1 { "one of " } else { "" },
                names.join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_has_one_spelling() {
        for text in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(i64::from_text(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "+1",
            "01",
            "-0",
            "-01",
            "1.0",
            "1e0",
            " 1",
            "0x1",
            "--1",
            "１",
            "9223372036854775808",
        ] {
            assert_eq!(
                i64::from_text(text),
                Err("must be a 64-bit integer".to_owned()),
                "{text}"
            );
        }
        assert!(i32::from_text("2147483647").is_ok() && i32::from_text("2147483648").is_err());
    }

    #[test]
    fn other_types_say_what_the_text_must_be() {
        assert_eq!(bool::from_text("TRUE"), Err("must be true or false".to_owned()));
        assert_eq!(Decimal::from_text("\"1\""), Err("must be a number".to_owned()));
        assert_eq!(
            Timestamp::from_text("now"),
            Err("must be an RFC 3339 date-time".to_owned())
        );
        let spelled = |value: bool| if value { "on" } else { "off" };
        assert_eq!(one_of(&[true, false], spelled, "on"), Ok(true));
        assert_eq!(
            one_of(&[true, false], spelled, "x"),
            Err("must be one of on, off".to_owned())
        );
        assert_eq!(one_of(&[true], spelled, "x"), Err("must be on".to_owned()));
    }
}
