//! Compares the documents with the code: modules and their imports, indexes, settings, endpoints, cited tests; whether their
//! commands can be pasted, and each picture is shown.
//!
//! Tables are between `<!-- name:begin -->` and `<!-- name:end -->`. The tests read them from the pages, so that there
//! is no second list to maintain.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this crate is test code, also outside of #[test] functions"
)]

mod citations;
mod clients;
mod endpoints;
mod imports;
mod indexes;
mod page;
mod pasting;
mod pictures;
mod rooms;
mod settings;
