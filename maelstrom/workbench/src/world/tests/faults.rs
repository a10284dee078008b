//! What nodes may not do.

use super::*;
use crate::settings::Workload;

/// The fault of a node that, when it first gets an operation, sends this.
fn fault_of(dest: &'static str) -> Option<FaultKind> {
    let script = script(move |_, message, body| {
        let echo = json!({"type": "echo_ok", "echo": body["echo"]});
        match body["type"].as_str() {
            Some("echo") => vec![now(dest, json!({"type": "x"})), reply(message, body, echo)],
            _ => vec![],
        }
    });
    let settings = settings(Workload::Echo);
    Stage::new(&settings, script).run().err().map(|fault| fault.kind)
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

#[test]
fn a_node_may_only_send_in_its_own_name() {
    let mut world = World::new(&settings(Workload::Echo)).unwrap();
    let mut out = Vec::new();
    world.start(Duration::ZERO, &mut out);
    for name in ["n0", "c0", "lin-kv", "", "n01"] {
        let line = json!({"src": name, "dest": "n0", "body": {}}).to_string();
        let fault = world.node_line(1, line.as_bytes(), Duration::ZERO, &mut out).unwrap_err();
        assert_eq!(fault.node, 1);
        assert!(matches!(fault.kind, FaultKind::ForgedSource { src, .. } if src == name));
    }
}

#[test]
fn a_node_that_does_not_answer_init_is_named_after_ten_seconds() {
    let mute: Script = Box::new(|node, message, body| match node {
        2 => vec![],
        _ => vec![reply(message, body, json!({"type": "init_ok"}))],
    });
    let fault = Stage::new(&settings(Workload::Echo), mute).run().err().unwrap();
    assert_eq!(fault, FaultKind::Silent { request: "init", seconds: 10 }.of(2));
}

#[test]
fn a_node_that_does_not_answer_topology_is_named() {
    let mute: Script =
        Box::new(|node, message, body| match (node, body["type"].as_str().unwrap()) {
            (1, "topology") => vec![],
            (_, kind) => vec![reply(message, body, json!({"type": format!("{kind}_ok")}))],
        });
    let fault = Stage::new(&settings(Workload::Broadcast), mute).run().err().unwrap();
    assert_eq!(fault, FaultKind::Silent { request: "topology", seconds: 5 }.of(1));
}

#[test]
fn a_node_that_refuses_init_or_topology_is_quoted() {
    for refused in ["init", "topology"] {
        let script: Script = Box::new(move |_, message, body| {
            let kind = body["type"].as_str().unwrap();
            let answer = if kind == refused { "error".to_owned() } else { format!("{kind}_ok") };
            vec![reply(message, body, json!({"type": answer}))]
        });
        let fault = Stage::new(&settings(Workload::Broadcast), script).run().err().unwrap();
        let FaultKind::Unwilling { request, body, .. } = &fault.kind else { panic!("{fault}") };
        assert_eq!(*request, refused);
        assert!(body.contains(r#""type":"error""#), "{body}");
    }
}

#[test]
fn a_reply_to_another_request_does_not_count_as_the_answer_to_init() {
    let wrong: Script = Box::new(|_, message, _| {
        vec![now(message.src.to_string(), json!({"type": "init_ok", "in_reply_to": 99}))]
    });
    let fault = Stage::new(&settings(Workload::Echo), wrong).run().err().unwrap();
    assert!(matches!(fault.kind, FaultKind::Silent { request: "init", .. }));
}
