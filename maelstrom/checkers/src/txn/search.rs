//! The search for one class of cycles in one component.
//!
//! A search goes through the arcs that a cycle can begin with, and looks for a
//! shortest way back from each. What it meets it names by the strongest relations,
//! and keeps the shortest of those that are what was wanted.

use super::anomaly::{Anomaly, Class};
use super::component::{Component, Start};
use super::dependency::Dependency;
use super::model::Model;
use super::naming::{Fit, Found, Step, Strategy, fit, name, simple_cycles};
use super::reach::{self, Question};
use super::relation::{Relation, Scope};
use crate::graph::{Digraph, Hop, Search};

/// Tries after which the shortest cycle found is good enough to be shown.
const SHORT_ENOUGH: usize = 32;

type Arc = (u32, u32, Dependency);

/// The search for one class in one component.
pub(super) struct CycleSearch<'a> {
    component: &'a Component,
    wanted: (Class, Scope),
    strategy: Strategy,
    /// The relations of a way back, apart from rw.
    relations: Vec<Relation>,
    tries: usize,
    /// How the first cycle that was met fitted.
    first: Option<Fit>,
    /// The shortest cycle that is what was wanted.
    best: Option<Vec<Step>>,
    /// The first one that has a worse name by its strongest relations.
    worse: Option<Vec<Step>>,
    /// The first one that has some other name by them.
    other: Option<Vec<Step>>,
}

impl<'a> CycleSearch<'a> {
    pub(super) fn new(
        component: &'a Component,
        class: Class,
        scope: Scope,
        strategy: Strategy,
    ) -> Self {
        let mut relations = vec![Relation::Ww];
        if class > Class::G0 {
            relations.push(Relation::Wr);
        }
        relations.extend(scope.order());
        Self {
            component,
            wanted: (class, scope),
            strategy,
            relations,
            tries: 0,
            first: None,
            best: None,
            worse: None,
            other: None,
        }
    }

    /// Lets ways back take this relation alone.
    pub(super) fn only_along(&mut self, relation: Relation) {
        self.relations = vec![relation];
    }

    pub(super) fn into_best(self) -> Option<Vec<Step>> {
        self.best
    }

    /// The component with the arcs of a way back.
    fn way_back(&self) -> Digraph<Dependency> {
        let takes = |label: Dependency| {
            self.relations.contains(&label.relation) && label.scope() <= self.wanted.1
        };
        self.component.graph.filter(takes)
    }

    /// Cycles through arcs of one relation that a way back may take as well.
    pub(super) fn along(&mut self, relation: Relation) {
        let graph = self.way_back();
        let number = graph.component_numbers();
        let is_inner = |&(from, to, label): &Arc| {
            label.relation == relation && number[from as usize] == number[to as usize]
        };
        let inner = graph.arcs().filter(is_inner);
        self.close_first(
            &graph,
            inner.map(|(from, to, label)| Start { from, to: vec![(to, label)] }),
        );
    }

    /// Cycles of one rw step and a way back without any.
    pub(super) fn single(&mut self) {
        let graph = self.way_back();
        let doubled = self.doubled();
        let number = doubled.component_numbers();
        let is_inner =
            |&(from, to, _): &Arc| number[from as usize] == number[self.entered(to) as usize];
        let component = self.component;
        let inner: Vec<Arc> = component.anti_dependencies(self.wanted.1).filter(is_inner).collect();
        self.close_first(&graph, inner.iter().map(|&arc| component.start(arc)));
        let gave_up = inner.len() > self.tries && self.best.is_none();
        if gave_up && graph.components().is_empty() {
            self.single_of_all(&graph, inner);
        }
    }

    /// Tries all rw steps at once: does what they lead to reach who they come
    /// from?
    fn single_of_all(&mut self, graph: &Digraph<Dependency>, mut arcs: Vec<Arc>) {
        arcs.sort_by_key(|&(_, to, _)| to);
        let question = |of_one: &[Arc]| Question {
            from: self.component.entries(of_one[0].1),
            to: of_one.iter().map(|&(from, _, _)| from).collect(),
        };
        let by_target: Vec<_> = arcs.chunk_by(|a, b| a.1 == b.1).collect();
        let questions: Vec<Question> = by_target.iter().map(|of_one| question(of_one)).collect();
        let Some((i, reader)) = reach::first_yes(graph, &questions) else { return };
        if let Some(&arc) = by_target[i].iter().find(|arc| arc.0 == reader) {
            let start = self.component.start(arc);
            self.close(graph, &mut Search::new(graph.len()), &start);
        }
    }

    /// Closed walks without two rw steps in a row.
    pub(super) fn nonadjacent(&mut self) {
        let doubled = self.doubled();
        let number = doubled.component_numbers();
        let mut search = Search::new(doubled.len());
        let arcs: Vec<_> = self.component.anti_dependencies(self.wanted.1).collect();
        for (from, to, label) in arcs {
            let to = self.entered(to);
            if number[from as usize] != number[to as usize] {
                continue;
            }
            self.tries += 1;
            if let Some(path) = search.path(&doubled, &[to], |v| v == from) {
                let start = Hop { from, to, label };
                let walk = self.steps([start].into_iter().chain(path));
                simple_cycles(&walk).into_iter().for_each(|cycle| self.keep(cycle));
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// Cycles of an rw step and any way back.
    pub(super) fn any_rw(&mut self) {
        self.relations.push(Relation::Rw);
        let graph = self.way_back();
        let number = graph.component_numbers();
        let is_inner = |from: u32, to: u32| number[from as usize] == number[to as usize];
        let component = self.component;
        let inner = component.anti_dependencies(self.wanted.1).filter(|arc| is_inner(arc.0, arc.1));
        let starts = inner.map(|arc| {
            let mut start = component.start(arc);
            // The others do not lead back, a state's loop to its reader neither.
            start.to.retain(|&(to, _)| is_inner(start.from, to));
            start
        });
        self.close_first(&graph, starts.filter(|start| !start.to.is_empty()));
    }

    /// Closes cycles until enough were tried.
    fn close_first(&mut self, graph: &Digraph<Dependency>, starts: impl Iterator<Item = Start>) {
        let mut search = Search::new(graph.len());
        for start in starts {
            self.close(graph, &mut search, &start);
            if self.is_over() {
                return;
            }
        }
    }

    /// Each transaction twice: as itself, and (see [`CycleSearch::entered`]) as entered
    /// by an rw step, which no other rw step may follow.
    fn doubled(&self) -> Digraph<Dependency> {
        let transactions = self.component.transactions as u32;
        let mut arcs = Vec::new();
        let is_in_scope = |label: Dependency| label.scope() <= self.wanted.1;
        for (from, to, label) in self.component.graph.arcs().filter(|arc| is_in_scope(arc.2)) {
            if label.relation == Relation::Rw {
                let from = if from < transactions { from } else { self.entered(from) };
                arcs.push((from, self.entered(to), label));
            } else if self.relations.contains(&label.relation) {
                arcs.push((from, to, label));
                arcs.push((self.entered(from), to, label));
            }
        }
        Digraph::new(self.component.graph.len() + transactions as usize, &arcs)
    }

    /// A vertex of the doubled graph: the second copy of a transaction, the only
    /// one of a state.
    fn entered(&self, vertex: u32) -> u32 {
        vertex + self.component.transactions as u32
    }

    /// A path of the doubled graph as steps between transactions.
    fn steps(&self, path: impl Iterator<Item = Hop<Dependency>>) -> Vec<Step> {
        let n = self.component.transactions as u32;
        let single = |v: u32| if v < n { v } else { v - n };
        let path = path.map(|hop| Hop { from: single(hop.from), to: single(hop.to), ..hop });
        self.without_states(path)
    }

    /// Two arcs through a state are one step.
    fn without_states(&self, path: impl Iterator<Item = Hop<Dependency>>) -> Vec<Step> {
        let is_transaction = |v: u32| (v as usize) < self.component.transactions;
        let mut steps: Vec<Step> = Vec::new();
        let mut reader = None;
        for hop in path {
            if is_transaction(hop.to) {
                let from = reader.take().unwrap_or(hop.from);
                steps.push(Step { from, to: hop.to, dependency: hop.label });
            } else {
                reader = Some(hop.from);
            }
        }
        steps
    }

    /// Keeps the shortest cycle that begins like this, if it is what was wanted.
    fn close(
        &mut self,
        graph: &Digraph<Dependency>,
        search: &mut Search<Dependency>,
        start: &Start,
    ) {
        self.tries += 1;
        let sources: Vec<u32> = start.to.iter().map(|&(to, _)| to).collect();
        let Some(path) = search.path(graph, &sources, |v| v == start.from) else { return };
        let to = path.first().map_or(start.from, |hop| hop.from);
        let Some(&(to, dependency)) = start.to.iter().find(|&&(v, _)| v == to) else { return };
        let mut steps = vec![Step { from: start.from, to, dependency }];
        steps.extend(self.without_states(path.into_iter()));
        self.keep(steps);
    }

    /// Remembers a cycle by how well it fits, if it is what was looked for by the
    /// relations that it came along.
    fn keep(&mut self, steps: Vec<Step>) {
        if name(&steps) != self.wanted {
            return;
        }
        let strengthen = |step: &Step| {
            let strongest = self.component.strongest(step.from, step.to, self.strategy);
            Step { dependency: strongest.unwrap_or(step.dependency), ..*step }
        };
        let strongest: Vec<Step> = steps.iter().map(strengthen).collect();
        let fit = fit(name(&strongest), self.wanted);
        self.first.get_or_insert(fit);
        match fit {
            Fit::Exact if self.best.as_ref().is_none_or(|best| steps.len() < best.len()) => {
                self.best = Some(steps);
            }
            Fit::Exact => {}
            Fit::Worse => {
                self.worse.get_or_insert(strongest);
            }
            Fit::Other if self.strategy.says_exists => {
                self.other.get_or_insert(strongest);
            }
            Fit::Other => {
                self.other.get_or_insert(steps);
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_short = |steps: &Vec<Step>| steps.len() == 2 || self.tries >= SHORT_ENOUGH;
        self.best.as_ref().is_some_and(is_short) || self.tries >= self.strategy.tries
    }

    /// Whether something was found that makes milder searches idle. The original
    /// looks only at the first cycle that it meets, if there are anti-dependencies
    /// in it; where that has another name, it goes on to the milder ones.
    pub(super) fn is_success(&self) -> bool {
        let is_found = self.best.is_some() || self.other.is_some();
        match (self.strategy.says_exists, self.wanted.0.has_anti_dependency()) {
            (false, _) => is_found,
            (true, true) => self.first == Some(Fit::Exact),
            (true, false) => is_found || self.worse.is_some(),
        }
    }

    pub(super) fn report(self, component: &Component) -> Vec<Found> {
        let cycle = |steps: &[Step], (class, scope)| {
            Found::Cycle(Anomaly::Cycle(class, scope), component.steps_outside(steps))
        };
        if let Some(steps) = self.best {
            return vec![cycle(&steps, self.wanted)];
        }
        if !self.strategy.says_exists {
            // By the relations it came along, it is what was looked for.
            return self.other.iter().map(|steps| cycle(steps, self.wanted)).collect();
        }
        let Some(steps) = self.other.or(self.worse) else { return Vec::new() };
        let model = Model::ruled_out_by(self.wanted.0, self.wanted.1);
        let members = component.members[..component.transactions].to_vec();
        let mut found = vec![Found::Exists(model, members)];
        if !self.wanted.0.has_anti_dependency() {
            found.push(cycle(&steps, name(&steps)));
        }
        found
    }
}
