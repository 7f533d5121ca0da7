//! Property test: for any sequence of requests, the service and a small model agree.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::app::id;
use crate::support::{Answer, TestApp, payment, postgres};

/// A step of a caller. Products and orders are numbered in the order of their creation; a number may be out of range or
/// belong to a deleted one.
#[derive(Clone, Debug)]
enum Step {
    CreateProduct { stock: i64, cents: i64 },
    SetStock { product: usize, level: i64 },
    SetPrice { product: usize, cents: i64 },
    MoveStock { product: usize, delta: i64 },
    DeleteProduct { product: usize },
    Place { product: usize, quantity: i64 },
    PlaceWithKey { product: usize, quantity: i64 },
    Retry { which: usize },
    Deliver { event: Event },
    DeliverAgain { which: usize },
    Wait,
    SetStatus { order: usize, status: &'static str },
    SetQuantity { order: usize, quantity: i64 },
    CancelAt { order: usize, quantity: i64 },
    DeleteOrder { order: usize },
}

/// An event of the payment provider, at any time. There are few payments, so that events repeat and overtake each
/// other.
#[derive(Clone, Copy, Debug)]
struct Event {
    is_refund: bool,
    /// Orders are numbered from 1, so an event can name one that does not exist yet.
    order: i64,
    payment: Option<u8>,
    /// Only refunds have one.
    refund: Option<u8>,
    amount: EventAmount,
}

/// The amount that an event names.
#[derive(Clone, Copy, Debug)]
enum EventAmount {
    None,
    /// The order's current total, if it exists.
    Total,
    Cents(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let amount = prop_oneof![
        3 => Just(EventAmount::None),
        3 => Just(EventAmount::Total),
        2 => (1..60_000_i64).prop_map(EventAmount::Cents),
    ];
    // Most events name early orders, so that several name the same.
    let order = prop_oneof![3 => 1..4_i64, 1 => 1..12_i64];
    let payment = prop::option::weighted(0.8, 0..3_u8);
    let refund = prop::option::of(0..3_u8);
    (prop::bool::weighted(0.45), order, payment, refund, amount).prop_map(
        |(is_refund, order, payment, refund, amount)| Event {
            is_refund,
            order,
            payment,
            refund: refund.filter(|_| is_refund),
            amount,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let (product, order) = (0..3_usize, 0..6_usize);
    let (quantity, cents) = (1..8_i64, 1..100_000_i64);
    let status = prop::sample::select(vec!["PENDING", "PAID", "SHIPPED", "CANCELED"]);
    let delta = (-20..20_i64).prop_filter("0 is refused before it gets anywhere", |delta| *delta != 0);
    prop_oneof![
        2 => (0..20_i64, cents.clone()).prop_map(|(stock, cents)| Step::CreateProduct { stock, cents }),
        1 => (product.clone(), 0..20_i64).prop_map(|(product, level)| Step::SetStock { product, level }),
        1 => (product.clone(), cents).prop_map(|(product, cents)| Step::SetPrice { product, cents }),
        2 => (product.clone(), delta).prop_map(|(product, delta)| Step::MoveStock { product, delta }),
        1 => product.clone().prop_map(|product| Step::DeleteProduct { product }),
        5 => (product.clone(), quantity.clone()).prop_map(|(product, quantity)| Step::Place { product, quantity }),
        2 => (product, quantity.clone()).prop_map(|(product, quantity)| Step::PlaceWithKey { product, quantity }),
        2 => (0..4_usize).prop_map(|which| Step::Retry { which }),
        9 => event().prop_map(|event| Step::Deliver { event }),
        2 => (0..12_usize).prop_map(|which| Step::DeliverAgain { which }),
        1 => Just(Step::Wait),
        4 => (order.clone(), status).prop_map(|(order, status)| Step::SetStatus { order, status }),
        4 => (order.clone(), quantity.clone()).prop_map(|(order, quantity)| Step::SetQuantity { order, quantity }),
        1 => (order.clone(), quantity).prop_map(|(order, quantity)| Step::CancelAt { order, quantity }),
        2 => order.prop_map(|order| Step::DeleteOrder { order }),
    ]
}

#[derive(Clone, Debug)]
struct ModelProduct {
    stock: i64,
    cents: i64,
}

#[derive(Clone, Debug)]
struct ModelOrder {
    product: i64,
    quantity: i64,
    cents: i64,
    status: &'static str,
    was_paid: bool,
    expires_ms: i64,
}

/// A recorded payment.
#[derive(Clone, Debug)]
struct ModelPayment {
    order: i64,
    payment: Option<u8>,
    /// `None` where the event has no amount and the order was deleted.
    cents: Option<i64>,
    refunded: i64,
    is_own: bool,
    is_open: bool,
}

/// A refund that waits for its payment.
#[derive(Clone, Debug)]
struct Kept {
    order: i64,
    payment: u8,
    /// `None` for all of it.
    cents: Option<i64>,
}

/// A request with an idempotency key, and its stored response.
struct Keyed {
    body: Value,
    product: i64,
    quantity: i64,
    kept: Option<(i64, Answer)>,
}

/// The rules once more, as simple as possible.
#[derive(Default)]
struct Model {
    products: BTreeMap<i64, ModelProduct>,
    orders: BTreeMap<i64, ModelOrder>,
    product_ids: Vec<i64>,
    order_ids: Vec<i64>,
    payments: Vec<ModelPayment>,
    /// Order and name of each payment that a recorded event said has succeeded.
    known: HashSet<(i64, u8)>,
    /// Order and id of each refund that counted or is kept.
    refunds: HashSet<(i64, String)>,
    kept: Vec<Kept>,
    /// Orders with a recorded payment, whatever its result.
    has_recorded_payment: HashSet<i64>,
    /// The delivered events, as they were sent.
    delivered: Vec<(Value, Event, Option<i64>)>,
    /// Ids and results of the recorded events.
    recorded: Vec<(String, &'static str)>,
    keyed: Vec<Keyed>,
}

/// The time to live of unpaid orders: an hour, so that keys outlive many orders.
const TTL_MS: i64 = 3_600_000;
const KEPT_MS: i64 = 24 * 3_600_000;

const NONE: i64 = i64::MAX;

impl Model {
    fn product_id(&self, number: usize) -> i64 {
        self.product_ids.get(number).copied().unwrap_or(NONE)
    }

    fn order_id(&self, number: usize) -> i64 {
        self.order_ids.get(number).copied().unwrap_or(NONE)
    }

    fn change_product(&mut self, id: i64, change: impl FnOnce(&mut ModelProduct) -> u16) -> u16 {
        self.products.get_mut(&id).map_or(404, change)
    }

    fn delete_product(&mut self, id: i64) -> u16 {
        match self.products.contains_key(&id) {
            false => 404,
            true if self.orders.values().any(|order| order.product == id) => 409,
            true => {
                self.products.remove(&id);
                204
            }
        }
    }

    /// Takes the units of an order from stock, if there are enough, and returns the price.
    fn take(&mut self, id: i64, quantity: i64) -> Result<i64, u16> {
        let product = self.products.get_mut(&id).ok_or(404_u16)?;
        if product.stock < quantity {
            return Err(409);
        }
        product.stock -= quantity;
        Ok(product.cents)
    }

    fn give_back(&mut self, id: i64, quantity: i64) {
        self.products.get_mut(&id).unwrap().stock += quantity;
    }

    fn update_order(&mut self, id: i64, status: Option<&'static str>, quantity: Option<i64>) -> u16 {
        let Some(before) = self.orders.get(&id).cloned() else {
            return 404;
        };
        let to = status.unwrap_or(before.status);
        let moves = to != before.status;
        let may_move = matches!(
            (before.status, to),
            ("PENDING" | "PAID", "CANCELED") | ("PAID", "SHIPPED")
        );
        let quantity = quantity.unwrap_or(before.quantity);
        let changes_quantity = quantity != before.quantity;
        if (moves && !may_move) || (changes_quantity && (moves || before.status != "PENDING")) {
            return 409;
        }
        if changes_quantity && self.take(before.product, quantity - before.quantity).is_err() {
            return 409;
        }
        if moves && to == "CANCELED" {
            self.give_back(before.product, before.quantity);
        }
        self.orders.insert(
            id,
            ModelOrder {
                status: to,
                quantity,
                ..before
            },
        );
        200
    }

    fn delete_order(&mut self, id: i64) -> u16 {
        let Some(order) = self.orders.get(&id).cloned() else {
            return 404;
        };
        let is_deletable = match order.status {
            "PENDING" => true,
            "CANCELED" => !order.was_paid,
            _ => false,
        };
        if !is_deletable || self.has_recorded_payment.contains(&id) {
            return 409;
        }
        if order.status == "PENDING" {
            self.give_back(order.product, order.quantity);
        }
        self.orders.remove(&id);
        204
    }

    fn place(&mut self, product: i64, quantity: i64, now_ms: i64, answer: &Answer) -> u16 {
        let cents = match self.take(product, quantity) {
            Err(status) => return status,
            Ok(cents) => cents,
        };
        let id = id(&answer.value());
        self.order_ids.push(id);
        let order = ModelOrder {
            product,
            quantity,
            cents,
            status: "PENDING",
            was_paid: false,
            expires_ms: now_ms + TTL_MS,
        };
        assert!(self.orders.insert(id, order).is_none(), "id {id} is used again");
        201
    }

    fn total(&self, id: i64) -> Option<i64> {
        self.orders.get(&id).map(|order| order.cents * order.quantity)
    }

    fn owes(&self, id: i64) -> bool {
        let is_open = |payment: &ModelPayment| payment.order == id && payment.is_open;
        self.orders[&id].status == "CANCELED" && self.payments.iter().any(is_open)
    }

    /// The result of an event; `None` where its order never existed.
    fn deliver(&mut self, event_id: &str, event: Event, cents: Option<i64>) -> Option<&'static str> {
        if self.recorded.iter().any(|(id, _)| id == event_id) {
            return Some("duplicate");
        }
        if !self.order_ids.contains(&event.order) {
            return None;
        }
        let result = match event.is_refund {
            false => self.succeeded(event, cents),
            true => {
                let id = event
                    .refund
                    .map_or_else(|| event_id.to_owned(), |refund| format!("re_{refund}"));
                match self.refunds.contains(&(event.order, id.clone())) {
                    true => "ignored",
                    false => self.refunded(event, cents, id),
                }
            }
        };
        if !event.is_refund {
            self.known.extend(event.payment.map(|payment| (event.order, payment)));
        }
        self.recorded.push((event_id.to_owned(), result));
        Some(result)
    }

    fn succeeded(&mut self, event: Event, named: Option<i64>) -> &'static str {
        self.has_recorded_payment.insert(event.order);
        if event
            .payment
            .is_some_and(|payment| self.known.contains(&(event.order, payment)))
        {
            return "ignored";
        }
        let total = self.total(event.order);
        let order = self.orders.get_mut(&event.order);
        let cents = named.or(total);
        let is_of_it = |kept: &Kept| (kept.order, Some(kept.payment)) == (event.order, event.payment);
        let kept: Vec<Kept> = self.kept.extract_if(.., |kept| is_of_it(kept)).collect();
        let refunded: i64 = kept.iter().filter_map(|kept| kept.cents).sum();
        if kept.iter().any(|kept| kept.cents.is_none()) || cents.is_some_and(|cents| refunded >= cents) {
            return "ignored";
        }
        let result = match order.as_ref().map(|order| order.status) {
            None => "order_gone",
            Some("PENDING") if cents == total => "applied",
            Some("PENDING") => "amount_mismatch",
            Some("CANCELED") => "refund_due",
            Some(_) => "duplicate_payment",
        };
        if let (Some(order), "applied") = (order, result) {
            (order.status, order.was_paid) = ("PAID", true);
        }
        self.payments.push(ModelPayment {
            order: event.order,
            payment: event.payment,
            cents,
            refunded,
            is_own: result == "applied",
            is_open: true,
        });
        result
    }

    fn refunded(&mut self, event: Event, named: Option<i64>, id: String) -> &'static str {
        let find = |fits: &dyn Fn(&ModelPayment) -> bool| {
            let is_open = |payment: &ModelPayment| payment.order == event.order && payment.is_open;
            self.payments
                .iter()
                .rposition(|payment| is_open(payment) && fits(payment))
        };
        let found = match event.payment {
            None => find(&|_| true),
            // One that is there, open or not, is the one.
            Some(name) if self.known.contains(&(event.order, name)) => find(&|payment| payment.payment == Some(name)),
            Some(_) => find(&|payment| payment.payment.is_none()),
        };
        let Some(payment) = found.map(|index| &mut self.payments[index]) else {
            if let Some(payment) = event.payment
                && !self.known.contains(&(event.order, payment))
            {
                self.refunds.insert((event.order, id));
                self.kept.push(Kept {
                    order: event.order,
                    payment,
                    cents: named,
                });
            }
            return "ignored";
        };
        self.refunds.insert((event.order, id));
        payment.refunded += named.unwrap_or_default();
        let is_whole = named.is_none() || payment.cents.is_some_and(|cents| payment.refunded >= cents);
        if !is_whole {
            return "partial_refund";
        }
        payment.is_open = false;
        let is_own = payment.is_own;
        if let Some(order) = self.orders.get_mut(&event.order)
            && is_own
            && order.status == "PAID"
        {
            order.status = "CANCELED";
            let (product, quantity) = (order.product, order.quantity);
            self.give_back(product, quantity);
        }
        "applied"
    }

    /// Expires the orders whose time is up.
    fn expire(&mut self, now_ms: i64) {
        let is_due = |order: &&mut ModelOrder| order.status == "PENDING" && order.expires_ms <= now_ms;
        let mut back = Vec::new();
        for order in self.orders.values_mut().filter(is_due) {
            order.status = "CANCELED";
            back.push((order.product, order.quantity));
        }
        for (product, quantity) in back {
            self.give_back(product, quantity);
        }
    }
}

/// An amount of money in JSON, read without rounding.
fn cents(number: &Value) -> i64 {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

fn price(cents: i64) -> Value {
    serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
}

/// Takes one step in the service and in the model, which must give the same status.
async fn take_step(app: &TestApp, model: &mut Model, number: usize, step: &Step) {
    let product_path = |model: &Model, product: usize| format!("/products/{}", model.product_id(product));
    let order_path = |model: &Model, order: usize| format!("/orders/{}", model.order_id(order));
    let (answer, wanted) = match *step {
        Step::CreateProduct { stock, cents } => {
            let body = json!({"sku": format!("S{number}"), "name": "x", "price": price(cents), "stock": stock});
            let answer = app.post("/products", body).await;
            let id = id(&answer.value());
            model.product_ids.push(id);
            assert!(
                model.products.insert(id, ModelProduct { stock, cents }).is_none(),
                "id {id} is used again"
            );
            (answer, 201)
        }
        Step::SetStock { product, level } => {
            let answer = app.put(&product_path(model, product), json!({"stock": level})).await;
            let set = |it: &mut ModelProduct| {
                it.stock = level;
                200
            };
            (answer, model.change_product(model.product_id(product), set))
        }
        Step::SetPrice { product, cents } => {
            let answer = app
                .put(&product_path(model, product), json!({"price": price(cents)}))
                .await;
            let set = |it: &mut ModelProduct| {
                it.cents = cents;
                200
            };
            (answer, model.change_product(model.product_id(product), set))
        }
        Step::MoveStock { product, delta } => {
            let path = format!("{}/stock-movements", product_path(model, product));
            let answer = app.post(&path, json!({"delta": delta})).await;
            let change = |it: &mut ModelProduct| match it.stock + delta {
                ..0 => 409,
                stock => {
                    it.stock = stock;
                    201
                }
            };
            (answer, model.change_product(model.product_id(product), change))
        }
        Step::DeleteProduct { product } => {
            let answer = app.delete(&product_path(model, product)).await;
            (answer, model.delete_product(model.product_id(product)))
        }
        Step::Place { product, quantity } => {
            let product = model.product_id(product);
            let answer = app.place(product, quantity).await;
            let wanted = model.place(product, quantity, app.clock.now_ms(), &answer);
            (answer, wanted)
        }
        Step::PlaceWithKey { product, quantity } => {
            let product = model.product_id(product);
            model.keyed.push(Keyed {
                body: json!({"product_id": product, "quantity": quantity}),
                product,
                quantity,
                kept: None,
            });
            return place_with_key(app, model, model.keyed.len() - 1).await;
        }
        Step::Retry { which } if which < model.keyed.len() => {
            return place_with_key(app, model, which).await;
        }
        Step::Retry { .. } => return,
        Step::Deliver { event } => {
            let cents = match event.amount {
                EventAmount::None => None,
                EventAmount::Total => model.total(event.order),
                EventAmount::Cents(cents) => Some(cents),
            };
            let mut data = json!({"order_id": event.order});
            if let Some(payment) = event.payment {
                data["payment_id"] = json!(format!("pay_{}_{payment}", event.order));
            }
            if let Some(refund) = event.refund {
                data["refund_id"] = json!(format!("re_{refund}"));
            }
            if let Some(cents) = cents {
                data["amount"] = price(cents);
            }
            let kind = if event.is_refund {
                "payment.refunded"
            } else {
                "payment.succeeded"
            };
            let body = payment::event(&format!("evt_{number}"), kind, data);
            model.delivered.push((body, event, cents));
            return deliver(app, model, model.delivered.len() - 1).await;
        }
        Step::DeliverAgain { which } if which < model.delivered.len() => return deliver(app, model, which).await,
        Step::DeliverAgain { .. } => return,
        Step::Wait => {
            app.clock.advance_ms(TTL_MS * 2 / 3);
            app.sweep().await;
            model.expire(app.clock.now_ms());
            return;
        }
        Step::SetStatus { order, status } => {
            let answer = app.put(&order_path(model, order), json!({"status": status})).await;
            (answer, model.update_order(model.order_id(order), Some(status), None))
        }
        Step::SetQuantity { order, quantity } => {
            let answer = app.put(&order_path(model, order), json!({"quantity": quantity})).await;
            (answer, model.update_order(model.order_id(order), None, Some(quantity)))
        }
        Step::CancelAt { order, quantity } => {
            let change = json!({"status": "CANCELED", "quantity": quantity});
            let answer = app.put(&order_path(model, order), change).await;
            (
                answer,
                model.update_order(model.order_id(order), Some("CANCELED"), Some(quantity)),
            )
        }
        Step::DeleteOrder { order } => {
            let answer = app.delete(&order_path(model, order)).await;
            (answer, model.delete_order(model.order_id(order)))
        }
    };
    assert_eq!(answer.status, wanted, "step {number}, {step:?}: {answer:?}");
}

/// Delivers an event, for the first time or again.
async fn deliver(app: &TestApp, model: &mut Model, which: usize) {
    let (body, event, cents) = model.delivered[which].clone();
    let answer = app.webhook(&body).await;
    match model.deliver(body["id"].as_str().unwrap(), event, cents) {
        None => assert_eq!(answer.status, 404, "{body}"),
        Some(wanted) => {
            let receipt = answer.json(200);
            let order = model.orders.get(&event.order);
            assert_eq!(receipt["result"], wanted, "{body}");
            assert_eq!(
                receipt["order_status"].as_str(),
                order.map(|order| order.status),
                "{body}"
            );
        }
    }
}

/// Places an order under its key, for the first time or again.
async fn place_with_key(app: &TestApp, model: &mut Model, which: usize) {
    let (body, product, quantity) = {
        let keyed = &model.keyed[which];
        (keyed.body.clone(), keyed.product, keyed.quantity)
    };
    let key = format!("key-{which}");
    let answer = app.post("/orders", &body).header("idempotency-key", &key).await;
    let now = app.clock.now_ms();
    let kept = model.keyed[which].kept.as_ref().filter(|(at, _)| now - at < KEPT_MS);
    if let Some((_, first)) = kept {
        assert_eq!(answer.header("idempotency-replayed"), Some("true"), "{key}: {answer:?}");
        assert_eq!((answer.status, &answer.body), (first.status, &first.body), "{key}");
        return;
    }
    assert_eq!(answer.header("idempotency-replayed"), None, "{key}: {answer:?}");
    let wanted = model.place(product, quantity, now, &answer);
    assert_eq!(answer.status, wanted, "{key}: {answer:?}");
    model.keyed[which].kept = (wanted == 201).then_some((now, answer));
}

async fn assert_same(app: &TestApp, model: &Model) {
    let number = |value: &Value| value.as_i64().unwrap();
    let products = app.walk("/products?limit=3").await;
    let found: Vec<_> = products
        .iter()
        .map(|it| (id(it), number(&it["stock"]), cents(&it["price"])))
        .collect();
    let wanted: Vec<_> = model
        .products
        .iter()
        .map(|(id, it)| (*id, it.stock, it.cents))
        .collect();
    assert_eq!(found, wanted, "products: id, stock, price");

    let orders = app.walk("/orders?limit=3").await;
    let found: Vec<_> = orders
        .iter()
        .map(|it| {
            (
                id(it),
                number(&it["quantity"]),
                cents(&it["total"]),
                it["status"].as_str().unwrap(),
                (it["paid_at"].is_string(), it["refund_due"].as_bool().unwrap()),
            )
        })
        .collect();
    let wanted = model.orders.iter().rev();
    let wanted: Vec<_> = wanted
        .map(|(id, it)| {
            let money = (it.was_paid, model.owes(*id));
            (*id, it.quantity, it.cents * it.quantity, it.status, money)
        })
        .collect();
    assert_eq!(found, wanted, "orders: id, quantity, total, status, paid and owing");

    let events = app.walk("/payment-events?limit=7").await;
    let found = events
        .iter()
        .map(|it| (it["event_id"].as_str().unwrap(), it["result"].as_str().unwrap()));
    let wanted = model.recorded.iter().rev().map(|(id, result)| (id.as_str(), *result));
    assert!(found.eq(wanted), "events: {events:?} and {:?}", model.recorded);
    app.assert_ledger_adds_up().await;
}

#[test]
fn the_service_agrees_with_the_model_whatever_callers_do() {
    // A failure prints its shrunk steps, to be added as a test of their own; a file of seeds would not keep its
    // meaning.
    let config = Config {
        // Fewer where each step is a round trip.
        cases: if postgres::is_chosen() { 8 } else { 32 },
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let steps = prop::collection::vec(step(), 10..80);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            let app = TestApp::with(|options| options.order_ttl = Some(Duration::from_millis(TTL_MS.unsigned_abs())));
            let mut model = Model::default();
            for (number, step) in steps.iter().enumerate() {
                take_step(&app, &mut model, number, step).await;
                app.clock.advance_ms(1);
            }
            assert_same(&app, &model).await;
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
