//! Messages of which no agent says what became of them: the kernel of a machine lost them.
//!
//! Where a partition loses packets, nobody sees what is lost. So what was sent while machines
//! were cut off from each other, or shortly before or after, and was not heard of for long, was
//! lost by the partition. It was sent over a connection that is given up a second after the cut,
//! and so is lost for good.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::crew::Pair;

/// How long a message may be under way in a network that is well.
const TRAVEL: Duration = Duration::from_secs(1);
/// How long after a partition there may be no connection yet.
const RECOVERY: Duration = Duration::from_secs(3);
/// A message that was not heard of for so long is lost.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Unheard {
    /// Machines that are or were cut off from each other, and when that ended.
    cuts: BTreeMap<Pair, Option<Instant>>,
    /// By ids.
    messages: BTreeMap<u64, Message>,
    patience: Duration,
}

#[derive(Debug)]
struct Message {
    pair: Pair,
    sent: Instant,
    /// Whether a cut may have met it.
    is_at_risk: bool,
}

impl Unheard {
    /// Of a network of so much latency.
    pub(crate) fn new(latency: Duration) -> Self {
        // Latencies are distributed exponentially at the widest.
        let patience = PATIENCE + latency * 20;
        Self { cuts: BTreeMap::new(), messages: BTreeMap::new(), patience }
    }

    /// From now on, these machines are cut off from each other, and no others.
    pub(crate) fn cut(&mut self, pairs: BTreeSet<Pair>, now: Instant) {
        for (pair, end) in &mut self.cuts {
            if !pairs.contains(pair) {
                end.get_or_insert(now);
            }
        }
        for message in self.messages.values_mut() {
            message.is_at_risk |= pairs.contains(&message.pair) && message.sent + TRAVEL >= now;
        }
        self.cuts.extend(pairs.into_iter().map(|pair| (pair, None)));
    }

    /// A message is under way from one machine to the other.
    pub(crate) fn sent(&mut self, id: u64, pair: Pair, now: Instant) {
        let is_recent = |end: &Option<Instant>| end.is_none_or(|end| now < end + RECOVERY);
        let is_at_risk = self.cuts.get(&pair).is_some_and(is_recent);
        self.messages.insert(id, Message { pair, sent: now, is_at_risk });
    }

    /// An agent says what became of it.
    pub(crate) fn heard(&mut self, id: u64) {
        self.messages.remove(&id);
    }

    /// What agents say may be lost as well.
    pub(crate) fn forget(&mut self) {
        self.messages.clear();
    }

    /// Those that are lost, as is known now.
    pub(crate) fn lost(&mut self, now: Instant) -> Vec<u64> {
        self.messages.retain(|_, message| message.is_at_risk || message.sent + TRAVEL >= now);
        let patience = self.patience;
        self.take(|message| message.is_at_risk && message.sent + patience < now)
    }

    /// The others that are lost, if nobody says any more what became of messages.
    pub(crate) fn lost_in_the_end(&mut self, now: Instant) -> Vec<u64> {
        let is_cut: BTreeSet<Pair> =
            self.cuts.iter().filter(|(_, end)| end.is_none()).map(|(pair, _)| *pair).collect();
        let travel = self.patience - PATIENCE + TRAVEL;
        self.take(|message| {
            message.is_at_risk && (is_cut.contains(&message.pair) || message.sent + travel < now)
        })
    }

    fn take(&mut self, is_lost: impl Fn(&Message) -> bool) -> Vec<u64> {
        let lost = self.messages.iter().filter(|(_, message)| is_lost(message));
        let lost: Vec<u64> = lost.map(|(&id, _)| id).collect();
        for id in &lost {
            self.messages.remove(id);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Pair = (0, 1);

    /// A time in tenths of a second.
    fn at(tenths: u64) -> Instant {
        use std::sync::LazyLock;
        static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        *BEGIN + Duration::from_millis(100 * tenths)
    }

    /// Messages around a cut from 2 s to 4 s, each called by when it was sent.
    fn around_a_cut(times: &[u64]) -> Unheard {
        let mut unheard = Unheard::new(Duration::ZERO);
        let mut changes = vec![(20, [PAIR].into()), (40, BTreeSet::new())];
        changes.reverse();
        for &time in times {
            while let Some((_, pairs)) = changes.pop_if(|(change, _)| *change <= time) {
                unheard.cut(pairs, at(time));
            }
            unheard.sent(time, PAIR, at(time));
        }
        unheard
    }

    #[test]
    fn what_a_cut_may_have_met_is_lost_if_it_is_not_heard_of() {
        let mut unheard = around_a_cut(&[5, 15, 20, 25, 40, 45, 69, 75]);
        unheard.heard(25);
        assert!(unheard.lost(at(60)).is_empty());
        assert_eq!(unheard.lost(at(80)), [15, 20]);
        assert_eq!(unheard.lost(at(200)), [40, 45, 69]);
        assert!(unheard.lost(at(999)).is_empty());
    }

    #[test]
    fn other_machines_and_times_of_which_nothing_is_known_do_not_count() {
        let mut unheard = around_a_cut(&[20, 25]);
        unheard.sent(1, (0, 2), at(26));
        unheard.forget();
        unheard.sent(2, (1, 2), at(27));
        unheard.sent(3, PAIR, at(28));
        assert_eq!(unheard.lost(at(999)), [3]);
    }

    #[test]
    fn in_the_end_what_may_still_arrive_is_not_lost() {
        let mut unheard = around_a_cut(&[20, 41, 60]);
        assert_eq!(unheard.lost_in_the_end(at(65)), [20, 41]);
        let mut unheard = around_a_cut(&[20, 39]);
        assert_eq!(unheard.lost_in_the_end(at(39)), [20, 39], "it goes on");
    }

    #[test]
    fn latency_takes_time() {
        let mut unheard = Unheard::new(Duration::from_secs(1));
        unheard.cut([PAIR].into(), at(0));
        unheard.sent(1, PAIR, at(1));
        assert!(unheard.lost(at(240)).is_empty());
        assert_eq!(unheard.lost(at(252)), [1]);
    }
}
