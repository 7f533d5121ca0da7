//! The binary: reads the settings and runs the requested command.

use std::process::ExitCode;

use orders_inventory::config::{Cli, Command, LogFormat};

mod commands;
mod serve;

/// Requests allocate many small, short-lived values; mimalloc is fast at these.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command, settings } = match Cli::read() {
        Ok(cli) => cli,
        // The settings could not be read, so the log format comes from the environment directly.
        Err(bad_setting) => match std::env::var("LOG_FORMAT").as_deref() {
            Ok("json") => return failed_to_serve(&bad_setting.to_string(), LogFormat::Json),
            Ok(_) | Err(_) => return failed(&bad_setting.to_string()),
        },
    };
    match command {
        None | Some(Command::Serve) => match serve::serve(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(line) => failed_to_serve(&line, settings.log_format),
        },
        Some(Command::Sign { file }) => commands::sign(&settings, file.as_deref()),
        Some(Command::Audit) => commands::audit(&settings),
        Some(Command::Backup { file }) => commands::backup(&settings, &file),
        Some(Command::Openapi) => commands::openapi(),
    }
}

/// Reports why the service does not run, in the log's format.
pub(crate) fn failed_to_serve(line: &str, format: LogFormat) -> ExitCode {
    match format {
        LogFormat::Pretty => failed(line),
        LogFormat::Json => {
            eprintln!("{}", serde_json::json!({"level": "ERROR", "message": line}));
            ExitCode::FAILURE
        }
    }
}

/// Reports a failure in one line.
fn failed(line: &str) -> ExitCode {
    eprintln!("orders-inventory: {line}");
    ExitCode::FAILURE
}
