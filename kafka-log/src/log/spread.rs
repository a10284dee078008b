//! Telling neighbours, listening to them, and looking after what is behind those that
//! are silent.

use super::{Command, Log, Time};
use crate::announce::{Run, Segments};
use crate::injected_bugs::Bug;

impl Log {
    /// A peer says what it has.
    pub(crate) fn receive(&mut self, now: Time, from: usize, message: Segments) {
        let neighbour = self.neighbours.iter().position(|neighbour| neighbour.node == from);
        for run in message.runs {
            if let Some(end) = run.end().filter(|_| run.partition < self.sources.len()) {
                self.known_to(neighbour, run.partition, end);
                self.learn(run, end);
            }
        }
        if message.have.len() == self.sources.len() {
            self.compare(neighbour, &message.have);
        }
        if let Some(neighbour) = neighbour.filter(|_| self.is_serving()) {
            self.neighbours[neighbour].spoke(now);
            if message.ask {
                self.tell(now, neighbour, true, false);
            }
        }
    }

    fn known_to(&mut self, neighbour: Option<usize>, partition: usize, end: u64) {
        if let Some(neighbour) = neighbour.filter(|_| self.is_serving()) {
            self.neighbours[neighbour].knows(partition, end);
        }
    }

    fn learn(&mut self, run: Run, end: u64) {
        if self.options.bugs.has(Bug::SkipSegments) {
            return self.learn_carelessly(run);
        }
        let source = &mut self.sources[run.partition];
        source.segments.expect(end);
        for (index, text) in (run.first..end).zip(run.texts) {
            source.segments.learn(index, text);
        }
    }

    /// Holds what a peer has against what it was told, and against what there is here.
    fn compare(&mut self, neighbour: Option<usize>, have: &[u64]) {
        let applied = self.replica.applied();
        for (partition, &end) in have.iter().enumerate() {
            self.sources[partition].segments.expect(end);
            if let Some(neighbour) = neighbour.filter(|_| self.is_serving()) {
                self.neighbours[neighbour].has(partition, end, applied[partition]);
            }
        }
    }

    /// Tells neighbours what is new, and asks those that news ought to come from.
    pub(super) fn announce(&mut self, now: Time) {
        for neighbour in 0..self.neighbours.len() {
            let since = self.waited_since(neighbour);
            let asks = self.neighbours[neighbour].ask_at(since, &self.pace);
            let asks = asks.is_some_and(|at| self.is_due(now, at));
            let due = self.neighbours[neighbour].due(&self.pace);
            if self.is_due(now, due) || asks {
                self.tell(now, neighbour, asks, asks);
            }
        }
    }

    /// Since when the partition behind a neighbour is waited for that has been for longest.
    fn waited_since(&self, neighbour: usize) -> Option<Time> {
        let partitions = self.neighbours[neighbour].partitions().iter();
        partitions.filter_map(|&partition| self.sources[partition].waiting.since()).min()
    }

    fn tell(&mut self, now: Time, neighbour: usize, all: bool, ask: bool) {
        let applied = self.replica.applied();
        let message = self.neighbours[neighbour].tell(now, &self.recent, &applied, all);
        if ask {
            self.neighbours[neighbour].ask(now, &self.pace);
        }
        for (partition, recent) in self.recent.iter_mut().enumerate() {
            let told = self.neighbours.iter().map(|neighbour| neighbour.told(partition)).min();
            recent.forget(told.unwrap_or(u64::MAX));
        }
        let node = self.neighbours[neighbour].node;
        self.commands.push(Command::Announce(node, Segments { ask, ..message }));
    }

    /// Looks in the service for segments of the partitions behind neighbours that are
    /// silent: of those that are waited for, and of one more in turn. As whoever sees a
    /// message says so in its partition, any partition tells of what others have seen.
    pub(super) fn probe(&mut self, now: Time) {
        let count = self.neighbours.len();
        let count = if self.options.bugs.has(Bug::NoFailureDetector) { 0 } else { count };
        for neighbour in 0..count {
            let silent_at = self.neighbours[neighbour].silent_at(&self.pace);
            if !self.is_due(now, silent_at) || self.is_probing(neighbour) {
                continue;
            }
            let (sources, pace) = (&self.sources, &self.pace);
            let next = |partition: usize| sources[partition].segments.next();
            let due = self.neighbours[neighbour].probes().due(now, next, pace);
            if self.is_due(now, due) {
                self.probe_behind(neighbour);
            }
        }
    }

    fn is_probing(&mut self, neighbour: usize) -> bool {
        let sources = &self.sources;
        let mut partitions = self.neighbours[neighbour].probes().under_way();
        partitions.any(|partition| sources[partition].segments.is_probing())
    }

    fn probe_behind(&mut self, neighbour: usize) {
        let turn = self.neighbours[neighbour].turn();
        let partitions = self.neighbours[neighbour].partitions().iter().copied();
        let is_wanted = |&partition: &usize| {
            partition == turn || self.sources[partition].waiting.since().is_some()
        };
        let partitions: Vec<usize> = partitions.filter(is_wanted).collect();
        let probed = partitions.into_iter().map(|partition| {
            let segments = &mut self.sources[partition].segments;
            segments.probe();
            (partition, segments.next())
        });
        let probed = probed.collect();
        self.neighbours[neighbour].probes().begin(probed);
    }
}
