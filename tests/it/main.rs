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

mod auth;
mod binary;
mod bodies;
mod browsers;
mod concurrency;
mod disks;
mod errors;
mod etag;
mod expiry;
mod forgery;
mod garbage;
mod http2;
mod idempotency;
mod limits;
mod lists;
mod logs;
mod metrics;
mod money;
mod operations;
mod operator;
mod orders;
mod overload;
mod products;
mod property;
mod refusals;
mod secrets;
mod settings;
mod slow_clients;
mod spans;
mod stock_movements;
mod stopping;
mod support;
mod validation;
mod webhooks;
