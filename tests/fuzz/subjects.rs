//! What is fuzzed: each subject makes the bytes of one connection.

use crate::pieces::Bytes;

mod bodies;
mod conditions;
mod heads;
mod lists;
mod stripe;
mod webhooks;

/// A subject: its name, and what it sends.
pub(crate) type Subject = (&'static str, fn() -> Bytes);

/// Every subject.
pub(crate) const SUBJECTS: [Subject; 6] = [
    ("heads", heads::cases),
    ("conditions", conditions::cases),
    ("bodies", bodies::cases),
    ("webhooks", webhooks::cases),
    ("lists", lists::cases),
    ("stripe", stripe::cases),
];
