//! The power goes: a simulation on the level of files.
//!
//! The service runs under load with the shim, which keeps a journal of every write, every sync and every answer sent.
//! From it the test rebuilds, for many points of that time, a state that a disk may have if the power goes right there
//! ([`Disk`]), starts the service on it and wants everything that was acknowledged before that point.
//!
//! Now and then the service is killed meanwhile, between the write of a commit and its sync, and started anew. It finds
//! the commit, and answers retries by it: those answers are promises, too.
//!
//! The kernel and the disk are taken at their word: a sync that succeeded is one. A disk that lies about that loses
//! data, and no program can help it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;

use crate::books::Books;
use crate::check::{check, connect};
use crate::client::{self, Client};
use crate::disk::{Disk, Event, FATES, Fate, Kind, Record, as_normal, read_journal};
use crate::kill::load;
use crate::server::{self, Place, Server};

const CLIENTS: usize = 32;
const PRODUCTS: usize = 4;
/// How often the service is started; each of its lives ends by a kill.
const LIVES: u64 = 3;
/// How long a journal the clients write in each life: long enough for a checkpoint or two. And for how long at the most.
const LIFE_BYTES: u64 = 16 * 1024 * 1024;
const LOAD_MAX: Duration = Duration::from_secs(60);
/// How many cuts NORMAL gets to lose something.
const NORMAL_CUTS_MAX: usize = 20;

/// What happened, for the last line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cuts: usize,
    /// Cuts with changes that were not synced, so that something could be lost.
    pub(crate) cuts_with_unsynced: usize,
    pub(crate) acknowledged: usize,
    /// How many of them were carried out before a kill and acknowledged after it.
    pub(crate) carried: usize,
    pub(crate) checkpoints: usize,
    /// What NORMAL lost.
    pub(crate) normal_lost: String,
}

/// Some lives of the service, as its journal and its clients have them.
struct Recording {
    records: Vec<Record>,
    opened: Books,
    clients: Vec<Client>,
    /// At which record the answer to a request was sent.
    sent: HashMap<String, usize>,
    carried: usize,
}

/// Cuts the power so many times.
pub(crate) fn run(cuts: usize, seed: u64) -> Result<Tally, String> {
    let mut rng = Rng::with_seed(seed);
    let mut place = Place::new()?;
    let recording = record(&place, &mut rng).map_err(|line| format!("{line} (kept in {})", place.keep()))?;
    let records = &recording.records;
    let mut tally = Tally {
        acknowledged: recording.clients.iter().map(|client| client.done.len()).sum(),
        carried: recording.carried,
        checkpoints: recording.checkpoints(),
        ..Tally::default()
    };
    if tally.acknowledged < CLIENTS || tally.carried == 0 || tally.checkpoints == 0 {
        return Err(format!("too little happened to test anything: {tally:?}"));
    }
    let points = recording.points(cuts, &mut rng);
    let mut disk = Disk::default();
    let mut played = 0;
    for point in points {
        records[played..point].iter().for_each(|record| disk.play(record));
        played = point;
        // Each kind of point meets each fate.
        let fate = rng.choice(FATES).unwrap_or(Fate::Dropped);
        tally.cuts += 1;
        tally.cuts_with_unsynced += usize::from(disk.unsynced() > 0);
        let mut place = Place::new()?;
        recording
            .check_cut(&place, &disk, point, fate, &mut rng)
            .map_err(|line| format!("{line} (kept in {})", place.keep()))?;
    }
    tally.normal_lost = recording.lost_by_normal(&mut rng)?;
    Ok(tally)
}

fn record(place: &Place, rng: &mut Rng) -> Result<Recording, String> {
    let mut server = serve(place, 1)?;
    let opened = client::open_shop(&mut connect(&server)?, PRODUCTS)?;
    let mut clients = client::clients(CLIENTS, rng.u64(..));
    let mut carried = 0;
    load(server, &mut clients, &opened, |server| server.wait_killed(LOAD_MAX))?;
    for life in 2..=LIVES {
        server = serve(place, life)?;
        carried += check(place, &server, &opened, &mut clients, rng)?;
        load(server, &mut clients, &opened, |server| server.wait_killed(LOAD_MAX))?;
    }
    let records = read_journal(&place.beside("journal"))?;
    misses_nothing(&records, place, rng).map_err(|error| format!("the journal against the files: {error}"))?;
    Ok(Recording {
        sent: answers(&records),
        records,
        opened,
        clients,
        carried,
    })
}

/// Starts a life of the service. The shim ends it before a commit is synced, once its part of the journal is written.
fn serve(place: &Place, life: u64) -> Result<Server, String> {
    let mut command = place.command();
    command
        .env("LD_PRELOAD", server::shim()?)
        .env("DISK_DATABASE", place.database())
        .env("DISK_JOURNAL", place.beside("journal"))
        .env("DISK_KILL_AT", (life * LIFE_BYTES).to_string());
    place.start(&mut command)?.ready()
}

/// With everything in it that was written, synced or not, the rebuilt disk must be what the kernel shows of the real one.
fn misses_nothing(records: &[Record], place: &Place, rng: &mut Rng) -> io::Result<()> {
    let mut disk = Disk::default();
    records.iter().for_each(|record| disk.play(record));
    let rebuilt = Place::new().map_err(io::Error::other)?;
    disk.cut(&rebuilt.data(), "shop.db", Fate::Kept, rng)?;
    for entry in fs::read_dir(place.data())? {
        let name = entry?.file_name();
        let [real, rebuilt] = [place, &rebuilt].map(|place| place.data().join(&name));
        // What need not survive is not in the journal: the log's index, and the lock, which is empty.
        let is_journaled = !["-shm", "-lock"]
            .iter()
            .any(|end| name.to_string_lossy().ends_with(end));
        if is_journaled && fs::read(&real)? != fs::read(&rebuilt)? {
            return Err(io::Error::other(format!("{} is not what was written", real.display())));
        }
    }
    Ok(())
}

/// Where the answers were sent, by the request ids that they bear.
fn answers(records: &[Record]) -> HashMap<String, usize> {
    const NAME: &str = "x-request-id: ";
    let mut sent = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        if record.event == Event::Sent {
            let text = String::from_utf8_lossy(&record.data);
            for after in text.split(NAME).skip(1) {
                let id = after.split("\r\n").next().unwrap_or_default();
                sent.entry(id.to_owned()).or_insert(index);
            }
        }
    }
    sent
}

impl Recording {
    /// The point from which on there are clients.
    fn opening(&self) -> usize {
        let first = self.sent.get(&client::product_request_id(0));
        first.copied().unwrap_or_default()
    }

    /// How often the database itself was synced under load, which is the end of a checkpoint.
    fn checkpoints(&self) -> usize {
        let loaded = &self.records[self.opening()..];
        let synced = |record: &&Record| (record.event, record.kind) == (Event::SyncEnd, Kind::Database);
        loaded.iter().filter(synced).count()
    }

    /// Where the clients' requests were answered, in order.
    fn promises(&self) -> Vec<usize> {
        let done = self.clients.iter().flat_map(|client| &client.done);
        let mut promises: Vec<usize> = done
            .filter_map(|done| self.sent.get(&done.request.id).copied())
            .collect();
        promises.sort_unstable();
        promises
    }

    /// For each restart the last of them that came before anything was written to the log: it and those before it were
    /// made of what the service had found. Some of that was synced, of requests whose answers were late.
    fn promises_of_found(&self, promises: &[usize]) -> Vec<usize> {
        let starts = (0..self.records.len()).filter(|&index| self.records[index].event == Event::Start);
        let last = |start: usize| {
            let is_written = |record: &Record| (record.event, record.kind) == (Event::Write, Kind::Wal);
            let until = start + self.records[start..].iter().position(is_written)?;
            promises.iter().rfind(|sent| (start..until).contains(sent)).copied()
        };
        starts.skip(1).filter_map(last).collect()
    }

    /// Points to cut at, in order: a fifth each right after an answer, when it has only just become a promise, right after
    /// those that a restarted service made of what it found, while the database was made, in the middle of a checkpoint,
    /// and anywhere.
    fn points(&self, count: usize, rng: &mut Rng) -> Vec<usize> {
        let promises = self.promises();
        let of_found = self.promises_of_found(&promises);
        let opening = self.opening();
        let checkpointing: Vec<usize> = (0..self.records.len())
            .filter(|&index| (self.records[index].event, self.records[index].kind) == (Event::Write, Kind::Database))
            .filter(|&index| index > opening)
            .collect();
        let making = self.records[..opening]
            .iter()
            .position(|record| (record.event, record.kind) == (Event::Create, Kind::Wal));
        let mut points: Vec<usize> = (0..count)
            .map(|index| match index % 5 {
                // Few records, but each another state that a first start may find.
                0 if index % 2 == 0 => rng.usize(0..=making.unwrap_or(opening)),
                0 => rng.usize(0..=opening),
                1 => rng.usize(0..=self.records.len()),
                2 => rng.choice(&checkpointing).map_or(0, |write| write + 1),
                3 => rng.choice(&of_found).map_or(0, |sent| sent + 1),
                _ => rng.choice(&promises).map_or(0, |sent| sent + 1),
            })
            .collect();
        points.sort_unstable();
        points
    }

    /// The clients as they were at this point: what had been acknowledged to them, and the request that had not.
    fn clients_at(&self, point: usize) -> Result<Vec<Client>, String> {
        let was_sent = |id: &str| self.sent.get(id).map(|&sent| sent < point);
        let mut clients = self.clients.clone();
        for client in &mut clients {
            for done in &client.done {
                was_sent(&done.request.id).ok_or_else(|| format!("the journal has no answer to {:?}", done.request))?;
            }
            let known = client
                .done
                .iter()
                .take_while(|done| was_sent(&done.request.id) == Some(true))
                .count();
            if let Some(next) = client.done.get(known) {
                client.unanswered = Some(next.request.clone());
                client.is_unsure = true;
                client.done.truncate(known);
            }
        }
        Ok(clients)
    }

    /// Starts the service on what the cut leaves, and checks it.
    fn check_cut(&self, place: &Place, disk: &Disk, point: usize, fate: Fate, rng: &mut Rng) -> Result<(), String> {
        disk.cut(&place.data(), "shop.db", fate, rng)
            // What the service makes of it must not hide what was there from whoever looks into a failure.
            .and_then(|()| copy_files(&place.data(), &place.beside("before")))
            .map_err(|error| format!("the disk cannot be rebuilt: {error}"))?;
        self.check_place(place, point, rng).map_err(|line| {
            let records = self.records.len();
            format!("power cut at record {point} of {records}, unsynced changes {fate:?}: {line}")
        })
    }

    fn check_place(&self, place: &Place, point: usize, rng: &mut Rng) -> Result<(), String> {
        let server = place.serve()?;
        let opened = (0..PRODUCTS)
            .filter(|number| {
                let id = client::product_request_id(*number);
                self.sent.get(&id).is_some_and(|&sent| sent < point)
            })
            .count();
        if opened == PRODUCTS {
            return check(place, &server, &self.opened, &mut self.clients_at(point)?, rng).map(|_| ());
        }
        let seen = Books::read(&mut connect(&server)?)?;
        if seen.products.len() < opened {
            return Err(format!("LOST: {opened} products were acknowledged, there are {seen:?}"));
        }
        place.audit()
    }

    /// What the same cuts lose where commits do not sync; that they lose nothing is an error of the test.
    fn lost_by_normal(&self, rng: &mut Rng) -> Result<String, String> {
        let normal = as_normal(&self.records);
        let recording = Self {
            opened: self.opened.clone(),
            clients: self.clients.clone(),
            sent: answers(&normal),
            records: normal,
            carried: self.carried,
        };
        let points = recording.points(NORMAL_CUTS_MAX * 2, rng);
        let (mut disk, mut played) = (Disk::default(), 0);
        // The later half: everything is open by then.
        for &point in &points[NORMAL_CUTS_MAX..] {
            recording.records[played..point]
                .iter()
                .for_each(|record| disk.play(record));
            played = point;
            let place = Place::new()?;
            if let Err(line) = recording.check_cut(&place, &disk, point, Fate::Dropped, rng) {
                // Whole commits may be missing, from the last one back, and nothing else.
                place
                    .audit()
                    .map_err(|audit| format!("NORMAL may lose, not break: {line}; {audit}"))?;
                return Ok(line);
            }
        }
        Err(format!(
            "{NORMAL_CUTS_MAX} cuts lost nothing with NORMAL, so the test would not see a loss"
        ))
    }
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
