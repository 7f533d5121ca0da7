//! Backups of a database in use, and what is refused.

use std::ffi::OsString;
use std::os::unix::fs::{FileExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::*;
use crate::app::{orders, products};
use crate::domain::{OrderId, ProductId};
use crate::store::{Options, OrderFilter, SqliteStore, Store, Tx, audit};
use crate::testing::{NOW, new_product, options, product_id, quantity};

fn backup(from: &Path, to: &Path) -> Result<Backup, BackupError> {
    super::backup(from, to, &Stop::default())
}

/// A store with a thousand mugs.
async fn shop() -> (SqliteStore, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(options(&folder)).unwrap();
    let create = |tx: &mut dyn Tx| products::create(tx, &new_product("MUG", 1_000_000), NOW);
    store.write(create).await.unwrap();
    (store, folder)
}

async fn place(store: &SqliteStore) -> OrderId {
    let place = |tx: &mut dyn Tx| orders::place(tx, product_id(1), quantity(1), None, None, NOW);
    store.write(place).await.unwrap().id()
}

fn files(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    names.sort();
    names
}

fn has_unfinished(folder: &Path) -> bool {
    files(folder)
        .iter()
        .any(|name| name.to_string_lossy().contains("unfinished"))
}

/// What a refused backup says; it must leave nothing.
fn refusal(from: &Path, to: &Path) -> BackupError {
    let folder = to.parent().unwrap();
    let before = files(folder);
    let error = backup(from, to).unwrap_err();
    assert_eq!(files(folder), before, "something was left behind");
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_all_that_was_acknowledged_before_it_began() {
    let (store, folder) = shop().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (store, is_over) = (store.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    place(&store).await;
                }
            })
        })
        .collect();
    let backups = TempDir::new().unwrap();
    for n in 0..5 {
        let acknowledged = place(&store).await;
        let (from, to) = (options(&folder).path, backups.path().join(format!("{n}.db")));
        let made = {
            let to = to.clone();
            tokio::task::spawn_blocking(move || backup(&from, &to))
                .await
                .unwrap()
                .unwrap()
        };
        assert_eq!(made.bytes, fs::metadata(&to).unwrap().len());
        assert_eq!(made.path, to);
        let report = audit(&to).unwrap();
        assert!(report.is_clean(), "{report}");
        // It opens, and goes on where it was.
        let restored = SqliteStore::open(Options {
            path: to,
            ..Options::default()
        })
        .unwrap();
        let count = usize::try_from(acknowledged.get()).unwrap() + 100_000;
        let all = restored.read(move |view| view.orders(&OrderFilter::default(), None, count));
        let ids: Vec<_> = all.await.unwrap().iter().rev().map(|order| order.id().get()).collect();
        assert!(ids.len() >= usize::try_from(acknowledged.get()).unwrap());
        assert!(ids.iter().copied().eq(1..=i64::try_from(ids.len()).unwrap()));
        assert_eq!(place(&restored).await.get(), i64::try_from(ids.len()).unwrap() + 1);
        restored.close().await;
    }
    is_over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(!has_unfinished(backups.path()));
}

#[tokio::test]
async fn a_closed_database_is_backed_up_too() {
    let (store, folder) = shop().await;
    store.close().await;
    let to = folder.path().join("copy.db");
    backup(&options(&folder).path, &to).unwrap();
    assert!(audit(&to).unwrap().is_clean());
}

#[tokio::test]
async fn ids_go_on_where_they_were() {
    let (store, folder) = shop().await;
    // The last of both, gone: only the counters know of them.
    let add_and_remove = |tx: &mut dyn Tx| {
        let order = orders::place(tx, product_id(1), quantity(1), None, None, NOW)?.id();
        orders::delete(tx, order, &crate::domain::Expected::ANY, NOW)?;
        let pot = products::create(tx, &new_product("POT", 1), NOW)?.id;
        products::delete(tx, pot, &crate::domain::Expected::ANY)
    };
    store.write(add_and_remove).await.unwrap();
    let path = folder.path().join("copy.db");
    backup(&options(&folder).path, &path).unwrap();
    let copy = SqliteStore::open(Options {
        path,
        ..Options::default()
    })
    .unwrap();
    assert_eq!(place(&copy).await.get(), 2);
    let pan = copy.write(|tx| products::create(tx, &new_product("PAN", 1), NOW)).await;
    assert_eq!(pan.unwrap().id, ProductId::new(3).unwrap());
}

#[tokio::test]
async fn what_is_there_is_never_replaced() {
    let (_store, folder) = shop().await;
    let from = options(&folder).path;
    let to = folder.path().join("copy.db");
    fs::write(&to, "mine").unwrap();
    assert!(matches!(refusal(&from, &to), BackupError::Exists { .. }));
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    assert!(matches!(refusal(&from, &from), BackupError::Exists { .. }));
    assert!(matches!(refusal(&from, folder.path()), BackupError::Exists { .. }));
    let link = folder.path().join("link.db");
    symlink(folder.path().join("nowhere.db"), &link).unwrap();
    assert!(matches!(refusal(&from, &link), BackupError::Exists { .. }));
}

#[tokio::test]
async fn of_two_backups_to_one_name_one_is_made() {
    let (_store, folder) = shop().await;
    let (from, to) = (options(&folder).path, folder.path().join("copy.db"));
    let backups: Vec<_> = (0..4)
        .map(|_| {
            let (from, to) = (from.clone(), to.clone());
            std::thread::spawn(move || backup(&from, &to))
        })
        .collect();
    let made: Vec<_> = backups.into_iter().map(|backup| backup.join().unwrap()).collect();
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for refused in made.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, BackupError::Exists { .. }), "{refused}");
    }
    assert!(audit(&to).unwrap().is_clean());
    assert!(!has_unfinished(folder.path()));
}

#[tokio::test]
async fn what_a_killed_backup_left_is_in_nobodys_way() {
    let (_store, folder) = shop().await;
    let left = folder.path().join("copy.db.0.unfinished");
    fs::write(&left, "half").unwrap();
    backup(&options(&folder).path, &folder.path().join("copy.db")).unwrap();
    assert_eq!(fs::read(&left).unwrap(), b"half");
}

#[tokio::test]
async fn what_cannot_be_read_or_written_is_refused() {
    let (_store, folder) = shop().await;
    let from = options(&folder).path;
    let to = folder.path().join("copy.db");
    let missing = folder.path().join("missing.db");
    assert!(matches!(refusal(&missing, &to), BackupError::Foreign { .. }));
    let text = folder.path().join("text");
    fs::write(&text, "sku,name").unwrap();
    assert!(matches!(refusal(&text, &to), BackupError::Foreign { .. }));
    assert!(matches!(refusal(folder.path(), &to), BackupError::Unreadable { .. }));
    let nowhere = folder.path().join("no/such/copy.db");
    assert!(matches!(
        backup(&from, &nowhere).unwrap_err(),
        BackupError::Unwritable { .. }
    ));
    assert!(matches!(
        backup(&from, Path::new("..")).unwrap_err(),
        BackupError::Exists { .. }
    ));
    let line = backup(&from, &nowhere).unwrap_err().to_string();
    assert!(
        line.starts_with("cannot write the backup ") && line.contains("no/such/copy.db"),
        "{line}"
    );
}

#[tokio::test]
async fn a_damaged_database_makes_no_backup() {
    let (store, folder) = shop().await;
    for _ in 0..300 {
        place(&store).await;
    }
    store.close().await;
    let (from, to) = (options(&folder).path, folder.path().join("copy.db"));
    let sound = fs::read(&from).unwrap();
    for page in 1..sound.len() as u64 / 4_096 {
        let file = fs::OpenOptions::new().write(true).open(&from).unwrap();
        file.write_all_at(&[0xff; 16], page * 4_096).unwrap();
        // A copy is made of what is read, so damage that nothing reads (an index, which is made anew) is left behind.
        match backup(&from, &to) {
            Ok(_) => {
                assert!(audit(&to).unwrap().is_clean(), "page {page}");
                fs::remove_file(&to).unwrap();
            }
            Err(error) => {
                assert!(matches!(error, BackupError::Damaged { .. }), "page {page}: {error}");
                assert!(!to.exists());
            }
        }
        fs::write(&from, &sound).unwrap();
    }
}

/// What a disk could make of a copy between its writing and its reading back.
#[tokio::test]
async fn a_copy_that_is_not_whole_is_not_published() {
    let (store, folder) = shop().await;
    store.close().await;
    let (from, copy) = (options(&folder).path, folder.path().join("copy"));
    backup(&from, &copy).unwrap();
    let finding = |bytes: &[u8]| {
        fs::write(&copy, bytes).unwrap();
        match copying::check(&copy, Pace::BESIDE_OTHERS, &Stop::default()) {
            Ok(()) => None,
            Err(CopyError::Damaged(finding)) => Some(finding),
            Err(other) => panic!("{other:?}"),
        }
    };
    let whole = fs::read(&copy).unwrap();
    assert_eq!(finding(&whole), None);
    assert!(finding(&whole[..whole.len() / 2]).is_some());
    let mut damaged = whole.clone();
    damaged[4_096..4_112].fill(0xff);
    assert!(finding(&damaged).is_some());
    assert_eq!(finding(b""), Some("its mark is missing".to_owned()));
    let mut unmarked = whole;
    unmarked[68..72].fill(0);
    assert_eq!(finding(&unmarked), Some("its mark is missing".to_owned()));
}

#[tokio::test]
async fn a_backup_that_is_stopped_leaves_nothing() {
    let (_store, folder) = shop().await;
    let to = folder.path().join("copy.db");
    let stop = Stop::default();
    stop.store(true, Ordering::SeqCst);
    let before = files(folder.path());
    let stopped = super::backup(&options(&folder).path, &to, &stop);
    assert!(matches!(stopped, Err(BackupError::Stopped { .. })), "{stopped:?}");
    assert_eq!(files(folder.path()), before);
}
