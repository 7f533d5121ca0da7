//! The books of the shop, twice: as the clients' acknowledged requests make them, and as the service shows them. After
//! a crash the two must be equal.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::Value;

use crate::client::{Request, Work};
use crate::http::Connection;

/// Everything that a client can have been promised.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Books {
    pub(crate) products: BTreeMap<i64, Product>,
    pub(crate) orders: BTreeMap<i64, Order>,
    /// Movements that clients made themselves, by their note, which is the request's id.
    pub(crate) restocks: BTreeMap<String, Restock>,
    /// What events told, by their id.
    pub(crate) events: BTreeMap<String, Event>,
    /// The payments that are followed, by their id.
    pub(crate) payments: BTreeMap<String, Payment>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) price_cents: i64,
    pub(crate) stock: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) product: i64,
    pub(crate) quantity: i64,
    pub(crate) unit_price_cents: i64,
    pub(crate) total_cents: i64,
    pub(crate) status: String,
    pub(crate) created_at: String,
    /// Reason and difference of each of its stock movements, the oldest first.
    pub(crate) movements: Vec<(String, i64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Restock {
    product: i64,
    delta: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    order: i64,
    amount_cents: i64,
    result: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Payment {
    order: i64,
    amount_cents: i64,
    refunded_cents: i64,
}

/// What was carried out without an answer.
pub(crate) struct Carried {
    /// The orders that were placed.
    pub(crate) orders: Vec<i64>,
    /// The ids of the requests, with the placing ones.
    pub(crate) requests: Vec<String>,
}

impl Books {
    /// Enters a request that was carried out; a placed order has its id and time from the service.
    pub(crate) fn enter(&mut self, request: &Request, placed: Option<(i64, &str)>) {
        match request.work.clone() {
            Work::Place { product, quantity } => {
                let Some((id, created_at)) = placed else { return };
                let unit_price_cents = self.products.get(&product).map_or(0, |product| product.price_cents);
                let order = Order {
                    product,
                    quantity,
                    unit_price_cents,
                    total_cents: unit_price_cents * quantity,
                    status: "PENDING".to_owned(),
                    created_at: created_at.to_owned(),
                    movements: Vec::new(),
                };
                self.orders.insert(id, order);
                self.move_stock(id, "order_placed", -quantity);
            }
            Work::Resize { order, quantity } => {
                let Some(entry) = self.orders.get_mut(&order) else {
                    return;
                };
                let more = quantity - entry.quantity;
                entry.quantity = quantity;
                entry.total_cents = entry.unit_price_cents * quantity;
                if more != 0 {
                    self.move_stock(order, "order_changed", -more);
                }
            }
            Work::Cancel { order } => {
                let back = self.set_status(order, "CANCELED");
                self.move_stock(order, "order_canceled", back);
            }
            Work::Ship { order } => {
                self.set_status(order, "SHIPPED");
            }
            Work::Pay { order, amount_cents } | Work::PayByStripe { order, amount_cents } => {
                self.set_status(order, "PAID");
                self.enter_event(request, order, amount_cents, "applied");
                let payment = Payment {
                    order,
                    amount_cents,
                    refunded_cents: 0,
                };
                self.payments.insert(request.payment_id(), payment);
            }
            Work::RefundACent { order, payment } => {
                self.enter_event(request, order, 1, "partial_refund");
                if let Some(payment) = self.payments.get_mut(&payment) {
                    payment.refunded_cents += 1;
                }
            }
            Work::Restock { product, delta } => {
                self.restocks.insert(request.id.clone(), Restock { product, delta });
                if let Some(product) = self.products.get_mut(&product) {
                    product.stock += delta;
                }
            }
        }
    }

    fn enter_event(&mut self, request: &Request, order: i64, amount_cents: i64, result: &str) {
        let result = result.to_owned();
        let event = Event {
            order,
            amount_cents,
            result,
        };
        self.events.insert(request.id.clone(), event);
    }

    /// Sets it and returns the order's quantity.
    fn set_status(&mut self, order: i64, status: &str) -> i64 {
        self.orders.get_mut(&order).map_or(0, |order| {
            status.clone_into(&mut order.status);
            order.quantity
        })
    }

    fn move_stock(&mut self, order: i64, reason: &str, delta: i64) {
        let Some(order) = self.orders.get_mut(&order) else {
            return;
        };
        order.movements.push((reason.to_owned(), delta));
        if let Some(product) = self.products.get_mut(&order.product) {
            product.stock += delta;
        }
    }

    /// Enters those of the unanswered requests whose effect is seen, for nobody can know before whether it is there.
    pub(crate) fn enter_seen(&mut self, unanswered: &[&Request], seen: &Self) -> Carried {
        let strangers: Vec<i64> = seen
            .orders
            .keys()
            .filter(|id| !self.orders.contains_key(id))
            .copied()
            .collect();
        let mut unclaimed = strangers.clone();
        let mut requests = Vec::new();
        for request in unanswered {
            let is_new = match &request.work {
                Work::Place { product, quantity } => {
                    let fits = |id: &i64| {
                        seen.orders
                            .get(id)
                            .is_some_and(|order| (order.product, order.quantity) == (*product, *quantity))
                    };
                    if let Some(index) = unclaimed.iter().position(fits) {
                        let id = unclaimed.remove(index);
                        let created_at = seen.orders.get(&id).map_or("", |order| order.created_at.as_str());
                        self.enter(request, Some((id, created_at)));
                        requests.push(request.id.clone());
                    }
                    continue;
                }
                Work::Restock { .. } => seen.restocks.contains_key(&request.id),
                Work::Pay { .. } | Work::PayByStripe { .. } | Work::RefundACent { .. } => {
                    seen.events.contains_key(&request.id)
                }
                Work::Resize { order, .. } | Work::Cancel { order } | Work::Ship { order } => {
                    let mut after = self.clone();
                    after.enter(request, None);
                    after.orders.get(order) == seen.orders.get(order)
                }
            };
            if is_new {
                self.enter(request, None);
                requests.push(request.id.clone());
            }
        }
        Carried {
            orders: strangers,
            requests,
        }
    }

    /// The first difference, in one line.
    pub(crate) fn compare(&self, seen: &Self) -> Result<(), String> {
        compare("order", &self.orders, &seen.orders)?;
        compare("stock movement", &self.restocks, &seen.restocks)?;
        compare("payment event", &self.events, &seen.events)?;
        compare("payment", &self.payments, &seen.payments)?;
        compare("product", &self.products, &seen.products)
    }

    /// Everything that the service shows, page by page.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, String> {
        let mut books = Self::default();
        for product in pages(connection, "/products")? {
            books.add_product(&product)?;
        }
        for order in pages(connection, "/orders")? {
            books.add_order(&order)?;
        }
        for event in pages(connection, "/payment-events")? {
            books.add_event(&event)?;
        }
        for payment in pages(connection, "/payments")? {
            books.add_payment(&payment)?;
        }
        let products: Vec<i64> = books.products.keys().copied().collect();
        for product in products {
            let mut movements = pages(connection, &format!("/products/{product}/stock-movements"))?;
            movements.reverse();
            for movement in movements {
                books.add_movement(product, &movement)?;
            }
        }
        Ok(books)
    }

    fn add_product(&mut self, product: &Value) -> Result<(), String> {
        let read = Product {
            sku: text(product, "sku")?,
            price_cents: cents(product, "price")?,
            stock: number(product, "stock")?,
        };
        once("product", self.products.insert(number(product, "id")?, read))
    }

    fn add_order(&mut self, order: &Value) -> Result<(), String> {
        let read = Order {
            product: number(order, "product_id")?,
            quantity: number(order, "quantity")?,
            unit_price_cents: cents(order, "unit_price")?,
            total_cents: cents(order, "total")?,
            status: text(order, "status")?,
            created_at: text(order, "created_at")?,
            movements: Vec::new(),
        };
        once("order", self.orders.insert(number(order, "id")?, read))
    }

    fn add_event(&mut self, event: &Value) -> Result<(), String> {
        let read = Event {
            order: number(event, "order_id")?,
            amount_cents: cents(event, "amount")?,
            result: text(event, "result")?,
        };
        once("payment event", self.events.insert(text(event, "event_id")?, read))
    }

    fn add_payment(&mut self, payment: &Value) -> Result<(), String> {
        let read = Payment {
            order: number(payment, "order_id")?,
            amount_cents: cents(payment, "amount")?,
            refunded_cents: cents(payment, "refunded")?,
        };
        once("payment", self.payments.insert(text(payment, "payment_id")?, read))
    }

    fn add_movement(&mut self, product: i64, movement: &Value) -> Result<(), String> {
        let (reason, delta) = (text(movement, "reason")?, number(movement, "delta")?);
        match reason.as_str() {
            "initial" => Ok(()),
            "adjustment" => once(
                "stock movement",
                self.restocks
                    .insert(text(movement, "note")?, Restock { product, delta }),
            ),
            _ => {
                let id = number(movement, "order_id")?;
                let order = self.orders.get_mut(&id);
                let order = order.ok_or_else(|| format!("a movement of order {id}, which is not there"))?;
                order.movements.push((reason, delta));
                Ok(())
            }
        }
    }
}

fn compare<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    expected: &BTreeMap<K, V>,
    seen: &BTreeMap<K, V>,
) -> Result<(), String> {
    for (key, value) in expected {
        match seen.get(key) {
            None => {
                return Err(format!(
                    "LOST: the {what} {key:?} was acknowledged and is not there: {value:?}"
                ));
            }
            Some(other) if other != value => {
                return Err(format!("the {what} {key:?} should be {value:?} and is {other:?}"));
            }
            Some(_) => {}
        }
    }
    seen.iter()
        .find(|(key, _)| !expected.contains_key(key))
        .map_or(Ok(()), |(key, value)| {
            Err(format!("the {what} {key:?} is there and nobody made it: {value:?}"))
        })
}

fn once<T: Debug>(what: &str, before: Option<T>) -> Result<(), String> {
    before.map_or(Ok(()), |before| Err(format!("TWICE: the {what} {before:?}")))
}

fn pages(connection: &mut Connection, path: &str) -> Result<Vec<Value>, String> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = connection
            .get(&format!("{path}?limit=100{cursor}"))
            .map_err(|error| format!("GET {path}: {error}"))?;
        if page.status != 200 {
            return Err(format!("GET {path}: {} {}", page.status, page.body));
        }
        let more = page.body.get("items").and_then(Value::as_array);
        items.extend(more.ok_or("a page without items")?.iter().cloned());
        match page.body.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

pub(crate) fn number(object: &Value, member: &str) -> Result<i64, String> {
    let value = object.get(member).and_then(Value::as_i64);
    value.ok_or_else(|| format!("no number {member} in {object}"))
}

pub(crate) fn text(object: &Value, member: &str) -> Result<String, String> {
    let value = object.get(member).and_then(Value::as_str);
    value
        .map(str::to_owned)
        .ok_or_else(|| format!("no text {member} in {object}"))
}

fn cents(object: &Value, member: &str) -> Result<i64, String> {
    let value = object.get(member).and_then(Value::as_f64);
    value
        .map(|value| (value * 100.0).round() as i64)
        .ok_or_else(|| format!("no amount {member} in {object}"))
}
