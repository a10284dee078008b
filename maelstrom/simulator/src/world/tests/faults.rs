//! What nodes may not do.

use super::*;
use crate::settings::Workload;

/// The fault of a node that, when it first gets an operation, sends this.
fn fault_of(dest: &'static str) -> Option<FaultKind> {
    let script = script(move |_, message, body| match body["type"].as_str() {
        Some("echo") => vec![now(dest, json!({"type": "x"})), answer(message, body)],
        _ => vec![],
    });
    let settings = settings(Workload::Echo);
    Harness::new(&settings, script).run().err().map(|fault| fault.kind)
}

#[test]
fn a_node_may_send_to_nodes_itself_services_and_former_clients() {
    for dest in ["n0", "n1", "n2", "lin-kv", "seq-kv", "lww-kv", "lin-tso", "c0", "c3"] {
        assert_eq!(fault_of(dest), None, "{dest}");
    }
}

#[test]
fn a_node_may_not_send_to_anybody_else() {
    for nobody in ["n3", "c999", "", "kv", "n00", "N0", "me"] {
        let Some(FaultKind::UnknownDestination { dest, line }) = fault_of(nobody) else {
            panic!("{nobody} is nobody");
        };
        assert_eq!((dest.as_str(), line.number), (nobody, 2));
    }
}

/// A world whose nodes are being initialised, and what n1 may say there.
fn says(lines: &[&[u8]]) -> (World, Result<(), FaultKind>) {
    let mut world = World::new(&settings(Workload::Echo)).unwrap();
    let mut out = Vec::new();
    world.start(Duration::ZERO, &mut out);
    let said = lines.iter().try_for_each(|line| {
        let result = world.node_line(1, line, Duration::ZERO, &mut out);
        result.map(drop).map_err(|fault| fault.kind)
    });
    (world, said)
}

#[test]
fn a_node_may_send_in_the_name_of_whoever_takes_part_but_it_is_noticed() {
    for name in ["n1", "n0", "c0", "c1", "lin-kv"] {
        let line = json!({"src": name, "dest": "n0", "body": {}}).to_string();
        let (world, said) = says(&[line.as_bytes()]);
        assert_eq!(said, Ok(()));
        assert_eq!(world.stats().quirks.count(Quirk::ForgedSource), u64::from(name != "n1"));
    }
}

#[test]
fn a_node_may_not_send_in_the_name_of_nobody() {
    for name in ["n3", "c99", "", "n01", "kv"] {
        let line = json!({"src": name, "dest": "n0", "body": {}}).to_string();
        let (_, said) = says(&[line.as_bytes()]);
        let Err(FaultKind::UnknownSource { src, line }) = said else { panic!("{said:?}") };
        assert_eq!((src.as_str(), line.number), (name, 1));
    }
}

#[test]
fn what_is_sent_in_a_clients_name_is_a_clients_message() {
    let line = json!({"src": "c0", "dest": "n0", "body": {}}).to_string();
    let (world, _) = says(&[line.as_bytes()]);
    assert_eq!(world.net_counts().servers.send_count, 0);
    let line = json!({"src": "n2", "dest": "n0", "body": {}}).to_string();
    let (world, _) = says(&[line.as_bytes()]);
    assert_eq!(world.net_counts().servers.send_count, 1);
}

#[test]
fn a_reply_from_another_node_than_the_one_asked_is_noticed() {
    let line = json!({"src": "n1", "dest": "c0", "body": {}}).to_string();
    let (world, said) = says(&[line.as_bytes()]);
    assert_eq!(said, Ok(()));
    assert_eq!(world.stats().quirks.count(Quirk::ForeignReply), 1);
    let text = &world.stats().quirks.findings()[0].text;
    assert!(text.contains("by n1 to c0, who had asked n0"), "{text}");
}

#[test]
fn all_of_the_answer_to_topology_has_to_be_right() {
    for (odd, problem) in [("msg_id", "has to be an integer"), ("more", "does not belong")] {
        let script: Script = Box::new(move |_, message, body| {
            let mut answer = answer(message, body);
            if body["type"] == "topology" {
                answer.body[odd] = json!(null);
            }
            vec![answer]
        });
        let fault = Harness::new(&settings(Workload::Broadcast), script).run().err().unwrap();
        assert!(matches!(fault.kind, FaultKind::Unwilling { request: "topology", .. }));
        assert!(fault.to_string().contains(problem), "{fault}");
    }
}

#[test]
fn a_node_that_does_not_answer_init_is_named_after_ten_seconds() {
    let mute: Script = Box::new(|node, message, body| match node {
        2 => vec![],
        _ => vec![answer(message, body)],
    });
    let fault = Harness::new(&settings(Workload::Echo), mute).run().err().unwrap();
    let FaultKind::Silent { request, seconds, printed, instead } = fault.kind else { panic!() };
    assert_eq!((fault.node, request, seconds, printed, instead), (2, "init", 10, 0, None));
}

#[test]
fn a_node_that_does_not_answer_topology_is_named() {
    let mute: Script =
        Box::new(|node, message, body| match (node, body["type"].as_str().unwrap()) {
            (1, "topology") => vec![],
            _ => vec![answer(message, body)],
        });
    let fault = Harness::new(&settings(Workload::Broadcast), mute).run().err().unwrap();
    let FaultKind::Silent { request, seconds, printed, .. } = fault.kind else { panic!() };
    assert_eq!((fault.node, request, seconds, printed), (1, "topology", 5, 0));
}

#[test]
fn an_answer_that_went_to_somebody_else_is_told() {
    for request in ["init", "topology"] {
        let script: Script = Box::new(move |node, message, body| {
            let kind = body["type"].as_str().unwrap();
            let me = format!("n{node}");
            match kind {
                _ if kind.ends_with("_ok") => vec![],
                _ if kind == request => vec![now(me, answer(message, body).body)],
                _ => vec![answer(message, body)],
            }
        });
        let fault = Harness::new(&settings(Workload::Broadcast), script).run().err().unwrap();
        let said = fault.to_string();
        let expected = format!(". It sent its `{request}_ok` to n{0}, and not to c", fault.node);
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_node_that_refuses_init_or_topology_is_quoted() {
    for refused in ["init", "topology"] {
        let script: Script = Box::new(move |_, message, body| {
            let kind = body["type"].as_str().unwrap();
            let error = json!({"type": "error", "code": 10, "text": "what is that?"});
            let refusal = || reply(message, body, error.clone());
            vec![if kind == refused { refusal() } else { answer(message, body) }]
        });
        let fault = Harness::new(&settings(Workload::Broadcast), script).run().err().unwrap();
        let FaultKind::Unwilling { request, problem, .. } = &fault.kind else { panic!("{fault}") };
        assert_eq!(*request, refused);
        assert_eq!(problem, "it is the error 10 (not-supported), \"what is that?\"");
    }
}

#[test]
fn a_reply_to_another_request_does_not_count_as_the_answer_to_init_and_is_quoted() {
    for (id, problem) in [
        (json!(99), "whose `in_reply_to` is not 1, the request's `msg_id`"),
        (json!(0), "whose `in_reply_to` is not 1, the request's `msg_id`"),
        (json!("1"), "whose `in_reply_to` is a string instead of the integer 1"),
        (json!(1.0), "whose `in_reply_to` is a float instead of the integer 1"),
        (json!([1]), "whose `in_reply_to` is a list instead of the integer 1"),
        (json!(null), "without the `in_reply_to` 1, which is the request's `msg_id`"),
    ] {
        let answer = json!({"type": "init_ok", "in_reply_to": id});
        let quoted = format!("sent `{answer}`, {problem}");
        let wrong: Script =
            Box::new(move |_, message, _| vec![now(message.src.to_string(), answer.clone())]);
        let fault = Harness::new(&settings(Workload::Echo), wrong).run().err().unwrap();
        assert!(matches!(fault.kind, FaultKind::Silent { request: "init", .. }));
        assert!(fault.to_string().contains(&quoted), "{fault}");
    }
}
