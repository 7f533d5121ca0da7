//! Every step from every state, and what a caller can ask for in one go.

use super::*;

const PLACED: Timestamp = Timestamp::from_millis(1_000);
const PAID: Timestamp = Timestamp::from_millis(2_000);
const SHIPPED: Timestamp = Timestamp::from_millis(3_000);
const CANCELED: Timestamp = Timestamp::from_millis(4_000);
const NOW: Timestamp = Timestamp::from_millis(9_000);

const STATES: [State; 5] = [
    State::Pending,
    State::Paid { paid_at: PAID },
    State::Shipped {
        paid_at: PAID,
        shipped_at: SHIPPED,
    },
    State::Canceled {
        paid_at: None,
        canceled_at: CANCELED,
    },
    State::Canceled {
        paid_at: Some(PAID),
        canceled_at: CANCELED,
    },
];

fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

fn order(state: State) -> Order {
    let price = Price::new(Money::from_cents(1_250)).unwrap();
    let placed = NewOrder::new(ProductId::new(7).unwrap(), quantity(2), price, PLACED).unwrap();
    Order::restore(OrderId::new(1).unwrap(), placed, state, PLACED)
}

fn no_way(from: Status, to: Status) -> Result<State, Refusal> {
    Err(Refusal::InvalidTransition { from, to })
}

/// What each step makes of each state. The matches are exhaustive, so a new state has to be entered here.
#[test]
fn every_step_from_every_state() {
    for state in STATES {
        let from = state.status();
        let pay = match state {
            State::Pending => Ok(State::Paid { paid_at: NOW }),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => no_way(from, Status::Paid),
        };
        let ship = match state {
            State::Paid { paid_at } => Ok(State::Shipped {
                paid_at,
                shipped_at: NOW,
            }),
            State::Pending | State::Shipped { .. } | State::Canceled { .. } => no_way(from, Status::Shipped),
        };
        let cancel = match state {
            State::Pending => Ok(State::Canceled {
                paid_at: None,
                canceled_at: NOW,
            }),
            State::Paid { paid_at } => Ok(State::Canceled {
                paid_at: Some(paid_at),
                canceled_at: NOW,
            }),
            State::Shipped { .. } | State::Canceled { .. } => no_way(from, Status::Canceled),
        };
        let set_quantity = match state {
            State::Pending => Ok((quantity(5), Money::from_cents(6_250))),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => {
                Err(Refusal::NotEditable { status: from })
            }
        };
        let deletable = match state {
            State::Pending | State::Canceled { paid_at: None, .. } => Ok(()),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { paid_at: Some(_), .. } => {
                Err(Refusal::NotDeletable { status: from })
            }
        };
        let before = order(state);
        assert_eq!(before.pay(NOW).map(|o| o.state()), pay, "pay {state:?}");
        assert_eq!(before.ship(NOW).map(|o| o.state()), ship, "ship {state:?}");
        assert_eq!(before.cancel(NOW).map(|o| o.state()), cancel, "cancel {state:?}");
        let edited = before.set_quantity(quantity(5), NOW);
        assert_eq!(
            edited.map(|o| (o.quantity(), o.total())),
            set_quantity,
            "set_quantity {state:?}"
        );
        assert_eq!(before.check_deletable(), deletable, "delete {state:?}");
        for after in [before.pay(NOW), before.ship(NOW), before.cancel(NOW), edited]
            .into_iter()
            .flatten()
        {
            assert_eq!(after.updated_at(), NOW);
            assert_eq!((after.id(), after.created_at()), (before.id(), before.created_at()));
            assert_eq!(after.unit_price(), before.unit_price());
        }
    }
}

/// What a caller gets who asks for each status in each state; `allowed` must say the same.
#[test]
fn every_status_asked_for_in_every_state() {
    for state in STATES {
        let before = order(state);
        for to in Status::ALL {
            let change = OrderChange {
                status: Some(to),
                quantity: None,
            };
            let after = before.change(change, NOW);
            if to == before.status() {
                assert_eq!(after, Ok(before), "a no-op");
            } else if before.status().allowed().contains(&to) {
                assert_eq!(after.map(|o| (o.status(), o.updated_at())), Ok((to, NOW)));
            } else {
                assert_eq!(
                    after,
                    Err(Refusal::InvalidTransition {
                        from: before.status(),
                        to
                    })
                );
            }
        }
    }
    assert_eq!(Status::Pending.allowed(), [Status::Canceled]);
    assert_eq!(Status::Paid.allowed(), [Status::Shipped, Status::Canceled]);
}

#[test]
fn status_and_quantity_change_together_or_not_at_all() {
    let ask = |state, status, units: i64| {
        order(state).change(
            OrderChange {
                status,
                quantity: Some(quantity(units)),
            },
            NOW,
        )
    };
    let paid = State::Paid { paid_at: PAID };
    // Another quantity of a pending order that stays pending.
    assert_eq!(ask(State::Pending, None, 3).map(|o| o.total().cents()), Ok(3_750));
    assert_eq!(
        ask(State::Pending, Some(Status::Pending), 3).map(|o| o.quantity().get()),
        Ok(3)
    );
    // The quantity it has is no change, whatever else happens.
    assert_eq!(ask(State::Pending, None, 2), Ok(order(State::Pending)));
    assert_eq!(
        ask(State::Pending, Some(Status::Canceled), 2).map(|o| o.status()),
        Ok(Status::Canceled)
    );
    assert_eq!(
        ask(paid, Some(Status::Shipped), 2).map(|o| o.status()),
        Ok(Status::Shipped)
    );
    assert_eq!(ask(paid, None, 2), Ok(order(paid)));
    // Another one is refused where it does not stay pending.
    let settled = |status| Err(Refusal::NotEditable { status });
    assert_eq!(ask(State::Pending, Some(Status::Canceled), 3), settled(Status::Pending));
    assert_eq!(ask(paid, None, 3), settled(Status::Paid));
    assert_eq!(ask(paid, Some(Status::Shipped), 3), settled(Status::Paid));
    // Where both are wrong, the status comes first.
    let no_way = Refusal::InvalidTransition {
        from: Status::Pending,
        to: Status::Shipped,
    };
    assert_eq!(ask(State::Pending, Some(Status::Shipped), 3), Err(no_way));
}

#[test]
fn an_order_holds_its_units_until_it_is_canceled() {
    for state in STATES {
        let held = order(state).held();
        assert_eq!(held.is_some(), state.status() != Status::Canceled, "{state:?}");
    }
}

#[test]
fn a_total_that_cannot_be_counted_is_refused() {
    let price = Price::new(Money::from_cents(i64::MAX)).unwrap();
    let new = |units| NewOrder::new(ProductId::new(7).unwrap(), quantity(units), price, PLACED);
    assert_eq!(new(2), Err(Refusal::TotalTooLarge));
    let one = new(1).unwrap().with_id(OrderId::new(1).unwrap());
    assert_eq!(one.set_quantity(quantity(2), NOW), Err(Refusal::TotalTooLarge));
}

#[test]
fn what_an_order_lets_go_comes_back() {
    let change = |before: Order, after: Order| after.stock_change_from(&before).map(Delta::get);
    let pending = order(State::Pending);
    let canceled = pending.cancel(NOW).unwrap();
    assert_eq!(change(pending, canceled), Some(2));
    assert_eq!(
        change(pending, pending.set_quantity(quantity(5), NOW).unwrap()),
        Some(-3)
    );
    assert_eq!(
        change(pending, pending.set_quantity(quantity(1), NOW).unwrap()),
        Some(1)
    );
    assert_eq!(change(pending, pending.pay(NOW).unwrap()), None);
    assert_eq!(change(canceled, canceled), None);
}

/// Each status with each set of times: only the five real combinations make a state, and they survive it.
#[test]
fn states_and_their_parts_agree() {
    for state in STATES {
        let again = State::from_parts(state.status(), state.paid_at(), state.shipped_at(), state.canceled_at());
        assert_eq!(again, Some(state));
    }
    let times = |time| [None, Some(time)];
    let mut states = 0;
    for status in Status::ALL {
        assert_eq!(Status::from_name(status.name()), Some(status));
        for paid_at in times(PAID) {
            for shipped_at in times(SHIPPED) {
                for canceled_at in times(CANCELED) {
                    states += usize::from(State::from_parts(status, paid_at, shipped_at, canceled_at).is_some());
                }
            }
        }
    }
    assert_eq!(states, STATES.len());
    assert_eq!(Status::from_name("pending"), None);
}
