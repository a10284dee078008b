//! What both strategies of spreading share: memory, questions, and the repair of what
//! is known to be missing.
//!
//! - A question is a digest. It is open until it is answered or overdue, and
//!   remembered for [`MEMORY`], so that an answer that comes late still tells the
//!   round-trip time.
//! - A want is another node's knowledge of something that this node lacks. It
//!   is asked for, more and more patiently, until it came from anywhere. After
//!   [`TRIES`] it is dropped: the other node is gone, or was restarted, and
//!   whoever else has the value will say so.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::config::Config;
use crate::injected_bugs::{Bug, Bugs};
use crate::peers::Peers;
use crate::rtt::Rtt;
use crate::store::Store;
use crate::store::prefixes::Prefixes;
use crate::wire::{Answer, Count, Digest, Message, Rank, Run, Spread, Summary};

/// For how long an overdue question is remembered, since it was asked.
const MEMORY: Duration = Duration::from_secs(10);
/// How often a want is asked for.
const TRIES: u32 = 8;
/// From how many of those that can be reached, most likely, one is chosen.
const LIKELY: usize = 2;
/// How often another one than that is drawn before there is taken to be none.
const DRAWS: usize = 4;
/// How long a value waits for those before it where it would have to go to everybody
/// once more.
const ORPHANED: Duration = Duration::from_secs(3);

/// What a digest was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be the parent's child, or be confirmed as such.
    Join,
    /// To change to a better parent.
    Switch,
    /// To find a parent.
    Search,
    /// To compare knowledge.
    Compare,
}

/// A question, open or overdue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Who was asked.
    pub(crate) peer: Rank,
    /// What for.
    pub(crate) purpose: Purpose,
    /// When.
    pub(crate) asked: Duration,
    /// When the answer is overdue.
    pub(crate) deadline: Duration,
    /// The end of the arrivals when it was asked.
    pub(crate) position: usize,
    /// Whether to ask again when it is overdue: the other one was heard of since.
    pub(crate) again: bool,
    /// Whether it goes on with what an answer left open.
    is_partial: bool,
    overdue: bool,
}

struct Want {
    target: Prefixes,
    due: Duration,
    tries: u32,
}

impl Want {
    /// Drops what came. If anything did, patience begins anew.
    fn review(&mut self, store: &Store) {
        let before = self.target.len();
        self.target = store.lacking(self.target.iter()).into_iter().collect();
        if self.target.len() < before {
            self.tries = 0;
        }
    }
}

/// What a node has, whatever its strategy.
pub(crate) struct Core {
    /// This node.
    pub(crate) me: Rank,
    /// The number of nodes.
    pub(crate) nodes: usize,
    /// The period of the rounds.
    pub(crate) period: Duration,
    /// Where chance comes from.
    pub(crate) rng: StdRng,
    /// What it knows.
    pub(crate) store: Store,
    /// How long answers take.
    pub(crate) rtt: Rtt,
    /// What was put in on purpose.
    pub(crate) bugs: Bugs,
    /// Messages to be sent.
    pub(crate) outbox: Vec<(Rank, Message)>,
    /// What it knows of the others.
    pub(crate) peers: Peers,
    nonce: u64,
    asks: BTreeMap<u64, Ask>,
    wants: BTreeMap<Rank, Want>,
}

impl Core {
    /// A node that starts with what is in `store`. What is left to chance comes from `rng`.
    pub(crate) fn new(store: Store, config: &Config, mut rng: StdRng) -> Self {
        let (me, nodes) = (store.me, store.nodes);
        // No two starts of a node number their questions alike, even of one incarnation, or
        // an answer to a former one could be taken for one to this. Zero is no question's
        // number.
        let nonce = u64::from(rng.random::<u32>());
        Self {
            me,
            nodes,
            period: config.period,
            rng,
            store,
            rtt: Rtt::default(),
            bugs: config.bugs,
            outbox: Vec::new(),
            peers: Peers::new(me, nodes),
            nonce,
            asks: BTreeMap::new(),
            wants: BTreeMap::new(),
        }
    }

    /// Sends values, or answers.
    pub(crate) fn send(&mut self, to: Rank, spread: Spread) {
        self.outbox.push((to, Message::Spread(spread)));
    }

    /// Asks a node; `digest` says what for, beside the knowledge that is filled
    /// in here unless it says a part of it. Returns the question's nonce.
    pub(crate) fn ask(
        &mut self,
        now: Duration,
        peer: Rank,
        purpose: Purpose,
        digest: Digest,
    ) -> u64 {
        self.nonce += 1;
        let (asked, deadline) = (now, now + self.rtt.timeout());
        let position = self.store.position();
        let (again, overdue) = (false, false);
        let is_partial = digest.summary.is_partial;
        let ask = Ask { peer, purpose, asked, deadline, position, again, is_partial, overdue };
        self.asks.insert(self.nonce, ask);
        let summary = if is_partial { digest.summary } else { self.store.summary() };
        let digest = Digest { nonce: self.nonce, summary, ..digest };
        self.outbox.push((peer, Message::Digest(digest)));
        self.peers.note_question(now, peer);
        self.nonce
    }

    /// The question that `peer` answers, unless it was answered before; and
    /// whether the answer is in time.
    pub(crate) fn answered(
        &mut self,
        now: Duration,
        peer: Rank,
        nonce: u64,
    ) -> Option<(Ask, bool)> {
        let ask = *self.asks.get(&nonce).filter(|ask| ask.peer == peer)?;
        self.asks.remove(&nonce);
        self.rtt.sample(self.rtt.credible(now.saturating_sub(ask.asked)));
        Some((ask, !ask.overdue))
    }

    /// The question for this that this node was asked so lately that the answer may well
    /// be on its way, however patient others have made this one.
    fn lately_asked(&mut self, purpose: Purpose, peer: Rank, now: Duration) -> Option<&mut Ask> {
        let usual = self.rtt.usual_timeout();
        let is_it = |ask: &&mut Ask| ask.purpose == purpose && ask.peer == peer && !ask.overdue;
        let mut asks = self.asks.values_mut().filter(is_it);
        asks.find(|ask| ask.asked + usual > now)
    }

    /// Whether an answer may well be on its way.
    pub(crate) fn is_asking(&mut self, purpose: Purpose, peer: Rank, now: Duration) -> bool {
        self.lately_asked(purpose, peer, now).is_some()
    }

    /// The same of a node that was just heard of. A question may have got lost while it was
    /// out of reach: if it does not answer as soon as usual, it is asked again.
    pub(crate) fn is_asking_who_was_heard(
        &mut self,
        purpose: Purpose,
        peer: Rank,
        now: Duration,
    ) -> bool {
        let usual = self.rtt.usual_timeout();
        let Some(ask) = self.lately_asked(purpose, peer, now) else { return false };
        ask.again = true;
        ask.deadline = ask.deadline.min(ask.asked + usual);
        true
    }

    /// By when that node has to answer what an earlier answer left open, if it was asked.
    pub(crate) fn is_finding_out(&self, peer: Rank) -> Option<Duration> {
        let is_it = |ask: &&Ask| ask.peer == peer && ask.is_partial && !ask.overdue;
        self.asks.values().filter(is_it).map(|ask| ask.deadline).max()
    }

    /// Marks a question as one whose answer does not matter any more.
    pub(crate) fn forget(&mut self, purpose: Purpose) {
        let asks = self.asks.values_mut().filter(|ask| ask.purpose == purpose);
        asks.for_each(|ask| ask.overdue = true);
    }

    /// The questions that have just become overdue.
    pub(crate) fn overdue(&mut self, now: Duration) -> Vec<(u64, Ask)> {
        let mut overdue = Vec::new();
        for (&nonce, ask) in &mut self.asks {
            if !ask.overdue && ask.deadline <= now {
                ask.overdue = true;
                overdue.push((nonce, *ask));
            }
        }
        // Only then: a node that was paused finds questions that are old, and
        // that it has not noticed to be overdue.
        self.asks.retain(|_, ask| !ask.overdue || ask.asked + MEMORY > now);
        overdue
    }

    /// Takes values that came from `from`; returns whether there was anything
    /// new. What is missing before them is wanted.
    pub(crate) fn take(&mut self, now: Duration, from: Rank, runs: Vec<Run>) -> bool {
        let mut news = false;
        let mut holes = Vec::new();
        for run in runs {
            let merged = self.store.merge(run, from, now);
            news |= merged.news;
            holes.extend(merged.hole);
        }
        if !holes.is_empty() {
            self.want(from, holes, now + self.rtt.timeout());
        }
        news
    }

    /// What a node lacks that has this, and whether there is more.
    pub(crate) fn delta(&self, theirs: &Summary) -> (Vec<Run>, bool) {
        let (mut runs, more) = self.store.delta(theirs, None);
        if self.bugs.has(Bug::SkipLast)
            && let Some(Run { values, .. }) = runs.last_mut()
        {
            values.pop();
        }
        (runs, more)
    }

    /// Sends what the one who answered lacks.
    pub(crate) fn give_back(&mut self, to: Rank, answer: &Answer) {
        if !answer.lacking && answer.summary.ranges.is_empty() {
            return;
        }
        // If it is more than a page, the other side will ask for the rest.
        let (runs, _) = self.delta(&answer.summary);
        if !runs.is_empty() {
            self.send(to, Spread { runs, ..Spread::default() });
        }
    }

    /// Where an answer leaves something open, this is what to say in the next question;
    /// what this node is known to lack is wanted.
    pub(crate) fn left_open(
        &mut self,
        now: Duration,
        from: Rank,
        answer: &Answer,
    ) -> Option<Summary> {
        let theirs = &answer.summary;
        let lacking = self.store.lacking(theirs.have.iter().copied());
        let unclear = self.store.unclear(theirs);
        let is_expected = answer.more || theirs.is_partial || !unclear.is_empty();
        if !is_expected || lacking.is_empty() && unclear.is_empty() {
            return None;
        }
        let next = self.store.counterpart(theirs, answer.more);
        if !lacking.is_empty() {
            self.want(from, lacking, now + 2 * self.rtt.timeout());
        }
        Some(next)
    }

    /// `peer` says that it has prefixes that this node lacks; it will be asked
    /// at `due` unless they came by then.
    pub(crate) fn want(&mut self, peer: Rank, target: Vec<Count>, due: Duration) {
        let want =
            self.wants.entry(peer).or_insert(Want { target: Prefixes::default(), due, tries: 0 });
        want.target.raise(target);
        // It is there, so patience begins anew.
        want.due = want.due.min(due);
        want.tries = 0;
    }

    /// Whether somebody was just asked for all of this, and may yet answer.
    pub(crate) fn is_wanted(&self, lacking: &[Count], now: Duration) -> bool {
        let is_fresh = |want: &&Want| want.tries == 0 && want.due > now;
        self.wants.values().filter(is_fresh).any(|want| want.target.covers(lacking))
    }

    /// Gives up on values whose predecessors do not come. Returns whether there
    /// is anything new to spread.
    pub(crate) fn adopt_orphans(&mut self, now: Duration) -> bool {
        let before = now.checked_sub(self.patience_with_holes());
        before.is_some_and(|before| self.store.adopt_orphans(before))
    }

    /// How long a value waits for those before it until it goes its own way: as long as it
    /// takes to ask the sender for them and to be answered. Clients see the value meanwhile,
    /// and nobody else is told of it. In rounds it costs no message to let it go early.
    fn patience_with_holes(&self) -> Duration {
        if self.period.is_zero() { ORPHANED } else { 2 * self.rtt.usual_timeout() }
    }

    /// Whom to ask for something now.
    pub(crate) fn due_wants(&mut self, now: Duration) -> Vec<Rank> {
        let mut due = Vec::new();
        let mut wants = std::mem::take(&mut self.wants);
        let (store, patience) = (&self.store, self.rtt.timeout());
        wants.retain(|&peer, want| {
            // As long as the two are finding out what they lack, it may come by itself.
            want.due = want.due.max(self.is_finding_out(peer).unwrap_or_default());
            if want.due > now {
                return true;
            }
            want.review(store);
            if want.target.len() == 0 || want.tries == TRIES {
                return false;
            }
            due.push(peer);
            want.due = now + patience * (1 << want.tries);
            want.tries += 1;
            true
        });
        self.wants = wants;
        due
    }

    /// Takes note of nodes that are said to be near, and that all have started.
    pub(crate) fn suggest(&mut self, near: &[Rank]) {
        self.rtt.expect_answers();
        self.peers.suggest(near);
    }

    /// A node other than this one, in random order.
    pub(crate) fn anybody(&mut self) -> Option<Rank> {
        self.peers.anybody(&mut self.rng)
    }

    /// One of these, at random.
    pub(crate) fn any_of(&mut self, ranks: &[Rank]) -> Option<Rank> {
        ranks.choose(&mut self.rng).copied()
    }

    /// Whom to compare knowledge with: one that can be reached, most likely, from
    /// another tree than that root's if one is known, and one in turn that may not.
    pub(crate) fn partners(&mut self, root: Option<Rank>, now: Duration) -> Vec<Rank> {
        let elsewhere = root.and_then(|root| self.peers.elsewhere(root, now));
        let mut partners: Vec<Rank> = elsewhere.into_iter().collect();
        if partners.is_empty() {
            let likely = self.peers.reachable(LIKELY);
            partners.extend(self.any_of(&likely));
        }
        // Another one, or who is silent may be asked again and again, and nobody else.
        let others = std::iter::repeat_with(|| self.anybody()).take(DRAWS).flatten();
        let other = { others }.find(|other| !partners.contains(other));
        partners.extend(other);
        partners
    }

    /// When this has something to do next.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let overdue = self.asks.values().filter(|ask| !ask.overdue).map(|ask| ask.deadline).min();
        let wanted = self.wants.values().map(|want| want.due).min();
        let patience = self.patience_with_holes();
        let orphans = self.store.waiting().map(|since| since + patience);
        [overdue, wanted, orphans].into_iter().flatten().min()
    }
}
