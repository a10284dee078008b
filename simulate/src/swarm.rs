//! Many seeds over this workspace's nodes and faults, on all cores.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use simulator::Settings;
use simulator::swarm::{Case, Failure, Swarm};

use crate::fingerprint;
use crate::nodes::{KINDS, Kind};
use crate::shards::{Described, Failed, Results, Shard};
use crate::single::{parse, replay};
use crate::{or_all, print};

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

    /// Run one part of the seeds alone, such as 3/16, the third of sixteen
    #[arg(long, value_name = "PART", default_value = "1/1", hide_default_value = true)]
    shard: Shard,

    /// Where what came of it goes, for `simulate merge`
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,

    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,

    /// Look for a smaller run that fails in the same way
    #[arg(long)]
    shrink: bool,

    /// Flags of `simulate test` that all seeds have in common, in quotes, instead of
    /// what they draw; a flag with the value `none` has its default
    #[arg(long, value_name = "FLAGS", default_value = "", allow_hyphen_values = true)]
    fixed: String,

    /// Arguments of the programs of all these nodes, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    let nodes = or_all(&flags.nodes, KINDS);
    for node in &nodes {
        node.program(&flags.arguments).with_context(|| node.subject.name)?;
    }
    let last = flags.first.checked_add(flags.seeds);
    let all = flags.first..last.context("--first and --seeds: there are no such seeds")?;
    let seeds = flags.shard.seeds(&all);
    let swarm = Swarm::over(nodes.iter().map(|node| node.subject).collect())
        .seeds(seeds.clone())
        .arguments(flags.arguments.clone())
        .altered(replacing(&flags.fixed));
    let is_live = std::io::stderr().is_terminal();
    let (mut done, mut failures) = (0, Vec::new());
    swarm.each(|failure| {
        done += 1;
        let failed = failures.len() + usize::from(failure.is_some());
        if is_live {
            let count = seeds.end - seeds.start;
            let line = format!("\r{done} of {count} seeds, {failed} failed ");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        let Some(failure) = failure else { return ControlFlow::Continue(()) };
        failures.push(Failed { seed: failure.seed, text: tell(flags, &failure) });
        if flags.keep_going { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    if is_live {
        let _ = std::io::stderr().write_all(b"\r\x1b[K");
    }
    print(&format!("{done} seeds, {} failed\n", failures.len()));
    let is_well = failures.is_empty();
    if let Some(path) = &flags.results {
        let swarm = Described {
            nodes: nodes.iter().map(|node| node.subject.name.to_owned()).collect(),
            checksums: fingerprint::of_seed(&nodes, all.start, &flags.arguments)?,
            seeds: all,
            fixed: flags.fixed.clone(),
            arguments: flags.arguments.clone(),
        };
        Results { swarm, tried: seeds.start..seeds.start + done, failures }.write(path)?;
    }
    Ok(is_well)
}

/// Flags that are refused where none of those beside them is given.
const DEPENDENT: [(&str, &[&str]); 5] = [
    ("--latency-dist", &["--latency"]),
    ("--nemesis-interval", &["--nemesis", "--disk"]),
    ("--nemesis-targets", &["--nemesis", "--disk"]),
    ("--idle-messages", &["--settle-within"]),
    ("--shown-within", &["--settle-within"]),
];

/// Puts these flags in the place of the settings' own.
fn replacing(fixed: &str) -> impl Fn(&Settings) -> anyhow::Result<Settings> + use<> {
    let fixed: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
    move |settings| {
        if fixed.is_empty() {
            return Ok(settings.clone());
        }
        let own = settings.flags();
        let own: Vec<&str> = own.split_whitespace().collect();
        let fixed: Vec<&str> = fixed.iter().map(String::as_str).collect();
        let mut flags: Vec<&[&str]> =
            fixed.chunk_by(is_same).filter(|flag| flag.get(1) != Some(&"none")).collect();
        flags.extend(own.chunk_by(is_same).filter(|flag| !fixed.contains(&flag[0])));
        let names: Vec<&str> = flags.iter().map(|flag| flag[0]).collect();
        // Without its faults, a run's own interval is nothing, and so on.
        flags.retain(|flag| {
            let needs = DEPENDENT.iter().find(|(name, _)| *name == flag[0]);
            let is_met = needs.is_none_or(|(_, any)| any.iter().any(|name| names.contains(name)));
            is_met || fixed.contains(&flag[0])
        });
        Ok(parse(flags.concat())?.settings(settings.seed).map_err(anyhow::Error::msg)?.0)
    }
}

/// Whether a word belongs to the flag before it.
fn is_same(_: &&str, next: &&str) -> bool {
    !next.starts_with("--")
}

/// Says what failed, how to run it again, and what the smallest run is that fails
/// in the same way. Returns what it said.
fn tell(flags: &Flags, failure: &Failure) -> String {
    let mut text = String::new();
    let mut say = |line: String| {
        print(&line);
        text += &line;
    };
    say(format!("{failure}\n"));
    if let Some(command) = command(failure) {
        say(format!("to run again: {command}\n"));
    }
    if flags.shrink
        && let Some(command) = command(&failure.shrunk())
    {
        let mode = &failure.mode;
        say(format!("the smallest that fails in the same way ({mode}): {command}\n"));
    }
    print("\n");
    text
}

/// The command that runs a failure again.
fn command(failure: &Failure) -> Option<String> {
    let Case { settings, arguments } = failure.case.as_ref()?;
    Some(replay(failure.subject.name, settings, arguments))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use simulator::{Fault, Latency, LatencyDist, Promise, Workload};

    use super::*;

    #[test]
    fn a_flag_that_is_left_out_takes_along_what_is_nothing_without_it() {
        let mean = Duration::from_millis(100);
        let within = Duration::from_secs(2);
        let settings = Settings {
            latency: Latency { mean, dist: LatencyDist::Uniform },
            nemesis: vec![Fault::Kill.into()],
            nemesis_interval: Duration::from_secs(2),
            promise: Some(Promise { within, idle_messages: Some(4.0), shown_within: Some(mean) }),
            ..Settings::new(Workload::Kafka)
        };
        let without = |fixed: &str| replacing(fixed)(&settings).unwrap().flags();
        let rest = "--latency 100 --latency-dist uniform --settle-within 2000 --idle-messages 4 \
                    --shown-within 100 --seed 0";
        assert_eq!(without("--nemesis none"), format!("--workload kafka {rest}"));
        let rest = "--nemesis kill --nemesis-interval 2 --seed 0";
        assert_eq!(
            without("--latency none --settle-within none --rate 7"),
            format!("--workload kafka --rate 7 {rest}")
        );
        let refusal = replacing("--nemesis none --nemesis-interval 3")(&settings).unwrap_err();
        assert!(refusal.to_string().contains("--nemesis <FAULTS>"), "{refusal}");
    }
}
