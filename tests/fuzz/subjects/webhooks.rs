//! Deliveries to the webhook: arbitrary bodies with a good signature, and good bodies with a bad one.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::json::{damaged, near, value};
use crate::pieces::{Bytes, Header, Request, header_value, one_of, operations_with, run_of, weighted};
use crate::signing::SIGNED;
use crate::world::IDS;

pub(crate) fn cases() -> Bytes {
    let data = ["order_id", "payment_id", "amount", "refund_id", "data"].map(str::to_owned);
    let envelope = ["id", "type", "created", "data"].map(str::to_owned);
    let path = operations_with(|operation| operation.template.starts_with("/webhooks/"));
    let body = damaged(weighted(vec![
        (6, event(&data)),
        (2, value(&envelope)),
        (1, value(&data)),
    ]));
    (path, signatures(), body, prop::bool::weighted(0.1))
        .prop_map(|(operation, mut headers, body, is_chunked)| {
            headers.push((b"Content-Type".to_vec(), b"application/json".to_vec()));
            let request = Request {
                method: operation.method.into_bytes(),
                target: operation.template.into_bytes(),
                headers,
                body,
                is_chunked,
            };
            request.into_bytes()
        })
        .boxed()
}

/// An event near a good one. Few ids and few orders, so that events meet.
fn event(names: &[String]) -> Bytes {
    let kind = select(vec![
        "payment.succeeded",
        "payment.succeeded",
        "payment.refunded",
        "payment.refunded",
        "payment.failed",
        "ping",
    ]);
    let amount = select(vec![
        None,
        Some(2.5),
        Some(5.0),
        Some(12.5),
        Some(1.0),
        Some(0.01),
        Some(999_999_999_999.99),
    ]);
    (
        0..400_u32,
        kind,
        1..=IDS + 2,
        select(vec![None, Some("a"), Some("b"), Some("")]),
        amount,
    )
        .prop_map(|(number, kind, order, payment, amount)| {
            let mut data = serde_json::json!({"order_id": order});
            if let Some(payment) = payment {
                data["payment_id"] = payment.into();
            }
            if let Some(amount) = amount {
                data["amount"] = amount.into();
            }
            serde_json::json!({"id": format!("evt_{number}"), "type": kind, "created": 1_700_000_000, "data": data})
        })
        .prop_flat_map({
            let names = names.to_vec();
            move |event| {
                let data = near(&event["data"], &names);
                let whole = near(&event, &names);
                let mut rest = event;
                let rest = rest.as_object_mut().map(std::mem::take).unwrap_or_default();
                let head = move |data: Vec<u8>| {
                    let (id, kind) = (&rest["id"], &rest["type"]);
                    [
                        format!("{{\"id\":{id},\"type\":{kind},\"data\":").into_bytes(),
                        data,
                        b"}".to_vec(),
                    ]
                    .concat()
                };
                weighted(vec![(3, data.prop_map(head).boxed()), (1, whole)])
            }
        })
        .boxed()
}

fn signatures() -> BoxedStrategy<Vec<Header>> {
    let header = |value: Vec<u8>| (b"X-Webhook-Signature".to_vec(), value);
    let zeros = "0".repeat(64);
    let piece = one_of(&[
        SIGNED,
        "t=1",
        "t=",
        "t=99999999999999999999",
        "v1=",
        "v0=00",
        "v1=00",
        "v1=zz",
        &format!("v1={zeros}"),
        "t=-1",
        "t",
        "=",
        "v1",
        "x=y",
        "\u{e9}",
        "V1=00",
        "T=1",
    ]);
    let comma = one_of(&[",", ", ", " ,", ",,", ";", ""]);
    let list = run_of(
        (piece, comma)
            .prop_map(|(piece, comma)| [piece, comma].concat())
            .boxed(),
        6,
    );
    let odd = prop_oneof![4 => list, 1 => header_value()];
    prop_oneof![
        12 => Just(vec![header(SIGNED.into())]),
        1 => vec(odd.prop_map(header), 0..3),
    ]
    .boxed()
}
