//! Signs webhooks when they are sent: a signature counts for minutes only, and saved cases must work for ever.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::requests::{self, Rest};
use crate::world::SECRET;

/// Stands in a head for the signature of the body that follows.
pub(crate) const SIGNED: &str = "{signed}";

/// The bytes with their first body's signature where [`SIGNED`] stands in the head before it.
pub(crate) fn fill(case: &[u8], unix_seconds: u64) -> Vec<u8> {
    let place = SIGNED.as_bytes();
    let Some(head_ends) = find(case, b"\r\n\r\n").filter(|end| find(case, place).is_some_and(|at| at < *end)) else {
        return case.to_vec();
    };
    let (head, rest) = case.split_at(head_ends);
    let reading = requests::read(case);
    let body = match (reading.requests.first(), &reading.rest) {
        (Some(request), _) => &request.body,
        (None, Rest::Nothing | Rest::Body(_) | Rest::Garbage) => rest.get(4..).unwrap_or_default(),
    };
    let signature = sign(unix_seconds, body);
    let (mut filled, mut left) = (Vec::new(), head);
    while let Some(at) = find(left, place) {
        filled.extend([left.get(..at).unwrap_or_default(), signature.as_bytes()].concat());
        left = left.get(at + place.len()..).unwrap_or_default();
    }
    [&filled, left, rest].concat()
}

/// The value of `X-Webhook-Signature`.
pub(crate) fn sign(unix_seconds: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{unix_seconds}.").as_bytes());
    mac.update(body);
    format!("t={unix_seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[test]
fn the_body_is_signed_as_the_service_reads_it() {
    let signature = sign(7, b"{}");
    for framed in [
        "Content-Length: 2\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ] {
        let case = format!("POST / HTTP/1.1\r\nS: {SIGNED},{SIGNED}\r\n{framed}");
        let filled = case.replace(SIGNED, &signature).into_bytes();
        assert_eq!(fill(case.as_bytes(), 7), filled, "{framed}");
    }
    let unsigned = format!("POST / HTTP/1.1\r\n\r\n{SIGNED}");
    assert_eq!(fill(unsigned.as_bytes(), 7), unsigned.as_bytes());
}
