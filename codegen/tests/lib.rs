//! The test of the templates: what the crates made from `fixture.yaml` do with requests, answers and values.

#![cfg(test)]

mod bodies;
mod change;
mod echo;
mod guarded;
mod models;
mod parameters;
mod paths;
mod responses;
