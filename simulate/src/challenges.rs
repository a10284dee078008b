//! The challenges in virtual time.

use anyhow::{Context as _, ensure};
use checkers::Quantiles;
use clap::Args;
use simulator::{Settings, Simulation};
use workbench::Challenge;
use workbench::report::Limit;
use workbench::report::Style;
use workbench::report::{self, Row};

use crate::nodes::Kind;
use crate::single::{self, Output};
use crate::{millis, or_all, print};

/// What the command line of `simulate challenge` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which challenges: 3a, 3b, …; all when none is named
    #[arg(value_name = "CHALLENGE", value_parser = find)]
    challenges: Vec<&'static Challenge>,

    /// Decides everything that is drawn at random
    #[arg(long, value_name = "NUM", default_value = "0")]
    seed: u64,

    #[command(flatten)]
    output: Output,
}

pub(crate) fn find(id: &str) -> Result<&'static Challenge, String> {
    Challenge::find(id).ok_or_else(|| {
        let ids: Vec<&str> = Challenge::ALL.iter().map(|challenge| challenge.id).collect();
        format!("there are {}", ids.join(", "))
    })
}

/// What a challenge asks for.
pub(crate) fn settings(challenge: &Challenge, seed: u64) -> anyhow::Result<(Settings, Vec<Limit>)> {
    let (settings, mut limits) = parse(challenge.flags, seed)?;
    for limit in challenge.limits.split(',').filter(|limit| !limit.is_empty()) {
        limits.push(limit.parse()?);
    }
    Ok((settings, limits))
}

/// What the flags of a test ask for.
pub(crate) fn parse(flags: &str, seed: u64) -> anyhow::Result<(Settings, Vec<Limit>)> {
    single::parse(flags.split_whitespace())?.settings(seed).map_err(anyhow::Error::msg)
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    let challenges = or_all(&flags.challenges, Challenge::ALL);
    let mut rows = Vec::new();
    for &challenge in &challenges {
        let node = Kind::find(challenge.node)?;
        let (settings, limits) = settings(challenge, flags.seed)?;
        let simulation = Simulation::with(settings, node.program(&[])?);
        let finished = flags.output.run(simulation)?;
        if challenges.len() == 1 {
            return Ok(single::show(node, &finished, &limits, &[]));
        }
        if finished.ended.is_err() {
            print(&format!(
                "{finished}\nto run again: {}\n",
                single::replay(node.subject.name, &finished.settings, &[])
            ));
        }
        rows.push(match finished.ended {
            Ok(_) => Row::of(challenge, &finished.report),
            Err(_) => Row::failed(challenge),
        });
    }
    print(&report::table(&rows, Style::of(&std::io::stdout())));
    Ok(rows.iter().all(Row::is_solved))
}

/// All challenges with seed 0, as a table.
pub(crate) fn table() -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for challenge in Challenge::ALL {
        let node = Kind::find(challenge.node)?;
        let (settings, _) = settings(challenge, 0)?;
        let finished = Simulation::with(settings, node.program(&[])?).run();
        let row = Row::of(challenge, &finished.report);
        ensure!(row.is_solved(), "challenge {} is not solved: {finished}", challenge.id);
        let Quantiles { median, p99, max, .. } = row.latencies.context("nothing was measured")?;
        let [median, p99, max] = [median, p99, max].map(millis);
        rows.push(format!(
            "{} | {} | {:.2} | {median:.0} / {p99:.0} / {max:.0} | {}",
            challenge.id,
            node.subject.name,
            row.msgs_per_op.context("no operations")?,
            challenge.limits.replace(',', ", ").replace('<', " < ")
        ));
    }
    let head = "challenge | node | messages an operation | latency, ms: median / p99 / longest | \
                limits";
    Ok(broadcast_experiments::table(head, rows))
}
