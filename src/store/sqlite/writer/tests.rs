//! Batches whose jobs fail, panic, or meet a failing disk.

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::params;
use tempfile::TempDir;

use super::*;
use crate::domain::{NewProduct, Product, ProductId};
use crate::store::queue::{self, Ticket};
use crate::store::{Tx, View};
use crate::testing::{NOW, fatal, initial, name, new_product, options, order_id};

const WAIT: Duration = Duration::from_secs(5);

fn writer() -> (Writer, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = options(&folder).path;
    let connection = open::prepare(&path).unwrap();
    let readers = Readers::open(&options(&folder)).unwrap();
    let writer = Writer {
        path,
        readers,
        connection: Some(connection),
        batch_max: 100,
        wal_bytes: 1 << 20,
        on_fatal: fatal(),
        lost: Lost::default(),
    };
    (writer, folder)
}

/// A job that nothing follows.
fn job<T: Send + 'static>(
    work: impl Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
    wait: Duration,
) -> (Box<dyn Job>, Ticket<T>) {
    queue::job(work, |_| (), wait)
}

/// A job that adds a product.
fn add(sku: &'static str) -> (Box<dyn Job>, Ticket<ProductId>) {
    job(move |tx| tx.insert_product(&new_product(sku, 1), NOW), WAIT)
}

/// A job that adds a product and then ends like this.
fn add_then(sku: &'static str, end: fn() -> Result<ProductId, Error>) -> (Box<dyn Job>, Ticket<ProductId>) {
    let add = move |tx: &mut dyn Tx| {
        tx.insert_product(&new_product(sku, 1), NOW)?;
        end()
    };
    job(add, WAIT)
}

/// Runs these jobs as one batch and gives their answers.
async fn run<const N: usize>(
    writer: &mut Writer,
    jobs: [(Box<dyn Job>, Ticket<ProductId>); N],
) -> Vec<Result<ProductId, Error>> {
    let (jobs, tickets): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    writer.run_batch(jobs);
    let mut answers = Vec::new();
    for ticket in tickets {
        answers.push(ticket.wait().await);
    }
    answers
}

/// The SKUs that another connection sees, that is, the committed ones.
fn committed(writer: &Writer) -> Vec<String> {
    let connection = Connection::open(&writer.path).unwrap();
    let products: Vec<Product> = Session::new(&connection).products(None, 100).unwrap();
    products.into_iter().map(|product| product.sku.to_string()).collect()
}

fn is_unavailable(answer: &Result<ProductId, Error>) -> bool {
    matches!(answer, Err(Error::StorageUnavailable(_)))
}

#[tokio::test]
async fn a_refused_or_panicking_job_is_undone_alone() {
    let (mut writer, _folder) = writer();
    let refuse = || Err(Error::OrderNotFound { id: order_id(7) });
    let jobs = [
        add("A"),
        add_then("B", refuse),
        add("C"),
        add_then("D", || panic!("on purpose")),
        add("E"),
    ];
    let answers = run(&mut writer, jobs).await;
    assert!(answers[0].is_ok() && answers[2].is_ok() && answers[4].is_ok());
    assert!(matches!(answers[1], Err(Error::OrderNotFound { .. })));
    assert!(matches!(answers[3], Err(Error::Internal(_))));
    assert_eq!(committed(&writer), ["A", "C", "E"]);
}

#[tokio::test]
async fn jobs_run_again_only_where_one_wrote_and_then_failed() {
    let (mut writer, _folder) = writer();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = |sku: &'static str| {
        let runs = Arc::clone(&runs);
        let add = move |tx: &mut dyn Tx| {
            runs.fetch_add(1, Ordering::SeqCst);
            tx.insert_product(&new_product(sku, 1), NOW)
        };
        job(add, WAIT)
    };
    let refuse = || Err(Error::OrderNotFound { id: order_id(7) });
    let refused = job(move |_| refuse(), WAIT);
    let answers = run(&mut writer, [counted("A"), refused, counted("B")]).await;
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    assert_eq!(runs.swap(0, Ordering::SeqCst), 2);
    let answers = run(&mut writer, [counted("C"), add_then("D", refuse), counted("E")]).await;
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    // The last was not reached the first time.
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert_eq!(committed(&writer), ["A", "B", "C", "E"]);
}

#[tokio::test]
async fn what_follows_a_commit_happens_without_its_caller_and_only_after_a_commit() {
    let (mut writer, _folder) = writer();
    let followed = Arc::new(Mutex::new(Vec::new()));
    let follow = |sku: &'static str| {
        let followed = Arc::clone(&followed);
        move |_: &ProductId| followed.lock().unwrap().push(sku)
    };
    // The caller leaves while its job runs.
    let caller: Arc<Mutex<Option<Ticket<ProductId>>>> = Arc::default();
    let leaving = Arc::clone(&caller);
    let add_and_leave = move |tx: &mut dyn Tx| {
        drop(leaving.lock().unwrap().take());
        tx.insert_product(&new_product("A", 1), NOW)
    };
    let (left, ticket) = queue::job(add_and_leave, follow("A"), WAIT);
    *caller.lock().unwrap() = Some(ticket);
    let refuse = |_: &mut dyn Tx| Err(Error::OrderNotFound { id: order_id(7) });
    let (refused, _refused) = queue::job(refuse, follow("B"), WAIT);
    let add = |tx: &mut dyn Tx| tx.insert_product(&new_product("C", 1), NOW);
    let (panicking, answer) = queue::job(add, |_| panic!("on purpose"), WAIT);
    writer.run_batch(vec![left, refused, panicking]);
    assert!(answer.wait().await.is_ok(), "a panic afterwards changes no answer");
    assert_eq!(committed(&writer), ["A", "C"]);
    assert_eq!(*followed.lock().unwrap(), ["A"]);
    // Not after a commit that failed.
    let blocker = Connection::open(&writer.path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = writer.connection.as_ref().unwrap();
    busy.busy_timeout(Duration::ZERO).unwrap();
    let add = |tx: &mut dyn Tx| tx.insert_product(&new_product("D", 1), NOW);
    let (failed, answer) = queue::job(add, follow("D"), WAIT);
    writer.run_batch(vec![failed]);
    assert!(answer.wait().await.is_err());
    assert_eq!(*followed.lock().unwrap(), ["A"]);
}

#[tokio::test]
async fn a_broken_constraint_is_undone_alone() {
    let (mut writer, _folder) = writer();
    let answers = run(&mut writer, [add("A"), add("A"), add("B")]).await;
    assert!(answers[0].is_ok() && matches!(answers[1], Err(Error::Internal(_))) && answers[2].is_ok());
    assert_eq!(committed(&writer), ["A", "B"]);
}

#[tokio::test]
async fn a_job_that_fails_alone_leaves_nothing() {
    let (mut writer, _folder) = writer();
    assert!(run(&mut writer, [add_then("A", || panic!("on purpose"))]).await[0].is_err());
    assert!(run(&mut writer, [add_then("B", || Err(Error::Overloaded))]).await[0].is_err());
    assert!(run(&mut writer, [add("C")]).await[0].is_ok());
    assert_eq!(committed(&writer), ["C"]);
}

/// A product that takes many pages.
fn large() -> NewProduct {
    NewProduct {
        name: name(&"x".repeat(1_000_000)),
        ..new_product("LARGE", 1)
    }
}

/// Lets the database grow no further on this connection, as a full disk would.
fn fill_disk(writer: &Writer) {
    let connection = writer.connection.as_ref().unwrap();
    let pages: i64 = connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    connection
        .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        .unwrap();
}

#[tokio::test]
async fn a_full_disk_fails_the_whole_batch_and_heals() {
    let (mut writer, _folder) = writer();
    fill_disk(&writer);
    let too_large = job(|tx| tx.insert_product(&large(), NOW), WAIT);
    let answers = run(&mut writer, [add("A"), too_large, add("B")]).await;
    assert!(answers.iter().all(is_unavailable), "{answers:?}");
    assert_eq!(committed(&writer), [""; 0]);
    // The next batch has a connection that knows nothing of the limit.
    let too_large = job(|tx| tx.insert_product(&large(), NOW), WAIT);
    assert!(run(&mut writer, [add("A"), too_large]).await.iter().all(Result::is_ok));
    assert_eq!(committed(&writer), ["A", "LARGE"]);
}

#[tokio::test]
async fn no_job_can_hide_a_failure_of_the_storage() {
    let (mut writer, _folder) = writer();
    let connection = writer.connection.take().unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'stock_movements'";
    let page: u32 = connection.query_row(root, [], |row| row.get(0)).unwrap();
    assert_eq!(checkpoint::truncate(&connection).unwrap(), checkpoint::Outcome::All);
    drop(connection);
    let file = std::fs::OpenOptions::new().write(true).open(&writer.path).unwrap();
    file.write_all_at(&[0xff; 16], u64::from(page - 1) * 4_096).unwrap();
    // Unlike a full disk, a damaged page does not make SQLite undo the transaction by itself.
    let hiding = |tx: &mut dyn Tx| {
        let id = tx.insert_product(&new_product("A", 1), NOW)?;
        let movement = tx.insert_movement(&initial(id, 1));
        assert!(matches!(movement, Err(Error::StorageUnavailable(_))));
        Ok(id)
    };
    let answers = run(&mut writer, [add("B"), job(hiding, WAIT)]).await;
    assert!(answers.iter().all(is_unavailable), "{answers:?}");
    assert_eq!(committed(&writer), [""; 0]);
    assert!(run(&mut writer, [add("C")]).await[0].is_ok());
}

#[tokio::test]
async fn a_commit_that_sqlite_refuses_fails_the_whole_batch_and_changes_nothing() {
    let (mut writer, _folder) = writer();
    // A reference that is checked at the commit and cannot be met then.
    let sabotage = "CREATE TABLE broken (id INTEGER REFERENCES products (id) DEFERRABLE INITIALLY DEFERRED);
                    CREATE TRIGGER break AFTER INSERT ON products BEGIN INSERT INTO broken VALUES (-1); END;";
    writer.connection().unwrap().execute_batch(sabotage).unwrap();
    let answers = run(&mut writer, [add("A"), add("B")]).await;
    assert!(answers.iter().all(is_unavailable), "{answers:?}");
    assert_eq!(committed(&writer), [""; 0]);
    writer
        .connection()
        .unwrap()
        .execute_batch("DROP TRIGGER break")
        .unwrap();
    writer.connection = None;
    assert!(run(&mut writer, [add("A")]).await[0].is_ok());
}

#[tokio::test]
async fn a_commit_that_fails_half_way_is_unknown_to_those_who_wrote() {
    let (mut writer, _folder) = writer();
    // SQLite ends the transaction by itself then, as after an I/O error.
    let fail = || true;
    writer.connection().unwrap().commit_hook(Some(fail)).unwrap();
    let refused = job(|_| Err(Error::OrderNotFound { id: order_id(7) }), WAIT);
    let answers = run(&mut writer, [add("A"), refused, add("B")]).await;
    for answer in [&answers[0], &answers[2]] {
        assert!(matches!(answer, Err(Error::OutcomeUnknown(_))), "{answer:?}");
    }
    assert!(is_unavailable(&answers[1]), "it had written nothing: {:?}", answers[1]);
    // The next batch has a new connection.
    assert!(run(&mut writer, [add("A")]).await[0].is_ok());
    assert_eq!(committed(&writer), ["A"]);
}

#[test]
fn only_a_failed_sync_is_fatal() {
    let error = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC] {
        assert!(failed_sync(&Error::outcome_unknown(error(code))).is_some());
        assert!(failed_sync(&Error::storage(error(code))).is_some());
    }
    for code in [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_FULL, ffi::SQLITE_CORRUPT] {
        assert_eq!(failed_sync(&Error::outcome_unknown(error(code))), None);
    }
    assert_eq!(failed_sync(&Error::Overloaded), None);
}

#[tokio::test]
async fn a_missing_file_is_not_made_anew() {
    let (mut writer, folder) = writer();
    writer.connection = None;
    let (path, aside) = (writer.path.clone(), folder.path().join("aside.db"));
    std::fs::rename(&path, &aside).unwrap();
    assert!(is_unavailable(&run(&mut writer, [add("A")]).await[0]));
    assert!(!path.exists());
    std::fs::rename(&aside, &path).unwrap();
    assert!(run(&mut writer, [add("A")]).await[0].is_ok());
}

#[tokio::test]
async fn a_database_that_others_hold_is_overloaded() {
    let (mut writer, _folder) = writer();
    let connection = writer.connection().unwrap();
    connection.busy_timeout(Duration::from_millis(10)).unwrap();
    let other = Connection::open(&writer.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(run(&mut writer, [add("A")]).await[0], Err(Error::Overloaded)));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(run(&mut writer, [add("A")]).await[0].is_ok());
}

#[tokio::test]
async fn rows_that_make_no_sense_are_faults() {
    let (mut writer, _folder) = writer();
    run(&mut writer, [add("A")]).await[0].as_ref().unwrap();
    let connection = writer.connection().unwrap();
    let orders = "INSERT INTO orders (product_id, quantity, unit_price_cents, status, created_at_ms, updated_at_ms, \
                  paid_at_ms) VALUES (1, ?1, ?2, ?3, 0, 0, ?4)";
    let insert = |quantity: i64, cents: i64, status: &str, paid_at: Option<i64>| {
        connection.execute(orders, params![quantity, cents, status, paid_at])
    };
    // The table refuses them …
    assert!(insert(1, 1, "PENDING", Some(0)).is_err());
    assert!(insert(1, 1, "PAID", None).is_err());
    assert!(insert(1, 1, "LOST", None).is_err());
    assert!(insert(0, 1, "PENDING", None).is_err());
    // … and where it could not, reading does.
    connection
        .pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    for (quantity, cents, status, paid_at) in [
        (1, 1, "PENDING", Some(0)),
        (1, 1, "PAID", None),
        (1, 1, "LOST", None),
        (0, 1, "PENDING", None),
        (2, i64::MAX, "PENDING", None),
    ] {
        insert(quantity, cents, status, paid_at).unwrap();
        let id = order_id(connection.last_insert_rowid());
        let read = Session::new(connection).order(id);
        assert!(matches!(read, Err(Error::Internal(_))), "{status} {read:?}");
    }
}
