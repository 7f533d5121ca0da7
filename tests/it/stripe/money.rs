//! Property test: the money of payments ends the same in whatever order their events come, repeated or late, and as it is at
//! Stripe; and the books are in order.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use self::history::{Plan, Truth};
use crate::support::TestApp;
use crate::support::stripe::with;

mod history;

/// What becomes of the delivery of an event.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It arrives once.
    Arrives,
    /// It arrives again, after others, since its answer was lost.
    Repeated,
    /// It is told again, under another event's id.
    Retold,
    /// It is lost, and sent again when all others have arrived.
    Resent,
}

/// How events are delivered: a place in the order, and a fate, for each in turn.
type Delivery = Vec<(u16, Fate)>;

fn delivery() -> impl Strategy<Value = Delivery> {
    let fate = prop_oneof![
        4 => Just(Fate::Arrives),
        1 => Just(Fate::Repeated),
        1 => Just(Fate::Retold),
        1 => Just(Fate::Resent),
    ];
    prop::collection::vec((any::<u16>(), fate), 64)
}

/// The events as they arrive.
fn arriving(events: &[Value], delivery: &Delivery) -> Vec<Value> {
    let mut placed = Vec::new();
    for (event, (place, fate)) in events.iter().zip(delivery.iter().cycle()) {
        // Places go up to this, and what comes again is anywhere.
        let (place, end) = (u32::from(*place), u32::from(u16::MAX) + 1);
        let again = (place * 31 + 7) % end;
        match fate {
            Fate::Arrives => placed.push((place, event.clone())),
            Fate::Repeated => placed.extend([(place, event.clone()), (again, event.clone())]),
            Fate::Retold => {
                let id = format!("{}_again", event["id"].as_str().unwrap());
                placed.extend([(place, event.clone()), (again, with(event.clone(), &json!({"id": id})))]);
            }
            Fate::Resent => placed.push((end + place, event.clone())),
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, event)| event).collect()
}

/// The money of a payment, as `GET /payments` has it; without its order, which is the first that was recorded for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Money {
    amount: Value,
    currency: Value,
    refunded: Value,
    is_open: bool,
    is_disputed: bool,
}

/// The money of these payments; there are no others of this run.
async fn money(app: &TestApp, run: usize, truths: &[Truth]) -> Vec<Money> {
    let payments = app.walk("/payments?limit=100").await;
    let of_run = format!("_{run}_");
    let id = |payment: &Value| payment["payment_id"].as_str().unwrap().to_owned();
    assert_eq!(
        payments.iter().filter(|payment| id(payment).contains(&of_run)).count(),
        truths.len()
    );
    let money = |truth: &Truth| {
        let payment = payments.iter().find(|payment| id(payment) == truth.payment_id).unwrap();
        Money {
            amount: payment["amount"].clone(),
            currency: payment["currency"].clone(),
            refunded: payment["refunded"].clone(),
            is_open: payment["open"].as_bool().unwrap(),
            is_disputed: payment["disputed"].as_bool().unwrap(),
        }
    };
    truths.iter().map(money).collect()
}

/// Delivers the events of these payments, for two new orders, in some order; returns the money in the end.
async fn run(app: &TestApp, run: usize, plans: &[Plan], arrange: impl Fn(Vec<Value>) -> Vec<Value>) -> Vec<Money> {
    let orders = [app.order(1, 2).await, app.order(1, 2).await];
    let (mut events, mut truths) = (Vec::new(), Vec::new());
    for (plan, number) in plans.iter().zip(1..) {
        let name = format!("{run}_{number}");
        let (told, truth) = history::history(plan, &name, orders, app.now_seconds());
        events.extend(told);
        truths.push(truth);
    }
    for event in arrange(events) {
        app.clock.advance_ms(1_000);
        app.stripe(&event).await.expect(200);
    }
    app.assert_audit_is_clean();
    let money = money(app, run, &truths).await;
    assert_true(&money, &truths);
    money
}

/// The money is as it is at Stripe.
fn assert_true(found: &[Money], truths: &[Truth]) {
    for (money, truth) in found.iter().zip(truths) {
        assert_eq!(money.is_disputed, truth.is_disputed, "{truth:?} {money:?}");
        let is_open = truth.refunded < truth.units;
        if truth.is_foreign {
            assert_eq!((&money.amount, &money.refunded), (&Value::Null, &Value::Null));
            assert!(
                money.is_open == is_open || (truth.may_know_less && money.is_open),
                "{truth:?} {money:?}"
            );
            continue;
        }
        assert_eq!(cents(&money.amount), truth.units, "{truth:?} {money:?}");
        let refunded = cents(&money.refunded);
        match truth.may_know_less {
            true => assert!(refunded <= truth.refunded, "{truth:?} {money:?}"),
            false => assert_eq!(refunded, truth.refunded, "{truth:?} {money:?}"),
        }
        assert_eq!(money.is_open, refunded < truth.units, "{truth:?} {money:?}");
    }
}

fn cents(amount: &Value) -> i64 {
    let amount = amount.as_f64().unwrap_or_else(|| panic!("no amount: {amount}"));
    format!("{:.0}", amount * 100.0).parse().unwrap()
}

#[test]
fn the_money_of_payments_ends_the_same_whatever_the_order_of_their_events() {
    let config = Config {
        cases: 32,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let histories = (history::plans(), delivery(), delivery());
    let outcome = TestRunner::new(config).run(&histories, |(plans, one, other)| {
        runtime.block_on(async {
            let app = TestApp::new();
            app.product(100).await;
            let in_order = run(&app, 1, &plans, |events| events).await;
            for (number, delivery) in [(2, one), (3, other)] {
                let shuffled = run(&app, number, &plans, |events| arriving(&events, &delivery)).await;
                assert_eq!(shuffled, in_order, "shuffled and in order");
            }
            app.assert_ledger_adds_up().await;
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
