//! Numbers and times as JSON writes them. No float ever holds one: a number is what was written, or it is refused.

use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// An exact decimal number: `digits` × 10^-`scale`, always in its shortest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

/// More digits than any rule of a contract can ask for, and few enough that comparing two numbers cannot overflow.
const DIGITS_MAX: u32 = 18;

impl Decimal {
    /// The number `digits` × 10^-`scale`; `None` where it needs more than 18 digits before or after the point.
    pub const fn new(mut digits: i128, mut scale: u32) -> Option<Self> {
        if digits == 0 {
            scale = 0;
        }
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        if scale > DIGITS_MAX || digits.unsigned_abs() / 10u128.pow(scale) >= 10u128.pow(DIGITS_MAX) {
            return None;
        }
        Some(Self { digits, scale })
    }

    /// A number that the contract itself names, such as a bound.
    ///
    /// # Panics
    ///
    /// At compile time, where `text` is no plain decimal number.
    #[allow(clippy::panic, reason = "evaluated by the compiler")]
    pub const fn literal(text: &str) -> Self {
        let bytes = text.as_bytes();
        if !bytes[bytes.len() - 1].is_ascii_digit() {
            panic!("not a plain decimal number");
        }
        let (mut digits, mut scale, mut at, mut after_point) = (0i128, 0, 0, false);
        while at < bytes.len() {
            match bytes[at] {
                b'-' if at == 0 => {}
                b'.' if !after_point => after_point = true,
                digit @ b'0'..=b'9' => {
                    digits = digits * 10 + (digit - b'0') as i128;
                    scale += after_point as u32;
                }
                _ => panic!("not a plain decimal number"),
            }
            at += 1;
        }
        match Self::new(if bytes[0] == b'-' { -digits } else { digits }, scale) {
            Some(number) => number,
            None => panic!("too many digits"),
        }
    }

    /// The number that a JSON text (RFC 8259, section 6) writes, exponents included; `None` where it needs more than 18
    /// digits before or after the point. Exact: nothing is rounded.
    pub fn from_json_text(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits_of_whole = whole.strip_prefix('-').unwrap_or(whole);
        if digits_of_whole.is_empty() {
            return None;
        }
        // Zeros count only once another digit comes after them.
        let (mut digits, mut zeros) = (0i128, 0u32);
        for digit in digits_of_whole.bytes().chain(fraction.bytes()) {
            match char::from(digit).to_digit(10)? {
                0 if digits == 0 => {}
                0 => zeros += 1,
                digit => {
                    digits = digits
                        .checked_mul(10i128.checked_pow(zeros + 1)?)?
                        .checked_add(digit.into())?;
                    zeros = 0;
                }
            }
        }
        if digits == 0 {
            return Some(Self { digits: 0, scale: 0 });
        }
        if whole.starts_with('-') {
            digits = -digits;
        }
        let places = i64::try_from(fraction.len()).ok()? - i64::from(zeros) - i64::from(exponent.parse::<i32>().ok()?);
        match u32::try_from(places) {
            Ok(scale) => Self::new(digits, scale),
            Err(_) => Self::new(
                10i128
                    .checked_pow(places.unsigned_abs().try_into().ok()?)?
                    .checked_mul(digits)?,
                0,
            ),
        }
    }

    /// This number in units of 10^-`places`, where it is a whole number of them: 12.5 is 1250 in hundredths.
    pub fn in_units(self, places: u32) -> Option<i64> {
        if self.digits == 0 {
            return Some(0);
        }
        let up = places.checked_sub(self.scale)?;
        self.digits.checked_mul(10i128.checked_pow(up)?)?.try_into().ok()
    }

    /// So many hundredths, which is money in cents: 1250 are 12.5. Every `i64` of them fits.
    pub const fn from_hundredths(hundredths: i64) -> Self {
        let (digits, scale) = match hundredths {
            _ if hundredths % 100 == 0 => (hundredths / 100, 0),
            _ if hundredths % 10 == 0 => (hundredths / 10, 1),
            _ => (hundredths, 2),
        };
        Self {
            digits: digits as i128,
            scale,
        }
    }

    /// The number is `digits` × 10^-`scale`.
    pub(crate) const fn parts(self) -> (i128, usize) {
        (self.digits, self.scale as usize)
    }

    /// Whether this number is a whole multiple of `step`, which is above 0.
    pub fn is_multiple_of(self, step: Self) -> bool {
        let scale = self.scale.max(step.scale);
        self.at(scale) % step.at(scale) == 0
    }

    fn at(self, scale: u32) -> i128 {
        self.digits * 10i128.pow(scale - self.scale)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let scale = self.scale.max(other.scale);
        self.at(scale).cmp(&other.at(scale))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl validator::ValidateRange<Self> for Decimal {
    fn greater_than(&self, max: Self) -> Option<bool> {
        Some(*self > max)
    }

    fn less_than(&self, min: Self) -> Option<bool> {
        Some(*self < min)
    }
}

/// Plain notation, without trailing zeros: `12.5`, `-3`, `0.01`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.digits);
        }
        let sign = if self.digits < 0 { "-" } else { "" };
        let unit = 10u128.pow(self.scale);
        let digits = self.digits.unsigned_abs();
        write!(
            f,
            "{sign}{}.{:0width$}",
            digits / unit,
            digits % unit,
            width = self.scale as usize
        )
    }
}

/// A JSON number, as written by `Display`.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Borrowed from the stack: a page of prices costs no allocation.
        let mut text = Stack {
            bytes: [0; 38],
            used: 0,
        };
        fmt::Write::write_fmt(&mut text, format_args!("{self}")).map_err(S::Error::custom)?;
        let raw: &RawValue = serde_json::from_slice(text.as_bytes()).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json_text(raw.get()).ok_or_else(|| D::Error::custom("not a number of at most 18 digits"))
    }
}

/// Room for the longest [`Decimal`] as text: sign, 18 digits, point, 18 digits.
struct Stack {
    bytes: [u8; 38],
    used: usize,
}

impl Stack {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl fmt::Write for Stack {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used + text.len();
        self.bytes
            .get_mut(self.used..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

/// Any JSON value, as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnyJson(Box<RawValue>);

impl AnyJson {
    /// The value, to read further.
    pub fn get(&self) -> &RawValue {
        &self.0
    }
}

impl From<&RawValue> for AnyJson {
    fn from(json: &RawValue) -> Self {
        Self(json.to_owned())
    }
}

/// As written: `1.0` and `1` differ.
impl PartialEq for AnyJson {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for AnyJson {}

/// An instant with millisecond precision, written as RFC 3339 in UTC: `2026-03-01T09:30:00.000Z`. Read from any
/// date-time of RFC 3339; what is finer than a millisecond is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: i64,
}

/// 0000-01-01T00:00:00Z.
const FIRST_MS: i64 = -62_167_219_200_000;

impl Timestamp {
    /// The instant `milliseconds` after 1970-01-01T00:00:00Z; one beyond the years 0 to 9999, which are all that
    /// RFC 3339 can write, becomes the last instant inside them.
    pub const fn from_unix_ms(milliseconds: i64) -> Self {
        // 9999-12-30T22:00:00Z: the parser ends there, so that every instant can be read in every time zone.
        const LAST: i64 = 253_402_207_200_000;
        let unix_ms = match milliseconds {
            ..FIRST_MS => FIRST_MS,
            FIRST_MS..=LAST => milliseconds,
            _ => LAST,
        };
        Self { unix_ms }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The instant as text; a page of answers is full of them, so this takes no detour.
    pub const fn to_ascii(self) -> [u8; 24] {
        const DAY_MS: u64 = 86_400_000;
        // Counted from where nothing is negative, for what has no sign divides quicker.
        let ms = (self.unix_ms - FIRST_MS) as u64;
        let (year, month, day) = date((ms / DAY_MS) as u32);
        let ms_of_day = (ms % DAY_MS) as u32;
        let (second, ms) = (ms_of_day / 1_000, ms_of_day % 1_000);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text, 0, year / 100);
        put(&mut text, 2, year % 100);
        put(&mut text, 5, month);
        put(&mut text, 8, day);
        put(&mut text, 11, second / 3_600);
        put(&mut text, 14, second % 3_600 / 60);
        put(&mut text, 17, second % 60);
        put(&mut text, 20, ms / 10);
        text[22] = b'0' + (ms % 10) as u8;
        text
    }
}

/// Every number of two digits, one after the other.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[2 * number] = b'0' + (number / 10) as u8;
        pairs[2 * number + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

/// Writes a number of two digits at this place.
const fn put(text: &mut [u8; 24], at: usize, number: u32) {
    let pair = 2 * number as usize;
    text[at] = PAIRS[pair];
    text[at + 1] = PAIRS[pair + 1];
}

/// Year, month and day so many days after 0000-01-01, in the proleptic Gregorian calendar.
///
/// Counted in years that begin in March: a leap day is then the last of its year, and the months before any date have
/// 153 days in every five. 400 years have 146 097 days.
const fn date(days: u32) -> (u32, u32, u32) {
    // January and February are the end of the 400 years before.
    let days = days + 146_097 - (31 + 29);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = match month_from_march {
        0..10 => (month_from_march + 3, 0),
        _ => (month_from_march - 9, 1),
    };
    (era * 400 + year_of_era + next_year - 400, month, day)
}

impl std::str::FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser behind it takes more than RFC 3339: spaces, missing separators, names of time zones.
        let instant: jiff::Timestamp = Some(text)
            .filter(is_date_time)
            .and_then(|text| text.parse().ok())
            .ok_or(NotATimestamp)?;
        Ok(Self::from_unix_ms(instant.as_millisecond()))
    }
}

/// Whether a text has the shape of RFC 3339's `date-time`; the values of its digits are for the parser.
fn is_date_time(text: &&str) -> bool {
    fn like(text: &[u8], shape: &[u8]) -> bool {
        let fits = |(byte, model): (&u8, &u8)| match model {
            b'0' => byte.is_ascii_digit(),
            _ => byte.eq_ignore_ascii_case(model),
        };
        text.len() == shape.len() && text.iter().zip(shape).all(fits)
    }
    let Some((seconds, rest)) = text.as_bytes().split_at_checked(19) else {
        return false;
    };
    let fraction = match rest {
        [b'.', digits @ ..] => 1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let zone = &rest[fraction..];
    let zoned = like(zone, b"Z") || like(zone, b"+00:00") || like(zone, b"-00:00");
    like(seconds, b"0000-00-00T00:00:00") && zoned
}

/// The text is no date-time of RFC 3339.
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
        f.write_str(str::from_utf8(&self.to_ascii()).map_err(|_| fmt::Error)?)
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
