//! Lines on their way out.
//!
//! They gather in memory and are written together, a few milliseconds later at the most; those that are urgent take the
//! others along at once. Who reads them slowly keeps no request waiting: beyond a bound lines are lost, and a line says
//! how many.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long lines gather.
const GATHER: Duration = Duration::from_millis(20);

/// How much may wait to be written.
const BYTES_MAX: usize = 4 << 20;

/// Takes lines. Clones share the way out.
#[derive(Clone, Debug)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when there is something to write, or to hurry.
    news: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    lost: u64,
    is_urgent: bool,
    is_ended: bool,
}

impl Lines {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// Where the system gives none.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            news: Condvar::new(),
            thread: Mutex::default(),
        });
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("log".to_owned())
                .spawn(move || shared.write_all(out))?
        };
        *lock(&shared.thread) = Some(thread);
        Ok(Self(shared))
    }

    /// Takes a line.
    pub(super) fn push(&self, line: &[u8], is_urgent: bool) {
        let mut waiting = lock(&self.0.waiting);
        if waiting.text.len() >= BYTES_MAX {
            waiting.lost += 1;
            return;
        }
        // The thread sleeps until the first line, and then until lines have gathered.
        let wakes = waiting.text.is_empty() || is_urgent && !waiting.is_urgent;
        waiting.is_urgent |= is_urgent;
        waiting.text.extend_from_slice(line);
        drop(waiting);
        if wakes {
            self.0.news.notify_one();
        }
    }

    /// Has everything written that was taken, and takes no more.
    pub(super) fn end(&self) {
        lock(&self.0.waiting).is_ended = true;
        self.0.news.notify_one();
        if let Some(thread) = lock(&self.0.thread).take() {
            // It does not panic; if it did, there is nothing left to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Writes lines as they come, until the end.
    fn write_all(&self, mut out: impl Write) {
        let mut text = Vec::new();
        loop {
            let (lost, is_ended) = self.gather(&mut text);
            // A log that nobody takes is no reason to stop serving.
            let _ = out.write_all(&text).and_then(|()| out.flush());
            text.clear();
            if lost > 0 {
                tracing::warn!(
                    lines = lost,
                    "log lines were lost: they are not read as fast as they are written"
                );
            }
            if is_ended {
                return;
            }
        }
    }

    /// Waits for lines and swaps them for `text`, which is empty; how many were lost, and whether no more will come.
    fn gather(&self, text: &mut Vec<u8>) -> (u64, bool) {
        let waiting = lock(&self.waiting);
        let waiting = self
            .news
            .wait_while(waiting, |waiting| waiting.text.is_empty() && !waiting.is_ended)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut waiting, _) = self
            .news
            .wait_timeout_while(waiting, GATHER, |waiting| !waiting.is_urgent && !waiting.is_ended)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.is_urgent = false;
        std::mem::swap(&mut waiting.text, text);
        (std::mem::take(&mut waiting.lost), waiting.is_ended)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Hands on what it is given, once it may.
    struct Slow {
        wrote: Sender<String>,
        may: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may.recv().map_err(io::Error::other)?;
            let text = String::from_utf8(bytes.to_vec()).map_err(io::Error::other)?;
            self.wrote.send(text).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Lines, Receiver<String>, Sender<()>) {
        let ((wrote, written), (allow, may)) = (channel(), channel());
        (Lines::start(Slow { wrote, may }).unwrap(), written, allow)
    }

    fn push(lines: &Lines, text: &str) {
        lines.push(text.as_bytes(), false);
    }

    #[test]
    fn lines_are_written_in_their_order_and_all_of_them_at_the_end() {
        let (lines, written, allow) = slow();
        for _ in 0..9 {
            allow.send(()).unwrap();
        }
        push(&lines, "a\n");
        push(&lines, "b\n");
        assert_eq!(written.recv_timeout(Duration::from_secs(20)).unwrap(), "a\nb\n");
        push(&lines, "c\n");
        lines.end();
        assert_eq!(written.try_iter().collect::<String>(), "c\n");
    }

    #[test]
    fn an_urgent_line_takes_the_others_along() {
        let (lines, written, allow) = slow();
        allow.send(()).unwrap();
        push(&lines, "a\n");
        lines.push(b"b\n", true);
        assert_eq!(written.recv_timeout(Duration::from_secs(20)).unwrap(), "a\nb\n");
    }

    #[test]
    fn who_reads_slowly_loses_lines_and_holds_nobody_up() {
        let (lines, written, allow) = slow();
        let line = format!("{}\n", "x".repeat(1 << 20));
        for _ in 0..64 {
            push(&lines, &line);
        }
        let lost = lock(&lines.0.waiting).lost;
        assert!((50..=62).contains(&lost), "{lost}");
        for _ in 0..9 {
            allow.send(()).unwrap();
        }
        lines.end();
        let written: usize = written.try_iter().map(|text| text.len()).sum();
        assert_eq!(written, (64 - usize::try_from(lost).unwrap()) * line.len());
    }
}
