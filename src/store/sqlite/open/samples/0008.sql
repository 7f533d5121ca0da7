-- What a service with the eighth migration could have left: an order with a reference (1) and one without (2), a product that
-- was renamed (1) and one that is gone (2), and two responses under idempotency keys.
INSERT INTO products (id, sku, name, price_cents, stock, version, created_at_ms, updated_at_ms)
VALUES (1, 'MUG', 'Mug', 1250, 38, 4, 1000, 3000), (2, 'POT', 'Pot', 1, 0, 1, 1000, 1000);
UPDATE products SET sku = 'MUG-BLUE', name = 'Blue mug' WHERE id = 1;
DELETE FROM products WHERE id = 2;
INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, version, created_at_ms, updated_at_ms,
    expires_at_ms, paid_at_ms, reference)
VALUES
    (1, 1, 1, 1250, 'PENDING', 2, 2000, 3000, 99000, NULL, 'WEB-2026-0116'),
    (2, 1, 1, 1250, 'PENDING', 1, 2000, 2000, 99000, NULL, NULL);
INSERT INTO stock_movements (id, product_id, delta, stock_after, reason, order_id, note, created_at_ms) VALUES
    (1, 1, 40, 40, 'initial', NULL, NULL, 1000),
    (2, 1, -1, 39, 'order_placed', 1, NULL, 2000),
    (3, 1, -1, 38, 'order_placed', 2, NULL, 2000);
INSERT INTO idempotency_keys (number, caller, path, key, body_hash, status, body, location, etag, created_at_ms) VALUES
    (1, 'somebody', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', NULL, NULL, 1000),
    (3, '', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', '/orders/1', '"1"', 2000);
