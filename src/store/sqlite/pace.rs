//! When a commit waits for company.
//!
//! A commit costs more than its own work: every reader loses its snapshot, and with it what it remembers of the file. So
//! where several write beside many who read, the writer lets writes gather for a moment, as `commit_delay` does in
//! PostgreSQL. Who writes alone waits for nobody. Nor do writes wait where there is little but writes: those that could
//! come along are waiting for their own answers already.

use std::thread;
use std::time::Duration;

/// How long writes gather: a few requests' time where that many are under way.
const GATHER: Duration = Duration::from_micros(1_500);

/// What the last batch tells of the next.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many writes it held.
    writes: u64,
    /// How many reads had begun by then.
    reads: u64,
}

impl Pace {
    /// Waits for others to come, where they may be expected; `reads` is how many have begun so far.
    pub(super) fn wait(&self, reads: u64) {
        if self.is_worth_it(reads) {
            thread::sleep(GATHER);
        }
    }

    /// A batch of so many writes is taken.
    pub(super) fn taken(&mut self, writes: usize, reads: u64) {
        *self = Self {
            writes: u64::try_from(writes).unwrap_or(u64::MAX),
            reads,
        };
    }

    fn is_worth_it(&self, reads: u64) -> bool {
        self.writes > 1 && reads.saturating_sub(self.reads) > self.writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_several_writes_beside_more_reads_wait() {
        let mut pace = Pace::default();
        assert!(!pace.is_worth_it(1_000), "the first one of all");
        pace.taken(1, 1_000);
        assert!(!pace.is_worth_it(2_000), "a write alone");
        pace.taken(3, 2_000);
        assert!(!pace.is_worth_it(2_003), "no more reads than writes");
        assert!(pace.is_worth_it(2_004));
        pace.taken(3, 2_004);
        assert!(!pace.is_worth_it(2_004), "the reads before were another batch's");
    }
}
