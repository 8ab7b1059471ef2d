//! A stream that expects its peer to keep pace: a request begun must come whole within a time, an answer must be taken
//! within a time, and between two requests the peer may be silent for long.
//!
//! The HTTP library has one timer for "waiting for a request" and "reading it", so a time short enough against
//! slow senders would also close the connection that Prometheus keeps from one scrape to the next, at the very moment
//! of the next. Here the short time begins with the first byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// From the first byte of a request (from the connection for the first) to the end of its head.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// To take an answer, from the moment at which it no longer fits what the system buffers.
    pub(super) answer: Duration,
}

/// What the stream waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The rest of a head.
    Head,
    /// The first byte of the next request.
    Idle,
}

/// The stream.
pub(super) struct Paced<S> {
    stream: S,
    times: Times,
    waiting: Waiting,
    read_by: Instant,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Set when a head was read whole; the next read then waits for another request.
    begun: Arc<AtomicBool>,
}

impl<S> Paced<S> {
    /// Watches over `stream`. The flag is to be set for each request whose head is complete.
    pub(super) fn new(stream: S, times: Times) -> (Paced<S>, Arc<AtomicBool>) {
        let begun = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&begun);
        let read_by = Instant::now() + times.head;
        (Paced { stream, times, waiting: Waiting::Head, read_by, read_timer: None, write_timer: None, begun }, flag)
    }

    /// Ready when the peer has been waited for long enough.
    fn poll_read_by(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let read_by = self.read_by;
        let timer = self.read_timer.get_or_insert_with(|| Box::pin(sleep_until(read_by)));
        if timer.deadline() != read_by {
            timer.as_mut().reset(read_by);
        }
        timer.as_mut().poll(cx)
    }

    fn or_late<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            let take_by = Instant::now() + self.times.answer;
            let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep_until(take_by)));
            ready!(timer.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.begun.swap(false, Ordering::Relaxed) {
            this.waiting = Waiting::Idle;
            this.read_by = Instant::now() + this.times.idle;
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if this.waiting == Waiting::Idle && buf.filled().len() > before {
                    this.waiting = Waiting::Head;
                    this.read_by = Instant::now() + this.times.head;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // To the HTTP library it is as if the peer had closed.
            Poll::Pending => this.poll_read_by(cx).map(Ok),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.or_late(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.or_late(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called once everything is written; when it has been taken too, the peer has kept pace. TLS takes what is written
    /// into a buffer of its own, so that it is here that a peer is waited for.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        let flushed = this.or_late(cx, flushed);
        if flushed.is_ready() {
            this.write_timer = None;
        }
        flushed
    }

    /// TLS says good-bye, which a peer must take too.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let closed = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.or_late(cx, closed)
    }
}
