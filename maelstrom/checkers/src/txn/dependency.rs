//! The graph of dependencies between transactions.
//!
//! Adya's direct serialization graph ("Weak Consistency", 1999, section 3.1),
//! with arcs for the order of processes or of real time where a model wants
//! them. Vertices below [`Dependencies::transactions`] are transactions. The
//! others are *states*: a version that many read and many overwrote makes every
//! reader precede every overwriter, which would be their product in arcs. The
//! state stands between them instead, so that the graph stays linear in the
//! history. An anti-dependency through a state is two arcs, both labelled
//! [`Relation::Rw`], and one step.

use super::numbers::{NULL, Name, Txn, Version};
use super::relation::{Relation, Scope};
use crate::graph::Digraph;

/// From where the order of two versions is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Basis {
    /// Transactions that read and wrote them.
    Data,
    /// What is read when everything has come to rest.
    FinalReads,
    /// The order in which processes saw them.
    Process,
    /// The order in which they were seen in real time.
    Realtime,
}

impl Basis {
    /// The order of transactions that it leans on.
    pub(super) fn scope(self) -> Scope {
        match self {
            Self::Data | Self::FinalReads => Scope::Data,
            Self::Process => Scope::Process,
            Self::Realtime => Scope::Realtime,
        }
    }
}

/// An arc's label: the relation and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) relation: Relation,
    pub(super) key: Name,
    /// The version written or read first; [`NULL`] before the first write.
    pub(super) value: Name,
    /// The version that followed it, where one did.
    pub(super) next: Name,
    pub(super) basis: Basis,
}

impl Dependency {
    pub(super) fn ww(key: Name, value: Name, next: Name) -> Self {
        Self { relation: Relation::Ww, key, value, next, basis: Basis::Data }
    }

    pub(super) fn wr(key: Name, value: Name) -> Self {
        Self { relation: Relation::Wr, ..Self::ww(key, value, value) }
    }

    pub(super) fn rw(key: Name, value: Name, next: Name) -> Self {
        Self { relation: Relation::Rw, ..Self::ww(key, value, next) }
    }

    pub(super) fn order(order: Relation) -> Self {
        Self { relation: order, ..Self::ww(NULL, NULL, NULL) }
    }

    /// The same, known from elsewhere.
    pub(super) fn on(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }

    /// The order of transactions that it is or leans on.
    pub(super) fn scope(self) -> Scope {
        match self.relation {
            Relation::Ww | Relation::Wr | Relation::Rw => self.basis.scope(),
            Relation::Process => Scope::Process,
            Relation::Realtime => Scope::Realtime,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Dependencies {
    transactions: u32,
    states: u32,
    arcs: Vec<(u32, u32, Dependency)>,
    /// Read dependencies of transactions on themselves.
    loops: Vec<(Txn, Dependency)>,
    /// Transactions that are no part of the graph, sorted.
    without: Vec<Txn>,
    /// Whether any dependency was inferred, be it of a transaction on itself or
    /// on one that failed.
    is_touched: bool,
}

impl Dependencies {
    pub(super) fn new(transactions: usize) -> Self {
        Self { transactions: transactions as u32, ..Self::default() }
    }

    /// The same without what would relate these transactions, which are sorted.
    pub(super) fn without(self, transactions: Vec<Txn>) -> Self {
        Self { without: transactions, ..self }
    }

    fn is_in(&self, txn: Txn) -> bool {
        self.without.binary_search(&txn).is_err()
    }

    pub(super) fn transactions(&self) -> u32 {
        self.transactions
    }

    pub(super) fn loops(&self) -> &[(Txn, Dependency)] {
        &self.loops
    }

    /// `txn` read its own write before it made it.
    pub(super) fn add_loop(&mut self, txn: Txn, dependency: Dependency) {
        self.loops.push((txn, dependency));
        self.touch();
    }

    /// Notes that a dependency exists that makes no arc.
    pub(super) fn touch(&mut self) {
        self.is_touched = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.is_touched && self.arcs.is_empty()
    }

    /// `from` precedes `to`. A transaction does not precede itself.
    pub(super) fn add(&mut self, from: Txn, to: Txn, dependency: Dependency) {
        if from != to && self.is_in(from) && self.is_in(to) {
            self.arcs.push((from, to, dependency));
        }
    }

    /// What follows a version directly comes after who made it and who read it.
    pub(super) fn follow(
        &mut self,
        (key, value): Version,
        maker: Option<Txn>,
        readers: &[Txn],
        followers: &[(Txn, Name)],
    ) {
        if let Some(maker) = maker {
            for &(txn, next) in followers {
                self.add(maker, txn, Dependency::ww(key, value, next));
            }
        }
        self.overwritten((key, value), readers, followers, Basis::Data);
    }

    /// All `readers` of a version precede all `writers` of versions that follow
    /// it directly; each writer comes with what it wrote.
    pub(super) fn overwritten(
        &mut self,
        (key, value): Version,
        readers: &[Txn],
        writers: &[(Txn, Name)],
        basis: Basis,
    ) {
        let writers: Vec<_> = writers.iter().filter(|&&(txn, _)| self.is_in(txn)).collect();
        if readers.len() == 1 || writers.len() == 1 {
            for &&(writer, next) in &writers {
                for &reader in readers {
                    self.add(reader, writer, Dependency::rw(key, value, next).on(basis));
                }
            }
        } else if !readers.is_empty() && !writers.is_empty() {
            let state = self.transactions + self.states;
            self.states += 1;
            for &reader in readers {
                self.arcs.push((reader, state, Dependency::rw(key, value, NULL).on(basis)));
            }
            for &&(writer, next) in &writers {
                self.arcs.push((state, writer, Dependency::rw(key, value, next).on(basis)));
            }
        }
    }

    pub(super) fn graph(&self) -> Digraph<Dependency> {
        Digraph::new((self.transactions + self.states) as usize, &self.arcs)
    }
}

/// The values of one key in a list of pairs sorted by key.
pub(super) fn group<K: Ord + Copy, V: Copy>(
    sorted: &[(K, V)],
    key: K,
) -> impl Iterator<Item = V> + '_ {
    let start = sorted.partition_point(|&(k, _)| k < key);
    sorted[start..].iter().take_while(move |&&(k, _)| k == key).map(|&(_, value)| value)
}
