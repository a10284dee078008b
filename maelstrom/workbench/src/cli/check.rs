//! `workbench check`: the verdict on a history that is there already.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use checkers::history::{self, Form};
use checkers::txn::Model;
use checkers::{Analysis, Availability, Checks, Names, Report, Workload};
use clap::Args;

use super::flags::BudgetFlags;
use super::{Exit, columns, print, values};
use crate::report::style::Style;
use crate::report::summary::Summary;
use crate::report::text;

/// What the command line of `workbench check` says.
#[derive(Args, Clone, Debug)]
pub(super) struct CheckFlags {
    /// What clients did
    #[arg(short, long, value_name = "NAME", value_parser = values::workload())]
    workload: Workload,

    /// How many operations have to succeed: total, or a fraction from 0 to 1
    #[arg(long, value_name = "EXPECTED", value_parser = values::availability,
          allow_hyphen_values = true)]
    availability: Option<Availability>,

    /// Consistency models that transactions have to meet, separated by commas
    #[arg(
        long,
        value_name = "MODELS",
        value_delimiter = ',',
        default_value = "strict-serializable"
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

    /// Print the results as JSON
    #[arg(long)]
    json: bool,

    /// A history in JSON Lines, perhaps compressed with gzip; - is standard input
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
    let name = flags.history.display();
    let (report, count) =
        analyse(&checks, open(&flags.history)?).with_context(|| format!("{name}"))?;
    if flags.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        let title = format!("{}, {count} lines of history", flags.workload.name());
        let frame = text::Frame { title, footer: Vec::new(), width: columns() };
        let style = Style::of(&io::stdout());
        print(&text::render(&Summary::of(&report, &[]), &frame, style));
    }
    Ok(report.valid().into())
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Box::new(file))
}

/// The report on a history, and how many operations it has.
fn analyse(checks: &Checks, input: impl Read) -> anyhow::Result<(Report, u64)> {
    let mut analysis = Analysis::new(checks, Names::unknown());
    let mut form = Form::new(checks.workload);
    let mut count = 0;
    for op in history::read(input)? {
        let op = op?;
        form.observe(&op)?;
        analysis.observe(&op);
        count += 1;
    }
    Ok((analysis.finish(), count))
}
