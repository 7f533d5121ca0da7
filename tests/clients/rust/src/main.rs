//! Places, pays and ships an order, and is refused twice.

use std::error::Error;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};
use std::{env, fmt};

use hmac::{Hmac, KeyInit, Mac};
use progenitor_client::{Error as Failure, ResponseValue};
use reqwest::header::{HeaderMap, HeaderName};
use sha2::Sha256;
use shop::Client;
use shop::types::{
    Amount, NewOrder, NewProduct, Order, OrderStatus, OrderUpdate, PaymentData, PaymentEvent, PaymentEventData,
    PaymentEventId, PaymentEventReceipt, PaymentId, Problem, ProblemType,
};
use uuid::Uuid;

/// What progenitor generates.
#[allow(warnings)]
mod shop {
    include!(concat!(env!("OUT_DIR"), "/shop.rs"));
}

type Answer<T> = Result<ResponseValue<T>, Failure<Problem>>;

/// Sends a request until its outcome is known. A POST needs an `Idempotency-Key`, so that it is done once at most.
async fn settle<T>(send: impl AsyncFn() -> Answer<T>) -> Result<T, Failure<Problem>> {
    let mut attempts_left = 4;
    loop {
        let failure = match send().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(failure) => failure,
        };
        let seconds = match &failure {
            Failure::CommunicationError(_) | Failure::ResponseBodyError(_) => 1,
            Failure::ErrorResponse(refusal) if [408, 429, 500, 503].contains(&refusal.status().as_u16()) => {
                let header = refusal.headers().get("Retry-After");
                header.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(1)
            }
            _ => return Err(failure),
        };
        if attempts_left == 0 {
            return Err(failure);
        }
        attempts_left -= 1;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// What a request is refused with; fails where it is not refused.
async fn problem_of<T: fmt::Debug>(send: impl AsyncFn() -> Answer<T>) -> Result<Problem, Box<dyn Error>> {
    match settle(send).await {
        Err(Failure::ErrorResponse(refusal)) => Ok(refusal.into_inner()),
        Err(failure) => Err(failure.into()),
        Ok(answer) => Err(format!("it was not refused: {answer:?}").into()),
    }
}

/// Reports a payment as a payment provider does: signed over the bytes that are sent.
async fn report_payment(service: &Client, order: &Order) -> Result<PaymentEventReceipt, Box<dyn Error>> {
    let data = PaymentData::builder()
        .order_id(order.id.0)
        .payment_id(PaymentId::try_from(format!("pay_{}", *order.id))?)
        .amount(Amount(order.total));
    let event: PaymentEvent = PaymentEvent::builder()
        .id(PaymentEventId::try_from(format!("evt_{}", *order.id))?)
        .type_("payment.succeeded")
        .data(PaymentEventData {
            subtype_0: Some(data.try_into()?),
            subtype_1: None,
        })
        .try_into()?;
    let now = SystemTime::UNIX_EPOCH.elapsed()?.as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(setting("WEBHOOK_SECRET").as_bytes())?;
    mac.update(format!("{now}.").as_bytes());
    mac.update(&serde_json::to_vec(&event)?);
    let signature = format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()));
    let send = async || {
        service
            .receive_payment_event()
            .x_webhook_signature(signature.as_str())
            .body(event.clone())
            .send()
            .await
    };
    Ok(settle(send).await?)
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), setting("API_KEY").parse()?)]);
    let http = reqwest::Client::builder()
        .default_headers(headers)
        .timeout(Duration::from_secs(30))
        .build()?;
    let service = Client::new_with_client(&setting("BASE_URL"), http);

    let mug = NewProduct::builder()
        .sku("MUG-BLUE")
        .name("Blue mug")
        .price(12.5)
        .stock(40);
    let key = Uuid::new_v4().to_string();
    let create = async || {
        service
            .create_product()
            .idempotency_key(key.as_str())
            .body(mug.clone())
            .send()
            .await
    };
    let product = settle(create).await?;
    println!("product {}: {} in stock", *product.id, product.stock);

    let two = NewOrder::builder()
        .product_id(product.id.clone())
        .quantity(NonZeroU64::try_from(2)?);
    let key = Uuid::new_v4().to_string();
    let place = async || {
        service
            .create_order()
            .idempotency_key(key.as_str())
            .body(two.clone())
            .send()
            .await
    };
    let placed = settle(place).await?;
    println!("order {}: {}, {:.2} to pay", *placed.id, placed.status, placed.total);

    let receipt = report_payment(&service, &placed).await?;
    let paid = settle(async || service.get_order().id(placed.id.clone()).send().await).await?;
    println!("payment {}, order {}: {}", receipt.result, *paid.id, paid.status);

    let ship = OrderUpdate::builder().status(OrderStatus::Shipped);
    let shipped = settle(async || {
        service
            .update_order()
            .id(placed.id.clone())
            .body(ship.clone())
            .send()
            .await
    })
    .await?;
    println!("order {}: {}", *shipped.id, shipped.status);

    let many = NewOrder::builder()
        .product_id(product.id.clone())
        .quantity(NonZeroU64::try_from(100)?);
    let short = problem_of(async || service.create_order().body(many.clone()).send().await).await?;
    if let (ProblemType::ProblemsInsufficientStock, Some(requested), Some(available)) =
        (short.type_, short.requested, short.available)
    {
        println!("{}: {requested} requested, {available} available", short.status);
    }

    let inexact = NewProduct::builder()
        .sku("MUG-RED")
        .name("Red mug")
        .price(12.345)
        .stock(1);
    let invalid = problem_of(async || service.create_product().body(inexact.clone()).send().await).await?;
    if invalid.type_ == ProblemType::ProblemsValidationFailed {
        for failure in &invalid.errors {
            println!(
                "{}: {} {}",
                invalid.status,
                failure.pointer.as_deref().unwrap_or_default(),
                failure.detail
            );
        }
    }
    Ok(())
}
