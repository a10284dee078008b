//! Runs nodes over memory and compares the bytes that they write.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its part of this")]

use maelstrom::{Context, Empty, Error, Host, Node, Stats};
use serde_json::value::RawValue;
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

/// What `init` looks like, as request and as reply.
pub const INIT: &str = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0","n1"]}}"#;
pub const INIT_OK: &str = r#"{"src":"n0","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}"#;

maelstrom::message_types! {
    "echo": pub struct Echo { pub echo: Box<RawValue> } -> Echo;
    "add": pub struct Add { pub delta: u32 } -> Empty;
}

/// A node that echoes and adds.
pub fn node() -> Node<()> {
    Node::new(|_| ())
        .handle(|_: Context<()>, request: Echo| async { Ok(request) })
        .handle(|_: Context<()>, _: Add| async { Ok::<_, Error>(Empty {}) })
}

/// Runs a node on these bytes until their end.
pub async fn serve<S: Send + Sync + 'static>(node: Node<S>, input: &[u8]) -> (String, Stats) {
    let mut output = Vec::new();
    let stats = node.run(input, &mut output, Host::seeded(1)).await.expect("memory never fails");
    (String::from_utf8(output).expect("UTF-8"), stats)
}

/// Initialises [`node`], feeds it `lines` and returns what it answers to them.
pub async fn replies_to(lines: &[u8]) -> (String, Stats) {
    let input = [INIT.as_bytes(), b"\n", lines, b"\n"].concat();
    let (output, stats) = serve(node(), &input).await;
    let replies = output.strip_prefix(INIT_OK).and_then(|rest| rest.strip_prefix('\n'));
    (replies.expect("init is answered first").to_owned(), stats)
}

/// A node on the other end of a pipe.
pub struct Peer {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    pub writer: WriteHalf<DuplexStream>,
}

impl Peer {
    /// One that was initialised.
    pub async fn start<S: Send + Sync + 'static>(node: Node<S>) -> Self {
        let mut peer = Self::connect(node);
        peer.send(INIT).await;
        assert_eq!(peer.line().await, INIT_OK);
        peer
    }

    /// One that was not sent anything.
    pub fn connect<S: Send + Sync + 'static>(node: Node<S>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (read, write) = tokio::io::split(theirs);
        tokio::spawn(node.run(BufReader::new(read), write, Host::seeded(1)));
        let (read, writer) = tokio::io::split(ours);
        Self { lines: BufReader::new(read).lines(), writer }
    }

    pub async fn send(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Whether its output has ended.
    pub async fn ended(&mut self) -> bool {
        self.lines.next_line().await.unwrap().is_none()
    }

    pub async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("a line")
    }
}
