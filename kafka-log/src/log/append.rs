//! Appending to the own partition: one segment at a time, then telling others of it.
//!
//! Always: at most one segment of the own partition is under way, and it comes after
//! all that it says it has seen; nobody is told of a segment that is not decided.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Answer, Command, InFlight, Log, Phase, Register, Time};
use crate::injected_bugs::Bug;
use crate::queue::{Entry, Work};
use crate::segment::Segment;

impl Log {
    /// Appends to the own partition what has waited enough.
    pub(super) fn append(&mut self, now: Time) {
        let caught_up = self.sources[self.me].segments.is_caught_up();
        if self.in_flight.is_some() || !caught_up || !self.replica.may_append(self.me) {
            return;
        }
        let due = match self.phase {
            Phase::Claiming => Some(now),
            Phase::Serving => {
                let due = self.queue.due(self.pace.linger(), self.pace.rejoin());
                due.or_else(|| self.acknowledge_due())
            }
            Phase::Recovering | Phase::Broken => None,
        };
        if let Some(at) = due
            && self.is_due(now, at)
        {
            self.propose_next(now);
        }
    }

    /// When to append an empty segment because messages wait for this partition to
    /// have seen them, and nothing else is to be appended.
    fn acknowledge_due(&self) -> Option<Time> {
        self.sources[self.me].waiting.since().map(|since| since + self.pace.acknowledge)
    }

    /// Proposes all that waits as the own partition's next segment.
    fn propose_next(&mut self, now: Time) {
        let mut seen = self.replica.applied();
        if self.options.ack_early && !self.queue.is_empty() {
            seen.clone_from(&self.acknowledged_after);
        }
        let index = self.sources[self.me].segments.next();
        seen[self.me] = index + 1;
        let entries = self.queue.take();
        let answers: Vec<Answer> = entries.iter().map(|entry| self.answer_to(entry)).collect();
        let mut entries: Vec<(Entry, Answer)> = entries.into_iter().zip(answers).collect();
        let segment = Segment {
            by: self.sign().into(),
            seen,
            exclusive: self.options.ack_early,
            sends: sends(&entries),
            commits: commits(&entries),
        };
        if let Some(text) = self.encoded(segment.encode()) {
            let register = Register::Segment(self.me, index);
            self.commands.push(Command::Propose(register, Arc::clone(&text)));
            if self.options.bugs.has(Bug::AnswerUnwritten) {
                for (entry, answer) in &mut entries {
                    self.answer(entry.ticket.take(), *answer);
                }
            }
            self.in_flight = Some(InFlight { index, text, entries, since: now });
        }
    }

    /// What this request will be answered if its segment is decided.
    fn answer_to(&mut self, entry: &Entry) -> Answer {
        match &entry.work {
            Work::Send { offset: Some(offset), .. } => Answer::Sent(*offset),
            Work::Send { key, .. } => Answer::Sent(self.replica.next_offset(self.me, key)),
            Work::Commit(_) => Answer::Committed,
        }
    }

    /// The register that the own segment was proposed for has its text.
    pub(super) fn decided_own(&mut self, now: Time, index: u64, text: &Arc<str>) {
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.index == index) else {
            return;
        };
        self.pace.took(now.saturating_sub(in_flight.since));
        if in_flight.text == *text {
            if self.phase == Phase::Claiming {
                self.phase = Phase::Serving;
            }
            for (entry, answer) in in_flight.entries {
                if entry.ticket.is_some() {
                    self.queue.answered(now, &entry.client);
                }
                self.answer(entry.ticket, answer);
            }
        } else {
            // Another segment stands there, so this one never will. What nobody
            // waits for any more was answered "perhaps" and may be left out.
            let keep = |entry: &Entry| entry.ticket.is_some() || self.options.ack_early;
            let entries = in_flight.entries.into_iter().map(|(entry, _)| entry);
            self.queue.put_back(now, entries.filter(keep).collect());
        }
    }
}

/// The messages of a segment, by key.
fn sends(entries: &[(Entry, Answer)]) -> BTreeMap<Cow<'_, str>, Vec<(u64, &RawValue)>> {
    let mut sends: BTreeMap<Cow<'_, str>, Vec<_>> = BTreeMap::new();
    for (entry, answer) in entries {
        if let (Work::Send { key, message, .. }, Answer::Sent(offset)) = (&entry.work, answer) {
            sends.entry(key.into()).or_default().push((*offset, &**message));
        }
    }
    sends
}

/// The commits of a segment, by key.
fn commits(entries: &[(Entry, Answer)]) -> BTreeMap<Cow<'_, str>, u64> {
    let mut commits: BTreeMap<Cow<'_, str>, u64> = BTreeMap::new();
    for (entry, _) in entries {
        if let Work::Commit(offsets) = &entry.work {
            for (key, &offset) in offsets {
                let committed = commits.entry(key.into()).or_default();
                *committed = offset.max(*committed);
            }
        }
    }
    commits
}
