//! Shared test support. Only this folder knows how the service is built and called.
//!
//! - `app`: the service with its own database, and a clock that advances only on command
//! - `client`, `answer`: requests and responses
//! - `commands`: the operator's commands
//! - `contract`: checks that `openapi.yaml` documents a response
//! - `instances`: several processes on one PostgreSQL database
//! - `ledger`: checks stock and ledger for consistency
//! - `own_postgres`: a PostgreSQL server of a test's own
//! - `payment`: signed events of the payment provider
//! - `postgres`: databases on a PostgreSQL server
//! - `failing`: a store that always fails
//! - `process`: the binary
//! - `proxy`: a TCP proxy that breaks connections
//! - `scrape`: its metrics, as Prometheus reads them
//! - `stripe`: signed events of Stripe, and a shop that receives them
//! - `wire`: HTTP by hand, for clients that misbehave or are too many for a library

pub(crate) mod answer;
pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod contract;
pub(crate) mod failing;
pub(crate) mod http2;
pub(crate) mod instances;
pub(crate) mod ledger;
pub(crate) mod own_postgres;
pub(crate) mod payment;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod scrape;
pub(crate) mod stripe;
pub(crate) mod wire;

pub(crate) use answer::Answer;
pub(crate) use app::TestApp;
pub(crate) use client::Client;
