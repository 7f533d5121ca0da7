//! Orders and inventory of a small online store.
//!
//! The modules, in reading order:
//!
//! - [`config`]: every setting, its default and why.
//! - [`render`]: what the service says on Render.com where it has no disk.
//! - [`error`]: what can go wrong, in our words.
//! - [`domain`]: the rules. Pure.
//! - [`app`]: the use cases: load, ask the domain, save.
//! - [`store`]: what is remembered, as row-sized verbs, and the SQLite file behind them.
//! - [`http`]: requests in, answers out.
//! - [`log`]: log lines, to standard error.
//! - [`metrics`]: what is counted, and the listener that shows it.
//!
//! Three places to begin: [`app::orders::place`] is all that placing an order means; [`store::Store`] is what a backend
//! promises; [`http::router`] is all that a request passes. `docs/ARCHITECTURE.md` follows one order from the
//! socket to the disk and back, and says who may import whom.
//!
//! What a request and an answer look like is not here: that is `openapi.yaml`, and the crate `orders-inventory-api` made
//! from it.

pub mod app;
pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod log;
pub mod metrics;
pub mod render;
pub mod store;

#[cfg(test)]
mod testing;

/// The Rust in README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
