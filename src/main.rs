//! The binary: reads the settings and runs the requested command.

use std::process::ExitCode;

use orders_inventory::config::{Cli, Command, LogFormat, Unread, requested_log_format};
use orders_inventory::log;
use serde_json::Map;

mod commands;
mod serve;
mod signals;

/// Requests allocate many small, short-lived values; mimalloc is fast at these.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command, settings } = match Cli::read() {
        Ok(cli) => cli,
        Err(Unread::Help(text)) => return commands::print(&text),
        Err(Unread::Bad(line)) => return failed_to_serve(&line.to_string(), requested_log_format()),
    };
    match command {
        None | Some(Command::Serve) => match serve::serve(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(line) => failed_to_serve(&line, settings.log_format),
        },
        Some(Command::Sign { file, standard, stripe }) => {
            let way = match (standard, stripe) {
                (false, false) => commands::Way::Own,
                (true, _) => commands::Way::Standard,
                (false, true) => commands::Way::Stripe,
            };
            commands::sign(&settings, file.as_deref(), way)
        }
        Some(Command::Audit) => commands::audit(&settings),
        Some(Command::Backup { file }) => commands::backup(&settings, &file),
        Some(Command::Restore { file }) => commands::restore(&settings, &file),
        Some(Command::Copy { from, to }) => commands::copy::copy(&settings, &from, &to),
        Some(Command::Import { file, dry_run }) => commands::catalog::import(&settings, &file, dry_run),
        Some(Command::Export { file }) => commands::catalog::export(&settings, file.as_deref()),
        Some(Command::Openapi) => commands::openapi(),
    }
}

/// Reports why the service does not run, in the log's format.
pub(crate) fn failed_to_serve(line: &str, format: LogFormat) -> ExitCode {
    match format {
        LogFormat::Pretty => failed(line),
        LogFormat::Json => {
            log::say(log::json_line("ERROR", line, Map::new()));
            ExitCode::FAILURE
        }
    }
}

/// Reports a failure in one line.
fn failed(line: &str) -> ExitCode {
    log::say(format!("orders-inventory: {line}"));
    ExitCode::FAILURE
}
