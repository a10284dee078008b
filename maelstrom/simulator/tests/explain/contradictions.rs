//! Reads that contradict writes: of registers, transactions and logs.

use checkers::{Missed, Subject};
use serde_json::{Value, json};

use crate::story::{Story, assert_says};

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
