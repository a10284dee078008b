//! Many starts of nodes of every kind: whether one sends to a name that is not there
//! yet, which under Maelstrom ends its output.

use broadcast_experiments::over;
use clap::Args;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use simulator::swarm::Subject;
use simulator::{FaultKind, RunError, Settings, Simulation, Workload};

use crate::nodes::{KINDS, Kind};
use crate::single::{parse, replay};
use crate::{or_all, print};

/// What the command line of `simulate starts` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which nodes; all when none is named
    #[arg(value_name = "NODE", value_parser = Kind::find)]
    nodes: Vec<&'static Kind>,

    /// How many seeds, in turn over the nodes
    #[arg(long, value_name = "NUM", default_value = "2000")]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "NUM", default_value = "0")]
    first: u64,
}

/// A start that did not go well.
struct Failure {
    node: &'static str,
    settings: Settings,
    error: RunError,
}

impl Failure {
    /// Whether a node sent to a name that was not there yet.
    fn is_early(&self) -> bool {
        matches!(&self.error, RunError::Node(failure)
            if matches!(failure.fault.kind, FaultKind::TooEarly { .. }))
    }
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    let kinds = or_all(&flags.nodes, KINDS).into_iter();
    let nodes: Vec<Subject> = kinds.map(|kind| kind.subject).collect();
    let of_seed = |seed: u64| &nodes[usize::try_from(seed % nodes.len() as u64).unwrap_or(0)];
    let seeds = flags.first..flags.first + flags.seeds;
    let failures = over(seeds.clone(), |seed| start(seed, of_seed(seed)))?;
    let failures: Vec<Failure> = failures.into_iter().flatten().collect();
    print(&format!("{:<12} {:>7} {:>14} {:>7}\n", "node", "starts", "sent too early", "failed"));
    for node in &nodes {
        let starts = seeds.clone().filter(|&seed| of_seed(seed).name == node.name).count();
        let of_node = || failures.iter().filter(|failure| failure.node == node.name);
        let early = of_node().filter(|failure| failure.is_early()).count();
        let failed = of_node().count() - early;
        print(&format!("{:<12} {starts:>7} {early:>14} {failed:>7}\n", node.name));
        if let Some(Failure { settings, error, .. }) = of_node().next() {
            print(&format!(
                "    {error}\n    to run again: {}\n",
                replay(node.name, settings, &[])
            ));
        }
    }
    Ok(failures.is_empty())
}

/// Starts as many nodes as the seed says, and has them serve a few requests.
fn start(seed: u64, node: &Subject) -> anyhow::Result<Option<Failure>> {
    let settings = scenario(seed, node)?;
    let finished = Simulation::with(settings.clone(), (node.program)(&[])?).run();
    Ok(finished.ended.err().map(|error| Failure { node: node.name, settings, error }))
}

/// One to a hundred nodes, small clusters as often as all others together.
fn scenario(seed: u64, node: &Subject) -> anyhow::Result<Settings> {
    let mut rng = StdRng::seed_from_u64(seed);
    let most = if rng.random() { 10 } else { 100 };
    // Of lin-kv each key is a group's, of two client processes a node.
    let clients = if node.workload == Workload::LinKv { "2n" } else { "2" };
    let words = format!(
        "--node-count {} --concurrency {clients} --rate 5 --time-limit 1 --latency {}",
        rng.random_range(1..=most),
        [0, 10, 100].choose(&mut rng).copied().unwrap_or_default(),
    );
    let settings = parse(words.split_whitespace())?.or_workload(node.workload).settings(seed);
    Ok(settings.map_err(anyhow::Error::msg)?.0)
}
