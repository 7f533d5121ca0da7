//! The warning on Render.com where the database is not on a mounted disk and so does not survive a restart.
//!
//! It warns and refuses nothing: the check is a guess about the platform, and a guess must not stop the service.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::Settings;

/// Warns on Render where no disk is mounted for the database, so that the next deploy would delete it. A free instance
/// cannot have a disk. The database's path must be resolved, and its folder must exist.
pub fn warn_without_disk(settings: &Settings, database: &Path) {
    // Where the folder cannot be read, the store reports that with more detail.
    if settings.is_on_render() && matches!(is_on_disk(database), Ok(false)) {
        tracing::warn!(
            database = %database.display(),
            "DATABASE_URL is not on a disk, so the next deploy or restart on Render loses every order"
        );
    }
}

/// Whether the file's folder is on another file system than the root and the working folder, which Render creates anew
/// at each start.
fn is_on_disk(file: &Path) -> io::Result<bool> {
    let device = |folder: &Path| fs::metadata(folder).map(|metadata| metadata.dev());
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    };
    let own = device(folder)?;
    Ok(own != device(Path::new("/"))? && own != device(Path::new("."))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_another_file_system() {
        assert!(!is_on_disk(Path::new("orders.db")).unwrap());
        assert!(!is_on_disk(Path::new("src/orders.db")).unwrap());
        assert!(!is_on_disk(Path::new("/orders.db")).unwrap());
        is_on_disk(Path::new("/no/such/folder/orders.db")).unwrap_err();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_mounted_is_a_disk() {
        assert!(is_on_disk(Path::new("/proc/orders.db")).unwrap());
    }
}
