//! The metrics of the store that have no place of their own: what never changes, and the sizes of its files.
//!
//! Everything else is counted where it happens.

use std::fs;
use std::path::PathBuf;

use metrics::{counter, gauge, histogram};
use tokio::task::spawn_blocking;

use super::{Options, paths};
use crate::metrics::table;

/// Sets what never changes in a store of these options, and creates all series that have labels.
pub(super) fn register(options: &Options) {
    gauge!(table::STORE_READERS).set(f64::from(options.readers.max(1)) + f64::from(options.scans.max(1)));
    gauge!(table::STORE_QUEUE_CAPACITY).set(options.queue_capacity.max(1) as f64);
    drop(counter!(table::STORE_WRITES_REFUSED, "reason" => "queue_full"));
    drop(counter!(table::STORE_WRITES_REFUSED, "reason" => "late"));
    drop(histogram!(table::STORE_READ_WAIT, "kind" => "read"));
    drop(histogram!(table::STORE_READ_WAIT, "kind" => "scan"));
}

/// Reads the sizes of a database, its write-ahead log and their file system; a size that cannot be read becomes NaN.
pub async fn measure_files(database: PathBuf) {
    let measure = move || {
        let disk = rustix::fs::statvfs(&database).ok();
        let of_disk =
            |bytes: fn(&rustix::fs::StatVfs) -> u64| disk.as_ref().map_or(f64::NAN, |disk| bytes(disk) as f64);
        gauge!(table::STORE_DISK).set(of_disk(|disk| disk.f_blocks * disk.f_frsize));
        gauge!(table::STORE_DISK_FREE).set(of_disk(|disk| disk.f_bavail * disk.f_frsize));
        let file_bytes = |path| fs::metadata(path).map(|file| file.len() as f64);
        // Without a log there is nothing in it.
        gauge!(table::STORE_WAL).set(file_bytes(paths::log_of(&database)).unwrap_or(0.0));
        gauge!(table::STORE_DATABASE).set(file_bytes(database).unwrap_or(f64::NAN));
    };
    // These system calls may block. A panic is logged by its hook; then the sizes keep their values.
    let _ = spawn_blocking(measure).await;
}
