-- What a service with the seventh migration could have left: an order that Stripe paid, with a part refunded and a dispute
-- (1), one that is held for a payment on its way (2), a payment of no order in another currency whose refund failed, a refund
-- and a dispute whose payment has not come, an event of our own, and two responses under idempotency keys.
INSERT INTO products (id, sku, name, price_cents, stock, version, created_at_ms, updated_at_ms)
VALUES (1, 'MUG-BLUE', 'Blue mug', 1250, 38, 3, 1000, 2000);
INSERT INTO orders (id, product_id, quantity, unit_price_cents, status, version, created_at_ms, updated_at_ms,
    expires_at_ms, paid_at_ms)
VALUES
    (1, 1, 1, 1250, 'PAID', 2, 2000, 4000, NULL, 4000),
    (2, 1, 1, 1250, 'PENDING', 2, 2000, 4000, 9000, NULL);
INSERT INTO stock_movements (id, product_id, delta, stock_after, reason, order_id, note, created_at_ms) VALUES
    (1, 1, 40, 40, 'initial', NULL, NULL, 1000),
    (2, 1, -1, 39, 'order_placed', 1, NULL, 2000),
    (3, 1, -1, 38, 'order_placed', 2, NULL, 2000);
INSERT INTO payment_events
    (number, provider, event_id, type, fact, created_s, order_id, payment_id, refund_id, amount_cents, amount_minor, currency,
    result, received_at_ms)
VALUES
    (1, 'stripe', 'evt_1', 'payment_intent.succeeded', 'paid', 4, 1, 'pi_1', NULL, 1250, 1250, 'EUR', 'applied', 4000),
    (2, 'stripe', 'evt_2', 'charge.refunded', 'refunded_so_far', 4, 1, 'pi_1', NULL, 250, 250, 'EUR', 'partial_refund', 4000),
    (3, 'stripe', 'evt_3', 'refund.created', 'refund', 4, 1, 'pi_1', 're_1', 250, 250, 'EUR', 'ignored', 4000),
    (4, 'stripe', 'evt_4', 'charge.dispute.created', 'dispute', 4, 1, 'pi_1', NULL, 1250, 1250, 'EUR', 'disputed', 4000),
    (5, 'stripe', 'evt_5', 'payment_intent.processing', 'processing', 4, 2, 'pi_2', NULL, 1250, 1250, 'EUR', 'ignored', 4000),
    (6, 'stripe', 'evt_6', 'payment_intent.succeeded', 'paid', 4, NULL, 'pi_3', NULL, NULL, 700, 'USD', 'order_unknown', 4000),
    (7, 'stripe', 'evt_7', 'refund.created', 'refund', 4, NULL, 'pi_3', 're_2', NULL, 700, 'USD', 'applied', 4000),
    (8, 'stripe', 'evt_8', 'refund.failed', 'refund_failed', 4, NULL, 'pi_3', 're_2', NULL, 700, 'USD', 'refund_failed', 4000),
    (9, 'stripe', 'evt_9', 'refund.created', 'refund', 4, NULL, 'pi_9', 're_9', 50, 50, 'EUR', 'ignored', 5000),
    (10, 'stripe', 'evt_10', 'charge.dispute.closed', 'dispute', 4, NULL, 'pi_9', NULL, 50, 50, 'EUR', 'ignored', 5000),
    (11, 'own', 'evt_1', 'customer.created', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'ignored', 5000);
INSERT INTO payments
    (number, provider, order_id, payment_id, currency, is_foreign, amount_units, refunded_units, is_own, is_closed)
VALUES
    (1, 'stripe', 1, 'pi_1', 'EUR', 0, 1250, 250, 1, 0),
    (6, 'stripe', NULL, 'pi_3', 'USD', 1, 700, 0, 0, 0);
INSERT INTO refunds
    (number, provider, order_id, refund_id, payment_id, amount_cents, amount_minor, currency, has_failed, payment)
VALUES
    (2, 'stripe', 1, NULL, 'pi_1', 250, 250, 'EUR', 0, 1),
    (3, 'stripe', NULL, 're_1', 'pi_1', 250, 250, 'EUR', 0, 1),
    (7, 'stripe', NULL, 're_2', 'pi_3', NULL, 700, 'USD', 1, 6),
    (9, 'stripe', NULL, 're_9', 'pi_9', 50, 50, 'EUR', 0, NULL);
INSERT INTO disputes (number, provider, dispute_id, order_id, payment_id, state, payment) VALUES
    (4, 'stripe', 'du_1', NULL, 'pi_1', 'open', 1),
    (10, 'stripe', 'du_9', NULL, 'pi_9', 'lost', NULL);
INSERT INTO payment_holds (payment_id, provider, order_id, deadline_ms, until_ms, told_s, ended_s) VALUES
    ('pi_2', 'stripe', 2, 6000, 9000, 4, NULL),
    ('pi_8', 'stripe', 2, 6000, 9500, 3, 4);
INSERT INTO idempotency_keys (number, caller, path, key, body_hash, status, body, location, etag, created_at_ms) VALUES
    (1, 'somebody', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', NULL, NULL, 1000),
    (3, '', '/orders', 'checkout-1', zeroblob(32), 201, X'7B7D', '/orders/1', '"1"', 2000);
