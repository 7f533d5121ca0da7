//! The metrics of the store that have no place of their own: what never changes, and gauges of the database.

use metrics::{counter, gauge, histogram};

use super::{Options, PostgresStore};
use crate::metrics::table;

/// The size of the database; its replicas, and whether a commit waits for one; and whether this session is the one that tells
/// of rows: the first that asks keeps that lock until it ends (`ORIN` in ASCII, and 2).
const MEASURE: &str = "SELECT pg_database_size(current_database()), (SELECT count(*) FROM pg_stat_replication), \
     trim(current_setting('synchronous_standby_names')) <> '', \
     EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = 1330792782 \
         AND objid = 2) OR pg_try_advisory_lock(1330792782, 2)";

/// Sets what never changes in a store of these options, and creates all series that have labels: a counter that appears
/// with its first event at 1 has not grown for Prometheus, which would not see that event.
pub(super) fn register(options: &Options) {
    gauge!(table::STORE_READERS).set((options.readers.max(1) + options.scans.max(1)) as f64);
    gauge!(table::STORE_QUEUE_CAPACITY).set(options.queue_capacity.max(1) as f64);
    for reason in ["queue_full", "late"] {
        drop(counter!(table::STORE_WRITES_REFUSED, "reason" => reason));
    }
    for kind in ["read", "scan", "probe", "lookups"] {
        drop(histogram!(table::STORE_READ_WAIT, "kind" => kind));
    }
}

impl PostgresStore {
    /// Sets the gauges of the database, and says whether this instance tells how many rows there are of a kind: only one of
    /// those that share a database does. Where the database does not answer, the gauges keep their values.
    pub async fn measure(&self) -> bool {
        let readers = &self.shared.readers;
        let (reads, scans) = (readers.reads.status(), readers.scans.status());
        gauge!(table::STORE_CONNECTIONS).set((reads.size + scans.size) as f64);
        let waiting = reads.waiting + scans.waiting + readers.rows.waiting() + readers.pages.waiting();
        gauge!(table::STORE_READS_WAITING).set(waiting as f64);
        let measured = async {
            let connection = readers.probes.get().await.ok()?;
            let statement = connection.prepare_cached(MEASURE).await.ok()?;
            let row = connection.query_one(&statement, &[]).await.ok()?;
            let (bytes, replicas): (i64, i64) = (row.try_get(0).ok()?, row.try_get(1).ok()?);
            let (is_synchronous, tells): (bool, bool) = (row.try_get(2).ok()?, row.try_get(3).ok()?);
            gauge!(table::STORE_DATABASE).set(bytes as f64);
            gauge!(table::STORE_REPLICAS).set(replicas as f64);
            gauge!(table::STORE_SYNCHRONOUS).set(f64::from(u8::from(is_synchronous)));
            Some(tells)
        };
        measured.await.unwrap_or_default()
    }
}
