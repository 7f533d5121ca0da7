//! The crash test: what the service acknowledged is there, whatever ends it.
//!
//! - `kill`: SIGKILL at random moments, under 32 writing clients
//! - `power_cut`: what the disk may have kept when the power goes, also soon after a kill, rebuilt from a journal of all
//!   writes and syncs
//! - `faults`: I/O errors and a full disk, at any write or sync
//!
//! | variable | |
//! |---|---|
//! | `N` | how many kills (50); the other two grow with it |
//! | `SEED` | repeats a run's choices, though not how threads interleave; printed, and the time of day by default |
//! | `PARTS` | which of the three, with commas; all by default |
//!
//! The last two need the shim, `tests/crash/shim.c`, which is built with the C compiler, and Linux with glibc.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the numbers here are small"
)]

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

#[path = "crash/books.rs"]
mod books;
#[path = "crash/check.rs"]
mod check;
#[path = "crash/client.rs"]
mod client;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/faults.rs"]
mod faults;
#[path = "crash/http.rs"]
mod http;
#[path = "crash/kill.rs"]
mod kill;
#[path = "crash/power_cut.rs"]
mod power_cut;
#[path = "crash/server.rs"]
mod server;
#[path = "crash/shim.rs"]
mod shim;

/// Kills of the short run; more make it a long one.
const KILLS: usize = 50;
/// How soon after a restart the service must be ready: in the long run, by hand, on a machine that is free; and in
/// `make test`, where others may load it.
const READY_MAX: Duration = Duration::from_secs(2);
const READY_MAX_SHORT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("FAILED  {line}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let kills = setting("N")?.map_or(KILLS, |kills| kills as usize);
    let seed = setting("SEED")?.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| now.as_micros() as u64)
    });
    let parts = env::var("PARTS").unwrap_or_else(|_| "kill,power_cut,faults".to_owned());
    println!("SEED={seed}");
    for part in parts.split(',') {
        let started = Instant::now();
        let line = match part {
            "kill" => {
                let ready_max = if kills > KILLS { READY_MAX } else { READY_MAX_SHORT };
                let tally = kill::run(kills, ready_max, seed)?;
                format!(
                    "{} kills under load and {} at the start: {} acknowledged writes are there once, {} unanswered \
                     ones ({} of them carried out before the kill) once after their retry; the slowest restart was \
                     ready after {:?}",
                    tally.kills,
                    tally.kills_at_start,
                    tally.acknowledged,
                    tally.unanswered,
                    tally.carried,
                    tally.slowest_ready
                )
            }
            "power_cut" => {
                let tally = power_cut::run(kills.max(50), seed)?;
                format!(
                    "{} cuts, {} of them with unsynced changes, through {} acknowledged writes ({} of them carried out \
                     before a kill and acknowledged after it) and {} checkpoints lose nothing acknowledged with FULL; \
                     with NORMAL: {}",
                    tally.cuts,
                    tally.cuts_with_unsynced,
                    tally.acknowledged,
                    tally.carried,
                    tally.checkpoints,
                    tally.normal_lost
                )
            }
            "faults" => {
                let tally = faults::run(if kills > KILLS { 1 } else { 20 }, seed)?;
                format!(
                    "{} cases with {} failed calls, in {} of which the process ended by itself: {} acknowledged writes \
                     are there, {} refused ones are not, also after a SIGKILL in the middle, and {} of unknown outcome \
                     are there whole or not at all and once after their retry; the first write after the end of a fault \
                     took {:?} at the most",
                    tally.cases,
                    tally.failed_calls,
                    tally.ended,
                    tally.acknowledged,
                    tally.refused,
                    tally.unknown,
                    tally.slowest_well
                )
            }
            other => return Err(format!("PARTS: there is no part {other}")),
        };
        println!("ok  {part} ({:.1?}): {line}", started.elapsed());
    }
    Ok(())
}

fn setting(name: &str) -> Result<Option<u64>, String> {
    let Some(value) = env::var(name).ok().filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let number = value.parse().map_err(|_| format!("{name}: {value} is no number"))?;
    Ok(Some(number))
}
