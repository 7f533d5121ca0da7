-- What a service with the fourth migration could have left: orders that wait for a time (1), are gone (2, which 3 still
-- names), are paid (3), shipped and paid twice (4), canceled and owing (5), refunded (6) and gone with money that came
-- later (7).
INSERT INTO products
    (id, sku, name, price_cents, stock, version, created_at_ms, updated_at_ms, last_order, last_movement)
VALUES
    (1, 'MUG-BLUE', 'Blue mug', 1250, 37, 10, 1000, 9000, 6, 12),
    (2, 'POT', 'Pot', 1, 0, 1, 1000, 1000, NULL, NULL);
INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, version, created_at_ms, updated_at_ms,
    expires_at_ms, paid_at_ms, shipped_at_ms, canceled_at_ms, previous, refund_due)
VALUES
    (1, 1, 1, 1250, 'PENDING', 1, 2000, 2000, 99000, NULL, NULL, NULL, NULL, 0),
    (3, 1, 1, 1250, 'PAID', 2, 2000, 3000, NULL, 3000, NULL, NULL, 2, 0),
    (4, 1, 1, 1250, 'SHIPPED', 3, 2000, 4000, NULL, 3000, 4000, NULL, 3, 0),
    (5, 1, 1, 1250, 'CANCELED', 3, 2000, 6000, NULL, NULL, NULL, 5000, 4, 1),
    (6, 1, 1, 1250, 'CANCELED', 3, 2000, 7000, NULL, 3000, NULL, 7000, 5, 0);
INSERT INTO gone_orders (id, product_id, previous) VALUES (2, 1, 1);
INSERT INTO stock_movements (product_id, id, delta, stock_after, reason, order_id, note, created_at_ms, previous) VALUES
    (1, 1, 40, 40, 'initial', NULL, NULL, 1000, NULL),
    (1, 2, -1, 39, 'order_placed', 1, NULL, 2000, 1),
    (1, 3, -1, 38, 'order_placed', 2, NULL, 2000, 2),
    (1, 4, -1, 37, 'order_placed', 3, NULL, 2000, 3),
    (1, 5, -1, 36, 'order_placed', 4, NULL, 2000, 4),
    (1, 6, -1, 35, 'order_placed', 5, NULL, 2000, 5),
    (1, 7, -1, 34, 'order_placed', 6, NULL, 2000, 6),
    (1, 8, -1, 33, 'order_placed', 7, NULL, 2000, 7),
    (1, 9, 1, 34, 'order_expired', 5, NULL, 5000, 8),
    (1, 10, 1, 35, 'order_canceled', 6, NULL, 7000, 9),
    (1, 11, 1, 36, 'order_deleted', 7, NULL, 8000, 10),
    (1, 12, 1, 37, 'order_deleted', 2, NULL, 9000, 11);
UPDATE sqlite_sequence SET seq = 7 WHERE name = 'orders';
INSERT INTO payment_events
    (number, event_id, type, created_s, order_id, payment_id, amount_cents, result, refunds, received_at_ms)
VALUES
    (1, 'evt_1', 'payment.succeeded', 3, 3, 'pay_1', 1250, 'applied', NULL, 3000),
    (2, 'evt_2', 'payment.succeeded', NULL, 4, NULL, NULL, 'applied', NULL, 3000),
    (3, 'evt_3', 'payment.succeeded', 4, 4, 'pay_2', 1250, 'duplicate_payment', NULL, 4000),
    (4, 'evt_4', 'payment.succeeded', 6, 5, 'pay_3', 7, 'refund_due', NULL, 6000),
    (5, 'evt_5', 'payment.succeeded', 3, 6, 'pay_4', 1250, 'applied', NULL, 6000),
    (6, 'evt_9', 'payment.succeeded', 9, 7, 'pay_5', NULL, 'order_gone', NULL, 9000),
    (7, 'evt_8', 'payment.failed', 9, NULL, NULL, NULL, 'ignored', NULL, 9000),
    (8, 'evt_7', 'customer.created', 9, NULL, NULL, NULL, 'ignored', NULL, 9000);
INSERT INTO payments (number, order_id, payment_id, amount_cents, refunded_cents, is_own, is_closed) VALUES
    (1, 3, 'pay_1', 1250, 0, 1, 0),
    (2, 4, NULL, 1250, 0, 1, 0),
    (3, 4, 'pay_2', 1250, 250, 0, 0),
    (4, 5, 'pay_3', 7, 0, 0, 0),
    (5, 6, 'pay_4', 1250, 1250, 1, 1),
    (6, 7, 'pay_5', NULL, 0, 0, 0);
INSERT INTO payment_events
    (number, event_id, type, created_s, order_id, payment_id, amount_cents, result, refunds, received_at_ms)
VALUES
    (9, 'evt_10', 'payment.refunded', 5, 4, 'pay_2', 250, 'partial_refund', 3, 5000),
    (10, 'evt_11', 'payment.refunded', 7, 6, NULL, NULL, 'applied', 5, 7000);
INSERT INTO kept_answers (number, caller, path, key, body_hash, status, body, location, etag, kept_at_ms) VALUES
    (1, '', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', '/orders/1', '"1"', 2000),
    (3, 'somebody', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', NULL, NULL, 1000);
