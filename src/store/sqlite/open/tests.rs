//! Files that are new, ours, of an older version, somebody else's, or damaged.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use tempfile::TempDir;

use super::*;
use crate::app::{orders, payments};
use crate::domain::{State, Timestamp};
use crate::store::{
    IdempotencyKey, IdempotencyRecord, OrderFilter, SqliteStore, Store, StoredResponse, Tx, View, audit,
};
use crate::testing::{NOW, money, new_order, new_product, options, order_id, payment_event, product_id, quantity};

fn open(folder: &TempDir) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(options(folder))
}

/// The one line that opening says, after which the file must be what it was.
fn refusal(folder: &TempDir) -> String {
    let path = options(folder).path;
    let before = fs::read(&path).unwrap();
    let text = open(folder).err().expect("refused").to_string();
    assert_eq!(fs::read(&path).unwrap(), before, "the file was touched");
    assert!(text.contains(path.to_str().unwrap()) && !text.contains('\n'), "{text}");
    text
}

/// A closed database of ours with a thousand products.
async fn filled() -> TempDir {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).unwrap();
    let fill = |tx: &mut dyn Tx| {
        for n in 0..1_000 {
            tx.insert_product(&new_product(&format!("SKU-{n}"), 1), NOW)?;
        }
        Ok(())
    };
    store.write(fill).await.unwrap();
    store.close().await;
    folder
}

#[tokio::test]
async fn the_folder_is_made_and_the_data_is_there_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a/b/shop.db");
    let options = crate::store::Options {
        path,
        ..options(&folder)
    };
    let store = SqliteStore::open(options.clone()).unwrap();
    let id = store
        .write(|tx| tx.insert_product(&new_product("MUG", 3), NOW))
        .await
        .unwrap();
    store.close().await;
    let store = SqliteStore::open(options).unwrap();
    assert!(store.read(move |view| view.product(id)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_copy_made_while_running_opens_with_everything_acknowledged() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).unwrap();
    let id = store
        .write(|tx| tx.insert_product(&new_product("MUG", 3), NOW))
        .await
        .unwrap();
    // What a crash would leave: the file and its log, with nothing closed.
    let crashed = TempDir::new().unwrap();
    for file in ["test.db", "test.db-wal"] {
        fs::copy(folder.path().join(file), crashed.path().join(file)).unwrap();
    }
    let again = open(&crashed).unwrap();
    assert!(again.read(move |view| view.product(id)).await.unwrap().is_some());
}

/// What a crash leaves of the first start is no file or one that opens: SQLite's own steps are taken under another name.
#[test]
fn a_new_database_is_whole_when_it_gets_its_name() {
    let folder = TempDir::new().unwrap();
    let path = options(&folder).path;
    let left_by_a_crash = folder.path().join(format!("test.db.{}.unfinished", std::process::id()));
    fs::write(&left_by_a_crash, "half a database").unwrap();

    create(&path).unwrap();
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["test.db"]);
    assert!(matches!(whose(&path).unwrap(), Whose::Ours));
    // In write-ahead mode already (sqlite.org/fileformat.html#file_format_version_numbers), which takes no journal later.
    assert_eq!(fs::read(&path).unwrap()[18..20], [2, 2]);

    // Another process was faster: its file stays.
    let before = fs::metadata(&path).unwrap().ino();
    make_and_name(&left_by_a_crash, &path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
}

#[test]
fn an_empty_file_is_taken() {
    let folder = TempDir::new().unwrap();
    fs::write(options(&folder).path, b"").unwrap();
    assert!(open(&folder).is_ok());
}

#[test]
fn files_of_others_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = options(&folder).path;
    for content in ["x".to_owned(), "sku,name\n".repeat(2_000)] {
        fs::write(&path, content).unwrap();
        assert!(refusal(&folder).contains("not a database of this service"));
    }
    fs::remove_file(&path).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
        .unwrap();
    assert!(refusal(&folder).contains("not a database of this service"));
}

#[tokio::test]
async fn damaged_files_are_refused() {
    let folder = filled().await;
    let path = options(&folder).path;
    let sound = fs::read(&path).unwrap();
    let size = sound.len() as u64;
    let pages = size / 4_096;
    assert!(pages > 10);
    // Every page after the first in turn, with the start of its content overwritten.
    for page in 1..pages {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0xff; 16], page * 4_096).unwrap();
        assert!(refusal(&folder).contains("damaged"), "page {page}");
        fs::write(&path, &sound).unwrap();
    }
    // Cut off in the middle.
    fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    assert!(refusal(&folder).contains("damaged"));
    fs::write(&path, &sound).unwrap();
    assert!(open(&folder).is_ok());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = filled().await;
    Connection::open(options(&folder).path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(refusal(&folder).contains("a newer version"));
}

#[test]
fn a_folder_in_place_of_the_file_is_inaccessible() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(options(&folder).path).unwrap();
    assert!(matches!(open(&folder), Err(OpenError::Inaccessible { .. })));
}

#[test]
fn connections_are_set_up_as_promised() {
    let folder = TempDir::new().unwrap();
    let writer = prepare(&options(&folder).path).unwrap();
    let pragma = |connection: &Connection, name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .unwrap()
    };
    assert_eq!(pragma(&writer, "journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma(&writer, "synchronous"), 2.into());
    assert_eq!(pragma(&writer, "foreign_keys"), 1.into());
    assert_eq!(pragma(&writer, "application_id"), i64::from(APPLICATION_ID).into());
    let reader = reader(&options(&folder).path).unwrap();
    assert!(reader.execute_batch("DELETE FROM products").is_err());
}

#[test]
fn migrations_are_sound() {
    Migrations::from_slice(MIGRATIONS).validate().unwrap();
}

/// For each version of the schema, what a service of that version could have left behind.
pub(in crate::store) const SAMPLES: &[&str] = &[
    include_str!("samples/0001.sql"),
    include_str!("samples/0002.sql"),
    include_str!("samples/0003.sql"),
    include_str!("samples/0004.sql"),
    include_str!("samples/0005.sql"),
    include_str!("samples/0006.sql"),
    include_str!("samples/0007.sql"),
    include_str!("samples/0008.sql"),
];

/// The file that a service of this version left.
pub(in crate::store) fn left_by(version: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = options(&folder).path;
    create(&path).unwrap();
    let mut connection = writer(&path).unwrap();
    Migrations::from_slice(MIGRATIONS)
        .to_version(&mut connection, version)
        .unwrap();
    connection.execute_batch(SAMPLES[version - 1]).unwrap();
    folder
}

#[test]
fn files_of_every_version_are_brought_up_to_date() {
    assert_eq!(SAMPLES.len(), MIGRATIONS.len(), "a migration without a sample");
    for version in 1..=MIGRATIONS.len() {
        let folder = left_by(version);
        let _store = open(&folder).unwrap();
        let report = audit(&options(&folder).path).unwrap();
        assert!(report.is_clean(), "from version {version}:\n{report}");
    }
}

#[tokio::test]
async fn responses_that_any_version_stored_are_replayed() {
    let key = IdempotencyKey {
        caller: String::new(),
        path: "/orders".to_owned(),
        key: "checkout-1".to_owned(),
    };
    let expected = IdempotencyRecord {
        body_hash: [0; 32],
        response: StoredResponse {
            status: 201,
            body: b"{}".to_vec(),
            location: Some("/orders/1".to_owned()),
            etag: Some("\"1\"".to_owned()),
        },
        created_at: Timestamp::from_millis(2_000),
    };
    // The first one stored none.
    for version in 2..=MIGRATIONS.len() {
        let (folder, key) = (left_by(version), key.clone());
        let stored = open(&folder)
            .unwrap()
            .read(move |view| view.idempotency_record(&key))
            .await;
        assert_eq!(stored.unwrap().as_ref(), Some(&expected), "from version {version}");
    }
}

#[tokio::test]
async fn a_file_of_the_first_version_goes_on_as_it_was() {
    let folder = left_by(1);
    let store = open(&folder).unwrap();
    let read = |view: &dyn View| Ok((view.products(None, 9)?, view.orders(&OrderFilter::default(), None, 9)?));
    let (products, orders) = store.read(read).await.unwrap();
    assert_eq!(
        products.iter().map(|product| product.version.get()).collect::<Vec<_>>(),
        [1, 1]
    );
    let states = orders.iter().map(|order| (order.version().get(), order.state()));
    let canceled = State::Canceled {
        paid_at: None,
        canceled_at: Timestamp::from_millis(4_000),
        refund_due: false,
    };
    let expected = [(1, canceled), (1, State::Pending { expires_at: None })];
    assert_eq!(states.collect::<Vec<_>>(), expected);
    // What was there before can be paid now, and what was deleted before is known to have been.
    let result = async |event: &str, order| {
        let event = payment_event(event, money(order_id(order), None, None));
        let receive = move |tx: &mut dyn Tx| payments::receive(tx, &event, NOW);
        store.write(receive).await.map(|receipt| receipt.result.name())
    };
    assert_eq!(result("e1", 1).await.unwrap(), "applied");
    assert_eq!(result("e2", 3).await.unwrap(), "order_gone");
    assert!(result("e3", 4).await.is_err());
    let report = audit(&options(&folder).path).unwrap();
    assert!(report.is_clean(), "{report}");
}

/// The orders of a product, its ledger and the ids to come are what they were, whatever is gone.
#[tokio::test]
async fn the_chains_of_the_third_version_become_lists_by_index() {
    let folder = left_by(3);
    let store = open(&folder).unwrap();
    let read = |view: &dyn View| {
        let mugs = OrderFilter {
            product_id: Some(product_id(1)),
            ..OrderFilter::default()
        };
        let orders = view.orders(&mugs, None, 99)?;
        let ledger = view.movements(product_id(1), None, 99)?;
        let ids: Vec<_> = orders.iter().map(|order| order.id().get()).collect();
        let movements: Vec<_> = ledger.iter().map(|movement| movement.id.get()).collect();
        Ok((ids, movements, view.product_has_orders(product_id(2))?))
    };
    let (ids, movements, is_in_use) = store.read(read).await.unwrap();
    assert_eq!(ids, [6, 5, 4, 3, 1]);
    assert_eq!(movements, (1..=12).rev().collect::<Vec<_>>());
    assert!(!is_in_use);
    let place = |tx: &mut dyn Tx| orders::place(tx, product_id(1), quantity(1), None, None, NOW);
    assert_eq!(
        store.write(place).await.unwrap().id(),
        order_id(8),
        "order 7 was deleted, and its id with it"
    );
    let refer = store.write(|tx| tx.insert_order(&new_order(product_id(3), 1))).await;
    assert!(refer.is_err(), "a foreign key again");
}
