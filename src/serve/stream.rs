//! What goes over a connection: noted when it comes, written in few pieces when it goes, and together with others' answers.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Activity;

/// How much is put together to be written. The system takes one piece faster than two, which a head and its body are;
/// beyond this, copying costs more than that.
const GATHERED_MAX: usize = 4 * 1024;

thread_local! {
    /// Room for what is put together, until it is written.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// The answers of this thread.
    static PASS: Cell<Pass> = const { Cell::new(Pass::NONE) };
}

/// To be called by each thread of the runtime when nothing is left for it to do.
pub(crate) fn thread_parks() {
    PASS.set(PASS.get().next());
}

/// A connection of which every byte that comes is noted.
pub(super) struct Stream {
    socket: TcpStream,
    activity: Arc<Activity>,
    /// Whether the answer to be written has let others go first.
    has_waited: bool,
}

impl Stream {
    pub(super) const fn new(socket: TcpStream, activity: Arc<Activity>) -> Self {
        Self {
            socket,
            activity,
            has_waited: false,
        }
    }

    /// Ready once it is this answer's turn. Where there are others, all are made first and then written one right after
    /// the other: each alone would wake its client, who would take the core from the next one that is to be made.
    fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
        if mem::take(&mut self.has_waited) {
            return Poll::Ready(());
        }
        let mut pass = PASS.get();
        let is_shared = pass.count();
        PASS.set(pass);
        if !is_shared {
            return Poll::Ready(());
        }
        self.has_waited = true;
        // To the end of the thread's queue, behind all that is ready.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The answers that a thread makes from one time that nothing is left to do until the next.
#[derive(Clone, Copy, Debug)]
struct Pass {
    answers: u32,
    /// How many there were in the one before.
    before: u32,
}

impl Pass {
    const NONE: Self = Self { answers: 0, before: 0 };

    /// Counts an answer, and says whether others are to be expected beside it.
    fn count(&mut self) -> bool {
        let is_shared = self.answers > 0 || self.before > 1;
        self.answers = self.answers.saturating_add(1);
        is_shared
    }

    const fn next(self) -> Self {
        Self {
            answers: 0,
            before: self.answers,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.hear();
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        if slices.iter().map(|slice| slice.len()).sum::<usize>() > GATHERED_MAX {
            return Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        }
        GATHERED.with_borrow_mut(|gathered| {
            gathered.clear();
            for slice in slices {
                gathered.extend_from_slice(slice);
            }
            Pin::new(&mut self.socket).poll_write(cx, gathered)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// A stream, and the other end of it.
    async fn stream() -> (Stream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        (Stream::new(socket, Arc::default()), other)
    }

    /// What happens to two answers that can be made at once, where so many were made in the pass before.
    async fn order_of_two(before: u32) -> Vec<String> {
        let ends = [stream().await, stream().await];
        let steps = Arc::new(Mutex::new(Vec::new()));
        PASS.set(Pass { answers: 0, before });
        let answers = ends.into_iter().zip(["1", "2"]).map(|((mut stream, other), name)| {
            let steps = Arc::clone(&steps);
            tokio::spawn(async move {
                steps.lock().unwrap().push(format!("made {name}"));
                stream.write_all(b"answer").await.unwrap();
                steps.lock().unwrap().push(format!("wrote {name}"));
                drop(other);
            })
        });
        for answer in answers.collect::<Vec<_>>() {
            answer.await.unwrap();
        }
        let steps = steps.lock().unwrap();
        steps.clone()
    }

    #[tokio::test]
    async fn answers_are_all_made_before_the_first_of_them_is_written() {
        assert_eq!(order_of_two(2).await, ["made 1", "made 2", "wrote 1", "wrote 2"]);
    }

    #[tokio::test]
    async fn an_answer_alone_is_written_at_once() {
        // The first one knows of no other.
        assert_eq!(order_of_two(1).await, ["made 1", "wrote 1", "made 2", "wrote 2"]);
    }

    #[test]
    fn a_pass_knows_of_the_one_before() {
        let mut pass = Pass::NONE;
        assert!(!pass.count());
        assert!(pass.count());
        let mut pass = pass.next();
        assert!(pass.count(), "there were two before");
        let mut pass = pass.next();
        assert!(!pass.count(), "there was one before");
        assert!(!Pass::NONE.next().count());
    }
}
