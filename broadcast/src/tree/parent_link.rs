//! The link to the parent: when to send up, and when to doubt.
//!
//! The parent says with each message down when its next round is, and how long the
//! last message up had to wait for this one. From the latter follows the round-trip
//! time, from both the moment at which a message up should leave to arrive just
//! before the round: its *slot*. There is no clock to be synchronised; the loop
//! corrects itself with each message down.
//!
//! Only bookkeeping: nothing is sent from here.

use std::time::Duration;

use super::churn::Churn;
use crate::link::Heard;
use crate::rtt::Rtt;
use crate::wire::{Ack, Down, Rank};

/// By how much a message up should be early at least. It covers the granularity of timers
/// and a busy machine.
const MARGIN: Duration = Duration::from_millis(15);
/// How long it takes to get through what came while this node was held up.
const BURST: Duration = Duration::from_millis(2);
/// How much after the end of its lease a message down may come, jitter aside.
const SLACK: Duration = Duration::from_millis(50);

/// What a child knows about its link to the parent.
#[derive(Debug)]
pub(super) struct ParentLink {
    /// The parent.
    peer: Rank,
    /// Its path, root first, itself last.
    path: Vec<Rank>,
    /// The nonce of the digest that joined.
    epoch: u64,
    /// Whether the parent has answered it.
    confirmed: bool,
    /// Whether the parent may be gone.
    in_doubt: bool,
    /// Who is to be told when it is sure that the parent is there.
    to_reassure: Vec<Rank>,
    /// What came to this node of the parent's arrivals.
    heard: Heard,
    /// Since when a part of it has been missing.
    gap_since: Option<Duration>,
    /// Up to where our arrivals were sent.
    sent: usize,
    /// Since when there has been something to send.
    pending: Option<Duration>,
    /// When the parent is to be doubted for its silence.
    lease_until: Duration,
    /// When the parent was last heard of.
    heard_at: Duration,
    /// Up to where the parent confirmed it.
    acked: usize,
    /// When the newest message up left, until it is confirmed.
    sent_at: Option<Duration>,
    /// When the parent is to be doubted for not confirming.
    confirm_by: Option<Duration>,
    /// When a message up catches the next round.
    slot: Option<Duration>,
    /// Whether rounds follow each other without a pause.
    steady: bool,
    /// What came until then is sent then, for this node was held up over its slot.
    catch_up: Duration,
    rtt: Rtt,
    period: Duration,
}

impl ParentLink {
    /// A link that was asked for just now.
    pub(super) fn new(
        peer: Rank,
        path: Vec<Rank>,
        epoch: u64,
        sent: usize,
        now: Duration,
        period: Duration,
    ) -> Self {
        Self {
            peer,
            path,
            epoch,
            confirmed: false,
            in_doubt: false,
            to_reassure: Vec::new(),
            heard: Heard::default(),
            gap_since: None,
            sent,
            pending: None,
            lease_until: now,
            heard_at: now,
            acked: sent,
            sent_at: None,
            confirm_by: None,
            slot: None,
            steady: false,
            catch_up: Duration::ZERO,
            rtt: Rtt::default(),
            period,
        }
    }

    /// The link is to be confirmed once more, by another digest.
    pub(super) fn rejoin(&mut self, epoch: u64, sent: usize) {
        self.epoch = epoch;
        self.confirmed = false;
        self.heard = Heard::default();
        self.gap_since = None;
        self.sent = sent;
        self.acked = sent;
        self.sent_at = None;
        self.confirm_by = None;
    }

    /// The parent has answered: from here on both sides count.
    pub(super) fn confirm(&mut self, down: &Down, took: Duration, now: Duration) {
        self.confirmed = true;
        self.in_doubt = false;
        self.heard = Heard::from(down.upto);
        self.rtt.sample(took);
        self.keep(down, now);
    }

    /// The parent.
    pub(super) fn peer(&self) -> Rank {
        self.peer
    }

    /// Its path, root first, itself last.
    pub(super) fn path(&self) -> &[Rank] {
        &self.path
    }

    /// The nonce of the digest that joined.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the parent has answered it.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Whether the parent may be gone.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Until when the parent is not doubted for its silence.
    pub(super) fn lease_until(&self) -> Duration {
        self.lease_until
    }

    /// Up to where our arrivals were sent.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// There is something to send.
    pub(super) fn note_news(&mut self, now: Duration) {
        self.pending.get_or_insert(now);
    }

    /// The parent says its path, so it is there.
    pub(super) fn set_path(&mut self, path: Vec<Rank>) {
        self.path = path;
        self.in_doubt = false;
    }

    /// The parent may be gone.
    pub(super) fn doubt(&mut self) {
        self.in_doubt = true;
    }

    /// Somebody is to be told when the parent is there for certain.
    pub(super) fn reassure_later(&mut self, peer: Rank) {
        if !self.to_reassure.contains(&peer) {
            self.to_reassure.push(peer);
        }
    }

    /// Nobody waits to be told any more. Returns who did.
    pub(super) fn take_to_reassure(&mut self) -> Vec<Rank> {
        std::mem::take(&mut self.to_reassure)
    }

    /// Whether the parent ever answered.
    pub(super) fn was_confirmed(&self) -> bool {
        self.rtt.mean().is_some()
    }

    /// A message down of this link came. Returns the round-trip time, if it tells.
    pub(super) fn on_down(&mut self, down: &Down, now: Duration) -> Option<Duration> {
        self.heard.note(down.since, down.upto);
        self.gap_since = self.heard.has_gap().then(|| self.gap_since.unwrap_or(now));
        let took = down.ack.and_then(|ack| self.on_ack(ack, now));
        self.steady = down.due.is_some() && now - self.heard_at <= self.period * 3 / 2;
        self.keep(down, now);
        took
    }

    fn keep(&mut self, down: &Down, now: Duration) {
        self.heard_at = now;
        self.lease_until = now + Duration::from_millis(down.next) + self.slack();
        let lead = self.rtt.mean().unwrap_or_default() + self.margin();
        self.slot = down.due.map(|due| (now + Duration::from_millis(due)).saturating_sub(lead));
    }

    fn on_ack(&mut self, ack: Ack, now: Duration) -> Option<Duration> {
        if ack.upto < self.acked || ack.upto > self.sent {
            return None;
        }
        let has_advanced = ack.upto > self.acked;
        self.acked = ack.upto;
        if self.acked < self.sent {
            // The rest is on its way, or lost: a new message up's time for it. Only progress
            // counts: if a message up was lost, those that follow it are answered with the
            // same position for as long as there are any.
            if has_advanced {
                self.renew_deadline(now);
            }
            return None;
        }
        self.confirm_by = None;
        let held = Duration::from_millis(ack.held);
        let took = (now - self.sent_at.take()?).saturating_sub(held);
        self.rtt.sample(took);
        Some(took)
    }

    /// What is not confirmed yet has as much time as if it had just been sent.
    pub(super) fn renew_deadline(&mut self, now: Duration) {
        self.confirm_by = self.confirm_by.map(|_| now + self.patience());
    }

    /// All up to this position is sent, or need not be.
    pub(super) fn on_sent(&mut self, upto: usize, now: Duration, was_needed: bool) {
        self.pending = None;
        self.sent = upto;
        if was_needed {
            self.sent_at = Some(now);
            let by = now + self.patience();
            self.confirm_by.get_or_insert(by);
        } else if self.confirm_by.is_none() {
            self.acked = upto;
        }
    }

    /// When to send what is pending.
    pub(super) fn send_at(&self, churn: &Churn) -> Option<Duration> {
        let since = self.pending.filter(|_| self.confirmed)?;
        if churn.is_at(since) {
            return Some(since);
        }
        if since <= self.catch_up {
            return Some(self.catch_up);
        }
        let slot = self.slot.unwrap_or_default();
        if since <= slot {
            return Some(slot);
        }
        if !self.steady {
            // The last message up causes a round, and the next one is a period
            // later. The round's message down may tell more in time.
            let round = self.sent_at.map(|sent| sent + self.period);
            return Some(round.unwrap_or(since).max(since));
        }
        // The slot after the next round, unless that round does not come.
        let missed = (since - slot).as_nanos() / self.period.as_nanos().max(1);
        let next = slot + self.period * u32::try_from(missed + 1).unwrap_or(u32::MAX);
        Some(next.min(self.heard_at + self.period + self.slack()).max(since))
    }

    /// This node was held up until now. If that was over its slot, the round may still be
    /// caught: whatever held this node up may have held up the parent, too.
    pub(super) fn catch_up(&mut self, now: Duration) {
        if self.slot.is_some_and(|slot| slot <= now && now < slot + self.period / 2) {
            self.catch_up = now + BURST;
        }
    }

    /// When the next message up catches a round, for those who send through us.
    pub(super) fn next_slot(&self, now: Duration) -> Option<Duration> {
        self.slot
            .map(|slot| if slot > now { slot } else { slot + self.period })
            .filter(|&s| s > now)
    }

    /// When to doubt the parent, or to ask for what was missed.
    pub(super) fn doubt_at(&self) -> Option<Duration> {
        // A part that was overtaken may still come.
        let gap = self.gap_since.map(|since| since + self.period / 8);
        let doubt = [Some(self.lease_until), self.confirm_by, gap].into_iter().flatten().min();
        doubt.filter(|_| self.confirmed)
    }

    /// Whether nothing is under way, in either direction.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_none() && self.confirm_by.is_none() && self.gap_since.is_none()
    }

    /// Whether the parent has said nothing for more than a round. Who is told that it is there
    /// asks again, and its question comes a round trip later, which takes less than `timeout`:
    /// as long as that the parent is not silent either, or the two go on like this for ever.
    pub(super) fn is_silent(&self, now: Duration, timeout: Duration) -> bool {
        self.heard_at + self.period.max(timeout) + self.slack() < now
    }

    /// Whether the parent let its lease end, or did not confirm in time.
    pub(super) fn is_overdue(&self, now: Duration) -> bool {
        self.lease_until <= now || self.confirm_by.is_some_and(|by| by <= now)
    }

    /// By how much a message up should be early. Each that comes late waits for another
    /// period, and each millisecond of margin delays all. With a tail of latencies that
    /// falls exponentially, the two add up to the least at the deviation times the logarithm
    /// of their ratio, about.
    fn margin(&self) -> Duration {
        let deviation = self.rtt.deviation();
        let ratio = self.period.as_secs_f64() / (2.5 * deviation.as_secs_f64());
        MARGIN.max(deviation.mul_f64(ratio.ln().clamp(0.0, 10.0)))
    }

    /// How much after the end of its lease a message may come.
    fn slack(&self) -> Duration {
        SLACK + self.rtt.jitter()
    }

    /// Within what time a message up is confirmed: a round of the root, and as
    /// long as it takes to get there and back.
    fn patience(&self) -> Duration {
        self.period + self.rtt.timeout() * self.path.len().clamp(1, 4) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn down(due: Option<u64>, ack: Option<Ack>) -> Down {
        Down { epoch: 1, since: 0, upto: 0, next: 300, due, ack, print: None }
    }

    /// A link with a round trip of 200 ms, whose last message down came at 1000 ms.
    fn link() -> ParentLink {
        let mut link = ParentLink::new(0, vec![0], 1, 0, Duration::ZERO, 300 * MS);
        link.confirm(&down(None, None), 200 * MS, 200 * MS);
        for _ in 0..50 {
            link.rtt.sample(200 * MS);
        }
        link.on_down(&down(Some(300), None), 700 * MS);
        link.on_down(&down(Some(300), None), 1000 * MS);
        link
    }

    #[test]
    fn a_message_up_leaves_so_as_to_arrive_just_before_the_round() {
        let mut link = link();
        // The parent's next round is at 1200 ms here, a round trip's half
        // before its message down at 1300 ms; another half before that, and the
        // margin, is when to send.
        link.pending = Some(1010 * MS);
        assert_eq!(link.send_at(&Churn::default()), Some(1085 * MS));
    }

    #[test]
    fn what_misses_a_round_waits_for_the_next_slot_while_rounds_go_on() {
        let mut link = link();
        link.pending = Some(1100 * MS);
        let silence = link.send_at(&Churn::default()).unwrap();
        assert!(silence > 1300 * MS && silence < 1385 * MS);
        link.on_down(&down(Some(300), None), 1300 * MS);
        assert_eq!(link.send_at(&Churn::default()), Some(1385 * MS));
    }

    #[test]
    fn what_came_while_the_node_was_held_up_over_its_slot_leaves_at_once() {
        let mut link = link();
        link.catch_up(1080 * MS);
        link.pending = Some(1080 * MS);
        assert_eq!(link.send_at(&Churn::default()), Some(1085 * MS));
        link.catch_up(1200 * MS);
        link.pending = Some(1201 * MS);
        assert_eq!(link.send_at(&Churn::default()), Some(1202 * MS));
        link.pending = Some(1203 * MS);
        assert!(link.send_at(&Churn::default()) > Some(1300 * MS));
    }

    #[test]
    fn without_rounds_a_message_up_leaves_at_once() {
        let mut link = link();
        link.pending = Some(5000 * MS);
        assert_eq!(link.send_at(&Churn::default()), Some(5000 * MS));
    }

    #[test]
    fn a_confirmation_tells_the_round_trip_without_the_waiting() {
        let mut link = link();
        link.on_sent(4, 1085 * MS, true);
        link.on_down(&down(Some(300), Some(Ack { upto: 4, held: 15 })), 1300 * MS);
        let mean = link.rtt.mean().unwrap();
        assert!(mean >= 199 * MS && mean <= 201 * MS, "{mean:?}");
        assert_eq!(link.doubt_at(), Some(link.lease_until));
    }

    #[test]
    fn a_lost_message_up_is_a_reason_for_doubt_however_many_follow_it() {
        let mut link = link();
        link.on_sent(4, 1085 * MS, true);
        let doubt = link.confirm_by.unwrap();
        for round in 1..20_u32 {
            let now = (1085 + 300 * round) * MS;
            link.on_sent(4 + round as usize, now, true);
            link.on_down(&down(Some(300), Some(Ack { upto: 0, held: 15 })), now + 215 * MS);
        }
        assert_eq!(link.confirm_by, Some(doubt));
    }

    #[test]
    fn a_message_up_that_is_not_confirmed_is_a_reason_for_doubt() {
        let mut link = link();
        link.on_sent(4, 1085 * MS, true);
        link.lease_until = 9000 * MS;
        let doubt = link.doubt_at().unwrap();
        assert!(doubt > 1585 * MS && doubt < 1650 * MS, "{doubt:?}");
        assert!(link.is_overdue(doubt));
    }
}
