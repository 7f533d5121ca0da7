//! What the documents say, held against what there is: rooms and their imports, indexes, settings, endpoints, and the
//! tests that are cited by name.
//!
//! Each page has its tables between `<!-- name:begin -->` and `<!-- name:end -->`. A test reads the table from the page
//! itself, so that there is no second list to forget.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this crate is test code, also what stands outside of #[test] functions"
)]

mod citations;
mod endpoints;
mod imports;
mod indexes;
mod page;
mod rooms;
mod settings;
