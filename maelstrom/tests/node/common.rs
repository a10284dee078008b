//! Runs nodes over memory and compares the bytes that they write.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Wakeup, Poll};
use std::time::Duration;

use maelstrom::{Context, Empty, Error, Host, Node, Stats};
use serde_json::value::RawValue;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadBuf,
    ReadHalf, WriteHalf, duplex, split,
};
use tokio::time::sleep;

/// What `init` looks like, as request and as reply.
pub(crate) const INIT: &str = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0","n1"]}}"#;
pub(crate) const INIT_OK: &str =
    r#"{"src":"n0","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}"#;

maelstrom::message_types! {
    "echo": pub(crate) struct Echo { pub(crate) echo: Box<RawValue> } -> Echo;
    "add": pub(crate) struct Add { pub(crate) delta: u32 } -> Empty;
}

/// A node that echoes and adds.
pub(crate) fn node() -> Node<()> {
    Node::new(|_| ())
        .handle(|_: Context<()>, request: Echo| async { Ok(request) })
        .handle(|_: Context<()>, _: Add| async { Ok::<_, Error>(Empty {}) })
}

/// Runs a node on these bytes until their end.
pub(crate) async fn serve<S: Send + Sync + 'static>(
    node: Node<S>,
    input: &[u8],
) -> (String, Stats) {
    let mut output = Vec::new();
    let stats = node.run(input, &mut output, Host::seeded(1)).await.expect("memory never fails");
    (String::from_utf8(output).expect("UTF-8"), stats)
}

/// Initialises [`node`], feeds it `lines` and returns what it answers to them.
pub(crate) async fn replies_to(lines: &[u8]) -> (String, Stats) {
    let input = [INIT.as_bytes(), b"\n", lines, b"\n"].concat();
    let (output, stats) = serve(node(), &input).await;
    let replies = output.strip_prefix(INIT_OK).and_then(|rest| rest.strip_prefix('\n'));
    (replies.expect("init is answered first").to_owned(), stats)
}

/// Runs a node that is sent these lines and shut down after this time; what it writes.
pub(crate) async fn serve_for<S>(node: Node<S>, lines: &str, time: Duration) -> String
where
    S: Send + Sync + 'static,
{
    let (mut ours, theirs) = duplex(1 << 16);
    ours.write_all(format!("{lines}\n").as_bytes()).await.unwrap();
    let (input, mut output) = (BufReader::new(theirs), Vec::new());
    node.run_until(input, &mut output, Host::seeded(1), sleep(time)).await.unwrap();
    String::from_utf8(output).expect("UTF-8")
}

/// What was written, and how often; how often it was flushed.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) writes: usize,
    pub(crate) flushes: usize,
}

/// An output that takes everything.
#[derive(Clone, Default)]
pub(crate) struct Counted(pub(crate) Arc<Mutex<Written>>);

impl AsyncWrite for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Wakeup<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let mut written = self.0.lock().unwrap();
        written.writes += 1;
        written.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Wakeup<'_>) -> Poll<std::io::Result<()>> {
        self.0.lock().unwrap().flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Wakeup<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// An input that never runs dry, and how many bytes were taken of it.
pub(crate) struct Endless(pub(crate) Arc<AtomicUsize>, pub(crate) Vec<u8>);

impl AsyncRead for Endless {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Wakeup<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let taken = self.0.load(Ordering::Relaxed);
        let rest = &self.1[taken % self.1.len()..];
        let rest = &rest[..rest.len().min(buffer.remaining())];
        buffer.put_slice(rest);
        self.0.fetch_add(rest.len(), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

/// A node on the other end of a pipe.
pub(crate) struct Peer {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    pub(crate) writer: WriteHalf<DuplexStream>,
}

impl Peer {
    /// One that was initialised.
    pub(crate) async fn start<S: Send + Sync + 'static>(node: Node<S>) -> Self {
        let mut peer = Self::connect(node);
        peer.send(INIT).await;
        assert_eq!(peer.line().await, INIT_OK);
        peer
    }

    /// One that was not sent anything.
    pub(crate) fn connect<S: Send + Sync + 'static>(node: Node<S>) -> Self {
        let (ours, theirs) = duplex(1 << 16);
        let (read, write) = split(theirs);
        tokio::spawn(node.run(BufReader::new(read), write, Host::seeded(1)));
        let (read, writer) = split(ours);
        Self { lines: BufReader::new(read).lines(), writer }
    }

    pub(crate) async fn send(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Whether its output has ended.
    pub(crate) async fn ended(&mut self) -> bool {
        self.lines.next_line().await.unwrap().is_none()
    }

    pub(crate) async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("a line")
    }
}
