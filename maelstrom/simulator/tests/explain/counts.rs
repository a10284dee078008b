//! Ways to count that give a wrong sum.

use serde_json::{Value, json};

use crate::story::{Story, assert_says};
use crate::sums::final_sum;

/// A node is told to add so much.
fn add(story: &mut Story, process: usize, delta: i64) {
    story.done(process, "add", &json!(delta), json!({"delta": delta}));
}

/// What is told of a final read of n1 with this value.
fn why(story: &mut Story, value: i64) -> Option<String> {
    let read = final_sum(story.at(900), 1, value);
    story.why("wrong-sum", &[read], [None, None])
}

/// A node tells another a number.
fn gossip(story: &mut Story, src: &str, dest: &str, total: i64) {
    story.tell(src, dest, &json!({"type": "gossip", "total": total}));
}

#[test]
fn the_larger_of_two_sums_lacks_the_adds_of_the_other() {
    let mut story = Story::default();
    add(story.at(100), 0, 5);
    add(&mut story, 1, 3);
    gossip(story.at(150), "n0", "n1", 5);
    add(story.at(200), 0, 4);
    gossip(story.at(250), "n0", "n1", 9);
    gossip(story.at(300), "n1", "n0", 9);
    gossip(story.at(310), "n0", "n1", 9);
    let mut other = story.clone();
    let larger = "n1 keeps the larger of its own sum and the `total` of each `gossip` that it gets, which \
                  comes to exactly 9";
    let example = "At 0.150 s it had 3, with the add of 3 (op 2) that only it knew of, got 5 from n0, and \
                   went on with the larger one.";
    assert_says(&why(&mut story, 9).unwrap(), &[larger, example], &["replaces"]);
    assert_eq!(why(&mut other, 10), None, "no way to count gives that");
}

#[test]
fn a_sum_that_takes_the_place_of_another_can_be_smaller() {
    let mut story = Story::default();
    add(story.at(100), 1, 8);
    for (time, total) in [(150, 0), (160, 2), (170, 3)] {
        if total > 0 {
            add(story.at(time), 0, 1 + total % 2);
        }
        gossip(&mut story, "n0", "n1", total);
        gossip(&mut story, "n1", "n0", total);
    }
    let replaces = "n1 replaces its own sum by the `total` of each `gossip` that it gets, which comes to \
                    exactly 3";
    assert_says(&why(&mut story, 3).unwrap(), &[replaces], &["larger"]);
}

#[test]
fn totals_that_are_added_count_the_same_adds_again() {
    let mut story = Story::default();
    add(story.at(100), 0, 5);
    for time in [200, 300, 400] {
        gossip(story.at(time), "n0", "n1", 5);
    }
    let text = why(&mut story, 15).unwrap();
    let parts = [
        "n1 adds the `total` of each `gossip` that it gets to its count, which comes to exactly 15",
        "It got 3 of them, but others took only 1 add:",
    ];
    assert_says(&text, &parts, &["twice"]);
}

#[test]
fn a_delta_that_is_sent_once_is_lost_with_its_message() {
    let mut story = Story::default();
    for (time, delta) in [(100, 1), (200, 2), (300, 3), (400, 4)] {
        add(story.at(time), 0, delta);
        let sent = story.send("n0", "n1", &json!({"type": "count", "delta": delta}));
        match delta {
            4 => story.dropped(sent, "loss"),
            _ => story.received(sent),
        }
    }
    let text = why(&mut story, 6).unwrap();
    let lost = "1 of these messages to it, 4 in sum, did not arrive: the lossy network dropped that, and \
                nobody sent it again.";
    assert_says(&text, &["n1 adds the `delta` of each `count`", lost], &["more than once"]);
}

#[test]
fn sums_of_nodes_that_fall_are_no_larger_ones() {
    let mut story = Story::default();
    let counts = |n0: i64| json!({"type": "gossip", "counts": {"n0": n0}});
    for (time, delta, count) in [(100, 7, 7), (200, -3, 4), (300, 1, 5)] {
        add(story.at(time), 0, delta);
        story.tell("n0", "n1", &counts(count));
    }
    add(story.at(400), 1, 2);
    let text = why(&mut story, 9).unwrap();
    let parts = [
        "n1 keeps the larger of what it has and what it gets of each node in `counts` of `gossip`",
        "At 0.200 s n0 told it that its own was 4 by then, and n1 kept 7.",
    ];
    assert_says(&text, &parts, &[]);
}

#[test]
fn adds_below_zero_that_are_left_out_are_told() {
    let mut story = Story::default();
    for (time, delta) in [(100, 4), (200, -1), (300, 2), (400, 5)] {
        add(story.at(time), 1, delta);
    }
    let text = why(&mut story, 11).unwrap();
    assert_says(&text, &["exactly what the adds above zero come to", "below zero, -1 in sum"], &[]);
}

#[test]
fn of_numbers_that_are_no_counts_nothing_is_told() {
    for number in [i64::MIN, i64::MIN + 1, i64::MAX] {
        let mut story = Story::default();
        for time in [100, 200, 300] {
            add(story.at(time), 0, 1);
            gossip(&mut story, "n0", "n1", number);
            let sums = json!({"type": "sums", "of": [number, number], "n1": number});
            story.tell("n0", "n1", &sums);
        }
        let asked = story.at(400).ask(1, "add", &json!(2), json!({"delta": 2}));
        change(&mut story, 7, [number, 1], Some(json!({"type": "cas_ok"})));
        story.answer(asked, &json!(2));
        let mut great = story.clone();
        assert_eq!(why(&mut story.clone(), number), None);
        let text = why(&mut story, 2).unwrap();
        assert!(!text.contains(&number.to_string()), "{text}");
        add(&mut great, 0, number);
        add(&mut great, 0, number);
        assert_eq!(why(&mut great, 3), None);
    }
}

/// n1 asks a service to change the sum for an add, and is answered like that or not at all.
fn change(story: &mut Story, id: u64, [from, to]: [i64; 2], answer: Option<Value>) {
    let cas = json!({"type": "cas", "key": "sum", "from": from, "to": to, "msg_id": id});
    story.tell("n1", "seq-kv", &cas);
    if let Some(mut body) = answer {
        body["in_reply_to"] = id.into();
        story.tell("seq-kv", "n1", &body);
    }
}

#[test]
fn an_add_that_a_service_refused_is_lost_unless_it_is_tried_again() {
    let refusal = json!({"type": "error", "code": 22, "text": "not 0"});
    let story = |is_tried_again: bool| {
        let mut story = Story::default();
        let asked = story.at(100).ask(1, "add", &json!(3), json!({"delta": 3}));
        change(&mut story, 7, [0, 3], Some(refusal.clone()));
        if is_tried_again {
            change(&mut story, 8, [5, 8], Some(json!({"type": "cas_ok"})));
        }
        story.answer(asked, &json!(3));
        why(&mut story, 0)
    };
    let refused = "n1 acknowledged the add of 3 at 0.100 s (op 1), although seq-kv had refused its `cas` at \
                   0.100 s (error 22, \"not 0\"), and it did not try again.";
    assert_eq!(story(false).as_deref(), Some(refused));
    assert!(!story(true).is_some_and(|text| text.contains("refused")));
}

#[test]
fn an_add_that_a_service_did_twice_counts_twice() {
    let mut story = Story::default();
    let asked = story.at(100).ask(1, "add", &json!(3), json!({"delta": 3}));
    let sent = json!({"type": "cas", "key": "sum", "from": 0, "to": 3, "msg_id": 7});
    story.tell("n1", "seq-kv", &sent);
    let lost = story.send("seq-kv", "n1", &json!({"type": "cas_ok", "in_reply_to": 7}));
    story.dropped(lost, "loss");
    change(story.at(200), 8, [3, 6], Some(json!({"type": "cas_ok"})));
    story.answer(asked, &json!(3));
    let twice = "seq-kv did n1's `cas` for the add of 3 (op 1) twice, sent at 0.100 s and 0.200 s: n1 took a \
                 missing answer for a refusal and tried again.";
    assert_eq!(why(&mut story, 6).as_deref(), Some(twice));
}
