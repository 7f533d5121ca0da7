//! The operations of the contract, read from the contract itself, so that a new one has metrics without a change here.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Counter, Histogram, counter, histogram};
use serde::Deserialize;
use serde_json::Value;

use super::OTHER;
use crate::http::docs;
use crate::metrics::table;

/// An operation with its own series.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Arc<str>,
    pub(super) route: Arc<str>,
    pub(super) statuses: Vec<u16>,
}

#[derive(Deserialize)]
struct Contract {
    paths: BTreeMap<String, BTreeMap<String, Value>>,
}

/// Every operation of the contract, with its response statuses.
///
/// # Errors
/// Where the embedded contract cannot be parsed; `build.rs` has parsed it before.
pub(super) fn operations() -> Result<Vec<Operation>, serde_json::Error> {
    let contract: Contract = serde_json::from_slice(&docs::contract_json())?;
    let operations = contract.paths.into_iter().flat_map(|(route, members)| {
        members.into_iter().filter_map(move |(method, operation)| {
            // Besides its methods a path has members such as `parameters`, which have no responses.
            let statuses = operation.get("responses")?.as_object()?.keys();
            Some(Operation {
                method: method.to_ascii_uppercase().into(),
                route: route.as_str().into(),
                statuses: statuses.filter_map(|status| status.parse().ok()).collect(),
            })
        })
    });
    Ok(operations.collect())
}

impl Operation {
    /// All requests outside the contract: unknown paths, other methods, the files of the documentation.
    pub(super) fn other() -> Self {
        Self {
            method: OTHER.into(),
            route: OTHER.into(),
            statuses: vec![200, 304, 307, 308, 404, 405, 500, 503],
        }
    }

    /// The counter of its responses with this status.
    pub(super) fn responses(&self, status: u16) -> Counter {
        let (route, method) = (Arc::clone(&self.route), Arc::clone(&self.method));
        counter!(table::HTTP_REQUESTS, "route" => route, "method" => method, "status" => status.to_string())
    }

    /// How long its requests took.
    pub(super) fn durations(&self) -> Histogram {
        let (route, method) = (Arc::clone(&self.route), Arc::clone(&self.method));
        histogram!(table::HTTP_REQUEST_DURATION, "route" => route, "method" => method)
    }
}
