//! The metrics of the process itself, read from the system at each scrape.

use std::fmt;

use metrics_process::collector;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::table;

/// The process metrics that Prometheus' client libraries share.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    #[allow(
        clippy::cast_precision_loss,
        reason = "Prometheus' values are doubles; none of these comes near 2^53"
    )]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let seen = collector::collect();
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        for (row, value) in [
            (table::PROCESS_CPU, seen.cpu_seconds_total),
            (table::PROCESS_OPEN_FDS, whole(seen.open_fds)),
            (table::PROCESS_MAX_FDS, whole(seen.max_fds)),
            (table::PROCESS_RESIDENT_MEMORY, whole(seen.resident_memory_bytes)),
            (table::PROCESS_VIRTUAL_MEMORY, whole(seen.virtual_memory_bytes)),
            (table::PROCESS_THREADS, whole(seen.threads)),
            (table::PROCESS_START_TIME, whole(seen.start_time_seconds)),
        ] {
            row.write(&mut encoder, value)?;
        }
        Ok(())
    }
}
