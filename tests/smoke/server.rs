//! The server of a smoke test that was given none: the binary on a free port, with a new database, stopped as a host
//! stops it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const POLL: Duration = Duration::from_millis(20);
/// How many lines of its log a failure shows.
const LAST_WORDS: usize = 20;

pub(crate) struct Server {
    process: Child,
    base_url: String,
    /// Has its database and its log, and goes with it.
    folder: TempDir,
}

impl Server {
    /// Starts the binary and waits until it says where it is.
    pub(crate) fn start(key: &str, secret: &str, until: Instant) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let process = spawn(&folder, key, secret).map_err(|error| format!("cannot start the server: {error}"))?;
        let mut server = Self {
            process,
            base_url: String::new(),
            folder,
        };
        loop {
            if let Some(base_url) = server.log().lines().find_map(|line| line.strip_prefix("API   ")) {
                base_url.clone_into(&mut server.base_url);
                return Ok(server);
            }
            if let Ok(Some(status)) = server.process.try_wait() {
                return Err(server.last_words(&format!("the server ended before it said its address: {status}")));
            }
            if Instant::now() >= until {
                return Err(server.last_words("the server did not say its address in time"));
            }
            thread::sleep(POLL);
        }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Tells the server to stop, as a host does, and wants it to end well.
    pub(crate) fn stop(mut self, until: Instant) -> Result<(), String> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)
            .map_err(|error| self.last_words(&format!("cannot send SIGTERM to the server: {error}")))?;
        match self.wait(until) {
            None => Err(self.last_words("the server did not end in time after SIGTERM")),
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.last_words(&format!("the server ended with {status} after SIGTERM"))),
        }
    }

    fn wait(&mut self, until: Instant) -> Option<ExitStatus> {
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(POLL);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(log_of(&self.folder)).unwrap_or_default()
    }

    fn last_words(&self, line: &str) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n");
        format!("{line}; its last words:\n{last}")
    }
}

/// No failure leaves a server behind.
impl Drop for Server {
    fn drop(&mut self) {
        // It fails where the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &TempDir, key: &str, secret: &str) -> std::io::Result<Child> {
    let log = File::create(log_of(folder))?;
    Command::new(env!("CARGO_BIN_EXE_orders-inventory"))
        // Settings of the caller's own service must not reach this one.
        .env_clear()
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .env(
            "DATABASE_URL",
            format!("sqlite://{}", folder.path().join("smoke.db").display()),
        )
        .env("API_KEYS", key)
        .env("WEBHOOK_SECRET", secret)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

fn log_of(folder: &TempDir) -> PathBuf {
    folder.path().join("log")
}
