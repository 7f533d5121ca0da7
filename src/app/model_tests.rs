//! Random sequences of use cases against a model in memory that is too simple to be wrong, on a real file.
//!
//! After every step both must agree on the outcome, and the ledger must explain the stock.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{orders, products, stock};
use crate::domain::{Delta, NewProduct, OrderChange, OrderId, ProductChange, ProductId, Quantity, Status, Timestamp};
use crate::error::Error;
use crate::store::{OrderFilter, SqliteStore, Store, Tx, View};
use crate::testing::{self, name, order_id, price, product_id, quantity, sku};

/// One use case. Ids and SKUs are few, so that steps meet each other.
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
    },
    Ask {
        order: i64,
        status: Option<Status>,
        units: Option<i64>,
    },
    Pay {
        order: i64,
    },
    Remove {
        order: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (product, order, units) = (1..5_i64, 1..9_i64, 1..8_i64);
    let (sku, cents, stock) = (0..4_u8, 1..100_000_i64, 0..20_i64);
    let status = prop::sample::select(Status::ALL.to_vec());
    let some = prop::option::of::<proptest::strategy::BoxedStrategy<Status>>;
    prop_oneof![
        2 => (sku.clone(), cents.clone(), stock.clone())
            .prop_map(|(sku, cents, stock)| Step::Create { sku, cents, stock }),
        2 => (product.clone(), prop::option::of(sku), prop::option::of(cents), prop::option::of(stock))
            .prop_map(|(product, sku, cents, stock)| Step::Change { product, sku, cents, stock }),
        1 => product.clone().prop_map(|product| Step::Delete { product }),
        2 => (product.clone(), (-12..12_i64).prop_filter("not 0", |delta| *delta != 0))
            .prop_map(|(product, delta)| Step::Adjust { product, delta }),
        6 => (product, units.clone()).prop_map(|(product, units)| Step::Place { product, units }),
        6 => (order.clone(), some(status.boxed()), prop::option::of(units))
            .prop_map(|(order, status, units)| Step::Ask { order, status, units }),
        3 => order.clone().prop_map(|order| Step::Pay { order }),
        2 => order.prop_map(|order| Step::Remove { order }),
    ]
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelProduct {
    sku: u8,
    cents: i64,
    stock: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelOrder {
    product: i64,
    units: i64,
    cents: i64,
    status: Status,
    was_paid: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    products: BTreeMap<i64, ModelProduct>,
    orders: BTreeMap<i64, ModelOrder>,
    last_product: i64,
    last_order: i64,
}

type Outcome = Result<(), &'static str>;

impl Model {
    /// What must come of this step; a refused one changes nothing.
    fn apply(&mut self, step: &Step) -> Outcome {
        let mut after = self.clone();
        let outcome = match *step {
            Step::Create { sku, cents, stock } => after.create(sku, cents, stock),
            Step::Change {
                product,
                sku,
                cents,
                stock,
            } => after.change(product, sku, cents, stock),
            Step::Delete { product } => after.delete(product),
            Step::Adjust { product, delta } => after.take(product, -delta),
            Step::Place { product, units } => after.place(product, units),
            Step::Ask { order, status, units } => after.ask(order, status, units),
            Step::Pay { order } => after.pay(order),
            Step::Remove { order } => after.remove(order),
        };
        if outcome.is_ok() {
            *self = after;
        }
        outcome
    }

    fn check_sku(&self, sku: u8) -> Outcome {
        if self.products.values().any(|product| product.sku == sku) {
            Err("duplicate")
        } else {
            Ok(())
        }
    }

    fn create(&mut self, sku: u8, cents: i64, stock: i64) -> Outcome {
        self.check_sku(sku)?;
        self.last_product += 1;
        self.products
            .insert(self.last_product, ModelProduct { sku, cents, stock });
        Ok(())
    }

    fn change(&mut self, id: i64, sku: Option<u8>, cents: Option<i64>, stock: Option<i64>) -> Outcome {
        let mut product = self.products.remove(&id).ok_or("no product")?;
        if let Some(sku) = sku {
            self.check_sku(sku)?;
            product.sku = sku;
        }
        product.cents = cents.unwrap_or(product.cents);
        product.stock = stock.unwrap_or(product.stock);
        self.products.insert(id, product);
        Ok(())
    }

    fn delete(&mut self, id: i64) -> Outcome {
        self.products.remove(&id).ok_or("no product")?;
        if self.orders.values().any(|order| order.product == id) {
            Err("in use")
        } else {
            Ok(())
        }
    }

    fn take(&mut self, product: i64, units: i64) -> Outcome {
        let product = self.products.get_mut(&product).ok_or("no product")?;
        product.stock -= units;
        if product.stock < 0 { Err("insufficient") } else { Ok(()) }
    }

    fn place(&mut self, product: i64, units: i64) -> Outcome {
        self.take(product, units)?;
        self.last_order += 1;
        let cents = self.products[&product].cents;
        let order = ModelOrder {
            product,
            units,
            cents,
            status: Status::Pending,
            was_paid: false,
        };
        self.orders.insert(self.last_order, order);
        Ok(())
    }

    fn ask(&mut self, id: i64, status: Option<Status>, units: Option<i64>) -> Outcome {
        let before = self.orders.get(&id).ok_or("no order")?.clone();
        let mut after = before.clone();
        after.status = status.unwrap_or(before.status);
        after.units = units.unwrap_or(before.units);
        let is_step = matches!(
            (before.status, after.status),
            (Status::Pending | Status::Paid, Status::Canceled) | (Status::Paid, Status::Shipped)
        );
        if before.status != after.status && !is_step {
            return Err("no way");
        }
        let stays_pending = (before.status, after.status) == (Status::Pending, Status::Pending);
        if before.units != after.units && !stays_pending {
            return Err("settled");
        }
        let held = |order: &ModelOrder| {
            if order.status == Status::Canceled {
                0
            } else {
                order.units
            }
        };
        self.take(before.product, held(&after) - held(&before))?;
        self.orders.insert(id, after);
        Ok(())
    }

    fn pay(&mut self, id: i64) -> Outcome {
        let order = self.orders.get_mut(&id).ok_or("no order")?;
        if order.status != Status::Pending {
            return Err("no way");
        }
        (order.status, order.was_paid) = (Status::Paid, true);
        Ok(())
    }

    fn remove(&mut self, id: i64) -> Outcome {
        let order = self.orders.remove(&id).ok_or("no order")?;
        match order.status {
            _ if order.was_paid => Err("saw money"),
            Status::Pending => self.take(order.product, -order.units),
            Status::Paid | Status::Shipped | Status::Canceled => Ok(()),
        }
    }
}

fn sku_text(number: u8) -> String {
    format!("SKU-{number}")
}

/// The step as the service does it, with its refusal in the model's words.
fn run(tx: &mut dyn Tx, step: &Step, now: Timestamp) -> Result<Outcome, Error> {
    let done = match *step {
        Step::Create {
            sku: number,
            cents,
            stock,
        } => {
            let (sku, stock) = (sku(&sku_text(number)), testing::stock(stock));
            let new = NewProduct {
                sku,
                name: name("Mug"),
                price: price(cents),
                stock,
            };
            products::create(tx, &new, now).map(|_| ())
        }
        Step::Change {
            product,
            sku: number,
            cents,
            stock,
        } => {
            let sku = number.map(|number| sku(&sku_text(number)));
            let change = ProductChange {
                sku,
                name: None,
                price: cents.map(price),
                stock: stock.map(testing::stock),
            };
            products::update(tx, product_id(product), &change, now).map(|_| ())
        }
        Step::Delete { product } => products::delete(tx, product_id(product)),
        Step::Adjust { product, delta } => {
            stock::adjust(tx, product_id(product), Delta::new(delta).unwrap(), None, now).map(|_| ())
        }
        Step::Place { product, units } => orders::place(tx, product_id(product), quantity(units), now).map(|_| ()),
        Step::Ask { order, status, units } => {
            let change = OrderChange {
                status,
                quantity: units.map(quantity),
            };
            orders::update(tx, order_id(order), change, now).map(|_| ())
        }
        Step::Pay { order } => orders::get(tx, order_id(order)).and_then(|order| {
            let paid = order
                .pay(now)
                .map_err(|refusal| Error::refused_order(order.id(), refusal))?;
            tx.save_order(&paid)
        }),
        Step::Remove { order } => orders::delete(tx, order_id(order), now),
    };
    match done {
        Ok(()) => Ok(Ok(())),
        Err(error) => Ok(Err(match error {
            Error::ProductNotFound { .. } => "no product",
            Error::OrderNotFound { .. } => "no order",
            Error::DuplicateSku { .. } => "duplicate",
            Error::InsufficientStock { .. } => "insufficient",
            Error::ProductInUse { .. } => "in use",
            Error::InvalidTransition { .. } => "no way",
            Error::OrderNotEditable { .. } => "settled",
            Error::OrderNotDeletable { .. } => "saw money",
            Error::StockLimit { .. } | Error::Overloaded | Error::StorageUnavailable(_) | Error::Internal(_) => {
                return Err(error);
            }
        })),
    }
}

/// Everything the store holds, in the model's words, after checking each product's ledger.
fn observe(view: &dyn View, last: &Model) -> Result<Model, Error> {
    let mut seen = Model {
        last_product: last.last_product,
        last_order: last.last_order,
        ..Model::default()
    };
    for product in view.products(None, 1_000)? {
        let ledger = view.movements(product.id, None, 1_000)?;
        let stock = product.stock.get();
        assert!(stock >= 0);
        assert_eq!(
            stock,
            ledger.iter().map(|movement| movement.delta.get()).sum::<i64>(),
            "the sum of all deltas"
        );
        assert_eq!(
            stock,
            ledger.first().map_or(0, |newest| newest.stock_after.get()),
            "the newest stock_after"
        );
        let mut level = 0;
        for movement in ledger.iter().rev() {
            level += movement.delta.get();
            assert_eq!(level, movement.stock_after.get());
        }
        let sku = (0..=u8::MAX)
            .find(|number| sku_text(*number) == product.sku.as_str())
            .unwrap();
        let id = ProductId::get(product.id);
        seen.products.insert(
            id,
            ModelProduct {
                sku,
                cents: product.price.cents(),
                stock,
            },
        );
    }
    for order in view.orders(OrderFilter::default(), None, 1_000)? {
        let (units, cents) = (Quantity::get(order.quantity()), order.unit_price().cents());
        assert_eq!(order.total().cents(), units * cents);
        let was_paid = order.state().paid_at().is_some();
        let seen_order = ModelOrder {
            product: order.product_id().get(),
            units,
            cents,
            status: order.status(),
            was_paid,
        };
        seen.orders.insert(OrderId::get(order.id()), seen_order);
    }
    Ok(seen)
}

async fn agrees(store: &SqliteStore, steps: Vec<Step>) {
    let mut model = Model::default();
    for (n, step) in (1..).zip(steps) {
        let expected = model.apply(&step);
        let (now, taken) = (Timestamp::from_millis(n), step.clone());
        // A refusal must be the write's failure, or its traces would be kept.
        let outcome = store
            .write(move |tx| match run(tx, &taken, now)? {
                Ok(()) => Ok(()),
                Err(refusal) => Err(Error::internal(refusal)),
            })
            .await
            .map_err(|error| {
                std::error::Error::source(&error)
                    .map(ToString::to_string)
                    .unwrap_or_default()
            });
        assert_eq!(outcome, expected.map_err(str::to_owned), "step {n}: {step:?}");
        let last = model.clone();
        let seen = store.read(move |view| observe(view, &last)).await.unwrap();
        assert_eq!(seen, model, "after step {n}: {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_steps_agrees_with_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (store, _folder) = testing::store();
            agrees(&store, steps).await;
        });
    }
}
