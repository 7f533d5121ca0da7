//! The operator's commands: sign, audit, backup, restore, openapi. Each runs to completion and prints its result.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use orders_inventory::config::Settings;
use orders_inventory::http::signature::{self, Secret};
use orders_inventory::http::{Clock, docs};
use orders_inventory::store::{self, Stop};

use crate::failed;
use crate::signals::Interruption;

/// The audit found a broken invariant.
const BROKEN: u8 = 1;
/// The audit could not read the database.
const UNREADABLE: u8 = 2;

/// Prints the signature header of the body in `file` or on standard input, with the current time.
pub(crate) fn sign(settings: &Settings, file: Option<&Path>) -> ExitCode {
    let Some(secret) = Secret::new(settings.webhook_secret.as_str()) else {
        return failed("WEBHOOK_SECRET: must be set to sign a body");
    };
    match body(file.filter(|file| *file != Path::new("-"))) {
        Ok(body) => print(&format!(
            "X-Webhook-Signature: {}\n",
            signature::sign(&secret, Clock::system().now(), &body)
        )),
        Err(line) => failed(&line),
    }
}

fn body(file: Option<&Path>) -> Result<Vec<u8>, String> {
    let Some(file) = file else {
        let mut body = Vec::new();
        let read = io::stdin().read_to_end(&mut body);
        return read
            .map(|_| body)
            .map_err(|error| format!("cannot read standard input: {error}"));
    };
    fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// Recomputes every invariant of the database and prints a line for each.
pub(crate) fn audit(settings: &Settings) -> ExitCode {
    match store::audit(settings.database_url.path()) {
        Err(error) => {
            failed(&format!("DATABASE_URL: {error}"));
            ExitCode::from(UNREADABLE)
        }
        Ok(report) => {
            let printed = print(&report.to_string());
            if report.is_clean() {
                printed
            } else {
                ExitCode::from(BROKEN)
            }
        }
    }
}

/// Writes a consistent copy of the database to `file`.
pub(crate) fn backup(settings: &Settings, file: &Path) -> ExitCode {
    interruptible(|stop| {
        let backup = store::backup(settings.database_url.path(), file, stop)?;
        Ok(format!("{} ({} bytes)\n", backup.path.display(), backup.bytes))
    })
}

/// Replaces the database by the backup in `file`.
pub(crate) fn restore(settings: &Settings, file: &Path) -> ExitCode {
    interruptible(|stop| {
        let restored = store::restore(settings.database_url.path(), file, stop)?;
        let old = restored.set_aside.map_or_else(
            || "there was no old database".to_owned(),
            |old| format!("the old database is {}", old.display()),
        );
        Ok(format!(
            "{} ({} bytes) is restored; {old}\n",
            restored.path.display(),
            restored.bytes
        ))
    })
}

/// Runs work that leaves nothing unfinished when a signal ends it, and prints its result.
fn interruptible(work: impl FnOnce(&Stop) -> Result<String, Box<dyn Error>>) -> ExitCode {
    let interruption = match Interruption::on_signal() {
        Ok(interruption) => interruption,
        Err(error) => return failed(&format!("cannot wait for signals: {error}")),
    };
    match work(&interruption.stop) {
        Ok(line) => print(&line),
        Err(error) => {
            let status = failed(&error.to_string());
            if interruption.stop.load(Ordering::Acquire) {
                return ExitCode::from(interruption.status());
            }
            status
        }
    }
}

/// Prints the contract.
pub(crate) fn openapi() -> ExitCode {
    print(docs::CONTRACT_YAML)
}

/// Prints a result. A reader that has closed the pipe, as `head` does, has what it wants: exit status 0. Where the text is
/// lost otherwise, on a full disk say, it is 1.
pub(crate) fn print(text: &str) -> ExitCode {
    match io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&format!("cannot print: {error}")),
    }
}
