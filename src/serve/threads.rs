//! The threads that serve connections, as many as can run at once, each with a runtime of its own.
//!
//! A connection stays with the thread it was given to, so a request wakes that one, and its write's answer the same one
//! again. Threads that share one runtime share its tasks, too: there, whoever finds work wakes another to look for more,
//! and where little is asked that is a core called for nothing, twice for each order. The price is that a thread that
//! is held up holds up its own connections and cannot pass them on, so nothing that may take long runs on one.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::stream::thread_parks;

/// How many threads can run at once.
pub(crate) fn count() -> u32 {
    let count = thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The threads; they end when this is dropped.
pub(super) struct Threads(Vec<Thread>);

struct Thread {
    runtime: Handle,
    /// Each of its connections has a clone.
    share: Arc<()>,
    /// Dropped to end the thread.
    _end: oneshot::Sender<()>,
}

impl Threads {
    /// Starts so many, at least one.
    pub(super) fn start(count: u32) -> io::Result<Self> {
        (0..count.max(1))
            .map(|_| Thread::start())
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Has this connection served by the thread that has the fewest.
    pub(super) fn serve(&self, connections: &mut JoinSet<()>, connection: impl Future<Output = ()> + Send + 'static) {
        if let Some(thread) = self.0.iter().min_by_key(|thread| Arc::strong_count(&thread.share)) {
            let share = Arc::clone(&thread.share);
            let served = async move {
                connection.await;
                drop(share);
            };
            connections.spawn_on(served, &thread.runtime);
        }
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(thread_parks)
            .build()?;
        let handle = runtime.handle().clone();
        let (end, is_ending) = oneshot::channel();
        thread::Builder::new()
            .name("connections".to_owned())
            .spawn(move || run(runtime, is_ending))?;
        Ok(Self {
            runtime: handle,
            share: Arc::default(),
            _end: end,
        })
    }
}

/// Runs what the thread is given until it is told to end.
fn run(runtime: Runtime, is_ending: oneshot::Receiver<()>) {
    // Nothing is ever sent: this waits for the other end to go.
    let _ = runtime.block_on(is_ending);
    // A read that the disk does not answer must not keep the thread.
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use tokio::sync::mpsc;

    use super::*;

    /// Has a connection served until what is returned is dropped; says on which thread.
    async fn open(threads: &Threads, connections: &mut JoinSet<()>) -> (ThreadId, oneshot::Sender<()>) {
        let (close, is_closing) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        threads.serve(connections, async move {
            tell.send(thread::current().id()).unwrap();
            let _ = is_closing.await;
        });
        (told.await.unwrap(), close)
    }

    #[tokio::test]
    async fn a_connection_goes_to_the_thread_that_has_the_fewest() {
        let threads = Threads::start(2).unwrap();
        let mut connections = JoinSet::new();
        let (first, close_first) = open(&threads, &mut connections).await;
        let (second, _close_second) = open(&threads, &mut connections).await;
        assert_ne!(first, second);
        assert_ne!(first, thread::current().id());
        drop(close_first);
        connections.join_next().await.unwrap().unwrap();
        // The next in turn would be the first one, and then the second.
        let (third, close_third) = open(&threads, &mut connections).await;
        assert_eq!(third, first);
        drop(close_third);
        connections.join_next().await.unwrap().unwrap();
        assert_eq!(open(&threads, &mut connections).await.0, first);
    }

    #[tokio::test]
    async fn dropped_threads_end_and_give_up_what_they_still_serve() {
        let threads = Threads::start(0).unwrap();
        let mut connections = JoinSet::new();
        let (held, mut is_held) = mpsc::channel::<()>(1);
        threads.serve(&mut connections, async move {
            held.send(()).await.unwrap();
            std::future::pending::<()>().await;
        });
        is_held.recv().await.unwrap();
        drop(threads);
        assert_eq!(is_held.recv().await, None);
        assert!(connections.join_next().await.unwrap().unwrap_err().is_cancelled());
    }
}
