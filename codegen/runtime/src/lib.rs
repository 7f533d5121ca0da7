//! What the crate generated from `openapi.yaml` stands on. Written by hand; knows no operation and no schema.
//!
//! - [`types`]: exact decimals, timestamps and any JSON;
//! - [`read`]: how a request becomes valid values, or the list of all that is wrong with it;
//! - [`respond`]: how an operation's answer becomes a response.
//!
//! It refuses to decide what an error looks like: every refusal is a [`read::Rejection`], which the server turns into a
//! response of its own.

pub mod read;
pub mod respond;
pub mod types;
