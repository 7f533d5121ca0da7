//! What is refused, and that arithmetic is exact.

use super::*;

#[test]
fn what_makes_no_sense_is_refused() {
    for id in [i64::MIN, -1, 0] {
        assert!(ProductId::new(id).is_err() && OrderId::new(id).is_err() && MovementId::new(id).is_err());
    }
    assert_eq!(ProductId::new(i64::MAX).map(ProductId::get), Ok(i64::MAX));
    assert!(Quantity::new(0).is_err() && Quantity::new(-1).is_err() && Quantity::new(1).is_ok());
    assert!(Stock::new(-1).is_err() && Stock::new(0).is_ok());
    assert!(Delta::new(0).is_err() && Delta::new(i64::MIN).is_err() && Delta::new(-i64::MAX).is_ok());
    assert!(Price::new(Money::from_cents(0)).is_err() && Price::new(Money::from_cents(-1)).is_err());
    assert!(Price::new(Money::from_cents(1)).is_ok());
    assert!(Sku::new("").is_err() && ProductName::new(" \t\u{a0}").is_err());
}

#[test]
fn texts_are_kept_as_they_are() {
    assert_eq!(
        ProductName::new("  Teapot <2 l> & lid ").unwrap().as_str(),
        "  Teapot <2 l> & lid "
    );
    assert_eq!(Note::new(" 50 % off\u{ad} ").unwrap().as_str(), " 50 % off\u{ad} ");
}

#[test]
fn a_text_for_people_shows_something_and_controls_nothing() {
    for shown in [
        "a",
        "é",
        "日本",
        "🎉",
        "👩\u{200d}🔧",
        "\u{200f}שלום",
        "e\u{301}",
        "-",
        "a\u{ad}b",
        "a\u{2003}b",
    ] {
        assert!(ProductName::new(shown).is_ok() && Note::new(shown).is_ok(), "{shown:?}");
    }
    let empty = [
        "",
        " ",
        "\u{200b}",
        "\u{2800}",
        "\u{3164}",
        "\u{ad}",
        "\u{feff}",
        "\u{115f}\u{1160}",
        "\u{e0041}",
        "\u{1d159}",
        "\u{200e} \u{2060}",
        "\u{202e}",
        "\u{fe0f}",
    ];
    let controls = [
        "a\0",
        "\u{1b}[31mred",
        "a\nb",
        "a\tb",
        "a\u{7f}",
        "a\u{85}",
        "a\u{2028}b",
        "a\u{2029}b",
        "\u{9b}31m",
    ];
    for refused in empty.into_iter().chain(controls) {
        assert!(
            ProductName::new(refused).is_err() && Note::new(refused).is_err(),
            "{refused:?}"
        );
        assert_eq!(Note::restore(refused).as_str(), refused);
    }
    assert_eq!(ProductName::restore("a\u{202e}\0").unwrap().as_str(), "a\u{202e}\0");
    assert!(ProductName::restore("\u{200b}").is_ok() && ProductName::restore(" ").is_err());
}

#[test]
fn differences_know_their_direction_and_size() {
    let delta = |before, after| Stock::new(after).unwrap().change_from(Stock::new(before).unwrap());
    assert_eq!(delta(5, 5), None);
    assert_eq!(
        delta(5, 7).map(|d| (d.get(), d.is_going(), d.units().get())),
        Some((2, false, 2))
    );
    assert_eq!(
        delta(7, 5).map(|d| (d.get(), d.is_going(), d.units().get())),
        Some((-2, true, 2))
    );
    assert_eq!(delta(i64::MAX, 0).map(|d| d.units().get()), Some(i64::MAX));
}

/// Prices whose nearest doubles are off, times every quantity that can be ordered, against addition of cents.
#[test]
fn totals_are_exact() {
    for cents in [1, 10, 29, 115, 435, 1999, 99_999_999] {
        let mut sum = 0;
        for units in 1..=10_000 {
            sum += cents;
            let total = Money::from_cents(cents).checked_mul(Quantity::new(units).unwrap());
            assert_eq!(total, Some(Money::from_cents(sum)), "{units} x {cents} cents");
        }
    }
}

#[test]
fn a_total_that_does_not_fit_is_none() {
    let quantity = |units| Quantity::new(units).unwrap();
    assert_eq!(
        Money::from_cents(i64::MAX).checked_mul(quantity(1)),
        Some(Money::from_cents(i64::MAX))
    );
    assert_eq!(Money::from_cents(i64::MAX).checked_mul(quantity(2)), None);
    assert_eq!(Money::from_cents(i64::MIN).checked_mul(quantity(2)), None);
}

#[test]
fn amounts_are_more_than_nothing() {
    assert!(Amount::new(Money::ZERO).is_err() && Amount::new(Money::from_cents(-1)).is_err());
    assert_eq!(Amount::new(Money::from_cents(1)).map(Amount::cents), Ok(1));
    assert_eq!(
        Money::from_cents(i64::MAX).saturating_add(Money::from_cents(1)).cents(),
        i64::MAX
    );
}

#[test]
fn times_stay_within_what_can_be_counted() {
    let (second, ever) = (Duration::from_secs(1), Duration::from_secs(u64::MAX));
    let time = Timestamp::from_millis(5);
    assert_eq!(
        (time.after(second).millis(), time.before(second).millis()),
        (1_005, -995)
    );
    assert_eq!(time.after(ever).millis(), i64::MAX);
    assert_eq!(Timestamp::from_millis(-5).before(ever).millis(), i64::MIN);
}
