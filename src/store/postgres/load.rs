//! Loading what was asked for: all of it in one round trip, and many rows that are asked for by their keys in one statement.

use std::collections::HashMap;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::pipeline::{self, Step};
use super::query::{self, Query};
use super::session::{Answers, Asked};
use crate::domain::{OrderId, ProductId, Sku};
use crate::store::IdempotencyKey;

/// The column of the id in a row of a product or an order.
const ID: usize = 1;
/// The column of the SKU in a row of a product.
const SKU: usize = 2;

/// What one statement loads.
enum Part {
    One(Asked),
    Products(Vec<ProductId>),
    Skus(Vec<Sku>),
    Orders(Vec<OrderId>),
    Records(Vec<IdempotencyKey>, [Vec<String>; 3]),
}

impl Part {
    fn statement(&self) -> (&'static str, Vec<&(dyn ToSql + Sync)>) {
        match self {
            Self::One(asked) => asked.query.statement(),
            Self::Products(ids) => (query::PRODUCTS_BY_ID, vec![ids]),
            Self::Skus(skus) => (query::PRODUCTS_BY_SKU, vec![skus]),
            Self::Orders(ids) => (query::ORDERS_BY_ID, vec![ids]),
            Self::Records(_, [callers, paths, keys]) => (query::RECORDS_BY_KEY, vec![callers, paths, keys]),
        }
    }

    /// Puts the rows to the questions that they answer.
    fn answer(self, rows: Vec<Row>, answers: &mut Answers) -> Result<(), Error> {
        match self {
            Self::One(asked) => answers.insert(asked, rows),
            Self::Products(ids) => {
                let mut found = by_id(rows)?;
                for id in ids {
                    answers.insert(Query::Product(id).into(), found.remove(&id.get()).into_iter().collect());
                }
            }
            Self::Skus(skus) => {
                let found = rows.into_iter().map(|row| Ok((row.try_get(SKU)?, row)));
                let mut found: HashMap<String, Row> = found.collect::<Result<_, Error>>()?;
                for sku in skus {
                    let row = found.remove(sku.as_str());
                    answers.insert(Query::ProductBySku(sku).into(), row.into_iter().collect());
                }
            }
            Self::Orders(ids) => {
                let mut found = by_id(rows)?;
                for id in ids {
                    answers.insert(Query::Order(id).into(), found.remove(&id.get()).into_iter().collect());
                }
            }
            Self::Records(keys, _) => {
                let mut found = HashMap::new();
                for row in rows {
                    found.insert(row.try_get::<_, i64>(query::RECORD_PLACE)?, row);
                }
                for (place, key) in (1..).zip(keys) {
                    answers.insert(Query::Record(key).into(), found.remove(&place).into_iter().collect());
                }
            }
        }
        Ok(())
    }
}

fn by_id(rows: Vec<Row>) -> Result<HashMap<i64, Row>, Error> {
    rows.into_iter().map(|row| Ok((row.try_get(ID)?, row))).collect()
}

/// Whether one statement answers all of these.
pub(super) fn is_one_statement(asked: &[Asked]) -> bool {
    asked.len() == 1
        || asked.iter().all(|asked| matches!(asked.query, Query::Product(_)))
        || asked.iter().all(|asked| matches!(asked.query, Query::Order(_)))
        || asked.iter().all(|asked| matches!(asked.query, Query::ProductBySku(_)))
}

/// The statements for these questions.
fn parts(asked: impl IntoIterator<Item = Asked>) -> Vec<Part> {
    let (mut products, mut orders, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut skus, mut keys) = (Vec::new(), Vec::new());
    for asked in asked {
        if let Query::Product(id) = asked.query {
            products.push(id);
        } else if let (Query::ProductBySku(sku), 0) = (&asked.query, asked.after) {
            skus.push(sku.clone());
        } else if let Query::Order(id) = asked.query {
            orders.push(id);
        } else if let Query::Record(key) = asked.query {
            keys.push(key);
        } else {
            parts.push(Part::One(asked));
        }
    }
    if !products.is_empty() {
        parts.push(Part::Products(products));
    }
    if !skus.is_empty() {
        parts.push(Part::Skus(skus));
    }
    if !orders.is_empty() {
        parts.push(Part::Orders(orders));
    }
    if !keys.is_empty() {
        let column = |part: fn(&IdempotencyKey) -> &String| keys.iter().map(|key| part(key).clone()).collect();
        let columns = [
            column(|key| &key.caller),
            column(|key| &key.path),
            column(|key| &key.key),
        ];
        parts.push(Part::Records(keys, columns));
    }
    parts
}

/// Loads the answers to these questions in one round trip, with what comes before and after them, and returns the rows of
/// what came before.
pub(super) async fn load<'c>(
    client: &'c ClientWrapper,
    before: Vec<Step<'c>>,
    asked: impl IntoIterator<Item = Asked>,
    after: Vec<Step<'c>>,
    answers: &mut Answers,
) -> Result<Vec<Vec<Row>>, Error> {
    let parts = parts(asked);
    let sqls: Vec<_> = parts.iter().map(|part| part.statement().0).collect();
    let statements = prepare(client, &sqls).await?;
    let before_count = before.len();
    let mut steps = before;
    for (part, prepared) in parts.iter().zip(&statements) {
        steps.push(pipeline::query(client, prepared, part.statement().1));
    }
    steps.extend(after);
    let mut rows = pipeline::send(steps).await?;
    let loaded = rows.split_off(before_count);
    for (part, rows) in parts.into_iter().zip(loaded) {
        part.answer(rows, answers)?;
    }
    Ok(rows)
}

/// The prepared statements, each made once a connection.
pub(super) async fn prepare(client: &ClientWrapper, statements: &[&'static str]) -> Result<Vec<Statement>, Error> {
    let mut prepared = Vec::new();
    for sql in statements {
        prepared.push(client.prepare_cached(sql).await?);
    }
    Ok(prepared)
}
