//! Both ways to sign, with signatures of other implementations, and forgeries of each.

use axum::http::HeaderValue;
use proptest::prelude::*;

use super::timestamped::sign;
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_772_359_200_999);
const HEADER: &str = "x-webhook-signature";
const BODY: &[u8] = br#"{"id":"evt_1","type":"ping"}"#;

fn keyring(secrets: &[&str]) -> Keyring {
    let secrets = secrets.iter().filter_map(|text| Secret::new(text)).collect();
    Keyring {
        headers: SignatureHeaders::Own,
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
    let contract = include_str!("../../../openapi.yaml");
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
        // The whole line that `sign` prints.
        format!("X-Webhook-Signature: t={t},v1={hex}"),
    ] {
        assert_eq!(check(&line), Ok(()), "{line}");
    }
}

#[test]
fn other_headers_are_refused() {
    let (_, t, _, hex) = BY_PYTHON[0];
    let cases = [
        (String::new(), SignatureError::Unreadable),
        (format!("v1={hex}"), SignatureError::Unreadable),
        (format!("t=,v1={hex}"), SignatureError::Unreadable),
        (format!("t=+{t},v1={hex}"), SignatureError::Unreadable),
        (format!("t={t},t={t},v1={hex}"), SignatureError::Unreadable),
        (format!("t=99999999999999999999,v1={hex}"), SignatureError::Unreadable),
        (format!("X-Signature: t={t},v1={hex}"), SignatureError::Unreadable),
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
        Err(SignatureError::NoHeader)
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

/// The example that the Standard Webhooks specification's libraries share.
const PUBLISHED: (&str, &str, i64, &[u8], &str) = (
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
    1_649_367_553,
    br#"{"email":"test@example.com","username":"test_user"}"#,
    "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
);

fn standard_headers(values: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// Verifies these headers of the published body, at its time.
fn check_standard(secret: &str, values: &[(&'static str, &str)]) -> Result<(), SignatureError> {
    let (_, _, seconds, body, _) = PUBLISHED;
    let now = Timestamp::from_millis(seconds * 1_000);
    verify(&standard_headers(values), body, &keyring(&[secret]), now)
}

#[test]
fn the_published_example_of_standard_webhooks_is_made_and_verified() {
    let (secret, id, seconds, body, signature) = PUBLISHED;
    let now = Timestamp::from_millis(seconds * 1_000);
    let signed = standard::sign(&Secret::new(secret).unwrap(), id, now, body).unwrap();
    assert_eq!(signed, [id, &seconds.to_string(), signature]);
    let values: Vec<_> = standard::HEADERS
        .into_iter()
        .zip(signed.iter().map(String::as_str))
        .collect();
    assert_eq!(check_standard(secret, &values), Ok(()));
}

#[test]
fn a_secret_without_the_prefix_is_its_own_key_and_one_with_other_text_signs_only_the_other_way() {
    let (_, id, seconds, body, _) = PUBLISHED;
    let now = Timestamp::from_millis(seconds * 1_000);
    let key = Secret::new("plain text").unwrap();
    let signed = standard::sign(&key, id, now, body).unwrap();
    let values: Vec<_> = standard::HEADERS
        .into_iter()
        .zip(signed.iter().map(String::as_str))
        .collect();
    assert_eq!(check_standard("plain text", &values), Ok(()));
    for no_base64 in ["whsec_", "whsec_not base64", "whsec_AAA"] {
        let secret = Secret::new(no_base64).unwrap();
        assert!(standard::sign(&secret, id, now, body).is_none(), "{no_base64}");
        assert_eq!(check_standard(no_base64, &values), Err(SignatureError::DoesNotFit));
        let line = sign(&secret, NOW, BODY);
        assert_eq!(verify(&headers(&line), BODY, &keyring(&[no_base64]), NOW), Ok(()));
    }
}

#[test]
fn other_standard_headers_are_refused() {
    let (secret, id, seconds, _, signature) = PUBLISHED;
    let (time, zeros) = (seconds.to_string(), format!("v1,{}", BASE64_STANDARD.encode([0; 32])));
    let with = |id, time, signature| {
        [
            (standard::ID, id),
            (standard::TIMESTAMP, time),
            (standard::SIGNATURE, signature),
        ]
    };
    let several = [
        format!("{zeros} {signature}"),
        format!("v1a,x {signature}"),
        format!("{signature}  v2,x"),
    ];
    for signatures in &several {
        assert_eq!(
            check_standard(secret, &with(id, &time, signatures)),
            Ok(()),
            "{signatures}"
        );
    }
    let too_many = format!("{}{signature}", "v1,x ".repeat(CANDIDATES_MAX));
    let (other_version, no_version) = (signature.replace("v1,", "v2,"), &signature[3..]);
    let cases = [
        (with("", &time, signature), SignatureError::Unreadable),
        (with(id, "", signature), SignatureError::Unreadable),
        (with(id, "+1649367553", signature), SignatureError::Unreadable),
        (with(id, "1649367554", signature), SignatureError::DoesNotFit),
        (with(id, "1649367253", signature), SignatureError::DoesNotFit),
        (with(id, "1649367252", signature), SignatureError::TooFarFromNow),
        (with(id, "1649367854", signature), SignatureError::TooFarFromNow),
        (with("msg_other", &time, signature), SignatureError::DoesNotFit),
        (with(id, &time, ""), SignatureError::DoesNotFit),
        (with(id, &time, &zeros), SignatureError::DoesNotFit),
        (with(id, &time, &other_version), SignatureError::DoesNotFit),
        (with(id, &time, no_version), SignatureError::DoesNotFit),
        (with(id, &time, &signature[..40]), SignatureError::DoesNotFit),
        (with(id, &time, &too_many), SignatureError::DoesNotFit),
    ];
    for (values, refused) in cases {
        assert_eq!(check_standard(secret, &values), Err(refused), "{values:?}");
    }
    let whole = with(id, &time, signature);
    for missing in 0..3 {
        let mut values = whole.to_vec();
        values.remove(missing);
        assert_eq!(
            check_standard(secret, &values),
            Err(SignatureError::Unreadable),
            "{missing}"
        );
        values.extend([whole[missing]; 2]);
        assert_eq!(
            check_standard(secret, &values),
            Err(SignatureError::NotOneHeader),
            "{missing}"
        );
    }
}

#[test]
fn a_request_with_both_ways_to_sign_is_refused() {
    let (secret, id, seconds, body, signature) = PUBLISHED;
    let (now, time) = (Timestamp::from_millis(seconds * 1_000), seconds.to_string());
    let line = sign(&Secret::new(secret).unwrap(), now, body);
    let whole = [
        (standard::ID, id),
        (standard::TIMESTAMP, &time),
        (standard::SIGNATURE, signature),
    ];
    for part in [&whole[..], &whole[..1]] {
        let values: Vec<_> = part.iter().copied().chain([(HEADER, line.as_str())]).collect();
        assert_eq!(check_standard(secret, &values), Err(SignatureError::NotOneHeader));
    }
}

#[test]
fn stripe_signs_in_a_header_of_its_own_and_in_no_other_way() {
    let keyring = Keyring {
        headers: SignatureHeaders::Stripe,
        ..keyring(&["whsec_example"])
    };
    let (_, _, _, signature) = BY_PYTHON[0];
    let line = format!("t=1772359200,v1={signature}");
    let signed = |name: &'static str, line: &str| {
        let value = HeaderValue::from_str(line).unwrap();
        HeaderMap::from_iter([(axum::http::HeaderName::from_static(name), value)])
    };
    for line in [line.clone(), format!("Stripe-Signature: {line}")] {
        assert_eq!(verify(&signed("stripe-signature", &line), BODY, &keyring, NOW), Ok(()));
    }
    // Another header's name before it is no part of a signature.
    let line_of_another = format!("X-Webhook-Signature: {line}");
    let unreadable = verify(&signed("stripe-signature", &line_of_another), BODY, &keyring, NOW);
    assert_eq!(unreadable, Err(SignatureError::Unreadable));
    assert_eq!(
        verify(&headers(&line), BODY, &keyring, NOW),
        Err(SignatureError::NoHeader)
    );
    // What other providers' headers say beside it does not count.
    let mut both = signed("stripe-signature", &line);
    both.insert(standard::ID, HeaderValue::from_static("msg_1"));
    assert_eq!(verify(&both, BODY, &keyring, NOW), Ok(()));
}
