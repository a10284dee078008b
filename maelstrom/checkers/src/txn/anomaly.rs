//! What can be wrong with the transactions of a history.
//!
//! Cycles form a grid, and the whole file rests on it: a cycle has a *class*,
//! how many anti-dependencies (rw) it needs and how they lie, and a *scope*,
//! which order besides the data's own it leans on. Classes and scopes are
//! ordered from worst to mildest, and a consistency model forbids a corner of
//! the grid (see `model.rs`). Adya names the classes ("Weak Consistency", 1999,
//! chapters 3 and 4); the suffixes `-item`, `-process`, `-realtime` and
//! G-nonadjacent are Elle's.
//!
//! All registers and lists are single items, never predicates, so the variants
//! with predicates cannot arise.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::model::Model;
use super::relation::Scope;
use crate::cases::{Case, Cases};

/// What a cycle of dependencies is made of, from worst to mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Write dependencies alone: writes of transactions interleave.
    G0,
    /// Write and read dependencies: information flows in a circle.
    G1c,
    /// Exactly one anti-dependency: a read skew, or a stale view.
    GSingle,
    /// Several anti-dependencies, no two of them in a row: a long fork. What
    /// snapshot isolation forbids (Cerone and Gotsman, "Analysing Snapshot
    /// Isolation", PODC 2016).
    GNonadjacent,
    /// Anti-dependencies with two in a row: a write skew.
    G2,
}

/// A class of anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// Two reads of a list, neither of which is a prefix of the other. It comes first, since
    /// cycles follow from it.
    IncompatibleOrder,
    #[serde(skip)]
    Cycle(Class, Scope),
    /// A cycle that rules this model out exists somewhere, but none was found
    /// that shows it by name. Only reported where the original's quirks are
    /// asked for.
    #[serde(skip)]
    CycleExists(Model),
    /// A transaction contradicts its own earlier read or write (INT in Cerone,
    /// Bernardi and Gotsman, "A Framework for Transactional Consistency Models
    /// with Atomic Visibility", CONCUR 2015).
    Internal,
    /// A transaction reads what it writes only later.
    FutureRead,
    /// A transaction reads what it had overwritten itself before the read.
    OverwrittenOwnRead,
    /// Aborted read: what was read was written by a transaction that failed.
    #[serde(rename = "G1a")]
    G1a,
    /// Intermediate read: what was read was overwritten by its own transaction.
    #[serde(rename = "G1b")]
    G1b,
    /// Two transactions read the same version of a key and both wrote the key.
    LostUpdate,
    /// A committed append stands on one that was aborted.
    DirtyUpdate,
    DuplicateElements,
    /// Transactions disagree about which of two versions came first.
    CyclicVersions,
    /// A read returned what nobody ever wrote ("garbage read": Kingsbury and
    /// Alvaro, "Elle", VLDB 2020).
    GarbageRead,
    /// A reply that does not answer the transaction that was asked for.
    ReplyMismatch,
    MalformedReply,
    /// A request that is no transaction: the load's fault, not the system's.
    MalformedRequest,
    /// Observed transaction vanishes: after one effect of a transaction was
    /// seen, a later read of the same transaction misses another (Bailis et al.,
    /// "Highly Available Transactions", VLDB 2014, appendix A).
    #[serde(rename = "OTV")]
    Otv,
    /// A transaction saw one effect of another and missed a second one, in
    /// whatever order (Bailis et al., "Scalable Atomic Visibility with RAMP
    /// Transactions", SIGMOD 2014, section 3).
    FracturedRead,
    /// A transaction saw an effect but missed one of its causes.
    CausalityViolation,
    /// A transaction missed an effect of one that happened before it, by the order of
    /// processes and of reads.
    #[serde(rename = "causality-violation-process")]
    SessionCausalityViolation,
    /// After everything came to rest, reads still differ.
    DivergentFinalRead,
    /// The load wrote one value to one key twice, so that a read of it does not
    /// tell who wrote it.
    DuplicateWrite,
    /// No transaction depends on any other, so that nothing could be checked.
    EmptyTransactionGraph,
}

impl Class {
    pub(super) const ALL: [Self; 5] =
        [Self::G0, Self::G1c, Self::GSingle, Self::GNonadjacent, Self::G2];

    fn name(self) -> &'static str {
        match self {
            Self::G0 => "G0",
            Self::G1c => "G1c",
            Self::GSingle => "G-single-item",
            Self::GNonadjacent => "G-nonadjacent-item",
            Self::G2 => "G2-item",
        }
    }

    pub(super) fn has_anti_dependency(self) -> bool {
        self >= Self::GSingle
    }
}

impl Anomaly {
    /// Whether looking for cycles of `class` and `scope` is idle once this was
    /// found among the same transactions: a cycle of the first family (no
    /// anti-dependency) says nothing about the second.
    pub(super) fn covers(self, class: Class, scope: Scope) -> bool {
        matches!(self, Self::Cycle(c, s) if c <= class && s <= scope
            && c.has_anti_dependency() == class.has_anti_dependency())
    }

    /// Whether the other one is no news where this is known.
    pub(super) fn says_as_much_as(self, other: Self) -> bool {
        match other {
            Self::Cycle(class, scope) => self.covers(class, scope),
            other => self == other,
        }
    }

    /// The corner of the grid of cycles that this anomaly amounts to, if any: a
    /// model that forbids such cycles forbids it as well.
    pub(super) fn as_cycle(self) -> Option<(Class, Scope)> {
        match self {
            Self::Cycle(class, scope) => Some((class, scope)),
            // Without a version order a lost update is a write skew on one item.
            Self::LostUpdate => Some((Class::G2, Scope::Data)),
            // All of G1 goes where G1c goes (Adya, section 3.2.1). The last two show
            // effects of transactions that were undone.
            Self::G1a | Self::G1b | Self::IncompatibleOrder | Self::DirtyUpdate => {
                Some((Class::G1c, Scope::Data))
            }
            // Without the order of processes it may be none.
            Self::SessionCausalityViolation => Some((Class::GSingle, Scope::Process)),
            Self::Otv | Self::FracturedRead | Self::CausalityViolation => {
                Some((Class::GSingle, Scope::Data))
            }
            _ => None,
        }
    }

    /// What the original takes it for: to Elle a future read is T -wr-> T, no worse
    /// than any other cycle of reads.
    pub(super) fn in_the_original(self) -> Self {
        match self {
            Self::FutureRead => Self::Cycle(Class::G1c, Scope::Data),
            other => other,
        }
    }

    /// Whether it is bad whatever model was asked for, and rules none of them
    /// out: it is the protocol that was broken, or liveness.
    pub(super) fn is_beyond_models(self) -> bool {
        matches!(self, Self::ReplyMismatch | Self::MalformedReply | Self::DivergentFinalRead)
    }

    /// Whether it makes a verdict impossible instead of bad.
    pub(super) fn is_unknown(self) -> bool {
        matches!(self, Self::MalformedRequest | Self::DuplicateWrite | Self::EmptyTransactionGraph)
    }
}

/// The name in reports; the original's where it has one.
impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle(class, scope) => match scope.order() {
                Some(order) => write!(f, "{}-{order}", class.name()),
                None => f.write_str(class.name()),
            },
            Self::CycleExists(model) => write!(f, "{}-cycle-exists", model.adya_name()),
            other => other.serialize(f),
        }
    }
}

const KEPT: usize = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct Anomalies(BTreeMap<Anomaly, Cases>);

impl Anomalies {
    /// Counts a case, and has it made if it will be kept.
    pub(super) fn add(&mut self, anomaly: Anomaly, case: impl FnOnce() -> Case) {
        self.0.entry(anomaly).or_default().add(KEPT, 0, case);
    }

    pub(super) fn append(&mut self, other: Self) {
        for (anomaly, more) in other.0 {
            self.0.entry(anomaly).or_default().append(KEPT, more);
        }
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = Anomaly> + '_ {
        self.0.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Anomaly, &Cases)> + '_ {
        self.0.iter().map(|(&anomaly, cases)| (anomaly, cases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_originals() {
        let name = |class, scope| Anomaly::Cycle(class, scope).to_string();
        assert_eq!(name(Class::G0, Scope::Data), "G0");
        assert_eq!(name(Class::G1c, Scope::Process), "G1c-process");
        assert_eq!(name(Class::GNonadjacent, Scope::Realtime), "G-nonadjacent-item-realtime");
        assert_eq!(Anomaly::CycleExists(Model::ReadUncommitted).to_string(), "PL-1-cycle-exists");
    }

    #[test]
    fn a_cycle_makes_milder_ones_of_its_family_idle() {
        let found = Anomaly::Cycle(Class::GSingle, Scope::Data);
        assert!(found.covers(Class::G2, Scope::Realtime));
        assert!(found.covers(Class::GNonadjacent, Scope::Data));
        assert!(!found.covers(Class::G1c, Scope::Realtime));
        let found = Anomaly::Cycle(Class::G0, Scope::Process);
        assert!(found.covers(Class::G1c, Scope::Realtime));
        assert!(!found.covers(Class::G1c, Scope::Data));
        assert!(!found.covers(Class::GSingle, Scope::Process));
    }
}
