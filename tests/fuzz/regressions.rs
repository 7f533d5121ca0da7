//! Cases that once failed, one a file: lines that begin with `#` say what was wrong, the others are the bytes that were
//! sent, as Rust escapes them in a byte string, with a line break after each `\n`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of the files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/regressions")
}

/// Every saved case, with the name of its file.
///
/// # Errors
/// Where a file cannot be read.
pub(crate) fn all() -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut cases = Vec::new();
    let files = fs::read_dir(folder()).map_err(|error| format!("no folder of regressions: {error}"))?;
    for file in files {
        let path = file.map_err(|error| error.to_string())?.path();
        if path.extension().is_none_or(|extension| extension != "case") {
            continue;
        }
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let case = parse(&text).ok_or_else(|| format!("{name}: a line is not an escaped byte string"))?;
        cases.push((name, case));
    }
    cases.sort();
    Ok(cases)
}

/// Saves a case; returns the path of its file.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn save(subject: &str, why: &str, case: &[u8]) -> io::Result<PathBuf> {
    let path = folder().join(format!("{subject}-{:08x}.case", checksum(case)));
    fs::write(&path, format(why, case))?;
    Ok(path)
}

fn format(why: &str, case: &[u8]) -> String {
    let mut text: String = why.lines().map(|line| format!("# {line}\n")).collect();
    for line in case.split_inclusive(|byte| *byte == b'\n') {
        let escaped = line.escape_ascii().to_string();
        text.push_str(
            &escaped
                .strip_prefix('#')
                .map_or(escaped.clone(), |rest| format!("\\x23{rest}")),
        );
        text.push('\n');
    }
    text
}

fn parse(text: &str) -> Option<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(unescape)
        .collect::<Option<Vec<_>>>()
        .map(|lines| lines.concat())
}

fn unescape(line: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), line);
    while let Some(byte) = rest.bytes().next() {
        let (found, length) = match (byte, rest.get(1..2)) {
            (b'\\', Some("x")) => (u8::from_str_radix(rest.get(2..4)?, 16).ok()?, 4),
            (b'\\', Some("n")) => (b'\n', 2),
            (b'\\', Some("r")) => (b'\r', 2),
            (b'\\', Some("t")) => (b'\t', 2),
            (b'\\', Some("\\")) => (b'\\', 2),
            (b'\\', Some("'")) => (b'\'', 2),
            (b'\\', Some("\"")) => (b'"', 2),
            (b' '..=b'[' | b']'..=b'~', _) => (byte, 1),
            _ => return None,
        };
        bytes.push(found);
        rest = rest.get(length..)?;
    }
    Some(bytes)
}

/// FNV-1a, so that the same case has the same name everywhere.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[test]
fn a_saved_case_is_read_as_it_was() {
    let every: Vec<u8> = (0..=255).chain(*b"\n# no comment\r\n\\x41\n\n").collect();
    for case in [&b""[..], b"#", b"a\r\n", &every] {
        assert_eq!(parse(&format("why\nand how", case)).as_deref(), Some(case));
    }
    assert_eq!((parse("\\q"), parse("é"), parse("\\")), (None, None, None));
}
