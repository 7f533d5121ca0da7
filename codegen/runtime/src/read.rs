//! Turns a request into valid values, or into the list of all its failures.
//!
//! Each member of a body and each parameter is read by itself and records its failures, so that one response can list
//! all of them. Refused are: text that is not JSON, unknown or duplicate members, `null` where a value is required,
//! values of another type, and values outside their bounds.

mod body;
mod failure;
mod object;
mod parameters;
mod pointer;
mod rules;
mod text;
mod value;

pub use body::{json, refuse_encoded};
pub use failure::{FAILURES_MAX, Failure, Failures, Place, Rejection};
pub use object::Object;
pub use parameters::{Parameters, refuse_query};
pub use pointer::Pointer;
pub use rules::{at_most_decimals, matches, none_of, pattern};
pub use text::{Text, one_of};
pub use value::{Read, string};
