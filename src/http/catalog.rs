//! A line of a catalogue's file: what the contract says about a product holds for the cells of a line, too.
//!
//! Knows nothing of files; that is up to the commands.

use std::collections::BTreeMap;

use orders_inventory_api::models;
use orders_inventory_api::read::{Failures, Pointer, Read};
use orders_inventory_api::types::Decimal;
use serde_json::value::RawValue;

use super::{Problem, products};
use crate::app::catalog::Line;
use crate::domain::{Price, ProductChange, ProductName, Sku, Stock};
use crate::error::Error;

/// The columns of a catalogue: the members of a product in the contract that its owner sets.
pub const COLUMNS: [&str; 4] = ["sku", "name", "price", "stock"];

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column.
    pub column: String,
    /// The end of a sentence that starts with the column: `must be greater than 0`.
    pub detail: String,
}

/// Reads the cells of a line, each with its column. An empty cell counts as absent, but for the SKU.
///
/// # Errors
/// All its faults.
pub fn read(cells: &[(&'static str, &str)]) -> Result<Line, Vec<Fault>> {
    change(cells)
        .map_err(|problem| {
            let faults = problem.failures().iter().map(|failure| Fault {
                column: failure
                    .pointer
                    .as_deref()
                    .unwrap_or_default()
                    .trim_start_matches('/')
                    .to_owned(),
                detail: failure.detail.clone(),
            });
            faults.collect::<Vec<_>>()
        })
        .and_then(|mut change| match change.sku.take() {
            Some(sku) => Ok(Line { sku, change }),
            None => Err(vec![Fault {
                column: "sku".to_owned(),
                detail: "is required".to_owned(),
            }]),
        })
}

/// Reads the cells as the body of a request that changes a product.
fn change(cells: &[(&'static str, &str)]) -> Result<ProductChange, Problem> {
    let cells = cells
        .iter()
        .filter(|(column, text)| !text.is_empty() || *column == "sku");
    let members = cells.map(|(column, text)| Ok((*column, json(column, text)?)));
    let members: BTreeMap<&str, Box<RawValue>> =
        members.collect::<Result<_, serde_json::Error>>().map_err(unwritable)?;
    let body = serde_json::value::to_raw_value(&members).map_err(unwritable)?;
    let mut failures = Failures::default();
    let body = models::ProductUpdate::read(&body, Pointer::Root, &mut failures);
    products::change(failures.accept(body)?)
}

/// A cell as JSON: a number as it is written, where the column has numbers and it is one; else a text.
fn json(column: &str, text: &str) -> Result<Box<RawValue>, serde_json::Error> {
    let is_number =
        matches!(column, "price" | "stock") && text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match is_number.then(|| RawValue::from_string(text.to_owned())) {
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) | None => serde_json::value::to_raw_value(text),
    }
}

fn unwritable(error: serde_json::Error) -> Problem {
    Error::internal(error).into()
}

/// The cells of a product, in the order of [`COLUMNS`]. Read again they change nothing.
pub fn cells(sku: &Sku, name: &ProductName, price: Price, stock: Stock) -> [String; 4] {
    let price = Decimal::from_hundredths(price.cents());
    [sku.to_string(), name.to_string(), price.to_string(), stock.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Money;

    fn faults(cells: &[(&'static str, &str)]) -> Vec<String> {
        let faults = read(cells).unwrap_err().into_iter();
        faults
            .map(|fault| format!("{} {}", fault.column, fault.detail))
            .collect()
    }

    #[test]
    fn what_is_not_there_or_empty_stays_as_it_is() {
        let line = read(&[("sku", "MUG"), ("name", ""), ("stock", "0")]).unwrap();
        assert_eq!(
            (line.sku.as_str(), line.change.name, line.change.price),
            ("MUG", None, None)
        );
        assert_eq!(line.change.stock, Some(Stock::NONE));
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let names = ["Mug", " \"5\", 10 ", "true", "12", "null", "[1]", "Größe \u{1F600}"];
        for (name, cents) in names
            .into_iter()
            .zip([1, 10, 100, 1_250, 1_205, 99_999_999, 100_000_000])
        {
            let product = (Sku::new("1-2.3").unwrap(), ProductName::new(name).unwrap());
            let (price, stock) = (
                Price::new(Money::from_cents(cents)).unwrap(),
                Stock::new(1_000_000_000).unwrap(),
            );
            let cells = cells(&product.0, &product.1, price, stock);
            let texts: Vec<_> = COLUMNS.into_iter().zip(cells.iter().map(String::as_str)).collect();
            let line = read(&texts).unwrap();
            assert_eq!((line.sku, line.change.name), (product.0, Some(product.1)));
            assert_eq!((line.change.price, line.change.stock), (Some(price), Some(stock)));
        }
    }

    #[test]
    fn every_fault_is_told_in_the_words_of_the_contract() {
        assert_eq!(
            faults(&[("sku", "A B"), ("name", "\t"), ("price", "12,50"), ("stock", "-1")]),
            [
                "name must have a visible character and no control characters",
                "price must be a number",
                "sku must consist of letters, digits, '.', '_' and '-', a letter or digit first",
                "stock must be from 0 to 1000000000",
            ]
        );
        assert_eq!(
            faults(&[("sku", ""), ("price", "0.001"), ("stock", "1.5")]),
            [
                "price must have at most 2 decimals",
                "sku must consist of letters, digits, '.', '_' and '-', a letter or digit first",
                "sku must have 1 to 64 characters",
                "stock must be a 64-bit integer",
            ]
        );
        for price in ["0", "1000000.01", "1e9"] {
            assert_eq!(faults(&[("sku", "A"), ("price", price)]).len(), 1, "{price}");
        }
        // A number to nobody but JSON.
        for price in ["true", "null", "{}", "\"1\"", "1 2", "0x1", "+1", ".5", "NaN"] {
            assert_eq!(
                faults(&[("sku", "A"), ("price", price)]),
                ["price must be a number"],
                "{price}"
            );
        }
    }
}
