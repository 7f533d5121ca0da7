//! Whether every query of a list finds its rows in order, without walking or sorting a table.

use tempfile::TempDir;

use super::*;
use crate::store::sqlite::open;
use crate::testing::options;

fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement
        .raw_query()
        .mapped(|row| row.get::<_, String>(3))
        .collect::<Result<Vec<_>, _>>();
    steps.unwrap().join("; ")
}

#[test]
fn lists_use_their_indexes() {
    let folder = TempDir::new().unwrap();
    let connection = open::prepare(&options(&folder).path).unwrap();
    let by_product = "SEARCH orders USING INDEX orders_by_product (product_id=? AND rowid<?)";
    let by_status = "SEARCH orders USING INDEX orders_by_status (status=? AND rowid<?)";
    assert_eq!(
        plan(&connection, ORDERS),
        "SEARCH orders USING INTEGER PRIMARY KEY (rowid<?)"
    );
    assert_eq!(plan(&connection, ORDERS_BY_STATUS), by_status);
    assert_eq!(plan(&connection, ORDERS_BY_PRODUCT), by_product);
    assert_eq!(plan(&connection, ORDERS_BY_BOTH), by_product);
    let movements = "SELECT * FROM stock_movements WHERE product_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
    let primary_key = "SEARCH stock_movements USING PRIMARY KEY (product_id=? AND id<?)";
    assert_eq!(plan(&connection, movements), primary_key);
}
