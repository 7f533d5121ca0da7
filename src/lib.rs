//! Orders and inventory of a small online store.
