//! Nodes under faults, in virtual time, one seed after another.
//!
//! A seed decides how many nodes there are, which faults come how often, how slow the
//! network is and how busy the clients are, and then everything that happens. The
//! faults end before the last polls. Each run is checked by the bench, and for what the
//! node promises beyond that. `SEEDS=5000 cargo test --release -p kafka-log swarm`
//! tries more seeds than usual; `SEED=17` tries one.

mod promises;

use std::env;
use std::ops::Range;

use kafka_log::{Bug, Bugs, Options};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use simulator::{Fault, Finished, Simulation, Workload};

fn seeds(usual: u64) -> Range<u64> {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(usual),
    }
}

/// Half of these faults, on two, three or five nodes. Every eighth seed is long and
/// busy, every other one has a snapshot after a few segments.
fn under(seed: u64, mut options: Options, faults: &[Fault]) -> Simulation {
    if seed % 2 == 1 {
        options.snapshot_every = 20;
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let nodes = [2, 3, 5][seed as usize % 3];
    let (rate, seconds) = if seed % 8 == 7 { (600.0, 10) } else { (60.0, 12) };
    let faults: Vec<Fault> = faults.iter().copied().filter(|_| rng.random()).collect();
    let latency = [0, 0, 2, 20].choose(&mut rng).copied().unwrap_or_default();
    let every = rng.random_range(0.5..2.0);
    Simulation::new(Workload::Kafka, move || kafka_log::node(options))
        .nodes(nodes)
        .clients(2 * nodes)
        .rate(rate)
        .seconds(seconds)
        .latency(latency)
        .nemesis(&faults, every)
        .seed(seed)
        .recorded()
}

/// What is wrong with a run, if anything is. That nothing succeeded while nodes were
/// down is not.
fn problem(run: &Finished) -> Option<String> {
    let says_nothing = ["never-ok", "empty-transaction-graph"];
    let mut findings = run.report.parts.values().flat_map(|part| &part.findings);
    if run.ended.is_err() || findings.any(|finding| !says_nothing.contains(&finding.kind.as_str()))
    {
        return Some(run.to_string());
    }
    let broken = promises::broken(&run.journal, false);
    broken.first().map(|promise| format!("{promise}\n{run}"))
}

fn check(run: &Simulation) -> Finished {
    let finished = run.run();
    if let Some(problem) = problem(&finished) {
        panic!("{problem}");
    }
    finished
}

#[test]
fn nothing_goes_wrong_whatever_goes_wrong() {
    let (mut polled, mut snapshots) = (0, 0);
    for seed in seeds(32) {
        let run = check(&all_faults(seed, Options::default()));
        polled += run.journal.matches(r#""type":"poll_ok","#).count();
        snapshots += run.journal.matches(r#","key":"snapshot/0","from""#).count();
    }
    assert!(polled > 10_000, "{polled} lines of answered polls");
    assert!(snapshots > 10 || seeds(32).count() < 32, "{snapshots} lines of snapshots");
}

#[test]
fn acknowledging_early_loses_nothing_while_no_node_is_killed() {
    let faults: Vec<Fault> =
        Fault::OF_ANY_NODE.into_iter().filter(|&fault| fault != Fault::Kill).collect();
    for seed in seeds(12) {
        check(&under(seed, early(), &faults));
    }
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    for seed in 0..3 {
        let run = || all_faults(seed, Options::default()).run().journal;
        let (first, second) = (run(), run());
        assert!(first == second, "seed {seed} gives two journals");
        assert!(first.len() > 10_000, "a journal of {} bytes", first.len());
    }
}

fn early() -> Options {
    Options::parse(["--ack-early".to_owned()]).expect("an argument")
}

/// Clusters with these bugs are each found out within two hundred seeds, and with the same
/// seeds nothing is wrong with one without them.
fn are_found_out(mut hidden: Vec<Options>) {
    for seed in 0..200 {
        if hidden.is_empty() {
            return;
        }
        check(&all_faults(seed, Options::default()));
        hidden.retain(|&options| problem(&all_faults(seed, options).run()).is_none());
    }
    panic!("{hidden:?} were not found out");
}

fn broken(bug: Bug) -> Options {
    let mut options = Options::default();
    options.bugs = Bugs::only(bug);
    options
}

fn all_faults(seed: u64, options: Options) -> Simulation {
    under(seed, options, &Fault::OF_ANY_NODE)
}

#[test]
fn writes_that_are_not_safe_are_found_out() {
    let bugs = [Bug::Overwrite, Bug::AnswerUnwritten, Bug::ReuseIndexes].map(broken);
    are_found_out([&bugs[..], &[early()]].concat());
}

#[test]
fn segments_that_are_passed_over_or_shown_too_early_are_found_out() {
    are_found_out([Bug::SkipSegments, Bug::ShowUnstable].map(broken).to_vec());
}

/// What a run with `--retain=committed` leaves out that nobody had committed.
fn left_out(seed: u64, bug: Option<Bug>) -> Option<String> {
    let mut options = Options::default();
    options.retain.committed = true;
    options.bugs = bug.map(Bugs::only).unwrap_or_default();
    let run = all_faults(seed, options).run();
    let broken = promises::broken(&run.journal, true);
    broken.first().map(|promise| format!("{promise}\n{run}"))
}

#[test]
fn nothing_is_dropped_but_what_was_committed() {
    for seed in seeds(24) {
        assert_eq!(left_out(seed, None), None, "seed {seed}");
    }
    let found = (0..40).find(|&seed| left_out(seed, Some(Bug::DropUncommitted)).is_some());
    assert!(found.is_some(), "dropping what nobody committed is not found out");
}

#[test]
fn snapshots_that_claim_more_than_they_have_are_found_out() {
    are_found_out([Bug::SnapshotAhead, Bug::SkipParts].map(broken).to_vec());
}

#[test]
fn nothing_goes_wrong_while_losses_outlast_the_clients_patience() {
    for seed in seeds(8) {
        let run = Simulation::new(Workload::Kafka, || kafka_log::node(Options::default()));
        let run = run.nodes(2).clients(8).rate(100.0).seconds(15);
        check(&run.nemesis(&[Fault::Loss], 10.0).seed(seed).recorded());
    }
}
