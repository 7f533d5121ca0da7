//! What every request passes on its way in and its answer on the way out.
//!
//! - `front`: around everything: the request's id, its line in the log, what panicked, the headers of every answer;
//! - `admission`: in front of operations: how much one caller, and all of them together, may ask for. Behind it nothing
//!   waits for a client: a body comes whole, within its size and time, or not at all.
//!
//! Nothing here ends a request that has begun its work: a deadline that did could not say what became of a write.

use std::time::Duration;

mod admission;
mod front;

pub(super) use admission::{Admission, Admitted};
pub(super) use front::Front;
pub use front::Fronted;

/// What requests may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How many requests are worked on at once; more are refused at once.
    pub requests_max: usize,
}
