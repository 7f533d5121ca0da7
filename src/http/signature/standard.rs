//! Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec): `webhook-id`, `webhook-timestamp` in
//! Unix seconds, and `webhook-signature`, where each `v1,<base64>` is the HMAC of the bytes of `<id>.<timestamp>.` followed
//! by the raw body. Signatures are separated by spaces; those of other versions are passed over. The standard is about
//! signing: what the body says is for the contract.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::Mac;

use super::{CANDIDATES_MAX, Claim, Keyring, Secret, SignatureError, mac, only};
use crate::domain::Timestamp;

/// The header with the message's id; a message that is sent again has the same.
pub const ID: &str = "webhook-id";
/// The header with the time.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// All of them.
pub const HEADERS: [&str; 3] = [ID, TIMESTAMP, SIGNATURE];

/// What these headers claim.
pub(super) fn read<'h>(headers: &'h HeaderMap, keyring: &Keyring, now: Timestamp) -> Result<Claim<'h>, SignatureError> {
    let [id, time, signatures] = HEADERS.map(|name| only(headers, name));
    let (id, time, signatures) = (id?, time?, signatures?);
    if id.is_empty() {
        return Err(SignatureError::Unreadable);
    }
    keyring.check_time(time, now)?;
    let candidates = signatures.split(' ').filter_map(|text| text.strip_prefix("v1,"));
    Ok(Claim {
        key: |secret| secret.standard.as_ref(),
        signed_before: vec![id, ".", time, "."],
        candidates: candidates.take(CANDIDATES_MAX).filter_map(decode).collect(),
    })
}

/// The values of [`HEADERS`] for this body with this id at this time; `None` where the secret cannot sign this way.
pub fn sign(secret: &Secret, id: &str, now: Timestamp, body: &[u8]) -> Option<[String; 3]> {
    let time = (now.millis() / 1_000).to_string();
    let signature = mac(secret.standard.as_ref()?, &[id, ".", &time, "."], body)
        .finalize()
        .into_bytes();
    let signature = format!("v1,{}", BASE64_STANDARD.encode(signature));
    Some([id.to_owned(), time, signature])
}

/// A complete signature from base64.
fn decode(text: &str) -> Option<[u8; 32]> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
