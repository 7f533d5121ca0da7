//! Reads values from JSON: scalars and arrays. [`Object`](super::Object) reads objects.
//!
//! It refuses values of another type, strings that are not Unicode, and numbers that cannot be represented exactly.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use super::{Failures, Pointer, Text};
use crate::types::{AnyJson, Decimal, Timestamp};

/// A type that can be read from a JSON value.
pub trait Read: Sized {
    /// Reads the value, or records at least one failure and returns `None`. A returned value may have failures as well.
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self>;
}

/// Reads a JSON string whose content is a [`Text`].
pub fn string<T: Text>(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<T> {
    if !json.get().starts_with('"') {
        failures.pointer(at, "must be a string");
        return None;
    }
    let Ok(text) = serde_json::from_str::<Str<'_>>(json.get()) else {
        failures.pointer(at, "must be valid Unicode");
        return None;
    };
    T::from_text(&text.0)
        .map_err(|detail| failures.pointer(at, detail))
        .ok()
}

impl Read for String {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        string(json, at, failures)
    }
}

impl Read for AnyJson {
    fn read(json: &RawValue, _: Pointer<'_>, _: &mut Failures) -> Option<Self> {
        Some(json.into())
    }
}

impl Read for Timestamp {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        string(json, at, failures)
    }
}

impl Read for Decimal {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        if !json
            .get()
            .starts_with(|first: char| first == '-' || first.is_ascii_digit())
        {
            failures.pointer(at, "must be a number");
            return None;
        }
        let number = Self::from_json_text(json.get());
        if number.is_none() {
            failures.pointer(at, "must have at most 18 digits before and after the point");
        }
        number
    }
}

impl Read for bool {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        Self::from_text(json.get())
            .map_err(|detail| failures.pointer(at, detail))
            .ok()
    }
}

impl Read for i64 {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        integer(json, at, failures, "must be a 64-bit integer")
    }
}

impl Read for i32 {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        integer(json, at, failures, "must be a 32-bit integer")
    }
}

/// Reads an integer. In JSON Schema, `2`, `2.0` and `2e0` are the same integer, and so are `1e18` and its 19 digits.
fn integer<T: TryFrom<i64>>(json: &RawValue, at: Pointer<'_>, failures: &mut Failures, detail: &str) -> Option<T> {
    let plain = json.get().parse::<i64>().ok();
    let integer = plain.or_else(|| Decimal::integer_from_json_text(json.get()));
    let value = integer.and_then(|integer| T::try_from(integer).ok());
    if value.is_none() {
        failures.pointer(at, detail);
    }
    value
}

impl<T: Read> Read for Vec<T> {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json.get()) else {
            failures.pointer(at, "must be an array");
            return None;
        };
        // Read all items before the first invalid one ends this, so that every failure is recorded.
        let read = |(index, item)| T::read(item, Pointer::Item(&at, index), failures);
        let items: Vec<Option<T>> = items.into_iter().enumerate().map(read).collect();
        items.into_iter().collect()
    }
}

/// A string, borrowed from the body where it has no escapes. (`Cow`'s own `Deserialize` never borrows.)
pub(super) struct Str<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Str<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn read<T: Read + Debug>(json: &str) -> Result<T, Vec<String>> {
        let mut failures = Failures::default();
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let value = T::read(raw, Pointer::Root, &mut failures);
        value
            .filter(|_| failures.lines().is_empty())
            .ok_or_else(|| failures.lines())
    }

    fn refused<T: Read + Debug>(json: &str, detail: &str) {
        assert_eq!(read::<T>(json).unwrap_err(), [format!("# {detail}")], "{json}");
    }

    #[test]
    fn an_integer_is_the_same_value_in_every_notation() {
        for json in ["2", "2.0", "2e0", "20e-1", "0.2E1"] {
            assert_eq!(read::<i64>(json), Ok(2), "{json}");
            assert_eq!(read::<i32>(json), Ok(2), "{json}");
        }
        for json in ["1e18", "1000000000000000000", "0.1e19"] {
            assert_eq!(read::<i64>(json), Ok(10i64.pow(18)), "{json}");
        }
        for json in ["2.5", "9223372036854775808", "1e19", "1e400", "\"2\"", "null", "true"] {
            refused::<i64>(json, "must be a 64-bit integer");
        }
        refused::<i32>("2147483648", "must be a 32-bit integer");
    }

    #[test]
    fn values_of_another_type_are_refused() {
        refused::<String>("1", "must be a string");
        refused::<String>("null", "must be a string");
        refused::<String>(r#""\ud83c""#, "must be valid Unicode");
        refused::<bool>("\"true\"", "must be true or false");
        refused::<Decimal>("\"1\"", "must be a number");
        refused::<Decimal>("1e-19", "must have at most 18 digits before and after the point");
        refused::<Timestamp>("\"noon\"", "must be an RFC 3339 date-time");
        assert_eq!(read::<String>(r#""\u00e9\n""#), Ok("é\n".to_owned()));
        assert_eq!(read::<AnyJson>("[1.0]").unwrap().get().get(), "[1.0]");
    }

    #[test]
    fn every_item_of_an_array_is_read_and_has_its_pointer() {
        assert_eq!(read::<Vec<i64>>("[1, 2]"), Ok(vec![1, 2]));
        let failures = ["#/0 must be a 64-bit integer", "#/2 must be a 64-bit integer"];
        assert_eq!(read::<Vec<i64>>("[null, 1, 0.5]").unwrap_err(), failures);
        refused::<Vec<i64>>("{}", "must be an array");
    }
}
