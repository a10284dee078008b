//! `workbench export`: a run in a form that other programs show.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use checkers::history::{self, Op};
use clap::{Args, ValueEnum};
use simulator::Address;
use simulator::trace::Trace;

use super::Exit;
use super::messages::{address, seconds};
use super::run_flags::RunFlags;
use crate::report::export::{self, Selection};

/// What the command line of `workbench export` says.
#[derive(Args, Clone, Debug)]
pub(super) struct ExportFlags {
    #[command(flatten)]
    run: RunFlags,

    /// In which form
    #[arg(short, long, value_enum)]
    format: Format,

    /// Only messages that these nodes, clients or services sent or were sent, separated
    /// by commas, and what happened to these nodes
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = address)]
    node: Vec<Address>,

    /// Only what began so long after the test did, such as 5.3s
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    from: Option<Duration>,

    /// Only what began no longer than so long after the test did
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    to: Option<Duration>,

    /// Write to this file; to standard output otherwise
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A picture of messages between lines, as Maelstrom's messages.svg
    LamportSvg,
    /// A log with vector clocks, for ShiViz
    Shiviz,
    /// The trace as it is, a line of JSON for each event
    Jsonl,
    /// Chrome's trace events in JSON, for Perfetto
    Chrome,
}

impl ExportFlags {
    fn selection(&self) -> Selection {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        Selection {
            nodes: self.node.clone(),
            from: self.from.map_or(i64::MIN, nanos),
            to: self.to.map_or(i64::MAX, nanos),
        }
    }
}

pub(super) fn run(flags: &ExportFlags) -> anyhow::Result<Exit> {
    let trace = flags.run.trace()?;
    let selection = flags.selection();
    let (output, name): (Box<dyn Write>, String) = match &flags.output {
        None => (Box::new(io::stdout().lock()), "standard output".to_owned()),
        Some(path) => {
            let name = path.display().to_string();
            let file = File::create(path).with_context(|| format!("cannot write {name}"))?;
            (Box::new(file), name)
        }
    };
    match write(flags, BufWriter::new(output), &trace, &selection) {
        Ok(steps) => {
            tell_what_is_left_out(&trace, &selection, steps);
            Ok(Exit::Valid)
        }
        Err(error) if is_broken_pipe(&error) => Ok(Exit::Valid),
        Err(error) => Err(error.context(format!("cannot write to {name}"))),
    }
}

/// Whoever read it has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// How many steps the picture has no room for.
fn write(
    flags: &ExportFlags,
    output: impl Write,
    trace: &Trace,
    selection: &Selection,
) -> anyhow::Result<usize> {
    match flags.format {
        Format::LamportSvg => return Ok(export::lamport(output, trace, selection)?),
        Format::Shiviz => export::shiviz(output, trace, selection)?,
        Format::Jsonl => {
            let file = BufReader::new(File::open(flags.run.path("trace.jsonl")?)?);
            export::lines(output, file, trace, selection)?;
        }
        Format::Chrome => {
            let file = File::open(flags.run.path("history.jsonl")?)?;
            let history: Vec<Op> = history::read(file)?.collect::<Result<_, _>>()?;
            export::chrome(output, trace, &history, selection)?;
        }
    }
    Ok(0)
}

fn tell_what_is_left_out(trace: &Trace, selection: &Selection, steps: usize) {
    let mut told = Vec::new();
    let (all, kept) = (trace.messages.len(), selection.count(trace));
    if kept < all {
        told.push(format!("{} of {all} messages are left out, as the flags ask", all - kept));
    }
    if steps > 0 {
        told.push(format!(
            "{steps} steps at the end have no room in the picture: --from, --to and --node choose \
             others"
        ));
    }
    let (messages, logs) =
        trace.gaps.iter().fold((0, 0), |sum, gap| (sum.0 + gap.messages, sum.1 + gap.logs));
    for (lost, what) in [(messages, "messages"), (logs, "lines that nodes logged")] {
        if lost > 0 {
            told.push(format!("the trace itself lacks {lost} {what}: see --trace-limit of test"));
        }
    }
    let text: String = told.iter().map(|line| format!("{line}\n")).collect();
    let _ = io::stderr().write_all(text.as_bytes());
}
