//! The binary: settings, store, router, serve, stop. The other commands are in `commands`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use orders_inventory::config::{Cli, Command, Settings};
use orders_inventory::http::signature::{Keyring, Secret};
use orders_inventory::http::{self, ApiKeys, Clock, Limits, sweeper};
use orders_inventory::log;
use orders_inventory::render;
use orders_inventory::store::{Options, SqliteStore, end_process};
use tokio::signal::unix::{SignalKind, signal};

mod commands;
mod metrics;
mod serve;

use self::metrics::Telemetry;
use self::serve::Bounds;

/// How long the store may take to do what it has accepted, once no request is left.
const STORE_WAIT: Duration = Duration::from_secs(5);

/// Requests are full of small, short-lived values, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command, settings } = match Cli::read() {
        Ok(cli) => cli,
        Err(bad_setting) => return failed(&bad_setting.to_string()),
    };
    match command {
        None | Some(Command::Serve) => serve(&settings).map_or_else(|line| failed(&line), |()| ExitCode::SUCCESS),
        Some(Command::Sign { file }) => commands::sign(&settings, file.as_deref()),
        Some(Command::Audit) => commands::audit(&settings),
        Some(Command::Backup { file }) => commands::backup(&settings, &file),
        Some(Command::Openapi) => commands::openapi(),
    }
}

/// The one line about what went wrong.
fn failed(line: &str) -> ExitCode {
    eprintln!("orders-inventory: {line}");
    ExitCode::FAILURE
}

/// Serves until a signal says stop. What goes wrong before the first request is one line for whoever starts the service.
fn serve(settings: &Settings) -> Result<(), String> {
    settings.check().map_err(|bad_setting| bad_setting.to_string())?;
    let _log = log::start(settings.log.directives(), settings.log_format)
        .map_err(|error| format!("cannot start threads: {error}"))?;
    // The address comes first: who cannot have it, because the service runs already, touches no database.
    let address = SocketAddr::new(settings.host, settings.port);
    let listener =
        TcpListener::bind(address).map_err(|error| format!("HOST and PORT: cannot listen on {address}: {error}"))?;
    let options = Options {
        path: settings.database_url.path().to_owned(),
        queue_wait: Duration::from_secs(settings.request_timeout_seconds),
        wal_bytes: settings.wal_bytes,
        // Each thread that serves connections asks, and so does the sweeper.
        readers: serve::threads::count().saturating_add(1),
        ..Options::default()
    };
    let telemetry = settings
        .metrics_addr
        .map(|address| Telemetry::listen(address, &options))
        .transpose()?;
    let measures = telemetry.as_ref().map(|telemetry| telemetry.store.clone());
    let store = SqliteStore::open_with(options, measures.unwrap_or_default(), Arc::new(end_process))
        .map_err(|error| format!("DATABASE_URL: {error}"))?;
    render::warn_without_disk(settings);

    // For all but connections, which have threads of their own; this one accepts them, and no other work may keep it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let ended = runtime.block_on(async {
        let served = serve_until_told(settings, listener, store.clone(), telemetry).await;
        let closed = tokio::time::timeout(STORE_WAIT, store.close()).await;
        served.map_err(|error| format!("the server failed: {error}"))?;
        closed.map_err(|_| "DATABASE_URL: the storage did not end its work".to_owned())
    });
    // A read that the disk does not answer must not keep the process.
    runtime.shutdown_background();
    ended?;
    tracing::info!("stopped");
    Ok(())
}

async fn serve_until_told(
    settings: &Settings,
    listener: TcpListener,
    store: SqliteStore,
    telemetry: Option<Telemetry>,
) -> io::Result<()> {
    let (measures, connections) = telemetry.as_ref().map(Telemetry::handles).unwrap_or_default();
    let options = http::Options {
        clock: Clock::system(),
        limits: Limits {
            body_bytes_max: within_usize(settings.body_bytes_max),
            body_timeout: Duration::from_secs(settings.request_timeout_seconds),
            requests_max: within_usize(settings.requests_max),
        },
        rate_limit_per_minute: settings.rate_limit_per_minute,
        trusted_proxies: settings.trusted_proxies.into(),
        is_behind_tls: settings.is_on_render() || settings.trusted_proxies > 0,
        api_keys: api_keys(settings),
        keyring: keyring(settings),
        order_ttl: Some(Duration::from_secs(settings.order_ttl_seconds)).filter(|ttl| !ttl.is_zero()),
        measures: measures.clone(),
    };
    let bounds = Bounds {
        connections_max: serve::connections_within_files(settings.connections_max),
        head: Duration::from_secs(settings.header_timeout_seconds),
        idle: Duration::from_secs(settings.idle_timeout_seconds),
        drain: Duration::from_secs(settings.drain_seconds),
        tells_peer: settings.rate_limit_per_minute.is_some(),
    };
    tokio::spawn(sweeper::run(store.clone(), options.clock.clone(), measures));
    let metrics_address = match telemetry {
        Some(telemetry) => Some(telemetry.show(store.clone(), options.clock.clone())?),
        None => None,
    };
    let router = http::router(store, options);

    let address = listener.local_addr()?;
    // From here on a signal is a clean stop, so only now may anybody be told that the service is there.
    let told = told_to_stop()?;
    greet(settings, address, metrics_address);
    serve::serve(listener, router, bounds, connections, told).await
}

fn within_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn api_keys(settings: &Settings) -> ApiKeys {
    let keys = ApiKeys::new(settings.api_keys.as_str());
    if keys.is_empty() {
        tracing::warn!("API_KEYS is not set, so everybody may call every operation");
    }
    keys
}

fn keyring(settings: &Settings) -> Keyring {
    let secrets = [&settings.webhook_secret, &settings.webhook_secret_previous];
    let secrets: Vec<_> = secrets
        .into_iter()
        .filter_map(|text| Secret::new(text.as_str()))
        .collect();
    if secrets.is_empty() {
        tracing::warn!("WEBHOOK_SECRET is not set, so payment webhooks are refused");
    }
    Keyring {
        secrets,
        tolerance: Duration::from_secs(settings.webhook_tolerance_seconds),
    }
}

/// Waits for SIGTERM or SIGINT.
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The first lines printed: where everything is.
fn greet(settings: &Settings, address: SocketAddr, metrics: Option<SocketAddr>) {
    let origin = reachable(address);
    println!("Docs  http://{origin}/docs");
    println!("API   http://{origin}");
    println!("Data  {}", settings.database_url.path().display());
    if let Some(address) = metrics {
        println!("Stats http://{}/metrics", reachable(address));
    }
}

/// Where a listener on this address is reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(host, address.port())
}
