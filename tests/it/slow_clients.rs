//! Clients that keep the service waiting: by the hundred, in every way there is, while others are served.

use std::net::SocketAddr;
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

/// What all of them are cut off after; they are looked at seldom, so it may be twice that.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How many answers a client that takes none asks for.
const ANSWERS: usize = 200;
/// How long a machine that is busy with other tests may take for it.
const LIMIT: Duration = Duration::from_secs(40);

/// A client that keeps the service waiting.
#[derive(Clone, Copy, Debug)]
enum Slow {
    Empty,
    HalfHead,
    DrippingHead,
    DrippingBody,
    /// A good request, and then a head that drips.
    DrippingSecondHead,
    /// A body that drips to an operation that takes none.
    DrippingBodyOfGet,
    /// HTTP/2, and no request.
    EmptyHttp2,
    /// A good request, and nothing after it.
    Idle,
    /// Asks for much and takes nothing.
    NeverReads,
    /// The same by HTTP/2, where the window that it gives is the one that never opens.
    NeverReadsHttp2,
}

use Slow::{
    DrippingBody, DrippingBodyOfGet, DrippingHead, DrippingSecondHead, Empty, EmptyHttp2, HalfHead, Idle, NeverReads,
    NeverReadsHttp2,
};

impl Slow {
    const POST: &'static [u8] =
        b"POST /orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";

    /// What it sends at first.
    fn beginning(self) -> Vec<u8> {
        match self {
            Empty => Vec::new(),
            HalfHead | DrippingHead => b"POST /orders HTTP/1.1\r\nHost: test\r\nX-".to_vec(),
            DrippingBody => Self::POST.to_vec(),
            DrippingSecondHead => b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\nGET /healthz HTTP/1.1\r\nX-".to_vec(),
            DrippingBodyOfGet => b"GET /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n{".to_vec(),
            Idle => b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(),
            // The preface, and settings that set nothing.
            EmptyHttp2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
            NeverReads => b"GET /openapi.json HTTP/1.1\r\nHost: test\r\n\r\n".repeat(ANSWERS),
            // The preface, an initial window of 0, and GET /openapi.json in the words of HPACK's static table.
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

    /// How many of them there are.
    fn count(self) -> usize {
        match self {
            Empty | HalfHead | DrippingHead | DrippingBody => 500,
            DrippingSecondHead | DrippingBodyOfGet | EmptyHttp2 | Idle | NeverReadsHttp2 => 50,
            NeverReads => 10,
        }
    }

    /// Whether this is all that it may have got before its connection was closed.
    fn is_rightly_ended(self, got: &str) -> bool {
        match self {
            Empty | HalfHead | DrippingHead => got.is_empty(),
            DrippingBody => got.starts_with("HTTP/1.1 408 ") && got.contains("/problems/request-timeout"),
            DrippingSecondHead | DrippingBodyOfGet | Idle => {
                got.starts_with("HTTP/1.1 200 ") && got.matches("HTTP/1.1").count() == 1
            }
            // Settings and a farewell, in frames.
            EmptyHttp2 => got.len() < 200,
            // The head of the answer, and nothing of its body.
            NeverReadsHttp2 => (200..2_000).contains(&got.len()),
            NeverReads => (1..ANSWERS).contains(&got.matches("HTTP/1.1 200 ").count()),
        }
    }

    /// Does this to the service until that has enough of it; how long it took.
    async fn keep_waiting(self, address: SocketAddr) -> Duration {
        let mut wire = Wire::open(address).await.unwrap();
        let begun = Instant::now();
        wire.send(&self.beginning()).await.unwrap();
        if let NeverReads = self {
            // What it does not take fills the buffers between, and then nothing goes on.
            sleep(5 * TIMEOUT).await;
        }
        let mut got = Vec::new();
        while !wire.take(&mut got, Duration::from_millis(300)).await {
            assert!(begun.elapsed() < LIMIT, "{self:?} still has its connection");
            if self.drips() {
                // Where the service has closed meanwhile, the next look sees it.
                let _ = wire.send(b"x").await;
            }
        }
        let got = String::from_utf8_lossy(&got);
        let shown = got.get(..300).unwrap_or(&got);
        assert!(self.is_rightly_ended(&got), "{self:?} got {} bytes: {shown}", got.len());
        begun.elapsed()
    }
}

/// Requests as they should be, one after the other, until the others are done; how many.
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

/// Has all clients of these kinds at once keep a service waiting that has this timeout, and this one when idle.
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
async fn whoever_takes_long_for_a_request_loses_the_connection_and_others_are_served() {
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
async fn whoever_asks_nothing_more_or_takes_no_answer_loses_the_connection_and_others_are_served() {
    keep_waiting(&[Idle, NeverReads, NeverReadsHttp2], NEVER, TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_idle_connections_are_kept_and_keep_nobody_waiting() {
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

#[tokio::test]
async fn one_connection_too_many_is_refused_and_takes_no_other_ones_place() {
    const MAX: usize = 20;
    let folder = TempDir::new().unwrap();
    let server = Server::start(command(&folder.path().join("test.db")).env("CONNECTIONS_MAX", MAX.to_string()));
    let mut held = Vec::new();
    for _ in 0..MAX {
        let mut wire = Wire::open(server.address).await.unwrap();
        assert_eq!(wire.ask("GET", "/healthz", "").await.unwrap().status, 200);
        held.push(wire);
    }
    for _ in 0..3 * MAX {
        let mut refused = Wire::open(server.address).await.unwrap();
        let got = refused.answer().await.unwrap();
        assert_eq!((got.status, got.header("retry-after")), (503, Some("1")));
        assert_eq!(got.header("content-type"), Some("application/problem+json"));
        assert_eq!(got.json()["type"], "/problems/overloaded");
        assert!(refused.take(&mut Vec::new(), LIMIT).await, "it is closed");
    }
    server.log_line("connections are refused");
    for wire in &mut held {
        assert_eq!(wire.ask("GET", "/readyz", "").await.unwrap().status, 200);
    }
    held.pop();
    // The service learns of it in its own time.
    let begun = Instant::now();
    loop {
        let mut wire = Wire::open(server.address).await.unwrap();
        match wire.ask("GET", "/healthz", "").await {
            Ok(got) if got.status == 200 => break,
            Ok(_) | Err(_) => assert!(begun.elapsed() < LIMIT, "a place that was left is taken again"),
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
async fn where_the_system_allows_few_files_there_are_fewer_connections() {
    // It needs some for each core.
    let files = 84 + 8 * std::thread::available_parallelism().unwrap().get();
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
    server.log_line("CONNECTIONS_MAX is more than");
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..files {
        let mut wire = Wire::open(server.address).await.unwrap();
        // Refused at once, not left waiting for a file that nobody closes.
        match wire.ask("GET", "/readyz", "").await {
            Ok(got) if got.status == 200 => held.push(wire),
            Ok(got) => {
                assert_eq!(got.status, 503, "{got:?}");
                refused += 1;
            }
            // The refusal may be lost where the request comes too late.
            Err(_) => refused += 1,
        }
    }
    assert!(
        held.len() >= 20 && refused >= 20,
        "{} held, {refused} refused",
        held.len()
    );
    for wire in &mut held {
        assert_eq!(wire.ask("GET", "/readyz", "").await.unwrap().status, 200);
    }
    assert!(server.stop(Signal::TERM).success());
}
