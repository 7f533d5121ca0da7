//! Restores that are killed between any two steps, over databases with and without a log, and what is refused.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use super::*;
use crate::app::products;
use crate::store::{Options, SqliteStore, Store, Tx, audit};
use crate::testing::{NOW, fatal, new_product};

const OLD: [&str; 2] = ["OLD-1", "OLD-2"];

async fn open(path: &Path) -> SqliteStore {
    let options = Options {
        path: path.to_owned(),
        ..Options::default()
    };
    SqliteStore::open_with(options, fatal()).unwrap_or_else(|error| panic!("{error}"))
}

async fn add(store: &SqliteStore, sku: &'static str) {
    let create = move |tx: &mut dyn Tx| products::create(tx, &new_product(sku, 1), NOW);
    store.write(create).await.unwrap();
}

/// The SKUs in a database that opens and whose books are right.
async fn skus(path: &Path) -> Vec<String> {
    let store = open(path).await;
    let products = store.read(|view| view.products(None, 9)).await.unwrap();
    store.close().await;
    assert!(audit(path).unwrap().is_clean());
    products.into_iter().map(|product| product.sku.to_string()).collect()
}

/// A folder with `test.db` as a kill leaves it, its second product only in the log, and a backup `backup.db` with another.
async fn killed() -> TempDir {
    let (running, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(&running.path().join("test.db")).await;
    add(&store, OLD[0]).await;
    store.close().await;
    let store = open(&running.path().join("test.db")).await;
    add(&store, OLD[1]).await;
    for name in ["test.db", "test.db-wal", "test.db-shm"] {
        fs::copy(running.path().join(name), folder.path().join(name)).unwrap();
    }
    let source = running.path().join("source.db");
    let store = open(&source).await;
    add(&store, "NEW").await;
    crate::store::backup(&source, &folder.path().join("backup.db"), &Stop::default()).unwrap();
    folder
}

fn restore_here(folder: &TempDir) -> Result<Restored, RestoreError> {
    restore(
        &folder.path().join("test.db"),
        &folder.path().join("backup.db"),
        &Stop::default(),
    )
}

fn names(folder: &TempDir) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    names.sort();
    names
}

/// What a kill after each step leaves, by the step's name.
fn snapshots(folder: &TempDir) -> Vec<(&'static str, TempDir)> {
    let mut snapshots = Vec::new();
    let mut after = |step| {
        let snapshot = TempDir::new().unwrap();
        let mut copied = BTreeMap::new();
        for name in names(folder) {
            let (from, to) = (folder.path().join(&name), snapshot.path().join(&name));
            // Two names of one file stay that.
            match copied.insert(fs::metadata(&from).unwrap().ino(), to.clone()) {
                Some(other) => fs::hard_link(other, to).unwrap(),
                None => _ = fs::copy(from, to).unwrap(),
            }
        }
        snapshots.push((step, snapshot));
    };
    let paths = [folder.path().join("test.db"), folder.path().join("backup.db")];
    restore_in_steps(&paths[0], &paths[1], &Stop::default(), &mut after).unwrap();
    snapshots
}

#[tokio::test]
async fn a_kill_between_any_two_steps_leaves_the_old_or_the_new_database() {
    let folder = killed().await;
    let snapshots = snapshots(&folder);
    let steps: Vec<_> = snapshots.iter().map(|(step, _)| *step).collect();
    let wanted = [
        "the backup was copied",
        "the old log was moved into the old database",
        "the old database has a second name",
        "nothing is beside the old database",
        "the new database is in place",
    ];
    assert_eq!(steps, wanted);
    for (step, snapshot) in snapshots {
        let database = snapshot.path().join("test.db");
        // As any program sees it, and as the service does.
        let raw: i64 = rusqlite::Connection::open(&database)
            .unwrap()
            .query_row("SELECT count(*) FROM products", [], |row| row.get(0))
            .unwrap();
        let found = skus(&database).await;
        if step == "the new database is in place" {
            assert_eq!((raw, found), (1, vec!["NEW".to_owned()]), "{step}");
        } else {
            assert_eq!((raw, &found[..]), (2, &OLD.map(str::to_owned)[..]), "{step}");
        }
        // Another attempt succeeds from there.
        restore_here(&snapshot).unwrap();
        assert_eq!(skus(&database).await, ["NEW"], "{step}");
    }
    assert_eq!(names(&folder), ["backup.db", "test.db", "test.db.replaced-1"]);
    assert_eq!(skus(&folder.path().join("test.db")).await, ["NEW"]);
    assert_eq!(skus(&folder.path().join("test.db.replaced-1")).await, OLD);
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_set_aside_as_it_is() {
    let folder = killed().await;
    let database = folder.path().join("test.db");
    // The page size, and the log that would mend it: the mark of the service stays, and SQLite takes it for no database.
    for (file, offset) in [(&database, 16), (&paths::log_of(&database), 24)] {
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        file.write_all_at(&[0xff; 2], offset).unwrap();
    }
    let before = ["", "-wal"].map(|suffix| fs::read(paths::beside(&database, suffix)).unwrap());
    let snapshots = snapshots(&folder);
    assert!(
        snapshots
            .iter()
            .any(|(step, _)| step.starts_with("a file that every start refuses"))
    );
    for (step, snapshot) in snapshots {
        let database = snapshot.path().join("test.db");
        let is_new = step == "the new database is in place";
        let options = Options {
            path: database.clone(),
            ..Options::default()
        };
        // Never the old file without its log, and never the new one with it.
        let opened = SqliteStore::open_with(options, fatal());
        assert_eq!(opened.is_ok(), is_new, "{step}");
        if let Ok(store) = opened {
            store.close().await;
        }
        restore_here(&snapshot).unwrap();
        assert_eq!(skus(&database).await, ["NEW"], "{step}");
        let old = snapshot.path().join("test.db.replaced-1");
        let set_aside = ["", "-wal"].map(|suffix| fs::read(paths::beside(&old, suffix)).unwrap());
        assert!(set_aside == before, "{step}");
    }
    assert_eq!(
        names(&folder),
        ["backup.db", "test.db", "test.db.replaced-1", "test.db.replaced-1-wal"]
    );
}

#[tokio::test]
async fn a_log_without_its_database_is_refused_by_a_start_and_set_aside_by_a_restore() {
    let folder = killed().await;
    let database = folder.path().join("test.db");
    let log = fs::read(paths::log_of(&database)).unwrap();
    for is_empty in [false, true] {
        fs::remove_file(&database).unwrap();
        if is_empty {
            fs::write(&database, "").unwrap();
            fs::write(paths::log_of(&database), &log).unwrap();
        }
        let options = Options {
            path: database.clone(),
            ..Options::default()
        };
        let refused = SqliteStore::open_with(options, fatal())
            .err()
            .expect("refused")
            .to_string();
        assert!(refused.contains("write-ahead log is there"), "{refused}");
        assert_eq!(fs::read(paths::log_of(&database)).unwrap(), log);
        restore_here(&folder).unwrap();
        assert_eq!(skus(&database).await, ["NEW"]);
        let set_aside = if is_empty {
            "test.db.replaced-2-wal"
        } else {
            "test.db.replaced-1-wal"
        };
        assert_eq!(fs::read(folder.path().join(set_aside)).unwrap(), log);
    }
}

#[tokio::test]
async fn a_second_name_that_a_killed_restore_left_goes() {
    let folder = killed().await;
    let database = folder.path().join("test.db");
    fs::hard_link(&database, folder.path().join("test.db.replaced-1")).unwrap();
    let restored = restore_here(&folder).unwrap();
    assert_eq!(
        restored.set_aside,
        Some(fs::canonicalize(folder.path()).unwrap().join("test.db.replaced-1"))
    );
    assert_eq!(skus(&folder.path().join("test.db.replaced-1")).await, OLD);
    assert_eq!(
        restore_here(&folder).unwrap().set_aside.unwrap().file_name().unwrap(),
        "test.db.replaced-2"
    );
}

#[tokio::test]
async fn a_missing_database_is_made_and_a_log_of_the_backup_counts() {
    let folder = killed().await;
    // A killed service's file is a backup, too, if its log is with it.
    let database = folder.path().join("new/folder/shop.db");
    let restored = restore(&database, &folder.path().join("test.db"), &Stop::default()).unwrap();
    assert_eq!(restored.set_aside, None);
    assert_eq!(restored.bytes, fs::metadata(&database).unwrap().len());
    assert_eq!(skus(&database).await, OLD);
}

#[tokio::test]
async fn a_link_to_the_database_stays_a_link() {
    let folder = killed().await;
    let link = folder.path().join("link.db");
    symlink("test.db", &link).unwrap();
    restore(&link, &folder.path().join("backup.db"), &Stop::default()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(skus(&folder.path().join("test.db")).await, ["NEW"]);
}

#[tokio::test]
async fn the_new_file_has_the_mode_of_the_old() {
    let folder = killed().await;
    let database = folder.path().join("test.db");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600)).unwrap();
    restore_here(&folder).unwrap();
    assert_eq!(fs::metadata(&database).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_refused_leaves_everything_as_it_was() {
    let folder = killed().await;
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "Dear Sirs, ".repeat(100)).unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::hard_link(path("test.db"), path("hard.db")).unwrap();
    symlink("test.db", path("soft.db")).unwrap();
    fs::copy(path("backup.db"), path("newer.db")).unwrap();
    let newer = rusqlite::Connection::open(path("newer.db")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    newer.close().unwrap();
    fs::copy(path("backup.db"), path("damaged.db")).unwrap();
    let damaged = fs::OpenOptions::new().write(true).open(path("damaged.db")).unwrap();
    damaged.write_all_at(&[0xff; 64], 8_192).unwrap();
    let before: Vec<_> = names(&folder)
        .into_iter()
        .map(|name| (fs::read(folder.path().join(&name)).unwrap(), name))
        .collect();
    let refused = |database: &str, backup: &str| {
        let error = restore(&path(database), &path(backup), &Stop::default()).unwrap_err();
        let now: Vec<_> = names(&folder)
            .into_iter()
            .map(|name| (fs::read(folder.path().join(&name)).unwrap(), name))
            .collect();
        assert!(now == before, "{database}, {backup}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        error
    };
    for same in ["test.db", "hard.db", "soft.db"] {
        assert!(
            matches!(refused("test.db", same), RestoreError::SameFile { .. }),
            "{same}"
        );
    }
    for none in ["text", "empty"] {
        assert!(
            matches!(refused("test.db", none), RestoreError::NoBackup { .. }),
            "{none}"
        );
    }
    assert!(matches!(refused("test.db", "missing"), RestoreError::Unreadable { .. }));
    assert!(matches!(refused("test.db", "newer.db"), RestoreError::Newer { .. }));
    assert!(matches!(refused("test.db", "damaged.db"), RestoreError::Damaged { .. }));
    assert!(matches!(refused("text", "backup.db"), RestoreError::Foreign { .. }));
    let stop = Stop::default();
    stop.store(true, Ordering::SeqCst);
    let stopped = restore(&path("test.db"), &path("backup.db"), &stop);
    assert!(matches!(stopped, Err(RestoreError::Stopped { .. })));
    assert_eq!(names(&folder).len(), before.len());
}

#[tokio::test]
async fn beside_a_running_service_nothing_is_restored() {
    let folder = killed().await;
    let store = open(&folder.path().join("test.db")).await;
    assert!(matches!(restore_here(&folder), Err(RestoreError::InUse { .. })));
    add(&store, "MORE").await;
    store.close().await;
    restore_here(&folder).unwrap();
}
