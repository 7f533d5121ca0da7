//! Random sequences of use cases against a model in memory that is too simple to be wrong, on a real database.
//!
//! After every step both must agree on the outcome and on everything that can be read, and the ledger must explain the
//! stock; at the end the audit must find nothing.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use self::model::{Model, Outcome};
use super::idempotency::{self, IdempotencyKey, StoredResponse};
use super::{orders, payments, products, stock};
use crate::domain::{
    Amount, Delta, Expected, MovementId, NewProduct, Order, OrderChange, OrderId, ProductChange, ProductId, Provider,
    Quantity, Status, Timestamp, Version,
};
use crate::error::Error;
use crate::store::{EventFilter, OrderFilter, Store, Tx, View};
use crate::testing::{
    self, Database, money, name, order_id, payment_event, payment_id, price, product_id, quantity, sku,
};

mod model;

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// How much money an event speaks of, measured by the order that it names.
#[derive(Debug, Clone, Copy)]
enum Sum {
    Unnamed,
    Total,
    Half,
    TooMuch,
}

/// One use case. Ids, names and keys are few, so that steps meet each other.
#[derive(Debug, Clone)]
enum Step {
    Create {
        sku: u8,
        cents: i64,
        stock: i64,
    },
    Change {
        product: i64,
        sku: Option<u8>,
        cents: Option<i64>,
        stock: Option<i64>,
    },
    Delete {
        product: i64,
    },
    Adjust {
        product: i64,
        delta: i64,
    },
    Place {
        product: i64,
        units: i64,
        hours: i64,
    },
    PlaceOnce {
        key: u8,
        product: i64,
        units: i64,
    },
    Ask {
        order: i64,
        status: Option<Status>,
        units: Option<i64>,
        version: Option<i64>,
    },
    Remove {
        order: i64,
    },
    Paid {
        event: u8,
        order: i64,
        payment: Option<u8>,
        sum: Sum,
    },
    Refunded {
        event: u8,
        order: i64,
        payment: Option<u8>,
        refund: Option<u8>,
        sum: Sum,
    },
    Failed {
        event: u8,
        order: i64,
        payment: Option<u8>,
    },
    Expire {
        limit: usize,
    },
    Sweep {
        limit: usize,
    },
    Wait {
        hours: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (product, order, units) = (1..4_i64, 1..6_i64, 1..5_i64);
    let (sku, cents, stock) = (0..4_u8, 1..100_000_i64, 0..30_i64);
    let (event, payment) = (any::<u8>(), prop::option::of(0..3_u8));
    let sum = prop::sample::select(vec![Sum::Unnamed, Sum::Total, Sum::Total, Sum::Half, Sum::TooMuch]);
    let status = prop::option::of(prop::sample::select(Status::ALL.to_vec()));
    let version = prop::option::weighted(0.3, 1..5_i64);
    let limit = 0..4_usize;
    prop_oneof![
        2 => (sku.clone(), cents.clone(), stock.clone())
            .prop_map(|(sku, cents, stock)| Step::Create { sku, cents, stock }),
        2 => (product.clone(), prop::option::of(sku), prop::option::of(cents), prop::option::of(stock))
            .prop_map(|(product, sku, cents, stock)| Step::Change { product, sku, cents, stock }),
        1 => product.clone().prop_map(|product| Step::Delete { product }),
        1 => (product.clone(), (-12..12_i64).prop_filter("not 0", |delta| *delta != 0))
            .prop_map(|(product, delta)| Step::Adjust { product, delta }),
        5 => (product.clone(), units.clone(), 0..4_i64)
            .prop_map(|(product, units, hours)| Step::Place { product, units, hours }),
        4 => (0..2_u8, product, 1..3_i64)
            .prop_map(|(key, product, units)| Step::PlaceOnce { key, product, units }),
        6 => (order.clone(), status, prop::option::of(units), version)
            .prop_map(|(order, status, units, version)| Step::Ask { order, status, units, version }),
        2 => order.clone().prop_map(|order| Step::Remove { order }),
        9 => (event, order.clone(), payment.clone(), sum.clone())
            .prop_map(|(event, order, payment, sum)| Step::Paid { event, order, payment, sum }),
        7 => (event, order.clone(), payment.clone(), prop::option::of(0..3_u8), sum)
            .prop_map(|(event, order, payment, refund, sum)| Step::Refunded { event, order, payment, refund, sum }),
        1 => (event, order, payment).prop_map(|(event, order, payment)| Step::Failed { event, order, payment }),
        2 => limit.clone().prop_map(|limit| Step::Expire { limit }),
        1 => limit.prop_map(|limit| Step::Sweep { limit }),
        3 => (1..20_i64).prop_map(|hours| Step::Wait { hours }),
    ]
}

/// Steps that begin with something to meet.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let begin = [
        Step::Create {
            sku: 0,
            cents: 1_250,
            stock: 20,
        },
        Step::Place {
            product: 1,
            units: 2,
            hours: 0,
        },
        Step::Place {
            product: 1,
            units: 2,
            hours: 9,
        },
    ];
    let then = prop::collection::vec(step(), 1..80);
    then.prop_map(move |then| begin.iter().cloned().chain(then).collect())
}

fn sku_text(number: u8) -> String {
    format!("SKU-{number}")
}

fn number_of(text: &str) -> u8 {
    text.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// The step as the service does it, in the model's words. `said` is what the model makes of an event.
fn run(tx: &mut dyn Tx, step: &Step, said: model::Said, now: Timestamp) -> Result<String, Error> {
    let mut outcome = String::new();
    match *step {
        Step::Create {
            sku: number,
            cents,
            stock,
        } => {
            let new = NewProduct {
                sku: sku(&sku_text(number)),
                name: name("Mug"),
                price: price(cents),
                stock: testing::stock(stock),
            };
            products::create(tx, &new, now)?;
        }
        Step::Change {
            product,
            sku: number,
            cents,
            stock,
        } => {
            let change = ProductChange {
                sku: number.map(|number| sku(&sku_text(number))),
                name: None,
                price: cents.map(price),
                stock: stock.map(testing::stock),
            };
            products::update(tx, product_id(product), &Expected::ANY, &change, now)?;
        }
        Step::Delete { product } => products::delete(tx, product_id(product), &Expected::ANY)?,
        Step::Adjust { product, delta } => {
            stock::adjust(tx, product_id(product), Delta::new(delta).unwrap(), None, now)?;
        }
        Step::Place { product, units, hours } => {
            let ttl = Duration::from_millis(u64::try_from(hours * HOUR_MS).unwrap());
            orders::place(tx, product_id(product), quantity(units), None, Some(ttl), now)?;
        }
        Step::PlaceOnce { key, product, units } => outcome = place_once(tx, key, product, units, now)?,
        Step::Ask {
            order,
            status,
            units,
            version,
        } => {
            let change = OrderChange {
                reference: None,
                status,
                quantity: units.map(quantity),
            };
            let expected = version.map_or(Expected::ANY, |version| {
                Expected::one_of(vec![Version::new(version).unwrap()])
            });
            orders::update(tx, order_id(order), &expected, change, now)?;
        }
        Step::Remove { order } => orders::delete(tx, order_id(order), &Expected::ANY, now)?,
        Step::Paid { event, .. } | Step::Refunded { event, .. } | Step::Failed { event, .. } => {
            outcome = receive(tx, event, said, now)?;
        }
        Step::Expire { limit } => {
            let expired = orders::expire_due(tx, now, limit)?;
            outcome = format!("{} expired, more: {}", expired.count, expired.has_more);
        }
        Step::Sweep { limit } => outcome = format!("{} swept", idempotency::sweep(tx, now, limit)?),
        Step::Wait { .. } => {}
    }
    Ok(outcome)
}

fn place_once(tx: &mut dyn Tx, key: u8, product: i64, units: i64, now: Timestamp) -> Result<String, Error> {
    let key = IdempotencyKey {
        caller: String::new(),
        path: "/orders".to_owned(),
        key: key.to_string(),
    };
    let mut body_hash = [0; 32];
    body_hash[..2].copy_from_slice(&[u8::try_from(product).unwrap(), u8::try_from(units).unwrap()]);
    let outcome = idempotency::once(tx, &key, body_hash, now, |tx| {
        let order = orders::place(tx, product_id(product), quantity(units), None, None, now)?;
        Ok(StoredResponse {
            status: 201,
            body: order.id().to_string().into_bytes(),
            location: None,
            etag: None,
        })
    })?;
    let (word, kept) = match outcome {
        idempotency::Outcome::Fresh(kept) => ("fresh", kept),
        idempotency::Outcome::Replayed(kept) => ("replayed", kept),
    };
    Ok(format!("{word} {}", String::from_utf8(kept.body).unwrap()))
}

fn receive(tx: &mut dyn Tx, event: u8, said: model::Said, now: Timestamp) -> Result<String, Error> {
    let payment = said.payment.map(|payment| format!("pay-{payment}"));
    let refund = said.refund.map(|refund| format!("ref-{refund}"));
    let data = money(order_id(said.order.unwrap()), payment.as_deref(), said.cents);
    let kind = match said.kind {
        "payment.succeeded" => data,
        "payment.refunded" => testing::refund(data, refund.as_deref()),
        _ => testing::failed(data.order_id, payment.as_deref()),
    };
    let receipt = payments::receive(tx, &payment_event(&format!("evt-{event}"), kind), now)?;
    Ok(receipt.result.name().to_owned())
}

/// A refusal in the model's words; any other failure is one of the test.
fn word(error: &Error) -> &'static str {
    match error {
        Error::ProductNotFound { .. } => "no product",
        Error::OrderNotFound { .. } => "no order",
        Error::DuplicateSku { .. } => "duplicate",
        Error::InsufficientStock { .. } => "insufficient",
        Error::ProductInUse { .. } => "in use",
        Error::InvalidTransition { .. } => "no way",
        Error::OrderNotEditable { .. } => "settled",
        Error::OrderNotDeletable { .. } => "has a payment",
        Error::StaleVersion { .. } => "stale",
        Error::IdempotencyKeyReused => "reused",
        Error::StockLimit { .. }
        | Error::Overloaded
        | Error::StorageUnavailable(_)
        | Error::OutcomeUnknown(_)
        | Error::Internal(_) => {
            panic!("{error:?}")
        }
    }
}

/// What does not agree. It is asserted outside of the read, which may run on stand-ins first.
type Wrong = Vec<String>;

fn agree<T: PartialEq + std::fmt::Debug>(wrong: &mut Wrong, left: &T, right: &T, what: &str) {
    if left != right {
        wrong.push(format!("{what}: {left:?} and {right:?}"));
    }
}

/// Everything the store holds, in the model's words, and what is wrong in the lists of each product.
fn observe(view: &dyn View, model: &Model) -> Result<(Model, Wrong), Error> {
    let mut wrong = Wrong::new();
    let mut seen = Model {
        last_product: model.last_product,
        last_order: model.last_order,
        answers: model.answers.clone(),
        refunds: model.refunds.clone(),
        ..Model::default()
    };
    for product in view.products(None, 1_000)? {
        check_ledger(view, &product, &mut wrong)?;
        let seen_product = model::Product {
            sku: number_of(product.sku.as_str()),
            cents: product.price.cents(),
            stock: product.stock.get(),
            version: product.version.get(),
        };
        seen.products.insert(ProductId::get(product.id), seen_product);
    }
    let orders = view.orders(&OrderFilter::default(), None, 1_000)?;
    for product in 1..=model.last_product {
        check_orders_of(view, product_id(product), &orders, &mut wrong)?;
    }
    for order in orders {
        let (units, cents) = (Quantity::get(order.quantity()), order.unit_price().cents());
        agree(&mut wrong, &order.total().cents(), &(units * cents), "the total");
        let seen_order = model::Order {
            product: order.product_id().get(),
            units,
            cents,
            status: order.status(),
            was_paid: order.state().paid_at().is_some(),
            expires: order.state().expires_at().map(Timestamp::millis),
            owes: order.refund_due(),
            version: order.version().get(),
        };
        seen.orders.insert(OrderId::get(order.id()), seen_order);
    }
    for event in view.events(EventFilter::default(), None, 1_000)?.iter().rev() {
        let kind = ["payment.succeeded", "payment.refunded", "payment.failed"]
            .into_iter()
            .find(|name| *name == event.event_type.as_str());
        let said = model::Said {
            kind: kind.unwrap(),
            order: event.order_id.map(OrderId::get),
            payment: event.payment_id.as_ref().map(|payment| number_of(payment.as_str())),
            refund: event.refund_id.as_ref().map(|refund| number_of(refund.as_str())),
            cents: event.amount.map(|amount| amount.cents()),
        };
        seen.events
            .push((number_of(event.event_id.as_str()), said, event.result.name()));
    }
    // Payments have no list of their own, so the order of the orders is the model's.
    for order in 1..=model.last_order {
        for payment in view.open_payments(order_id(order))?.iter().rev() {
            let name = payment.payment_id.as_ref().map(|name| number_of(name.as_str()));
            let cents = payment.balance.amount;
            seen.open.push(model::Payment {
                order,
                name,
                cents,
                back: payment.balance.refunded,
                is_own: payment.is_own,
            });
        }
        for payment in 0..3 {
            let kept = view.kept_refunds(Provider::Own, &payment_id(&format!("pay-{payment}")))?;
            for refund in kept
                .into_iter()
                .filter(|refund| refund.told.order_id == Some(order_id(order)))
            {
                let cents = refund.told.sum.and_then(|sum| sum.cents).map(Amount::cents);
                seen.kept.push(model::Kept { order, payment, cents });
            }
        }
    }
    Ok((seen, wrong))
}

/// The orders of a product are those of it among all, from whichever order on, be that gone or of another product.
fn check_orders_of(view: &dyn View, product: ProductId, all: &[Order], wrong: &mut Wrong) -> Result<(), Error> {
    let filter = OrderFilter {
        product_id: Some(product),
        ..OrderFilter::default()
    };
    let newest = view.last_order_id()?.map_or(0, OrderId::get);
    for before in (1..=newest).map(|id| Some(order_id(id))).chain([None]) {
        let is_listed =
            |order: &&Order| order.product_id() == product && before.is_none_or(|before| order.id() < before);
        let expected: Vec<_> = all.iter().filter(is_listed).take(2).cloned().collect();
        agree(
            wrong,
            &view.orders(&filter, before, 2)?,
            &expected,
            &format!("before {before:?}"),
        );
    }
    let is_any = all.iter().any(|order| order.product_id() == product);
    agree(
        wrong,
        &view.product_has_orders(product)?,
        &is_any,
        "whether it has orders",
    );
    Ok(())
}

fn check_ledger(view: &dyn View, product: &crate::domain::Product, wrong: &mut Wrong) -> Result<(), Error> {
    let ledger = view.movements(product.id, None, 1_000)?;
    let newest = ledger.first().map_or(0, |movement| movement.id.get());
    for before in (1..=newest).filter_map(|id| MovementId::new(id).ok()) {
        let expected: Vec<_> = ledger
            .iter()
            .filter(|movement| movement.id < before)
            .take(2)
            .cloned()
            .collect();
        let found = view.movements(product.id, Some(before), 2)?;
        agree(wrong, &found, &expected, &format!("before {before}"));
    }
    let mut level = 0;
    for movement in ledger.iter().rev() {
        level += movement.delta.get();
        agree(wrong, &level, &movement.stock_after.get(), "the stock after");
    }
    agree(wrong, &level, &product.stock.get(), "the sum of all deltas");
    Ok(())
}

async fn agrees(store: &impl Store, steps: Vec<Step>) {
    let mut model = Model::default();
    let mut now = 0;
    for (n, step) in (1..).zip(steps) {
        now += 1;
        if let Step::Wait { hours } = step {
            now += hours * HOUR_MS;
        }
        let said = model.said(&step);
        let expected: Outcome = model.apply(&step, now);
        let (time, taken) = (Timestamp::from_millis(now), step.clone());
        let outcome = store.write(move |tx| run(tx, &taken, said, time)).await;
        assert_eq!(outcome.map_err(|error| word(&error)), expected, "step {n}: {step:?}");
        let last = model.clone();
        let (seen, wrong) = store.read(move |view| observe(view, &last)).await.unwrap();
        assert_eq!(wrong, Wrong::new(), "after step {n}: {step:?}");
        let mut sorted = model.clone();
        sorted.open.sort_by_key(|payment| payment.order);
        sorted.kept.sort_by_key(|refund| (refund.order, refund.payment));
        assert_eq!(seen, sorted, "after step {n}: {step:?}");
    }
}

/// How many sequences; fewer where each step is a round trip.
fn cases() -> u32 {
    match testing::postgres::is_chosen() {
        false => 64,
        true => 16,
    }
}

/// Takes the store through one of many sequences of steps, always the same of each number.
pub(crate) async fn run_number(store: &impl Store, number: u8) {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[number; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), random);
    let taken = steps().new_tree(&mut runner).unwrap().current();
    agrees(store, taken).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_steps_agrees_with_the_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = Database::new().await;
            agrees(&database.open().await, steps).await;
            database.audit().await;
        });
    }
}
