//! What a connection is doing: whether its client or the service is expected to act, and since when.
//!
//! A client is too slow when it is expected to go on and does not: with a head, with reading an answer, or with a next
//! request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::frames::{Heads, Received};
use super::open::{Connection, Entry, OpenConnections, PAUSE};

/// The activity of a connection.
#[derive(Debug)]
pub(super) struct Activity {
    accepted: Instant,
    /// When the last request began or ended, in microseconds since `accepted`.
    last_us: AtomicU64,
    /// How many requests have begun.
    begun: AtomicU64,
    /// How many of them are in progress.
    in_progress: AtomicU32,
    /// How many of those wait for their body.
    arriving: AtomicU32,
    /// HTTP/1: whether any byte arrived since the last request ended.
    has_received: AtomicBool,
    /// HTTP/2: how many header blocks have begun.
    blocks: AtomicU64,
    /// HTTP/2: whether the last one is incomplete.
    is_in_block: AtomicBool,
    /// How many answers were handed to hyper and not yet written in full.
    unread: AtomicU32,
    /// How often a part of one was written.
    written: AtomicU64,
}

/// What the client is expected to do next. Two equal values, one after the other, mean that it has not done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Send the rest of a head, or the first one.
    Head { begun: u64, blocks: u64 },
    /// Read an answer.
    Reading { written: u64 },
    /// Send another request.
    Request { begun: u64 },
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            accepted: Instant::now(),
            last_us: AtomicU64::default(),
            begun: AtomicU64::default(),
            in_progress: AtomicU32::default(),
            arriving: AtomicU32::default(),
            has_received: AtomicBool::default(),
            blocks: AtomicU64::default(),
            is_in_block: AtomicBool::default(),
            unread: AtomicU32::default(),
            written: AtomicU64::default(),
        }
    }

    /// Whether a request is in progress.
    pub(super) fn is_in_progress(&self) -> bool {
        self.in_progress.load(Relaxed) > 0
    }

    /// Since when nothing has happened but by the client's doing; `None` while the service works on a request that has
    /// arrived. Bytes are no reason to count as active, for anybody can send some.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_working = self.in_progress.load(Relaxed) > self.arriving.load(Relaxed);
        (!is_working).then(|| self.accepted + Duration::from_micros(self.last_us.load(Relaxed)))
    }

    /// What the client is expected to do; `None` where it is the service's turn.
    fn expected(&self) -> Option<Expected> {
        let (begun, blocks) = (self.begun.load(Relaxed), self.blocks.load(Relaxed));
        if self.is_in_block.load(Relaxed) {
            // No other frame may come before its end.
            Some(Expected::Head { begun, blocks })
        } else if self.unread.load(Relaxed) > 0 {
            // Also while other requests are in progress, and whatever else the client sends.
            let written = self.written.load(Relaxed);
            Some(Expected::Reading { written })
        } else if self.is_in_progress() {
            None
        } else if begun == 0 || self.has_received.load(Relaxed) {
            Some(Expected::Head { begun, blocks })
        } else {
            Some(Expected::Request { begun })
        }
    }

    /// Returns once the client is too slow: longer than `head` in sending a request's head, or longer than `idle` without a
    /// request or in reading a response. It checks once per the shorter of the two, so either may be exceeded by that much.
    pub(super) async fn client_is_too_slow(&self, head: Duration, idle: Duration) {
        let period = head.min(idle);
        let (mut before, mut quiet) = (self.expected(), Duration::ZERO);
        loop {
            tokio::time::sleep(period).await;
            let now = self.expected();
            quiet = if now == before { quiet + period } else { Duration::ZERO };
            let bound = match now {
                None => Duration::MAX,
                Some(Expected::Head { .. }) => head,
                Some(Expected::Reading { .. } | Expected::Request { .. }) => idle,
            };
            if quiet >= bound {
                return;
            }
            before = now;
        }
    }

    /// Counts a request as in progress until the returned guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InProgress {
        self.begun.fetch_add(1, Relaxed);
        self.in_progress.fetch_add(1, Relaxed);
        self.touch();
        InProgress(Arc::clone(self))
    }

    /// Counts an answer as unread until [`Activity::end_answer`].
    pub(super) fn begin_answer(&self) {
        self.unread.fetch_add(1, Relaxed);
    }

    /// A part of an answer was written to the socket.
    pub(super) fn write_part(&self) {
        self.written.fetch_add(1, Relaxed);
    }

    pub(super) fn end_answer(&self) {
        self.unread.fetch_sub(1, Relaxed);
        self.touch();
    }

    fn touch(&self) {
        let us = u64::try_from(self.accepted.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_us.store(us, Relaxed);
    }

    fn receive(&self, received: Received) {
        match received {
            Received::Http1 => self.has_received.store(true, Relaxed),
            Received::Http2 { blocks, is_in_block } => {
                // The preface looked like HTTP/1 until it was complete.
                self.has_received.store(false, Relaxed);
                self.blocks.store(blocks, Relaxed);
                self.is_in_block.store(is_in_block, Relaxed);
            }
        }
    }
}

/// A request in progress.
pub(super) struct InProgress(Arc<Activity>);

impl InProgress {
    /// The request's body, which counts as arriving until its end.
    pub(super) fn body(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        self.0.arriving.fetch_add(1, Relaxed);
        let arriving = Some(ArrivingGuard(Arc::clone(&self.0)));
        Body::new(ArrivingBody { body, arriving })
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.has_received.store(false, Relaxed);
        self.0.in_progress.fetch_sub(1, Relaxed);
        self.0.touch();
    }
}

struct ArrivingGuard(Arc<Activity>);

impl Drop for ArrivingGuard {
    fn drop(&mut self) {
        self.0.arriving.fetch_sub(1, Relaxed);
    }
}

/// A request's body.
struct ArrivingBody {
    body: Body,
    /// `None` once it has arrived.
    arriving: Option<ArrivingGuard>,
}

impl HttpBody for ArrivingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if self.body.is_end_stream() || matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.arriving = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that records received bytes in the connection's activity.
pub(super) struct TrackedSocket {
    socket: TcpStream,
    connection: Arc<Connection>,
    all: Arc<OpenConnections>,
    heads: Heads,
    /// Reads nothing until then.
    pause: Option<Pin<Box<Sleep>>>,
}

impl TrackedSocket {
    pub(super) fn new(socket: TcpStream, entry: &Entry) -> Self {
        Self {
            socket,
            connection: Arc::clone(&entry.connection),
            all: Arc::clone(&entry.all),
            heads: Heads::default(),
            pause: None,
        }
    }

    /// Waits while memory is short: what is read becomes requests.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.pause {
                Some(pause) => ready!(pause.as_mut().poll(cx)),
                None if self.all.must_pause(&self.connection) => {}
                None => return Poll::Ready(()),
            }
            let again = self.all.must_pause(&self.connection);
            self.pause = again.then(|| Box::pin(tokio::time::sleep(PAUSE)));
        }
    }
}

impl AsyncRead for TrackedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        ready!(this.poll_pause(cx));
        let polled = Pin::new(&mut this.socket).poll_read(cx, buffer);
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        if !bytes.is_empty() {
            this.connection.activity.receive(this.heads.receive(bytes));
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
