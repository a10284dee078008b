//! How a value went from node to node.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::run::{Run, Wanted};
use crate::net::Address;
use crate::trace::{Fate, Sent};

/// Who knew a value, and which messages carried it.
pub(super) struct Spread<'a> {
    /// When each node or service first knew it.
    pub(super) knew: BTreeMap<Address, i64>,
    /// The messages among nodes and services that carried it, by when they were sent.
    pub(super) carriers: Vec<&'a Sent>,
}

impl<'a> Spread<'a> {
    /// Of a value that clients told these nodes at these times.
    pub(super) fn of(run: &Run<'a>, wanted: &Wanted, origins: &[(Address, i64)]) -> Self {
        let mut spread = Self { knew: BTreeMap::new(), carriers: Vec::new() };
        // Who will know it when: origins, and those whom a carrier is going to reach.
        let mut learns: BinaryHeap<Reverse<(i64, Address)>> =
            origins.iter().map(|&(address, time)| Reverse((time, address))).collect();
        let begin = origins.iter().map(|origin| origin.1).min().unwrap_or(i64::MAX);
        for sent in run.inner().filter(|sent| sent.time >= begin) {
            while let Some(&Reverse((time, address))) = learns.peek()
                && time <= sent.time
            {
                learns.pop();
                spread.knew.entry(address).or_insert(time);
            }
            if spread.knew.contains_key(&sent.src) && wanted.is_in(&sent.body) {
                spread.carriers.push(sent);
                learns.extend(sent.receipts.first().map(|time| Reverse((*time, sent.dest))));
            }
        }
        for Reverse((time, address)) in learns {
            let knew = spread.knew.entry(address).or_insert(time);
            *knew = time.min(*knew);
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
        while let Some(time) = self.knew.get(&dest)
            && let Some(sent) = self.to(dest).find(|sent| sent.fate() == Fate::Received(*time))
            && !path.iter().any(|other| other.id == sent.id)
        {
            path.push(sent);
            dest = sent.src;
        }
        path
    }
}

/// The nodes that clients told a value, and when the request reached them.
pub(super) fn origins(run: &Run<'_>, wanted: &Wanted) -> Vec<(Address, i64, u64)> {
    const QUESTIONS: [&str; 4] = ["read", "poll", "assign", "generate"];
    let requests = run.trace.messages.iter().filter_map(|sent| Some((sent.op?, sent)));
    let told = requests.filter(|(op, sent)| {
        let is_told = |f: &str| !QUESTIONS.contains(&f);
        run.op(*op).is_some_and(|op| is_told(&op.f)) && wanted.is_in(&sent.body)
    });
    told.filter_map(|(op, sent)| Some((sent.dest, *sent.receipts.first()?, op))).collect()
}
