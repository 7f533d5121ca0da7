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
    let movements = "SELECT * FROM stock_movements WHERE product_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
    for (sql, expected) in [
        (ORDERS, "SEARCH orders USING INTEGER PRIMARY KEY (rowid<?)"),
        (
            ORDERS_BY_STATUS,
            "SEARCH orders USING INDEX orders_by_status (status=? AND rowid<?)",
        ),
        (
            ORDERS_BY_PRODUCT,
            "SEARCH orders USING INDEX orders_by_product (product_id=? AND rowid<?)",
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
            movements,
            "SEARCH stock_movements USING PRIMARY KEY (product_id=? AND id<?)",
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
            "SEARCH kept_answers USING PRIMARY KEY (caller=? AND path=? AND key=?)",
        ),
        (
            kept::HAS_ANSWER_KEPT_UNTIL,
            "SCAN CONSTANT ROW; SCALAR SUBQUERY 1; \
             SEARCH kept_answers USING COVERING INDEX kept_answers_by_age (kept_at_ms<?)",
        ),
        (
            kept::DELETE_ANSWERS,
            "SEARCH kept_answers USING PRIMARY KEY (caller=? AND path=? AND key=?); LIST SUBQUERY 2; \
             SEARCH kept_answers USING COVERING INDEX kept_answers_by_age (kept_at_ms<?)",
        ),
    ] {
        assert_eq!(plan(&connection, sql), expected, "{sql}");
    }
}
