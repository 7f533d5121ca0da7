//! Decimal numbers exactly as JSON writes them, for prices and the bounds that the contract sets for them.
//!
//! Refused is a number of more than 18 digits before or after the point; none is ever rounded. `rust_decimal` holds 28
//! digits where this holds 36, and reads and writes JSON numbers exactly only with `arbitrary_precision` of `serde_json`,
//! which would change how every number of the service is read.

use std::cmp::Ordering;
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

/// A JSON number, as `Display` writes it.
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
mod tests {
    use super::*;

    /// Numbers that look random and are the same in every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }

        /// Digits, a scale, and the number that they are; few digits as often as many.
        fn number(&mut self) -> (i128, u32) {
            let length = u32::try_from(self.roll(19)).unwrap();
            let digits = i128::from(self.roll(10u64.pow(length))) * if self.roll(2) == 0 { 1 } else { -1 };
            (digits, u32::try_from(self.roll(19)).unwrap())
        }
    }

    /// Digits and scale with the point, or an exponent, anywhere.
    fn spelled(dice: &mut Dice, digits: i128, scale: u32) -> String {
        let zeros = u32::try_from(dice.roll(40)).unwrap();
        let sign = if digits < 0 { "-" } else { "" };
        let all = format!(
            "{:0width$}{}",
            digits.unsigned_abs(),
            "0".repeat(zeros as usize),
            width = 40
        );
        let point = usize::try_from(dice.roll(39)).unwrap() + 1;
        let exponent = i64::try_from(all.len() - point).unwrap() - i64::from(zeros) - i64::from(scale);
        let whole = all[..point].trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        format!(
            "{sign}{whole}.{}{}{exponent}",
            &all[point..],
            if dice.roll(2) == 0 { "e" } else { "E" }
        )
    }

    #[test]
    fn a_decimal_is_one_number_however_it_is_spelled() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..20_000 {
            let (digits, scale) = dice.number();
            let number = Decimal::new(digits, scale).unwrap();
            let text = spelled(&mut dice, digits, scale);
            assert_eq!(Decimal::from_json_text(&text), Some(number), "{text}");
            assert_eq!(Decimal::from_json_text(&number.to_string()), Some(number));
            assert_eq!(serde_json::to_string(&number).unwrap(), number.to_string());
            assert_eq!(
                serde_json::from_str::<Decimal>(&serde_json::to_string(&number).unwrap()).unwrap(),
                number
            );
            assert_eq!(number.in_units(18), i64::try_from(digits * 10i128.pow(18 - scale)).ok());
        }
    }

    #[test]
    fn decimals_compare_and_divide_as_integers_do() {
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        for _ in 0..20_000 {
            let ((a, scale_a), (b, scale_b)) = (dice.number(), dice.number());
            let (x, y) = (Decimal::new(a, scale_a).unwrap(), Decimal::new(b, scale_b).unwrap());
            let (a, b) = (a * 10i128.pow(18 - scale_a), b * 10i128.pow(18 - scale_b));
            assert_eq!((x.cmp(&y), x == y), (a.cmp(&b), a == b), "{x} {y}");
            if y.cmp(&Decimal::new(0, 0).unwrap()) == Ordering::Greater {
                assert_eq!(x.is_multiple_of(y), a % b == 0, "{x} {y}");
            }
        }
    }

    #[test]
    fn a_decimal_has_a_shortest_form_and_limits() {
        for (digits, scale, text) in [
            (0, 18, "0"),
            (1250, 2, "12.5"),
            (-5, 1, "-0.5"),
            (-30, 0, "-30"),
            (1, 18, "0.000000000000000001"),
        ] {
            assert_eq!(Decimal::new(digits, scale).unwrap().to_string(), text);
        }
        assert_eq!(Decimal::new(0, u32::MAX), Decimal::new(0, 0));
        let longest = 10i128.pow(36) - 1;
        assert_eq!(
            Decimal::new(-longest, 18).unwrap().to_string(),
            "-999999999999999999.999999999999999999"
        );
        assert_eq!(serde_json::to_string(&Decimal::new(-longest, 18)).unwrap().len(), 38);
        assert_eq!(Decimal::new(longest + 1, 18), None);
        assert_eq!((Decimal::new(10i128.pow(18), 0), Decimal::new(1, 19)), (None, None));
        assert_eq!(
            (
                Decimal::new(i128::MIN, 0),
                Decimal::new(i128::MAX, 40),
                Decimal::new(i128::MIN, u32::MAX)
            ),
            (None, None, None)
        );
        for text in [
            "1e99999999999999999999",
            "1e-2147483648",
            "1e2147483647",
            "1e40",
            "170141183460469231731687303715884105728",
        ] {
            assert_eq!(Decimal::from_json_text(text), None, "{text}");
        }
        for text in ["-0", "0.000", "0e400", "-0E-99999999999", &"0".repeat(1000)] {
            assert_eq!(Decimal::from_json_text(text), Decimal::new(0, 0), "{text}");
        }
        for text in ["", "-", "a", "1a", "\"1\"", "null", "--1", "+1", "1e", "1e1.5"] {
            assert_eq!(Decimal::from_json_text(text), None, "{text}");
        }
    }

    #[test]
    fn units_are_exact_or_nothing() {
        let number = |text| Decimal::from_json_text(text).unwrap();
        assert_eq!(
            (
                number("12.5").in_units(2),
                number("12.345").in_units(2),
                number("-0.01").in_units(2)
            ),
            (Some(1250), None, Some(-1))
        );
        assert_eq!(
            (number("99999999999999999").in_units(2), number("0").in_units(u32::MAX)),
            (None, Some(0))
        );
        for (hundredths, text) in [(1250, "12.5"), (1200, "12"), (1, "0.01"), (0, "0"), (-5, "-0.05")] {
            let money = Decimal::from_hundredths(hundredths);
            assert_eq!((money, money.to_string().as_str()), (number(text), text));
            assert_eq!(money.in_units(2), Some(hundredths));
        }
        for hundredths in [i64::MIN, i64::MAX] {
            assert_eq!(Decimal::from_hundredths(hundredths).in_units(2), Some(hundredths));
        }
    }

    #[test]
    fn a_literal_of_the_contract_is_the_number_it_writes() {
        const HALF: Decimal = Decimal::literal("-0.50");
        assert_eq!(HALF, Decimal::new(-5, 1).unwrap());
        for text in ["", "-", "1e2", "1.2.3", "1-", "9999999999999999999"] {
            assert!(std::panic::catch_unwind(|| Decimal::literal(text)).is_err(), "{text}");
        }
    }
}
