//! I/O errors and a full disk, at any write or sync of any file of the database, once or for ever.
//!
//! For each case clients write until the fault has struck; then, wherever it struck:
//!
//! - a write that was answered with a success is there; one answered 503 `storage-unavailable` is not, not even after the
//!   service was killed; one answered 500 `outcome-unknown`, or not at all, is there whole or not at all, and its retry
//!   gives one effect;
//! - the log counts as many failed writes as were answered so;
//! - a sync that failed ends the process with one clear line, and so does a checkpoint; a full disk does not;
//! - as long as the process lives, reads are answered, and when the fault ends, writing goes on without a restart;
//! - after a restart, also after a SIGKILL in the middle of the fault, everything is there as after any other.
//!
//! In half of the cases a sync that fails also loses what it was to sync, as it may on Linux: the kernel calls the pages
//! clean, may drop them, and the next sync succeeds without them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;

use crate::books::Books;
use crate::check::{books_of, check, connect, retry};
use crate::client::{self, Client, End};
use crate::disk::Kind;
use crate::http::Answer;
use crate::server::{self, Place, Server};

const CLIENTS: usize = 8;
const PRODUCTS: usize = 2;
/// How many cases one database lives through.
const CASES_EACH: usize = 12;
/// How long a fault may take to strike under load.
const STRIKE_MAX: Duration = Duration::from_secs(30);
/// How long the clients go on after a fault that struck once.
const GO_ON: Duration = Duration::from_millis(20);
/// How soon writing must go on after the fault has ended.
const WELL_MAX: Duration = Duration::from_secs(5);
/// How long a line of the log may take to be in its file.
const LOG_MAX: Duration = Duration::from_secs(5);
/// How soon the process must end after a sync that failed.
const ENDED_MAX: Duration = Duration::from_secs(5);
/// What the line says with which it ends.
const LAST_LINES: [&str; 2] = ["could not be synced", "could not be checkpointed"];

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Write,
    Sync,
}

#[derive(Clone, Debug)]
struct Case {
    what: What,
    error: rustix::io::Errno,
    /// The files that it fails for.
    kinds: &'static [Kind],
    /// The first call that fails, from 1.
    nth: u32,
    is_forever: bool,
    /// Whether a failed sync loses what it was to sync.
    drops: bool,
}

const ANY: &[Kind] = &[Kind::Database, Kind::Wal, Kind::Shm, Kind::Rollback];
/// Written by checkpoints alone.
const DATABASE: &[Kind] = &[Kind::Database];

/// What happened, for the last line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cases: usize,
    /// Cases in which the process ended by itself.
    pub(crate) ended: usize,
    pub(crate) failed_calls: usize,
    /// Writes answered 503.
    pub(crate) refused: usize,
    /// Writes answered 500 `outcome-unknown`.
    pub(crate) unknown: usize,
    pub(crate) acknowledged: usize,
    pub(crate) slowest_well: Duration,
}

/// Runs all cases with every `step`th of the first 200 calls.
pub(crate) fn run(step: usize, seed: u64) -> Result<Tally, String> {
    let mut rng = Rng::with_seed(seed);
    let mut cases = cases(step, &mut rng);
    // Neighbours on one database differ.
    rng.shuffle(&mut cases);
    let mut tally = Tally::default();
    for cases in cases.chunks(CASES_EACH) {
        let mut place = Place::new()?;
        Run::new(&place, &mut rng, &mut tally)
            .and_then(|mut run| cases.iter().try_for_each(|case| run.case(case)))
            .map_err(|line| format!("{line} (kept in {})", place.keep()))?;
    }
    if tally.refused == 0 || tally.unknown == 0 || tally.ended == 0 {
        return Err(format!("too little failed to test anything: {tally:?}"));
    }
    Ok(tally)
}

fn cases(step: usize, rng: &mut Rng) -> Vec<Case> {
    use rustix::io::Errno;

    const CALLS: std::ops::RangeInclusive<u32> = 1..=200;
    /// A checkpoint writes some dozens of pages, and syncs once.
    const CHECKPOINT_CALLS: [u32; 4] = [1, 30, 2, 9];

    let mut cases = Vec::new();
    for is_forever in [false, true] {
        for (what, error) in [
            (What::Write, Errno::IO),
            (What::Write, Errno::NOSPC),
            (What::Sync, Errno::IO),
        ] {
            let mut add = |kinds, nth| {
                cases.push(Case {
                    what,
                    error,
                    kinds,
                    nth,
                    is_forever,
                    drops: rng.bool(),
                });
            };
            CALLS.step_by(step).for_each(|nth| add(ANY, nth));
            let calls = match what {
                What::Sync => 1,
                // Checkpoints are far between.
                What::Write if step > 1 => 2,
                What::Write => CHECKPOINT_CALLS.len(),
            };
            CHECKPOINT_CALLS[..calls].iter().for_each(|&nth| add(DATABASE, nth));
        }
    }
    cases
}

/// The file that tells the shim what fails; its numbers are in the shim's `Control`.
struct Control(File);

impl Control {
    fn new(place: &Place) -> Result<Self, String> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(place.beside("control"));
        let control = Self(file.map_err(|error| format!("no control file: {error}"))?);
        control.put(0, &[0; 9])?;
        Ok(control)
    }

    fn put(&self, index: u64, numbers: &[u32]) -> Result<(), String> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        self.0
            .write_all_at(&bytes, index * 4)
            .map_err(|error| format!("the control file: {error}"))
    }

    fn begin(&self, case: &Case) -> Result<(), String> {
        let kinds = case.kinds.iter().fold(0, |bits, kind| bits | 1 << *kind as u32);
        let error = case.error.raw_os_error().cast_unsigned();
        let (forever, drops) = (u32::from(case.is_forever), u32::from(case.drops));
        self.put(1, &[kinds, error, case.nth, forever, drops, 0, 0])?;
        // Only now, when all is told.
        self.put(0, &[if case.what == What::Write { 1 } else { 2 }])
    }

    fn end(&self) -> Result<(), String> {
        self.put(0, &[0])
    }

    /// How many calls failed.
    fn failed(&self) -> Result<u32, String> {
        let mut bytes = [0; 4];
        self.0
            .read_exact_at(&mut bytes, 7 * 4)
            .map_err(|error| format!("the control file: {error}"))?;
        Ok(u32::from_ne_bytes(bytes))
    }
}

/// A database, the service on it, and its clients.
struct Run<'a> {
    place: &'a Place,
    rng: &'a mut Rng,
    tally: &'a mut Tally,
    control: Control,
    server: Server,
    opened: Books,
    clients: Vec<Client>,
    /// Writes of which the log has said that the storage failed them.
    logged: usize,
}

impl<'a> Run<'a> {
    fn new(place: &'a Place, rng: &'a mut Rng, tally: &'a mut Tally) -> Result<Self, String> {
        let control = Control::new(place)?;
        let server = serve(place)?;
        let opened = client::open_shop(&mut connect(&server)?, PRODUCTS)?;
        let clients = client::clients(CLIENTS, rng.u64(..));
        Ok(Self {
            place,
            rng,
            tally,
            control,
            server,
            opened,
            clients,
            logged: 0,
        })
    }

    fn case(&mut self, case: &Case) -> Result<(), String> {
        self.strike_and_mend(case).map_err(|line| format!("{case:?}: {line}"))
    }

    fn strike_and_mend(&mut self, case: &Case) -> Result<(), String> {
        let acknowledged = |clients: &[Client]| clients.iter().map(|client| client.done.len()).sum::<usize>();
        let before = acknowledged(&self.clients);
        self.control.begin(case)?;
        let mut failed = self.strike(case)?;
        let mut has_ended = self.has_ended(case, failed.is_gone)?;
        if !has_ended && case.is_forever && failed.count() > 0 {
            // A checkpoint may fail in the middle of it, and end the process.
            if let Err(line) = self.ask_meanwhile(&mut failed) {
                has_ended = self.has_ended(case, true)?;
                if !has_ended {
                    return Err(line);
                }
            }
        }
        if !has_ended {
            self.compare_log(failed.count())?;
        }
        self.tally.cases += 1;
        self.tally.ended += usize::from(has_ended);
        self.tally.refused += failed.refused;
        self.tally.unknown += failed.unknown;
        self.tally.failed_calls += self.control.failed()? as usize;
        self.tally.acknowledged += acknowledged(&self.clients) - before;

        if !has_ended && self.rng.u8(0..3) > 0 {
            self.go_on()?;
        }
        self.restart()?;
        check(self.place, &self.server, &self.opened, &mut self.clients, self.rng).map(|_| ())
    }

    /// Whether the process has ended by itself, which it must after a sync that failed, and must not where the disk is only
    /// full; with one line that says why. Where a client has lost it, it may be just about to be gone.
    fn has_ended(&mut self, case: &Case, is_gone: bool) -> Result<bool, String> {
        let until = Instant::now() + ENDED_MAX;
        let status = loop {
            let status = self.server.ended()?;
            let is_expected = is_gone || case.what == What::Sync;
            if status.is_some() || !is_expected || Instant::now() > until {
                break status;
            }
            thread::sleep(Duration::from_millis(1));
        };
        let log = self.place.log();
        // The line of the process itself, past the log, which may not be written any more.
        let is_said = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .any(|line| {
                let message = line["message"].as_str().unwrap_or_default();
                LAST_LINES.iter().any(|said| message.contains(said))
            });
        match status {
            None if case.what == What::Sync => Err(format!("the service goes on after a failed sync; its log: {log}")),
            None => Ok(false),
            Some(status) if case.error == rustix::io::Errno::NOSPC => {
                Err(format!("a full disk ended the service: {status}; its log: {log}"))
            }
            Some(status) if status.code() == Some(1) && is_said => Ok(true),
            Some(status) => Err(format!("the service ended with {status} and said nothing clear: {log}")),
        }
    }

    /// Lets the clients write until the fault has struck; how many of them failed.
    fn strike(&mut self, case: &Case) -> Result<Failed, String> {
        let (address, stop) = (self.server.address, AtomicBool::new(false));
        let products: Vec<i64> = self.opened.products.keys().copied().collect();
        let control = &self.control;
        let (struck, ends) = thread::scope(|scope| {
            let running: Vec<_> = self
                .clients
                .iter_mut()
                .map(|client| scope.spawn(|| client.run(address, &products, &stop)))
                .collect();
            let struck = wait_until_failed(control);
            if !case.is_forever || case.kinds == DATABASE {
                thread::sleep(GO_ON);
                stop.store(true, Ordering::Relaxed);
            }
            // Where the fault stays, each client ends by being refused; but not for ever.
            let until = Instant::now() + STRIKE_MAX;
            while Instant::now() < until && !running.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, Ordering::Relaxed);
            (
                struck,
                running.into_iter().map(|client| client.join()).collect::<Vec<_>>(),
            )
        });
        struck?;
        let mut failed = Failed::default();
        for end in ends {
            match end.map_err(|_| "a client panicked")?? {
                End::Told => {}
                // That is looked into next.
                End::Gone => failed.is_gone = true,
                End::Unknown => failed.unknown += 1,
                End::Refused(answer) => {
                    is_storage_unavailable(&answer)?;
                    failed.refused += 1;
                }
            }
        }
        Ok(failed)
    }

    /// While the fault lasts: reads are answered, and a write fails.
    fn ask_meanwhile(&mut self, failed: &mut Failed) -> Result<(), String> {
        let mut connection = connect(&self.server)?;
        let page = connection
            .get("/orders?limit=1")
            .map_err(|error| format!("a read: {error}"))?;
        if page.status != 200 {
            return Err(format!("a read was answered {page:?}"));
        }
        let client = self.clients.iter_mut().find(|client| client.unanswered.is_some());
        let client = client.ok_or("nobody failed")?;
        let request = client.unanswered.clone().ok_or("nobody failed")?;
        let answer = request.send(&mut connection).map_err(|error| {
            client.is_unsure = true;
            format!("a write: {error}")
        })?;
        if answer.is_outcome_unknown() {
            client.is_unsure = true;
            failed.unknown += 1;
            return Ok(());
        }
        failed.refused += 1;
        is_storage_unavailable(&answer)
    }

    /// Each write of a batch that the storage failed was answered so, and no other.
    fn compare_log(&mut self, failed: usize) -> Result<(), String> {
        let until = Instant::now() + LOG_MAX;
        loop {
            let logged = failed_by_log(&self.place.log());
            if logged == self.logged + failed {
                self.logged = logged;
                return Ok(());
            }
            if Instant::now() > until {
                let logged = logged - self.logged;
                return Err(format!("{failed} writes failed, by the log {logged} did"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What was refused is not there. Then the fault ends, and whoever failed tries again, now with success.
    fn go_on(&mut self) -> Result<(), String> {
        let mut connection = connect(&self.server)?;
        let seen = Books::read(&mut connection)?;
        let mut expected = books_of(&self.opened, &self.clients)?;
        let unsure: Vec<_> = self.clients.iter().filter_map(Client::unsure).collect();
        let carried = expected.enter_seen(&unsure, &seen);
        expected
            .compare(&seen)
            .map_err(|line| format!("beside the failures: {line}"))?;
        self.control.end()?;
        let mut well_after = None;
        let ended = Instant::now();
        while connection.get("/readyz").map_or(0, |answer| answer.status) != 200 {
            if ended.elapsed() > WELL_MAX {
                return Err("the service was not ready again in time".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        for client in &mut self.clients {
            if let Some(request) = client.unanswered.clone() {
                retry(&mut connection, client, &request, &seen, &carried.orders)?;
                well_after.get_or_insert_with(|| ended.elapsed());
            }
        }
        self.tally.slowest_well = self.tally.slowest_well.max(well_after.unwrap_or_default());
        Ok(())
    }

    /// SIGKILL, in the middle of the fault where it has not ended, and a new start on a disk that is well.
    fn restart(&mut self) -> Result<(), String> {
        self.server.kill()?;
        self.control.end()?;
        // The log of the next process goes on where this one's ended.
        self.logged = failed_by_log(&self.place.log());
        self.server = serve(self.place)?;
        Ok(())
    }
}

fn serve(place: &Place) -> Result<Server, String> {
    let mut command = place.command();
    command
        .env("LD_PRELOAD", server::shim()?)
        .env("DISK_DATABASE", place.database())
        .env("DISK_CONTROL", place.beside("control"));
    place.start(&mut command)?.ready()
}

fn wait_until_failed(control: &Control) -> Result<(), String> {
    let until = Instant::now() + STRIKE_MAX;
    while control.failed()? == 0 {
        if Instant::now() > until {
            return Err("the fault never struck".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// How many writes failed.
#[derive(Default)]
struct Failed {
    /// 503
    refused: usize,
    /// 500 `outcome-unknown`
    unknown: usize,
    /// Whether a client lost the service.
    is_gone: bool,
}

impl Failed {
    const fn count(&self) -> usize {
        self.refused + self.unknown
    }
}

fn is_storage_unavailable(answer: &Answer) -> Result<(), String> {
    if answer.is_problem("/problems/storage-unavailable") {
        Ok(())
    } else {
        Err(format!("refused otherwise than for the storage: {answer:?}"))
    }
}

/// How many writes the log says that the storage failed.
fn failed_by_log(log: &str) -> usize {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| {
            // Members of an event stand in the line itself or in an object of their own.
            let fields = line.get("fields").unwrap_or(&line);
            let message = fields.get("message").and_then(Value::as_str)?;
            let writes = fields.get("writes").and_then(Value::as_u64)?;
            message.starts_with("the storage failed: ").then_some(writes)
        })
        .sum::<u64>() as usize
}
