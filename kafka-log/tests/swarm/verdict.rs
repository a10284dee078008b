//! What clients saw, held against what the log turned out to be.
//!
//! In the end every node is asked for all of the log. All must have the same, and
//! then everything that any client saw at any time must agree with that: it is
//! the one log that all were shown parts of.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::{Answered, Asked, KEYS, Request};
use crate::world::Outcome;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    /// A node failed.
    Failure(String),
    /// Nodes do not agree in the end.
    Disagreement(String),
    /// An acknowledged message is not at its offset.
    Lost { key: String, offset: u64, message: u64 },
    /// A message stands at two offsets.
    Duplicate { message: u64 },
    /// A message that was refused is in the log, or one that nobody sent.
    Phantom { message: u64 },
    /// A poll did not return what is in the log from the offset on.
    NotTheLog { request: String },
    /// A poll showed less than one before it at the same node.
    WentBack { request: String, key: String },
    /// A client's later message has a lower offset.
    SendsFell { client: usize, key: String },
    /// An acknowledged commit is missing, or one that nobody made is there.
    Commit(String),
}

/// All that is wrong.
pub(crate) fn problems(outcome: &Outcome) -> Vec<Problem> {
    let mut problems: Vec<Problem> =
        outcome.failures.iter().cloned().map(Problem::Failure).collect();
    let Some(log) = outcome.logs.first() else { return problems };
    if outcome.logs.iter().any(|other| other != log) {
        problems.push(Problem::Disagreement(format!("{:?}", outcome.logs)));
    }
    if outcome.committed.iter().any(|other| *other != outcome.committed[0]) {
        problems.push(Problem::Disagreement(format!("{:?}", outcome.committed)));
    }
    lost(outcome, log, &mut problems);
    duplicates(log, &mut problems);
    phantoms(outcome, log, &mut problems);
    polls(outcome, log, &mut problems);
    falling_sends(outcome, &mut problems);
    commits(outcome, &mut problems);
    problems
}

/// A page with so many messages may leave out others.
const PAGE: usize = 4096;

type Log = BTreeMap<String, Vec<(u64, u64)>>;

fn lost(outcome: &Outcome, log: &Log, problems: &mut Vec<Problem>) {
    for request in &outcome.history {
        if let (Asked::Send { key, message }, Answered::Sent(offset)) =
            (&request.asked, &request.answered)
            && log.get(key).is_none_or(|log| log.binary_search(&(*offset, *message)).is_err())
        {
            let (key, offset, message) = (key.clone(), *offset, *message);
            problems.push(Problem::Lost { key, offset, message });
        }
    }
}

fn duplicates(log: &Log, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for &(_, message) in log.values().flatten() {
        if !seen.insert(message) {
            problems.push(Problem::Duplicate { message });
        }
    }
    let rises = |log: &Vec<(u64, u64)>| log.is_sorted_by(|(a, _), (b, _)| a < b);
    if !log.values().all(rises) {
        problems.push(Problem::Disagreement(format!("offsets do not rise: {log:?}")));
    }
}

fn phantoms(outcome: &Outcome, log: &Log, problems: &mut Vec<Problem>) {
    let may_exist: BTreeSet<u64> = outcome
        .history
        .iter()
        .filter(|request| request.answered != Answered::Refused)
        .filter_map(|request| match request.asked {
            Asked::Send { message, .. } => Some(message),
            _ => None,
        })
        .collect();
    for &(_, message) in log.values().flatten() {
        if !may_exist.contains(&message) {
            problems.push(Problem::Phantom { message });
        }
    }
}

/// What was highest at a node for a key, and since when.
#[derive(Default)]
struct Highest<'a>(BTreeMap<(usize, &'a str), Vec<(u64, u64)>>);

impl<'a> Highest<'a> {
    /// At this time, which is not before any other, a request ended with this.
    fn note(&mut self, node: usize, key: &'a str, ended: u64, value: u64) {
        let steps = self.0.entry((node, key)).or_default();
        if steps.last().is_none_or(|&(_, highest)| highest < value) {
            steps.push((ended, value));
        }
    }

    /// The highest that a request ended with before this time.
    fn before(&self, node: usize, key: &str, begun: u64) -> Option<u64> {
        let steps = self.0.get(&(node, key))?;
        let earlier = steps.partition_point(|&(ended, _)| ended < begun);
        earlier.checked_sub(1).map(|last| steps[last].1)
    }
}

/// Every poll must show the log's messages from its offset on, without a gap; and
/// at one node, what a poll has shown, every poll that begins later shows.
fn polls(outcome: &Outcome, log: &Log, problems: &mut Vec<Problem>) {
    let mut shown = Highest::default();
    for request in &outcome.history {
        let (Asked::Poll(offsets), Answered::Polled(messages)) =
            (&request.asked, &request.answered)
        else {
            continue;
        };
        let nothing = Vec::new();
        let full = messages.values().map(Vec::len).sum::<usize>() >= PAGE;
        for (key, &offset) in offsets {
            let got = messages.get(key).unwrap_or(&nothing);
            let all = log.get(key).unwrap_or(&nothing);
            let from = all.partition_point(|&(at, _)| at < offset);
            if !all[from..].starts_with(got) || messages.get(key).is_some_and(Vec::is_empty) {
                problems.push(Problem::NotTheLog { request: format!("{request:?}") });
            }
            let end = got.last().map_or(offset, |(last, _)| last + 1);
            if !full && shown.before(request.node, key, request.begun).is_some_and(|at| at > end) {
                let request = format!("{request:?}");
                problems.push(Problem::WentBack { request, key: key.clone() });
            }
            if !got.is_empty() {
                shown.note(request.node, key, request.ended, end);
            }
        }
    }
}

fn falling_sends(outcome: &Outcome, problems: &mut Vec<Problem>) {
    let mut last: BTreeMap<(usize, &String), u64> = BTreeMap::new();
    for Request { client, asked, answered, .. } in &outcome.history {
        if let (Asked::Send { key, .. }, Answered::Sent(offset)) = (asked, answered)
            && let Some(before) = last.insert((*client, key), *offset)
            && before >= *offset
        {
            problems.push(Problem::SendsFell { client: *client, key: key.clone() });
        }
    }
}

/// Commits survive; what one node lists never falls; nothing is listed that
/// nobody committed.
fn commits(outcome: &Outcome, problems: &mut Vec<Problem>) {
    let mut attempted: BTreeSet<(&String, u64)> = BTreeSet::new();
    for request in &outcome.history {
        if let Asked::Commit(offsets) = &request.asked {
            attempted.extend(offsets.iter().map(|(key, &offset)| (key, offset)));
        }
    }
    let mut known = Highest::default();
    for request in &outcome.history {
        let offsets = match (&request.asked, &request.answered) {
            (Asked::Commit(offsets), Answered::Committed) => offsets,
            (Asked::List, Answered::Listed(listed)) => {
                for key in KEYS {
                    let before = known.before(request.node, key, request.begun);
                    if before > listed.get(key).copied() {
                        problems.push(Problem::Commit(format!("{key}: {before:?}, {request:?}")));
                    }
                }
                listed
            }
            _ => continue,
        };
        for (key, &offset) in offsets {
            known.note(request.node, key, request.ended, offset);
        }
    }
    for committed in &outcome.committed {
        for (&(node, key), steps) in &known.0 {
            let highest = steps.last().map(|&(_, highest)| highest);
            if highest > committed.get(key).copied() {
                let problem = format!("{key}: {highest:?} at n{node}, but {committed:?}");
                problems.push(Problem::Commit(problem));
            }
        }
        if let Some(phantom) = committed.iter().find(|(key, at)| !attempted.contains(&(*key, **at)))
        {
            problems.push(Problem::Commit(format!("{phantom:?} was never committed")));
        }
    }
}
