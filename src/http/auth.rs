//! API keys: identifies the caller of a request and refuses unknown ones.
//!
//! Keys are stored as SHA-256 digests and compared in constant time, so neither memory nor timing reveals one. The
//! contract decides which operations need a key.

use std::fmt;

use axum::extract::Request;
use axum::http::{Extensions, HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The header that carries a key.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// The accepted keys. Without any, every caller is accepted.
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<[u8; 32]>);

impl ApiKeys {
    /// Reads a comma-separated list; blanks around a key and empty keys are ignored.
    pub fn new(list: &str) -> Self {
        let keys = list.split(',').map(str::trim).filter(|key| !key.is_empty());
        Self(keys.map(|key| Sha256::digest(key).into()).collect())
    }

    /// Whether no key is configured, so that every caller is accepted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Identifies the caller by the request's headers.
    ///
    /// # Errors
    /// [`Unauthorized`] where keys are configured and the request does not have exactly one of them.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Caller, Unauthorized> {
        if self.is_empty() {
            return Ok(Caller::Anyone);
        }
        let mut sent = headers.get_all(HEADER).iter();
        let Some(key) = sent.next() else {
            return Err(Unauthorized::MissingKey);
        };
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        // Compare with every key, so that the time does not depend on which one matches.
        let known = self
            .0
            .iter()
            .fold(Choice::from(0), |known, key| known | key.ct_eq(&digest));
        match (bool::from(known), sent.next()) {
            (true, None) => Ok(Caller::Key(digest)),
            _ => Err(Unauthorized::InvalidKey),
        }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.0.len())
    }
}

/// The caller of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anyone: the service has no keys.
    Anyone,
    /// The holder of the key with this digest.
    Key([u8; 32]),
    /// The payment provider, identified by its signature.
    PaymentProvider,
}

impl Caller {
    /// A name that identifies the caller without revealing the key.
    pub(super) fn name(self) -> String {
        match self {
            Self::Anyone => String::new(),
            Self::Key(digest) => hex::encode(digest),
            Self::PaymentProvider => "payment-provider".to_owned(),
        }
    }
}

/// Why a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// The request has no key.
    MissingKey,
    /// The request has an unknown key, or more than one.
    InvalidKey,
}

/// The caller of a request, as a request extension: determined once, for the span, the rate limit and the operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity(Result<Caller, Unauthorized>);

impl Identity {
    /// Identifies the caller of each request and attaches the result.
    pub(super) fn attach(keys: &ApiKeys, mut request: Request) -> Request {
        let identity = Self(keys.identify(request.headers()));
        request.extensions_mut().insert(identity);
        request
    }

    /// The identity attached to a request; a missing key where there is none.
    pub(super) fn of(extensions: &Extensions) -> Self {
        let attached = extensions.get().copied();
        attached.unwrap_or(Self(Err(Unauthorized::MissingKey)))
    }

    /// The caller.
    ///
    /// # Errors
    /// [`Unauthorized`] where keys are configured and the request does not have exactly one of them.
    pub(super) const fn caller(self) -> Result<Caller, Unauthorized> {
        self.0
    }

    /// The kind of caller, for the log.
    pub(super) const fn kind(self) -> &'static str {
        match self.0 {
            Ok(Caller::Anyone) => "anyone",
            Ok(Caller::Key(_)) => "key",
            Ok(Caller::PaymentProvider) => "payment-provider",
            Err(Unauthorized::MissingKey) => "no-key",
            Err(Unauthorized::InvalidKey) => "invalid-key",
        }
    }
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
    fn only_known_keys_are_accepted() {
        let keys = ApiKeys::new("alpha, beta ,,");
        let [alpha, beta] = ["alpha", "beta"].map(|key| keys.identify(&headers(&[key])).unwrap());
        assert_ne!(alpha, beta);
        assert_ne!(alpha.name(), beta.name());
        assert_eq!(keys.identify(&headers(&[])), Err(Unauthorized::MissingKey));
        for sent in [
            &["gamma"][..],
            &[""],
            &["alph"],
            &["alphaa"],
            &["ALPHA"],
            &["alpha, beta"],
            &["alpha", "beta"],
        ] {
            assert_eq!(keys.identify(&headers(sent)), Err(Unauthorized::InvalidKey), "{sent:?}");
        }
    }

    #[test]
    fn without_keys_every_caller_is_accepted() {
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
