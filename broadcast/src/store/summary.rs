//! What a node has, in few words, and what follows for one who has something else.
//!
//! A summary names logs with the lengths of their prefixes, at most N + 256 of N nodes
//! ([`MORE_THAN_NODES`]), and gives fingerprints of the others in at most 32 ranges
//! ([`RANGES`]), however many incarnations there were. Those that changed last are named, for
//! they are where nodes differ.
//!
//! # How two nodes come to have the same
//!
//! To a summary one answers with
//!
//! - what the other one lacks of the logs that are known to be shorter there,
//! - the lengths of those that are shorter here,
//! - and a summary of the ranges whose fingerprints differ: first come ranges that are
//!   listed, as many as may be named; if there is none that is short enough, the first one is
//!   divided by [`RANGES`]/2 or more. The rest stays as it is, the last ranges as one.
//!
//! That is answered in the same way until no range differs. It ends: ranges are in the order
//! of their logs, and each answer either gets the first one that differs out of the way or
//! divides it, so that its part of the logs here is at most a seventeenth. The next answer is
//! the other node's, which divides by the logs there. So after 2 log₁₇ L answers, of L logs
//! that either node has, the first range is listed, and whoever gets a list knows what to send
//! and what to ask for. In between, ranges that differ are never forgotten: they are named,
//! divided, or become part of a larger one. Where an answer is lost, the next comparison
//! begins anew, with what came across until then.
//!
//! Fingerprints have 53 bits, so a range that differs looks the same once in 2^53 times, until
//! something in it changes.

use std::cmp::Reverse;

use super::arrivals::Pager;
use super::prefixes::Prefixes;
use super::{Log, Store, mix};
use crate::wire::{Count, LogId, Range, Run, Summary};

/// How many more logs than there are nodes are named at most.
const MORE_THAN_NODES: usize = 256;
/// How many ranges there are at most.
const RANGES: usize = 32;

impl Log {
    fn count(&self) -> Count {
        Count { log: self.id, count: self.values.len() as u64 }
    }
}

impl Store {
    /// The version vector.
    pub(crate) fn counts(&self) -> impl Iterator<Item = Count> {
        self.logs.iter().filter(|log| !log.values.is_empty()).map(Log::count)
    }

    /// What this node has.
    pub(crate) fn summary(&self) -> Summary {
        let most = self.most_named();
        let mut logs: Vec<&Log> = self.logs.iter().filter(|log| !log.values.is_empty()).collect();
        let is_all = logs.len() <= most;
        if !is_all {
            logs.select_nth_unstable_by_key(most, |log| Reverse(log.changed));
            logs.truncate(most);
        }
        let have: Vec<Count> = logs.into_iter().map(Log::count).collect();
        let named = have.iter().copied().collect();
        let ranges = if is_all { Vec::new() } else { self.divided(&self.all(), &named, RANGES) };
        Summary { have, ranges, is_partial: false }
    }

    /// What to answer to one who has that, beside runs, to learn what it has more and to find
    /// out where else the two differ; with `is_all`, what this node has.
    pub(crate) fn counterpart(&self, theirs: &Summary, is_all: bool) -> Summary {
        let unclear = self.unclear(theirs);
        let is_few = self.logs.len() <= self.most_named();
        if is_all || (unclear.is_empty() && is_few && !theirs.is_partial) {
            return self.summary();
        }
        let lacking = self.lacking(theirs.have.iter().copied()).into_iter();
        let have = lacking.map(|Count { log, .. }| {
            let own = self.index.get(&log);
            Count { log, count: own.map_or(0, |&own| self.logs[own].values.len() as u64) }
        });
        self.part(&unclear, have.collect())
    }

    /// Which of these prefixes this node does not have.
    pub(crate) fn lacking(&self, have: impl IntoIterator<Item = Count>) -> Vec<Count> {
        let lacks = |&Count { log, count }: &Count| {
            match self.index.get(&log) {
                // What others know of this incarnation's own log, it said itself.
                own if own.is_some() && own.copied() == self.own => false,
                Some(&log) => count > self.logs[log].values.len() as u64,
                None => count > 0,
            }
        };
        have.into_iter().filter(lacks).collect()
    }

    /// The ranges in which this node has something else than one who has that, beside the logs
    /// that are named there.
    pub(crate) fn unclear(&self, theirs: &Summary) -> Vec<Range> {
        let named = theirs.have.iter().copied().collect();
        let ranges = theirs.ranges.iter();
        let unclear = ranges.filter(|range| {
            range.print.is_some_and(|print| print != fingerprint(self.within(range, &named)))
        });
        unclear.map(|range| Range { print: None, ..*range }).collect()
    }

    /// What someone who has that is known to lack, as far as a message goes; and whether
    /// there is more. With `limit`, nothing beyond those prefixes.
    pub(crate) fn delta(&self, theirs: &Summary, limit: Option<&Prefixes>) -> (Vec<Run>, bool) {
        let mut page = Pager::default();
        for (id, &begin) in &self.known(theirs).0 {
            let Some(&log) = self.index.get(id) else { continue };
            let end = self.logs[log].values.len() as u64;
            let end = limit.map_or(end, |limit| end.min(limit.get(*id)));
            for position in begin..end {
                if !page.take(self, log, position as usize) {
                    return (page.runs(), true);
                }
            }
        }
        (page.runs(), false)
    }

    /// What a summary says of the logs here and of those that it names.
    fn known(&self, theirs: &Summary) -> Prefixes {
        let named: Prefixes = theirs.have.iter().copied().collect();
        let listed = theirs.ranges.iter().filter(|range| range.print.is_none());
        let all = self.all();
        let everything = (theirs.ranges.is_empty() && !theirs.is_partial).then_some(&all);
        let absent = listed.chain(everything).flat_map(|range| self.within(range, &named));
        let absent: Vec<Count> = absent.map(|log| Count { log: log.id, count: 0 }).collect();
        let mut known = named;
        known.raise(absent);
        known
    }

    /// What this node has in these ranges, which are in order, and of the logs that are named
    /// already.
    fn part(&self, ranges: &[Range], mut have: Vec<Count>) -> Summary {
        let named: Prefixes = have.iter().copied().collect();
        let mut told = Vec::new();
        for range in ranges {
            let logs: Vec<Count> = self.within(range, &named).map(Log::count).collect();
            if have.len() + logs.len() > self.most_named() {
                break;
            }
            have.extend(logs);
            told.push(*range);
        }
        if let Some((first, others)) = ranges[told.len()..].split_first() {
            let parts = if told.is_empty() { RANGES / 2 + 1 } else { 1 };
            told.extend(self.divided(first, &named, parts));
            let others = merged(others, RANGES - told.len());
            told.extend(others.iter().flat_map(|range| self.divided(range, &named, 1)));
        }
        Summary { have, ranges: told, is_partial: true }
    }

    /// Divides a range into parts with about as many logs each, not counting those that are
    /// named.
    fn divided(&self, range: &Range, named: &Prefixes, parts: usize) -> Vec<Range> {
        let logs: Vec<&Log> = self.within(range, named).collect();
        let chunks: Vec<&[&Log]> = logs.chunks(logs.len().div_ceil(parts).max(1)).collect();
        let first_keys = chunks.iter().skip(1).map(|chunk| chunk[0].id);
        let ends = first_keys.chain([range.upto]);
        let mut from = range.from;
        let mut divided = Vec::with_capacity(parts);
        for (i, upto) in ends.enumerate() {
            let chunk = chunks.get(i).copied().unwrap_or_default();
            let print = Some(fingerprint(chunk.iter().copied()));
            divided.push(Range { from, upto, print });
            from = upto;
        }
        divided
    }

    /// The logs in a range that are not empty and not named.
    fn within<'a>(&'a self, range: &Range, named: &'a Prefixes) -> impl Iterator<Item = &'a Log> {
        let logs = (range.from < range.upto).then(|| self.index.range(range.from..range.upto));
        let unnamed = logs.into_iter().flatten().filter(|(log, _)| !named.0.contains_key(log));
        unnamed.map(|(_, &log)| &self.logs[log]).filter(|log| !log.values.is_empty())
    }

    /// The range of all logs.
    fn all(&self) -> Range {
        let [from, upto] = [0, self.nodes].map(|origin| LogId { origin, incarnation: 0 });
        Range { from, upto, print: None }
    }

    fn most_named(&self) -> usize {
        self.nodes + MORE_THAN_NODES
    }
}

/// At most so many ranges, which cover these.
fn merged(ranges: &[Range], most: usize) -> Vec<Range> {
    let (kept, tail) = ranges.split_at(ranges.len().min(most.saturating_sub(1)));
    let last = tail.first().zip(tail.last());
    let last = last.map(|(first, last)| Range { from: first.from, ..*last });
    kept.iter().copied().chain(last).collect()
}

/// A number that says which these logs are and how long. It has 53 bits, as an integer has to
/// every JSON library.
fn fingerprint<'a>(logs: impl Iterator<Item = &'a Log>) -> u64 {
    let print = |log: &Log| {
        let LogId { origin, incarnation } = log.id;
        mix(mix(mix(origin as u64) ^ incarnation) ^ log.values.len() as u64)
    };
    logs.map(print).fold(0, u64::wrapping_add) >> 11
}
