//! Copies there and back, what is refused, and audits of PostgreSQL databases that somebody's hand was at.

use std::fs;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use tempfile::TempDir;

use super::*;
use crate::app::{idempotency, model_tests, orders, products};
use crate::error::Error;
use crate::store::sqlite::samples;
use crate::store::tables::Kind;
use crate::store::{
    IdempotencyKey, IdempotencyRecord, PostgresOptions, PostgresStore, SqliteStore, Store, StoredResponse, audit,
};
use crate::testing::{NOW, new_product, options, postgres as server, product_id, quantity, target};

/// A database on the tests' server.
struct Database {
    url: String,
    target: Target,
}

impl Database {
    /// One in which there is nothing.
    async fn new() -> Self {
        let url = server::new_database().await;
        let target = target(&url.parse().unwrap());
        Self { url, target }
    }

    /// One with our tables, and a store of it.
    async fn with_store() -> (PostgresStore, Self) {
        let database = Self::new().await;
        (database.open().await, database)
    }

    /// One with our tables.
    async fn migrated() -> Self {
        let (store, database) = Self::with_store().await;
        store.close().await;
        database
    }

    /// One with something of everything, which nobody uses.
    async fn filled() -> Self {
        let database = Self::new().await;
        up(&filled().await, &database).await.unwrap();
        database
    }

    async fn open(&self) -> PostgresStore {
        PostgresStore::open(&self.target, PostgresOptions::default())
            .await
            .unwrap()
    }

    async fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        server::rows(&self.url, sql).await
    }

    fn name(&self) -> &str {
        self.url.rsplit_once('/').unwrap().1.split('?').next().unwrap()
    }

    /// Does this and goes on in that transaction, until what it returns is dropped.
    async fn hold(&self, sql: &str) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
        client
    }
}

/// A closed file with something of everything.
async fn filled() -> TempDir {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(options(&folder)).unwrap();
    store.write(samples::fill).await.unwrap();
    store.close().await;
    folder
}

/// A closed file with so many products, and a movement of each.
async fn with_products(count: u32) -> TempDir {
    let folder = TempDir::new().unwrap();
    SqliteStore::open(options(&folder)).unwrap().close().await;
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
         INSERT INTO products (sku, name, price_cents, stock, created_at_ms, updated_at_ms)
         SELECT 'SKU-' || n, 'Mug', 100, 1, 0, 0 FROM n WHERE n <= {count};
         INSERT INTO stock_movements (product_id, delta, stock_after, reason, created_at_ms)
         SELECT id, 1, 1, 'initial', 0 FROM products"
    );
    Connection::open(options(&folder).path)
        .unwrap()
        .execute_batch(&sql)
        .unwrap();
    folder
}

async fn up(folder: &TempDir, to: &Database) -> Result<Copied, CopyError> {
    up_watched(folder, to, &Stop::default(), &mut |_| ()).await
}

async fn up_watched(
    folder: &TempDir,
    to: &Database,
    stop: &Stop,
    show: &mut dyn FnMut(Progress),
) -> Result<Copied, CopyError> {
    copy_to_postgres(&options(folder).path, &to.target, &mut Watcher { stop, show }).await
}

async fn down(from: &Database, to: &Path) -> Result<Copied, CopyError> {
    let (stop, show) = (&Stop::default(), &mut |_| ());
    copy_to_sqlite(&from.target, to, &mut Watcher { stop, show }).await
}

/// The one line of a refusal.
fn line<T: fmt::Debug>(refused: Result<T, CopyError>) -> String {
    let text = refused.unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

/// Every row of every table of a file, and the last ids, but for what a copy is to give anew.
fn rows_of(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let texts = statement.query_map([], |row| {
            let cells = (0..columns).map(|n| row.get::<_, Cell>(n));
            Ok(format!("{:?}", cells.collect::<rusqlite::Result<Vec<_>>>()?))
        });
        texts.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.collect::<rusqlite::Result<_>>().unwrap()
    };
    let mut rows = texts("SELECT 'seq', name, seq FROM sqlite_sequence WHERE seq <> 0 ORDER BY name");
    // The full-text index has tables of its own.
    for table in
        names("SELECT name FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    {
        let columns = names(&format!(
            "SELECT name FROM pragma_table_info('{table}') WHERE ('{table}', name) <> ('idempotency_keys', 'number')"
        ));
        let columns = columns.join(", ");
        rows.extend(texts(&format!(
            "SELECT '{table}', {columns} FROM {table} ORDER BY {columns}"
        )));
    }
    rows
}

/// The same of a database, but for who wrote to it.
async fn rows_in(database: &Database) -> Vec<Vec<Option<String>>> {
    let tables = database
        .sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1")
        .await;
    let mut rows = Vec::new();
    for table in tables.into_iter().flatten().flatten() {
        if table != "writers" && table != "orders_inventory_schema" {
            rows.extend(
                database
                    .sql(&format!("SELECT '{table}', t::text FROM {table} t ORDER BY t::text"))
                    .await,
            );
        }
    }
    rows
}

fn names_in(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // Reading a file with a write-ahead log leaves these, which have nothing in them.
    names.retain(|name| !name.ends_with("-shm") && !name.ends_with("-wal"));
    names.sort();
    names
}

// The list of tables

#[tokio::test]
async fn the_list_has_every_table_and_column_of_sqlite() {
    let folder = filled().await;
    let connection = Connection::open(options(&folder).path).unwrap();
    let mut columns = connection
        .prepare(
            "SELECT t.name || '.' || c.name FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1",
        )
        .unwrap();
    let columns = columns.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut columns: Vec<_> = columns.map(Result::unwrap).collect();
    columns.retain(|column| column != "idempotency_keys.number");
    let listed = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table.name, column.name)));
    let mut listed: Vec<_> = listed.map(|(table, column)| format!("{table}.{column}")).collect();
    listed.sort();
    assert_eq!(listed, columns);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn the_list_has_every_table_and_column_of_postgresql() {
    let database = Database::migrated().await;
    let columns = database
        .sql(
            "SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name NOT IN ('writers', 'counters', 'orders_inventory_schema')
                 AND is_generated = 'NEVER'",
        )
        .await;
    let mut columns: Vec<_> = columns.into_iter().flatten().flatten().collect();
    columns.sort();
    let listed = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table.name, column)));
    let mut listed: Vec<_> = listed
        .map(|(table, column)| {
            let kind = match column.kind {
                Kind::Integer => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
                Kind::Boolean => "boolean",
            };
            format!("{table}.{} {kind}", column.name)
        })
        .collect();
    listed.sort();
    assert_eq!(listed, columns);
}

/// What a schema has beside its columns.
const GUARDS: &str =
    "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace
     UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1";

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_copy_leaves_the_foreign_keys_and_indexes_of_the_schema() {
    let database = Database::migrated().await;
    let before = database.sql(GUARDS).await;
    assert!(before.len() > 60, "{before:?}");
    up(&filled().await, &database).await.unwrap();
    assert_eq!(database.sql(GUARDS).await, before);
}

// There and back

async fn comes_back_as_it_was(folder: &TempDir) {
    let before = rows_of(&options(folder).path);
    let database = Database::new().await;
    let went = up(folder, &database).await.unwrap();
    let back = folder.path().join("back.db");
    let came = down(&database, &back).await.unwrap();
    assert_eq!(went, came);
    assert_eq!(rows_of(&back), before);
    assert_eq!(went.total() + counted(&before), before.len() as u64);
    // It is a file as the service makes it, which the service takes.
    SqliteStore::open(crate::store::Options {
        path: back.clone(),
        ..options(folder)
    })
    .unwrap()
    .close()
    .await;
    assert!(audit(&back).unwrap().is_clean());
    let report = audit_postgres(&database.target).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

fn counted(rows: &[String]) -> u64 {
    rows.iter().filter(|row| row.starts_with("[Text(\"seq\")")).count() as u64
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_file_with_something_of_everything_comes_back_as_it_was() {
    let folder = filled().await;
    let path = options(&folder).path;
    let connection = Connection::open(&path).unwrap();
    for table in TABLES {
        let count = format!("SELECT count(*) FROM {}", table.name);
        let rows: i64 = connection.query_row(&count, [], |row| row.get(0)).unwrap();
        assert!(rows > 0, "nothing in {}", table.name);
    }
    drop(connection);
    comes_back_as_it_was(&folder).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn files_of_every_version_come_back_as_they_were() {
    for version in 1..=samples::SAMPLES.len() {
        let folder = samples::left_by(version);
        SqliteStore::open(options(&folder)).unwrap().close().await;
        comes_back_as_it_was(&folder).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn runs_of_the_model_come_back_as_they_were() {
    for number in 0..4 {
        let folder = TempDir::new().unwrap();
        let store = SqliteStore::open(options(&folder)).unwrap();
        model_tests::run_number(&store, number).await;
        store.close().await;
        comes_back_as_it_was(&folder).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_empty_file_comes_back_empty() {
    let folder = with_products(0).await;
    comes_back_as_it_was(&folder).await;
}

/// What text and bytes can be, and numbers at their ends.
#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn odd_values_come_back_as_they_were() {
    let folder = filled().await;
    let connection = Connection::open(options(&folder).path).unwrap();
    connection
        .execute_batch(
            "UPDATE products SET name = '\\N ''\"\t' || char(1, 10, 13, 127, 8238, 65533, 128512), created_at_ms = -1;
             UPDATE products SET updated_at_ms = 9223372036854775807 WHERE id = 1;
             UPDATE products SET updated_at_ms = -9223372036854775808 WHERE id = 2;
             UPDATE stock_movements SET note = '' WHERE id = 1;
             UPDATE idempotency_keys SET body = X'00FF0A5C', location = '', path = '/ä';
             INSERT INTO idempotency_keys (caller, path, key, body_hash, status, body, created_at_ms)
             SELECT caller, path, 'K' || key, randomblob(32), status, X'', created_at_ms FROM idempotency_keys",
        )
        .unwrap();
    drop(connection);
    comes_back_as_it_was(&folder).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_database_in_use_comes_back_as_it_was() {
    let (store, database) = Database::with_store().await;
    model_tests::run_number(&store, 7).await;
    let before = rows_in(&database).await;
    let folder = TempDir::new().unwrap();
    down(&database, &options(&folder).path).await.unwrap();
    assert_eq!(names_in(&folder), ["test.db"]);
    let back = Database::new().await;
    up(&folder, &back).await.unwrap();
    assert_eq!(rows_in(&back).await, before);
    assert_eq!(rows_in(&database).await, before, "the source is as it was");
    store.close().await;
}

/// Beside an instance that takes orders: each copy is one state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_copy_and_an_audit_beside_writes_are_of_one_moment() {
    let (store, database) = Database::with_store().await;
    store
        .write(|tx| products::create(tx, &new_product("MUG", 100_000), NOW))
        .await
        .unwrap();
    let writes = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..300 {
                let place =
                    |tx: &mut dyn crate::store::Tx| orders::place(tx, product_id(1), quantity(1), None, None, NOW);
                store.write(place).await.unwrap();
            }
        }
    });
    let mut rounds = 0;
    while rounds < 3 || !writes.is_finished() {
        // Both audit what they read.
        let folder = TempDir::new().unwrap();
        let copied = down(&database, &options(&folder).path).await.unwrap();
        let rows = |name| copied.rows.iter().find(|(table, _)| *table == name).unwrap().1;
        assert_eq!(rows("stock_movements"), rows("orders") + 1);
        let report = audit_postgres(&database.target).await.unwrap();
        assert!(report.is_clean(), "{report}");
        rounds += 1;
    }
    writes.await.unwrap();
    store.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn ids_go_on_and_kept_answers_are_there_after_a_copy() {
    let folder = filled().await;
    let path = options(&folder).path;
    // The newest ids were given to rows that are gone.
    let gone = "UPDATE sqlite_sequence SET seq = seq + 100";
    Connection::open(&path).unwrap().execute_batch(gone).unwrap();
    let database = Database::new().await;
    up(&folder, &database).await.unwrap();
    let store = database.open().await;
    let placed = store
        .write(|tx| orders::place(tx, product_id(1), quantity(1), None, None, NOW))
        .await;
    assert_eq!(placed.unwrap().id().get(), 108);
    let key = IdempotencyKey {
        caller: "a".to_owned(),
        path: "/orders".to_owned(),
        key: "k".to_owned(),
    };
    let expected = IdempotencyRecord {
        body_hash: [0; 32],
        response: StoredResponse {
            status: 201,
            body: b"{}".to_vec(),
            location: None,
            etag: None,
        },
        created_at: NOW,
    };
    let kept = store.read({
        let key = key.clone();
        move |view| view.idempotency_record(&key)
    });
    assert_eq!(kept.await.unwrap(), Some(expected));
    let replayed = store.write(move |tx| idempotency::once(tx, &key, [0; 32], NOW, |_| Err(Error::Overloaded)));
    assert!(matches!(replayed.await.unwrap(), idempotency::Outcome::Replayed(_)));
    store.close().await;

    // And back again.
    let back = crate::store::Options {
        path: folder.path().join("back.db"),
        ..options(&folder)
    };
    down(&database, &back.path).await.unwrap();
    let store = SqliteStore::open(back).unwrap();
    let placed = store
        .write(|tx| orders::place(tx, product_id(1), quantity(1), None, None, NOW))
        .await;
    assert_eq!(placed.unwrap().id().get(), 109);
    store.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn ids_that_an_empty_target_gave_are_not_given_again() {
    let folder = filled().await;
    let database = Database::migrated().await;
    database.sql("UPDATE counters SET orders = 500").await;
    up(&folder, &database).await.unwrap();
    let counters = database.sql("SELECT orders, products FROM counters").await;
    assert_eq!(counters, [[Some("500".to_owned()), Some("2".to_owned())]]);

    let target = with_products(0).await;
    let path = options(&target).path;
    let given = "INSERT INTO sqlite_sequence (name, seq) VALUES ('products', 700)";
    Connection::open(&path).unwrap().execute_batch(given).unwrap();
    let copied = down(&database, &path).await.unwrap();
    let rows = rows_of(&path);
    let has = |name: &str, last: i64| {
        let row = format!("[Text(\"seq\"), Text({name:?}), Integer({last})]");
        assert!(rows.contains(&row), "{row}: {rows:?}");
    };
    has("orders", 500);
    has("products", 700);
    assert_eq!(copied.set_aside.unwrap(), target.path().join("test.db.replaced-1"));
    assert_eq!(names_in(&target), ["test.db", "test.db.replaced-1"]);
}

// What is refused

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_postgresql_target_that_is_not_empty_stays_as_it_is() {
    let folder = filled().await;
    // With a row of ours.
    let (store, ours) = Database::with_store().await;
    store
        .write(|tx| tx.insert_product(&new_product("MUG", 3), NOW))
        .await
        .unwrap();
    let before = rows_in(&ours).await;
    let text = line(up(&folder, &ours).await);
    assert!(text.contains("it has products") && text.contains(ours.name()), "{text}");
    assert_eq!(rows_in(&ours).await, before);
    store.close().await;
    // Somebody else's.
    let others = Database::new().await;
    others.sql("CREATE TABLE recipes (id BIGINT)").await;
    assert!(line(up(&folder, &others).await).contains("not a database of this service"));
    assert_eq!(tables_of(&others).await, ["recipes"]);
    assert!(line(down(&others, &folder.path().join("new.db")).await).contains("no database of this service"));
    assert!(matches!(
        audit_postgres(&others.target).await,
        Err(CopyError::Foreign { .. })
    ));
    // Of a newer version.
    let newer = Database::migrated().await;
    newer
        .sql(
            "INSERT INTO orders_inventory_schema SELECT 99, name, applied_on, checksum FROM orders_inventory_schema \
             WHERE version = 1",
        )
        .await;
    assert!(line(up(&folder, &newer).await).contains("is version 99"));
    assert!(line(down(&newer, &folder.path().join("new.db")).await).contains("is version 99"));
    assert!(line(audit_postgres(&newer.target).await).contains("is version 99"));
    assert_eq!(names_in(&folder), ["test.db"]);
}

async fn tables_of(database: &Database) -> Vec<String> {
    let tables =
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1";
    database.sql(tables).await.into_iter().flatten().flatten().collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_sqlite_target_that_is_not_empty_stays_as_it_is() {
    let database = Database::filled().await;
    let folder = with_products(1).await;
    let path = options(&folder).path;
    let ours = fs::read(&path).unwrap();
    let refused = async |content: &[u8], reason: &str| {
        fs::write(&path, content).unwrap();
        let text = line(down(&database, &path).await);
        assert!(text.contains(reason) && text.contains(path.to_str().unwrap()), "{text}");
        assert_eq!(fs::read(&path).unwrap(), content, "the file was touched");
        assert_eq!(names_in(&folder), ["test.db"]);
    };
    refused(&ours, "it has products").await;
    refused(b"sku,name", "not a database of this service").await;
    refused(
        b"orders-inventory: a restore was interrupted; run it again\n",
        "restore",
    )
    .await;

    // A service has it, and so has `sqlite3`, say.
    fs::remove_file(&path).unwrap();
    let store = SqliteStore::open(options(&folder)).unwrap();
    assert!(line(down(&database, &path).await).contains("another process uses the database"));
    store.close().await;
    // A log without its file.
    fs::remove_file(&path).unwrap();
    let log = folder.path().join("test.db-wal");
    fs::write(&log, "frames").unwrap();
    assert!(line(down(&database, &path).await).contains("write-ahead log"));
    assert_eq!((path.exists(), fs::read(&log).unwrap()), (false, b"frames".to_vec()));
    fs::remove_file(&log).unwrap();
    // An empty file, and a folder that is not there, are places for one.
    fs::write(&path, "").unwrap();
    assert_eq!(down(&database, &path).await.unwrap().set_aside, None);
    assert_eq!(names_in(&folder), ["test.db"]);
    down(&database, &folder.path().join("a/b/new.db")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_source_in_service_or_of_another_version_is_not_copied() {
    let database = Database::new().await;
    let folder = filled().await;
    let store = SqliteStore::open(options(&folder)).unwrap();
    assert!(line(up(&folder, &database).await).contains("another process uses the database"));
    store.close().await;
    let old = samples::left_by(3);
    assert!(line(up(&old, &database).await).contains("is version 3"));
    let nothing = TempDir::new().unwrap();
    assert!(line(up(&nothing, &database).await).contains("no database of this service"));
    assert_eq!(names_in(&nothing), [""; 0]);
    assert_eq!(tables_of(&database).await, [""; 0], "nothing was made there");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_row_that_postgresql_cannot_store_is_named_and_nothing_is_changed() {
    let cases = [
        (
            "UPDATE products SET name = 'a' || char(0) WHERE id = 2",
            "products (id 2): its name has the character U+0000",
        ),
        (
            "UPDATE stock_movements SET note = char(0) WHERE id = 3",
            "stock_movements (id 3): its note has",
        ),
        (
            "UPDATE payment_holds SET provider = 'x' || char(0)",
            r#"payment_holds (payment_id "pi_1", provider "x\0"): its provider has"#,
        ),
        (
            "UPDATE orders SET status = CAST(X'FF' AS TEXT) WHERE id = 1",
            "orders (id 1): status is no text",
        ),
    ];
    for (sql, named) in cases {
        let database = Database::new().await;
        let folder = filled().await;
        let connection = Connection::open(options(&folder).path).unwrap();
        connection
            .execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {sql}"))
            .unwrap();
        drop(connection);
        let text = line(up(&folder, &database).await);
        assert!(text.contains(named) && text.ends_with("nothing was changed"), "{text}");
        assert_eq!(tables_of(&database).await, [""; 0]);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_broken_source_is_not_copied() {
    let folder = filled().await;
    let database = Database::new().await;
    let connection = Connection::open(options(&folder).path).unwrap();
    connection
        .execute_batch("UPDATE products SET stock = 7 WHERE id = 2")
        .unwrap();
    drop(connection);
    let text = line(up(&folder, &database).await);
    assert!(
        text.contains("product 2 has stock 7, its movements add up to 4"),
        "{text}"
    );
    assert_eq!(tables_of(&database).await, [""; 0]);

    let database = Database::filled().await;
    let new = folder.path().join("new.db");
    // What the audit finds, and what an SQLite file does not take.
    database.sql("UPDATE products SET stock = 7 WHERE id = 2").await;
    let text = line(down(&database, &new).await);
    assert!(text.contains("product 2 has stock 7"), "{text}");
    database.sql("DELETE FROM counters").await;
    let text = line(down(&database, &new).await);
    assert!(text.contains("no id is above its counter"), "{text}");
    database
        .sql("ALTER TABLE products DROP CONSTRAINT products_stock_check; UPDATE products SET stock = -7 WHERE id = 2")
        .await;
    let text = line(down(&database, &new).await);
    assert!(text.contains("CHECK constraint failed: stock >= 0"), "{text}");
    assert_eq!(names_in(&folder), ["test.db"]);
}

/// The target itself is audited as well: what its own hand does to the rows that come is found before anything is kept.
#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_target_that_changes_what_it_gets_keeps_nothing() {
    let folder = filled().await;
    let database = Database::migrated().await;
    let on_insert = |name: &str, body: &str| {
        format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
             CREATE TRIGGER {name} BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
    };
    database
        .sql(&on_insert("raises", "NEW.stock := NEW.stock + 1; RETURN NEW;"))
        .await;
    let text = line(up(&folder, &database).await);
    assert!(
        text.contains(database.name()) && text.contains("its movements add up to"),
        "{text}"
    );
    assert!(rows_in(&database).await.len() == 1, "the counters");
    database.sql("DROP FUNCTION raises CASCADE").await;
    up(&folder, &database).await.unwrap();
}

// Stopping

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_copy_that_is_stopped_at_any_step_leaves_nothing() {
    let folder = with_products(3_000).await;
    let database = Database::migrated().await;
    for step in [
        "reading the source",
        "checking the source",
        "copying",
        "reading the copy back",
        "checking the copy",
    ] {
        let stop = Stop::default();
        let set = Arc::clone(&stop);
        let mut seen = 0;
        let mut show = |progress: Progress| {
            if progress.step == step {
                seen += 1;
                set.store(true, Ordering::Relaxed);
            }
        };
        let stopped = up_watched(&folder, &database, &stop, &mut show).await;
        assert!(matches!(stopped, Err(CopyError::Stopped)), "{step}: {stopped:?}");
        assert!(seen > 0, "{step}");
        let left = rows_in(&database).await;
        assert_eq!(left.len(), 1, "{step}: the counters: {left:?}");
    }
    up(&folder, &database).await.unwrap();

    let target = TempDir::new().unwrap();
    for step in ["copying", "checking the copy"] {
        let stop = Stop::default();
        let set = Arc::clone(&stop);
        let mut show = |progress: Progress| set.store(progress.step == step, Ordering::Relaxed);
        let mut watcher = Watcher {
            stop: &stop,
            show: &mut show,
        };
        let stopped = copy_to_sqlite(&database.target, &options(&target).path, &mut watcher).await;
        assert!(matches!(stopped, Err(CopyError::Stopped)), "{step}: {stopped:?}");
        assert_eq!(names_in(&target), [""; 0], "{step}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_copy_that_waits_for_the_database_can_be_stopped() {
    let folder = filled().await;
    let database = Database::migrated().await;
    database
        .sql(
            "CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM pg_sleep(20); RETURN NEW; END $$;
             CREATE TRIGGER sleeps BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION sleeps()",
        )
        .await;
    let stop = Stop::default();
    let (began, set) = (std::time::Instant::now(), Arc::clone(&stop));
    tokio::spawn(async move {
        sleep(Duration::from_secs(2)).await;
        set.store(true, Ordering::Relaxed);
    });
    let stopped = up_watched(&folder, &database, &stop, &mut |_| ()).await;
    assert!(matches!(stopped, Err(CopyError::Stopped)), "{stopped:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "before the sleep was over");
    database.sql("DROP FUNCTION sleeps CASCADE").await;
    assert_eq!(rows_in(&database).await.len(), 1, "the counters");
    up(&folder, &database).await.unwrap();
}

/// Two copies to one database, and a copy beside an instance that writes there.
#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn nobody_else_writes_to_a_database_that_is_filled() {
    let folder = filled().await;
    let database = Database::migrated().await;
    let holder = database.hold("SELECT pg_advisory_xact_lock(1330792782, 1)").await;
    assert!(line(up(&folder, &database).await).contains("another process uses the database"));
    drop(holder);
    // Somebody who has no turn, but rows on their way.
    let holder = database.hold("LOCK TABLE payments IN ROW EXCLUSIVE MODE").await;
    assert!(line(up(&folder, &database).await).contains("another process uses the database"));
    drop(holder);
    let (store, database) = Database::with_store().await;
    let mut refused = None;
    let mut show = |progress: Progress| {
        if progress.step == "checking the copy" && refused.is_none() {
            let store = store.clone();
            refused = Some(tokio::spawn(async move {
                store.write(|tx| tx.insert_product(&new_product("MUG", 1), NOW)).await
            }));
        }
    };
    up_watched(&folder, &database, &Stop::default(), &mut show)
        .await
        .unwrap();
    // It waited for its turn, and found the SKU taken, or came after the wait was over.
    assert!(refused.unwrap().await.unwrap().is_err());
    store.close().await;
    assert!(audit_postgres(&database.target).await.unwrap().is_clean());
}

// Audits

/// A filled database that has lost all that kept it from being broken, and a copy of its rows.
async fn unguarded() -> Database {
    let database = Database::filled().await;
    database
        .sql(
            "DO $$ DECLARE thing RECORD; BEGIN
                FOR thing IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
                    WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u')
                    ORDER BY contype = 'p', contype = 'u' LOOP
                    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', thing.t, thing.conname);
                END LOOP;
                FOR thing IN SELECT attrelid::regclass AS t, attname FROM pg_attribute JOIN pg_class ON oid = attrelid
                    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND attnotnull LOOP
                    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', thing.t, thing.attname);
                END LOOP;
                -- Nothing can be written into it.
                ALTER TABLE products DROP COLUMN updated_minute;
                CREATE SCHEMA kept;
                FOR thing IN SELECT relname AS t FROM pg_class
                    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
                    EXECUTE format('CREATE TABLE kept.%I AS SELECT * FROM public.%1$I', thing.t);
                END LOOP;
            END $$;
            DROP INDEX payment_events_by_id, refunds_by_id, refunds_of_orders_by_id, disputes_by_id, payments_by_id",
        )
        .await;
    database
}

/// What an audit says after this was done to the rows.
async fn audit_after(database: &Database, sql: &str) -> AuditReport {
    let restore = "DO $$ DECLARE thing RECORD; BEGIN
        FOR thing IN SELECT relname AS t FROM pg_class WHERE relkind = 'r' AND relnamespace = 'kept'::regnamespace LOOP
            EXECUTE format('TRUNCATE public.%I; INSERT INTO public.%1$I SELECT * FROM kept.%1$I', thing.t);
        END LOOP;
    END $$; ";
    database.sql(&format!("{restore}{sql}")).await;
    audit_postgres(&database.target).await.unwrap()
}

/// What a hand could do to an SQLite file, as PostgreSQL says it; `None` where it has nothing like it.
fn as_postgresql_says_it(sql: &str) -> Option<String> {
    if sql.contains("sqlite_schema") {
        return None;
    }
    let sql = sql
        .rsplit_once("; ")
        .filter(|(first, _)| first.starts_with("DROP INDEX"))
        .map_or(sql, |(_, rest)| rest);
    let counter = |name: &str| name.trim_matches('\'').to_owned();
    if let Some(rest) = sql.strip_prefix("UPDATE sqlite_sequence SET seq = ") {
        let (last, name) = rest.split_once(" WHERE name = ").unwrap();
        return Some(format!("UPDATE counters SET {} = {last}", counter(name)));
    }
    if let Some(name) = sql.strip_prefix("DELETE FROM sqlite_sequence WHERE name = ") {
        return Some(format!("UPDATE counters SET {} = 0", counter(name)));
    }
    let mut sql = sql.to_owned();
    let columns = TABLES
        .iter()
        .flat_map(|table| table.columns)
        .filter(|column| column.kind == Kind::Boolean);
    for column in columns {
        for (number, name) in [(0, "FALSE"), (1, "TRUE")] {
            let (from, to) = (
                format!("{} = {number}", column.name),
                format!("{} = {name}", column.name),
            );
            sql = sql.replace(&from, &to);
        }
    }
    Some(sql)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn every_check_can_fail_on_postgresql_too() {
    let database = unguarded().await;
    let sound = audit_after(&database, "SELECT 1").await;
    assert!(sound.is_clean(), "{sound}");
    let ours = [
        (
            "rows have their columns, and keys of their own",
            "UPDATE orders SET quantity = NULL WHERE id = 3",
            "orders (id 3): ",
        ),
        (
            "rows have their columns, and keys of their own",
            "INSERT INTO orders SELECT * FROM orders WHERE id = 4",
            "orders (id 4): ",
        ),
        (
            "rows have their columns, and keys of their own",
            "UPDATE products SET sku = 'MUG'",
            "products (id 2): UNIQUE constraint failed: products.sku",
        ),
        // A CHECK of the schema, which no other check repeats.
        (
            "the file is sound",
            "UPDATE disputes SET state = 'odd'",
            "CHECK constraint failed in disputes",
        ),
    ];
    let shared = samples::tampering::ALL.iter().copied();
    let mut broken = Vec::new();
    for (name, sql, example) in shared.chain(ours) {
        let Some(sql) = as_postgresql_says_it(sql) else {
            continue;
        };
        let report = audit_after(&database, &sql).await;
        let check = report.checks.iter().find(|check| check.name == name).unwrap();
        let is_named = check.examples.iter().any(|text| text.contains(example));
        assert!(check.violations > 0 && is_named, "{sql}\n{report}");
        broken.push(name);
    }
    for check in sound.checks {
        assert!(broken.contains(&check.name), "{} was never broken", check.name);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn lost_counters_are_found() {
    let database = unguarded().await;
    let report = audit_after(&database, "DELETE FROM counters").await;
    let check = report
        .checks
        .iter()
        .find(|check| check.name == "no id is above its counter")
        .unwrap();
    assert_eq!(check.violations, 9, "{report}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_audit_writes_nothing_and_asks_nothing_of_durability() {
    let database = Database::filled().await;
    server::admin(&format!(
        "ALTER DATABASE {} SET synchronous_commit = off",
        database.name()
    ))
    .await;
    server::admin(&format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name()
    ))
    .await;
    server::admin(&format!(
        "ALTER DATABASE {} SET idle_in_transaction_session_timeout = 1",
        database.name()
    ))
    .await;
    let report = audit_postgres(&database.target).await.unwrap();
    assert!(report.is_clean(), "{report}");
    // Nor does a copy from there. One to there does, unless it is told otherwise.
    let folder = TempDir::new().unwrap();
    let path = options(&folder).path;
    down(&database, &path).await.unwrap();
    let empty = Database::new().await;
    let unsafe_commits = format!("ALTER DATABASE {} SET synchronous_commit = off", empty.name());
    server::admin(&unsafe_commits).await;
    assert!(line(up(&folder, &empty).await).contains("ALLOW_ASYNC_REPLICATION"));
    let told = Target {
        allow_async_replication: true,
        ..empty.target.clone()
    };
    let (stop, show) = (&Stop::default(), &mut |_| ());
    copy_to_postgres(&path, &told, &mut Watcher { stop, show })
        .await
        .unwrap();
}
