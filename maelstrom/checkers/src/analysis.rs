//! All checks of one test together.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::availability::Availability;
use super::changes::Changes;
use super::counter::Counter;
use super::echo::Echo;
use super::kafka::KafkaChecker;
use super::linearizable::Linearizable;
use super::panics::NodePanics;
use super::perf::Perf;
use super::reasons;
use super::set_full::SetFull;
use super::settling::Settling;
use super::stats::Stats;
use super::txn::TxnChecker;
use super::unique_ids::UniqueIds;
use super::visibility::Visibility;
use super::witness::{Event, Names};
use super::{Checker, Finding, Outcome, Validity};
use crate::checks::{Checks, Promise, Workload};
use crate::figures::Figures;
use crate::history::Op;

impl Checks {
    /// The checker of the workload alone; an [`Analysis`] has what is asked of every test, too.
    pub fn checker(&self, names: Names) -> Box<dyn Checker> {
        match self.workload {
            Workload::Broadcast => Box::new(SetFull::new("broadcast", self.strict, names)),
            Workload::Echo => Box::new(Echo::new(names)),
            Workload::GCounter | Workload::PnCounter => Box::new(Counter::new(self.strict, names)),
            Workload::GSet => Box::new(SetFull::new("add", self.strict, names)),
            Workload::Kafka => Box::new(KafkaChecker::new(self.compatible)),
            Workload::LinKv => Box::new(Linearizable::new(self.budget, self.compatible, names)),
            Workload::UniqueIds => Box::new(UniqueIds::new(names)),
            Workload::TxnListAppend => Box::new(TxnChecker::of_lists(self)),
            Workload::TxnRwRegister => Box::new(TxnChecker::of_registers(self)),
        }
    }
}

/// Feeds a history to every check of a test.
pub struct Analysis {
    seen: Seen,
    changes: Changes,
    panics: NodePanics,
    compatible: bool,
    parts: Vec<(&'static str, Box<dyn Checker>)>,
}

impl Analysis {
    /// The checks that these settings ask for.
    pub fn new(checks: &Checks, names: Names) -> Self {
        let workload = checks.checker(names);
        let mut parts: Vec<(_, Box<dyn Checker>)> = vec![
            ("workload", workload),
            ("stats", Box::<Stats>::default()),
            ("availability", Box::new(Availability::new(checks.availability, names))),
            ("perf", Box::<Perf>::default()),
        ];
        if let Some(Promise { within, shown_within, .. }) = checks.promise {
            parts.push(("settling", Box::new(Settling::new(checks.workload, within, names))));
            if let Some(within) = shown_within {
                parts.push(("visibility", Box::new(Visibility::new(within, names))));
            }
        }
        let (seen, changes) = (Seen::new(checks), Changes::new(checks, names));
        let (panics, compatible) = (NodePanics::default(), checks.compatible);
        Self { seen, changes, panics, compatible, parts }
    }

    /// Takes the next operation.
    pub fn observe(&mut self, op: &Op) {
        self.seen.observe(op);
        self.changes.observe(op);
        for (_, checker) in &mut self.parts {
            checker.observe(op);
        }
    }

    /// Takes a panic of a node, so long after the start: in which part of it, what was
    /// said, and where in the code.
    pub fn panic(&mut self, node: usize, at: Duration, place: &str, text: &str, location: &str) {
        self.panics.observe(node, at, place, text, location);
    }

    /// Ends the history.
    pub fn finish(self) -> Report {
        let mut report = Report::default();
        for (name, checker) in self.parts {
            report.add(name, checker.finish());
        }
        report.changes = self.changes.that_others_need();
        if let Some(workload) = report.parts.get_mut("workload") {
            self.seen.apply(workload);
        }
        if let Some(panics) = self.panics.outcome(self.compatible) {
            report.add("nodes", panics);
        }
        report
    }
}

/// Whether clients asked for anything before the recovery phase, and whether any
/// operation completed. Otherwise a run shows nothing, whatever the workload: that is
/// *unknown*, and nothing else that could be said of it helps. The original, most of whose
/// checkers call it valid, is followed if it is to be.
struct Seen {
    workload: Workload,
    is_asked: bool,
    is_answered: bool,
    is_compatible: bool,
}

impl Seen {
    fn new(checks: &Checks) -> Self {
        let (workload, is_compatible) = (checks.workload, checks.compatible);
        Self { workload, is_asked: false, is_answered: false, is_compatible }
    }

    fn observe(&mut self, op: &Op) {
        let is_enough = self.is_asked && self.is_answered;
        if !is_enough && op.process.is_client() && op.f != "crash" {
            let is_of_workload = || self.workload.functions().contains(&&*op.f);
            self.is_answered |= !op.is_invocation();
            self.is_asked |= op.is_invocation() && !op.is_of_the_end() && is_of_workload();
        }
    }

    /// What is missing.
    fn finding(&self) -> Option<Finding> {
        let name = self.workload.name();
        let (kind, text) = match (self.is_asked, self.is_answered) {
            (true, true) => return None,
            (false, _) => (
                "nothing-asked",
                format!(
                    "No client asked for anything that {name} has, so nothing was tested. It takes a \
                     rate above 0, a time limit in which operations can begin, and the history of \
                     this workload."
                ),
            ),
            (true, false) => (
                "nothing-completed",
                "No operation of a client completed, so nothing was seen. The history ends before \
                 any was answered or given up: was it cut off?"
                    .to_owned(),
            ),
        };
        Some(Finding::new(kind, text, Vec::new()))
    }

    fn apply(&self, outcome: &mut Outcome) {
        // What did not complete proves nothing against a node.
        let is_proven = outcome.valid == Validity::Invalid && self.is_answered;
        let is_open = !self.is_compatible && !is_proven;
        if let Some(finding) = self.finding().filter(|_| is_open) {
            outcome.valid = Validity::Unknown;
            outcome.findings = vec![finding];
        }
    }
}

/// The parts of a report in the order in which they may be the cause of what others
/// find: a run that broke off, a node that panicked, operations of which none succeeded,
/// what was read, what was missed of that.
const ORDER: [&str; 7] = ["run", "nodes", "stats", "workload", "availability", "limits", "net"];

/// Where a part stands: what is wrong comes before what could not be told, and in that
/// order; other parts come last.
fn rank(name: &str, part: &Outcome) -> impl Ord + use<> {
    (Reverse(part.valid), ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len()))
}

/// How many nodes a sentence names.
const NAMED: usize = 8;

/// What all checks together conclude.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The outcomes of the checks, by the original's names.
    pub parts: BTreeMap<&'static str, Outcome>,
    /// What they measured.
    pub figures: Figures,
    /// By node, a change that it acknowledged before another node was asked
    /// something.
    changes: BTreeMap<u64, Event>,
}

impl Report {
    /// Adds another check's outcome.
    pub fn add(&mut self, name: &'static str, mut outcome: Outcome) {
        self.figures.add(std::mem::take(&mut outcome.figures));
        self.parts.insert(name, outcome);
    }

    /// Says that so many answers to operations of this function came after these had been
    /// given up, and by how much at most.
    pub fn add_late(&mut self, f: &str, count: u64, most: Duration) {
        let reasons = &mut self.figures.reasons;
        reasons::add_late(reasons, f, count, most);
        let stats = self.parts.get_mut("stats");
        if let Some(told) = stats.and_then(|stats| stats.results.get_mut("reasons")) {
            *told = reasons::to_json(reasons);
        }
    }

    /// The worst of the parts' verdicts.
    pub fn valid(&self) -> Validity {
        self.parts.values().map(|part| part.valid).max().unwrap_or(Validity::Valid)
    }

    /// All findings, causes before what may come of them.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.in_order().flat_map(|part| &part.findings)
    }

    /// The outcomes of the checks, in the same order.
    pub fn in_order(&self) -> impl Iterator<Item = &Outcome> {
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort_by_key(|(name, part)| rank(name, part));
        parts.into_iter().map(|(_, part)| part)
    }

    /// All findings, to say more of them, in the same order.
    pub fn findings_mut(&mut self) -> impl Iterator<Item = &mut Finding> {
        let mut parts: Vec<_> = self.parts.iter_mut().collect();
        parts.sort_by_key(|(name, part)| rank(name, part));
        parts.into_iter().flat_map(|(_, part)| &mut part.findings)
    }

    /// All warnings, to say more of them.
    pub fn warnings_mut(&mut self) -> impl Iterator<Item = &mut Finding> {
        self.parts.values_mut().flat_map(|part| &mut part.warnings)
    }

    /// Of the nodes that never sent anything to another node or to a service, those that
    /// acknowledged a change which others need, if there are any.
    pub fn no_exchange(&self, silent: &[usize]) -> Option<Finding> {
        let changes = &self.changes;
        let told: Vec<(usize, Event)> =
            silent.iter().filter_map(|&node| Some((node, *changes.get(&(node as u64))?))).collect();
        let first = told.first()?;
        let mut names: Vec<String> =
            told.iter().take(NAMED).map(|(node, _)| format!("n{node}")).collect();
        if told.len() > NAMED {
            names.push(format!("{} more", told.len() - NAMED));
        }
        let text = format!(
            "Never sent a message to another node or to a service: {}. Yet each of them acknowledged a change, \
             n{} with {}, and later another node was asked, which cannot know of it by way of the network. That \
             nothing else was found means that these operations could not show it.",
            names.join(", "),
            first.0,
            first.1.at(),
        );
        let ops = told.iter().take(NAMED).map(|(_, change)| change.index).collect();
        Some(Finding::new("no-exchange", text, ops))
    }
}

/// As `results.json` has it: every part under its name, and `valid?`. Findings
/// and warnings of a part, which the original does not have, stand under those
/// names where there are any.
impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map: Map<String, Value> =
            self.parts.iter().map(|(name, part)| ((*name).to_owned(), to_json(part))).collect();
        map.insert("valid?".to_owned(), json!(self.valid()));
        map.serialize(serializer)
    }
}

fn to_json(part: &Outcome) -> Value {
    let mut json = part.to_json();
    for (name, list) in [("findings", &part.findings), ("warnings", &part.warnings)] {
        if !list.is_empty() {
            json[name] = json!(list);
        }
    }
    json
}
