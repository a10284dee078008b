//! Consistency models: their names, which of them include which, and what each
//! forbids.
//!
//! A model forbids what its own definition forbids and what every weaker model
//! that it includes forbids. Cycles are forbidden by the corner: everything as
//! bad as some class within some scope. The inclusions are those of Adya ("Weak
//! Consistency", 1999), Bailis et al. ("Highly Available Transactions", VLDB
//! 2014), Cerone, Bernardi and Gotsman (CONCUR 2015) and Daudjee and Salem
//! ("Lazy Database Replication with Snapshot Isolation", VLDB 2006), as
//! <https://jepsen.io/consistency> and Elle draw them.
//!
//! Only models of transactions stand here. The original also takes names such
//! as `linearizable`, of which its transactional checkers forbid nothing, so that every
//! history would pass. It takes `causal` likewise; here that is causal consistency
//! with sessions.

use std::fmt;
use std::str::FromStr;

use Model::*;

use super::anomaly::{Anomaly, Class};
use super::relation::Scope;

/// A consistency model.
#[expect(missing_docs, reason = "the names are the documentation; see the table `FACTS`")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Model {
    ReadUncommitted,
    StrongSessionReadUncommitted,
    StrongReadUncommitted,
    ReadCommitted,
    StrongSessionReadCommitted,
    StrongReadCommitted,
    CursorStability,
    MonotonicView,
    MonotonicSnapshotRead,
    MonotonicAtomicView,
    ReadAtomic,
    UpdateAtomic,
    CausalCerone,
    Causal,
    Prefix,
    ParallelSnapshotIsolation,
    ConsistentView,
    ForwardConsistentView,
    RepeatableRead,
    UpdateSerializable,
    SnapshotIsolation,
    StrongSessionSnapshotIsolation,
    StrongSnapshotIsolation,
    Serializable,
    StrongSessionSerializable,
    StrictSerializable,
}

struct Facts {
    model: Model,
    /// As reports and the command line call it.
    name: &'static str,
    /// Other names, Adya's first.
    aliases: &'static [&'static str],
    /// The models next below it.
    includes: &'static [Model],
    /// The corner of the grid of cycles that it forbids itself.
    cycles: Option<(Class, Scope)>,
    /// What else it forbids itself.
    others: &'static [Anomaly],
}

const fn facts(
    model: Model,
    name: &'static str,
    aliases: &'static [&'static str],
    includes: &'static [Model],
    cycles: Option<(Class, Scope)>,
    others: &'static [Anomaly],
) -> Facts {
    Facts { model, name, aliases, includes, cycles, others }
}

const fn up_to(class: Class, scope: Scope) -> Option<(Class, Scope)> {
    Some((class, scope))
}

/// In the order of the enumeration.
#[rustfmt::skip]
static FACTS: [Facts; 26] = {
    use Anomaly::{CausalityViolation, CyclicVersions, DuplicateElements, FracturedRead, FutureRead, GarbageRead, Internal, LostUpdate, Otv, OverwrittenOwnRead, SessionCausalityViolation};
    use Class::{G0, G1c, GNonadjacent, GSingle, G2};
    use Scope::{Data, Process, Realtime};
    [
        facts(ReadUncommitted, "read-uncommitted", &["PL-1"], &[],
            // Version orders are total, every version has a writer, and only one. A
            // transaction's operations happen in its order, whatever it sees of others.
            up_to(G0, Data), &[DuplicateElements, CyclicVersions, GarbageRead, FutureRead, OverwrittenOwnRead]),
        facts(StrongSessionReadUncommitted, "strong-session-read-uncommitted", &["strong-session-PL-1"],
            &[ReadUncommitted], up_to(G0, Process), &[]),
        facts(StrongReadUncommitted, "strong-read-uncommitted", &["strong-PL-1"],
            &[StrongSessionReadUncommitted], up_to(G0, Realtime), &[]),
        facts(ReadCommitted, "read-committed", &["PL-2"],
            &[ReadUncommitted], up_to(G1c, Data), &[]),
        facts(StrongSessionReadCommitted, "strong-session-read-committed", &["strong-session-PL-2"],
            &[ReadCommitted, StrongSessionReadUncommitted], up_to(G1c, Process), &[]),
        facts(StrongReadCommitted, "strong-read-committed", &["strong-PL-2"],
            &[StrongSessionReadCommitted, StrongReadUncommitted], up_to(G1c, Realtime), &[]),
        facts(CursorStability, "cursor-stability", &["PL-CS"],
            &[ReadCommitted], None, &[LostUpdate]),
        facts(MonotonicView, "monotonic-view", &["PL-2L"],
            &[ReadCommitted], None, &[]),
        facts(MonotonicSnapshotRead, "monotonic-snapshot-read", &["PL-MSR"],
            &[ReadCommitted], None, &[]),
        facts(MonotonicAtomicView, "monotonic-atomic-view", &[],
            &[ReadCommitted], None, &[Otv]),
        facts(ReadAtomic, "read-atomic", &[],
            &[MonotonicAtomicView], None, &[Internal, FracturedRead]),
        facts(UpdateAtomic, "update-atomic", &[],
            &[ReadAtomic], None, &[LostUpdate]),
        facts(CausalCerone, "causal-cerone", &[],
            &[ReadAtomic], None, &[CausalityViolation]),
        // With sessions, as in causal memory (Ahamad et al., 1995).
        facts(Causal, "causal", &["strong-session-causal"],
            &[CausalCerone, StrongSessionReadCommitted], None, &[SessionCausalityViolation]),
        facts(Prefix, "prefix", &[],
            &[CausalCerone], None, &[]),
        facts(ParallelSnapshotIsolation, "parallel-snapshot-isolation", &[],
            &[CausalCerone, UpdateAtomic], None, &[]),
        facts(ConsistentView, "consistent-view", &["PL-2+"],
            &[CursorStability, MonotonicView], up_to(GSingle, Data), &[]),
        facts(ForwardConsistentView, "forward-consistent-view", &["PL-FCV"],
            &[ConsistentView], None, &[]),
        facts(RepeatableRead, "repeatable-read", &["PL-2.99"],
            &[CursorStability, MonotonicAtomicView], up_to(G2, Data), &[LostUpdate]),
        facts(UpdateSerializable, "update-serializable", &["PL-3U"],
            &[ForwardConsistentView], None, &[]),
        facts(SnapshotIsolation, "snapshot-isolation", &["PL-SI"],
            &[ForwardConsistentView, MonotonicAtomicView, MonotonicSnapshotRead, ParallelSnapshotIsolation, Prefix],
            up_to(GNonadjacent, Data), &[Internal]),
        facts(StrongSessionSnapshotIsolation, "strong-session-snapshot-isolation", &[],
            &[SnapshotIsolation, Causal], up_to(GNonadjacent, Process), &[]),
        facts(StrongSnapshotIsolation, "strong-snapshot-isolation", &[],
            &[StrongSessionSnapshotIsolation, StrongReadCommitted], up_to(GNonadjacent, Realtime), &[]),
        facts(Serializable, "serializable", &["PL-3", "conflict-serializable"],
            &[RepeatableRead, UpdateSerializable, SnapshotIsolation], up_to(G2, Data), &[]),
        facts(StrongSessionSerializable, "strong-session-serializable", &[],
            &[Serializable, StrongSessionSnapshotIsolation], up_to(G2, Process), &[]),
        // The original prints `strong-serializable` for it.
        facts(StrictSerializable, "strong-serializable", &["PL-SS", "strict-serializable"],
            &[StrongSessionSerializable, StrongSnapshotIsolation], up_to(G2, Realtime), &[]),
    ]
};

impl Model {
    /// All models, weaker ones before those that include them.
    pub fn all() -> impl Iterator<Item = Self> {
        FACTS.iter().map(|facts| facts.model)
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Adya's name, where he has one, for the names of anomalies.
    pub(super) fn adya_name(self) -> &'static str {
        let facts = self.facts();
        facts.aliases.first().copied().unwrap_or(facts.name)
    }

    /// This model and all that it includes, weaker ones first.
    pub fn included(self) -> Vec<Self> {
        // A model stands behind those that it includes, so one pass downwards
        // over the table reaches everything.
        let mut is_included = [false; FACTS.len()];
        is_included[self as usize] = true;
        for facts in FACTS.iter().rev().filter(|facts| facts.model <= self) {
            if is_included[facts.model as usize] {
                facts.includes.iter().for_each(|&weaker| is_included[weaker as usize] = true);
            }
        }
        Self::all().filter(|&model| is_included[model as usize]).collect()
    }

    /// Whether a history with this anomaly cannot have this model.
    pub fn forbids(self, anomaly: Anomaly) -> bool {
        self.included().into_iter().any(|model| model.forbids_itself(anomaly))
    }

    /// The widest scope in which this model forbids cycles.
    pub(super) fn scope(self) -> Scope {
        let scopes = self.included().into_iter().filter_map(|model| model.facts().cycles);
        scopes.map(|(_, scope)| scope).max().unwrap_or(Scope::Data)
    }

    /// The weakest model that cycles of this kind rule out by their corner alone. The
    /// original knows none for a single anti-dependency.
    pub(super) fn ruled_out_by(class: Class, scope: Scope) -> Self {
        let class = if class == Class::GSingle { Class::GNonadjacent } else { class };
        let is_it = |facts: &&Facts| facts.cycles == Some((class, scope));
        FACTS.iter().find(is_it).map_or(StrictSerializable, |facts| facts.model)
    }

    fn forbids_itself(self, anomaly: Anomaly) -> bool {
        let facts = self.facts();
        let in_corner =
            |(class, scope)| facts.cycles.is_some_and(|(c, s)| class <= c && scope <= s);
        facts.others.contains(&anomaly)
            || anomaly.as_cycle().is_some_and(in_corner)
            || anomaly == Anomaly::CycleExists(self)
    }

    fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no model of transactions.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no consistency model {name:?} for transactions; known are {}", known_names())]
pub struct UnknownModel {
    name: String,
}

fn known_names() -> String {
    let names = FACTS.iter().map(|facts| match facts.model {
        StrictSerializable => "strict-serializable",
        _ => facts.name,
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Takes every name and alias; case matters only where Adya's names have it.
impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, UnknownModel> {
        let is_it = |facts: &&Facts| {
            facts.name == name || facts.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
        };
        let found = FACTS.iter().find(is_it).map(|facts| facts.model);
        found.ok_or_else(|| UnknownModel { name: name.to_owned() })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boundary {
    /// The weakest of them: each model that includes one of these is ruled out.
    pub not: Vec<Model>,
    /// The others.
    pub also_not: Vec<Model>,
}

impl Boundary {
    pub(super) fn of(anomalies: &[Anomaly]) -> Self {
        let is_impossible = |model: Model| anomalies.iter().any(|&a| model.forbids(a));
        let impossible: Vec<Model> = Model::all().filter(|&m| is_impossible(m)).collect();
        let is_weakest = |model: Model| {
            !model.included().iter().any(|&weaker| weaker != model && impossible.contains(&weaker))
        };
        let (mut not, mut also_not): (Vec<Model>, Vec<Model>) =
            impossible.iter().partition(|&&model| is_weakest(model));
        not.sort_by_key(|model| model.name());
        // The original's lists have no such model.
        also_not.retain(|&model| model != Causal);
        also_not.sort_by_key(|model| model.name());
        Self { not, also_not }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enumeration_and_includes_only_what_stands_before() {
        for (i, facts) in FACTS.iter().enumerate() {
            assert_eq!(facts.model as usize, i);
            assert!(facts.includes.iter().all(|&weaker| weaker < facts.model), "{}", facts.name);
        }
    }

    #[test]
    fn every_name_and_alias_is_understood_and_a_foreign_one_is_answered_with_the_list() {
        for facts in &FACTS {
            for name in facts.aliases.iter().chain([&facts.name]) {
                assert_eq!(name.parse::<Model>().unwrap(), facts.model);
            }
        }
        let error = "linearizable".parse::<Model>().unwrap_err().to_string();
        assert!(error.contains("linearizable") && error.contains("strict-serializable"), "{error}");
    }

    #[test]
    fn a_stronger_model_forbids_all_that_a_weaker_one_forbids() {
        let cycles = Class::ALL.into_iter().flat_map(|class| {
            [Scope::Data, Scope::Process, Scope::Realtime].map(|s| Anomaly::Cycle(class, s))
        });
        for anomaly in cycles.chain([Anomaly::Internal, Anomaly::LostUpdate, Anomaly::G1a]) {
            for model in Model::all().filter(|m| m.forbids(anomaly)) {
                let mut stronger = Model::all().filter(|m| m.included().contains(&model));
                assert!(stronger.all(|m| m.forbids(anomaly)), "{anomaly} {model}");
            }
        }
        assert!(Model::all().all(|m| StrictSerializable.included().contains(&m)));
    }

    #[test]
    fn a_cycle_rules_out_a_model_that_forbids_it() {
        for class in Class::ALL {
            for scope in [Scope::Data, Scope::Process, Scope::Realtime] {
                let model = Model::ruled_out_by(class, scope);
                assert!(model.forbids(Anomaly::Cycle(class, scope)), "{class:?} {scope:?}");
            }
        }
        assert_eq!(Model::ruled_out_by(Class::G2, Scope::Data), RepeatableRead);
        assert_eq!(Model::ruled_out_by(Class::GSingle, Scope::Data), SnapshotIsolation);
    }

    #[test]
    fn a_write_skew_passes_snapshot_isolation_and_a_long_fork_does_not() {
        let skew = Anomaly::Cycle(Class::G2, Scope::Data);
        let fork = Anomaly::Cycle(Class::GNonadjacent, Scope::Data);
        assert!(!SnapshotIsolation.forbids(skew) && Serializable.forbids(skew));
        assert!(SnapshotIsolation.forbids(fork) && !ParallelSnapshotIsolation.forbids(fork));
    }

    #[test]
    fn the_boundary_names_the_weakest_models() {
        let names = |anomaly| -> Vec<&str> {
            Boundary::of(&[anomaly]).not.iter().map(|model| model.name()).collect()
        };
        let single = Anomaly::Cycle(Class::GSingle, Scope::Data);
        assert_eq!(names(single), ["consistent-view", "repeatable-read"]);
        let stale = Anomaly::Cycle(Class::GSingle, Scope::Realtime);
        assert_eq!(names(stale), ["strong-snapshot-isolation"]);
        assert_eq!(names(Anomaly::G1a), ["read-committed"]);
        assert!(names(Anomaly::EmptyTransactionGraph).is_empty());
    }
}
