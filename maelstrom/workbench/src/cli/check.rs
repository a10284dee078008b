//! `workbench check`: the verdict on a history that is there already.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use checkers::form;
use checkers::history::Op;
use checkers::txn::Model;
use checkers::{Analysis, Availability, Checks, Names, Report, Workload};
use clap::Args;
use tokio::time::Instant;

use super::explain::Recording;
use super::flags::BudgetFlags;
use super::tell::{Case, TellFlags};
use super::{Exit, columns, or_warn, print, values};
use crate::report::chart::Chart;
use crate::report::style::Style;
use crate::report::summary::Summary;
use crate::report::{edn, html, text};

/// What the command line of `workbench check` says.
#[derive(Args, Clone, Debug)]
pub(super) struct CheckFlags {
    /// What clients did
    #[arg(short, long, value_name = "NAME", value_parser = values::workload())]
    workload: Workload,

    /// How many operations have to succeed: total, or a fraction from 0 to 1
    #[arg(long, value_name = "EXPECTED", value_parser = values::availability(),
          hide_possible_values = true,
          allow_hyphen_values = true)]
    availability: Option<Availability>,

    /// Consistency models that transactions have to meet, separated by commas
    #[arg(
        long,
        value_name = "MODELS",
        value_delimiter = ',',
        default_value = "strict-serializable",
        value_parser = values::model(),
        hide_possible_values = true
    )]
    consistency_models: Vec<Model>,

    /// Hold it against the nodes that a read has a value twice, or one that nobody
    /// sent, or that final reads differ
    #[arg(long)]
    strict: bool,

    /// Follow the original where its verdict is a quirk rather than a finding, for
    /// instance when no transaction depends on any other, nothing was asked, or a
    /// read is told that a key which was written does not exist
    #[arg(long)]
    compatible: bool,

    #[command(flatten)]
    check_budget: BudgetFlags,

    /// Write the report to this file, as a page. It shows every message of the run and why
    /// it failed if a trace.jsonl lies beside the history
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Write the history and the results to this folder as Maelstrom does: history.edn
    /// and results.edn
    #[arg(long, value_name = "DIR")]
    edn: Option<PathBuf>,

    /// Print the results as JSON
    #[arg(long, conflicts_with = "format")]
    json: bool,

    #[command(flatten)]
    tell: TellFlags,

    /// A history: history.jsonl, or Maelstrom's history.edn; perhaps compressed with
    /// gzip. - is standard input
    #[arg(value_name = "HISTORY")]
    history: PathBuf,
}

pub(super) fn check(flags: &CheckFlags) -> anyhow::Result<Exit> {
    let checks = Checks {
        availability: flags.availability,
        consistency_models: flags.consistency_models.clone(),
        strict: flags.strict,
        compatible: flags.compatible,
        budget: flags.check_budget.budget(),
        ..Checks::new(flags.workload)
    };
    let (began, name) = (Instant::now(), flags.history.display());
    let mut history = Vec::new();
    let is_kept = flags.report.is_some() || flags.edn.is_some() || has_trace(&flags.history);
    let (mut report, count) = analyse(&checks, open(&flags.history)?, |op| {
        if is_kept {
            history.push(op);
        }
    })
    .with_context(|| format!("{name}"))?;
    let title = format!("{}, {count} lines of history", flags.workload.name());
    if let Some(folder) = &flags.edn {
        keep_edn(folder, &flags.history, &report, &history)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
    }
    let mut chart = Chart::new(history.last().map_or(Duration::ZERO, Op::at));
    history.iter().for_each(|op| chart.observe(op));
    let run = or_warn(Recording::beside(&flags.history, history)).flatten();
    let kept = run.as_ref().map(|run| run.explain(&mut report, Names::unknown()));
    if let Some(path) = &flags.report {
        let summary = Summary::of(&report, &[]);
        let run = run.zip(kept).map(|(run, kept)| run.sections(&kept, &summary));
        let frame = html::Frame { title: title.clone(), run, ..html::Frame::default() };
        let page = html::render(&summary, &frame, &chart);
        fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let (title_of, time) = (title.clone(), began.elapsed());
    let case = Case { title: title_of, report, command: None, folder: None, time };
    if flags.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&case.report)?));
    } else {
        let frame = text::Frame { title, footer: Vec::new(), width: columns() };
        let style = Style::of(&io::stdout());
        let text = Summary::of(&case.report, &[]).text(&frame, style);
        flags.tell.print(&case, &text);
    }
    flags.tell.keep(std::slice::from_ref(&case), None)?;
    Ok(case.valid().into())
}

/// Whether the messages of the run are known, too.
fn has_trace(history: &Path) -> bool {
    history.with_file_name("trace.jsonl").exists()
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Box::new(file))
}

/// Writes what the original would, unless that is what was read.
fn keep_edn(folder: &Path, read: &Path, report: &Report, history: &[Op]) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let same = fs::canonicalize(folder.join(edn::HISTORY)).ok();
    let is_read = same.is_some_and(|file| fs::canonicalize(read).is_ok_and(|read| read == file));
    ensure!(!is_read, "its {} is the history that was checked", edn::HISTORY);
    Ok(edn::write(folder, report, history.iter())?)
}

/// The report on a history, and how many operations it has. Each goes to `keep` at last.
fn analyse(
    checks: &Checks,
    input: impl Read,
    mut keep: impl FnMut(Op),
) -> anyhow::Result<(Report, u64)> {
    let mut analysis = Analysis::new(checks, Names::unknown());
    let mut count = 0;
    for op in form::read(input, checks.workload)? {
        let op = op?;
        analysis.observe(&op);
        keep(op);
        count += 1;
    }
    Ok((analysis.finish(), count))
}
