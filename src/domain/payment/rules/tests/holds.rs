//! Holds: for how long an order waits for payments that are on their way.

use std::time::Duration;

use super::*;
use crate::domain::payment::Hold;
use crate::domain::payment::rules::{Held, HoldStep, not_paid, processing};

/// When the order expires without any hold.
const DEADLINE: Timestamp = Timestamp::from_millis(8_000);
const HOLD: Duration = Duration::from_secs(100);

/// The payment of this name.
fn of(name: &str) -> (Provider, PaymentId) {
    (Provider::Stripe, PaymentId::new(name).unwrap())
}

/// An order with its holds, and what is known of one of their payments.
struct Waits(Order, Vec<Hold>);

impl Waits {
    fn new() -> Self {
        Self(order(PENDING), Vec::new())
    }

    fn held(&self, payment: &PaymentId) -> Held {
        Held {
            order: self.0.clone(),
            holds: self.1.clone(),
            hold: self.1.iter().find(|hold| hold.payment_id == *payment).cloned(),
        }
    }

    fn take(&mut self, step: Option<HoldStep>) -> &mut Self {
        if let Some((hold, order)) = step {
            self.1.retain(|other| other.payment_id != hold.payment_id);
            self.1.push(hold);
            self.0 = order.unwrap_or_else(|| self.0.clone());
        }
        self
    }

    fn processing(&mut self, payment: &str, created: i64, now: i64) -> &mut Self {
        let (provider, payment) = of(payment);
        let held = self.held(&payment);
        let now = Timestamp::from_millis(now);
        self.take(processing((provider, &payment), Some(created), HOLD, &held, now))
    }

    fn not_paid(&mut self, payment: &str, created: i64) -> &mut Self {
        let (provider, payment) = of(payment);
        let held = self.held(&payment);
        self.take(not_paid((provider, &payment), Some(created), &held, NOW))
    }

    fn expires(&self) -> i64 {
        self.0.state().expires_at().unwrap().millis()
    }
}

#[test]
fn an_order_is_held_for_a_payment_that_is_on_its_way() {
    let mut waits = Waits::new();
    assert_eq!(waits.processing("p", 1, 0).expires(), 100_000);
    // Another word of it holds longer, never shorter.
    assert_eq!(waits.processing("p", 2, 5_000).expires(), 105_000);
    assert_eq!(waits.processing("p", 3, 1_000).expires(), 105_000);
    assert_eq!(waits.0.version().get(), 3, "each change is a version");
}

#[test]
fn a_hold_never_makes_an_order_expire_earlier() {
    let mut waits = Waits::new();
    waits.0 = order(State::Pending {
        expires_at: Some(Timestamp::from_millis(500_000)),
    });
    assert_eq!(waits.processing("p", 1, 0).expires(), 500_000);
}

#[test]
fn a_payment_that_failed_ends_its_own_hold_only() {
    let mut waits = Waits::new();
    waits.processing("p", 1, 0).processing("q", 1, 5_000);
    assert_eq!(waits.not_paid("p", 2).expires(), 105_000);
    assert_eq!(waits.not_paid("q", 2).expires(), DEADLINE.millis());
    let mut waits = Waits::new();
    waits.processing("p", 1, 0).processing("q", 1, 5_000);
    assert_eq!(waits.not_paid("q", 2).expires(), 100_000);
}

#[test]
fn what_is_older_than_its_end_does_not_revive_a_hold() {
    let mut waits = Waits::new();
    waits.processing("p", 1, 0).not_paid("p", 5);
    assert_eq!(waits.processing("p", 5, 1_000).expires(), DEADLINE.millis());
    // A failure that overtook it.
    let mut waits = Waits::new();
    assert_eq!(
        waits.not_paid("p", 5).processing("p", 4, 0).expires(),
        DEADLINE.millis()
    );
    // A new try of the same payment is another matter.
    assert_eq!(waits.processing("p", 6, 0).expires(), 100_000);
}

#[test]
fn the_failure_of_an_earlier_try_does_not_end_a_hold() {
    let mut waits = Waits::new();
    assert_eq!(waits.processing("p", 6, 0).not_paid("p", 5).expires(), 100_000);
    assert_eq!(waits.not_paid("p", 6).expires(), DEADLINE.millis());
}

#[test]
fn only_pending_orders_that_expire_are_held() {
    let (provider, payment) = of("p");
    for state in [State::Pending { expires_at: None }, PAID, SHIPPED, CANCELED] {
        let held = Held {
            order: order(state),
            holds: Vec::new(),
            hold: None,
        };
        assert_eq!(processing((provider, &payment), Some(1), HOLD, &held, NOW), None);
        assert_eq!(not_paid((provider, &payment), Some(1), &held, NOW), None);
    }
}

#[test]
fn a_payment_holds_one_order() {
    let mut waits = Waits::new();
    waits.processing("p", 1, 0);
    waits.1[0].order_id = order_id(2);
    let (provider, payment) = of("p");
    let held = waits.held(&payment);
    assert_eq!(processing((provider, &payment), Some(2), HOLD, &held, NOW), None);
    assert_eq!(not_paid((provider, &payment), Some(2), &held, NOW), None);
}
