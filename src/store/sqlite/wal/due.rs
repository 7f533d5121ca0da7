//! How long a log gets before it is moved into the database file.
//!
//! The longer it is, the more of its pages are in it several times, of which only the last is moved. Writes to pages all
//! over a large file seldom meet in a short log, so there it gets longer. It takes that much of the disk, though, and after
//! a crash all of it is read before the first answer.

use std::fs;
use std::path::Path;

use super::{PAGE, Wal};
use crate::store::sqlite::open;

/// How long a log gets if nobody says otherwise, in bytes.
pub(in crate::store::sqlite) const WAL_BYTES: u64 = 64 << 20;

/// That of a large file gets as long as the file, up to so many times as long as that of a small one.
const TIMES_MAX: u64 = 4;

/// A log is moved again whenever this many pages more came before it could start anew.
const PAGES_MORE: u64 = 1_024;

/// When a log is worth to be moved.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::sqlite) struct Due {
    /// How long that of a small file gets, in bytes.
    least: u64,
}

impl Due {
    pub(in crate::store::sqlite) const fn at(least: u64) -> Self {
        Self { least }
    }

    /// Whether the log of this database is so long, and much of it is not moved yet.
    pub(in crate::store::sqlite) fn is(self, wal: Wal, database: &Path) -> bool {
        let (pages, left) = (wal.pages.unsigned_abs(), wal.left().unsigned_abs());
        // Mostly it is too short for any file, and none is looked at.
        pages >= self.least / PAGE && left >= PAGES_MORE.min(self.least / PAGE) && pages >= self.bytes(database) / PAGE
    }

    /// Whether it is so long that the writer must wait for that.
    pub(in crate::store::sqlite) fn is_over(self, wal: Wal, database: &Path) -> bool {
        wal.pages.unsigned_abs() >= self.bytes_max(database) / PAGE
    }

    /// Whether the log's file is longer than it stays once all of it was moved.
    pub(in crate::store::sqlite) fn is_exceeded(self, database: &Path) -> bool {
        length(&open::log_of(database)) > self.bytes_max(database)
    }

    fn bytes(self, database: &Path) -> u64 {
        length(database).clamp(self.least, TIMES_MAX.saturating_mul(self.least))
    }

    fn bytes_max(self, database: &Path) -> u64 {
        self.bytes(database).saturating_mul(2)
    }
}

/// How long a file is; nothing if nobody can say.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_a_large_file_gets_longer_but_not_for_ever() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = folder.path().join("test.db");
        let due = Due::at(WAL_BYTES);
        for (file, log) in [
            (None, 64),
            (Some(0), 64),
            (Some(64), 64),
            (Some(100), 100),
            (Some(10_000), 256),
        ] {
            if let Some(length) = file {
                fs::File::create(&database).unwrap().set_len(length << 20).unwrap();
            }
            let is = |pages, moved| due.is(Wal { pages, moved }, &database);
            let pages = i64::try_from((log << 20) / PAGE).unwrap();
            assert!(is(pages, 0) && !is(pages - 1, 0), "{file:?}");
            // There is nothing to do where most of it was moved already.
            assert!(!is(pages, pages - 1_023) && is(pages, pages - 1_024));
            let is_over = |pages| due.is_over(Wal { pages, moved: 0 }, &database);
            assert!(is_over(2 * pages) && !is_over(2 * pages - 1), "{file:?}");
        }
    }

    #[test]
    fn a_log_is_exceeded_beyond_twice_its_length() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = folder.path().join("test.db");
        assert!(!Due::at(1_000).is_exceeded(&database));
        fs::write(open::log_of(&database), [0; 2_000]).unwrap();
        assert!(!Due::at(1_000).is_exceeded(&database));
        assert!(Due::at(999).is_exceeded(&database));
    }
}
