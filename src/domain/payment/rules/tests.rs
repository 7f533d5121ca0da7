//! Each row of the table by name, over what is known; and each payment as its refunds go on.

use super::*;
use crate::domain::order::{NewOrder, State};
use crate::domain::payment::{DisputeId, DisputeState, EventNumber, FactKind, Minor, PaymentId, Provider, RefundId};
use crate::domain::values::{Amount, Price, ProductId, Quantity};
use crate::domain::version::Version;

mod disputes;
mod holds;
mod paid;
mod refunds;

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
    if let Some(order) = &order {
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
