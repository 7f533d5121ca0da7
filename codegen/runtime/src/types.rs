//! Values that JSON can write and Rust's own types cannot hold exactly.
//!
//! Refused is every conversion that would change a value: no float ever holds one.

mod any_json;
mod decimal;
mod timestamp;

pub use any_json::AnyJson;
pub use decimal::Decimal;
pub use timestamp::{NotATimestamp, Timestamp};
