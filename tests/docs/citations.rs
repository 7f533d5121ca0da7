//! Every test that a page cites, by name with a link to its file, exists.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::page::{read, root};

/// The hand-written pages.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut pages = vec![
        PathBuf::from("README.md"),
        PathBuf::from("CONTRIBUTING.md"),
        PathBuf::from("CHANGELOG.md"),
    ];
    for folder in ["docs", "ops"] {
        let entries = fs::read_dir(root().join(folder)).into_iter().flatten();
        let files = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
        pages.extend(files.filter(|file| file.extension().is_some_and(|end| end == "md")));
    }
    pages
}

/// The citations of a page: the test's name, and its file relative to the project's folder.
fn citations(page: &Path, text: &str) -> Vec<(String, PathBuf)> {
    let link = Regex::new(r"\[`([a-z0-9_]+)`\]\(([^)#]+\.(?:rs|py|mjs))\)").unwrap();
    let folder = page.parent().unwrap_or(Path::new(""));
    link.captures_iter(text)
        .map(|found| (found[1].to_owned(), folder.join(&found[2])))
        .collect()
}

#[test]
fn cited_tests_exist() {
    let mut count = 0;
    for page in pages() {
        for (name, file) in citations(&page, &read(&page)) {
            let text = read(&file);
            let defines = Regex::new(&format!(r"\b(fn|def|function|mod|async) {name}\b")).unwrap();
            assert!(
                defines.is_match(&text),
                "{}: no {name} in {}",
                page.display(),
                file.display()
            );
            count += 1;
        }
    }
    assert!(
        count >= 20,
        "only {count} citations were found; has their form changed?"
    );
}
