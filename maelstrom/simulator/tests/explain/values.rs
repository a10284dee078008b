//! Values that reads lack.

use serde_json::json;

use crate::story::{Story, assert_says};

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
    let parts = [
        "sent it to n1 once, at 0.300 s (`gossip`); the partition dropped that; nobody sent it again",
    ];
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
fn a_value_that_a_node_refused_is_not_left_out_without_a_word() {
    let mut story = Story::default();
    story.at(100).broadcast(0, 3);
    story.at(200).tell("n0", "n1", &json!({"type": "gossip", "value": 3, "msg_id": 9}));
    let mut taken = story.clone();
    let error = json!({"type": "error", "code": 10, "text": "no gossip here", "in_reply_to": 9});
    story.tell("n1", "n0", &error);
    let text = story.at(400).lost("3");
    let said = ["n1 got 3 from n0 at 0.200 s, and refused it: error 10, \"no gossip here\"."];
    assert_says(&text, &said, &["left it out"]);
    taken.tell("n1", "n0", &json!({"type": "gossip_ok", "in_reply_to": 9}));
    let text = taken.at(400).lost("3");
    assert_says(&text, &["left it out"], &["refused"]);
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
    assert_says(
        &text,
        &[
            "n1 got 3 from n0 at 0.300 s",
            "its answer at 0.400 s lacks it, so n1 itself left it out",
        ],
        &["nobody"],
    );

    let text = forgotten.at(400).lost("3");
    assert_says(&text, &["was killed at 0.200 s", "forgotten", "nobody told it again"], &[]);
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
            "and the first one to arrive did so only at 0.300 s",
        ],
        &["all of them", "again"],
    );
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
    assert_says(
        &text,
        &["n0 knew \"a. b\" from 0.100 s", "So n1, which gets its values from n2, never got it."],
        &[],
    );
}

#[test]
fn of_two_final_reads_the_one_that_lacks_a_value_is_told_of() {
    let mut story = Story::default();
    let add = story.at(100).ask(0, "broadcast", &3.into(), json!({"message": 3}));
    let sent = story.send("n0", "n1", &json!({"type": "gossip", "value": 3}));
    story.dropped(sent, "loss");
    story.at(5000).time_out(add);
    let lacking = story.at(6000).done(1, "read", &json!([]), json!({}));
    let having = story.done(0, "read", &json!([3]), json!({}));
    let text = story.why("reads-differ", &[lacking, having], [None, Some("3")]).unwrap();
    assert_says(&text, &["sent it to n1 once", "the lossy network dropped that"], &[]);
}

#[test]
fn a_value_that_comes_back_as_another_type_is_told_as_that() {
    let mut story = Story::default();
    story.at(0).broadcast(1, 7);
    let asked = story.at(9).ask(1, "read", &json!(null), json!({}));
    let read = story.answer(asked, &json!(["7"]));
    let text = story.why("lost", &[read], [None, Some("7")]).unwrap();
    let said = "n1 answered \"7\" at 0.009 s (op 3), which is a string, where 7 was meant, which is an integer";
    assert_says(&text, &[said], &["leaves it out"]);
    let asked = story.at(20).ask(1, "read", &json!(null), json!({}));
    let read = story.answer(asked, &json!(["7", 7]));
    let text = story.why("lost", &[read], [None, Some("7")]);
    assert!(text.is_none_or(|text| !text.contains("was meant")), "it is there as well");

    let mut story = Story::default();
    story.at(0).done(0, "write", &json!([1, 3]), json!({"key": 1, "value": 3}));
    let asked = story.at(5).ask(1, "read", &json!([1, null]), json!({"key": 1}));
    let read = story.answer(asked, &json!([1, 3.0]));
    let text = story.why("not-linearizable", &[read], [Some("1"), Some("3")]).unwrap();
    assert_says(&text, &["answered 3.0", "which is a float, where 3 was meant"], &["older"]);

    let mut story = Story::default();
    let send = story.at(0).done(0, "send", &json!([["send", "k", [0, 5]]]), json!({}));
    let polled = json!([["poll", {"k": [[0, "5"], [1, 6]]}]]);
    let poll = story.at(5).done(1, "poll", &polled, json!({}));
    let text = story.why("lost-write", &[send, poll], [Some("k"), Some("5")]).unwrap();
    assert_says(&text, &["answered \"5\"", "which is a string, where 5 was meant"], &["skips"]);
}

#[test]
fn whether_a_node_showed_a_value_that_it_lacks_in_the_end_is_told() {
    let kept = |shown: serde_json::Value| {
        let mut story = Story::default();
        story.at(10).broadcast(1, 7);
        for time in [20, 30] {
            story.at(time).done(1, "read", &shown, json!({}));
        }
        story.at(40).lost("7")
    };
    let shown = "n1 was told 7 at 0.010 s, and answered with it at 0.030 s (op 5), but its answer at 0.040 s \
                 lacks it: n1 itself threw it away in between.";
    assert_eq!(kept(json!([7])), shown);
    assert_says(&kept(json!([])), &["none of its 3 answers", "n1 did not keep it"], &["threw"]);
}

#[test]
fn a_message_whose_list_was_taken_in_place_of_the_nodes_own_is_named() {
    let ends = |list: serde_json::Value, shown: serde_json::Value| {
        let mut story = Story::default();
        story.at(10).broadcast(1, 7);
        story.at(11).broadcast(0, 3);
        story.at(12).broadcast(0, 4);
        story.at(20).tell("n0", "n1", &json!({"type": "gossip", "values": list}));
        story.at(21).tell("n0", "n1", &json!({"type": "beat", "round": 1}));
        story.at(25).broadcast(1, 5);
        let read = story.at(30).done(1, "read", &shown, json!({}));
        story.why("lost", &[read], [None, Some("7")]).unwrap()
    };
    let taken = "n1 was told 7 at 0.010 s, but took the list without it in the `gossip` of n0, which arrived \
                 at 0.020 s, in place of its own: its answer at 0.030 s lacks 7.";
    assert_eq!(ends(json!([3, 4]), json!([3, 4, 5])), taken);
    assert_eq!(ends(json!([3, 4]), json!([3, 4])), taken, "5 may be lost in another way");
    for (list, shown) in
        [(json!([3]), json!([3, 4, 5])), (json!([3, 4]), json!([4, 5])), (json!(3), json!([3, 5]))]
    {
        assert_says(&ends(list, shown), &["n1 itself left it out"], &["in place of"]);
    }
}

#[test]
fn a_value_that_a_nodes_own_list_lost_before_it_was_sent_is_told_as_that() {
    let mut story = Story::default();
    story.at(10).broadcast(0, 7);
    story.at(11).broadcast(1, 3);
    story.at(20).tell("n1", "n0", &json!({"type": "gossip", "values": [3]}));
    story.at(25).done(0, "read", &json!([3]), json!({}));
    let text = "n0 was told 7 at 0.010 s, and before it had sent it to anybody, it took the list without it in \
                the `gossip` of n1, which arrived at 0.020 s, in place of its own.";
    assert_eq!(story.at(30).lost("7"), text);
}
