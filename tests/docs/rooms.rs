//! Who may import whom: the table in docs/ARCHITECTURE.md, and the picture beside it, are what the code does.
//!
//! Both ways: an import that the table does not allow fails, and so does one that it allows and nobody makes, so that
//! the table never allows more than there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::imports::{Module, modules};
use crate::page::{code_spans, marked, read, root, table};

/// The crate of the library, as the binary names it.
const LIBRARY: &str = "orders_inventory";
/// The crate in `generated/`: a room of ours, but not below `src/`.
const GENERATED: (&str, &str) = ("orders_inventory_api", "generated");
/// What reaches outside of the process, or tells the time: worth the same attention as a crate.
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
struct Uses {
    ours: BTreeSet<String>,
    others: BTreeSet<String>,
}

/// The rooms by where they are, such as `src/http` or `src/main`.
type Places = BTreeMap<String, String>;

fn architecture() -> String {
    read("docs/ARCHITECTURE.md")
}

/// The table, and where its rooms are. Its columns: room, files, ours, others'; further ones are for people.
fn written(page: &str) -> (Places, BTreeMap<String, Uses>) {
    let (mut places, mut rooms) = (Places::new(), BTreeMap::new());
    for row in table(page, "rooms") {
        let [room, files, ours, others, ..] = &row[..] else {
            panic!("a row of the table has {} cells", row.len())
        };
        let room = code_spans(room).remove(0);
        for file in code_spans(files) {
            places.insert(place_of(&file), room.clone());
        }
        let uses = Uses {
            ours: code_spans(ours).into_iter().collect(),
            others: code_spans(others).into_iter().collect(),
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

/// The room in which a path of this crate ends, by the longest place that it leads through.
fn room_of<'a>(places: &'a Places, segments: &[String]) -> Option<&'a str> {
    let whole = [&["src".to_owned()], segments].concat();
    (2..=whole.len())
        .rev()
        .find_map(|length| places.get(&whole[..length].join("/")))
        .map(String::as_str)
}

/// What the code uses, by room. `main` is what the binary is made of, and its crate's root is `src/main.rs`.
fn used(places: &Places, library: &[Module], binary: &[Module], crates: &BTreeSet<String>) -> BTreeMap<String, Uses> {
    let mut rooms: BTreeMap<String, Uses> = BTreeMap::new();
    let all = library.iter().map(|module| (module, false));
    for (module, is_binary) in all.chain(binary.iter().map(|module| (module, true))) {
        // The library's root is the map itself: it declares the rooms and uses none.
        if module.file == Path::new("src/lib.rs") {
            continue;
        }
        let file = place_of(module.file.to_str().expect("file names are text"));
        let segments: Vec<String> = file.split('/').skip(1).map(str::to_owned).collect();
        let room = room_of(places, &segments).unwrap_or_else(|| panic!("{file} is in no room of the table"));
        let uses = rooms.entry(room.to_owned()).or_default();
        for path in &module.paths {
            match target(places, module, is_binary, path) {
                Some(other) if other != room => _ = uses.ours.insert(other),
                Some(_) => {}
                None => uses.others.extend(of_others(path, crates)),
            }
        }
    }
    rooms
}

/// The room of ours that a path leads to.
fn target(places: &Places, module: &Module, is_binary: bool, path: &[String]) -> Option<String> {
    let inside = |place: &[String], rest: &[String]| {
        let segments = [place, rest].concat();
        let room = match is_binary {
            // Everything of the binary's own crate is one room.
            true => Some("main"),
            false => room_of(places, &segments),
        };
        Some(
            room.unwrap_or_else(|| panic!("{}: {path:?} leads to no room", module.file.display()))
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
                .unwrap_or_else(|| panic!("{}: {path:?} leads to no room", module.file.display()))
                .to_owned(),
        ),
        first if first == GENERATED.0 => Some(GENERATED.1.to_owned()),
        _ => None,
    }
}

/// What a path uses of others: a crate, or a part of the standard library that reaches outside.
fn of_others(path: &[String], crates: &BTreeSet<String>) -> Option<String> {
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

/// The crates that `Cargo.toml` lets `src/` use.
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

fn real(places: &Places) -> BTreeMap<String, Uses> {
    let (library, binary) = (modules(&root(), &["src/lib.rs"]), modules(&root(), &["src/main.rs"]));
    used(places, &library, &binary, &crates())
}

/// How the code and the table differ, a line each.
fn differences(written: &BTreeMap<String, Uses>, real: &BTreeMap<String, Uses>) -> Vec<String> {
    let none = Uses::default();
    let rooms: BTreeSet<&String> = written.keys().chain(real.keys()).collect();
    let of_room = |room: &String| {
        let (says, does) = (written.get(room).unwrap_or(&none), real.get(room).unwrap_or(&none));
        let line = |what: &str, of: &BTreeSet<String>, not_of: &BTreeSet<String>| {
            of.difference(not_of)
                .map(|used| format!("{room} {what} {used}"))
                .collect::<Vec<_>>()
        };
        [
            line("uses, and may not:", &does.ours, &says.ours),
            line("uses, and may not:", &does.others, &says.others),
            line("may use, and does not:", &says.ours, &does.ours),
            line("may use, and does not:", &says.others, &does.others),
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
    let arrows = |rooms: &BTreeMap<String, Uses>| -> BTreeSet<String> {
        let pairs = rooms
            .iter()
            .flat_map(|(room, uses)| uses.ours.iter().map(move |used| (room, used)));
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
fn no_rooms_import_each_other_in_a_circle() {
    let (_, mut left) = written(&architecture());
    // Take away, again and again, the rooms that use no other; what cannot be taken away goes in circles.
    while !left.is_empty() {
        let leaves: Vec<String> = left
            .iter()
            .filter(|(_, uses)| uses.ours.iter().all(|used| !left.contains_key(used)))
            .map(|(room, _)| room.clone())
            .collect();
        assert!(!leaves.is_empty(), "these go in circles: {:?}", left.keys());
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
            "domain uses, and may not: error",
        ),
        (
            module(
                "src/domain/order.rs",
                &["domain", "order"],
                &["super", "super", "store", "Tx"],
            ),
            "domain uses, and may not: store",
        ),
        (
            module("src/app/orders.rs", &["app", "orders"], &["rusqlite", "Connection"]),
            "app uses, and may not: rusqlite",
        ),
        (
            module(
                "src/app/orders.rs",
                &["app", "orders"],
                &["std", "time", "SystemTime", "now"],
            ),
            "app uses, and may not: std::time::SystemTime",
        ),
        (
            module("src/store/mod.rs", &["store"], &["orders_inventory_api", "models"]),
            "store uses, and may not: generated",
        ),
    ];
    for (module, wanted) in cases {
        let used = used(&places, &[module], &[], &crates());
        let found = differences(&allowed, &used);
        assert!(found.iter().any(|line| line == wanted), "{wanted}: {found:?}");
    }
}
