//! Refunds of a payment, as single ones and as totals so far, and refunds that failed.

use super::*;

#[test]
fn a_refund_of_all_that_was_left_closes_the_payment() {
    let own = payment(3, Some(2_500), true);
    let closes = |order| outcome(EventResult::Applied, Moves::Refunds(2_500, true), order);
    let canceled = State::Canceled {
        paid_at: Some(PLACED),
        canceled_at: NOW,
        refund_due: false,
    };
    // No amount is all; and more than was left is all, too.
    for sum in [None, Some(cents(2_500)), Some(cents(2_501)), Some(cents(i64::MAX))] {
        for part in [None, Some(told("re_0", Some(cents(700))))] {
            let part = part.as_slice();
            let does = |state| does(refunds(state, &own, part, &told("re", sum)));
            assert_eq!(does(Some(PAID)), closes(Some(canceled)));
            assert_eq!(does(Some(SHIPPED)), closes(None));
            assert_eq!(does(Some(OWING)), closes(Some(CANCELED)));
            assert_eq!(does(None), closes(None));
        }
    }
    // What was left after a part.
    let part = [told("re_1", Some(cents(2_000)))];
    let rest = told("re_2", Some(cents(500)));
    assert_eq!(does(refunds(Some(SHIPPED), &own, &part, &rest)), closes(None));
}

#[test]
fn the_refund_of_a_further_payment_harms_no_order() {
    let further = payment(4, Some(2_500), false);
    let closes = outcome(EventResult::Applied, Moves::Refunds(2_500, true), None);
    for state in [PENDING, PAID, SHIPPED] {
        assert_eq!(does(refunds(Some(state), &further, &[], &told("re", None))), closes);
    }
}

#[test]
fn a_canceled_order_owes_as_long_as_a_payment_is_open() {
    let known = |is_own, state| RefundKnown {
        payment: Some(payment(3, Some(2_500), is_own)),
        refunds: Vec::new(),
        refund: None,
        order: Some(order(state)),
        is_another_open: true,
    };
    let refunded = |known| does(refunded(&told("re", None), &known, NOW).unwrap());
    let closes = |order| outcome(EventResult::Applied, Moves::Refunds(2_500, true), order);
    assert_eq!(refunded(known(false, OWING)), closes(None));
    // The own payment of a paid order goes back while a further one is open.
    let owing = State::Canceled {
        paid_at: Some(PLACED),
        canceled_at: NOW,
        refund_due: true,
    };
    assert_eq!(refunded(known(true, PAID)), closes(Some(owing)));
}

#[test]
fn a_refund_of_less_is_recorded_against_the_payment() {
    let own = payment(3, Some(2_500), true);
    for state in [PAID, SHIPPED, OWING] {
        let part = |refunded| outcome(EventResult::PartialRefund, Moves::Refunds(refunded, false), None);
        let first = told("re_1", Some(cents(2_000)));
        assert_eq!(does(refunds(Some(state), &own, &[], &first)), part(2_000));
        let second = told("re_2", Some(cents(499)));
        assert_eq!(does(refunds(Some(state), &own, &[first], &second)), part(2_499));
    }
}

#[test]
fn a_payment_of_unknown_amount_is_closed_only_by_a_refund_of_all() {
    let gone = payment(3, None, false);
    let part = told("re_1", Some(cents(9_999)));
    let does = |before: &[RefundTold], told: &RefundTold| does(refunds(None, &gone, before, told));
    let partial = outcome(EventResult::PartialRefund, Moves::Refunds(9_999, false), None);
    assert_eq!(does(&[], &part), partial);
    let closes = outcome(EventResult::Applied, Moves::Refunds(9_999, true), None);
    assert_eq!(does(&[part], &told("re_2", None)), closes);
}

#[test]
fn a_refund_of_a_payment_that_has_not_come_is_kept() {
    let known = |refund: Option<Refund>| RefundKnown {
        payment: None,
        refunds: Vec::new(),
        refund,
        order: Some(order(PENDING)),
        is_another_open: false,
    };
    let does = |told: &RefundTold, refund| does(refunded(told, &known(refund), NOW).unwrap());
    let keeps = || outcome(EventResult::Ignored, Moves::Keeps, None);
    let new = told("re", Some(cents(2_500)));
    assert_eq!(does(&new, None), keeps());
    assert_eq!(does(&so_far(cents(7)), None), keeps());
    // It could be of any, so there is nothing to wait for.
    let of_any = RefundTold {
        payment_id: None,
        ..new.clone()
    };
    assert_eq!(does(&of_any, None), ignored());
    // A failure is remembered, once, before its refund and after it.
    let failure = failed("re", cents(2_500));
    assert_eq!(does(&failure, None), keeps());
    let of = |told: RefundTold| recorded(&[told]).pop();
    assert_eq!(does(&failure, of(new.clone())), keeps());
    assert_eq!(does(&failure, of(failure.clone())), ignored());
    assert_eq!(does(&new, of(failure.clone())), ignored());
}

#[test]
fn a_refund_counts_once() {
    let own = payment(3, Some(2_500), true);
    let known = [told("re", Some(cents(700)))];
    assert_eq!(does(refunds(Some(PAID), &own, &known, &known[0])), ignored());
    // Not even as another amount.
    assert_eq!(does(refunds(Some(PAID), &own, &known, &told("re", None))), ignored());
}

#[test]
fn single_refunds_and_totals_so_far_tell_of_the_same_money() {
    let own = payment(3, Some(2_500), true);
    let (one, two) = (told("re_1", Some(cents(500))), told("re_2", Some(cents(300))));
    for (before, then, result, refunded) in [
        (vec![], so_far(cents(500)), EventResult::PartialRefund, 500),
        (vec![so_far(cents(500))], one.clone(), EventResult::Ignored, 500),
        (vec![one.clone()], so_far(cents(500)), EventResult::Ignored, 500),
        (vec![one.clone()], so_far(cents(800)), EventResult::PartialRefund, 800),
        (
            vec![one.clone(), so_far(cents(800))],
            two.clone(),
            EventResult::Ignored,
            800,
        ),
        // A total that came late.
        (
            vec![one.clone(), two.clone()],
            so_far(cents(500)),
            EventResult::Ignored,
            800,
        ),
        (
            vec![so_far(cents(800)), one],
            so_far(cents(500)),
            EventResult::Ignored,
            800,
        ),
    ] {
        let expected = outcome(result, Moves::Refunds(refunded, false), None);
        assert_eq!(
            does(refunds(Some(PAID), &own, &before, &then)),
            expected,
            "{before:?} {then:?}"
        );
    }
}

#[test]
fn a_refund_that_failed_opens_the_payment_again() {
    let own = payment(3, Some(2_500), true);
    let whole = told("re", Some(cents(2_500)));
    let failure = failed("re", cents(2_500));
    let opens = |result, order| outcome(result, Moves::Refunds(0, false), order);
    for before in [
        vec![whole.clone()],
        vec![so_far(cents(2_500))],
        vec![so_far(cents(2_500)), whole.clone()],
    ] {
        let does = |state| does(refunds(state, &own, &before, &failure));
        assert_eq!(does(Some(CANCELED)), opens(EventResult::RefundDue, Some(OWING)));
        assert_eq!(does(Some(OWING)), opens(EventResult::RefundDue, None));
        for state in [Some(PENDING), Some(SHIPPED), None] {
            assert_eq!(does(state), opens(EventResult::RefundFailed, None));
        }
    }
    // A part of it.
    let (part, other) = (told("re", Some(cents(700))), told("re_2", Some(cents(300))));
    let does = |before: &[RefundTold], told: &RefundTold| does(refunds(Some(PAID), &own, before, told));
    let less = outcome(EventResult::RefundFailed, Moves::Refunds(300, false), None);
    assert_eq!(does(&[part.clone(), other], &failed("re", cents(700))), less);
    // What changes nothing is remembered.
    let remembered = outcome(EventResult::Ignored, Moves::Refunds(0, false), None);
    assert_eq!(does(&[], &failed("re", cents(700))), remembered);
    // Told twice, or before its refund, it changes nothing.
    let failure = failed("re", cents(700));
    assert_eq!(does(std::slice::from_ref(&failure), &failure), ignored());
    assert_eq!(does(&[failure], &part), ignored());
}

#[test]
fn what_names_another_order_or_currency_than_the_payment_is_ignored_and_told_of() {
    let own = payment(3, Some(2_500), true);
    let of_another = RefundTold {
        order_id: Some(order_id(2)),
        ..told("re", None)
    };
    let dollars = told("re", Some(foreign(2_500, "USD")));
    for (told, notice) in [(of_another, Notice::AnotherOrder), (dollars, Notice::AnotherCurrency)] {
        let ruling = refunds(Some(PAID), &own, &[], &told);
        assert_eq!(ruling.notice, Some(notice));
        assert_eq!(does(ruling), ignored());
    }
}

#[test]
fn a_payment_in_another_currency_is_counted_in_that() {
    let dollars = Payment {
        currency: Some(currency("USD")),
        is_foreign: true,
        ..payment(3, Some(2_500), false)
    };
    let part = told("re_1", Some(foreign(700, "USD")));
    let does = |before: &[RefundTold], told: &RefundTold| does(refunds(Some(PENDING), &dollars, before, told));
    let partial = outcome(EventResult::PartialRefund, Moves::Refunds(700, false), None);
    assert_eq!(does(&[], &part), partial);
    let closes = outcome(EventResult::Applied, Moves::Refunds(2_500, true), None);
    assert_eq!(does(&[part], &told("re_2", Some(foreign(1_800, "USD")))), closes);
    for sum in [cents(2_500), foreign(2_500, "JPY")] {
        assert_eq!(does(&[], &told("re", Some(sum))), ignored());
    }
}

#[test]
fn a_refund_that_is_kept_for_another_order_is_not_taken_off_this_payment() {
    let kept = Refund {
        payment: None,
        ..recorded(&[told("re", Some(cents(700)))]).remove(0)
    };
    let known = RefundKnown {
        payment: Some(payment(3, Some(2_500), true)),
        refunds: recorded(&[so_far(cents(700))]),
        refund: Some(kept),
        order: Some(order(PAID)),
        is_another_open: false,
    };
    assert_eq!(
        refunded(&failed("re", cents(700)), &known, NOW).unwrap(),
        Ruling::IGNORED
    );
}

#[test]
fn a_payment_of_no_order_has_no_other_order() {
    let of_nobody = Payment {
        order_id: None,
        ..payment(3, Some(2_500), false)
    };
    let told = RefundTold {
        order_id: Some(order_id(9)),
        ..told("re", Some(cents(2_500)))
    };
    let closes = outcome(EventResult::Applied, Moves::Refunds(2_500, true), None);
    assert_eq!(does(refunds(None, &of_nobody, &[], &told)), closes);
}

#[test]
fn refunds_that_cannot_be_counted_stay_at_what_can() {
    let all = [told("re_1", Some(cents(i64::MAX))), told("re_2", Some(cents(i64::MAX)))];
    let count = |sum: &Sum| sum.cents.map(Amount::cents);
    let unknown = Balance::after(None, &all, count);
    assert_eq!((unknown.refunded, unknown.is_closed), (i64::MAX, false));
    let known = Balance::after(Some(i64::MAX), &all, count);
    assert_eq!((known.refunded, known.is_closed), (i64::MAX, true));
}
