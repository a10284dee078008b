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
        &["n0 knew 2 from 0.062 s, but sent it to n1 only at 0.091 s (`copy`)"],
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
    assert_says(
        &text,
        &["sent it to n1 only at 0.075 s (`copy`), when n1 was answering already"],
        &["itself", "had got it"],
    );
}

#[test]
fn an_old_message_that_arrives_after_a_new_one_is_told_with_the_fault_that_held_it_back() {
    let copy = |value: u64| json!({"type": "copy", "key": 0, "value": value});
    let read_after = |delay: Option<&str>| {
        let mut story = Story::default();
        story.at(10).done(0, "write", &json!([0, 4]), json!({"key": 0, "value": 4}));
        let old = story.send("n0", "n1", &copy(4));
        if let Some(by) = delay {
            story.line("delay", &format!("\"id\":{old},\"by\":\"{by}\",\"until\":80000000"));
        }
        story.at(62).done(0, "write", &json!([0, 2]), json!({"key": 0, "value": 2}));
        story.at(70).tell("n0", "n1", &copy(2));
        story.at(80).received(old);
        let read = story.at(90).done(1, "read", &json!([0, 4]), json!({"key": 0}));
        story.why("not-linearizable", &[read], [Some("0"), Some("2")]).unwrap()
    };
    let overtaken = "n1 had got 2 at 0.070 s; an older message, which n0 had sent at 0.010 s, arrived \
                     after that, at 0.080 s";
    let taken = ", and n1 took it for a newer one.";
    let by = ", because the reorder fault held it back";
    assert_says(&read_after(Some("reorder")), &[overtaken, by, taken], &["older value"]);
    assert_says(&read_after(None), &[overtaken, taken], &["fault"]);
}

/// That one transaction read a key without what another wrote.
fn missed([reader, writer]: [u64; 2], [key, read, value]: [&str; 3]) -> Subject {
    let [key, read, value] = [key, read, value].map(str::to_owned);
    let missed = vec![Missed { is_written: false, reader, writer, key, read, value }];
    Subject { missed, ..Subject::default() }
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
    assert_says(&text, &["without the 1 that op "], &["acknowledged", "instead"]);
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
    assert_says(&send(true), &["n0 had passed it on to n1 at 0.002 s"], &["skips"]);
    assert_says(&send(false), &["n0 had it, so n0 itself skips the offset"], &[]);
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
fn what_a_transaction_replaced_before_it_ended_was_in_view_of_others() {
    let mut story = Story::default();
    let steps = json!([["w", 8, 7], ["w", 8, 9]]);
    let writer = story.at(10).done(0, "txn", &steps, json!({"txn": steps}));
    let steps = json!([["r", 8, 7]]);
    let reader = story.at(20).done(1, "txn", &steps, json!({"txn": [["r", 8, null]]}));
    let text = story.why("G1b", &[writer, reader], [Some("8"), Some("7")]).unwrap();
    let step_by_step =
        format!("n0 ran op {writer} step by step in view of others: it put 7 under key 8");
    let seen = format!("but n1 answered op {reader} at 0.020 s with that 7.");
    assert_says(&text, &[&step_by_step, &seen], &[]);
    let text = story.why("G1b", &[reader, writer], [Some("8"), Some("7")]).unwrap();
    assert_says(&text, &[&step_by_step, &seen], &[]);
}

#[test]
fn of_transactions_that_mix_their_steps_it_is_told_when_and_where_they_ran() {
    let mut story = Story::default();
    let steps = json!([["append", 8, 1], ["append", 9, 1]]);
    let asked = [0, 1].map(|process| {
        story.at(10 + process as i64).ask(process, "txn", &steps, json!({"txn": steps}))
    });
    let ops = asked.map(|asked| story.at(20).answer(asked, &steps));
    let text = story.why("G0", &ops, [None, None]).unwrap();
    let ran = "op 2 on n0 from 0.010 s to 0.020 s and op 3 on n1 from 0.011 s to 0.020 s";
    assert_says(&text, &["These ran at the same time", ran], &[]);
    let later = story.at(30).done(0, "txn", &steps, json!({"txn": steps}));
    assert_eq!(story.why("G0", &[ops[0], later], [None, None]), None);
}

#[test]
fn of_writes_that_stand_in_another_order_than_they_were_made_it_is_told_who_did_not_know() {
    let mut story = Story::default();
    let [first, second] = [0, 1].map(|process| {
        let steps = json!([["append", 8, process + 1], ["append", 9, process + 1]]);
        let millis = 10 * (process + 1);
        let op = story.at(millis).done(process as usize, "txn", &steps, json!({"txn": steps}));
        let copy = story.send(
            &format!("n{process}"),
            &format!("n{}", 1 - process),
            &json!({"type": "copy", "txn": steps}),
        );
        story.dropped(copy, "partition");
        op
    });
    let of = |[reader, writer]: [u64; 2], [key, read, value]: [&str; 3]| {
        let mut subject = missed([reader, writer], [key, read, value]);
        subject.missed[0].is_written = true;
        subject.missed
    };
    let missed =
        [of([first, second], ["8", "1", "2"]), of([second, first], ["9", "2", "1"])].concat();
    let subject = Subject { missed, ..Subject::default() };
    let text = story.why_of("G0-realtime", &[first, second], subject).unwrap();
    let order = "n0 acknowledged 1 for key 9 at 0.010 s (op 1), but 2, which n1 was asked to write only at \
                 0.020 s (op 3), came before it there.";
    let dropped = "sent it to n1 once, at 0.010 s (`copy`); the partition dropped that";
    assert_says(&text, &[order, dropped], &["key 8"]);
}

#[test]
fn an_answer_about_other_steps_than_were_asked_for_is_told_before_what_follows_from_it() {
    let why = |kind: &str, asked: Value, got: Value| {
        let mut story = Story::default();
        let op = story.at(10).ask(0, "txn", &asked, json!({"txn": asked}));
        let op = story.at(20).answer(op, &got);
        story.why(kind, &[op], [None, None]).unwrap_or_default()
    };
    for (asked, got) in [
        (json!(["append", 8, 1]), json!(["append", 8, null])),
        (json!(["w", 8, 1]), json!(["w", 8, 2])),
        (json!(["w", 8, 1]), json!(["r", 8, 1])),
        (json!(["r", 8, null]), json!(["r", 9, 5])),
    ] {
        let said =
            format!("n0 was asked for {asked} in op 1, and its answer at 0.020 s says {got} there");
        for kind in ["G-single-item", "internal", "duplicate-write"] {
            let text = why(kind, json!([["r", 1, null], asked]), json!([["r", 1, 3], got]));
            assert_says(&text, &[&said], &[]);
        }
    }
    let steps = json!([["append", 8, 1], ["r", 8, null]]);
    assert_says(&why("internal", steps, json!([["append", 8, 1], ["r", 8, []]])), &[], &["asked"]);
}

#[test]
fn a_change_that_is_refused_and_done_all_the_same_is_told() {
    let mut story = Story::default();
    story.at(10).done(0, "write", &json!([3, 1]), json!({"key": 3, "value": 1}));
    let cas =
        story.at(20).ask(0, "cas", &json!([3, [2, 4]]), json!({"key": 3, "from": 2, "to": 4}));
    let body = json!({"type": "error", "code": 22, "in_reply_to": cas + 1});
    story.tell("n0", "c10", &body);
    story.op("fail", 0, "cas", &json!([3, [2, 4]]));
    let mut stale = story.clone();
    let read = story.at(30).done(0, "read", &json!([3, 4]), json!({"key": 3}));
    let text = story.why("not-linearizable", &[read], [Some("3"), Some("1")]).unwrap();
    let refused = "n0 refused to change key 3 to 4 at 0.020 s (op 3), but did it all the same";
    assert_says(&text, &[refused, "n0 answered op 5 at 0.030 s with 4."], &[]);
    let read = stale.at(30).done(1, "read", &json!([3, 4]), json!({"key": 3}));
    let text = stale.why("not-linearizable", &[read], [Some("3"), Some("1")]).unwrap();
    assert_says(&text, &["never sent it to anybody"], &["refused"]);
}

#[test]
fn a_poll_that_is_not_sorted_is_told_with_two_offsets() {
    let mut story = Story::default();
    let polled = json!([["poll", {"9": [[3, 5], [1, 6]]}]]);
    let poll = story.at(4).done(0, "poll", &polled, json!({"offsets": {"9": 0}}));
    let text = story.why("int-nonmonotonic-poll", &[poll], [Some("9"), None]).unwrap();
    assert_says(&text, &["n0 answered op 1 at 0.004 s", "key 9", "3 stands before 1"], &[]);
}
