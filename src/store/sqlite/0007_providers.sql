-- Events of several providers: ids are unique for each, amounts can be in other currencies, refunds can fail, and there are
-- disputes and holds.
--
-- An amount in another currency than the service's, or in parts of a cent, is kept in the units in which the provider
-- counts, and never converted.

CREATE TABLE new_payment_events (
    -- The order of arrival.
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    provider       TEXT    NOT NULL,
    event_id       TEXT    NOT NULL CHECK (event_id <> ''),
    type           TEXT    NOT NULL CHECK (type <> ''),
    -- What the event says, in words that are the same for every provider. NULL where it means nothing here.
    fact           TEXT,
    -- The provider's clock, in seconds. Kept as it came.
    created_s      INTEGER,
    -- The order that it is about.
    order_id       INTEGER,
    payment_id     TEXT    CHECK (payment_id <> ''),
    refund_id      TEXT    CHECK (refund_id <> ''),
    -- NULL where hundredths of the service's currency cannot say it.
    amount_cents   INTEGER CHECK (amount_cents > 0),
    -- As the provider counts it.
    amount_minor   INTEGER CHECK (amount_minor > 0),
    currency       TEXT    CHECK (length(currency) = 3),
    result         TEXT    NOT NULL,
    received_at_ms INTEGER NOT NULL,
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK (provider <> 'own' OR order_id IS NOT NULL OR fact IS NULL OR fact = 'not_paid')
) STRICT;
INSERT INTO new_payment_events
    (number, provider, event_id, type, fact, created_s, order_id, payment_id, refund_id, amount_cents, result,
    received_at_ms)
SELECT number, 'own', event_id, type,
    CASE type
        WHEN 'payment.succeeded' THEN 'paid'
        WHEN 'payment.refunded' THEN 'refund'
        WHEN 'payment.failed' THEN 'not_paid'
    END,
    created_s, order_id, payment_id, refund_id, amount_cents, result, received_at_ms
FROM payment_events ORDER BY number;
DELETE FROM sqlite_sequence WHERE name = 'new_payment_events';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_payment_events', seq FROM sqlite_sequence WHERE name = 'payment_events';
DROP TABLE payment_events;
ALTER TABLE new_payment_events RENAME TO payment_events;

-- Whether an event was recorded before.
CREATE UNIQUE INDEX payment_events_by_id ON payment_events (event_id, provider);

-- GET /payment-events?order_id=, newest first; whether a payment of the order was recorded, and whether this one was. Events
-- about no order are not in it.
CREATE INDEX payment_events_by_order ON payment_events (order_id) WHERE order_id IS NOT NULL;

-- GET /payment-events?result=, newest first. Without it the few that need a person are a walk through all.
CREATE INDEX payment_events_by_result ON payment_events (result);

CREATE TABLE new_payments (
    -- The event that told of it.
    number         INTEGER PRIMARY KEY REFERENCES payment_events (number),
    provider       TEXT    NOT NULL,
    -- NULL where that was never placed.
    order_id       INTEGER,
    payment_id     TEXT    CHECK (payment_id <> ''),
    currency       TEXT    CHECK (length(currency) = 3),
    -- The next two are counted in the provider's units of the currency; else in hundredths of the service's.
    is_foreign     INTEGER NOT NULL CHECK (is_foreign = 0 OR (is_foreign = 1 AND currency IS NOT NULL)),
    -- NULL where nobody said it.
    amount_units   INTEGER CHECK (amount_units > 0),
    refunded_units INTEGER NOT NULL CHECK (refunded_units >= 0),
    -- It made its order PAID.
    is_own         INTEGER NOT NULL CHECK (is_own = 0 OR (is_own = 1 AND order_id IS NOT NULL AND is_foreign = 0)),
    -- Refunds have taken all of it.
    is_closed      INTEGER NOT NULL CHECK (is_closed IN (0, 1)),
    CHECK (provider <> 'own' OR order_id IS NOT NULL),
    CHECK (amount_units IS NULL
        OR (refunded_units <= amount_units AND is_closed = (refunded_units = amount_units)))
) STRICT;
INSERT INTO new_payments
SELECT number, 'own', order_id, payment_id, NULL, 0, amount_cents, refunded_cents, is_own, is_closed
FROM payments ORDER BY number;
DROP TABLE payments;
ALTER TABLE new_payments RENAME TO payments;

-- GET /payments?order_id=, newest first; the payments of an order that a refund can be of, and whether a canceled order owes
-- anything, which are few to look through.
CREATE INDEX payments_by_order ON payments (order_id) WHERE order_id IS NOT NULL;

-- GET /payments?open=, newest first.
CREATE INDEX payments_by_state ON payments (is_closed);

-- The payment that an event names, of a provider whose ids are its own. In our own format each order has payments of its own.
CREATE UNIQUE INDEX payments_by_id ON payments (payment_id, provider) WHERE provider <> 'own';

CREATE TABLE new_refunds (
    -- The first event that told of it.
    number       INTEGER PRIMARY KEY REFERENCES payment_events (number),
    provider     TEXT    NOT NULL,
    -- What its event named.
    order_id     INTEGER,
    -- The provider's id of it, or that of its event. NULL where the event told of all refunds of the payment so far.
    refund_id    TEXT    CHECK (refund_id <> ''),
    -- What its event named.
    payment_id   TEXT    CHECK (payment_id <> ''),
    -- All three are NULL where it is all that was left of the payment.
    amount_cents INTEGER CHECK (amount_cents > 0),
    amount_minor INTEGER CHECK (amount_minor > 0),
    currency     TEXT    CHECK (length(currency) = 3),
    -- It failed, so no money went back. That is final.
    has_failed   INTEGER NOT NULL CHECK (has_failed IN (0, 1)),
    -- What it counts against. NULL while it is kept, which needs a payment to wait for.
    payment      INTEGER REFERENCES payments (number),
    CHECK (payment IS NOT NULL OR payment_id IS NOT NULL),
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK (refund_id IS NOT NULL OR (has_failed = 0 AND coalesce(amount_cents, amount_minor) IS NOT NULL)),
    CHECK (provider <> 'own' OR (order_id IS NOT NULL AND refund_id IS NOT NULL))
) STRICT;
INSERT INTO new_refunds
SELECT number, 'own', order_id, refund_id, payment_id, amount_cents, NULL, NULL, 0, payment FROM refunds ORDER BY number;
DROP TABLE refunds;
ALTER TABLE new_refunds RENAME TO refunds;

-- Whether a refund was recorded before: in our own format for each order, else for each provider.
CREATE UNIQUE INDEX refunds_of_orders_by_id ON refunds (refund_id, order_id) WHERE provider = 'own';
CREATE UNIQUE INDEX refunds_by_id ON refunds (refund_id, provider) WHERE provider <> 'own';

-- The refunds of a payment; the foreign key.
CREATE INDEX refunds_by_payment ON refunds (payment) WHERE payment IS NOT NULL;

-- The refunds that wait for a payment.
CREATE INDEX refunds_kept ON refunds (payment_id) WHERE payment IS NULL;

-- The bank of a customer takes a payment back, or tries to.
CREATE TABLE disputes (
    -- The first event that told of it.
    number     INTEGER PRIMARY KEY REFERENCES payment_events (number),
    provider   TEXT    NOT NULL,
    dispute_id TEXT    NOT NULL CHECK (dispute_id <> ''),
    -- What its event named.
    order_id   INTEGER,
    payment_id TEXT    NOT NULL CHECK (payment_id <> ''),
    state      TEXT    NOT NULL CHECK (state IN ('open', 'won', 'lost')),
    -- What it is about. NULL while that has not come.
    payment    INTEGER REFERENCES payments (number)
) STRICT;

-- Whether a dispute was recorded before.
CREATE UNIQUE INDEX disputes_by_id ON disputes (dispute_id, provider);

-- Whether a payment is disputed; the foreign key.
CREATE INDEX disputes_by_payment ON disputes (payment) WHERE payment IS NOT NULL;

-- The disputes that wait for a payment.
CREATE INDEX disputes_kept ON disputes (payment_id) WHERE payment IS NULL;

-- Payments that are on their way, for which a pending order is held. An order that is deleted leaves its holds behind.
CREATE TABLE payment_holds (
    payment_id  TEXT    NOT NULL CHECK (payment_id <> ''),
    provider    TEXT    NOT NULL,
    order_id    INTEGER NOT NULL,
    -- When the order expires without any hold.
    deadline_ms INTEGER NOT NULL,
    -- NULL where it failed before it was on its way.
    until_ms    INTEGER,
    -- The provider's clock, in seconds: when it was last told that the payment is on its way, and when it failed or was given up.
    told_s      INTEGER,
    ended_s     INTEGER,
    PRIMARY KEY (payment_id, provider),
    CHECK (until_ms IS NOT NULL OR ended_s IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- The holds of an order.
CREATE INDEX payment_holds_by_order ON payment_holds (order_id);
