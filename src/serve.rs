//! The command `serve`: opens the store, builds the router, serves until a signal, then shuts down gracefully.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::num::NonZero;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use orders_inventory::config::{AllowedOrigins, DatabaseUrl, LogFormat, SecretText, Settings};
use orders_inventory::http::signature::{Keyring, Secret, SignatureHeaders};
use orders_inventory::http::{self, ApiKeys, BodyLimits, Clock, CorsOrigins, Stripe, sweeper};
use orders_inventory::metrics::Exporter;
use orders_inventory::store::{
    self, AnyStore, FatalHandler, PostgresOpenError, PostgresOptions, PostgresStore, SqliteStore,
};
use orders_inventory::{log, render};
use tokio::runtime::{Builder, Handle, Runtime};

use self::connections::Bounds;
use crate::failed_to_serve;
use crate::signals::stop_signal;

mod connections;

/// How long the store may take to finish its accepted writes after the last request.
const STORE_WAIT: Duration = Duration::from_secs(5);

/// How often the runtime is woken from outside; see [`keep_polling`].
const WAKE_PERIOD: Duration = Duration::from_millis(100);

/// Serves until SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// One line for the operator: a bad setting, an address that cannot be bound, a database that cannot be opened, or a
/// listener that failed.
pub(crate) fn serve(settings: &Settings) -> Result<(), String> {
    settings.check().map_err(|bad_setting| bad_setting.to_string())?;
    let log = log::start(settings.log.directives(), settings.log_format);
    // Bind before the store opens: a second service started on this address by mistake does not touch the database.
    let address = SocketAddr::new(settings.host, settings.port);
    let listener =
        TcpListener::bind(address).map_err(|error| format!("HOST and PORT: cannot listen on {address}: {error}"))?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    // Before the store opens: from here on it counts.
    let exporter = settings.metrics_addr.map(|address| {
        Exporter::bind(address).map_err(|error| format!("METRICS_ADDR: cannot listen on {address}: {error}"))
    });
    let exporter = exporter.transpose()?;
    // One thread more than there are read connections: a hanging disk blocks reads, and nothing else.
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores.saturating_add(1))
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    keep_polling(runtime.handle().clone()).map_err(|error| format!("cannot start threads: {error}"))?;
    let store = match open(settings, &runtime, cores) {
        Ok(store) => store,
        Err(line) => {
            // A look-up of the database's name may hang; the line does not wait for it.
            runtime.shutdown_background();
            return Err(line);
        }
    };
    let ended = runtime.block_on(async {
        tokio::spawn(log.report_lost_lines());
        let served = serve_until_stopped(settings, listener, store.clone(), exporter).await;
        let closed = tokio::time::timeout(STORE_WAIT, store.close()).await;
        served.map_err(|error| format!("the server failed: {error}"))?;
        closed.map_err(|_| "DATABASE_URL: the storage did not finish its writes in time".to_owned())?;
        match store.lost() {
            Some(reason) => Err(format!("DATABASE_URL: {reason}; what this process had of it is gone")),
            None => Ok(()),
        }
    });
    // A read that hangs on the disk must not keep the process running.
    runtime.shutdown_background();
    ended?;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the database that the settings name, or says in a line which setting is of no use, and why.
fn open(settings: &Settings, runtime: &Runtime, cores: usize) -> Result<AnyStore, String> {
    let queue_capacity = within_usize(settings.requests_max);
    let queue_wait = Duration::from_secs(settings.request_timeout_seconds);
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let options = store::Options {
                path: path.clone(),
                queue_capacity,
                queue_wait,
                wal_bytes: settings.wal_bytes,
                readers: u32::try_from(cores).unwrap_or(u32::MAX),
                ..store::Options::default()
            };
            let store = SqliteStore::open_with(options, end_process(settings.log_format));
            let store = store.map_err(|error| format!("DATABASE_URL: {error}"))?;
            render::warn_without_disk(settings, store.path());
            Ok(AnyStore::Sqlite(store))
        }
        DatabaseUrl::Postgres(url) => {
            let options = PostgresOptions {
                queue_capacity,
                queue_wait,
                ..PostgresOptions::default()
            };
            let store = runtime.block_on(PostgresStore::open(&settings.target(url), options));
            store
                .map(AnyStore::Postgres)
                .map_err(|error| match matches!(error, PostgresOpenError::CaFile(_)) {
                    true => error.to_string(),
                    false => format!("DATABASE_URL: {error}"),
                })
        }
    }
}

/// Starts a thread that wakes the runtime every [`WAKE_PERIOD`].
///
/// Only one of the runtime's threads polls sockets, timers and signals at a time. When it starts a task, it wakes
/// another thread to poll only if more tasks are ready. If that task then blocks on a hanging disk, no thread polls. A
/// task spawned from outside the runtime wakes a thread, which then polls.
fn keep_polling(runtime: Handle) -> io::Result<()> {
    let wake = move || {
        loop {
            thread::sleep(WAKE_PERIOD);
            drop(runtime.spawn(async {}));
        }
    };
    thread::Builder::new().name("wake".to_owned()).spawn(wake).map(drop)
}

/// Says why the storage cannot go on, and ends the process.
fn end_process(format: LogFormat) -> FatalHandler {
    Arc::new(move |line| {
        // Not through the log, which another thread would have to write first.
        failed_to_serve(line, format);
        process::exit(1);
    })
}

async fn serve_until_stopped(
    settings: &Settings,
    listener: TcpListener,
    store: AnyStore,
    exporter: Option<Exporter>,
) -> io::Result<()> {
    let clock = Clock::system();
    let counted = exporter.as_ref().map(|_| http::metrics::Operations::register());
    let options = http::Options {
        clock: clock.clone(),
        body_limits: BodyLimits {
            bytes_max: within_usize(settings.body_bytes_max),
            timeout: Duration::from_secs(settings.request_timeout_seconds),
        },
        rate_limit_per_minute: settings.rate_limit_per_minute,
        trusted_proxies: settings.trusted_proxies.into(),
        cors_origins: cors_origins(&settings.cors_allowed_origins),
        is_behind_tls: settings.is_on_render() || settings.trusted_proxies > 0,
        api_keys: api_keys(settings),
        keyring: keyring(settings),
        stripe: stripe(settings),
        order_ttl: Some(Duration::from_secs(settings.order_ttl_seconds)).filter(|ttl| !ttl.is_zero()),
        counted: counted.transpose()?,
    };
    let bounds = Bounds {
        connections_max: connections::connections_within_files(settings.connections_max),
        head: Duration::from_secs(settings.header_timeout_seconds),
        idle: Duration::from_secs(settings.idle_timeout_seconds),
        discard: Duration::from_secs(settings.request_timeout_seconds),
        drain: Duration::from_secs(settings.drain_seconds),
    };
    tokio::spawn(sweeper::run(store.clone(), clock.clone()));
    let place = store.place();
    let metrics_address = exporter.as_ref().map(Exporter::local_addr).transpose()?;
    if let Some(exporter) = exporter {
        tokio::spawn(serve_metrics(exporter, store.clone(), clock));
    }
    let router = http::router(store, options);
    let address = listener.local_addr()?;
    // From here on a signal is a graceful shutdown, so the greeting comes only now.
    let stop = stop_signal()?;
    greet(settings.log_format, &place, address, metrics_address);
    connections::serve(listener, router, bounds, async { _ = stop.await }).await
}

fn within_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn api_keys(settings: &Settings) -> ApiKeys {
    let keys = ApiKeys::new(settings.api_keys.as_str());
    if keys.is_empty() {
        tracing::warn!("API_KEYS is not set, so every operation is open to everyone");
    }
    keys
}

fn cors_origins(allowed: &AllowedOrigins) -> Option<CorsOrigins> {
    match allowed {
        AllowedOrigins::None => None,
        AllowedOrigins::Any => Some(CorsOrigins::Any),
        // What the settings accept is ASCII, so none is left out.
        AllowedOrigins::These(origins) => {
            let origins = origins.iter().filter_map(|origin| origin.parse().ok());
            Some(CorsOrigins::These(origins.collect()))
        }
    }
}

fn keyring(settings: &Settings) -> Keyring {
    let secrets = secrets([&settings.webhook_secret, &settings.webhook_secret_previous]);
    if secrets.is_empty() {
        tracing::warn!("WEBHOOK_SECRET is not set, so payment webhooks are refused");
    }
    Keyring {
        headers: SignatureHeaders::Own,
        secrets,
        tolerance: Duration::from_secs(settings.webhook_tolerance_seconds),
    }
}

/// What Stripe's webhook needs; `None` where it is not configured.
fn stripe(settings: &Settings) -> Option<(Keyring, Stripe)> {
    let of = &settings.stripe;
    let keyring = Keyring {
        headers: SignatureHeaders::Stripe,
        secrets: secrets([&of.stripe_webhook_secret, &of.stripe_webhook_secret_previous]),
        tolerance: Duration::from_secs(settings.webhook_tolerance_seconds),
    };
    let stripe = Stripe {
        currency: of.currency?,
        is_live: of.stripe_livemode,
        order_key: of.stripe_order_key.clone(),
        account: of.stripe_account.clone(),
        hold: of.payment_hold(),
    };
    Some((keyring, stripe))
}

fn secrets(texts: [&SecretText; 2]) -> Vec<Secret> {
    texts
        .into_iter()
        .filter_map(|text| Secret::new(text.as_str()))
        .collect()
}

/// Prints the addresses of documentation, API and metrics, and where the data is. The service goes on where that is
/// impossible.
fn greet(format: LogFormat, data: &str, address: SocketAddr, metrics: Option<SocketAddr>) {
    let api = format!("http://{}", reachable(address));
    let docs = format!("{api}/docs");
    let metrics = metrics.map(|address| format!("http://{}/metrics", reachable(address)));
    let text = match format {
        LogFormat::Pretty => {
            let metrics = metrics.map(|metrics| format!("Stats {metrics}\n")).unwrap_or_default();
            format!("Docs  {docs}\nAPI   {api}\nData  {data}\n{metrics}")
        }
        LogFormat::Json => {
            let members = [
                ("docs", Some(docs)),
                ("api", Some(api)),
                ("data", Some(data.to_owned())),
                ("metrics", metrics),
            ];
            let members = members.map(|(name, value)| (name.to_owned(), value.into()));
            log::json_line("INFO", "serving", members.into_iter().collect()) + "\n"
        }
    };
    if let Err(error) = log::print(text) {
        tracing::warn!(%error, "the addresses could not be printed on standard output");
    }
}

/// An address that reaches this listener from the same machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(host, address.port())
}

/// Serves the metrics, with those that come from the store.
async fn serve_metrics(exporter: Exporter, store: AnyStore, clock: Clock) {
    let refresh = move || {
        let (store, now) = (store.clone(), clock.now());
        async move {
            let tells = store.measure().await;
            http::metrics::refresh(&store, now, tells).await;
        }
    };
    if let Err(error) = exporter.serve(refresh).await {
        tracing::error!(%error, "the metrics listener failed");
    }
}
