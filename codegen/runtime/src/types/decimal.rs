//! Exact decimal numbers in JSON, for prices and their bounds in the contract.
//!
//! Numbers with more than 18 digits before or after the point are refused; none is rounded. `rust_decimal` has 28
//! digits where this has 36, and it reads JSON numbers exactly only with serde_json's feature `arbitrary_precision`,
//! which changes how every number of the service is read.

use std::cmp::Ordering;
use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// An exact decimal number: `digits` × 10^-`scale`, with the smallest possible scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

/// The most digits before and after the point: enough for every rule of the contract, and few enough that comparing two
/// numbers cannot overflow.
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

    /// A number of the contract, such as a bound.
    ///
    /// # Panics
    ///
    /// At compile time, where `text` is not a plain decimal number.
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

    /// Parses a JSON number (RFC 8259, section 6), exponents included, without rounding; `None` where it needs more
    /// than 18 digits before or after the point.
    pub fn from_json_text(text: &str) -> Option<Self> {
        let (digits, places) = digits_and_places(text)?;
        match u32::try_from(places) {
            Ok(scale) => Self::new(digits, scale),
            Err(_) => Self::new(shifted(digits, places)?, 0),
        }
    }

    /// Parses a JSON number that is an integer, in any spelling: `2`, `2.0`, `20e-1`. `None` where it is no integer or does
    /// not fit. Unlike [`Decimal::from_json_text`] it takes every `i64`.
    pub fn integer_from_json_text(text: &str) -> Option<i64> {
        match digits_and_places(text)? {
            (digits, places @ ..=0) => shifted(digits, places)?.try_into().ok(),
            // The last digit is not 0, so it is after the point.
            (_, 1..) => None,
        }
    }

    /// This number in units of 10^-`places`: 12.5 is 1250 hundredths. `None` where it is not a whole number of them or
    /// does not fit.
    pub fn in_units(self, places: u32) -> Option<i64> {
        if self.digits == 0 {
            return Some(0);
        }
        let up = places.checked_sub(self.scale)?;
        self.digits.checked_mul(10i128.checked_pow(up)?)?.try_into().ok()
    }

    /// A number of hundredths, such as money in cents: 1250 is 12.5. Every `i64` fits.
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

    /// How many digits this number has after the point, without trailing zeros.
    pub const fn decimals(self) -> u32 {
        self.scale
    }

    fn at(self, scale: u32) -> i128 {
        self.digits * 10i128.pow(scale - self.scale)
    }
}

/// The digits of a JSON number (RFC 8259, section 6) without trailing zeros, and how many of them are after the point; less
/// than 0 where zeros follow them. `None` where the digits or the places do not fit.
fn digits_and_places(text: &str) -> Option<(i128, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_of_whole = whole.strip_prefix('-').unwrap_or(whole);
    if digits_of_whole.is_empty() {
        return None;
    }
    // Zeros are counted only when another digit follows, so that trailing zeros are dropped.
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
        return Some((0, 0));
    }
    if whole.starts_with('-') {
        digits = -digits;
    }
    let places = i64::try_from(fraction.len()).ok()? - i64::from(zeros) - i64::from(exponent.parse::<i32>().ok()?);
    Some((digits, places))
}

/// The digits with the zeros that follow them, for places of 0 or less.
fn shifted(digits: i128, places: i64) -> Option<i128> {
    10i128
        .checked_pow(places.unsigned_abs().try_into().ok()?)?
        .checked_mul(digits)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.at(scale).cmp(&other.at(scale))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
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

/// Serializes as a JSON number, in the form of `Display`.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        let number: &RawValue = serde_json::from_str(&text).map_err(S::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json_text(raw.get()).ok_or_else(|| D::Error::custom("not a number of at most 18 digits"))
    }
}

#[cfg(test)]
mod tests;
