//! Every picture below `docs/` is shown or linked by a page, and REFLECTION.md has the load test's table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::citations::pages;
use crate::page::{marked, read, root};

const ENDINGS: [&str; 4] = ["png", "svg", "jpg", "gif"];

/// All files below a folder, relative to the project's.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn ends_with(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .is_some_and(|end| endings.iter().any(|one| end == *one))
}

/// The files that a page shows or links, relative to the project's folder.
fn targets(page: &Path, text: &str) -> BTreeSet<PathBuf> {
    let link = Regex::new(r##"\]\(([^)#\s]+)|\b(?:src|href)="([^"#]+)""##).unwrap();
    let folder = page.parent().unwrap_or(Path::new(""));
    let found = link
        .captures_iter(text)
        .filter_map(|found| found.get(1).or(found.get(2)));
    found.map(|target| plain(&folder.join(target.as_str()))).collect()
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

#[test]
fn every_picture_is_shown_or_linked_by_a_page() {
    let files = files_below(Path::new("docs"));
    let mut all_pages: BTreeSet<PathBuf> = pages().into_iter().collect();
    all_pages.extend(files.iter().filter(|file| ends_with(file, &["md"])).cloned());
    let linked: BTreeSet<PathBuf> = all_pages.iter().flat_map(|page| targets(page, &read(page))).collect();
    let pictures: Vec<&PathBuf> = files.iter().filter(|file| ends_with(file, &ENDINGS)).collect();
    assert!(
        pictures.len() >= 20,
        "only {} pictures were found; has their place changed?",
        pictures.len()
    );
    let lost: Vec<&&PathBuf> = pictures.iter().filter(|picture| !linked.contains(**picture)).collect();
    assert!(lost.is_empty(), "no page shows {lost:?}");
}

#[test]
fn the_answers_show_the_table_of_the_load_test() {
    let answers = read("docs/REFLECTION.md");
    let report = read("docs/load-test.md");
    let table = marked(&answers, "load-test");
    assert!(
        table.contains("`load-heavy`"),
        "there is no table in docs/REFLECTION.md"
    );
    assert!(
        report.contains(table.trim()),
        "the table in docs/REFLECTION.md is not the one of docs/load-test.md; `make load-test RENEW=1` writes both"
    );
}
