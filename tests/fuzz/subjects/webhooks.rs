//! Deliveries in the service's own format: arbitrary bodies with a good signature, and good bodies with a bad one.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::json::{damaged, near, value};
use crate::pieces::{Bytes, Header, Request, header_value, like, one_of, run_of, weighted};
use crate::signing::{SIGNED, SIGNED_AS_STANDARD, TIME};
use crate::world::IDS;

pub(crate) fn cases() -> Bytes {
    let data = ["order_id", "payment_id", "amount", "refund_id", "data"].map(str::to_owned);
    let envelope = ["id", "type", "created", "data"].map(str::to_owned);
    let body = damaged(weighted(vec![
        (6, event(&data)),
        (2, value(&envelope)),
        (1, value(&data)),
    ]));
    deliveries("/webhooks/payment", signatures(), body)
}

/// Deliveries of these bodies with these headers.
pub(super) fn deliveries(path: &'static str, signatures: BoxedStrategy<Vec<Header>>, body: Bytes) -> Bytes {
    (signatures, body, prop::bool::weighted(0.1))
        .prop_map(move |(mut headers, body, is_chunked)| {
            headers.push((b"Content-Type".to_vec(), b"application/json".to_vec()));
            let request = Request {
                method: b"POST".to_vec(),
                target: path.into(),
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
                let head = |has_id: bool| {
                    let (id, kind) = (&rest["id"], &rest["type"]);
                    let id = if has_id { format!("\"id\":{id},") } else { String::new() };
                    format!("{{{id}\"type\":{kind},\"data\":").into_bytes()
                };
                // Without an id in the body, the event has that of its headers, or none.
                let heads = prop_oneof![5 => Just(head(true)), 1 => Just(head(false))];
                let enclosed = (heads, data).prop_map(|(head, data)| [&head[..], &data, b"}"].concat());
                weighted(vec![(3, enclosed.boxed()), (1, whole)])
            }
        })
        .boxed()
}

/// Headers that sign in one of the ways, rightly or not.
fn signatures() -> BoxedStrategy<Vec<Header>> {
    let own = (b"X-Webhook-Signature".to_vec(), SIGNED.as_bytes().to_vec());
    let both = standard().prop_map({
        let own = own.clone();
        move |mut headers| {
            headers.push(own.clone());
            headers
        }
    });
    prop_oneof![
        12 => Just(vec![own]),
        4 => standard(),
        1 => odd_signatures("X-Webhook-Signature", SIGNED),
        1 => both,
    ]
    .boxed()
}

/// The headers of Standard Webhooks, mostly right. Few ids, so that events meet.
fn standard() -> BoxedStrategy<Vec<Header>> {
    let id = weighted(vec![
        (
            8,
            (0..400_u32)
                .prop_map(|number| format!("evt_{number}").into_bytes())
                .boxed(),
        ),
        (1, like("[!-~]{250,260}")),
        (1, header_value()),
    ]);
    let time = weighted(vec![(12, one_of(&[TIME])), (1, one_of(&["1", "", "-1", "x"]))]);
    let signature = weighted(vec![
        (12, one_of(&[SIGNED_AS_STANDARD])),
        (
            1,
            run_of(
                one_of(&[SIGNED_AS_STANDARD, "v1,", "v1a,AA==", "v1", " ", ",", "AA=="]),
                5,
            ),
        ),
    ]);
    (id, time, signature, 0..30_usize)
        .prop_map(|(id, time, signature, left_out)| {
            let values = [id, time, signature].into_iter().zip(NAMES).enumerate();
            let kept = values.filter(|(number, _)| *number != left_out);
            kept.map(|(_, (value, name))| (name.to_vec(), value)).collect()
        })
        .boxed()
}

const NAMES: [&[u8]; 3] = [b"webhook-id", b"webhook-timestamp", b"webhook-signature"];

/// None to two of these headers, with values near a right one, for which `signed` stands.
pub(super) fn odd_signatures(name: &'static str, signed: &str) -> BoxedStrategy<Vec<Header>> {
    let zeros = "0".repeat(64);
    let piece = one_of(&[
        signed,
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
    let header = move |value: Vec<u8>| (name.as_bytes().to_vec(), value);
    vec(odd.prop_map(header), 0..3).boxed()
}
