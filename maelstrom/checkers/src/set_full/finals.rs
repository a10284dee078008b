//! Whether nodes agree in the end.
//!
//! Each client reads once more when all had time to tell each other: the *final*
//! reads. An element that one of them has and another lacks is with some nodes for
//! good and with others never. The original looks at the read that begins last, so
//! that its verdict depends on who that is.
//!
//! Broadcast marks final reads. Where nothing does (g-set), a client's last read is
//! its final one if it began after the last add.

use std::collections::{BTreeMap, BTreeSet};

use super::elements::Elements;
use crate::history::{Op, OpType, Process};
use crate::witness::{Event, Findings, Names};
use crate::{Finding, Subject};

/// How many elements a sentence names.
const SHOWN: usize = 8;

#[derive(Default)]
pub(super) struct FinalReads {
    are_marked: bool,
    by_process: BTreeMap<Process, FinalRead>,
}

struct FinalRead {
    begun: Event,
    /// What was read, if it was answered.
    list: Option<String>,
}

pub(super) struct Divergence {
    /// Elements that some have and others lack.
    pub(super) findings: Vec<Finding>,
    /// Nodes of which it is not known.
    pub(super) unanswered: Vec<Finding>,
}

impl FinalReads {
    pub(super) fn new(are_marked: bool) -> Self {
        Self { are_marked, ..Self::default() }
    }

    /// An add began or ended: reads before it were no final ones.
    pub(super) fn add(&mut self) {
        if !self.are_marked {
            self.by_process.clear();
        }
    }

    pub(super) fn observe(&mut self, op: &Op) {
        if self.are_marked && !op.is_final {
            return;
        }
        if op.is_invocation() {
            let read = FinalRead { begun: Event::of(op), list: None };
            self.by_process.insert(op.process, read);
        } else if op.kind == OpType::Ok
            && let Some(read) = self.by_process.get_mut(&op.process)
        {
            read.list = Some(op.value.get().to_owned());
        }
    }

    pub(super) fn divergence(&self, elements: &Elements, names: Names) -> Divergence {
        let reads: Vec<(Event, Vec<bool>)> = self
            .by_process
            .values()
            .filter_map(|read| Some((read.begun, elements.members(read.list.as_deref()?)?)))
            .collect();
        let mut missing = Findings::default();
        let mut differing = Findings::default();
        let holders = holders(&reads);
        for (read, has) in &reads {
            let lacks = |id: &u32| holders[*id as usize].is_some() && !has[*id as usize];
            let (acknowledged, doubtful): (Vec<u32>, Vec<u32>) =
                elements.ids().filter(lacks).partition(|id| elements.is_acknowledged(*id));
            for (lacking, findings, fate) in [
                (acknowledged, &mut missing, "acknowledged"),
                (doubtful, &mut differing, "never acknowledged"),
            ] {
                let holder = lacking.first().and_then(|id| holders[*id as usize]);
                if let Some(holder) = holder {
                    findings.push_about(
                        &[holder.index.min(read.index), holder.index.max(read.index)],
                        || Subject::value(&elements.some(&lacking[..1], 1)),
                        || describe(*read, holder, &elements.some(&lacking, SHOWN), fate, names),
                    );
                }
            }
        }
        let mut findings = missing.into_vec("missing-at-end");
        findings.extend(differing.into_vec("reads-differ"));
        Divergence { findings, unanswered: self.unanswered(names) }
    }

    /// Nodes without an answered final read; where it is not known who talks to
    /// which node, processes.
    fn unanswered(&self, names: Names) -> Vec<Finding> {
        let whose = |process: &Process| names.node(*process).ok_or(*process);
        let is_answered = |read: &FinalRead| read.list.is_some();
        let answered: BTreeSet<_> = self
            .by_process
            .iter()
            .filter(|(_, read)| is_answered(read))
            .map(|(process, _)| whose(process))
            .collect();
        let mut findings = Findings::default();
        for (process, read) in self.by_process.iter().filter(|(_, read)| !is_answered(read)) {
            if !answered.contains(&whose(process)) {
                findings.push(&[read.begun.index], || {
                    format!(
                        "The final read of {} ({}) was not answered, so what its node has in the end \
                         is not known.",
                        names.who(*process),
                        read.begun.at()
                    )
                });
            }
        }
        findings.into_vec("no-final-read")
    }
}

/// By element, the first read that has it.
fn holders(reads: &[(Event, Vec<bool>)]) -> Vec<Option<Event>> {
    let count = reads.first().map_or(0, |(_, has)| has.len());
    let mut holders = vec![None; count];
    for (read, has) in reads {
        for (holder, _) in holders.iter_mut().zip(has).filter(|(_, has)| **has) {
            holder.get_or_insert(*read);
        }
    }
    holders
}

fn describe(read: Event, holder: Event, values: &str, fate: &str, names: Names) -> String {
    let (who, whose) = (names.who(read.process), names.who(holder.process));
    format!(
        "The final read of {who} ({}) lacks {values}, {fate}, which the final read of {whose} ({}) has: \
         the nodes do not agree in the end.",
        read.at(),
        holder.at(),
    )
}
