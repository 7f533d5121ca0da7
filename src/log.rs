//! The log: a line for each request and each failure, on standard error. Standard output has only the greeting and what
//! a command prints.
//!
//! The calling thread formats a line, and the thread of `tracing-appender` writes it. Where standard error is slow, full or
//! read by nobody, lines are lost and counted, and no request waits; nor does the end of the process. This module does not
//! decide what is logged: the callers do.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;
use crate::error::panic_message;

/// How many lines may wait to be written; more are lost.
const LINES_MAX: usize = 16_384;

/// How long lines gather after some were written.
const GATHER: Duration = Duration::from_millis(10);

/// How many bytes of lines are written together, but for the last line.
const BUFFER_BYTES: usize = 64 * 1024;

/// How often lost lines are reported.
const REPORT_PERIOD: Duration = Duration::from_secs(10);

/// How long the end of the process waits for what is being printed.
const END_WAIT: Duration = Duration::from_secs(1);

/// The log of this process. Dropping it writes the waiting lines, for about a second at most.
#[must_use]
#[derive(Debug)]
pub struct Log {
    lost: Lost,
    writer: Option<WorkerGuard>,
}

/// How many lines were lost.
#[derive(Debug, Clone)]
struct Lost {
    /// Those that found the queue full.
    refused: ErrorCounter,
    /// Those that could not be written.
    unwritten: Arc<AtomicU64>,
}

impl Lost {
    fn lines(&self) -> u64 {
        self.unwritten.load(Ordering::Relaxed) + self.refused.dropped_lines() as u64
    }
}

/// Starts the log of this process; only the first call has an effect.
pub fn start(filter: EnvFilter, format: LogFormat) -> Log {
    let unwritten = Arc::new(AtomicU64::new(0));
    let (lines, writer) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(Lines::to(io::stderr(), Arc::clone(&unwritten)));
    let lost = Lost {
        refused: lines.error_counter(),
        unwritten,
    };
    let layer = fmt::layer()
        .with_writer(lines)
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
    Log {
        lost,
        writer: Some(writer),
    }
}

impl Log {
    /// Logs how many lines were lost, if any, every 10 seconds, for as long as the future is polled.
    pub fn report_lost_lines(&self) -> impl Future<Output = ()> + Send + use<> {
        let lost = self.lost.clone();
        async move {
            let mut reported = 0;
            loop {
                tokio::time::sleep(REPORT_PERIOD).await;
                let now = lost.lines();
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
        // On a thread of its own: where the queue is full, the guard prints so to standard output, which may block, or panic
        // where that is closed.
        let writer = self.writer.take();
        let _ = within(2 * END_WAIT, move || {
            drop(writer);
            Ok(())
        });
    }
}

/// Writes lines in bunches: when no more wait, or the buffer is full; then the writing thread rests for a moment. Else each
/// line would wake it, at a cost to the thread that logs. What cannot be written, such as with a full disk, is lost: no
/// error is returned, and nothing is kept for later.
struct Lines<W> {
    stream: W,
    buffer: Vec<u8>,
    /// Whether the last write ended within a line.
    is_in_line: bool,
    unwritten: Arc<AtomicU64>,
}

impl<W: Write> Lines<W> {
    fn to(stream: W, unwritten: Arc<AtomicU64>) -> Self {
        Self {
            stream,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            is_in_line: false,
            unwritten,
        }
    }

    fn write_buffer(&mut self) {
        // A line that was cut off is not joined with the next.
        if self.is_in_line && !self.buffer.is_empty() {
            self.is_in_line = self.stream.write_all(b"\n").is_err();
        }
        let is_writable = !self.is_in_line;
        let mut lines = &*self.buffer;
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
        let unwritten = lines.iter().filter(|byte| **byte == b'\n').count();
        self.unwritten.fetch_add(unwritten as u64, Ordering::Relaxed);
        self.buffer.clear();
    }
}

/// Each write is a whole line.
impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(line);
        if self.buffer.len() >= BUFFER_BYTES {
            self.write_buffer();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_buffer();
        thread::sleep(GATHER);
        Ok(())
    }
}

/// Writes a line to standard error, past the log, for a second at most: nobody may be reading. Whether it was written
/// does not matter to the caller, which is about to end the process.
pub fn say(line: String) {
    let _ = within(END_WAIT, move || io::stderr().write_all(format!("{line}\n").as_bytes()));
}

/// Writes text to standard output, for a second at most.
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
        let unwritten = Arc::new(AtomicU64::new(0));
        let mut lines = Lines::to(disk.clone(), Arc::clone(&unwritten));
        let mut log = |line: &str| {
            lines.write_all(line.as_bytes()).unwrap();
            lines.flush().unwrap();
            unwritten.load(Ordering::Relaxed)
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
}
