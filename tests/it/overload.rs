//! Ten times as many concurrent writes as the queue holds: the service refuses the excess at once, loses nothing, stays
//! healthy, and serves all requests again afterwards.
//!
//! The load lasts a few seconds, or `OVERLOAD_SECONDS`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::process::{Server, command, run};
use crate::support::wire::Wire;

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1000000000}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

/// The capacity of the write queue.
const REQUESTS_MAX: usize = 16;
/// The load as a multiple of the capacity.
const TIMES: usize = 10;

/// The responses that clients got.
#[derive(Debug, Default)]
struct Seen {
    served: u64,
    refused: u64,
    slowest_refusal: Duration,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.refused += other.refused;
        self.slowest_refusal = self.slowest_refusal.max(other.slowest_refusal);
    }
}

/// Orders one after another, until then.
async fn keep_ordering(address: SocketAddr, until: Instant) -> Seen {
    let mut wire = Wire::open(address).await.unwrap();
    let mut seen = Seen::default();
    while Instant::now() < until {
        let asked = Instant::now();
        let got = wire.ask("POST", "/orders", ORDER).await.expect("an answer in time");
        match got.status {
            201 => seen.served += 1,
            503 => {
                assert_eq!(got.header("retry-after"), Some("1"), "{got:?}");
                assert_eq!(got.json()["type"], "/problems/overloaded");
                seen.refused += 1;
                seen.slowest_refusal = seen.slowest_refusal.max(asked.elapsed());
            }
            _ => panic!("{got:?}"),
        }
    }
    seen
}

/// Runs this many clients for this long; returns all their responses.
async fn crowd(address: SocketAddr, clients: usize, lasting: Duration) -> Seen {
    let until = Instant::now() + lasting;
    let mut crowd: JoinSet<_> = (0..clients).map(|_| keep_ordering(address, until)).collect();
    let mut all = Seen::default();
    while let Some(seen) = crowd.join_next().await {
        all.add(&seen.unwrap());
    }
    all
}

/// Checks the service's health, until then; returns the number of checks.
async fn watch(address: SocketAddr, until: Instant) -> u32 {
    let mut looks = 0;
    while Instant::now() < until {
        for path in ["/healthz", "/readyz"] {
            let mut wire = Wire::open(address).await.unwrap();
            let got = wire.ask("GET", path, "").await.expect("health in time");
            assert_eq!(got.status, 200, "{path}: {got:?}");
            looks += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    looks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_too_much_is_refused_at_once_and_costs_nothing() {
    let seconds = std::env::var("OVERLOAD_SECONDS").map_or(4, |seconds| seconds.parse().unwrap());
    let lasting = Duration::from_secs(seconds);
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    let configured = || {
        let mut command = command(&database);
        command
            .env("RUST_LOG", "warn")
            .env("REQUESTS_MAX", REQUESTS_MAX.to_string());
        command
    };
    let server = Server::start(&mut configured());
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);

    let before = crowd(server.address, REQUESTS_MAX, Duration::from_secs(1)).await;
    assert_eq!(before.refused, 0, "within the capacity all requests are served");
    let health = tokio::spawn(watch(server.address, Instant::now() + lasting));
    let during = crowd(server.address, TIMES * REQUESTS_MAX, lasting).await;
    let looks = health.await.unwrap();
    let after = crowd(server.address, REQUESTS_MAX, Duration::from_secs(1)).await;
    println!("before {before:?}\nduring {during:?}\nafter  {after:?}\n{looks} health checks");

    assert!(during.served > 0 && during.refused > 0, "{during:?}");
    assert!(looks > 10);
    assert!(
        after.served > 0 && after.refused == 0,
        "all requests are served again: {after:?}"
    );
    // Refused orders were not placed, and acknowledged ones were.
    let orders = before.served + during.served + after.served;
    let stock = server.ask("GET", "/products/1", "").1["stock"].as_u64();
    assert_eq!(stock, Some(1_000_000_000 - orders));
    assert!(server.stop(Signal::TERM).success());
    let audit = run(configured().arg("audit"), Duration::from_secs(60));
    assert!(audit.status.success(), "{audit:?}");
}
