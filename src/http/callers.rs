//! Who may call: API keys.
//!
//! Keys are held as SHA-256 digests and compared in constant time, so neither memory nor timing gives one away. Which
//! operations need one is the contract's to say.

use std::fmt;

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The header that brings a key.
const HEADER: &str = "x-api-key";

/// The keys that let a caller in. None at all let everybody in.
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<[u8; 32]>);

impl ApiKeys {
    /// The keys in a list with commas between them; blanks around a key do not count, and neither do empty ones.
    pub fn new(list: &str) -> Self {
        let keys = list.split(',').map(str::trim).filter(|key| !key.is_empty());
        Self(keys.map(|key| Sha256::digest(key).into()).collect())
    }

    /// Whether everybody may call.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who sends this request.
    ///
    /// # Errors
    /// [`Stranger`] where there are keys and the request has none of them.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Caller, Stranger> {
        if self.is_empty() {
            return Ok(Caller::Anyone);
        }
        let mut sent = headers.get_all(HEADER).iter();
        let Some(key) = sent.next() else {
            return Err(Stranger::WithoutKey);
        };
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        // Every key is looked at, so that the time does not tell which one was close.
        let known = self
            .0
            .iter()
            .fold(Choice::from(0), |known, key| known | key.ct_eq(&digest));
        match (bool::from(known), sent.next()) {
            (true, None) => Ok(Caller::Key(digest)),
            _ => Err(Stranger::WithUnknownKey),
        }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.0.len())
    }
}

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anyone: the service has no keys.
    Anyone,
    /// Whoever has the key of this digest.
    Key([u8; 32]),
    /// The payment provider, by its signature.
    PaymentProvider,
}

impl Caller {
    /// A name that tells callers apart, without telling their keys.
    pub(super) fn name(self) -> String {
        match self {
            Self::Anyone => String::new(),
            Self::Key(digest) => hex::encode(digest),
            Self::PaymentProvider => "payment-provider".to_owned(),
        }
    }
}

/// Somebody who may not call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// There is no key in the request.
    WithoutKey,
    /// The key, or one of several, is none of ours.
    WithUnknownKey,
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(keys: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(HEADER, HeaderValue::from_str(key).unwrap());
        }
        headers
    }

    #[test]
    fn only_known_keys_let_in() {
        let keys = ApiKeys::new("alpha, beta ,,");
        let [alpha, beta] = ["alpha", "beta"].map(|key| keys.identify(&headers(&[key])).unwrap());
        assert_ne!(alpha, beta);
        assert_ne!(alpha.name(), beta.name());
        assert_eq!(keys.identify(&headers(&[])), Err(Stranger::WithoutKey));
        for sent in [
            &["gamma"][..],
            &[""],
            &["alph"],
            &["alphaa"],
            &["ALPHA"],
            &["alpha, beta"],
            &["alpha", "beta"],
        ] {
            assert_eq!(keys.identify(&headers(sent)), Err(Stranger::WithUnknownKey), "{sent:?}");
        }
    }

    #[test]
    fn without_keys_everybody_may_call() {
        for list in ["", " ", ",, "] {
            assert_eq!(ApiKeys::new(list).identify(&headers(&["x"])), Ok(Caller::Anyone));
        }
    }

    #[test]
    fn keys_do_not_print() {
        let keys = ApiKeys::new("alpha");
        assert_eq!(format!("{keys:?}"), "ApiKeys(1)");
    }
}
