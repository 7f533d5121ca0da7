-- What a service with the fifth migration could have left: orders that wait (1), are gone (2) and are canceled and owe
-- money (3), a product that is gone (2), and two responses under idempotency keys.
INSERT INTO products (id, sku, name, price_cents, stock, version, created_at_ms, updated_at_ms)
VALUES (1, 'MUG-BLUE', 'Blue mug', 1250, 39, 6, 1000, 5000);
UPDATE sqlite_sequence SET seq = 2 WHERE name = 'products';
INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, version, created_at_ms, updated_at_ms,
    expires_at_ms, canceled_at_ms, refund_due)
VALUES
    (1, 1, 1, 1250, 'PENDING', 1, 2000, 2000, 99000, NULL, 0),
    (3, 1, 1, 1250, 'CANCELED', 3, 2000, 4000, NULL, 3000, 1);
INSERT INTO stock_movements (id, product_id, delta, stock_after, reason, order_id, note, created_at_ms) VALUES
    (1, 1, 40, 40, 'initial', NULL, NULL, 1000),
    (2, 1, -1, 39, 'order_placed', 1, NULL, 2000),
    (4, 1, -1, 38, 'order_placed', 2, NULL, 2000),
    (5, 1, -1, 37, 'order_placed', 3, NULL, 2000),
    (6, 1, 1, 38, 'order_canceled', 3, NULL, 3000),
    (7, 1, 1, 39, 'order_deleted', 2, NULL, 5000);
INSERT INTO payment_events (number, event_id, type, order_id, payment_id, amount_cents, result, received_at_ms)
VALUES (1, 'evt_1', 'payment.succeeded', 3, 'pay_1', 7, 'refund_due', 4000);
INSERT INTO payments (number, order_id, payment_id, amount_cents, refunded_cents, is_own, is_closed)
VALUES (1, 3, 'pay_1', 7, 0, 0, 0);
INSERT INTO idempotency_keys (number, caller, path, key, body_hash, status, body, location, etag, created_at_ms) VALUES
    (1, 'somebody', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', NULL, NULL, 1000),
    (3, '', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', '/orders/1', '"1"', 2000);
