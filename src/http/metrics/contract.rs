//! The operations of the contract, read from the contract itself, so that a new one has metrics without a change here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::OTHER;
use crate::http::docs;

/// An operation with its own series.
pub(super) struct Operation {
    pub(super) method: String,
    pub(super) route: String,
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
                method: method.to_ascii_uppercase(),
                route: route.clone(),
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
            method: OTHER.to_owned(),
            route: OTHER.to_owned(),
            statuses: vec![200, 304, 307, 308, 404, 405, 500, 503],
        }
    }
}
