//! The binary: it reads the settings and runs the command that is asked for.

use std::process::ExitCode;

use orders_inventory::config::{Cli, Command};

mod commands;
mod serve;

/// Requests are full of small, short-lived values, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command, settings } = match Cli::read() {
        Ok(cli) => cli,
        Err(bad_setting) => return failed(&bad_setting.to_string()),
    };
    match command {
        None | Some(Command::Serve) => match serve::serve(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(line) => failed(&line),
        },
        Some(Command::Sign { file }) => commands::sign(&settings, file.as_deref()),
        Some(Command::Audit) => commands::audit(&settings),
        Some(Command::Backup { file }) => commands::backup(&settings, &file),
        Some(Command::Openapi) => commands::openapi(),
    }
}

/// Says in one line what went wrong.
fn failed(line: &str) -> ExitCode {
    eprintln!("orders-inventory: {line}");
    ExitCode::FAILURE
}
