//! The log: a line for each request and each failure, to standard error. Standard output has only what somebody asked
//! for.
//!
//! A line is made by the thread that has something to say, and written by another, many at once: a request costs no
//! system call here, nor does it wake anybody. It holds no policy of what is worth a line.
//!
//! - `line`: an event as a line, for people or for machines;
//! - `lines`: lines on their way out;
//! - [`request`]: whose request the current thread is at work on.

use std::cell::Cell;
use std::io::{self, IsTerminal};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use self::line::Shape;
use self::lines::Lines;
use crate::config::LogFormat;

mod line;
mod lines;
pub mod request;

/// The log of this process. When it is dropped, everything said so far is written.
#[must_use]
#[derive(Debug)]
pub struct Log(Lines);

/// Starts the log of this process; the first call counts.
///
/// # Errors
/// Where the system gives no thread for it.
pub fn start(filter: EnvFilter, format: LogFormat) -> io::Result<Log> {
    let shape = match format {
        LogFormat::Json => Shape::Json,
        LogFormat::Pretty => Shape::Text {
            is_colored: io::stderr().is_terminal(),
        },
    };
    let lines = Lines::start(io::stderr())?;
    let writer = Writer {
        shape,
        lines: lines.clone(),
    };
    // Only a process that has a log already refuses another, and that one goes on.
    let _ = tracing_subscriber::registry().with(filter).with(writer).try_init();
    Ok(Log(lines))
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.end();
    }
}

thread_local! {
    /// Room for the line that the thread is at; every thread makes its own, and only then waits for its turn.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Takes events and makes lines of them.
struct Writer {
    shape: Shape,
    lines: Lines,
}

impl<S: Subscriber> Layer<S> for Writer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Taken and put back, for a value that is written may itself have something to log.
        let mut line = LINE.take();
        self.shape.write(event, &mut line);
        self.lines.push(&line, *event.metadata().level() <= Level::WARN);
        line.clear();
        LINE.set(line);
    }
}
