//! Orders and inventory of a small online store.
//!
//! The modules, in reading order:
//!
//! - [`domain`]: the rules. Pure.
//! - [`error`]: what can go wrong, in our words.
//! - [`store`]: what is remembered, as row-sized verbs, and the SQLite file behind them.
//! - [`app`]: the use cases: load, ask the domain, save.

pub mod error;

pub mod domain;

pub mod app;

pub mod store;

#[cfg(test)]
mod testing;
