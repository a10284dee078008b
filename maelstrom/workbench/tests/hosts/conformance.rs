//! The two hosts held against each other: what a scenario comes to with
//! processes in real time, and in virtual time.
//!
//! Both hosts drive the same world, so for one seed clients ask the same, faults
//! come in the same order, and nodes that wait for timers and latencies send as
//! much and are as slow, but for what scheduling adds. Nodes draw their own chance
//! from the operating system when they are processes, so where chance decides
//! what they send (whom to ask during a partition), counts agree on average only.
//!
//! Other load on the machine makes processes late, so each scenario has three attempts.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;

use checkers::history::{self, Op, OpType, Process};
use serde_json::Value;
use simulator::{Fault, Finished, Observer, Simulation, Workload};
use workbench::{ProcessOptions, Processes};

fn scenario() -> Simulation {
    Simulation::new(Workload::Broadcast, broadcast::node)
        .nodes(5)
        .rate(50.0)
        .seconds(5)
        .latency(50)
        .seed(3)
}

pub(crate) fn broadcast_comes_to_the_same() {
    let is_close = |_| {
        let Some(comparison) = Comparison::of("calm", "broadcast", &scenario()) else {
            return false;
        };
        let [median, longest] = comparison.differences().map(|of| of.as_millis());
        (0.95..1.05).contains(&comparison.messages()) && median < 20 && longest < 60
    };
    assert!((0..3).any(is_close));
}

pub(crate) fn broadcast_meets_the_same_faults() {
    let faults = [Fault::Partition, Fault::OneWay, Fault::Loss];
    let is_close = |_| {
        let scenario = scenario().nemesis(&faults, 1.0);
        // Whom nodes ask when they are cut off is theirs to draw.
        Comparison::of("faults", "broadcast", &scenario)
            .is_some_and(|comparison| (0.5..2.0).contains(&comparison.messages()))
    };
    assert!((0..3).any(is_close));
}

pub(crate) fn g_counter_comes_to_the_same() {
    let scenario =
        Simulation::new(Workload::GCounter, g_counter::node).nodes(3).rate(50.0).seconds(5).seed(3);
    let is_close = |_| {
        Comparison::of("counter", "g-counter", &scenario)
            .is_some_and(|comparison| (0.95..1.05).contains(&comparison.messages()))
    };
    assert!((0..3).any(is_close));
}

/// One scenario on both hosts.
#[derive(Debug)]
struct Comparison {
    /// As processes, in real time.
    processes: Finished,
    /// In virtual time.
    simulated: Finished,
}

impl Comparison {
    /// Runs a scenario with a node on both hosts. Nothing, if clients did not ask the same: a
    /// process that is late may leave no time for the last operation.
    fn of(name: &str, node: &str, scenario: &Simulation) -> Option<Self> {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // Nodes go on with what an earlier run has left to them.
        let _ = fs::remove_dir_all(&directory);
        let scenario = scenario.clone().recorded().traced();
        let mut options =
            ProcessOptions { journal: true, trace: true, ..crate::processes(node, &directory) };
        options.work_dir = scenario.directories().unwrap_or(options.work_dir);
        let run =
            |watcher: &mut dyn Observer| Processes::run(scenario.settings(), &options, watcher);
        let comparison = Self { processes: scenario.run_on(None, run), simulated: scenario.run() };
        comparison.processes.assert_valid();
        comparison.is_same_course().then_some(comparison)
    }

    /// Whether clients asked the same, in the same order. Fails unless both runs have the same
    /// verdict, and then the same faults, in the same order.
    ///
    /// # Panics
    ///
    /// With the first difference.
    #[track_caller]
    fn is_same_course(&self) -> bool {
        let Self { processes, simulated } = self;
        let runs = [processes, simulated];
        assert_eq!(processes.valid(), simulated.valid(), "{processes}\n\n{simulated}");
        assert!(!course(simulated, Process::is_client).is_empty(), "nothing was asked");
        let difference = |whose: fn(Process) -> bool| {
            let [one, other] = runs.map(|run| course(run, whose));
            first_difference(&one, &other)
        };
        if let Some(asked) = difference(Process::is_client) {
            eprintln!("clients did not ask the same, {asked}");
            return false;
        }
        assert_eq!(difference(|process| process == Process::Nemesis), None);
        let [one, other] = runs.map(|run| kinds(&run.trace));
        assert_eq!(one, other, "both traces tell the same");
        true
    }

    /// Messages between nodes and services: those of the processes for each in
    /// virtual time.
    fn messages(&self) -> f64 {
        self.processes.msgs_per_op() / self.simulated.msgs_per_op()
    }

    /// By how much the median and the longest of the stable latencies differ.
    fn differences(&self) -> [Duration; 2] {
        let [one, other] = [&self.processes, &self.simulated].map(Finished::stable_latencies);
        [one.median.abs_diff(other.median), one.max.abs_diff(other.max)]
    }
}

/// What clients asked for, or what was done to the nodes and the network, in
/// order.
fn course(run: &Finished, whose: impl Fn(Process) -> bool) -> Vec<(String, String)> {
    let ops = history::read(run.history.as_bytes()).expect("a history in memory");
    let ops = ops.map(|op| op.expect("an operation of our own"));
    let is_action = |op: &Op| op.kind == OpType::Invoke || op.process == Process::Nemesis;
    ops.filter(|op| is_action(op) && whose(op.process))
        .map(|op| (op.f.to_string(), op.value.get().to_owned()))
        .collect()
}

/// The kinds of events in a trace, and the faults in it with the links that they hit.
fn kinds(trace: &str) -> BTreeSet<String> {
    let kinds = trace.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("a line of our own");
        format!("{} {} {}", event["event"], event["fault"], event["links"])
    });
    // Only processes have a standard error, and what nodes log there is their own affair.
    kinds.filter(|kind| !kind.starts_with("\"log\"")).collect()
}

fn first_difference<T: PartialEq + Debug>(one: &[T], other: &[T]) -> Option<String> {
    let length = one.len().max(other.len());
    let differs = (0..length).find(|&index| one.get(index) != other.get(index))?;
    Some(format!("at {differs}: {:?} here, {:?} there", one.get(differs), other.get(differs)))
}
