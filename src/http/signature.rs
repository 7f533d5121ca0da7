//! Webhook signatures: proof that an event comes from the payment provider.
//!
//! An event is signed in one of two ways, each with HMAC-SHA256 (RFC 2104) over a time and the raw body:
//!
//! - [`timestamped`]: one header, by Stripe and for the service's own events;
//! - [`standard`]: three headers, as in Standard Webhooks 1.0.0, for the service's own events only.
//!
//! These modules do not parse bodies, read the clock or log. Only their `sign` returns a computed signature, and nothing
//! returns a secret.

use std::fmt;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::Timestamp;

pub mod standard;
pub mod timestamped;

/// How many signatures of one request are checked; a rotation of secrets needs two.
const CANDIDATES_MAX: usize = 8;

/// A secret that begins with this has base64 behind it, for Standard Webhooks.
const STANDARD_PREFIX: &str = "whsec_";

/// The secret that the provider and the service share, as an HMAC with its key set. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret {
    /// The key is the text, whatever it begins with.
    timestamped: Hmac<Sha256>,
    /// The key is what the base64 behind the prefix says, or the text where there is no prefix. `None` where that is no
    /// base64: then it can sign only the other way.
    standard: Option<Hmac<Sha256>>,
}

impl Secret {
    /// The secret with this text; `None` where it is empty.
    pub fn new(text: &str) -> Option<Self> {
        let standard = match text.strip_prefix(STANDARD_PREFIX) {
            Some(key) => BASE64_STANDARD.decode(key).ok(),
            None => Some(text.as_bytes().to_owned()),
        };
        Some(Self {
            timestamped: keyed(text.as_bytes())?,
            standard: standard.and_then(|key| keyed(&key)),
        })
    }
}

/// An HMAC with this key; `None` where it is empty.
fn keyed(key: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length (RFC 2104, section 2), so this does not fail.
    let keyed = Hmac::new_from_slice(key).ok()?;
    (!key.is_empty()).then_some(keyed)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the signatures of one provider are verified with.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// The headers that they come in.
    pub headers: SignatureHeaders,
    /// The accepted secrets: the current one and, during a rotation, the previous one. If empty, no webhook is
    /// accepted.
    pub secrets: Vec<Secret>,
    /// How far a signature's time may be from now, either way.
    pub tolerance: Duration,
}

/// The headers that a provider signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureHeaders {
    /// `X-Webhook-Signature`, or the three of Standard Webhooks.
    Own,
    /// `Stripe-Signature`.
    Stripe,
}

impl SignatureHeaders {
    /// The header of [`timestamped`] signatures.
    pub const fn timestamped(self) -> &'static str {
        match self {
            Self::Own => "X-Webhook-Signature",
            Self::Stripe => "Stripe-Signature",
        }
    }

    /// The headers of [`standard`] signatures; none where those are not accepted.
    pub const fn standard(self) -> &'static [&'static str] {
        match self {
            Self::Own => &standard::HEADERS,
            Self::Stripe => &[],
        }
    }
}

impl Keyring {
    /// The seconds of this text, which must be a time within the tolerance of `now`.
    fn check_time(&self, text: &str, now: Timestamp) -> Result<(), SignatureError> {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: Option<i64> = text.parse().ok().filter(|_| is_plain);
        let seconds = seconds.ok_or(SignatureError::Unreadable)?;
        match (now.millis() / 1_000).abs_diff(seconds) > self.tolerance.as_secs() {
            true => Err(SignatureError::TooFarFromNow),
            false => Ok(()),
        }
    }
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The request has no header with a signature.
    #[error("the request has no signature")]
    NoHeader,
    /// A header is repeated, or the request has those of both ways.
    #[error("the request has more than one signature header")]
    NotOneHeader,
    /// A header is missing a part, or its time is no number.
    #[error("the signature headers cannot be read")]
    Unreadable,
    /// The time is too far from now.
    #[error("the signature's time is too far from now")]
    TooFarFromNow,
    /// No signature matches.
    #[error("no signature matches the body")]
    DoesNotFit,
}

impl SignatureError {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::NoHeader,
        Self::NotOneHeader,
        Self::Unreadable,
        Self::TooFarFromNow,
        Self::DoesNotFit,
    ];

    /// The reason's name, as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoHeader => "no_header",
            Self::NotOneHeader => "not_one_header",
            Self::Unreadable => "unreadable",
            Self::TooFarFromNow => "too_far_from_now",
            Self::DoesNotFit => "does_not_fit",
        }
    }
}

/// Checks what the head alone shows: that there is a signature in one of the two ways, in its form, of a time within the
/// tolerance of `now`. So the body of a call that cannot be verified is never read.
///
/// # Errors
/// [`SignatureError`], the one that [`verify`] would return for any body.
pub fn check_head(headers: &HeaderMap, keyring: &Keyring, now: Timestamp) -> Result<(), SignatureError> {
    Claim::read(headers, keyring, now).map(drop)
}

/// Verifies that one of the secrets signed this body in one of the two ways, at a time within the tolerance of `now`.
/// Signatures are compared in constant time.
///
/// # Errors
/// [`SignatureError`] in every other case.
pub fn verify(headers: &HeaderMap, body: &[u8], keyring: &Keyring, now: Timestamp) -> Result<(), SignatureError> {
    let claim = Claim::read(headers, keyring, now)?;
    let matches = keyring.secrets.iter().filter_map(claim.key).any(|key| {
        let signed = mac(key, &claim.signed_before, body);
        let mut candidates = claim.candidates.iter();
        candidates.any(|candidate| signed.clone().verify_slice(candidate).is_ok())
    });
    match matches {
        true => Ok(()),
        false => Err(SignatureError::DoesNotFit),
    }
}

/// What the headers claim, before it is compared with a body.
struct Claim<'h> {
    /// Which key of a secret signs this way, if it can.
    key: fn(&Secret) -> Option<&Hmac<Sha256>>,
    /// The parts of the signed message that come before the body.
    signed_before: Vec<&'h str>,
    /// At least one.
    candidates: Vec<[u8; 32]>,
}

impl<'h> Claim<'h> {
    fn read(headers: &'h HeaderMap, keyring: &Keyring, now: Timestamp) -> Result<Self, SignatureError> {
        let is_timestamped = headers.contains_key(keyring.headers.timestamped());
        let is_standard = keyring
            .headers
            .standard()
            .iter()
            .any(|name| headers.contains_key(*name));
        let claim = match (is_timestamped, is_standard) {
            (false, false) => return Err(SignatureError::NoHeader),
            // Which of them would count, a caller could not know.
            (true, true) => return Err(SignatureError::NotOneHeader),
            (true, false) => timestamped::read(headers, keyring, now)?,
            (false, true) => standard::read(headers, keyring, now)?,
        };
        match claim.candidates.is_empty() {
            true => Err(SignatureError::DoesNotFit),
            false => Ok(claim),
        }
    }
}

/// The text of a header that the request must have exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, SignatureError> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().map_err(|_| SignatureError::Unreadable),
        (None, _) => Err(SignatureError::Unreadable),
        (Some(_), Some(_)) => Err(SignatureError::NotOneHeader),
    }
}

fn mac(key: &Hmac<Sha256>, before: &[&str], body: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for part in before {
        mac.update(part.as_bytes());
    }
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests;
