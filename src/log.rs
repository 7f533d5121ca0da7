//! The log: a line for each request and each failure, on standard error. Standard output has only what somebody asked
//! for.
//!
//! Lines are formatted where they arise and written by a thread of their own. A log that nobody reads, or that cannot be
//! written, costs lines and never holds up a request. What is worth a line is decided where it happens.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;
use crate::error::panic_message;

/// How many lines may wait to be written; further ones are dropped.
const LINES_MAX: usize = 16_384;

/// How long lines gather after some were written.
const GATHER: Duration = Duration::from_millis(10);

/// How many bytes of lines one system call writes at the most.
const BUFFER_BYTES: usize = 64 * 1024;

/// How often dropped lines are reported.
const REPORT_PERIOD: Duration = Duration::from_secs(10);

/// The log of this process. When it is dropped, waiting lines are written, within a second.
#[must_use]
#[derive(Debug)]
pub struct Log {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

/// Starts the log of this process; only the first call has an effect.
pub fn start(filter: EnvFilter, format: LogFormat) -> Log {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(Gathered(BufWriter::with_capacity(BUFFER_BYTES, io::stderr())));
    let dropped = writer.error_counter();
    let lines = fmt::layer()
        .with_writer(writer)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Pretty => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // As a line of the log, for in JSON every line is an object.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "a thread panicked: {}", panic_message(panic.payload()));
    }));
    // Refused only where the process has a log already, which then goes on.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Log {
        dropped,
        _writer: guard,
    }
}

/// Writes lines in bunches: the writing thread flushes when it has no more lines, and then rests for a moment. Else each
/// line would wake it, at a cost to the thread that logs.
struct Gathered<W: Write>(BufWriter<W>);

impl<W: Write> Write for Gathered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.0.flush();
        thread::sleep(GATHER);
        flushed
    }
}

impl Log {
    /// Says from time to time how many lines were dropped, if any, for as long as the future is polled.
    pub fn report_dropped_lines(&self) -> impl Future<Output = ()> + Send + use<> {
        let dropped = self.dropped.clone();
        async move {
            let mut reported = 0;
            loop {
                tokio::time::sleep(REPORT_PERIOD).await;
                let now = dropped.dropped_lines();
                if now > reported {
                    tracing::warn!(
                        lines = now - reported,
                        "log lines were dropped: they are not read fast enough"
                    );
                    reported = now;
                }
            }
        }
    }
}
