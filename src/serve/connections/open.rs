//! The open connections: which one has been idle longest, and which one holds the most memory.
//!
//! Where a limit is reached, that one is closed and others are served, so a client that opens many connections or reads
//! nothing harms itself. A request in progress is never cut off for a new connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::counter;
use orders_inventory::metrics::table;
use tokio::sync::{Notify, Semaphore};

use super::activity::Activity;

/// How many bytes of requests and unread answers each connection may hold on average.
const BYTES_PER_CONNECTION: usize = 32 << 10;
/// The least that all of them may hold together, where few connections are allowed.
const BYTES_MIN: usize = 32 << 20;
/// How many bytes of answers one connection may hold before it gets no more.
pub(super) const ANSWER_BYTES_MAX: u32 = 1 << 20;
/// How many connections that were told to close may be open beside those that are allowed.
pub(super) const CLOSING_MAX: usize = 32;
/// How often closed connections are reported.
const REPORT_PERIOD: Duration = Duration::from_secs(10);
/// How long a connection pauses where memory is short, before it looks again.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// All open connections.
#[derive(Debug)]
pub(super) struct OpenConnections {
    connections_max: usize,
    bytes_max: usize,
    /// How many bytes all of them hold.
    held: AtomicUsize,
    next_id: AtomicU64,
    list: Mutex<List>,
    reported: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct List {
    by_id: HashMap<u64, Arc<Connection>>,
    /// How many of them were told to close.
    closing: usize,
}

impl List {
    /// Those that were not told to close.
    fn staying(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.by_id.values().filter(|connection| !connection.is_closing())
    }

    fn staying_count(&self) -> usize {
        self.by_id.len() - self.closing
    }

    /// Tells this one to close.
    fn close(&mut self, connection: &Connection) {
        counter!(table::HTTP_CONNECTIONS_SHED).increment(1);
        self.closing += 1;
        connection.is_closing.store(true, Relaxed);
        connection.closing.notify_one();
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) activity: Arc<Activity>,
    /// How many bytes it holds.
    held: AtomicUsize,
    /// A permit for each byte of its answers.
    pub(super) answers: Semaphore,
    is_closing: AtomicBool,
    closing: Notify,
}

impl OpenConnections {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            connections_max,
            bytes_max: connections_max.saturating_mul(BYTES_PER_CONNECTION).max(BYTES_MIN),
            held: AtomicUsize::default(),
            next_id: AtomicU64::default(),
            list: Mutex::default(),
            reported: Mutex::default(),
        }
    }

    /// Adds a connection until the returned value is dropped. Where there are as many as allowed, it closes the one that has
    /// been idle longest; `None` where none is idle, or too many are still closing.
    pub(super) fn add(self: &Arc<Self>) -> Option<Entry> {
        let mut list = self.list();
        if list.by_id.len() >= self.connections_max.saturating_add(CLOSING_MAX) {
            return None;
        }
        if list.staying_count() >= self.connections_max {
            let idle = list
                .staying()
                .filter_map(|connection| Some((connection.activity.idle_since()?, connection)));
            let (_, idle_longest) = idle.min_by_key(|(since, _)| *since)?;
            let idle_longest = Arc::clone(idle_longest);
            list.close(&idle_longest);
        }
        let id = self.next_id.fetch_add(1, Relaxed);
        let connection = Arc::new(Connection {
            activity: Arc::new(Activity::new()),
            held: AtomicUsize::default(),
            answers: Semaphore::new(ANSWER_BYTES_MAX as usize),
            is_closing: AtomicBool::default(),
            closing: Notify::default(),
        });
        list.by_id.insert(id, Arc::clone(&connection));
        Some(Entry {
            all: Arc::clone(self),
            connection,
            id,
        })
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts so many bytes as held by this connection. Where all hold too many together, it closes the connections that
    /// hold the most.
    pub(super) fn hold(&self, connection: &Connection, bytes: usize) {
        connection.held.fetch_add(bytes, Relaxed);
        if self.held.fetch_add(bytes, Relaxed) + bytes > self.bytes_max {
            self.close_largest();
        }
    }

    /// Whether this connection must not begin more for now. A connection that is told to close still holds its memory until
    /// the runtime gets to it. So the larger ones pause meanwhile, and where that is not enough, all do.
    pub(super) fn must_pause(&self, connection: &Connection) -> bool {
        let held = self.held.load(Relaxed);
        let is_short = held > self.bytes_max + self.bytes_max / 4;
        let is_large = connection.held.load(Relaxed) > BYTES_PER_CONNECTION;
        is_short && is_large || held > 2 * self.bytes_max || connection.is_closing()
    }

    pub(super) fn release(&self, connection: &Connection, bytes: usize) {
        connection.held.fetch_sub(bytes, Relaxed);
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Closes the largest connections until the others hold no more than they may. Those told to close before do not count,
    /// for what they hold is about to go.
    fn close_largest(&self) {
        let mut list = self.list();
        let held = |connection: &&Arc<Connection>| connection.held.load(Relaxed);
        let mut all: usize = list.staying().map(|connection| held(&connection)).sum();
        while all > self.bytes_max {
            let Some(largest) = list.staying().max_by_key(held).map(Arc::clone) else {
                break;
            };
            let bytes = largest.held.load(Relaxed);
            all = all.saturating_sub(bytes);
            list.close(&largest);
            self.report(bytes);
        }
    }

    /// Not for each one: there may be many.
    fn report(&self, bytes: usize) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.is_none_or(|at| at.elapsed() >= REPORT_PERIOD) {
            *reported = Some(Instant::now());
            tracing::warn!(
                bytes,
                "memory is short, so connections that hold the most of it are closed"
            );
        }
    }
}

impl Connection {
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Relaxed)
    }

    /// Ready when the connection is to be closed.
    pub(super) async fn must_close(&self) {
        self.closing.notified().await;
    }
}

/// The place of a connection among the others.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) all: Arc<OpenConnections>,
    pub(super) connection: Arc<Connection>,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut list = self.all.list();
        list.by_id.remove(&self.id);
        list.closing -= usize::from(self.connection.is_closing());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(connections_max: usize) -> (Arc<OpenConnections>, Vec<Entry>) {
        let all = Arc::new(OpenConnections::new(connections_max));
        let entries = (0..connections_max).map(|_| {
            // Each is older than the next.
            std::thread::sleep(Duration::from_millis(1));
            all.add().unwrap()
        });
        let entries = entries.collect();
        (all, entries)
    }

    fn closed(entries: &[Entry]) -> Vec<usize> {
        let is_closing = |entry: &Entry| entry.connection.is_closing.load(Relaxed);
        (0..entries.len())
            .filter(|index| is_closing(&entries[*index]))
            .collect()
    }

    #[test]
    fn for_a_new_connection_the_one_that_was_idle_longest_goes() {
        let (all, mut entries) = open(4);
        // The first was used since, and the second works.
        drop(entries[0].connection.activity.begin());
        let working = entries[1].connection.activity.begin();
        let fifth = all.add().unwrap();
        assert_eq!((closed(&entries), all.list().closing), (vec![2], 1));
        let sixth = all.add().unwrap();
        assert_eq!(closed(&entries), [2, 3]);
        let at_work = [&entries[0], &fifth, &sixth].map(|entry| entry.connection.activity.begin());
        assert!(all.add().is_none(), "all are at work");
        assert_eq!(closed(&entries), [2, 3]);
        drop((working, at_work));
        assert!(all.add().is_some());
        entries.clear();
        drop((fifth, sixth));
        let list = all.list();
        assert!(list.by_id.is_empty() && list.closing == 0);
    }

    #[test]
    fn connections_that_are_closing_are_not_without_bound() {
        let (all, entries) = open(4);
        let new: Vec<_> = (0..=CLOSING_MAX).map_while(|_| all.add()).collect();
        assert_eq!(new.len(), CLOSING_MAX);
        // Those closed for their memory make room.
        drop(entries);
        assert!(all.add().is_some());
    }

    #[test]
    fn where_memory_is_short_the_connection_that_holds_the_most_goes() {
        let (all, entries) = open(4);
        let hold = |index: usize, bytes| all.hold(&entries[index].connection, bytes);
        hold(0, 1 << 20);
        hold(1, 3 << 20);
        hold(2, 2 << 20);
        hold(3, BYTES_MIN - (6 << 20));
        assert!(closed(&entries).is_empty(), "all of it may be held");
        hold(0, 1);
        assert_eq!(closed(&entries), [3]);
        // What it holds is about to go.
        hold(0, 1);
        assert_eq!(closed(&entries), [3]);
        hold(0, BYTES_MIN - (4 << 20));
        assert_eq!(closed(&entries), [0, 3]);
        all.release(&entries[1].connection, 3 << 20);
        assert_eq!(entries[1].connection.held.load(Relaxed), 0);
    }
}
