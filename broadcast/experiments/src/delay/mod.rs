//! How much later than by flooding values arrive while partitions come and go.
//!
//! - [`trace`]: what happened to each value, to nodes and to links.
//! - [`flood`]: how soon flooding would have brought each value to each node.
//! - [`spans`]: when something was up.
//!
//! The delay of a value at a node is the time from when flooding would have
//! brought it there to when it came. Flooding is taken twice. Perfect flooding
//! sends every value at once to everybody, again and again, and so uses a link the
//! moment at which it opens. Nobody who sends fewer than N − 1 messages a value can
//! bound the delay over that by less than the longest partition: as long as a value
//! is known to fewer nodes than it could have reached, a partition that begins just
//! then keeps it from some of them. So what is bounded are median and p99. The
//! maximum is bounded against flooding that takes [`REACTION`] to react, to a value
//! and to a link alike.

mod flood;
mod spans;
mod trace;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use broadcast::thresholds::PARTITIONED;
use checkers::{Validity, nearest_rank};
use clap::Args;
use simulator::{Fault, Simulation};

use crate::thresholds::{self, Threshold};
use crate::{millis, over, print, table};
use flood::Flood;
use trace::{Fate, Trace};

/// What a value takes at most that sets out in vain and then once more, with a
/// period of 380 ms and a latency of 100 ms: until the parent is missed and
/// replaced (T + 4L), and a round (T + 2L), and some slack.
const REACTION: Duration = Duration::from_millis(1500);
/// What times differ by because of the clock's grain, in microseconds.
const GRAIN: i64 = 1000;
/// What the command line of `broadcast-experiments delay` says.
#[derive(Args, Debug)]
pub struct Flags {
    /// How many seeds
    #[arg(long, value_name = "NUM", default_value = "100")]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "NUM", default_value = "0")]
    first: u64,

    /// Arguments of the node's program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

/// What one seed showed. Times are sorted, in microseconds.
struct Run {
    seed: u64,
    messages_per_operation: f64,
    /// Over perfect flooding.
    perfect: Vec<i64>,
    /// Over flooding that takes a while to react.
    reacting: Vec<i64>,
}

/// Measures, and says whether all bounds are kept.
///
/// # Errors
///
/// When a run does not go through.
pub fn run(flags: &Flags) -> anyhow::Result<bool> {
    let runs = measure_all(flags)?;
    let thresholds = thresholds(&runs);
    print(&render(&runs, &thresholds));
    Ok(thresholds.iter().all(Threshold::is_kept))
}

/// The worst of so many seeds, as a table.
///
/// # Errors
///
/// When a run does not go through.
pub fn worst(seeds: u64) -> anyhow::Result<String> {
    let flags = Flags { seeds, first: 0, arguments: Vec::new() };
    let runs = measure_all(&flags)?;
    let worst = |of: &dyn Fn(&Run) -> f64| thresholds::worst(runs.iter().map(of));
    let longest = worst(&|run| quantile(&run.perfect, 1.0));
    let [messages, median, p99, beyond] = thresholds(&runs);
    let rows = [
        format!("messages an operation | {:.2}", messages.found),
        format!("later than perfect flooding, median | {:.0} ms", median.found),
        format!("the same, 99 of 100 | {:.0} ms", p99.found),
        format!("the same, longest | {:.1} s", longest / 1e3),
        format!("later than flooding that takes 1.5 s to react, longest | {:.0} ms", beyond.found),
    ];
    Ok(table(&format!("25 nodes, 100 ms, partitions | the worst of {seeds} seeds"), rows))
}

fn measure_all(flags: &Flags) -> anyhow::Result<Vec<Run>> {
    let seeds = flags.first..flags.first + flags.seeds;
    let runs = over(seeds, |seed| {
        let run = simulation(&flags.arguments)?.seed(seed);
        measure(&run).with_context(|| format!("seed {seed}"))
    })?;
    ensure!(!runs.is_empty(), "there are no seeds");
    Ok(runs)
}

/// The test: 25 nodes, 100 ms a hop, partitions every three seconds or so.
fn simulation(arguments: &[String]) -> anyhow::Result<Simulation> {
    let simulation = crate::simulation(arguments)?.nodes(25).rate(100.0);
    Ok(simulation.seconds(60).latency(100).nemesis(&[Fault::Partition], 3.0))
}

fn measure(simulation: &Simulation) -> anyhow::Result<Run> {
    let settings = simulation.settings();
    let (seed, latency) = (settings.seed, settings.latency.mean);
    let mut trace = Trace::new(settings.node_count);
    let finished = simulation.run_observed(&mut trace);
    ensure!(finished.valid() == Validity::Valid, "{finished}");
    if let Some(contradiction) = trace.contradiction {
        return Err(anyhow!(contradiction));
    }
    let delays = |reaction| {
        let flood = Flood::new(&trace.network, latency, reaction);
        let mut all: Vec<i64> =
            trace.fates.values().flat_map(|fate| of_value(&flood, fate)).collect();
        all.sort_unstable();
        all
    };
    let (perfect, reacting) = (delays(Duration::ZERO), delays(REACTION));
    ensure!(perfect.first().is_none_or(|&least| least >= -GRAIN), "a value came before it could");
    Ok(Run { seed, messages_per_operation: finished.msgs_per_op(), perfect, reacting })
}

/// The delay of a value at all nodes that it reached, but for the first.
fn of_value(flood: &Flood, fate: &Fate) -> Vec<i64> {
    let best = flood.reach(fate.origin, fate.came).into_iter().enumerate();
    let delays = best.filter(|&(node, _)| node != fate.origin).filter_map(|(node, best)| {
        let came = micros(fate.reached[node]?);
        // Where flooding never comes, coming at all is early.
        Some(came - best.map_or(i64::MAX, micros))
    });
    delays.collect()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A quantile of sorted times, in milliseconds; what came early came in time.
fn quantile(sorted: &[i64], at: f64) -> f64 {
    nearest_rank(sorted, at).unwrap_or(0).max(0) as f64 / 1e3
}

fn thresholds(runs: &[Run]) -> [Threshold; 4] {
    let worst = |of: &dyn Fn(&Run) -> f64| thresholds::worst(runs.iter().map(of));
    let perfect = |at| worst(&|run| quantile(&run.perfect, at));
    let reacting = worst(&|run| quantile(&run.reacting, 1.0));
    let messages = worst(&|run| run.messages_per_operation);
    [
        Threshold::new("msgs-per-op", messages, PARTITIONED.messages),
        Threshold::new("median delay over flooding", perfect(0.5), millis(PARTITIONED.median)),
        Threshold::new("p99 of it", perfect(0.99), millis(PARTITIONED.p99)),
        Threshold::new("longest over flooding that reacts", reacting, millis(PARTITIONED.longest)),
    ]
}

fn render(runs: &[Run], thresholds: &[Threshold]) -> String {
    let mut text = String::from(
        "         msgs    delay over perfect flooding   flooding that reacts in 1.5 s\n\
         seed   per op    median      p99       max       p99       max   (ms)\n",
    );
    for Run { seed, messages_per_operation, perfect, reacting } in runs {
        let perfect = [0.5, 0.99, 1.0].map(|at| quantile(perfect, at));
        let reacting = [0.99, 1.0].map(|at| quantile(reacting, at));
        let _ = writeln!(
            text,
            "{seed:>4} {messages_per_operation:>8.2} {:>9.0} {:>8.0} {:>9.0} {:>9.0} {:>9.0}",
            perfect[0], perfect[1], perfect[2], reacting[0], reacting[1]
        );
    }
    text.push_str("\nworst of all seeds\n");
    text.push_str(&thresholds::render(thresholds));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_measured_at_every_node_and_none_comes_too_early() {
        let small = simulation(&[]).unwrap().nodes(5).rate(50.0).seconds(10).latency(20);
        let run = measure(&small.nemesis(&[Fault::Partition], 2.0).seed(3)).unwrap();
        assert!(run.perfect.len() > 4 * 150 && run.perfect.len() == run.reacting.len());
        assert!(quantile(&run.perfect, 1.0) > quantile(&run.reacting, 1.0));
    }

    fn few_seeds(seeds: u64, arguments: &[&str]) -> [Threshold; 4] {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let flags = Flags { seeds, first: 0, arguments };
        thresholds(&measure_all(&flags).unwrap())
    }

    #[test]
    fn values_go_around_partitions_almost_as_fast_as_by_flooding() {
        for threshold in few_seeds(2, &[]) {
            assert!(threshold.is_kept(), "{}: {}", threshold.what, threshold.found);
        }
    }

    #[test]
    fn without_rounds_values_go_around_partitions_as_well() {
        let [messages, median, _, beyond] = few_seeds(1, &["--period-ms=0"]);
        assert!(messages.found <= 15.0 && median.found <= 0.0 && beyond.is_kept());
    }

    #[test]
    fn the_worst_seed_decides_whether_a_threshold_is_kept() {
        let run = |seed, median| Run {
            seed,
            messages_per_operation: 1.0,
            perfect: vec![-1, median, 900_000],
            reacting: vec![0; 3],
        };
        let kept = |medians: [i64; 2]| {
            let runs: Vec<Run> = medians.into_iter().zip(0..).map(|(m, s)| run(s, m)).collect();
            thresholds(&runs).iter().all(Threshold::is_kept)
        };
        assert!(kept([399_000, 400_000]));
        assert!(!kept([401_000, 300_000]));
    }
}
