//! Each row of the table by name, over what is remembered; and each payment as its refunds go on.

use super::*;
use crate::domain::order::{NewOrder, State};
use crate::domain::payment::{EventNumber, PaymentId, RefundId};
use crate::domain::values::{Money, OrderId, Price, ProductId, Quantity};
use crate::domain::version::Version;

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

const fn canceled(refund_due: bool) -> State {
    State::Canceled {
        paid_at: None,
        canceled_at: PLACED,
        refund_due,
    }
}

/// An order of 25.00.
fn order(state: State) -> Order {
    let price = Price::new(Money::from_cents(1_250)).unwrap();
    let placed = NewOrder::new(ProductId::new(7).unwrap(), Quantity::new(2).unwrap(), price, PLACED).unwrap();
    Order::restore(OrderId::new(1).unwrap(), placed, state, Version::FIRST, PLACED)
}

fn data(payment: Option<&str>, cents: Option<i64>) -> PaymentData {
    PaymentData {
        order_id: OrderId::new(1).unwrap(),
        payment_id: payment.map(|id| PaymentId::new(id).unwrap()),
        amount: cents.map(|cents| Amount::new(Money::from_cents(cents)).unwrap()),
    }
}

/// A refund of a payment, or of the newest where that is not named.
fn refund(payment: Option<&str>, cents: Option<i64>) -> RefundData {
    let PaymentData {
        order_id,
        payment_id,
        amount,
    } = data(payment, cents);
    RefundData {
        order_id,
        payment_id,
        refund_id: None,
        amount,
    }
}

/// A refund that came before its payment.
fn kept(cents: Option<i64>) -> Refund {
    let RefundData {
        order_id,
        payment_id,
        amount,
        ..
    } = refund(Some("p"), cents);
    Refund {
        number: EventNumber::new(1).unwrap(),
        order_id,
        refund_id: RefundId::new("re").unwrap(),
        payment_id,
        amount,
        payment: None,
    }
}

/// The payment after a refund.
fn after(payment: Payment, cents: Option<i64>) -> Payment {
    Payment {
        balance: payment.balance.refund(refund(None, cents).amount),
        ..payment
    }
}

/// An open payment of an order of 25.00.
fn payment(number: i64, id: Option<&str>, cents: Option<i64>, is_own: bool) -> Payment {
    let new = NewPayment {
        order_id: OrderId::new(1).unwrap(),
        payment_id: id.map(|id| PaymentId::new(id).unwrap()),
        balance: Balance::open(cents.map(Money::from_cents)),
        is_own,
    };
    new.with_number(EventNumber::new(number).unwrap())
}

fn known(order: Option<Order>, open: Vec<Payment>) -> Known {
    Known {
        order,
        is_payment_known: false,
        is_refund_known: false,
        open,
        kept: Vec::new(),
    }
}

/// What an event does: its result, the payment that it brings (cents, whether the order's own; cents refunded so far,
/// whether closed) or refunds (number; the same), and the order's state if that changes.
#[derive(Debug, PartialEq, Eq)]
struct Does {
    result: EventResult,
    payment: Step,
    order: Option<State>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Opens(Option<i64>, bool),
    Pays(Option<i64>, i64, bool),
    Refunds(i64, i64, bool),
    Keeps,
}

fn does(ruling: Result<Ruling, Refusal>) -> Does {
    let Ruling { result, payment, order } = ruling.unwrap();
    if let Some(order) = order {
        assert_eq!((order.version().get(), order.updated_at()), (2, NOW), "one change");
    }
    Does {
        result,
        payment: match payment {
            PaymentStep::None => Step::Nothing,
            PaymentStep::Pays(new) => {
                let Balance {
                    amount,
                    refunded,
                    is_closed,
                } = new.balance;
                let cents = amount.map(Money::cents);
                match refunded == Money::ZERO && !is_closed {
                    true => Step::Opens(cents, new.is_own),
                    false => {
                        assert!(!(new.is_own && is_closed), "a closed payment is no order's own");
                        Step::Pays(cents, refunded.cents(), is_closed)
                    }
                }
            }
            PaymentStep::Refunds(p) => Step::Refunds(p.number.get(), p.balance.refunded.cents(), p.balance.is_closed),
            PaymentStep::Keeps => Step::Keeps,
        },
        order: order.map(|order| order.state()),
    }
}

const fn outcome(result: EventResult, payment: Step, order: Option<State>) -> Does {
    Does { result, payment, order }
}

fn ignored() -> Does {
    outcome(EventResult::Ignored, Step::Nothing, None)
}

/// What success of a payment of so much does to an order in this state.
fn pays(state: Option<State>, cents: Option<i64>) -> Does {
    does(succeeded(
        &data(Some("p"), cents),
        &known(state.map(order), Vec::new()),
        NOW,
    ))
}

/// What a refund does to an order in this state that has these open payments.
fn refunds(state: Option<State>, named: Option<&str>, cents: Option<i64>, open: &[Payment]) -> Does {
    does(refunded(
        &refund(named, cents),
        &known(state.map(order), open.to_vec()),
        NOW,
    ))
}

#[test]
fn a_payment_that_was_recorded_before_is_ignored() {
    for state in [None, Some(PENDING), Some(PAID), Some(SHIPPED), Some(CANCELED)] {
        let known = Known {
            is_payment_known: true,
            ..known(state.map(order), Vec::new())
        };
        assert_eq!(does(succeeded(&data(Some("p"), None), &known, NOW)), ignored());
    }
}

#[test]
fn a_payment_of_the_total_makes_a_pending_order_paid() {
    let paid = |cents| {
        outcome(
            EventResult::Applied,
            Step::Opens(cents, true),
            Some(State::Paid { paid_at: NOW }),
        )
    };
    assert_eq!(pays(Some(PENDING), Some(2_500)), paid(Some(2_500)));
    assert_eq!(pays(Some(PENDING), None), paid(Some(2_500)));
}

#[test]
fn a_payment_of_another_amount_leaves_a_pending_order_as_it_is() {
    for cents in [1, 2_499, 2_501, i64::MAX] {
        let mismatch = outcome(EventResult::AmountMismatch, Step::Opens(Some(cents), false), None);
        assert_eq!(pays(Some(PENDING), Some(cents)), mismatch);
    }
}

#[test]
fn a_further_payment_leaves_a_paid_or_shipped_order_as_it_is() {
    for state in [PAID, SHIPPED] {
        for (cents, opens) in [(None, 2_500), (Some(2_500), 2_500), (Some(7), 7)] {
            let duplicate = outcome(EventResult::DuplicatePayment, Step::Opens(Some(opens), false), None);
            assert_eq!(pays(Some(state), cents), duplicate);
        }
    }
}

#[test]
fn late_money_is_owed_back() {
    for (cents, opens) in [(None, 2_500), (Some(7), 7)] {
        let due = |order| outcome(EventResult::RefundDue, Step::Opens(Some(opens), false), order);
        assert_eq!(pays(Some(CANCELED), cents), due(Some(OWING)));
        // What owes already does not change.
        assert_eq!(pays(Some(OWING), cents), due(None));
    }
}

#[test]
fn money_of_a_deleted_order_is_an_open_payment_of_no_order() {
    for cents in [None, Some(2_500)] {
        let gone = outcome(EventResult::OrderGone, Step::Opens(cents, false), None);
        assert_eq!(pays(None, cents), gone);
    }
}

#[test]
fn a_refund_of_all_that_was_left_closes_the_payment() {
    let own = [payment(3, Some("p"), Some(2_500), true)];
    let closes = |order| outcome(EventResult::Applied, Step::Refunds(3, 2_500, true), order);
    // No amount is all; and more than was left is all, too.
    for cents in [None, Some(2_500), Some(2_501), Some(i64::MAX)] {
        let canceled = State::Canceled {
            paid_at: Some(PLACED),
            canceled_at: NOW,
            refund_due: false,
        };
        assert_eq!(refunds(Some(PAID), Some("p"), cents, &own), closes(Some(canceled)));
        assert_eq!(refunds(Some(SHIPPED), Some("p"), cents, &own), closes(None));
        assert_eq!(refunds(Some(OWING), Some("p"), cents, &own), closes(Some(CANCELED)));
        assert_eq!(refunds(None, Some("p"), cents, &own), closes(None));
    }
    // What was left after a part.
    let [own] = own;
    let left = [after(own, Some(2_000))];
    assert_eq!(refunds(Some(SHIPPED), Some("p"), Some(500), &left), closes(None));
}

#[test]
fn the_refund_of_a_further_payment_harms_no_order() {
    let open = [
        payment(4, Some("q"), Some(2_500), false),
        payment(3, Some("p"), Some(2_500), true),
    ];
    let closes = outcome(EventResult::Applied, Step::Refunds(4, 2_500, true), None);
    for state in [PENDING, PAID, SHIPPED] {
        assert_eq!(refunds(Some(state), Some("q"), None, &open), closes);
    }
}

#[test]
fn a_canceled_order_owes_as_long_as_a_payment_is_open() {
    let open = [
        payment(4, Some("q"), Some(2_500), false),
        payment(3, Some("p"), Some(2_500), true),
    ];
    let still = outcome(EventResult::Applied, Step::Refunds(4, 2_500, true), None);
    assert_eq!(refunds(Some(OWING), Some("q"), None, &open), still);
    // The own payment of a paid order goes back while a further one is open.
    let owing = State::Canceled {
        paid_at: Some(PLACED),
        canceled_at: NOW,
        refund_due: true,
    };
    let canceled = outcome(EventResult::Applied, Step::Refunds(3, 2_500, true), Some(owing));
    assert_eq!(refunds(Some(PAID), Some("p"), None, &open), canceled);
}

#[test]
fn a_refund_of_less_is_recorded_against_the_payment() {
    let own = [payment(3, Some("p"), Some(2_500), true)];
    for state in [PAID, SHIPPED, OWING] {
        let part = |cents| outcome(EventResult::PartialRefund, Step::Refunds(3, cents, false), None);
        assert_eq!(refunds(Some(state), Some("p"), Some(2_499), &own), part(2_499));
        let [own] = own.clone();
        let less = [after(own, Some(2_000))];
        assert_eq!(refunds(Some(state), Some("p"), Some(499), &less), part(2_499));
    }
}

#[test]
fn a_payment_of_unknown_amount_is_closed_only_by_a_refund_of_all() {
    let gone = [payment(3, Some("p"), None, false)];
    let part = outcome(EventResult::PartialRefund, Step::Refunds(3, 9_999, false), None);
    assert_eq!(refunds(None, Some("p"), Some(9_999), &gone), part);
    let [gone] = gone;
    let gone = [after(gone, Some(9_999))];
    let closes = outcome(EventResult::Applied, Step::Refunds(3, 9_999, true), None);
    assert_eq!(refunds(None, Some("p"), None, &gone), closes);
}

#[test]
fn a_refund_is_of_the_payment_it_names_or_else_of_the_newest_that_fits() {
    let (named, nameless, other) = (
        payment(3, Some("p"), Some(2_500), false),
        payment(4, None, Some(2_500), false),
        payment(5, Some("q"), Some(2_500), false),
    );
    let number = |named: Option<&str>, open: &[Payment]| match refunds(Some(OWING), named, None, open).payment {
        Step::Refunds(number, ..) => Some(number),
        Step::Opens(..) | Step::Pays(..) | Step::Keeps | Step::Nothing => None,
    };
    let open = [other.clone(), nameless.clone(), named.clone()];
    assert_eq!(number(Some("p"), &open), Some(3));
    assert_eq!(number(Some("q"), &open), Some(5));
    assert_eq!(number(None, &open), Some(5));
    // A name that no open payment has can only be that of one without a name.
    assert_eq!(number(Some("r"), &open), Some(4));
    let older = payment(2, None, Some(2_500), false);
    assert_eq!(number(Some("r"), &[other.clone(), nameless, older]), Some(4));
    assert_eq!(number(Some("r"), &[other, named]), None);
}

#[test]
fn a_refund_of_a_payment_that_has_not_come_is_kept() {
    let keeps = || outcome(EventResult::Ignored, Step::Keeps, None);
    for state in [None, Some(PENDING), Some(PAID), Some(SHIPPED), Some(CANCELED)] {
        assert_eq!(refunds(state, Some("p"), Some(2_500), &[]), keeps());
        // It could be of any, so there is nothing to wait for.
        assert_eq!(refunds(state, None, Some(2_500), &[]), ignored());
        // One that is known and not open was refunded whole.
        let closed = Known {
            is_payment_known: true,
            ..known(state.map(order), Vec::new())
        };
        assert_eq!(does(refunded(&refund(Some("p"), None), &closed, NOW)), ignored());
    }
}

#[test]
fn a_refund_counts_once() {
    let own = payment(3, Some("p"), Some(2_500), true);
    for open in [vec![own], Vec::new()] {
        let known = Known {
            is_refund_known: true,
            ..known(Some(order(PAID)), open)
        };
        for named in [None, Some("p"), Some("q")] {
            assert_eq!(does(refunded(&refund(named, None), &known, NOW)), ignored());
        }
    }
}

/// What success of a payment of so much does to an order in this state, after these refunds of it.
fn pays_after(refunds: &[Option<i64>], state: Option<State>, cents: Option<i64>) -> Does {
    let known = Known {
        kept: refunds.iter().copied().map(kept).collect(),
        ..known(state.map(order), Vec::new())
    };
    does(succeeded(&data(Some("p"), cents), &known, NOW))
}

#[test]
fn a_payment_that_was_refunded_whole_before_it_came_changes_no_order() {
    let refunded = |cents| outcome(EventResult::Ignored, Step::Pays(Some(cents), cents, true), None);
    for state in [PENDING, PAID, SHIPPED, CANCELED, OWING] {
        for refunds in [
            &[None][..],
            &[Some(2_500)],
            &[Some(9_999)],
            &[Some(2_000), Some(500)],
            &[Some(1), None],
            &[None, Some(1)],
        ] {
            assert_eq!(pays_after(refunds, Some(state), None), refunded(2_500));
        }
        assert_eq!(pays_after(&[Some(7)], Some(state), Some(7)), refunded(7));
    }
    // Of a deleted order.
    assert_eq!(pays_after(&[Some(7)], None, Some(7)), refunded(7));
    let unknown = outcome(EventResult::Ignored, Step::Pays(None, 0, true), None);
    assert_eq!(pays_after(&[None], None, None), unknown);
}

#[test]
fn a_payment_of_which_a_part_was_refunded_before_it_came_counts_that() {
    let pays = |result, order| outcome(result, Step::Pays(Some(2_500), 700, false), order);
    for refunds in [&[Some(700)][..], &[Some(300), Some(400)]] {
        let pays_to = |state| pays_after(refunds, Some(state), Some(2_500));
        let paid = State::Paid { paid_at: NOW };
        assert_eq!(pays_to(PENDING), pays(EventResult::Applied, Some(paid)));
        assert_eq!(pays_to(SHIPPED), pays(EventResult::DuplicatePayment, None));
        assert_eq!(pays_to(CANCELED), pays(EventResult::RefundDue, Some(OWING)));
    }
    let gone = outcome(EventResult::OrderGone, Step::Pays(None, 700, false), None);
    assert_eq!(pays_after(&[Some(700)], None, None), gone);
}

#[test]
fn refunds_that_cannot_be_counted_stay_at_what_can() {
    let all = refund(None, Some(i64::MAX)).amount;
    let unknown = Balance::open(None).refund(all).refund(all);
    assert_eq!((unknown.refunded.cents(), unknown.is_closed), (i64::MAX, false));
    let known = Balance::open(Some(Money::from_cents(i64::MAX)))
        .refund(refund(None, Some(1)).amount)
        .refund(all);
    assert_eq!((known.refunded.cents(), known.is_closed), (i64::MAX, true));
}
