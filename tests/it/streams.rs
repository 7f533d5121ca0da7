//! Standard output and standard error that are full, closed or read by nobody: they cost lines, and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::app::SECRET;
use crate::support::process::{PATIENCE, Server, command, run};

fn database() -> (PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    (folder.path().join("test.db"), folder)
}

/// A stream on which no byte can be written.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe whose other end is closed.
fn closed() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

/// A service that does not tell its address.
struct Silent {
    child: Child,
    address: SocketAddr,
}

impl Silent {
    /// Starts it on a port that was free a moment ago, and waits until it answers.
    fn start(database: &Path, streams: impl FnOnce(&mut Command)) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = command(database);
        command.env("PORT", address.port().to_string());
        streams(&mut command);
        let silent = Self {
            child: command.spawn().unwrap(),
            address,
        };
        let until = Instant::now() + PATIENCE;
        while silent.ask("/readyz") != Some(200) {
            assert!(Instant::now() < until, "it does not serve");
            thread::sleep(Duration::from_millis(20));
        }
        silent
    }

    /// The status of an answer, if there is one.
    fn ask(&self, path: &str) -> Option<u16> {
        let mut connection = TcpStream::connect(self.address).ok()?;
        connection.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "SIGTERM does not end it");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_greeting_that_cannot_be_printed_stops_no_service() {
    for format in ["pretty", "json"] {
        let (database, _folder) = database();
        for stdout in [Stdio::from(full()), Stdio::from(closed())] {
            let mut service = Silent::start(&database, |command| {
                command.stdout(stdout).env("LOG_FORMAT", format);
            });
            assert_eq!(service.ask("/products"), Some(200));
            let mut log = service.child.stderr.take().unwrap();
            assert!(service.stop().success());
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            assert!(text.contains("could not be printed on standard output"), "{text}");
        }
    }
}

#[test]
fn a_log_that_cannot_be_written_costs_lines_and_no_request() {
    let (database, _folder) = database();
    for stderr in [Stdio::from(full()), Stdio::from(closed())] {
        let service = Silent::start(&database, |command| _ = command.stderr(stderr));
        for _ in 0..200 {
            assert_eq!(service.ask("/products"), Some(200));
        }
        assert!(service.stop().success());
    }
}

#[test]
fn a_log_that_nobody_reads_costs_lines_and_neither_a_request_nor_the_end() {
    let (database, _folder) = database();
    // One pipe for both streams, as with `2>&1 |`, which nobody reads.
    let (unread, pipe) = std::io::pipe().unwrap();
    let service = Silent::start(&database, |command| {
        command.env("RUST_LOG", "trace").env("LOG_FORMAT", "json");
        command.stdout(pipe.try_clone().unwrap()).stderr(pipe);
    });
    // More than fits into the pipe and the queue of lines.
    const REQUESTS: usize = 20_000;
    let connection = TcpStream::connect(service.address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sending = connection.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let request = "HEAD /nowhere HTTP/1.1\r\nHost: test\r\n\r\n";
        sending.write_all(request.repeat(REQUESTS).as_bytes()).unwrap();
    });
    let lines = BufReader::new(connection).split(b'\n');
    let answers = lines.filter(|line| line.as_ref().unwrap().starts_with(b"HTTP/1.1 404 "));
    assert_eq!(answers.take(REQUESTS).count(), REQUESTS);
    sender.join().unwrap();
    assert!(service.stop().success());
    drop(unread);
}

#[test]
fn a_last_line_that_nobody_reads_does_not_keep_the_process() {
    let (database, _folder) = database();
    let (unread, mut pipe) = std::io::pipe().unwrap();
    // Full already.
    rustix::io::ioctl_fionbio(&pipe, true).unwrap();
    while pipe.write(&[b'x'; 4_096]).is_ok() {}
    rustix::io::ioctl_fionbio(&pipe, false).unwrap();
    let output = run(command(&database).env("PORT", "x").stderr(pipe), PATIENCE);
    assert_eq!(output.status.code(), Some(1));
    drop(unread);
}

#[test]
fn a_bad_setting_ends_with_status_1_whatever_the_streams_are() {
    let (database, _folder) = database();
    for format in ["pretty", "json"] {
        for stream in [full, || File::from(std::os::fd::OwnedFd::from(closed()))] {
            let mut command = command(&database);
            command
                .env("PORT", "x")
                .env("LOG_FORMAT", format)
                .stdout(stream())
                .stderr(stream());
            assert_eq!(run(&mut command, PATIENCE).status.code(), Some(1));
        }
    }
}

#[test]
fn a_command_whose_output_is_lost_says_so_and_one_whose_reader_left_does_not() {
    let (database, folder) = database();
    assert!(Server::start(&mut command(&database)).stop(Signal::TERM).success());
    let copies = ["full.db", "closed.db"].map(|name| folder.path().join(name));
    for (number, stream) in [full, || File::from(std::os::fd::OwnedFd::from(closed()))]
        .into_iter()
        .enumerate()
    {
        let copy = copies[number].to_str().unwrap();
        let commands: [&[&str]; 9] = [
            &["--help"],
            &["-h"],
            &["--version"],
            &["help", "backup"],
            &["openapi"],
            &["sign"],
            &["audit"],
            &["backup", copy],
            &["restore", copy],
        ];
        for arguments in commands {
            let mut command = command(&database);
            command.env("WEBHOOK_SECRET", SECRET).args(arguments).stdout(stream());
            let output = run(&mut command, PATIENCE);
            let line = String::from_utf8(output.stderr).unwrap();
            let (status, text) = match number {
                0 => (
                    1,
                    "orders-inventory: cannot print: No space left on device (os error 28)\n",
                ),
                _ => (0, ""),
            };
            assert_eq!(
                (output.status.code(), line.as_str()),
                (Some(status), text),
                "{arguments:?}"
            );
        }
    }
}
