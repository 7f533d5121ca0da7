//! Whatever callers do, in whatever order: the service and a model of a few lines agree.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::id;

/// What a caller does. Products and orders are numbered in the order of their making; a number may be out of range or
/// name one that was deleted.
#[derive(Clone, Debug)]
enum Step {
    CreateProduct { stock: i64, cents: i64 },
    SetStock { product: usize, level: i64 },
    SetPrice { product: usize, cents: i64 },
    MoveStock { product: usize, delta: i64 },
    DeleteProduct { product: usize },
    Place { product: usize, quantity: i64 },
    Pay { order: usize },
    SetStatus { order: usize, status: &'static str },
    SetQuantity { order: usize, quantity: i64 },
    CancelAt { order: usize, quantity: i64 },
    DeleteOrder { order: usize },
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
        6 => (product, quantity.clone()).prop_map(|(product, quantity)| Step::Place { product, quantity }),
        2 => order.clone().prop_map(|order| Step::Pay { order }),
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
}

/// The rules once more, as plainly as they can be told.
#[derive(Default)]
struct Model {
    products: BTreeMap<i64, ModelProduct>,
    orders: BTreeMap<i64, ModelOrder>,
    product_ids: Vec<i64>,
    order_ids: Vec<i64>,
}

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

    /// Takes the units for an order, if they are there, and gives the price.
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
        if order.was_paid {
            return 409;
        }
        if order.status == "PENDING" {
            self.give_back(order.product, order.quantity);
        }
        self.orders.remove(&id);
        204
    }
}

/// Money as it stands on the wire, read without rounding.
fn cents(number: &Value) -> i64 {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

fn price(cents: i64) -> Value {
    serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
}

/// Does one step in both worlds, which must answer with the same status.
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
            let wanted = match model.take(product, quantity) {
                Err(status) => status,
                Ok(cents) => {
                    let id = id(&answer.value());
                    model.order_ids.push(id);
                    let order = ModelOrder {
                        product,
                        quantity,
                        cents,
                        status: "PENDING",
                        was_paid: false,
                    };
                    assert!(model.orders.insert(id, order).is_none(), "id {id} is used again");
                    201
                }
            };
            (answer, wanted)
        }
        Step::Pay { order } => {
            let id = model.order_id(order);
            if let Some(order) = model.orders.get_mut(&id).filter(|order| order.status == "PENDING") {
                (order.status, order.was_paid) = ("PAID", true);
                app.pay(id).await;
            }
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
                it["paid_at"].is_string(),
            )
        })
        .collect();
    let wanted = model.orders.iter().rev();
    let wanted: Vec<_> = wanted
        .map(|(id, it)| (*id, it.quantity, it.cents * it.quantity, it.status, it.was_paid))
        .collect();
    assert_eq!(found, wanted, "orders: id, quantity, total, status, paid");
    app.assert_ledger_adds_up().await;
}

#[test]
fn the_service_agrees_with_the_model_whatever_callers_do() {
    // A failure prints its shrunk steps; as a test of its own they stay found, in a file of seeds they would not.
    let config = Config {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let steps = prop::collection::vec(step(), 10..60);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            let (app, mut model) = (TestApp::new(), Model::default());
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
