//! Sums that are too low or too high.

use serde_json::{Value, json};

use crate::story::{Story, assert_says};

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

/// A final read of a counter, and what is told of it.
pub(crate) fn final_sum(story: &mut Story, process: usize, value: i64) -> u64 {
    let read = story.done(process, "read", &json!(value), json!({}));
    story.ops.last_mut().unwrap()["final?"] = true.into();
    read
}

#[test]
fn of_messages_that_say_the_same_those_of_one_add_are_told() {
    let mut story = Story::default();
    let mut id = 0;
    let mut forward = |story: &mut Story, time: i64| {
        id += 1;
        story.at(time).tell("n0", "n1", &json!({"type": "delta", "delta": 3, "msg_id": id}));
    };
    for time in [10, 20] {
        story.at(time).done(0, "add", &3.into(), json!({"delta": 3}));
        forward(&mut story, time);
    }
    forward(&mut story, 30);
    let read = final_sum(story.at(40), 1, 9);
    let text = story.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_says(&text, &["the same message twice, at 0.020 s and at 0.030 s"], &[]);
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
        "n0 acknowledged 2 adds between 0.100 s and 0.200 s, 7 in sum; one message to n1 can have told it \
         of them, but the partition dropped that. They got no further than n2."
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
    let forgot = "n1 was killed at 0.200 s and forgot the add of 3 that n0 was told at 0.100 s";
    assert_says(&text, &[forgot, "no message that was sent to n1 after that"], &["n2"]);

    let mut disk = Story::default();
    disk.at(100).done(0, "add", &3.into(), json!({"delta": 3}));
    disk.at(200).line("kill", "\"node\":\"n0\"");
    let mut forgetful = disk.clone();
    final_sum(disk.at(300), 0, 3);
    let read = final_sum(disk.at(300), 1, 0);
    let text = disk.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_says(
        &text,
        &["n0 acknowledged the add of 3", "no message that was sent to n1"],
        &["killed"],
    );

    final_sum(forgetful.at(300), 0, 0);
    let read = final_sum(forgetful.at(300), 1, 0);
    let text = forgetful.why("wrong-sum", &[read], [None, None]).unwrap();
    assert_says(&text, &["before it had told anybody of it, and was killed at 0.200 s"], &[]);
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
    assert_says(
        &text,
        &["n1 wrote to key \"k\" of seq-kv at 0.140 s", "overwrote what n0", "at 0.120 s"],
        &[],
    );
}

#[test]
fn what_a_service_says_may_be_older_than_what_it_was_told() {
    let mut story = Story::default();
    let add = story.at(100).ask(0, "add", &3.into(), json!({"delta": 3}));
    let write = json!({"type": "cas", "key": "sum", "from": 0, "to": 3, "msg_id": 1});
    story.tell("n0", "seq-kv", &write);
    story.tell("seq-kv", "n0", &json!({"type": "cas_ok", "in_reply_to": 1}));
    story.answer(add, &3.into());
    let read = story.at(200).ask(1, "read", &Value::Null, json!({}));
    story.tell("n1", "seq-kv", &json!({"type": "read", "key": "sum", "msg_id": 1}));
    story.tell("seq-kv", "n1", &json!({"type": "read_ok", "value": 0, "in_reply_to": 1}));
    let read = story.at(210).answer(read, &0.into());
    let text = story.why("wrong-sum", &[read], [None, None]).unwrap();
    let old = "seq-kv answered n1 at 0.200 s with 0 for key \"sum\", although n0 had written 3 there at \
               0.100 s: reads of seq-kv may be old, and n1 passed that on.";
    assert_eq!(text, old);
}
