//! From a run that failed to a smaller one that fails as well.
//!
//! Greedy: whatever can be left out or made smaller is tried, one thing at a time,
//! with the run's seed and some others, until nothing more can go or patience ends.
//! A smaller run draws other chances, so it may fail for another reason; it is
//! still a failure, and easier to read.

use std::time::Duration;

use workbench::nemesis::Fault;
use workbench::settings::{LatencyDist, SeqKv, Settings};

/// How many runs are tried.
const PATIENCE: usize = 600;
/// How many seeds are tried with each smaller setting.
const SEEDS: u64 = 10;

/// Makes settings smaller in one way, or leaves them as they are.
type Step = Box<dyn Fn(&mut Settings)>;

/// The smallest settings with which `fails` still holds, as far as it is found; the
/// given ones if nothing smaller fails.
pub(crate) fn shrink(settings: &Settings, mut fails: impl FnMut(&Settings) -> bool) -> Settings {
    let mut smallest = settings.clone();
    let mut tries = 0;
    loop {
        let before = smallest.clone();
        for step in steps() {
            while let Some(smaller) = smaller(&smallest, &step).find(|candidate| {
                tries += 1;
                tries <= PATIENCE && fails(candidate)
            }) {
                smallest = smaller;
            }
        }
        if !differs(&smallest, &before) || tries > PATIENCE {
            return smallest;
        }
    }
}

/// The same after a step, with several seeds; nothing if the step changes nothing.
fn smaller(settings: &Settings, step: &Step) -> impl Iterator<Item = Settings> + use<> {
    let mut changed = settings.clone();
    step(&mut changed);
    let seeds = if differs(&changed, settings) { SEEDS } else { 0 };
    (0..seeds).map(move |more| Settings { seed: changed.seed + more, ..changed.clone() })
}

/// What helps a reader most comes first.
fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for fault in Fault::ALL {
        steps.push(Box::new(move |settings| settings.nemesis.retain(|plan| plan.fault != fault)));
    }
    for nodes in [1, 2, 3, 5, 10] {
        steps.push(Box::new(move |settings| {
            if nodes < settings.node_count {
                let clients_a_node = settings.concurrency.div_ceil(settings.node_count);
                (settings.node_count, settings.concurrency) = (nodes, nodes * clients_a_node);
            }
        }));
    }
    steps.push(Box::new(|settings| settings.concurrency = settings.node_count));
    steps.push(Box::new(|settings| settings.latency.mean = Duration::ZERO));
    steps.push(Box::new(|settings| settings.latency.dist = LatencyDist::Constant));
    steps.push(Box::new(|settings| settings.seq_kv = SeqKv::Real));
    steps.push(Box::new(|settings| settings.time_limit = halved(settings.time_limit)));
    steps.push(Box::new(|settings| settings.rate = (settings.rate / 2.0).ceil()));
    steps
}

/// Whole seconds, and at least one.
fn halved(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().div_ceil(2).max(1))
}

fn differs(one: &Settings, other: &Settings) -> bool {
    let key = |settings: &Settings| {
        let faults: Vec<Fault> = settings.nemesis.iter().map(|planned| planned.fault).collect();
        let load = (settings.rate.to_bits(), settings.time_limit, settings.concurrency);
        (settings.node_count, settings.latency, settings.seq_kv, load, faults)
    };
    key(one) != key(other)
}

#[cfg(test)]
mod tests {
    use workbench::settings::Workload;

    use super::*;

    fn big() -> Settings {
        let mut settings = Settings::new(Workload::Broadcast);
        settings.node_count = 25;
        settings.concurrency = 50;
        settings.rate = 64.0;
        settings.time_limit = Duration::from_secs(16);
        settings.nemesis = Fault::ALL.map(Into::into).to_vec();
        settings
    }

    #[test]
    fn what_the_failure_does_not_need_is_left_out() {
        let needs = |settings: &Settings| {
            let has = |fault| settings.nemesis.iter().any(|planned| planned.fault == fault);
            has(Fault::Kill) && has(Fault::Loss) && settings.node_count >= 3 && settings.rate >= 8.0
        };
        let smallest = shrink(&big(), needs);
        assert!(needs(&smallest));
        assert_eq!((smallest.node_count, smallest.concurrency, smallest.nemesis.len()), (3, 3, 2));
        assert_eq!((smallest.rate, smallest.time_limit), (8.0, Duration::from_secs(1)));
    }

    #[test]
    fn a_failure_that_nothing_repeats_stays_as_it_is_and_ends() {
        let mut tries = 0;
        let smallest = shrink(&big(), |_| {
            tries += 1;
            false
        });
        assert!(!differs(&smallest, &big()) && tries > SEEDS as usize && tries <= PATIENCE);
    }

    #[test]
    fn other_seeds_are_tried() {
        let smallest = shrink(&big(), |settings| settings.seed == 3);
        assert_eq!((smallest.seed, smallest.nemesis.len()), (3, 0));
    }
}
