//! A start over PostgreSQL: what stops it, with one line within ten seconds that names the setting and the cause, and no
//! secret.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use uuid::Uuid;

use crate::support::own_postgres::OwnServer;
use crate::support::postgres;
use crate::support::process::{Server, command, run};
use crate::support::proxy::address_of;

/// How soon a start that fails says so.
const LIMIT: Duration = Duration::from_secs(10);

/// A password that is easy to find where it is shown. In a URL its characters need escapes.
const PASSWORD: &str = "planted/p@ss:word?%";

fn command_with(url: &str) -> Command {
    let mut command = command(Path::new("unused"));
    command.env("DATABASE_URL", url);
    command
}

/// The error line of a start that fails.
#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = run(command, LIMIT);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert_eq!((line.lines().count(), output.stdout.len()), (1, 0), "{line}");
    assert!(!line.contains("planted"), "{line}");
    line
}

/// Asserts that a start with this URL fails for this cause.
#[track_caller]
fn assert_refused(url: &str, cause: &str) -> String {
    let line = refused(&mut command_with(url));
    assert!(line.starts_with("orders-inventory: DATABASE_URL: "), "{line}");
    assert!(line.contains(cause), "{line}");
    line
}

/// Asserts that it starts and serves; returns what it logged.
fn assert_starts(command: &mut Command) -> Vec<String> {
    let server = Server::start(command);
    assert_eq!(server.ask("GET", "/readyz", "").0, 200);
    server.signal(Signal::TERM);
    server.rest_of_log()
}

/// A new database whose owner has the planted password: its URL, and the URL without options and database.
async fn with_password() -> (String, String) {
    let name = format!("role_{}", Uuid::now_v7().simple());
    postgres::admin(&format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")).await;
    postgres::admin(&format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0")).await;
    let password = utf8_percent_encode(PASSWORD, NON_ALPHANUMERIC);
    let server = format!("postgres://{name}:{password}@{}", server_address());
    (format!("{server}/{name}?sslmode=disable"), server)
}

/// The address of the tests' server.
fn server_address() -> SocketAddr {
    address_of(&postgres::variable("TEST_POSTGRES_URL"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_server_that_cannot_be_reached_is_named_with_the_cause() {
    let (url, server) = with_password().await;
    let name = postgres::database_of(&url);
    let address = server_address();
    // Bound, so that nobody else listens there.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = closed.local_addr().map(|address| (closed, address)).unwrap();
    // The system accepts for it, and nobody says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|address| (silent, address)).unwrap();
    let at = |address: &dyn std::fmt::Display| format!("postgres://shop:planted@{address}/shop");
    let cases = [
        (
            at(&"no-such-host.invalid"),
            "no-such-host.invalid:5432/shop",
            "failed to lookup address",
        ),
        (at(&closed.1), &*format!("{}/shop", closed.1), "Connection refused"),
        (at(&silent.1), &*format!("{}/shop", silent.1), "no answer within 4 s"),
        (
            format!("postgres://{name}:planted-wrong@{address}/{name}?sslmode=disable"),
            &*format!("{address}/{name}"),
            "password authentication failed",
        ),
        (
            format!("postgres://no_such_role:planted@{address}/{name}?sslmode=disable"),
            &*format!("{address}/{name}"),
            "authentication failed",
        ),
        (
            format!("{server}/no_such_database?sslmode=disable"),
            &*format!("{address}/no_such_database"),
            "database \"no_such_database\" does not exist",
        ),
        (
            format!("postgres://{name}@{address}/{name}?sslmode=disable"),
            &*format!("{address}/{name}"),
            "password",
        ),
        // Several hosts, none of which answers.
        (
            at(&format!("{},{}", silent.1, closed.1)),
            &*format!("{},{}/shop", silent.1, closed.1),
            "Connection refused",
        ),
    ];
    // Beside each other, for some wait.
    thread::scope(|scope| {
        for (url, place, cause) in cases {
            scope.spawn(move || {
                let line = assert_refused(&url, cause);
                assert!(line.contains(&format!("the database {place}: ")), "{line}");
            });
        }
    });
}

#[test]
fn a_url_that_is_wrong_is_refused_without_being_shown() {
    let cases = [
        ("postgres://", "must name a host"),
        ("postgres:///planted", "must name a host"),
        ("postgres://shop:planted@/shop", "must name a host"),
        ("postgres://localhost/shop", "must name a user before the host"),
        (
            "postgres://localhost/shop?password=planted",
            "must name a user before the host",
        ),
        (
            "postgres://shop:planted@localhost",
            "must name a database after the host",
        ),
        (
            "postgres://shop:planted@localhost/",
            "must name a database after the host",
        ),
        // Without the host.
        (
            "postgres://shop:planted",
            "must be the URL of a PostgreSQL database: invalid value for option `port`",
        ),
        (
            "postgres://shop:planted/shop",
            "must be the URL of a PostgreSQL database: invalid value for option `port`",
        ),
        (
            "postgres://shop:planted@localhost:x/shop",
            "invalid value for option `port`",
        ),
        (
            "postgres://shop:planted@localhost/shop?colour=planted",
            "unknown option `colour`",
        ),
        (
            "postgres://localhost/shop?user=shop&password=planted&colour=red",
            "unknown option `colour`",
        ),
        (
            "postgres://localhost/shop?user=shop&password=planted&sslmode=planted",
            "sslmode is disable, prefer or require",
        ),
        (
            "postgres://shop:planted@localhost/shop?sslmode=verify-full",
            "sslmode is disable, prefer or require, and certificates are always verified: with the system's roots, or with \
             DATABASE_CA_FILE",
        ),
        (
            "postgres://shop:planted@localhost/shop?sslrootcert=/ca.pem",
            "with DATABASE_CA_FILE",
        ),
        // Characters of a password that mean something in a URL.
        (
            "postgres://shop:p@planted@localhost/shop",
            "must have every @ of a password written as %40",
        ),
        (
            "postgres://shop:p@ss/planted@localhost/shop",
            "must have every @ of a password written as %40",
        ),
        (
            "postgres://shop:p@ss?planted=planted@localhost/shop",
            "must have every @ of a password written as %40",
        ),
        // Another scheme.
        (
            "postgres+ssl://shop:planted/shop",
            "must start with sqlite:// or postgres://",
        ),
    ];
    for (url, cause) in cases {
        assert_refused(url, cause);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_certificate_is_verified_wherever_there_is_one() {
    let folder = TempDir::new().unwrap();
    let name = postgres::database_of(&postgres::new_database().await).to_owned();
    let url = postgres::with_database(&postgres::variable("TEST_POSTGRES_URL"), &name);
    let with = |options: &str| format!("{}?{options}", url.split('?').next().unwrap());
    let (address, ca) = (server_address(), postgres::variable("TEST_POSTGRES_CA_FILE"));
    // Another server's authority.
    let other = OwnServer::start(&[]);
    let required = with("sslmode=require");

    assert_starts(command_with(&required).env("DATABASE_CA_FILE", &ca));
    // TLS is used where the server has it.
    assert_starts(command_with(&with("application_name=test")).env("DATABASE_CA_FILE", &ca));

    let hint = "; DATABASE_CA_FILE names the file of the certificate authority to trust";
    for url in [&required, &with("application_name=test")] {
        let line = assert_refused(url, "invalid peer certificate: UnknownIssuer");
        assert!(line.ends_with(&format!("{hint}\n")), "{line}");
    }
    let others = refused(command_with(&required).env("DATABASE_CA_FILE", other.variable("TEST_POSTGRES_CA_FILE")));
    assert!(others.contains("invalid peer certificate: UnknownIssuer"), "{others}");

    // A name that the certificate is not for, at the same address.
    let named = required.replace(&address.ip().to_string(), "shop.example");
    let named = format!("{named}&hostaddr={}", address.ip());
    let line = refused(command_with(&named).env("DATABASE_CA_FILE", &ca));
    assert!(line.contains("invalid peer certificate"), "{line}");
    assert!(line.contains("shop.example"), "{line}");

    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let cut: String = fs::read_to_string(&ca)
        .unwrap()
        .lines()
        .take(3)
        .collect::<Vec<_>>()
        .join("\n");
    let cases = [
        (folder.path().join("missing.pem"), "No such file"),
        (folder.path().to_owned(), "directory"),
        (file("empty.pem", ""), "has no certificate in PEM"),
        (file("text.pem", "planted\n"), "has no certificate in PEM"),
        (file("cut.pem", &cut), ""),
        (
            file(
                "key.pem",
                "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
            ),
            "has no certificate in PEM",
        ),
        (
            file(
                "bad.pem",
                "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            ),
            "",
        ),
    ];
    for (path, cause) in cases {
        let line = refused(command_with(&required).env("DATABASE_CA_FILE", &path));
        let start = format!("orders-inventory: DATABASE_CA_FILE: {}: ", path.display());
        assert!(line.starts_with(&start) && line.contains(cause), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_database_that_is_not_ours_is_left_as_it_is() {
    let foreign = postgres::new_database().await;
    postgres::run(&foreign, "CREATE TABLE theirs (id bigint)").await;
    assert_refused(&foreign, "it is not empty and not a database of this service");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname <> 'theirs'";
    assert_eq!(postgres::count(&foreign, tables).await, 0);

    let newer = postgres::new_database().await;
    assert_starts(&mut command_with(&newer));
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'";
    let before = postgres::count(&newer, columns).await;
    let version = "INSERT INTO orders_inventory_schema VALUES (99, 'of_tomorrow', '2030-01-01T00:00:00Z', '1')";
    postgres::run(&newer, version).await;
    assert_refused(&newer, "a newer version of this service made its schema");
    assert_eq!(postgres::count(&newer, columns).await, before);

    // Of somebody else, where this role may make nothing.
    let name = postgres::database_of(&foreign).to_owned();
    let empty = postgres::new_database().await;
    let (guest, server) = with_password().await;
    let theirs = format!("{server}/{}?sslmode=disable", postgres::database_of(&empty));
    assert_refused(&theirs, "permission denied");
    assert!(!name.is_empty() && !guest.is_empty());

    let read_only = postgres::new_database().await;
    let setting = "SET default_transaction_read_only = on";
    postgres::admin(&format!(
        "ALTER DATABASE {} {setting}",
        postgres::database_of(&read_only)
    ))
    .await;
    assert_refused(
        &read_only,
        "takes no writes from this role in this database (default_transaction_read_only is on)",
    );

    // Text in it could not be anybody's name.
    let latin = format!("latin_{}", Uuid::now_v7().simple());
    let sql = "OWNER shop ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    postgres::admin(&format!("CREATE DATABASE {latin} {sql}")).await;
    let latin = postgres::with_database(&empty, &latin);
    assert_refused(&latin, "has the encoding LATIN1; UTF8 is needed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_server_that_can_lose_what_it_acknowledged_is_served_only_if_that_is_allowed() {
    for level in ["off", "local", "remote_write"] {
        let url = postgres::new_database().await;
        let name = postgres::database_of(&url);
        postgres::admin(&format!("ALTER DATABASE {name} SET synchronous_commit = {level}")).await;
        let cause = format!("has synchronous_commit = {level}, so a crash loses acknowledged writes");
        assert_async(&url, &cause);
    }
    let own = OwnServer::start(&["--set", "fsync=off"]);
    assert_async(own.url(), "runs with fsync off, so a crash loses acknowledged writes");

    // A role's setting counts as well.
    let (url, _) = with_password().await;
    let name = postgres::database_of(&url);
    postgres::admin(&format!("ALTER ROLE {name} SET synchronous_commit = off")).await;
    assert_async(&url, "has synchronous_commit = off");
    // A waiver is no way to start everything.
    let foreign = postgres::new_database().await;
    postgres::run(&foreign, "CREATE TABLE theirs (id bigint)").await;
    refused(command_with(&foreign).env("ALLOW_ASYNC_REPLICATION", "true"));
    let line = refused(command_with(&foreign).env("ALLOW_ASYNC_REPLICATION", "perhaps"));
    assert!(
        line.starts_with("orders-inventory: ALLOW_ASYNC_REPLICATION: must be "),
        "{line}"
    );
}

/// Asserts that a server is refused, and served where that is allowed, with a warning.
#[track_caller]
fn assert_async(url: &str, cause: &str) {
    let line = assert_refused(url, cause);
    assert!(
        line.contains("; ALLOW_ASYNC_REPLICATION=true serves it all the same"),
        "{line}"
    );
    let log = assert_starts(command_with(url).env("ALLOW_ASYNC_REPLICATION", "true"));
    let warned = log.iter().any(|line| line.contains("WARN") && line.contains(cause));
    assert!(warned, "{log:?}");
}

#[test]
#[ignore = "needs PostgreSQL: make check-postgres"]
fn a_replica_is_refused_and_so_is_a_primary_whose_replica_is_not_synchronous() {
    let own = OwnServer::start(&["--standby"]);
    let (standby, primary) = (own.url(), own.variable("TEST_POSTGRES_PRIMARY_URL"));
    assert_refused(standby, "is a replica, which cannot be written");
    refused(command_with(standby).env("ALLOW_ASYNC_REPLICATION", "true"));
    assert_async(primary, "has replicas and none of them is synchronous");
    // The one of several that can be written is found.
    let (of_standby, of_primary) = (address_of(standby), address_of(primary));
    let both = standby.replace(&of_standby.to_string(), &format!("{of_standby},{of_primary}"));
    let both = format!("{both}&target_session_attrs=read-write");
    assert_starts(command_with(&both).env("ALLOW_ASYNC_REPLICATION", "true"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn no_help_and_no_log_line_shows_the_password() {
    let (url, _) = with_password().await;
    let escaped = utf8_percent_encode(PASSWORD, NON_ALPHANUMERIC).to_string();
    let assert_silent = |text: &str, what: &str| {
        assert!(!text.contains(PASSWORD) && !text.contains(&escaped), "{what}: {text}");
    };
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["audit", "--help"],
        &["backup", "--help"],
    ] {
        let output = run(command_with(&url).args(arguments), LIMIT);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("DATABASE_URL"), "{help}");
        assert_silent(&help, "help");
    }
    for format in ["pretty", "json"] {
        let server = Server::start(command_with(&url).env("RUST_LOG", "trace").env("LOG_FORMAT", format));
        let name = postgres::database_of(&url);
        assert!(server.greeting.contains("http://"), "{}", server.greeting);
        assert_silent(&server.greeting, "greeting");
        let product = r#"{"sku":"A","name":"a","price":1,"stock":9}"#;
        server.ask("POST", "/products", product);
        // Connections end and are made again, with and without success.
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        postgres::admin(&end).await;
        assert_eq!(server.ask("GET", "/products/1", "").0, 200);
        postgres::admin(&format!("ALTER ROLE {name} PASSWORD 'another'; {end}")).await;
        let (status, problem) = server.ask("POST", "/orders", r#"{"product_id":1,"quantity":1}"#);
        assert_eq!(status, 503, "{problem}");
        assert_silent(&problem.to_string(), "problem");
        postgres::admin(&format!("ALTER ROLE {name} PASSWORD '{PASSWORD}'")).await;
        server.signal(Signal::TERM);
        assert_silent(&server.rest_of_output().join("\n"), "output");
        let log = server.rest_of_log();
        assert!(log.iter().any(|line| line.contains("authentication failed")), "{log:?}");
        assert_silent(&log.join("\n"), "log");
    }
    let audit = run(command_with(&url).arg("audit"), LIMIT);
    assert_silent(&format!("{audit:?}"), "audit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn instances_that_start_at_once_all_come_up() {
    for _ in 0..3 {
        let url = postgres::new_database().await;
        let starting: Vec<_> = (0..4)
            .map(|_| {
                let url = url.clone();
                tokio::task::spawn_blocking(move || Server::start(&mut command_with(&url)))
            })
            .collect();
        let mut servers = Vec::new();
        for starting in starting {
            servers.push(starting.await.unwrap());
        }
        let product = r#"{"sku":"A","name":"a","price":1,"stock":9}"#;
        for (server, status) in servers.iter().zip([201, 409, 409, 409]) {
            assert_eq!(server.ask("POST", "/products", product).0, status);
        }
        let migrations = "SELECT count(*) FROM orders_inventory_schema WHERE version = 1";
        assert_eq!(postgres::count(&url, migrations).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_start_that_waits_for_another_one_says_so() {
    let url = postgres::new_database().await;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client
        .batch_execute("SELECT pg_advisory_lock(1330792782, 0)")
        .await
        .unwrap();
    let started = Instant::now();
    let starting = tokio::task::spawn_blocking(move || Server::start(&mut command_with(&url)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!starting.is_finished());
    drop(client);
    connection.abort();
    let server = starting.await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(2));
    let line = tokio::task::block_in_place(|| server.log_line("another instance"));
    assert!(line.contains("INFO"), "{line}");
}
