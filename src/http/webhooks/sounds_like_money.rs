//! Event types that nobody knows here and that sound like money, so that a shop which is told of its payments in the wrong
//! words hears of it.

use crate::domain::Notice;

/// The last words of such types.
const WORDS: [&str; 7] = [
    "succeeded",
    "paid",
    "captured",
    "completed",
    "settled",
    "received",
    "refunded",
];

/// The notice for an unknown type of this name, if it sounds like money: if its last word does.
pub(super) fn notice(event_type: &str) -> Option<Notice> {
    let last = event_type.rsplit(['.', '_', '-', ':', '/']).next().unwrap_or_default();
    let sounds = WORDS.iter().any(|word| last.eq_ignore_ascii_case(word));
    sounds.then_some(Notice::UnknownType)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_sound_like_money_are_those_that_end_so() {
        for name in [
            "order.paid",
            "PAYMENT.CAPTURE.COMPLETED",
            "invoice.payment_succeeded",
            "paid",
            "charge:captured",
        ] {
            assert_eq!(notice(name), Some(Notice::UnknownType), "{name}");
        }
        for name in [
            "payment.created",
            "customer.created",
            "unpaid",
            "payment.succeeded.not",
            "",
        ] {
            assert_eq!(notice(name), None, "{name}");
        }
    }
}
