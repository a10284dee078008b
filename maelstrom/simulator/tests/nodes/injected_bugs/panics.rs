//! Nodes that panic now and then and go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use maelstrom::{Context, Node};
use serde_json::value::RawValue;
use simulator::swarm::{Mode, Subject};
use simulator::{Program, Workload};

use super::{found, passes};

maelstrom::message_types! {
    "echo": struct Echo { echo: Box<RawValue> } -> Echo;
}

/// Panics at the hundredth step, in the part of the node that its argument names.
struct Fuse {
    burns: bool,
    steps: AtomicU64,
}

impl Fuse {
    fn new(part: &str, own: &str) -> Self {
        Self { burns: part == own, steps: AtomicU64::new(0) }
    }

    fn step(&self, length: u64) {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        assert!(!self.burns || step % length != length - 1, "the fuse has burnt\nto its end");
    }
}

struct State {
    handler: Fuse,
    task: Fuse,
    periodic: Fuse,
}

/// An echo that panics in one of its parts, but never owes a client an answer for
/// it that the workload would miss.
fn node(part: &str) -> Node<State> {
    let (handler, task) = (Fuse::new(part, "handler"), Fuse::new(part, "task"));
    let (periodic, hook) = (Fuse::new(part, "periodic"), Fuse::new(part, "hook"));
    Node::new(|_| State { handler, task, periodic })
        .on_init(move |context| {
            // Only a node that draws the chance for it, so that most of them start.
            if context.node_ids().len() == 5 {
                hook.step(1);
            }
            async { Ok(()) }
        })
        .every(Duration::from_millis(50), async |context: Context<State>| {
            context.state().periodic.step(100);
        })
        .handle(async |context: Context<State>, echo: Echo| {
            context.state().handler.step(100);
            let own = context.clone();
            context.spawn(async move { own.state().task.step(100) });
            Ok(echo)
        })
}

const SUBJECT: Subject = Subject {
    rate: 50,
    ..Subject::new("fused-echo", Workload::Echo, |arguments| {
        ensure!(arguments.len() < 2, "one part is named");
        let part = arguments.first().cloned().unwrap_or_default();
        Ok(Program::new(move || node(&part)))
    })
};

#[test]
fn without_a_fuse_nothing_is_found() {
    passes(&SUBJECT, 40);
}

#[test]
fn a_panic_in_a_handler_is_found_in_5_seeds() {
    let failure = found(&Subject { arguments: &["handler"], ..SUBJECT }, 5);
    assert_eq!(failure.mode, Mode { kind: "panic".to_owned(), f: None });
    let text = &failure.findings[0].text;
    assert!(text.contains(r"panic in handler `echo`: the fuse has burnt\nto its end at"), "{text}");
}

#[test]
fn a_panic_in_a_task_is_found_in_5_seeds() {
    let failure = found(&Subject { arguments: &["task"], ..SUBJECT }, 5);
    assert_eq!(failure.mode.kind, "panic");
    assert!(failure.findings[0].text.contains("panic in task: the fuse"), "{failure}");
}

#[test]
fn a_panic_in_a_periodic_task_is_found_in_5_seeds() {
    let failure = found(&Subject { arguments: &["periodic"], ..SUBJECT }, 5);
    assert_eq!(failure.mode.kind, "panic");
    assert!(failure.findings[0].text.contains("panic in periodic task: the fuse"), "{failure}");
}

#[test]
fn a_panic_in_a_hook_is_found_in_10_seeds() {
    let failure = found(&Subject { arguments: &["hook"], ..SUBJECT }, 10);
    let kinds: Vec<&str> = failure.findings.iter().map(|finding| &*finding.kind).collect();
    assert_eq!(kinds, ["node-failure", "panic"], "{failure}");
    assert!(failure.findings[1].text.contains("panic in hook: the fuse"), "{failure}");
}

#[test]
fn the_smallest_run_still_panics() {
    let failure = found(&Subject { arguments: &["handler"], ..SUBJECT }, 5);
    let smallest = failure.shrunk();
    assert_eq!(smallest.mode, failure.mode);
    let settings = smallest.settings().expect("it was run");
    assert_eq!((settings.node_count, settings.nemesis.len()), (1, 0), "{smallest}");
    // Without its argument the node does not panic, so that has to stay.
    assert_eq!(smallest.case.map(|case| case.arguments), Some(vec!["handler".to_owned()]));
}
