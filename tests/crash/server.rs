//! The binary, in a process of its own, and the operator's look at its file.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection as Sqlite, OpenFlags};
use rustix::process::Signal;
use serde_json::Value;

use crate::http::Connection;
use crate::shim;

/// How long a start may take before it counts as one that hangs.
const START_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(1);

pub(crate) const WEBHOOK_SECRET: &str = "crash-secret";
pub(crate) const STRIPE_SECRET: &str = "whsec_crash";

/// The shim, built once.
pub(crate) fn shim() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();

    BUILT.get_or_init(shim::build).clone()
}

/// A database in a folder of its own, which goes with it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// The running service.
pub(crate) struct Server {
    process: Process,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first 200 from `/readyz`.
    pub(crate) ready_after: Duration,
}

impl Place {
    pub(crate) fn new() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let place = Self { folder };
        fs::create_dir(place.data()).map_err(|error| format!("no folder for the database: {error}"))?;
        Ok(place)
    }

    /// The folder of the database, with nothing else in it.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.data().join("shop.db")
    }

    /// A file beside the database's folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.beside("log")).unwrap_or_default()
    }

    /// The binary with this database and nothing of the caller's settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders-inventory"));
        command
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("DATABASE_URL", format!("sqlite://{}", self.database().display()))
            .env("WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET)
            .env("CURRENCY", "EUR")
            .env("LOG_FORMAT", "json")
            // So short that it is moved now and then during the little that is written here.
            .env("WAL_BYTES", "4194304")
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null());
        command
    }

    /// Keeps the folder where it is, for whoever looks into a failure; says where.
    pub(crate) fn keep(&mut self) -> String {
        self.folder.disable_cleanup(true);
        self.folder.path().display().to_string()
    }

    /// The process as it starts; see [`Starting::ready`].
    pub(crate) fn start(&self, command: &mut Command) -> Result<Starting, String> {
        let log = File::options().append(true).create(true).open(self.beside("log"));
        let log = log.map_err(|error| format!("no log: {error}"))?;
        let started = Instant::now();
        let child = command.stdout(Stdio::piped()).stderr(log).spawn();
        let child = child.map_err(|error| format!("the service cannot be started: {error}"))?;
        Ok(Starting {
            process: Process(child),
            started,
        })
    }

    /// Starts the service and waits until it is ready.
    pub(crate) fn serve(&self) -> Result<Server, String> {
        let starting = self.start(&mut self.command())?;
        starting
            .ready()
            .map_err(|line| format!("{line}; its log: {}", self.log()))
    }

    /// What must be true of the file, whatever happened: SQLite finds it sound, and the audit finds the books right.
    pub(crate) fn audit(&self) -> Result<(), String> {
        let finding = integrity(&self.database()).map_err(|error| format!("integrity_check: {error}"))?;
        if finding != "ok" {
            return Err(format!("integrity_check: {finding}"));
        }
        let audit = self.command().arg("audit").output();
        let audit = audit.map_err(|error| format!("the audit cannot be run: {error}"))?;
        if audit.status.success() {
            return Ok(());
        }
        let (out, err) = (
            String::from_utf8_lossy(&audit.stdout),
            String::from_utf8_lossy(&audit.stderr),
        );
        Err(format!("the audit ended with {}: {out}{err}", audit.status))
    }
}

fn integrity(database: &Path) -> rusqlite::Result<String> {
    let connection = Sqlite::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
}

/// A process that may not serve yet.
pub(crate) struct Starting {
    process: Process,
    started: Instant,
}

impl Starting {
    /// Waits until the service is ready.
    pub(crate) fn ready(mut self) -> Result<Server, String> {
        let printed = self.process.0.stdout.take().ok_or("no standard output")?;
        let (sender, first) = channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(printed).lines();
            // Nobody listens where the wait was given up. The rest is read so that printing never blocks.
            let _ = sender.send(lines.next());
            lines.for_each(drop);
        });
        let line = match first.recv_timeout(START_MAX) {
            Ok(Some(Ok(line))) => line,
            Ok(_) => return Err(format!("the service ended as it started: {:?}", self.process.0.wait())),
            Err(_) => return Err(format!("the service did not start in {START_MAX:?}")),
        };
        let greeting: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = greeting["api"].as_str().and_then(|url| url.strip_prefix("http://"));
        let address: SocketAddr = address
            .and_then(|address| address.parse().ok())
            .ok_or_else(|| format!("the greeting has no address: {line}"))?;
        loop {
            let asked = Connection::open(address).and_then(|mut connection| connection.get("/readyz"));
            if asked.is_ok_and(|answer| answer.status == 200) {
                break;
            }
            if self.started.elapsed() > START_MAX {
                return Err(format!("the service was not ready in {START_MAX:?}"));
            }
            thread::sleep(POLL);
        }
        let ready_after = self.started.elapsed();
        Ok(Server {
            process: self.process,
            address,
            ready_after,
        })
    }

    /// SIGKILL, and the wait for the end of the process.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        self.process.kill()
    }
}

impl Server {
    /// SIGKILL, and the wait for the end of the process.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.process.kill()
    }

    /// How the process ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        let ended = self.process.0.try_wait();
        ended.map_err(|error| format!("the service cannot be waited for: {error}"))
    }

    /// Waits for the SIGKILL that the shim gives it, for so long at the most.
    pub(crate) fn wait_killed(&mut self, max: Duration) -> Result<(), String> {
        let until = Instant::now() + max;
        loop {
            match self.ended()? {
                Some(status) if status.signal() == Some(Signal::KILL.as_raw()) => return Ok(()),
                Some(status) => return Err(format!("the service ended by itself: {status}")),
                None if Instant::now() > until => return Err(format!("the service was not killed in {max:?}")),
                None => thread::sleep(POLL),
            }
        }
    }
}

/// It does not outlive its test.
struct Process(Child);

impl Process {
    fn kill(&mut self) -> Result<(), String> {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        ended
            .map(|_| ())
            .map_err(|error| format!("the service cannot be killed: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended where its test got that far.
        let _ = self.kill();
    }
}
