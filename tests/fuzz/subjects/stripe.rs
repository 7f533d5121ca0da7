//! Events of Stripe: objects of the types that have a meaning, whole and damaged, signed, badly signed and unsigned.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::webhooks::{deliveries, odd_signatures};
use crate::json::{damaged, near, value};
use crate::pieces::{Bytes, weighted};
use crate::signing::SIGNED_FOR_STRIPE;
use crate::world::IDS;

/// The types that have a meaning, with the kind of their object, and two that have none.
const TYPES: [(&str, &str); 20] = [
    ("checkout.session.completed", "cs"),
    ("checkout.session.async_payment_succeeded", "cs"),
    ("checkout.session.async_payment_failed", "cs"),
    ("checkout.session.expired", "cs"),
    ("payment_intent.succeeded", "pi"),
    ("payment_intent.payment_failed", "pi"),
    ("payment_intent.canceled", "pi"),
    ("payment_intent.processing", "pi"),
    ("payment_intent.amount_capturable_updated", "pi"),
    ("charge.succeeded", "ch"),
    ("charge.refunded", "ch"),
    ("charge.refunded", "ch"),
    ("refund.created", "re"),
    ("refund.updated", "re"),
    ("refund.failed", "re"),
    ("charge.refund.updated", "re"),
    ("charge.dispute.created", "du"),
    ("charge.dispute.closed", "du"),
    ("invoice.paid", "in"),
    ("customer.created", "cus"),
];

/// The members of objects that the service reads.
const MEMBERS: [&str; 14] = [
    "id",
    "mode",
    "payment_status",
    "payment_intent",
    "charge",
    "amount",
    "amount_total",
    "amount_received",
    "amount_refunded",
    "captured",
    "currency",
    "status",
    "metadata",
    "client_reference_id",
];

const ENVELOPE: [&str; 7] = ["id", "object", "type", "created", "livemode", "account", "data"];

/// Numbers up to this are in the ids of payments, refunds and disputes: few, so that events meet.
const PAYMENTS: u32 = 24;

pub(crate) fn cases() -> Bytes {
    let (members, envelope) = (MEMBERS.map(str::to_owned), ENVELOPE.map(str::to_owned));
    let body = damaged(weighted(vec![
        (10, event(&members)),
        (1, value(&envelope)),
        (1, value(&members)),
    ]));
    let good = Just(vec![(b"Stripe-Signature".to_vec(), SIGNED_FOR_STRIPE.into())]);
    let signatures = prop_oneof![12 => good, 1 => odd_signatures("Stripe-Signature", SIGNED_FOR_STRIPE)];
    deliveries("/webhooks/stripe", signatures.boxed(), body)
}

/// An event near a good one.
fn event(members: &[String]) -> Bytes {
    let members = members.to_vec();
    (0..400_u32, select(TYPES.to_vec()), envelope())
        .prop_flat_map(move |(number, (kind, prefix), mut event)| {
            event["id"] = format!("evt_{number}").into();
            event["type"] = kind.into();
            let members = members.clone();
            object(prefix).prop_flat_map(move |object| {
                let mut event = event.clone();
                event["data"] = json!({"object": object});
                let (good, whole) = (Just(event.to_string().into_bytes()), near(&event, &members));
                event["data"] = json!({"object": "{object}"});
                let text = event.to_string();
                let (before, after) = text.split_once("\"{object}\"").unwrap_or_default();
                let (before, after) = (before.to_owned(), after.to_owned());
                let enclosed = near(&object, &members)
                    .prop_map(move |object| [before.as_bytes(), &object, after.as_bytes()].concat());
                weighted(vec![(5, good.boxed()), (3, enclosed.boxed()), (1, whole)])
            })
        })
        .boxed()
}

/// All of an event but its id, its type and its object.
fn envelope() -> BoxedStrategy<Value> {
    // The last one stays young: an order that is unknown may still come.
    let created = select(vec![1_700_000_000_i64, 1_700_000_000, 0, i64::MAX, 32_503_680_000]);
    let object = prop_oneof![20 => Just("event"), 1 => Just("v2.core.event")];
    let account = prop_oneof![20 => Just(None), 1 => Just(Some("acct_1"))];
    (created, object, account, prop::bool::weighted(0.95))
        .prop_map(|(created, object, account, livemode)| {
            let mut event = json!({"object": object, "created": created, "livemode": livemode});
            if let Some(account) = account {
                event["account"] = account.into();
            }
            event
        })
        .boxed()
}

/// An object of this kind, with every member that any kind has.
fn object(prefix: &'static str) -> BoxedStrategy<Value> {
    // An order of the set-up has a total of 5.00.
    let amount = || {
        let good = select(vec![json!(500), json!(500), json!(250), json!(1250)]);
        let odd = select(vec![
            json!(1),
            json!(0),
            json!(-500),
            json!(i64::MAX),
            json!(12.5),
            Value::Null,
        ]);
        prop_oneof![5 => good, 1 => odd]
    };
    let odd = select(vec!["EUR", "jpy", "kwd", "isk", "xxx", "", "euro"]);
    let currency = prop_oneof![6 => Just("eur"), 1 => odd];
    let statuses = match prefix {
        "cs" => vec!["paid", "paid", "unpaid", "no_payment_required"],
        "du" => vec!["needs_response", "won", "lost", "warning_closed"],
        _ => vec!["succeeded", "succeeded", "pending", "failed", "canceled"],
    };
    let status = prop_oneof![12 => select(statuses), 1 => Just("")];
    let mode = prop_oneof![12 => Just("payment"), 1 => Just("subscription"), 1 => Just("")];
    (
        (1..=PAYMENTS, 1..=PAYMENTS, reference(), reference()),
        (amount(), amount(), amount()),
        (currency, status, mode, any::<bool>()),
        prop_oneof![12 => Just("text"), 3 => Just("expanded"), 2 => Just("null"), 1 => Just("number")],
    )
        .prop_map(move |(ids, amounts, words, intent)| {
            let (number, payment, metadata, reference) = ids;
            let (currency, status, mode, captured) = words;
            let payment_intent = match intent {
                "text" => json!(format!("pi_{payment}")),
                "expanded" => json!({"id": format!("pi_{payment}"), "object": "payment_intent"}),
                "number" => json!(payment),
                _ => Value::Null,
            };
            json!({
                "id": format!("{prefix}_{number}"), "mode": mode, "payment_status": status, "status": status,
                "payment_intent": payment_intent, "charge": format!("ch_{payment}"), "captured": captured,
                "amount": amounts.0, "amount_total": amounts.0, "amount_received": amounts.1,
                "amount_refunded": amounts.2, "currency": currency, "metadata": {"order_id": metadata},
                "client_reference_id": reference,
            })
        })
        .boxed()
}

/// What may name an order: mostly the id of one.
fn reference() -> BoxedStrategy<Value> {
    let id = (1..=IDS + 2).prop_map(|id| json!(id.to_string()));
    let odd = select(vec![
        Value::Null,
        json!(1),
        json!(""),
        json!("0"),
        json!("01"),
        json!("+1"),
        json!("1.0"),
        json!(" 1"),
        json!("\u{663}"),
        json!("9223372036854775807"),
        json!("9223372036854775808"),
        json!("cart-1"),
        json!({"id": "1"}),
    ]);
    prop_oneof![4 => id, 1 => odd].boxed()
}
