//! Metrics: the registry, the table of all metrics, and the listener that serves them.
//!
//! `http::metrics` and the store's `metrics` register theirs with the [`Recorder`] once, at the start, and keep
//! handles: counting is one atomic addition, without a look-up or a lock. Without a recorder nothing is counted. The
//! [`table`] has the name and meaning of each metric.
//!
//! This module knows nothing of products, orders or HTTP operations. The service's own address serves no metrics.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{self, Registry};

mod listener;
mod process;
pub mod table;

pub use listener::serve;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

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

/// All metrics of the process.
#[derive(Debug, Default)]
pub struct Recorder {
    registry: Registry,
}

/// The labels of one series, by name.
type Labels = Vec<(&'static str, String)>;

/// The series of a metric that has labels.
#[derive(Clone, Debug)]
pub struct Series<M, C = fn() -> M> {
    labels: &'static [&'static str],
    family: Family<Labels, M, C>,
}

impl Recorder {
    /// A recorder with the metrics of every process: its version, CPU time, memory, files and threads.
    pub fn new() -> Self {
        let mut recorder = Self::default();
        let build = recorder.gauges(&table::BUILD_INFO);
        build.of(&[env!("CARGO_PKG_VERSION")]).set(1);
        recorder.registry.register_collector(Box::new(process::Process));
        recorder
    }

    /// Registers a counter, at 0.
    pub fn counter(&mut self, row: &Metric) -> Counter {
        let counter = Counter::default();
        self.register(row, counter.clone());
        counter
    }

    /// Registers a gauge, at 0.
    pub fn gauge(&mut self, row: &Metric) -> Gauge {
        let gauge = Gauge::default();
        self.register(row, gauge.clone());
        gauge
    }

    /// Registers a histogram with these bucket bounds, and a bucket for larger values.
    pub fn histogram(&mut self, row: &Metric, buckets: &'static [f64]) -> Histogram {
        let histogram = Histogram::new(buckets.iter().copied());
        self.register(row, histogram.clone());
        histogram
    }

    /// Registers a counter with labels.
    pub fn counters(&mut self, row: &Metric) -> Series<Counter> {
        self.series(row, Counter::default)
    }

    /// Registers a gauge with labels.
    pub fn gauges(&mut self, row: &Metric) -> Series<Gauge> {
        self.series(row, Gauge::default)
    }

    /// Registers a histogram of durations with labels.
    pub fn durations(&mut self, row: &Metric) -> Series<Histogram> {
        self.series(row, || Histogram::new(DURATION_BUCKETS_SECONDS.iter().copied()))
    }

    /// Registers a gauge whose value is computed at each scrape; `None` where it is not known.
    pub fn computed_gauge(&mut self, row: &'static Metric, value: impl Fn() -> Option<f64> + Send + Sync + 'static) {
        let value = Box::new(value);
        self.registry.register_collector(Box::new(ComputedGauge { row, value }));
    }

    /// All metrics, in Prometheus' text format (version 0.0.4).
    ///
    /// # Errors
    /// Where a value cannot be encoded; every registered type can be.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn series<M>(&mut self, row: &Metric, new: fn() -> M) -> Series<M>
    where
        Family<Labels, M, fn() -> M>: registry::Metric,
    {
        let family = Family::new_with_constructor(new);
        self.register(row, family.clone());
        Series {
            labels: row.labels,
            family,
        }
    }

    fn register(&mut self, row: &Metric, metric: impl registry::Metric) {
        self.registry.register(row.stem(), row.help, metric);
    }
}

impl<M: Clone> Series<M> {
    /// The series with these label values, one for each of the metric's labels. The first call creates it.
    pub fn of(&self, values: &[&str]) -> M {
        debug_assert_eq!(self.labels.len(), values.len(), "{:?}", self.labels);
        let labels = self.labels.iter().zip(values);
        let labels = labels.map(|(label, value)| (*label, (*value).to_owned())).collect();
        self.family.get_or_create_owned(&labels)
    }
}

impl Metric {
    /// The name without `_total`, which the encoder adds.
    fn stem(&self) -> &'static str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }

    /// Writes a value that was computed for this scrape.
    fn write(&self, encoder: &mut DescriptorEncoder<'_>, value: Option<f64>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let help = format!("{}.", self.help);
        match self.kind {
            Kind::Counter => {
                let encoder = encoder.encode_descriptor(self.stem(), &help, None, MetricType::Counter)?;
                ConstCounter::new(value).encode(encoder)
            }
            Kind::Gauge | Kind::Histogram => {
                let encoder = encoder.encode_descriptor(self.stem(), &help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(encoder)
            }
        }
    }
}

/// A gauge whose value is computed at each scrape.
struct ComputedGauge {
    row: &'static Metric,
    value: Box<dyn Fn() -> Option<f64> + Send + Sync>,
}

impl fmt::Debug for ComputedGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ComputedGauge({})", self.row.name)
    }
}

impl Collector for ComputedGauge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.row.write(&mut encoder, (self.value)())
    }
}

/// Bucket bounds for durations of requests, reads and commits: from 100 µs to 10 s, three or four for each power of
/// ten. The objectives in `ops/slo.md` need a bound at 0.25.
pub const DURATION_BUCKETS_SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
