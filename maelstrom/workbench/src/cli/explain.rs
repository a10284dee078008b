//! `workbench explain`: why a run failed.
//!
//! It is found out when the run is over, and kept in `why.json`.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, bail};
use checkers::history::{self, Op};
use checkers::{Finding, Names, Report};
use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use simulator::explain::{self, Why};
use simulator::trace::Trace;

use super::messages::Line;
use super::run_flags::{RunFlags, read_trace};
use super::{Exit, print, printable};
use crate::report::page::Sections;
use crate::report::summary::Summary;

/// What the command line of `workbench explain` says.
#[derive(Args, Clone, Debug)]
pub(super) struct ExplainFlags {
    #[command(flatten)]
    run: RunFlags,

    /// Which finding, from 1; it is told with its messages. All are told otherwise
    #[arg(long, value_name = "NUM")]
    finding: Option<usize>,
}

/// What stands under all findings.
const TIP: &str = "workbench explain --finding NUM tells one with its messages.";

/// A finding of a run, and what is behind it.
#[derive(Debug, Serialize, Deserialize)]
struct Explained {
    kind: String,
    text: String,
    ops: Vec<u64>,
    /// Nothing, if the trace does not show it.
    #[serde(flatten)]
    why: Option<Why>,
}

impl Explained {
    fn new(finding: &Finding, why: Option<Why>) -> Self {
        let Finding { kind, text, ops, .. } = finding.clone();
        Self { kind, text, ops, why }
    }
}

/// What a run's folder has of a run that is over.
pub(super) struct Recording {
    ops: Vec<Op>,
    trace: Trace,
}

impl Recording {
    pub(super) fn read(run: &Path) -> anyhow::Result<Self> {
        let history = File::open(run.join("history.jsonl")).context("history.jsonl")?;
        let ops = history::read(history)?.collect::<Result<_, _>>().context("history.jsonl")?;
        Ok(Self { ops, trace: read_trace(&run.join("trace.jsonl"))? })
    }

    /// This history, with the trace in the same folder if there is one.
    pub(super) fn beside(path: &Path, ops: Vec<Op>) -> anyhow::Result<Option<Self>> {
        let trace = path.with_file_name("trace.jsonl");
        if !trace.exists() {
            return Ok(None);
        }
        Ok(Some(Self { ops, trace: read_trace(&trace)? }))
    }

    /// Finds out why, says it in the report, and returns it.
    pub(super) fn explain(&self, report: &mut Report, names: Names) -> Kept {
        let run = explain::Run::new(&self.ops, &self.trace, names);
        let why = |finding: &Finding| run.explain(finding);
        let all = Summary::of(report, &[]);
        let all = all.all_findings(why).into_iter();
        let kept = Kept(all.map(|(finding, why)| Explained::new(finding, why)).collect());
        let text = |why: Option<&Why>| why.map(|why| why.text.clone());
        report.findings_mut().for_each(|finding| finding.why = text(kept.why(finding)));
        report.warnings_mut().for_each(|finding| finding.why = text(why(finding).as_ref()));
        kept
    }

    /// The same as a page shows it, with the findings of a summary.
    pub(super) fn sections(self, kept: &Kept, summary: &Summary) -> Sections {
        Sections::of(&self.trace, self.ops, &summary.all_findings(|finding| kept.why(finding)))
    }
}

/// Findings in the order in which reports show them, and why they were found.
#[derive(Serialize)]
pub(super) struct Kept(Vec<Explained>);

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Why this was found.
    fn why(&self, finding: &Finding) -> Option<&Why> {
        let is_it = |of: &&Explained| (&of.kind, &of.text) == (&finding.kind, &finding.text);
        self.0.iter().find(is_it)?.why.as_ref()
    }
}

pub(super) fn run(flags: &ExplainFlags) -> anyhow::Result<Exit> {
    let all = match (flags.run.path("why.json"), flags.run.path("results.json")) {
        (Err(_), Ok(results)) => findings(&read_json(&results)?),
        (path, _) => read_json(&path?)?,
    };
    if all.is_empty() {
        print("Nothing was found in this run.\n");
        return Ok(Exit::Invalid);
    }
    let unknown = match flags.run.path("trace.jsonl") {
        Ok(_) => "the trace does not show it",
        Err(_) => "this run has no trace",
    };
    let tell = |explained: &Explained, number| {
        let Explained { kind, text, why, .. } = explained;
        let why = why.as_ref().map_or(unknown, |why| &why.text);
        let [kind, text, why] = [kind, text, why].map(printable);
        print(&format!("{number}. {kind}: {text}\n   why: {why}\n"));
    };
    let Some(number) = flags.finding else {
        all.iter().zip(1..).for_each(|(explained, number)| tell(explained, number));
        if all.iter().any(|explained| explained.why.is_some()) {
            print(&format!("\n{TIP}\n"));
        }
        return Ok(Exit::Valid);
    };
    let Some(explained) = number.checked_sub(1).and_then(|place| all.get(place)) else {
        bail!("there is no finding {number}: there are {}", all.len());
    };
    tell(explained, number);
    if let Some(why) = &explained.why {
        let trace = flags.run.trace()?;
        let sent = why.messages.iter().filter_map(|id| trace.message(*id));
        sent.for_each(|sent| print(&Line::of(sent).to_string()));
    }
    Ok(Exit::Valid)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    serde_json::from_slice(&fs::read(path)?).with_context(|| format!("{}", path.display()))
}

/// The findings of `results.json`, of a run that was not explained.
fn findings(results: &Value) -> Vec<Explained> {
    let parts = results.as_object().into_iter().flat_map(|parts| parts.values());
    let all = parts.filter_map(|part| part.get("findings")?.as_array()).flatten();
    all.filter_map(|finding| Explained::deserialize(finding).ok()).collect()
}

#[cfg(test)]
mod tests {
    use checkers::{Outcome, Validity};

    use super::*;
    use crate::report::chart::Chart;
    use crate::report::html;

    #[test]
    fn a_finding_has_the_same_number_here_and_in_the_page() {
        let mut report = Report::default();
        let findings = ["lost a", "late b", "lost c"].map(|text| {
            let kind = text.split(' ').next().unwrap_or_default();
            Finding::new(kind, text, vec![1])
        });
        let outcome =
            Outcome { valid: Validity::Invalid, findings: findings.into(), ..Outcome::default() };
        report.add("workload", outcome);
        let recording = Recording { ops: Vec::new(), trace: Trace::default() };
        let kept = recording.explain(&mut report, Names::unknown());
        let summary = Summary::of(&report, &[]);
        let run = Some(recording.sections(&kept, &summary));
        let frame = html::Frame { run, ..html::Frame::default() };
        let page = html::render(&summary, &frame, &Chart::new(std::time::Duration::ZERO));
        assert_eq!(kept.0.len(), 3);
        for (explained, number) in kept.0.iter().zip(1..) {
            let shown = format!("{} <a href=\"#finding={number}\">", explained.text);
            assert!(page.contains(&shown), "{shown}");
        }
    }
}
