//! What is told of findings, and what is not: small runs, written down message by message.

use checkers::history::{self, Op};
use checkers::{Finding, Missed, Names, Subject};
use serde_json::{Value, json};
use simulator::explain::{Run, explain};
use simulator::trace::Trace;

/// A run of two nodes. Process 0 talks to n0, process 1 to n1.
#[derive(Clone, Default)]
struct Story {
    ops: Vec<Value>,
    trace: String,
    now: i64,
    ids: u64,
}

impl Story {
    /// So many milliseconds have passed.
    fn at(&mut self, millis: i64) -> &mut Self {
        self.now = millis * 1_000_000;
        self
    }

    fn line(&mut self, event: &str, rest: &str) {
        self.trace += &format!("{{\"time\":{},\"event\":\"{event}\",{rest}}}\n", self.now);
    }

    /// A message is sent.
    fn send(&mut self, src: &str, dest: &str, body: &Value) -> u64 {
        self.sent(src, dest, &format!("\"body\":{body}"))
    }

    fn sent(&mut self, src: &str, dest: &str, rest: &str) -> u64 {
        let id = self.ids;
        self.ids += 1;
        self.line("send", &format!(r#""id":{id},"src":"{src}","dest":"{dest}",{rest}"#));
        id
    }

    fn received(&mut self, id: u64) {
        self.line("recv", &format!("\"id\":{id}"));
    }

    fn dropped(&mut self, id: u64, by: &str) {
        self.line("drop", &format!("\"id\":{id},\"by\":\"{by}\""));
    }

    /// A message is sent and arrives.
    fn tell(&mut self, src: &str, dest: &str, body: &Value) {
        let id = self.send(src, dest, body);
        self.received(id);
    }

    fn op(&mut self, kind: &str, process: usize, f: &str, value: &Value) -> u64 {
        let index = self.ops.len() as u64;
        let op = json!({"index": index, "time": self.now, "type": kind, "process": process, "f": f,
                        "value": value});
        self.ops.push(op);
        index
    }

    /// A client asks, and its request arrives.
    fn ask(&mut self, process: usize, f: &str, value: &Value, mut body: Value) -> u64 {
        let index = self.op("invoke", process, f, value);
        body["type"] = f.into();
        body["msg_id"] = (index + 1).into();
        let (client, node) = (format!("c{}", process + 10), format!("n{process}"));
        let id = self.sent(&client, &node, &format!("\"op\":{index},\"body\":{body}"));
        self.received(id);
        index
    }

    /// It is answered.
    fn answer(&mut self, asked: u64, value: &Value) -> u64 {
        let process =
            self.ops[usize::try_from(asked).unwrap()]["process"].as_u64().unwrap() as usize;
        let f = self.ops[usize::try_from(asked).unwrap()]["f"].as_str().unwrap().to_owned();
        let body = json!({"type": format!("{f}_ok"), "in_reply_to": asked + 1});
        self.tell(&format!("n{process}"), &format!("c{}", process + 10), &body);
        self.op("ok", process, &f, value)
    }

    /// It is not, and the client gives up.
    fn time_out(&mut self, asked: u64) -> u64 {
        let process =
            self.ops[usize::try_from(asked).unwrap()]["process"].as_u64().unwrap() as usize;
        let index = self.op("info", process, "echo", &Value::Null);
        self.ops.last_mut().unwrap()["error"] = "net-timeout".into();
        index
    }

    /// Asks for it and is answered at once.
    fn done(&mut self, process: usize, f: &str, value: &Value, body: Value) -> u64 {
        let asked = self.ask(process, f, value, body);
        self.answer(asked, value)
    }

    fn broadcast(&mut self, process: usize, value: u64) -> u64 {
        self.done(process, "broadcast", &value.into(), json!({"message": value}))
    }

    /// Why this was found.
    fn why(&self, kind: &str, ops: &[u64], subject: [Option<&str>; 2]) -> Option<String> {
        let [key, value] = subject.map(|part| part.map(str::to_owned));
        self.why_of(kind, ops, Subject { key, value, ..Subject::default() })
    }

    fn why_of(&self, kind: &str, ops: &[u64], subject: Subject) -> Option<String> {
        let lines: Vec<String> = self.ops.iter().map(Value::to_string).collect();
        let lines = lines.join("\n");
        let history: Vec<Op> =
            history::read(lines.as_bytes()).unwrap().map(Result::unwrap).collect();
        let trace = Trace::read(self.trace.as_bytes()).unwrap();
        let run = Run::new(&history, &trace, Names::new(2, 2));
        let mut finding = Finding::new(kind, "", ops.to_vec());
        finding.subject = subject;
        explain(&run, &finding).map(|why| why.text)
    }

    /// Why a read of n1 does not have a value.
    fn lost(&mut self, value: &str) -> String {
        let read = self.done(1, "read", &json!([]), json!({}));
        self.why("lost", &[read], [None, Some(value)]).unwrap()
    }
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str], never: &[&str]) {
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    assert!(!never.iter().any(|part| text.contains(part)), "{text}");
}

#[test]
fn a_number_that_counts_something_else_is_not_the_value() {
    let mut story = Story::default();
    for (time, beat) in [(100, 1), (200, 2)] {
        story.at(time).tell("n0", "n1", &json!({"type": "beat", "n": beat}));
    }
    story.at(300).broadcast(0, 3);
    let gossip = story.send("n0", "n1", &json!({"type": "gossip", "value": 3}));
    story.dropped(gossip, "partition");
    story.at(400).tell("n0", "n1", &json!({"type": "beat", "n": 3}));
    let text = story.at(500).lost("3");
    let parts =
        ["sent it to n1 once, at 0.300 s; the partition dropped that; nobody sent it again"];
    assert_says(&text, &parts, &["itself"]);
}

#[test]
fn what_a_long_body_said_is_not_known() {
    let mut story = Story::default();
    story.at(100).broadcast(0, 3);
    let long = story.at(200).sent("n0", "n1", r#""type":"gossip","bytes":20000"#);
    story.received(long);
    let text = story.at(500).lost("3");
    assert_says(&text, &["n0 knew 3 from 0.100 s", "left out"], &["never sent", "nobody"]);
}

#[test]
fn what_was_sent_where_messages_are_left_out_is_not_known() {
    let mut story = Story::default();
    story.at(100).broadcast(0, 3);
    let mut again = story.clone();
    story.at(200).line("gap", "\"messages\":7");
    let text = story.at(500).lost("3");
    assert_says(&text, &["left out"], &["never sent", "nobody"]);

    let gossip = again.send("n0", "n1", &json!({"type": "gossip", "value": 3}));
    again.dropped(gossip, "loss");
    again.at(600).line("gap", "\"messages\":7");
    let text = again.at(700).lost("3");
    assert_says(&text, &["the lossy network dropped that"], &["nobody sent it again"]);
}

#[test]
fn a_value_that_was_told_again_after_a_restart_is_left_out_by_the_node() {
    let mut story = Story::default();
    story.at(100).broadcast(0, 3);
    story.tell("n0", "n1", &json!({"type": "gossip", "value": 3}));
    story.at(200).line("kill", "\"node\":\"n1\"");
    let mut forgotten = story.clone();
    story.at(300).tell("n0", "n1", &json!({"type": "gossip", "value": 3}));
    let text = story.at(400).lost("3");
    assert_says(&text, &["n1 got 3 from n0 at 0.300 s", "n1 itself leaves it out"], &["nobody"]);

    let text = forgotten.at(400).lost("3");
    assert_says(&text, &["was killed at 0.200 s", "forgotten", "nobody told it again"], &[]);
}

/// A read of n1 that is older than a write of n0, and the copy that came after it.
fn stale(
    story: &mut Story,
    before: impl FnOnce(&mut Story),
    after: impl FnOnce(&mut Story),
) -> String {
    story.at(10).done(0, "write", &json!([0, 4]), json!({"key": 0, "value": 4}));
    story.tell("n0", "n1", &json!({"type": "copy", "key": 0, "value": 4}));
    story.at(62).done(0, "write", &json!([0, 2]), json!({"key": 0, "value": 2}));
    let read = story.at(75).ask(1, "read", &json!([0, null]), json!({"key": 0}));
    before(story);
    let read = story.answer(read, &json!([0, 4]));
    after(story);
    story.why("not-linearizable", &[read], [Some("0"), Some("2")]).unwrap()
}

#[test]
fn what_was_sent_after_a_read_was_sent() {
    let copy = |story: &mut Story| {
        story.at(91).tell("n0", "n1", &json!({"type": "copy", "key": 0, "value": 2}));
    };
    let text = stale(&mut Story::default(), |_| (), copy);
    assert_says(
        &text,
        &["n0 knew 2 from 0.062 s, and sent it to n1 at 0.091 s only"],
        &["ever sent"],
    );
    let text = stale(&mut Story::default(), |_| (), |_| ());
    assert_says(&text, &["never sent it to "], &["only"]);
}

#[test]
fn what_arrives_while_a_read_is_answered_came_too_late() {
    let copy = |story: &mut Story| {
        story.tell("n0", "n1", &json!({"type": "copy", "key": 0, "value": 2}));
    };
    let text = stale(&mut Story::default(), copy, |_| ());
    assert_says(&text, &["sent it to n1 at 0.075 s only"], &["itself", "had got it"]);
}

#[test]
fn a_node_that_asks_in_vain_again_and_again_has_asked() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    for time in 1..4 {
        let body = json!({"type": "cas", "key": "k", "from": 1, "to": 2, "msg_id": time});
        story.at(time).tell("n0", "lin-kv", &body);
        let body = json!({"type": "error", "code": 22, "in_reply_to": time});
        story.tell("lin-kv", "n0", &body);
    }
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["asked lin-kv for `cas` 3 times", "0.003 s"], &["asked anybody"]);
}

#[test]
fn a_request_that_came_much_later_is_not_what_an_operation_waits_for() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    story.at(1000).tell("n1", "n0", &json!({"type": "hello"}));
    let ping = story.at(2000).send("n0", "n1", &json!({"type": "ping", "msg_id": 9}));
    story.dropped(ping, "kill");
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["did not answer"], &["waits for", "lossy"]);
}

#[test]
fn a_node_that_was_down_dropped_what_was_sent_to_it() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    let ask = story.send("n0", "n1", &json!({"type": "check", "msg_id": 9}));
    story.dropped(ask, "kill");
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["asked n1 for `check` at 0.000 s; n1 was down"], &["lossy"]);
}

#[test]
fn a_line_about_a_panic_is_none() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    story.at(1).line("log", r#""node":"n0","line":"no panic yet. All is well""#);
    let calm = story.trace.clone();
    story.line("log", r#""node":"n0","line":"thread 'main' panicked at \u001b[2J""#);
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["panicked at 0.001 s", "\\u001b"], &["\u{1b}"]);
    story.trace = calm;
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &[], &["panicked"]);
}

#[test]
fn a_partition_of_nodes_that_say_nothing_to_each_other_is_no_cause() {
    let links = r#""fault":"partition","links":[["n0","n1"],["n1","n0"]]"#;
    let mut story = Story::default();
    story.line("fault", links);
    let first = story.at(100).done(0, "generate", &json!(7), json!({}));
    let again = story.at(200).done(1, "generate", &json!(7), json!({}));
    let text = story.why("duplicated", &[first, again], [None, Some("7")]).unwrap();
    assert_says(&text, &["made it up by itself"], &["partition"]);

    let mut story = Story::default();
    story.line("fault", links);
    let first = story.at(100).done(0, "generate", &json!(7), json!({}));
    let told = story.send("n0", "n1", &json!({"type": "taken", "id": 7}));
    story.dropped(told, "partition");
    let again = story.at(200).done(1, "generate", &json!(7), json!({}));
    let text = story.why("duplicated", &[first, again], [None, Some("7")]).unwrap();
    assert_says(&text, &["the partition from 0.000 s kept"], &["made it up"]);
}

#[test]
fn of_a_sum_that_messages_do_not_account_for_nothing_is_told() {
    let mut story = Story::default();
    story.at(100).done(0, "add", &6.into(), json!({"delta": 6}));
    let round = story.send("n0", "n1", &json!({"type": "state", "round": 6}));
    story.dropped(round, "loss");
    story.at(200).tell("n0", "n1", &json!({"type": "state", "round": 7}));
    let low = story.at(300).done(1, "read", &0.into(), json!({}));
    let state = story.at(400).send("n0", "n1", &json!({"type": "state", "round": 8}));
    story.received(state);
    story.received(state);
    // A sum that comes twice is counted once.
    for sum in [6, 5, 5] {
        story.at(450).tell("n0", "n1", &json!({"type": "sum", "sum": sum}));
    }
    let high = story.at(500).done(1, "read", &11.into(), json!({}));
    assert_eq!(story.why("wrong-sum", &[low], [None, None]), None);
    assert_eq!(story.why("wrong-sum", &[high], [None, None]), None);
}

/// That one transaction read a key without what another wrote.
fn missed([reader, writer]: [u64; 2], [key, read, value]: [&str; 3]) -> Subject {
    let [key, read, value] = [key, read, value].map(str::to_owned);
    Subject { missed: vec![Missed { reader, writer, key, read, value }], ..Subject::default() }
}

#[test]
fn of_a_circle_the_keys_that_make_it_are_told() {
    let mut story = Story::default();
    let txn = |steps: Value| (steps.clone(), json!({"txn": steps}));
    let (value, body) = txn(json!([["w", 73, 1], ["w", 74, 5]]));
    let writer = story.at(100).done(0, "txn", &value, body);
    let (value, body) = txn(json!([["w", 73, 2], ["r", 73, 2], ["r", 74, null]]));
    let reader = story.at(200).done(1, "txn", &value, body);
    let subject = missed([reader, writer], ["74", "null", "5"]);
    let text = story.why_of("G-single-realtime", &[writer, reader], subject).unwrap();
    assert_says(&text, &["acknowledged 5 for key 74", "with null instead"], &["key 73"]);

    let mut both = Story::default();
    let (value, body) = txn(json!([["r", 73, null]]));
    let early = both.at(50).ask(1, "txn", &value, body);
    let (value, body) = txn(json!([["w", 73, 1]]));
    let writer = both.at(100).done(0, "txn", &value, body);
    let early = both.at(110).answer(early, &json!([["r", 73, null]]));
    let subject = missed([early, writer], ["73", "null", "1"]);
    let text = both.why_of("G2-item", &[writer, early], subject).unwrap();
    assert_says(&text, &["without the 1 of op "], &["acknowledged", "instead"]);
    assert_eq!(both.why("G2-item", &[writer, early], [None, None]), None);
}

#[test]
fn each_offset_that_has_two_messages_is_told_of() {
    let mut story = Story::default();
    for (time, process, offset, value) in [(1, 0, 0, 5), (2, 1, 0, 6), (3, 0, 1, 7), (4, 1, 1, 8)] {
        let asked = json!([["send", "9", value]]);
        let op = story.at(time).ask(process, "send", &asked, json!({"key": "9", "msg": value}));
        story.answer(op, &json!([["send", "9", [offset, value]]]));
    }
    for (offset, time) in [(0, "0.001 s"), (1, "0.003 s")] {
        let subject = Subject { key: Some("9".into()), offset: Some(offset), ..Subject::default() };
        let text = story.why_of("inconsistent-offsets", &[1, 3], subject).unwrap();
        assert_says(&text, &[&format!("offset {offset} of key 9 at {time}")], &[]);
    }
}

#[test]
fn a_node_that_passes_a_message_on_need_not_have_it() {
    let send = |passes: bool| {
        let mut story = Story::default();
        let asked = json!([["send", "9", 5]]);
        let op = story.at(1).ask(0, "send", &asked, json!({"key": "9", "msg": 5}));
        if passes {
            let write = json!({"type": "append", "key": "9", "msg": 5, "msg_id": 1});
            story.at(2).tell("n0", "n1", &write);
        }
        story.at(3).answer(op, &json!([["send", "9", [0, 5]]]));
        let polled = json!([["poll", {"9": [[1, 6]]}]]);
        let poll = story.at(4).done(0, "poll", &polled, json!({"offsets": {"9": 0}}));
        story.why("lost-write", &[1, poll], [Some("9"), Some("5")]).unwrap()
    };
    assert_says(&send(true), &["n0 had sent it to n1 at 0.002 s"], &["skips"]);
    assert_says(&send(false), &["n0 had it, so it skips the offset itself"], &[]);
}

#[test]
fn what_became_of_each_of_several_messages_is_told() {
    let mut story = Story::default();
    let gossip = json!({"type": "gossip", "value": 3});
    story.at(100).broadcast(0, 3);
    for (time, by) in [(110, "partition"), (120, "partition"), (130, "loss")] {
        let sent = story.at(time).send("n0", "n1", &gossip);
        story.dropped(sent, by);
    }
    let slow = story.at(140).send("n0", "n1", &gossip);
    let read = story.at(200).done(1, "read", &json!([]), json!({}));
    story.at(300).received(slow);
    let text = story.why("lost", &[read], [None, Some("3")]).unwrap();
    assert_says(
        &text,
        &[
            "the partition dropped 2 of them, the lossy network dropped 1 of them",
            "and the first to arrive did so at 0.300 s only",
        ],
        &["all of them", "again"],
    );
}

#[test]
fn a_node_that_was_killed_before_a_write_was_acknowledged_forgot_it() {
    let mut story = Story::default();
    let write = story.at(10).ask(0, "write", &json!([0, 2]), json!({"key": 0, "value": 2}));
    story.tell("n0", "n1", &json!({"type": "copy", "key": 0, "value": 2}));
    story.at(20).line("kill", "\"node\":\"n1\"");
    story.at(30).answer(write, &json!([0, 2]));
    let read = story.at(40).done(1, "read", &json!([0, 1]), json!({"key": 0}));
    let text = story.why("not-linearizable", &[read], [Some("0"), Some("2")]).unwrap();
    assert_says(&text, &["n1 was killed at 0.020 s and had forgotten it"], &["older"]);
}

#[test]
fn a_text_with_a_full_stop_is_told_whole() {
    let mut story = Story::default();
    let value = json!("a. b");
    story.at(50).done(0, "broadcast", &json!("c"), json!({"message": "c"}));
    story.at(100).done(0, "broadcast", &value, json!({"message": value}));
    let gossip = json!({"type": "gossip", "value": value});
    let sent = story.send("n0", "n2", &gossip);
    story.dropped(sent, "loss");
    for (src, dest) in [("n0", "n2"), ("n2", "n1")] {
        story.tell(src, dest, &json!({"type": "gossip", "value": "c"}));
    }
    let text = story.at(300).lost("\"a. b\"");
    assert_says(&text, &["n0 knew \"a. b\" from 0.100 s", "So n1, which hears"], &[]);
}

/// A final read of a counter, and what is told of it.
fn final_sum(story: &mut Story, process: usize, value: i64) -> u64 {
    let read = story.done(process, "read", &json!(value), json!({}));
    story.ops.last_mut().unwrap()["final?"] = true.into();
    read
}

#[test]
fn how_far_each_add_got_is_told() {
    let mut story = Story::default();
    let state = json!({"type": "state", "sum": 3});
    story.at(100).done(0, "add", &3.into(), json!({"delta": 3}));
    story.tell("n0", "n2", &state);
    story.at(200).done(0, "add", &4.into(), json!({"delta": 4}));
    story.tell("n0", "n2", &state);
    let sent = story.send("n0", "n1", &state);
    story.dropped(sent, "partition");
    let read = final_sum(story.at(300), 1, 0);
    let text = story.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_eq!(
        text,
        "n0 acknowledged 2 adds from 0.100 s to 0.200 s, 7 in all; one message to n1 can tell of them: \
         the partition dropped that. They got as far as n2."
    );
}

#[test]
fn a_counter_that_forgets_what_it_was_told_is_told_of_unless_it_has_a_disk() {
    let mut story = Story::default();
    story.at(100).done(0, "add", &3.into(), json!({"delta": 3}));
    story.tell("n0", "n1", &json!({"type": "state", "sum": 3}));
    story.at(200).line("kill", "\"node\":\"n1\"");
    let read = final_sum(story.at(300), 1, 0);
    let text = story.why("wrong-sum", &[read], [None, None]).unwrap();
    let forgot =
        "n1 was killed at 0.200 s and had forgotten the add of 3 that n0 was told at 0.100 s";
    assert_says(&text, &[forgot, "nothing was sent to n1 after that"], &["n2"]);

    let mut disk = Story::default();
    disk.at(100).done(0, "add", &3.into(), json!({"delta": 3}));
    disk.at(200).line("kill", "\"node\":\"n0\"");
    let mut forgetful = disk.clone();
    final_sum(disk.at(300), 0, 3);
    let read = final_sum(disk.at(300), 1, 0);
    let text = disk.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_says(&text, &["n0 acknowledged the add of 3", "nothing was sent to n1"], &["killed"]);

    final_sum(forgetful.at(300), 0, 0);
    let read = final_sum(forgetful.at(300), 1, 0);
    let text = forgetful.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_says(&text, &["before it had told anybody, and was killed at 0.200 s with it"], &[]);
}

#[test]
fn of_two_writes_to_a_key_the_later_one_overwrites_what_its_writer_had_not_read() {
    let mut story = Story::default();
    story.at(100).done(0, "add", &3.into(), json!({"delta": 3}));
    story.done(1, "add", &4.into(), json!({"delta": 4}));
    for (node, id) in [("n0", 1), ("n1", 1)] {
        story.at(110).tell(node, "seq-kv", &json!({"type": "read", "key": "k", "msg_id": id}));
        let body = json!({"type": "read_ok", "value": 0, "in_reply_to": id});
        story.tell("seq-kv", node, &body);
    }
    for (time, node, value) in [(120, "n0", 3), (130, "n0", 9), (140, "n1", 4)] {
        let key = if value == 9 { "other" } else { "k" };
        let body = json!({"type": "write", "key": key, "value": value, "msg_id": time});
        story.at(time).tell(node, "seq-kv", &body);
    }
    story.tell("n0", "n1", &json!({"type": "state", "sum": 3}));
    let read = final_sum(story.at(300), 1, 4);
    let text = story.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_says(&text, &["n1 wrote to seq-kv at 0.140 s", "overwrote what n0", "at 0.120 s"], &[]);
}
