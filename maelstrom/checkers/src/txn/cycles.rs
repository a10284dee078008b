//! The search for cycles of dependencies.
//!
//! Every cycle lies within one strongly connected component of the graph. In
//! each of them the classes are looked for from the worst to the mildest, first
//! in the data alone, then with the help of the order of processes or of real
//! time; what a class already found implies is not looked for ([`Anomaly::covers`]).
//! That order makes each search simple, because whatever would spoil it was
//! excluded before:
//!
//! - G0, G1c: a ww (wr) arc and a shortest way back along ww (ww, wr) arcs.
//! - G-single: an rw step and a shortest way back along ww and wr arcs.
//! - G-nonadjacent: a walk in which no rw step follows another. Such walks are
//!   the paths of a graph in which a transaction stands twice, once for having
//!   been entered by an rw step, after which none may follow.
//! - G2: an rw step and a shortest way back along any arcs: a milder cycle is
//!   the only one left.
//!
//! With an order added, a cycle that does not need it has been found before, so
//! that the same searches do. All are linear in the component for each way back
//! tried, and how many are tried is capped. No verdict hangs on the cap: either
//! the first try succeeds, or a worse cycle of the same component was found that
//! every model forbids that forbids the one given up. Only a G-single where there
//! is no worse cycle can need many tries, and then all of them are made at once
//! (see `reach.rs`).
//!
//! How a single search goes stands in `search.rs`.

use super::anomaly::{Anomaly, Class};
use super::component::Component;
use super::dependency::Dependencies;
use super::naming::{Found, Strategy};
use super::numbers::Txn;
use super::original::{self, Original};
use super::relation::{Relation, Scope};
use super::search::CycleSearch;

/// All that can be found of cycles that lean on no more than `scope`.
pub(super) fn find(dependencies: &Dependencies, scope: Scope, strategy: Strategy) -> Vec<Found> {
    components(dependencies).iter().flat_map(|c| c.find(scope, strategy)).collect()
}

/// What the original finds of them, or all where it would take too long.
pub(super) fn find_as_the_original(
    dependencies: &Dependencies,
    scope: Scope,
    strategy: Strategy,
    op: &dyn Fn(Txn) -> u64,
) -> Vec<Found> {
    let original = Original { op, loops: dependencies.loops(), strategy };
    let find = |component: &Component| match original::search(component, &original) {
        Some(found) => found.into_iter().chain(component.causality_violation(strategy)).collect(),
        None => component.find(scope, strategy),
    };
    components(dependencies).iter().flat_map(find).collect()
}

/// The strongly connected components of several transactions.
fn components(dependencies: &Dependencies) -> Vec<Component> {
    let whole = dependencies.graph();
    let mut place = vec![u32::MAX; whole.len()];
    let mut components = Vec::new();
    for members in whole.components() {
        let transactions = members.partition_point(|&v| v < dependencies.transactions());
        if transactions > 1 {
            let graph = whole.among(&members, &mut place);
            components.push(Component { members, transactions, graph });
        }
    }
    components
}

impl Component {
    fn find(&self, scope: Scope, strategy: Strategy) -> Vec<Found> {
        let mut found = Vec::new();
        let mut covered: Vec<Anomaly> = Vec::new();
        let scopes = if scope == Scope::Data { vec![scope] } else { vec![Scope::Data, scope] };
        for scope in scopes {
            for class in Class::ALL {
                if covered.iter().any(|anomaly| anomaly.covers(class, scope)) {
                    continue;
                }
                let search = self.look_for(class, scope, strategy);
                if search.is_success() {
                    covered.push(Anomaly::Cycle(class, scope));
                }
                found.extend(search.report(self));
            }
            if scope == Scope::Data {
                found.extend(self.causality_violation(strategy));
            }
        }
        found
    }

    fn look_for(&self, class: Class, scope: Scope, strategy: Strategy) -> CycleSearch<'_> {
        let mut search = CycleSearch::new(self, class, scope, strategy);
        match class {
            Class::G0 => search.along(Relation::Ww),
            Class::G1c => search.along(Relation::Wr),
            Class::GSingle => search.single(),
            Class::GNonadjacent => search.nonadjacent(),
            Class::G2 => search.any_rw(),
        }
        search
    }

    /// A cycle of an rw step and wr arcs alone, more than two: a transaction
    /// missed the cause of an effect that it saw (WriteCOInitRead and
    /// WriteCORead in Bouajjani et al., "On Verifying Causal Consistency", POPL
    /// 2017). One of two is a fractured read.
    fn causality_violation(&self, strategy: Strategy) -> Option<Found> {
        let mut search = CycleSearch::new(self, Class::GSingle, Scope::Data, strategy);
        search.only_along(Relation::Wr);
        search.single();
        let steps = search.into_best().filter(|steps| steps.len() > 2)?;
        Some(Found::Cycle(Anomaly::CausalityViolation, self.steps_outside(&steps)))
    }
}

#[cfg(test)]
mod tests;
