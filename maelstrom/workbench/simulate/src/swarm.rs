//! Many seeds over challenges and faults, on all cores.
//!
//! A seed decides the scenario (which node, how many, how slow and unreliable the
//! network is, which faults come how often) and then everything in it. Workers
//! take seeds in order; each run is single-threaded and knows nothing of the
//! others, so what a seed does depends on nothing but the seed.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::Context as _;
use clap::{Args, Parser};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use workbench::cli::SettingsFlags;
use workbench::nemesis::Fault;
use workbench::settings::Settings;
use workbench::simulation::Simulation;

use crate::nodes::{KINDS, Kind};
use crate::print;
use crate::shrink::shrink;
use crate::single::replay;

/// What the command line of `simulate swarm` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which nodes; all when none is named
    #[arg(value_name = "NODE", value_parser = Kind::find)]
    nodes: Vec<&'static Kind>,

    /// How many seeds
    #[arg(long, value_name = "NUM", default_value = "1000")]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "NUM", default_value = "0")]
    first: u64,

    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,

    /// Look for a smaller run that fails as well
    #[arg(long)]
    shrink: bool,

    /// Arguments of the programs of all these nodes, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

/// A seed whose run was not as promised.
struct Failure {
    seed: u64,
    node: &'static Kind,
    /// What was run, if it could be.
    settings: Option<Settings>,
    problem: String,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    let all: Vec<&'static Kind> = KINDS.iter().collect();
    let nodes = if flags.nodes.is_empty() { &all } else { &flags.nodes };
    for node in nodes {
        node.program(&flags.arguments).with_context(|| node.name)?;
    }
    let (next, stop) = (AtomicU64::new(flags.first), AtomicBool::new(false));
    let end = flags.first + flags.seeds;
    let (sender, results) = mpsc::channel();
    let (done, failed) = thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || sender.send(try_seed(seed, nodes, &flags.arguments)).is_err()
                    {
                        break;
                    }
                }
            });
        }
        drop(sender);
        collect(flags, &results, &stop)
    });
    print(&format!("{done} seeds, {failed} failed\n"));
    Ok(failed == 0)
}

/// Reports results as they come; counts them, and failures among them.
fn collect(
    flags: &Flags,
    results: &mpsc::Receiver<Option<Failure>>,
    stop: &AtomicBool,
) -> (u64, u64) {
    let is_live = std::io::stderr().is_terminal();
    let (mut done, mut failed) = (0, 0);
    for result in results {
        done += 1;
        if let Some(failure) = result {
            failed += 1;
            stop.store(!flags.keep_going, Ordering::Relaxed);
            tell(flags, &failure);
        }
        if is_live {
            let line = format!("\r{done} of {} seeds, {failed} failed ", flags.seeds);
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
    if is_live {
        let _ = std::io::stderr().write_all(b"\r\x1b[K");
    }
    (done, failed)
}

/// Says what failed, how to run it again, and what the smallest run is that fails.
fn tell(flags: &Flags, failure: &Failure) {
    let Failure { seed, node, settings, problem } = failure;
    print(&format!("seed {seed}: {}: {problem}\n", node.name));
    if let Some(settings) = settings {
        let replay = |settings| replay(node, settings, &flags.arguments);
        print(&format!("to run again: {}\n", replay(settings)));
        if flags.shrink {
            let fails =
                |settings: &Settings| self::problem(node, settings, &flags.arguments).is_some();
            print(&format!("the smallest that fails: {}\n", replay(&shrink(settings, fails))));
        }
    }
    print("\n");
}

/// Runs a seed's scenario; what is wrong, if anything is.
fn try_seed(seed: u64, nodes: &[&'static Kind], arguments: &[String]) -> Option<Failure> {
    let node = nodes[usize::try_from(seed % nodes.len() as u64).unwrap_or(0)];
    match scenario(seed, node) {
        Ok(settings) => {
            let problem = problem(node, &settings, arguments)?;
            Some(Failure { seed, node, settings: Some(settings), problem })
        }
        Err(error) => Some(Failure { seed, node, settings: None, problem: format!("{error:#}") }),
    }
}

/// Runs a test; what is wrong, if anything is.
fn problem(node: &Kind, settings: &Settings, arguments: &[String]) -> Option<String> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let program = match node.program(arguments) {
        Ok(program) => program,
        Err(error) => return Some(format!("{error:#}")),
    };
    let name = format!("swarm-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let directory = std::env::temp_dir().join(name);
    let simulation = Simulation::with(settings.clone(), program);
    let finished = simulation.directory(&directory).recorded().run();
    let _ = std::fs::remove_dir_all(&directory);
    (node.judge)(&finished).err()
}

#[derive(Debug, Parser)]
struct TestCommand {
    #[command(flatten)]
    flags: SettingsFlags,
}

/// What a seed asks for, within what a node promises to bear.
fn scenario(seed: u64, node: &Kind) -> anyhow::Result<Settings> {
    let mut rng = StdRng::seed_from_u64(seed);
    let flags = node.flags.choose(&mut rng).copied().unwrap_or_default();
    let nodes = node.node_counts.choose(&mut rng).copied().unwrap_or(1);
    let latency = [0, 1, 10, 50, 100].choose(&mut rng).copied().unwrap_or(0);
    let dist =
        ["constant", "uniform", "exponential"].choose(&mut rng).copied().unwrap_or("constant");
    let mut words = format!(
        "simulate {flags} --node-count {nodes} --concurrency {}n --rate {} --time-limit {} \
         --latency {latency} --latency-dist {dist}",
        rng.random_range(1..3),
        rng.random_range(5..node.rate),
        rng.random_range(5..15),
    );
    let faults: Vec<&str> =
        Fault::ALL.into_iter().map(Fault::name).filter(|_| rng.random()).collect();
    if !faults.is_empty() {
        let interval = rng.random_range(1..5);
        words.push_str(&format!(" --nemesis {} --nemesis-interval {interval}", faults.join(",")));
    }
    let command = TestCommand::try_parse_from(words.split_whitespace())?;
    let settings = command.flags.or_workload(node.workload).settings(seed);
    Ok(settings.map_err(anyhow::Error::msg)?.0)
}
