//! Integration tests: the complete router over a database of its own, and the binary itself.
//!
//! The test client compares every response with `openapi.yaml` (`support::contract`), so each test tests the contract
//! as well.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this crate is test code, also outside of #[test] functions"
)]

mod after_commit;
mod auth;
mod binary;
mod bodies;
mod browsers;
mod catalog;
mod concurrency;
mod conditions;
mod copy;
mod cors;
mod disks;
mod early_refusals;
mod empty_responses;
mod errors;
mod etag;
mod examples;
mod expiry;
mod files;
mod forgery;
mod forwarded_prefix;
mod garbage;
mod half_closed;
mod hosts;
mod http2;
mod idempotency;
mod instances;
mod limits;
mod lists;
mod logs;
mod memory;
mod metrics;
mod money;
mod notices;
mod operations;
mod operator;
mod orders;
mod overload;
mod payment_events;
mod payments;
mod postgres_same;
mod postgres_start;
mod postgres_trouble;
mod products;
mod property;
mod references;
mod refunds;
mod refusals;
mod restore;
mod secrets;
mod settings;
mod sign;
mod signatures;
mod slow_clients;
mod spans;
mod stock_movements;
mod stopping;
mod streams;
mod stripe;
mod support;
mod trailing_slash;
mod validation;
mod webhooks;
