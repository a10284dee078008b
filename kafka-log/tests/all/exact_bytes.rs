//! One node, byte for byte: this test plays its clients and its service.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use kafka_log::Options;
use maelstrom::Host;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::time;

/// The other end of a node's pipes.
struct Peer {
    lines: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

impl Peer {
    /// A node that was initialised as one of these.
    async fn start(nodes: &[&str]) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (read, write) = tokio::io::split(theirs);
        let node = kafka_log::node(Options::default());
        tokio::spawn(node.run(BufReader::new(read), write, Host::seeded(1)));
        let (read, writer) = tokio::io::split(ours);
        let mut peer = Self { lines: BufReader::new(read).lines(), writer };
        let body = json!({"type": "init", "msg_id": 1, "node_id": "n0", "node_ids": nodes});
        peer.send("c0", &body).await;
        assert_eq!(peer.reply().await, json!({"type": "init_ok", "in_reply_to": 1}));
        // Whatever comes after `init` shows that the service can be talked to.
        peer.send("lin-kv", &json!({"type": "read_ok", "in_reply_to": 0})).await;
        peer
    }

    /// A node on its own, which has found its partition empty.
    async fn alone() -> Self {
        let mut peer = Self::start(&["n0"]).await;
        for key in ["snapshot/0", "segment/0/0"] {
            peer.find_nothing(key).await;
        }
        peer
    }

    /// Lets the node read a register that is not written.
    async fn find_nothing(&mut self, key: &str) {
        let read = self.asked().await;
        assert_eq!((&read["type"], &read["key"]), (&json!("read"), &json!(key)));
        self.answer(&read, json!({"type": "error", "code": 20, "text": "none"})).await;
    }

    async fn send(&mut self, src: &str, body: &Value) {
        let line = format!("{}\n", json!({"src": src, "dest": "n0", "body": body}));
        self.writer.write_all(line.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self, request: &Value, mut body: Value) {
        body["in_reply_to"] = request["msg_id"].clone();
        self.send("lin-kv", &body).await;
    }

    async fn line(&mut self) -> String {
        let line = time::timeout(Duration::from_secs(10), self.lines.next_line());
        line.await.expect("a line in time").unwrap().expect("a line")
    }

    /// What the node asks the service.
    async fn asked(&mut self) -> Value {
        let message: Value = serde_json::from_str(&self.line().await).unwrap();
        assert_eq!(message["dest"], "lin-kv", "{message}");
        message["body"].clone()
    }

    /// What the node answers its clients while the service is silent, as the codes
    /// of so many errors by `msg_id`, and what it asked the service last.
    async fn errors(&mut self, count: usize) -> (BTreeMap<u64, i64>, Value) {
        let (mut codes, mut asked) = (BTreeMap::new(), Value::Null);
        while codes.len() < count {
            let message: Value = serde_json::from_str(&self.line().await).unwrap();
            let body = message["body"].clone();
            if message["dest"] == "lin-kv" {
                asked = body;
            } else {
                let id = body["in_reply_to"].as_u64().expect("a reply");
                codes.insert(id, body["code"].as_i64().expect("an error"));
            }
        }
        (codes, asked)
    }

    /// What the node answers a client.
    async fn reply(&mut self) -> Value {
        let message: Value = serde_json::from_str(&self.line().await).unwrap();
        assert!(message["dest"].as_str().unwrap().starts_with('c'), "{message}");
        message["body"].clone()
    }
}

fn send(id: u64, message: &Value) -> Value {
    json!({"type": "send", "msg_id": id, "key": "k1", "msg": message})
}

fn commit(id: u64) -> Value {
    json!({"type": "commit_offsets", "msg_id": id, "offsets": {"k1": 7}})
}

#[tokio::test(start_paused = true)]
async fn a_message_is_acknowledged_when_the_service_has_it_and_comes_back_as_it_was() {
    let mut peer = Peer::alone().await;
    let line = r#"{"src":"c1","dest":"n0","body":{"type":"send","msg_id":2,"key":"k1","msg":{"a":1.50,"a":"\ud800"}}}"#;
    peer.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let cas = peer.asked().await;
    assert_eq!((&cas["type"], &cas["key"]), (&json!("cas"), &json!("segment/0/0")));
    assert_eq!((&cas["from"], &cas["create_if_not_exists"]), (&json!(""), &json!(true)));
    let segment = cas["to"].as_str().expect("text");
    let (before, after) = segment.split_once(r#"","seen""#).expect("what it has seen");
    assert!(before.starts_with(r#"{"by":"n0-"#), "{before}");
    assert_eq!(after, r#":[1],"sends":{"k1":[[0,{"a":1.50,"a":"\ud800"}]]}}"#);
    peer.answer(&cas, json!({"type": "cas_ok"})).await;
    assert_eq!(peer.reply().await, json!({"type": "send_ok", "in_reply_to": 2, "offset": 0}));
    let poll = json!({"type": "poll", "msg_id": 3, "offsets": {"k1": 0, "k2": 0}});
    peer.send("c1", &poll).await;
    assert_eq!(
        peer.line().await,
        r#"{"src":"n0","dest":"c1","body":{"type":"poll_ok","in_reply_to":3,"msgs":{"k1":[[0,{"a":1.50,"a":"\ud800"}]]}}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn offsets_are_committed_listed_and_left_out_where_there_are_none() {
    let mut peer = Peer::alone().await;
    peer.send("c1", &commit(2)).await;
    let cas = peer.asked().await;
    assert!(cas["to"].as_str().unwrap().ends_with(r#""seen":[1],"commits":{"k1":7}}"#), "{cas}");
    peer.answer(&cas, json!({"type": "cas_ok"})).await;
    assert_eq!(peer.reply().await, json!({"type": "commit_offsets_ok", "in_reply_to": 2}));
    let list = json!({"type": "list_committed_offsets", "msg_id": 3, "keys": ["k1", "k2"]});
    peer.send("c1", &list).await;
    let listed =
        json!({"type": "list_committed_offsets_ok", "in_reply_to": 3, "offsets": {"k1": 7}});
    assert_eq!(peer.reply().await, listed);
    peer.send("c1", &commit(4)).await;
    assert_eq!(peer.reply().await["type"], "commit_offsets_ok", "no news, so nothing is written");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_not_answered_is_tried_again_and_recognised() {
    let mut peer = Peer::alone().await;
    peer.send("c1", &send(2, &json!(1))).await;
    let first = peer.asked().await;
    let second = peer.asked().await;
    assert_eq!((&first["key"], &first["to"]), (&second["key"], &second["to"]));
    // The first attempt was late, and succeeded after all.
    peer.answer(&second, json!({"type": "error", "code": 22, "text": "not that"})).await;
    let read = peer.asked().await;
    assert_eq!((&read["type"], &read["key"]), (&json!("read"), &first["key"]));
    peer.answer(&read, json!({"type": "read_ok", "value": first["to"]})).await;
    assert_eq!(peer.reply().await, json!({"type": "send_ok", "in_reply_to": 2, "offset": 0}));
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_place_was_taken_gets_the_next_one() {
    let mut peer = Peer::alone().await;
    peer.send("c1", &send(2, &json!(1))).await;
    let cas = peer.asked().await;
    peer.answer(&cas, json!({"type": "error", "code": 22, "text": "not that"})).await;
    let read = peer.asked().await;
    let former = r#"{"by":"n0-former-9","seen":[1],"sends":{"k1":[[0,"former"]]}}"#;
    peer.answer(&read, json!({"type": "read_ok", "value": former})).await;
    let cas = peer.asked().await;
    assert_eq!(cas["key"], "segment/0/1");
    peer.answer(&cas, json!({"type": "cas_ok"})).await;
    let offset = peer.reply().await["offset"].as_u64().unwrap();
    assert!(offset > 0);
    peer.send("c1", &json!({"type": "poll", "msg_id": 3, "offsets": {"k1": 0}})).await;
    assert_eq!(peer.reply().await["msgs"], json!({"k1": [[0, "former"], [offset, 1]]}));
}

#[tokio::test(start_paused = true)]
async fn errors_are_definite_only_for_what_was_never_written() {
    let mut peer = Peer::alone().await;
    peer.send("c1", &send(2, &json!(1))).await;
    peer.asked().await;
    peer.send("c2", &send(3, &json!(2))).await;
    let (codes, cas) = peer.errors(2).await;
    assert_eq!(codes, BTreeMap::from([(2, 0), (3, 11)]));
    peer.answer(&cas, json!({"type": "cas_ok"})).await;
    time::sleep(Duration::from_millis(1)).await;
    peer.send("c1", &json!({"type": "poll", "msg_id": 4, "offsets": {"k1": 0}})).await;
    assert_eq!(peer.reply().await["msgs"], json!({"k1": [[0, 1]]}));
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_never_refused_for_certain_as_its_poll_cannot_be_undone() {
    let mut peer = Peer::alone().await;
    peer.send("c1", &send(2, &json!(1))).await;
    peer.asked().await;
    peer.send("c2", &commit(3)).await;
    let (codes, cas) = peer.errors(2).await;
    assert_eq!(codes, BTreeMap::from([(2, 0), (3, 0)]), "behind a segment that is under way");
    assert_eq!(cas["type"], "cas");
    let mut peer = Peer::start(&["n0"]).await;
    peer.send("c1", &send(2, &json!(1))).await;
    peer.send("c2", &commit(3)).await;
    let (codes, _) = peer.errors(2).await;
    assert_eq!(codes, BTreeMap::from([(2, 11), (3, 0)]), "of a node that has yet to read");
}

#[tokio::test(start_paused = true)]
async fn requests_wait_until_a_node_has_read_what_there_is() {
    let mut peer = Peer::start(&["n0"]).await;
    peer.send("c1", &json!({"type": "poll", "msg_id": 2, "offsets": {"k1": 0}})).await;
    peer.send("c2", &json!({"type": "list_committed_offsets", "msg_id": 3, "keys": ["k1"]})).await;
    peer.find_nothing("snapshot/0").await;
    let read = peer.asked().await;
    let former = r#"{"by":"n0-1-1","seen":[1],"sends":{"k1":[[0,"former"]]},"commits":{"k1":0}}"#;
    peer.answer(&read, json!({"type": "read_ok", "value": former})).await;
    for key in ["segment/0/1", "segment/0/2"] {
        peer.find_nothing(key).await;
    }
    assert_eq!(peer.reply().await["msgs"], json!({"k1": [[0, "former"]]}));
    assert_eq!(peer.reply().await["offsets"], json!({"k1": 0}));
}

#[tokio::test(start_paused = true)]
async fn values_that_no_node_wrote_are_passed_over() {
    for value in [json!(5), json!(null), json!({"by": 1}), json!("no segment")] {
        let mut peer = Peer::start(&["n0"]).await;
        for key in ["snapshot/0", "segment/0/0"] {
            let read = peer.asked().await;
            assert_eq!(read["key"], key);
            let error = json!({"type": "error", "code": 20, "text": "none"});
            let found = json!({"type": "read_ok", "value": value});
            peer.answer(&read, if key == "snapshot/0" { error } else { found }).await;
        }
        for key in ["segment/0/1", "segment/0/2"] {
            peer.find_nothing(key).await;
        }
        peer.send("c1", &send(2, &json!(1))).await;
        let cas = peer.asked().await;
        assert_eq!(cas["key"], "segment/0/1");
        peer.answer(&cas, json!({"type": "cas_ok"})).await;
        assert_eq!(peer.reply().await["type"], "send_ok", "after {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_that_are_no_offsets_are_malformed() {
    let mut peer = Peer::alone().await;
    peer.send("c1", &json!({"type": "poll", "msg_id": 2, "offsets": {"k1": -1}})).await;
    let reply = peer.reply().await;
    assert_eq!((&reply["code"], &reply["in_reply_to"]), (&json!(12), &json!(2)));
}

#[test]
fn the_binary_starts_ends_with_its_input_and_refuses_what_it_does_not_know() {
    let binary = env!("CARGO_BIN_EXE_kafka-log");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(binary);
        command.args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
    };
    assert!(run(&[]).status.success());
    assert!(run(&["--ack-early"]).status.success());
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("price"));
    let refused = run(&["--nonsense"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("`--nonsense`") && said.contains("`--ack-early`"), "{said}");
}
