//! One test.

use std::path::PathBuf;

use anyhow::Context as _;
use checkers::Validity;
use clap::{Args, Parser};
use simulator::{Finished, Settings, Simulation};
use workbench::SettingsFlags;
use workbench::report::{Comparison, Frame, Limit, Style, Summary};

use crate::nodes::Kind;
use crate::{clock, print};

/// What the command line of `simulate test` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which node runs
    #[arg(value_name = "NODE", value_parser = Kind::find)]
    node: &'static Kind,

    #[command(flatten)]
    test: SettingsFlags,

    #[command(flatten)]
    output: Output,

    /// Arguments of the node's program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

/// Reads the flags of a test.
pub(crate) fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> anyhow::Result<SettingsFlags> {
    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Command {
        #[command(flatten)]
        flags: SettingsFlags,
    }
    Ok(Command::try_parse_from(words)?.flags)
}

/// What is shown and kept beside the verdict.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Output {
    /// Show what nodes log, with virtual time and the node's id (see RUST_LOG)
    #[arg(long, help_heading = "Output")]
    log: bool,

    /// Write the history to this file, one operation a line
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    history: Option<PathBuf>,

    /// Write every message, as it is sent and as it is received, to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    journal: Option<PathBuf>,

    /// Write the trace to this file: messages, faults and what happened to nodes, as
    /// `workbench test` keeps it in trace.jsonl
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    trace: Option<PathBuf>,
}

impl Output {
    /// Runs a simulation and keeps of it what is to be kept.
    pub(crate) fn run(&self, simulation: Simulation) -> anyhow::Result<Finished> {
        if self.log {
            clock::log();
        }
        let is_recorded = self.history.is_some() || self.journal.is_some();
        let simulation = if is_recorded { simulation.recorded() } else { simulation };
        let simulation = if self.trace.is_some() { simulation.traced() } else { simulation };
        let finished = simulation.run();
        let files = [
            (&self.history, &finished.history),
            (&self.journal, &finished.journal),
            (&self.trace, &finished.trace),
        ];
        for (file, text) in files {
            if let Some(file) = file {
                std::fs::write(file, text)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
        Ok(finished)
    }
}

pub(crate) fn run(flags: Flags) -> anyhow::Result<bool> {
    let (settings, limits) = flags
        .test
        .or_workload(flags.node.subject.workload)
        .settings(0)
        .map_err(anyhow::Error::msg)?;
    let has_promise = settings.promise.is_some();
    let simulation = Simulation::with(settings, flags.node.program(&flags.arguments)?);
    let simulation = if has_promise { simulation.recorded() } else { simulation };
    let mut finished = flags.output.run(simulation)?;
    finished.arguments.clone_from(&flags.arguments);
    let is_valid = show(flags.node, &finished, &limits, &flags.arguments);
    Ok(if has_promise { is_valid && keeps_more(flags.node, &finished) } else { is_valid })
}

/// Whether the node's own oracle has nothing to say that the report does not; it is what a
/// swarm found, perhaps.
fn keeps_more(node: &Kind, finished: &Finished) -> bool {
    let findings = (node.subject.oracle)(finished);
    findings.iter().for_each(|finding| print(&format!("{}: {}\n", finding.kind, finding.text)));
    findings.is_empty()
}

/// Prints the summary of a test; whether all is well.
pub(crate) fn show(
    node: &Kind,
    finished: &Finished,
    limits: &[Limit],
    arguments: &[String],
) -> bool {
    let mut report = finished.report.clone();
    for (finding, (_, why)) in report.findings_mut().zip(finished.explain()) {
        finding.why = why.map(|why| why.text);
    }
    if let Err(error) = &finished.ended {
        print(&format!("{error}\n"));
    }
    let comparisons = Comparison::of(limits, &report);
    if !limits.is_empty() {
        report.add("limits", Comparison::outcome(&comparisons));
    }
    let settings = &finished.settings;
    let title = format!("{} in virtual time, seed {}", node.subject.name, settings.seed);
    let frame = Frame {
        title,
        footer: vec![("to run again", replay(node.subject.name, &finished.settings, arguments))],
        width: 100,
    };
    let style = Style::of(&std::io::stdout());
    print(&Summary::of(&report, &comparisons).text(&frame, style));
    finished.ended.is_ok() && report.valid() == Validity::Valid
}

/// The command that runs a test again.
pub(crate) fn replay(name: &str, settings: &Settings, arguments: &[String]) -> String {
    let has_bug = arguments.iter().any(|argument| argument.starts_with("--inject="));
    let package = match name {
        "pn-counter" => "g-counter",
        "lin-kv-in-memory" => "lin-kv",
        name => name,
    };
    let features =
        if has_bug { format!(" --features {package}/injected-bugs") } else { String::new() };
    let mut words = vec![settings.flags()];
    if !arguments.is_empty() {
        words.push("--".to_owned());
        words.extend_from_slice(arguments);
    }
    format!("cargo run --release -p simulate{features} -- test {name} {}", words.join(" "))
}
