//! `workbench explain`: why a run failed.
//!
//! It is found out when the run is over, and kept in `why.json`.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use checkers::history::{self, Op};
use checkers::{Finding, Report};
use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use simulator::Settings;
use simulator::explain::{self, Why};
use simulator::trace::Trace;

use super::messages::Line;
use super::{Exit, print, printable};
use crate::report::store::Store;

/// What the command line of `workbench explain` says.
#[derive(Args, Clone, Debug)]
pub(super) struct ExplainFlags {
    #[command(flatten)]
    run: RunFlags,

    /// Which finding, from 1; it is told with its messages. All are told otherwise
    #[arg(long, value_name = "NUM")]
    finding: Option<usize>,
}

/// Which run is looked at.
#[derive(Args, Clone, Debug)]
pub(super) struct RunFlags {
    /// The folder of a run
    #[arg(value_name = "RUN", default_value = "store/latest")]
    run: PathBuf,
}

impl RunFlags {
    /// A file of the run.
    pub(super) fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let run = self.run.display();
        ensure!(self.run.is_dir(), "{run} is no folder of a run: those are in the store");
        let path = self.run.join(name);
        ensure!(path.is_file(), "{run} has no {name}");
        Ok(path)
    }

    pub(super) fn trace(&self) -> anyhow::Result<Trace> {
        let path = self.path("trace.jsonl")?;
        read_trace(&path)
    }
}

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

/// Finds out why a run failed: says it in the report, and keeps it in the store.
pub(super) fn explain(
    report: &mut Report,
    settings: &Settings,
    store: &Store,
) -> anyhow::Result<()> {
    if report.findings().next().is_none() {
        return Ok(());
    }
    let history = File::open(store.path("history.jsonl"))?;
    let ops = history::read(history)?.collect::<Result<Vec<Op>, _>>()?;
    let trace = read_trace(&store.path("trace.jsonl"))?;
    let run = explain::Run::new(&ops, &trace, settings.names());
    let mut all = Vec::new();
    for finding in report.findings_mut().filter(|finding| finding.omitted.is_none()) {
        let why = explain::explain(&run, finding);
        finding.why = why.as_ref().map(|why| why.text.clone());
        all.push(Explained::new(finding, why));
    }
    Ok(store.write_json("why.json", &all)?)
}

fn read_trace(path: &Path) -> anyhow::Result<Trace> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Trace::read(BufReader::new(file)).with_context(|| format!("{}", path.display()))
}

/// What a run's folder has of why it failed, if anything.
#[derive(Default)]
pub(super) struct Kept(Vec<Explained>);

impl Kept {
    pub(super) fn read(run: &Path) -> anyhow::Result<Self> {
        match fs::read(run.join("why.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(Vec::new())),
            text => Ok(Self(serde_json::from_slice(&text?).context("why.json")?)),
        }
    }

    /// Why this was found.
    pub(super) fn why(&self, finding: &Finding) -> Option<&Why> {
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
