//! Whether every query of a list finds its rows in order, without walking or sorting a table; and whether a statement that
//! a session keeps is as good as a new one.

use tempfile::TempDir;

use super::*;
use crate::store::sqlite::open;
use crate::testing::{NOW, new_product, options};

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
    for (sql, expected) in [
        (ORDERS, "SEARCH orders USING INTEGER PRIMARY KEY (rowid<?)"),
        (
            ORDERS_BY_STATUS,
            "SEARCH orders USING INDEX orders_by_status (status=? AND rowid<?)",
        ),
        (
            ORDERS_OWING,
            "SEARCH orders USING INDEX orders_owing (refund_due=? AND rowid<?)",
        ),
        (
            ORDERS_EXPIRING,
            "SEARCH orders USING INDEX orders_expiring (expires_at_ms<?)",
        ),
        (
            chains::ORDERS.last,
            "SEARCH products USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (chains::ORDER, "SEARCH orders USING INTEGER PRIMARY KEY (rowid=?)"),
        (
            chains::ORDERS.previous,
            "COMPOUND QUERY; LEFT-MOST SUBQUERY; SEARCH orders USING INTEGER PRIMARY KEY (rowid=?); UNION ALL; \
             SEARCH gone_orders USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            chains::MOVEMENTS.last,
            "SEARCH products USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            chains::MOVEMENT,
            "SEARCH stock_movements USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            chains::MOVEMENTS.previous,
            "SEARCH stock_movements USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            payments::EVENTS,
            "SEARCH payment_events USING INTEGER PRIMARY KEY (rowid<?)",
        ),
        (
            payments::EVENTS_BY_RESULT,
            "SEARCH payment_events USING INDEX payment_events_by_result (result=? AND rowid<?)",
        ),
        (
            payments::EVENTS_BY_ORDER,
            "SEARCH payment_events USING INDEX payment_events_by_order (order_id=? AND rowid<?)",
        ),
        (
            payments::OPEN_PAYMENTS,
            "SEARCH payments USING INDEX payments_open (order_id=?)",
        ),
        (
            payments::SAW_MONEY,
            "SCAN CONSTANT ROW; SCALAR SUBQUERY 1; \
             SEARCH payment_events USING INDEX payment_events_by_order (order_id=?)",
        ),
        (
            payments::IS_PAYMENT_KNOWN,
            "SCAN CONSTANT ROW; SCALAR SUBQUERY 1; \
             SEARCH payment_events USING INDEX payment_events_by_order (order_id=?)",
        ),
        (
            kept::STORED_ANSWER,
            "SEARCH kept_answers USING INDEX sqlite_autoindex_kept_answers_1 (key=? AND path=? AND caller=?)",
        ),
        (
            kept::HAS_ANSWER_KEPT_UNTIL,
            "SCAN CONSTANT ROW; SCALAR SUBQUERY 1; \
             SEARCH kept_answers USING COVERING INDEX kept_answers_by_age (kept_at_ms<?)",
        ),
        (
            kept::DELETE_ANSWERS,
            "SEARCH kept_answers USING INTEGER PRIMARY KEY (rowid=?); LIST SUBQUERY 1; \
             SEARCH kept_answers USING COVERING INDEX kept_answers_by_age (kept_at_ms<?)",
        ),
    ] {
        assert_eq!(plan(&connection, sql), expected, "{sql}");
    }
}

#[test]
fn a_statement_runs_again_whatever_it_came_to_before() {
    let folder = TempDir::new().unwrap();
    let connection = open::prepare(&options(&folder).path).unwrap();
    let mut session = Session::new(&connection);
    session.run("BEGIN").unwrap();
    let mut add = |sku| session.insert_product(&new_product(sku, 1), NOW);
    let (first, refused, second) = (add("A").unwrap(), add("A"), add("B").unwrap());
    assert!(matches!(refused, Err(Error::Internal(_))));
    let sku_of = |id| session.product(id).unwrap().map(|product| product.sku.into_string());
    assert_eq!(sku_of(first).as_deref(), Some("A"));
    assert_eq!(sku_of(ProductId::new(99).unwrap()), None);
    assert_eq!(sku_of(second).as_deref(), Some("B"));
    // A list that was not read to its end is no reason against a commit either.
    let refuse: Decode<()> = |_| Err(rusqlite::Error::InvalidQuery);
    assert!(session.many("SELECT id FROM products", params![], refuse).is_err());
    session.run("COMMIT").unwrap();
    session.run("BEGIN").unwrap();
    assert_eq!(session.products(None, 5).unwrap().len(), 2);
}
