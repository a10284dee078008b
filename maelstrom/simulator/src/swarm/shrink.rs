//! From a run that failed to a smaller one that fails in the same way.
//!
//! Greedy: whatever can be left out or made smaller is tried, one thing at a time,
//! with the run's seed and some others, until nothing more can go or patience ends.
//! A smaller run draws other chances, so it may fail for another reason. That is
//! another failure, and does not count: see [`Mode`].

use std::fmt;
use std::time::Duration;

use checkers::Finding;
use checkers::history::Op;

use super::draw::Case;
use crate::links::Links;
use crate::nemesis::{DiskFault, Fault};
use crate::settings::{LatencyDist, SeqKv, Settings, Values};

const PATIENCE: usize = 600;
/// How many seeds are tried with each smaller case.
const SEEDS: u64 = 10;
/// How many links are tried to be left out.
const LINKS: usize = 10;

/// In which way a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    /// The finding's kind.
    pub kind: String,
    /// The function of the first operation that shows it, if any operation does.
    pub f: Option<String>,
}

impl Mode {
    /// The way that a finding about a history shows.
    pub fn of(finding: &Finding, history: &str) -> Self {
        let index = finding.ops.first().and_then(|&index| usize::try_from(index).ok());
        let line = index.and_then(|index| history.lines().nth(index));
        let op = line.and_then(|line| serde_json::from_str::<Op>(line).ok());
        Self { kind: finding.kind.clone(), f: op.map(|op| op.f.into_owned()) }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        self.f.as_ref().map_or(Ok(()), |function| write!(f, ", {function}"))
    }
}

/// Makes a case smaller in one way, or leaves it as it is.
type Step = Box<dyn Fn(&mut Case)>;

/// The smallest case with which `fails` still holds, as far as it is found; the
/// given one if nothing smaller fails.
pub(super) fn shrink(case: &Case, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut smallest = case.clone();
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
fn smaller(case: &Case, step: &Step) -> impl Iterator<Item = Case> + use<> {
    let mut changed = case.clone();
    step(&mut changed);
    let seeds = if differs(&changed, case) { SEEDS } else { 0 };
    (0..seeds).map(move |more| {
        let mut changed = changed.clone();
        changed.settings.seed += more;
        changed
    })
}

/// All steps. What helps a reader most comes first. Whatever [`draw`](super::draw)
/// draws has a step here.
fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for fault in DiskFault::ALL {
        steps.push(on_settings(move |settings| settings.disk.retain(|other| *other != fault)));
    }
    for fault in Fault::ALL {
        steps.push(on_settings(move |settings| {
            // A fault that strikes at kills needs some.
            let is_needed = |disk: &DiskFault| fault == Fault::Kill && disk.strikes_at_kills();
            if !settings.disk.iter().any(is_needed) {
                settings.nemesis.retain(|plan| plan.fault != fault);
            }
        }));
    }
    steps.push(on_settings(|settings| settings.intruder = false));
    steps.push(Box::new(|case| case.arguments.clear()));
    steps.push(on_settings(|settings| settings.promise = None));
    for nodes in [1, 2, 3, 5, 10] {
        steps.push(on_settings(move |settings| {
            if nodes < settings.node_count {
                let clients_a_node = settings.concurrency.div_ceil(settings.node_count);
                (settings.node_count, settings.concurrency) = (nodes, nodes * clients_a_node);
                keep_links(settings);
            }
        }));
    }
    steps.push(on_settings(|settings| settings.links = Links::Complete));
    for shape in [Links::Chain, Links::Tree] {
        steps.push(on_settings(move |settings| {
            if matches!(settings.links, Links::Ring | Links::Grid | Links::Random(_)) {
                settings.links = shape.clone();
            }
        }));
    }
    steps.extend((0..LINKS).map(|link| on_settings(move |settings| without(settings, link))));
    steps.push(on_settings(|settings| settings.values = Values::Integers));
    steps.push(on_settings(|settings| {
        if settings.values == Values::Large {
            settings.values = Values::Any;
        }
    }));
    steps.push(on_settings(|settings| settings.concurrency = settings.node_count));
    steps.push(on_settings(|settings| settings.latency.mean = Duration::ZERO));
    steps.push(on_settings(|settings| settings.latency.dist = LatencyDist::Constant));
    steps.push(on_settings(|settings| settings.seq_kv = SeqKv::Real));
    steps.push(on_settings(|settings| settings.time_limit = halved(settings.time_limit)));
    steps.push(on_settings(|settings| settings.rate = (settings.rate / 2.0).ceil()));
    steps
}

/// Of listed links those of nodes that are still there; all, if those that are left
/// connect no longer what they have to.
fn keep_links(settings: &mut Settings) {
    if let Links::Pairs(pairs) = &mut settings.links {
        pairs.retain(|&(a, b)| a.max(b) < settings.node_count);
    }
    if settings.neighbours().is_err() {
        settings.links = Links::Complete;
    }
}

/// Leaves out a link that the nodes can do without and stay connected.
fn without(settings: &mut Settings, link: usize) {
    let nodes = settings.node_count;
    let mut pairs = settings.links.pairs(nodes);
    if settings.links.is_complete() || pairs.len() <= link {
        return;
    }
    pairs.remove(link);
    let links = Links::Pairs(pairs);
    if links.neighbours(nodes).is_ok() {
        settings.links = links;
    }
}

fn on_settings(change: impl Fn(&mut Settings) + 'static) -> Step {
    Box::new(move |case| change(&mut case.settings))
}

/// Whole seconds, and at least one.
fn halved(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().div_ceil(2).max(1))
}

/// Whether two cases ask for different things; their seeds aside.
fn differs(one: &Case, other: &Case) -> bool {
    let key = |Case { settings, arguments }: &Case| {
        let unseeded = Settings { seed: 0, ..settings.clone() };
        (unseeded.flags(), arguments.clone())
    };
    key(one) != key(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Workload;

    fn big() -> Case {
        let mut settings = Settings::new(Workload::Broadcast);
        settings.node_count = 25;
        settings.concurrency = 50;
        settings.rate = 64.0;
        settings.time_limit = Duration::from_secs(16);
        settings.nemesis = Fault::ALL.map(Into::into).to_vec();
        Case { settings, arguments: vec!["--fan-out=2".to_owned()] }
    }

    #[test]
    fn links_and_values_get_as_simple_as_the_failure_allows() {
        let mut case = big();
        case.settings.links = Links::Random(7);
        case.settings.values = Values::Large;
        let has_no_triangle = |Case { settings, .. }: &Case| {
            !settings.links.is_complete() && settings.values != Values::Integers
        };
        let smallest = shrink(&case, has_no_triangle).settings;
        assert_eq!((smallest.links, smallest.values), (Links::Chain, Values::Any));
        case.settings.links = Links::Random(7);
        let unlike_any_shape = |Case { settings, .. }: &Case| {
            let pairs = settings.links.pairs(settings.node_count);
            settings.node_count == 25 && !pairs.contains(&(0, 1)) && !pairs.contains(&(0, 2))
        };
        assert!(unlike_any_shape(&case), "or the test shows nothing");
        let smallest = shrink(&case, unlike_any_shape).settings;
        assert!(smallest.links.pairs(25).len() < Links::Random(7).pairs(25).len());
        assert!(smallest.neighbours().is_ok());
    }

    #[test]
    fn what_the_failure_does_not_need_is_left_out() {
        let needs = |Case { settings, .. }: &Case| {
            let has = |fault| settings.nemesis.iter().any(|planned| planned.fault == fault);
            has(Fault::Kill) && has(Fault::Loss) && settings.node_count >= 3 && settings.rate >= 8.0
        };
        let smallest = shrink(&big(), needs);
        assert!(needs(&smallest) && smallest.arguments.is_empty());
        let settings = smallest.settings;
        assert_eq!((settings.node_count, settings.concurrency, settings.nemesis.len()), (3, 3, 2));
        assert_eq!((settings.rate, settings.time_limit), (8.0, Duration::from_secs(1)));
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
        let Case { settings, .. } = shrink(&big(), |case| case.settings.seed == 3);
        assert_eq!((settings.seed, settings.nemesis.len()), (3, 0));
    }
}
