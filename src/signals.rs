//! Signals that ask the process to end: SIGTERM, SIGINT and SIGHUP.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use orders_inventory::store::Stop;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ready with the signal's number once one has come. From this call on none of them ends the process by itself. Only within
/// a runtime.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = i32>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // `nohup` starts programs that are to go on after a hangup.
    let mut hangup = match is_ignored(SignalKind::hangup()) {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    Ok(async move {
        tokio::select! {
            () = come(Some(&mut terminate)) => SignalKind::terminate().as_raw_value(),
            () = come(Some(&mut interrupt)) => SignalKind::interrupt().as_raw_value(),
            () = come(hangup.as_mut()) => SignalKind::hangup().as_raw_value(),
        }
    })
}

async fn come(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether the process was started with this signal ignored; false where the system does not tell (`proc(5)`).
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (kind.as_raw_value() - 1)) != 0)
}

/// What a command asks from time to time that must tidy up before it ends.
pub(crate) struct Interruption {
    pub(crate) stop: Stop,
    signal: Arc<AtomicI32>,
}

impl Interruption {
    /// From here on a signal sets `stop`, and no longer ends the process by itself.
    pub(crate) fn on_signal() -> io::Result<Self> {
        let interruption = Self {
            stop: Stop::default(),
            signal: Arc::default(),
        };
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let stopped = runtime.block_on(async { stop_signal() })?;
        let (stop, signal) = (Arc::clone(&interruption.stop), Arc::clone(&interruption.signal));
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            signal.store(runtime.block_on(stopped), Ordering::Relaxed);
            stop.store(true, Ordering::Release);
        })?;
        Ok(interruption)
    }

    /// The exit status of a command that a signal ended, by the shells' convention.
    pub(crate) fn status(&self) -> u8 {
        u8::try_from(128 + self.signal.load(Ordering::Relaxed)).unwrap_or(1)
    }
}
