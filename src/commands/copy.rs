//! The command `copy`, with its progress bar.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use orders_inventory::config::{DatabaseUrl, Settings};
use orders_inventory::store::{self, Copied, Progress, Stop, Watcher};
use tokio::runtime::{Builder, Runtime};

use super::interruptible;

/// One line: what is done, how far, how fast, and how long it still takes.
const COUNTED: &str = "{msg:22} {wide_bar} {human_pos} of {human_len}, {per_sec:.0}, {eta} left";
/// The same where nobody knows how far.
const UNCOUNTED: &str = "{msg:22} {spinner} {elapsed}";
/// How often the line is drawn while nothing is told.
const TICK: Duration = Duration::from_millis(250);

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
    // On standard error, and only where that is a terminal.
    let bar = ProgressBar::no_length();
    bar.enable_steady_tick(TICK);
    let mut step = "";
    let mut show = |progress: Progress| {
        if progress.step != step {
            step = progress.step;
            let template = if progress.total == 0 { UNCOUNTED } else { COUNTED };
            // A template that is wrong leaves the bar as it is.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(step);
            bar.set_position(0);
            bar.reset_eta();
        }
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
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
    bar.finish_and_clear();
    Ok(copied?)
}

/// What PostgreSQL is talked to with: this thread works on the rows, another one on the connection.
pub(super) fn runtime() -> Result<Runtime, String> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|error| format!("cannot start the runtime: {error}"))
}
