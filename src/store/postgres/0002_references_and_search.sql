-- The shop's own number of an order, orders by it and by time, and products by a part of their texts and by their last change.

ALTER TABLE orders ADD COLUMN reference TEXT COLLATE "C" CHECK (reference <> '');

-- GET /orders?reference=, newest first. Orders without one are not in it.
CREATE INDEX orders_by_reference ON orders (reference, (-id)) WHERE reference IS NOT NULL;

-- GET /orders?created_from= and ?created_before=, newest first.
CREATE INDEX orders_by_time ON orders (created_at_ms, id);

-- GET /products?updated_from=. By the minute, so that a change of stock seldom changes an index: only then does it find a
-- place beside its row.
ALTER TABLE products ADD COLUMN updated_minute BIGINT GENERATED ALWAYS AS (updated_at_ms / 60000) STORED;
CREATE INDEX products_by_change ON products (updated_minute, id);

-- The ids of the first products with a text like that, which is in small letters, after this one. Small letters are those of
-- the database's locale. `id + 0` is in no index, so that the one of the texts is taken.
CREATE FUNCTION find_products(pattern TEXT, after BIGINT, count BIGINT) RETURNS SETOF BIGINT LANGUAGE sql STABLE AS $$
    SELECT id FROM products WHERE lower((sku || E'\n' || name) COLLATE "default") LIKE pattern AND id + 0 > after
    ORDER BY id LIMIT count
$$;

-- GET /products?q=. An index of all parts of three characters, which only bitmaps can use. It needs the extension pg_trgm,
-- which comes with PostgreSQL and which the owner of a database may create; without it, all products are looked through.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX products_by_text ON products USING gin (lower((sku || E'\n' || name) COLLATE "default") gin_trgm_ops);
    ALTER FUNCTION find_products SET enable_bitmapscan = on;
    ALTER FUNCTION find_products SET enable_indexscan = off;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE WARNING 'GET /products?q= has no index, for pg_trgm cannot be created: %', SQLERRM;
END
$$;
