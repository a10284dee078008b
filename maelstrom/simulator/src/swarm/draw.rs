//! The scenario of a seed: a pure function of the seed and the subject.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::Subject;
use crate::links::Links;
use crate::nemesis::{DiskFault, Fault};
use crate::settings::{Latency, LatencyDist, PlannedFault, Settings, Values, Workload};

/// What is run: everything that a seed decides before a run begins.
#[derive(Clone, Debug)]
pub struct Case {
    /// The settings, the seed among them.
    pub settings: Settings,
    /// The arguments of the program.
    pub arguments: Vec<String>,
}

/// One run in so many is of a cluster larger than usual.
const LARGE_CLUSTERS: u32 = 20;
/// One run in so many has large values.
const LARGE_VALUES: u32 = 30;
/// The most nodes that have clocks of their own.
const MOST_CLOCKS: usize = 25;
/// One run in so many is in a network that is not complete.
const INCOMPLETE: u32 = 4;

impl Case {
    /// What a seed asks for, within what a node promises to bear. With `arguments`
    /// none are drawn.
    pub fn draw(seed: u64, subject: &Subject, arguments: &[String]) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut settings = settings(&mut rng, seed, subject);
        let drawn = subject.arguments.choose(&mut rng).copied().unwrap_or_default();
        let arguments = match arguments {
            [] => drawn.split_whitespace().map(str::to_owned).collect(),
            given => given.to_vec(),
        };
        if (subject.links)(&arguments) && rng.random_ratio(1, INCOMPLETE) {
            settings.links = links(&mut rng);
            // In half of them nothing else is wrong, for what may be asked of a node then.
            if rng.random() {
                settings.nemesis.clear();
            }
        }
        if subject.values {
            settings.values = values(&mut rng);
        }
        if settings.values == Values::Large {
            (settings.rate, settings.time_limit) = (settings.rate.min(5.0), Duration::from_secs(5));
        }
        draw_local_faults(&mut rng, subject, &arguments, &mut settings);
        settings.intruder |= subject.intruder && rng.random();
        let mut case = Self { settings, arguments };
        case.settings.promise = (subject.promise)(&case);
        case
    }
}

/// Faults of disks and clocks, in some runs, as far as the node bears them.
fn draw_local_faults(
    rng: &mut StdRng,
    subject: &Subject,
    arguments: &[String],
    settings: &mut Settings,
) {
    let kills = settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    let disk = (subject.disk)(arguments).iter().copied();
    let strikes = |fault: &DiskFault| kills || !fault.strikes_at_kills();
    settings.disk = disk.filter(strikes).filter(|_| rng.random()).collect();
    // In the order in which flags are taken, for it decides which one comes when.
    settings.disk.sort_unstable();
    if subject.faults.contains(&Fault::Membership) && rng.random_ratio(1, 3) {
        settings.nemesis.push(Fault::Membership.into());
    }
    // Each clock costs as much as a small run, so these are few.
    let is_small = settings.node_count <= MOST_CLOCKS;
    if subject.clock && is_small && rng.random_ratio(1, 8) {
        settings.nemesis.push(Fault::Clock.into());
    }
}

fn settings(rng: &mut StdRng, seed: u64, subject: &Subject) -> Settings {
    let variant = subject.settings.choose(rng);
    let Size { nodes, clients_a_node, rate, seconds } = size(rng, subject);
    let mean = [0, 1, 10, 50, 100].choose(rng).copied().unwrap_or(0);
    let dist = LatencyDist::ALL.choose(rng).copied().unwrap_or(LatencyDist::Constant);
    let mut settings = Settings {
        node_count: nodes,
        concurrency: clients_a_node * nodes,
        rate: f64::from(rate),
        time_limit: Duration::from_secs(seconds),
        latency: Latency { mean: Duration::from_millis(mean), dist },
        seed,
        ..Settings::new(subject.workload)
    };
    if let Some(variant) = variant {
        variant(&mut settings);
    }
    let faults = Fault::OF_NETWORKS_AND_NODES.into_iter().filter(|_| rng.random());
    let faults = faults.filter(|fault| subject.faults.contains(fault));
    settings.nemesis = faults.map(PlannedFault::from).collect();
    if !settings.nemesis.is_empty() {
        settings.nemesis_interval = Duration::from_secs(rng.random_range(1..5_u32).into());
    }
    settings
}

struct Size {
    nodes: usize,
    clients_a_node: usize,
    rate: u32,
    seconds: u64,
}

/// Usually a small cluster under load; now and then a large one, under a load that
/// makes it cost no more.
fn size(rng: &mut StdRng, subject: &Subject) -> Size {
    let usual = subject.node_counts.choose(rng).copied().unwrap_or(1);
    let least = subject.node_counts.iter().copied().max().unwrap_or(1) + 1;
    if least <= subject.most_nodes && rng.random_ratio(1, LARGE_CLUSTERS) {
        let nodes = rng.random_range(least..=subject.most_nodes);
        let (rate, seconds) = (rng.random_range(5..20), rng.random_range(2..6));
        let clients_a_node = fewest_clients_a_node(subject.workload);
        return Size { nodes, clients_a_node, rate, seconds };
    }
    let clients_a_node = match subject.workload {
        Workload::LinKv => fewest_clients_a_node(subject.workload),
        _ => rng.random_range(1..3),
    };
    let rate = rng.random_range(5..subject.rate.max(6));
    Size { nodes: usual, clients_a_node, rate, seconds: rng.random_range(5..15) }
}

/// Of lin-kv each key is a group's, of two client processes a node.
pub(crate) fn fewest_clients_a_node(workload: Workload) -> usize {
    if workload == Workload::LinKv { 2 } else { 1 }
}

fn links(rng: &mut StdRng) -> Links {
    match rng.random_range(0..8) {
        0 => Links::Chain,
        1 => Links::Ring,
        2 => Links::Tree,
        3 => Links::Grid,
        _ => Links::Random(rng.random_range(0..1000)),
    }
}

fn values(rng: &mut StdRng) -> Values {
    match rng.random_range(0..LARGE_VALUES) {
        0 => Values::Large,
        half if half <= LARGE_VALUES / 2 => Values::Any,
        _ => Values::Integers,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::host::Program;

    fn drawn(subject: &Subject) -> Vec<Case> {
        (0..1000).map(|seed| Case::draw(seed, subject, &[])).collect()
    }

    fn subject() -> Subject {
        Subject {
            most_nodes: 100,
            arguments: &["", "--straight"],
            links: |arguments| arguments.is_empty(),
            values: true,
            ..Subject::new("a node", Workload::Broadcast, |_| Ok(Program::new(echo::node)))
        }
    }

    #[test]
    fn sizes_are_small_mostly_and_of_every_order() {
        let cases = drawn(&subject());
        let count = |is: fn(&Case) -> bool| cases.iter().filter(|case| is(case)).count();
        assert!((20..80).contains(&count(|case| case.settings.node_count > 5)));
        assert!(count(|case| case.settings.node_count > 50) > 10);
        assert!((15..60).contains(&count(|case| case.settings.values == Values::Large)));
        assert!((300..600).contains(&count(|case| case.settings.values == Values::Any)));
        let work = |case: &Case| case.settings.rate * case.settings.time_limit.as_secs_f64();
        let large = |case: &&Case| case.settings.node_count > 5;
        assert!(cases.iter().filter(large).all(|case| work(case) <= 100.0));
    }

    #[test]
    fn disk_faults_are_drawn_in_the_order_in_which_flags_are_taken() {
        let subject = Subject { disk: |_| &[DiskFault::Slow, DiskFault::Full], ..subject() };
        let cases = drawn(&subject);
        assert!(cases.iter().all(|case| case.settings.disk.is_sorted()));
        assert!(cases.iter().any(|case| case.settings.disk.len() == 2));
    }

    #[test]
    fn links_are_drawn_where_the_node_says_that_it_can_do_without_the_others() {
        let cases = drawn(&subject());
        let all: BTreeSet<String> =
            cases.iter().map(|case| case.settings.links.to_string()).collect();
        assert!(all.len() > 50 && all.contains("chain") && all.contains("complete"), "{all:?}");
        let straight = |case: &&Case| !case.arguments.is_empty();
        assert!(cases.iter().filter(straight).all(|case| case.settings.links.is_complete()));
        let complete = Subject { links: |_| false, values: false, ..subject() };
        let usual = |case: &Case| {
            case.settings.links.is_complete() && case.settings.values == Values::Integers
        };
        assert!(drawn(&complete).iter().all(usual));
    }
}
