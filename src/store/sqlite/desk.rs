//! The connection that writes, which only one may have at a time: the writer for a batch, or whoever needs it to pause.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// Where the writing connection lies between two batches.
#[derive(Default)]
pub(super) struct Desk {
    top: Mutex<Top>,
    changed: Condvar,
}

#[derive(Default)]
struct Top {
    /// `None` from a failure of the storage until the next batch.
    connection: Option<Connection>,
    is_taken: bool,
    is_paused: bool,
}

impl Desk {
    pub(super) fn new(connection: Connection) -> Self {
        let desk = Self::default();
        desk.top().connection = Some(connection);
        desk
    }

    /// Takes the connection, if there is one, for a batch. Waits for the end of a pause.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut top = self.wait_while(|top| top.is_paused);
        top.is_taken = true;
        top.connection.take()
    }

    /// Lays it back; `None` where it cannot be trusted any more.
    pub(super) fn lay_back(&self, connection: Option<Connection>) {
        let mut top = self.top();
        top.connection = connection;
        top.is_taken = false;
        if top.is_paused {
            self.changed.notify_all();
        }
    }

    /// Lets no batch begin until [`Desk::go_on`].
    pub(super) fn begin_pause(&self) {
        self.top().is_paused = true;
    }

    /// The same, and waits for the one that is under way. In a pause already, it does nothing.
    pub(super) fn pause(&self) {
        self.begin_pause();
        drop(self.wait_while(|top| top.is_taken));
    }

    /// Closes the connection, in a pause.
    pub(super) fn close(&self) {
        let connection = self.top().connection.take();
        drop(connection);
    }

    /// Ends a pause.
    pub(super) fn go_on(&self) {
        self.top().is_paused = false;
        self.changed.notify_all();
    }

    fn top(&self) -> MutexGuard<'_, Top> {
        self.top.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl Fn(&Top) -> bool) -> MutexGuard<'_, Top> {
        let waited = self.changed.wait_while(self.top(), |top| condition(top));
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}
