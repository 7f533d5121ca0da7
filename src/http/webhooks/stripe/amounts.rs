//! Stripe's amounts: whole numbers of a currency's smallest unit, by Stripe's own list (docs.stripe.com/currencies), which
//! is not ISO 4217's.

use crate::domain::Currency;

/// Currencies without decimals.
const WHOLE: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
];
/// Currencies with three decimals, of which Stripe wants the last to be 0.
const THOUSANDTHS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// So many of Stripe's units of this currency as hundredths; `None` where those cannot say it exactly, or no number can.
pub(super) fn hundredths(units: i64, currency: Currency) -> Option<i64> {
    let code = currency.code();
    if WHOLE.contains(&code) {
        return units.checked_mul(100);
    }
    if THOUSANDTHS.contains(&code) {
        return (units % 10 == 0).then_some(units / 10);
    }
    // Also ISK and UGX, which have no decimals and are counted as if they had two.
    Some(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_none() {
        for (units, code, expected) in [
            (2_500, "EUR", Some(2_500)),
            (200, "JPY", Some(20_000)),
            (200, "KRW", Some(20_000)),
            (500, "ISK", Some(500)),
            (500, "UGX", Some(500)),
            (12_340, "KWD", Some(1_234)),
            (12_345, "KWD", None),
            (i64::MAX, "JPY", None),
            (i64::MAX, "USD", Some(i64::MAX)),
            (1, "XXX", Some(1)),
        ] {
            assert_eq!(
                hundredths(units, Currency::new(code).unwrap()),
                expected,
                "{units} {code}"
            );
        }
    }
}
