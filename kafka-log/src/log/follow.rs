//! Following the lanes: reading them, applying what they say, stepping in for
//! owners that are silent.
//!
//! Always: a lane's segments are applied in order, without a gap; a lane is filled
//! only when all is applied that its last segment had seen.

use std::fmt;
use std::sync::Arc;

use super::{Command, Log, Phase, Register, Time};
use crate::injected_bugs::Bug;
use crate::push::Segments;
use crate::segment::Segment;

impl Log {
    /// Applies what has come, in each lane's order.
    pub(super) fn catch_up(&mut self) {
        for lane in 0..self.sources.len() {
            while let Some((index, text)) = self.sources[lane].segments.pop() {
                self.apply(lane, index, &text);
            }
        }
    }

    fn apply(&mut self, lane: usize, index: u64, text: &Arc<str>) {
        if self.phase == Phase::Broken {
            return;
        }
        let segment = match Segment::decode(text) {
            Ok(segment) => segment,
            Err(error) => return self.broken(Register::Segment(lane, index), &error),
        };
        if let Err(error) = self.replica.apply(lane, &segment) {
            return self.broken(Register::Segment(lane, index), &error);
        }
        self.snapshots.grew(text.len());
        for (other, source) in self.sources.iter_mut().enumerate() {
            if other != self.me || !self.options.bugs.has(Bug::ReuseIndexes) {
                source.segments.expect(segment.seen[other]);
            }
        }
    }

    /// The bug [`Bug::SkipSegments`]: a gap is filled with nothing.
    pub(super) fn receive_carelessly(&mut self, push: Segments) {
        let Segments { lane, first, texts } = push;
        let mut seen = self.replica.applied();
        for index in seen[lane]..first {
            seen[lane] = index + 1;
            let nothing = Segment { seen: seen.clone(), ..Segment::default() };
            if let Some(text) = self.encoded(nothing.encode()) {
                self.sources[lane].segments.learn(index, text);
            }
        }
        for (index, text) in (first..).zip(texts) {
            self.sources[lane].segments.learn(index, text);
        }
    }

    pub(super) fn broken(&mut self, register: Register, error: &dyn fmt::Display) {
        self.phase = Phase::Broken;
        let alarm = format!("the value of {register} in lin-kv is not usable: {error}");
        self.commands.push(Command::Alarm(alarm));
    }

    /// Looks for the ends of all lanes, from where they are to be read on.
    pub(super) fn follow_lanes(&mut self) {
        for (lane, source) in self.sources.iter_mut().enumerate() {
            if lane != self.me || !self.options.bugs.has(Bug::ReuseIndexes) {
                source.segments.probe();
            }
        }
    }

    pub(super) fn begin_to_serve(&mut self) {
        if self.phase == Phase::Recovering && self.is_recovered() {
            self.pushes.begin(self.sources[self.me].segments.next());
            self.phase = if self.options.ack_early { Phase::Claiming } else { Phase::Serving };
        }
    }

    /// Whether all is applied that was written before this life began.
    fn is_recovered(&self) -> bool {
        !self.snapshots.is_beginning()
            && self.sources.iter().enumerate().all(|(lane, source)| {
                let overlooked = lane == self.me && self.options.bugs.has(Bug::ReuseIndexes);
                overlooked || source.segments.is_recovered()
            })
    }

    /// Notes which lanes messages wait for.
    pub(super) fn watch(&mut self, now: Time) {
        for (lane, source) in self.sources.iter_mut().enumerate() {
            let waiting = self.replica.waits_for(lane);
            source.silence.waits(now, waiting, source.segments.next());
        }
    }

    /// Looks for segments of lanes that nobody has told of for a while.
    pub(super) fn probe(&mut self, now: Time) {
        for lane in 0..self.sources.len() {
            if lane == self.me {
                continue;
            }
            let source = &mut self.sources[lane];
            let (probing, next) = (source.segments.is_probing(), source.segments.next());
            if let Some(at) = source.silence.probe_at(now, probing, next, &self.pace)
                && self.is_due(now, at)
            {
                self.sources[lane].silence.probing(next);
                self.sources[lane].segments.probe();
            }
        }
    }

    /// Reads what is missing.
    pub(super) fn read(&mut self) {
        if self.snapshots.is_beginning() {
            return;
        }
        for (lane, source) in self.sources.iter_mut().enumerate() {
            let segments = source.segments.reads().into_iter();
            self.commands.extend(segments.map(|n| Command::Read(Register::Segment(lane, n))));
        }
    }

    /// Appends to the lanes of silent peers that they have seen what waits for
    /// them.
    pub(super) fn fill(&mut self, now: Time) {
        for lane in 0..self.sources.len() {
            let source = &self.sources[lane];
            let may = lane != self.me
                && !source.filling
                && source.segments.is_caught_up()
                && !self.replica.is_exclusive(lane)
                && self.replica.may_append(lane);
            let (since, next) = (source.silence.waited_since(), source.segments.next());
            if let Some(since) = since.filter(|_| may)
                && self.is_due(now, since + self.pace.patience(self.me, lane))
            {
                self.fill_lane(lane, next);
            }
        }
    }

    fn fill_lane(&mut self, lane: usize, index: u64) {
        let mut seen = self.replica.applied();
        seen[lane] = index + 1;
        let segment = Segment { by: self.sign().into(), seen, ..Segment::default() };
        if let Some(text) = self.encoded(segment.encode()) {
            self.sources[lane].filling = true;
            self.commands.push(Command::Settle(Register::Segment(lane, index), text));
        }
    }
}
