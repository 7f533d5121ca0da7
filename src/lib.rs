//! Orders and inventory of a small online store.
//!
//! The modules, in reading order:
//!
//! - [`config`]: every setting, its default and why.
//! - [`render`]: the warning on Render.com where no disk is mounted.
//! - [`error`]: the one error type, without HTTP.
//! - [`domain`]: the rules. Pure.
//! - [`app`]: the use cases: load, apply the rule, save.
//! - [`store`]: storage as row-sized verbs, and the SQLite backend.
//! - [`http`]: the router, its layers and the operations.
//! - [`log`]: log lines on standard error.
//! - [`metrics`]: the metrics and the listener that serves them.
//!
//! Three places to begin: [`app::orders::place`] places an order; [`store::Store`] says what a storage backend
//! guarantees; [`http::router`] lists the layers that every request passes. `docs/ARCHITECTURE.md` follows one order
//! from the socket to the disk and back, and says which module may import which.
//!
//! `openapi.yaml` defines requests and responses. The crate `orders-inventory-api` is generated from it.

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

/// Compiles the Rust examples in README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
