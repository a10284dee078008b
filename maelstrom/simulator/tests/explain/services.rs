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

/// Two transactions begin, of which the first appends to key 8 and the second reads it.
fn begin(story: &mut Story) -> [(u64, Value); 2] {
    [(0, json!([["append", 8, 5]])), (1, json!([["r", 8, null]]))].map(|(process, steps)| {
        (story.at(100).ask(process, "txn", &steps, json!({"txn": steps})), steps)
    })
}

fn missed([reader, writer]: [u64; 2], value: i64) -> checkers::Missed {
    let [key, read, value] = ["8", "null", &value.to_string()].map(str::to_owned);
    checkers::Missed { is_written: false, reader, writer, key, read, value }
}

#[test]
fn transactions_that_run_their_steps_on_a_service_one_by_one_get_in_between_each_other() {
    let why = |read: i64, written: i64| {
        let mut story = Story::default();
        let asked = begin(&mut story);
        for millis in [110, 120, 130] {
            story.at(millis);
            if millis == read {
                reads(&mut story, "n1", 1, "8", 0);
            }
            if millis == written {
                writes(&mut story, "n0", 1, "8", 5);
            }
        }
        let [writer, reader] = asked.map(|(asked, steps)| story.at(140).answer(asked, &steps));
        let missed = vec![missed([reader, writer], 5)];
        let subject = checkers::Subject { missed, ..checkers::Subject::default() };
        story.why_of("G-single-item", &[writer, reader], subject).unwrap()
    };
    let said = "lin-kv told n1 of key \"8\" at 0.110 s, and got what n0 wrote there only at 0.130 s: they ran \
                their steps one by one";
    assert_says(
        &why(110, 130),
        &["without the 5 that op 2 wrote", said],
        &["never sent", "ever sent"],
    );
    assert_says(&why(130, 110), &["without the 5 that op 2 wrote"], &["one by one"]);
}

#[test]
fn of_lists_that_part_those_are_told_of_who_wrote_the_elements_at_which_they_do() {
    let mut story = Story::default();
    let asked = [(0, 5), (1, 6)].map(|(process, value)| {
        let steps = json!([["append", 8, value]]);
        (story.at(100).ask(process, "txn", &steps, json!({"txn": steps})), steps)
    });
    reads(story.at(110), "n0", 1, "8", 0);
    reads(&mut story, "n1", 1, "8", 0);
    writes(story.at(120), "n0", 2, "8", 5);
    let early = json!([["r", 8, [5]]]);
    let first = story.at(125).done(2, "txn", &early, json!({"txn": early}));
    writes(story.at(130), "n1", 2, "8", 6);
    let writers = asked.map(|(asked, steps)| story.answer(asked, &steps));
    let late = json!([["r", 8, [6]]]);
    let second = story.at(140).done(3, "txn", &late, json!({"txn": late}));
    let missed = vec![missed([second, writers[0]], 5), missed([first, writers[1]], 6)];
    let subject = checkers::Subject { missed, ..checkers::Subject::default() };
    let text = story.why_of("incompatible-order", &[first, second], subject).unwrap();
    let cause = "n1 wrote to key \"8\" of lin-kv at 0.130 s on the basis of what it had read there at \
                 0.110 s, and so overwrote what n0 had written in between, at 0.120 s.";
    assert_says(&text, &[cause], &[]);
}
