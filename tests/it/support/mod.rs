//! What the tests share. Only this folder knows how the service is built and asked.
//!
//! - `app`: the service over a file of its own, with a clock that stands still until it is told to go on
//! - `client`, `answer`: asking, and looking at what comes back
//! - `contract`: whether an answer is one that `openapi.yaml` names
//! - `ledger`: whether the books add up, to callers and to the audit
//! - `payment`: what the payment provider sends
//! - `failing`: a store that fails as it is told
//! - `process`: the binary
//! - `wire`: HTTP by hand, for clients that behave badly or come by the thousand

pub(crate) mod answer;
pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod contract;
pub(crate) mod failing;
pub(crate) mod ledger;
pub(crate) mod payment;
pub(crate) mod process;
pub(crate) mod wire;

pub(crate) use answer::Answer;
pub(crate) use app::TestApp;
pub(crate) use client::Client;
