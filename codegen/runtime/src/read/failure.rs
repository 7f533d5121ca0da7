//! Why a request is refused: as a whole, or for a list of failures with their places.
//!
//! The list has at most [`FAILURES_MAX`] failures; further ones are dropped.

use std::collections::BTreeSet;

use super::Pointer;

/// Why a request was refused before its operation was called, or its response could not be written.
#[derive(Debug)]
pub enum Rejection {
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body has a `Content-Encoding` other than `identity`.
    UnsupportedContentEncoding,
    /// The body is not JSON (RFC 8259); the text says where the error is.
    MalformedJson(String),
    /// The request breaks the contract; all failures in the order of their places, each once, or the first
    /// [`FAILURES_MAX`] of them.
    Invalid(Vec<Failure>),
    /// The server could not serialize its response: an internal error.
    Unwritable(axum::Error),
}

/// One failure of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The part of the request that is wrong.
    pub place: Place,
    /// The failure, as the end of a sentence that starts with the place: `must be greater than 0`.
    pub detail: String,
}

/// The part of a request that a [`Failure`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The name of a path, query or header parameter.
    Parameter(String),
    /// A JSON Pointer (RFC 6901) into the body.
    Pointer(String),
}

/// How many failures of one request are reported; the limit bounds the cost of a hostile body.
pub const FAILURES_MAX: usize = 100;

/// The failures found so far: the first [`FAILURES_MAX`] in the order of their places.
#[derive(Debug, Default)]
pub struct Failures(BTreeSet<Failure>);

impl Failures {
    /// Records a failure of a parameter.
    pub fn parameter(&mut self, name: &str, detail: impl Into<String>) {
        self.record(Place::Parameter(name.to_owned()), detail.into());
    }

    /// Records a failure in the body.
    pub fn pointer(&mut self, at: Pointer<'_>, detail: impl Into<String>) {
        self.record(Place::Pointer(at.to_string()), detail.into());
    }

    /// Whether a failure of exactly this value of the body was recorded.
    pub fn has(&self, at: Pointer<'_>) -> bool {
        let place = Place::Pointer(at.to_string());
        self.0.iter().any(|failure| failure.place == place)
    }

    fn record(&mut self, place: Place, detail: String) {
        self.0.insert(Failure { place, detail });
        if self.0.len() > FAILURES_MAX {
            self.0.pop_last();
        }
    }

    /// The values that were read, if there are no failures.
    ///
    /// # Errors
    ///
    /// [`Rejection::Invalid`] with all failures.
    pub fn accept<T>(self, values: Option<T>) -> Result<T, Rejection> {
        match values {
            Some(values) if self.0.is_empty() => Ok(values),
            _ => Err(Rejection::Invalid(self.0.into_iter().collect())),
        }
    }
}

#[cfg(test)]
impl Failures {
    /// A line for each: `#` and the pointer, or `?` and the parameter, then the detail.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |failure: &Failure| match &failure.place {
            Place::Pointer(at) => format!("#{at} {}", failure.detail),
            Place::Parameter(name) => format!("?{name} {}", failure.detail),
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_sorted_by_place_and_each_is_listed_once() {
        let mut failures = Failures::default();
        failures.pointer(Pointer::Member(&Pointer::Root, "b"), "is required");
        failures.pointer(Pointer::Member(&Pointer::Root, "a"), "is required");
        failures.pointer(Pointer::Member(&Pointer::Root, "b"), "is required");
        failures.parameter("z", "is required");
        assert!(failures.has(Pointer::Member(&Pointer::Root, "a")) && !failures.has(Pointer::Root));
        assert_eq!(
            failures.lines(),
            ["?z is required", "#/a is required", "#/b is required"]
        );
    }

    #[test]
    fn only_the_first_hundred_by_place_are_kept() {
        let (mut up, mut down) = (Failures::default(), Failures::default());
        for index in 0..1000 {
            up.parameter(&format!("{index:04}"), "is required");
            down.parameter(&format!("{:04}", 999 - index), "is required");
        }
        let (up, down) = (up.lines(), down.lines());
        assert_eq!((up.len(), &up), (FAILURES_MAX, &down));
        assert_eq!(up.last().map(String::as_str), Some("?0099 is required"));
    }

    #[test]
    fn a_value_without_failures_is_accepted() {
        assert_eq!(Failures::default().accept(Some(7)).unwrap(), 7);
        assert!(Failures::default().accept(None::<i64>).is_err());
    }
}
