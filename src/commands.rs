//! The operator's commands: sign, audit, backup, restore, copy, import, export, openapi. Each runs to completion and prints
//! its result.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use orders_inventory::config::{DatabaseUrl, Settings};
use orders_inventory::http::signature::{Secret, SignatureHeaders, standard, timestamped};
use orders_inventory::http::{Clock, docs};
use orders_inventory::store::{self, Stop};

use uuid::Uuid;

use crate::failed;
use crate::signals::Interruption;

pub(crate) mod catalog;
pub(crate) mod copy;
mod progress;

/// The audit found a broken invariant.
const BROKEN: u8 = 1;
/// The audit could not read the database.
const UNREADABLE: u8 = 2;

/// How a body is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// With the service's own header.
    Own,
    /// With the three headers of Standard Webhooks.
    Standard,
    /// With Stripe's header.
    Stripe,
}

/// Prints the signature headers of the body in `file` or on standard input, with the current time.
pub(crate) fn sign(settings: &Settings, file: Option<&Path>, way: Way) -> ExitCode {
    let (variable, text) = match way {
        Way::Own | Way::Standard => ("WEBHOOK_SECRET", &settings.webhook_secret),
        Way::Stripe => ("STRIPE_WEBHOOK_SECRET", &settings.stripe.stripe_webhook_secret),
    };
    let Some(secret) = Secret::new(text.as_str()) else {
        return failed(&format!("{variable}: must be set to sign a body"));
    };
    let body = match body(file.filter(|file| *file != Path::new("-"))) {
        Ok(body) => body,
        Err(line) => return failed(&line),
    };
    let now = Clock::system().now();
    let one = |headers: SignatureHeaders| {
        let value = timestamped::sign(&secret, now, &body);
        vec![(headers.timestamped(), value)]
    };
    let lines = match way {
        Way::Own => one(SignatureHeaders::Own),
        Way::Stripe => one(SignatureHeaders::Stripe),
        Way::Standard => match standard::sign(&secret, &message_id(&body), now, &body) {
            Some(values) => standard::HEADERS.into_iter().zip(values).collect(),
            None => return failed("WEBHOOK_SECRET: what follows whsec_ must be base64 to sign for Standard Webhooks"),
        },
    };
    let lines = lines.into_iter().map(|(name, value)| format!("{name}: {value}\n"));
    print(&lines.collect::<String>())
}

/// The id of the event in this body, so that signing it again gives the same; a new one where it has none that a header can
/// hold.
fn message_id(body: &[u8]) -> String {
    let event: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let id = event.as_ref().and_then(|event| event.get("id")?.as_str());
    let fits = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    id.filter(fits)
        .map_or_else(|| format!("msg_{}", Uuid::now_v7().simple()), str::to_owned)
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
    let report = match &settings.database_url {
        DatabaseUrl::Sqlite(path) => store::audit(path).map_err(|error| error.to_string()),
        DatabaseUrl::Postgres(url) => copy::runtime().and_then(|runtime| {
            let audited = runtime.block_on(store::audit_postgres(&settings.target(url)));
            audited.map_err(|error| error.to_string())
        }),
    };
    match report {
        Err(line) => {
            failed(&format!("DATABASE_URL: {line}"));
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
        let backup = store::backup(sqlite_file(settings)?, file, stop)?;
        Ok(format!("{} ({} bytes)\n", backup.path.display(), backup.bytes))
    })
}

/// Replaces the database by the backup in `file`.
pub(crate) fn restore(settings: &Settings, file: &Path) -> ExitCode {
    interruptible(|stop| {
        let restored = store::restore(sqlite_file(settings)?, file, stop)?;
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

/// The file that backup and restore are for.
fn sqlite_file(settings: &Settings) -> Result<&Path, Box<dyn Error>> {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::Postgres(_) => Err(
            "DATABASE_URL: backup and restore are for SQLite files; for PostgreSQL use pg_dump and \
             pg_restore, or pgBackRest (docs/ha.md)"
                .into(),
        ),
    }
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
