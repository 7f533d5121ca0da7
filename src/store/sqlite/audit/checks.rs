//! What must hold, as questions to the data.
//!
//! They are written from the meaning of the tables, not from the code that fills them, and each selects the rows that
//! break it. A row that breaks several is named by each. What the schema's CHECKs say is checked here again, because
//! SQLite does not check them when it reads.

mod payments;

/// One thing that must hold.
pub(super) struct Check {
    /// What must hold, for people.
    pub(super) name: &'static str,
    /// How many rows it is checked for.
    pub(super) count: &'static str,
    /// One text for each row that breaks it.
    pub(super) broken: &'static str,
}

/// Every check, the file itself first.
pub(super) const CHECKS: &[&[Check]] = &[FILE, STOCK, ORDERS, payments::CHECKS, ANSWERS];

const FILE: &[Check] = &[
    Check {
        name: "the file is sound",
        count: "SELECT page_count FROM pragma_page_count",
        broken: "SELECT replace(integrity_check, char(10), ' ') FROM pragma_integrity_check \
                 WHERE integrity_check <> 'ok'",
    },
    Check {
        name: "references lead somewhere",
        count: "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM stock_movements) \
                + (SELECT count(*) FROM payments) + (SELECT count(*) FROM refunds) \
                + (SELECT count(*) FROM disputes)",
        broken: r#"SELECT format('%s row %s leads to no row of %s', "table", ifnull(rowid, '?'), parent)
                   FROM pragma_foreign_key_check"#,
    },
    Check {
        name: "no id is above its counter",
        count: "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM orders) \
                + (SELECT count(*) FROM stock_movements) + (SELECT count(*) FROM payment_events)",
        broken: "WITH used (name, id) AS (
                     SELECT 'products', max(id) FROM products
                     UNION ALL SELECT 'orders', max(id) FROM orders
                     UNION ALL SELECT 'stock_movements', max(id) FROM stock_movements
                     UNION ALL SELECT 'payment_events', max(number) FROM payment_events
                     UNION ALL SELECT 'products', max(product_id) FROM stock_movements
                     UNION ALL SELECT 'orders', max(order_id) FROM stock_movements
                     UNION ALL SELECT 'orders', max(order_id) FROM payment_events
                         WHERE provider <> 'own' OR fact <> 'not_paid'
                     UNION ALL SELECT 'orders', max(order_id) FROM payments
                     UNION ALL SELECT 'orders', max(order_id) FROM payment_holds)
                 SELECT format('%s: id %d is above the counter %s', name, id, ifnull(seq, 'that is not there'))
                 FROM used LEFT JOIN sqlite_sequence USING (name)
                 WHERE id IS NOT NULL AND id > ifnull(seq, 0)",
    },
    Check {
        name: "versions count from 1",
        count: "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM orders)",
        broken: "SELECT format('product %d is in version %d', id, version) FROM products WHERE version < 1
                 UNION ALL SELECT format('order %d is in version %d', id, version) FROM orders WHERE version < 1",
    },
];

const STOCK: &[Check] = &[
    Check {
        name: "stock is the sum of its movements",
        count: "SELECT count(*) FROM products",
        broken: "WITH sums AS (SELECT product_id, sum(delta) AS units FROM stock_movements GROUP BY product_id)
                 SELECT format('product %d has stock %d, its movements add up to %d', id, stock, ifnull(units, 0))
                 FROM products LEFT JOIN sums ON product_id = id WHERE stock <> ifnull(units, 0) ORDER BY id",
    },
    Check {
        name: "stock is that after the newest movement",
        count: "SELECT count(*) FROM products",
        broken: "WITH newest AS (
                     SELECT product_id, stock_after, max(id) FROM stock_movements GROUP BY product_id)
                 SELECT format('product %d has stock %d, its newest movement left %d', id, stock,
                     ifnull(stock_after, 0))
                 FROM products LEFT JOIN newest ON product_id = id WHERE stock <> ifnull(stock_after, 0) ORDER BY id",
    },
    Check {
        name: "stock is not negative",
        count: "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM stock_movements)",
        broken: "SELECT format('product %d has stock %d', id, stock) FROM products WHERE stock < 0
                 UNION ALL SELECT format('movement %d left product %d with %d', id, product_id, stock_after)
                 FROM stock_movements WHERE stock_after < 0",
    },
    Check {
        name: "each movement goes on from the one before",
        count: "SELECT count(*) FROM stock_movements",
        broken: "WITH steps AS (
                     SELECT product_id, id, delta, stock_after,
                         lag(stock_after, 1, 0) OVER (PARTITION BY product_id ORDER BY id) AS stock_before
                     FROM stock_movements)
                 SELECT format('movement %d of product %d makes %d of %d with %d', id, product_id, stock_after,
                     stock_before, delta)
                 FROM steps WHERE stock_after <> stock_before + delta OR delta = 0",
    },
    Check {
        name: "movements have a reason, and the order that it speaks of",
        count: "SELECT count(*) FROM stock_movements",
        broken: "SELECT format('movement %d has reason %s and order %s', id, reason, ifnull(order_id, 'none'))
                 FROM stock_movements WHERE NOT CASE
                     WHEN reason IN ('initial', 'adjustment') THEN order_id IS NULL
                     WHEN reason IN ('order_placed', 'order_changed', 'order_canceled', 'order_expired',
                         'order_deleted') THEN order_id IS NOT NULL
                     ELSE FALSE END",
    },
    Check {
        name: "orders hold what their movements took",
        count: "SELECT count(DISTINCT order_id) FROM (
                    SELECT order_id FROM stock_movements WHERE order_id IS NOT NULL UNION SELECT id FROM orders)",
        // Units taken of another product than the order's count as not taken at all.
        broken: "WITH moved AS (
                     SELECT order_id, product_id, sum(delta) AS units FROM stock_movements
                     WHERE order_id IS NOT NULL GROUP BY order_id, product_id),
                 held AS (
                     SELECT id, product_id, CASE status WHEN 'CANCELED' THEN 0 ELSE quantity END AS units FROM orders)
                 SELECT format('order %d holds %d units of product %d, its movements took %d', id, held.units,
                     held.product_id, -ifnull(moved.units, 0))
                 FROM held LEFT JOIN moved ON order_id = id AND moved.product_id = held.product_id
                 WHERE held.units <> -ifnull(moved.units, 0)
                 UNION ALL SELECT format('order %d is gone or of another product, its movements took %d of product %d',
                     order_id, -units, product_id)
                 FROM moved WHERE units <> 0 AND NOT EXISTS (
                     SELECT 1 FROM held WHERE id = order_id AND held.product_id = moved.product_id)",
    },
];

const ORDERS: &[Check] = &[
    Check {
        name: "statuses have their times",
        count: "SELECT count(*) FROM orders",
        broken: "SELECT format('order %d is %s with paid %s, shipped %s, canceled %s', id, status,
                     ifnull(paid_at_ms, 'never'), ifnull(shipped_at_ms, 'never'), ifnull(canceled_at_ms, 'never'))
                 FROM orders WHERE NOT CASE status
                     WHEN 'PENDING' THEN coalesce(paid_at_ms, shipped_at_ms, canceled_at_ms) IS NULL
                     WHEN 'PAID' THEN paid_at_ms IS NOT NULL AND coalesce(shipped_at_ms, canceled_at_ms) IS NULL
                     WHEN 'SHIPPED' THEN paid_at_ms IS NOT NULL AND shipped_at_ms IS NOT NULL
                         AND canceled_at_ms IS NULL
                     WHEN 'CANCELED' THEN canceled_at_ms IS NOT NULL AND shipped_at_ms IS NULL
                     ELSE FALSE END",
    },
    Check {
        name: "only pending orders expire",
        count: "SELECT count(*) FROM orders",
        broken: "SELECT format('order %d is %s and expires at %d', id, status, expires_at_ms) FROM orders
                 WHERE expires_at_ms IS NOT NULL AND status <> 'PENDING'",
    },
    Check {
        name: "orders that are held expire when their holds end",
        count: "SELECT count(*) FROM payment_holds",
        broken: "WITH held AS (
                     SELECT order_id, max(deadline_ms, ifnull(max(iif(ended_s IS NULL, until_ms, NULL)), 0)) AS until
                     FROM payment_holds GROUP BY order_id)
                 SELECT format('order %d expires at %d and is held until %d', id, expires_at_ms, until)
                 FROM orders JOIN held ON order_id = id WHERE expires_at_ms IS NOT NULL AND expires_at_ms <> until
                 UNION ALL SELECT format('order %d has holds with several deadlines', order_id)
                 FROM payment_holds GROUP BY order_id HAVING min(deadline_ms) <> max(deadline_ms)",
    },
    Check {
        name: "prices and totals are above 0",
        count: "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM orders)",
        // A product that an integer cannot hold becomes a real number.
        broken: "SELECT format('product %d costs %d cents', id, price_cents) FROM products WHERE price_cents <= 0
                 UNION ALL SELECT format('order %d is of %d units for %d cents each', id, quantity, unit_price_cents)
                 FROM orders WHERE quantity <= 0 OR unit_price_cents <= 0
                     OR typeof(quantity * unit_price_cents) <> 'integer'",
    },
    Check {
        name: "paid orders have one payment of their total, and no others have one",
        count: "SELECT count(*) FROM orders",
        broken: "WITH own AS (
                     SELECT order_id, count(*) AS payments, min(amount_units) AS cents FROM payments
                     WHERE is_own = 1 GROUP BY order_id),
                 wanted AS (SELECT id, status, paid_at_ms IS NOT NULL AS is_paid, quantity * unit_price_cents AS total
                     FROM orders)
                 SELECT format('order %d is %s, was %s and has %d payments of its own, of %s cents; its total is %d',
                     id, status, iif(is_paid, 'paid', 'not paid'), ifnull(payments, 0), ifnull(cents, 'no'), total)
                 FROM wanted LEFT JOIN own ON order_id = id
                 WHERE ifnull(payments, 0) <> is_paid OR (is_paid AND cents IS NOT total)
                 UNION ALL SELECT format('payment %d belongs to order %d, which is gone', number, order_id)
                 FROM payments WHERE is_own = 1 AND order_id NOT IN (SELECT id FROM orders)",
    },
    Check {
        name: "a paid order's payment is not refunded whole",
        count: "SELECT count(*) FROM orders WHERE status = 'PAID'",
        broken: "SELECT format('order %d is PAID, its payment %d is closed', id, number)
                 FROM orders JOIN payments ON order_id = id WHERE status = 'PAID' AND is_own = 1 AND is_closed = 1",
    },
    Check {
        name: "canceled orders with an open payment owe it back, and no others do",
        count: "SELECT count(*) FROM orders",
        broken: "WITH owing AS (
                     SELECT id, status, refund_due, status = 'CANCELED' AND EXISTS (
                         SELECT 1 FROM payments WHERE order_id = id AND is_closed = 0) AS owes FROM orders)
                 SELECT format('order %d is %s and has refund_due %d instead of %d', id, status, refund_due, owes)
                 FROM owing WHERE refund_due <> owes",
    },
    Check {
        name: "deleted orders had no recorded payment",
        count: "SELECT count(*) FROM payment_events WHERE fact = 'paid'",
        // What was recorded while there was an order says so by its result; and it stays for ever.
        broken: "SELECT format('event %d says %s of order %d, which is gone', number, result, order_id)
                 FROM payment_events WHERE fact = 'paid'
                     AND (result IN ('applied', 'duplicate_payment', 'refund_due')
                         OR (result = 'amount_mismatch' AND amount_cents IS NOT NULL))
                     AND order_id NOT IN (SELECT id FROM orders)",
    },
];

const ANSWERS: &[Check] = &[Check {
    name: "responses under idempotency keys are successes",
    count: "SELECT count(*) FROM idempotency_keys",
    broken: "SELECT format('the response to %s under key %s has status %d', path, key, status)
             FROM idempotency_keys WHERE status NOT BETWEEN 200 AND 299",
}];
