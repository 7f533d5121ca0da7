//! The commands `import` and `export`: products as the lines of a CSV file (RFC 4180).
//!
//! What a cell may hold is up to the contract, and what an import does is up to the use case; here are the file, its header
//! and its line numbers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::str;

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator, Trim, Writer};
use orders_inventory::app::catalog::{self, Line, Step};
use orders_inventory::config::{DatabaseUrl, Settings};
use orders_inventory::domain::{Sku, Timestamp};
use orders_inventory::error::Error as ServiceError;
use orders_inventory::http::Clock;
use orders_inventory::http::catalog::{COLUMNS, cells, read};
use orders_inventory::log;
use orders_inventory::store::{
    self, AnyStore, Options, PostgresOptions, PostgresStore, Progress, SqliteStore, Store, Tx, View,
};

use super::copy::runtime;
use super::print;
use super::progress::Bar;
use crate::failed;

/// How many lines come between two times that the bar moves.
const LINES_A_LOOK: u64 = 1_024;

type Failure = Box<dyn Error>;

/// Imports the lines of `file`, or prints what that would do. A signal ends it as it ends any program: then nothing is changed.
pub(crate) fn import(settings: &Settings, file: &Path, is_dry_run: bool) -> ExitCode {
    finished(read_and_import(settings, file, is_dry_run))
}

fn read_and_import(settings: &Settings, file: &Path, is_dry_run: bool) -> Result<String, Failure> {
    let mut bar = Bar::new();
    let catalog = read_file(file, &mut bar).map_err(|reason| format!("cannot read {}: {reason}", file.display()))?;
    refuse(&catalog.faults)?;
    let now = Clock::system().now();
    bar.show(uncounted(if is_dry_run { "looking" } else { "writing" }));
    let steps = match is_dry_run {
        true => look(settings, |view| catalog::plan(view, &catalog.lines, now))?,
        false => write(settings, catalog.lines, now)?,
    };
    drop(bar);
    refuse(&lacking(&steps, &catalog.numbers))?;
    let count = |is_one: fn(&Step) -> bool| steps.iter().filter(|step| is_one(step)).count();
    let created = count(|step| matches!(step, Step::Create(_)));
    let changed = count(|step| matches!(step, Step::Change { .. }));
    let kept = count(|step| matches!(step, Step::Keep));
    Ok(match is_dry_run {
        true => {
            let steps: String = steps.iter().filter_map(described).collect();
            format!("{steps}would create {created}, change {changed} and keep {kept} products\n")
        }
        false => format!("created {created}, changed {changed} and kept {kept} products\n"),
    })
}

/// Writes all products to `file` or to standard output.
pub(crate) fn export(settings: &Settings, file: Option<&Path>) -> ExitCode {
    finished(read_and_export(settings, file.filter(|file| *file != Path::new("-"))))
}

fn read_and_export(settings: &Settings, file: Option<&Path>) -> Result<String, Failure> {
    let products = look(settings, |view| view.products(None, usize::MAX))?;
    let mut csv = Writer::from_writer(Vec::new());
    csv.write_record(COLUMNS)?;
    for product in &products {
        csv.write_record(cells(&product.sku, &product.name, product.price, product.stock))?;
    }
    let text = csv.into_inner()?;
    let Some(file) = file else {
        return Ok(String::from_utf8(text)?);
    };
    let written = File::create_new(file).and_then(|mut created| {
        created.write_all(&text).inspect_err(|_| {
            // Half a catalogue looks like a whole one.
            let _ = fs::remove_file(file);
        })
    });
    written.map_err(|reason| format!("cannot write {}: {reason}", file.display()))?;
    Ok(format!("{} ({} products)\n", file.display(), products.len()))
}

fn finished(result: Result<String, Failure>) -> ExitCode {
    match result {
        Ok(text) => print(&text),
        Err(error) => failed(&error.to_string()),
    }
}

fn read_file(file: &Path, bar: &mut Bar) -> Result<Catalog, Failure> {
    let mut catalog = Catalog::default();
    if file == Path::new("-") {
        catalog.read(io::stdin().lock(), 0, bar)?;
    } else {
        let file = File::open(file)?;
        let bytes = file.metadata()?.len();
        catalog.read(file, bytes, bar)?;
    }
    Ok(catalog)
}

/// What a file says.
#[derive(Default)]
struct Catalog {
    lines: Vec<Line>,
    /// The number of each line in the file.
    numbers: Vec<u64>,
    /// What is wrong, a line of text for each.
    faults: Vec<String>,
    seen: HashMap<Sku, u64>,
}

impl Catalog {
    /// Reads all lines of a file of so many bytes; 0 where that is not known.
    fn read(&mut self, file: impl Read, bytes: u64, bar: &mut Bar) -> Result<(), Failure> {
        // A record's position is that of blank lines before it, and with CRLF the line before: so each ends with its line feed,
        // also the last, and its number is counted from there.
        let mut csv = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::Headers)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(file.chain(&b"\n"[..]));
        let columns = self.columns(&mut csv)?;
        let mut record = ByteRecord::new();
        let mut count: u64 = 0;
        while !columns.is_empty() && csv.read_byte_record(&mut record)? {
            let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            self.add(&columns, &record, csv.position().line().saturating_sub(1 + within));
            count += 1;
            if count.is_multiple_of(LINES_A_LOOK) {
                bar.show(Progress {
                    step: "reading",
                    done: csv.position().byte(),
                    total: bytes,
                });
            }
        }
        Ok(())
    }

    /// The columns that the header names; none if it is of no use.
    fn columns(&mut self, csv: &mut Reader<impl Read>) -> Result<Vec<&'static str>, Failure> {
        let header = csv.byte_headers()?;
        let mut columns = Vec::new();
        for name in header {
            let name = String::from_utf8_lossy(name);
            match COLUMNS.into_iter().find(|column| column.eq_ignore_ascii_case(&name)) {
                Some(column) if columns.contains(&column) => self.faults.push(format!("header: names {column} twice")),
                Some(column) => columns.push(column),
                None => self.faults.push(format!(
                    "header: there is no column {name:?}; the columns are {}, with commas between them",
                    COLUMNS.join(", ")
                )),
            }
        }
        if !columns.contains(&"sku") || columns.len() == 1 {
            self.faults
                .push("header: must name the column sku, and of name, price and stock at least one".to_owned());
        }
        Ok(if self.faults.is_empty() { columns } else { Vec::new() })
    }

    fn add(&mut self, columns: &[&'static str], record: &ByteRecord, number: u64) {
        // Spreadsheets end a file with such lines.
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            return;
        }
        if record.len() != columns.len() {
            let (cells, columns) = (record.len(), columns.len());
            self.faults.push(format!(
                "line {number}: has {cells} cells, and the header has {columns}"
            ));
            return;
        }
        let mut cells = Vec::with_capacity(columns.len());
        for (column, cell) in columns.iter().copied().zip(record) {
            match str::from_utf8(cell) {
                Ok(text) if column == "name" => cells.push((column, text.strip_suffix('\r').unwrap_or(text))),
                Ok(text) => cells.push((column, text.trim())),
                Err(_) => self.faults.push(format!("line {number}, {column}: must be UTF-8")),
            }
        }
        if cells.len() != columns.len() {
            return;
        }
        match read(&cells) {
            Ok(line) => match self.seen.entry(line.sku.clone()) {
                Entry::Occupied(first) => {
                    let (sku, first) = (first.key(), first.get());
                    self.faults
                        .push(format!("line {number}, sku: {sku} is on line {first} already"));
                }
                Entry::Vacant(place) => {
                    place.insert(number);
                    self.lines.push(line);
                    self.numbers.push(number);
                }
            },
            Err(faults) => {
                let faults = faults.into_iter();
                self.faults
                    .extend(faults.map(|fault| format!("line {number}, {}: {}", fault.column, fault.detail)));
            }
        }
    }
}

/// What lines lack whose products are new.
fn lacking(steps: &[Step], numbers: &[u64]) -> Vec<String> {
    let of_line = |(step, number): (&Step, &u64)| match step {
        Step::Incomplete(members) => {
            let line =
                |member| format!("line {number}, {member}: is required, for there is no product of this SKU yet");
            members.iter().map(line).collect()
        }
        Step::Create(_) | Step::Change { .. } | Step::Keep => Vec::new(),
    };
    steps.iter().zip(numbers).flat_map(of_line).collect()
}

/// Prints what is wrong, if anything is.
fn refuse(faults: &[String]) -> Result<(), Failure> {
    for fault in faults {
        log::say(fault.clone());
    }
    match faults.len() {
        0 => Ok(()),
        1 => Err("the file has 1 fault; nothing was changed".into()),
        count => Err(format!("the file has {count} faults; nothing was changed").into()),
    }
}

/// What a step would do, in a line.
fn described(step: &Step) -> Option<String> {
    let mut parts = Vec::new();
    let (verb, sku) = match step {
        Step::Create(new) => {
            let texts = cells(&new.sku, &new.name, new.price, new.stock);
            parts.extend(
                COLUMNS
                    .iter()
                    .zip(&texts)
                    .skip(1)
                    .map(|(column, text)| format!("{column} {text}")),
            );
            ("create", &new.sku)
        }
        Step::Change { before, after } => {
            let [old, new] =
                [before, after].map(|product| cells(&product.sku, &product.name, product.price, product.stock));
            let changed = COLUMNS
                .iter()
                .zip(old.iter().zip(&new))
                .filter(|(_, (old, new))| old != new);
            parts.extend(changed.map(|(column, (old, new))| format!("{column} {old} -> {new}")));
            ("change", &before.sku)
        }
        Step::Keep | Step::Incomplete(_) => return None,
    };
    Some(format!("{verb} {sku}: {}\n", parts.join(", ")))
}

/// Reads the database, which is left as it is and may be in service.
fn look<T>(settings: &Settings, work: impl Fn(&dyn View) -> Result<T, ServiceError>) -> Result<T, Failure> {
    let looked = match &settings.database_url {
        DatabaseUrl::Sqlite(path) => store::look_at_sqlite(path, work),
        DatabaseUrl::Postgres(url) => runtime()?.block_on(store::look_at_postgres(&settings.target(url), work)),
    };
    Ok(looked.map_err(|error| format!("DATABASE_URL: {error}"))?)
}

/// Imports the lines in one transaction.
fn write(settings: &Settings, lines: Vec<Line>, now: Timestamp) -> Result<Vec<Step>, Failure> {
    let work = move |tx: &mut dyn Tx| catalog::import(tx, &lines, now);
    let written = runtime()?.block_on(async {
        let store = open(settings).await?;
        let written = store.write(work).await;
        store.close().await;
        Ok::<_, String>(written)
    });
    written?.map_err(|error| {
        let cause = error.cause();
        match matches!(error, ServiceError::OutcomeUnknown(_)) {
            true => format!(
                "it is not known whether the database kept the import ({cause}): it has the whole or nothing of it; import \
                 the file once more, which changes nothing where it was kept"
            )
            .into(),
            false => format!("cannot import: {cause}; nothing was changed").into(),
        }
    })
}

async fn open(settings: &Settings) -> Result<AnyStore, String> {
    let unfit = |reason: &dyn Error| format!("DATABASE_URL: {reason}");
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let options = Options {
                path: path.clone(),
                ..Options::default()
            };
            let opened = SqliteStore::open(options);
            opened.map(AnyStore::Sqlite).map_err(|error| unfit(&error))
        }
        DatabaseUrl::Postgres(url) => {
            let opened = PostgresStore::open(&settings.target(url), PostgresOptions::bulk()).await;
            opened.map(AnyStore::Postgres).map_err(|error| unfit(&error))
        }
    }
}

/// A step of which nobody knows how far it is.
const fn uncounted(step: &'static str) -> Progress {
    Progress {
        step,
        done: 0,
        total: 0,
    }
}
