-- Kept answers are appended, and found by an index of their keys.
--
-- The table lay in the order of the keys, which callers draw at random: each answer was written somewhere among all that
-- are kept, few of which share a page, and each entry of the index of their ages named a whole key. That was more than all
-- else of an order. Now an answer is appended, and of its key an index has many to a page.

CREATE TABLE appended_answers (
    number     INTEGER PRIMARY KEY,
    caller     TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    body_hash  BLOB    NOT NULL CHECK (length(body_hash) = 32),
    status     INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    location   TEXT,
    etag       TEXT,
    kept_at_ms INTEGER NOT NULL,
    -- Its index is the one look-up. The key comes first, for in that two differ.
    UNIQUE (key, path, caller)
) STRICT;
INSERT INTO appended_answers (caller, path, key, body_hash, status, body, location, etag, kept_at_ms)
SELECT caller, path, key, body_hash, status, body, location, etag, kept_at_ms FROM kept_answers ORDER BY kept_at_ms;
DROP TABLE kept_answers;
ALTER TABLE appended_answers RENAME TO kept_answers;

-- Which answers are too old, the oldest first. New ones append.
CREATE INDEX kept_answers_by_age ON kept_answers (kept_at_ms);
