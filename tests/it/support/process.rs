//! The binary in its own process. Every wait here has a limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A time limit for anything that takes milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The binary with this database and an otherwise empty environment, on a free port.
pub(crate) fn command(database: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders-inventory"));
    command
        .env_clear()
        .env("PORT", "0")
        .env("DATABASE_URL", format!("sqlite://{}", database.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command that must end by itself within `limit`; returns its output.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Output {
    let child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (sender, ended) = channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match ended.recv_timeout(limit) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            kill_process(pid, Signal::KILL).unwrap();
            panic!("still running after {limit:?}: {command:?}: {:?}", ended.recv())
        }
    }
}

/// Whether the command serves metrics, which adds a line to its greeting.
fn has_metrics(command: &Command) -> bool {
    command
        .get_envs()
        .any(|(name, value)| name == "METRICS_ADDR" && value.is_some_and(|value| !value.is_empty()))
}

/// The running service; dropping it kills the process.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The address of its metrics, if it has one.
    metrics: Option<SocketAddr>,
    /// Behind a lock, since several threads may use the server and one at a time reads the log.
    log: Mutex<Receiver<String>>,
    /// The first line of its output.
    pub(crate) greeting: String,
    /// Its output after the greeting.
    printed: Mutex<Receiver<String>>,
}

impl Server {
    /// Starts the command and waits for its greeting.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (log, printed) = (lines(child.stderr.take().unwrap()), lines(child.stdout.take().unwrap()));
        let first = printed.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            child.kill().unwrap();
            panic!("it did not start: {:?}", log.iter().collect::<Vec<_>>())
        });
        let address = |url: &str, path: &str| url.strip_prefix("http://")?.strip_suffix(path)?.parse().ok();
        let greeting: Value = serde_json::from_str(&first).unwrap_or_else(|_| {
            let rest = printed.iter().take(if has_metrics(command) { 3 } else { 2 });
            let lines: Vec<String> = [first.clone()].into_iter().chain(rest).collect();
            let after = |word| lines.iter().find_map(|line| line.strip_prefix(word));
            json!({"docs": after("Docs  "), "metrics": after("Stats ")})
        });
        let docs = greeting["docs"].as_str().and_then(|url| address(url, "/docs"));
        Self {
            child,
            address: docs.unwrap_or_else(|| panic!("the greeting has no address: {first}")),
            metrics: greeting["metrics"].as_str().and_then(|url| address(url, "/metrics")),
            log: Mutex::new(log),
            printed: Mutex::new(printed),
            greeting: first,
        }
    }

    /// The address of its metrics.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.metrics.expect("the greeting has no address of metrics")
    }

    /// Its output after the greeting, until the process ends.
    pub(crate) fn rest_of_output(&self) -> Vec<String> {
        self.printed.lock().unwrap().iter().collect()
    }

    /// The next log line that contains this text.
    pub(crate) fn log_line(&self, text: &str) -> String {
        let log = self.log.lock().unwrap();
        loop {
            let line = log
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no log line has {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The most resident memory that the process has had.
    pub(crate) fn peak_memory_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        peak.unwrap().trim().parse::<usize>().unwrap() << 10
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.ended()
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.rest_of_log();
        self.child.wait().unwrap()
    }

    /// The log lines of which none has been taken yet.
    pub(crate) fn log_so_far(&self) -> Vec<String> {
        self.log.lock().unwrap().try_iter().collect()
    }

    /// The remaining log lines, until the process ends.
    pub(crate) fn rest_of_log(&self) -> Vec<String> {
        let (log, mut rest) = (self.log.lock().unwrap(), Vec::new());
        loop {
            match log.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {rest:?}"),
            }
        }
    }

    /// Sends a request on a new connection; returns status and body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.ask_with(method, path, &[], body).0
    }

    /// The same, with additional headers; returns the raw response as well.
    pub(crate) fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> ((u16, Value), String) {
        let mut connection = self.connect();
        let length = body.len();
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Request-Id: asked\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        (parse_answer(&answer), answer)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process has ended already if the test waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a response until the server closes the connection; returns status and body, null where that is not JSON.
pub(crate) fn read_answer(mut connection: TcpStream) -> (u16, Value) {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    parse_answer(&answer)
}

fn parse_answer(answer: &str) -> (u16, Value) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("no status: {head:?}")),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

/// The lines of a stream, until it ends.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // The receiver is gone once the test is over.
            let _ = sender.send(line);
        }
    });
    lines
}
