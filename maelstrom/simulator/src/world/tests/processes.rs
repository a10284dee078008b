//! Client processes: errors, timeouts, what follows them.

use super::*;
use crate::settings::Workload;

/// Answers everything with an error.
fn errs(code: i64) -> Script {
    script(move |_, message, body| {
        vec![reply(message, body, json!({"type": "error", "code": code, "text": "no"}))]
    })
}

fn silent() -> Script {
    script(|_, _, _| vec![])
}

fn completions(workload: Workload, script: Script) -> Vec<(String, OpType, String)> {
    let harness = Harness::new(&settings(workload), script).run().unwrap();
    let describe = |op: &Op| {
        let error = op.error.as_ref().map_or("", |error| error.get());
        (op.f.to_string(), op.kind, error.to_owned())
    };
    let done =
        harness.history.iter().filter(|op| op.kind != OpType::Invoke && op.process.is_client());
    let mut kinds: Vec<_> = done.map(describe).collect();
    kinds.sort_by_key(|(f, _, error)| (f.clone(), error.clone()));
    kinds.dedup();
    kinds
}

#[test]
fn a_definite_error_fails_an_operation_and_any_other_only_what_changes_nothing() {
    for (script, write, error) in [
        (errs(11), OpType::Fail, r#"["temporarily-unavailable","no"]"#),
        (errs(13), OpType::Info, r#"["crash","no"]"#),
        (silent(), OpType::Info, r#""net-timeout""#),
    ] {
        let expected = [("broadcast", write), ("read", OpType::Fail)];
        let expected = expected.map(|(f, kind)| (f.to_owned(), kind, error.to_owned()));
        assert_eq!(completions(Workload::Broadcast, script), expected);
    }
}

#[test]
fn clients_of_sets_and_counters_leave_everything_open() {
    let answered = r#""indeterminate: the node answered abort: \"no\"""#;
    let unanswered = r#""indeterminate: Client read timeout""#;
    for (workload, script, error) in [
        (Workload::GSet, errs(14), answered),
        (Workload::GCounter, errs(14), answered),
        (Workload::PnCounter, errs(14), answered),
        (Workload::GSet, silent(), unanswered),
    ] {
        let open = ["add", "read"].map(|f| (f.to_owned(), OpType::Info, error.to_owned()));
        assert_eq!(completions(workload, script), open);
    }
}

#[test]
fn a_malformed_reply_leaves_an_operation_open_and_says_why() {
    let extra = script(|_, message, body| {
        let reply_body = json!({"type": "echo_ok", "echo": body["echo"], "more": 1});
        vec![reply(message, body, reply_body)]
    });
    for (_, kind, error) in completions(Workload::Echo, extra) {
        assert_eq!(kind, OpType::Info);
        assert!(
            error.contains("indeterminate: malformed echo_ok reply: `more` does not belong"),
            "{error}"
        );
    }
}

#[test]
fn a_timeout_comes_after_five_seconds() {
    let harness = Harness::new(&settings(Workload::Echo), silent()).run().unwrap();
    let times = |kind| harness.ops(kind).map(seconds).collect::<Vec<_>>();
    for (begun, ended) in times(OpType::Invoke).into_iter().zip(times(OpType::Info)) {
        assert!((ended - begun - 5.0).abs() < 1e-6, "{begun} to {ended}");
    }
}

#[test]
fn after_an_indeterminate_operation_a_new_process_with_a_new_client_goes_on() {
    let mut settings = settings(Workload::Echo);
    settings.concurrency = 1;
    let harness = Harness::new(&settings, silent()).run().unwrap();
    let processes: Vec<Process> = harness.ops(OpType::Invoke).map(|op| op.process).collect();
    assert_eq!(processes, [0, 1].map(Process::Client));
    let harness = Harness::new(&self::settings(Workload::Echo), silent()).run().unwrap();
    let processes: Vec<Process> = harness.ops(OpType::Invoke).map(|op| op.process).collect();
    assert_eq!(processes, [0, 1, 2, 3, 4, 5].map(Process::Client));
    let clients: Vec<&str> = harness.clients().collect();
    assert_eq!(clients, ["0", "1", "2", "3", "4", "5", "6", "7", "8"], "three of them initialise");
}

#[test]
fn where_the_original_reuses_clients_the_new_process_keeps_the_client() {
    let harness = Harness::new(&settings(Workload::UniqueIds), silent()).run().unwrap();
    let processes: Vec<Process> = harness.ops(OpType::Invoke).map(|op| op.process).collect();
    assert_eq!(processes, [0, 1, 2, 3, 4, 5].map(Process::Client));
    let clients: Vec<&str> = harness.clients().collect();
    assert_eq!(clients, ["0", "1", "2", "3", "4", "5", "3", "4", "5"]);
}

/// Answers each process's first request after six seconds, later ones at once.
fn late_at_first() -> Script {
    let mut seen = std::collections::BTreeSet::new();
    script(move |node, message, body| {
        let id = json!({"type": "generate_ok", "id": body["msg_id"]});
        let answer = reply(message, body, id);
        vec![if seen.insert(node) { later(6.0, answer) } else { answer }]
    })
}

#[test]
fn a_late_reply_is_not_taken_for_the_answer_to_the_next_request() {
    let harness = Harness::new(&settings(Workload::UniqueIds), late_at_first()).run().unwrap();
    assert_eq!(harness.ops(OpType::Info).count(), 3);
    let ids: Vec<u64> = harness.ops(OpType::Ok).map(|op| op.decode().unwrap()).collect();
    assert!(ids.len() > 100);
    assert!(ids.iter().all(|&id| id >= 2), "1 is the id of the requests that timed out");
    let counts = harness.world.net_counts().clients;
    assert_eq!(counts.send_count, counts.recv_count, "late replies are received, and passed over");
}

#[test]
fn what_is_sent_to_a_closed_client_does_no_harm_and_does_not_count() {
    let late = script(|_, message, body| vec![later(7.0, answer(message, body))]);
    let harness = Harness::new(&settings(Workload::Echo), late).run().unwrap();
    let counts = harness.world.net_counts().clients;
    assert_eq!(harness.ops(OpType::Info).count(), 6);
    assert_eq!(counts.send_count, 6 + 6, "initialisation, and requests without replies");
}

#[test]
fn an_echo_is_recorded_with_the_whole_reply() {
    let harness = Harness::new(&settings(Workload::Echo), answers()).run().unwrap();
    let asked: String = harness.history[0].decode().unwrap();
    let got: Value = harness.history[1].decode().unwrap();
    assert_eq!(got, json!({"type": "echo_ok", "echo": asked, "in_reply_to": 1}));
    assert!(asked.starts_with("Please echo "));
}

#[test]
fn the_tally_counts_what_the_history_has() {
    let sometimes = script(|_, message, body| match body["message"].as_u64() {
        Some(n) if n % 3 == 0 => vec![reply(message, body, json!({"type": "error", "code": 11}))],
        Some(n) if n % 7 == 0 => vec![],
        Some(_) => vec![answer(message, body)],
        None => vec![reply(message, body, json!({"type": "read_ok", "messages": [1, 1.0, "x"]}))],
    });
    let harness = Harness::new(&settings(Workload::Broadcast), sometimes).run().unwrap();
    let count = |kind| harness.ops(kind).count() as u64;
    let tally = Tally {
        invoked: count(OpType::Invoke),
        ok: count(OpType::Ok),
        failed: count(OpType::Fail),
        indeterminate: count(OpType::Info),
    };
    assert_eq!(harness.world.progress(harness.now).tally, tally);
    assert!(tally.ok > 10 && tally.failed > 2 && tally.indeterminate > 1, "{tally:?}");
    assert!(harness.history.iter().map(|op| op.index).eq(0..harness.history.len() as u64));
    let read = harness.ops(OpType::Ok).find(|op| op.f == "read").unwrap();
    assert_eq!(read.value.get(), r#"[1,1.0,"x"]"#);
}
