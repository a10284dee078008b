//! What a node must not forget: figure 2's persistent state.
//!
//! Nothing here changes without a record of the change, and each record is *safe* some
//! time after it was written. Two things follow from that, and both are asked here:
//!
//! - Nothing is said in a term, and no vote is told or counted, before term and vote are
//!   safe: [`Persistent::is_vote_safe`].
//! - Entries are acknowledged, to the leader and by the leader to itself, when they are
//!   safe: [`Persistent::safe`]. The leader sends them before (thesis, 10.2.1).

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;

use maelstrom::machine::Rank;
use maelstrom::{Error, NodeId};
use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::{Config, Entry, Index, Log, Server, Snapshot, Term, TextPart};

/// A change of the persistent state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record<C> {
    /// The first record, of a server that remembers nothing yet: what was written before says
    /// nothing any more.
    Start {
        /// The cluster's nodes, in the order of their ranks.
        nodes: Vec<NodeId>,
        /// Which incarnation of its node it is.
        incarnation: u64,
        /// Whether it is the first one, as far as its node's directory shows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_first: bool,
    },
    /// The log's first configuration, which is not in it: who founded the cluster.
    Found(Config),
    /// The current term, and for whom this node voted in it.
    Vote(Term, Option<Server>),
    /// The log has these entries behind `after`, and no others.
    Append {
        /// The last entry that stays.
        after: Index,
        /// The entries behind it.
        entries: Vec<Arc<Entry<C>>>,
    },
    /// A part of the image of a snapshot that follows, which says nothing by itself.
    Image(TextPart),
    /// The log begins behind this snapshot, and has no entries. Its image is in the records
    /// before it.
    Snapshot(Snapshot),
}

/// What a node finds when it starts.
#[derive(Clone, Debug)]
pub struct Kept<C> {
    /// The incarnation of whoever wrote that, and otherwise a new one.
    pub incarnation: u64,
    /// Whether it is the first server of its node, which remembers what it says for as long
    /// as the node has its directory.
    pub is_first: bool,
    /// All that it wrote.
    pub records: Vec<Record<C>>,
}

impl<C> Kept<C> {
    /// These records. Where there are none, the node is a new server, of this incarnation: its
    /// first one, if they are of a directory that has lost nothing.
    pub fn of(records: Vec<Record<C>>, new: u64, has_lost_nothing: bool) -> Self {
        let start = |record: &_| match record {
            Record::Start { incarnation, is_first, .. } => Some((*incarnation, *is_first)),
            _ => None,
        };
        let last = records.iter().rev().find_map(start);
        let (incarnation, is_first) = last.unwrap_or((new, has_lost_nothing));
        Self { incarnation, is_first, records }
    }
}

/// A record that is not safe yet.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Vote,
    /// The last entry that is safe once it is.
    Log(Index),
    /// It says nothing by itself.
    Nothing,
}

/// The last snapshot among records, if there is one, and the parts of its text.
pub(crate) type Replayed = Option<(Snapshot, Vec<TextPart>)>;

/// Figure 2's persistent state on all servers.
#[derive(Clone, Debug)]
pub(crate) struct Persistent<C> {
    nodes: Vec<NodeId>,
    incarnation: u64,
    is_first: bool,
    /// Who founded the cluster.
    founders: Config,
    /// `currentTerm`.
    term: Term,
    /// `votedFor`.
    vote: Option<Server>,
    /// `log[]`.
    log: Log<C>,
    unwritten: Vec<Record<C>>,
    /// What was written and is not safe yet.
    pending: VecDeque<Pending>,
    safe: Index,
}

impl<C: Clone> Persistent<C> {
    fn new(nodes: Vec<NodeId>, incarnation: u64, is_first: bool) -> Self {
        let founders = Config::default();
        let (term, vote, safe, log) = (Term::default(), None, Index::ZERO, Log::new(&founders));
        let (unwritten, pending) = (Vec::new(), VecDeque::new());
        Self { nodes, incarnation, is_first, founders, term, vote, log, unwritten, pending, safe }
    }

    /// The state that these records describe, which are safe; of a cluster of these nodes. And
    /// the snapshot behind which the log begins.
    pub(crate) fn replay(nodes: Vec<NodeId>, kept: &Kept<C>) -> Result<(Self, Replayed), Error> {
        let mut state = Self::new(nodes, kept.incarnation, kept.is_first);
        let (mut parts, mut bytes, mut snapshot) = (Vec::new(), 0, None);
        for record in &kept.records {
            state.check(record)?;
            state.change(record);
            match record {
                Record::Start { .. } => snapshot = None,
                Record::Image(part) => {
                    if part.offset == 0 {
                        (parts, bytes) = (Vec::new(), 0);
                    }
                    if part.offset != bytes {
                        return Err(Error::crash("a part of a snapshot is missing"));
                    }
                    bytes += part.text.len();
                    parts.push(part.clone());
                }
                Record::Snapshot(one) => snapshot = Some((one.clone(), mem::take(&mut parts))),
                _ => {}
            }
        }
        state.safe = state.log.last().index;
        Ok((state, snapshot))
    }

    /// Whether a record may come next.
    fn check(&self, record: &Record<C>) -> Result<(), Error> {
        let (base, last) = (self.log.base(), self.log.last());
        match record {
            Record::Append { after, .. } if *after < base.index || last.index < *after => {
                Err(Error::crash(format_args!(
                    "the records have a gap: entries behind {after:?} for a log of {base:?} to {last:?}"
                )))
            }
            Record::Start { nodes, .. } if *nodes != self.nodes => Err(Error::crash(format_args!(
                "the records are of a cluster of {nodes:?}, which is now one of {:?}",
                self.nodes
            ))),
            _ => Ok(()),
        }
    }

    /// Records that come to the same as all that were written, with this snapshot. They are
    /// made one by one.
    pub(crate) fn checkpoint(
        &self,
        snapshot: Snapshot,
        image: Image,
    ) -> impl Iterator<Item = io::Result<Record<C>>> + use<C> {
        let founders = Record::Found(self.founders.clone());
        let first = [self.start(), founders, Record::Vote(self.term, self.vote)];
        let (mut after, mut last) = (snapshot.last.index, vec![Record::Snapshot(snapshot)]);
        for entry in self.log.after(after) {
            last.push(Record::Append { after, entries: vec![Arc::clone(entry)] });
            after = after.next();
        }
        let image = image.map(|part| part.map(Record::Image).map_err(io::Error::other));
        first.into_iter().map(Ok).chain(image).chain(last.into_iter().map(Ok))
    }

    /// Writes down who it is, before anything else.
    pub(crate) fn begin(&mut self) {
        self.write(self.start(), Pending::Vote);
    }

    fn start(&self) -> Record<C> {
        let (nodes, incarnation, is_first) = (self.nodes.clone(), self.incarnation, self.is_first);
        Record::Start { nodes, incarnation, is_first }
    }

    /// These servers have founded the cluster.
    pub(crate) fn found(&mut self, founders: Config) {
        self.write(Record::Found(founders), Pending::Vote);
    }

    fn change(&mut self, record: &Record<C>) {
        match record {
            Record::Start { nodes, incarnation, is_first } => {
                *self = Self::new(nodes.clone(), *incarnation, *is_first);
            }
            Record::Found(founders) => {
                (self.founders, self.log) = (founders.clone(), Log::new(founders));
            }
            Record::Vote(term, vote) => (self.term, self.vote) = (*term, *vote),
            Record::Append { after, entries } => {
                self.log.truncate(*after);
                entries.iter().for_each(|entry| self.log.push(entry.clone()));
            }
            Record::Image(_) => {}
            Record::Snapshot(snapshot) => self.log = Log::behind(snapshot),
        }
    }

    /// Of which name a node is.
    pub(crate) fn id(&self, rank: Rank) -> &NodeId {
        &self.nodes[rank]
    }

    /// Whether this is the first server of its node.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    /// The current term.
    pub(crate) fn term(&self) -> Term {
        self.term
    }

    /// For whom this node voted in the current term.
    pub(crate) fn vote(&self) -> Option<Server> {
        self.vote
    }

    pub(crate) fn log(&self) -> &Log<C> {
        &self.log
    }

    /// Whether term and vote would survive a crash, and who this is.
    pub(crate) fn is_vote_safe(&self) -> bool {
        !self.pending.iter().any(|pending| matches!(pending, Pending::Vote))
    }

    /// The last entry that would survive a crash, with all before it.
    pub(crate) fn safe(&self) -> Index {
        self.safe
    }

    /// Begins a term, or votes in it.
    pub(crate) fn set_vote(&mut self, term: Term, vote: Option<Server>) {
        self.write(Record::Vote(term, vote), Pending::Vote);
    }

    /// Has the log contain these entries behind `after`, and none else.
    pub(crate) fn append(&mut self, after: Index, entries: Vec<Arc<Entry<C>>>) {
        self.forget_unsafe(after);
        let last = after + entries.len();
        self.write(Record::Append { after, entries }, Pending::Log(last));
    }

    /// Drops entries that are applied, up to this one. They are on the disk until a snapshot
    /// takes their place there.
    pub(crate) fn compact(&mut self, base: Index) {
        self.log.compact(base);
    }

    /// Writes down a part of a snapshot of somebody else.
    pub(crate) fn add_part(&mut self, part: TextPart) {
        self.write(Record::Image(part), Pending::Nothing);
    }

    /// Has that snapshot, all of which is written down, stand in the place of the log.
    pub(crate) fn install(&mut self, snapshot: Snapshot) {
        // Nothing of this log is acknowledged before the snapshot is safe.
        self.forget_unsafe(Index::ZERO);
        let last = snapshot.last.index;
        self.write(Record::Snapshot(snapshot), Pending::Log(last));
    }

    /// What is on its way to the disk for places behind `after` says nothing of what
    /// stands there from now on.
    fn forget_unsafe(&mut self, after: Index) {
        self.safe = self.safe.min(after);
        for pending in &mut self.pending {
            if let Pending::Log(last) = pending {
                *last = (*last).min(after);
            }
        }
    }

    fn write(&mut self, record: Record<C>, pending: Pending) {
        self.change(&record);
        self.unwritten.push(record);
        self.pending.push_back(pending);
    }

    /// What is to be written.
    pub(crate) fn take_unwritten(&mut self) -> Vec<Record<C>> {
        mem::take(&mut self.unwritten)
    }

    /// So many more records are safe.
    pub(crate) fn written(&mut self, records: u64) {
        for _ in 0..records {
            if let Some(Pending::Log(last)) = self.pending.pop_front() {
                self.safe = last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{LogTime, Payload};
    use crate::position::Position;

    fn replay(records: &[Record<u64>]) -> Result<(Persistent<u64>, Replayed), Error> {
        let nodes = ["n0", "n1", "n2"].map(NodeId::from).to_vec();
        Persistent::replay(nodes, &Kept::of(records.to_vec(), 7, false))
    }

    fn append(after: u64, entries: usize) -> Record<u64> {
        append_all(after, vec![Payload::Noop; entries])
    }

    fn append_all(after: u64, payloads: Vec<Payload<u64>>) -> Record<u64> {
        let (term, at) = (Term::from(1), LogTime::default());
        let entry = |payload| Arc::new(Entry { term, at, payload });
        let entries = payloads.into_iter().map(entry).collect();
        Record::Append { after: after.into(), entries }
    }

    fn snapshot(last: u64) -> Snapshot {
        let last = Position { term: 1.into(), index: last.into() };
        let (time, config, config_index) = (LogTime::default(), Config::new(0..2), 3.into());
        Snapshot { last, time, config, config_index }
    }

    fn image(text: &'static str) -> Image {
        Image::of(1, 4, move |_| Ok(text.to_owned()))
    }

    fn text(parts: &[TextPart]) -> String {
        parts.iter().map(|part| &*part.text).collect()
    }

    #[test]
    fn a_checkpoint_comes_to_the_same_as_what_was_written() {
        let records = [
            Record::Vote(Term::from(1), Some(2.into())),
            append(0, 2),
            append_all(2, vec![Payload::Config(Config::new(0..2)), Payload::Noop]),
            append(4, 5),
            append(8, 1),
            Record::Snapshot(snapshot(20)),
            append(20, 5),
            Record::Vote(Term::from(3), None),
        ];
        let shape = |state: &Persistent<u64>| {
            let log = &state.log;
            let config = (log.config_index(), log.config().clone());
            (state.term, state.vote, log.last(), config, state.safe)
        };
        for written in 0..=records.len() {
            let (state, _) = replay(&records[..written]).unwrap();
            // Wherever the state machine has got.
            let (log, base) = (&state.log, state.log.base().index);
            for applied in 0..=log.last().index.since(base) {
                let index = base + applied;
                let (config_index, config) = log.config_at(index).clone();
                let (last, time) =
                    (Position { term: log.term_of(index).unwrap(), index }, LogTime::default());
                let snapshot = Snapshot { last, time, config, config_index };
                let checkpoint = state.checkpoint(snapshot.clone(), image("state"));
                let checkpoint: Vec<_> = checkpoint.map(Result::unwrap).collect();
                let (again, found) = replay(&checkpoint).unwrap();
                assert_eq!(shape(&again), shape(&state), "{written} records");
                assert!(again.log.after(index).eq(log.after(index)), "{written} records");
                let (found, image) = found.unwrap();
                assert_eq!((found, text(&image)), (snapshot, "state".to_owned()));
            }
        }
    }

    #[test]
    fn an_image_comes_back_from_its_parts() {
        let mut state = replay(&[]).unwrap().0;
        let mut records = |text: &'static str| {
            image(text).for_each(|part| state.add_part(part.unwrap()));
            state.install(snapshot(9));
            state.take_unwritten()
        };
        let (small, large) = (records("s"), records("much larger"));
        assert!(small.len() < large.len());
        let replayed = |records: &[Record<u64>]| text(&replay(records).unwrap().1.unwrap().1);
        assert_eq!(replayed(&large), "much larger");
        // A crash leaves the beginning of one; others come later.
        let cut = [&large[..2], &[append(0, 3)], &small, &large[..1], &large].concat();
        assert_eq!(replayed(&cut[..3 + small.len()]), "s");
        assert_eq!(replayed(&cut[..4 + small.len()]), "s");
        assert_eq!(replayed(&cut), "much larger");
        assert!(replay(&[&large[..1], &large[2..]].concat()).is_err());
    }

    #[test]
    fn records_with_a_gap_and_those_of_other_nodes_are_refused() {
        assert!(replay(&[append(0, 2), append(2, 1)]).is_ok());
        assert!(replay(&[append(0, 2), append(3, 1)]).is_err());
        assert!(replay(&[Record::Snapshot(snapshot(4)), append(3, 1)]).is_err());
        let start = |nodes: &[&str], incarnation| {
            let nodes = nodes.iter().map(|&node| node.into()).collect();
            Record::Start { nodes, incarnation, is_first: false }
        };
        assert!(replay(&[start(&["n0", "n1"], 7)]).is_err());
    }

    #[test]
    fn a_server_that_starts_anew_remembers_nothing_of_the_former_one() {
        let start = |incarnation| {
            let nodes = ["n0", "n1", "n2"].map(NodeId::from).to_vec();
            Record::Start { nodes, incarnation, is_first: false }
        };
        let found = Record::Found(Config::new(1..3));
        let vote = Record::Vote(Term::from(2), Some(1.into()));
        let old = [start(7), found, vote, append(0, 2), Record::Snapshot(snapshot(1))];
        let (state, _) = replay(&old[..4]).unwrap();
        assert_eq!((state.incarnation, state.log.config()), (7, &Config::new(1..3)));
        let (state, snapshot) = replay(&[&old[..], &[start(8)]].concat()).unwrap();
        assert!(snapshot.is_none());
        assert_eq!((state.incarnation, state.term, state.vote), (8, Term::default(), None));
        assert_eq!(
            (state.log.config(), state.log.last()),
            (&Config::default(), Position::default())
        );
    }
}
