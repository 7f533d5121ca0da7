//! Whether every list finds its rows by an index, in order, whatever else is in the table; and whether a statement that a
//! session keeps is as good as a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

const BY_STATUS_STEP: &str = "SEARCH orders USING INDEX orders_by_status (status=? AND refund_due=? AND rowid<?)";
const BY_PRODUCT_STEP: &str =
    "SEARCH orders USING INDEX orders_by_product (product_id=? AND status=? AND refund_due=? AND rowid<?)";

#[test]
fn lists_use_their_indexes() {
    let folder = TempDir::new().unwrap();
    let connection = open::prepare(&options(&folder).path).unwrap();
    for (sql, expected) in [
        (ORDERS, "SEARCH orders USING INTEGER PRIMARY KEY (rowid<?)"),
        (BY_STATUS, BY_STATUS_STEP),
        (OWING, BY_STATUS_STEP),
        (OF_PRODUCT_BY_STATUS, BY_PRODUCT_STEP),
        (OF_PRODUCT_OWING, BY_PRODUCT_STEP),
        (
            HAS_ORDERS,
            "SCAN CONSTANT ROW; SCALAR SUBQUERY 1; SEARCH orders USING COVERING INDEX orders_by_product (product_id=?)",
        ),
        (
            MOVEMENTS,
            "SEARCH stock_movements USING INDEX stock_movements_by_product (product_id=? AND rowid<?)",
        ),
        (
            ORDERS_EXPIRING,
            "SEARCH orders USING INDEX orders_expiring (expires_at_ms<?)",
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
            "SEARCH payments USING INDEX payments_by_order (order_id=?)",
        ),
        (
            payments::HAS_RECORDED_PAYMENT,
            "SCAN CONSTANT ROW; SCALAR SUBQUERY 1; \
             SEARCH payment_events USING INDEX payment_events_by_order (order_id=?)",
        ),
        (
            payments::IS_PAYMENT_KNOWN,
            "SCAN CONSTANT ROW; SCALAR SUBQUERY 1; \
             SEARCH payment_events USING INDEX payment_events_by_order (order_id=?)",
        ),
        (
            payments::EVENT,
            "SEARCH payment_events USING INDEX payment_events_by_id (event_id=? AND provider=?)",
        ),
        (
            payments::PAYMENT_OF_ORDER,
            "SEARCH payments USING INDEX payments_by_order (order_id=?)",
        ),
        (
            payments::PAYMENT_OF_PROVIDER,
            "SEARCH payments USING INDEX payments_by_id (payment_id=? AND provider=?)",
        ),
        (
            payments::REFUND_OF_ORDER,
            "SEARCH refunds USING INDEX refunds_of_orders_by_id (refund_id=? AND order_id=?)",
        ),
        (
            payments::REFUND_OF_PROVIDER,
            "SEARCH refunds USING INDEX refunds_by_id (refund_id=? AND provider=?)",
        ),
        (
            payments::REFUNDS_OF,
            "SEARCH refunds USING INDEX refunds_by_payment (payment=?)",
        ),
        (
            payments::KEPT_REFUNDS,
            "SEARCH refunds USING INDEX refunds_kept (payment_id=?)",
        ),
        (
            PRODUCTS_WITH_TEXT,
            "SEARCH products USING INTEGER PRIMARY KEY (rowid=?); LIST SUBQUERY 1; \
             SCAN product_texts VIRTUAL TABLE INDEX 64:M2>",
        ),
        (
            PRODUCTS_BY_CHANGE,
            "SEARCH products USING INDEX products_by_change (<expr>>?)",
        ),
        (
            BY_REFERENCE,
            "SEARCH orders USING INDEX orders_by_reference (reference=? AND rowid<?)",
        ),
        (
            BY_TIME,
            "SEARCH orders USING INDEX orders_by_time (created_at_ms>? AND created_at_ms<?)",
        ),
        (
            payments::DISPUTE,
            "SEARCH disputes USING INDEX disputes_by_id (dispute_id=? AND provider=?)",
        ),
        (
            payments::KEPT_DISPUTES,
            "SEARCH disputes USING INDEX disputes_kept (payment_id=?)",
        ),
        (
            payments::HOLD,
            "SEARCH payment_holds USING PRIMARY KEY (payment_id=? AND provider=?)",
        ),
        (
            payments::HOLDS,
            "SEARCH payment_holds USING INDEX payment_holds_by_order (order_id=?)",
        ),
        (
            payments::PAYMENTS,
            "SEARCH p USING INTEGER PRIMARY KEY (rowid<?); SEARCH e USING INTEGER PRIMARY KEY (rowid=?); \
             CORRELATED SCALAR SUBQUERY 1; SEARCH d USING INDEX disputes_by_payment (payment=?)",
        ),
        (
            payments::PAYMENTS_BY_STATE,
            "SEARCH p USING INDEX payments_by_state (is_closed=? AND rowid<?); \
             SEARCH e USING INTEGER PRIMARY KEY (rowid=?); \
             CORRELATED SCALAR SUBQUERY 1; SEARCH d USING INDEX disputes_by_payment (payment=?)",
        ),
        (
            payments::PAYMENTS_BY_ORDER,
            "SEARCH p USING INDEX payments_by_order (order_id=? AND rowid<?); \
             SEARCH e USING INTEGER PRIMARY KEY (rowid=?); \
             CORRELATED SCALAR SUBQUERY 1; SEARCH d USING INDEX disputes_by_payment (payment=?)",
        ),
        (
            idempotency::RECORD,
            "SEARCH idempotency_keys USING INDEX sqlite_autoindex_idempotency_keys_1 (key=? AND path=? AND caller=?)",
        ),
        (
            idempotency::HAS_RECORDS_UNTIL,
            "SCAN CONSTANT ROW; SCALAR SUBQUERY 1; \
             SEARCH idempotency_keys USING COVERING INDEX idempotency_keys_by_age (created_at_ms<?)",
        ),
        (
            idempotency::DELETE_RECORDS,
            "SEARCH idempotency_keys USING INTEGER PRIMARY KEY (rowid=?); LIST SUBQUERY 1; \
             SEARCH idempotency_keys USING COVERING INDEX idempotency_keys_by_age (created_at_ms<?)",
        ),
    ] {
        assert_eq!(plan(&connection, sql), expected, "{sql}");
    }
}

/// Each of several statuses is a search of its own, and SQLite merges what they find without sorting it.
#[test]
fn lists_of_several_statuses_are_merged() {
    let folder = TempDir::new().unwrap();
    let connection = open::prepare(&options(&folder).path).unwrap();
    for (sql, step, searches) in [
        (CANCELED, BY_STATUS_STEP, 2),
        (NOT_OWING, BY_STATUS_STEP, 4),
        (OF_PRODUCT, BY_PRODUCT_STEP, 5),
        (OF_PRODUCT_CANCELED, BY_PRODUCT_STEP, 2),
        (OF_PRODUCT_NOT_OWING, BY_PRODUCT_STEP, 4),
    ] {
        let plan = plan(&connection, sql);
        let steps: Vec<_> = plan.split("; ").collect();
        assert_eq!(steps.iter().filter(|found| **found == step).count(), searches, "{plan}");
        let other = |found: &&str| ["MERGE (UNION ALL)", "LEFT", "RIGHT", step].contains(found);
        assert!(steps.iter().all(other), "{plan}");
    }
}

/// Every filter, with a hundred thousand orders of one product in the way, settled ones or such that owe a refund: the steps of SQLite's virtual machine for a page
/// are as few as in a table without them, and no statement steps through a table or sorts.
#[test]
fn a_page_of_any_filter_costs_the_same_among_many_orders() {
    const SETTLED: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        INSERT INTO orders (product_id, quantity, unit_price_cents, status, created_at_ms, updated_at_ms,
            paid_at_ms, shipped_at_ms, canceled_at_ms)
        SELECT 1, 1, 1, iif(i % 2, 'SHIPPED', 'CANCELED'), 0, 0, 0, iif(i % 2, 0, NULL), iif(i % 2, NULL, 0) FROM n";
    const OWING: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        INSERT INTO orders (product_id, quantity, unit_price_cents, status, created_at_ms, updated_at_ms,
            canceled_at_ms, refund_due)
        SELECT 1, 1, 1, 'CANCELED', 0, 0, 0, 1 FROM n";
    // The matches are the oldest, so that whoever looks through the others pays for all of them.
    const MATCHES: &str =
        "INSERT INTO orders (product_id, quantity, unit_price_cents, status, created_at_ms, updated_at_ms,
            paid_at_ms, shipped_at_ms, canceled_at_ms, refund_due) VALUES
        (1, 1, 1, 'PENDING', 0, 0, NULL, NULL, NULL, 0), (1, 1, 1, 'PAID', 0, 0, 0, NULL, NULL, 0),
        (1, 1, 1, 'CANCELED', 0, 0, NULL, NULL, 0, 1), (2, 1, 1, 'SHIPPED', 0, 0, 0, 0, NULL, 0)";
    let steps = |in_the_way: &str| {
        let folder = TempDir::new().unwrap();
        let connection = open::prepare(&options(&folder).path).unwrap();
        let mut session = Session::new(&connection);
        for sku in ["A", "B", "C"] {
            session.insert_product(&new_product(sku, 1), NOW).unwrap();
        }
        connection.execute_batch(MATCHES).unwrap();
        connection.execute_batch(in_the_way).unwrap();
        filters()
            .map(|filter| steps_of(&connection, &filter))
            .collect::<Vec<_>>()
    };
    let few = steps("");
    for in_the_way in [SETTLED, OWING] {
        for ((filter, few), many) in filters().zip(&few).zip(steps(in_the_way)) {
            // A page of 20 has that much more to return, at some dozens of steps a row.
            assert!(many < few + 2_000, "{filter:?}: {few} steps grew to {many}");
        }
    }
}

/// Every combination of what a list of orders can be filtered by; the third product has no orders.
fn filters() -> impl Iterator<Item = OrderFilter> {
    let statuses = || [None].into_iter().chain(Status::ALL.map(Some));
    let products = || [None, Some(1), Some(2), Some(3)].map(|id| id.map(|id| ProductId::new(id).unwrap()));
    statuses().flat_map(move |status| {
        products().into_iter().flat_map(move |product_id| {
            [None, Some(false), Some(true)].map(|refund_due| OrderFilter {
                status,
                product_id,
                refund_due,
                reference: None,
            })
        })
    })
}

fn lets_through(filter: &OrderFilter, order: &Order) -> bool {
    let OrderFilter {
        status,
        product_id,
        refund_due,
        ref reference,
    } = *filter;
    status.is_none_or(|status| order.status() == status)
        && product_id.is_none_or(|product_id| order.product_id() == product_id)
        && refund_due.is_none_or(|refund_due| order.refund_due() == refund_due)
        && reference.is_none() | (order.reference() == reference.as_ref())
}

/// How many steps a page takes, counted by a progress handler that is called at each.
fn steps_of(connection: &Connection, filter: &OrderFilter) -> usize {
    let steps = Arc::new(AtomicUsize::new(0));
    let count = {
        let steps = Arc::clone(&steps);
        move || {
            steps.fetch_add(1, Ordering::Relaxed);
            false
        }
    };
    connection.progress_handler(1, Some(count)).unwrap();
    let found = Session::new(connection).orders(filter, None, 20).unwrap();
    connection.progress_handler(0, None::<fn() -> bool>).unwrap();
    assert!(found.iter().all(|order| lets_through(filter, order)), "{filter:?}");
    steps.load(Ordering::Relaxed)
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
    // An SKU is no id.
    assert!(session.many::<OrderId>("SELECT sku FROM products", params![]).is_err());
    session.run("COMMIT").unwrap();
    session.run("BEGIN").unwrap();
    assert_eq!(session.products(None, 5).unwrap().len(), 2);
}
