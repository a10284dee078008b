//! Broadcast where few nodes have a link to each other, and where the root of the
//! preferred tree cannot be reached: how long values take, and how much nodes say when
//! nobody broadcasts.

use std::collections::BTreeSet;
use std::time::Duration;

use broadcast::thresholds::{SPARSE_CHAIN_IDLE, SPARSE_IDLE, SPARSE_LONGEST};
use broadcast::{Broadcast, Read};
use checkers::nearest_rank;
use clap::Args;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::value::to_raw_value;
use simulator::{Links, Scenario, Simulation};

use crate::thresholds::{self, Threshold, worst};
use crate::{each, millis, over, print};

/// One way, in milliseconds.
const LATENCY: u64 = 100;
/// How often nodes are asked what they have: the precision of all times here.
const STEP: Duration = Duration::from_millis(50);
/// What takes longer than this is measured as this.
const LONGEST: Duration = Duration::from_secs(60);
/// From the first value until nodes are taken to be settled, and for how long they are
/// watched then.
const SETTLED: Duration = Duration::from_secs(20);
/// How many values, from different nodes, a settled cluster spreads.
const VALUES: u64 = 8;
/// How many sets of links of each random kind, unless told otherwise.
const SEEDS: u64 = 24;
const HEAD: &str = "links | nodes | first value, ms | later ones, ms: median / longest | idle \
                    messages a second";

/// What the command line of `broadcast-experiments sparse` says.
#[derive(Args, Debug)]
pub struct Flags {
    /// How many sets of links of each random kind
    #[arg(long, value_name = "NUM", default_value_t = SEEDS)]
    seeds: u64,

    /// Arguments of the broadcast program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

impl Default for Flags {
    fn default() -> Self {
        Self { seeds: SEEDS, arguments: Vec::new() }
    }
}

/// What was measured of one cluster, or the worst of several.
struct Measures {
    /// How long the first value took, which was sent when all had just started, in ms.
    first: f64,
    /// How long those took that were sent later on, in ms, in order.
    later: Vec<f64>,
    /// How many messages nodes sent in a second when nobody broadcast.
    idle: f64,
}

impl Measures {
    fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        let mut worst = Self { first: 0.0, later: Vec::new(), idle: 0.0 };
        for each in all {
            worst.first = worst.first.max(each.first);
            worst.later.extend(each.later);
            worst.idle = worst.idle.max(each.idle);
        }
        worst.later.sort_unstable_by(f64::total_cmp);
        worst
    }

    fn quantile(&self, quantile: f64) -> f64 {
        nearest_rank(&self.later, quantile).unwrap_or(f64::NAN)
    }
}

/// Measures, and says whether all bounds are kept.
///
/// # Errors
///
/// When a run does not go through.
pub fn run(flags: &Flags) -> anyhow::Result<bool> {
    let random = random(flags)?;
    let table = rows(flags, &random)?;
    print(&format!("{LATENCY} ms a hop; the worst of each row\n\n{table}\n"));
    let thresholds = bounds(flags, &random)?;
    print(&format!("\n{}", thresholds::render(&thresholds)));
    Ok(thresholds.iter().all(Threshold::is_kept))
}

/// With the defaults, as a table.
///
/// # Errors
///
/// When a run does not go through.
pub fn table() -> anyhow::Result<String> {
    let flags = Flags::default();
    rows(&flags, &random(&flags)?)
}

/// How long the first value takes when the root cannot be reached, in a sentence.
///
/// # Errors
///
/// When a run does not go through.
pub fn without_root() -> anyhow::Result<String> {
    let [few, many] =
        [worst_rootless(&Flags::default(), 5)?, worst_rootless(&Flags::default(), 25)?];
    Ok(format!(
        "When the root cannot be reached from the start, a value is at all others within {:.1} s \
         among 5 nodes and {:.1} s among 25, at {LATENCY} ms a hop (the worst of {SEEDS} seeds).",
        few / 1e3,
        many / 1e3
    ))
}

/// How long values take without rounds, in a sentence.
///
/// # Errors
///
/// When a run does not go through.
pub fn direct() -> anyhow::Result<String> {
    let arguments = ["--period-ms", "0"].map(str::to_owned);
    let longest =
        each(&[12, 25], |&nodes| Ok(measure(&arguments, nodes, &Links::Chain, 0)?.quantile(1.0)))?;
    Ok(format!(
        "With `--period-ms 0` a value takes up to {:.0} s in a chain of 12 and {:.0} s in one of 25.",
        longest[0] / 1e3,
        longest[1] / 1e3
    ))
}

fn rows(flags: &Flags, random: &[(&str, Measures)]) -> anyhow::Result<String> {
    let fixed = [Links::Chain, Links::Ring, Links::Tree, Links::Grid];
    let mut rows = Vec::new();
    for (links, nodes) in fixed.iter().flat_map(|links| [5, 12, 25].map(|nodes| (links, nodes))) {
        rows.push(row(&links.to_string(), nodes, &measure(&flags.arguments, nodes, links, 0)?));
    }
    rows.extend(random.iter().map(|(name, measures)| row(name, 25, measures)));
    Ok(crate::table(HEAD, rows))
}

fn row(name: &str, nodes: usize, measures: &Measures) -> String {
    let Measures { first, idle, .. } = measures;
    let (median, longest) = (measures.quantile(0.5), measures.quantile(1.0));
    format!("{name} | {nodes} | {first} | {median} / {longest} | {idle:.1}")
}

/// What the node promises.
fn bounds(flags: &Flags, random: &[(&str, Measures)]) -> anyhow::Result<Vec<Threshold>> {
    let chain = measure(&flags.arguments, 12, &Links::Chain, 0)?;
    let longest = millis(SPARSE_LONGEST);
    let mut thresholds = vec![
        Threshold::new("chain of 12: idle messages a minute", 60.0 * chain.idle, SPARSE_CHAIN_IDLE),
        Threshold::new("chain of 12: longest, ms", chain.quantile(1.0), longest),
    ];
    for (name, measures) in random {
        let threshold =
            |what, found, most| Threshold::new(format!("25 nodes, {name}: {what}"), found, most);
        thresholds.push(threshold("first value, ms", measures.first, longest));
        thresholds.push(threshold("longest later, ms", measures.quantile(1.0), longest));
        thresholds.push(threshold("idle, messages/s", measures.idle, SPARSE_IDLE));
    }
    for nodes in [5, 25] {
        let took = worst_rootless(flags, nodes)?;
        thresholds.push(Threshold::new(
            format!("{nodes} nodes, no root at the start, ms"),
            took,
            longest,
        ));
    }
    Ok(thresholds)
}

fn worst_rootless(flags: &Flags, nodes: usize) -> anyhow::Result<f64> {
    Ok(worst(over(0..flags.seeds, |seed| rootless(&flags.arguments, nodes, seed))?))
}

/// Of 25 nodes with links that a seed decides, over all seeds.
fn random(flags: &Flags) -> anyhow::Result<[(&'static str, Measures); 2]> {
    let trees = |seed| random_tree(seed, 25);
    Ok([("random", worst_of(flags, Links::Random)?), ("random tree", worst_of(flags, trees)?)])
}

fn worst_of(flags: &Flags, links: fn(u64) -> Links) -> anyhow::Result<Measures> {
    let one = |seed| measure(&flags.arguments, 25, &links(seed), seed);
    Ok(Measures::worst(over(0..flags.seeds, one)?))
}

/// Each node but the first is linked to one before it in a random order.
fn random_tree(seed: u64, nodes: usize) -> Links {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(&mut rng);
    let pairs = (1..nodes).map(|later| (order[rng.random_range(0..later)], order[later]));
    Links::Pairs(pairs.collect())
}

fn cluster(arguments: &[String], nodes: usize, seed: u64) -> anyhow::Result<Simulation> {
    Ok(crate::simulation(arguments)?.nodes(nodes).latency(LATENCY).seed(seed))
}

fn measure(
    arguments: &[String],
    nodes: usize,
    links: &Links,
    seed: u64,
) -> anyhow::Result<Measures> {
    let mut scene = cluster(arguments, nodes, seed)?.links(links.clone()).scenario();
    let all: Vec<usize> = (0..nodes).collect();
    let first = spread(&mut scene, &all, nodes - 1, 0);
    scene.run_for(SETTLED);
    let mut later = Vec::new();
    for value in 1..=VALUES {
        let from = usize::try_from(value * 7 + seed).unwrap_or_default() % nodes;
        later.push(spread(&mut scene, &all, from, value));
        scene.run_for(SETTLED / 4);
    }
    scene.run_for(SETTLED);
    let before = scene.net_counts().servers.send_count;
    scene.run_for(LONGEST);
    let idle = (scene.net_counts().servers.send_count - before) as f64 / LONGEST.as_secs_f64();
    Ok(Measures::worst([Measures { first, later, idle }]))
}

/// How long the first value takes, in ms, when the root of the preferred tree cannot be
/// reached from the start on.
fn rootless(arguments: &[String], nodes: usize, seed: u64) -> anyhow::Result<f64> {
    let mut scene = cluster(arguments, nodes, seed)?.scenario();
    let rest: Vec<usize> = (1..nodes).collect();
    scene.cut(&[0], &rest);
    Ok(spread(&mut scene, &rest, nodes - 1, 0))
}

/// How long a value takes from one node to all of these, in ms.
fn spread(scene: &mut Scenario, nodes: &[usize], from: usize, value: u64) -> f64 {
    let began = scene.now();
    let message = to_raw_value(&value).unwrap_or_default().into();
    let _ = scene.ask(from, &Broadcast { message });
    let mut missing: BTreeSet<usize> = nodes.iter().copied().collect();
    while scene.now() - began < LONGEST {
        missing.retain(|&node| !has(scene, node, value));
        if missing.is_empty() {
            break;
        }
        scene.run_for(STEP);
    }
    (scene.now() - began).as_millis() as f64
}

fn has(scene: &mut Scenario, node: usize, value: u64) -> bool {
    let read = scene.ask(node, &Read {}).ok();
    let values = read.and_then(|read| serde_json::from_str::<Vec<u64>>(read.messages.get()).ok());
    values.is_some_and(|values| values.contains(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_everywhere_soon_and_idle_nodes_are_quiet_whatever_links_there_are() {
        let flags = Flags { seeds: 24, arguments: Vec::new() };
        let thresholds = bounds(&flags, &random(&flags).unwrap()).unwrap();
        let broken = thresholds.iter().filter(|threshold| !threshold.is_kept());
        let broken: Vec<_> =
            broken.map(|threshold| (&threshold.what, threshold.found, threshold.most)).collect();
        assert!(broken.is_empty(), "{broken:?}");
    }
}
