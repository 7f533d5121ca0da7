//! Every step from every state, and what a caller can ask for in one go.

use super::*;

const PLACED: Timestamp = Timestamp::from_millis(1_000);
const PAID: Timestamp = Timestamp::from_millis(2_000);
const SHIPPED: Timestamp = Timestamp::from_millis(3_000);
const CANCELED: Timestamp = Timestamp::from_millis(4_000);
const NOW: Timestamp = Timestamp::from_millis(9_000);

const EXPIRES: Timestamp = Timestamp::from_millis(8_000);

const STATES: [State; 7] = [
    State::Pending { expires_at: None },
    State::Pending {
        expires_at: Some(EXPIRES),
    },
    State::Paid { paid_at: PAID },
    State::Shipped {
        paid_at: PAID,
        shipped_at: SHIPPED,
    },
    State::Canceled {
        paid_at: None,
        canceled_at: CANCELED,
        refund_due: false,
    },
    State::Canceled {
        paid_at: Some(PAID),
        canceled_at: CANCELED,
        refund_due: false,
    },
    State::Canceled {
        paid_at: Some(PAID),
        canceled_at: CANCELED,
        refund_due: true,
    },
];

const PENDING: State = State::Pending { expires_at: None };

fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

fn order(state: State) -> Order {
    let price = Price::new(Money::from_cents(1_250)).unwrap();
    let placed = NewOrder::new(ProductId::new(7).unwrap(), quantity(2), price, PLACED).unwrap();
    Order::restore(OrderId::new(1).unwrap(), placed, state, Version::FIRST, PLACED)
}

fn no_way(from: Status, to: Status) -> Result<State, Refusal> {
    Err(Refusal::InvalidTransition { from, to })
}

/// What each step makes of each state. The matches are exhaustive, so a new state has to be entered here.
#[test]
fn every_step_from_every_state() {
    for (state, is_open) in STATES.into_iter().flat_map(|state| [(state, false), (state, true)]) {
        let from = state.status();
        let pay = match state {
            State::Pending { .. } => Ok(State::Paid { paid_at: NOW }),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => no_way(from, Status::Paid),
        };
        let ship = match state {
            State::Paid { paid_at } => Ok(State::Shipped {
                paid_at,
                shipped_at: NOW,
            }),
            State::Pending { .. } | State::Shipped { .. } | State::Canceled { .. } => no_way(from, Status::Shipped),
        };
        let canceled = |paid_at| {
            Ok(State::Canceled {
                paid_at,
                canceled_at: NOW,
                refund_due: is_open,
            })
        };
        let cancel = match state {
            State::Pending { .. } => canceled(None),
            State::Paid { paid_at } => canceled(Some(paid_at)),
            State::Shipped { .. } | State::Canceled { .. } => no_way(from, Status::Canceled),
        };
        let set_quantity = match state {
            State::Pending { .. } => Ok((quantity(5), Money::from_cents(6_250))),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => {
                Err(Refusal::NotEditable { status: from })
            }
        };
        let before = order(state);
        assert_eq!(before.pay(NOW).map(|o| o.state()), pay, "pay {state:?}");
        assert_eq!(before.ship(NOW).map(|o| o.state()), ship, "ship {state:?}");
        assert_eq!(
            before.cancel(is_open, NOW).map(|o| o.state()),
            cancel,
            "cancel {state:?}"
        );
        let edited = before.edit(Some(quantity(5)), None, NOW);
        assert_eq!(
            edited
                .as_ref()
                .map(|o| (o.quantity(), o.total()))
                .map_err(|refusal| *refusal),
            set_quantity,
            "edit {state:?}"
        );
        for after in [before.pay(NOW), before.ship(NOW), before.cancel(is_open, NOW), edited]
            .into_iter()
            .flatten()
        {
            assert_eq!((after.updated_at(), after.version().get()), (NOW, 2));
            assert_eq!((after.id(), after.created_at()), (before.id(), before.created_at()));
            assert_eq!(after.unit_price(), before.unit_price());
        }
    }
}

/// Only orders without money go, and only those that wait or were canceled.
#[test]
fn every_state_deleted() {
    for state in STATES {
        let refused = Err(Refusal::NotDeletable { status: state.status() });
        let without_money = match state {
            State::Pending { .. } | State::Canceled { paid_at: None, .. } => Ok(()),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { paid_at: Some(_), .. } => refused,
        };
        assert_eq!(order(state).check_deletable(false), without_money, "{state:?}");
        assert_eq!(order(state).check_deletable(true), refused, "{state:?}");
    }
}

/// Only what a canceled order owes follows its payments, and only a difference is a change.
#[test]
fn every_state_settled() {
    for (state, is_open) in STATES.into_iter().flat_map(|state| [(state, false), (state, true)]) {
        let (before, after) = (order(state), order(state).settle(is_open, NOW));
        match state {
            State::Canceled { refund_due, .. } if refund_due != is_open => {
                assert_eq!((after.refund_due(), after.updated_at()), (is_open, NOW));
                assert_eq!(
                    (after.version().get(), after.state().canceled_at()),
                    (2, Some(CANCELED))
                );
            }
            State::Pending { .. } | State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => {
                assert_eq!(after, before, "{state:?}");
            }
        }
    }
}

#[test]
fn an_order_expires_only_if_told_when() {
    let price = Price::new(Money::from_cents(1_250)).unwrap();
    let new = NewOrder::new(ProductId::new(7).unwrap(), quantity(2), price, PLACED).unwrap();
    let expires_at = |ttl: Option<u64>| new.clone().expiring_after(ttl.map(Duration::from_millis)).expires_at();
    assert_eq!(expires_at(None), None);
    assert_eq!(expires_at(Some(0)), None);
    assert_eq!(expires_at(Some(7_000)), Some(EXPIRES));
    assert_eq!(expires_at(Some(u64::MAX)), Some(Timestamp::from_millis(i64::MAX)));
    let placed = new
        .expiring_after(Some(Duration::from_secs(7)))
        .with_id(OrderId::new(1).unwrap());
    assert_eq!(placed.state().expires_at(), Some(EXPIRES));
    // No step takes the time along.
    assert_eq!(placed.pay(NOW).unwrap().state().expires_at(), None);
    assert_eq!(placed.cancel(false, NOW).unwrap().state().expires_at(), None);
    // But another quantity is no new time.
    assert_eq!(
        placed.edit(Some(quantity(1)), None, NOW).unwrap().state().expires_at(),
        Some(EXPIRES)
    );
}

/// What a caller gets who asks for each status in each state; `allowed` must say the same.
#[test]
fn every_status_asked_for_in_every_state() {
    for state in STATES {
        let before = order(state);
        for to in Status::ALL {
            let change = OrderChange {
                status: Some(to),
                ..OrderChange::default()
            };
            let after = before.change(change, false, NOW);
            if to == before.status() {
                assert_eq!(after, Ok(before.clone()), "a no-op");
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
                reference: None,
            },
            false,
            NOW,
        )
    };
    let paid = State::Paid { paid_at: PAID };
    // Another quantity of a pending order that stays pending.
    assert_eq!(ask(PENDING, None, 3).map(|o| o.total().cents()), Ok(3_750));
    assert_eq!(
        ask(PENDING, Some(Status::Pending), 3).map(|o| o.quantity().get()),
        Ok(3)
    );
    // The quantity it has is no change, whatever else happens.
    assert_eq!(ask(PENDING, None, 2), Ok(order(PENDING)));
    assert_eq!(
        ask(PENDING, Some(Status::Canceled), 2).map(|o| o.status()),
        Ok(Status::Canceled)
    );
    assert_eq!(
        ask(paid, Some(Status::Shipped), 2).map(|o| o.status()),
        Ok(Status::Shipped)
    );
    assert_eq!(ask(paid, None, 2), Ok(order(paid)));
    // Another one is refused where it does not stay pending.
    let settled = |status| Err(Refusal::NotEditable { status });
    assert_eq!(ask(PENDING, Some(Status::Canceled), 3), settled(Status::Pending));
    assert_eq!(ask(paid, None, 3), settled(Status::Paid));
    assert_eq!(ask(paid, Some(Status::Shipped), 3), settled(Status::Paid));
    // Where both are wrong, the status comes first.
    let no_way = Refusal::InvalidTransition {
        from: Status::Pending,
        to: Status::Shipped,
    };
    assert_eq!(ask(PENDING, Some(Status::Shipped), 3), Err(no_way));
}

#[test]
fn a_reference_changes_as_a_quantity_does() {
    let named = |text: &str| Some(Reference::new(text).unwrap());
    let change = |units: Option<i64>, reference: &str| OrderChange {
        quantity: units.map(quantity),
        reference: named(reference),
        ..OrderChange::default()
    };
    let order_with = |state, text: &str| Order {
        reference: named(text),
        ..order(state)
    };
    let after = order(PENDING).change(change(None, "W-1"), false, NOW).unwrap();
    assert_eq!((after.reference().cloned(), after.version().get()), (named("W-1"), 2));
    // Both are one new version, and neither undoes the other.
    let after = after.change(change(Some(5), "W-2"), false, NOW).unwrap();
    assert_eq!((after.reference().cloned(), after.quantity().get()), (named("W-2"), 5));
    assert_eq!(after.version().get(), 3);
    let only_quantity = OrderChange {
        quantity: Some(quantity(1)),
        ..OrderChange::default()
    };
    assert_eq!(
        after.change(only_quantity, false, NOW).unwrap().reference().cloned(),
        named("W-2")
    );
    let paid = State::Paid { paid_at: PAID };
    for state in [PENDING, paid] {
        let named = order_with(state, "W-1");
        assert_eq!(
            named.change(change(None, "W-1"), false, NOW),
            Ok(named.clone()),
            "a no-op"
        );
    }
    let refused = Err(Refusal::NotEditable { status: Status::Paid });
    assert_eq!(order_with(paid, "W-1").change(change(None, "W-2"), false, NOW), refused);
    let and_cancel = OrderChange {
        status: Some(Status::Canceled),
        ..change(None, "W-2")
    };
    let refused = Err(Refusal::NotEditable {
        status: Status::Pending,
    });
    assert_eq!(order_with(PENDING, "W-1").change(and_cancel, false, NOW), refused);
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
    assert_eq!(one.edit(Some(quantity(2)), None, NOW), Err(Refusal::TotalTooLarge));
}

#[test]
fn what_an_order_lets_go_comes_back() {
    let change = |before: &Order, after: &Order| after.stock_change_from(before).map(Delta::get);
    let pending = order(PENDING);
    let canceled = pending.cancel(false, NOW).unwrap();
    assert_eq!(change(&pending, &canceled), Some(2));
    assert_eq!(
        change(&pending, &pending.edit(Some(quantity(5)), None, NOW).unwrap()),
        Some(-3)
    );
    assert_eq!(
        change(&pending, &pending.edit(Some(quantity(1)), None, NOW).unwrap()),
        Some(1)
    );
    assert_eq!(change(&pending, &pending.pay(NOW).unwrap()), None);
    assert_eq!(change(&canceled, &canceled), None);
}

/// What a canceling caller leaves behind is what the payments say.
#[test]
fn a_caller_who_cancels_owes_what_is_open() {
    let cancel = OrderChange {
        status: Some(Status::Canceled),
        ..OrderChange::default()
    };
    for is_open in [false, true] {
        let canceled = order(PENDING).change(cancel.clone(), is_open, NOW).unwrap();
        assert_eq!(canceled.refund_due(), is_open);
    }
}

/// Each status with each set of times and debts: only the real combinations make a state, and they survive it.
#[test]
fn states_and_their_parts_agree() {
    for state in STATES {
        assert_eq!(state.parts().state(), Some(state));
    }
    let times = |time| [None, Some(time)];
    let mut states = 0;
    for status in Status::ALL {
        assert_eq!(Status::from_name(status.name()), Some(status));
        for bits in 0..32_usize {
            let parts = StateParts {
                status,
                expires_at: times(EXPIRES)[bits & 1],
                paid_at: times(PAID)[bits >> 1 & 1],
                shipped_at: times(SHIPPED)[bits >> 2 & 1],
                canceled_at: times(CANCELED)[bits >> 3 & 1],
                refund_due: bits >> 4 == 1,
            };
            states += usize::from(parts.state().is_some());
        }
    }
    // Those listed above, and an order that was paid after it was canceled.
    assert_eq!(states, STATES.len() + 1);
    assert_eq!(Status::from_name("pending"), None);
}
