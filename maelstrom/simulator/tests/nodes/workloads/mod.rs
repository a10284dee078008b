//! The workloads against nodes in the simulator: nodes that do what they should
//! pass, nodes that are broken on purpose are found out, and the operations are
//! like those that the original generates.
//!
//! A broken node misbehaves at every [`ODD`]th chance that it gets, so that what
//! is found is found among a great majority of operations that went well.

mod kafka;
mod kafka_node;
mod lin_kv;
mod recorded;
mod txn;
mod txn_node;

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use checkers::Validity;
use checkers::history::{self, Op, OpType, Process};
use maelstrom::Node;
use serde_json::Value;
use simulator::{Finished, Program, Settings, Simulation, Workload};

/// How often a broken node misbehaves.
const ODD: u64 = 20;

/// Counts chances to misbehave.
#[derive(Default)]
struct Chances(AtomicU64);

impl Chances {
    /// Whether this one is to be taken.
    fn take(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % ODD == ODD - 1
    }
}

/// A test that was run, and its history.
struct Run {
    finished: Finished,
    history: Vec<Op>,
}

impl Deref for Run {
    type Target = Finished;

    fn deref(&self) -> &Finished {
        &self.finished
    }
}

impl Run {
    fn of<S: Send + Sync + 'static>(
        settings: &Settings,
        node: impl Fn() -> Node<S> + 'static,
    ) -> Self {
        let finished = Simulation::with(settings.clone(), Program::new(node)).recorded().run();
        assert!(finished.ended.is_ok(), "{finished}");
        let lines = history::read(finished.history.as_bytes()).unwrap();
        let history = lines.map(Result::unwrap).collect();
        Self { finished, history }
    }

    fn ops(&self, kind: OpType, f: &str) -> impl Iterator<Item = &Op> {
        self.history.iter().filter(move |op| op.kind == kind && op.f == f)
    }

    /// The operations of a process, in order.
    fn of_process(&self, process: Process) -> impl Iterator<Item = &Op> {
        self.history.iter().filter(move |op| op.process == process)
    }

    /// The workload's checker has to object, and not only a check of the rest.
    #[track_caller]
    fn assert_invalid(&self) {
        let workload = &self.report.parts["workload"];
        assert_eq!(workload.valid, Validity::Invalid, "{}", self.finished);
        assert!(!workload.findings.is_empty(), "no verdict without a witness");
    }
}

/// One node, four clients, 200 operations a second for ten seconds.
fn settings(workload: Workload) -> Settings {
    Settings {
        node_count: 1,
        concurrency: 4,
        rate: 200.0,
        time_limit: Duration::from_secs(10),
        seed: 11,
        ..Settings::new(workload)
    }
}

fn value(op: &Op) -> Value {
    serde_json::from_str(op.value.get()).unwrap()
}
