//! The operations of the contract, as the contract itself lists them, so that a new one is measured without a word here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::OTHER;
use crate::http::docs;

/// An operation that has series of its own.
pub(super) struct Operation {
    pub(super) method: String,
    pub(super) route: String,
    pub(super) statuses: Vec<u16>,
}

#[derive(Deserialize)]
struct Contract {
    paths: BTreeMap<String, BTreeMap<String, Value>>,
}

/// Every operation of the contract, with the statuses that it may answer.
///
/// # Errors
/// Where the embedded contract is none; `build.rs` made sure that it is one.
pub(super) fn operations() -> Result<Vec<Operation>, serde_json::Error> {
    let contract: Contract = serde_json::from_slice(&docs::contract_json())?;
    let operations = contract.paths.into_iter().flat_map(|(route, members)| {
        members.into_iter().filter_map(move |(method, operation)| {
            // Beside its methods a path has members that all of them share; those have no answers.
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
    /// All that is no operation of the contract: unknown paths, other methods, the files of the documentation.
    pub(super) fn other() -> Self {
        Self {
            method: OTHER.to_owned(),
            route: OTHER.to_owned(),
            statuses: vec![200, 304, 307, 308, 404, 405, 500, 503],
        }
    }
}
