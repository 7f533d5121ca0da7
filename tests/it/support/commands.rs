//! The operator's commands, which run to completion.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use super::process::run;

/// A time limit for commands that take milliseconds, with a margin for a busy machine.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(15);

/// The path of a database that is not there, in a folder that lasts as long as its guard.
pub(crate) fn database() -> (PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    (folder.path().join("test.db"), folder)
}

/// What a command printed.
pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// The error line of a command that fails with this status.
#[track_caller]
pub(crate) fn refused(command: &mut Command, code: i32) -> String {
    let output = run(command, AT_ONCE);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!((line.lines().count(), output.stdout.len()), (1, 0), "{line}");
    assert!(line.starts_with("orders-inventory: "), "{line}");
    line
}
