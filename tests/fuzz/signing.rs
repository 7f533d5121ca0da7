//! Signs webhooks when they are sent: a signature counts for minutes only, and saved cases must work for ever.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::requests::{self, Rest};
use crate::world::{SECRET, STRIPE_SECRET};

/// Stands in a head for the signature of the body that follows, in the service's own header.
pub(crate) const SIGNED: &str = "{signed}";
/// The same in Stripe's header.
pub(crate) const SIGNED_FOR_STRIPE: &str = "{signed for Stripe}";
/// The same in that of Standard Webhooks, with the id of the line `webhook-id: …` and the time of [`TIME`].
pub(crate) const SIGNED_AS_STANDARD: &str = "{signed as standard}";
/// Stands in a head for the time, in Unix seconds.
pub(crate) const TIME: &str = "{time}";

/// The bytes with the values of the places above, where they stand in the head before the first body.
pub(crate) fn fill(case: &[u8], unix_seconds: u64) -> Vec<u8> {
    let Some(head_ends) = find(case, b"\r\n\r\n") else {
        return case.to_vec();
    };
    let (head, rest) = case.split_at(head_ends);
    if ![SIGNED, SIGNED_FOR_STRIPE, SIGNED_AS_STANDARD, TIME]
        .iter()
        .any(|place| find(head, place.as_bytes()).is_some())
    {
        return case.to_vec();
    }
    let reading = requests::read(case);
    let body = match (reading.requests.first(), &reading.rest) {
        (Some(request), _) => &request.body,
        (None, Rest::Nothing | Rest::Body(_) | Rest::Garbage) => rest.get(4..).unwrap_or_default(),
    };
    let values = [
        (SIGNED, sign(SECRET, unix_seconds, body)),
        (SIGNED_FOR_STRIPE, sign(STRIPE_SECRET, unix_seconds, body)),
        (SIGNED_AS_STANDARD, sign_as_standard(id(head), unix_seconds, body)),
        (TIME, unix_seconds.to_string()),
    ];
    let mut filled = head.to_vec();
    for (place, value) in values {
        filled = replaced(&filled, place.as_bytes(), value.as_bytes());
    }
    [&filled, rest].concat()
}

/// The value of `X-Webhook-Signature`, or with Stripe's secret of `Stripe-Signature`.
pub(crate) fn sign(secret: &str, unix_seconds: u64, body: &[u8]) -> String {
    let time = unix_seconds.to_string();
    let signature = hex::encode(mac(secret, &[time.as_bytes(), b".", body]));
    format!("t={time},v1={signature}")
}

/// The value of `webhook-signature` for this `webhook-id`.
fn sign_as_standard(id: &[u8], unix_seconds: u64, body: &[u8]) -> String {
    let time = unix_seconds.to_string();
    let signature = mac(SECRET, &[id, b".", time.as_bytes(), b".", body]);
    format!("v1,{}", BASE64_STANDARD.encode(signature))
}

fn mac(secret: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The value of the first line `webhook-id`.
fn id(head: &[u8]) -> &[u8] {
    const NAME: &[u8] = b"\r\nwebhook-id:";
    let Some(at) = find(head, NAME) else {
        return b"";
    };
    let value = head.get(at + NAME.len()..).unwrap_or_default();
    let ends = find(value, b"\r\n").unwrap_or(value.len());
    value.get(..ends).unwrap_or_default().trim_ascii()
}

fn replaced(mut left: &[u8], place: &[u8], value: &[u8]) -> Vec<u8> {
    let mut filled = Vec::new();
    while let Some(at) = find(left, place) {
        filled.extend([left.get(..at).unwrap_or_default(), value].concat());
        left = left.get(at + place.len()..).unwrap_or_default();
    }
    [&filled, left].concat()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[test]
fn the_body_is_signed_as_the_service_reads_it() {
    let (own, stripe) = (sign(SECRET, 7, b"{}"), sign(STRIPE_SECRET, 7, b"{}"));
    assert_ne!(own, stripe);
    for framed in [
        "Content-Length: 2\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ] {
        let case = format!("POST / HTTP/1.1\r\nS: {SIGNED},{SIGNED}\r\nT: {SIGNED_FOR_STRIPE}\r\n{framed}");
        let filled = case.replace(SIGNED, &own).replace(SIGNED_FOR_STRIPE, &stripe);
        assert_eq!(fill(case.as_bytes(), 7), filled.into_bytes(), "{framed}");
    }
    let unsigned = format!("POST / HTTP/1.1\r\n\r\n{SIGNED}{TIME}");
    assert_eq!(fill(unsigned.as_bytes(), 7), unsigned.as_bytes());
}

#[test]
fn standard_webhooks_are_signed_with_the_id_of_their_header() {
    let case = |id: &str, time: &str, signature: &str| {
        format!(
            "POST / HTTP/1.1\r\nwebhook-id:{id}\r\nwebhook-timestamp: {time}\r\nwebhook-signature: {signature}\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        )
    };
    for (id, read) in [("  msg_1 ", "msg_1"), ("", ""), (" \u{e9}", "\u{e9}")] {
        let signature = sign_as_standard(read.as_bytes(), 7, b"{}");
        let filled = fill(case(id, TIME, SIGNED_AS_STANDARD).as_bytes(), 7);
        assert_eq!(filled, case(id, "7", &signature).into_bytes(), "{id}");
    }
}
