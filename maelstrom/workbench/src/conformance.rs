//! The two hosts held against each other: what a scenario comes to with
//! processes in real time, and in virtual time.
//!
//! Both hosts drive the same world, so for one seed clients ask the same, faults
//! come in the same order, and nodes that wait for timers and latencies send as
//! much and are as slow, but for what scheduling adds. Nodes draw their own chance
//! from the operating system when they are processes, so where chance decides
//! what they send (whom to ask during a partition), counts agree on average only.

use std::fmt::Debug;
use std::path::Path;

use crate::history::{self, Op, OpType, Process};
use crate::simulation::{Finished, Simulation};

/// One scenario on both hosts.
#[derive(Debug)]
pub struct Comparison {
    /// As processes, in real time.
    pub processes: Finished,
    /// In virtual time.
    pub simulated: Finished,
}

impl Comparison {
    /// Runs a scenario on both hosts; the processes are of this binary, and what
    /// they write lands in `directory`.
    pub fn of(scenario: &Simulation, binary: &Path, directory: &Path) -> Self {
        let scenario = scenario.clone().recorded();
        Self { processes: scenario.run_processes(binary, directory), simulated: scenario.run() }
    }

    /// Fails unless both runs have the same verdict, clients asked the same and
    /// faults were the same, in the same order.
    ///
    /// # Panics
    ///
    /// With the first difference.
    #[track_caller]
    pub fn assert_same_course(&self) -> &Self {
        let Self { processes, simulated } = self;
        let runs = [processes, simulated];
        assert_eq!(processes.valid(), simulated.valid(), "{processes}\n\n{simulated}");
        assert!(!course(simulated, Process::is_client).is_empty(), "nothing was asked");
        for whose in [Process::is_client, |process| process == Process::Nemesis] {
            let [one, other] = runs.map(|run| course(run, whose));
            assert_eq!(first_difference(&one, &other), None);
        }
        self
    }

    /// Messages between nodes and services: those of the processes for each in
    /// virtual time.
    pub fn messages(&self) -> f64 {
        let count = |run: &Finished| match &run.ended {
            Ok(stats) => stats.net.servers.msg_count as f64,
            Err(_) => f64::NAN,
        };
        count(&self.processes) / count(&self.simulated)
    }

    /// By how many ms a quantile of the stable latency is higher with processes;
    /// see [`Finished::stable_latency`].
    pub fn slower_by(&self, quantile: &str) -> f64 {
        self.processes.stable_latency(quantile) - self.simulated.stable_latency(quantile)
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

fn first_difference<T: PartialEq + Debug>(one: &[T], other: &[T]) -> Option<String> {
    let length = one.len().max(other.len());
    let differs = (0..length).find(|&index| one.get(index) != other.get(index))?;
    Some(format!("at {differs}: {:?} here, {:?} there", one.get(differs), other.get(differs)))
}
