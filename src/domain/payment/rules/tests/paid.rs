//! Payments that were made: each row of the table, and what came before them.

use super::*;

#[test]
fn a_payment_that_was_recorded_before_is_ignored() {
    for (known_order, notice) in [(1, None), (2, Some(Notice::AnotherOrder))] {
        let known = Before {
            is_known: true,
            known_order: Some(order_id(known_order)),
            ..before(OrderKnown::Unnamed)
        };
        let ruling = paid(&fact(None), true, &known, NOW).unwrap();
        assert_eq!(ruling.notice, notice);
        assert_eq!(does(ruling), ignored());
    }
}

#[test]
fn money_that_names_no_order_is_ignored_and_told_of() {
    let ruling = paid(&fact(Some(cents(2_500))), false, &before(OrderKnown::Unnamed), NOW).unwrap();
    assert_eq!(ruling.notice, Some(Notice::NoOrder));
    assert_eq!(does(ruling), ignored());
}

#[test]
fn money_of_an_order_that_was_never_placed_is_an_open_payment_of_no_order() {
    for sum in [Some(cents(2_500)), Some(foreign(2_500, "USD")), None] {
        let ruling = paid(&fact(sum), false, &before(OrderKnown::NeverPlaced), NOW).unwrap();
        let Step::Pays(payment, ..) = &ruling.step else {
            panic!("{ruling:?}");
        };
        assert_eq!((payment.order_id, payment.balance.is_closed), (None, false));
        assert_eq!((ruling.result, ruling.order), (EventResult::OrderUnknown, None));
    }
}

#[test]
fn a_payment_of_the_total_makes_a_pending_order_paid() {
    let paid = outcome(
        EventResult::Applied,
        Moves::Pays(Some(2_500), 0, false, true),
        Some(State::Paid { paid_at: NOW }),
    );
    assert_eq!(pays(Some(PENDING), Some(cents(2_500))), paid);
    assert_eq!(pays(Some(PENDING), None), paid);
}

#[test]
fn a_payment_of_another_amount_leaves_a_pending_order_as_it_is() {
    for amount in [1, 2_499, 2_501, i64::MAX] {
        let step = Moves::Pays(Some(amount), 0, false, false);
        let mismatch = outcome(EventResult::AmountMismatch, step, None);
        assert_eq!(pays(Some(PENDING), Some(cents(amount))), mismatch);
    }
}

#[test]
fn a_payment_of_an_unknown_amount_is_a_mismatch_whatever_the_order() {
    for state in ALL.map(Some).into_iter().chain([None]) {
        let ruling = paid(&fact(None), false, &before(placed(state)), NOW).unwrap();
        let owes = (state == Some(CANCELED)).then_some(OWING);
        let step = Moves::Pays(None, 0, false, false);
        assert_eq!(does(ruling), outcome(EventResult::AmountMismatch, step, owes));
    }
}

#[test]
fn a_payment_in_another_currency_is_a_mismatch_whatever_the_order() {
    for state in ALL.map(Some).into_iter().chain([None]) {
        let owes = (state == Some(CANCELED)).then_some(OWING);
        let step = Moves::Pays(Some(2_500), 0, false, false);
        let mismatch = outcome(EventResult::CurrencyMismatch, step, owes);
        assert_eq!(pays(state, Some(foreign(2_500, "USD"))), mismatch);
    }
}

#[test]
fn a_further_payment_leaves_a_paid_or_shipped_order_as_it_is() {
    for state in [PAID, SHIPPED] {
        for (sum, amount) in [(None, 2_500), (Some(cents(2_500)), 2_500), (Some(cents(7)), 7)] {
            let step = Moves::Pays(Some(amount), 0, false, false);
            assert_eq!(
                pays(Some(state), sum),
                outcome(EventResult::DuplicatePayment, step, None)
            );
        }
    }
}

#[test]
fn late_money_is_owed_back() {
    for (sum, amount) in [(None, 2_500), (Some(cents(7)), 7)] {
        let due = |order| {
            outcome(
                EventResult::RefundDue,
                Moves::Pays(Some(amount), 0, false, false),
                order,
            )
        };
        assert_eq!(pays(Some(CANCELED), sum), due(Some(OWING)));
        // What owes already does not change.
        assert_eq!(pays(Some(OWING), sum), due(None));
    }
}

#[test]
fn money_of_a_deleted_order_is_an_open_payment() {
    for (sum, amount) in [(None, None), (Some(cents(2_500)), Some(2_500))] {
        let gone = outcome(EventResult::OrderGone, Moves::Pays(amount, 0, false, false), None);
        assert_eq!(pays(None, sum), gone);
    }
}

/// What a payment of so much does to an order in this state, after these refunds of it.
fn pays_after(told: &[RefundTold], state: Option<State>, sum: Option<Sum>) -> Does {
    let known = Before {
        refunds: recorded(told),
        ..before(placed(state))
    };
    does(paid(&fact(sum), true, &known, NOW).unwrap())
}

#[test]
fn a_payment_that_was_refunded_whole_before_it_came_changes_no_order() {
    let closed = |amount| {
        outcome(
            EventResult::Ignored,
            Moves::Pays(Some(amount), amount, true, false),
            None,
        )
    };
    let (all, one) = (told("re_0", None), |id: &str, amount| told(id, Some(cents(amount))));
    for state in ALL {
        for refunds in [
            &[all.clone()][..],
            &[one("re_1", 2_500)],
            &[one("re_1", 9_999)],
            &[one("re_1", 2_000), one("re_2", 500)],
            &[one("re_1", 1), all.clone()],
            &[all.clone(), one("re_1", 1)],
            &[so_far(cents(2_500))],
        ] {
            assert_eq!(pays_after(refunds, Some(state), None), closed(2_500));
        }
        assert_eq!(pays_after(&[one("re_1", 7)], Some(state), Some(cents(7))), closed(7));
    }
    // Of a deleted order.
    assert_eq!(pays_after(&[one("re_1", 7)], None, Some(cents(7))), closed(7));
    let unknown = outcome(EventResult::Ignored, Moves::Pays(None, 0, true, false), None);
    assert_eq!(pays_after(&[all], None, None), unknown);
}

#[test]
fn a_payment_of_which_a_part_was_refunded_before_it_came_counts_that() {
    let one = |id: &str, amount| told(id, Some(cents(amount)));
    for refunds in [
        &[one("re_1", 700)][..],
        &[one("re_1", 300), one("re_2", 400)],
        &[so_far(cents(700))],
        &[one("re_1", 700), failed("re_2", cents(1_800))],
        &[so_far(cents(2_500)), failed("re_2", cents(1_800))],
    ] {
        let pays = |result, is_own, order| outcome(result, Moves::Pays(Some(2_500), 700, false, is_own), order);
        let pays_to = |state| pays_after(refunds, Some(state), Some(cents(2_500)));
        let paid = State::Paid { paid_at: NOW };
        assert_eq!(pays_to(PENDING), pays(EventResult::Applied, true, Some(paid)));
        assert_eq!(pays_to(SHIPPED), pays(EventResult::DuplicatePayment, false, None));
        assert_eq!(pays_to(CANCELED), pays(EventResult::RefundDue, false, Some(OWING)));
    }
    let gone = outcome(EventResult::OrderGone, Moves::Pays(None, 700, false, false), None);
    assert_eq!(pays_after(&[one("re_1", 700)], None, None), gone);
}

#[test]
fn what_was_kept_counts_only_where_it_fits_the_payment() {
    let of_another = RefundTold {
        order_id: Some(order_id(2)),
        ..told("re_1", Some(cents(700)))
    };
    let dollars = told("re_2", Some(foreign(700, "USD")));
    let paid = outcome(
        EventResult::Applied,
        Moves::Pays(Some(2_500), 0, false, true),
        Some(State::Paid { paid_at: NOW }),
    );
    assert_eq!(
        pays_after(&[of_another, dollars], Some(PENDING), Some(cents(2_500))),
        paid
    );
}
