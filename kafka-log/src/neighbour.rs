//! A neighbour in the tree: what it was told, and whether it still says anything.
//!
//! The two directions of an edge are independent: each end tells the other its news,
//! and relies on what it hears itself. When it hears nothing for a while, or no answer
//! to a question, the partitions behind the edge are looked after in the service, until the
//! neighbour speaks again. What is found there goes on to the other neighbours, so an
//! edge that fails costs those behind it nothing but time.

use std::time::Duration;

use crate::announce::{ROOM, Recent, Segments};
use crate::failure_detector::Probes;
use crate::pace::Pace;
use maelstrom::machine::Time;

/// A neighbour.
#[derive(Debug)]
pub(crate) struct Neighbour {
    /// Which node it is.
    pub(crate) node: usize,
    /// The partitions behind it.
    partitions: Vec<usize>,
    /// How many segments of each partition it was told of, or has told of itself.
    told: Vec<u64>,
    has_news: bool,
    /// When it was last told anything.
    said: Option<Time>,
    heard: Time,
    /// Since when a question is not answered.
    unanswered: Option<Time>,
    /// When it was last asked, and how long to wait until the next time.
    asked: Option<Time>,
    ask_pause: Duration,
    probes: Probes,
    /// How many rounds of probes there were.
    rounds: usize,
}

impl Neighbour {
    /// Node `node`, which so many partitions are behind.
    pub(crate) fn new(node: usize, partitions: Vec<usize>) -> Self {
        Self {
            node,
            partitions,
            told: Vec::new(),
            has_news: false,
            said: None,
            heard: Time::ZERO,
            unanswered: None,
            asked: None,
            ask_pause: Duration::ZERO,
            probes: Probes::default(),
            rounds: 0,
        }
    }

    /// This node has read so much of each partition, and begins to serve.
    pub(crate) fn begin(&mut self, now: Time, applied: &[u64]) {
        self.told = applied.to_vec();
        self.heard = now;
    }

    /// The partitions behind it.
    pub(crate) fn partitions(&self) -> &[usize] {
        &self.partitions
    }

    /// How many segments of a partition it was told of.
    pub(crate) fn told(&self, partition: usize) -> u64 {
        self.told[partition]
    }

    /// A partition has so many segments now.
    pub(crate) fn news(&mut self, partition: usize, end: u64) {
        self.has_news |= self.told[partition] < end;
    }

    /// It told of so many segments of a partition.
    pub(crate) fn knows(&mut self, partition: usize, end: u64) {
        self.told[partition] = end.max(self.told[partition]);
    }

    /// It has just so many segments of a partition; what it was told beyond did not arrive.
    pub(crate) fn has(&mut self, partition: usize, end: u64, applied: u64) {
        self.told[partition] = end;
        self.news(partition, applied);
    }

    /// It said something.
    pub(crate) fn spoke(&mut self, now: Time) {
        self.heard = now;
        self.unanswered = None;
    }

    /// When it is to be told something next.
    pub(crate) fn due(&self, pace: &Pace) -> Time {
        let pause = if self.has_news { pace.announce() } else { pace.heartbeat() };
        self.said.map_or(Time::ZERO, |said| said + pause)
    }

    /// What it is told now, of partitions with so many segments: all when it asked for
    /// that, or when there is no news.
    pub(crate) fn tell(
        &mut self,
        now: Time,
        recent: &[Recent],
        applied: &[u64],
        all: bool,
    ) -> Segments {
        let mut room = ROOM;
        let have = if all || !self.has_news { applied.to_vec() } else { Vec::new() };
        let news = self.told.iter().zip(applied).zip(recent).enumerate();
        let runs = news.filter(|(_, ((told, end), _))| told < end).map(
            |(partition, ((&told, &end), recent))| recent.run(partition, told, end, &mut room),
        );
        let runs = runs.collect();
        for (told, &end) in self.told.iter_mut().zip(applied) {
            *told = end.max(*told);
        }
        self.has_news = false;
        self.said = Some(now);
        Segments { runs, have, ask: false }
    }

    /// When to ask it for what it has, if a partition behind it is waited for since then.
    pub(crate) fn ask_at(&mut self, since: Option<Time>, pace: &Pace) -> Option<Time> {
        let first = since? + pace.round();
        match self.asked {
            Some(asked) if Some(asked) >= since => Some(first.max(asked + self.ask_pause)),
            _ => {
                self.ask_pause = Duration::ZERO;
                Some(first)
            }
        }
    }

    /// It is being asked.
    pub(crate) fn ask(&mut self, now: Time, pace: &Pace) {
        self.asked = Some(now);
        self.unanswered.get_or_insert(now);
        self.ask_pause = pace.next_probe(false, self.ask_pause.max(pace.answer() / 2));
    }

    /// From when on it is not relied on, if it says nothing until then.
    pub(crate) fn silent_at(&self, pace: &Pace) -> Time {
        let quiet = self.heard + pace.quiet();
        self.unanswered.map_or(quiet, |asked| quiet.min(asked + pace.answer()))
    }

    /// The probes of the partitions behind it.
    pub(crate) fn probes(&mut self) -> &mut Probes {
        &mut self.probes
    }

    /// The partition whose turn it is in the next round of probes.
    pub(crate) fn turn(&mut self) -> usize {
        self.rounds += 1;
        self.partitions[self.rounds % self.partitions.len()]
    }
}
