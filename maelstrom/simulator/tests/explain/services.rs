//! Nodes that keep their values in a service.

use serde_json::{Value, json};

use crate::story::{Story, assert_says};

/// A node asks a service and is answered.
fn ask(story: &mut Story, node: &str, id: u64, mut body: Value, mut answer: Value) {
    (body["msg_id"], answer["in_reply_to"]) = (id.into(), id.into());
    story.tell(node, "lin-kv", &body);
    story.tell("lin-kv", node, &answer);
}

fn reads(story: &mut Story, node: &str, id: u64, key: &str, value: i64) {
    let read = json!({"type": "read", "key": key});
    ask(story, node, id, read, json!({"type": "read_ok", "value": value}));
}

fn writes(story: &mut Story, node: &str, id: u64, key: &str, value: i64) {
    let write = json!({"type": "write", "key": key, "value": value});
    ask(story, node, id, write, json!({"type": "write_ok"}));
}

#[test]
fn an_offset_that_is_read_and_then_written_is_given_out_twice() {
    let mut story = Story::default();
    let send = |story: &mut Story, process, message: i64| {
        let body = json!({"key": "9", "msg": message});
        story.ask(process, "send", &json!([["send", "9", message]]), body)
    };
    let (one, two) = (send(story.at(100), 0, 5), send(&mut story, 1, 6));
    reads(story.at(110), "n0", 1, "next", 0);
    reads(&mut story, "n1", 1, "next", 0);
    writes(story.at(120), "n0", 2, "next", 1);
    writes(story.at(130), "n1", 2, "next", 1);
    let ops = [(one, 5), (two, 6)]
        .map(|(asked, message)| story.answer(asked, &json!([["send", "9", [0, message]]])));
    let subject = checkers::Subject {
        key: Some("9".into()),
        offset: Some(0),
        ..checkers::Subject::default()
    };
    let text = story.why_of("inconsistent-offsets", &ops, subject).unwrap();
    let cause = "n1 wrote to key \"next\" of lin-kv at 0.130 s on the basis of what it had read there at \
                 0.110 s, and so overwrote what n0 had written in between, at 0.120 s.";
    assert_says(&text, &["Offset 0 of key 9 was given out at 0.130 s", cause], &[]);
}

#[test]
fn writes_of_two_transactions_may_overwrite_each_other() {
    let mut story = Story::default();
    let txn = |story: &mut Story, process, value: i64| {
        let steps = json!([["append", 8, value]]);
        story.ask(process, "txn", &steps, json!({"txn": steps}))
    };
    let (one, two) = (txn(story.at(100), 0, 5), txn(&mut story, 1, 6));
    reads(story.at(110), "n0", 1, "8", 0);
    reads(&mut story, "n1", 1, "8", 0);
    writes(story.at(120), "n0", 2, "8", 5);
    let mut careful = story.clone();
    careful.ids += 100;
    reads(careful.at(125), "n1", 3, "8", 5);
    let ops = |mut story: Story| {
        writes(story.at(130), "n1", 2, "8", 6);
        let ops = [(one, 5), (two, 6)]
            .map(|(asked, value)| story.answer(asked, &json!([["append", 8, value]])));
        story.why("lost-update", &ops, [None, None])
    };
    assert_says(&ops(story).unwrap(), &["n1 wrote to key \"8\"", "overwrote what n0"], &[]);
    assert_eq!(ops(careful), None, "it had read the newer value");
}

/// A write of n0 that a service has, and what is told of a read of n1 without it.
fn unread(reader: impl FnOnce(&mut Story)) -> String {
    let mut story = Story::default();
    let asked = story.at(100).ask(0, "write", &json!([3, 2]), json!({"key": 3, "value": 2}));
    writes(&mut story, "n0", 1, "3", 2);
    story.answer(asked, &json!([3, 2]));
    let asked = story.at(200).ask(1, "read", &json!([3, null]), json!({"key": 3}));
    reader(&mut story);
    let read = story.answer(asked, &json!([3, 1]));
    story.why("not-linearizable", &[read], [Some("3"), Some("2")]).unwrap()
}

#[test]
fn who_does_not_ask_the_service_or_is_told_an_old_value_has_it_from_there() {
    let unasked = unread(|_| {});
    let parts = ["n0 acknowledged 2 for key 3", "lin-kv had 2 by then, but n1 did not ask it"];
    assert_says(&unasked, &parts, &["nobody ever sent"]);
    let old = unread(|story| reads(story, "n1", 1, "3", 1));
    let parts = ["lin-kv answered n1 at 0.200 s with 1", "n0 had written 2 there", "may be old"];
    assert_says(&old, &parts, &["did not ask"]);
}
