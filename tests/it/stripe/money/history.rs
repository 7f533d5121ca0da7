//! Histories of payments as Stripe would tell of them: what is refunded was paid and is left, a total is that of the charge at
//! that moment, only what was made can fail or be closed.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::stripe::{charge, dispute, event, intent, metadata, refund, session, with};

/// What happens to a payment after it was made. Choices among what is there go round.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// So many tenths of what is left are refunded.
    Refund { tenths: i64 },
    /// A refund fails.
    Fail { which: usize },
    /// The customer's bank asks.
    Dispute,
    /// A dispute is closed.
    Close { which: usize, status: &'static str },
}

/// The events that an account gets of refunds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Single,
    Totals,
    Both,
}

/// How a payment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By an intent alone.
    Intent,
    /// By a session, with its intent.
    Session,
    /// By a session that waits for a bank first.
    Bank,
    /// By a charge alone.
    Charge,
}

/// One payment, from its first attempt to its last dispute.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    is_for_second: bool,
    units: i64,
    currency: &'static str,
    way: Way,
    telling: Telling,
    /// A card was declined first.
    has_failed_before: bool,
    /// The charge has a copy of the metadata.
    is_charge_named: bool,
    /// The customer changed the reference of the session, which has no metadata.
    is_session_astray: bool,
    acts: Vec<Act>,
}

/// One to three payments of two orders.
pub(super) fn plans() -> impl Strategy<Value = Vec<Plan>> {
    prop::collection::vec(plan(), 1..=3)
}

fn plan() -> impl Strategy<Value = Plan> {
    let act = prop_oneof![
        5 => prop_oneof![1 => Just(10), 2 => 1..10_i64].prop_map(|tenths| Act::Refund { tenths }),
        2 => any::<usize>().prop_map(|which| Act::Fail { which }),
        1 => Just(Act::Dispute),
        1 => (any::<usize>(), prop::sample::select(vec!["won", "lost", "warning_closed"]))
            .prop_map(|(which, status)| Act::Close { which, status }),
    ];
    (
        any::<bool>(),
        prop_oneof![4 => Just(2_500_i64), 1 => 1..5_000_i64],
        prop_oneof![5 => Just("eur"), 1 => Just("usd")],
        prop::sample::select(vec![Way::Intent, Way::Session, Way::Bank, Way::Charge]),
        prop::sample::select(vec![Telling::Single, Telling::Totals, Telling::Both]),
        any::<[bool; 3]>(),
        prop::collection::vec(act, 0..8),
    )
        .prop_map(
            |(is_for_second, units, currency, way, telling, [failed, named, astray], acts)| Plan {
                is_for_second,
                units,
                currency,
                way,
                telling,
                has_failed_before: failed,
                // The refund of a charge that names another order than its payment is not counted.
                is_charge_named: named && !astray,
                is_session_astray: astray,
                acts,
            },
        )
}

/// What the books must say of a payment in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) payment_id: String,
    /// In the currency's units.
    pub(super) units: i64,
    pub(super) refunded: i64,
    pub(super) is_foreign: bool,
    pub(super) is_disputed: bool,
    /// Totals alone do not tell of all that a refund after a failed one took, so less may be known.
    pub(super) may_know_less: bool,
}

/// The events of the payment of this name, oldest first, and what is true of it in the end. `orders` are those that it can be
/// for.
pub(super) fn history(plan: &Plan, name: &str, orders: [i64; 2], first_second: i64) -> (Vec<Value>, Truth) {
    let mut history = History::new(plan, name, orders, first_second);
    history.pay();
    for act in &plan.acts {
        history.act(*act);
    }
    history.ended()
}

struct History<'p> {
    plan: &'p Plan,
    name: &'p str,
    /// The order that it is for.
    order: i64,
    /// The other one.
    stray: i64,
    intent: Option<String>,
    charge: String,
    second: i64,
    events: Vec<Value>,
    /// The id, the units, and whether it did not fail.
    refunds: Vec<(String, i64, bool)>,
    /// The id, and how it was closed.
    disputes: Vec<(String, Option<&'static str>)>,
}

impl<'p> History<'p> {
    fn new(plan: &'p Plan, name: &'p str, orders: [i64; 2], second: i64) -> Self {
        let [order, stray] = match plan.is_for_second {
            true => [orders[1], orders[0]],
            false => orders,
        };
        Self {
            plan,
            name,
            order,
            stray,
            intent: (plan.way != Way::Charge).then(|| format!("pi_{name}")),
            charge: format!("ch_{name}"),
            second,
            events: Vec::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
        }
    }

    fn tell(&mut self, kind: &str, object: Value) {
        let id = format!("evt_{}_{}", self.name, self.events.len());
        let object = with(object, &json!({"currency": self.plan.currency}));
        self.events.push(event(&id, kind, self.second, object));
    }

    fn pay(&mut self) {
        let (order, units) = (self.order, self.plan.units);
        let Some(id) = self.intent.clone() else {
            let paid = with(self.charge_now(), &json!({"metadata": metadata(Some(order))}));
            return self.tell("charge.succeeded", paid);
        };
        let of_intent = intent(&id, units, Some(order));
        if self.plan.has_failed_before {
            self.tell("payment_intent.payment_failed", of_intent.clone());
            self.second += 1;
        }
        let mut of_session = session(&format!("cs_{}", self.name), Some(&id), units, Some(order));
        if self.plan.is_session_astray {
            let reference = self.stray.to_string();
            of_session = with(of_session, &json!({"metadata": {}, "client_reference_id": reference}));
        }
        if self.plan.way == Way::Bank {
            let unpaid = with(of_session.clone(), &json!({"payment_status": "unpaid"}));
            self.tell("checkout.session.completed", unpaid);
            self.tell("payment_intent.processing", of_intent.clone());
            self.second += 86_400;
        }
        self.tell("payment_intent.succeeded", of_intent);
        match self.plan.way {
            Way::Session => self.tell("checkout.session.completed", of_session),
            Way::Bank => self.tell("checkout.session.async_payment_succeeded", of_session),
            Way::Intent | Way::Charge => {}
        }
        let charged = self.charge_now();
        self.tell("charge.succeeded", charged);
    }

    fn refunded(&self) -> i64 {
        self.refunds
            .iter()
            .filter(|(_, _, is_live)| *is_live)
            .map(|(_, units, _)| units)
            .sum()
    }

    /// The charge as it is at this moment.
    fn charge_now(&self) -> Value {
        let object = charge(&self.charge, self.intent.as_deref(), self.plan.units, self.refunded());
        let order = self.plan.is_charge_named.then_some(self.order);
        with(object, &json!({"metadata": metadata(order)}))
    }

    fn of_payment(&self, object: Value) -> Value {
        with(object, &json!({"payment_intent": self.intent, "charge": self.charge}))
    }

    fn act(&mut self, act: Act) {
        self.second += 60;
        match act {
            Act::Refund { tenths } => {
                let left = self.plan.units - self.refunded();
                if left == 0 {
                    return;
                }
                let units = (left * tenths / 10).max(1);
                let id = format!("re_{}_{}", self.name, self.refunds.len());
                self.refunds.push((id.clone(), units, true));
                let object = self.of_payment(refund(&id, "none", units));
                if self.plan.telling != Telling::Totals {
                    let pending = with(object.clone(), &json!({"status": "pending"}));
                    self.tell("refund.created", pending);
                    self.tell("charge.refund.updated", object);
                }
                if self.plan.telling != Telling::Single {
                    let refunded = self.charge_now();
                    self.tell("charge.refunded", refunded);
                }
            }
            Act::Fail { which } => {
                let live: Vec<usize> = (0..self.refunds.len()).filter(|index| self.refunds[*index].2).collect();
                let Some(index) = which.checked_rem(live.len()).map(|which| live[which]) else {
                    return;
                };
                self.refunds[index].2 = false;
                let (id, units, _) = self.refunds[index].clone();
                let object = with(
                    self.of_payment(refund(&id, "none", units)),
                    &json!({"status": "failed"}),
                );
                self.tell("charge.refund.updated", object.clone());
                if self.plan.telling != Telling::Totals {
                    self.tell("refund.failed", object);
                }
            }
            Act::Dispute => {
                let id = format!("du_{}_{}", self.name, self.disputes.len());
                let object = self.of_payment(dispute(&id, "none", "needs_response"));
                self.disputes.push((id, None));
                self.tell("charge.dispute.created", object);
            }
            Act::Close { which, status } => {
                let open: Vec<usize> = (0..self.disputes.len())
                    .filter(|index| self.disputes[*index].1.is_none())
                    .collect();
                let Some(index) = which.checked_rem(open.len()).map(|which| open[which]) else {
                    return;
                };
                self.disputes[index].1 = Some(status);
                let object = self.of_payment(dispute(&self.disputes[index].0, "none", status));
                self.tell("charge.dispute.closed", object);
            }
        }
    }

    fn ended(self) -> (Vec<Value>, Truth) {
        let has_failures = self.refunds.iter().any(|(_, _, is_live)| !is_live);
        let truth = Truth {
            payment_id: self.intent.clone().unwrap_or(self.charge.clone()),
            units: self.plan.units,
            refunded: self.refunded(),
            is_foreign: self.plan.currency != "eur",
            is_disputed: self.disputes.iter().any(|(_, end)| matches!(end, None | Some("lost"))),
            may_know_less: self.plan.telling == Telling::Totals && has_failures,
        };
        (self.events, truth)
    }
}
