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

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use maelstrom::Node;
use serde_json::Value;
use workbench::checker::{Analysis, Names, Report, Validity};
use workbench::history::{Op, OpType, Process};
use workbench::host::simulation::{SimulationOptions, run};
use workbench::host::{Observer, Program};
use workbench::settings::{Settings, Workload};

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

/// What a test run left behind.
#[derive(Default)]
struct Run {
    history: Vec<Op>,
    analysis: Option<Analysis>,
}

impl Observer for Run {
    fn op(&mut self, op: &Op) {
        self.history.push(op.clone());
        if let Some(analysis) = &mut self.analysis {
            analysis.observe(op);
        }
    }
}

impl Run {
    fn of<S: Send + Sync + 'static>(
        settings: &Settings,
        node: impl Fn() -> Node<S> + 'static,
    ) -> Self {
        let analysis = Analysis::new(settings, Names::of(settings));
        let mut this = Self { analysis, ..Self::default() };
        run(settings, &Program::new(node), &SimulationOptions::default(), &mut this)
            .unwrap_or_else(|error| panic!("{error}"));
        this
    }

    fn report(&mut self) -> Report {
        self.analysis.take().expect("a checker").finish()
    }

    fn ops(&self, kind: OpType, f: &str) -> impl Iterator<Item = &Op> {
        self.history.iter().filter(move |op| op.kind == kind && op.f == f)
    }

    /// The operations of a process, in order.
    fn of_process(&self, process: u64) -> impl Iterator<Item = &Op> {
        self.history.iter().filter(move |op| op.process == Process::Client(process))
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

fn assert_valid(report: &Report) {
    assert_eq!(report.valid(), Validity::Valid, "{}", serde_json::to_string(report).unwrap());
}

/// The workload's part of the report has to be invalid.
fn assert_invalid(report: &Report) {
    let workload = &report.parts["workload"];
    assert_eq!(workload.valid, Validity::Invalid, "{:?}", workload.results);
    assert!(!workload.findings.is_empty(), "no verdict without a witness");
}
