//! Disputes, their ends, and what comes too late.

use super::*;

fn dispute(state: DisputeState) -> DisputeTold {
    DisputeTold {
        provider: Provider::Stripe,
        id: DisputeId::new("du").unwrap(),
        order_id: None,
        payment_id: PaymentId::new("p").unwrap(),
        state,
    }
}

#[test]
fn a_dispute_needs_a_person_until_it_is_won() {
    use DisputeState::{Lost, Open, Won};
    let own = payment(3, Some(2_500), true);
    for (known, told, result, after) in [
        (None, Open, EventResult::Disputed, Some(Open)),
        (None, Lost, EventResult::Disputed, Some(Lost)),
        (None, Won, EventResult::Ignored, Some(Won)),
        (Some(Open), Lost, EventResult::Disputed, Some(Lost)),
        (Some(Open), Won, EventResult::Ignored, Some(Won)),
        // Told again, or too late.
        (Some(Open), Open, EventResult::Ignored, None),
        (Some(Won), Open, EventResult::Ignored, None),
        (Some(Lost), Open, EventResult::Ignored, None),
    ] {
        let known = known.map(|state| Dispute {
            number: number(9),
            told: dispute(state),
            payment: Some(number(3)),
        });
        let ruling = disputed(&dispute(told), Some(&own), known.as_ref());
        assert_eq!((ruling.result, ruling.order), (result, None), "{known:?} {told:?}");
        let state = match ruling.step {
            Step::Disputes(told, _) | Step::Settles(Dispute { told, .. }) => Some(told.state),
            Step::None | Step::Pays(..) | Step::Refunds(..) | Step::Keeps(_) => None,
        };
        assert_eq!(state, after, "{known:?} {told:?}");
    }
}

#[test]
fn a_dispute_of_a_payment_that_has_not_come_is_kept() {
    let ruling = disputed(&dispute(DisputeState::Open), None, None);
    assert_eq!(ruling.result, EventResult::Ignored);
    assert_eq!(ruling.step, Step::Disputes(dispute(DisputeState::Open), None));
}

#[test]
fn a_dispute_that_is_kept_for_another_order_is_not_about_this_payment() {
    let known = Dispute {
        number: number(9),
        told: DisputeTold {
            order_id: Some(order_id(2)),
            ..dispute(DisputeState::Open)
        },
        payment: None,
    };
    let own = payment(3, None, false);
    assert_eq!(
        disputed(&dispute(DisputeState::Lost), Some(&own), Some(&known)),
        Ruling::IGNORED
    );
}

#[test]
fn a_dispute_that_names_another_order_is_ignored_and_told_of() {
    let told = DisputeTold {
        order_id: Some(order_id(2)),
        ..dispute(DisputeState::Open)
    };
    let ruling = disputed(&told, Some(&payment(3, None, false)), None);
    assert_eq!((ruling.step, ruling.notice), (Step::None, Some(Notice::AnotherOrder)));
}
