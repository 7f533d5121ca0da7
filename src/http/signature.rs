//! Webhook signatures: proof that an event comes from the payment provider.
//!
//! The header `X-Webhook-Signature` is `t=<unix seconds>,v1=<hex>`, where `v1` is the HMAC-SHA256 (RFC 2104) of the
//! bytes
//! `<t>.` followed by the raw body, as in Stripe's webhooks. This module does not parse bodies, read the clock or log.
//! Only [`sign`] returns a computed signature, and nothing returns a secret.

use std::fmt;
use std::time::Duration;

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::Timestamp;

/// The header's name.
pub const HEADER: &str = "x-webhook-signature";

/// How many `v1` signatures of one header are checked; a rotation of secrets needs two.
const CANDIDATES_MAX: usize = 8;

/// The secret that the provider and the service share, as an HMAC with its key set. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// The secret with this text; `None` where it is empty.
    pub fn new(text: &str) -> Option<Self> {
        // HMAC takes keys of any length (RFC 2104, section 2), so this does not fail.
        let keyed = Hmac::new_from_slice(text.as_bytes()).ok()?;
        (!text.is_empty()).then_some(Self(keyed))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secrets and the tolerance that signatures are verified with.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// The accepted secrets: the current one and, during a rotation, the previous one. If empty, no webhook is
    /// accepted.
    pub secrets: Vec<Secret>,
    /// How far a signature's time may be from now, either way.
    pub tolerance: Duration,
}

/// Why a signature is refused. The reason is logged and not sent to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The request has no `X-Webhook-Signature`, or several.
    #[error("the request does not have exactly one X-Webhook-Signature")]
    NotOneHeader,
    /// The header does not have exactly one `t` of decimal digits.
    #[error("the signature does not have exactly one time")]
    NoTime,
    /// The time is too far from now.
    #[error("the signature's time is too far from now")]
    TooFarFromNow,
    /// No `v1` matches.
    #[error("no signature matches the body")]
    DoesNotFit,
}

impl SignatureError {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::NotOneHeader, Self::NoTime, Self::TooFarFromNow, Self::DoesNotFit];

    /// The reason's name, as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotOneHeader => "not_one_header",
            Self::NoTime => "no_time",
            Self::TooFarFromNow => "too_far_from_now",
            Self::DoesNotFit => "does_not_fit",
        }
    }
}

/// Checks what the head alone shows: that there is one signature, in its form, of a time within the tolerance of `now`. So
/// the body of a call that cannot be verified is never read.
///
/// # Errors
/// [`SignatureError`], the one that [`verify`] would return for any body.
pub fn check_head(headers: &HeaderMap, keyring: &Keyring, now: Timestamp) -> Result<(), SignatureError> {
    Claim::read(headers, keyring, now).map(drop)
}

/// Verifies that one of the secrets signed this body, at a time within the tolerance of `now`. Signatures are compared
/// in constant time.
///
/// # Errors
/// [`SignatureError`] in every other case.
pub fn verify(headers: &HeaderMap, body: &[u8], keyring: &Keyring, now: Timestamp) -> Result<(), SignatureError> {
    let Claim { time, candidates } = Claim::read(headers, keyring, now)?;
    let matches = keyring.secrets.iter().any(|secret| {
        let signed = mac(secret, time, body);
        candidates
            .iter()
            .any(|candidate| signed.clone().verify_slice(candidate).is_ok())
    });
    if matches {
        Ok(())
    } else {
        Err(SignatureError::DoesNotFit)
    }
}

/// What a header claims, before it is compared with a body.
struct Claim<'h> {
    time: &'h str,
    /// At least one.
    candidates: Vec<[u8; 32]>,
}

impl<'h> Claim<'h> {
    fn read(headers: &'h HeaderMap, keyring: &Keyring, now: Timestamp) -> Result<Self, SignatureError> {
        let mut lines = headers.get_all(HEADER).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(SignatureError::NotOneHeader);
        };
        let line = line.to_str().map_err(|_| SignatureError::DoesNotFit)?;
        let parts = || line.split(',').filter_map(|part| part.trim().split_once('='));

        let mut times = parts().filter(|(scheme, _)| *scheme == "t").map(|(_, time)| time);
        let (Some(time), None) = (times.next(), times.next()) else {
            return Err(SignatureError::NoTime);
        };
        let is_plain = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: i64 = time.parse().ok().filter(|_| is_plain).ok_or(SignatureError::NoTime)?;
        if (now.millis() / 1_000).abs_diff(seconds) > keyring.tolerance.as_secs() {
            return Err(SignatureError::TooFarFromNow);
        }

        let candidates = parts().filter(|(scheme, _)| *scheme == "v1").take(CANDIDATES_MAX);
        let candidates: Vec<[u8; 32]> = candidates.filter_map(|(_, text)| decode(text)).collect();
        match candidates.is_empty() {
            true => Err(SignatureError::DoesNotFit),
            false => Ok(Self { time, candidates }),
        }
    }
}

/// The value of `X-Webhook-Signature` for this body at this time.
pub fn sign(secret: &Secret, now: Timestamp, body: &[u8]) -> String {
    let time = (now.millis() / 1_000).to_string();
    let signature = mac(secret, &time, body).finalize().into_bytes();
    format!("t={time},v1={}", hex::encode(signature))
}

fn mac(secret: &Secret, time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = secret.0.clone();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

/// A complete signature from hex, in either case.
fn decode(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_772_359_200_999);
    const BODY: &[u8] = br#"{"id":"evt_1","type":"ping"}"#;

    fn keyring(secrets: &[&str]) -> Keyring {
        let secrets = secrets.iter().filter_map(|text| Secret::new(text)).collect();
        Keyring {
            secrets,
            tolerance: Duration::from_secs(300),
        }
    }

    fn headers(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            axum::http::HeaderName::from_static(HEADER),
            HeaderValue::from_str(line).unwrap(),
        )])
    }

    fn check(line: &str) -> Result<(), SignatureError> {
        verify(&headers(line), BODY, &keyring(&["whsec_example"]), NOW)
    }

    /// Computed with another implementation, Python's: `hmac.new(secret, t + b"." + body, "sha256").hexdigest()`.
    const BY_PYTHON: [(&str, i64, &[u8], &str); 3] = [
        (
            "whsec_example",
            1_772_359_200,
            BODY,
            "60c1d01672b7fd5d04650c515873cd864131773219d5727a2e54747f01e29b4f",
        ),
        (
            "k",
            0,
            b"",
            "6b4a4b8b3c40f1e8f53a3d36682e5f99f7ad2ac1df1c93dfe336f329167641e7",
        ),
        (
            "a secret longer than the block of SHA-256, which is 64 bytes, is hashed first by HMAC",
            1,
            "ü\u{0}\r\n".as_bytes(),
            "6b9959f110f35a4fe9a760d41b893ee74234bf0266fb9f0694cc09e0fda26f55",
        ),
    ];

    #[test]
    fn signatures_equal_those_of_pythons_hmac() {
        for (secret, seconds, body, hex) in BY_PYTHON {
            let signed = sign(
                &Secret::new(secret).unwrap(),
                Timestamp::from_millis(seconds * 1_000),
                body,
            );
            assert_eq!(signed, format!("t={seconds},v1={hex}"));
        }
    }

    /// The example in the contract's security scheme is correct.
    #[test]
    fn the_contracts_example_is_correct() {
        let (_, seconds, body, hex) = BY_PYTHON[0];
        let contract = include_str!("../../openapi.yaml");
        assert!(contract.contains(&format!("`t={seconds},v1={hex}`")));
        assert!(contract.contains(&format!("the body `{}`", String::from_utf8_lossy(body))));
    }

    #[test]
    fn one_matching_signature_is_enough() {
        let (_, t, _, hex) = BY_PYTHON[0];
        let zeros = "0".repeat(64);
        for line in [
            format!("t={t},v1={hex}"),
            format!("v1={hex},t={t}"),
            format!(" t={t} , v1={hex} "),
            format!("t={t},v1={}", hex.to_uppercase()),
            format!("t={t},v1={zeros},v1={hex}"),
            format!("t={t},v0={zeros},v1={hex},v2=x,nonsense"),
        ] {
            assert_eq!(check(&line), Ok(()), "{line}");
        }
    }

    #[test]
    fn other_headers_are_refused() {
        let (_, t, _, hex) = BY_PYTHON[0];
        let cases = [
            (String::new(), SignatureError::NoTime),
            (format!("v1={hex}"), SignatureError::NoTime),
            (format!("t=,v1={hex}"), SignatureError::NoTime),
            (format!("t=+{t},v1={hex}"), SignatureError::NoTime),
            (format!("t={t},t={t},v1={hex}"), SignatureError::NoTime),
            (format!("t=99999999999999999999,v1={hex}"), SignatureError::NoTime),
            (format!("t={t}"), SignatureError::DoesNotFit),
            (format!("t={t},v1="), SignatureError::DoesNotFit),
            (format!("t={t},v1={}", &hex[..62]), SignatureError::DoesNotFit),
            (format!("t={t},v1={hex}00"), SignatureError::DoesNotFit),
            (format!("t={t},v0={hex}"), SignatureError::DoesNotFit),
            (format!("t=0{t},v1={hex}"), SignatureError::DoesNotFit),
            (format!("t={},v1={hex}", t - 1), SignatureError::DoesNotFit),
            (
                format!("t={t},{}v1={hex}", "v1=00,".repeat(CANDIDATES_MAX)),
                SignatureError::DoesNotFit,
            ),
        ];
        for (line, refused) in cases {
            assert_eq!(check(&line), Err(refused), "{line}");
        }
        assert_eq!(
            verify(&HeaderMap::new(), BODY, &keyring(&["x"]), NOW),
            Err(SignatureError::NotOneHeader)
        );
        let mut two = headers(&format!("t={t},v1={hex}"));
        two.append(HEADER, two[HEADER].clone());
        assert_eq!(
            verify(&two, BODY, &keyring(&["whsec_example"]), NOW),
            Err(SignatureError::NotOneHeader)
        );
    }

    #[test]
    fn the_time_may_differ_from_now_by_the_tolerance_either_way() {
        let secret = Secret::new("s").unwrap();
        let at = |offset: i64| {
            let signed = sign(&secret, Timestamp::from_millis(NOW.millis() + offset * 1_000), BODY);
            verify(&headers(&signed), BODY, &keyring(&["s"]), NOW)
        };
        for offset in [-300, 0, 300] {
            assert_eq!(at(offset), Ok(()), "{offset}");
        }
        for offset in [-301, 301, 1_000_000_000] {
            assert_eq!(at(offset), Err(SignatureError::TooFarFromNow), "{offset}");
        }
    }

    #[test]
    fn the_previous_secret_is_accepted_during_a_rotation_and_without_secrets_nothing_is() {
        let old = headers(&sign(&Secret::new("old").unwrap(), NOW, BODY));
        assert_eq!(verify(&old, BODY, &keyring(&["new", "old"]), NOW), Ok(()));
        assert_eq!(
            verify(&old, BODY, &keyring(&["new"]), NOW),
            Err(SignatureError::DoesNotFit)
        );
        assert_eq!(
            verify(&old, BODY, &keyring(&[""]), NOW),
            Err(SignatureError::DoesNotFit)
        );
        assert!(Secret::new("").is_none());
    }

    #[test]
    fn secrets_do_not_print() {
        assert!(!format!("{:?}", keyring(&["hunter2"])).contains("hunter2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Any change of body, time or signature by one bit or one byte is a forgery.
        #[test]
        fn forgeries_are_refused(body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let signed = sign(&Secret::new("s").unwrap(), NOW, &body);
            prop_assert_eq!(verify(&headers(&signed), &body, &keyring(&["s"]), NOW), Ok(()));

            let mut flipped = body.clone();
            flipped[at.index(body.len())] ^= 1 << bit;
            prop_assert!(verify(&headers(&signed), &flipped, &keyring(&["s"]), NOW).is_err());
            let shorter = &body[..body.len() - 1];
            prop_assert!(verify(&headers(&signed), shorter, &keyring(&["s"]), NOW).is_err());

            let mut line = signed.clone().into_bytes();
            let at = at.index(line.len());
            line[at] ^= 1 << bit;
            // Hex in the other case and spaces around a part are other spellings of the same signature.
            let same = line.eq_ignore_ascii_case(signed.as_bytes());
            if let (false, Ok(line)) = (same, HeaderValue::from_bytes(&line)) {
                let mut forged = HeaderMap::new();
                forged.insert(HEADER, line);
                prop_assert!(verify(&forged, &body, &keyring(&["s"]), NOW).is_err());
            }
        }
    }
}
