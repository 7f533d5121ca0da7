//! Connections: how many there are, what each may take, and an end for every one of them.
//!
//! A client that keeps a connection waiting loses it, however it does so: by sending nothing, half a request or a byte
//! now and then, or by not reading its answer. A request that is being worked on is cut only at the end of the drain.
//!
//! `axum::serve` has no such limits. hyper's own header timeout would close an idle connection as soon as a slow head, and
//! proxies keep theirs for a minute.

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
use orders_inventory::http::too_many_connections;
use orders_inventory::metrics::{Counter, Gauge, Recorder, table};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service as _;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// Files that the process opens for itself: the database's, its log's, its listeners, its runtime's.
const FILES_OF_OUR_OWN: u64 = 64;
/// How long accepting pauses where the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How long a connection that is told to end may take for it.
const END_WAIT: Duration = Duration::from_secs(1);
/// The largest head of a request, and the least memory of a connection that sends one slowly.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How many requests at once one HTTP/2 connection may make.
const STREAMS_MAX: u32 = 100;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How many there may be.
    pub(super) connections_max: usize,
    /// How long a request's head may take.
    pub(super) head: Duration,
    /// How long a connection may be open without a request.
    pub(super) idle: Duration,
    /// How long running requests may take to finish once the service is told to stop.
    pub(super) drain: Duration,
}

/// Serves until `stop` is ready, then lets running requests finish and returns.
///
/// # Errors
/// Where the listener cannot be used.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    metrics: Metrics,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    // Again, for the standard library's own backlog is 128: a burst of clients would wait a second and longer.
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
                metrics.refused();
                // Nobody waits for this client: what the system does not take at once is lost, and so is the connection.
                let _ = socket.try_write(&refusal);
            }
            Ok((socket, peer)) => {
                is_full = false;
                let open = metrics.open();
                let connection = connection(
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
            Err(error) if is_the_clients(&error) => {}
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
        tracing::warn!(connections = connections.len(), "cut off what did not end in time");
        // One that waits for the disk itself cannot be ended, only left behind.
        let _ = tokio::time::timeout(END_WAIT, connections.shutdown()).await;
    }
    Ok(())
}

/// How many connections the process may have, at most `wanted`: it asks the system for as many files as it is allowed.
pub(super) fn connections_within_files(wanted: u64) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = wanted.saturating_add(FILES_OF_OUR_OWN);
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
    let connections = wanted.min(files.saturating_sub(FILES_OF_OUR_OWN)).max(1);
    if connections < wanted {
        tracing::warn!(
            connections,
            files,
            "CONNECTIONS_MAX is more than the process may open files for"
        );
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Answers are small: head and body are copied together and written by one system call.
    builder
        .http1()
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

/// Whether a connection was lost before it was accepted, which says nothing about the next.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One connection, from its first byte to its end.
async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    builder: Arc<Builder<TokioExecutor>>,
    bounds: Bounds,
    mut stop: watch::Receiver<()>,
) {
    // Answers are written whole: waiting to fill a packet would only delay them.
    let _ = socket.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let socket = Watched {
        socket,
        activity: Arc::clone(&activity),
    };
    let service = service_fn(|request: Request<Incoming>| {
        let working = activity.begin();
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answering = router.clone().call(request);
        async move {
            let answer = answering.await;
            drop(working);
            answer as Result<_, Infallible>
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = waits_too_long(&activity, bounds.head, bounds.idle) => {}
        // An error, for nothing is ever sent: the sender is gone.
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            // From now on an idle connection is one that holds up the end.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = waits_too_long(&activity, bounds.head, bounds.head) => {}
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    while tokio::time::timeout(END_WAIT, connection.as_mut()).await.is_err() {
        // A request may have come at the very last moment.
        if !activity.now().is_working {
            return;
        }
    }
}

/// Returns once the client has kept its connection waiting for too long: for a head, or, without a request, for the next
/// one or for the end of an answer. It looks seldom, so the bounds may be passed by as much as the shorter of them.
async fn waits_too_long(activity: &Activity, head: Duration, idle: Duration) {
    let period = head.min(idle);
    let (mut before, mut quiet) = (activity.now(), Duration::ZERO);
    loop {
        tokio::time::sleep(period).await;
        let now = activity.now();
        let has_gone_on = now.is_working || now.begun != before.begun || now.is_in_head() && !before.is_in_head();
        quiet = if has_gone_on { Duration::ZERO } else { quiet + period };
        let bound = if now.is_in_head() { head } else { idle };
        if quiet >= bound {
            return;
        }
        before = now;
    }
}

/// What happens on a connection.
#[derive(Debug, Default)]
struct Activity {
    /// How many requests have begun.
    begun: AtomicU64,
    /// How many of them are being worked on.
    working: AtomicU32,
    /// Whether anything came since the last of them ended.
    has_received: AtomicBool,
}

/// What was seen of a connection at one moment.
#[derive(Clone, Copy, Debug)]
struct Snapshot {
    begun: u64,
    is_working: bool,
    has_received: bool,
}

impl Snapshot {
    /// Whether a head is awaited: the first one, or the rest of one.
    fn is_in_head(self) -> bool {
        !self.is_working && (self.begun == 0 || self.has_received)
    }
}

impl Activity {
    fn now(&self) -> Snapshot {
        Snapshot {
            begun: self.begun.load(Ordering::Relaxed),
            is_working: self.working.load(Ordering::Relaxed) > 0,
            has_received: self.has_received.load(Ordering::Relaxed),
        }
    }

    /// A request begins; it ends when what is returned is dropped.
    fn begin(self: &Arc<Self>) -> Working {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(self))
    }
}

/// A request that is being worked on.
struct Working(Arc<Activity>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.has_received.store(false, Ordering::Relaxed);
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket whose activity includes every byte that is received.
struct Watched {
    socket: TcpStream,
    activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.has_received.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Watched {
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

/// The metrics of connections; by default none.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(Option<(Gauge, Counter)>);

impl Metrics {
    /// Registers them.
    pub(super) fn new(recorder: &mut Recorder) -> Self {
        let open = recorder.gauge(&table::HTTP_CONNECTIONS_OPEN);
        let refused = recorder.counter(&table::HTTP_CONNECTIONS_REFUSED);
        Self(Some((open, refused)))
    }

    fn refused(&self) {
        if let Some((_, refused)) = &self.0 {
            refused.inc();
        }
    }

    /// Counts a connection as open until what is returned is dropped.
    fn open(&self) -> Option<Open> {
        let (open, _) = self.0.as_ref()?;
        open.inc();
        Some(Open(open.clone()))
    }
}

/// A connection that is open.
struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
