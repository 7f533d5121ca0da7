//! The client of the smoke test: requests with a deadline, steps with clear failures, and a list of what to delete. It
//! knows the shape of errors, and nothing of products and orders.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt::{self, Debug};
use std::time::{Duration, Instant};

use orders_inventory_api::models::{Problem, ProblemType};
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, redirect};
use serde::de::DeserializeOwned;

/// How much of a body a failure shows.
const SHOWN_CHARS_MAX: usize = 1_000;

pub(crate) struct Client {
    http: reqwest::blocking::Client,
    base_url: String,
    key: Option<String>,
    until: Instant,
    steps: Cell<u32>,
    /// The paths of resources that were created and not deleted, oldest first.
    created: RefCell<Vec<String>>,
}

/// A failed step, in one line.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// The expected and the actual response.
pub(crate) struct Wrong {
    expected: String,
    got: String,
}

/// A complete response.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Client {
    /// A client of the service at `base_url` whose requests fail after `until`.
    pub(crate) fn new(base_url: &str, key: Option<String>, until: Instant) -> Result<Self, String> {
        // Fails only where a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Redirects are not followed: they are not in the contract, and would hide a wrong BASE_URL.
        let mut http = reqwest::blocking::Client::builder().redirect(redirect::Policy::none());
        if base_url.starts_with("http://") {
            // The system's certificates are read, and missed, by every client that may need them; this one does not.
            http = http.tls_certs_only([]);
        }
        Ok(Self {
            http: http.build().map_err(|error| with_causes(&error))?,
            base_url: base_url.trim_end_matches('/').to_owned(),
            key,
            until,
            steps: Cell::new(0),
            created: RefCell::default(),
        })
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The number of steps.
    pub(crate) fn steps(&self) -> u32 {
        self.steps.get()
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.with_key(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.with_key(Method::POST, path)
    }

    pub(crate) fn put(&self, path: &str) -> RequestBuilder {
        self.with_key(Method::PUT, path)
    }

    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        self.with_key(Method::DELETE, path)
    }

    fn with_key(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.without_key(method, path);
        match &self.key {
            Some(key) => request.header("X-API-Key", key),
            None => request,
        }
    }

    pub(crate) fn without_key(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base_url))
    }

    /// Sends the request, checks the response and prints a line.
    pub(crate) fn step<T>(
        &self,
        step: &str,
        request: RequestBuilder,
        check: impl FnOnce(&Answer) -> Result<T, Wrong>,
    ) -> Result<T, Failure> {
        let fail = |request: &str, Wrong { expected, got }, answer: Option<&Answer>| {
            let answer = answer.map(|answer| format!("; {answer}")).unwrap_or_default();
            Failure(format!("{step}: {request}: expected {expected}, got {got}{answer}"))
        };
        let request = request
            .timeout(left_until(self.until))
            .build()
            .map_err(|error| fail("the request", Wrong::no_answer(&error), None))?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let line = format!("{method} {path}");
        let answer = self
            .http
            .execute(request)
            .and_then(Answer::read)
            .map_err(|error| match error.is_connect() {
                true => Failure(format!("cannot connect to {}: {}", self.base_url, first_cause(&error))),
                false => fail(&line, Wrong::no_answer(&error), None),
            })?;
        self.remember(&method, &path, &answer);
        let checked = check(&answer).map_err(|wrong| fail(&line, wrong, Some(&answer)))?;
        self.steps.set(self.steps.get() + 1);
        println!("ok      {} {step}", answer.status.as_u16());
        Ok(checked)
    }

    /// Records created and deleted resources, also where the response fails its check.
    fn remember(&self, method: &Method, path: &str, answer: &Answer) {
        let mut created = self.created.borrow_mut();
        if answer.status == StatusCode::CREATED
            && let Ok(location) = answer.header("location")
            && location.starts_with('/')
            && !created.iter().any(|path| path == location)
        {
            created.push(location.to_owned());
        }
        if *method == Method::DELETE && answer.status == StatusCode::NO_CONTENT {
            created.retain(|created| created != path);
        }
    }

    /// Deletes the created resources, the newest first; returns those that could not be deleted.
    pub(crate) fn clean_up(&self, until: Instant) -> Vec<String> {
        let mut left = self.created.take();
        left.reverse();
        left.retain(|path| {
            let answer = self.delete(path).timeout(left_until(until)).send();
            !answer.is_ok_and(|answer| answer.status().is_success())
        });
        left
    }
}

impl Answer {
    fn read(response: Response) -> reqwest::Result<Self> {
        Ok(Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text()?,
        })
    }

    pub(crate) fn status(&self, expected: u16) -> Result<(), Wrong> {
        same("status", self.status.as_u16(), expected)
    }

    pub(crate) fn header(&self, name: &str) -> Result<&str, Wrong> {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| Wrong {
            expected: format!("the header {name}"),
            got: "none".into(),
        })
    }

    /// The body of a success.
    pub(crate) fn json<T: DeserializeOwned>(&self, status: u16) -> Result<T, Wrong> {
        self.status(status)?;
        same("Content-Type", self.header("content-type")?, "application/json")?;
        self.read_body()
    }

    /// The body of an error.
    pub(crate) fn problem(&self, status: u16, r_type: ProblemType) -> Result<Problem, Wrong> {
        self.status(status)?;
        same("Content-Type", self.header("content-type")?, "application/problem+json")?;
        let problem: Problem = self.read_body()?;
        same("type", problem.r_type.as_str(), r_type.as_str())?;
        same("the member status", problem.status, i32::from(status))?;
        Ok(problem)
    }

    fn read_body<T: DeserializeOwned>(&self) -> Result<T, Wrong> {
        serde_json::from_str(&self.body).map_err(|error| Wrong {
            expected: "a body as in the contract".into(),
            got: error.to_string(),
        })
    }
}

impl Wrong {
    fn no_answer(error: &reqwest::Error) -> Self {
        Self {
            expected: "a response in time".into(),
            got: with_causes(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.body.chars().take(SHOWN_CHARS_MAX).collect();
        write!(f, "the response was {} {shown}", self.status.as_u16())
    }
}

/// Checks that two values are equal.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a number and a reference are compared alike"
)]
pub(crate) fn same<A: PartialEq<B> + Debug, B: Debug>(what: &str, got: A, expected: B) -> Result<(), Wrong> {
    if got == expected {
        return Ok(());
    }
    Err(Wrong {
        expected: format!("{what} {expected:?}"),
        got: format!("{got:?}"),
    })
}

fn left_until(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// What an error comes from in the end, in the system's words.
fn first_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// An error with its causes, since its own text says only that the request failed.
fn with_causes(error: &reqwest::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
