//! I/O errors and a full disk, at any write or sync of any file of the database, once or for ever.
//!
//! For each case clients write until the fault has struck; then, wherever it struck:
//!
//! - who was answered with a success finds it there, who was refused does not, not even after the service was killed;
//! - a commit that failed is 503 `storage-unavailable` for each of its writes, as many as the log says;
//! - while the fault lasts, reads are answered; when it ends, writing goes on without a restart;
//! - after a SIGKILL, in some cases in the middle of the fault, everything is there as after any other.
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
use crate::check::{books_of, check, connect};
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
    /// Cases in which a commit failed, so that callers were refused.
    pub(crate) refusing: usize,
    pub(crate) failed_calls: usize,
    pub(crate) refused: usize,
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
    if tally.refusing == 0 {
        return Err(format!("no commit failed, so nothing was tested: {tally:?}"));
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
        control.put(0, &[0; 8])?;
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
    /// Writes of which the log has said that they were not kept.
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
        let mut refused = self.strike(case)?;
        if case.is_forever && refused > 0 {
            refused += self.ask_meanwhile()?;
        }
        self.compare_log(refused)?;
        self.tally.cases += 1;
        self.tally.refusing += usize::from(refused > 0);
        self.tally.refused += refused;
        self.tally.failed_calls += self.control.failed()? as usize;
        self.tally.acknowledged += acknowledged(&self.clients) - before;

        let is_killed = self.rng.u8(0..3) == 0;
        if !is_killed {
            self.go_on()?;
        }
        self.restart()?;
        let carried = check(self.place, &self.server, &self.opened, &mut self.clients, self.rng)?;
        if is_killed && carried > 0 {
            return Err(format!("{carried} writes were refused and are there after the SIGKILL"));
        }
        Ok(())
    }

    /// Lets the clients write until the fault has struck; how many of them were refused.
    fn strike(&mut self, case: &Case) -> Result<usize, String> {
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
        let mut refused = 0;
        for end in ends {
            match end.map_err(|_| "a client panicked")?? {
                End::Told => {}
                End::Refused(answer) => {
                    is_storage_unavailable(&answer)?;
                    refused += 1;
                }
                End::Gone => return Err("the service is gone".into()),
            }
        }
        Ok(refused)
    }

    /// While the fault lasts: reads are answered, writes refused; how many were.
    fn ask_meanwhile(&mut self) -> Result<usize, String> {
        let mut connection = connect(&self.server)?;
        let page = connection
            .get("/orders?limit=1")
            .map_err(|error| format!("a read: {error}"))?;
        if page.status != 200 {
            return Err(format!("a read was answered {page:?}"));
        }
        let request = self.clients.iter().find_map(|client| client.unanswered.clone());
        let request = request.ok_or("nobody was refused")?;
        let answer = request
            .send(&mut connection)
            .map_err(|error| format!("a write: {error}"))?;
        is_storage_unavailable(&answer)?;
        Ok(1)
    }

    /// Each write of a batch that failed was refused, and no other.
    fn compare_log(&mut self, refused: usize) -> Result<(), String> {
        let until = Instant::now() + LOG_MAX;
        loop {
            let logged = not_kept(&self.place.log());
            if logged == self.logged + refused {
                self.logged = logged;
                return Ok(());
            }
            if Instant::now() > until {
                let logged = logged - self.logged;
                return Err(format!(
                    "{refused} writes were refused, {logged} were not kept by the log"
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What was refused is not there. Then the fault ends, and who was refused tries again, now with success.
    fn go_on(&mut self) -> Result<(), String> {
        let mut connection = connect(&self.server)?;
        let seen = Books::read(&mut connection)?;
        books_of(&self.opened, &self.clients)?
            .compare(&seen)
            .map_err(|line| format!("beside the refusals: {line}"))?;
        self.control.end()?;
        let (ended, mut well_after) = (Instant::now(), None);
        for client in &mut self.clients {
            let Some(request) = client.unanswered.clone() else {
                continue;
            };
            let answer = loop {
                let answer = request
                    .send(&mut connection)
                    .map_err(|error| format!("the retry of {request:?}: {error}"))?;
                if answer.status != 503 || ended.elapsed() > WELL_MAX {
                    break answer;
                }
                thread::sleep(Duration::from_millis(10));
            };
            if answer.is_replayed {
                return Err(format!("{request:?} was refused and is there"));
            }
            client.answered(answer)?;
            well_after.get_or_insert_with(|| ended.elapsed());
        }
        self.tally.slowest_well = self.tally.slowest_well.max(well_after.unwrap_or_default());
        Ok(())
    }

    /// SIGKILL, in the middle of the fault where it has not ended, and a new start on a disk that is well.
    fn restart(&mut self) -> Result<(), String> {
        self.server.kill()?;
        self.control.end()?;
        // The log of the next process goes on where this one's ended.
        self.logged = not_kept(&self.place.log());
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

fn is_storage_unavailable(answer: &Answer) -> Result<(), String> {
    if answer.body.get("type").and_then(Value::as_str) == Some("/problems/storage-unavailable") {
        Ok(())
    } else {
        Err(format!("refused otherwise than for the storage: {answer:?}"))
    }
}

/// How many writes the log says were not kept.
fn not_kept(log: &str) -> usize {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| {
            let message = line.get("message").and_then(Value::as_str);
            message.is_some_and(|message| message.contains("no write of this batch was kept"))
        })
        .filter_map(|line| line.get("writes").and_then(Value::as_u64))
        .sum::<u64>() as usize
}
