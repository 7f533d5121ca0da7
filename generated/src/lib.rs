//! Orders & Inventory: what the contract says, as Rust. Made by `make generate` from openapi.yaml; not to be edited.
//!
//! In reading order:
//!
//! - [`types`]: numbers and times as JSON writes them;
//! - [`models`]: the schemas;
//! - [`apis`]: one trait per tag, one method per operation, and what each can answer with;
//! - [`read`]: how a request becomes valid values, or the list of all that is wrong with it;
//! - [`mod@write`]: how a value becomes JSON;
//! - [`respond`]: how an answer becomes a response;
//! - [`server`]: the way from requests to the traits.
//!
//! This crate decides what a valid request is. It refuses to decide what an error looks like: every refusal is a
//! [`read::Rejection`], and the server's own [`apis::Api::Error`] turns it into an answer.

pub mod apis;
pub mod models;
pub mod read;
pub mod respond;
pub mod server;
pub mod types;
pub mod write;
