//! Numbers, times, pointers, and the models as clients use them.

use std::cmp::Ordering;
use std::fmt::Debug;

use fixture::models;
use fixture::read::Pointer;
use fixture::types::{Decimal, Timestamp};
use fixture::write::{self, Write};
use serde::Serialize;
use serde::de::DeserializeOwned;

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
        assert_eq!(write::json(&number), number.to_string().as_bytes());
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
    // Every day of a whole cycle of leap years and many of all others, at a time of day that moves: what reads them is
    // not what wrote them.
    let (mut last, days) = (String::new(), -719_528..=2_932_895_i64);
    for day in days.filter(|day| (-110_000..40_000).contains(day) || day % 97 == 0) {
        let time = Timestamp::from_unix_ms(day * 86_400_000 + (day * 7_919_317).rem_euclid(86_400_000));
        let text = time.to_string();
        assert_eq!(text.parse(), Ok(time), "{text}");
        assert!(last < text, "{last} {text}");
        last = text;
    }
}

#[test]
fn strings_are_written_as_serde_json_writes_them() {
    let every = (0..=0x2fff).filter_map(char::from_u32);
    for text in every.map(|char| format!("{char}a{char}{char}")).chain([String::new()]) {
        assert_eq!(write::json(&text), serde_json::to_vec(&text).unwrap(), "{text:?}");
    }
    // Wherever in a text a character stands, and however long that is.
    for char in (0..=0xff).filter_map(char::from_u32) {
        for (before, after) in (0..19).flat_map(|length| (0..length).map(move |at| (at, length - at))) {
            let text = format!("{}{char}{}", "ü".repeat(before), "~".repeat(after));
            assert_eq!(write::json(&text), serde_json::to_vec(&text).unwrap(), "{text:?}");
            let text = format!("{}{char}{}", "a".repeat(before), "!".repeat(after));
            assert_eq!(write::json(&text), serde_json::to_vec(&text).unwrap(), "{text:?}");
        }
    }
}

#[test]
fn a_pointer_is_written_with_its_escapes() {
    let (root, list) = (Pointer::Root, "a/b~c");
    let member = Pointer::Member(&root, list);
    let item = Pointer::Item(&member, 10);
    assert_eq!(
        (root.to_string(), item.to_string()),
        (String::new(), "/a~1b~0c/10".to_owned())
    );
    assert_eq!(Pointer::Member(&item, "").to_string(), "/a~1b~0c/10/");
}

#[track_caller]
fn round_trip<T: Write + Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(str::from_utf8(&write::json(value)).unwrap(), text);
    assert_eq!(serde_json::from_str::<T>(text).unwrap(), *value);
    // Through a tree of values as well, as test clients do.
    let tree: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::from_value::<T>(tree).unwrap(), *value);
}

#[test]
fn clients_can_use_every_model() {
    let decimal = |text| Decimal::from_json_text(text).unwrap();
    let note = models::Note {
        text: "é\n".to_owned()
    };
    round_trip(&note, r#"{"text":"é\n"}"#);
    let mut thing = models::Thing {
        id: 1,
        flag: false,
        maybe: None,
        maybe_price: None,
        maybe_at: None,
        r_type: String::new(),
        r_match: None,
        r_move: None,
        errors: vec![],
        at: None,
        color: None,
        kind: None,
        price: None,
    };
    round_trip(
        &thing,
        r#"{"id":1,"flag":false,"maybe":null,"maybe_price":null,"maybe_at":null,"type":"","errors":[]}"#,
    );
    thing.maybe_price = Some(decimal("0.50"));
    thing.maybe_at = Some(Timestamp::from_unix_ms(0));
    thing.color = Some(models::Color::LightGreen);
    thing.errors.push(note.clone());
    round_trip(
        &thing,
        r#"{"id":1,"flag":false,"maybe":null,"maybe_price":0.5,"maybe_at":"1970-01-01T00:00:00.000Z","type":"","errors":[{"text":"é\n"}],"color":"/colors/light-green"}"#,
    );
    let strings: models::Strings = serde_json::from_str("{}").unwrap();
    round_trip(&strings, "{}");
    let numbers = models::Numbers {
        half: Some(decimal("0.5")),
        long: Some(i64::MIN),
        ..serde_json::from_str("{}").unwrap()
    };
    round_trip(&numbers, r#"{"long":-9223372036854775808,"half":0.5}"#);
    let open = models::Open {
        known: true,
        other: Some(note),
    };
    round_trip(&open, r#"{"known":true,"other":{"text":"é\n"}}"#);
    let inner = models::Inner {
        open: Some(open),
        prices: Some(vec![decimal("1e2")]),
        ..serde_json::from_str("{}").unwrap()
    };
    round_trip(
        &models::Nested { inner },
        r#"{"inner":{"prices":[100],"open":{"known":true,"other":{"text":"é\n"}}}}"#,
    );
    assert!(serde_json::from_str::<models::Note>(r#"{"text":"","more":1}"#).is_err());
    assert!(serde_json::from_str::<models::Open>(r#"{"known":true,"more":1}"#).is_ok());
}

#[test]
fn enums_keep_the_spelling_of_the_contract() {
    for color in models::Color::ALL {
        round_trip(color, &format!("\"{}\"", color.as_str()));
    }
    let spelled = models::Color::ALL.iter().map(|color| color.as_str());
    let contract = [
        "RED",
        "dark-red",
        "dark_blue",
        "/colors/light-green",
        "größe 2",
        "self.service",
        "B&W <1>",
        "none",
    ];
    assert!(spelled.eq(contract));
}
