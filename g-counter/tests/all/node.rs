//! The node over memory: what it says to clients, to `seq-kv` and to its peers.

use std::time::Duration;

use g_counter::Counter;
use maelstrom::machine::Driver;
use maelstrom::{Host, Node};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout};

/// A node on the other end of a pipe.
struct Pipe {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

impl Pipe {
    /// A node that has been sent `init`, and has answered.
    async fn start(node: Node<Driver<Counter>>, nodes: &[&str]) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (read, write) = tokio::io::split(theirs);
        tokio::spawn(node.run(BufReader::new(read), write, Host::seeded(1)));
        let (read, writer) = tokio::io::split(ours);
        let mut pipe = Self { lines: BufReader::new(read).lines(), writer };
        pipe.send("c0", json!({"type": "init", "msg_id": 1, "node_id": "n0", "node_ids": nodes}))
            .await;
        pipe
    }

    /// A node whose key is taken over, and the value with which it is.
    async fn open(node: Node<Driver<Counter>>, nodes: &[&str]) -> (Self, Value) {
        let mut pipe = Self::start(node, nodes).await;
        let mut fence = pipe.next().await;
        if fence["body"]["type"] == "init_ok" {
            fence = pipe.next().await;
        } else {
            assert_eq!(pipe.next().await["body"]["type"], "init_ok");
        }
        pipe.reply(&fence, json!({"type": "cas_ok"})).await;
        (pipe, fence["body"]["to"].clone())
    }

    async fn send(&mut self, src: &str, body: Value) {
        let line = json!({"src": src, "dest": "n0", "body": body});
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().expect("a line");
        serde_json::from_str(&line).unwrap()
    }

    async fn reply(&mut self, request: &Value, mut body: Value) {
        body["in_reply_to"] = request["body"]["msg_id"].clone();
        self.send(request["dest"].as_str().unwrap(), body).await;
    }

    /// Sends a client's request and returns the body of what the node says next.
    async fn ask(&mut self, body: Value) -> Value {
        self.send("c1", body).await;
        self.next().await["body"].take()
    }

    /// Sends an add whose delta is this text.
    async fn add(&mut self, delta: &str) {
        let body = format!(r#"{{"type":"add","msg_id":5,"delta":{delta}}}"#);
        let line = format!(r#"{{"src":"c1","dest":"n0","body":{body}}}"#);
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Whether the node says nothing for so long.
    async fn is_silent(&mut self, time: Duration) -> bool {
        timeout(time, self.next()).await.is_err()
    }
}

const ALONE: &[&str] = &["n0"];

fn error_of(body: &Value) -> (i64, &str) {
    (body["code"].as_i64().unwrap(), body["text"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn init_is_answered_however_slow_the_service_is() {
    let start = Instant::now();
    let mut pipe = Pipe::start(g_counter::node(), ALONE).await;
    assert_eq!(pipe.next().await["body"]["type"], "init_ok");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(pipe.next().await["dest"], "seq-kv");
}

#[tokio::test(start_paused = true)]
async fn an_add_is_written_to_the_nodes_own_key_and_then_acknowledged() {
    let (mut pipe, fence) = Pipe::open(g_counter::node(), ALONE).await;
    assert_eq!((&fence[0], &fence[2], &fence[3]), (&json!(1), &json!(0), &json!(0)));
    pipe.send("c1", json!({"type": "add", "msg_id": 5, "delta": 3})).await;
    let write = pipe.next().await;
    assert_eq!(write["dest"], "seq-kv");
    let body = &write["body"];
    assert_eq!((&body["type"], &body["key"]), (&json!("cas"), &json!("counter/n0")));
    assert_eq!(body["from"], fence);
    assert_eq!(body["to"], json!([1, fence[1], 1, 3]));
    let read = pipe.ask(json!({"type": "read", "msg_id": 6})).await;
    assert_eq!(read, json!({"type": "read_ok", "in_reply_to": 6, "value": 0}));
    pipe.reply(&write, json!({"type": "cas_ok"})).await;
    let added = pipe.next().await;
    assert_eq!(added["body"], json!({"type": "add_ok", "in_reply_to": 5}));
    let read = pipe.ask(json!({"type": "read", "msg_id": 7})).await;
    assert_eq!(read["value"], 3);
    assert!(pipe.is_silent(Duration::from_secs(3600)).await);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_node_answers_reads_when_it_has_taken_its_key_over() {
    let mut pipe = Pipe::start(g_counter::node(), ALONE).await;
    let (first, second) = (pipe.next().await, pipe.next().await);
    let fence = if first["dest"] == "seq-kv" { first } else { second };
    pipe.send("c1", json!({"type": "read", "msg_id": 5})).await;
    pipe.reply(&fence, json!({"type": "error", "code": 22, "text": "not that"})).await;
    let check = pipe.next().await;
    assert_eq!(check["body"]["type"], "read");
    pipe.reply(&check, json!({"type": "read_ok", "value": [3, 99, 7, 40]})).await;
    let fence = pipe.next().await;
    assert_eq!(fence["body"]["from"], json!([3, 99, 7, 40]));
    pipe.reply(&fence, json!({"type": "cas_ok"})).await;
    let read = pipe.next().await;
    assert_eq!(read["body"], json!({"type": "read_ok", "in_reply_to": 5, "value": 40}));
}

#[tokio::test(start_paused = true)]
async fn a_delta_that_is_no_natural_number_is_malformed_and_changes_nothing() {
    let (mut pipe, _) = Pipe::open(g_counter::node(), ALONE).await;
    for delta in ["-1", "1.5", "1.0", "\"1\"", "null", "1e3", "[1]"] {
        pipe.add(delta).await;
        let answer = pipe.next().await;
        let (code, text) = error_of(&answer["body"]);
        assert_eq!(code, 12, "{delta}");
        assert!(text.contains("delta"), "{text}");
    }
    let answer = pipe.ask(json!({"type": "add", "msg_id": 6})).await;
    assert_eq!(error_of(&answer).0, 12);
    let read = pipe.ask(json!({"type": "read", "msg_id": 7})).await;
    assert_eq!(read["value"], 0);
}

/// The text of a `read_ok`'s value: `Value` would round it.
async fn read_text(pipe: &mut Pipe) -> String {
    pipe.send("c1", json!({"type": "read", "msg_id": 9})).await;
    let line = pipe.lines.next_line().await.unwrap().expect("a line");
    let (_, value) = line.split_once(r#""value":"#).expect("a value");
    value.trim_end_matches('}').to_owned()
}

#[tokio::test(start_paused = true)]
async fn no_sum_is_out_of_range() {
    const WIDE: &str = "170141183460469231731687303715884105728";
    let (mut pipe, fence) = Pipe::open(g_counter::pn_node(), ALONE).await;
    let incarnation = &fence[1];
    let mut before = format!("[1,{incarnation},0,0]");
    let edges = [
        ("9223372036854775807", "9223372036854775807"),
        ("1", "9223372036854775808"),
        (WIDE, "170141183460469231740910675752738881536"),
        ("-9223372036854775808", WIDE),
        ("-340282366920938463463374607431768211456", "-170141183460469231731687303715884105728"),
        (WIDE, "0"),
    ];
    for (number, (delta, sum)) in (1..).zip(edges) {
        pipe.add(delta).await;
        let write = pipe.lines.next_line().await.unwrap().expect("a line");
        let after = format!("[1,{incarnation},{number},{sum}]");
        assert!(write.contains(&format!(r#""from":{before},"to":{after}"#)), "{write}");
        pipe.reply(&serde_json::from_str(&write).unwrap(), json!({"type": "cas_ok"})).await;
        assert_eq!(pipe.next().await["body"]["type"], "add_ok");
        assert_eq!(read_text(&mut pipe).await, sum);
        before = after;
    }
    pipe.add(&"1".repeat(g_counter::MAX_DIGITS + 1)).await;
    let answer = pipe.next().await;
    let (code, text) = error_of(&answer["body"]);
    assert!(code == 12 && text.contains("delta: an integer of 1001 digits"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_other_constructor_counts_down_as_well() {
    let (mut pipe, fence) = Pipe::open(g_counter::pn_node(), ALONE).await;
    pipe.send("c1", json!({"type": "add", "msg_id": 5, "delta": -5})).await;
    let write = pipe.next().await;
    assert_eq!(write["body"]["to"], json!([1, fence[1], 1, -5]));
    pipe.reply(&write, json!({"type": "cas_ok"})).await;
    assert_eq!(pipe.next().await["body"]["type"], "add_ok");
    let read = pipe.ask(json!({"type": "read", "msg_id": 6})).await;
    assert_eq!(read["value"], -5);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_input_who_waits_is_told_what_is_known() {
    let (mut pipe, _) = Pipe::open(g_counter::node(), ALONE).await;
    let start = Instant::now();
    pipe.send("c1", json!({"type": "add", "msg_id": 5, "delta": 3})).await;
    assert_eq!(pipe.next().await["dest"], "seq-kv");
    pipe.send("c1", json!({"type": "add", "msg_id": 6, "delta": 4})).await;
    pipe.writer.shutdown().await.unwrap();
    let mut answers = [pipe.next().await["body"].take(), pipe.next().await["body"].take()];
    answers.sort_by_key(|answer| answer["in_reply_to"].as_u64());
    assert_eq!(error_of(&answers[0]).0, 13, "in flight: nobody knows");
    assert_eq!(error_of(&answers[1]).0, 11, "not sent: it did not happen");
    assert_eq!(pipe.lines.next_line().await.unwrap(), None);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn gossip_of_strangers_is_ignored() {
    let (mut pipe, _) = Pipe::open(g_counter::node(), ALONE).await;
    let gossip = json!({
        "type": "gossip", "epoch": 9, "version": 1, "since": 0,
        "seen_epoch": 1, "seen_version": 0, "contributions": {"n0": [9, 9, 9, 9]},
    });
    pipe.send("n7", gossip).await;
    let read = pipe.ask(json!({"type": "read", "msg_id": 6})).await;
    assert_eq!(read["value"], 0);
}
