//! One trait per tag, one method per operation. An operation gets valid values only and answers with its own type or
//! with the server's one error type.

use axum::response::IntoResponse;

use crate::read::Rejection;

pub mod operations;
pub mod orders;
pub mod products;

/// What the traits of all tags share.
pub trait Api: Clone + Send + Sync + 'static {
    /// Every answer that is not a success, including the refusal of a request that breaks the contract.
    type Error: From<Rejection> + IntoResponse;
}
