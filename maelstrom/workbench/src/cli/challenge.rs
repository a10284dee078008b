//! `workbench challenge`: run challenges with their flags, here or on the
//! original, and show them in a table.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, ValueEnum};

use super::flags::{Plan, TestFlags, check_program};
use super::tell::{Case, TellFlags};
use super::values::suggesting;
use super::{Exit, Remote, original, print, test};
use crate::challenge::Challenge;
use crate::report::style::Style;
use crate::report::table;

/// What the command line of `workbench challenge` says.
#[derive(Args, Clone, Debug)]
pub(super) struct ChallengeFlags {
    /// Which challenges: 3d, or 3 for all from 3a to 3e; all of Gossip Glomers when none is
    /// named, or for the word all
    #[arg(value_name = "CHALLENGE", value_parser = suggesting(Selection::names, Selection::of),
          hide_possible_values = true)]
    challenges: Vec<Selection>,

    /// Show what challenges ask for, with their limits and flags, instead of running them
    #[arg(long, conflicts_with_all = ["bin", "args", "runner", "maelstrom", "nodes", "flags", "seed",
                                      "format", "junit"])]
    list: bool,

    /// The program that solves them: a path, or a name to be found in PATH
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    bin: Option<PathBuf>,

    /// Arguments for the program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    args: Vec<OsString>,

    /// What runs them
    #[arg(long, value_enum, default_value = "workbench")]
    runner: Runner,

    /// The original's command, for --runner maelstrom [default: maelstrom]
    #[arg(long, value_name = "FILE")]
    maelstrom: Option<PathBuf>,

    /// The folder of the programs that solve them, without --bin: echo, unique-ids, broadcast,
    /// g-counter, kafka-log, txn-kv and lin-kv
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    nodes: PathBuf,

    /// More flags for every test, in one word; they win over the challenge's
    #[arg(long, value_name = "FLAGS", default_value = "", allow_hyphen_values = true)]
    flags: String,

    /// Decides everything that the workbench draws at random
    #[arg(long, value_name = "NUM")]
    seed: Option<u64>,

    #[command(flatten)]
    tell: TellFlags,
}

/// The challenges that one word stands for.
#[derive(Clone, Debug)]
struct Selection(Vec<&'static Challenge>);

impl Selection {
    fn of(name: &str) -> Result<Self, String> {
        let challenges = Challenge::select(name);
        if challenges.is_empty() {
            let ids: Vec<&str> = Challenge::ALL.iter().map(|challenge| challenge.id).collect();
            let groups = Challenge::GROUPS.join(", ");
            return Err(format!("there are {}; the groups {groups}; and all", ids.join(", ")));
        }
        Ok(Self(challenges))
    }

    /// Every word that stands for some.
    fn names() -> Vec<&'static str> {
        let ids = Challenge::ALL.iter().map(|challenge| challenge.id);
        ids.chain(Challenge::GROUPS).chain(["all"]).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Runner {
    /// This program
    Workbench,
    /// The JVM original
    Maelstrom,
}

/// The flags of a challenge, parsed as those of a test are.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
struct TestWords {
    #[command(flatten)]
    flags: TestFlags,
}

fn parse(words: Vec<OsString>, seed: u64) -> anyhow::Result<Plan> {
    let words = ["workbench test".into()].into_iter().chain(words);
    let command = TestWords::try_parse_from(words)?;
    command.flags.plan(seed).map_err(anyhow::Error::msg)
}

pub(super) fn challenge(
    flags: &ChallengeFlags,
    remote: Option<&dyn Remote>,
) -> anyhow::Result<Exit> {
    let named: Vec<_> = flags.challenges.iter().flat_map(|selection| &selection.0).collect();
    let is_default = |challenge: &&Challenge| flags.list || challenge.is_of_gossip_glomers();
    let challenges: Vec<&'static Challenge> = match named.is_empty() {
        true => Challenge::ALL.iter().filter(is_default).collect(),
        false => named.into_iter().copied().collect(),
    };
    if flags.list {
        challenges.iter().for_each(|challenge| print(&described(challenge)));
        return Ok(Exit::Valid);
    }
    if flags.maelstrom.is_some() && flags.runner == Runner::Workbench {
        bail!("--maelstrom names what --runner maelstrom runs, and has no effect without that");
    }
    // All programs are looked for before any is run, which takes long.
    let programs = challenges.iter().map(|challenge| program(flags, challenge));
    let programs: Vec<PathBuf> = programs.collect::<anyhow::Result<_>>()?;
    let (mut rows, mut cases) = (Vec::new(), Vec::new());
    for (&challenge, program) in challenges.iter().zip(&programs) {
        if flags.tell.is_for_people() {
            print(&format!("\nchallenge {}: {}\n", challenge.id, challenge.flags));
        }
        let row = match flags.runner {
            Runner::Workbench => here(flags, challenge, program, &mut cases, remote)?,
            Runner::Maelstrom => on_the_original(flags, challenge, program)?,
        };
        rows.push(row);
    }
    flags.tell.keep(&cases, None)?;
    if rows.len() > 1 && flags.tell.is_for_people() {
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

/// What `--list` says of a challenge.
fn described(challenge: &Challenge) -> String {
    let Challenge { id, node, title, task, flags, .. } = challenge;
    let limits: Vec<String> = challenge.limits().map(|limit| limit.in_words()).collect();
    let solved = match limits.is_empty() {
        true => "valid".to_owned(),
        false => format!("valid, and {}", limits.join(", ")),
    };
    format!(
        "{id:<8}{title}\n        {task}\n        solved if: {solved}\n        flags: {flags}\n        \
         program: {node}, without --bin\n"
    )
}

/// The program for a challenge, if it is there.
fn program(flags: &ChallengeFlags, challenge: &Challenge) -> anyhow::Result<PathBuf> {
    let Some(bin) = &flags.bin else {
        let bin = flags.nodes.join(challenge.node);
        return fs::canonicalize(&bin).with_context(|| {
            format!(
                "there is no {} for challenge {}: has it been built? Name your own program with \
                 --bin, or the folder of programs with --nodes",
                bin.display(),
                challenge.id
            )
        });
    };
    check_program(bin).map_err(anyhow::Error::msg)?;
    // The original starts nodes in a folder of its own.
    let is_relative = flags.runner == Runner::Maelstrom && bin.exists();
    Ok(if is_relative { std::path::absolute(bin)? } else { bin.clone() })
}

fn words(challenge: &Challenge, program: &Path) -> Vec<OsString> {
    let words = challenge.flags.split_whitespace().map(OsString::from);
    words.chain(["--bin".into(), program.into()]).collect()
}

/// What comes last, in this order.
fn last_words(flags: &ChallengeFlags) -> impl Iterator<Item = OsString> {
    let separator = (!flags.args.is_empty()).then(|| "--".into());
    let extra = flags.flags.split_whitespace().map(OsString::from);
    extra.chain(separator).chain(flags.args.iter().cloned())
}

fn here(
    flags: &ChallengeFlags,
    challenge: &'static Challenge,
    program: &Path,
    cases: &mut Vec<Case>,
    remote: Option<&dyn Remote>,
) -> anyhow::Result<table::Row> {
    let mut words = words(challenge, program);
    if !challenge.limits.is_empty() {
        words.extend(["--limits".into(), challenge.limits.into()]);
    }
    if let Some(seed) = flags.seed {
        words.extend(["--seed".into(), seed.to_string().into()]);
    }
    words.extend(last_words(flags));
    let ran = test::run_plan(&parse(words, test::fresh_seed()?)?, &flags.tell, remote)?;
    cases.push(Case { title: format!("challenge {}", challenge.id), ..Case::of(&ran) });
    Ok(table::Row::of(challenge, &ran.report))
}

/// The original knows no limits and no seeds.
fn on_the_original(
    flags: &ChallengeFlags,
    challenge: &'static Challenge,
    program: &Path,
) -> anyhow::Result<table::Row> {
    if flags.seed.is_some() {
        bail!("--seed does not go with --runner maelstrom: the original draws anew each time");
    }
    if !flags.tell.is_plain() {
        bail!("--format and --junit do not go with --runner maelstrom: it tells its own results");
    }
    let maelstrom = flags.maelstrom.as_deref().unwrap_or(Path::new("maelstrom"));
    let mut command = Command::new(maelstrom);
    command.arg("test").args(words(challenge, program)).args(last_words(flags));
    let run = original::run(&mut command, Path::new("store"));
    let results = run.with_context(|| {
        format!(
            "cannot run {}: is the original installed? (make install-maelstrom)",
            maelstrom.display()
        )
    })?;
    Ok(match results {
        Ok(results) => table::Row::of_results(challenge, &results),
        Err(failure) => {
            let (id, command) = (challenge.id, maelstrom.display());
            print(&format!("\nchallenge {id} failed: {command} gave no verdict: {failure}\n"));
            table::Row::failed(challenge)
        }
    })
}
