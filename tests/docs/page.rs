//! Reads pages and their marked parts.

use std::fs;
use std::path::{Path, PathBuf};

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a text file of the project.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text between the marks of this name.
pub(crate) fn marked(page: &str, name: &str) -> String {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let parts: Vec<&str> = page.split(&begin).collect();
    let [_, rest] = parts[..] else {
        panic!("{begin} occurs {} times", parts.len() - 1)
    };
    let (part, _) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("no {end} after {begin}"));
    part.to_owned()
}

/// The rows of the table in a marked part, without its head; cells are trimmed.
pub(crate) fn table(page: &str, name: &str) -> Vec<Vec<String>> {
    let part = marked(page, name);
    let rows = part.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<Vec<String>> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "the table {name} is empty");
    rows
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|');
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The words in backticks.
pub(crate) fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
