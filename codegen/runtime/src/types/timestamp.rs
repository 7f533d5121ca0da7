//! RFC 3339 timestamps, with `jiff`.
//!
//! It refuses text that `jiff` accepts and RFC 3339 does not: blanks, missing separators, names of time zones.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::read;

/// An instant with millisecond precision, written as RFC 3339 in UTC: `2026-03-01T09:30:00.000Z`. It can be read from
/// any RFC 3339 date-time; fractions of a millisecond are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// 0000-01-01T00:00:00Z, the first instant in RFC 3339.
const FIRST: jiff::Timestamp = jiff::Timestamp::constant(-62_167_219_200, 0);

/// 9999-12-30T22:00:00Z, the last instant in `jiff`'s range, which leaves room for every time zone's offset.
const LAST: jiff::Timestamp = jiff::Timestamp::constant(253_402_207_200, 0);

/// The syntax of RFC 3339's `date-time`; `jiff` checks that the day and the time exist.
static DATE_TIME: LazyLock<Regex> = LazyLock::new(|| {
    read::pattern(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$")
});

impl Timestamp {
    /// The instant `milliseconds` after 1970-01-01T00:00:00Z. An instant outside the years 0 to 9999, the range of
    /// RFC 3339, becomes the nearest one inside.
    pub fn from_unix_ms(milliseconds: i64) -> Self {
        Self(match jiff::Timestamp::from_millisecond(milliseconds) {
            Ok(instant) => instant.clamp(FIRST, LAST),
            Err(_) if milliseconds < 0 => FIRST,
            Err(_) => LAST,
        })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn unix_ms(self) -> i64 {
        self.0.as_millisecond()
    }
}

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !DATE_TIME.is_match(text) {
            return Err(NotATimestamp);
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| NotATimestamp)?;
        Ok(Self::from_unix_ms(instant.as_millisecond()))
    }
}

/// The text is not an RFC 3339 date-time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATimestamp;

impl fmt::Display for NotATimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an RFC 3339 date-time")
    }
}

impl std::error::Error for NotATimestamp {}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_milliseconds_and_one_spelling() {
        let same = [
            ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.000Z"),
            ("2026-03-01t09:30:00.1z", "2026-03-01T09:30:00.100Z"),
            ("2026-03-01T10:30:00.123999999+01:00", "2026-03-01T09:30:00.123Z"),
            ("2024-02-29T23:59:59-00:00", "2024-02-29T23:59:59.000Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
        ];
        for (text, answered) in same {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(time.to_string(), answered);
            assert_eq!(Timestamp::from_unix_ms(time.unix_ms()), time);
            assert_eq!(
                serde_json::from_str::<Timestamp>(&serde_json::to_string(&time).unwrap()).unwrap(),
                time
            );
        }
        let not = [
            "",
            "now",
            "2026-03-01",
            "2026-03-01T09:30:00",
            "2026-03-01 09:30:00Z",
            "20260301T093000Z",
            "2026-03-01T09:30Z",
            "2026-02-29T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T09:30:00.Z",
            "2026-03-01T09:30:00,5Z",
            "2026-03-01T09:30:00+0100",
            "2026-03-01T09:30:00+01",
            "2026-03-01T09:30:00+01:00[Europe/Berlin]",
            " 2026-03-01T09:30:00Z",
            "2026-03-01T09:30:00Z ",
            "+002026-03-01T09:30:00Z",
            "２026-03-01T09:30:00Z",
            "2026-03-01T09:30:00é",
        ];
        for text in not {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_timestamp_stays_within_the_years_that_can_be_written() {
        assert_eq!(
            Timestamp::from_unix_ms(i64::MIN).to_string(),
            "0000-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_unix_ms(i64::MAX).to_string(),
            "9999-12-30T22:00:00.000Z"
        );
        assert_eq!(Timestamp::from_unix_ms(-1).to_string(), "1969-12-31T23:59:59.999Z");
        for time in [i64::MIN, -1, 0, 1_772_357_400_123, i64::MAX].map(Timestamp::from_unix_ms) {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        // Every day of a full cycle of leap years and many others, at varying times of day. An independent parser reads
        // them.
        let (mut last, days) = (String::new(), -719_528..=2_932_895_i64);
        for day in days.filter(|day| (-110_000..40_000).contains(day) || day % 97 == 0) {
            let time = Timestamp::from_unix_ms(day * 86_400_000 + (day * 7_919_317).rem_euclid(86_400_000));
            let text = time.to_string();
            assert_eq!(text.parse(), Ok(time), "{text}");
            assert!(last < text, "{last} {text}");
            last = text;
        }
    }
}
