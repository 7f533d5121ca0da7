//! The operator's commands: sign, audit, backup, openapi. Each runs to completion and prints its result.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use orders_inventory::config::Settings;
use orders_inventory::http::signature::{self, Secret};
use orders_inventory::http::{Clock, docs};
use orders_inventory::store;

use crate::failed;

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
    match store::backup(settings.database_url.path(), file) {
        Ok(backup) => print(&format!("{} ({} bytes)\n", backup.path.display(), backup.bytes)),
        Err(error) => failed(&error.to_string()),
    }
}

/// Prints the contract.
pub(crate) fn openapi() -> ExitCode {
    print(docs::CONTRACT_YAML)
}

fn print(text: &str) -> ExitCode {
    match io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed the pipe, as `head` does: no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&format!("cannot print: {error}")),
    }
}
