//! The paths of a database: the one that its file has, and those of the files beside it.
//!
//! A path is resolved once, before anything is opened. SQLite keeps the write-ahead log beside the file and not beside a
//! symbolic link to it, so whatever looks for the log must start from the same path.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How many symbolic links may follow each other, as on Linux.
const LINKS_MAX: usize = 40;

/// The absolute path of a file without symbolic links. The file may be missing, its folder must be there.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let folder = fs::canonicalize(folder_of(&path))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        path = folder.join(name);
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            // It is no link, or nothing.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The folder that a path stands in.
pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

/// Makes the folder of a file and those that it lies in, where they are missing. A new name is on the disk once the folder
/// that it stands in is synced.
pub(super) fn make_folder_of(file: &Path) -> io::Result<()> {
    let folder = folder_of(file);
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| *folder != Path::new("") && !folder.exists())
        .collect();
    fs::create_dir_all(folder)?;
    for made in missing {
        sync_folder_of(made)?;
    }
    Ok(())
}

/// Has the names in the folder of this path written to the disk.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// The write-ahead log of this database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    beside(database, "-wal")
}

/// The index of the write-ahead log, which connections share as memory.
pub(super) fn index_of(database: &Path) -> PathBuf {
    beside(database, "-shm")
}

/// The rollback journal, which SQLite keeps where there is no write-ahead log.
pub(super) fn journal_of(database: &Path) -> PathBuf {
    beside(database, "-journal")
}

/// The file that is locked while a service uses this database.
pub(super) fn lock_of(database: &Path) -> PathBuf {
    beside(database, "-lock")
}

/// A path with this at its end.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Removes a file, which may be missing.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn links_to_the_file_and_to_its_folder_lead_to_one_path() {
        let folder = TempDir::new().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("disk/shop")).unwrap();
        let real = root.join("disk/shop/a.db");
        symlink("disk/shop", root.join("data")).unwrap();
        symlink(&real, root.join("absolute.db")).unwrap();
        symlink("absolute.db", root.join("chain.db")).unwrap();
        symlink("../../absolute.db", root.join("disk/shop/back.db")).unwrap();
        let names = [
            "disk/shop/a.db",
            "data/a.db",
            "absolute.db",
            "chain.db",
            "data/back.db",
            "disk/../chain.db",
        ];
        // A file that is not there yet has its path already.
        for is_there in [false, true] {
            for name in names {
                assert_eq!(resolve(&root.join(name)).unwrap(), real, "{name}, there: {is_there}");
            }
            fs::write(&real, "").unwrap();
        }
        symlink("circle.db", root.join("circle.db")).unwrap();
        assert!(resolve(&root.join("circle.db")).is_err());
        assert!(resolve(&root.join("no/such/folder/a.db")).is_err());
    }
}
