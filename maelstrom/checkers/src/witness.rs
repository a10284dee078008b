//! Words for witnesses: who did something, and when; and a list of findings
//! that stays short.

use crate::history::{Op, Process};
use crate::{Finding, Subject};

/// How many findings of one kind are told in full.
const FULL: u64 = 16;

/// Tells which node a process talks to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names {
    cluster: Option<Cluster>,
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    node_count: u64,
    concurrency: u64,
}

impl Names {
    /// Nothing is known about the cluster that a history is from.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// A cluster of so many nodes, and so many client processes at a time.
    pub fn new(node_count: usize, concurrency: usize) -> Self {
        let cluster = Cluster {
            node_count: node_count.max(1) as u64,
            concurrency: concurrency.max(1) as u64,
        };
        Self { cluster: Some(cluster) }
    }

    /// A process, and where known the node that it talks to.
    pub fn who(&self, process: Process) -> String {
        match self.node(process) {
            Some(node) => format!("{process} (n{node})"),
            None => process.to_string(),
        }
    }

    /// The number of the client thread that a process runs on, where known.
    pub(crate) fn thread(&self, process: Process) -> Option<u64> {
        let Process::Client(number) = process else { return None };
        self.cluster.map(|cluster| number % cluster.concurrency)
    }

    /// The number of the node that a process talks to, where known: a client that
    /// was left in doubt goes on as its old number plus the concurrency, on the same
    /// node.
    pub fn node(&self, process: Process) -> Option<u64> {
        self.thread(process).zip(self.cluster).map(|(thread, of)| thread % of.node_count)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) index: u64,
    /// Nanoseconds since the start.
    pub(crate) time: u64,
}

impl Point {
    pub(crate) fn of(op: &Op) -> Self {
        Self { index: op.index, time: op.time }
    }
}

pub(crate) fn seconds(nanos: u64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

/// An operation, as far as witnesses need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) index: u64,
    pub(crate) time: u64,
    pub(crate) process: Process,
}

impl Event {
    pub(crate) fn of(op: &Op) -> Self {
        Self { index: op.index, time: op.time, process: op.process }
    }

    /// `op 17 at 1.234 s`: the index, and the time since the start
    pub(crate) fn at(&self) -> String {
        format!("op {} at {}", self.index, seconds(self.time))
    }
}

/// A text cut to what fits into a sentence.
pub(crate) fn shorten(text: &str) -> String {
    shorten_to(text, 80)
}

pub(crate) fn shorten_to(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The first of some things in a sentence: `2, 3 and 4 more`.
pub(crate) fn listed(things: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = things.len().saturating_sub(most);
    let told = things.take(most).collect::<Vec<_>>().join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}

/// Findings of one kind: the first few in full, the others counted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    full: Vec<Finding>,
    count: u64,
    /// How many are told in full, if not as many as usual.
    most: Option<u64>,
}

impl Findings {
    /// Of which so many are told in full.
    pub(crate) fn telling(most: u64) -> Self {
        Self { most: Some(most), ..Self::default() }
    }

    /// Adds one. `text` is only asked for if it is going to be told.
    pub(crate) fn push(&mut self, ops: &[u64], text: impl FnOnce() -> String) {
        self.push_about(ops, Subject::default, text);
    }

    /// The same of one that is about something.
    pub(crate) fn push_about(
        &mut self,
        ops: &[u64],
        subject: impl FnOnce() -> Subject,
        text: impl FnOnce() -> String,
    ) {
        self.count += 1;
        if self.count <= self.most.unwrap_or(FULL) {
            let finding = Finding::new("", text(), ops.to_vec());
            self.full.push(Finding { subject: subject(), ..finding });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// All that was found, of this kind; where some were only counted, a last one says so.
    pub(crate) fn into_vec(mut self, kind: &str) -> Vec<Finding> {
        self.full.iter_mut().for_each(|finding| kind.clone_into(&mut finding.kind));
        let omitted = self.count - self.full.len() as u64;
        self.full.extend((omitted > 0).then(|| Finding::omission(kind, omitted)));
        self.full
    }
}

/// One finding in a list.
pub(crate) fn finding(kind: &str, text: impl Into<String>) -> Vec<Finding> {
    vec![Finding::new(kind, text.into(), Vec::new())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_its_node_after_an_indeterminate_operation() {
        let names = Names::new(3, 4);
        assert_eq!(names.who(Process::Client(3)), "p3 (n0)");
        assert_eq!(names.who(Process::Client(7)), "p7 (n0)");
        assert_eq!(Names::unknown().who(Process::Client(7)), "p7");
    }

    #[test]
    fn findings_beyond_the_first_few_are_counted() {
        let mut findings = Findings::default();
        for value in 0..20 {
            findings.push(&[value], || format!("{value} is lost."));
        }
        let told = findings.into_vec("lost");
        assert_eq!(told.len(), 17);
        assert_eq!((told[15].omitted, told[16].omitted), (None, Some(4)));
    }
}
