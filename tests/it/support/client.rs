//! A client of the router. It panics on every response that the contract does not document.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderName, HeaderValue, Method, Request};
use orders_inventory::http::AnyTrailingSlash;
use serde_json::Value;
use tower::ServiceExt;

use super::Answer;
use super::contract::Contract;

/// A time limit for responses that take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls a router. Clones call the same router.
#[derive(Clone)]
pub(crate) struct Client {
    router: AnyTrailingSlash,
}

impl Client {
    pub(crate) fn new(router: AnyTrailingSlash) -> Self {
        Self { router }
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    pub(crate) fn post(&self, path: &str, json: impl Json) -> Call {
        self.call(Method::POST, path).json(json)
    }

    pub(crate) fn put(&self, path: &str, json: impl Json) -> Call {
        self.call(Method::PUT, path).json(json)
    }

    pub(crate) fn head(&self, path: &str) -> Call {
        self.call(Method::HEAD, path)
    }

    /// A request without a body, with any method.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a path is a URI");
        request.headers_mut().insert(HOST, HeaderValue::from_static("test"));
        Call {
            client: self.clone(),
            request,
        }
    }

    /// Sends a request and checks the response.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answering = self.router.clone().oneshot(request);
        let response = tokio::time::timeout(PATIENCE, answering).await;
        let Ok(response) = response.unwrap_or_else(|_| panic!("no response to {method} {path} in {PATIENCE:?}"));
        let answer = Answer::read(response).await;
        if let Err(breach) = Contract::of_the_service().check(&method, &path, &answer) {
            panic!("{method} {path} breaks the contract: {breach}\n{answer:?}");
        }
        assert_safe_for_browsers(&answer);
        answer
    }
}

/// Asserts the response headers for browsers. The documentation has its own policy, which allows its scripts.
#[track_caller]
fn assert_safe_for_browsers(answer: &Answer) {
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(
        policy.starts_with("default-src 'none';") && policy.ends_with("frame-ancestors 'none'"),
        "{answer:?}"
    );
    assert!(answer.header("cache-control").is_some(), "{answer:?}");
}

/// A request that is sent by awaiting it.
pub(crate) struct Call {
    client: Client,
    request: Request<Body>,
}

impl Call {
    /// Adds a header, also to existing ones of this name.
    pub(crate) fn header(self, name: &'static str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// The same, for a value that is not text.
    pub(crate) fn header_bytes(mut self, name: &'static str, value: &[u8]) -> Self {
        let value = HeaderValue::from_bytes(value).expect("a header's value");
        self.request.headers_mut().append(HeaderName::from_static(name), value);
        self
    }

    /// Removes a header.
    pub(crate) fn without(mut self, name: HeaderName) -> Self {
        self.request.headers_mut().remove(name);
        self
    }

    /// Sets this body, declared as JSON.
    pub(crate) fn json(self, json: impl Json) -> Self {
        self.body(json.into_bytes())
            .header(CONTENT_TYPE.as_str(), "application/json")
    }

    /// Sets this body, without a Content-Type.
    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.client.send(self.request).await })
    }
}

/// Sends these requests concurrently, each on its own task.
pub(crate) async fn at_once(calls: impl IntoIterator<Item = Call>) -> Vec<Answer> {
    let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.into_future())).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("no call panicked"));
    }
    answers
}

/// A JSON body: a value, or text that is sent unchanged, for bodies that no value can express (`19.90`, half a body).
pub(crate) trait Json {
    fn into_bytes(self) -> Vec<u8>;
}

impl Json for Value {
    fn into_bytes(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl Json for &Value {
    fn into_bytes(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl Json for &str {
    fn into_bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Json for String {
    fn into_bytes(self) -> Vec<u8> {
        self.into_bytes()
    }
}

impl Json for Vec<u8> {
    fn into_bytes(self) -> Vec<u8> {
        self
    }
}
