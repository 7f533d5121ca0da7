-- What a service with the first migration only could have left: a product without stock, one with orders that wait (1)
-- and are canceled (2), an order that is gone (3), and a product that is gone (3).
INSERT INTO products (id, sku, name, price_cents, stock, created_at_ms, updated_at_ms) VALUES
    (1, 'MUG-BLUE', 'Blue mug', 1250, 39, 1000, 5000),
    (2, 'TEAPOT-2', 'Teapot <2 l> & "lid" ☕', 3999, 0, 2000, 2000);
INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, created_at_ms, updated_at_ms, canceled_at_ms)
VALUES
    (1, 1, 1, 1250, 'PENDING', 3000, 3000, NULL),
    (2, 1, 2, 1199, 'CANCELED', 3000, 4000, 4000);
INSERT INTO stock_movements (product_id, id, delta, stock_after, reason, order_id, note, created_at_ms) VALUES
    (1, 1, 40, 40, 'initial', NULL, NULL, 1000),
    (1, 2, -1, 39, 'order_placed', 1, NULL, 3000),
    (1, 3, -2, 37, 'order_placed', 2, NULL, 3000),
    (1, 4, 2, 39, 'order_canceled', 2, NULL, 4000),
    (1, 5, -3, 36, 'order_placed', 3, NULL, 4000),
    (1, 7, 3, 39, 'order_deleted', 3, NULL, 5000);
UPDATE movement_ids SET last = 8;
UPDATE sqlite_sequence SET seq = 3;
