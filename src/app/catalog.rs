//! A catalogue: many products at once, by their SKUs.
//!
//! A product is added where there is none of its SKU, and changed where it differs from its line. All of it happens or none.
//! What the products of a catalogue must be, each by itself, is up to the [domain](crate::domain).

use tracing::instrument;

use super::products;
use crate::domain::{Expected, NewProduct, Product, ProductChange, Sku, Timestamp};
use crate::error::Error;
use crate::store::{Tx, View};

/// What a line of a catalogue says about a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its SKU. A catalogue has one line for each.
    pub sku: Sku,
    /// The rest, without the SKU.
    pub change: ProductChange,
}

impl Line {
    /// The new product that it describes, or the members that it lacks for one.
    fn new_product(&self) -> Result<NewProduct, Vec<&'static str>> {
        let ProductChange { name, price, stock, .. } = &self.change;
        match (name, *price, *stock) {
            (Some(name), Some(price), Some(stock)) => Ok(NewProduct {
                sku: self.sku.clone(),
                name: name.clone(),
                price,
                stock,
            }),
            (name, price, stock) => {
                let members = [
                    ("name", name.is_some()),
                    ("price", price.is_some()),
                    ("stock", stock.is_some()),
                ];
                let lacks = members.into_iter().filter(|(_, is_there)| !is_there);
                Err(lacks.map(|(member, _)| member).collect())
            }
        }
    }
}

/// What an import does for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It adds this product.
    Create(NewProduct),
    /// It changes a product.
    Change {
        /// The product before.
        before: Product,
        /// The product after.
        after: Product,
    },
    /// Nothing: the product is so already.
    Keep,
    /// There is no product of this SKU, and the line lacks these members that a new one needs. Then nothing is imported.
    Incomplete(Vec<&'static str>),
}

/// What an import of these lines would do now, a step for each.
///
/// # Errors
/// As the storage fails.
pub fn plan(view: &dyn View, lines: &[Line], now: Timestamp) -> Result<Vec<Step>, Error> {
    lines.iter().map(|line| step(view, line, now)).collect()
}

fn step(view: &dyn View, line: &Line, now: Timestamp) -> Result<Step, Error> {
    let Some(before) = view.product_by_sku(&line.sku)? else {
        return Ok(line.new_product().map_or_else(Step::Incomplete, Step::Create));
    };
    let after = before.change(&line.change, now);
    Ok(match after == before {
        true => Step::Keep,
        false => Step::Change { before, after },
    })
}

/// Imports these lines, and returns what it did for each; nothing, if one of them is [`Step::Incomplete`].
///
/// # Errors
/// As the storage fails.
#[instrument(level = "debug", name = "catalog::import", skip_all, fields(lines = lines.len()))]
pub fn import(tx: &mut dyn Tx, lines: &[Line], now: Timestamp) -> Result<Vec<Step>, Error> {
    let steps = plan(tx, lines, now)?;
    if steps.iter().any(|step| matches!(step, Step::Incomplete(_))) {
        return Ok(steps);
    }
    // All that will be asked for, before anything has changed, so that a store can load it at once.
    for step in &steps {
        if let Step::Change { before, .. } = step {
            tx.product(before.id)?;
        }
    }
    for (line, step) in lines.iter().zip(&steps) {
        match step {
            Step::Create(new) => _ = products::create(tx, new, now)?,
            Step::Change { before, .. } => _ = products::update(tx, before.id, &Expected::ANY, &line.change, now)?,
            Step::Keep | Step::Incomplete(_) => {}
        }
    }
    Ok(steps)
}
