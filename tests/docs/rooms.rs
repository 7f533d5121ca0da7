//! Allowed imports: the table and the picture in docs/ARCHITECTURE.md equal the imports in the code.
//!
//! An import that the table does not allow fails, and so does an allowed import that does not exist. The table's
//! modules are called rooms here, since a room can have several Rust modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::imports::{Module, modules};
use crate::page::{code_spans, marked, read, root, table};

/// The crate of the library, as the binary names it.
const LIBRARY: &str = "orders_inventory";
/// The crate in `generated/`, which is a room outside of `src/`.
const GENERATED: (&str, &str) = ("orders_inventory_api", "generated");
/// Parts of the standard library that reach outside of the process or read the time; listed like crates.
const OUTSIDE: [&str; 7] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// A row of the table.
#[derive(Debug, Default, PartialEq, Eq)]
struct Imports {
    rooms: BTreeSet<String>,
    external: BTreeSet<String>,
}

/// The rooms by their path, such as `src/http` or `src/main`.
type Places = BTreeMap<String, String>;

fn architecture() -> String {
    read("docs/ARCHITECTURE.md")
}

/// The table, and the paths of its rooms. Its columns: room, files, imported rooms, external imports; others are
/// ignored.
fn written(page: &str) -> (Places, BTreeMap<String, Imports>) {
    let (mut places, mut rooms) = (Places::new(), BTreeMap::new());
    for row in table(page, "rooms") {
        let [room, files, imported, external, ..] = &row[..] else {
            panic!("a row of the table has {} cells", row.len())
        };
        let room = code_spans(room).remove(0);
        for file in code_spans(files) {
            places.insert(place_of(&file), room.clone());
        }
        let uses = Imports {
            rooms: code_spans(imported).into_iter().collect(),
            external: code_spans(external).into_iter().collect(),
        };
        rooms.insert(room, uses);
    }
    (places, rooms)
}

fn place_of(file: &str) -> String {
    file.trim_end_matches('/')
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .to_owned()
}

/// The room of a path in this crate: the one with the longest matching path.
fn room_of<'a>(places: &'a Places, segments: &[String]) -> Option<&'a str> {
    let whole = [&["src".to_owned()], segments].concat();
    (2..=whole.len())
        .rev()
        .find_map(|length| places.get(&whole[..length].join("/")))
        .map(String::as_str)
}

/// The imports in the code, by room. `main` is the binary, whose crate root is `src/main.rs`.
fn used(
    places: &Places,
    library: &[Module],
    binary: &[Module],
    crates: &BTreeSet<String>,
) -> BTreeMap<String, Imports> {
    let mut rooms: BTreeMap<String, Imports> = BTreeMap::new();
    let all = library.iter().map(|module| (module, false));
    for (module, is_binary) in all.chain(binary.iter().map(|module| (module, true))) {
        // The library's root declares the rooms and imports none.
        if module.file == Path::new("src/lib.rs") {
            continue;
        }
        let file = place_of(module.file.to_str().expect("file names are text"));
        let segments: Vec<String> = file.split('/').skip(1).map(str::to_owned).collect();
        let room = room_of(places, &segments).unwrap_or_else(|| panic!("{file} is in no room of the table"));
        let uses = rooms.entry(room.to_owned()).or_default();
        for path in &module.paths {
            match target(places, module, is_binary, path) {
                Some(other) if other != room => _ = uses.rooms.insert(other),
                Some(_) => {}
                None => uses.external.extend(external(path, crates)),
            }
        }
    }
    rooms
}

/// The room that a path refers to.
fn target(places: &Places, module: &Module, is_binary: bool, path: &[String]) -> Option<String> {
    let inside = |place: &[String], rest: &[String]| {
        let segments = [place, rest].concat();
        let room = match is_binary {
            // The binary's crate is one room.
            true => Some("main"),
            false => room_of(places, &segments),
        };
        Some(
            room.unwrap_or_else(|| panic!("{}: {path:?} is in no room", module.file.display()))
                .to_owned(),
        )
    };
    match path[0].as_str() {
        "crate" => inside(&[], &path[1..]),
        "self" => inside(&module.place, &path[1..]),
        "super" => {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            let place = &module.place[..module.place.len().saturating_sub(ups)];
            inside(place, &path[ups..])
        }
        LIBRARY => Some(
            room_of(places, &path[1..])
                .unwrap_or_else(|| panic!("{}: {path:?} is in no room", module.file.display()))
                .to_owned(),
        ),
        first if first == GENERATED.0 => Some(GENERATED.1.to_owned()),
        _ => None,
    }
}

/// The external import of a path: a crate, or a listed part of the standard library.
fn external(path: &[String], crates: &BTreeSet<String>) -> Option<String> {
    let text = path.join("::");
    let outside = OUTSIDE.iter().find(|part| {
        text.strip_prefix(**part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    });
    match outside {
        Some(part) => Some((*part).to_owned()),
        None => crates.get(&path[0]).cloned(),
    }
}

/// The dependencies in `Cargo.toml`.
fn crates() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let after = manifest
        .split("[dependencies]\n")
        .nth(1)
        .expect("there are dependencies");
    let lines = after.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(|name| name.replace('-', "_"))
        .collect()
}

fn real(places: &Places) -> BTreeMap<String, Imports> {
    let (library, binary) = (modules(&root(), &["src/lib.rs"]), modules(&root(), &["src/main.rs"]));
    used(places, &library, &binary, &crates())
}

/// The differences between the table and the code, one line each.
fn differences(written: &BTreeMap<String, Imports>, real: &BTreeMap<String, Imports>) -> Vec<String> {
    let none = Imports::default();
    let rooms: BTreeSet<&String> = written.keys().chain(real.keys()).collect();
    let of_room = |room: &String| {
        let (says, does) = (written.get(room).unwrap_or(&none), real.get(room).unwrap_or(&none));
        let line = |what: &str, of: &BTreeSet<String>, not_of: &BTreeSet<String>| {
            of.difference(not_of)
                .map(|used| format!("{room} {what} {used}"))
                .collect::<Vec<_>>()
        };
        [
            line("imports, against the table:", &does.rooms, &says.rooms),
            line("imports, against the table:", &does.external, &says.external),
            line("does not import, though the table has it:", &says.rooms, &does.rooms),
            line(
                "does not import, though the table has it:",
                &says.external,
                &does.external,
            ),
        ]
        .concat()
    };
    rooms.into_iter().flat_map(of_room).collect()
}

#[test]
fn rooms_import_what_the_table_allows_and_nothing_else() {
    let (places, written) = written(&architecture());
    let differences = differences(&written, &real(&places));
    assert!(
        differences.is_empty(),
        "docs/ARCHITECTURE.md and src/ differ:\n{}",
        differences.join("\n")
    );
}

#[test]
fn the_picture_shows_the_table() {
    let page = architecture();
    let (_, written) = written(&page);
    let arrows = |rooms: &BTreeMap<String, Imports>| -> BTreeSet<String> {
        let pairs = rooms
            .iter()
            .flat_map(|(room, uses)| uses.rooms.iter().map(move |used| (room, used)));
        pairs.map(|(room, used)| format!("{room} --> {used}")).collect()
    };
    let picture = marked(&page, "picture");
    let drawn: BTreeSet<String> = picture
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| line.contains("-->"))
        .collect();
    assert_eq!(drawn, arrows(&written), "left: the picture; right: the table");
}

#[test]
fn imports_between_rooms_have_no_cycle() {
    let (_, mut left) = written(&architecture());
    // Repeatedly remove the rooms that import no remaining one. Rooms that cannot be removed form a cycle.
    while !left.is_empty() {
        let leaves: Vec<String> = left
            .iter()
            .filter(|(_, uses)| uses.rooms.iter().all(|used| !left.contains_key(used)))
            .map(|(room, _)| room.clone())
            .collect();
        assert!(!leaves.is_empty(), "these rooms form a cycle: {:?}", left.keys());
        left.retain(|room, _| !leaves.contains(room));
    }
}

#[test]
fn an_import_against_the_rules_is_found() {
    let (places, allowed) = written(&architecture());
    let module = |file: &str, place: &[&str], path: &[&str]| Module {
        file: file.into(),
        place: place.iter().map(|&word| word.to_owned()).collect(),
        paths: [path.iter().map(|&word| word.to_owned()).collect()].into(),
    };
    let cases = [
        (
            module(
                "src/domain/order.rs",
                &["domain", "order"],
                &["crate", "error", "Error"],
            ),
            "domain imports, against the table: error",
        ),
        (
            module(
                "src/domain/order.rs",
                &["domain", "order"],
                &["super", "super", "store", "Tx"],
            ),
            "domain imports, against the table: store",
        ),
        (
            module("src/app/orders.rs", &["app", "orders"], &["rusqlite", "Connection"]),
            "app imports, against the table: rusqlite",
        ),
        (
            module(
                "src/app/orders.rs",
                &["app", "orders"],
                &["std", "time", "SystemTime", "now"],
            ),
            "app imports, against the table: std::time::SystemTime",
        ),
        (
            module("src/store/mod.rs", &["store"], &["orders_inventory_api", "models"]),
            "store imports, against the table: generated",
        ),
    ];
    for (module, wanted) in cases {
        let used = used(&places, &[module], &[], &crates());
        let found = differences(&allowed, &used);
        assert!(found.iter().any(|line| line == wanted), "{wanted}: {found:?}");
    }
}
