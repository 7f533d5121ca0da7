//! How a request becomes valid values, or the list of all that is wrong with it.
//!
//! A body is read member by member and parameters one at a time, and each notes its own failures, so one answer can name
//! every one of them. What is refused here never reaches an operation: text that is not JSON, unknown or duplicate
//! members, `null` where a value must be, values of another type, values outside their bounds.

mod body;
mod failure;
mod object;
mod parameters;
mod pointer;
mod rules;
mod text;
mod value;

pub use body::json;
pub use failure::{FAILURES_MAX, Failure, Failures, Place, Rejection};
pub use object::Object;
pub use parameters::{Parameters, part_length, refuse_query};
pub use pointer::Pointer;
pub use rules::{matches, multiple_of, none_of, pattern};
pub use text::{Text, one_of};
pub use value::{Read, string};
