//! `workbench challenge`: run challenges with their flags, here or on the
//! original, and show them in a table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, ValueEnum};

use super::flags::{Plan, TestFlags};
use super::{Exit, original, print, test};
use crate::challenge::{CHALLENGES, Challenge};
use crate::report::style::Style;
use crate::report::table;

/// What the command line of `workbench challenge` says.
#[derive(Args, Clone, Debug)]
pub(super) struct ChallengeFlags {
    /// Which challenges: 3a, 3b, …; all when none is named
    #[arg(value_name = "CHALLENGE", value_parser = find)]
    challenges: Vec<&'static Challenge>,

    /// Show the challenges and their flags instead of running them
    #[arg(long)]
    list: bool,

    /// What runs them
    #[arg(long, value_enum, default_value = "workbench")]
    runner: Runner,

    /// The original's command, for --runner maelstrom
    #[arg(long, value_name = "FILE", default_value = "maelstrom")]
    maelstrom: PathBuf,

    /// The folder of the programs that solve them
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    nodes: PathBuf,

    /// More flags for every test, in one word; they win over the challenge's
    #[arg(long, value_name = "FLAGS", default_value = "", allow_hyphen_values = true)]
    flags: String,

    /// Decides everything that the workbench draws at random
    #[arg(long, value_name = "NUM")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Runner {
    /// This program
    Workbench,
    /// The JVM original
    Maelstrom,
}

fn find(id: &str) -> Result<&'static Challenge, String> {
    Challenge::find(id).ok_or_else(|| {
        let ids: Vec<&str> = CHALLENGES.iter().map(|challenge| challenge.id).collect();
        format!("there are {}", ids.join(", "))
    })
}

/// The flags of a challenge, parsed as those of a test are.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
struct TestCommand {
    #[command(flatten)]
    flags: TestFlags,
}

fn parse(words: Vec<String>, seed: u64) -> anyhow::Result<Plan> {
    let words = ["workbench test".to_owned()].into_iter().chain(words);
    let command = TestCommand::try_parse_from(words)?;
    command.flags.plan(seed).map_err(anyhow::Error::msg)
}

pub(super) fn challenge(flags: &ChallengeFlags) -> anyhow::Result<Exit> {
    let all: Vec<&'static Challenge> = CHALLENGES.iter().collect();
    let challenges = if flags.challenges.is_empty() { &all } else { &flags.challenges };
    if flags.list {
        for Challenge { id, node, flags, .. } in challenges {
            print(&format!("{id:<6} {flags} --bin {node}\n"));
        }
        return Ok(Exit::Valid);
    }
    let mut rows = Vec::new();
    for &challenge in challenges {
        print(&format!("\nchallenge {}: {}\n", challenge.id, challenge.flags));
        let row = match flags.runner {
            Runner::Workbench => here(flags, challenge)?,
            Runner::Maelstrom => on_the_original(flags, challenge)?,
        };
        rows.push(row);
    }
    if rows.len() > 1 {
        print(&format!("\n{}", table::render(&rows, Style::of(&std::io::stdout()))));
    }
    Ok(if rows.iter().all(table::Row::is_solved) {
        Exit::Valid
    } else if rows.iter().any(|row| row.valid.is_none()) {
        Exit::Failed
    } else {
        Exit::Invalid
    })
}

fn words(flags: &ChallengeFlags, challenge: &Challenge) -> anyhow::Result<Vec<String>> {
    let bin = flags.nodes.join(challenge.node);
    let bin = fs::canonicalize(&bin)
        .with_context(|| format!("there is no {}: has it been built?", bin.display()))?;
    let mut words: Vec<String> = challenge.flags.split_whitespace().map(str::to_owned).collect();
    words.extend(["--bin".to_owned(), bin.to_string_lossy().into_owned()]);
    Ok(words)
}

fn here(flags: &ChallengeFlags, challenge: &'static Challenge) -> anyhow::Result<table::Row> {
    let mut words = words(flags, challenge)?;
    if !challenge.limits.is_empty() {
        words.extend(["--limits".to_owned(), challenge.limits.to_owned()]);
    }
    if let Some(seed) = flags.seed {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    words.extend(flags.flags.split_whitespace().map(str::to_owned));
    let report = test::run_plan(&parse(words, test::fresh_seed()?)?)?;
    Ok(table::Row::of(challenge, &report))
}

/// The original knows no limits and no seeds.
fn on_the_original(
    flags: &ChallengeFlags,
    challenge: &'static Challenge,
) -> anyhow::Result<table::Row> {
    if flags.seed.is_some() {
        bail!("--seed does not go with --runner maelstrom: the original draws anew each time");
    }
    let mut command = Command::new(&flags.maelstrom);
    command.arg("test").args(words(flags, challenge)?).args(flags.flags.split_whitespace());
    let run = original::run(&mut command, Path::new("store"));
    let results = run.with_context(|| {
        format!(
            "cannot run {}: is the original installed? (make install-maelstrom)",
            flags.maelstrom.display()
        )
    })?;
    Ok(match results {
        Ok(results) => table::Row::of_results(challenge, &results),
        Err(failure) => {
            let (id, command) = (challenge.id, flags.maelstrom.display());
            print(&format!("\nchallenge {id} failed: {command} gave no verdict: {failure}\n"));
            table::Row::failed(challenge)
        }
    })
}
