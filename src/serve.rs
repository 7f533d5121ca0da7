//! Connections: how many there are, what each may take, and an end for every one of them.
//!
//! A client that keeps a connection waiting loses it, however it does so: by sending nothing, half a request or a byte
//! now and then, or by not taking its answer. No request that is being worked on is ever cut, but at the end of the
//! drain.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use orders_inventory::http::{Peer, Router, too_many_connections};
use orders_inventory::store::Store;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::stream::Stream;
use self::threads::Threads;
use crate::metrics::Connections;

mod stream;
pub(crate) mod threads;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// Files that the process opens for itself: the database's, its log's, its listeners.
const FILES_OF_OUR_OWN: u64 = 48;
/// And for each thread that serves connections: its runtime's, its reader's.
const FILES_OF_A_THREAD: u64 = 8;
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
pub(crate) struct Bounds {
    /// How many there may be.
    pub(crate) connections_max: usize,
    /// How long a request's head may take.
    pub(crate) head: Duration,
    /// How long a connection may be open with nothing asked on it.
    pub(crate) idle: Duration,
    /// How long running requests may take to finish once the service is told to stop.
    pub(crate) drain: Duration,
    /// Whether requests carry the address of their [`Peer`].
    pub(crate) tells_peer: bool,
}

/// Serves until `told` to stop, then finishes what is under way and returns.
pub(crate) async fn serve<S: Store>(
    listener: TcpListener,
    router: Router<S>,
    bounds: Bounds,
    measures: Connections,
    told: impl Future<Output = ()>,
) -> io::Result<()> {
    // Again, for the standard library's own backlog is 128: a burst of clients would wait a second and longer.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (tell_stop, stop) = watch::channel(());
    let threads = Threads::start(threads::count())?;
    let builder = Arc::new(builder());
    let refusal = too_many_connections();
    let mut connections = JoinSet::new();
    let mut is_full = false;
    let mut told = pin!(told);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut told => break,
        };
        match accepted {
            Ok((mut stream, _)) if connections.len() >= bounds.connections_max => {
                if !is_full {
                    tracing::warn!(connections = connections.len(), "connections are refused");
                }
                is_full = true;
                measures.refused();
                // Nobody waits for this client: what the system does not take at once is lost, and so is the connection.
                let _ = stream.write_all(&refusal);
            }
            Ok((stream, address)) => {
                is_full = false;
                let peer = bounds.tells_peer.then(|| Peer(address.ip()));
                let router = router.clone();
                let held = hold(stream, peer, router, Arc::clone(&builder), bounds, stop.clone());
                threads.serve(&mut connections, measures.while_open(held));
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
    drop(tell_stop);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(bounds.drain, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "cut off what did not end in time");
        // One that waits for the disk itself cannot be ended, only left behind.
        let _ = tokio::time::timeout(END_WAIT, connections.shutdown()).await;
    }
    Ok(())
}

/// A new connection, which no runtime watches yet: that of its thread will.
async fn accept(listener: &tokio::net::TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = listener.accept().await?;
    Ok((stream.into_std()?, address))
}

/// How many connections the process may have, at most so many: it asks the system for as many files as it is allowed.
pub(crate) fn connections_within_files(wanted: u64) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let ours = FILES_OF_OUR_OWN + FILES_OF_A_THREAD * u64::from(threads::count());
    let needed = wanted.saturating_add(ours);
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
    let connections = wanted.min(files.saturating_sub(ours)).max(1);
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
    // Heads and idle connections are timed here, by `waits_too_long`; hyper would allow an idle connection no longer than
    // a head, and proxies keep theirs for a minute.
    builder.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
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
async fn hold<S: Store>(
    socket: TcpStream,
    peer: Option<Peer>,
    router: Router<S>,
    builder: Arc<Builder<TokioExecutor>>,
    bounds: Bounds,
    mut stop: watch::Receiver<()>,
) {
    // Answers are small and written whole: waiting to fill a packet would only delay them.
    let _ = socket.set_nodelay(true);
    let socket = match tokio::net::TcpStream::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be served");
            return;
        }
    };
    let activity = Arc::new(Activity::default());
    let stream = Stream::new(socket, Arc::clone(&activity));
    let service = service_fn(|request: Request<Incoming>| {
        let working = activity.begin();
        let mut request = request.map(body);
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let answering = router.answer(request);
        async move {
            let answer = answering.await;
            drop(working);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = waits_too_long(&activity, bounds.head, bounds.idle) => {}
        // An error: the one who tells is gone.
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            // Whoever takes long for a request or an answer now holds up the end.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = waits_too_long(&activity, bounds.head, bounds.head) => {}
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    while tokio::time::timeout(END_WAIT, connection.as_mut()).await.is_err() {
        // A request may have come at the very last moment.
        if !activity.look().is_working {
            return;
        }
    }
}

/// A body to read; most requests have none, and nothing is kept for it.
fn body(incoming: Incoming) -> Body {
    match incoming.is_end_stream() {
        true => Body::empty(),
        false => Body::new(incoming),
    }
}

/// Returns once the client has kept its connection waiting for too long: for a head, or, with nothing asked, for a request
/// or for the end of an answer. It looks seldom, so the bounds may be passed by as much as the shorter of them.
async fn waits_too_long(activity: &Activity, head: Duration, idle: Duration) {
    let every = head.min(idle);
    let (mut before, mut quiet) = (activity.look(), Duration::ZERO);
    loop {
        tokio::time::sleep(every).await;
        let now = activity.look();
        let has_gone_on = now.is_working || now.begun != before.begun || now.is_in_head() && !before.is_in_head();
        quiet = if has_gone_on { Duration::ZERO } else { quiet + every };
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
    has_heard: AtomicBool,
}

/// What was seen of a connection at one moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    begun: u64,
    is_working: bool,
    has_heard: bool,
}

impl Look {
    /// Whether a head is awaited: the first one, or the rest of one.
    fn is_in_head(self) -> bool {
        !self.is_working && (self.begun == 0 || self.has_heard)
    }
}

impl Activity {
    fn look(&self) -> Look {
        Look {
            begun: self.begun.load(Ordering::Relaxed),
            is_working: self.working.load(Ordering::Relaxed) > 0,
            has_heard: self.has_heard.load(Ordering::Relaxed),
        }
    }

    /// Something came.
    fn hear(&self) {
        self.has_heard.store(true, Ordering::Relaxed);
    }

    /// A request has begun; it ends with what is returned here.
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
        self.0.has_heard.store(false, Ordering::Relaxed);
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}
