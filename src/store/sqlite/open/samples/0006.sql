-- What a service with the sixth migration could have left: an order whose refund came before its payment, in part (1) and
-- whole (2), a refund whose payment has not come and one that two events told of (3), and two responses under idempotency
-- keys.
INSERT INTO products (id, sku, name, price_cents, stock, version, created_at_ms, updated_at_ms)
VALUES (1, 'MUG-BLUE', 'Blue mug', 1250, 37, 4, 1000, 2000);
INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, version, created_at_ms, updated_at_ms, paid_at_ms)
VALUES
    (1, 1, 1, 1250, 'PAID', 2, 2000, 4000, 4000),
    (2, 1, 1, 1250, 'PENDING', 1, 2000, 2000, NULL),
    (3, 1, 1, 1250, 'PAID', 2, 2000, 4000, 4000);
INSERT INTO stock_movements (id, product_id, delta, stock_after, reason, order_id, note, created_at_ms) VALUES
    (1, 1, 40, 40, 'initial', NULL, NULL, 1000),
    (2, 1, -1, 39, 'order_placed', 1, NULL, 2000),
    (3, 1, -1, 38, 'order_placed', 2, NULL, 2000),
    (4, 1, -1, 37, 'order_placed', 3, NULL, 2000);
INSERT INTO payment_events
    (number, event_id, type, order_id, payment_id, refund_id, amount_cents, result, received_at_ms)
VALUES
    (1, 'evt_1', 'payment.refunded', 1, 'pay_1', 're_1', 250, 'ignored', 3000),
    (2, 'evt_2', 'payment.succeeded', 1, 'pay_1', NULL, 1250, 'applied', 4000),
    (3, 'evt_3', 'payment.refunded', 2, 'pay_2', NULL, NULL, 'ignored', 4000),
    (4, 'evt_4', 'payment.succeeded', 2, 'pay_2', NULL, 1250, 'ignored', 4000),
    (5, 'evt_5', 'payment.succeeded', 3, NULL, NULL, NULL, 'applied', 4000),
    (6, 'evt_6', 'payment.refunded', 3, NULL, 're_1', 50, 'partial_refund', 4000),
    (7, 'evt_7', 'payment.refunded', 3, NULL, 're_1', 50, 'ignored', 4000),
    (8, 'evt_8', 'payment.refunded', 2, 'pay_9', 're_9', 50, 'ignored', 5000);
INSERT INTO payments (number, order_id, payment_id, amount_cents, refunded_cents, is_own, is_closed) VALUES
    (2, 1, 'pay_1', 1250, 250, 1, 0),
    (4, 2, 'pay_2', 1250, 1250, 0, 1),
    (5, 3, NULL, 1250, 50, 1, 0);
INSERT INTO refunds (number, order_id, refund_id, payment_id, amount_cents, payment) VALUES
    (1, 1, 're_1', 'pay_1', 250, 2),
    (3, 2, 'evt_3', 'pay_2', NULL, 4),
    (6, 3, 're_1', NULL, 50, 5),
    (8, 2, 're_9', 'pay_9', 50, NULL);
INSERT INTO idempotency_keys (number, caller, path, key, body_hash, status, body, location, etag, created_at_ms) VALUES
    (1, 'somebody', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', NULL, NULL, 1000),
    (3, '', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', '/orders/1', '"1"', 2000);
