//! What a node knows of the others, and whom it asks when it needs somebody.
//!
//! Of each other node it remembers when it was last heard of, the root of the tree that
//! it said to be in, when it was last asked, and how many questions in a row it left
//! unanswered. Nothing here says that a node is gone: who is silent is asked less often,
//! not never.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::wire::Rank;

/// Who left so many questions in a row unanswered is silent.
const SILENT: u32 = 3;
/// For so long it is believed what a node said of its tree.
pub(crate) const LATELY: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    heard: Option<Duration>,
    root: Option<Rank>,
    unanswered: u32,
    asked: Option<Duration>,
}

/// All nodes, by rank.
#[derive(Debug)]
pub(crate) struct Peers {
    me: Rank,
    all: Vec<Peer>,
    /// Whose turn it is to be tried: the last first.
    turns: Vec<Rank>,
    /// The same among those that were heard of or suggested.
    known_turns: Vec<Rank>,
    /// Whether the last one tried was of those.
    is_turn_of_known: bool,
}

impl Peers {
    pub(crate) fn new(me: Rank, nodes: usize) -> Self {
        Self {
            me,
            all: vec![Peer::default(); nodes],
            turns: Vec::new(),
            known_turns: Vec::new(),
            is_turn_of_known: false,
        }
    }

    /// A message of that node came.
    pub(crate) fn hear(&mut self, now: Duration, from: Rank) {
        self.all[from].heard = Some(now);
        self.all[from].unanswered = 0;
    }

    /// That node said which tree it is in.
    pub(crate) fn note_root(&mut self, peer: Rank, path: &[Rank]) {
        if let Some(&root) = path.first() {
            self.all[peer].root = Some(root);
        }
    }

    /// A node was asked something.
    pub(crate) fn note_question(&mut self, now: Duration, peer: Rank) {
        self.all[peer].asked = Some(now);
        self.all[peer].unanswered += 1;
    }

    /// These nodes are said to be near.
    pub(crate) fn suggest(&mut self, near: &[Rank]) {
        for &rank in near.iter().filter(|&&rank| rank != self.me) {
            self.all[rank].heard.get_or_insert(Duration::ZERO);
        }
    }

    /// Whether that node left the last questions unanswered.
    pub(crate) fn is_silent(&self, peer: Rank) -> bool {
        self.all[peer].unanswered >= SILENT
    }

    /// A node other than this one, in random order. Every second time it is the next
    /// of all; in between, of those that were ever heard of or suggested, for in a
    /// network that is not complete there may never be an answer from any other.
    pub(crate) fn anybody(&mut self, rng: &mut StdRng) -> Option<Rank> {
        self.is_turn_of_known = !self.is_turn_of_known;
        if self.is_turn_of_known && self.known_turns.is_empty() {
            let is_known = |rank: &Rank| self.all[*rank].heard.is_some();
            self.known_turns = (0..self.all.len()).filter(is_known).collect();
            self.known_turns.shuffle(rng);
        }
        if let Some(known) = self.known_turns.pop_if(|_| self.is_turn_of_known) {
            return Some(known);
        }
        if self.turns.is_empty() {
            self.turns = (0..self.all.len()).filter(|&rank| rank != self.me).collect();
            self.turns.shuffle(rng);
        }
        self.turns.pop()
    }

    /// Those of the nodes that can be reached, most likely: so many that were heard of
    /// last.
    pub(crate) fn reachable(&self, amount: usize) -> Vec<Rank> {
        self.last_heard(amount, |_| true)
    }

    /// One that may be in another tree than that root's: of those that left the fewest
    /// questions unanswered the one that was not asked for longest.
    pub(crate) fn elsewhere(&self, root: Rank, now: Duration) -> Option<Rank> {
        let is_elsewhere = |peer: &Peer| {
            peer.heard.is_some_and(|heard| peer.root != Some(root) || heard + LATELY < now)
        };
        let all = self.all.iter().enumerate().filter(|(_, peer)| is_elsewhere(peer));
        all.min_by_key(|(_, peer)| (peer.unanswered, peer.asked)).map(|(rank, _)| rank)
    }

    /// Those that were heard of last among those that said after that time to be in a tree
    /// with a higher root.
    pub(crate) fn worse_off(&self, root: Rank, since: Duration, amount: usize) -> Vec<Rank> {
        self.last_heard(amount, |peer| {
            peer.heard >= Some(since) && peer.root.is_some_and(|other| other > root)
        })
    }

    fn last_heard(&self, amount: usize, is_meant: impl Fn(&Peer) -> bool) -> Vec<Rank> {
        let meant = self.all.iter().enumerate().filter(|(_, peer)| is_meant(peer));
        let mut last: Vec<_> = meant.filter_map(|(rank, peer)| Some((peer.heard?, rank))).collect();
        last.sort_unstable_by(|a, b| b.cmp(a));
        last.truncate(amount);
        last.into_iter().map(|(_, rank)| rank).collect()
    }
}
