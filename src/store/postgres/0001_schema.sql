-- Products, orders, the ledger of every change of stock, payments with all that was told of them, and responses kept for
-- requests that come again: the tables of the SQLite backend, column by column.
--
-- The rules stand in the code; the CHECKs repeat those without which a row would make no sense, so that no mistake of the
-- code, and nobody's hand, can leave such a row behind. Money is whole cents, times are Unix milliseconds. Texts are
-- compared byte by byte, whatever the database's locale.
--
-- Instances of the version before go on beside the new one, so a migration only adds.
--
-- Lists go newest first. Their indexes end in the negative id, and the queries order by it, so that no other index is in
-- that order: with the id itself PostgreSQL may walk the primary key instead, past every row that the filter leaves out.

-- The last ids that were given, and so also that of a row that is gone. A write reads them and writes them back in its
-- transaction: unlike those of a sequence, ids have no gaps and are committed in their order.
CREATE TABLE counters (
    is_only         BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
    products        BIGINT NOT NULL CHECK (products >= 0),
    orders          BIGINT NOT NULL CHECK (orders >= 0),
    stock_movements BIGINT NOT NULL CHECK (stock_movements >= 0),
    payment_events  BIGINT NOT NULL CHECK (payment_events >= 0)
);
INSERT INTO counters VALUES (TRUE, 0, 0, 0, 0);

-- Who writes here: one row for each start of an instance, with the number of its last transaction. After a connection was
-- lost during a commit, this tells whether it was kept.
CREATE TABLE writers (
    id         TEXT COLLATE "C" PRIMARY KEY,
    last_write BIGINT NOT NULL,
    written_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Fails a statement that changed another number of rows than it was to change.
CREATE FUNCTION expect_rows(changed BIGINT, wanted INTEGER) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF changed <> wanted THEN
        RAISE EXCEPTION '% rows in place of % changed', changed, wanted USING ERRCODE = 'no_data_found';
    END IF;
END
$$;

-- Room in each page, so that a change of stock finds a place beside its row and no index changes.
CREATE TABLE products (
    id            BIGINT PRIMARY KEY,
    -- Its index answers GET /products?sku= and the check that a SKU is free.
    sku           TEXT COLLATE "C" NOT NULL UNIQUE CHECK (sku <> ''),
    name          TEXT COLLATE "C" NOT NULL CHECK (name <> ''),
    price_cents   BIGINT NOT NULL CHECK (price_cents > 0),
    stock         BIGINT NOT NULL CHECK (stock >= 0),
    version       BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE orders (
    id               BIGINT PRIMARY KEY,
    product_id       BIGINT NOT NULL REFERENCES products (id),
    quantity         BIGINT NOT NULL CHECK (quantity >= 1),
    unit_price_cents BIGINT NOT NULL CHECK (unit_price_cents > 0),
    status           TEXT COLLATE "C" NOT NULL,
    version          BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at_ms    BIGINT NOT NULL,
    updated_at_ms    BIGINT NOT NULL,
    expires_at_ms    BIGINT CHECK (expires_at_ms IS NULL OR status = 'PENDING'),
    paid_at_ms       BIGINT,
    shipped_at_ms    BIGINT,
    canceled_at_ms   BIGINT,
    refund_due       BOOLEAN NOT NULL DEFAULT FALSE CHECK (NOT refund_due OR status = 'CANCELED'),
    -- A status has the times of the steps that led there, and no others.
    CHECK (CASE status
        WHEN 'PENDING'  THEN paid_at_ms IS NULL     AND shipped_at_ms IS NULL     AND canceled_at_ms IS NULL
        WHEN 'PAID'     THEN paid_at_ms IS NOT NULL AND shipped_at_ms IS NULL     AND canceled_at_ms IS NULL
        WHEN 'SHIPPED'  THEN paid_at_ms IS NOT NULL AND shipped_at_ms IS NOT NULL AND canceled_at_ms IS NULL
        WHEN 'CANCELED' THEN shipped_at_ms IS NULL  AND canceled_at_ms IS NOT NULL
        ELSE FALSE
    END)
);

-- GET /orders?status=, ?refund_due=, and both.
CREATE INDEX orders_by_status ON orders (status, refund_due, (-id));

-- GET /orders?product_id=, alone and with the two above; whether any order refers to a product; the foreign key.
CREATE INDEX orders_by_product ON orders (product_id, status, refund_due, (-id));

-- Which unpaid orders are due, the longest overdue first. It holds only orders that wait for a payment.
CREATE INDEX orders_expiring ON orders (expires_at_ms, id) WHERE expires_at_ms IS NOT NULL;

-- `order_id` is no foreign key: the ledger outlives a deleted order. The reasons are not listed here, for a list could not
-- grow beside an older version; an unknown one is refused when it is read.
CREATE TABLE stock_movements (
    id            BIGINT PRIMARY KEY,
    product_id    BIGINT NOT NULL REFERENCES products (id),
    delta         BIGINT NOT NULL CHECK (delta <> 0),
    stock_after   BIGINT NOT NULL CHECK (stock_after >= 0),
    reason        TEXT COLLATE "C" NOT NULL,
    order_id      BIGINT,
    note          TEXT COLLATE "C",
    created_at_ms BIGINT NOT NULL,
    CHECK ((reason IN ('initial', 'adjustment')) = (order_id IS NULL))
);

-- GET /products/{id}/stock-movements, newest first; the foreign key.
CREATE INDEX stock_movements_by_product ON stock_movements (product_id, (-id));

-- Every event of the payment providers, for ever: its id must be known whenever it comes again, and where money went must be
-- explainable. `order_id` is no foreign key: money outlives a deleted order, and a failed payment may name one that never was.
CREATE TABLE payment_events (
    -- The order of arrival.
    number         BIGINT PRIMARY KEY,
    provider       TEXT COLLATE "C" NOT NULL,
    event_id       TEXT COLLATE "C" NOT NULL CHECK (event_id <> ''),
    type           TEXT COLLATE "C" NOT NULL CHECK (type <> ''),
    -- What the event says, in words that are the same for every provider. NULL where it means nothing here.
    fact           TEXT COLLATE "C",
    -- The provider's clock, in seconds. Kept as it came.
    created_s      BIGINT,
    -- The order that it is about.
    order_id       BIGINT,
    payment_id     TEXT COLLATE "C" CHECK (payment_id <> ''),
    refund_id      TEXT COLLATE "C" CHECK (refund_id <> ''),
    -- NULL where hundredths of the service's currency cannot say it.
    amount_cents   BIGINT CHECK (amount_cents > 0),
    -- As the provider counts it.
    amount_minor   BIGINT CHECK (amount_minor > 0),
    currency       TEXT COLLATE "C" CHECK (length(currency) = 3),
    result         TEXT COLLATE "C" NOT NULL,
    received_at_ms BIGINT NOT NULL,
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK (provider <> 'own' OR order_id IS NOT NULL OR fact IS NULL OR fact = 'not_paid')
);

-- Whether an event was recorded before.
CREATE UNIQUE INDEX payment_events_by_id ON payment_events (event_id, provider);

-- GET /payment-events?order_id=, newest first; whether a payment of the order was recorded, and whether this one was.
CREATE INDEX payment_events_by_order ON payment_events (order_id, (-number)) WHERE order_id IS NOT NULL;

-- GET /payment-events?result=, newest first.
CREATE INDEX payment_events_by_result ON payment_events (result, (-number));

CREATE TABLE payments (
    -- The event that told of it.
    number         BIGINT PRIMARY KEY REFERENCES payment_events (number),
    provider       TEXT COLLATE "C" NOT NULL,
    -- NULL where that was never placed.
    order_id       BIGINT,
    payment_id     TEXT COLLATE "C" CHECK (payment_id <> ''),
    currency       TEXT COLLATE "C" CHECK (length(currency) = 3),
    -- The next two are counted in the provider's units of the currency; else in hundredths of the service's.
    is_foreign     BOOLEAN NOT NULL CHECK (NOT is_foreign OR currency IS NOT NULL),
    -- NULL where nobody said it.
    amount_units   BIGINT CHECK (amount_units > 0),
    refunded_units BIGINT NOT NULL CHECK (refunded_units >= 0),
    -- It made its order PAID.
    is_own         BOOLEAN NOT NULL CHECK (NOT is_own OR (order_id IS NOT NULL AND NOT is_foreign)),
    -- Refunds have taken all of it.
    is_closed      BOOLEAN NOT NULL,
    CHECK (provider <> 'own' OR order_id IS NOT NULL),
    CHECK (amount_units IS NULL OR (refunded_units <= amount_units AND is_closed = (refunded_units = amount_units)))
);

-- GET /payments?order_id=, newest first; the payments of an order that a refund can be of, and whether a canceled order owes
-- anything, which are few to look through.
CREATE INDEX payments_by_order ON payments (order_id, (-number)) WHERE order_id IS NOT NULL;

-- GET /payments?open=, newest first.
CREATE INDEX payments_by_state ON payments (is_closed, (-number));

-- The payment that an event names, of a provider whose ids are its own. In our own format each order has payments of its own.
CREATE UNIQUE INDEX payments_by_id ON payments (payment_id, provider) WHERE provider <> 'own';

CREATE TABLE refunds (
    -- The first event that told of it.
    number       BIGINT PRIMARY KEY REFERENCES payment_events (number),
    provider     TEXT COLLATE "C" NOT NULL,
    -- What its event named.
    order_id     BIGINT,
    -- The provider's id of it, or that of its event. NULL where the event told of all refunds of the payment so far.
    refund_id    TEXT COLLATE "C" CHECK (refund_id <> ''),
    -- What its event named.
    payment_id   TEXT COLLATE "C" CHECK (payment_id <> ''),
    -- All three are NULL where it is all that was left of the payment.
    amount_cents BIGINT CHECK (amount_cents > 0),
    amount_minor BIGINT CHECK (amount_minor > 0),
    currency     TEXT COLLATE "C" CHECK (length(currency) = 3),
    -- It failed, so no money went back. That is final.
    has_failed   BOOLEAN NOT NULL,
    -- What it counts against. NULL while it is kept, which needs a payment to wait for.
    payment      BIGINT REFERENCES payments (number),
    CHECK (payment IS NOT NULL OR payment_id IS NOT NULL),
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK (refund_id IS NOT NULL OR (NOT has_failed AND coalesce(amount_cents, amount_minor) IS NOT NULL)),
    CHECK (provider <> 'own' OR (order_id IS NOT NULL AND refund_id IS NOT NULL))
);

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
    number     BIGINT PRIMARY KEY REFERENCES payment_events (number),
    provider   TEXT COLLATE "C" NOT NULL,
    dispute_id TEXT COLLATE "C" NOT NULL CHECK (dispute_id <> ''),
    -- What its event named.
    order_id   BIGINT,
    payment_id TEXT COLLATE "C" NOT NULL CHECK (payment_id <> ''),
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'won', 'lost')),
    -- What it is about. NULL while that has not come.
    payment    BIGINT REFERENCES payments (number)
);

-- Whether a dispute was recorded before.
CREATE UNIQUE INDEX disputes_by_id ON disputes (dispute_id, provider);

-- Whether a payment is disputed; the foreign key.
CREATE INDEX disputes_by_payment ON disputes (payment) WHERE payment IS NOT NULL;

-- The disputes that wait for a payment.
CREATE INDEX disputes_kept ON disputes (payment_id) WHERE payment IS NULL;

-- Payments that are on their way, for which a pending order is held. An order that is deleted leaves its holds behind.
CREATE TABLE payment_holds (
    payment_id  TEXT COLLATE "C" NOT NULL CHECK (payment_id <> ''),
    provider    TEXT COLLATE "C" NOT NULL,
    order_id    BIGINT NOT NULL,
    -- When the order expires without any hold.
    deadline_ms BIGINT NOT NULL,
    -- NULL where it failed before it was on its way.
    until_ms    BIGINT,
    -- The provider's clock, in seconds: when it was last told that the payment is on its way, and when it failed or was given up.
    told_s      BIGINT,
    ended_s     BIGINT,
    PRIMARY KEY (payment_id, provider),
    CHECK (until_ms IS NOT NULL OR ended_s IS NOT NULL)
);

-- The holds of an order.
CREATE INDEX payment_holds_by_order ON payment_holds (order_id);

-- The response under each idempotency key.
CREATE TABLE idempotency_keys (
    caller        TEXT COLLATE "C" NOT NULL,
    path          TEXT COLLATE "C" NOT NULL,
    key           TEXT COLLATE "C" NOT NULL,
    body_hash     BYTEA NOT NULL CHECK (length(body_hash) = 32),
    status        BIGINT NOT NULL,
    body          BYTEA NOT NULL,
    location      TEXT COLLATE "C",
    etag          TEXT COLLATE "C",
    created_at_ms BIGINT NOT NULL,
    -- The key comes first, for in that two differ.
    PRIMARY KEY (key, path, caller)
);

-- Which keys have expired, the oldest first.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at_ms);
