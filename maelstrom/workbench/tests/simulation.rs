//! Nodes in virtual time.

use std::time::Duration;

use workbench::checker::Analysis;
use workbench::checker::Names;
use workbench::checker::Validity;
use workbench::history::Op;
use workbench::host::simulation::{SimulationOptions, run};
use workbench::host::{Observer, Program};
use workbench::net::Traffic;
use workbench::settings::{Settings, Workload};

#[derive(Default)]
struct Recorded {
    history: String,
    journal: String,
    analysis: Option<Analysis>,
}

impl Observer for Recorded {
    fn op(&mut self, op: &Op) {
        self.history.push_str(&serde_json::to_string(op).unwrap());
        self.history.push('\n');
        self.analysis.as_mut().unwrap().observe(op);
    }
    fn traffic(&mut self, traffic: &Traffic) {
        self.journal.push_str(&format!("{traffic:?}\n"));
    }
}

fn simulate(settings: &Settings, program: &Program) -> Recorded {
    let mut recorded =
        Recorded { analysis: Analysis::new(settings, Names::of(settings)), ..Recorded::default() };
    let options = SimulationOptions { journal: true, ..SimulationOptions::default() };
    run(settings, program, &options, &mut recorded).unwrap();
    recorded
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let settings = Settings {
        node_count: 3,
        rate: 100.0,
        time_limit: Duration::from_secs(10),
        seed: 7,
        ..Settings::new(Workload::UniqueIds)
    };
    let program = Program::new(unique_ids::node);
    let (first, second) = (simulate(&settings, &program), simulate(&settings, &program));
    assert_eq!(first.history, second.history);
    assert_eq!(first.journal, second.journal);
    let other = simulate(&Settings { seed: 8, ..settings }, &program);
    assert_ne!(first.journal, other.journal);
    eprintln!("{}", first.history.lines().take(10).collect::<Vec<_>>().join("\n"));
    assert_eq!(first.analysis.unwrap().finish().valid(), Validity::Valid);
}
