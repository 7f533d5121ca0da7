//! Each row of the table by name, over what is known; and each payment as its refunds go on.

use super::*;
use crate::domain::order::{NewOrder, State};
use crate::domain::payment::{DisputeId, DisputeState, EventNumber, FactKind, Minor, PaymentId, Provider, RefundId};
use crate::domain::values::{Amount, Price, ProductId, Quantity};
use crate::domain::version::Version;

mod holds;

const PLACED: Timestamp = Timestamp::from_millis(1_000);
const NOW: Timestamp = Timestamp::from_millis(9_000);

const PENDING: State = State::Pending {
    expires_at: Some(Timestamp::from_millis(8_000)),
};
const PAID: State = State::Paid { paid_at: PLACED };
const SHIPPED: State = State::Shipped {
    paid_at: PLACED,
    shipped_at: PLACED,
};
const CANCELED: State = canceled(false);
const OWING: State = canceled(true);
const ALL: [State; 5] = [PENDING, PAID, SHIPPED, CANCELED, OWING];

const fn canceled(refund_due: bool) -> State {
    State::Canceled {
        paid_at: None,
        canceled_at: PLACED,
        refund_due,
    }
}

fn order_id(id: i64) -> OrderId {
    OrderId::new(id).unwrap()
}

/// An order of 25.00.
fn order(state: State) -> Order {
    let price = Price::new(Money::from_cents(1_250)).unwrap();
    let placed = NewOrder::new(ProductId::new(7).unwrap(), Quantity::new(2).unwrap(), price, PLACED).unwrap();
    Order::restore(order_id(1), placed, state, Version::FIRST, PLACED)
}

fn number(number: i64) -> EventNumber {
    EventNumber::new(number).unwrap()
}

fn currency(code: &str) -> Currency {
    Currency::new(code).unwrap()
}

/// So many cents of the service's currency, which the event does not name.
fn cents(cents: i64) -> Sum {
    Sum::of_cents(Amount::new(Money::from_cents(cents)).unwrap())
}

/// So many units of a currency that is not the service's.
fn foreign(units: i64, code: &str) -> Sum {
    let currency = currency(code);
    Sum {
        cents: None,
        minor: Some(Minor { units, currency }),
    }
}

/// A payment of order 1.
fn fact(sum: Option<Sum>) -> Fact {
    Fact {
        kind: FactKind::Paid { is_of_total: true },
        order_id: Some(order_id(1)),
        payment_id: Some(PaymentId::new("p").unwrap()),
        sum,
    }
}

/// A refund of the payment, which names no order.
fn told(id: &str, sum: Option<Sum>) -> RefundTold {
    RefundTold {
        provider: Provider::Stripe,
        order_id: None,
        id: Some(RefundId::new(id).unwrap()),
        payment_id: Some(PaymentId::new("p").unwrap()),
        sum,
        has_failed: false,
    }
}

fn failed(id: &str, sum: Sum) -> RefundTold {
    RefundTold {
        has_failed: true,
        ..told(id, Some(sum))
    }
}

fn so_far(sum: Sum) -> RefundTold {
    RefundTold {
        id: None,
        ..told("no", Some(sum))
    }
}

/// Refunds as they are recorded, by numbers from 10 on.
fn recorded(refunds: &[RefundTold]) -> Vec<Refund> {
    let refunds = refunds.iter().zip(10..).map(|(told, n)| Refund {
        number: number(n),
        told: told.clone(),
        payment: Some(number(3)),
    });
    refunds.collect()
}

/// The payment of this number and amount, of which nothing was refunded.
fn payment(n: i64, cents: Option<i64>, is_own: bool) -> Payment {
    let new = NewPayment {
        order_id: Some(order_id(1)),
        payment_id: Some(PaymentId::new("p").unwrap()),
        currency: None,
        is_foreign: false,
        balance: Balance::open(cents),
        is_own,
    };
    new.with_number(Provider::Stripe, number(n))
}

/// What an event does: its result, what it does to the payment that it is about,
/// and the order's state if that changes.
#[derive(Debug, PartialEq, Eq)]
struct Does {
    result: EventResult,
    step: Moves,
    order: Option<State>,
}

/// What an event does to a payment.
#[derive(Debug, PartialEq, Eq)]
enum Moves {
    Nothing,
    /// There is one of this amount, with so much refunded; whether it is closed, and the order's own.
    Pays(Option<i64>, i64, bool, bool),
    /// So much of it is refunded now; whether it is closed.
    Refunds(i64, bool),
    Keeps,
}

fn does(ruling: Ruling) -> Does {
    let Ruling {
        result, step, order, ..
    } = ruling;
    if let Some(order) = order {
        assert_eq!((order.version().get(), order.updated_at()), (2, NOW), "one change");
    }
    let step = match step {
        Step::None => Moves::Nothing,
        Step::Pays(new, ..) => {
            let Balance {
                amount,
                refunded,
                is_closed,
            } = new.balance;
            Moves::Pays(amount, refunded, is_closed, new.is_own)
        }
        Step::Refunds(_, payment) => Moves::Refunds(payment.balance.refunded, payment.balance.is_closed),
        Step::Keeps(_) => Moves::Keeps,
        Step::Disputes(..) | Step::Settles(_) => panic!("no dispute"),
    };
    let order = order.map(|order| order.state());
    Does { result, step, order }
}

const fn outcome(result: EventResult, step: Moves, order: Option<State>) -> Does {
    Does { result, step, order }
}

fn ignored() -> Does {
    outcome(EventResult::Ignored, Moves::Nothing, None)
}

/// Nothing is known of the payment, and this of the order.
const fn before(order: OrderKnown) -> Before {
    Before {
        order,
        is_known: false,
        known_order: None,
        refunds: Vec::new(),
        disputes: Vec::new(),
    }
}

fn placed(state: Option<State>) -> OrderKnown {
    state.map_or(OrderKnown::Deleted(order_id(1)), |state| {
        OrderKnown::Placed(order(state))
    })
}

/// What a payment of so much does to an order in this state, or to a deleted one.
fn pays(state: Option<State>, sum: Option<Sum>) -> Does {
    does(paid(&fact(sum), true, &before(placed(state)), NOW).unwrap())
}

/// What this does to an order in this state, or to a deleted one, whose payment has these refunds.
fn refunds(state: Option<State>, of: &Payment, refunds: &[RefundTold], told: &RefundTold) -> Ruling {
    let known = RefundKnown {
        payment: Some(Payment {
            balance: Balance::after(of.balance.amount, refunds, |sum| of.count(sum)),
            ..of.clone()
        }),
        refund: recorded(refunds)
            .into_iter()
            .find(|refund| refund.told.id.is_some() && refund.told.id == told.id),
        refunds: recorded(refunds),
        order: state.map(order),
        is_another_open: false,
    };
    refunded(told, &known, NOW).unwrap()
}

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

#[test]
fn refunds_that_cannot_be_counted_stay_at_what_can() {
    let all = [told("re_1", Some(cents(i64::MAX))), told("re_2", Some(cents(i64::MAX)))];
    let count = |sum: &Sum| sum.cents.map(Amount::cents);
    let unknown = Balance::after(None, &all, count);
    assert_eq!((unknown.refunded, unknown.is_closed), (i64::MAX, false));
    let known = Balance::after(Some(i64::MAX), &all, count);
    assert_eq!((known.refunded, known.is_closed), (i64::MAX, true));
}

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
fn a_dispute_that_names_another_order_is_ignored_and_told_of() {
    let told = DisputeTold {
        order_id: Some(order_id(2)),
        ..dispute(DisputeState::Open)
    };
    let ruling = disputed(&told, Some(&payment(3, None, false)), None);
    assert_eq!((ruling.step, ruling.notice), (Step::None, Some(Notice::AnotherOrder)));
}
