//! The smoke test: products, orders and a payment over HTTP, against any running service.
//!
//! | variable | |
//! |---|---|
//! | `BASE_URL` | the service's address; without it, the test starts and stops a server of its own |
//! | `API_KEY` | one of the service's API keys, if it has any |
//! | `WEBHOOK_SECRET` | the service's webhook secret; required with `BASE_URL` |
//! | `STRIPE_WEBHOOK_SECRET` | its secret for Stripe, if it has one; without it the event of Stripe is skipped |
//! | `STRIPE_LIVEMODE` | `false` if it takes the events of Stripe's test mode |
//!
//! It prints a line for each step, and the order that remains. The first response that differs from the contract ends
//! the test with status 1 and a line with the step, the expected and the actual response. In both cases it deletes what
//! it created; an order with a recorded payment remains, with its product. All names are new in each run, so it can run
//! concurrently with others, and in production.

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use orders_inventory_api::models::{
    Health, NewOrder, NewProduct, Order, OrderStatus, OrderUpdate, ProblemType, Product, ProductPage, ProductUpdate,
};
use orders_inventory_api::types::Decimal;
use reqwest::blocking::RequestBuilder;
use serde_json::json;
use uuid::Uuid;

use client::{Client, Failure, same};
use server::Server;
use webhooks::{Secrets, a_payment, an_event_of_stripe};

#[path = "smoke/client.rs"]
mod client;
#[path = "smoke/server.rs"]
mod server;
#[path = "smoke/webhooks.rs"]
mod webhooks;

/// The time limit for all requests together; a slower deployment fails.
const FLOW_MAX: Duration = Duration::from_secs(24);
/// The time limit for the whole test, with cleaning up and stopping the server after a failure.
const TEST_MAX: Duration = Duration::from_secs(30);

const STOCK: i64 = 10;
/// An id that no service will reach.
const NEVER_ISSUED: i64 = i64::MAX;

fn main() -> ExitCode {
    // `cargo nextest` first lists the tests, then the ignored ones.
    if env::args().any(|argument| argument == "--list") {
        if !env::args().any(|argument| argument == "--ignored") {
            println!("smoke: test");
        }
        return ExitCode::SUCCESS;
    }
    match run(Instant::now()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("FAILED  {line}");
            ExitCode::FAILURE
        }
    }
}

fn run(started: Instant) -> Result<(), String> {
    let (flow_until, until) = (started + FLOW_MAX, started + TEST_MAX);
    if let Some(base_url) = set("BASE_URL") {
        let Some(secret) = set("WEBHOOK_SECRET") else {
            return Err(
                "WEBHOOK_SECRET must be set where BASE_URL is: the test pays an order by a signed webhook".into(),
            );
        };
        let client = Client::new(&base_url, set("API_KEY"), flow_until)?;
        let secrets = Secrets {
            own: secret,
            stripe: set("STRIPE_WEBHOOK_SECRET"),
            is_live: set("STRIPE_LIVEMODE").as_deref() != Some("false"),
        };
        return smoke(&client, &secrets, until);
    }
    let (key, stripe) = (random("key"), random("stripe-secret"));
    let secrets = Secrets {
        own: random("secret"),
        stripe: Some(stripe.clone()),
        is_live: true,
    };
    let server = Server::start(&key, &secrets.own, &stripe, flow_until)?;
    let client = Client::new(server.base_url(), Some(key), flow_until)?;
    let outcome = smoke(&client, &secrets, until);
    // Dropped first, since the server would wait for its connections.
    drop(client);
    match (outcome, server.stop(until)) {
        (Err(flow), Err(stop)) => Err(format!("{flow}\nFAILED  {stop}")),
        (outcome, stopped) => outcome.and(stopped),
    }
}

/// The variable's value; an empty one counts as unset, since CI sets a missing secret to an empty value.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn random(what: &str) -> String {
    format!("smoke-{what}-{}", Uuid::now_v7().simple())
}

fn smoke(client: &Client, secrets: &Secrets, until: Instant) -> Result<(), String> {
    let started = Instant::now();
    println!("smoke test of {}", client.base_url());
    let outcome = flow(client, secrets);
    let left = client.clean_up(until);
    let order = outcome.map_err(|failure| failure.to_string())?;
    // Nothing else remains, since the flow checks every deletion.
    println!(
        "left    {}: it has a recorded payment, so it stays with its product",
        left.join(", ")
    );
    println!("passed  {} steps in {:.1?}", client.steps(), started.elapsed());
    println!(
        "{}",
        serde_json::to_string_pretty(&order).map_err(|error| error.to_string())?
    );
    Ok(())
}

fn flow(client: &Client, secrets: &Secrets) -> Result<Order, Failure> {
    client.step("the service is ready", client.get("/readyz"), |answer| {
        answer.json::<Health>(200).map(drop)
    })?;
    if client.has_key() {
        requests_without_key(client)?;
    }
    let product = a_product(client)?;
    refused_products(client, &product)?;
    a_product_that_goes(client)?;
    a_canceled_order(client, &product)?;
    let order = an_order_that_is_retried(client, &product)?;
    an_event_of_stripe(client, &order, secrets)?;
    a_payment(client, &order, secrets)?;
    a_shipment(client, &order)
}

/// Where the service has keys, requests without a valid one are refused.
fn requests_without_key(client: &Client) -> Result<(), Failure> {
    let orders = || client.without_key(reqwest::Method::GET, "/orders");
    client.step("no key", orders(), |answer| {
        answer.problem(401, ProblemType::MissingApiKey)?;
        answer.header("www-authenticate").map(drop)
    })?;
    client.step("a wrong key", orders().header("X-API-Key", random("key")), |answer| {
        answer.problem(401, ProblemType::InvalidApiKey)?;
        answer.header("www-authenticate").map(drop)
    })
}

fn new_product() -> NewProduct {
    NewProduct {
        sku: random("sku"),
        name: "Smoke test mug".into(),
        price: Decimal::literal("12.5"),
        stock: STOCK,
    }
}

/// Creates a product, finds it in two ways and changes it with `If-Match`.
fn a_product(client: &Client) -> Result<Product, Failure> {
    let new = new_product();
    let (product, version) = client.step("create a product", client.post("/products").json(&new), |answer| {
        let product: Product = answer.json(201)?;
        same("sku", &product.sku, &new.sku)?;
        same("price", product.price, new.price)?;
        same("stock", product.stock, STOCK)?;
        same("Location", answer.header("location")?, &*path_of(&product))?;
        Ok((product, answer.header("etag")?.to_owned()))
    })?;
    let path = path_of(&product);

    let by_sku = format!("/products?sku={}", new.sku);
    client.step("list it by its SKU", client.get(&by_sku), |answer| {
        let page: ProductPage = answer.json(200)?;
        same("items", &*page.items, std::slice::from_ref(&product))
    })?;
    client.step("get it", client.get(&path), |answer| {
        same("the product", &answer.json::<Product>(200)?, &product)?;
        same("ETag", answer.header("etag")?, &*version)
    })?;
    let unless_new = client.get(&path).header("If-None-Match", &version);
    client.step("get it if it is new", unless_new, |answer| answer.status(304))?;

    let update = ProductUpdate {
        sku: None,
        name: None,
        price: Some(Decimal::literal("19.99")),
        stock: None,
    };
    let if_current = || client.put(&path).header("If-Match", &version).json(&update);
    let updated = client.step("change its price", if_current(), |answer| {
        let updated: Product = answer.json(200)?;
        same("price", Some(updated.price), update.price)?;
        same("name", &updated.name, &new.name)?;
        same("whether the ETag stayed", answer.header("etag")? == version, false)?;
        Ok(updated)
    })?;
    client.step("change it from the old version", if_current(), |answer| {
        answer.problem(412, ProblemType::StaleVersion).map(drop)
    })?;
    Ok(updated)
}

/// Invalid requests are refused, with the details that a program needs.
fn refused_products(client: &Client, taken: &Product) -> Result<(), Failure> {
    let twin = NewProduct {
        sku: taken.sku.clone(),
        ..new_product()
    };
    client.step(
        "create one with a SKU that is taken",
        client.post("/products").json(&twin),
        |answer| {
            let problem = answer.problem(409, ProblemType::DuplicateSku)?;
            same("sku", problem.sku.as_ref(), Some(&taken.sku))
        },
    )?;
    let wrong = json!({"sku": random("sku"), "name": "Smoke test mug", "price": 0, "colour": "blue"});
    client.step(
        "create one that breaks the contract",
        client.post("/products").json(&wrong),
        |answer| {
            let problem = answer.problem(422, ProblemType::ValidationFailed)?;
            let failures = problem.errors.unwrap_or_default();
            let mut pointers: Vec<_> = failures.into_iter().filter_map(|failure| failure.pointer).collect();
            pointers.sort_unstable();
            same("pointers", &*pointers, ["/colour", "/price", "/stock"])
        },
    )?;
    let unknown = format!("/products/{NEVER_ISSUED}");
    client.step("get one that does not exist", client.get(&unknown), |answer| {
        answer.problem(404, ProblemType::ProductNotFound).map(drop)
    })?;
    client.step("get a path that does not exist", client.get("/smoke"), |answer| {
        answer.problem(404, ProblemType::NotFound).map(drop)
    })
}

fn a_product_that_goes(client: &Client) -> Result<(), Failure> {
    let create = client.post("/products").json(&new_product());
    let product: Product = client.step("create another product", create, |answer| answer.json(201))?;
    let path = path_of(&product);
    client.step("delete it", client.delete(&path), |answer| answer.status(204))?;
    client.step("it is gone", client.get(&path), |answer| {
        answer.problem(404, ProblemType::ProductNotFound).map(drop)
    })
}

/// An order takes stock, changes its quantity, and returns the stock when it is canceled.
fn a_canceled_order(client: &Client, product: &Product) -> Result<(), Failure> {
    let order = place(client, "order three", client.post("/orders"), product, 3)?;
    let path = format!("/orders/{}", order.id);
    stock_is(client, product, STOCK - 3)?;
    client.step("get the order", client.get(&path), |answer| {
        same("the order", &answer.json::<Order>(200)?, &order)
    })?;

    client.step("make it five", client.put(&path).json(&quantity(5)), |answer| {
        let order: Order = answer.json(200)?;
        same("quantity", order.quantity, 5)?;
        same("total", order.total, Decimal::literal("99.95"))
    })?;
    stock_is(client, product, STOCK - 5)?;

    let too_many = NewOrder {
        product_id: product.id,
        quantity: STOCK - 5 + 1,
        reference: None,
    };
    client.step(
        "order more than there is",
        client.post("/orders").json(&too_many),
        |answer| {
            let problem = answer.problem(409, ProblemType::InsufficientStock)?;
            same("requested", problem.requested, Some(too_many.quantity))?;
            same("available", problem.available, Some(STOCK - 5))
        },
    )?;

    client.step(
        "cancel it",
        client.put(&path).json(&status(OrderStatus::Canceled)),
        |answer| {
            let order: Order = answer.json(200)?;
            same("status", order.status, OrderStatus::Canceled)?;
            same("whether canceled_at is set", order.canceled_at.is_some(), true)
        },
    )?;
    stock_is(client, product, STOCK)?;
    client.step(
        "delete it, as it has no recorded payment",
        client.delete(&path),
        |answer| answer.status(204),
    )?;
    client.step("the order is gone", client.get(&path), |answer| {
        answer.problem(404, ProblemType::OrderNotFound).map(drop)
    })
}

/// A retry with the same key gets the same order.
fn an_order_that_is_retried(client: &Client, product: &Product) -> Result<Order, Failure> {
    let key = random("retry");
    let with_key = || client.post("/orders").header("Idempotency-Key", &key);
    let order = place(client, "order two, with an Idempotency-Key", with_key(), product, 2)?;
    let again = NewOrder {
        product_id: product.id,
        quantity: 2,
        reference: None,
    };
    client.step("the same again", with_key().json(&again), |answer| {
        same("the order", &answer.json::<Order>(201)?, &order)?;
        same("Idempotency-Replayed", answer.header("idempotency-replayed")?, "true")
    })?;
    stock_is(client, product, STOCK - 2)?;
    let other = NewOrder { quantity: 3, ..again };
    client.step("another body with that key", with_key().json(&other), |answer| {
        answer.problem(422, ProblemType::IdempotencyKeyReused).map(drop)
    })?;
    Ok(order)
}

fn a_shipment(client: &Client, order: &Order) -> Result<Order, Failure> {
    let ship = client
        .put(&format!("/orders/{}", order.id))
        .json(&status(OrderStatus::Shipped));
    client.step("ship", ship, |answer| {
        let shipped: Order = answer.json(200)?;
        same("status", shipped.status, OrderStatus::Shipped)?;
        same("quantity", shipped.quantity, order.quantity)?;
        same("total", shipped.total, order.total)?;
        same("refund_due", shipped.refund_due, false)?;
        same("whether shipped_at is set", shipped.shipped_at.is_some(), true)?;
        Ok(shipped)
    })
}

fn place(
    client: &Client,
    step: &str,
    request: RequestBuilder,
    product: &Product,
    quantity: i64,
) -> Result<Order, Failure> {
    let new = NewOrder {
        product_id: product.id,
        quantity,
        reference: None,
    };
    client.step(step, request.json(&new), |answer| {
        let order: Order = answer.json(201)?;
        same("status", order.status, OrderStatus::Pending)?;
        same("product_id", order.product_id, product.id)?;
        same("quantity", order.quantity, quantity)?;
        same("unit_price", order.unit_price, product.price)?;
        same(
            "total in cents",
            order.total.in_units(2),
            product.price.in_units(2).map(|cents| cents * quantity),
        )?;
        same(
            "Location",
            answer.header("location")?,
            &*format!("/orders/{}", order.id),
        )?;
        answer.header("etag")?;
        Ok(order)
    })
}

fn stock_is(client: &Client, product: &Product, expected: i64) -> Result<(), Failure> {
    client.step(
        &format!("{expected} are in stock"),
        client.get(&path_of(product)),
        |answer| same("stock", answer.json::<Product>(200)?.stock, expected),
    )
}

fn path_of(product: &Product) -> String {
    format!("/products/{}", product.id)
}

fn status(status: OrderStatus) -> OrderUpdate {
    OrderUpdate {
        status: Some(status),
        quantity: None,
        reference: None,
    }
}

fn quantity(quantity: i64) -> OrderUpdate {
    OrderUpdate {
        status: None,
        quantity: Some(quantity),
        reference: None,
    }
}
