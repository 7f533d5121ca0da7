//! The service as its callers meet it: the whole router over a SQLite file of its own, and the binary itself.
//!
//! Every answer, whatever a test wants of it, is compared with `openapi.yaml` by the client that asked
//! (`support::contract`), so each test is a test of the contract too.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this crate is test code, also what stands outside of #[test] functions"
)]

mod binary;
mod bodies;
mod browsers;
mod callers;
mod concurrency;
mod disks;
mod errors;
mod expiry;
mod forgery;
mod garbage;
mod http2;
mod limits;
mod lists;
mod money;
mod operations;
mod operator;
mod orders;
mod overload;
mod products;
mod property;
mod refusals;
mod retries;
mod secrets;
mod settings;
mod slow_clients;
mod stock_movements;
mod stopping;
mod support;
mod validation;
mod versions;
mod webhooks;
