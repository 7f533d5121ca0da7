//! Runtime of the crate that is generated from `openapi.yaml`. Written by hand; it knows no operation and no schema.
//!
//! - [`types`]: exact decimals, timestamps and any JSON;
//! - [`read`]: turns a request into valid values, or into the list of all its failures;
//! - [`respond`]: turns an operation's result into a response.
//!
//! It does not decide what an error response looks like: every refusal is a [`read::Rejection`], which the server turns
//! into a response.

pub mod read;
pub mod respond;
pub mod types;
