-- The shop's own number of an order, orders by it and by time, and products by a part of their texts and by their last change.

ALTER TABLE orders ADD COLUMN reference TEXT CHECK (reference <> '');

-- GET /orders?reference=, newest first. Orders without one are not in it.
CREATE INDEX orders_by_reference ON orders (reference) WHERE reference IS NOT NULL;

-- GET /orders?created_from= and ?created_before=, newest first.
CREATE INDEX orders_by_time ON orders (created_at_ms);

-- GET /products?q=. A full-text index of all parts of three characters. It reads the texts from the table itself.
CREATE VIRTUAL TABLE product_texts USING fts5 (
    sku, name, content = 'products', content_rowid = 'id', tokenize = 'trigram', detail = 'full', columnsize = 0
);
INSERT INTO product_texts (product_texts) VALUES ('rebuild');

-- A change of stock changes no text, and so does not come here.
CREATE TRIGGER product_text_added AFTER INSERT ON products BEGIN
    INSERT INTO product_texts (rowid, sku, name) VALUES (new.id, new.sku, new.name);
END;
CREATE TRIGGER product_text_removed AFTER DELETE ON products BEGIN
    INSERT INTO product_texts (product_texts, rowid, sku, name) VALUES ('delete', old.id, old.sku, old.name);
END;
CREATE TRIGGER product_text_changed AFTER UPDATE OF sku, name ON products
WHEN new.sku <> old.sku OR new.name <> old.name BEGIN
    INSERT INTO product_texts (product_texts, rowid, sku, name) VALUES ('delete', old.id, old.sku, old.name);
    INSERT INTO product_texts (rowid, sku, name) VALUES (new.id, new.sku, new.name);
END;

-- GET /products?updated_from=, by the minute.
CREATE INDEX products_by_change ON products (updated_at_ms / 60000);
