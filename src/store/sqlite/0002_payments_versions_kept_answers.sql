-- Versions, orders that expire, payments and their events, and answers kept for requests that come again.

-- Counts the states that a caller can tell apart. What is here already was never seen in any, so it begins anew.
ALTER TABLE products ADD COLUMN version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1);
ALTER TABLE orders   ADD COLUMN version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1);

-- Orders placed before there was such a time were promised none, so they never expire.
ALTER TABLE orders ADD COLUMN expires_at_ms INTEGER CHECK (expires_at_ms IS NULL OR status = 'PENDING');

-- What the payments say is written down here for the one query that asks for all such orders. Before this there was no
-- way to pay, so nothing is owed.
ALTER TABLE orders ADD COLUMN refund_due INTEGER NOT NULL DEFAULT 0
    CHECK (refund_due = 0 OR (refund_due = 1 AND status = 'CANCELED'));

-- Which orders are due, the longest overdue first. An order leaves it when it is paid, canceled or deleted, so it holds
-- only those that wait.
CREATE INDEX orders_expiring ON orders (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- GET /orders?refund_due=true, newest first. Such orders are few, and so are its entries.
CREATE INDEX orders_owing ON orders (refund_due) WHERE refund_due = 1;

-- Every event of the payment provider, for ever: its id must be known whenever it comes again, and where money went
-- must be explainable. `order_id` is no foreign key: money outlives a deleted order, and a failed payment may name one
-- that never was.
CREATE TABLE payment_events (
    -- The order of arrival.
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Its index answers whether an event was recorded before.
    event_id       TEXT    NOT NULL UNIQUE CHECK (event_id <> ''),
    type           TEXT    NOT NULL CHECK (type <> ''),
    -- The provider's clock, in seconds. Kept as it came.
    created_s      INTEGER,
    order_id       INTEGER,
    payment_id     TEXT    CHECK (payment_id <> ''),
    amount_cents   INTEGER CHECK (amount_cents > 0),
    result         TEXT    NOT NULL,
    -- The payment that a refund went against.
    refunds        INTEGER REFERENCES payments (number),
    received_at_ms INTEGER NOT NULL,
    CHECK (order_id IS NOT NULL OR type NOT IN ('payment.succeeded', 'payment.refunded')),
    CHECK (refunds IS NULL OR type = 'payment.refunded')
) STRICT;

-- GET /payment-events?order_id=, newest first; whether an order saw money, and whether it saw this payment, which are a
-- few events to look through. Events that name no order are not in it.
CREATE INDEX payment_events_by_order ON payment_events (order_id) WHERE order_id IS NOT NULL;

-- GET /payment-events?result=, newest first. Without it the few that need a person are a walk through all.
CREATE INDEX payment_events_by_result ON payment_events (result);

-- Money that came, one row for each payment, known by the number of the event that told of it.
CREATE TABLE payments (
    number         INTEGER PRIMARY KEY REFERENCES payment_events (number),
    order_id       INTEGER NOT NULL,
    payment_id     TEXT    CHECK (payment_id <> ''),
    -- NULL where no amount was named and the order, whose total it would have been, was deleted.
    amount_cents   INTEGER CHECK (amount_cents > 0),
    refunded_cents INTEGER NOT NULL CHECK (refunded_cents >= 0),
    -- It made its order PAID.
    is_own         INTEGER NOT NULL CHECK (is_own IN (0, 1)),
    -- Refunds have taken all of it.
    is_closed      INTEGER NOT NULL CHECK (is_closed IN (0, 1)),
    CHECK (amount_cents IS NULL
        OR (refunded_cents <= amount_cents AND is_closed = (refunded_cents = amount_cents)))
) STRICT;

-- The open payments of an order, newest first: what a refund can be of, and whether a canceled order owes anything.
CREATE INDEX payments_open ON payments (order_id) WHERE is_closed = 0;

-- Answers to requests that may come again. The table's own order is the one look-up.
CREATE TABLE kept_answers (
    caller     TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    body_hash  BLOB    NOT NULL CHECK (length(body_hash) = 32),
    status     INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    location   TEXT,
    etag       TEXT,
    kept_at_ms INTEGER NOT NULL,
    PRIMARY KEY (caller, path, key)
) STRICT, WITHOUT ROWID;

-- Which answers are too old, the oldest first. New ones append.
CREATE INDEX kept_answers_by_age ON kept_answers (kept_at_ms);
