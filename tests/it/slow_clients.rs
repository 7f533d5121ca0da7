//! Hundreds of slow clients of every kind, while others are served.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::process::{Server, command};
use crate::support::wire::{Wire, allow_files};

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1000000}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

/// The timeout of the service. It checks once per timeout, so a client may have up to twice as long.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How many responses a client requests and does not read.
const ANSWERS: usize = 200;
/// The most that a busy machine may take to cut a client off.
const LIMIT: Duration = Duration::from_secs(40);

/// A kind of slow client.
#[derive(Clone, Copy, Debug)]
enum Slow {
    Empty,
    HalfHead,
    DrippingHead,
    DrippingBody,
    /// A valid request, then a head sent byte by byte.
    DrippingSecondHead,
    /// A body sent byte by byte to an operation that has none.
    DrippingBodyOfGet,
    /// HTTP/2 without a request.
    EmptyHttp2,
    /// A valid request, then nothing.
    Idle,
    /// Sends many requests and reads no response.
    NeverReads,
    /// The same with HTTP/2, with a flow-control window of 0.
    NeverReadsHttp2,
}

use Slow::{
    DrippingBody, DrippingBodyOfGet, DrippingHead, DrippingSecondHead, Empty, EmptyHttp2, HalfHead, Idle, NeverReads,
    NeverReadsHttp2,
};

impl Slow {
    const POST: &'static [u8] =
        b"POST /orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";

    /// The bytes that it sends first.
    fn beginning(self) -> Vec<u8> {
        match self {
            Empty => Vec::new(),
            HalfHead | DrippingHead => b"POST /orders HTTP/1.1\r\nHost: test\r\nX-".to_vec(),
            DrippingBody => Self::POST.to_vec(),
            DrippingSecondHead => b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\nGET /healthz HTTP/1.1\r\nX-".to_vec(),
            DrippingBodyOfGet => b"GET /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n{".to_vec(),
            Idle => b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(),
            // The preface and an empty SETTINGS frame.
            EmptyHttp2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
            NeverReads => b"GET /openapi.json HTTP/1.1\r\nHost: test\r\n\r\n".repeat(ANSWERS),
            // The preface, an initial window of 0, and GET /openapi.json in HPACK.
            NeverReadsHttp2 => [
                &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
                b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0",
                b"\0\0\x17\x01\x05\0\0\0\x01\x82\x86\x44\x0d/openapi.json\x41\x04test",
            ]
            .concat(),
        }
    }

    fn drips(self) -> bool {
        match self {
            DrippingHead | DrippingBody | DrippingSecondHead | DrippingBodyOfGet => true,
            Empty | HalfHead | EmptyHttp2 | Idle | NeverReads | NeverReadsHttp2 => false,
        }
    }

    /// How many clients of this kind there are.
    fn count(self) -> usize {
        match self {
            Empty | HalfHead | DrippingHead | DrippingBody => 500,
            DrippingSecondHead | DrippingBodyOfGet | EmptyHttp2 | Idle | NeverReadsHttp2 => 50,
            NeverReads => 10,
        }
    }

    /// Whether it received what it should before its connection was closed.
    fn has_expected_end(self, got: &str) -> bool {
        match self {
            Empty | HalfHead | DrippingHead => got.is_empty(),
            DrippingBody => got.starts_with("HTTP/1.1 408 ") && got.contains("/problems/request-timeout"),
            DrippingSecondHead | DrippingBodyOfGet | Idle => {
                got.starts_with("HTTP/1.1 200 ") && got.matches("HTTP/1.1").count() == 1
            }
            // SETTINGS and GOAWAY frames.
            EmptyHttp2 => got.len() < 200,
            // The response's head without its body.
            NeverReadsHttp2 => (200..2_000).contains(&got.len()),
            NeverReads => (1..ANSWERS).contains(&got.matches("HTTP/1.1 200 ").count()),
        }
    }

    /// Acts like this until the service closes the connection; returns how long that took.
    async fn keep_waiting(self, address: SocketAddr) -> Duration {
        // Before it is open, for on a busy machine the service may know of it long before this task.
        let begun = Instant::now();
        let mut wire = Wire::open(address).await.unwrap();
        wire.send(&self.beginning()).await.unwrap();
        if let NeverReads = self {
            // Unread responses fill the buffers until the service cannot write.
            sleep(5 * TIMEOUT).await;
        }
        let mut got = Vec::new();
        while !wire.take(&mut got, Duration::from_millis(300)).await {
            assert!(begun.elapsed() < LIMIT, "{self:?} still has its connection");
            if self.drips() {
                // If the service has closed the connection, the next read shows it.
                let _ = wire.send(b"x").await;
            }
        }
        let got = String::from_utf8_lossy(&got);
        let shown = got.get(..300).unwrap_or(&got);
        assert!(self.has_expected_end(&got), "{self:?} got {} bytes: {shown}", got.len());
        begun.elapsed()
    }
}

/// Sends valid requests one after another until `done`; returns how many.
async fn ask_meanwhile(address: SocketAddr, done: Arc<AtomicBool>) -> usize {
    let mut kept = Wire::open(address).await.unwrap();
    let mut served = 0;
    while !done.load(Ordering::Relaxed) {
        let mut fresh = Wire::open(address).await.unwrap();
        for wire in [&mut kept, &mut fresh] {
            for (method, path, body, status) in [
                ("POST", "/orders", ORDER, 201),
                ("GET", "/products/1", "", 200),
                ("GET", "/readyz", "", 200),
            ] {
                let got = wire.ask(method, path, body).await.unwrap();
                assert_eq!(got.status, status, "{method} {path}: {got:?}");
                served += 1;
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    served
}

/// Runs all clients of these kinds concurrently, against a service with these timeouts.
async fn keep_waiting(kinds: &[Slow], head: Duration, idle: Duration) {
    allow_files(4_096);
    let folder = TempDir::new().unwrap();
    let server = Server::start(
        command(&folder.path().join("test.db"))
            .env("RUST_LOG", "warn")
            .env("HEADER_TIMEOUT_SECONDS", head.as_secs().to_string())
            .env("REQUEST_TIMEOUT_SECONDS", head.as_secs().to_string())
            .env("IDLE_TIMEOUT_SECONDS", idle.as_secs().to_string()),
    );
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let done = Arc::new(AtomicBool::new(false));
    let ordinary = tokio::spawn(ask_meanwhile(server.address, Arc::clone(&done)));

    let mut slow = JoinSet::new();
    for kind in kinds {
        for _ in 0..kind.count() {
            let (kind, address) = (*kind, server.address);
            slow.spawn(async move { (kind, kind.keep_waiting(address).await) });
        }
    }
    while let Some(ended) = slow.join_next().await {
        let (kind, took) = ended.unwrap();
        let had_its_time = took >= TIMEOUT / 2 || matches!(kind, DrippingBodyOfGet);
        assert!(had_its_time, "{kind:?} was cut off after {took:?}");
    }
    done.store(true, Ordering::Relaxed);
    let served = ordinary.await.unwrap();
    assert!(served > 20, "others were served meanwhile: {served}");
    assert!(server.stop(Signal::TERM).success());
}

/// Much longer than a test takes.
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_requests_are_cut_off_while_others_are_served() {
    let kinds = [
        Empty,
        HalfHead,
        DrippingHead,
        DrippingBody,
        DrippingSecondHead,
        DrippingBodyOfGet,
        EmptyHttp2,
    ];
    keep_waiting(&kinds, TIMEOUT, NEVER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_and_non_reading_clients_are_cut_off_while_others_are_served() {
    keep_waiting(&[Idle, NeverReads, NeverReadsHttp2], NEVER, TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_idle_connections_delay_nobody() {
    const IDLE: usize = 2_000;
    allow_files(4_096);
    let folder = TempDir::new().unwrap();
    let server = Server::start(command(&folder.path().join("test.db")).env("RUST_LOG", "warn"));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut wire = Wire::open(server.address).await.unwrap();
        assert_eq!(wire.ask("GET", "/healthz", "").await.unwrap().status, 200);
        idle.push(wire);
    }
    let done = Arc::new(AtomicBool::new(false));
    let ordinary = tokio::spawn(ask_meanwhile(server.address, Arc::clone(&done)));
    sleep(Duration::from_secs(3)).await;
    done.store(true, Ordering::Relaxed);
    assert!(ordinary.await.unwrap() > 20);
    for mut wire in idle {
        assert_eq!(
            wire.ask("GET", "/healthz", "").await.unwrap().status,
            200,
            "it was kept"
        );
    }
    assert!(server.stop(Signal::TERM).success());
}

/// A service that has as many connections as it allows, in the order in which they last asked for something.
async fn full(folder: &TempDir, connections_max: usize) -> (Server, Vec<Wire>) {
    let database = folder.path().join("test.db");
    let server = Server::start(command(&database).env("CONNECTIONS_MAX", connections_max.to_string()));
    let mut held = Vec::new();
    for _ in 0..connections_max {
        let mut wire = Wire::open(server.address).await.unwrap();
        assert_eq!(wire.ask("GET", "/healthz", "").await.unwrap().status, 200);
        held.push(wire);
    }
    (server, held)
}

#[tokio::test]
async fn where_there_are_too_many_connections_the_one_idle_longest_makes_room() {
    const MAX: usize = 20;
    const NEW: usize = 15;
    let folder = TempDir::new().unwrap();
    let (server, mut held) = full(&folder, MAX).await;
    // Used again, so the oldest is no longer the first to go. Bytes of a head do not count as use.
    let mut used = held.remove(0);
    assert_eq!(used.ask("GET", "/healthz", "").await.unwrap().status, 200);
    held[0].send(b"GET /healthz HTTP/1.1\r\nX-").await.unwrap();
    let mut new = Vec::new();
    for _ in 0..NEW {
        let mut wire = Wire::open(server.address).await.unwrap();
        for path in ["/healthz", "/readyz"] {
            assert_eq!(wire.ask("GET", path, "").await.unwrap().status, 200);
        }
        new.push(wire);
    }
    let (gone, kept) = held.split_at_mut(NEW);
    for wire in gone {
        assert!(wire.take(&mut Vec::new(), LIMIT).await, "it is closed");
    }
    for wire in kept.iter_mut().chain(&mut new).chain([&mut used]) {
        assert_eq!(wire.ask("GET", "/readyz", "").await.unwrap().status, 200);
    }
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
async fn a_connection_waiting_for_a_body_makes_room_and_one_at_work_does_not() {
    const MAX: usize = 20;
    let folder = TempDir::new().unwrap();
    let (server, mut held) = full(&folder, MAX).await;
    assert_eq!(held[0].ask("POST", "/products", PRODUCT).await.unwrap().status, 201);
    // Another program begins to write and does not end, so the service waits for it.
    let other = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = held.pop().unwrap();
    waiting.send(Slow::POST).await.unwrap();
    for wire in &mut held {
        wire.request("POST", "/orders", ORDER).await.unwrap();
    }
    sleep(Duration::from_millis(500)).await;
    let mut last = Wire::open(server.address).await.unwrap();
    assert_eq!(last.ask("GET", "/healthz", "").await.unwrap().status, 200);
    assert!(waiting.take(&mut Vec::new(), LIMIT).await, "it is closed");
    last.request("POST", "/orders", ORDER).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    for _ in 0..3 * MAX {
        let mut refused = Wire::open(server.address).await.unwrap();
        let got = refused.answer().await.unwrap();
        assert_eq!((got.status, got.header("retry-after")), (503, Some("1")));
        assert_eq!(got.header("content-type"), Some("application/problem+json"));
        assert_eq!(got.json()["type"], "/problems/overloaded");
        assert!(refused.take(&mut Vec::new(), LIMIT).await, "it is closed");
    }
    server.log_line("connections are refused");
    other.execute_batch("ROLLBACK").unwrap();
    for wire in held.iter_mut().chain([&mut last]) {
        assert_eq!(wire.answer().await.unwrap().status, 201);
    }
    let mut wire = Wire::open(server.address).await.unwrap();
    assert_eq!(wire.ask("GET", "/healthz", "").await.unwrap().status, 200);
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
async fn where_the_system_allows_few_files_there_are_fewer_connections() {
    // The process itself needs some for each core.
    let files = 116 + 8 * std::thread::available_parallelism().unwrap().get();
    let folder = TempDir::new().unwrap();
    let plain = command(&folder.path().join("test.db"));
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", &format!("ulimit -n {files} && exec \"$0\"")]);
    limited.arg(plain.get_program()).env_clear();
    limited.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let server = Server::start(&mut limited);
    server.log_line("CONNECTIONS_MAX exceeds");
    let mut held = Vec::new();
    for _ in 0..files {
        let mut wire = Wire::open(server.address).await.unwrap();
        // At once, instead of waiting for a free file descriptor.
        assert_eq!(wire.ask("GET", "/readyz", "").await.unwrap().status, 200);
        held.push(wire);
    }
    let mut kept = 0;
    for wire in &mut held {
        kept += usize::from(wire.ask("GET", "/readyz", "").await.is_ok_and(|got| got.status == 200));
    }
    assert!(kept >= 15 && files - kept >= 20, "{kept} of {files} were kept");
    assert!(server.stop(Signal::TERM).success());
}

#[test]
fn a_client_that_has_sent_everything_and_says_so_gets_its_answers() {
    let (folder, order) = (TempDir::new().unwrap(), ORDER.len());
    let server = Server::start(&mut command(&folder.path().join("shop.db")));
    server.ask("POST", "/products", PRODUCT);
    let head = "HTTP/1.1\r\nHost: test\r\nContent-Type: application/json";
    let mut connection = server.connect();
    let requests = format!("GET /orders {head}\r\n\r\nPOST /orders {head}\r\nContent-Length: {order}\r\n\r\n{ORDER}");
    connection.write_all(requests.as_bytes()).unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    let mut answers = String::new();
    connection.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 20").count(), 2, "{answers}");
    assert!(answers.contains("\r\nlocation: /orders/1\r\n"), "{answers}");
}
