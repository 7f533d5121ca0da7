//! The table of indexes in docs/ARCHITECTURE.md equals the indexes that the migrations create.

use std::collections::BTreeSet;
use std::fs;

use rusqlite::Connection;

use crate::page::{code_spans, read, root, table};

/// Tables and their indexes after all migrations, including SQLite's own for UNIQUE.
fn created() -> BTreeSet<(String, String)> {
    let folder = root().join("src/store/sqlite");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "sql"))
        .collect();
    files.sort();
    let connection = Connection::open_in_memory().unwrap();
    for file in files {
        connection.execute_batch(&read(file)).unwrap();
    }
    let sql = "SELECT tables.name, indexes.name FROM pragma_table_list tables, pragma_index_list(tables.name) indexes \
               WHERE tables.schema = 'main' AND indexes.origin <> 'pk' AND tables.name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn every_index_has_its_reason() {
    let rows = table(&read("docs/ARCHITECTURE.md"), "indexes");
    let written: BTreeSet<(String, String)> = rows
        .iter()
        .map(|row| (code_spans(&row[0]).remove(0), code_spans(&row[1]).remove(0)))
        .collect();
    assert_eq!(written, created(), "left: docs/ARCHITECTURE.md; right: the migrations");
    assert!(
        rows.iter().all(|row| row.len() == 3 && !row[2].is_empty()),
        "each says why"
    );
}
