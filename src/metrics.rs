//! Metrics: the table of all metrics, their recorder, and the listener that serves them.
//!
//! Code counts where something happens, with the macros of the crate `metrics` and the names of the [`table`]. Without
//! an [`Exporter`] there is no recorder, and the macros do nothing.
//!
//! This module knows nothing of products, orders or HTTP operations. The service's own address serves no metrics.

use metrics::{Gauge, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

mod exporter;
pub mod table;

pub use exporter::Exporter;

/// A row of the [`table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type in Prometheus.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Its meaning, without a full stop.
    pub help: &'static str,
}

/// The type of a metric in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that only grows, from 0 at the start of the process.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Counts of observed values, by size.
    Histogram,
}

/// Bucket bounds for durations of requests, reads and commits: from 100 µs to 10 s, three or four for each power of
/// ten. The objectives in `ops/slo.md` need a bound at 0.25.
const DURATION_BUCKETS_SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Bucket bounds for the writes of one transaction, of which the store's default allows 128.
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Installs the recorder of this process and creates every series that has no labels, at 0. Series with labels are
/// created by the code that knows the values.
///
/// # Errors
/// Where the process has a recorder already.
fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets(DURATION_BUCKETS_SECONDS)?
        .set_buckets_for_metric(Matcher::Full(table::STORE_BATCH_WRITES.to_owned()), BATCH_BUCKETS)?
        .install_recorder()?;
    for row in table::ALL {
        let (name, help) = (row.name, format!("{}.", row.help));
        let has_labels = !row.labels.is_empty();
        match row.kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => describe_histogram!(name, help),
        }
        match row.kind {
            _ if has_labels => {}
            Kind::Counter => drop(counter!(name)),
            Kind::Gauge => drop(gauge!(name)),
            Kind::Histogram => drop(histogram!(name)),
        }
    }
    gauge!(table::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1);
    Ok(handle)
}

/// Adds one to a gauge until it is dropped.
#[derive(Debug)]
#[must_use = "the gauge goes down when this is dropped"]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    /// Adds one to the gauge of this name, which has no labels.
    pub fn new(name: &'static str) -> Self {
        let gauge = gauge!(name);
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
