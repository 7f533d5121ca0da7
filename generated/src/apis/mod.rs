//! One trait per tag, one method per operation. An operation receives valid values only. It returns its own response type
//! or the server's one error type.

use axum::body::{Body, Bytes};
use axum::http::request;
use axum::response::IntoResponse;

use crate::read::Rejection;

pub mod operations;
pub mod orders;
pub mod products;
pub mod webhooks;

/// What the traits of all tags share: authorization and receiving bodies.
pub trait Api: Clone + Send + Sync + 'static {
    /// Every error response, including the refusal of an invalid request.
    type Error: From<Rejection> + IntoResponse;

    /// The caller of an operation that has a security scheme.
    type Caller: Send;

    /// Identifies the caller by the request's head, before the body and the parameters are read.
    ///
    /// # Errors
    ///
    /// The response to a caller who may not call the operation.
    fn authorize(&self, scheme: SecurityScheme, head: &request::Parts) -> Result<Self::Caller, Self::Error>;

    /// Reads the whole body, within the server's limits of size and time. Where the contract says how many bytes a body of
    /// the operation may have, so many are allowed even if the server's own limit is smaller.
    ///
    /// # Errors
    ///
    /// The response to a body that is too large, too slow, or broken off.
    fn receive(&self, body: Body, bytes_max: Option<usize>) -> impl Future<Output = Result<Bytes, Self::Error>> + Send;

    /// Verifies the body's signature, for a scheme that signs bodies, before the body is parsed.
    ///
    /// # Errors
    ///
    /// The response to a body whose signature does not match.
    fn verify(&self, scheme: SecurityScheme, head: &request::Parts, body: &Bytes) -> Result<(), Self::Error>;
}

/// The security schemes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityScheme {
    /// A key or signature in the header `X-Webhook-Signature`.
    WebhookSignature,
    /// A key or signature in the header `Stripe-Signature`.
    StripeSignature,
    /// A key or signature in the header `X-API-Key`.
    ApiKey,
}
