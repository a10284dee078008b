//! How a value went from node to node.

use std::collections::BTreeMap;

use super::run::{Arrivals, Moment, Run, Wanted};
use crate::net::Address;
use crate::trace::Sent;

/// Who knew a value, and which messages carried it.
pub(super) struct Spread<'a> {
    /// When each node or service first knew it.
    pub(super) knew: BTreeMap<Address, Moment>,
    /// The messages among nodes and services that carried it, by when they were sent.
    pub(super) carriers: Vec<&'a Sent>,
}

impl<'a> Spread<'a> {
    /// Of a value that clients told these nodes at these times.
    pub(super) fn of(run: &Run<'a>, wanted: &Wanted, origins: &[Origin]) -> Self {
        let mut spread = Self { knew: BTreeMap::new(), carriers: Vec::new() };
        // Who will know it when: origins, and those whom a carrier is going to reach.
        let mut learns = Arrivals::default();
        origins.iter().for_each(|origin| learns.add(Some(origin.told), origin.node));
        let begin = origins.iter().map(|origin| origin.told.line).min().unwrap_or(u64::MAX);
        for sent in run.inner().filter(|sent| sent.line >= begin) {
            while let Some((moment, address)) = learns.before(sent.line) {
                spread.knew.entry(address).or_insert(moment);
            }
            if spread.knew.contains_key(&sent.src) && wanted.is_carried(run, sent) {
                spread.carriers.push(sent);
                learns.add(Moment::arrival(sent), sent.dest);
            }
        }
        while let Some((moment, address)) = learns.before(u64::MAX) {
            spread.knew.entry(address).or_insert(moment);
        }
        spread
    }

    /// The messages that carried it to somebody.
    pub(super) fn to(&self, dest: Address) -> impl Iterator<Item = &'a Sent> + '_ {
        self.carriers.iter().copied().filter(move |sent| sent.dest == dest)
    }

    /// The messages by which those learned of it who told this one in the end.
    pub(super) fn path(&self, dest: Address) -> Vec<&'a Sent> {
        let mut path: Vec<&Sent> = Vec::new();
        let mut dest = dest;
        while let Some(moment) = self.knew.get(&dest)
            && let Some(sent) = self.to(dest).find(|sent| sent.arrived == Some(moment.line))
            && !path.iter().any(|other| other.id == sent.id)
        {
            path.push(sent);
            dest = sent.src;
        }
        path
    }
}

/// A node that a client told a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) node: Address,
    /// When the request reached it.
    pub(super) told: Moment,
    /// The index of the invocation.
    pub(super) op: u64,
}

impl Origin {
    pub(super) fn of(request: &Sent) -> Option<Self> {
        Some(Self { node: request.dest, told: Moment::arrival(request)?, op: request.op? })
    }
}

/// The nodes that clients told a value.
pub(super) fn origins(run: &Run<'_>, wanted: &Wanted) -> Vec<Origin> {
    let told = run.trace.messages.iter();
    let told = told.filter(|sent| is_telling(run, sent) && wanted.is_in(&sent.body));
    told.filter_map(Origin::of).collect()
}

/// Whether a message is a client's request that tells a node something, not one that only asks.
pub(super) fn is_telling(run: &Run<'_>, sent: &Sent) -> bool {
    const QUESTIONS: [&str; 4] = ["read", "poll", "assign", "generate"];
    let op = sent.op.and_then(|op| run.op(op));
    op.is_some_and(|op| !QUESTIONS.contains(&&*op.f))
}
