//! Answers that did not come, and ids that came twice.

use serde_json::json;

use crate::story::{Story, assert_says};

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
    assert_says(&text, &["sent lin-kv `cas` 3 times", "0.003 s"], &["asked anybody"]);
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
fn a_node_whose_handler_waits_answers_nobody() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    story.tell("n0", "n1", &json!({"type": "ping", "msg_id": 7}));
    story.at(10).tell("n1", "n0", &json!({"type": "ping_ok", "in_reply_to": 7}));
    story.at(20).tell("n1", "n0", &json!({"type": "ping", "msg_id": 1}));
    let mut reads = story.clone();
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["sent n1 `ping` once", "not answer the other request", "waits"], &[]);
    reads.at(30).tell("n0", "n1", &json!({"type": "ping_ok", "in_reply_to": 1}));
    let op = reads.at(5000).time_out(echo);
    let text = reads.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["sent n1 `ping` once"], &["other request", "waits"]);
}

#[test]
fn a_node_that_was_down_dropped_what_was_sent_to_it() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    let ask = story.send("n0", "n1", &json!({"type": "check", "msg_id": 9}));
    story.dropped(ask, "kill");
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["sent n1 `check` at 0.000 s; n1 was down"], &["lossy"]);
}

#[test]
fn an_answer_to_no_request_of_the_client_is_what_came_instead() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    story.at(1).tell("n0", "c10", &json!({"type": "echo_ok", "in_reply_to": "1"}));
    story.at(2).tell("n0", "n1", &json!({"type": "hello", "msg_id": 1}));
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    let said = ["answered at 0.001 s with `in_reply_to` \"1\"", "`msg_id`, which is 1."];
    assert_says(&text, &said, &["did not answer", "asked"]);

    let mut story = Story::default();
    story.at(0).done(0, "echo", &json!("a"), json!({"echo": "a"}));
    let echo = story.at(10).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    story.tell("n0", "c10", &json!({"type": "echo_ok", "in_reply_to": 1}));
    let mut nameless = story.clone();
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["neither answered nor asked"], &["in_reply_to"]);
    nameless.at(20).tell("n0", "c10", &json!({"type": "echo_ok"}));
    let op = nameless.at(5000).time_out(echo);
    let text = nameless.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["answered at 0.020 s with no `in_reply_to`"], &[]);
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
    assert_says(&text, &["made it up itself"], &["partition"]);

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
fn an_answer_to_somebody_else_is_told_unless_that_one_had_asked() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    let before = story.clone();
    story.at(1).tell("n0", "n1", &json!({"type": "echo_ok", "in_reply_to": 1}));
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["the answer to it went to n1", "not to c10"], &["neither"]);

    let mut story = before;
    story.at(1).tell("n1", "n0", &json!({"type": "echo", "msg_id": 1}));
    story.tell("n0", "n1", &json!({"type": "echo_ok", "in_reply_to": 1}));
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["neither answered nor asked anybody."], &["went to", "printed nothing"]);
}

#[test]
fn a_node_that_prints_nothing_any_more_may_not_flush() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["It printed nothing from then on", "flush=True"], &[]);
    let mut story = Story::default();
    story.at(0).done(0, "echo", &json!("a"), json!({"echo": "a"}));
    let echo = story.at(5).ask(0, "echo", &json!("b"), json!({"echo": "b"}));
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["It printed nothing from then on: it hangs."], &["flush"]);
}

#[test]
fn two_nodes_that_wait_for_each_other_are_told_as_that() {
    let mut story = Story::default();
    let echo = story.at(0).ask(0, "echo", &json!("a"), json!({"echo": "a"}));
    story.at(1).tell("n0", "n1", &json!({"type": "spread", "msg_id": 1}));
    story.at(2).tell("n1", "n0", &json!({"type": "spread", "msg_id": 1}));
    let mut answers = story.clone();
    let op = story.at(5000).time_out(echo);
    let text = story.why("never-ok", &[op], [None, None]).unwrap();
    let waits = "n1 never answered, since it waited for n0 to answer the `spread` that it had sent at 0.002 s";
    assert_says(&text, &[waits], &[]);
    answers.at(3).tell("n1", "n2", &json!({"type": "other_ok", "in_reply_to": 4}));
    let op = answers.at(5000).time_out(echo);
    let text = answers.why("never-ok", &[op], [None, None]).unwrap();
    assert_says(&text, &["n1 never answered."], &["waited"]);
}

#[test]
fn of_a_node_that_ended_it_is_told_what_it_got_last() {
    let mut story = Story::default();
    story.at(10).line("kill", "\"node\":\"n1\"");
    story.at(20).line("start", "\"node\":\"n1\"");
    story.at(30).tell("n0", "n1", &json!({"type": "gossip"}));
    story.at(31).line("exit", "\"node\":\"n1\",\"text\":\"ended\"");
    story.at(40).tell("n0", "n1", &json!({"type": "later"}));
    let text = story.why("node-failure", &[], [None, None]).unwrap();
    let last =
        "What n1 got last before that was `gossip` from n0, at 0.030 s; it ended at 0.031 s.";
    assert_says(&text, &[last, "It had been killed at 0.010 s"], &[]);
}

#[test]
fn ids_that_are_a_clock_are_told_as_that() {
    let given = |id: fn(u64) -> u64| {
        let mut story = Story::default();
        for time in 0..20 {
            let id = json!(id(time));
            story.at(time as i64).done(0, "generate", &id, json!({}));
        }
        story.at(20).done(0, "generate", &json!(id(19)), json!({}));
        story.why("duplicated", &[39, 41], [None, Some(&id(19).to_string())]).unwrap()
    };
    let clock = "The ids are a clock's milliseconds, and both were asked for within one.";
    assert_says(&given(|time| 1_700_000_000_000 + time), &[clock], &[]);
    assert_says(&given(|time| (time * 7919) % 4001), &["does not remember"], &["clock"]);
}
