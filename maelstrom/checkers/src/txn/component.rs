//! One strongly connected component of the graph of dependencies.

use super::dependency::Dependency;
use super::naming::{Step, Strategy};
use super::relation::{Relation, Scope};
use crate::graph::Digraph;

/// One strongly connected component, its vertices numbered from 0, transactions
/// before states.
pub(super) struct Component {
    pub(super) members: Vec<u32>,
    pub(super) transactions: usize,
    pub(super) graph: Digraph<Dependency>,
}

/// An arc to begin a cycle with, and where it can lead.
pub(super) struct Start {
    pub(super) from: u32,
    pub(super) to: Vec<(u32, Dependency)>,
}

impl Component {
    /// The rw steps, by the arcs that leave readers.
    pub(super) fn anti_dependencies(
        &self,
        scope: Scope,
    ) -> impl Iterator<Item = (u32, u32, Dependency)> + '_ {
        let is_transaction = |v: u32| (v as usize) < self.transactions;
        let is_rw =
            move |label: Dependency| label.relation == Relation::Rw && label.scope() <= scope;
        self.graph.arcs().filter(move |&(from, _, label)| is_transaction(from) && is_rw(label))
    }

    /// Where the rw arc to `to`, which may be a state, leads.
    pub(super) fn start(&self, (from, to, label): (u32, u32, Dependency)) -> Start {
        let mut start = Start { from, to: vec![(to, label)] };
        if to as usize >= self.transactions {
            let writers = self.graph.arcs_from(to).iter().filter(|arc| arc.to != from);
            start.to = writers.map(|arc| (arc.to, arc.label)).collect();
        }
        start
    }

    /// The transactions that an rw arc to `to`, which may be a state, leads to.
    pub(super) fn entries(&self, to: u32) -> Vec<u32> {
        if (to as usize) < self.transactions {
            return vec![to];
        }
        self.graph.arcs_from(to).iter().map(|arc| arc.to).collect()
    }

    pub(super) fn strongest(&self, from: u32, to: u32, strategy: Strategy) -> Option<Dependency> {
        let mut found: Vec<Dependency> = Vec::new();
        for arc in self.graph.arcs_from(from) {
            if arc.to == to {
                found.push(arc.label);
            } else if arc.to as usize >= self.transactions {
                let writers = self.graph.arcs_from(arc.to);
                found.extend(writers.iter().filter(|arc| arc.to == to).map(|arc| arc.label));
            }
        }
        found.into_iter().min_by_key(|&dependency| strategy.rank(dependency))
    }

    pub(super) fn steps_outside(&self, steps: &[Step]) -> Vec<Step> {
        let outside = |v: u32| self.members[v as usize];
        let step = |s: &Step| Step { from: outside(s.from), to: outside(s.to), ..*s };
        steps.iter().map(step).collect()
    }
}
