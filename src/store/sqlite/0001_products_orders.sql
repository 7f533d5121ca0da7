-- Products, orders, and the ledger of every change of stock.
--
-- The rules stand in the code; the CHECKs repeat those without which a row would make no sense, so that no mistake of
-- the code, and nobody's hand, can leave such a row behind. Money is whole cents, times are Unix milliseconds.
-- Each index costs on every order placed, so each says which query could not do without it.

CREATE TABLE products (
    -- AUTOINCREMENT: an id is never given again, not even after its product was deleted.
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Its index answers GET /products?sku= and the check that a SKU is free.
    sku           TEXT    NOT NULL UNIQUE CHECK (sku <> ''),
    name          TEXT    NOT NULL CHECK (name <> ''),
    price_cents   INTEGER NOT NULL CHECK (price_cents > 0),
    stock         INTEGER NOT NULL CHECK (stock >= 0),
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE orders (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id       INTEGER NOT NULL REFERENCES products (id),
    quantity         INTEGER NOT NULL CHECK (quantity >= 1),
    unit_price_cents INTEGER NOT NULL CHECK (unit_price_cents > 0),
    status           TEXT    NOT NULL,
    created_at_ms    INTEGER NOT NULL,
    updated_at_ms    INTEGER NOT NULL,
    paid_at_ms       INTEGER,
    shipped_at_ms    INTEGER,
    canceled_at_ms   INTEGER,
    -- A status has the times of the steps that led there, and no others.
    CHECK (CASE status
        WHEN 'PENDING'  THEN paid_at_ms IS NULL     AND shipped_at_ms IS NULL     AND canceled_at_ms IS NULL
        WHEN 'PAID'     THEN paid_at_ms IS NOT NULL AND shipped_at_ms IS NULL     AND canceled_at_ms IS NULL
        WHEN 'SHIPPED'  THEN paid_at_ms IS NOT NULL AND shipped_at_ms IS NOT NULL AND canceled_at_ms IS NULL
        WHEN 'CANCELED' THEN shipped_at_ms IS NULL  AND canceled_at_ms IS NOT NULL
        ELSE FALSE
    END)
) STRICT;

-- GET /orders?product_id=, newest first (an index ends in the row's id); whether a product is in use; and the foreign
-- key, which looks here when a product is deleted.
CREATE INDEX orders_by_product ON orders (product_id);

-- GET /orders?status=, newest first. Without it the rare status is a walk through all orders. New orders append.
CREATE INDEX orders_by_status ON orders (status);

-- The table's own order is the one query: GET /products/{id}/stock-movements, newest first. So it needs no index, and
-- the ledger of a product lies together. `order_id` is no foreign key: the ledger outlives a deleted order. The
-- reasons are not listed here, for a list could not grow without rewriting the table; an unknown one is refused when
-- it is read.
CREATE TABLE stock_movements (
    product_id    INTEGER NOT NULL REFERENCES products (id),
    id            INTEGER NOT NULL,
    delta         INTEGER NOT NULL CHECK (delta <> 0),
    stock_after   INTEGER NOT NULL CHECK (stock_after >= 0),
    reason        TEXT    NOT NULL,
    order_id      INTEGER,
    note          TEXT,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (product_id, id),
    CHECK ((reason IN ('initial', 'adjustment')) = (order_id IS NULL))
) STRICT, WITHOUT ROWID;

-- The last id given to a movement, for AUTOINCREMENT needs a table in the order of its ids. One row.
CREATE TABLE movement_ids (
    last INTEGER NOT NULL CHECK (last >= 0)
) STRICT;
INSERT INTO movement_ids (last) VALUES (0);
