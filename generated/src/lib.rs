//! Orders & Inventory: what the contract says, as Rust. Made by `make generate` from openapi.yaml; not to be edited.
//!
//! In reading order:
//!
//! - [`models`]: the schemas;
//! - [`apis`]: one trait per tag, one method per operation, and what each can answer with;
//! - [`server`]: the way from requests to the traits.
//!
//! What they stand on is written by hand, in `codegen/runtime/`, and re-exported here: [`types`], [`read`] and
//! [`respond`].
//!
//! This crate decides what a valid request is. It refuses to decide what an error looks like: every refusal is a
//! [`read::Rejection`], and the server's own [`apis::Api::Error`] turns it into an answer.

pub mod apis;
pub mod models;
pub mod server;

pub use api_runtime::{read, respond, types};
