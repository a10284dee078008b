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
use std::sync::Arc;
use std::{iter, mem};

use maelstrom::machine::Rank;
use maelstrom::{Error, NodeId};

use crate::config::{Config, Server};
use crate::entry::Entry;
use crate::log::Log;
use crate::position::{Index, Term};
use crate::record::{Kept, Record};
use crate::snapshot::Snapshot;

/// A record that is not safe yet.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Vote,
    /// The last entry that is safe once it is.
    Log(Index),
    /// What it stands for was safe before: a snapshot of what is in the log.
    Nothing,
}

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
    snapshot: Option<Arc<Snapshot>>,
    /// Of the next one, while records are read.
    image: String,
    unwritten: Vec<Record<C>>,
    /// What was written and is not safe yet.
    pending: VecDeque<Pending>,
    safe: Index,
}

impl<C: Clone> Persistent<C> {
    fn new(nodes: Vec<NodeId>, incarnation: u64, is_first: bool) -> Self {
        let founders = Config::default();
        let (term, vote, safe, log) = (Term::default(), None, Index::ZERO, Log::new(&founders));
        let (snapshot, unwritten, pending) = (None, Vec::new(), VecDeque::new());
        let image = String::new();
        Self {
            nodes,
            incarnation,
            is_first,
            founders,
            term,
            vote,
            log,
            snapshot,
            image,
            unwritten,
            pending,
            safe,
        }
    }

    /// The state that these records describe, which are safe; of a cluster of these nodes.
    pub(crate) fn replay(nodes: Vec<NodeId>, kept: &Kept<C>) -> Result<Self, Error> {
        let mut state = Self::new(nodes, kept.incarnation, kept.is_first);
        for record in &kept.records {
            state.check(record)?;
            state.change(record);
        }
        state.image = String::new();
        state.safe = state.log.last().index;
        Ok(state)
    }

    /// Whether a record may come next.
    fn check(&self, record: &Record<C>) -> Result<(), Error> {
        match record {
            Record::Append { after, .. }
                if *after < self.log.base().index || self.log.last().index < *after =>
            {
                let (base, last) = (self.log.base(), self.log.last());
                Err(Error::crash(format_args!(
                    "the records have a gap: entries behind {after:?} for a log of {base:?} to {last:?}"
                )))
            }
            Record::Image { offset, .. } if ![0, self.image.len()].contains(offset) => {
                Err(Error::crash("a part of a snapshot is missing among the records"))
            }
            Record::Start { nodes, .. } if *nodes != self.nodes => Err(Error::crash(format_args!(
                "the records are of a cluster of {nodes:?}, which is now one of {:?}",
                self.nodes
            ))),
            _ => Ok(()),
        }
    }

    /// Records that come to the same as all that were written, of which only a snapshot may
    /// be [too long](Record::split).
    pub(crate) fn checkpoint(&self) -> Vec<Record<C>> {
        let founders = Record::Found(self.founders.clone());
        let mut records = vec![self.start(), founders, Record::Vote(self.term, self.vote)];
        records.extend(self.snapshot.clone().map(Record::Snapshot));
        let mut after = self.snapshot.as_ref().map_or(Index::ZERO, |snapshot| snapshot.last.index);
        for entry in self.log.after(after) {
            records.push(Record::Append { after, entries: vec![Arc::clone(entry)] });
            after = after.next();
        }
        records
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
            Record::Image { offset, text } => {
                self.image.truncate(*offset);
                self.image.push_str(text);
            }
            Record::Snapshot(snapshot) => {
                if !self.log.contains(snapshot.last) {
                    self.forget_log(snapshot);
                }
                self.snapshot = Some(match snapshot.image.is_empty() {
                    false => snapshot.clone(),
                    true => {
                        let image = mem::take(&mut self.image).into();
                        Arc::new(Snapshot { image, ..(**snapshot).clone() })
                    }
                });
            }
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

    /// The last snapshot.
    pub(crate) fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
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

    /// Has a snapshot stand for the beginning of the log, of which what is behind `base`
    /// stays.
    pub(crate) fn compact(&mut self, snapshot: Snapshot, base: Index) {
        self.write(Record::Snapshot(snapshot.into()), Pending::Nothing);
        self.log.compact(base);
    }

    /// The log ends where a snapshot does.
    pub(crate) fn forget_log(&mut self, snapshot: &Snapshot) {
        let Snapshot { last, time, ref config, config_index, .. } = *snapshot;
        self.log = Log::behind(last, time, (config_index, config.clone()));
    }

    /// Has a snapshot that somebody else took stand for the beginning of the log.
    pub(crate) fn install(&mut self, snapshot: Snapshot) {
        let last = snapshot.last;
        let stays = self.log.contains(last);
        if !stays {
            // Nothing of this log is acknowledged before the snapshot is safe.
            self.forget_unsafe(Index::ZERO);
        }
        let pending = if stays { Pending::Nothing } else { Pending::Log(last.index) };
        self.write(Record::Snapshot(snapshot.into()), pending);
        self.log.compact(last.index);
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
        let before = self.unwritten.len();
        self.unwritten.extend(record.split());
        let parts = self.unwritten.len() - before - 1;
        self.pending.extend(iter::repeat_n(Pending::Nothing, parts));
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
    use crate::record::PART;

    fn replay(records: &[Record<u64>]) -> Result<Persistent<u64>, Error> {
        let nodes = ["n0", "n1", "n2"].map(NodeId::from).to_vec();
        Persistent::replay(nodes, &Kept::of(records.to_vec(), 7))
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

    fn snapshot(last: u64) -> Record<u64> {
        let last = Position { term: 1.into(), index: last.into() };
        let (time, config, config_index) = (LogTime::default(), Config::new(0..2), 3.into());
        Record::Snapshot(Snapshot { last, time, config, config_index, image: "0".into() }.into())
    }

    #[test]
    fn a_checkpoint_comes_to_the_same_as_what_was_written() {
        let records = [
            Record::Vote(Term::from(1), Some(2.into())),
            append(0, 2),
            append_all(2, vec![Payload::Config(Config::new(0..2)), Payload::Noop]),
            append(4, 5),
            snapshot(4),
            append(9, 2),
            append(8, 1),
            snapshot(20),
            append(20, 5),
            Record::Vote(Term::from(3), None),
        ];
        let shape = |state: &Persistent<u64>| {
            let log = &state.log;
            let config = (log.config_index(), log.config().clone());
            (state.term, state.vote, log.last(), config, state.snapshot.clone(), state.safe)
        };
        for written in 0..=records.len() {
            let state = replay(&records[..written]).unwrap();
            let again = replay(&state.checkpoint()).unwrap();
            assert_eq!(shape(&again), shape(&state), "{written} records");
            let base = state.snapshot.as_ref().map_or(Index::ZERO, |one| one.last.index);
            assert!(again.log.after(base).eq(state.log.after(base)), "{written} records");
        }
    }

    #[test]
    fn an_image_that_is_longer_than_a_record_comes_back_from_its_parts() {
        let image: Arc<str> = format!("\"{}\"", "Ä".repeat(PART + 7)).into();
        let Record::Snapshot(small) = snapshot(9) else { panic!("a snapshot") };
        let large =
            Record::<u64>::Snapshot(Snapshot { image: image.clone(), ..(*small).clone() }.into());
        let records: Vec<_> = large.split().collect();
        let length = |record: &Record<u64>| serde_json::to_string(record).unwrap().len();
        assert!(records.len() == 4 && records.iter().all(|record| length(record) < PART + 99));
        let replayed = |records: &[Record<u64>]| replay(records).unwrap().snapshot.unwrap();
        assert_eq!(replayed(&records).image, image);
        // A crash leaves the beginning of one; others come later.
        let cut = [&records[..2], &[append(0, 3), snapshot(2)], &records[..1], &records].concat();
        assert_eq!(replayed(&cut[..4]).image, small.image);
        assert_eq!(replayed(&cut).image, image);
        assert!(replay(&cut[..5]).unwrap().image.is_empty());
        assert!(replay(&[&records[..1], &records[2..]].concat()).is_err());
    }

    #[test]
    fn records_with_a_gap_and_those_of_other_nodes_are_refused() {
        assert!(replay(&[append(0, 2), append(2, 1)]).is_ok());
        assert!(replay(&[append(0, 2), append(3, 1)]).is_err());
        assert!(replay(&[snapshot(4), append(3, 1)]).is_err());
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
        let old = [start(7), found, vote, append(0, 2), snapshot(1)];
        let state = replay(&old).unwrap();
        assert_eq!((state.incarnation, state.log.config()), (7, &Config::new(1..3)));
        let state = replay(&[&old[..], &[start(8)]].concat()).unwrap();
        assert_eq!((state.incarnation, state.term, state.vote), (8, Term::default(), None));
        assert_eq!(
            (state.log.config(), state.log.last()),
            (&Config::default(), Position::default())
        );
    }
}
