//! What the client says to its node.

use super::*;
use crate::workload::kafka::client::KafkaClient;
use crate::workload::{Client, Step};

/// A client, and what it does as text: `> request`, `= value`, `?` for an unknown
/// outcome, `! problem`.
struct Dialogue {
    client: KafkaClient,
    operation: Operation,
}

impl Dialogue {
    fn new() -> Self {
        Self { client: KafkaClient::default(), operation: Operation::bare("crash") }
    }

    fn begin(&mut self, f: &'static str, value: &str) -> String {
        self.perform(Operation { value: json(value), ..Operation::bare(f) })
    }

    fn perform(&mut self, operation: Operation) -> String {
        self.operation = operation;
        let step = self.client.invoke(&self.operation);
        describe(step)
    }

    fn answer(&mut self, body: &str) -> String {
        match self.client.reply(&self.operation, &json(body)) {
            Ok(step) => describe(step),
            Err(malformed) => format!("! {malformed}"),
        }
    }

    fn poll(&mut self) -> String {
        self.begin("poll", r#"[["poll"]]"#)
    }

    /// Assigns keys, of which these are committed.
    fn assign(&mut self, keys: &str, committed: &str) {
        self.begin("assign", keys);
        let reply = format!(r#"{{"type":"list_committed_offsets_ok","offsets":{committed}}}"#);
        assert_eq!(self.answer(&reply), "= its argument");
    }
}

fn describe(step: Step) -> String {
    match step {
        Step::Request(request) => format!("> {}", request.body(1)),
        Step::Ok(Some(value)) => format!("= {value}"),
        Step::Ok(None) => "= its argument".to_owned(),
        Step::Info => "?".to_owned(),
    }
}

#[test]
fn a_send_is_done_with_its_offset() {
    let mut client = Dialogue::new();
    assert_eq!(
        client.begin("send", r#"[["send","k\"1",7]]"#),
        r#"> {"type":"send","msg_id":1,"key":"k\"1","msg":7}"#
    );
    assert_eq!(client.answer(r#"{"type":"send_ok","offset":12}"#), r#"= [["send","k\"1",[12,7]]]"#);
}

#[test]
fn a_poll_commits_what_it_received_and_the_next_goes_on_behind_it() {
    let mut client = Dialogue::new();
    client.assign(r#"["a","b","c"]"#, r#"{"b":4}"#);
    assert_eq!(client.poll(), r#"> {"type":"poll","msg_id":1,"offsets":{"a":0,"b":4,"c":0}}"#);
    assert_eq!(
        client.answer(r#"{"type":"poll_ok","msgs":{"b":[[4,"x"],[7,"y"]],"a":[[0,[1]]],"c":[]}}"#),
        r#"> {"type":"commit_offsets","msg_id":1,"offsets":{"a":0,"b":7}}"#
    );
    assert_eq!(
        client.answer(r#"{"type":"commit_offsets_ok"}"#),
        r#"= [["poll",{"b":[[4,"x"],[7,"y"]],"a":[[0,[1]]],"c":[]}]]"#
    );
    assert_eq!(client.poll(), r#"> {"type":"poll","msg_id":1,"offsets":{"a":1,"b":8,"c":0}}"#);
}

#[test]
fn a_poll_that_receives_nothing_commits_nothing() {
    let mut client = Dialogue::new();
    assert_eq!(client.poll(), r#"> {"type":"poll","msg_id":1,"offsets":{}}"#);
    assert_eq!(client.answer(r#"{"type":"poll_ok","msgs":{}}"#), r#"= [["poll",{}]]"#);
    client.poll();
    assert_eq!(
        client.answer(r#"{"type":"poll_ok","msgs":{"a":null}}"#),
        r#"= [["poll",{"a":null}]]"#
    );
}

#[test]
fn a_position_never_moves_back_and_survives_a_commit_that_fails() {
    let mut client = Dialogue::new();
    client.assign(r#"["a"]"#, r#"{"a":9}"#);
    client.poll();
    let commit = client.answer(r#"{"type":"poll_ok","msgs":{"a":[[10,0],[3,0]]}}"#);
    assert_eq!(commit, r#"> {"type":"commit_offsets","msg_id":1,"offsets":{"a":10}}"#);
    // The commit was answered with an error, which the client does not see.
    assert_eq!(client.poll(), r#"> {"type":"poll","msg_id":1,"offsets":{"a":11}}"#);
    client.answer(r#"{"type":"poll_ok","msgs":{"a":[[1,0]]}}"#);
    client.answer(r#"{"type":"commit_offsets_ok"}"#);
    assert_eq!(client.poll(), r#"> {"type":"poll","msg_id":1,"offsets":{"a":11}}"#);
}

#[test]
fn an_assign_keeps_own_positions_before_committed_ones_and_drops_other_keys() {
    let mut client = Dialogue::new();
    client.assign(r#"["a","b"]"#, r#"{"a":2}"#);
    assert_eq!(
        client.begin("assign", r#"["a","c","d"]"#),
        r#"> {"type":"list_committed_offsets","msg_id":1,"keys":["a","c","d"]}"#
    );
    client.answer(r#"{"type":"list_committed_offsets_ok","offsets":{"a":5,"b":6,"c":7}}"#);
    assert_eq!(client.poll(), r#"> {"type":"poll","msg_id":1,"offsets":{"a":2,"c":7,"d":0}}"#);
}

#[test]
fn an_assign_that_rewinds_asks_nobody() {
    let mut client = Dialogue::new();
    client.assign(r#"["a"]"#, r#"{"a":2}"#);
    let rewind = Operation {
        value: json(r#"["a","b"]"#),
        seek_to_beginning: true,
        ..Operation::bare("assign")
    };
    assert_eq!(client.perform(rewind), "= its argument");
    assert_eq!(client.poll(), r#"> {"type":"poll","msg_id":1,"offsets":{"a":0,"b":0}}"#);
}

#[test]
fn nobody_knows_the_outcome_of_a_crash() {
    assert_eq!(Dialogue::new().begin("crash", "null"), "?");
}

#[test]
fn what_is_wrong_with_a_reply_is_named() {
    let problem = |f: &'static str, value: &str, reply: &str| {
        let mut client = Dialogue::new();
        client.begin(f, value);
        client.answer(reply)
    };
    for (reply, wrong) in [
        (r#"{"type":"poll_ok","msgs":[]}"#, "`msgs`: a list instead of an object"),
        (r#"{"type":"poll_ok","msgs":null}"#, "`msgs`: null instead of an object"),
        (r#"{"type":"poll_ok","msgs":{"a":[1]}}"#, "`msgs`: an integer instead of a list of 2"),
        (r#"{"type":"poll_ok","msgs":{"a":[{}]}}"#, "`msgs`: an object instead of a list of 2"),
        (r#"{"type":"poll_ok","msgs":{"a":[[1,2,3]]}}"#, "`msgs`: a list that is too long"),
        (r#"{"type":"poll_ok","msgs":{"a":[[1]]}}"#, "`msgs`: a list of 1 instead of a list of 2"),
        (r#"{"type":"poll_ok","msgs":{"a":[[1.0,2]]}}"#, "`msgs`: a float instead of an integer"),
        (r#"{"type":"poll_ok","msgs":{"a":[["1",2]]}}"#, "`msgs`: a string instead of an integer"),
        (r#"{"type":"poll_ok","msgs":{"a":[[9223372036854775807,2]]}}"#, "no offset can follow"),
        (r#"{"type":"poll_ok"}"#, "`msgs` is missing"),
    ] {
        let found = problem("poll", r#"[["poll"]]"#, reply);
        assert!(found.starts_with("! ") && found.contains(wrong), "{found}");
    }
    let found = problem("send", r#"[["send","a",1]]"#, r#"{"type":"send_ok","offset":"1"}"#);
    assert!(
        found.contains("malformed send_ok reply: `offset`: a string instead of an integer"),
        "{found}"
    );
    let reply = r#"{"type":"list_committed_offsets_ok","offsets":{"a":null}}"#;
    let found = problem("assign", r#"["a"]"#, reply);
    assert!(
        found.contains("list_committed_offsets_ok reply: `offsets`: null instead of an integer"),
        "{found}"
    );
}
