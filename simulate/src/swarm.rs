//! Many seeds over this workspace's nodes and faults, on all cores.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use simulator::Settings;
use simulator::swarm::{Case, Failure, Swarm};

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
    let all = flags.first..flags.first + flags.seeds;
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
            seeds: all,
            fixed: flags.fixed.clone(),
            arguments: flags.arguments.clone(),
        };
        Results { swarm, tried: seeds.start..seeds.start + done, failures }.write(path)?;
    }
    Ok(is_well)
}

/// Puts these flags in the place of the settings' own.
fn replacing(fixed: &str) -> impl Fn(&Settings) -> anyhow::Result<Settings> + use<> {
    let is_flag = |word: &str| word.starts_with("--");
    let fixed: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
    move |settings| {
        if fixed.is_empty() {
            return Ok(settings.clone());
        }
        let own = settings.flags();
        let own: Vec<&str> = own.split_whitespace().collect();
        let own = own.chunk_by(|_, next| !is_flag(next));
        let own = own.filter(|flag| !fixed.iter().any(|word| word == flag[0]));
        let mut words: Vec<&str> = own.flatten().copied().collect();
        for flag in fixed.chunk_by(|_, next| !is_flag(next)) {
            let is_left_out = flag.get(1).is_some_and(|value| value == "none");
            words.extend(flag.iter().map(String::as_str).filter(|_| !is_left_out));
        }
        Ok(parse(words)?.settings(settings.seed).map_err(anyhow::Error::msg)?.0)
    }
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
