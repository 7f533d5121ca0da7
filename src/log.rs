//! The log: a line for each request and each failure, on standard error. Standard output has only the greeting and what
//! a command prints.
//!
//! The calling thread formats a line; a separate thread writes it. Where standard error is slow, full or read by nobody,
//! lines are lost and counted, and no request waits; nor does the end of the process. `tracing-appender` has the same
//! queue, but prints to standard output when the process ends while it is full, and does not count what could not be
//! written.
//!
//! This module does not decide what is logged: the callers do.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;
use crate::error::panic_message;

/// How many lines may wait to be written; more are dropped.
const LINES_MAX: usize = 16_384;

/// How long lines gather after some were written. Else each line would wake the writing thread, at a cost to the thread
/// that logs.
const GATHER: Duration = Duration::from_millis(10);

/// How many bytes of lines are written together, but for the last line.
const BUFFER_BYTES: usize = 64 * 1024;

/// How often lost lines are reported.
const REPORT_PERIOD: Duration = Duration::from_secs(10);

/// How long the end of the process waits for lines that are being written.
const END_WAIT: Duration = Duration::from_secs(1);

/// The log of this process. Dropping it writes the waiting lines, for at most [`END_WAIT`].
#[must_use]
#[derive(Debug)]
pub struct Log {
    lines: Lines,
}

/// Starts the log of this process; only the first call has an effect.
///
/// # Errors
/// Where no thread can be started.
pub fn start(filter: EnvFilter, format: LogFormat) -> io::Result<Log> {
    let lines = Lines::to(io::stderr())?;
    let writer = lines.clone();
    let layer = fmt::layer()
        .with_writer(move || writer.clone())
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let layer = match format {
        LogFormat::Pretty => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // A panic becomes a line of the log, so that with JSON every line is an object.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "a thread panicked: {}", panic_message(panic.payload()));
    }));
    // Fails only where the process has a log already; that one stays.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
    Ok(Log { lines })
}

impl Log {
    /// Logs how many lines were lost, if any, every 10 seconds, for as long as the future is polled.
    pub fn report_lost_lines(&self) -> impl Future<Output = ()> + Send + use<> {
        let lost = Arc::clone(&self.lines.lost);
        async move {
            let mut reported = 0;
            loop {
                tokio::time::sleep(REPORT_PERIOD).await;
                let now = lost.load(Ordering::Relaxed);
                if now > reported {
                    tracing::warn!(
                        lines = now - reported,
                        "log lines were lost: standard error cannot be written, or is not read fast enough"
                    );
                    reported = now;
                }
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.write_all_waiting(END_WAIT);
    }
}

/// What the writing thread gets.
enum Message {
    Line(Vec<u8>),
    /// Lets the sender know when all that came before was written.
    Tell(SyncSender<()>),
}

/// The queue of lines. Clones share it.
#[derive(Debug, Clone)]
struct Lines {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Starts the thread that writes them.
    fn to(stream: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let mut sink = Sink {
            stream,
            is_in_line: false,
            lost: Arc::clone(&lost),
        };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || sink.write(&waiting))?;
        Ok(Self { queue, lost })
    }

    /// Waits until all lines that wait now are written, or for so long.
    fn write_all_waiting(&self, wait: Duration) {
        const POLL: Duration = Duration::from_millis(10);

        let (tell, is_written) = sync_channel(1);
        let mut left = wait;
        while self.queue.try_send(Message::Tell(tell.clone())).is_err() {
            if left.is_zero() {
                return;
            }
            thread::sleep(POLL);
            left = left.saturating_sub(POLL);
        }
        let _ = is_written.recv_timeout(left);
    }
}

/// Each write is a whole line.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The writing thread's end.
struct Sink<W> {
    stream: W,
    /// Whether the last write ended within a line.
    is_in_line: bool,
    lost: Arc<AtomicU64>,
}

impl<W: Write> Sink<W> {
    fn write(&mut self, waiting: &Receiver<Message>) {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        while let Ok(first) = waiting.recv() {
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Line(line) => buffer.extend_from_slice(&line),
                    Message::Tell(written) => {
                        self.write_lines(&buffer);
                        buffer.clear();
                        let _ = written.try_send(());
                    }
                }
                if buffer.len() >= BUFFER_BYTES {
                    self.write_lines(&buffer);
                    buffer.clear();
                }
                next = waiting.try_recv().ok();
            }
            self.write_lines(&buffer);
            buffer.clear();
            thread::sleep(GATHER);
        }
    }

    /// Writes these lines. What cannot be written is lost, such as with a full disk.
    fn write_lines(&mut self, mut lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        // A line that was cut off is not joined with the next.
        if self.is_in_line {
            self.is_in_line = self.stream.write_all(b"\n").is_err();
        }
        let is_writable = !self.is_in_line;
        while is_writable && !lines.is_empty() {
            match self.stream.write(lines) {
                Ok(written) if written > 0 => {
                    self.is_in_line = lines.get(written - 1) != Some(&b'\n');
                    lines = lines.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        let lost = lines.iter().filter(|byte| **byte == b'\n').count();
        self.lost.fetch_add(lost as u64, Ordering::Relaxed);
    }
}

/// Writes a line to standard error, past the log, for at most [`END_WAIT`]: nobody may be reading. Whether it was written
/// does not matter to the caller, which is about to end the process.
pub fn say(line: String) {
    let _ = within(END_WAIT, move || io::stderr().write_all(format!("{line}\n").as_bytes()));
}

/// Writes text to standard output, for at most [`END_WAIT`].
///
/// # Errors
/// Those of the stream; [`io::ErrorKind::TimedOut`].
pub fn print(text: String) -> io::Result<()> {
    within(END_WAIT, move || {
        io::stdout().write_all(text.as_bytes())?;
        io::stdout().flush()
    })
}

/// The result of `work`, if it ends in time.
fn within(wait: Duration, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let (tell, ended) = sync_channel(1);
    thread::Builder::new().name("print".to_owned()).spawn(move || {
        let _ = tell.try_send(work());
    })?;
    ended
        .recv_timeout(wait)
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A line as the log has them in JSON, for what is printed past it.
pub fn json_line(level: &str, message: &str, more: Map<String, Value>) -> String {
    let mut timestamp = String::new();
    // It writes to memory.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let mut line = Map::new();
    for (member, text) in [
        ("timestamp", timestamp.as_str()),
        ("level", level),
        ("message", message),
    ] {
        line.insert(member.to_owned(), text.into());
    }
    line.extend(more);
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Clone)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let length = bytes.len().min(disk.1);
            if length == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.1 -= length;
            disk.0.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_costs_lines_and_never_joins_two() {
        let disk = Disk(Arc::new(Mutex::new((Vec::new(), 10))));
        let mut lines = Lines::to(disk.clone()).unwrap();
        let mut log = |line: &str| {
            lines.write_all(line.as_bytes()).unwrap();
            lines.write_all_waiting(Duration::from_secs(20));
            lines.lost.load(Ordering::Relaxed)
        };
        assert_eq!(log("first\n"), 0);
        assert_eq!(log("second\n"), 1);
        assert_eq!(log("third\n"), 2);
        disk.0.lock().unwrap().1 = 1_000;
        assert_eq!(log("fourth\n"), 2);
        assert_eq!(log("fifth\n"), 2);
        assert_eq!(
            String::from_utf8_lossy(&disk.0.lock().unwrap().0),
            "first\nseco\nfourth\nfifth\n"
        );
    }

    #[test]
    fn a_stream_that_blocks_costs_lines_and_no_time() {
        let (hold, held) = sync_channel::<()>(0);
        struct Blocked(Receiver<()>);
        impl Write for Blocked {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other(self.0.recv().unwrap_err()))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut lines = Lines::to(Blocked(held)).unwrap();
        for _ in 0..LINES_MAX * 2 {
            lines.write_all(b"line\n").unwrap();
        }
        assert!(lines.lost.load(Ordering::Relaxed) > 0);
        lines.write_all_waiting(Duration::from_millis(50));
        drop(hold);
    }
}
