-- What a service with the fourth migration could have left: an order and its answer, which was kept, another's from
-- before, and between them one that is gone.
INSERT INTO products
    (id, sku, name, price_cents, stock, version, created_at_ms, updated_at_ms, last_order, last_movement)
VALUES (1, 'MUG-BLUE', 'Blue mug', 1250, 39, 2, 1000, 2000, 1, 2);
INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, created_at_ms, updated_at_ms, expires_at_ms)
VALUES (1, 1, 1, 1250, 'PENDING', 2000, 2000, 99000);
INSERT INTO stock_movements (product_id, id, delta, stock_after, reason, order_id, note, created_at_ms, previous) VALUES
    (1, 1, 40, 40, 'initial', NULL, NULL, 1000, NULL),
    (1, 2, -1, 39, 'order_placed', 1, NULL, 2000, 1);
INSERT INTO kept_answers (number, caller, path, key, body_hash, status, body, location, etag, kept_at_ms) VALUES
    (1, 'somebody', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', NULL, NULL, 1000),
    (3, '', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', '/orders/1', '"1"', 2000);
