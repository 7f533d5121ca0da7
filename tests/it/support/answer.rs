//! The response to a request.

use std::fmt;

use axum::body::{Bytes, to_bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

/// A complete response.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.expect("our bodies do not break off"),
        }
    }

    /// Asserts this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Asserts this status; returns the body as JSON.
    #[track_caller]
    pub(crate) fn json(self, status: u16) -> Value {
        self.expect(status).value()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("our bodies are UTF-8")
    }

    /// The only header of this name, if present.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().expect("our headers are ASCII");
        assert!(values.next().is_none(), "{name} is repeated: {self:?}");
        Some(value)
    }

    /// Asserts that this is a problem of this status and type; returns it.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, kind: &str) -> Value {
        let problem = self.json(status);
        assert_eq!(problem["type"], kind, "{problem}");
        problem
    }

    /// Asserts that this is `validation-failed`; returns the places of all failures, each once: pointers, and
    /// parameters with the prefix `?`.
    #[track_caller]
    pub(crate) fn expect_failures(self) -> Vec<String> {
        let problem = self.expect_problem(422, "/problems/validation-failed");
        let failures = problem["errors"].as_array().expect("errors");
        let places = failures
            .iter()
            .map(|failure| match (&failure["pointer"], &failure["parameter"]) {
                (Value::String(pointer), Value::Null) => pointer.clone(),
                (Value::Null, Value::String(name)) => format!("?{name}"),
                _ => panic!("a failure has one place: {failure}"),
            });
        let mut places: Vec<_> = places.collect();
        places.dedup();
        places
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "status {}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value:?}")?;
        }
        f.write_str(&String::from_utf8_lossy(&self.body))
    }
}
