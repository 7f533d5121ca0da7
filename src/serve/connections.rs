//! The accept loop: a limit on connections, timeouts for slow and idle clients, and graceful shutdown.
//!
//! A connection is closed when its client is too slow: when it sends nothing, half a request or single bytes, or does
//! not read its response. Where there are too many connections, the one that has been idle longest is closed; where they
//! hold too much memory, the largest ones. Else a request in progress is cut off only at the end of the drain.
//!
//! - `activity`, `frames`: what a client is expected to do, and since when;
//! - `answers`: what requests and unread answers hold;
//! - `open`: all connections, and which of them are closed for others.
//!
//! `axum::serve` has no such limits. hyper has one timeout for slow heads and idle connections alike, but a slow head
//! must end after seconds and an idle keep-alive connection only after minutes, since proxies keep theirs for a minute.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use metrics::counter;
use orders_inventory::http::{AnyTrailingSlash, remove_from_bodiless, too_many_connections};
use orders_inventory::metrics::{GaugeGuard, table};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service as _;

use self::activity::TrackedSocket;
use self::answers::Hold;
use self::discard::{LingeringSocket, Unread};
use self::open::{CLOSING_MAX, Entry, OpenConnections};

mod activity;
mod answers;
mod discard;
mod frames;
mod open;

/// The listener's backlog: how many connections may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// Files that the process opens besides connections: for the database, listeners, log, runtime, and connections that are
/// closing.
const FILES_RESERVED: u64 = 64 + CLOSING_MAX as u64;
/// How long accepting pauses after the system could not open another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How long a connection may take to close once its shutdown began.
const END_WAIT: Duration = Duration::from_secs(1);
/// The largest head of a request, in bytes; also the read buffer of each connection.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How many concurrent requests one HTTP/2 connection may make.
const STREAMS_MAX: u32 = 100;
/// How much of a body, and of all bodies of an HTTP/2 connection, a client may send before the service reads it.
const UNREAD_BODY_BYTES: u32 = 65_535;
/// How much of an answer h2 takes over before the client reads it.
const SEND_BUFFER_BYTES: usize = 64 << 10;

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How many may be open at once.
    pub(super) connections_max: usize,
    /// How long a request's head may take.
    pub(super) head: Duration,
    /// How long a connection may be open without a request.
    pub(super) idle: Duration,
    /// How long the rest of a request may take to arrive that was refused before it arrived whole.
    pub(super) discard: Duration,
    /// How long requests in progress may take to finish after the stop signal.
    pub(super) drain: Duration,
}

/// Serves until `stop` is ready, then lets requests in progress finish and returns.
///
/// # Errors
/// Where the listener cannot be configured.
pub(super) async fn serve(
    listener: TcpListener,
    router: AnyTrailingSlash,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    // The standard library listens with a backlog of 128; in a burst, clients beyond it wait a second or longer.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (stopping, is_stopping) = watch::channel(());
    let builder = Arc::new(builder());
    let refusal = too_many_connections();
    let open = Arc::new(OpenConnections::new(bounds.connections_max));
    let mut connections = JoinSet::new();
    let mut is_full = false;
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stop => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let Some(entry) = open.add() else {
                    if !is_full {
                        tracing::warn!(connections = connections.len(), "connections are refused");
                    }
                    is_full = true;
                    counter!(table::HTTP_CONNECTIONS_REFUSED).increment(1);
                    // One attempt without waiting: what does not fit into the send buffer is lost.
                    let _ = socket.try_write(&refusal);
                    continue;
                };
                is_full = false;
                let gauge = GaugeGuard::new(table::HTTP_CONNECTIONS_OPEN);
                let connection = serve_connection(
                    socket,
                    peer,
                    entry,
                    router.clone(),
                    Arc::clone(&builder),
                    bounds,
                    is_stopping.clone(),
                );
                connections.spawn(async move {
                    connection.await;
                    drop(gauge);
                });
            }
            Err(error) if is_client_error(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracing::info!(connections = connections.len(), "stopping");
    drop(stopping);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(bounds.drain, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections were cut off at the end of the drain"
        );
        // A task that blocks on the disk cannot be ended; it is left behind.
        let _ = tokio::time::timeout(END_WAIT, connections.shutdown()).await;
    }
    Ok(())
}

/// How many connections the process may open, at most `wanted`. Raises the limit of open files as far as needed and
/// allowed.
pub(super) fn connections_within_files(wanted: u64) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = wanted.saturating_add(FILES_RESERVED);
    let allowed = maximum.unwrap_or(u64::MAX);
    let mut files = current.unwrap_or(u64::MAX);
    if files < needed {
        let raised = Rlimit {
            current: Some(needed.min(allowed)),
            maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            files = needed.min(allowed);
        }
    }
    let connections = wanted.min(files.saturating_sub(FILES_RESERVED)).max(1);
    if connections < wanted {
        tracing::warn!(connections, files, "CONNECTIONS_MAX exceeds the limit of open files");
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Responses are small: head and body are copied into one buffer and written by one system call. A client may end its
    // direction once its request is sent, as `nc -N` does; it still reads the response.
    builder
        .http1()
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .writev(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(UNREAD_BODY_BYTES)
        .initial_connection_window_size(UNREAD_BODY_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}

/// Whether the client ended the connection before it was accepted; the next accept may succeed.
fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection until it closes.
async fn serve_connection(
    socket: TcpStream,
    peer: SocketAddr,
    entry: Entry,
    router: AnyTrailingSlash,
    builder: Arc<Builder<TokioExecutor>>,
    bounds: Bounds,
    mut stop: watch::Receiver<()>,
) {
    // Responses are written whole; Nagle's algorithm would only delay them.
    let _ = socket.set_nodelay(true);
    let (client, activity) = (&entry.connection, &entry.connection.activity);
    let unread = Unread::default();
    let socket = LingeringSocket::new(TrackedSocket::new(socket, &entry), unread.clone(), bounds.discard);
    let service = service_fn(|request: Request<Incoming>| {
        let (head, body) = unread.watch(request).into_parts();
        let mut hold = Hold::request(Arc::clone(&entry.all), Arc::clone(client), &head);
        let (mut router, activity, unread) = (router.clone(), Arc::clone(activity), unread.clone());
        async move {
            hold.wait_for_room(&head.method).await;
            let in_progress = activity.begin();
            let mut request = Request::from_parts(head, in_progress.body(body));
            request.extensions_mut().insert(ConnectInfo(peer));
            let Ok(mut response) = router.call(request).await;
            unread.respond(&mut response);
            remove_from_bodiless(&mut response);
            let response = response.map(|body| hold.answer(body));
            drop(in_progress);
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let must_end = async |idle| {
        tokio::select! {
            () = client.must_close() => Ending::AtOnce,
            () = activity.client_is_too_slow(bounds.head, idle) => Ending::AfterRequests,
        }
    };
    let ending = tokio::select! {
        _ = connection.as_mut() => return,
        ending = must_end(bounds.idle) => ending,
        // Always an error: the channel sends nothing, dropping the sender is the signal.
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            // During the drain an idle connection gets the shorter timeout.
            tokio::select! {
                _ = connection.as_mut() => return,
                ending = must_end(bounds.head) => ending,
            }
        }
    };
    if let Ending::AtOnce = ending {
        return;
    }
    connection.as_mut().graceful_shutdown();
    while tokio::time::timeout(END_WAIT, connection.as_mut()).await.is_err() {
        // A request may have arrived just before the shutdown; it is finished first.
        if !activity.is_in_progress() {
            return;
        }
    }
}

/// How a connection ends that the service closes.
enum Ending {
    /// To make room for others.
    AtOnce,
    /// When its requests in progress have ended.
    AfterRequests,
}
