//! The command `copy`, with its progress bar.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use indicatif::HumanCount;
use orders_inventory::config::{DatabaseUrl, Settings};
use orders_inventory::store::{self, Copied, Stop, Watcher};
use tokio::runtime::{Builder, Runtime};

use super::interruptible;
use super::progress::Bar;

/// Copies one database to the other, and prints how many rows of each table.
pub(crate) fn copy(settings: &Settings, from: &DatabaseUrl, to: &DatabaseUrl) -> ExitCode {
    interruptible(|stop| {
        let began = Instant::now();
        let copied = copy_with_bar(settings, from, to, stop)?;
        let seconds = began.elapsed().as_secs_f64();
        let old = copied.set_aside.as_ref().map_or_else(String::new, |old| {
            format!("; the empty database that was there is {}", old.display())
        });
        Ok(format!(
            "copied {copied}: {} rows in {seconds:.1} s ({} rows/s); both sides were audited{old}\n",
            copied.total(),
            HumanCount((copied.total() as f64 / seconds) as u64),
        ))
    })
}

fn copy_with_bar(
    settings: &Settings,
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    stop: &Stop,
) -> Result<Copied, Box<dyn Error>> {
    let runtime = runtime()?;
    let mut bar = Bar::new();
    let mut show = |progress| bar.show(progress);
    let mut watcher = Watcher { stop, show: &mut show };
    let copied = match (from, to) {
        (DatabaseUrl::Sqlite(from), DatabaseUrl::Postgres(to)) => {
            runtime.block_on(store::copy_to_postgres(from, &settings.target(to), &mut watcher))
        }
        (DatabaseUrl::Postgres(from), DatabaseUrl::Sqlite(to)) => {
            runtime.block_on(store::copy_to_sqlite(&settings.target(from), to, &mut watcher))
        }
        (DatabaseUrl::Sqlite(_), DatabaseUrl::Sqlite(_)) => {
            return Err("copy is for two backends; from one SQLite file to another use backup".into());
        }
        (DatabaseUrl::Postgres(_), DatabaseUrl::Postgres(_)) => {
            return Err(
                "copy is for two backends; from one PostgreSQL database to another use pg_dump and pg_restore".into(),
            );
        }
    };
    Ok(copied?)
}

/// What PostgreSQL is talked to with: this thread works on the rows, another one on the connection.
pub(super) fn runtime() -> Result<Runtime, String> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|error| format!("cannot start the runtime: {error}"))
}
