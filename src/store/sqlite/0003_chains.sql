-- Orders and movements are found from their product by a chain instead of an index.
--
-- The product names its newest row, and each row the one before it. So a new row is appended, wherever its product is:
-- before, each order wrote two more pages somewhere in the middle of the file, one of an index and one of the ledger, and
-- those were most of what an order cost. A list is read newest first, which is the way that a chain leads; a step of it
-- finds one row by its id.
--
-- No table refers to a product any more: to delete one, SQLite would look through all rows for one that does. The
-- product knows whether there are any.

ALTER TABLE products ADD COLUMN last_order INTEGER;
ALTER TABLE products ADD COLUMN last_movement INTEGER;
UPDATE products SET
    last_order    = (SELECT max(id) FROM orders          WHERE product_id = products.id),
    last_movement = (SELECT max(id) FROM stock_movements WHERE product_id = products.id);

CREATE TRIGGER products_in_use BEFORE DELETE ON products
WHEN OLD.last_order IS NOT NULL OR OLD.last_movement IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'the product has orders or movements');
END;

CREATE TABLE chained_orders (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id       INTEGER NOT NULL,
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
    -- The order of the same product that was placed before this one.
    previous         INTEGER CHECK (previous < id),
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
INSERT INTO chained_orders
SELECT id, product_id, quantity, unit_price_cents, status, version, created_at_ms, updated_at_ms, expires_at_ms,
    paid_at_ms, shipped_at_ms, canceled_at_ms,
    (SELECT max(id) FROM orders AS others WHERE product_id = orders.product_id AND id < orders.id), refund_due
FROM orders ORDER BY id;
-- The last id ever given, even if that order is gone.
DELETE FROM sqlite_sequence WHERE name = 'chained_orders';
INSERT INTO sqlite_sequence (name, seq) SELECT 'chained_orders', seq FROM sqlite_sequence WHERE name = 'orders';
DROP TABLE orders;
ALTER TABLE chained_orders RENAME TO orders;

-- As they were, for the queries that they were made for.
CREATE INDEX orders_by_status ON orders (status);
CREATE INDEX orders_expiring ON orders (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
CREATE INDEX orders_owing ON orders (refund_due) WHERE refund_due = 1;

-- Orders that are gone and that a newer one of their product still names, so that the chain leads on.
CREATE TABLE gone_orders (
    id         INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL,
    previous   INTEGER CHECK (previous < id)
) STRICT;

-- `order_id` is no foreign key: the ledger outlives a deleted order. The reasons are not listed here, for a list could not
-- grow without rewriting the table; an unknown one is refused when it is read.
CREATE TABLE chained_movements (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id    INTEGER NOT NULL,
    delta         INTEGER NOT NULL CHECK (delta <> 0),
    stock_after   INTEGER NOT NULL CHECK (stock_after >= 0),
    reason        TEXT    NOT NULL,
    order_id      INTEGER,
    note          TEXT,
    -- The movement of the same product before this one.
    previous      INTEGER CHECK (previous < id),
    created_at_ms INTEGER NOT NULL,
    CHECK ((reason IN ('initial', 'adjustment')) = (order_id IS NULL))
) STRICT;
INSERT INTO chained_movements
SELECT id, product_id, delta, stock_after, reason, order_id, note,
    (SELECT max(id) FROM stock_movements AS others WHERE product_id = stock_movements.product_id
        AND id < stock_movements.id),
    created_at_ms
FROM stock_movements ORDER BY id;
DELETE FROM sqlite_sequence WHERE name = 'chained_movements';
INSERT INTO sqlite_sequence (name, seq) SELECT 'chained_movements', last FROM movement_ids;
DROP TABLE stock_movements;
DROP TABLE movement_ids;
ALTER TABLE chained_movements RENAME TO stock_movements;
