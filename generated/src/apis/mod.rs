//! One trait per tag, one method per operation. An operation gets valid values only and answers with its own type or
//! with the server's one error type.

use axum::body::{Body, Bytes};
use axum::http::request;
use axum::response::IntoResponse;

use crate::read::Rejection;

pub mod operations;
pub mod orders;
pub mod products;
pub mod webhooks;

/// What the traits of all tags share: who may call, and how a body is read.
pub trait Api: Clone + Send + Sync + 'static {
    /// Every answer that is not a success, including the refusal of a request that breaks the contract.
    type Error: From<Rejection> + IntoResponse;

    /// Who called an operation that has a security scheme.
    type Caller: Send;

    /// Identifies the caller by the request's head. Called first, before the body or a parameter is read.
    ///
    /// # Errors
    ///
    /// The answer to a caller who may not call the operation.
    fn authorize(&self, scheme: SecurityScheme, head: &request::Parts) -> Result<Self::Caller, Self::Error>;

    /// Reads the whole body, within the server's limits of size and time.
    ///
    /// # Errors
    ///
    /// The answer to a body that is too large, too slow, or broken off.
    fn receive(&self, body: Body) -> impl Future<Output = Result<Bytes, Self::Error>> + Send;

    /// Checks the body against a scheme that signs it. Called before the body is parsed; a scheme that does not sign
    /// bodies has nothing to check.
    ///
    /// # Errors
    ///
    /// The answer to a body whose signature does not fit.
    fn verify(&self, scheme: SecurityScheme, head: &request::Parts, body: &Bytes) -> Result<(), Self::Error>;
}

/// How the contract wants callers to say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityScheme {
    /// In the header `X-Webhook-Signature`.
    WebhookSignature,
    /// In the header `X-API-Key`.
    ApiKey,
}
