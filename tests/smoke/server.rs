//! The server of a smoke test without `BASE_URL`: the binary on a free port, with a new database, stopped by SIGTERM.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const POLL: Duration = Duration::from_millis(20);
/// How many lines of its log a failure shows.
const LOG_LINES_SHOWN: usize = 20;

pub(crate) struct Server {
    process: Child,
    base_url: String,
    /// The folder of its database and log, deleted with it.
    folder: TempDir,
}

impl Server {
    /// Starts the binary and waits for its greeting.
    pub(crate) fn start(key: &str, secret: &str, stripe_secret: &str, until: Instant) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let process = spawn(&folder, key, secret, stripe_secret);
        let process = process.map_err(|error| format!("cannot start the server: {error}"))?;
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
                return Err(server.with_log(&format!("the server ended before its greeting: {status}")));
            }
            if Instant::now() >= until {
                return Err(server.with_log("the server printed no greeting in time"));
            }
            thread::sleep(POLL);
        }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Stops the server by SIGTERM and checks its exit status.
    pub(crate) fn stop(mut self, until: Instant) -> Result<(), String> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)
            .map_err(|error| self.with_log(&format!("cannot send SIGTERM to the server: {error}")))?;
        match self.wait(until) {
            None => Err(self.with_log("the server did not end in time after SIGTERM")),
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.with_log(&format!("the server ended with {status} after SIGTERM"))),
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

    fn with_log(&self, line: &str) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
        format!("{line}; the end of its log:\n{last}")
    }
}

/// Kills the server after a failure.
impl Drop for Server {
    fn drop(&mut self) {
        // It fails where the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &TempDir, key: &str, secret: &str, stripe_secret: &str) -> std::io::Result<Child> {
    let log = File::create(log_of(folder))?;
    Command::new(env!("CARGO_BIN_EXE_orders-inventory"))
        // The environment may have settings of another service.
        .env_clear()
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .env(
            "DATABASE_URL",
            format!("sqlite://{}", folder.path().join("smoke.db").display()),
        )
        .env("API_KEYS", key)
        .env("WEBHOOK_SECRET", secret)
        .env("STRIPE_WEBHOOK_SECRET", stripe_secret)
        .env("CURRENCY", "EUR")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

fn log_of(folder: &TempDir) -> PathBuf {
    folder.path().join("log")
}
