//! One header: `t=<unix seconds>,v1=<hex>`, where `v1` is the HMAC of the bytes of `<t>.` followed by the raw body
//! (docs.stripe.com/webhooks/signature). Other schemes in the header are passed over.

use axum::http::HeaderMap;
use hmac::Mac;

use super::{CANDIDATES_MAX, Claim, Keyring, Secret, SignatureError, mac, only};
use crate::domain::Timestamp;

/// What this header claims.
pub(super) fn read<'h>(headers: &'h HeaderMap, keyring: &Keyring, now: Timestamp) -> Result<Claim<'h>, SignatureError> {
    let header = keyring.headers.timestamped();
    let line = value(header, only(headers, header)?);
    let parts = || line.split(',').filter_map(|part| part.trim().split_once('='));
    let mut times = parts().filter(|(scheme, _)| *scheme == "t").map(|(_, time)| time);
    let (Some(time), None) = (times.next(), times.next()) else {
        return Err(SignatureError::Unreadable);
    };
    keyring.check_time(time, now)?;
    let candidates = parts().filter(|(scheme, _)| *scheme == "v1").take(CANDIDATES_MAX);
    Ok(Claim {
        key: |secret| Some(&secret.timestamped),
        signed_before: vec![time, "."],
        candidates: candidates.filter_map(|(_, text)| decode(text)).collect(),
    })
}

/// The header's value, also where somebody pasted the whole line that `sign` prints.
fn value<'l>(header: &str, line: &'l str) -> &'l str {
    match line.split_once(':') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case(header) => value,
        _ => line,
    }
}

/// The header's value for this body at this time.
pub fn sign(secret: &Secret, now: Timestamp, body: &[u8]) -> String {
    let time = (now.millis() / 1_000).to_string();
    let signature = mac(&secret.timestamped, &[&time, "."], body);
    format!("t={time},v1={}", hex::encode(signature.finalize().into_bytes()))
}

/// A complete signature from hex, in either case.
fn decode(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}
