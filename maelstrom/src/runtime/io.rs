//! Reading and writing lines: no copy of a line that arrived whole, no limit to
//! its length, one write for a burst that is over within a turn (see `run/turn.rs`).

use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context as Wakeup, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncWrite};

use crate::protocol::{KEEP, Lines};
use crate::runtime::outbox::Outbox;

/// What lines are read from.
pub(crate) trait Input: AsyncBufRead + Unpin {}
impl<R: AsyncBufRead + Unpin> Input for R {}

/// What lines are written to.
pub(crate) trait Output: AsyncWrite + Unpin {}
impl<W: AsyncWrite + Unpin> Output for W {}

/// Lines in.
pub(crate) struct Reader<R: ?Sized> {
    lines: Lines,
    ended: bool,
    input: R,
}

impl<R> Reader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { lines: Lines::default(), ended: false, input }
    }
}

impl Reader<dyn Input + '_> {
    /// Whether no more lines will come.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads no more lines, whatever the input holds.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Hands what has arrived to `take`, line by line and without the line
    /// feeds, until `take` has had enough and returns `false`. At the end of
    /// input comes what stands behind the last line feed.
    pub(crate) fn poll_lines(
        &mut self,
        cx: &mut Wakeup<'_>,
        mut take: impl FnMut(&[u8], &mut Wakeup<'_>) -> bool,
    ) -> Poll<io::Result<()>> {
        let arrived = ready!(Pin::new(&mut self.input).poll_fill_buf(cx))?;
        if arrived.is_empty() {
            self.ended = true;
            take(&self.lines.take_rest(), cx);
            return Poll::Ready(Ok(()));
        }
        let mut rest = arrived;
        let _ = self.lines.feed(&mut rest, |line| match take(line, cx) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        });
        let consumed = arrived.len() - rest.len();
        Pin::new(&mut self.input).consume(consumed);
        Poll::Ready(Ok(()))
    }
}

/// Lines out.
pub(crate) struct Writer<W: ?Sized> {
    lines: Vec<u8>,
    written: usize,
    unflushed: bool,
    output: W,
}

impl<W> Writer<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { lines: Vec::new(), written: 0, unflushed: false, output }
    }
}

impl Writer<dyn Output + '_> {
    /// Writes all that waits in the outbox.
    pub(crate) fn poll_write(
        &mut self,
        outbox: &Outbox,
        cx: &mut Wakeup<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.written == self.lines.len() {
                self.lines.clear();
                self.lines.shrink_to(KEEP);
                self.written = 0;
                outbox.swap_lines(&mut self.lines);
            }
            if self.lines.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let rest = &self.lines[self.written..];
            match ready!(Pin::new(&mut self.output).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
            self.unflushed = true;
        }
    }

    /// Writes all that waits in the outbox, and flushes.
    pub(crate) fn poll_flush(
        &mut self,
        outbox: &Outbox,
        cx: &mut Wakeup<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_write(outbox, cx))?;
        if self.unflushed {
            ready!(Pin::new(&mut self.output).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
