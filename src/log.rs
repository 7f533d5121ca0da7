//! The log: a line for each request and each failure, on standard error. Standard output has only the greeting and what
//! a command prints.
//!
//! The calling thread formats a line; a separate thread writes it. Where standard error is slow or cannot be written,
//! lines are dropped and no request waits. This module does not decide what is logged: the callers do.

use std::io::{self, BufWriter, IsTerminal};
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;
use crate::error::panic_message;

/// How many lines may wait to be written; more are dropped.
const LINES_MAX: usize = 16_384;

/// How often dropped lines are reported.
const REPORT_PERIOD: Duration = Duration::from_secs(10);

/// The log of this process. Dropping it writes the waiting lines, for at most a second.
#[must_use]
#[derive(Debug)]
pub struct Log {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

/// Starts the log of this process; only the first call has an effect.
pub fn start(filter: EnvFilter, format: LogFormat) -> Log {
    // Buffered: the writing thread flushes when no more lines wait, so many lines take one system call.
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(BufWriter::new(io::stderr()));
    let dropped = writer.error_counter();
    let lines = fmt::layer()
        .with_writer(writer)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Pretty => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // A panic becomes a line of the log, so that with JSON every line is an object.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "a thread panicked: {}", panic_message(panic.payload()));
    }));
    // Fails only where the process has a log already; that one stays.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Log {
        dropped,
        _writer: guard,
    }
}

impl Log {
    /// Logs how many lines were dropped, if any, every 10 seconds, for as long as the future is polled.
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
                        "log lines were dropped: standard error is not read fast enough"
                    );
                    reported = now;
                }
            }
        }
    }
}
