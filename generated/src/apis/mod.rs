//! One trait per tag, one method per operation. An operation gets valid values only and answers with its own type or
//! with the server's one error type.

use axum::body::Bytes;
use axum::http::request;
use axum::response::IntoResponse;

use crate::read::Rejection;

pub mod operations;
pub mod orders;
pub mod products;
pub mod webhooks;

/// What the traits of all tags share.
pub trait Api: Clone + Send + Sync + 'static {
    /// Every answer that is not a success, including the refusal of a request that breaks the contract.
    type Error: From<Rejection> + IntoResponse;

    /// Who called an operation that has a security scheme.
    type Caller: Send;

    /// Lets a request in, or not. Asked once for each request whose operation has a security scheme, before anything in
    /// its parameters or its body is read.
    ///
    /// # Errors
    ///
    /// The answer to a caller who may not.
    fn authorize(
        &self,
        scheme: SecurityScheme,
        parts: &request::Parts,
        body: &Bytes,
    ) -> Result<Self::Caller, Self::Error>;
}

/// How the contract wants callers to say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityScheme {
    /// In the header `X-Webhook-Signature`.
    WebhookSignature,
    /// In the header `X-API-Key`.
    ApiKey,
}
