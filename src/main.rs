//! The binary: it reads the settings and runs the command that is asked for.

use std::process::ExitCode;

use orders_inventory::config::{Cli, Command, LogFormat};

mod commands;
mod serve;

/// Requests are full of small, short-lived values, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command, settings } = match Cli::read() {
        Ok(cli) => cli,
        // Which settings there are is not known, so the environment has to say how lines look.
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

/// Says why the service does not run, as its log would.
fn failed_to_serve(line: &str, format: LogFormat) -> ExitCode {
    match format {
        LogFormat::Pretty => failed(line),
        LogFormat::Json => {
            eprintln!("{}", serde_json::json!({"level": "ERROR", "message": line}));
            ExitCode::FAILURE
        }
    }
}

/// Says in one line what went wrong.
fn failed(line: &str) -> ExitCode {
    eprintln!("orders-inventory: {line}");
    ExitCode::FAILURE
}
