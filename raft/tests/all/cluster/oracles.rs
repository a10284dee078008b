//! The five properties of the paper's figure 3, each looked at after every step, and two
//! of this implementation.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use lin_kv::{Command, Store};
use maelstrom::machine::{Output, Rank};
use raft::{Ballot, Entry as LogEntry, Index, Part, Position, Raft, Record, Server, Term};
use simulator::cluster::{Cluster, Step};

type Node = Raft<Store>;

/// Has a cluster looked at.
pub(crate) fn watch(cluster: &mut Cluster<Node>) {
    let mut election_safety = ElectionSafety::default();
    cluster.check(move |step| election_safety.look(step));
    let mut leader_append_only = LeaderAppendOnly::default();
    cluster.check(move |step| leader_append_only.look(step));
    let mut log_matching = LogMatching::default();
    cluster.check(move |step| log_matching.look(step));
    let mut leader_completeness = LeaderCompleteness::default();
    cluster.check(move |step| leader_completeness.look(step));
    let mut state_machine_safety = StateMachineSafety::default();
    cluster.check(move |step| state_machine_safety.look(step));
    let mut same_states = SameStates::default();
    cluster.check(move |step| same_states.look(step));
}

/// Has a cluster listened to: what is said too early does no harm for long, mostly.
pub(crate) fn listen(cluster: &mut Cluster<Node>) {
    let mut safe_before_said = SafeBeforeSaid::default();
    cluster.check(move |step| safe_before_said.look(step));
}

/// Nothing is said in a term, and no vote is told, before a record of it is safe.
#[derive(Default)]
struct SafeBeforeSaid {
    /// What is safe of each node: so many records, the term in them, and the vote.
    safe: BTreeMap<Rank, (usize, Term, Option<Rank>)>,
}

impl SafeBeforeSaid {
    fn look(&mut self, step: &Step<'_, Node>) -> Result<(), String> {
        let (looked, term, vote) = self.safe.entry(step.node).or_default();
        // A snapshot of its journal has taken the place of some that were looked at.
        let begin = if step.safe.len() < *looked { 0 } else { *looked };
        for record in &step.safe[begin..] {
            match record {
                Record::Start { .. } => (*term, *vote) = (Term::default(), None),
                Record::Vote(new, voted) => (*term, *vote) = (*new, voted.map(|voted| voted.rank)),
                _ => {}
            }
        }
        *looked = step.safe.len();
        for output in step.outputs {
            let Output::Send(to, packet) = output else { continue };
            let votes = packet.parts.iter().filter_map(|part| match part {
                Part::Vote(Ballot::Vote, _) => Some(*to),
                Part::RequestVote(request) if request.ballot == Ballot::Vote => Some(step.node),
                _ => None,
            });
            if packet.term != *term || votes.into_iter().any(|voted| *vote != Some(voted)) {
                let (node, safe) = (step.node, (&term, &vote));
                return Err(format!("n{node} says before it is safe: {packet:?}; {safe:?}"));
            }
        }
        Ok(())
    }
}

/// Whoever has applied as much has the same state, sessions included: snapshots lose
/// nothing.
#[derive(Default)]
struct SameStates {
    images: BTreeMap<Index, String>,
    /// Up to where each node's were looked at.
    looked: BTreeMap<Rank, Index>,
}

impl SameStates {
    fn look(&mut self, step: &Step<'_, Node>) -> Result<(), String> {
        let applied = step.machine.applied_index();
        if self.looked.insert(step.node, applied) == Some(applied) {
            return Ok(());
        }
        let image = step.machine.image().map_err(|error| error.to_string())?;
        let known = self.images.entry(applied).or_insert_with(|| image.clone());
        match *known == image {
            true => Ok(()),
            false => Err(format!("n{} has at {applied:?} {image}, not {known}", step.node)),
        }
    }
}

/// *At most one leader can be elected in a given term.*
#[derive(Default)]
struct ElectionSafety {
    leaders: BTreeMap<Term, Server>,
}

impl ElectionSafety {
    fn look(&mut self, step: &Step<'_, Node>) -> Result<(), String> {
        if !step.machine.is_leader() {
            return Ok(());
        }
        let term = step.machine.term();
        let server = step.machine.server();
        match *self.leaders.entry(term).or_insert(server) {
            leader if leader == server => Ok(()),
            leader => Err(format!("election safety: {leader:?} and {server:?} lead in {term:?}")),
        }
    }
}

/// What a step appends to the log.
fn appends<'a>(
    step: &Step<'a, Node>,
) -> impl Iterator<Item = (Index, &'a [Arc<LogEntry<Command>>])> {
    step.outputs.iter().filter_map(|output| match output {
        Output::Write(Record::Append { after, entries }) => Some((*after, &entries[..])),
        _ => None,
    })
}

/// *A leader never overwrites or deletes entries in its log; it only appends new entries.*
#[derive(Default)]
struct LeaderAppendOnly {
    /// The term in which a node leads, and its last entry.
    leading: BTreeMap<Rank, (Term, Index)>,
}

impl LeaderAppendOnly {
    fn look(&mut self, step: &Step<'_, Node>) -> Result<(), String> {
        let term = step.machine.term();
        if !step.machine.is_leader() {
            self.leading.remove(&step.node);
            return Ok(());
        }
        if let Some(&(led, last)) = self.leading.get(&step.node)
            && led == term
            && let Some((after, _)) = appends(step).find(|&(after, _)| after < last)
        {
            let node = step.node;
            return Err(format!("leader append-only: n{node} cuts off {last:?} behind {after:?}"));
        }
        self.leading.insert(step.node, (term, step.machine.log().last().index));
        Ok(())
    }
}

/// *If two logs contain an entry with the same index and term, then the logs are identical
/// in all entries up through the given index.*
#[derive(Default)]
struct LogMatching {
    /// What was in some log at each position, and the term of the entry before it.
    seen: BTreeMap<Position, (Arc<LogEntry<Command>>, Term)>,
}

impl LogMatching {
    fn look(&mut self, step: &Step<'_, Node>) -> Result<(), String> {
        for (after, entries) in appends(step) {
            let Some(mut before) = step.machine.log().term_of(after) else { continue };
            for (index, entry) in entries.iter().enumerate() {
                let position = Position { term: entry.term, index: after + (index + 1) };
                let known = self.seen.entry(position).or_insert_with(|| (entry.clone(), before));
                if !(Arc::ptr_eq(&known.0, entry) || known.0 == *entry) || known.1 != before {
                    return Err(format!("log matching: n{} has another {position:?}", step.node));
                }
                before = entry.term;
            }
        }
        self.look_behind_snapshot(step)
    }

    /// What a snapshot leaves of a log was there before.
    fn look_behind_snapshot(&self, step: &Step<'_, Node>) -> Result<(), String> {
        let is_snapshot = |output: &_| matches!(output, Output::Write(Record::Snapshot(_)));
        if !step.outputs.iter().any(is_snapshot) {
            return Ok(());
        }
        let (log, node) = (step.machine.log(), step.node);
        let Position { term: mut before, mut index } = log.base();
        if index > Index::ZERO && !self.seen.contains_key(&log.base()) {
            return Err(format!("log matching: n{node} begins behind {:?}", log.base()));
        }
        for entry in log.after(index) {
            index = index.next();
            let position = Position { term: entry.term, index };
            if self.seen.get(&position) != Some(&(entry.clone(), before)) {
                return Err(format!("log matching: n{node} has another {position:?} now"));
            }
            before = entry.term;
        }
        Ok(())
    }
}

/// *If a log entry is committed in a given term, then that entry will be present in the logs
/// of the leaders for all higher-numbered terms.*
#[derive(Default)]
struct LeaderCompleteness {
    /// The terms of what is committed, and of the node that said so first.
    committed: BTreeMap<Index, (Term, Term)>,
    /// What leaders had when they were elected: a term for each entry behind an index.
    elected: BTreeMap<Term, (Index, Vec<Term>)>,
    /// Up to where each node's commits were looked at.
    looked: BTreeMap<Rank, Index>,
}

impl LeaderCompleteness {
    fn look(&mut self, step: &Step<'_, Node>) -> Result<(), String> {
        let (machine, log) = (step.machine, step.machine.log());
        let looked = self.looked.entry(step.node).or_default();
        // A node that starts again knows of no commits.
        *looked = (*looked).min(machine.commit_index());
        // What a snapshot stands for others have seen.
        let mut index = (*looked).max(log.base().index);
        *looked = machine.commit_index();
        while index < machine.commit_index() {
            index = index.next();
            let Some(term) = log.term_of(index) else {
                return Err(format!("n{} has committed {index:?} and lacks it", step.node));
            };
            if let Entry::Vacant(vacant) = self.committed.entry(index) {
                let committed = *vacant.insert((term, machine.term()));
                let later = self.elected.range(machine.term().next()..);
                later.into_iter().try_for_each(|leader| has(leader, index, committed))?;
            }
        }
        if machine.is_leader() && !self.elected.contains_key(&machine.term()) {
            let terms = log.after(log.base().index).map(|entry| entry.term).collect();
            let elected = (log.base().index, terms);
            let earlier = self.committed.iter().filter(|(_, (_, term))| *term < machine.term());
            for (&index, &committed) in earlier {
                has((&machine.term(), &elected), index, committed)?;
            }
            self.elected.insert(machine.term(), elected);
        }
        Ok(())
    }
}

/// Whether a leader had an entry when it was elected.
fn has(
    (leader, (base, terms)): (&Term, &(Index, Vec<Term>)),
    index: Index,
    (term, _): (Term, Term),
) -> Result<(), String> {
    if index <= *base || terms.get(index.since(*base) - 1) == Some(&term) {
        return Ok(());
    }
    Err(format!("leader completeness: the leader of {leader:?} lacks {index:?} of {term:?}"))
}

/// *If a server has applied a log entry at a given index to its state machine, no other
/// server will ever apply a different log entry for the same index.*
#[derive(Default)]
struct StateMachineSafety {
    applied: BTreeMap<Index, Arc<LogEntry<Command>>>,
    /// Up to where each node's were looked at.
    looked: BTreeMap<Rank, Index>,
}

impl StateMachineSafety {
    fn look(&mut self, step: &Step<'_, Node>) -> Result<(), String> {
        let (log, applied) = (step.machine.log(), step.machine.applied_index());
        let looked = self.looked.entry(step.node).or_default();
        // A node that starts again applies anew.
        *looked = if applied < *looked { Index::ZERO } else { *looked };
        *looked = (*looked).max(log.base().index);
        while *looked < applied {
            *looked = looked.next();
            let Some(entry) = log.get(*looked) else {
                return Err(format!("n{} has applied {looked:?} and lacks it", step.node));
            };
            let known = self.applied.entry(*looked).or_insert_with(|| entry.clone());
            if !Arc::ptr_eq(known, entry) && known != entry {
                let node = step.node;
                return Err(format!("state machine safety: n{node} applies another {looked:?}"));
            }
        }
        Ok(())
    }
}
