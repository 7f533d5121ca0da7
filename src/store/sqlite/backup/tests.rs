//! Backups of a database in use, and what is refused.
