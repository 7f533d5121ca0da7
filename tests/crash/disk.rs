//! What a disk holds, from the journal of everything that was written and synced (see the shim's `journal`).
//!
//! The model is the strictest that POSIX allows: what was written and not synced is there, is not, or is there in
//! part, sector by sector and in any order; a name that was made or removed is so for certain only once the folder was
//! synced. What was synced is there for certain.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use fastrand::Rng;

/// The smallest piece that a disk writes as a whole.
const SECTOR: usize = 512;

/// What happened; the numbers are the shim's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Write,
    Truncate,
    SyncBegin,
    SyncEnd,
    SyncFailed,
    Create,
    Unlink,
    Sent,
    Link,
    Start,
}

/// Which of the watched files; the numbers are the shim's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    None,
    Database,
    Wal,
    Shm,
    Rollback,
    Folder,
    Unfinished,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) event: Event,
    pub(crate) kind: Kind,
    number: u32,
    offset: usize,
    pub(crate) data: Vec<u8>,
}

/// Reads the journal; a record that was cut off by the end of the process is left out. Each process counts its files from
/// 0, which are those that it found; here all have numbers of their own.
pub(crate) fn read_journal(path: &Path) -> Result<Vec<Record>, String> {
    const HEAD: usize = 24;
    let bytes = fs::read(path).map_err(|error| format!("no journal, so the shim was not there: {error}"))?;
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    let (mut newest, mut found) = (BTreeMap::new(), BTreeMap::new());
    while let Some((head, after)) = rest.split_at_checked(HEAD) {
        let number = |from: usize| u32::from_le_bytes(std::array::from_fn(|index| head[from + index]));
        let offset = u64::from_le_bytes(std::array::from_fn(|index| head[16 + index]));
        let Some((data, after)) = after.split_at_checked(number(8) as usize) else {
            break;
        };
        let (event, kind) = (event(head[0])?, kind(head[1])?);
        if event == Event::Start {
            found.clone_from(&newest);
        }
        let before = |kind| found.get(&kind).copied().unwrap_or_default();
        let number = before(kind) + number(4);
        let unfinished = if event == Event::Link {
            before(Kind::Unfinished)
        } else {
            0
        };
        let newest = newest.entry(kind).or_insert(number);
        *newest = number.max(*newest);
        records.push(Record {
            event,
            kind,
            number,
            offset: offset as usize + unfinished as usize,
            data: data.to_vec(),
        });
        rest = after;
    }
    Ok(records)
}

fn event(number: u8) -> Result<Event, String> {
    Ok(match number {
        1 => Event::Write,
        2 => Event::Truncate,
        3 => Event::SyncBegin,
        4 => Event::SyncEnd,
        5 => Event::SyncFailed,
        6 => Event::Create,
        7 => Event::Unlink,
        8 => Event::Sent,
        9 => Event::Link,
        10 => Event::Start,
        other => return Err(format!("the journal has an event {other}")),
    })
}

fn kind(number: u8) -> Result<Kind, String> {
    Ok(match number {
        0 => Kind::None,
        1 => Kind::Database,
        2 => Kind::Wal,
        3 => Kind::Shm,
        4 => Kind::Rollback,
        5 => Kind::Folder,
        6 => Kind::Unfinished,
        other => return Err(format!("the journal has a kind {other}")),
    })
}

/// The journal as `PRAGMA synchronous = NORMAL` would have made it, which differs from FULL in just one thing
/// (sqlite.org/pragma.html#pragma_synchronous): a commit does not sync the write-ahead log. Its syncs after its header
/// was written and at a start stay, and so do those of checkpoints; they are known by nothing having been written since the
/// last one. Where a commit came in between, the sync before a checkpoint's first write stays.
pub(crate) fn as_normal(records: &[Record]) -> Vec<Record> {
    const WAL_HEADER: usize = 32;
    let (mut has_frames, mut is_dropped) = (false, false);
    let (mut kept, mut dropped) = (Vec::with_capacity(records.len()), Vec::new());
    for record in records {
        if (record.event, record.kind) == (Event::Write, Kind::Database) {
            kept.append(&mut dropped);
        }
        if record.kind == Kind::Wal {
            let is_header = (record.offset, record.data.len()) == (0, WAL_HEADER);
            has_frames |= record.event == Event::Write && !is_header;
            if record.event == Event::SyncBegin {
                is_dropped = std::mem::take(&mut has_frames);
                dropped.clear();
            }
            if is_dropped && matches!(record.event, Event::SyncBegin | Event::SyncEnd | Event::SyncFailed) {
                dropped.push(record.clone());
                continue;
            }
        }
        kept.push(record.clone());
    }
    kept
}

/// What of that which was not synced is there after the cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// Nothing.
    Dropped,
    /// All of it.
    Kept,
    /// What was written first, up to some point.
    Prefix,
    /// Some writes, in no order.
    Some,
    /// Some sectors, in no order.
    Torn,
}

pub(crate) const FATES: [Fate; 5] = [Fate::Dropped, Fate::Kept, Fate::Prefix, Fate::Some, Fate::Torn];

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Truncate(usize),
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// How much of the unsynced the sync under way covers.
    syncing: usize,
}

/// The disk at a point of the journal.
#[derive(Default)]
pub(crate) struct Disk {
    files: BTreeMap<(Kind, u32), File>,
    /// Which file has the name for certain.
    names: BTreeMap<Kind, u32>,
    /// Names given to files, or taken away, and not synced yet.
    renamed: Vec<(Kind, Option<u32>)>,
    renaming: usize,
}

impl Disk {
    /// Goes on by one record.
    pub(crate) fn play(&mut self, record: &Record) {
        let Record {
            event,
            kind,
            number,
            offset,
            ref data,
        } = *record;
        // The index of the write-ahead log is rebuilt after every crash. A start finds everything as it was left: what was
        // not synced still is not.
        if matches!(kind, Kind::Shm | Kind::None) {
            return;
        }
        if kind == Kind::Folder {
            if event == Event::SyncBegin {
                self.renaming = self.renamed.len();
            } else if event == Event::SyncEnd {
                self.sync_names();
            }
            return;
        }
        if event == Event::Link {
            let unfinished = self
                .files
                .remove(&(Kind::Unfinished, offset as u32))
                .unwrap_or_default();
            self.files.insert((kind, number), unfinished);
            self.renamed.push((kind, Some(number)));
            return;
        }
        let file = self.files.entry((kind, number)).or_default();
        match event {
            Event::Write => file.unsynced.push(Change::Write {
                offset,
                data: data.clone(),
            }),
            Event::Truncate => file.unsynced.push(Change::Truncate(offset)),
            Event::SyncBegin => file.syncing = file.unsynced.len(),
            Event::SyncEnd => {
                let covered = std::mem::take(&mut file.syncing);
                for change in file.unsynced.drain(..covered) {
                    change.apply(&mut file.synced);
                }
            }
            // No sync fails while the journal is kept.
            Event::SyncFailed | Event::Sent | Event::Link | Event::Start => {}
            Event::Create => self.renamed.push((kind, Some(number))),
            Event::Unlink => self.renamed.push((kind, None)),
        }
    }

    fn sync_names(&mut self) {
        let covered = std::mem::take(&mut self.renaming);
        for (kind, number) in self.renamed.drain(..covered) {
            rename(&mut self.names, kind, number);
        }
    }

    /// Writes the files as the cut may leave them into an empty folder; `name` is the database's.
    pub(crate) fn cut(&self, folder: &Path, name: &str, fate: Fate, rng: &mut Rng) -> io::Result<()> {
        let mut names = self.names.clone();
        for (kind, number) in chosen(&self.renamed, fate, rng) {
            rename(&mut names, kind, number);
        }
        for (kind, number) in names {
            let suffix = match kind {
                Kind::Wal => "-wal",
                Kind::Rollback => "-journal",
                Kind::Database | Kind::Shm | Kind::Folder | Kind::None => "",
                Kind::Unfinished => ".1.unfinished",
            };
            let content = self.files.get(&(kind, number)).map(|file| file.cut(fate, rng));
            fs::write(folder.join(format!("{name}{suffix}")), content.unwrap_or_default())?;
        }
        Ok(())
    }

    /// How many changes are not synced.
    pub(crate) fn unsynced(&self) -> usize {
        self.files.values().map(|file| file.unsynced.len()).sum()
    }
}

impl File {
    fn cut(&self, fate: Fate, rng: &mut Rng) -> Vec<u8> {
        let mut content = self.synced.clone();
        for change in chosen(&self.unsynced, fate, rng) {
            match change {
                Change::Write { offset, data } if matches!(fate, Fate::Torn) => {
                    write_torn(&mut content, offset, &data, rng);
                }
                change @ (Change::Write { .. } | Change::Truncate(_)) => change.apply(&mut content),
            }
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write(content, *offset, data),
            Self::Truncate(length) => content.resize(*length, 0),
        }
    }
}

fn chosen<T: Clone>(all: &[T], fate: Fate, rng: &mut Rng) -> Vec<T> {
    match fate {
        Fate::Dropped => Vec::new(),
        Fate::Kept | Fate::Torn => all.to_vec(),
        Fate::Prefix => all[..rng.usize(0..=all.len())].to_vec(),
        Fate::Some => all.iter().filter(|_| rng.bool()).cloned().collect(),
    }
}

fn rename(names: &mut BTreeMap<Kind, u32>, kind: Kind, number: Option<u32>) {
    match number {
        Some(number) => names.insert(kind, number),
        None => names.remove(&kind),
    };
}

fn write(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}

/// Writes those parts of the data that lie in some of the sectors.
fn write_torn(content: &mut Vec<u8>, offset: usize, data: &[u8], rng: &mut Rng) {
    let mut from = 0;
    while from < data.len() {
        let until = data.len().min((offset + from) / SECTOR * SECTOR + SECTOR - offset);
        if rng.bool() {
            write(content, offset + from, &data[from..until]);
        }
        from = until;
    }
}
