//! Connections: where the database is, TLS, the settings of every session, and what a connection has to say by itself.
//!
//! The server's certificate is verified wherever TLS is used. A password is never shown.

use std::fmt;
use std::fs;
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure;

/// How long connecting to one host may take, where the URL does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long all hosts together may take.
pub(super) const CONNECT_WAIT: Duration = Duration::from_secs(4);
/// A connection that was not used for so long is closed. A server that was stopped meanwhile, as a whole or by its machine, may go
/// on as if it were the primary still, and would read what was true before; no failover is over in less (docs/ha.md).
const UNUSED_MAX: Duration = Duration::from_secs(10);
/// The timeline of a primary, which each promotion of another raises; of a replica nothing.
const TIMELINE: &str =
    "SELECT CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END";
/// How long it waits for one host before it tries the next as well (RFC 8305, section 5).
const NEXT_HOST: Duration = Duration::from_millis(250);
/// After this time without an answer to what was sent, the system gives a connection up.
const UNANSWERED_MAX: Duration = Duration::from_secs(5);
/// How soon an idle connection is tried.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// The URL of a PostgreSQL database, as libpq reads it (postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING).
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Box<Config>);

impl FromStr for PostgresUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // With another @ the parser takes the rest of a password for the host or an option, which messages show.
        if text.matches('@').count() > 1 {
            return Err("must have every @ of a password written as %40".to_owned());
        }
        let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
            // The parser's text names the option and shows no value.
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            let hint = match reason.contains("sslmode") || reason.contains("sslrootcert") {
                true => {
                    "; sslmode is disable, prefer or require, and certificates are always verified: with the system's \
                         roots, or with DATABASE_CA_FILE"
                }
                false => "",
            };
            format!("must be the URL of a PostgreSQL database: {reason}{hint}")
        })?;
        if config.get_hosts().is_empty() {
            return Err("must name a host".to_owned());
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err("must name a database after the host".to_owned());
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err("must name a user before the host".to_owned());
        }
        if config.get_connect_timeout().is_none_or(|timeout| timeout.is_zero()) {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none_or(|timeout| timeout.is_zero()) {
            config.tcp_user_timeout(UNANSWERED_MAX);
        }
        if !text.contains("keepalives_idle") {
            config.keepalives_idle(KEEPALIVE);
        }
        if config.get_application_name().is_none() {
            config.application_name("orders-inventory");
        }
        Ok(Self(Box::new(config)))
    }
}

impl PostgresUrl {
    /// The hosts and the database, for messages.
    fn place(&self) -> String {
        let config = &self.0;
        let ports = config.get_ports();
        let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5_432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        });
        let hosts: Vec<_> = hosts.collect();
        format!("{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
    }
}

/// Without the password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

/// How a session is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionLimits {
    /// How long one statement may run.
    pub(super) statement: Duration,
    /// How long it may wait for a lock.
    pub(super) lock: Duration,
    /// How long a transaction may wait for its client.
    pub(super) idle_in_transaction: Duration,
}

impl SessionLimits {
    pub(super) fn sql(self) -> String {
        let (statement, lock) = (self.statement.as_millis(), self.lock.as_millis());
        let idle = self.idle_in_transaction.as_millis();
        // Each list has its index, so no statement needs a walk through a table or a sort of one, nor a join that does not
        // look up each row: with a merge join a page from the middle of a list read all rows that are newer. And as its plan
        // depends on no value, it is made once a connection.
        format!(
            "SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
             SET idle_in_transaction_session_timeout = {idle}; SET synchronous_commit = on; SET timezone = 'UTC'; \
             SET client_min_messages = warning; SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; \
             SET enable_hashjoin = off; SET enable_mergejoin = off; \
             SET plan_cache_mode = force_generic_plan; SET client_connection_check_interval = '1s'; "
        )
    }
}

/// A connection and the task that drives it.
type Opened = (Client, JoinHandle<()>);

/// Why a host was not connected to.
enum Unfit {
    Failed(tokio_postgres::Error),
    /// It has not answered in time.
    Silent,
    /// It was the primary once, another one is by now, and it does not know.
    Former,
}

impl From<tokio_postgres::Error> for Unfit {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error)
    }
}

/// What connecting has found out, for all that connect to this database.
#[derive(Default)]
struct Seen {
    /// The host that was connected to last.
    host: AtomicUsize,
    /// The newest timeline.
    timeline: AtomicU32,
}

/// What connects.
#[derive(Clone)]
pub(super) struct Connector {
    tls: Option<MakeRustlsConnect>,
    limits: Option<SessionLimits>,
    seen: Arc<Seen>,
    /// Set when a connection said that a commit was not replicated: the wait for it was canceled at the server.
    warned: Arc<AtomicBool>,
}

impl Connector {
    /// One that verifies certificates with the roots in this file, or else with the system's.
    ///
    /// # Errors
    /// One line where the file has no certificate.
    pub(super) fn new(url: &PostgresUrl, ca_file: Option<&Path>) -> Result<Self, String> {
        let is_tls = url.0.get_ssl_mode() != SslMode::Disable;
        let tls = is_tls.then(|| client_config(ca_file)).transpose()?;
        Ok(Self {
            tls: tls.map(MakeRustlsConnect::new),
            limits: None,
            seen: Arc::default(),
            warned: Arc::default(),
        })
    }

    /// The same, for sessions with these limits.
    pub(super) fn with_limits(&self, limits: SessionLimits) -> Self {
        Self {
            tls: self.tls.clone(),
            limits: Some(limits),
            seen: Arc::clone(&self.seen),
            warned: Arc::default(),
        }
    }

    /// Whether the server said since the last call that a commit is kept there and may not be replicated.
    pub(super) fn take_warning(&self) -> bool {
        self.warned.swap(false, Ordering::AcqRel)
    }

    /// A connection outside any pool.
    pub(super) async fn connect_to(&self, url: &PostgresUrl) -> Result<Connected, tokio_postgres::Error> {
        let (client, task) = self.open(&url.0).await?;
        Ok(Connected { client, task })
    }

    /// A pool of at most so many connections, made when they are needed. One that is closed is replaced.
    pub(super) fn pool(&self, url: &PostgresUrl, size: usize, wait: Duration) -> Result<Pool, String> {
        let manager = Manager::from_connect(
            (*url.0).clone(),
            self.clone(),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        Pool::builder(manager)
            .max_size(size.max(1))
            // The last one that was used, so that those which are not needed are not kept in use.
            .queue_mode(QueueMode::Lifo)
            .pre_recycle(Hook::sync_fn(|_, metrics| match metrics.last_used() > UNUSED_MAX {
                true => Err(HookError::message("not used for long")),
                false => Ok(()),
            }))
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(wait),
                create: Some(CONNECT_WAIT),
                recycle: Some(wait),
            })
            .build()
            .map_err(|error| error.to_string())
    }

    /// Connects to the first host that fits. The caller bounds the time.
    async fn open(&self, config: &Config) -> Result<Opened, tokio_postgres::Error> {
        loop {
            match self.open_any(config).await {
                Ok(opened) => return Ok(opened),
                Err(Unfit::Failed(error)) => return Err(error),
                // Soon it will have stepped down, or whoever leads to it will lead to the other one; or it will answer.
                Err(Unfit::Former | Unfit::Silent) => sleep(NEXT_HOST).await,
            }
        }
    }

    /// Tries the hosts in their order, beginning with the one that worked last. One that has not answered for a moment does not
    /// keep from the next: the driver by itself bounds only the TCP handshake, which the system answers also for a server
    /// that hangs.
    async fn open_any(&self, config: &Config) -> Result<Opened, Unfit> {
        let hosts = config.get_hosts().len();
        let first = self.seen.host.load(Ordering::Relaxed);
        let mut waiting = (0..hosts).map(|index| (first + index) % hosts);
        let mut trying = FuturesUnordered::new();
        let mut unfit = Unfit::Silent;
        // So early that there is time to say why another one failed.
        let until = Instant::now() + CONNECT_WAIT - NEXT_HOST;
        loop {
            if let Some(host) = waiting.next() {
                let only = only_host(config, host);
                trying.push(async move {
                    let opened = timeout_at(until, self.open_one(&only)).await;
                    (host, opened.unwrap_or(Err(Unfit::Silent)))
                });
            }
            let are_all_tried = waiting.len() == 0;
            tokio::select! {
                tried = trying.next() => match tried {
                    Some((host, Ok(opened))) => {
                        self.seen.host.store(host, Ordering::Relaxed);
                        return Ok(opened);
                    }
                    Some((_, Err(Unfit::Failed(error)))) => unfit = Unfit::Failed(error),
                    Some((_, Err(Unfit::Former | Unfit::Silent))) => {}
                    None => return Err(unfit),
                },
                () = sleep(NEXT_HOST), if !are_all_tried => {}
            }
        }
    }

    /// Connects to one host.
    async fn open_one(&self, config: &Config) -> Result<Opened, Unfit> {
        let (client, task) = match &self.tls {
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                (client, self.drive(connection))
            }
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                (client, self.drive(connection))
            }
        };
        let limits = self.limits.map(SessionLimits::sql).unwrap_or_default();
        let answered = client.simple_query(&format!("{limits}{TIMELINE}")).await?;
        let timeline = answered.iter().find_map(|message| {
            let SimpleQueryMessage::Row(row) = message else {
                return None;
            };
            u32::from_str_radix(row.get(0)?, 16).ok()
        });
        match timeline {
            Some(timeline) if timeline < self.seen.timeline.fetch_max(timeline, Ordering::Relaxed) => {
                tracing::warn!(
                    timeline,
                    "a former primary of the database still takes connections; passed over"
                );
                task.abort();
                Err(Unfit::Former)
            }
            Some(_) | None => Ok((client, task)),
        }
    }

    /// Lets a connection run until its client is gone or it fails.
    fn drive<S, T>(&self, connection: tokio_postgres::Connection<S, T>) -> JoinHandle<()>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let warned = Arc::clone(&self.warned);
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    // "canceling wait for synchronous replication": the only warning of this code that a commit gives.
                    Ok(AsyncMessage::Notice(notice)) if *notice.code() == SqlState::WARNING => {
                        warned.store(true, Ordering::Release);
                        tracing::warn!(notice = notice.message(), "the database warned");
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(error = failure::text(&error), "a connection to the database ended");
                        break;
                    }
                }
            }
        })
    }
}

impl Connect for Connector {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let config = config.clone();
        Box::pin(async move { self.open(&config).await })
    }
}

/// A connection of its own. It ends when this is dropped.
pub(super) struct Connected {
    pub(super) client: Client,
    task: JoinHandle<()>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The same with one of its hosts.
fn only_host(config: &Config, index: usize) -> Config {
    let mut only = Config::new();
    match config.get_hosts().get(index) {
        Some(Host::Tcp(name)) => only.host(name),
        Some(Host::Unix(folder)) => only.host_path(folder),
        None => &mut only,
    };
    if let Some(address) = config.get_hostaddrs().get(index) {
        only.hostaddr(*address);
    }
    if let Some(port) = config.get_ports().get(index).or(config.get_ports().first()) {
        only.port(*port);
    }
    if let Some(user) = config.get_user() {
        only.user(user);
    }
    if let Some(password) = config.get_password() {
        only.password(password);
    }
    if let Some(name) = config.get_dbname() {
        only.dbname(name);
    }
    if let Some(options) = config.get_options() {
        only.options(options);
    }
    if let Some(name) = config.get_application_name() {
        only.application_name(name);
    }
    if let Some(wait) = config.get_connect_timeout() {
        only.connect_timeout(*wait);
    }
    if let Some(wait) = config.get_tcp_user_timeout() {
        only.tcp_user_timeout(*wait);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        only.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        only.keepalives_retries(retries);
    }
    only.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts());
    only
}

/// TLS that trusts the roots in this file, or else the system's.
fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in certificates_in(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        None => {
            // What of the system's cannot be read is not trusted, which a connection that needs it tells.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |reason: String| format!("{}: {reason}", path.display());
    let text = fs::read(path).map_err(|error| named(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| named(error.to_string()))?;
    match found.is_empty() {
        true => Err(named("has no certificate in PEM".to_owned())),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn one_host_of_a_url_keeps_all_that_the_url_says() {
        let rest = "shop?sslmode=require&sslnegotiation=direct&application_name=a&options=-cgeqo%3Doff&connect_timeout=3\
                    &tcp_user_timeout=4000&keepalives=0&keepalives_idle=5&keepalives_interval=6&keepalives_retries=7\
                    &target_session_attrs=read-write&channel_binding=require&load_balance_hosts=random";
        let url = |hosts: &str, addresses: &str| -> PostgresUrl {
            format!("postgres://shop:secret@{hosts}/{rest}&hostaddr={addresses}")
                .parse()
                .unwrap()
        };
        let all = url("one:1,two:2", "127.0.0.1,127.0.0.2");
        assert!(only_host(&all.0, 0) == *url("one:1", "127.0.0.1").0);
        assert!(only_host(&all.0, 1) == *url("two:2", "127.0.0.2").0);
    }

    #[tokio::test]
    async fn a_host_that_hangs_does_not_keep_from_the_next() {
        // It accepts connections, as the system does for a process that is stopped, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let next = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (first, second) = (silent.local_addr().unwrap(), next.local_addr().unwrap());
        let url: PostgresUrl = format!("postgres://shop@{first},{second}/shop?sslmode=disable")
            .parse()
            .unwrap();
        let connector = Connector::new(&url, None).unwrap();
        let started = Instant::now();
        let reached = tokio::select! {
            _ = connector.connect_to(&url) => false,
            reached = next.accept() => reached.is_ok(),
        };
        assert!(reached && started.elapsed() < CONNECT_WAIT);
    }
}
