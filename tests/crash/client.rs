//! A writing client and its memory: what was acknowledged, and the one request that was not.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use orders_inventory::http::Clock;
use orders_inventory::http::signature::Secret;
use orders_inventory::http::signature::timestamped::sign;
use serde_json::{Value, json};

use crate::books::{Books, number, text};
use crate::http::{Answer, Connection};
use crate::server::{STRIPE_SECRET, WEBHOOK_SECRET};

const STOCK: i64 = 100_000_000;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Place {
        product: i64,
        quantity: i64,
    },
    Resize {
        order: i64,
        quantity: i64,
    },
    Cancel {
        order: i64,
    },
    Ship {
        order: i64,
    },
    Pay {
        order: i64,
        amount_cents: i64,
    },
    /// The same, as Stripe tells of it.
    PayByStripe {
        order: i64,
        amount_cents: i64,
    },
    /// Stripe refunds a cent of this payment.
    RefundACent {
        order: i64,
        payment: String,
    },
    Restock {
        product: i64,
        delta: i64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Unique in its database: the request id, the idempotency key, the event's id, the movement's note.
    pub(crate) id: String,
    pub(crate) work: Work,
}

/// A request with its success.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) request: Request,
    pub(crate) answer: Answer,
}

/// Only its client changes an order, one request after the other, so its state is known at any time.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    name: usize,
    rng: Rng,
    sent: usize,
    pub(crate) done: Vec<Done>,
    /// The request that was not acknowledged yet.
    pub(crate) unanswered: Option<Request>,
    /// Whether it may have been carried out: an attempt at it ended without an answer, or with 500 `outcome-unknown`.
    pub(crate) is_unsure: bool,
    /// Id, quantity and total in cents of its orders that can still change.
    pending: Vec<(i64, i64, i64)>,
    /// Its paid orders, each with the id of its payment where Stripe told of that.
    paid: Vec<(i64, Option<String>)>,
}

/// Why a client stopped.
#[derive(Debug)]
pub(crate) enum End {
    Told,
    /// The service is gone, and perhaps with it an answer.
    Gone,
    /// The service refused: 503.
    Refused(Box<Answer>),
    /// The service does not know: 500 `outcome-unknown`.
    Unknown,
}

impl Request {
    /// Sends it; a retry is the same again.
    pub(crate) fn send(&self, connection: &mut Connection) -> io::Result<Answer> {
        let id = self.id.as_str();
        let keyed = [("X-Request-Id", id), ("Idempotency-Key", id)];
        match &self.work {
            Work::Place { product, quantity } => {
                let body = json!({"product_id": product, "quantity": quantity});
                connection.ask("POST", "/orders", &keyed, &body.to_string())
            }
            Work::Restock { product, delta } => {
                let body = json!({"delta": delta, "note": id}).to_string();
                connection.ask("POST", &format!("/products/{product}/stock-movements"), &keyed, &body)
            }
            Work::Pay { order, amount_cents } => {
                let amount = *amount_cents as f64 / 100.0;
                let data = json!({"order_id": order, "payment_id": self.payment_id(), "amount": amount});
                let body = json!({"id": id, "type": "payment.succeeded", "data": data}).to_string();
                let secret = Secret::new(WEBHOOK_SECRET).ok_or(io::ErrorKind::InvalidInput)?;
                let signature = sign(&secret, Clock::system().now(), body.as_bytes());
                let headers = [("X-Request-Id", id), ("X-Webhook-Signature", &signature)];
                connection.ask("POST", "/webhooks/payment", &headers, &body)
            }
            Work::PayByStripe { order, amount_cents } => {
                let object = json!({"id": self.payment_id(), "object": "payment_intent", "amount_received": amount_cents,
                    "currency": "eur", "metadata": {"order_id": order.to_string()}});
                self.tell_as_stripe(connection, "payment_intent.succeeded", &object)
            }
            Work::RefundACent { payment, .. } => {
                let object = json!({"id": format!("re_{id}"), "object": "refund", "status": "succeeded", "amount": 1,
                    "currency": "eur", "payment_intent": payment, "metadata": {}});
                self.tell_as_stripe(connection, "refund.created", &object)
            }
            Work::Resize { order, quantity } => self.put(connection, *order, &json!({"quantity": quantity})),
            Work::Cancel { order } => self.put(connection, *order, &json!({"status": "CANCELED"})),
            Work::Ship { order } => self.put(connection, *order, &json!({"status": "SHIPPED"})),
        }
    }

    fn put(&self, connection: &mut Connection, order: i64, body: &Value) -> io::Result<Answer> {
        let headers = [("X-Request-Id", self.id.as_str())];
        connection.ask("PUT", &format!("/orders/{order}"), &headers, &body.to_string())
    }

    /// The id of the payment of which it tells.
    pub(crate) fn payment_id(&self) -> String {
        format!("pay-{}", self.id)
    }

    fn tell_as_stripe(&self, connection: &mut Connection, event_type: &str, object: &Value) -> io::Result<Answer> {
        let body = json!({"id": self.id, "object": "event", "type": event_type, "created": 1_772_359_200, "livemode": true,
            "data": {"object": object}});
        let body = body.to_string();
        let secret = Secret::new(STRIPE_SECRET).ok_or(io::ErrorKind::InvalidInput)?;
        let signature = sign(&secret, Clock::system().now(), body.as_bytes());
        let headers = [("X-Request-Id", self.id.as_str()), ("Stripe-Signature", &signature)];
        connection.ask("POST", "/webhooks/stripe", &headers, &body)
    }

    /// The status of a success.
    pub(crate) const fn success(&self) -> u16 {
        match self.work {
            Work::Place { .. } | Work::Restock { .. } => 201,
            Work::Resize { .. }
            | Work::Cancel { .. }
            | Work::Ship { .. }
            | Work::Pay { .. }
            | Work::PayByStripe { .. }
            | Work::RefundACent { .. } => 200,
        }
    }
}

impl Done {
    /// Enters it into the books.
    pub(crate) fn enter(&self, books: &mut Books) -> Result<(), String> {
        if matches!(self.request.work, Work::Place { .. }) {
            let (id, created_at) = (number(&self.answer.body, "id")?, text(&self.answer.body, "created_at")?);
            books.enter(&self.request, Some((id, &created_at)));
        } else {
            books.enter(&self.request, None);
        }
        Ok(())
    }
}

impl Client {
    pub(crate) fn new(name: usize, seed: u64) -> Self {
        Self {
            name,
            rng: Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(name as u64)),
            sent: 0,
            done: Vec::new(),
            unanswered: None,
            is_unsure: false,
            pending: Vec::new(),
            paid: Vec::new(),
        }
    }

    /// Sends request after request until it is told to stop, or the service is gone, refuses or does not know. Any other
    /// answer than a success is an error: these clients ask for nothing that a rule could refuse.
    pub(crate) fn run(&mut self, address: SocketAddr, products: &[i64], stop: &AtomicBool) -> Result<End, String> {
        let Ok(mut connection) = Connection::open(address) else {
            return Ok(End::Gone);
        };
        while !stop.load(Ordering::Relaxed) {
            let request = match self.unanswered.take() {
                Some(request) => request,
                None => {
                    self.is_unsure = false;
                    self.next(products)
                }
            };
            let answer = request.send(&mut connection);
            self.unanswered = Some(request);
            match answer {
                Err(_) => {
                    self.is_unsure = true;
                    return Ok(End::Gone);
                }
                Ok(answer) if answer.is_outcome_unknown() => {
                    self.is_unsure = true;
                    return Ok(End::Unknown);
                }
                Ok(answer) if answer.status == 503 => return Ok(End::Refused(Box::new(answer))),
                Ok(answer) => self.answered(answer)?,
            }
        }
        Ok(End::Told)
    }

    /// Remembers the success of the unanswered request.
    pub(crate) fn answered(&mut self, answer: Answer) -> Result<(), String> {
        let Some(request) = self.unanswered.take() else {
            return Ok(());
        };
        if answer.status != request.success() {
            return Err(format!("{request:?} was answered {answer:?}"));
        }
        match request.work.clone() {
            Work::Place { quantity, .. } => {
                let id = number(&answer.body, "id")?;
                self.pending.push((id, quantity, self.total_cents(&answer)?));
            }
            Work::Resize { order, quantity } => {
                let total = self.total_cents(&answer)?;
                self.pending.retain(|(id, _, _)| *id != order);
                self.pending.push((order, quantity, total));
            }
            Work::Cancel { order } => {
                self.pending.retain(|(id, _, _)| *id != order);
                self.paid.retain(|(id, _)| *id != order);
            }
            Work::Ship { order } => self.paid.retain(|(id, _)| *id != order),
            Work::Pay { order, .. } => {
                self.pending.retain(|(id, _, _)| *id != order);
                self.paid.push((order, None));
            }
            Work::PayByStripe { order, .. } => {
                self.pending.retain(|(id, _, _)| *id != order);
                self.paid.push((order, Some(request.payment_id())));
            }
            Work::Restock { .. } | Work::RefundACent { .. } => {}
        }
        self.done.push(Done { request, answer });
        Ok(())
    }

    /// The unanswered request, if it may have been carried out.
    pub(crate) fn unsure(&self) -> Option<&Request> {
        self.unanswered.as_ref().filter(|_| self.is_unsure)
    }

    fn total_cents(&self, answer: &Answer) -> Result<i64, String> {
        let total = answer.body.get("total").and_then(Value::as_f64);
        total
            .map(|total| (total * 100.0).round() as i64)
            .ok_or_else(|| format!("client {}: an order without total: {answer:?}", self.name))
    }

    fn next(&mut self, products: &[i64]) -> Request {
        self.sent += 1;
        let id = format!("c{}-{}", self.name, self.sent);
        let product = self.rng.choice(products).copied().unwrap_or(1);
        let pending = self.rng.choice(&self.pending).copied();
        let paid = self.rng.choice(&self.paid).cloned();
        let work = match (self.rng.u8(0..100), pending, paid) {
            (0..15, Some((order, quantity, _)), _) => Work::Resize {
                order,
                quantity: quantity % 9 + 1,
            },
            (15..25, Some((order, _, _)), _) => Work::Cancel { order },
            (25..38, Some((order, _, amount_cents)), _) => Work::Pay { order, amount_cents },
            (38..50, Some((order, _, amount_cents)), _) => Work::PayByStripe { order, amount_cents },
            (50..53, _, Some((order, _))) => Work::Ship { order },
            (53..57, _, Some((order, Some(payment)))) => Work::RefundACent { order, payment },
            (57..67, _, _) => Work::Restock {
                product,
                delta: if self.rng.bool() { 7 } else { -3 },
            },
            _ => Work::Place {
                product,
                quantity: self.rng.i64(1..10),
            },
        };
        Request { id, work }
    }
}

/// So many clients of a new database.
pub(crate) fn clients(count: usize, seed: u64) -> Vec<Client> {
    (0..count).map(|name| Client::new(name, seed)).collect()
}

/// Makes so many products; the books with nothing else in them.
pub(crate) fn open_shop(connection: &mut Connection, products: usize) -> Result<Books, String> {
    for number in 0..products {
        let id = product_request_id(number);
        let price = 1.99 + number as f64;
        let body = json!({"sku": format!("SKU-{number}"), "name": "Crash", "price": price, "stock": STOCK});
        let answer = connection
            .ask("POST", "/products", &[("X-Request-Id", &id)], &body.to_string())
            .map_err(|error| format!("POST /products: {error}"))?;
        if answer.status != 201 {
            return Err(format!("POST /products: {answer:?}"));
        }
    }
    Books::read(connection)
}

/// The request id with which [`open_shop`] makes a product.
pub(crate) fn product_request_id(number: usize) -> String {
    format!("product-{number}")
}
