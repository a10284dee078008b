//! Ten nodes with a bug each, and whether the cause that is told is that bug.

mod counts;
mod logs;
mod registers;
mod sets;

use std::sync::atomic::{AtomicUsize, Ordering};

use checkers::{Finding, Validity};
use simulator::explain::Why;
use simulator::{Fault, Finished, Simulation};

/// A run of a broken node, which is found to be invalid, with what is told of it.
struct Told {
    run: Finished,
    finding: Finding,
    why: Why,
}

/// Runs a broken node with up to ten seeds until it is found out; what is told of the first
/// finding of this kind.
#[track_caller]
fn told(simulation: &Simulation, kind: &str) -> Told {
    let runs = (0..10).map(|seed| simulation.clone().seed(seed).recorded().traced().run());
    let run = runs.into_iter().find(|run| run.valid() == Validity::Invalid);
    let run = run.expect("some seed shows the bug");
    let all = run.explain();
    let found = all.iter().find(|(finding, _)| finding.kind == kind);
    let (finding, why) = found.unwrap_or_else(|| panic!("nothing is {kind}: {run}"));
    let why = why.clone().unwrap_or_else(|| panic!("nothing is told of {}", finding.text));
    let sentences = why.text.matches(". ").count() + 1;
    assert!(sentences <= 2, "{}", why.text);
    let (finding, shown) = ((*finding).clone(), run.to_string());
    assert!(shown.contains("\nwhy "), "whoever sees the run sees a cause: {shown}");
    Told { finding, why, run }
}

impl Told {
    /// Fails unless the text has these parts, in this order.
    #[track_caller]
    fn says(&self, parts: &[&str]) -> &Self {
        let mut rest = self.why.text.as_str();
        for part in parts {
            let found = rest.split_once(part);
            rest = found
                .unwrap_or_else(|| panic!("{part:?}: {}\n{}", self.why.text, self.finding.text))
                .1;
        }
        self
    }

    /// The lines of the trace that tell what became of the messages of the slice.
    fn fates(&self) -> Vec<&str> {
        let ids: Vec<String> = self.why.messages.iter().map(|id| format!("\"id\":{id}")).collect();
        let is_of_it = |line: &&str| {
            ids.iter()
                .any(|id| line.contains(&format!("{id},")) || line.contains(&format!("{id}}}")))
        };
        self.run.trace.lines().filter(is_of_it).collect()
    }
}

maelstrom::message_types! { "echo": struct Echo { echo: serde_json::Value } -> Echo; }

#[test]
fn of_a_run_that_does_something_else_when_it_is_repeated_nothing_is_told() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let node = || {
        maelstrom::Node::new(|_| RUNS.fetch_add(1, Ordering::Relaxed)).handle(
            async |ctx: maelstrom::Context<usize>, Echo { echo }| {
                Ok(Echo { echo: if *ctx.state() == 0 { "nothing".into() } else { echo } })
            },
        )
    };
    let run = Simulation::new(simulator::Workload::Echo, node).nodes(1).rate(5.0).seconds(2).run();
    assert_eq!(run.valid(), Validity::Invalid);
    assert!(run.explain().iter().all(|(_, why)| why.is_none()), "{run}");
}

/// Five seconds between two changes, for half a minute.
fn with_faults(simulation: Simulation, faults: &[Fault]) -> Simulation {
    simulation.nemesis(faults, 5.0).seconds(30)
}
