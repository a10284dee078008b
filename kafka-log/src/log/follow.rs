//! Following the partitions: reading them, applying what they say, stepping in for
//! owners that are silent.
//!
//! Always: a partition's segments are applied in order, without a gap; a partition is
//! filled only when all is applied that its last segment had seen.
//!
//! *Whom to believe.* The service says what a register says. Nodes tell each other to save
//! reads, and what they say is taken if it can be true: if it is a segment that may follow
//! what is known. If not, the register is read. Should what is read contradict what was
//! taken before, the node begins again from the service, and takes nothing from peers any
//! more. A register whose value is no segment at all is passed over, by everybody in the
//! same way: whatever it said before is lost, and the partition goes on behind it.

use std::fmt;
use std::mem;
use std::sync::Arc;

use super::{Command, Log, Phase, Register, Time};
use crate::announce::Run;
use crate::injected_bugs::Bug;
use crate::replica::Replica;
use crate::segment::Segment;
use crate::sequence::Text;

impl Log {
    /// Applies what has come, in each partition's order.
    pub(super) fn catch_up(&mut self) {
        for partition in 0..self.sources.len() {
            while self.phase != Phase::Broken
                && let Some((index, text)) = self.sources[partition].segments.pop()
            {
                self.apply(partition, index, &text);
            }
        }
    }

    /// Applies a text, unless it is none.
    fn apply(&mut self, partition: usize, index: u64, Text { text, is_certain }: &Text) {
        let register = Register::Segment(partition, index);
        match Segment::decode(text) {
            Ok(segment) => match self.replica.apply(partition, &segment) {
                Ok(()) => self.applied(partition, index, text, &segment),
                Err(_) if !is_certain => self.reject(partition, index),
                Err(error) => self.mistrust(register, &error),
            },
            Err(_) if !is_certain => self.reject(partition, index),
            Err(error) => {
                let warning = format!("{register} in lin-kv is passed over, as it is: {error}");
                self.commands.push(Command::Warn(warning));
                self.replica.pass(partition);
                self.is_stale = true;
            }
        }
    }

    /// A peer's text cannot be what the service has: that is read.
    fn reject(&mut self, partition: usize, index: u64) {
        let register = Register::Segment(partition, index);
        self.commands.push(Command::Warn(format!("a peer is wrong about {register}")));
        self.sources[partition].segments.reject(index);
    }

    /// What the service says contradicts what was applied before. If any of that came
    /// from peers it is forgotten, and this incarnation takes no more from them; if all
    /// of it came from the service, nothing is left to rely on. Nor is it with
    /// `--ack-early`: what was promised must not be forgotten.
    fn mistrust(&mut self, register: Register, error: &dyn fmt::Display) {
        if self.is_wary || self.options.ack_early {
            return self.broken(register, error);
        }
        let warning = format!("{register} in lin-kv contradicts what peers said: {error}");
        self.commands.push(Command::Warn(warning));
        self.is_wary = true;
        self.phase = Phase::Recovering;
        self.replica = Replica::new(self.sources.len(), self.options);
        self.sources.iter_mut().for_each(|source| source.segments.begin_warily());
        self.snapshots.begin_again();
        self.seek();
    }

    fn applied(&mut self, partition: usize, index: u64, text: &Arc<str>, segment: &Segment<'_>) {
        self.snapshots.grew(text.len());
        self.is_stale = true;
        self.spread(partition, index, text);
        for (other, source) in self.sources.iter_mut().enumerate() {
            if other != self.me || !self.options.bugs.has(Bug::ReuseIndexes) {
                source.segments.expect(segment.seen[other]);
            }
        }
    }

    /// Neighbours are to be told of this segment, unless it is older than this incarnation.
    fn spread(&mut self, partition: usize, index: u64, text: &Arc<str>) {
        if !self.is_serving() || self.neighbours.is_empty() {
            return;
        }
        self.recent[partition].add(index, text);
        for neighbour in &mut self.neighbours {
            neighbour.news(partition, index + 1);
        }
    }

    /// The bug [`Bug::SkipSegments`]: a gap is filled with nothing.
    pub(super) fn learn_carelessly(&mut self, run: Run) {
        let Run { partition, first, texts } = run;
        let mut seen = self.replica.applied();
        for index in seen[partition]..first {
            seen[partition] = index + 1;
            let nothing = Segment { seen: seen.clone(), ..Segment::default() };
            if let Some(text) = self.encoded(nothing.encode()) {
                self.sources[partition].segments.learn(index, text);
            }
        }
        for (index, text) in (first..).zip(texts) {
            self.sources[partition].segments.learn(index, text);
        }
    }

    pub(super) fn broken(&mut self, register: Register, error: &dyn fmt::Display) {
        self.phase = Phase::Broken;
        let alarm = format!("the value of {register} in lin-kv is not usable: {error}");
        self.commands.push(Command::Alarm(alarm));
    }

    /// Looks for the ends of all partitions, from where they are to be read on.
    pub(super) fn follow_partitions(&mut self) {
        for (partition, source) in self.sources.iter_mut().enumerate() {
            if partition != self.me || !self.options.bugs.has(Bug::ReuseIndexes) {
                source.segments.probe();
            }
        }
    }

    pub(super) fn begin_to_serve(&mut self, now: Time) {
        if self.phase == Phase::Recovering && self.is_recovered() {
            let applied = self.replica.applied();
            self.neighbours.iter_mut().for_each(|neighbour| neighbour.begin(now, &applied));
            self.phase = if self.options.ack_early { Phase::Claiming } else { Phase::Serving };
        }
    }

    /// Whether all is applied that was written before this incarnation.
    fn is_recovered(&self) -> bool {
        !self.snapshots.is_beginning()
            && self.sources.iter().enumerate().all(|(partition, source)| {
                let overlooked = partition == self.me && self.options.bugs.has(Bug::ReuseIndexes);
                overlooked || source.segments.is_recovered()
            })
    }

    /// Notes which partitions messages wait for.
    pub(super) fn watch(&mut self, now: Time) {
        if !mem::take(&mut self.is_stale) {
            return;
        }
        for (partition, source) in self.sources.iter_mut().enumerate() {
            let waiting = self.replica.waits_for(partition);
            source.waiting.waits(now, waiting, source.segments.next());
        }
    }

    /// Reads what is missing.
    pub(super) fn read(&mut self) {
        if self.snapshots.is_beginning() {
            return;
        }
        for (partition, source) in self.sources.iter_mut().enumerate() {
            let segments = source.segments.reads().into_iter();
            self.commands.extend(segments.map(|n| Command::Read(Register::Segment(partition, n))));
        }
    }

    /// Appends to the partitions of silent peers that they have seen what waits for
    /// them.
    pub(super) fn fill(&mut self, now: Time) {
        for partition in 0..self.sources.len() {
            let source = &self.sources[partition];
            let may = partition != self.me
                && !source.filling
                && source.segments.is_caught_up()
                && !self.replica.is_exclusive(partition)
                && self.replica.may_append(partition);
            let (since, next) = (source.waiting.since(), source.segments.next());
            if let Some(since) = since.filter(|_| may)
                && self.is_due(now, since + self.pace.patience(self.me, partition))
            {
                self.fill_partition(partition, next);
            }
        }
    }

    fn fill_partition(&mut self, partition: usize, index: u64) {
        let mut seen = self.replica.applied();
        seen[partition] = index + 1;
        let segment = Segment { by: self.sign().into(), seen, ..Segment::default() };
        if let Some(text) = self.encoded(segment.encode()) {
            self.sources[partition].filling = true;
            self.commands.push(Command::Propose(Register::Segment(partition, index), text));
        }
    }
}
