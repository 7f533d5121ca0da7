-- An ordinary schema again: orders and movements refer to their product by foreign keys, and lists of one product are
-- found by indexes.
--
-- Since the third migration each row named the row before it and the product named its newest one. That made an order
-- cheaper to insert. But a filter looked through rows that it did not return, no other tool could follow the lists, and
-- SQLite no longer guarded the references.

DROP TRIGGER products_in_use;
ALTER TABLE products DROP COLUMN last_order;
ALTER TABLE products DROP COLUMN last_movement;

CREATE TABLE new_orders (
    -- AUTOINCREMENT: an id is never given again. `sqlite_sequence` has the last one, also of an order that was deleted.
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id       INTEGER NOT NULL REFERENCES products (id),
    quantity         INTEGER NOT NULL CHECK (quantity >= 1),
    unit_price_cents INTEGER NOT NULL CHECK (unit_price_cents > 0),
    status           TEXT    NOT NULL,
    version          INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at_ms    INTEGER NOT NULL,
    updated_at_ms    INTEGER NOT NULL,
    expires_at_ms    INTEGER CHECK (expires_at_ms IS NULL OR status = 'PENDING'),
    paid_at_ms       INTEGER,
    shipped_at_ms    INTEGER,
    canceled_at_ms   INTEGER,
    refund_due       INTEGER NOT NULL DEFAULT 0
        CHECK (refund_due = 0 OR (refund_due = 1 AND status = 'CANCELED')),
    -- A status has the times of the steps that led there, and no others.
    CHECK (CASE status
        WHEN 'PENDING'  THEN paid_at_ms IS NULL     AND shipped_at_ms IS NULL     AND canceled_at_ms IS NULL
        WHEN 'PAID'     THEN paid_at_ms IS NOT NULL AND shipped_at_ms IS NULL     AND canceled_at_ms IS NULL
        WHEN 'SHIPPED'  THEN paid_at_ms IS NOT NULL AND shipped_at_ms IS NOT NULL AND canceled_at_ms IS NULL
        WHEN 'CANCELED' THEN shipped_at_ms IS NULL  AND canceled_at_ms IS NOT NULL
        ELSE FALSE
    END)
) STRICT;
INSERT INTO new_orders
SELECT id, product_id, quantity, unit_price_cents, status, version, created_at_ms, updated_at_ms, expires_at_ms,
    paid_at_ms, shipped_at_ms, canceled_at_ms, refund_due
FROM orders ORDER BY id;
DELETE FROM sqlite_sequence WHERE name = 'new_orders';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_orders', seq FROM sqlite_sequence WHERE name = 'orders';
DROP TABLE orders;
ALTER TABLE new_orders RENAME TO orders;
DROP TABLE gone_orders;

-- An index ends in the row's id. So with the status and `refund_due` given, either of the next two lists orders newest
-- first, and a list of several statuses merges several such lists. Together they serve every filter of GET /orders.

-- GET /orders?status=, ?refund_due=, and both.
CREATE INDEX orders_by_status ON orders (status, refund_due);

-- GET /orders?product_id=, alone and with the two above; whether any order refers to a product, which the foreign key asks
-- when a product is deleted.
CREATE INDEX orders_by_product ON orders (product_id, status, refund_due);

-- Which unpaid orders are due, the longest overdue first. It holds only orders that wait for a payment.
CREATE INDEX orders_expiring ON orders (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- `order_id` is no foreign key: the ledger outlives a deleted order. The reasons are not listed here, for a list could not
-- grow without rewriting the table; an unknown one is refused when it is read.
CREATE TABLE new_movements (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id    INTEGER NOT NULL REFERENCES products (id),
    delta         INTEGER NOT NULL CHECK (delta <> 0),
    stock_after   INTEGER NOT NULL CHECK (stock_after >= 0),
    reason        TEXT    NOT NULL,
    order_id      INTEGER,
    note          TEXT,
    created_at_ms INTEGER NOT NULL,
    CHECK ((reason IN ('initial', 'adjustment')) = (order_id IS NULL))
) STRICT;
INSERT INTO new_movements
SELECT id, product_id, delta, stock_after, reason, order_id, note, created_at_ms FROM stock_movements ORDER BY id;
DELETE FROM sqlite_sequence WHERE name = 'new_movements';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_movements', seq FROM sqlite_sequence WHERE name = 'stock_movements';
DROP TABLE stock_movements;
ALTER TABLE new_movements RENAME TO stock_movements;

-- GET /products/{id}/stock-movements, newest first; and the foreign key, when a product is deleted.
CREATE INDEX stock_movements_by_product ON stock_movements (product_id);

-- The plain name for what it holds: the response under each idempotency key.
DROP INDEX kept_answers_by_age;
ALTER TABLE kept_answers RENAME TO idempotency_keys;
ALTER TABLE idempotency_keys RENAME COLUMN kept_at_ms TO created_at_ms;

-- Which keys have expired, the oldest first.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at_ms);
