//! Types for JSON values that Rust's own types cannot represent exactly.
//!
//! No conversion changes a value; none uses floating-point numbers.

mod any_json;
mod decimal;
mod timestamp;

pub use any_json::AnyJson;
pub use decimal::Decimal;
pub use timestamp::{NotATimestamp, Timestamp};
