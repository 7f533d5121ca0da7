//! Tests of the templates, on the crates generated from `fixture.yaml`: requests, responses and values.

#![cfg(test)]

mod bodies;
mod change;
mod echo;
mod guarded;
mod models;
mod parameters;
mod paths;
mod responses;
