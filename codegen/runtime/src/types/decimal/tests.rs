//! Tests with pseudo-random digits, and at the limits of the type.

use super::*;

/// A pseudo-random generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Random digits and scale; short numbers are as likely as long ones.
    fn number(&mut self) -> (i128, u32) {
        let length = u32::try_from(self.roll(19)).unwrap();
        let digits = i128::from(self.roll(10u64.pow(length))) * if self.roll(2) == 0 { 1 } else { -1 };
        (digits, u32::try_from(self.roll(19)).unwrap())
    }
}

/// A JSON spelling of the number, with the point or an exponent in a random place.
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
fn every_spelling_of_a_number_is_the_same_decimal() {
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
        assert_eq!(
            number.decimals() as usize,
            number.to_string().split_once('.').map_or(0, |(_, after)| after.len())
        );
        let integer = if digits % 10i128.pow(scale) == 0 {
            i64::try_from(digits / 10i128.pow(scale)).ok()
        } else {
            None
        };
        assert_eq!(Decimal::integer_from_json_text(&text), integer, "{text}");
        assert_eq!(number.in_units(18), i64::try_from(digits * 10i128.pow(18 - scale)).ok());
    }
}

#[test]
fn decimals_compare_as_integers_do() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for _ in 0..20_000 {
        let ((a, scale_a), (b, scale_b)) = (dice.number(), dice.number());
        let (x, y) = (Decimal::new(a, scale_a).unwrap(), Decimal::new(b, scale_b).unwrap());
        let (a, b) = (a * 10i128.pow(18 - scale_a), b * 10i128.pow(18 - scale_b));
        assert_eq!((x.cmp(&y), x == y), (a.cmp(&b), a == b), "{x} {y}");
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
fn every_64_bit_integer_is_the_same_in_every_spelling() {
    for (text, integer) in [
        ("9223372036854775807", Some(i64::MAX)),
        ("9.223372036854775807e18", Some(i64::MAX)),
        ("92233720368547758070E-1", Some(i64::MAX)),
        ("-9223372036854775808.000", Some(i64::MIN)),
        ("-9.223372036854775808e+18", Some(i64::MIN)),
        ("1e18", Some(10i64.pow(18))),
        ("1000000000000000000", Some(10i64.pow(18))),
        ("9223372036854775808", None),
        ("9.223372036854775808e18", None),
        ("1e19", None),
        ("0.1", None),
        ("15e-1", None),
        ("-0e99", Some(0)),
        ("1e99999999999999999999", None),
        ("1e-99999999999999999999", None),
        ("1e", None),
        ("\"1\"", None),
    ] {
        assert_eq!(Decimal::integer_from_json_text(text), integer, "{text}");
    }
    let long = format!("1{}e-40000", "0".repeat(40_000));
    assert_eq!(Decimal::integer_from_json_text(&long), Some(1));
}

#[test]
fn conversion_to_units_is_exact_or_none() {
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
fn a_literal_is_parsed_exactly() {
    const HALF: Decimal = Decimal::literal("-0.50");
    assert_eq!(HALF, Decimal::new(-5, 1).unwrap());
    for text in ["", "-", "1e2", "1.2.3", "1-", "9999999999999999999"] {
        assert!(std::panic::catch_unwind(|| Decimal::literal(text)).is_err(), "{text}");
    }
}
