//! Disks that fail: full, read-only, hanging, and files that the service must not touch.
//!
//! Full and read-only disks are mounted, which only root can do; elsewhere these tests say that they were passed over. A
//! disk that hangs is the crash test's shim.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::process::{Server, command, run};
use crate::support::scrape::Scrape;

#[path = "../crash/shim.rs"]
mod shim;

const PRODUCT: &str = r#"{"sku":"A","name":"a","price":1,"stock":1000000}"#;
const ORDER: &str = r#"{"product_id":1,"quantity":1}"#;

/// A small file system in memory, unmounted at the end of its test.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// A file system of 4 MiB; where it cannot be mounted, prints why and returns `None`.
    fn new() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        match mount("tmpfs", folder.path(), "tmpfs", MountFlags::NOSUID, Some(c"size=4m")) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                println!("skipped: only root can mount a file system: {error}");
                None
            }
        }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// Makes it read-only, also for root.
    fn make_read_only(&self) {
        mount_remount(self.folder.path(), MountFlags::RDONLY, "").unwrap();
        fs::write(self.ballast(), "").expect_err("this system does not make disks read-only");
    }

    fn make_writable(&self) {
        mount_remount(self.folder.path(), MountFlags::empty(), "").unwrap();
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = fs::OpenOptions::new();
        let mut ballast = ballast.append(true).create(true).open(self.ballast()).unwrap();
        for size in [65_536, 4_096, 1] {
            while ballast.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A lazy unmount, since a server may still run where its test failed.
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}

/// The error line of a failed start.
#[track_caller]
fn refused(database: &Path) -> String {
    let output = run(&mut command(database), Duration::from_secs(10));
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert_eq!((line.lines().count(), output.stdout.len()), (1, 0), "{line}");
    assert!(line.starts_with("orders-inventory: DATABASE_URL: "), "{line}");
    assert!(line.contains(database.to_str().unwrap()), "{line}");
    line
}

/// Every file of a folder with its content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut content: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    content.sort();
    content
}

#[test]
fn a_full_disk_refuses_writes_and_takes_them_again_once_there_is_room() {
    let Some(disk) = Disk::new() else { return };
    let database = disk.database();
    let server = Server::start(command(&database).env("RUST_LOG", "error"));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let mut placed = 0;
    for round in 1..=2 {
        disk.fill();
        // A few more orders fit into pages that the files have already.
        let (status, problem) = loop {
            let (status, answer) = server.ask("POST", "/orders", ORDER);
            if status != 201 {
                break (status, answer);
            }
            placed += 1;
            assert!(placed < 20_000, "the disk is not full");
        };
        assert_eq!(
            (status, &problem["type"]),
            (503, &"/problems/storage-unavailable".into())
        );
        for (method, path, body, wanted) in [
            ("POST", "/orders", ORDER, 503),
            ("PUT", "/products/1", r#"{"name":"b"}"#, 503),
            ("GET", "/products/1", "", 200),
            ("GET", "/orders?limit=100", "", 200),
            ("GET", "/healthz", "", 200),
        ] {
            let ((status, answer), whole) = server.ask_with(method, path, &[], body);
            assert_eq!(status, wanted, "round {round}: {method} {path}: {answer}");
            assert_eq!(whole.contains("\r\nretry-after: 1\r\n"), wanted == 503, "{whole}");
        }
        assert_eq!(
            server.ask("GET", "/products/1", "").1["stock"],
            1_000_000 - placed,
            "no half order"
        );
        let cause = server.log_line("the storage failed");
        assert!(cause.contains("full"), "the log says why: {cause}");

        disk.free();
        assert_eq!(server.ask("POST", "/orders", ORDER).0, 201, "without a restart");
        placed += 1;
        assert_eq!(server.ask("GET", "/readyz", "").0, 200);
    }
    assert!(server.stop(Signal::TERM).success());
    let audit = run(command(&database).arg("audit"), Duration::from_secs(60));
    assert!(audit.status.success(), "{audit:?}");
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("GET", "/products/1", "").1["stock"], 1_000_000 - placed);
}

#[test]
fn a_full_disk_at_the_start_is_reported() {
    let Some(disk) = Disk::new() else { return };
    disk.fill();
    let line = refused(&disk.database());
    assert!(line.contains("full"), "{line}");
}

#[test]
fn a_read_only_folder_is_reported_and_left_unchanged() {
    let Some(disk) = Disk::new() else { return };
    let database = disk.database();
    assert!(Server::start(&mut command(&database)).stop(Signal::TERM).success());
    let before = content(disk.folder.path());
    disk.make_read_only();
    refused(&database);
    refused(&disk.folder.path().join("another.db"));
    refused(&disk.folder.path().join("new/folder/test.db"));
    assert_eq!(content(disk.folder.path()), before);
}

/// With the write-ahead log in place, SQLite itself would open the file read-only.
#[test]
fn a_folder_that_became_read_only_when_the_service_was_killed_is_refused_too() {
    let Some(disk) = Disk::new() else { return };
    let database = disk.database();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    server.stop(Signal::KILL);
    let before = content(disk.folder.path());
    assert_eq!(before.len(), 4, "the file, its log, the log's index and the lock");
    disk.make_read_only();
    let line = refused(&database);
    assert!(line.contains("it cannot be written"), "{line}");
    assert_eq!(content(disk.folder.path()), before);
    disk.make_writable();
    let server = Server::start(&mut command(&database));
    assert_eq!(server.ask("GET", "/products/1", "").0, 200);
}

#[test]
fn a_file_of_a_newer_schema_is_left_unchanged() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    assert!(Server::start(&mut command(&database)).stop(Signal::TERM).success());
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    let before = content(folder.path());
    let line = refused(&database);
    assert!(line.contains("newer"), "{line}");
    assert_eq!(content(folder.path()), before);
}

/// A request that nobody waits for yet.
fn begin(server: &Server, path: &str) -> TcpStream {
    let mut connection = server.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    connection
}

/// Asks for health on a connection that stays open.
fn is_healthy(connection: &mut TcpStream) -> bool {
    connection
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    let mut answer = [0; 4_096];
    let length = connection.read(&mut answer).unwrap();
    answer[..length].starts_with(b"HTTP/1.1 200 ")
}

/// A disk whose reads of the database take as long as the test says: the crash test's shim.
struct HangingDisk {
    folder: TempDir,
    shim: PathBuf,
}

impl HangingDisk {
    /// How long a read takes when it hangs.
    const STALL: Duration = Duration::from_secs(10);
    /// Where the shim's control file has the time that each read of the database takes.
    const PLACE: usize = 8;

    /// A disk that does not hang yet; where there is no shim, prints why and returns `None`.
    fn new() -> Option<Self> {
        let shim = shim::build().map_err(|why| println!("passed over: {why}")).ok()?;
        let folder = TempDir::new().unwrap();
        let disk = Self { folder, shim };
        disk.stall(Duration::ZERO);
        Some(disk)
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    fn stall(&self, time: Duration) {
        let mut numbers = [0_u32; Self::PLACE + 1];
        numbers[Self::PLACE] = time.as_millis().try_into().unwrap();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        // In place, for the shim has it mapped.
        let mut file = fs::OpenOptions::new();
        let mut file = file
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.control())
            .unwrap();
        file.write_all(&bytes).unwrap();
    }

    /// The service on this disk.
    fn server(&self) -> Server {
        let database = self.folder.path().join("test.db");
        let mut command = command(&database);
        command
            .env("LD_PRELOAD", &self.shim)
            .env("DISK_DATABASE", &database)
            .env("DISK_CONTROL", self.control())
            .env("DRAIN_SECONDS", "1")
            .env("METRICS_ADDR", "127.0.0.1:0");
        Server::start(&mut command)
    }
}

/// Stops the service while its disk hangs, as it has since `began`.
fn stop_while_it_hangs(server: Server, began: Instant) {
    server.signal(Signal::TERM);
    server.log_line("stopping");
    assert!(began.elapsed() < HangingDisk::STALL, "SIGTERM was heard meanwhile");
    let told = Instant::now();
    server.ended();
    // A second to drain, one for connections, five for the store.
    assert!(told.elapsed() < Duration::from_secs(9), "{:?}", told.elapsed());
}

/// The sweeper reads on a thread of the runtime, every second.
#[test]
fn a_disk_that_hangs_while_the_sweeper_reads_stops_nobody() {
    let Some(disk) = HangingDisk::new() else { return };
    let server = disk.server();
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);
    let mut open = server.connect();
    assert!(is_healthy(&mut open));
    // After a write, no connection has the pages that it reads next.
    assert_eq!(server.ask("POST", "/orders", ORDER).0, 201);
    let began = Instant::now();
    disk.stall(HangingDisk::STALL);
    std::thread::sleep(Duration::from_secs(3));
    for _ in 0..20 {
        assert!(is_healthy(&mut open));
        assert_eq!(server.ask("GET", "/healthz", "").0, 200);
    }
    stop_while_it_hangs(server, began);
}

#[test]
fn a_disk_that_hangs_holds_up_reads_and_nothing_else() {
    let Some(disk) = HangingDisk::new() else { return };
    let server = disk.server();
    assert_eq!(server.ask("POST", "/products", PRODUCT).0, 201);

    // Open before, so that no other event than its request wakes a thread for it.
    let mut open = [server.connect(), server.connect()];
    for connection in &mut open {
        assert!(is_healthy(connection));
    }
    std::thread::sleep(Duration::from_millis(200));

    disk.stall(HangingDisk::STALL);
    let began = Instant::now();
    let [held, healthy] = &mut open;
    held.write_all(b"GET /products/1 HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_healthy(healthy));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // One after the other, so that each is the only task of the thread that finds it; more than there are threads.
    let paths = ["/products/1", "/orders/1", "/products", "/orders", "/readyz"];
    let mut held: Vec<TcpStream> = Vec::new();
    for path in paths.iter().cycle().take(15) {
        held.push(begin(&server, path));
        std::thread::sleep(Duration::from_millis(20));
        let (status, _) = server.ask("GET", "/healthz", "");
        assert_eq!(status, 200, "beside {} that are held up", held.len());
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for _ in 0..20 {
        assert_eq!(server.ask("GET", "/healthz", "").0, 200);
        assert_eq!(server.ask("GET", "/docs", "").0, 200);
    }
    assert_eq!(server.ask("GET", "/readyz", "").0, 503, "the disk does not answer");
    let scrape = Scrape::of(server.metrics_address());
    assert!(scrape.series.contains_key("http_requests_in_flight"), "{scrape:?}");
    let first = held.first_mut().unwrap();
    first.set_nonblocking(true).unwrap();
    let nothing = first.read(&mut [0]).unwrap_err();
    assert_eq!(
        nothing.kind(),
        std::io::ErrorKind::WouldBlock,
        "a read is still held up"
    );

    stop_while_it_hangs(server, began);
}
