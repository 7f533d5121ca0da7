//! Requests that are answered before they have arrived whole, such as a body that is too large. What still arrives is
//! read and discarded for a while before the connection is closed (a lingering close; RFC 9112, section 9.6).
//!
//! hyper closes the socket at once. The kernel then resets a connection that has unread bytes, the response is lost on
//! its way, and a proxy in front answers 502. HTTP/2 needs none of this: it ends one stream, and the connection stays.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How many bytes are discarded at most.
const DISCARDED_BYTES_MAX: usize = 64 << 20;
/// How long the client may pause. One that has read the response closes the connection at once.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How many bytes are read at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// What of a connection's current request was not read. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    /// Whether an HTTP/1 request has a body that is not read to its end.
    body: AtomicBool,
    /// Whether bytes arrived since the last response, which belong to no complete request.
    bytes: AtomicBool,
}

impl Unread {
    /// The request, with a body that records whether it is read to its end.
    pub(super) fn watch(&self, request: Request<Incoming>) -> Request<Body> {
        if request.version() == Version::HTTP_2 || request.body().is_end_stream() {
            return request.map(Body::new);
        }
        self.0.body.store(true, Ordering::Relaxed);
        request.map(|body| {
            Body::new(WatchedBody {
                body,
                has_ended: false,
                unread: self.clone(),
            })
        })
    }

    /// To be called with each response, once its request's body was dropped. After a request that was not read whole the
    /// connection cannot carry another one, so the response says that it will be closed.
    pub(super) fn respond(&self, response: &mut Response) {
        self.0.bytes.store(false, Ordering::Relaxed);
        if self.0.body.load(Ordering::Relaxed) {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Whether the client may still be sending a request that was not read whole.
    fn is_some(&self) -> bool {
        self.0.body.load(Ordering::Relaxed) || self.0.bytes.load(Ordering::Relaxed)
    }
}

/// The body of an HTTP/1 request.
struct WatchedBody {
    body: Incoming,
    has_ended: bool,
    unread: Unread,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.has_ended |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        // A small body has often arrived with the head. It is taken here, so that the connection can stay open. This does
        // not wait, nor does it send 100 (Continue): hyper sends that only while the body is there to take it.
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut *self).poll_frame(&mut cx) {}
        let is_whole = self.has_ended || self.body.is_end_stream();
        self.unread.0.body.store(!is_whole, Ordering::Relaxed);
    }
}

/// A socket that, when it is shut down after a request that was not read whole, first ends its own direction, so that
/// the client has the whole response, and then reads until the client closes or a limit is reached.
pub(super) struct LingeringSocket<S> {
    socket: S,
    unread: Unread,
    time_max: Duration,
    lingering: Option<Lingering>,
}

/// What is left of the limits.
struct Lingering {
    /// Until when the next bytes must arrive.
    pause: Pin<Box<Sleep>>,
    /// When it ends whatever arrives.
    end: Instant,
    bytes: usize,
}

impl Lingering {
    fn begin(time_max: Duration) -> Self {
        let end = Instant::now() + time_max;
        Self {
            pause: Box::pin(sleep_until(end.min(Instant::now() + PAUSE_MAX))),
            end,
            bytes: DISCARDED_BYTES_MAX,
        }
    }

    /// Counts received bytes; returns whether more may come.
    fn take(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_sub(bytes);
        let end = self.end.min(Instant::now() + PAUSE_MAX);
        self.pause.as_mut().reset(end);
        self.bytes > 0
    }
}

impl<S> LingeringSocket<S> {
    /// A socket that discards for at most `time_max`.
    pub(super) fn new(socket: S, unread: Unread, time_max: Duration) -> Self {
        Self {
            socket,
            unread,
            time_max,
            lingering: None,
        }
    }
}

impl<S: AsyncRead + Unpin> LingeringSocket<S> {
    /// Ready once the client has closed its direction, or a limit is reached.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lingering = self.lingering.get_or_insert_with(|| Lingering::begin(self.time_max));
        let mut buffer = [0; BUFFER_BYTES];
        while lingering.pause.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut buffer);
            let read = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer));
            let count = buffer.filled().len();
            if read.is_err() || count == 0 || !lingering.take(count) {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LingeringSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.unread.0.bytes.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        }
        match self.unread.is_some() {
            true => self.poll_discard(cx).map(Ok),
            false => Poll::Ready(Ok(())),
        }
    }
}
