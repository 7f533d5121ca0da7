-- Refunds have an identity, so that each counts once, and one that comes before its payment is kept until that is there.
--
-- Before this an event of a refund named the payment that it went against, and one whose payment was not there yet was
-- forgotten: then that payment was refused as known, and its money was followed nowhere.

CREATE TABLE refunds (
    -- The first event that told of it.
    number       INTEGER PRIMARY KEY REFERENCES payment_events (number),
    order_id     INTEGER NOT NULL,
    -- The provider's id of it, or that of its event.
    refund_id    TEXT    NOT NULL CHECK (refund_id <> ''),
    -- What its event named.
    payment_id   TEXT    CHECK (payment_id <> ''),
    -- NULL where it is all that was left of the payment.
    amount_cents INTEGER CHECK (amount_cents > 0),
    -- What it counts against. NULL while it is kept, which needs a payment to wait for.
    payment      INTEGER REFERENCES payments (number),
    CHECK (payment IS NOT NULL OR payment_id IS NOT NULL)
) STRICT;

INSERT INTO refunds (number, order_id, refund_id, payment_id, amount_cents, payment)
SELECT number, order_id, event_id, payment_id, amount_cents, refunds
FROM payment_events AS refund
WHERE type = 'payment.refunded' AND (refunds IS NOT NULL OR (payment_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM payment_events AS paid
    WHERE paid.order_id = refund.order_id AND paid.payment_id = refund.payment_id AND paid.type = 'payment.succeeded')));

-- Whether a refund was recorded before; the refunds of an order that wait for their payment, which are few to look through.
CREATE UNIQUE INDEX refunds_by_id ON refunds (order_id, refund_id);

-- The events, without what is now in the table above, and with the refund that each names.
CREATE TABLE new_payment_events (
    -- The order of arrival.
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id       TEXT    NOT NULL CHECK (event_id <> ''),
    type           TEXT    NOT NULL CHECK (type <> ''),
    -- The provider's clock, in seconds. Kept as it came.
    created_s      INTEGER,
    order_id       INTEGER,
    payment_id     TEXT    CHECK (payment_id <> ''),
    refund_id      TEXT    CHECK (refund_id <> ''),
    amount_cents   INTEGER CHECK (amount_cents > 0),
    result         TEXT    NOT NULL,
    received_at_ms INTEGER NOT NULL,
    CHECK (order_id IS NOT NULL OR type NOT IN ('payment.succeeded', 'payment.refunded')),
    CHECK (refund_id IS NULL OR type = 'payment.refunded')
) STRICT;
INSERT INTO new_payment_events
    (number, event_id, type, created_s, order_id, payment_id, amount_cents, result, received_at_ms)
SELECT number, event_id, type, created_s, order_id, payment_id, amount_cents, result, received_at_ms
FROM payment_events ORDER BY number;
DELETE FROM sqlite_sequence WHERE name = 'new_payment_events';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_payment_events', seq FROM sqlite_sequence WHERE name = 'payment_events';
DROP TABLE payment_events;
ALTER TABLE new_payment_events RENAME TO payment_events;

-- Whether an event was recorded before.
CREATE UNIQUE INDEX payment_events_by_id ON payment_events (event_id);

-- GET /payment-events?order_id=, newest first; whether a payment of the order was recorded, and whether this one was. Events
-- that name no order are not in it.
CREATE INDEX payment_events_by_order ON payment_events (order_id) WHERE order_id IS NOT NULL;

-- GET /payment-events?result=, newest first. Without it the few that need a person are a walk through all.
CREATE INDEX payment_events_by_result ON payment_events (result);
