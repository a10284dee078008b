//! Nodes under faults, in virtual time, one seed after another.
//!
//! Every seed is a small cluster, a schedule of faults and a few clients; then
//! the faults end, and what the clients saw is held against what the log turned
//! out to be. `SEEDS=5000 cargo test -p kafka-log --test swarm` tries more seeds
//! than usual; `SEED=17` tries one, and prints what happened.

mod client;
mod faults;
mod verdict;
mod world;

use std::env;

use kafka_log::{Options, Sabotage};
use verdict::Problem;
use world::{Outcome, Plan};

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(usual),
    }
}

fn run(plan: Plan) -> (Outcome, Vec<Problem>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(world::run(plan));
    let problems = verdict::problems(&outcome);
    (outcome, problems)
}

fn check(plan: Plan) -> Outcome {
    let (outcome, problems) = run(plan);
    if env::var_os("SEED").is_some() {
        eprintln!("{}", outcome.story());
    }
    assert!(problems.is_empty(), "seed {}, {plan:?}: {problems:#?}", plan.seed);
    outcome
}

#[test]
fn nothing_goes_wrong_whatever_goes_wrong() {
    let (mut acknowledged, mut restarts, mut chunked) = (0, 0, 0);
    for seed in seeds(100) {
        let outcome = check(Plan::hardship(seed, Options::default()));
        acknowledged += outcome.acknowledged();
        restarts += outcome.restarts;
        chunked += outcome.restarts_with_chunks;
    }
    eprintln!("{acknowledged} messages acknowledged, {restarts} restarts, {chunked} with chunks");
    assert!(acknowledged > 0 && (chunked > 0 || seeds(100).count() < 100));
}

#[test]
fn acknowledging_early_loses_nothing_while_no_node_is_killed() {
    for seed in seeds(30) {
        check(Plan { kills: false, pause: 25, ..Plan::hardship(seed, early()) });
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..5 {
        let story = |_| run(Plan::hardship(seed, Options::default())).0.story();
        let [first, second] = [0, 1].map(story);
        assert!(first == second, "seed {seed} gives two histories");
        assert!(first.len() > 10_000, "a history of {} bytes", first.len());
    }
}

fn early() -> Options {
    Options::parse(["--ack-early".to_owned()]).expect("an argument")
}

fn broken(sabotage: Sabotage) -> Options {
    let mut options = Options::default();
    options.sabotage = Some(sabotage);
    options
}

/// How many seeds it takes until a cluster with this bug is found out.
fn seeds_until_found(options: Options) -> u64 {
    let found = |seed: &u64| !run(Plan::hardship(*seed, options)).1.is_empty();
    let seed = (0..200).find(found).unwrap_or_else(|| panic!("{options:?} was not found out"));
    let (_, problems) = run(Plan::hardship(seed, options));
    eprintln!("{options:?}: seed {seed}: {:?}", problems[0]);
    seed
}

#[test]
fn registers_that_can_be_overwritten_are_found_out() {
    seeds_until_found(broken(Sabotage::Overwrite));
}

#[test]
fn acknowledgements_before_the_write_are_found_out() {
    seeds_until_found(broken(Sabotage::AnswerUnwritten));
    seeds_until_found(early());
}

#[test]
fn indexes_reused_after_a_restart_are_found_out() {
    seeds_until_found(broken(Sabotage::ReuseIndexes));
}

#[test]
fn replicas_that_skip_segments_are_found_out() {
    seeds_until_found(broken(Sabotage::SkipSegments));
}

#[test]
fn messages_shown_before_they_are_stable_are_found_out() {
    seeds_until_found(broken(Sabotage::ShowUnstable));
}

#[test]
fn nodes_that_serve_before_they_have_read_are_found_out() {
    seeds_until_found(broken(Sabotage::ServeUnread));
}
