//! The accept loop: a limit on connections, timeouts for slow and idle clients, and graceful shutdown.
//!
//! A connection is closed when its client is too slow: when it sends nothing, half a request or single bytes, or does
//! not read its response. A request in progress is cut off only at the end of the drain.
//!
//! `axum::serve` has no such limits. hyper has one timeout for slow heads and idle connections alike, but a slow head
//! must end after seconds and an idle keep-alive connection only after minutes, since proxies keep theirs for a minute.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use metrics::counter;
use orders_inventory::http::too_many_connections;
use orders_inventory::metrics::{GaugeGuard, table};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service as _;

use self::discard::{LingeringSocket, Unread};

mod discard;

/// The listener's backlog: how many connections may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// Files that the process opens besides connections: for the database, listeners, log and runtime.
const FILES_RESERVED: u64 = 64;
/// How long accepting pauses after the system could not open another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How long a connection may take to close once its shutdown began.
const END_WAIT: Duration = Duration::from_secs(1);
/// The largest head of a request, in bytes; also the read buffer of each connection.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How many concurrent requests one HTTP/2 connection may make.
const STREAMS_MAX: u32 = 100;

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
    router: Router,
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
            Ok((socket, _)) if connections.len() >= bounds.connections_max => {
                if !is_full {
                    tracing::warn!(connections = connections.len(), "connections are refused");
                }
                is_full = true;
                counter!(table::HTTP_CONNECTIONS_REFUSED).increment(1);
                // One attempt without waiting: what does not fit into the send buffer is lost.
                let _ = socket.try_write(&refusal);
            }
            Ok((socket, peer)) => {
                is_full = false;
                let open = GaugeGuard::new(table::HTTP_CONNECTIONS_OPEN);
                let connection = serve_connection(
                    socket,
                    peer,
                    router.clone(),
                    Arc::clone(&builder),
                    bounds,
                    is_stopping.clone(),
                );
                connections.spawn(async move {
                    connection.await;
                    drop(open);
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
    router: Router,
    builder: Arc<Builder<TokioExecutor>>,
    bounds: Bounds,
    mut stop: watch::Receiver<()>,
) {
    // Responses are written whole; Nagle's algorithm would only delay them.
    let _ = socket.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let socket = TrackedSocket {
        socket,
        activity: Arc::clone(&activity),
    };
    let unread = Unread::default();
    let socket = LingeringSocket::new(socket, unread.clone(), bounds.discard);
    let service = service_fn(|request: Request<Incoming>| {
        let in_progress = activity.begin();
        let mut request = unread.watch(request);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = router.clone().call(request);
        let unread = unread.clone();
        async move {
            let Ok(mut response) = response.await;
            drop(in_progress);
            unread.respond(&mut response);
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = client_is_too_slow(&activity, bounds.head, bounds.idle) => {}
        // Always an error: the channel sends nothing, dropping the sender is the signal.
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            // During the drain an idle connection gets the shorter timeout.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = client_is_too_slow(&activity, bounds.head, bounds.head) => {}
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    while tokio::time::timeout(END_WAIT, connection.as_mut()).await.is_err() {
        // A request may have arrived just before the shutdown; it is finished first.
        if !activity.snapshot().is_in_progress {
            return;
        }
    }
}

/// Returns once the client is too slow: longer than `head` in sending a request's head, or longer than `idle` without a
/// request or in reading a response. It checks once per the shorter of the two, so either may be exceeded by that much.
async fn client_is_too_slow(activity: &Activity, head: Duration, idle: Duration) {
    let period = head.min(idle);
    let (mut before, mut quiet) = (activity.snapshot(), Duration::ZERO);
    loop {
        tokio::time::sleep(period).await;
        let now = activity.snapshot();
        let has_progressed =
            now.is_in_progress || now.begun != before.begun || now.is_in_head() && !before.is_in_head();
        quiet = if has_progressed { Duration::ZERO } else { quiet + period };
        let bound = if now.is_in_head() { head } else { idle };
        if quiet >= bound {
            return;
        }
        before = now;
    }
}

/// The activity of a connection.
#[derive(Debug, Default)]
struct Activity {
    /// How many requests have begun.
    begun: AtomicU64,
    /// How many of them are in progress.
    in_progress: AtomicU32,
    /// Whether any byte arrived since the last request ended.
    has_received: AtomicBool,
}

/// A copy of the activity at one moment.
#[derive(Clone, Copy, Debug)]
struct Snapshot {
    begun: u64,
    is_in_progress: bool,
    has_received: bool,
}

impl Snapshot {
    /// Whether the client owes a request's head: the first one, or the rest of one.
    fn is_in_head(self) -> bool {
        !self.is_in_progress && (self.begun == 0 || self.has_received)
    }
}

impl Activity {
    fn snapshot(&self) -> Snapshot {
        Snapshot {
            begun: self.begun.load(Ordering::Relaxed),
            is_in_progress: self.in_progress.load(Ordering::Relaxed) > 0,
            has_received: self.has_received.load(Ordering::Relaxed),
        }
    }

    /// Counts a request as in progress until the returned guard is dropped.
    fn begin(self: &Arc<Self>) -> InProgress {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.in_progress.fetch_add(1, Ordering::Relaxed);
        InProgress(Arc::clone(self))
    }
}

/// A request in progress.
struct InProgress(Arc<Activity>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.has_received.store(false, Ordering::Relaxed);
        self.0.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket that records received bytes in the connection's activity.
struct TrackedSocket {
    socket: TcpStream,
    activity: Arc<Activity>,
}

impl AsyncRead for TrackedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.has_received.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for TrackedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
