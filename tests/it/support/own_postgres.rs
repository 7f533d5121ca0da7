//! A PostgreSQL server of a test's own, to be stopped and frozen: `server.py control`.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A server that ends when this is dropped.
pub(crate) struct OwnServer {
    child: Child,
    /// Closed, so that the server ends.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    variables: Value,
}

impl OwnServer {
    /// Starts one with these options of `control`.
    pub(crate) fn start(options: &[&str]) -> Self {
        let python = env::var_os("TEST_POSTGRES_PYTHON").expect("it is set by make check-postgres");
        let mut child = Command::new(python)
            .arg("-B")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/server.py"))
            .arg("control")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self {
            child,
            input,
            output,
            variables: Value::Null,
        };
        let line = server.line();
        server.variables = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it does not start: {line:?}"));
        server
    }

    /// Its variable of this name, as of `server.py`.
    #[track_caller]
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.variables[name].as_str().unwrap_or_else(|| panic!("no {name}"))
    }

    /// The URL of its database `shop`.
    pub(crate) fn url(&self) -> &str {
        self.variable("TEST_POSTGRES_URL")
    }

    /// Does this with it: `start`, `stop`, `kill`, `freeze` or `thaw`.
    #[track_caller]
    pub(crate) fn tell(&mut self, action: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{action}").unwrap();
        assert_eq!(self.line(), "done\n", "{action}");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        // Each action of the script has a time limit.
        self.output.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        drop(self.input.take());
        // Its status was of interest only where an action failed, which the test knows.
        let _ = self.child.wait();
    }
}
