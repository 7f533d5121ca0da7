//! Counts the memory of requests and of answers that their clients have not read.
//!
//! hyper bounds how many requests a connection makes at once, and how many bytes of a stream h2 copies. It does not bound
//! answers that are complete and wait for the client to read: with HTTP/2, a hundred on each connection. Here each request
//! counts from its head until the last byte of its answer was written, and a connection with many unread answers gets no
//! more. Beyond a limit for all, [`OpenConnections`](super::open::OpenConnections) closes connections.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{Method, request};
use hyper::body::{Buf, Bytes, Frame, SizeHint};

use super::open::{Connection, OpenConnections, PAUSE};

/// What a request takes beside head and body: hyper's stream and task, the layers' and the operation's futures.
const REQUEST_BYTES: usize = 12 << 10;
/// What each of its headers takes beside name and value.
const HEADER_BYTES: usize = 160;
/// The most that an answer counts. Answers that are larger, and those of unknown size, are the documentation: it is in
/// memory once, and a stream that compresses takes as much as this.
const ANSWER_BYTES_MAX: usize = 300 << 10;
/// What is reserved for the answer of a read, and of a write, before it is known. Lists are seldom larger.
const READ_ANSWER_BYTES: u32 = 16 << 10;
const WRITE_ANSWER_BYTES: u32 = 2 << 10;
/// The largest piece in which an answer is given to hyper, which for HTTP/1 copies each into a buffer.
const PIECE_BYTES: usize = 16 << 10;

/// What a request and its answer hold until this is dropped.
pub(super) struct Hold {
    all: Arc<OpenConnections>,
    connection: Arc<Connection>,
    bytes: usize,
    /// How many permits of the connection's answers it has.
    permits: u32,
    has_answer: bool,
}

impl Hold {
    /// Begins to count a request.
    pub(super) fn request(all: Arc<OpenConnections>, connection: Arc<Connection>, head: &request::Parts) -> Self {
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
        let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
        let mut hold = Self {
            all,
            connection,
            bytes: 0,
            permits: 0,
            has_answer: false,
        };
        hold.add(REQUEST_BYTES + path + headers.sum::<usize>());
        hold
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.all.hold(&self.connection, bytes);
    }

    /// Waits until there is memory and the connection may have another answer: for ever, where the connection is closing.
    pub(super) async fn wait_for_room(&mut self, method: &Method) {
        while self.all.must_pause(&self.connection) {
            tokio::time::sleep(PAUSE).await;
        }
        let permits = if method.is_safe() {
            READ_ANSWER_BYTES
        } else {
            WRITE_ANSWER_BYTES
        };
        // The semaphore is never closed.
        if let Ok(permit) = self.connection.answers.acquire_many(permits).await {
            permit.forget();
            self.permits = permits;
        }
    }

    /// Counts the answer, and returns its body.
    pub(super) fn answer(mut self, body: Body) -> AnswerBody {
        let size = body.size_hint().exact().and_then(|size| usize::try_from(size).ok());
        let bytes = size.unwrap_or(usize::MAX).min(ANSWER_BYTES_MAX);
        self.add(bytes);
        let (wanted, answers) = (u32::try_from(bytes).unwrap_or(u32::MAX), &self.connection.answers);
        if let Some(unused) = self.permits.checked_sub(wanted) {
            answers.add_permits(unused as usize);
            self.permits = wanted;
        } else {
            // What there is: the answer takes its memory, whether or not there is room for it.
            let more = answers.forget_permits((wanted - self.permits) as usize);
            self.permits = self.permits.saturating_add(u32::try_from(more).unwrap_or_default());
        }
        // A head alone is not waited for: HTTP/2 has no flow control for it.
        if !body.is_end_stream() {
            self.has_answer = true;
            self.connection.activity.begin_answer();
        }
        AnswerBody {
            body,
            rest: Bytes::new(),
            hold: Arc::new(self),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.connection.answers.add_permits(self.permits as usize);
        self.all.release(&self.connection, self.bytes);
        if self.has_answer {
            self.connection.activity.end_answer();
        }
    }
}

/// An answer's body in pieces, each of which counts until it was written.
pub(super) struct AnswerBody {
    body: Body,
    /// What is left of a frame.
    rest: Bytes,
    hold: Arc<Hold>,
}

impl HttpBody for AnswerBody {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.rest.is_empty() {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(frame) => {
                    return Poll::Ready(frame.into_trailers().ok().map(|trailers| Ok(Frame::trailers(trailers))));
                }
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let bytes = self.rest.split_to(length);
        let piece = Piece {
            bytes,
            hold: Arc::clone(&self.hold),
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}

/// A piece of an answer. It is dropped when it was written, or copied into the buffer of an HTTP/1 connection.
pub(super) struct Piece {
    bytes: Bytes,
    hold: Arc<Hold>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.hold.connection.activity.write_part();
    }
}
