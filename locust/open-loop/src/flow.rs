//! The requests: those of `locustfile.py` in the same proportions, or only the reads or the orders.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use hmac::{Hmac, KeyInit, Mac};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use crate::connection::Connection;

/// The number of products that are ordered.
const PRODUCTS: usize = 100;
/// The stock of each, more than any run can sell.
const STOCK: u32 = 1_000_000_000;
/// The proportion of browsing to buying, as in the Locust file.
const BROWSE: usize = 7;
const BUY: usize = 2;
/// Every n-th purchase is canceled instead of paid.
const CANCELED_EVERY: usize = 5;

/// The mix of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mix {
    /// Visitors who browse, buy, pay and cancel
    Shop,
    /// Pages of products and single ones
    Reads,
    /// Orders, nothing else
    Orders,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Page,
    Product,
    Order { then: After },
    Pay { id: u64, total: String },
    Cancel { id: u64 },
    Read { id: u64, status: &'static str },
}

/// The step after an order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    Nothing,
    Payment,
    Cancellation,
}

impl Step {
    /// The route, as in Locust's report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Page => "GET /products",
            Self::Product => "GET /products/{id}",
            Self::Order { .. } => "POST /orders",
            Self::Pay { .. } => "POST /webhooks/payment",
            Self::Cancel { .. } => "PUT /orders/{id}",
            Self::Read { .. } => "GET /orders/{id}",
        }
    }
}

/// The state of all visitors: their next steps.
pub(crate) struct Flow {
    mix: Mix,
    products: Vec<u64>,
    /// Steps that continue an earlier one, taken by the next arrivals on any connection.
    begun: RefCell<VecDeque<Step>>,
}

#[derive(Deserialize)]
struct Created {
    id: u64,
}

#[derive(Deserialize)]
struct Placed<'a> {
    id: u64,
    #[serde(borrow)]
    total: &'a serde_json::value::RawValue,
}

impl Flow {
    /// Creates the products of this run.
    pub(crate) async fn prepare(mix: Mix, connection: &mut Connection) -> Result<Self, String> {
        let mut products = Vec::new();
        for _ in 0..PRODUCTS {
            let sku = format!("load-{}", Uuid::now_v7().simple());
            let product = json!({"sku": sku, "name": "Load test mug", "price": 12.5, "stock": STOCK});
            let body = product.to_string().into_bytes();
            let created = connection
                .call(Method::POST, "/products", body, None, StatusCode::CREATED)
                .await?;
            let Created { id } = serde_json::from_slice(&created).map_err(|error| error.to_string())?;
            products.push(id);
        }
        Ok(Self {
            mix,
            products,
            begun: RefCell::default(),
        })
    }

    /// The request for the next arrival.
    pub(crate) fn next(&self) -> Step {
        let begun = self.begun.borrow_mut().pop_front();
        begun.unwrap_or_else(|| self.begin())
    }

    fn begin(&self) -> Step {
        let browse = match self.mix {
            Mix::Shop => fastrand::usize(..BROWSE + BUY) < BROWSE,
            Mix::Reads => true,
            Mix::Orders => return Step::Order { then: After::Nothing },
        };
        if browse {
            self.begun.borrow_mut().push_back(Step::Product);
            Step::Page
        } else if fastrand::usize(..CANCELED_EVERY) == 0 {
            Step::Order {
                then: After::Cancellation,
            }
        } else {
            Step::Order { then: After::Payment }
        }
    }

    fn product(&self) -> u64 {
        fastrand::choice(&self.products).copied().unwrap_or_default()
    }

    fn continue_with(&self, step: Step) {
        self.begun.borrow_mut().push_back(step);
    }

    /// Sends the request and checks the response; a later arrival continues with the next step.
    pub(crate) async fn take(&self, step: Step, connection: &mut Connection) -> Result<(), String> {
        match step {
            Step::Page => {
                let limit = fastrand::choice([10, 20, 50]).unwrap_or_default();
                get(connection, &format!("/products?limit={limit}")).await.map(drop)
            }
            Step::Product => get(connection, &format!("/products/{}", self.product()))
                .await
                .map(drop),
            Step::Order { then } => self.order(connection, then).await,
            Step::Pay { id, total } => {
                pay(connection, id, &total).await?;
                self.continue_with(Step::Read { id, status: "PAID" });
                Ok(())
            }
            Step::Cancel { id } => {
                let body = br#"{"status": "CANCELED"}"#.to_vec();
                connection
                    .call(Method::PUT, &format!("/orders/{id}"), body, None, StatusCode::OK)
                    .await?;
                self.continue_with(Step::Read { id, status: "CANCELED" });
                Ok(())
            }
            Step::Read { id, status } => {
                let order = get(connection, &format!("/orders/{id}")).await?;
                has(&order, &format!(r#""status":"{status}""#))
            }
        }
    }

    async fn order(&self, connection: &mut Connection, then: After) -> Result<(), String> {
        let body = json!({"product_id": self.product(), "quantity": fastrand::u32(1..=3)})
            .to_string()
            .into_bytes();
        let order = connection
            .call(Method::POST, "/orders", body, None, StatusCode::CREATED)
            .await?;
        let Placed { id, total } = serde_json::from_slice(&order).map_err(|error| error.to_string())?;
        match then {
            After::Nothing => {}
            After::Payment => self.continue_with(Step::Pay {
                id,
                total: total.get().to_owned(),
            }),
            After::Cancellation => self.continue_with(Step::Cancel { id }),
        }
        Ok(())
    }
}

async fn get(connection: &mut Connection, path: &str) -> Result<hyper::body::Bytes, String> {
    connection
        .call(Method::GET, path, Vec::new(), None, StatusCode::OK)
        .await
}

/// A delivery of the payment provider, with a signature over the time and the body.
async fn pay(connection: &mut Connection, order: u64, total: &str) -> Result<(), String> {
    let id = Uuid::now_v7().simple();
    let event = format!(
        r#"{{"id":"evt_{id}","type":"payment.succeeded","data":{{"order_id":{order},"payment_id":"pay_{id}","amount":{total}}}}}"#
    );
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let secret = connection.target.webhook_secret.as_bytes();
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret).map_err(|error| error.to_string())?;
    hmac.update(format!("{now}.{event}").as_bytes());
    let signature = format!("t={now},v1={}", hex::encode(hmac.finalize().into_bytes()));
    let answer = connection
        .call(
            Method::POST,
            "/webhooks/payment",
            event.into_bytes(),
            Some(signature),
            StatusCode::OK,
        )
        .await?;
    has(&answer, r#""result":"applied""#)
}

/// Checks that the body has this member. The service writes JSON without blanks.
fn has(body: &[u8], member: &str) -> Result<(), String> {
    let body = String::from_utf8_lossy(body);
    if body.contains(member) {
        Ok(())
    } else {
        Err(format!("without {member}: {body}"))
    }
}
