//! README's table of endpoints equals `openapi.yaml`: operations, statuses of success, error types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::page::{code_spans, marked, read, table};

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    successes: BTreeSet<String>,
    refusals: BTreeSet<String>,
}

/// The error types of many operations, which README lists once, in the part marked `everywhere`.
fn everywhere(readme: &str) -> BTreeSet<String> {
    code_spans(&marked(readme, "everywhere")).into_iter().collect()
}

/// The rows of README, without that of the documentation, which is not part of the contract.
fn written(readme: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for row in table(readme, "endpoints") {
        let endpoints = code_spans(&row[0]);
        let method = endpoints[0].split(' ').next().unwrap_or_default();
        for endpoint in &endpoints {
            let name = if endpoint.starts_with('/') {
                format!("{method} {endpoint}")
            } else {
                endpoint.clone()
            };
            let row = Row {
                successes: row[1].split(", ").map(str::to_owned).collect(),
                refusals: code_spans(&row[3]).into_iter().collect(),
            };
            assert!(rows.insert(name, row).is_none(), "{endpoint} is repeated");
        }
    }
    assert!(rows.remove("GET /docs").is_some(), "the documentation has a row");
    rows
}

fn resolve<'a>(contract: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(place) => contract
            .pointer(place.trim_start_matches('#'))
            .expect("the reference resolves"),
        None => value,
    }
}

/// The error types in a response's examples.
fn problems(contract: &Value, response: &Value) -> BTreeSet<String> {
    let examples = &response["content"]["application/problem+json"]["examples"];
    let examples = examples.as_object().into_iter().flat_map(|examples| examples.values());
    let types = examples.map(|example| &resolve(contract, example)["value"]["type"]);
    types
        .map(|kind| {
            kind.as_str()
                .expect("a type")
                .trim_start_matches("/problems/")
                .to_owned()
        })
        .collect()
}

fn documented(contract: &Value, everywhere: &BTreeSet<String>) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for (path, item) in contract["paths"].as_object().expect("there are paths") {
        let methods = item.as_object().expect("methods").iter();
        for (method, operation) in methods.filter(|(_, operation)| operation["responses"].is_object()) {
            let responses = operation["responses"].as_object().expect("responses");
            let (mut successes, mut refusals) = (BTreeSet::new(), BTreeSet::new());
            for (status, response) in responses {
                let response = resolve(contract, response);
                if status.starts_with('2') {
                    successes.insert(status.clone());
                }
                refusals.extend(problems(contract, response).difference(everywhere).cloned());
            }
            rows.insert(format!("{} {path}", method.to_uppercase()), Row { successes, refusals });
        }
    }
    rows
}

#[test]
fn readme_lists_every_endpoint_of_the_contract() {
    let contract: Value = serde_saphyr::from_str(&read("openapi.yaml")).unwrap();
    let readme = read("README.md");
    assert_eq!(
        written(&readme),
        documented(&contract, &everywhere(&readme)),
        "left: README.md; right: openapi.yaml"
    );
}

/// Missing, additional and different rows are found.
#[test]
fn a_table_that_differs_is_found() {
    let contract: Value = serde_saphyr::from_str(&read("openapi.yaml")).unwrap();
    let readme = read("README.md");
    let everywhere = everywhere(&readme);
    let edits = [
        ("| `POST /products` | 201 |", "| `POST /products` | 200 |"),
        ("| `GET /orders/{id}` |", "| `GET /orders/{number}` |"),
        ("409 `product-in-use`", ""),
        ("409 `duplicate-sku`", "409 `duplicate-name`"),
    ];
    for (from, to) in edits {
        let edited = readme.replacen(from, to, 1);
        assert_ne!(edited, readme, "{from}");
        assert_ne!(written(&edited), documented(&contract, &everywhere), "{from}");
    }
}
