//! Orders & Inventory: models, traits and router. Generated from openapi.yaml by `make generate`; do not edit.
//!
//! In reading order:
//!
//! - [`models`]: the schemas;
//! - [`apis`]: one trait per tag, one method per operation, and the responses of each;
//! - [`server`]: the router, which calls the traits.
//!
//! They use a hand-written crate, `codegen/runtime/`, which is re-exported here: [`types`], [`read`] and [`respond`].
//!
//! This crate decides which requests are valid. It does not decide what an error response looks like: every refusal is a
//! [`read::Rejection`], which the server's own [`apis::Api::Error`] turns into a response.

pub mod apis;
pub mod models;
pub mod server;

pub use api_runtime::{read, respond, types};
