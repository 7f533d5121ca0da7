//! An open-loop load generator: it sends requests at a constant rate.
//!
//! A closed loop, such as Locust's visitors, sends fewer requests when the service gets slower. Here the arrivals are
//! scheduled in advance, `rate` of them a second, and a latency counts from the scheduled time, so it includes waiting
//! for a free connection. The last line of output is the result, as JSON.
//!
//! `flow` has the mix of requests, `connection` the HTTP client.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use connection::Connection;
use flow::{Flow, Mix};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};

mod connection;
mod flow;

/// How many different failures are reported.
const FAILURES_REPORTED_MAX: usize = 5;
/// How long to wait for responses after the last arrival.
const DRAIN: Duration = Duration::from_secs(2);

/// The command line.
#[derive(Debug, Parser)]
struct Arguments {
    /// Arrivals a second
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long to measure
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// How long to run at this rate before measuring
    #[arg(long, default_value_t = 1)]
    warm_up_seconds: u32,
    /// Most requests in flight; further ones wait, and their latency includes the wait
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// The mix of requests
    #[arg(long, value_enum, default_value = "shop")]
    mix: Mix,
    /// The service, as http://HOST:PORT
    #[arg(long, env)]
    base_url: String,
    /// An API key, if the service has any
    #[arg(long, env, hide_env_values = true, default_value = "")]
    api_key: String,
    /// The service's webhook secret
    #[arg(long, env, hide_env_values = true)]
    webhook_secret: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match LocalSet::new().block_on(&runtime, run(&arguments)) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(line) => failed(&line),
    }
}

fn failed(line: &str) -> ExitCode {
    eprintln!("open-loop: {line}");
    ExitCode::FAILURE
}

async fn run(arguments: &Arguments) -> Result<Value, String> {
    let target = connection::Target::new(&arguments.base_url, &arguments.api_key, &arguments.webhook_secret)?;
    let mut connections = Vec::new();
    for _ in 0..arguments.connections {
        connections.push(Connection::open(&target).await?);
    }
    let first = connections.first_mut().ok_or("--connections must be at least 1")?;
    let flow = Rc::new(Flow::prepare(arguments.mix, first).await?);
    let measured = Rc::new(RefCell::new(Measured::default()));

    let began = SystemTime::now();
    let schedule = Rc::new(Schedule::new(arguments));
    let workers: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            let (schedule, flow, measured) = (Rc::clone(&schedule), Rc::clone(&flow), Rc::clone(&measured));
            spawn_local(work(connection, schedule, flow, measured))
        })
        .collect();
    schedule.release(arguments.connections);
    let end = tokio::time::Instant::from_std(schedule.due(schedule.arrivals)) + DRAIN;
    for mut worker in workers {
        if tokio::time::timeout_at(end, &mut worker).await.is_err() {
            worker.abort();
        }
    }
    let measured = measured.borrow();
    Ok(report(arguments, &measured, began))
}

/// The schedule of the arrivals.
struct Schedule {
    due: Arc<Semaphore>,
    next: Cell<u64>,
    started: Instant,
    rate: u32,
    /// The number of arrivals at the start that are not measured.
    warm_up: u64,
    arrivals: u64,
}

impl Schedule {
    fn new(arguments: &Arguments) -> Self {
        let [warm_up, measured] = [arguments.warm_up_seconds, arguments.seconds]
            .map(|seconds| u64::from(arguments.rate) * u64::from(seconds));
        Self {
            due: Arc::new(Semaphore::new(0)),
            next: Cell::new(0),
            started: Instant::now(),
            rate: arguments.rate,
            warm_up,
            arrivals: warm_up + measured,
        }
    }

    /// The scheduled time of an arrival.
    fn due(&self, arrival: u64) -> Instant {
        due(self.started, self.rate, arrival)
    }

    /// Releases the arrivals on schedule, and at the end stops the workers.
    ///
    /// Runs on a separate thread, whose sleep is more precise than the runtime's millisecond timers.
    fn release(&self, workers: usize) {
        let (permits, started, rate, arrivals) = (Arc::clone(&self.due), self.started, self.rate, self.arrivals);
        thread::spawn(move || {
            for arrival in 0..arrivals {
                thread::sleep(due(started, rate, arrival).saturating_duration_since(Instant::now()));
                permits.add_permits(1);
            }
            permits.add_permits(workers);
        });
    }

    /// Waits for the next arrival; `None` after the last.
    async fn arrival(&self) -> Option<u64> {
        self.due.acquire().await.ok()?.forget();
        let arrival = self.next.replace(self.next.get() + 1);
        (arrival < self.arrivals).then_some(arrival)
    }
}

fn due(started: Instant, rate: u32, arrival: u64) -> Instant {
    started + Duration::from_nanos(arrival * 1_000_000_000 / u64::from(rate))
}

/// The work of one connection: one arrival after another.
async fn work(mut connection: Connection, schedule: Rc<Schedule>, flow: Rc<Flow>, measured: Rc<RefCell<Measured>>) {
    while let Some(arrival) = schedule.arrival().await {
        let step = flow.next();
        let name = step.name();
        let outcome = flow.take(step, &mut connection).await;
        if arrival >= schedule.warm_up {
            let latency = schedule.due(arrival).elapsed();
            measured.borrow_mut().add(name, latency, outcome);
        }
    }
}

/// The results of the measured requests.
#[derive(Default)]
struct Measured {
    /// Latencies in microseconds, by the request's name.
    latencies: BTreeMap<&'static str, Vec<u32>>,
    failed: u64,
    failures: BTreeMap<String, u64>,
}

impl Measured {
    fn add(&mut self, name: &'static str, latency: Duration, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                let latencies = self.latencies.entry(name).or_default();
                latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
            }
            Err(failure) => {
                self.failed += 1;
                if self.failures.len() < FAILURES_REPORTED_MAX || self.failures.contains_key(&failure) {
                    *self.failures.entry(failure).or_default() += 1;
                }
            }
        }
    }
}

/// The result, as JSON. Latencies are those of successful requests, in milliseconds.
fn report(arguments: &Arguments, measured: &Measured, began: SystemTime) -> Value {
    let offered = u64::from(arguments.rate) * u64::from(arguments.seconds);
    let mut all: Vec<u32> = measured.latencies.values().flatten().copied().collect();
    let succeeded = all.len();
    let by_name: BTreeMap<_, _> = measured
        .latencies
        .iter()
        .map(|(name, latencies)| (*name, percentiles(&mut latencies.clone())))
        .collect();
    let warm_up = Duration::from_secs(arguments.warm_up_seconds.into());
    let from = (began + warm_up).duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "rate": arguments.rate,
        "offered": offered,
        "succeeded": succeeded,
        "failed": measured.failed,
        "unanswered": offered.saturating_sub(measured.failed).saturating_sub(succeeded as u64),
        "failures": measured.failures,
        "latency_ms": percentiles(&mut all),
        "by_name": by_name,
        "from": from.as_secs_f64(),
        "seconds": arguments.seconds,
    })
}

fn percentiles(latencies: &mut [u32]) -> Value {
    latencies.sort_unstable();
    let at = |per_mille: usize| {
        let rank = (latencies.len() * per_mille).div_ceil(1000).max(1) - 1;
        latencies.get(rank).map(|micros| f64::from(*micros) / 1000.0)
    };
    json!({"count": latencies.len(), "p50": at(500), "p95": at(950), "p99": at(990), "p99.9": at(999), "max": at(1000)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed() {
        let mut latencies: Vec<u32> = (1..=1000).rev().map(|milli| milli * 1000).collect();
        let expected = json!({"count": 1000, "p50": 500.0, "p95": 950.0, "p99": 990.0, "p99.9": 999.0, "max": 1000.0});
        assert_eq!(percentiles(&mut latencies), expected);
        assert_eq!(percentiles(&mut [2000])["p50"], 2.0);
        assert_eq!(percentiles(&mut [])["p99"], Value::Null);
    }

    #[test]
    fn arrivals_are_evenly_spaced() {
        let started = Instant::now();
        assert_eq!(due(started, 4, 0), started);
        assert_eq!(due(started, 4, 6), started + Duration::from_millis(1500));
    }
}
