//! Faults that learners make, one of each kind: what is told is what the node does wrong.

use checkers::{Missed, Subject};
use serde_json::{Value, json};

use crate::story::{Story, assert_says};
use crate::sums::final_sum;

/// A node asks another or a service, and is answered.
fn ask(story: &mut Story, [node, whom]: [&str; 2], id: u64, mut body: Value, mut answer: Value) {
    (body["msg_id"], answer["in_reply_to"]) = (id.into(), id.into());
    story.tell(node, whom, &body);
    story.tell(whom, node, &answer);
}

fn kv_read(story: &mut Story, node: &str, id: u64, key: &str, value: &Value) {
    let body = json!({"type": "read", "key": key});
    ask(story, [node, "lin-kv"], id, body, json!({"type": "read_ok", "value": value}));
}

fn kv_write(story: &mut Story, node: &str, id: u64, key: &str, value: &Value) {
    let body = json!({"type": "write", "key": key, "value": value});
    ask(story, [node, "lin-kv"], id, body, json!({"type": "write_ok"}));
}

#[test]
fn a_list_that_stays_the_same_whatever_a_node_is_told_is_an_old_copy() {
    let told = |changes: bool| {
        let mut story = Story::default();
        story.at(1).broadcast(1, 1);
        story.at(2).done(1, "read", &json!([1]), json!({}));
        for value in 2..6 {
            story.at(value + 1).broadcast(1, value as u64);
        }
        let read = if changes { json!([1, 3]) } else { json!([1]) };
        let read = story.at(9).done(1, "read", &read, json!({}));
        story.why("lost", &[read], [None, Some("2")]).unwrap()
    };
    let old =
        "n1 was told 2 at 0.003 s, but its answer at 0.009 s lists what it did at 0.002 s already";
    assert_says(&told(false), &[old, "answers from an old copy."], &[]);
    assert_says(&told(true), &["n1 itself left it out"], &["copy"]);
}

#[test]
fn a_value_that_is_left_out_while_others_are_sent_is_told_with_those() {
    let told = |others: i64| {
        let mut story = Story::default();
        story.at(1).broadcast(0, 7);
        for value in 20..20 + others {
            story.at(value).broadcast(0, value as u64);
            story.tell("n0", "n1", &json!({"type": "spread", "value": value}));
        }
        story.at(90).lost("7")
    };
    let never = "n0 knew 7 from 0.001 s, and never sent it to anybody";
    let others = ", although it sent 4 of those that it was told after that.";
    assert_says(&told(4), &[never, others], &[]);
    assert_says(&told(0), &[&format!("{never}.")], &[]);
}

/// What is told of the first id that came twice, of those that processes got at these times.
fn twice(ids: &[(usize, i64, Value)]) -> String {
    let mut story = Story::default();
    let mut given: Vec<(u64, &Value)> = Vec::new();
    let mut asked = Vec::new();
    for (process, time, id) in ids {
        story.at(*time);
        asked.push((story.ask(*process, "generate", &Value::Null, json!({})), id));
        if asked.len() == 2 || time % 2 == 0 {
            given.extend(asked.drain(..).map(|(asked, id)| (story.answer(asked, id), id)));
        }
    }
    let same = |(index, (op, id)): (usize, &(u64, &Value))| {
        let first = given[..index].iter().find(|(_, other)| other == id)?;
        Some(([first.0, *op], id.to_string()))
    };
    let (ops, id) = given.iter().enumerate().find_map(same).unwrap();
    story.why("duplicated", &ops, [None, Some(&id)]).unwrap()
}

#[test]
fn how_ids_are_made_is_told_if_they_show_it() {
    let counted: Vec<_> =
        (0..24).map(|at| ((at % 2) as usize, 2 * at, json!(at / 2 + 1))).collect();
    let same = "n0 and n1 give out the same ids in the same order";
    assert_says(&twice(&counted), &[same], &["at random"]);

    let drawn = [9, 4, 17, 2, 11, 6, 19, 1, 15, 3, 12, 4];
    let drawn: Vec<_> =
        drawn.iter().enumerate().map(|(at, id)| (at % 2, 2 * at as i64, json!(id))).collect();
    let few = "The 12 ids lie in no order between 1 and 19: if they are drawn at random";
    assert_says(&twice(&drawn), &[few], &["same order", "at once"]);

    let clock: Vec<_> =
        (0..24).map(|at| (0, at / 2 * 2, json!(format!("n0-{}", 5000 + at / 2 * 2)))).collect();
    assert_says(&twice(&clock), &["The ids are a clock's milliseconds"], &["at once"]);

    let race = [(0, 1, json!("a")), (10, 1, json!("a"))];
    let at_once = "The second request reached it at 0.001 s, before it had answered the first";
    assert_says(&twice(&race), &[at_once], &[]);
    let apart = [(0, 2, json!("a")), (0, 4, json!("a"))];
    assert_says(&twice(&apart), &["does not remember"], &["at once"]);
}

#[test]
fn two_handlers_of_a_node_overwrite_each_others_sums() {
    let told = |is_race: bool| {
        let mut story = Story::default();
        let add = |story: &mut Story, process, by: u64| {
            story.ask(process, "add", &by.into(), json!({"delta": by}))
        };
        let asked = [add(story.at(10), 0, 3), add(&mut story, 10, 4)];
        kv_read(&mut story, "n0", 1, "n0", &json!(0));
        kv_read(&mut story, "n0", 2, "n0", &json!(0));
        kv_write(story.at(20), "n0", 3, "n0", &json!(3));
        kv_write(story.at(21), "n0", 4, "n0", &json!(if is_race { 4 } else { 7 }));
        for (op, by) in asked.into_iter().zip([3, 4]) {
            story.answer(op, &json!(by));
        }
        let read = final_sum(story.at(100), 0, if is_race { 4 } else { 6 });
        story.why("wrong-sum", &[read], [None, None])
    };
    let lost = "n0 wrote to key \"n0\" of lin-kv at 0.021 s on the basis of what it had read there at 0.010 s, \
                and so overwrote what it had written in between, at 0.020 s.";
    assert_eq!(told(true).as_deref(), Some(lost));
    assert_eq!(told(false), None, "it has the sum in its memory");
}

#[test]
fn a_sum_that_begins_again_after_a_kill_takes_the_place_of_the_old_one() {
    let mut story = Story::default();
    for (id, (by, sum)) in [(3_u64, 3), (4, 7)].into_iter().enumerate() {
        story.at(10).done(0, "add", &by.into(), json!({"delta": by}));
        kv_write(&mut story, "n0", id as u64, "n0", &json!(sum));
    }
    story.at(20).line("kill", "\"node\":\"n0\"");
    story.at(30).done(0, "add", &1.into(), json!({"delta": 1}));
    kv_write(&mut story, "n0", 9, "n0", &json!(1));
    kv_read(story.at(90), "n0", 10, "n0", &json!(1));
    let read = final_sum(&mut story, 0, 1);
    let text = story.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_eq!(
        text,
        "n0 was killed at 0.020 s, began again from nothing, and wrote 1 to key \"n0\" of lin-kv at 0.030 s \
         in place of its 7."
    );
}

#[test]
fn entries_that_are_taken_over_may_be_older_than_what_is_there() {
    let mut story = Story::default();
    let add = |story: &mut Story, process, by: u64| {
        story.done(process, "add", &by.into(), json!({"delta": by}));
    };
    let view = |n0: u64, n1: u64| json!({"type": "state", "view": {"n0": n0, "n1": n1}});
    add(story.at(10), 1, 5);
    story.at(20).tell("n1", "n0", &view(0, 5));
    add(story.at(30), 1, 4);
    add(&mut story, 0, 2);
    story.at(40).tell("n0", "n1", &view(2, 5));
    let read = final_sum(story.at(100), 1, 7);
    let text = story.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_eq!(
        text,
        "n1 takes over all that it gets in `view` of `state`, which comes to exactly 7, although it may be older \
         than what it has. At 0.040 s n0 told it that n1 had 5, and n1, which had 9 of that, went on with 5."
    );
}

#[test]
fn a_refusal_of_a_service_that_is_acknowledged_is_told_for_every_workload() {
    let refuse = |story: &mut Story, to: Value| {
        let cas = json!({"type": "cas", "key": "9", "from": 0, "to": to});
        let no = json!({"type": "error", "code": 22, "text": "no"});
        ask(story, ["n0", "lin-kv"], 1, cas, no);
    };
    let although = "although lin-kv had refused its `cas` at 0.010 s (error 22, \"no\"), and it did not try again.";

    let mut story = Story::default();
    let steps = json!([["send", "9", 5]]);
    let send = story.at(10).ask(0, "send", &steps, json!({"key": "9", "msg": 5}));
    refuse(&mut story, json!([5]));
    let send = story.at(20).answer(send, &json!([["send", "9", [0, 5]]]));
    let polled = json!([["poll", {"9": [[1, 6]]}]]);
    let poll = story.at(30).done(1, "poll", &polled, json!({"offsets": {"9": 0}}));
    let text = story.why("lost-write", &[send, poll], [Some("9"), Some("5")]).unwrap();
    assert_says(&text, &["n0 acknowledged op 1 at 0.020 s, ", although], &[]);

    let mut story = Story::default();
    let value = json!([9, [0, 4]]);
    let cas = story.at(10).ask(0, "cas", &value, json!({"key": 9, "from": 0, "to": 4}));
    refuse(&mut story, json!(4));
    story.at(20).answer(cas, &value);
    let read = story.at(30).done(1, "read", &json!([9, 0]), json!({"key": 9}));
    let text = story.why("not-linearizable", &[read], [Some("9"), Some("4")]).unwrap();
    assert_says(&text, &["n0 acknowledged op 1 at 0.020 s, ", although], &[]);
}

#[test]
fn a_change_that_is_acknowledged_without_an_answer_is_told() {
    let mut story = Story::default();
    story.at(5).done(1, "write", &json!([9, 2]), json!({"key": 9, "value": 2}));
    let value = json!([9, [0, 4]]);
    let cas = story.at(10).ask(0, "cas", &value, json!({"key": 9, "from": 0, "to": 4}));
    let body = json!({"type": "forward", "key": 9, "from": 0, "to": 4, "msg_id": 1});
    let lost = story.send("n0", "n1", &body);
    story.dropped(lost, "partition");
    let cas = story.at(20).answer(cas, &value);
    let text = story.why("not-linearizable", &[cas], [Some("9"), Some("2")]).unwrap();
    assert_eq!(
        text,
        "n0 acknowledged op 3 at 0.020 s, although n1 had not answered the `forward` that it had sent for it at \
         0.010 s; the partition dropped that: whether the change was made it could not know."
    );
}

#[test]
fn a_change_that_is_sent_again_is_made_again() {
    let told = |is_repeated: bool| {
        let mut story = Story::default();
        let asked = story.at(10).ask(1, "write", &json!([9, 1]), json!({"key": 9, "value": 1}));
        for id in [1, 2] {
            let body = json!({"type": "forward", "key": 9, "value": 1, "msg_id": id});
            let sent = story.at(10 * id).send("n1", "n0", &body);
            if is_repeated || id == 1 {
                story.at(25 * id).received(sent);
            }
        }
        let body = json!({"type": "forward_ok", "in_reply_to": 1});
        story.at(30).tell("n0", "n1", &body);
        story.answer(asked, &json!([9, 1]));
        story.at(40).done(0, "write", &json!([9, 2]), json!({"key": 9, "value": 2}));
        let read = story.at(60).done(0, "read", &json!([9, 1]), json!({"key": 9}));
        story.why("not-linearizable", &[read], [Some("9"), Some("2")]).unwrap()
    };
    let twice = "n1 sent n0 the same message twice, at 0.010 s and at 0.020 s, because the first was not answered \
                 by then, and both arrived; n0 did it each time, and at 0.050 s that took the place of 2.";
    assert_eq!(told(true), twice);
    assert_says(&told(false), &["n0 had got 2 at 0.040 s"], &["twice"]);
}

#[test]
fn a_node_that_does_not_know_a_key_answered_no_value() {
    let mut story = Story::default();
    story.at(10).done(0, "write", &json!([9, 4]), json!({"key": 9, "value": 4}));
    let cas =
        story.at(20).ask(1, "cas", &json!([9, [0, 3]]), json!({"key": 9, "from": 0, "to": 3}));
    let no = json!({"type": "error", "code": 20, "in_reply_to": cas + 1});
    story.tell("n1", "c11", &no);
    let fail = story.op("fail", 1, "cas", &json!([9, [0, 3]]));
    story.ops.last_mut().unwrap()["error"] = json!(["key-does-not-exist", "no key"]);
    let text = story.why("not-linearizable", &[fail], [Some("9"), Some("4")]).unwrap();
    let said = "n0 acknowledged 4 for key 9 at 0.010 s, but n1 answered at 0.020 s that there is no such key.";
    assert_says(&text, &[said], &["answered 0"]);
}

#[test]
fn an_offset_that_is_told_and_another_that_is_polled_are_told() {
    let mut story = Story::default();
    let steps = json!([["send", "9", 5]]);
    let send = story.at(10).ask(0, "send", &steps, json!({"key": "9", "msg": 5}));
    let send = story.answer(send, &json!([["send", "9", [1, 5]]]));
    let polled = json!([["poll", {"9": [[0, 5]]}]]);
    let poll = story.at(30).done(1, "poll", &polled, json!({"offsets": {"9": 0}}));
    let text = story.why("duplicate", &[send, poll], [Some("9"), Some("5")]).unwrap();
    assert_eq!(
        text,
        "n0 acknowledged message 5 of key 9 at 0.010 s (op 1) with offset 1, but n1 answered op 3 at 0.030 s with \
         it at offset 0: the offset that a send is told is not the one at which polls find it."
    );
}

/// Two transactions that append to key 9, each on a node, the second at this time, and what is
/// told of lists that part at them.
fn parted(processes: [usize; 2], second: i64, between: impl Fn(&mut Story)) -> String {
    let mut story = Story::default();
    let steps = |value| json!([["append", 9, value]]);
    let ask = |story: &mut Story, process, value| {
        story.ask(process, "txn", &steps(value), json!({"txn": steps(value)}))
    };
    let one = ask(story.at(10), processes[0], 5);
    let other = (second < 20).then(|| ask(story.at(second), processes[1], 6));
    let one = story.at(20).answer(one, &steps(5));
    between(&mut story);
    let other = other.unwrap_or_else(|| ask(story.at(second), processes[1], 6));
    let other = story.at(60).answer(other, &steps(6));
    let read = |story: &mut Story, process, list: Value| {
        let asked = json!([["r", 9, null]]);
        let read = story.ask(process, "txn", &asked, json!({"txn": asked}));
        story.answer(read, &json!([["r", 9, list]]))
    };
    let (first, second) = (
        read(story.at(70), processes[0], json!([5])),
        read(story.at(80), processes[1], json!([6, 5])),
    );
    let missed = |reader, writer, read: &str, value: &str| {
        let [key, read, value] = ["9", read, value].map(str::to_owned);
        Missed { is_written: false, reader, writer, key, read, value }
    };
    let missed = vec![missed(second, one, "[6]", "5"), missed(first, other, "[5]", "6")];
    let subject = Subject { missed, ..Subject::default() };
    story.why_of("incompatible-order", &[first, second], subject).unwrap()
}

#[test]
fn lists_part_where_two_appended_without_knowing_of_each_other() {
    let place = "and n0 appended 6 at the same place at 0.060 s (op 3). It had both transactions at the same time, \
                 from 0.015 s on";
    let text = parted([0, 10], 15, |_| ());
    assert_says(&text, &["n0 appended 5 to key 9 at 0.020 s (op 2)", place], &["instead"]);

    let late = |story: &mut Story| {
        story.at(55).tell("n0", "n1", &json!({"type": "copy", "key": 9, "list": [5]}));
    };
    let text = parted([0, 1], 15, late);
    let unknown = "and n1 appended 6 at the same place at 0.060 s (op 3). n0 knew 5 from 0.010 s";
    assert_says(&text, &[unknown], &["left it out", "instead"]);

    let lost = |story: &mut Story| {
        let map = |list: Value| json!({"8": [9, 5], "9": list});
        kv_read(story.at(30), "n0", 1, "all", &map(json!([])));
        kv_read(&mut *story, "n0", 2, "all", &map(json!([])));
        kv_write(story.at(40), "n0", 3, "all", &map(json!([5])));
        kv_write(story.at(41), "n0", 4, "all", &map(json!([])));
    };
    let text = parted([0, 1], 50, lost);
    let overwrote = "n0 wrote to key \"all\" of lin-kv at 0.041 s on the basis of what it had read there at 0.030 s";
    assert_says(&text, &[overwrote], &[]);
}

#[test]
fn a_transaction_that_reads_an_old_state_of_a_service_passed_that_on() {
    let mut story = Story::default();
    let steps = json!([["append", 9, 5]]);
    let write = story.at(10).ask(0, "txn", &steps, json!({"txn": steps}));
    kv_write(&mut story, "n0", 1, "all", &json!({"8": [5], "9": [5]}));
    let write = story.at(20).answer(write, &steps);
    let asked = json!([["r", 9, null]]);
    let read = story.at(30).ask(1, "txn", &asked, json!({"txn": asked}));
    kv_read(&mut story, "n1", 1, "all", &json!({"8": [5], "9": []}));
    let read = story.at(40).answer(read, &json!([["r", 9, []]]));
    let [key, shown, value] = ["9", "[]", "5"].map(str::to_owned);
    let missed = Missed { is_written: false, reader: read, writer: write, key, read: shown, value };
    let subject = Subject { missed: vec![missed], ..Subject::default() };
    let text = story.why_of("G-single-realtime", &[write, read], subject).unwrap();
    let old = "lin-kv answered n1 at 0.030 s without 5 for key \"all\", although n0 had written it there at 0.010 s";
    assert_says(&text, &[old, "reads of lin-kv may be old"], &["never sent", "sent it to"]);
}

#[test]
fn a_node_that_was_killed_after_a_transaction_has_forgotten_it() {
    let mut story = Story::default();
    let steps = json!([["append", 9, 5]]);
    let write = story.at(10).done(0, "txn", &steps, json!({"txn": steps}));
    story.at(20).line("kill", "\"node\":\"n0\"");
    let asked = json!([["r", 9, null]]);
    let read = story.at(30).done(0, "txn", &asked, json!({"txn": asked}));
    let [key, shown, value] = ["9", "null", "5"].map(str::to_owned);
    let missed = Missed { is_written: false, reader: read, writer: write, key, read: shown, value };
    let subject = Subject { missed: vec![missed], ..Subject::default() };
    let text = story.why_of("G-single-realtime", &[write, read], subject).unwrap();
    let killed = "n0 was told 5 at 0.010 s, was killed at 0.020 s and had forgotten it when it started again";
    assert_says(&text, &["n0 acknowledged 5 for key 9 at 0.010 s (op 1)", killed], &[]);
}

#[test]
fn transactions_that_come_back_as_they_were_asked_are_told() {
    let told = |last: Value| {
        let mut story = Story::default();
        for value in 0..6 {
            let steps = json!([["append", 9, value], ["r", 9, null]]);
            let answer = json!([
                ["append", 9, value],
                ["r", 9, if value == 5 { last.clone() } else { Value::Null }]
            ]);
            let op = story.at(value).ask(0, "txn", &steps, json!({"txn": steps}));
            story.answer(op, &answer);
        }
        let [key, read, value] = ["9", "null", "0"].map(str::to_owned);
        let missed = Missed { is_written: false, reader: 3, writer: 1, key, read, value };
        let subject = Subject { missed: vec![missed], ..Subject::default() };
        story.why_of("G2-item", &[1, 3], subject).unwrap()
    };
    let none = "None of all 6 reads shows a value, although 6 writes were acknowledged";
    assert_says(&told(Value::Null), &[none], &[]);
    assert_says(&told(json!([5])), &["null instead"], &["None of all"]);
}

#[test]
fn an_answer_to_another_client_is_not_taken_for_one_that_went_astray() {
    let mut story = Story::default();
    let echo = |story: &mut Story, client: &str, op: u64, text: &str| {
        let body = json!({"type": "echo", "msg_id": 1, "echo": text});
        let id = story.sent(client, "n0", &format!("\"op\":{op},\"body\":{body}"));
        story.received(id);
    };
    let asked = story.at(0).op("invoke", 0, "echo", &json!("a"));
    echo(&mut story, "c10", asked, "a");
    let other = story.op("invoke", 1, "echo", &json!("b"));
    echo(&mut story, "c11", other, "b");
    story.at(5).tell("n0", "c11", &json!({"type": "echo_ok", "in_reply_to": 1, "echo": "b"}));
    story.op("ok", 1, "echo", &json!("b"));
    let op = story.at(5000).time_out(asked);
    let text = story.why("unavailable", &[op], [None, None]).unwrap();
    assert_says(&text, &["neither answered nor asked anybody"], &["went to c11"]);
}

#[test]
fn what_a_client_does_not_take_for_an_answer_is_shown() {
    let mut story = Story::default();
    let asked = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    let answer = json!({"type": "echo", "in_reply_to": asked + 1, "echo": "a"});
    story.at(5).tell("n0", "c10", &answer);
    story.op("info", 0, "echo", &json!("a"));
    story.ops.last_mut().unwrap()["error"] = "malformed".into();
    let text = story.why("never-ok", &[], [None, None]).unwrap();
    assert_says(
        &text,
        &["n0 answered op 0 at 0.005 s with ", "does not take for an answer to `echo`"],
        &[],
    );
}

#[test]
fn a_node_that_waits_for_an_answer_which_it_does_not_read_is_told() {
    let mut story = Story::default();
    story.at(0).tell("n1", "n0", &json!({"type": "ping", "msg_id": 3}));
    story.at(5).tell("n0", "n1", &json!({"type": "ping_ok", "in_reply_to": 3}));
    story.at(9).tell("n0", "n1", &json!({"type": "ping", "msg_id": 4}));
    let asked = story.at(10).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    let op = story.at(5000).time_out(asked);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    let waits = "it still waited, as it had sent n1 `ping` at 0.009 s; n1 never answered, and said nothing after \
                 its own `ping` at 0.000 s, whose answer came at 0.005 s: it does not read while it waits.";
    assert_says(&text, &[waits], &[]);
}
